"""Structured log lines, one bare JSON object a line, for a log stream that others collect (CloudWatch, Loki).

Delivery is at least once: a line may come twice. Its `_id` is made of its span's, so that a reader who counts can drop
repeats by it. Times are seconds; what is not known, or what the Realtime mode has not, is null.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import orjson

from medagent.errors import ExportError, NotAskableError
from medagent.file_access import open_to_read, open_to_write
from medagent.proof import Json
from medagent.telemetry.door.exit import Exit
from medagent.telemetry.door.send_log import SendLog, Sent
from medagent.telemetry.exporters.exporter import Envelope, seal_of
from medagent.telemetry.failures import FailureCause
from medagent.telemetry.gates import Gate
from medagent.telemetry.span import SafeSpan, SpanKind

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MEDIA_TYPE = "application/x-ndjson"
_NAMESPACE = "medagent"
_EVENTS = ("voice_metrics", "tool_metrics", "session_error", "session_analytics")
_METRICS = {
    "TotalLatency": ("Milliseconds", "voice_metrics", "total_latency_ms"),
    "TTFTA": ("Milliseconds", "voice_metrics", "ttft_ms"),
    "ToolDuration": ("Milliseconds", "tool_metrics", "duration_ms"),
    "CostUsd": ("None", "session_analytics", "cost_usd"),
}
"""CloudWatch metric → unit, the line that it is taken from, the span's field."""
_ERROR = ("error_type", "error_status", "error_message", "error_source", "error_recoverable")
_VOICE = (
    *("index", "kind", "agent", "model", "ttft_start", "first_sound_ms", "slow", "ended_by", "interrupted"),
    *("input_tokens", "output_tokens", "cost_usd"),
)
_ANALYTICS = (
    *("reason", "outcome", "complete", "missing", "unrecovered"),
    *("user_turns", "agent_turns", "tool_failures", "interruptions"),
)
_DONE = ("ok", "refused")
_MOST_ERRORS = 100
_FAILED = ("failed", "timeout", "unreadable")

ENVELOPE = Envelope(
    method="APPEND",
    url="jsonlog",
    media_type=_MEDIA_TYPE,
    headers={},
    keys=frozenset(
        {"_timestamp", "_session_id", "trace_id", "span_id", "env", *_VOICE, *_ANALYTICS, *_ERROR, *_METRICS}
        | {"total_latency", "llm", "ttft", "tts", "ttfb", "eou", "end_of_utterance_delay", "delay"}
        | {"tool", "outcome", "success", "duration", "tool_calls", "tool_call_count", "at", "perceived"}
        | {"metrics_summary", "llm_tokens", "llm_input_tokens", "llm_output_tokens"}
        | {"stt_audio_seconds", "tts_audio_seconds", "tts_characters"}
        | {"_aws", "Timestamp", "CloudWatchMetrics", "Metrics"}
    ),
    constants={
        "_event_type": frozenset(_EVENTS),
        "Namespace": frozenset({_NAMESPACE}),
        "Dimensions": frozenset({"env"}),
        "Name": frozenset(_METRICS),
        "Unit": frozenset(unit for unit, _, _ in _METRICS.values()),
    },
    part=re.compile(
        rf"(?P<span>[0-9a-f]{{8}}(?:-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}})\.(?:{'|'.join(_EVENTS)})(?:\.[0-9]{{1,2}})?"
    ),
)
"""All that a line may hold beside its span's values."""


class JsonLog:
    """Appends to a file (0600, found anew at each batch, so that it may be rotated) or to standard output."""

    name = "jsonlog"
    region = "local"
    retention_days: int | None = None

    def __init__(self, target: Path | Literal["stdout"], *, gate: Gate, emf: bool = False) -> None:
        self._gate = gate
        self._target = target
        self._emf = emf
        self._exit = Exit(ENVELOPE)
        self._send_log = SendLog()

    def export(self, batch: Sequence[SafeSpan]) -> None:
        """Append a batch's lines, all or none to a file; raises `ExportError` where not, `DoorError` where refused.

        The gate is looked at before each write, when the file is locked; raises `EgressOffError` where it is shut.
        """
        by_span = [(span, lines_of(span, emf=self._emf)) for span in batch]
        lines = [orjson.dumps(line) + b"\n" for _, made in by_span for line in made]
        if not lines:
            return
        body, headers = b"".join(lines), {"content-type": _MEDIA_TYPE}
        self._exit.check(method=ENVELOPE.method, url=ENVELOPE.url, headers=headers, body=body, batch=batch)
        self._send_log.begin(span for span, made in by_span if made)
        try:
            if self._target == "stdout":
                _print(lines, self._gate)
            else:
                _append(Path(self._target), body, self._gate)
        except (OSError, ValueError, AttributeError) as error:  # standard output may be closed, or none at all
            if self._target != "stdout":
                self._send_log.never_sent()
            message = f"the log cannot be written ({type(error).__name__})"
            raise ExportError(message, cause=FailureCause.NOT_WRITTEN) from None

    def holds(self, span: SafeSpan) -> bool:
        """Whether the file has every line of a span; raises `NotAskableError` for standard output."""
        if self._target == "stdout":
            raise NotAskableError("standard output cannot be asked what it holds")
        self._gate()
        wanted = {str(line["_id"]) for line in lines_of(span, emf=self._emf)}
        try:
            with os.fdopen(open_to_read(Path(self._target), is_link_followed=False), "rb") as log:
                return wanted <= {str(orjson.loads(line).get("_id")) for line in log if span.span_id.encode() in line}
        except (OSError, ValueError, AttributeError) as error:
            message = f"the log cannot be read ({type(error).__name__})"
            raise ExportError(message, cause=FailureCause.NOT_WRITTEN) from None

    def take_sends(self) -> Mapping[str, Sent]:
        """Return what was written since the last look, by span id; a span without a line is not in it."""
        return self._send_log.take()

    def close(self) -> None:
        """Nothing is held open between two batches."""


def lines_of(span: SafeSpan, *, emf: bool = False) -> list[dict[str, Json]]:
    """The lines that a span makes: one for a turn or a tool's call, one for each error, one for the call; else none.

    A turn is a realtime model's agent turn, a pipeline's exchange, or what the agent says in neither. A tool's error
    is told once, by its own span, any other once, by the call's end.
    """
    seal_of(span)
    lines: list[dict[str, Json]] = []
    is_alone = span.kind is SpanKind.AGENT_SPEECH and len(span.ancestors) == 1
    if is_alone or span.kind in (SpanKind.AGENT_TURN, SpanKind.EXCHANGE):
        lines.append(_line(span, "voice_metrics", _voice(span.fields), emf=emf))
    elif span.kind is SpanKind.TOOL:
        tool: Json = span.name.partition(".")[2] or span.name
        lines.append(_line(span, "tool_metrics", {**_tool(span.fields), "tool": tool}, emf=emf))
        if span.fields.get("outcome") in _FAILED:
            lines.append(_line(span, "session_error", {**_error(span.fields), "tool": tool}))
    elif span.name == "session.end":
        for number, error in enumerate(_records(span.fields.get("errors"))[:_MOST_ERRORS]):
            about = {**_error(error), "at": _seconds(error, "at_ms")}
            lines.append(_line(span, "session_error", about, number=f".{number}"))
        lines.append(_line(span, "session_analytics", _analytics(span.fields), emf=emf))
    return lines


def _line(
    span: SafeSpan, event: str, about: Mapping[str, Json], *, number: str = "", emf: bool = False
) -> dict[str, Json]:
    line: dict[str, Json] = {
        "_event_type": event,
        "_timestamp": (_EPOCH + timedelta(microseconds=span.end_us)).isoformat(timespec="microseconds"),
        "_session_id": span.trace_id,
        "_id": f"{span.span_id}.{event}{number}",
        "trace_id": span.trace_id,
        "env": span.env,
        **about,
    }
    if span.fields.get("synthetic") is True:
        return line | {"synthetic": True}
    return line | _embedded(span, event) if emf else line


def _embedded(span: SafeSpan, event: str) -> dict[str, Json]:
    """CloudWatch's embedded metrics of a line; one that is not known is no metric, never 0."""
    known: dict[str, Json] = {
        name: span.fields[field]
        for name, (_, line, field) in _METRICS.items()
        if line == event and isinstance(span.fields.get(field), int | float)
    }
    if not known:
        return {}
    metrics: list[Json] = [{"Name": name, "Unit": _METRICS[name][0]} for name in known]
    directive: Json = {"Namespace": _NAMESPACE, "Dimensions": [["env"]], "Metrics": metrics}
    return {"_aws": {"Timestamp": span.end_us // 1000, "CloudWatchMetrics": [directive]}, **known}


def _voice(fields: Mapping[str, Json]) -> dict[str, Json]:
    llm, tts, eou = (_record(fields.get(part)) for part in ("llm", "tts", "eou"))
    delay = eou.get("end_of_utterance_delay")
    return {
        **{name: fields.get(name) for name in _VOICE},
        "total_latency": _seconds(fields, "total_latency_ms"),
        "perceived": _seconds(fields, "perceived_ms"),
        "llm": {"ttft": llm.get("ttft")},
        "tts": {"ttfb": tts.get("ttfb")},
        "eou": {"end_of_utterance_delay": delay, "delay": delay},
    }


def _tool(fields: Mapping[str, Json]) -> dict[str, Json]:
    outcome = fields.get("outcome")
    success = outcome in _DONE if isinstance(outcome, str) else None
    return {"outcome": outcome, "success": success, "duration": _seconds(fields, "duration_ms")}


def _error(fields: Mapping[str, Json]) -> dict[str, Json]:
    return {name: fields.get(name) for name in _ERROR}


def _analytics(fields: Mapping[str, Json]) -> dict[str, Json]:
    usage, tools = _record(fields.get("usage")), fields.get("tools")
    calls: list[Json] = [{"tool": tool.get("name"), **_tool(tool)} for tool in _records(tools)]
    return {
        **{name: fields.get(name) for name in _ANALYTICS},
        "duration": _seconds(fields, "duration_ms"),
        "tool_call_count": fields.get("tool_calls"),
        "tool_calls": None if tools is None else calls,
        "metrics_summary": {
            "llm_tokens": usage.get("total_tokens"),
            "llm_input_tokens": usage.get("input_tokens"),
            "llm_output_tokens": usage.get("output_tokens"),
            **{name: usage.get(name) for name in ("stt_audio_seconds", "tts_audio_seconds", "tts_characters")},
        },
        "cost_usd": fields.get("cost_usd"),
    }


def _seconds(fields: Mapping[str, Json], name: str) -> Json:
    value = fields.get(name)
    return value / 1000 if isinstance(value, int | float) else None


def _record(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _records(value: Json) -> list[Mapping[str, Json]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list | tuple) else []


def _print(lines: Sequence[bytes], gate: Gate) -> None:
    """Each line in one write, so that no other writer of this process stands inside of it."""
    sys.stdout.flush()
    out = sys.stdout.fileno()
    for line in lines:
        rest = line
        gate()
        while rest:
            rest = rest[os.write(out, rest) :]


def _append(path: Path, body: bytes, gate: Gate) -> None:
    with _opened(path) as log:
        about = os.fstat(log)
        if not stat.S_ISREG(about.st_mode):
            gate()
            _write(log, body)
            return
        fcntl.flock(log, fcntl.LOCK_EX)  # with it no writer of ours sees, or cuts off, another's lines
        end = os.fstat(log).st_size
        gate()
        try:
            _write(log, body)
        except OSError:
            os.ftruncate(log, end)
            raise


def _write(log: int, body: bytes) -> None:
    if os.write(log, body) != len(body):
        raise OSError("a part was not written")


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    log = open_to_write(path, flags=os.O_WRONLY | os.O_APPEND, is_stream_allowed=True)
    try:
        about = os.fstat(log)
        if stat.S_ISREG(about.st_mode) and about.st_mode & 0o077:
            os.fchmod(log, 0o600)
        yield log
    finally:
        os.close(log)
