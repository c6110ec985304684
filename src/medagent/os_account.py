"""The operating system's account of this process, for the ledger; no environment variable takes part."""

from __future__ import annotations

import os
import pwd
import re
from dataclasses import dataclass
from pathlib import Path

_NAME = re.compile(r"[\w.@\\-]{1,64}")
_LOGIN_UID = Path("/proc/self/loginuid")
_NO_LOGIN_UID = 2**32 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class OsAccount:
    """The account that the process runs as, and the one that logged in, which `sudo` and `su` do not change."""

    uid: int
    name: str
    login: str | None

    def content(self) -> dict[str, str | int | None]:
        """Return the fields of a ledger entry."""
        return {"by": self.name, "uid": self.uid, "login": self.login}


def current_account() -> OsAccount:
    """Return the account of this process.

    Returns:
        uid and its name in the password database (`uid-N` where it has none), and the name of the account that logged
        in; None where the system does not record that.
    """
    uid = os.getuid()
    return OsAccount(uid=uid, name=_name(uid), login=_login())


def _login() -> str | None:
    try:
        uid = int(_LOGIN_UID.read_bytes())
    except (OSError, ValueError):
        uid = _NO_LOGIN_UID
    if uid != _NO_LOGIN_UID:
        return _name(uid)
    try:
        name = os.getlogin()  # of the terminal
    except OSError:
        return None
    return name if _NAME.fullmatch(name) else None


def _name(uid: int) -> str:
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid-{uid}"
    return name if _NAME.fullmatch(name) else f"uid-{uid}"
