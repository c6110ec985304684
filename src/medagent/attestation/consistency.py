"""Contradictions inside a report: a verdict that its own parts do not support; pure.

Every reader of a report refuses one that contradicts itself, whoever signed it. What a GO needs beyond that is in
`minimum.py`.
"""

from __future__ import annotations

from collections.abc import Iterator

from medagent.attestation.report import Report
from medagent.errors import AttestationError
from medagent.proof import digest

FULL_CALLS, FULL_CALL_S = 10, 300.0
"""An audit of fewer calls, or of shorter ones, is a rehearsal."""
_VERDICTS = {True: ("CLEAN", "NOT CLEAN"), False: ("GO", "NO-GO")}


def check_consistency(report: Report) -> None:
    """Raise `AttestationError` with every contradiction of a report."""
    if found := tuple(contradictions(report)):
        raise AttestationError(
            f"report: its parts contradict each other: {'; '.join(found)}",
            hint="run the audit again: medagent audit run",
        )


def contradictions(report: Report) -> Iterator[str]:
    """Yield what a report's verdict and its own parts contradict each other in, in words without a value of a call."""
    allowed = _VERDICTS[report.run.rehearsal]
    kind = "a rehearsal" if report.run.rehearsal else "an audit"
    if report.verdict not in allowed:
        yield f"the verdict of {kind} is {report.verdict}, expected {' or '.join(allowed)}"
    if not report.run.rehearsal:
        yield from _not_a_full_audit(report)
    failed = [one for one in report.criteria if one.judged and not one.passed]
    names = [one.name for one in report.criteria]
    if not names:
        yield "it has no criterion"
    if len(set(names)) < len(names):
        yield "a criterion occurs twice"
    if report.verdict in ("GO", "CLEAN"):
        yield from _not_clean(report, failed=[one.name for one in failed])
    elif not failed or not report.causes:
        yield f"the verdict is {report.verdict} without a failed criterion and a cause"
    listed = [one.model_dump(mode="json") for one in report.system.installed]
    if report.system.installed_sha256 != (digest(listed) if listed else None):
        yield "installed_sha256 is not the digest of the installed distributions"
    if report.trips_switch != any(one.trips_switch for one in failed):
        yield "trips_switch does not follow from the criteria"


def _not_a_full_audit(report: Report) -> Iterator[str]:
    if report.run.pace != 1:
        yield f"the pace of an audit is {report.run.pace:g}, expected 1"
    if report.run.calls < FULL_CALLS or report.run.call_seconds < FULL_CALL_S:
        yield f"an audit has fewer than {FULL_CALLS} calls of {FULL_CALL_S:g} s"
    yield from (f"an audit does not judge {one.name}" for one in report.criteria if not one.judged)


def _not_clean(report: Report, *, failed: list[str]) -> Iterator[str]:
    yield from (f"the verdict is {report.verdict} and the criterion {name} failed" for name in failed)
    if report.causes or report.earliest_launch is not None:
        yield f"the verdict is {report.verdict} and it names a cause"
    if report.scan.findings:
        yield f"the verdict is {report.verdict} and {len(report.scan.findings)} planted values were found outside"
    if report.unclassified:
        yield f"the verdict is {report.verdict} and {report.unclassified} fields are not classified"
