"""From keys to a conclusion: everything that a stranger can check with public keys alone; anything that fails raises.

Trust flows one way: the machine's public key → the report → its annexes; the pinned list → each person's statement,
which names the report's digest → the sign-off, which names the digest of every other statement → what it opens, which
the report had committed to → the conclusion. Amendments (`amendments.py`) change the system alone, never a conclusion.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from medagent.attestation.amendments import Amendment, check_amendments
from medagent.attestation.bundle import Bundle, annexes
from medagent.attestation.conclusion import People, conclude
from medagent.attestation.minimum import required_roles
from medagent.attestation.officers import MACHINE, REVIEWER, Officer, Officers
from medagent.attestation.report import Report, System
from medagent.attestation.sealed_review import check_sealed, unsealed_reasons
from medagent.attestation.signed import Signed
from medagent.attestation.statements import (
    AdjudicationSaid,
    Opening,
    ReviewSaid,
    Said,
    SignOffSaid,
    read_report,
    read_said,
)
from medagent.errors import AttestationError, SignatureError
from medagent.proof import VerifyKey
from medagent.proof.dsse import Envelope

_CLOCKS_DIFFER = timedelta(minutes=5)
NOT_CHECKED = (
    "that the machine which signed the report told the truth: its key is trusted, not its work",
    "when a person signed: each signature says its own time, no third party confirms it",
    "how long a reviewer took for each text: it is the statement of the reviewer's own software",
    "whether who signs off read a sealed review before the others were recorded: the software refuses it, a key can",
    "whether a signature was taken away that no ledger of this host knows",
    "what stands in an encrypted annex: its digest was checked, not its content",
    "whether this host runs the audited code, lock file, policy and destinations: `telemetry on --audit` does that",
)


REPLACED_ACCOUNT = (
    "that a replaced account secret is of the same account: it is the statement of who signed the amendment"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at and holds."""

    what: str
    says: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedReport:
    """A report whose every signature holds, what people made of it, and what was checked on the way."""

    report: Report
    system: System
    """The audited system with all amendments applied; this host must equal it."""
    amendments: tuple[Amendment, ...]
    signed: Signed
    sha256: str
    checks: tuple[Check, ...]
    not_checked: tuple[str, ...]


def verify(
    bundle: Bundle,
    *,
    officers: Officers,
    machine_keys: Sequence[VerifyKey],
    directory: Path | None,
    now: datetime | None = None,
) -> VerifiedReport:
    """Check all of a bundle, and its annexes in `directory` (None: they are left unchecked, and that is said).

    Raises `SignatureError` or `AttestationError` on the first thing that is not as it was signed.
    """
    trusted = tuple(dict.fromkeys((*machine_keys, *(one.key for one in officers.holding(MACHINE)))))
    if not trusted:
        raise AttestationError(
            "nothing says which installation may have run this audit",
            hint="trust its public key: --machine-key, or a file with the role machine on the pinned list",
        )
    _not_revoked(bundle, officers)
    report, signer = read_report(bundle.report, trusted)
    checks = [
        Check(
            what="report", says=f"signed by the installation's key {signer.key_id}, statement {bundle.report_sha256}"
        ),
        Check(
            what="officers",
            says=f"{len(officers.all)} on the pinned list, {len(officers.revoked)} keys revoked, "
            f"{len(officers.protocols)} protocols pinned, digest {officers.sha256}",
        ),
    ]
    if directory is not None:
        checks.append(_annexes_hold(report, directory))
    moment_now = now or datetime.now(UTC)
    people = _people(bundle, report, officers.people(machines=(*trusted, signer)), moment_now)
    sealed = check_sealed(
        bundle.sealed_reviews,
        report_sha256=bundle.report_sha256,
        officers=officers.people(machines=(*trusted, signer)),
        machines=trusted,
    )
    reviewed = [(officer, each) for (officer, _), each in zip(people.reviews, bundle.reviews, strict=True)]
    people = replace(people, unsealed=dict(unsealed_reasons(reviewed, bundle.sealed_reviews, sealed)))
    checks += [
        Check(what="sealed review", says=f"of {officer.name}, {'recorded' if one.receipt else 'not recorded yet'}")
        for one in bundle.sealed_reviews
        for officer in (sealed[one.sha256][0],)
    ]
    checks += _heard(people)
    amendments, system = check_amendments(
        bundle.amendments,
        report_sha256=bundle.report_sha256,
        system=report.system,
        officers=officers.people(machines=(*trusted, signer)),
        after=moment(report.run.ended_at),
        before=moment_now + _CLOCKS_DIFFER,
    )
    checks += [Check(what=f"amendment {number}", says=one.says()) for number, one in enumerate(amendments, 1)]
    signed = replace(
        conclude(report, people, officers),
        statement_sha256=bundle.report_sha256,
        machine_key_id=signer.key_id,
        officers_sha256=officers.sha256,
    )
    skipped = () if directory is not None else ("the annexes: only the bundle was looked at",)
    if any(one.statement.destination is not None for one in amendments):
        skipped = (*skipped, REPLACED_ACCOUNT)
    return VerifiedReport(
        report=report,
        system=system,
        amendments=amendments,
        signed=signed,
        sha256=bundle.report_sha256,
        checks=tuple(checks),
        not_checked=(*skipped, *NOT_CHECKED),
    )


def _not_revoked(bundle: Bundle, officers: Officers) -> None:
    """A revoked key ends every report and statement that it signed, of any time."""
    revoked = {one.key_id: one for one in officers.revoked}
    sealed = [one for each in bundle.sealed_reviews for one in (each.envelope, each.receipt) if one is not None]
    people = (*bundle.reviews, *sealed, *bundle.adjudications, *bundle.sign_offs, *bundle.amendments)
    for envelope in (bundle.report, *people):
        for found in (revoked[one.key_id] for one in envelope.signatures if one.key_id in revoked):
            raise AttestationError(
                f"key {found.key_id}: revoked on {found.revoked_on.isoformat()}: {found.reason}",
                hint="what it signed counts no more: audit anew",
            )


def _annexes_hold(report: Report, directory: Path) -> Check:
    held = [annex for annex, _ in annexes(report, directory)]
    sheets = {one.sha256 for one in report.sample.traces} - {annex.sha256 for annex in held}
    if sheets:
        raise AttestationError(f"{len(sheets)} worksheets of sampled traces are no annexes of the report")
    encrypted = sum(annex.encrypted for annex in held)
    return Check(what="annexes", says=f"{len(held)} files are the ones that were signed, {encrypted} of them encrypted")


def _people(bundle: Bundle, report: Report, officers: Sequence[Officer], now: datetime) -> People:
    over = {"report": bundle.report_sha256}
    reviews = [_said(each, ReviewSaid, officers, report, over=over, role=REVIEWER, now=now) for each in bundle.reviews]
    adjudications = [
        _said(each, AdjudicationSaid, officers, report, over=over, role=None, now=now) for each in bundle.adjudications
    ]
    _once("review", [officer.person for officer, _ in reviews])
    _once("adjudication of one mark", [said.mark_id for _, said in adjudications])
    for _, review in reviews:
        _whole(review, report)
    for officer, _ in adjudications:
        if not _deciding(officer, report):
            raise AttestationError(f"{officer.name} may not adjudicate: no role that signs off")
    current: list[tuple[Officer, SignOffSaid]] = []
    outdated: list[tuple[Officer, SignOffSaid]] = []
    present = set(bundle.over.values())
    for each in bundle.sign_offs:
        signer, decided = _said(each, SignOffSaid, officers, report, over=None, role=None, now=now)
        if decided.role not in _deciding(signer, report):
            raise AttestationError(f"{signer.name} may not sign off as {decided.role}")
        signed_over = set(read_said(each, [signer.key], SignOffSaid)[2].values())
        if bundle.report_sha256 not in signed_over:
            raise AttestationError("a sign-off is over another report")
        if not signed_over <= present:
            raise AttestationError(f"a review or adjudication that {signer.name} signed over is missing")
        (current if signed_over == present else outdated).append((signer, decided))
    _once("sign-off", [officer.person for officer, _ in (*current, *outdated)])
    made = [*(review.at for _, review in reviews), *(one.at for _, one in adjudications)]
    if made and any(decided.at < max(made) for _, decided in current):
        raise AttestationError("a sign-off says that it is older than what it was made over")
    opened = [said.openings for _, said in (*current, *outdated) if said.openings]
    return People(
        reviews=reviews,
        adjudications=adjudications,
        sign_offs=current,
        outdated=outdated,
        openings=_opened(report, opened[0]) if opened and all(_opened(report, each) for each in opened) else {},
    )


def _deciding(officer: Officer, report: Report) -> set[str]:
    """The roles by which a person decides: those that the protocol asks for beside the reviewers'."""
    return {role for role in officer.roles if role in required_roles(report)} - {REVIEWER, MACHINE}


def _said(
    envelope: Envelope,
    kind: type[Said],
    officers: Sequence[Officer],
    report: Report,
    *,
    over: dict[str, str] | None,
    role: str | None,
    now: datetime,
) -> tuple[Officer, Said]:
    """A person's statement: of a key on the list, in its role and time, after the audit, over this report."""
    by_key = {officer.key: officer for officer in officers}
    try:
        said, signer, named = read_said(envelope, tuple(by_key), kind)
    except SignatureError:
        raise AttestationError(
            "a statement is signed by nobody on the pinned list of officers, or was changed after that",
            hint="the list is a directory: --officers, or MEDAGENT_OFFICERS; a machine's key never counts",
        ) from None
    officer = by_key[signer]
    name = said.reviewer if isinstance(said, ReviewSaid) else getattr(said, "officer", "")
    if name != officer.name:
        raise AttestationError(f"a statement says it is {name}'s, and its key is {officer.name}'s")
    if over is not None and named != over:
        raise AttestationError(f"a statement of {officer.name} is over another report")
    if role is not None and role not in officer.roles:
        raise AttestationError(f"{officer.name} is on the list, and not as {role}")
    if not officer.held_at(said.at.astimezone(UTC)):
        raise AttestationError(f"{officer.name}'s key was not valid at {said.at.isoformat()}")
    if not moment(report.run.ended_at) <= said.at <= now + _CLOCKS_DIFFER:
        raise AttestationError(f"a statement of {officer.name} says a time before the audit's end or after now")
    return officer, said


def moment(text: str) -> datetime:
    """A time of a report; raises `AttestationError` where it has no zone or is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise AttestationError("a time of the report is none, or has no zone")
    return found


def _whole(said: ReviewSaid, report: Report) -> None:
    """A review speaks of every sampled worksheet, once, and of no other."""
    sampled = [(one.trace_id, one.sha256) for one in report.sample.traces]
    if sorted((one.trace_id, one.worksheet_sha256) for one in said.traces) != sorted(sampled):
        raise AttestationError(f"the review of {said.reviewer} is not of every sampled trace, each once")
    if any((one.verdict == "leak") != bool(one.paths) for one in said.traces):
        raise AttestationError(
            f"the review of {said.reviewer} contradicts itself: a leak has a path, a clean trace none"
        )


def _opened(report: Report, openings: Iterable[Opening]) -> dict[str, Opening]:
    """What the report had committed to; raises where it was something else, or not all of it."""
    found = {one.trace_id: one for one in openings}
    committed = {one.trace_id: one.commitment for one in report.sample.traces}
    if {trace: one.commitment for trace, one in found.items()} != committed:
        raise AttestationError("what was opened is not what the report committed to")
    if sum(bool(one.planted) for one in found.values()) != report.sample.planted_copies:
        raise AttestationError("not as many leaks were planted as the report says")
    return found


def _once(what: str, names: Sequence[str]) -> None:
    if len(set(names)) < len(names):
        raise AttestationError(f"there is a second {what} by the same person or of the same thing")


def _heard(people: People) -> list[Check]:
    checks = [
        Check(what="review", says=f"by {officer.name}, key {officer.key.key_id}: {len(said.traces)} traces")
        for officer, said in people.reviews
    ]
    checks += [
        Check(what="adjudication", says=f"of {said.mark_id} by {officer.name}: {said.decision}")
        for officer, said in people.adjudications
    ]
    checks += [
        Check(what="sign-off", says=f"by {officer.name} as {said.role}, key {officer.key.key_id}: {said.decision}")
        for officer, said in people.sign_offs
    ]
    if people.openings:
        planted = sum(len(one.planted) for one in people.openings.values())
        checks.append(
            Check(what="planted leaks", says=f"{planted}, opened as the report had committed to before it was read")
        )
    return checks
