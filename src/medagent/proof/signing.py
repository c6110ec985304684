"""Ed25519 keys: a private half that signs, a public half that anybody may have and that alone verifies."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from medagent.errors import KeyFileError, SignatureError
from medagent.file_access import read_file

SEED_BYTES = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyKey:
    """The public half; two are equal where their 32 bytes are."""

    raw: bytes

    @classmethod
    def parse(cls, pem: str) -> VerifyKey:
        """Read the text form; raises `KeyFileError` where it is not the PEM of an Ed25519 public key."""
        try:
            key = load_pem_public_key(pem.encode())
        except (ValueError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, Ed25519PublicKey):
            raise KeyFileError("this is not an Ed25519 public key", hint="its text begins -----BEGIN PUBLIC KEY-----")
        return cls(raw=key.public_bytes_raw())

    @classmethod
    def read(cls, path: Path) -> VerifyKey:
        """Read the PEM of a public key in a file; raises `KeyFileError`."""
        try:
            return cls.parse(read_file(path).decode(errors="replace"))
        except OSError as error:
            raise KeyFileError(f"{path} cannot be read ({type(error).__name__})") from None

    @property
    def pem(self) -> str:
        """The text form (SubjectPublicKeyInfo in PEM), as other tools read it."""
        return self._key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    @property
    def key_id(self) -> str:
        """Names the key: the first 16 hex digits of its DER form's SHA-256."""
        der = self._key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(der).hexdigest()[:16]

    def verify(self, signature: bytes, message: bytes) -> None:
        """Raises `SignatureError` unless the private half of this key signed exactly this message."""
        try:
            self._key().verify(signature, message)
        except InvalidSignature:
            raise SignatureError(f"the signature is not that of key {self.key_id}") from None

    def _key(self) -> Ed25519PublicKey:
        return Ed25519PublicKey.from_public_bytes(self.raw)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SigningKey:
    """The private half; who has it can sign in this installation's name."""

    private: Ed25519PrivateKey = field(repr=False)

    @classmethod
    def from_seed(cls, seed: bytes) -> SigningKey:
        """The key of a 32-byte seed; raises `KeyFileError` on any other length."""
        if len(seed) != SEED_BYTES:
            raise KeyFileError("a signing key has another length", hint="a signing key is 64 hex digits")
        return cls(private=Ed25519PrivateKey.from_private_bytes(seed))

    @property
    def public(self) -> VerifyKey:
        """The half to give away."""
        return VerifyKey(raw=self.private.public_key().public_bytes_raw())

    @property
    def key_id(self) -> str:
        """The id of both halves."""
        return self.public.key_id

    def sign(self, message: bytes) -> bytes:
        """64 bytes, always the same for the same message."""
        return self.private.sign(message)
