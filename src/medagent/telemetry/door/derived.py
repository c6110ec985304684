"""What may leave beside a span's own values: the forms that destinations want, made here anew from the sealed span."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from medagent.proof import Json
from medagent.telemetry.span import Ancestor, SafeSpan

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MS = 86_400_000
_DONE = ("ok", "refused")


def derived(span: SafeSpan) -> Iterator[str | float | bool]:
    """Times in other units, ids without dashes, order, label; a tool's success; the first sound; fresh audio."""
    own = Ancestor(span_id=span.span_id, start_us=span.start_us)
    root, *below = (*span.ancestors, own)
    yield _moment(span.start_us).isoformat(timespec="microseconds")
    yield _moment(span.end_us).isoformat(timespec="microseconds")
    path = [(root.start_us, span.trace_id), *((one.start_us, one.span_id) for one in below)]
    yield ".".join(f"{_moment(start_us):%Y%m%dT%H%M%S%fZ}{span_id}" for start_us, span_id in path)
    yield from (span.start_us * 1000, span.end_us * 1000, span.end_us // 1000)
    yield span.trace_id.replace("-", "")
    yield span.span_id.replace("-", "")
    yield from (short_id(one) for one in (span.span_id, span.parent_id) if one is not None)
    if "." in span.name:
        yield span.name.partition(".")[2]
    stage = span.fields.get("llm")
    token = stage.get("ttft") if isinstance(stage, Mapping) else None
    for wait, ms in ((span.fields.get("ttft_ms"), 1.0), (token, 1000.0)):
        if isinstance(wait, int | float) and 0 <= wait * ms < _DAY_MS:
            yield _moment(span.start_us + round(wait * ms * 1000)).isoformat(timespec="microseconds")
            yield wait * ms / 1000
    audio, cached = (span.fields.get(name) for name in ("input_audio_tokens", "input_cached_audio_tokens"))
    if type(audio) is int and type(cached) is int:  # a flag is no count
        yield audio - cached
    for key, value in _leaves(span.fields):
        if key.endswith("_ms") and isinstance(value, int | float):
            yield value / 1000
        elif key == "outcome":
            yield value in _DONE


def short_id(span_id: str) -> str:
    """The first 8 bytes of a span's UUID in hex: all that OTLP has room for."""
    return span_id.replace("-", "")[:16]


def _leaves(fields: Mapping[str, Json]) -> Iterator[tuple[str, Json]]:
    pending: list[tuple[str, Json]] = list(fields.items())
    while pending:
        key, value = pending.pop()
        if isinstance(value, Mapping):
            pending.extend(value.items())
        elif isinstance(value, list | tuple):
            pending.extend((key, inner) for inner in value)
        else:
            yield key, value


def _moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)
