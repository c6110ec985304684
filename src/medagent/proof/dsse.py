"""DSSE envelopes: what was signed, as what it was meant, and by whom, in a form that other tools verify too.

Trust flows one way: the caller's keys → the signatures → the payload's type → its content. Nothing of a payload is read
before enough of the keys have signed it, and a signature's key id is a hint that decides nothing.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medagent.errors import SignatureError
from medagent.proof.canonical import Json, JsonObject, canonical
from medagent.proof.signing import SigningKey, VerifyKey

IN_TOTO = "application/vnd.in-toto+json"
"""The payload type of an in-toto statement."""

_MOST_SIGNATURES = 64
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}", re.ASCII)


def pae(payload_type: str, payload: bytes) -> bytes:
    """The pre-authentication encoding, the bytes that are signed: no payload passes for one of another type."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """One signature; its key id is what the signer says, no more."""

    key_id: str
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A payload, its type and any number of signatures over both; holding one proves nothing before it is verified."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...] = ()

    @classmethod
    def parse(cls, text: str | bytes) -> Envelope:
        """Read the JSON form, in either base64 alphabet; raises `SignatureError` on what is not an envelope."""
        try:
            document = _Document.model_validate_json(text)
            return cls(
                payload_type=document.payloadType,
                payload=_decoded(document.payload),
                signatures=tuple(Signature(key_id=s.keyid or "", value=_decoded(s.sig)) for s in document.signatures),
            )
        except (ValidationError, binascii.Error):
            raise SignatureError("this is not a DSSE envelope") from None

    def document(self) -> dict[str, Json]:
        """The JSON form."""
        return {
            "payloadType": self.payload_type,
            "payload": base64.b64encode(self.payload).decode(),
            "signatures": [{"keyid": s.key_id, "sig": base64.b64encode(s.value).decode()} for s in self.signatures],
        }

    def signed(self, key: SigningKey) -> Envelope:
        """The same envelope with one more signature, in place of an earlier one of the same key."""
        made = Signature(key_id=key.key_id, value=key.sign(pae(self.payload_type, self.payload)))
        return replace(self, signatures=(*(s for s in self.signatures if s.key_id != made.key_id), made))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A payload that enough of the trusted keys have signed, and which of them."""

    payload: bytes
    signers: tuple[VerifyKey, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedStatement:
    """An in-toto statement that enough of the trusted keys have signed, and which of them."""

    statement: JsonObject
    signers: tuple[VerifyKey, ...]


def sign(statement: JsonObject, key: SigningKey) -> Envelope:
    """Sign an in-toto statement; others add theirs with `Envelope.signed`. Raises `SignatureError` where it is none."""
    try:
        payload = canonical(statement)
    except ValueError:
        raise SignatureError("what is to be signed has no canonical form") from None
    _statement(payload)
    return Envelope(payload_type=IN_TOTO, payload=payload).signed(key)


def verify(envelope: Envelope, keys: Sequence[VerifyKey], threshold: int) -> VerifiedStatement:
    """The statement, once `threshold` different keys of `keys` have signed it; raises `SignatureError` otherwise."""
    verified = authenticate(envelope, keys, threshold, payload_type=IN_TOTO)
    return VerifiedStatement(statement=_statement(verified.payload), signers=verified.signers)


def authenticate(envelope: Envelope, keys: Sequence[VerifyKey], threshold: int, *, payload_type: str) -> Verified:
    """The payload, once `threshold` different keys of `keys` have signed it as this type.

    Raises `SignatureError` otherwise, also where there is no key, a threshold below one or above the number of keys:
    what asks for nothing proves nothing.
    """
    trusted = tuple(dict.fromkeys(keys))
    if not trusted:
        raise SignatureError("no key is trusted, so no signature proves anything", hint="give at least one public key")
    if not 1 <= threshold <= len(trusted):
        raise SignatureError(f"{threshold} signatures cannot be asked of {len(trusted)} different keys")
    if len(envelope.signatures) > _MOST_SIGNATURES:
        raise SignatureError(f"the envelope has more than {_MOST_SIGNATURES} signatures")
    message = pae(envelope.payload_type, envelope.payload)
    signers = tuple(key for key in trusted if any(_holds(key, each.value, message) for each in envelope.signatures))
    if len(signers) < threshold:
        raise SignatureError(
            f"{len(signers)} of {len(trusted)} trusted keys signed this, {threshold} are needed",
            hint="trusted: " + ", ".join(key.key_id for key in trusted),
        )
    if envelope.payload_type != payload_type:
        raise SignatureError(f"the envelope is signed as another type than {payload_type}")
    return Verified(payload=envelope.payload, signers=signers)


class _DocumentSignature(BaseModel):
    model_config = ConfigDict(frozen=True)

    sig: str
    keyid: str | None = None


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True)

    payloadType: str  # noqa: N815  # the format's own spelling
    payload: str
    signatures: tuple[_DocumentSignature, ...]


class _Subject(BaseModel):
    model_config = ConfigDict(frozen=True)

    name: str = ""
    digest: Annotated[dict[str, str], Field(min_length=1)]


class _Statement(BaseModel):
    model_config = ConfigDict(frozen=True)

    type: Annotated[Literal["https://in-toto.io/Statement/v1"], Field(alias="_type")]
    subject: Annotated[tuple[_Subject, ...], Field(min_length=1)]
    predicateType: Annotated[str, Field(min_length=1)]  # noqa: N815  # the format's own spelling
    predicate: dict[str, Any] = {}


def _statement(payload: bytes) -> dict[str, Json]:
    """Parse what was signed; a name that stands twice would be read differently elsewhere, so it is refused."""
    try:
        statement: dict[str, Json] = json.loads(payload.decode(), object_pairs_hook=_once)
        _Statement.model_validate(statement)
    except (ValueError, RecursionError):
        raise SignatureError("what is signed is not an in-toto statement") from None
    return statement


def _once(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _holds(key: VerifyKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except SignatureError:
        return False
    return True


def _decoded(text: str) -> bytes:
    plain = text.replace("-", "+").replace("_", "/")
    if not _BASE64.fullmatch(plain):
        raise binascii.Error("not base64")
    return base64.b64decode(plain)
