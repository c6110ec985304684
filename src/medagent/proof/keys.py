"""Keys on disk and from the settings; what is made here is 0600 from its first byte."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from medagent.errors import KeyFileError
from medagent.file_access import FileModeError, read_file
from medagent.proof.signing import SigningKey

_KEY_BYTES = 32
_LEAST_DIFFERENT_BYTES = 16
"""Minimum of distinct bytes in a new key; 32 random bytes have fewer once in 10**17 keys."""
_KEPT = re.compile(r"pseudonym-([0-9a-f]{8})\.key")
PSEUDONYM_SHAPE = re.compile(r"psn_[0-9a-f]{8}_[0-9a-f]{32}")
"""The form of every pseudonym: its key's id, then 128 bits of HMAC-SHA256."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PseudonymKey:
    """A secret that turns a value into a stable pseudonym: without it a phone number is found by trying them all."""

    secret: bytes = field(repr=False)

    @classmethod
    def new(cls) -> PseudonymKey:
        """Return a key of 32 random bytes."""
        return cls(secret=secrets.token_bytes(_KEY_BYTES))

    @property
    def is_random(self) -> bool:
        """Whether the key has enough distinct bytes to be random, unlike a repeated pattern."""
        return len(set(self.secret)) >= _LEAST_DIFFERENT_BYTES

    @property
    def key_id(self) -> str:
        """Names the key without telling it: 8 hex digits."""
        return hashlib.sha256(b"medagent pseudonym key id\0" + self.secret).hexdigest()[:8]

    def pseudonym(self, category: str, value: str) -> str:
        """The same value of the same category under the same key is always the same `psn_…`."""
        message = category.encode() + b"\0" + value.encode()
        return f"psn_{self.key_id}_{hmac.new(self.secret, message, hashlib.sha256).hexdigest()[:32]}"

    def has_made(self, value: object) -> bool:
        """Whether a value is a pseudonym made with this key, according to its key id."""
        return isinstance(value, str) and value.startswith(f"psn_{self.key_id}_")

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
        old_hex: str | None = None,
    ) -> None:
        """Take keys as hex digits; `old_hex` are earlier pseudonym keys, separated by commas."""
        self._directory = directory
        self._env = env
        self._pseudonym_hex = pseudonym_hex
        self._old_hex = old_hex
        self._signing_hex = signing_hex

    def pseudonym_key(self) -> PseudonymKey:
        """The HMAC key; raises `KeyFileError` where it is missing in prod, malformed, or open to other users."""
        return PseudonymKey(secret=self._secret("pseudonym", self._pseudonym_hex))

    def old_pseudonym_keys(self) -> tuple[PseudonymKey, ...]:
        """Return earlier pseudonym keys: those of the settings, then those in files, without duplicates.

        Raises:
            KeyFileError: One is malformed, open to other users, or its file has another key's name.
        """
        found = {one.key_id: one for one in (*self._given_old(), *self._kept())}
        found.pop(self.pseudonym_key().key_id, None)
        return tuple(found.values())

    def is_given_old(self, key: PseudonymKey) -> bool:
        """Whether the settings hold this earlier pseudonym key, so that it needs no file."""
        return key in self._given_old()

    @property
    def pseudonym_file(self) -> Path | None:
        """File of the pseudonym key that a rotation replaces; None if the key comes from a setting or a link."""
        path = self._directory / "pseudonym.key"
        return None if self._pseudonym_hex is not None or path.is_symlink() else path

    def keep_old(self, key: PseudonymKey) -> Path:
        """Write an earlier pseudonym key to a file of mode 0600 named after its id, and return the path."""
        path = self._directory / f"pseudonym-{key.key_id}.key"
        try:
            _write(path, key.secret, is_replaced=False)
            kept = PseudonymKey(secret=_read(path))
        except OSError as error:
            raise KeyFileError(f"{path} cannot be written ({type(error).__name__})") from None
        if kept != key:
            raise KeyFileError(f"{path} holds another key than its name says", hint=f"move {path} elsewhere")
        return path

    def replace_pseudonym_key(self, key: PseudonymKey) -> None:
        """Replace the pseudonym key in its file atomically."""
        path = self._directory / "pseudonym.key"
        try:
            _write(path, key.secret, is_replaced=True)
        except OSError as error:
            raise KeyFileError(f"{path} cannot be written ({type(error).__name__})") from None

    def _given_old(self) -> Iterator[PseudonymKey]:
        for text in (self._old_hex or "").split(","):
            if text.strip():
                yield PseudonymKey(secret=_decode(text, "MEDAGENT_PSEUDONYM_KEYS_OLD"))

    def _kept(self) -> Iterator[PseudonymKey]:
        try:
            files = sorted(self._directory.iterdir()) if self._directory.is_dir() else []
            for path in files:
                if (named := _KEPT.fullmatch(path.name)) is None:
                    continue
                key = PseudonymKey(secret=_read(path))
                if key.key_id != named[1]:
                    raise KeyFileError(f"{path} holds another key than its name says", hint=f"move {path} elsewhere")
                yield key
        except OSError as error:
            raise KeyFileError(f"{self._directory}: cannot be used ({type(error).__name__})") from None

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


def write_new_key(path: Path, key: PseudonymKey) -> None:
    """Write a pseudonym key to a new file of mode 0600; raises `KeyFileError` if it exists."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key.secret.hex().encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError:
        raise KeyFileError(f"{path} is there already", hint="a key is never written over another") from None
    except OSError as error:
        raise KeyFileError(f"{path} cannot be written ({type(error).__name__})") from None


def _create(path: Path) -> None:
    _write(path, secrets.token_bytes(_KEY_BYTES), is_replaced=False)


def _write(path: Path, secret: bytes, *, is_replaced: bool) -> None:
    """Write a key to a temporary file and move it into place, so that no process reads a part of it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, secret.hex().encode())
        os.fsync(descriptor)
        if is_replaced:
            draft.replace(path)
        else:
            os.link(draft, path)
    except FileExistsError:
        pass  # another process was first: its key is the key
    finally:
        os.close(descriptor)
        draft.unlink(missing_ok=True)


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
