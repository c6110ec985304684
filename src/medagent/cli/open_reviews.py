"""Sealed reviews opened by who signs off, never before the ledger holds the digest of each that is asked for."""

from __future__ import annotations

from medagent.attestation.bundle import Bundle
from medagent.attestation.minimum import required_roles
from medagent.attestation.officers import MACHINE, REVIEWER, Officer, Officers
from medagent.attestation.person_key import PersonKey
from medagent.attestation.report import Report
from medagent.attestation.sealed_review import check_sealed
from medagent.audit.sealing import open_review
from medagent.errors import AttestationError
from medagent.os_account import current_account
from medagent.proof import VerifyKey
from medagent.runtime.host import ledger, ledger_path, machine_keys
from medagent.settings import Settings, load_settings
from medagent.telemetry.ledger import entries

"""Reviewers of an audit, whatever its protocol asks for."""


def opened_bundle(
    bundle: Bundle,
    *,
    report: Report,
    listed: Officers,
    machines: tuple[VerifyKey, ...],
    person: Officer,
    keys: PersonKey,
) -> Bundle:
    """Return the bundle with every sealed review opened; unchanged where there are too few of them, or none is sealed.

    Raises:
        AttestationError: One is not recorded, or does not hold what was committed to.
        AnnexError: One is not sealed to this person's key, or was changed.
    """
    closed = [one for one in bundle.sealed_reviews if one.salt is None]
    if not closed or not set(person.roles) - {REVIEWER, MACHINE}:
        return bundle
    if len(bundle.sealed_reviews) < required_roles(report)[REVIEWER]:
        return bundle
    by = check_sealed(
        bundle.sealed_reviews,
        report_sha256=bundle.report_sha256,
        officers=listed.people(machines=machines),
        machines=machines,
    )
    settings = load_settings()
    is_host = bool(set(machine_keys(settings)) & set(machines))
    known = _recorded(settings, bundle.report_sha256) if is_host else None
    for one in bundle.sealed_reviews:
        if one.receipt is None or (known is not None and one.sha256 not in known):
            raise AttestationError(
                f"sealed review of {by[one.sha256][0].name}: the ledger does not hold its digest",
                hint="on the host of the audit: medagent audit merge REPORT FILE",
            )
    for one in closed:
        said = by[one.sha256][1]
        review, opened = open_review(one, said, key_id=keys.signing.key_id, private=keys.annex)
        bundle = bundle.sealing(opened).adding(review=review)
    if is_host:
        about = {"report": bundle.report_sha256, "key_id": keys.signing.key_id, "by": current_account().name}
        ledger(settings).append("reviews_opened", about)
    return bundle


def _recorded(settings: Settings, report_sha256: str) -> set[str]:
    """The digests of this report's sealed reviews in this host's ledger."""
    return {
        str(entry.content["statement"])
        for entry in entries(ledger_path(settings))
        if entry.kind == "sealed_review" and entry.content["report"] == report_sha256
    }
