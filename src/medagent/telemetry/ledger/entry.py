"""One line of the ledger: bytes ↔ entry, without a byte of freedom."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from medagent.proof import Json, SigningKey, VerifyKey, canonical, digest
from medagent.proof.dsse import Envelope, Signature, authenticate

CHECKPOINT = "application/vnd.medagent.ledger-checkpoint+json"
"""The DSSE payload type of an entry's signature: {sequence, at, hash}."""

_SHA256 = re.compile(r"[0-9a-f]{64}")
_SIGNATURE = re.compile(r"[0-9a-f]{128}")
_TEXTS = ("at", "kind", "previous", "hash", "key_id", "signature")
_NAMES = frozenset({"sequence", "content", *_TEXTS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What was recorded: number (from 0), time (UTC), kind, content, and how it hangs on the one before.

    `hash` covers everything but itself and the signature; the signature covers number, time and hash, and through the
    hash all entries before.
    """

    sequence: int
    at: str
    kind: str
    content: Mapping[str, Json]
    previous: str
    hash: str
    key_id: str
    signature: bytes

    @classmethod
    def make(
        cls, kind: str, content: Mapping[str, Json], *, sequence: int, previous: str, at: str, key: SigningKey
    ) -> Entry:
        """Chain and sign content that is valid."""
        parts: dict[str, Json] = {
            "sequence": sequence,
            "at": at,
            "kind": kind,
            "content": content,
            "previous": previous,
        }
        chained = digest({**parts, "key_id": key.key_id})
        [signature] = _envelope(sequence, at, chained).signed(key).signatures
        return cls(
            sequence=sequence,
            at=at,
            kind=kind,
            content=content,
            previous=previous,
            hash=chained,
            key_id=key.key_id,
            signature=signature.value,
        )

    @classmethod
    def parse(cls, line: bytes) -> Entry:
        """Read a line without its newline; raises `ValueError` unless every byte of it is as it was written."""
        try:
            found: Any = json.loads(line)
        except RecursionError:
            raise ValueError("not an entry") from None
        if not isinstance(found, dict) or found.keys() != _NAMES or not isinstance(found["content"], dict):
            raise ValueError("not an entry")
        if type(found["sequence"]) is not int or not all(isinstance(found[name], str) for name in _TEXTS):
            raise ValueError("not an entry")
        if not (_SHA256.fullmatch(found["previous"]) and _SIGNATURE.fullmatch(found["signature"])):
            raise ValueError("not an entry")
        entry = cls(**{**found, "signature": bytes.fromhex(found["signature"])})
        if entry.line() != line or entry.hash != digest(entry._chained()):
            raise ValueError("not an entry")
        return entry

    def document(self) -> dict[str, Json]:
        """All of it, as the line holds it and `--json` prints it."""
        return {**self._chained(), "hash": self.hash, "signature": self.signature.hex()}

    def line(self) -> bytes:
        """The canonical bytes, without a newline."""
        return canonical(self.document())

    def checkpoint(self) -> Envelope:
        """The signed {sequence, at, hash} on its own: kept elsewhere, it shows what the ledger was up to here."""
        envelope = _envelope(self.sequence, self.at, self.hash)
        signature = Signature(key_id=self.key_id, value=self.signature)
        return Envelope(payload_type=CHECKPOINT, payload=envelope.payload, signatures=(signature,))

    def authenticate(self, key: VerifyKey) -> None:
        """Raises `SignatureError` unless this key signed this entry."""
        authenticate(self.checkpoint(), [key], 1, payload_type=CHECKPOINT)

    def _chained(self) -> dict[str, Json]:
        return {
            "sequence": self.sequence,
            "at": self.at,
            "kind": self.kind,
            "content": self.content,
            "previous": self.previous,
            "key_id": self.key_id,
        }


def _envelope(sequence: int, at: str, chained: str) -> Envelope:
    return Envelope(payload_type=CHECKPOINT, payload=canonical({"sequence": sequence, "at": at, "hash": chained}))
