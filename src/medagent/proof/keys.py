"""Keys on disk and from the settings; what is made here is 0600 from its first byte."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from medagent.errors import KeyFileError
from medagent.file_access import FileModeError, read_file
from medagent.proof.signing import SigningKey

_KEY_BYTES = 32
PSEUDONYM_SHAPE = re.compile(r"psn_[0-9a-f]{8}_[0-9a-f]{32}")
"""The form of every pseudonym: its key's id, then 128 bits of HMAC-SHA256."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PseudonymKey:
    """A secret that turns a value into a stable pseudonym: without it a phone number is found by trying them all."""

    secret: bytes = field(repr=False)

    @property
    def key_id(self) -> str:
        """Names the key without telling it: 8 hex digits."""
        return hashlib.sha256(b"medagent pseudonym key id\0" + self.secret).hexdigest()[:8]

    def pseudonym(self, category: str, value: str) -> str:
        """The same value of the same category under the same key is always the same `psn_…`."""
        message = category.encode() + b"\0" + value.encode()
        return f"psn_{self.key_id}_{hmac.new(self.secret, message, hashlib.sha256).hexdigest()[:32]}"

    def keyed_digest(self, name: str, *values: str) -> str:
        """Return a digest by which a secret is compared and not found by trying; `name` separates its uses."""
        message = b"\0".join(part.encode() for part in ("medagent binding", name, *values))
        return f"keyed:{hmac.new(self.secret, message, hashlib.sha256).hexdigest()[:32]}"


class KeyRing:
    """Where this installation's keys come from: given ones first; in dev a missing one is made on first use."""

    def __init__(
        self,
        directory: Path,
        *,
        env: Literal["dev", "prod"],
        pseudonym_hex: str | None = None,
        signing_hex: str | None = None,
    ) -> None:
        self._directory = directory
        self._env = env
        self._pseudonym_hex = pseudonym_hex
        self._signing_hex = signing_hex

    def pseudonym_key(self) -> PseudonymKey:
        """The HMAC key; raises `KeyFileError` where it is missing in prod, malformed, or open to other users."""
        return PseudonymKey(secret=self._secret("pseudonym", self._pseudonym_hex))

    def signing_key(self) -> SigningKey:
        """The Ed25519 key of this installation; raises `KeyFileError` as `pseudonym_key` does."""
        return SigningKey.from_seed(self._secret("signing", self._signing_hex))

    def _secret(self, name: Literal["pseudonym", "signing"], given: str | None) -> bytes:
        variable = f"MEDAGENT_{name.upper()}_KEY"
        if given is not None:
            return _decode(given, variable)
        path = self._directory / f"{name}.key"
        try:
            if not path.exists():
                if self._env == "prod":
                    raise KeyFileError(
                        f"the {name} key is missing",
                        hint=f"set {variable} to 64 hex digits, or put them into {path} with mode 0600",
                    )
                _create(path)
            return _read(path)
        except OSError as error:
            raise KeyFileError(f"{path} cannot be used ({type(error).__name__})") from None


def _create(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Written whole beside its place, then linked there: a process that starts at the same moment sees all of it.
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, secrets.token_hex(_KEY_BYTES).encode())
        os.fsync(descriptor)
        os.link(draft, path)
    except FileExistsError:
        pass  # another process was first: its key is the key
    finally:
        os.close(descriptor)
        draft.unlink()


def _read(path: Path) -> bytes:
    try:
        content = read_file(path, is_private=True)
    except FileModeError:
        raise KeyFileError(f"{path} can be read by other users", hint=f"chmod 600 {path}") from None
    return _decode(content.decode("ascii", errors="replace"), str(path))


def _decode(text: str, origin: str) -> bytes:
    try:
        secret = bytes.fromhex(text.strip())
    except ValueError:
        raise KeyFileError(f"{origin} is not hexadecimal", hint="a key is 64 hex digits") from None
    if len(secret) < _KEY_BYTES:
        raise KeyFileError(f"{origin} is too short", hint="a key is 64 hex digits")
    if not any(secret):
        raise KeyFileError(f"{origin} holds zeros alone, expected random digits", hint="openssl rand -hex 32")
    return secret
