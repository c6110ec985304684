"""The annex that only the officer can open: the text of findings, by HPKE (RFC 9180) for her X25519 key.

X25519, HKDF-SHA256 and ChaCha20-Poly1305; each annex has an ephemeral key of its own, so that not even the machine that
made it can open it again. A key pair is made with `openssl genpkey -algorithm x25519`.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from medagent.errors import KeyFileError, MedagentError

_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_PURPOSE = b"medagent audit annex 1"


class AnnexError(MedagentError):
    """An annex is not for this key, or not as it was sealed."""


def seal_for(officer_public_key_pem: str, plaintext: bytes) -> bytes:
    """Encrypt for the holder of the private half; raises `KeyFileError` for anything but an X25519 public key."""
    try:
        key = load_pem_public_key(officer_public_key_pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, X25519PublicKey):
        raise KeyFileError(
            "this is not an X25519 public key", hint="the officer's key for annexes is another than the one that signs"
        )
    return _SUITE.encrypt(plaintext, key, info=_PURPOSE)


def open_with(private: X25519PrivateKey, blob: bytes) -> bytes:
    """The plaintext; raises `AnnexError` for another's annex and for one with a byte changed."""
    try:
        return _SUITE.decrypt(blob, private, info=_PURPOSE)
    except (InvalidTag, ValueError):
        raise AnnexError("the annex is for another key, or it was changed") from None
