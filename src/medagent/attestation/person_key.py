"""A person's own keys, in a file of the person's: encrypted with a passphrase, and never in an installation's state.

The file is one JSON object that a browser can open too (`audits/officers/README.md` documents it): PBKDF2 with
HMAC-SHA-256 makes a key of the passphrase, AES-256-GCM encrypts both private halves under it.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, Literal

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from medagent.errors import KeyFileError
from medagent.file_access import FileModeError, read_file
from medagent.proof import SigningKey, canonical

FORMAT: Final = "medagent-person-key/1"
ITERATIONS = 600_000
LEAST_CHARACTERS = 14
_MOST_ITERATIONS = 10_000_000
_MOST_BYTES = 16_384
_SALT_BYTES, _NONCE_BYTES, _KEY_BYTES = 16, 12, 32


def _bytes_of(*, least: int, most: int) -> AfterValidator:
    def check(text: str) -> str:
        if not least <= len(base64.b64decode(text, validate=True)) <= most:
            raise ValueError(f"expected {least} to {most} bytes in base64")
        return text

    return AfterValidator(check)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Kdf(_Part):
    name: Literal["PBKDF2"]
    hash: Literal["SHA-256"]
    iterations: Annotated[int, Field(ge=ITERATIONS, le=_MOST_ITERATIONS)]
    salt: Annotated[str, _bytes_of(least=_SALT_BYTES, most=64)]


class _Cipher(_Part):
    name: Literal["AES-GCM"]
    length: Literal[256]
    nonce: Annotated[str, _bytes_of(least=_NONCE_BYTES, most=_NONCE_BYTES)]


class _Header(_Part):
    format: Literal["medagent-person-key/1"]
    kdf: _Kdf
    cipher: _Cipher


class _Container(_Header):
    ciphertext: Annotated[str, _bytes_of(least=_NONCE_BYTES, most=_MOST_BYTES)]


class _Secrets(_Part):
    """Both private halves, PKCS #8 in base64."""

    signing: str
    annex: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PersonKey:
    """The two private halves: one signs, the other opens what is sealed to the person."""

    signing: SigningKey
    annex: X25519PrivateKey = field(repr=False)

    @classmethod
    def new(cls) -> PersonKey:
        """A pair that nobody else has."""
        return cls(signing=SigningKey(private=Ed25519PrivateKey.generate()), annex=X25519PrivateKey.generate())

    @property
    def annex_pem(self) -> str:
        """The public half to which annexes are sealed."""
        return self.annex.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def write(self, path: Path, passphrase: str) -> None:
        """Put both into a new file, 0600 from its first byte.

        Raises `KeyFileError` where a file is there already, or the passphrase has fewer than 14 characters.
        """
        check_passphrase(passphrase)
        content = _sealed(self, passphrase)
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise KeyFileError(f"{path} is there already", hint="a key is never written over another") from None
        except OSError as error:
            raise KeyFileError(f"{path} cannot be written ({type(error).__name__})") from None
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)

    @classmethod
    def read(cls, path: Path, passphrase: str) -> PersonKey:
        """Read the file; raises `KeyFileError` where others can read it too, or the passphrase does not open it."""
        try:
            content = read_file(path, is_private=True)
        except FileModeError:
            raise KeyFileError(f"{path} can be read by other users", hint=f"chmod 600 {path}") from None
        except OSError as error:
            raise KeyFileError(f"{path} cannot be read ({type(error).__name__})") from None
        if content.startswith(b"-----BEGIN"):
            raise KeyFileError(
                f"{path}: a key file of an earlier version, expected {FORMAT}", hint="medagent audit key new"
            )
        try:
            container = _Container.model_validate(json.loads(content))
        except (ValueError, RecursionError):
            raise KeyFileError(f"{path} is not a person's key") from None
        try:
            return _opened(container, passphrase)
        except (InvalidTag, ValueError, TypeError, UnsupportedAlgorithm):
            raise KeyFileError(f"{path} is not a person's key, or the passphrase is another") from None


def check_passphrase(passphrase: str) -> None:
    """Raise `KeyFileError` where a passphrase has fewer than 14 characters, or repeats fewer than 5 different ones."""
    text = unicodedata.normalize("NFC", passphrase)
    if len(text.strip()) < LEAST_CHARACTERS or len(set(text)) < 5:
        raise KeyFileError(
            f"passphrase: too short, expected {LEAST_CHARACTERS} characters or more", hint="use four or five words"
        )


def _sealed(keys: PersonKey, passphrase: str) -> bytes:
    salt, nonce = secrets.token_bytes(_SALT_BYTES), secrets.token_bytes(_NONCE_BYTES)
    header = _Header(
        format=FORMAT,
        kdf=_Kdf(name="PBKDF2", hash="SHA-256", iterations=ITERATIONS, salt=_text(salt)),
        cipher=_Cipher(name="AES-GCM", length=256, nonce=_text(nonce)),
    ).model_dump()
    private = {"signing": _pkcs8(keys.signing.private), "annex": _pkcs8(keys.annex)}
    key = _derived(passphrase, salt, ITERATIONS)
    ciphertext = AESGCM(key).encrypt(nonce, canonical(private), canonical(header))
    return canonical({**header, "ciphertext": _text(ciphertext)}) + b"\n"


def _opened(container: _Container, passphrase: str) -> PersonKey:
    """Both keys; raises `InvalidTag` under another passphrase, or where a byte of the file was changed."""
    header = container.model_dump(exclude={"ciphertext"})
    key = _derived(passphrase, base64.b64decode(container.kdf.salt), container.kdf.iterations)
    nonce, ciphertext = (base64.b64decode(text) for text in (container.cipher.nonce, container.ciphertext))
    private = _Secrets.model_validate_json(AESGCM(key).decrypt(nonce, ciphertext, canonical(header)))
    signing, annex = (load_der_private_key(base64.b64decode(text), None) for text in (private.signing, private.annex))
    if not isinstance(signing, Ed25519PrivateKey) or not isinstance(annex, X25519PrivateKey):
        raise TypeError("expected an Ed25519 and an X25519 key")
    return PersonKey(signing=SigningKey(private=signing), annex=annex)


def _derived(passphrase: str, salt: bytes, iterations: int) -> bytes:
    text = unicodedata.normalize("NFC", passphrase).encode()
    return PBKDF2HMAC(algorithm=SHA256(), length=_KEY_BYTES, salt=salt, iterations=iterations).derive(text)


def _pkcs8(key: Ed25519PrivateKey | X25519PrivateKey) -> str:
    return _text(key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
