"""Signed statements of a bundle as the ledger keeps them, and which of those that it knows a bundle lacks; pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Protocol

from medagent.attestation.bundle import Bundle
from medagent.attestation.officers import REVIEWER
from medagent.attestation.statements import sha256_of
from medagent.errors import AttestationError
from medagent.proof import Json
from medagent.proof.dsse import Envelope

ADJUDICATOR, AMENDMENT = "adjudicator", "amendment"
_NEVER_REPLACED = frozenset({REVIEWER, ADJUDICATOR, AMENDMENT})


class Known(Protocol):
    """A statement that a ledger keeps."""

    @property
    def statement(self) -> str:
        """The digest of the statement."""

    @property
    def role(self) -> str:
        """The role in which it was signed."""

    @property
    def key_id(self) -> str:
        """The key that signed it."""

    @property
    def decision(self) -> str:
        """What it decided."""

    @property
    def signed_at(self) -> datetime:
        """When it says that it was signed."""


def ballots(bundle: Bundle) -> Iterator[dict[str, Json]]:
    """Yield the content of a ledger entry for each person's statement of a verified bundle, but who recorded it."""
    for envelope in bundle.reviews:
        said = json.loads(envelope.payload)["predicate"]
        leaks = any(one["verdict"] == "leak" for one in said["traces"])
        yield _ballot(bundle, envelope, REVIEWER, "leak" if leaks else "clean", said["at"])
    for envelope in bundle.adjudications:
        said = json.loads(envelope.payload)["predicate"]
        yield _ballot(bundle, envelope, ADJUDICATOR, said["decision"], said["at"])
    for envelope in bundle.sign_offs:
        said = json.loads(envelope.payload)["predicate"]
        yield _ballot(bundle, envelope, said["role"], said["decision"], said["at"])
    for envelope in bundle.amendments:
        said = json.loads(envelope.payload)["predicate"]
        yield _ballot(bundle, envelope, AMENDMENT, said["kind"], said["at"])


def _ballot(bundle: Bundle, envelope: Envelope, role: str, decision: str, at: str) -> dict[str, Json]:
    return {
        "report": bundle.report_sha256,
        "statement": sha256_of(envelope),
        "role": role,
        "key_id": envelope.signatures[0].key_id,
        "decision": decision,
        "signed_at": at,
    }


def check_none_missing(bundle: Bundle, known: Iterable[Known]) -> None:
    """Raise `AttestationError` where the bundle lacks a statement that the ledger knows.

    A sign-off may be replaced by a later one of the same key; a review, an adjudication and an amendment never are.
    """
    there = list(ballots(bundle))
    digests = {one["statement"] for one in there}
    later = {
        (str(one["key_id"]), datetime.fromisoformat(str(one["signed_at"])))
        for one in there
        if one["role"] not in _NEVER_REPLACED
    }
    for one in known:
        replaced = one.role not in _NEVER_REPLACED and any(
            key_id == one.key_id and at > one.signed_at for key_id, at in later
        )
        if one.statement not in digests and not replaced:
            raise AttestationError(
                f"statement {one.statement[:12]}: missing from the bundle; the ledger knows it: {one.role} "
                f"{one.decision}, key {one.key_id}, {one.signed_at.isoformat()}",
                hint="use the bundle with every signature that was made, or audit anew",
            )
