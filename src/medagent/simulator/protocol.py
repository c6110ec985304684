"""The wire's grammar: no event goes out or comes in that the published types do not declare to the last key."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias, get_args

from pydantic import BaseModel, TypeAdapter, ValidationError

from medagent.errors import SimulatorError

Event: TypeAlias = dict[str, Any]
Dialect: TypeAlias = Literal["current", "legacy"]
"""The names and shapes of the service, or those of its beta."""

_SESSION_EXTRAS = frozenset({"session.id", "session.object", "session.expires_at"})
_SERVER_VAD: Event = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 500,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
_SEMANTIC_VAD: Event = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}


FATAL_CODES = frozenset({"insufficient_quota", "invalid_api_key", "account_deactivated", "session_expired"})
"""After an error with one of these the service closes the connection."""
_MESSAGES = {
    "insufficient_quota": "You exceeded your current quota, please check your plan and billing details.",
    "rate_limit_exceeded": "Rate limit reached for gpt-realtime on tokens per min. Please try again later.",
    "session_expired": "Your session hit the maximum duration.",
    "server_error": "The server had an error while processing your request.",
}


_Adapters: TypeAlias = dict[str, TypeAdapter[BaseModel]]


@functools.cache
def load_dialect(dialect: Dialect) -> tuple[_Adapters, _Adapters]:
    """Return the types of a dialect's server and client events; the first call imports them."""
    if dialect == "legacy":
        from openai.types.beta import realtime as beta  # noqa: PLC0415  # most processes never speak the beta's dialect

        return _by_type(beta.RealtimeServerEvent), _by_type(beta.RealtimeClientEvent)
    from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent  # noqa: PLC0415  # half a second

    return _by_type(RealtimeServerEvent), _by_type(RealtimeClientEvent)


def _by_type(union: object) -> _Adapters:
    classes = get_args(get_args(union)[0])
    return {get_args(cls.model_fields["type"].annotation)[0]: TypeAdapter(cls) for cls in classes}


def problem(code: str) -> Event:
    """What the service says of a failure of its own: `type`, `code`, `message`."""
    kind = code if code in ("insufficient_quota", "server_error") else "invalid_request_error"
    return {"type": kind, "code": code, "message": _MESSAGES.get(code, "The request failed.")}


class RefusedError(Exception):
    """A client's event that the service answers with an `error` event; carries that event's code and parameter."""

    def __init__(self, message: str, *, code: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


def check_server_event(event: Event, dialect: Dialect = "current") -> None:
    """Raise `SimulatorError`, naming the keys, where an event of ours is not exactly what the types declare."""
    kind = str(event.get("type"))
    server_events, _ = load_dialect(dialect)
    adapter = server_events.get(kind)
    if adapter is None:
        raise SimulatorError(f"{kind} is no server event")
    try:
        extras = set(_undeclared(adapter.validate_python(event, strict=True))) - _SESSION_EXTRAS
    except ValidationError as error:
        raise SimulatorError(f"{kind}: {_first_problem(error)}") from None
    if extras:
        raise SimulatorError(f"{kind}: undeclared {', '.join(sorted(extras))}")
    if kind == "response.done":
        missing = {"id", "status", "output", "usage"} - event["response"].keys()
        if missing:
            raise SimulatorError(f"{kind}: response lacks {', '.join(sorted(missing))}")


def check_client_event(event: object, dialect: Dialect = "current") -> Event:
    """Give a client's event back if it is one; raises `RefusedError`."""
    if not isinstance(event, dict):
        raise RefusedError("An event must be a JSON object.", code="invalid_json")
    _, client_events = load_dialect(dialect)
    adapter = client_events.get(str(event.get("type")))
    if adapter is None:
        raise RefusedError("The event's type is not known.", code="invalid_event", param="type")
    try:
        extras = sorted(_undeclared(adapter.validate_python(event)))
    except ValidationError as error:
        raise RefusedError("A parameter is not valid.", code="invalid_value", param=_first_problem(error)) from None
    if extras:
        raise RefusedError("A parameter is not known.", code="unknown_parameter", param=extras[0])
    return event


def default_session(*, session_id: str, model: str, expires_at: int) -> Event:
    """The session that a connection starts with; `expires_at` in seconds since the Unix epoch."""
    pcm = {"type": "audio/pcm", "rate": 24_000}
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": session_id,
        "expires_at": expires_at,
        "model": model,
        "output_modalities": ["audio"],
        "instructions": "",
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "audio": {
            "input": {
                "format": pcm,
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": dict(_SERVER_VAD),
            },
            "output": {"format": dict(pcm), "voice": "alloy", "speed": 1.0},
        },
    }


def transcription_session(*, session_id: str, model: str, expires_at: int) -> Event:
    """The session that a transcription starts with; `model` is the deployment, which such a session does not name."""
    return {
        "type": "transcription",
        "object": "realtime.transcription_session",
        "id": session_id,
        "expires_at": expires_at,
        "include": None,
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24_000},
                "transcription": {"model": model} if model else None,
                "noise_reduction": None,
                "turn_detection": None,
            }
        },
    }


def updated_session(session: Event, update: Event) -> Event:
    """The whole session after a `session.update`: what is given replaces, a turn detection is filled with defaults."""
    kept = {"model": session["model"]} if "model" in session else {}
    merged: Event = _merge(session, {**update, **kept})
    detection = update.get("audio", {}).get("input", {}).get("turn_detection")
    if detection is not None:
        defaults = _SEMANTIC_VAD if detection["type"] == "semantic_vad" else _SERVER_VAD
        given = {name: value for name, value in detection.items() if value is not None}
        merged["audio"]["input"]["turn_detection"] = defaults | given
    return merged


def _merge(base: Event, update: Event) -> Event:
    merged = copy.deepcopy(base)
    for name, value in update.items():
        nested = name in ("audio", "input", "output") and isinstance(value, dict)
        merged[name] = _merge(merged.get(name) or {}, value) if nested else copy.deepcopy(value)
    return merged


def _undeclared(value: object, path: str = "") -> Iterator[str]:
    if isinstance(value, BaseModel):
        yield from (_join(path, name) for name in value.model_extra or ())
        for name in type(value).model_fields:
            yield from _undeclared(getattr(value, name), _join(path, name))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _undeclared(item, _join(path, str(index)))
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _undeclared(item, _join(path, str(name)))


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False, include_context=False)[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['type']}"
