"""What the machine's part and the people's allow together: GO, or NO-GO with every reason; pure.

A person counts once. Who signed off does not count as a reviewer: three signatures are three people.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from medagent.attestation import signed
from medagent.attestation.consistency import contradictions
from medagent.attestation.legal import incomplete_processors
from medagent.attestation.minimum import REVIEWER_SENSITIVITY, required_roles, unmet
from medagent.attestation.officers import REVIEWER, Officer, Officers
from medagent.attestation.reading_time import time_of, time_problem
from medagent.attestation.report import ADJUDICABLE, Bound, Report, Verdict
from medagent.attestation.signed import Signed
from medagent.attestation.statements import AdjudicationSaid, Opening, ReviewSaid, SignOffSaid
from medagent.attestation.statistics import kappa, upper_95
from medagent.proof import digest


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """What verified statements say, each with the officer of the list whose key signed it."""

    reviews: Sequence[tuple[Officer, ReviewSaid]] = ()
    adjudications: Sequence[tuple[Officer, AdjudicationSaid]] = ()
    sign_offs: Sequence[tuple[Officer, SignOffSaid]] = ()
    """Those that were made over every review and adjudication that is there."""
    outdated: Sequence[tuple[Officer, SignOffSaid]] = ()
    openings: Mapping[str, Opening] = field(default_factory=dict)
    """By trace id; empty until somebody opened the commitments."""
    unsealed: Mapping[str, str] = field(default_factory=dict)
    """By person, why a review does not count as sealed before it was opened."""


def reported_mark(trace_id: str, path: str) -> str:
    """The id by which a leak that a reviewer reported can be adjudicated, like a mark of the second reader."""
    return f"review-{digest([trace_id, path])[:16]}"


def conclude(report: Report, people: People, officers: Officers) -> Signed:
    """The people's part of a report, and the conclusion; `Signed`'s digests and key ids are left to who verified."""
    settled = {said.mark_id: said.decision for _, said in people.adjudications}
    leaks = [_leaks(report, said, people, settled) for _, said in people.reviews]
    reviews = tuple(
        _reviewed(report, officer, said, people, len(unsettled))
        for (officer, said), unsettled in zip(people.reviews, leaks, strict=True)
    )
    missing = tuple(_missing(report, people, reviews))
    reasons = [*_machine(report, settled), *_marks(report, settled), *contradictions(report)]
    untouched = False
    if not report.run.rehearsal:
        if not reasons:
            reasons += unmet(report, protocols=officers.protocol_digests, adjudicated=report.verdict == "NO-GO")
        reasons += _policy_reviews(report, officers)
        reasons += _processors(report)
        untouched = not (reasons or people.reviews or people.sign_offs or people.outdated or people.adjudications)
        reasons += ["the run is an example"] if report.run.example else []
        reasons += [reason for found in leaks for reason in found]
        reasons += _readers(report, people, reviews)
        reasons += [f"{officer.name} signed NO-GO" for officer, said in people.sign_offs if said.decision == "NO-GO"]
        reasons += [f"{officer.name} signed before the last review or adjudication" for officer, _ in people.outdated]
        reasons += [f"missing signature: {each}" for each in missing]
    by_trace = [{one.trace_id: one.verdict == "leak" for one in said.traces} for _, said in people.reviews]
    order = [one.trace_id for one in report.sample.traces]
    agreement, note = kappa([[verdicts[trace] for trace in order] for verdicts in by_trace])
    return Signed(
        conclusion=signed.NOT_REVIEWED if untouched else _verdict(report, clean=not reasons),
        why=tuple(dict.fromkeys(reasons)),
        missing=() if report.run.rehearsal else missing,
        sign_offs=tuple(
            signed.SignOff(
                role=said.role,
                name=officer.name,
                key_id=officer.key.key_id,
                at=said.at.isoformat(),
                decision=said.decision,
            )
            for officer, said in people.sign_offs
        ),
        reviews=reviews,
        kappa=agreement,
        kappa_note=note,
        bounds=tuple(_bounds(report, people, leaks)),
        adjudications=tuple(
            signed.Adjudication(
                mark_id=said.mark_id,
                by=officer.name,
                key_id=officer.key.key_id,
                at=said.at.isoformat(),
                decision=said.decision,
            )
            for officer, said in people.adjudications
        ),
    )


def _verdict(report: Report, *, clean: bool) -> Verdict:
    if report.run.rehearsal:
        return "CLEAN" if clean else "NOT CLEAN"
    return "GO" if clean else "NO-GO"


def _machine(report: Report, settled: Mapping[str, str]) -> Iterator[str]:
    """The machine's own reasons, but for what people settled; the report's parts are read, not its word alone."""
    failed = [one.name for one in report.criteria if not one.passed]
    adjudicated = (
        report.verdict == "NO-GO"
        and failed == [ADJUDICABLE]
        and not report.trips_switch
        and bool(_open(report))
        and all(settled.get(mark) == "no_leak" for mark in _open(report))
    )
    if report.verdict not in ("GO", "CLEAN") and not adjudicated:
        yield from report.causes or ("the machine's part is not clean",)


def _open(report: Report) -> list[str]:
    """Every mark that no rule explains; what a machine calls adjudicated is as open as the others."""
    return [mark.mark_id for mark in report.second_reader.marks if mark.settled != "kept_shape"]


def _marks(report: Report, settled: Mapping[str, str]) -> Iterator[str]:
    marks = _open(report)
    if still := sum(mark not in settled for mark in marks):
        yield f"{still} of {len(marks)} open marks of the second reader are not adjudicated"
    yield from (f"mark {mark} was adjudicated a leak" for mark, decision in settled.items() if decision == "leak")


def _policy_reviews(report: Report, officers: Officers) -> Iterator[str]:
    """In prod somebody on the list must have read the policy's rules."""
    if report.run.env != "prod":
        return
    names = {officer.person for officer in officers.all}
    others = [by for by in report.system.policy_reviewed_by if _person(by) not in names]
    if others or not report.system.policy_reviewed_by:
        yield f"the policy's rules were read by {', '.join(others) or 'nobody'}, not by an officer"


def _processors(report: Report) -> Iterator[str]:
    """In prod each destination and processor in use needs a complete entry in processors.yaml."""
    if report.run.env == "prod":
        ended = datetime.fromisoformat(report.run.ended_at).date()
        yield from incomplete_processors(report.legal, tuple(one.name for one in report.system.destinations), ended)


def _person(signature: str) -> str:
    """Whose a policy review is: what stands before a comma is the name, what follows is said of it."""
    return " ".join(signature.partition(",")[0].casefold().split())


def _planted(people: People, trace_id: str) -> tuple[str, ...]:
    opened = people.openings.get(trace_id)
    return () if opened is None else opened.planted


def _leaks(report: Report, said: ReviewSaid, people: People, settled: Mapping[str, str]) -> list[str]:
    """What a reviewer reported that nobody planted, before it was opened or after, and no officer called harmless."""
    if report.sample.planted_copies and not people.openings:
        return []
    return [
        f"a reviewer reported a leak in trace {one.trace_id} at {path} ({reported_mark(one.trace_id, path)})"
        for one in said.traces
        for path in one.paths
        if path not in _planted(people, one.trace_id) and settled.get(reported_mark(one.trace_id, path)) != "no_leak"
    ]


def _reviewed(report: Report, officer: Officer, said: ReviewSaid, people: People, leaks: int) -> signed.Review:
    found = {one.trace_id: set(one.paths) for one in said.traces}
    planted = [(trace, path) for trace, opening in people.openings.items() for path in opening.planted]
    time = time_of(said)
    return signed.Review(
        reviewer=officer.name,
        key_id=officer.key.key_id,
        at=said.at.isoformat(),
        traces=len(said.traces),
        leaks=leaks,
        planted=len(planted),
        planted_found=sum(path in found[trace] for trace, path in planted),
        free_texts=time.free_texts,
        free_text_ms=time.free_text_ms,
        other_texts=time.others,
        other_ms=time.other_ms,
        invalid=tuple(
            f"the review of {officer.name} is invalid: {problem}"
            for problem in (time_problem(said, report.sample), people.unsealed.get(officer.person))
            if problem is not None
        ),
    )


def _readers(report: Report, people: People, reviews: Sequence[signed.Review]) -> Iterator[str]:
    if not report.sample.planted_copies:
        yield "no leak was planted in the sample: nothing says how well its reviewers read"
    elif people.reviews and not people.openings:
        yield "nobody has opened which leaks were planted: nothing says how well the reviewers read"
    least = _least_sensitivity(report)
    for review in reviews:
        yield from review.invalid
        if review.sensitivity is not None and review.sensitivity < least:
            found = f"{review.planted_found} of {review.planted}"
            yield f"{review.reviewer} found {found} planted leaks; the protocol asks for {least:.0%}"


def _missing(report: Report, people: People, reviews: Sequence[signed.Review]) -> Iterator[str]:
    """Roles whose number of different people is not met; a person counts for one role only."""
    least = _least_sensitivity(report)
    signers: dict[str, str] = {}
    for officer, said in people.sign_offs:
        if said.decision == "GO":
            signers.setdefault(officer.person, said.role)
    decided = {officer.person for officer, _ in people.sign_offs}
    readers = {
        officer.person
        for (officer, _), review in zip(people.reviews, reviews, strict=True)
        if REVIEWER in officer.roles
        and not review.invalid
        and (review.sensitivity is None or review.sensitivity >= least)
    }
    for role, count in sorted(required_roles(report).items()):
        has = len(readers - decided) if role == REVIEWER else sum(each == role for each in signers.values())
        if has < count:
            yield f"{count - has} of {count} {role}"


def _least_sensitivity(report: Report) -> float:
    return max(report.sample.minimum_sensitivity, REVIEWER_SENSITIVITY)


def _bounds(report: Report, people: People, leaks: Sequence[Sequence[str]]) -> Iterator[Bound]:
    """What people's reading supports: of a trace with a planted leak one text was not read, so it does not count."""
    if report.sample.planted_copies and not people.openings:
        return
    for (officer, _), found in zip(people.reviews, leaks, strict=True):
        units = sum(not _planted(people, one.trace_id) for one in report.sample.traces)
        yield Bound(
            what=f"traces with a leak, as {officer.name} read them",
            unit="trace (one call)",
            n=units,
            found=min(units, len(found)),
            upper_95=upper_95(units, min(units, len(found))),
        )
