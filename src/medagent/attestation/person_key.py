"""A person's own keys, in a file of the person's: encrypted with a passphrase, and never in an installation's state."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from medagent.errors import KeyFileError
from medagent.file_access import FileModeError, read_file
from medagent.proof import SigningKey

_END = b"-----END ENCRYPTED PRIVATE KEY-----\n"


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
        """Put both into a new file, 0600 from its first byte; raises `KeyFileError` where one is there already."""
        if not passphrase:
            raise KeyFileError("a person's key needs a passphrase")
        locked = BestAvailableEncryption(passphrase.encode())
        content = b"".join(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked) for key in (self.signing.private, self.annex)
        )
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
            first, second, rest = read_file(path, is_private=True).split(_END)
            keys = [load_pem_private_key(part + _END, passphrase.encode()) for part in (first, second)]
        except FileModeError:
            raise KeyFileError(f"{path} can be read by other users", hint=f"chmod 600 {path}") from None
        except OSError as error:
            raise KeyFileError(f"{path} cannot be read ({type(error).__name__})") from None
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise KeyFileError(f"{path} is not a person's key, or the passphrase is another") from None
        signing, annex = keys
        if rest or not isinstance(signing, Ed25519PrivateKey) or not isinstance(annex, X25519PrivateKey):
            raise KeyFileError(f"{path} is not a person's key")
        return cls(signing=SigningKey(private=signing), annex=annex)
