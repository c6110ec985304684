"""What every destination is: a pure mapping from spans to its wire, and the constants of its envelope."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import Any, Protocol, runtime_checkable

import requests
from urllib3.exceptions import HTTPError

from medagent.errors import DoorError, ExportError, RefusedError
from medagent.telemetry.door.answer import GET_LIMIT, Answer, PlainSession, read_answer, unanswered
from medagent.telemetry.door.send_log import Sent
from medagent.telemetry.failures import Failure, FailureCause, cause_of_status
from medagent.telemetry.gates import Gate
from medagent.telemetry.span import SafeSpan, Seal

RELEASE = version("medagent")
_ASK_WITHIN_S = 10.0
_REFUSALS = (400, 413, 422)
"""The answers that are about what was sent; all others are about the moment, the address or the key."""
_LONGEST_PAUSE_S = 3600.0
_FOUND, _NOT_KNOWN = 200, 404


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
        """Deliver a batch whole; raises `ExportError` where it failed, `DoorError` where the exit refused it.

        Raises `EgressOffError` where the switch is off before one of its requests.
        """

    def holds(self, span: SafeSpan) -> bool:
        """Whether the destination shows a span; raises `ExportError` where it cannot be asked.

        Raises `EgressOffError` where the switch is off.
        """

    def close(self) -> None:
        """Let go of connections and files; a second call does nothing."""


@runtime_checkable
class ReportsSends(Protocol):
    """An exporter that knows which spans it sent."""

    def take_sends(self) -> Mapping[str, Sent]:
        """Return what was sent since the last look, by span id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SentCall:
    """One call as a destination may know it: ids alone."""

    trace_id: str
    span_ids: Sequence[str]


class RemoteDeletion(Protocol):
    """A destination's own way to delete; every method raises `ExportError` where it cannot be asked."""

    @property
    def name(self) -> str:
        """The destination's name."""

    def shows(self, call: SentCall) -> bool:
        """Whether the destination still shows something of a call."""

    def delete(self, call: SentCall) -> None:
        """Request the deletion of a call; most destinations delete later."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """Names under which destinations group calls, the same for all calls of a host.

    `environment` takes the place of the installation's own, dev or prod; `project` is Phoenix's.
    """

    name: str = "medagent"
    version: str | None = RELEASE
    environment: str | None = None
    project: str | None = None

    def environment_of(self, span: SafeSpan) -> str:
        """Return the environment under which a span is exported."""
        return self.environment or span.env

    @property
    def release(self) -> str:
        """The version, and that of medagent where none is set."""
        return self.version or RELEASE


def always_open() -> None:
    """Pass every request: for an exporter that no switch belongs to, as in a test."""


def seal_of(span: SafeSpan) -> Seal:
    """The span's place in its chain; raises `ExportError` on an unsealed span, which nothing may ship."""
    if span.seal is None:
        raise ExportError("a span that is not sealed cannot be shipped")
    return span.seal


def sends_of(exporter: Exporter, batch: Sequence[SafeSpan], error: Exception | None = None) -> Mapping[str, Sent]:
    """Return the spans of a batch that the export just sent, whether it ended with `error` or not.

    An exporter that keeps no account of its requests counts as having sent all, unless the request filter stopped it.
    """
    if isinstance(exporter, ReportsSends):
        return exporter.take_sends()
    return {} if isinstance(error, DoorError) else dict.fromkeys((span.span_id for span in batch), Sent.UNKNOWN)


def failure(
    name: str, status: int, retry_after: str | None = None, *, cause: FailureCause | None = None
) -> ExportError:
    """Return the error of an answer that is no success.

    Args:
        name: The destination.
        status: The answer's HTTP status.
        retry_after: Its header of that name, if it had one.
        cause: What is wrong with it; by default what the status names.

    Returns:
        A `RefusedError` where the status is about what was sent; its message and hint name cause and remedy.
    """
    found = Failure(cause=cause or cause_of_status(status), status=status)
    said = found.explain(name)
    message = f"{name}: {said.cause}"
    if status in _REFUSALS:
        return RefusedError(message, status=status, cause=found.cause, hint=said.remedy)
    wait_s = pause_asked_s(retry_after)
    return ExportError(message, status=status, retry_after_s=wait_s, cause=found.cause, hint=said.remedy)


def failure_of(name: str, answer: Answer) -> ExportError:
    """Return the error of an answer that its destination's own check did not accept."""
    status, cause = answer.status_code, None
    if 200 <= status < 300:
        cause = FailureCause.WEB_PAGE if answer.is_page() else FailureCause.ANSWER_SHAPE
        cause = FailureCause.ANSWER_TOO_LARGE if answer.is_too_large else cause
    return failure(name, status, answer.retry_after, cause=cause)


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


def ask(url: str, headers: Mapping[str, str], *, of: str, gate: Gate, ca_pem: bytes | None = None) -> Answer:
    """Read back from a destination, telling it nothing but an id.

    Args:
        url: The address with the id.
        headers: The key.
        of: The destination's name.
        gate: Called before the request.
        ca_pem: Certificates that are trusted beside the public ones.

    Returns:
        The answer, whatever its status; at most 2 MB of it are read.

    Raises:
        EgressOffError: The switch is off.
        ExportError: No answer came.
    """
    with PlainSession(ca_pem=ca_pem) as session:
        gate()
        session.deadline.begin(_ASK_WITHIN_S)
        try:
            response = session.get(
                url,
                headers={**headers, "user-agent": "medagent"},
                timeout=_ASK_WITHIN_S,
                allow_redirects=False,
                stream=True,
            )
            return read_answer(response, limit=GET_LIMIT)
        except (requests.RequestException, HTTPError) as error:
            lost = unanswered(error)
            said = Failure.of(lost).explain(of)
            raise ExportError(f"{of}: {said.cause}", cause=lost.cause, hint=said.remedy) from None


def shown(answer: Answer, name: str) -> Mapping[str, Any] | None:
    """Return the JSON object that a read-back found; None where the destination does not know the id.

    Raises:
        ExportError: The answer is neither of the two.
    """
    if answer.status_code == _FOUND and (found := answer.success()) is not None:
        return found
    if answer.status_code == _NOT_KNOWN and answer.record() is not None:
        return None
    raise failure_of(name, answer)
