"""A review that nobody can read yet: signed by the reviewer, sealed to who signs off, receipted by the ledger's host.

The reviewer signs a commitment to the review and the ciphertexts. The host records the digest in its ledger and signs
a receipt. Who signs off opens the reviews only after each has its receipt, and reveals the salt; from then on anybody
can check that the review in the bundle is the one that was sealed. The encryption itself is in `audit/sealing.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from medagent.attestation.officers import REVIEWER, Officer
from medagent.attestation.statements import LedgerReceipt, SealedReviewSaid, read_said, sha256_of
from medagent.errors import AttestationError, SignatureError
from medagent.proof import Json, VerifyKey, canonical
from medagent.proof.dsse import Envelope

FORMAT = "medagent-sealed-review/1"
LARGEST = 16 * 2**20


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["medagent-sealed-review/1"]
    envelope: dict[str, Any]
    receipt: dict[str, Any] | None
    salt: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedReview:
    """The reviewer's envelope, the host's receipt (None: not recorded yet), and the salt (None: not opened yet)."""

    envelope: Envelope
    receipt: Envelope | None = None
    salt: str | None = None

    @property
    def sha256(self) -> str:
        """The digest that the ledger holds."""
        return sha256_of(self.envelope)

    def document(self) -> dict[str, Json]:
        """All of it as JSON."""
        return {
            "format": FORMAT,
            "envelope": self.envelope.document(),
            "receipt": None if self.receipt is None else self.receipt.document(),
            "salt": self.salt,
        }

    @classmethod
    def parse(cls, document: Mapping[str, Any]) -> SealedReview:
        """Read `document()`; raises `AttestationError` where it is not of that form."""
        try:
            found = _Document.model_validate(dict(document))
            return cls(
                envelope=Envelope.parse(canonical(found.envelope)),
                receipt=None if found.receipt is None else Envelope.parse(canonical(found.receipt)),
                salt=found.salt,
            )
        except (TypeError, ValueError, SignatureError):
            raise AttestationError("sealed review: malformed, expected the file that `audit review` writes") from None

    @classmethod
    def load(cls, content: bytes) -> SealedReview:
        """Read a file's bytes; raises `AttestationError` where they are not a sealed review."""
        try:
            found = json.loads(content) if len(content) <= LARGEST else None
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise AttestationError("sealed review: malformed, expected the file that `audit review` writes")
        return cls.parse(found)

    def opened(self, salt: str) -> SealedReview:
        """The same with its salt revealed."""
        return replace(self, salt=salt)


def content(review: Envelope, salt: str) -> bytes:
    """Return what is sealed and committed to: the signed review and 32 random bytes in hexadecimal."""
    return canonical({"review": review.document(), "salt": salt})


def commitment(review: Envelope, salt: str) -> str:
    """Return the digest that the reviewer signs."""
    return hashlib.sha256(content(review, salt)).hexdigest()


def check_sealed(
    sealed: Sequence[SealedReview], *, report_sha256: str, officers: Sequence[Officer], machines: Collection[VerifyKey]
) -> dict[str, tuple[Officer, SealedReviewSaid]]:
    """Return who sealed each review, by its digest.

    Raises:
        AttestationError: A statement is not a listed reviewer's, or over another report; two are of one person; or a
            receipt is of another key or for another statement.
    """
    found: dict[str, tuple[Officer, SealedReviewSaid]] = {}
    reviewers = {one.key: one for one in officers if REVIEWER in one.roles}
    for one in sealed:
        try:
            said, signer, over = read_said(one.envelope, tuple(reviewers), SealedReviewSaid)
        except SignatureError:
            raise AttestationError("sealed review: signed by no reviewer of the pinned list") from None
        officer = reviewers[signer]
        if said.reviewer != officer.name or over != {"report": report_sha256}:
            raise AttestationError(f"sealed review of {officer.name}: of another name or over another report")
        if any(each.person == officer.person for each, _ in found.values()):
            raise AttestationError(f"sealed review of {officer.name}: present twice, expected once")
        if one.receipt is not None:
            _check_receipt(one, officer, report_sha256, machines)
        found[one.sha256] = (officer, said)
    return found


def unsealed_reasons(
    reviews: Sequence[tuple[Officer, Envelope]],
    sealed: Sequence[SealedReview],
    by: Mapping[str, tuple[Officer, SealedReviewSaid]],
) -> Iterator[tuple[str, str]]:
    """Yield the person and the reason for each review that was not sealed and recorded before it was opened.

    Raises:
        AttestationError: A salt does not open what the reviewer committed to.
    """
    of_person = {by[one.sha256][0].person: one for one in sealed}
    by_person = {officer.person: envelope for officer, envelope in reviews}
    for person, one in of_person.items():
        review = by_person.get(person)
        said = by[one.sha256][1]
        if one.salt is not None and (review is None or commitment(review, one.salt) != said.commitment):
            raise AttestationError(f"sealed review of {said.reviewer}: opened as another review than was sealed")
    for officer, _ in reviews:
        found = of_person.get(officer.person)
        if found is None or found.salt is None:
            yield officer.person, "its answers were not sealed"
        elif found.receipt is None:
            yield officer.person, "no receipt says that the ledger held its digest before it was opened"


def _check_receipt(one: SealedReview, officer: Officer, report_sha256: str, machines: Collection[VerifyKey]) -> None:
    assert one.receipt is not None  # noqa: S101  # the caller looked
    try:
        said, _, over = read_said(one.receipt, tuple(machines), LedgerReceipt)
    except SignatureError:
        raise AttestationError(f"receipt of {officer.name}'s review: not signed by the installation") from None
    if over != {"report": report_sha256} or said.sealed_review != one.sha256:
        raise AttestationError(f"receipt of {officer.name}'s review: for another statement")
