"""What every destination is: a pure mapping from spans to its wire, and the constants of its envelope."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Protocol

import requests

from medagent.errors import ExportError, RefusedError
from medagent.telemetry.span import SafeSpan, Seal

_ASK_WITHIN_S = 10.0
_REFUSALS = (400, 413, 422)
"""The answers that are about what was sent; all others are about the moment, the address or the key."""
_LONGEST_PAUSE_S = 3600.0


class Exporter(Protocol):
    """One destination; a second delivery of the same batch leaves one copy there."""

    @property
    def name(self) -> str:
        """The destination's name in settings, guardrails and the ledger."""

    @property
    def region(self) -> str:
        """Where the destination keeps what it is given."""

    @property
    def retention_days(self) -> int | None:
        """How long the destination keeps it; None where it decides that itself."""

    def export(self, batch: Sequence[SafeSpan]) -> None:
        """Deliver a batch whole; raises `ExportError` where it failed, `DoorError` where the exit refused it."""

    def holds(self, span: SafeSpan) -> bool:
        """Whether the destination shows a span; raises `ExportError` where it cannot be asked."""

    def close(self) -> None:
        """Let go of connections and files; a second call does nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """All that may leave for a destination beside a span's own content; what may hold its key has no repr.

    `keys` are the destination's own keys, whose values are the span's; `constants` are those with fixed strings.
    `part` matches the name of a body's part and tells in its group `span` whose part it is, if any span's; `prefix`
    begins the dotted path under which a span's fields stand where the destination takes no nested ones.
    """

    method: str
    url: str = field(repr=False)
    media_type: str
    headers: Mapping[str, str] = field(repr=False)
    keys: frozenset[str]
    constants: Mapping[str, frozenset[str]] = field(repr=False)
    part: re.Pattern[str] | None = None
    prefix: str | None = None
    max_bytes: int = 20 * 2**20


def seal_of(span: SafeSpan) -> Seal:
    """The span's place in its chain; raises `ExportError` on an unsealed span, which nothing may ship."""
    if span.seal is None:
        raise ExportError("a span that is not sealed cannot be shipped")
    return span.seal


def failure(name: str, status: int, retry_after: str | None = None) -> ExportError:
    """The error of an answer that is no success; `retry_after` is its header of that name, if it had one."""
    if status in _REFUSALS:
        return RefusedError(f"{name} answered {status}", status=status)
    return ExportError(f"{name} answered {status}", status=status, retry_after_s=pause_asked_s(retry_after))


def pause_asked_s(retry_after: str | None) -> float | None:
    """The seconds of a `Retry-After`, which are a number or a date, at most an hour; None where it is neither."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdecimal():
        return min(float(text), _LONGEST_PAUSE_S)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    aware = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
    return min(max((aware - datetime.now(UTC)).total_seconds(), 0.0), _LONGEST_PAUSE_S)


def ask(url: str, headers: Mapping[str, str], *, of: str) -> requests.Response:
    """Read back from a destination, telling it nothing but an id; raises `ExportError` where it cannot be asked."""
    with requests.Session() as session:
        session.trust_env = False
        try:
            return session.get(
                url, headers={**headers, "user-agent": "medagent"}, timeout=_ASK_WITHIN_S, allow_redirects=False
            )
        except requests.RequestException as error:
            raise ExportError(f"{of} cannot be asked ({type(error).__name__})") from None
