"""Errors that a session reports, and the error that ends it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from livekit.agents import AgentSession, llm, stt, tts
from livekit.agents.voice import events as lk

from medagent.agent.raw import Send
from medagent.agent.shared import is_of
from medagent.redaction.error_cause import ErrorCause, cause_of
from medagent.telemetry import events

_SHAREABLE: tuple[Literal["llm"], Literal["stt"], Literal["tts"]] = ("llm", "stt", "tts")
_SOURCES: Mapping[str, events.ErrorSource] = {
    "llm_error": "llm",
    "realtime_model_error": "realtime",
    "stt_error": "stt",
    "tts_error": "tts",
}


class SessionErrors:
    """Send the errors of one session; `missing(part)` reports a part whose errors cannot be attributed to it."""

    def __init__(self, send: Send, *, missing: Callable[[events.MissingPart], None]) -> None:
        self._send = send
        self._missing = missing
        self._session: AgentSession[Any] | None = None
        self._last: object = None

    def attach(self, session: AgentSession[Any]) -> None:
        """Name the session whose errors these are."""
        self._session = session

    def raised(self, event: lk.ErrorEvent) -> None:
        """Send an error; LiveKit gives one of a shared object to each session that uses it."""
        source = _source(event.source)
        if source in _SHAREABLE and self._session is not None:
            is_own = is_of(self._session, source)
            if is_own is None:
                self._missing(source)
            if not is_own:
                return
        self._raise(source, event.error)

    def closed(self, event: lk.CloseEvent) -> None:
        """Send the error that ended the session, be it another's: LiveKit closes all sessions that share an object."""
        if event.error is not None and _inner(event.error) is not self._last:
            self._raise(_SOURCES.get(event.error.type, "session"), event.error)

    def _raise(self, source: events.ErrorSource, error: object) -> None:
        self._last = raised = _inner(error)
        cause = _cause(raised)
        self._send(
            events.ErrorRaised,
            source=source,
            error_type=cause.error_type,
            error_status=cause.error_status,
            message=str(raised),
            recoverable=bool(getattr(error, "recoverable", False)),
        )


def _inner(error: object) -> object:
    return getattr(error, "error", error)


def _cause(raised: object) -> ErrorCause:
    """Return the class and status of an error; a plugin may report an object other than an exception."""
    if isinstance(raised, BaseException):
        return cause_of(raised)
    return ErrorCause(error_type=type(raised).__name__, error_status=None)


def _source(source: object) -> events.ErrorSource:
    match source:
        case llm.RealtimeModel():
            return "realtime"
        case llm.LLM():
            return "llm"
        case stt.STT():
            return "stt"
        case tts.TTS():
            return "tts"
        case _:
            return "session"
