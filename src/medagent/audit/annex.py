"""What only an officer may read: sealed to the officer's X25519 key by HPKE (RFC 9180)."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from medagent.errors import AttestationError, KeyFileError

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_INFO = b"medagent annex 1"


def seal_for(officer_public_key_pem: str, plaintext: bytes) -> bytes:
    """What one officer alone can read; raises `KeyFileError` where the key is not an X25519 public key."""
    try:
        key = load_pem_public_key(officer_public_key_pem.encode())
    except ValueError:
        key = None
    if not isinstance(key, X25519PublicKey):
        raise KeyFileError("this is not an X25519 public key")
    return _SUITE.encrypt(plaintext, key, _INFO)


def open_with(private: X25519PrivateKey, blob: bytes) -> bytes:
    """What was sealed to the other half of this key; raises `AttestationError` where it was not, or was changed."""
    try:
        return _SUITE.decrypt(blob, private, _INFO)
    except (InvalidTag, ValueError):
        raise AttestationError("the annex is not sealed to this key, or was changed") from None
