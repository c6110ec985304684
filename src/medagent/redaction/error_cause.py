"""The class and the status that name an exception: of what it was raised from, as far as that says more.

No library is imported: an exception is read by its class's name and by the attributes that clients of HTTP, SIP and
WebSocket agree on. Nothing that a message says is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from medagent.redaction.lists import error_types

STATUSES = range(100, 700)
"""Of HTTP and SIP."""
_ATTRIBUTES = ("status_code", "sip_status_code", "status", "code")
_DEEPEST = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorCause:
    """The name of a class or a provider's code, and a status where one was given."""

    error_type: str
    error_status: int | None


def cause_of(error: BaseException) -> ErrorCause:
    """Return the class and status of an exception: of the first in its chain of causes that has a status or a code.

    Without one it is the last cause whose class is on the list of error types: `gaierror` for a host that is not found,
    `ConnectionRefusedError` for a port that is shut. A time-out is not looked behind.

    Args:
        error: What was raised; its chain is read through `__cause__`, and a group's through its first member.

    Returns:
        The class or code (a single word), and the status (100 to 699) or None.
    """
    named: BaseException = error
    for one in _chain(error):
        kind = type(one).__name__
        status = _status(one)
        if status is not None:
            return ErrorCause(error_type=kind, error_status=status)
        if (code := _code(one)) is not None:
            return ErrorCause(error_type=code, error_status=None)
        if kind in error_types():
            named = one
        if "Timeout" in kind:
            break
    return ErrorCause(error_type=type(named).__name__, error_status=None)


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    one: BaseException | None = error
    while one is not None and len(seen) < _DEEPEST and not any(one is before for before in seen):
        seen.append(one)
        yield one
        one = one.exceptions[0] if isinstance(one, BaseExceptionGroup) else _behind(one)


def _behind(error: BaseException) -> BaseException | None:
    """Return the cause; of a failed connection also what it hides: httpcore raises its own from None."""
    hidden = error.__context__ if "Connect" in type(error).__name__ else None
    return error.__cause__ or (hidden if isinstance(hidden, OSError) else None)


def _status(error: BaseException) -> int | None:
    for owner in (error, _read(error, "response")):
        for name in _ATTRIBUTES:
            value = None if owner is None else _read(owner, name)
            if type(value) is int and value in STATUSES:
                return value
    return None


def _code(error: BaseException) -> str | None:
    """Return a provider's code, as in the body of an error that came over a WebSocket, where it is on the list."""
    for owner in (error, _read(error, "body")):
        code = None if owner is None else owner.get("code") if isinstance(owner, dict) else _read(owner, "code")
        if isinstance(code, str) and code in error_types():
            return code
    return None


def _read(owner: object, name: str) -> object:
    """Return an attribute, None where it cannot be read: a property of somebody's error may raise."""
    try:
        return getattr(owner, name, None)
    except Exception:  # noqa: BLE001  # whatever it raises, the error that is being told must still be told
        return None
