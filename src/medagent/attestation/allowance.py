"""May telemetry run here? Yes where a filed report is a GO for exactly what runs here; every doubt is a no."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from medagent.attestation.binding import Binding
from medagent.attestation.bundle import BUNDLE, Bundle, annexes
from medagent.attestation.minimum import REQUIRED_ROLES, REVIEWER_SENSITIVITY, SIGN_OFF, unmet_by_agent
from medagent.attestation.officers import REVIEWER, Officers
from medagent.attestation.report import ADJUDICABLE
from medagent.attestation.verify import VerifiedReport, moment, verify
from medagent.errors import AttestationError
from medagent.file_access import replace_file
from medagent.proof import VerifyKey

_SHA256 = re.compile(r"[0-9a-f]{64}")


def allowed(
    verified: VerifiedReport,
    *,
    binding: Binding,
    env: Literal["dev", "prod"],
    officers: Officers,
    days: int,
    now: datetime | None = None,
) -> datetime:
    """When the audit began, where it allows telemetry here; raises `AttestationError` with every reason against it.

    A GO ends `days` after its audit began.
    """
    against = list(not_a_go(verified, officers))
    ends = moment(verified.report.run.started_at) + timedelta(days=days)
    if (now or datetime.now(UTC)) >= ends:
        against.append(f"the GO ended on {ends.date().isoformat()}, {days} days after its audit")
    if verified.report.run.env != env:
        against.append(f"the audit was of {verified.report.run.env}, this is {env}")
    against += binding.differences(verified.system)
    if against:
        raise AttestationError("this report does not allow telemetry: " + "; ".join(dict.fromkeys(against)))
    return moment(verified.report.run.started_at)


def not_a_go(verified: VerifiedReport, officers: Officers) -> Iterator[str]:
    """Yield each reason why a verified report is no GO, read from report and signatures and not from its conclusion.

    A duplicate of what `verify` concludes, on purpose: `telemetry on`, `gate 5` and every process at its start call it,
    so that a conclusion that was computed wrongly allows nothing.
    """
    report, signed = verified.report, verified.signed
    if signed.conclusion != "GO":
        yield f"the report says {signed.conclusion}"
    yield from signed.why
    if report.run.rehearsal or report.run.pace != 1 or report.verdict in ("CLEAN", "NOT CLEAN"):
        yield "a rehearsal is never a GO"
    open_marks = {mark.mark_id for mark in report.second_reader.marks if mark.settled != "kept_shape"}
    no_leak = {one.mark_id for one in signed.adjudications if one.decision == "no_leak"}
    for one in report.criteria:
        settled = one.name == ADJUDICABLE and bool(open_marks) and open_marks <= no_leak
        if not one.judged or not (one.passed or settled):
            yield f"criterion {one.name}: not judged or not passed"
    if not report.criteria or report.scan.findings or report.unclassified or not open_marks <= no_leak:
        yield "the report has a finding, an open mark or no criterion"
    yield from unmet_by_agent(report)
    if report.run.protocol_sha256 not in officers.protocol_digests:
        yield f"protocol {report.run.protocol_name} is not pinned beside the officers"
    yield from _signatures(verified, officers)


def _signatures(verified: VerifiedReport, officers: Officers) -> Iterator[str]:
    """Two reviewers and a sign-off by three keys of the list, and no decision against it."""
    machine = verified.signed.machine_key_id
    listed = {one.key.key_id: one.roles for one in officers.people(machines=()) if one.key.key_id != machine}
    signed = verified.signed
    decided = {one.key_id for one in signed.sign_offs}
    go = {one.key_id for one in signed.sign_offs if one.decision == "GO" and SIGN_OFF in listed.get(one.key_id, ())}
    readers = {
        one.key_id
        for one in signed.reviews
        if REVIEWER in listed.get(one.key_id, ())
        and one.key_id not in decided
        and (one.sensitivity or 0) >= REVIEWER_SENSITIVITY
    }
    for role, has in ((REVIEWER, len(readers)), (SIGN_OFF, len(go))):
        if has < REQUIRED_ROLES[role]:
            yield f"{has} of {REQUIRED_ROLES[role]} {role} signatures by keys of the list"
    if any(one.decision != "GO" for one in signed.sign_offs):
        yield "a sign-off is NO-GO"


def file_report(
    path: Path,
    *,
    audits: Path,
    officers: Officers,
    machine_keys: Sequence[VerifyKey],
    check: Callable[[Bundle], None] = lambda _: None,
) -> VerifiedReport:
    """Verify a bundle with its annexes and keep a copy under its statement's digest.

    Raises as `verify` and `check` do, which is called with the verified bundle; then what was filed before stays.
    """
    bundle, directory = Bundle.load(path)
    verified = verify(bundle, officers=officers, machine_keys=machine_keys, directory=directory)
    check(bundle)
    place = audits / verified.sha256
    try:
        audits.mkdir(mode=0o700, parents=True, exist_ok=True)
        for annex, content in annexes(verified.report, directory):
            kept = place / annex.name
            kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(kept, content)
        bundle.write(place)
    except OSError as error:
        raise AttestationError(f"the report cannot be kept at {place} ({type(error).__name__})") from None
    return verified


def filed(sha256: str, *, audits: Path, officers: Officers, machine_keys: Sequence[VerifyKey]) -> VerifiedReport:
    """Verify a report that was filed, its annexes left aside; raises `AttestationError` where it is not that one."""
    if not _SHA256.fullmatch(sha256):
        raise AttestationError("this is not a report's digest")
    bundle, _ = Bundle.load(audits / sha256 / BUNDLE)
    if bundle.report_sha256 != sha256:
        raise AttestationError("the report that is filed is another one")
    return verify(bundle, officers=officers, machine_keys=machine_keys, directory=None)
