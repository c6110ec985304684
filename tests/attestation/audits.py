"""A whole audit for tests: an invented report, real sheets, real keys, real signatures, real files."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from uuid import UUID

from audit.report_parts import processor
from audit.reports import report as invented
from medagent.attestation.bundle import Bundle
from medagent.attestation.legal import LOCAL, VOICE_PATH
from medagent.attestation.minimum import AGENT_CRITERIA
from medagent.attestation.officers import Officer, Officers, shipped_protocols
from medagent.attestation.person_key import PersonKey
from medagent.attestation.report import AgentAudit, AgentField, AgentFile, AgentTool, Criterion, Report
from medagent.attestation.sealed_review import SealedReview, commitment
from medagent.attestation.statements import (
    AdjudicationSaid,
    LedgerReceipt,
    Opening,
    ReviewSaid,
    SealedReviewSaid,
    SignOffSaid,
    Statement,
    TraceRead,
    said_statement,
)
from medagent.attestation.verify import VerifiedReport, verify
from medagent.audit.review import Sampled, Worksheet, sample
from medagent.audit.shaped_leaks import Leaks
from medagent.proof import SigningKey
from medagent.proof.dsse import Envelope, sign
from medagent.runtime import installed
from medagent.runtime.binding import binding
from medagent.settings import Settings
from packaged import packaged_policy
from spans import call

MACHINE = SigningKey.from_seed(b"m" * 32)
NOW = datetime.now(UTC)
HOST = SigningKey.from_seed(b"h" * 32)
SECRET = {"MEDAGENT_SIGNING_KEY": (b"h" * 32).hex(), "MEDAGENT_PSEUDONYM_KEY": "ab" * 32}
LEAKS = Leaks(surnames=("Brandvold", "Szymanski", "Kjeltorvan"), births=(date(1962, 4, 17), date(1948, 9, 3)))
POLICY = packaged_policy()
PEOPLE = {"Theo Brandt": "reviewer", "Noor Haddad": "reviewer", "Ines Calder": "sign_off"}
KEYS = {name: PersonKey.new() for name in (*PEOPLE, "Omar Nobody")}
_at_us = iter(range(10**9))


def later() -> datetime:
    """A moment of the hour before now, each later than the one before."""
    return NOW - timedelta(hours=1) + timedelta(microseconds=next(_at_us))


def officer(name: str, *roles: str, key: SigningKey | None = None, **changes: Any) -> Officer:
    about = {
        "name": name,
        "roles": roles or (PEOPLE[name],),
        "public_key": (key or KEYS[name].signing).public.pem,
        "annex_key": KEYS[name].annex_pem,
        "valid_from": date(2026, 1, 1),
        "valid_until": NOW.date() + timedelta(days=300),
    }
    return Officer.model_validate(about | changes)


LIST = Officers(all=tuple(officer(name) for name in PEOPLE))


def pin(directory: Path, listed: Officers = LIST) -> Path:
    """The list as files."""
    directory.mkdir(parents=True, exist_ok=True)
    for number, one in enumerate(listed.all):
        (directory / f"{number}.json").write_text(one.model_dump_json())
    return directory


@dataclass(kw_only=True)
class Audit:
    """A report over sampled calls, and the statements that people make of it one after the other."""

    report: Report
    sampled: Sampled
    bundle: Bundle
    listed: Officers = LIST
    files: Mapping[str, bytes] = field(default_factory=dict)
    key: SigningKey = MACHINE
    """The installation's, which signs the receipts too."""

    @cached_property
    def planted(self) -> dict[str, tuple[str, ...]]:
        return {one.trace_id: one.planted for one in self.sampled.openings}

    def reviewed(self, name: str, answers: Mapping[str, Sequence[str]] | None = None, **changes: Any) -> Audit:
        """A review: by itself of somebody who finds exactly what was planted."""
        found = self.planted | dict(answers or {})
        said = ReviewSaid(
            reviewer=changes.get("says", name),
            at=changes.get("at", later()),
            traces=tuple(
                TraceRead(
                    trace_id=one.trace_id,
                    worksheet_sha256=one.sha256,
                    verdict="leak" if found[one.trace_id] else "clean",
                    paths=tuple(found[one.trace_id]),
                    seconds=40,
                    free_text_ms=(changes.get("free_ms", 2_500),) * (one.free_texts or 0),
                    other_ms=(changes.get("other_ms", 700),) * (one.other_texts or 0),
                )
                for one in self.report.sample.traces[changes.get("skip", 0) :]
            ),
        )
        over = changes.get("over", {"report": self.bundle.report_sha256})
        review = self._signed(said, over, name)
        if not changes.get("sealed", True):
            return self.adding(review=review)
        return self.with_sealed(self.sealed(said, review, over, name)).adding(review=review)

    def sealed(self, said: ReviewSaid, review: Envelope, over: dict[str, str], name: str) -> SealedReview:
        """A review as it was sealed, recorded by the installation, and opened; the ciphertext is of no use here."""
        salt = secrets.token_hex(32)
        about = SealedReviewSaid(
            reviewer=said.reviewer, at=said.at, commitment=commitment(review, salt), sealed={"0" * 16: "AAAA"}
        )
        made = SealedReview(envelope=self._signed(about, over, name), salt=salt)
        receipt = LedgerReceipt(sealed_review=made.sha256, sequence=7, entry="0" * 64, at=said.at)
        return replace(made, receipt=sign(said_statement(receipt, over), self.key))

    def with_sealed(self, one: SealedReview) -> Audit:
        return replace(self, bundle=self.bundle.sealing(one))

    def adjudicated(self, mark: str, decision: str = "no_leak", *, by: str = "Ines Calder") -> Audit:
        said = AdjudicationSaid.model_validate(
            {"officer": by, "at": later(), "mark_id": mark, "decision": decision, "reason": "a doctor of ours"}
        )
        return self.adding(adjudication=self._signed(said, {"report": self.bundle.report_sha256}, by))

    def signed(self, name: str = "Ines Calder", decision: str = "GO", **changes: Any) -> Audit:
        openings: tuple[Opening, ...] = changes.get("openings", self.sampled.openings)
        said = SignOffSaid.model_validate(
            {
                "officer": name,
                "role": changes.get("role", "sign_off"),
                "at": changes.get("at", later()),
                "decision": decision,
                "openings": openings,
            }
        )
        return self.adding(sign_off=self._signed(said, changes.get("over", self.bundle.over), name))

    def complete(self) -> Audit:
        """Both reviews and the sign-off."""
        return self.reviewed("Theo Brandt").reviewed("Noor Haddad").signed()

    def adding(self, **statements: Envelope) -> Audit:
        return replace(self, bundle=self.bundle.adding(**statements))

    def verified(self, *, listed: Officers | None = None, directory: Path | None = None) -> VerifiedReport:
        return verify(self.bundle, officers=listed or self.listed, machine_keys=[MACHINE.public], directory=directory)

    def written(self, directory: Path) -> Path:
        """The bundle and its annexes as files; returns the directory."""
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in self.sampled.files.items():
            (directory / name).parent.mkdir(exist_ok=True)
            (directory / name).write_bytes(content)
        self.bundle.write(directory)
        return directory

    def _signed(self, said: Statement, over: dict[str, str], name: str) -> Envelope:
        return sign(said_statement(said, over), KEYS[name].signing)


def audit(
    change: Callable[[Report], Report] = lambda report: report,
    *,
    traces: int = 10,
    planted_copies: int = 4,
    key: SigningKey = MACHINE,
    listed: Officers = LIST,
    began: datetime | None = None,
    **parts: Any,
) -> Audit:
    """An audit that began two hours ago and found nothing, unless `parts` of the invented report say otherwise."""
    calls = [call(str(UUID(int=number + 1, version=4))) for number in range(traces)]
    sampled = sample(calls, policy=POLICY, leaks=LEAKS, planted_copies=planted_copies, officers=listed.all)
    made = invented(**parts)
    start = began or NOW - timedelta(hours=2)
    report = change(
        made.model_copy(
            update={
                "run": made.run.model_copy(
                    update={
                        "env": "dev",
                        "protocol_sha256": shipped_protocols()[0].sha256,
                        "started_at": start.isoformat(),
                        "ended_at": (start + timedelta(minutes=8)).isoformat(),
                    }
                ),
                "sample": made.sample.model_copy(
                    update={"traces": sampled.traces, "planted_copies": planted_copies, "minimum_sensitivity": 0.8}
                ),
                "annexes": sampled.annexes,
            }
        )
    )
    return Audit(report=report, sampled=sampled, bundle=Bundle.sealed(report, key), listed=listed, key=key)


def sheets(directory: Path) -> list[Worksheet]:
    return [Worksheet.parse(file.read_bytes()) for file in sorted((directory / "annex").glob("worksheet-*.json"))]


def answers(audited: Audit, file: Path) -> Path:
    """What a reviewer who finds everything would answer, with the times of other review software."""
    given = {
        one.trace_id: {
            "leaks": audited.planted[one.trace_id],
            "free_text_ms": [2_500] * (one.free_texts or 0),
            "other_ms": [700] * (one.other_texts or 0),
        }
        for one in audited.report.sample.traces
    }
    file.write_text(json.dumps(given))
    return file


def bound_to(settings: Settings) -> Callable[[Report], Report]:
    """Return a function that binds a report to this host, after a check of what is installed."""
    checked = installed.installed_code(settings).check()
    bound = binding(settings, installed=checked.distributions)
    here = {one.name: getattr(bound, one.name) for one in fields(bound)}
    names = dict.fromkeys((*VOICE_PATH, *(one.name for one in bound.destinations if one.name not in LOCAL)))

    def change(report: Report) -> Report:
        assert report.legal is not None
        legal = report.legal.model_copy(update={"processors": tuple(map(processor, names))})
        played = report.model_copy(update={"system": report.system.model_copy(update=here), "legal": legal})
        return played if settings.agent_path is None else with_agent(played)

    return change


def with_agent(report: Report, **changes: Any) -> Report:
    """A report of an audit that played an agent of the clinic's own, and found nothing against it."""
    letters = tuple("ABCDEFGHIJKLMNOPQR")
    field = AgentField(path="result.note", kind="text", letters=letters, held=40, action="redact", category="name")
    tool = AgentTool(
        name="find", span="tool.find", declared=True, offered=12, called=40, ran=40, raised=0, fields=(field,)
    )
    agent = AgentAudit(
        factory="desk:factory",
        entry="desk.py",
        files=(AgentFile(name="desk.py", sha256="a" * 64),),
        unbound=(),
        tools=(tool,),
        unseen=(),
        withheld=(),
        objections=(),
    )
    criteria = tuple(
        Criterion(name=name, question="?", limit="all", measured="all", passed=True) for name in sorted(AGENT_CRITERIA)
    )
    return report.model_copy(
        update={"agent": agent.model_copy(update=changes), "criteria": (*report.criteria, *criteria)}
    )
