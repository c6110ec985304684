"""A report and its signatures as a document: what stands in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from medagent.attestation.report import ADJUDICABLE, Report
from medagent.attestation.signed import Signed
from medagent.audit.render import conduct, identifiers, opening, people
from medagent.audit.render.agent import agent
from medagent.audit.render.document import Block, Document, Section
from medagent.audit.render.legal import legal
from medagent.audit.render.wording import day, short
from medagent.errors import SignatureError
from medagent.proof import digest

_SECTIONS: tuple[tuple[str, str, Callable[[Report, Signed], Iterator[Block]]], ...] = (
    ("verdict", "Verdict and criteria", opening.verdict),
    ("legal", "Legal status and processors", legal),
    ("scope", "Scope", opening.scope),
    ("system", "System and versions", opening.system),
    ("policy", "Policy", opening.policy),
    ("agent", "The agent and its tools", agent),
    ("identifiers", "The 18 identifiers", identifiers.matrix),
    ("fields", "Field inventory", identifiers.inventory),
    ("scan", "Automatic scan", identifiers.scan),
    ("planted", "Planted identifiers", identifiers.planted),
    ("second-reader", "Second reader", identifiers.second_reader),
    ("latency", "Overhead and latency", conduct.latency),
    ("drop", "Span drop", conduct.delivery),
    ("alerts", "Alert drill", conduct.alerts),
    ("switch", "Kill-switch drill", conduct.switch),
    ("integrity", "Integrity", conduct.integrity),
    ("sample", "Sample, reviewers and bounds", people.sample),
    ("deviations", "Deviations", people.deviations),
    ("limits", "What this does not prove", people.limits),
    ("sign-offs", "Sign-offs", people.sign_offs),
    ("custody", "Retention and custody", people.custody),
)
_APPENDIX: tuple[tuple[str, str, Callable[[Report, Signed], Iterator[Block]]], ...] = (
    ("digests", "Digests in full", people.digests),
    ("libraries", "Libraries", people.libraries),
    ("verify", "How to check this report offline", people.offline),
)
_FRESH = {"identifiers", "planted", "digests"}
"""Sections whose table fills most of a page."""


def document(report: Report, signed: Signed, *, example: bool = False) -> Document:
    """Every word and figure of the pages; raises `SignatureError` on a GO that the report itself does not support.

    With `example` they are marked as one although the report was not run as one; a GO is then not shown either.
    """
    example = example or report.run.example
    _supported(report, signed, example=example)
    made = tuple(
        Section(anchor=anchor, number=number, title=title, fresh=anchor in _FRESH, blocks=tuple(blocks(report, signed)))
        for number, (anchor, title, blocks) in (
            *((str(n), each) for n, each in enumerate(_sections(report), start=1)),
            *zip("ABC", _APPENDIX, strict=True),
        )
    )
    run = report.run
    return Document(
        title=("Example of an audit report" if example else "Audit report")
        if not run.rehearsal
        else "Rehearsal of the audit",
        subtitle="medagent: what a clinic's phone agent sends out of each call, held against its policy",
        date=day(run.ended_at),
        mark=f"{run.run_id} · {_mark(report, signed)}",
        example="EXAMPLE" if example else "",
        cover=opening.cover(report, signed, example=example),
        sections=made,
    )


def _sections(report: Report) -> list[tuple[str, str, Callable[[Report, Signed], Iterator[Block]]]]:
    """The numbered sections; without one on an agent where the packaged receptionist was played."""
    return [each for each in _SECTIONS if each[0] != "agent" or report.agent is not None]


def _mark(report: Report, signed: Signed) -> str:
    if signed.statement_sha256 is not None:
        return f"statement {short(signed.statement_sha256)}"
    return f"unsigned report {short(digest(report.model_dump(mode='json')))}"


def _supported(report: Report, signed: Signed, *, example: bool) -> None:
    """Who computes a conclusion checks far more; a page that is read instead of the record must not contradict it."""
    failed = [one.name for one in report.criteria if one.judged and not one.passed]
    if signed.adjudications:
        failed = [name for name in failed if name != ADJUDICABLE]
    against = failed or report.scan.findings or report.unclassified or report.trips_switch
    if signed.conclusion == "GO" and (against or signed.missing or signed.why or report.run.rehearsal or example):
        raise SignatureError("a GO that the report or its signatures do not support is not shown as one")
    if signed.conclusion == "CLEAN" and (against or report.verdict != "CLEAN"):
        raise SignatureError("a rehearsal that is not clean is not shown as clean")
