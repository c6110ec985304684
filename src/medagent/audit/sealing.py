"""Reviews sealed to the X25519 key that is pinned beside the Ed25519 key of each person who signs off."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Sequence
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from medagent.attestation.officers import MACHINE, REVIEWER, Officer
from medagent.attestation.sealed_review import SealedReview, commitment, content
from medagent.attestation.statements import ReviewSaid, SealedReviewSaid, said_statement
from medagent.audit.annex import open_with, seal_for
from medagent.errors import AttestationError, SignatureError
from medagent.proof import SigningKey, canonical
from medagent.proof.dsse import Envelope, sign


def seal_review(
    said: ReviewSaid, *, report_sha256: str, key: SigningKey, officers: Sequence[Officer], at: datetime
) -> SealedReview:
    """Sign a review and seal it to each officer who signs off.

    Raises:
        AttestationError: No officer of the list who signs off has an X25519 key.
    """
    over = {"report": report_sha256}
    review, salt = sign(said_statement(said, over), key), secrets.token_hex(32)
    secret = content(review, salt)
    sealed = {
        one.key.key_id: base64.b64encode(seal_for(one.annex_key, secret)).decode()
        for one in officers
        if one.annex_key is not None and set(one.roles) - {REVIEWER, MACHINE}
    }
    if not sealed:
        raise AttestationError(
            "list of officers: no one who signs off has an annex_key, expected at least one",
            hint="medagent audit key new --role sign_off",
        )
    about = SealedReviewSaid(reviewer=said.reviewer, at=at, commitment=commitment(review, salt), sealed=sealed)
    return SealedReview(envelope=sign(said_statement(about, over), key))


def open_review(
    sealed: SealedReview, said: SealedReviewSaid, *, key_id: str, private: X25519PrivateKey
) -> tuple[Envelope, SealedReview]:
    """Return the signed review and the sealed one with its salt revealed.

    Raises:
        AnnexError: The ciphertext is for another key, or was changed.
        AttestationError: It is not sealed to this officer, or does not hold what the reviewer committed to.
    """
    if key_id not in said.sealed:
        raise AttestationError(f"sealed review of {said.reviewer}: not sealed to key {key_id}")
    plain = open_with(private, base64.b64decode(said.sealed[key_id]))
    try:
        found = json.loads(plain)
        review, salt = Envelope.parse(canonical(found["review"])), str(found["salt"])
    except (ValueError, KeyError, TypeError, SignatureError):
        raise AttestationError(f"sealed review of {said.reviewer}: malformed") from None
    if commitment(review, salt) != said.commitment:
        raise AttestationError(f"sealed review of {said.reviewer}: another review than was committed to")
    return review, sealed.opened(salt)
