"""A span's OTLP attributes: its fields as they are, and beside them the names that each backend looks for.

The names are our own table: the constants of `opentelemetry-semantic-conventions` for `gen_ai.*` are deprecated, and
those of the backends are nowhere but in their documents.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

import orjson

from medagent.proof import Json
from medagent.proof.keys import PSEUDONYM_SHAPE
from medagent.telemetry.exporters.exporter import Service, seal_of
from medagent.telemetry.span import SafeSpan, SpanKind

PREFIX = "medagent"
"""A field stands under this and its dotted path."""

_OURS = Service()
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MS = 86_400_000
_TRACE_NAME = "voice_session"
_TAG = "medagent"
_OPERATIONS = {
    SpanKind.SESSION: "invoke_agent",
    SpanKind.AGENT_TURN: "chat",
    SpanKind.LLM: "chat",
    SpanKind.TOOL: "execute_tool",
}
_LANGFUSE_TYPES = {
    SpanKind.SESSION: "agent",
    SpanKind.MARKER: "span",
    SpanKind.GUARDRAIL: "guardrail",
    SpanKind.EXCHANGE: "span",
    SpanKind.USER_TURN: "span",
    SpanKind.AGENT_TURN: "generation",
    SpanKind.AGENT_SPEECH: "span",
    SpanKind.STT: "span",
    SpanKind.LLM: "generation",
    SpanKind.TTS: "span",
    SpanKind.TOOL: "tool",
}
_LANGSMITH_KINDS = {SpanKind.AGENT_TURN: "llm", SpanKind.LLM: "llm", SpanKind.TOOL: "tool"}
_PHOENIX_KINDS = {
    SpanKind.SESSION: "AGENT",
    SpanKind.GUARDRAIL: "GUARDRAIL",
    SpanKind.AGENT_TURN: "LLM",
    SpanKind.LLM: "LLM",
    SpanKind.TOOL: "TOOL",
}
_OF_EVERY_SPAN = (
    "gen_ai.conversation.id",
    "session.id",
    "langfuse.session.id",
    "langsmith.metadata.thread_id",
    "langsmith.metadata.session_id",
    f"{PREFIX}.trace_id",
)
_OF_THE_CALLER = ("user.id", "langfuse.user.id", "langsmith.metadata.user_id")
_OF_THE_MODEL = ("gen_ai.request.model", "gen_ai.response.model", "langfuse.observation.model.name")
_USAGE = {
    "gen_ai.usage.input_tokens": "input_tokens",
    "gen_ai.usage.output_tokens": "output_tokens",
    "gen_ai.usage.cache_read.input_tokens": "input_cached_tokens",
    "gen_ai.usage.cost": "cost_usd",
}
_LANGFUSE_USAGE = {
    "input": "input_tokens",
    "output": "output_tokens",
    "total": "total_tokens",
    "cached_tokens": "input_cached_tokens",  # part of the input: by a name in `input` Langfuse would add it once more
}
_LANGFUSE_COST = {"total": "cost_usd"}
_SEAL = ("sequence", "previous", "hash")

KEYS = frozenset(
    {*_OF_EVERY_SPAN, *_OF_THE_CALLER, *_OF_THE_MODEL, *_USAGE, *_LANGFUSE_USAGE, *_LANGFUSE_COST}
    | {f"{PREFIX}.{name}" for name in ("span_id", "env", "policy_digest", *_SEAL)}
    | {"langfuse.environment", "langfuse.trace.tags", "langfuse.observation.status_message"}
    | {"langfuse.observation.usage_details", "langfuse.observation.cost_details"}
    | {"langfuse.observation.input", "langfuse.observation.output", "langfuse.observation.completion_start_time"}
    | {"gen_ai.agent.name", "gen_ai.agent.version"}
    | {"gen_ai.tool.name", "gen_ai.provider.name", "gen_ai.response.time_to_first_chunk", "error.type"}
)
"""Attributes whose values are the span's."""


def _langsmith_tags(env: str) -> str:
    """LangSmith reads tags from one text."""
    return f"{_TAG}, {env}"


CONSTANTS: Mapping[str, frozenset[str]] = {
    "gen_ai.operation.name": frozenset(_OPERATIONS.values()),
    "langfuse.trace.name": frozenset({_TRACE_NAME}),
    "langfuse.trace.tags": frozenset({_TAG}),
    "langfuse.observation.type": frozenset(_LANGFUSE_TYPES.values()),
    "langfuse.observation.level": frozenset({"DEFAULT", "WARNING", "ERROR"}),
    "langsmith.span.kind": frozenset({"chain", *_LANGSMITH_KINDS.values()}),
    "langsmith.span.tags": frozenset(_langsmith_tags(env) for env in ("dev", "prod")),
    "openinference.span.kind": frozenset({"CHAIN", *_PHOENIX_KINDS.values()}),
}
"""Attributes whose values are ours."""


def constants_of(service: Service) -> dict[str, frozenset[str]]:
    """Return the attributes whose values are the operator's names."""
    environment = () if service.environment is None else (service.environment,)
    return {
        "langfuse.release": frozenset({service.release}),
        "langfuse.environment": frozenset(environment),
    }


def attributes_of(span: SafeSpan, service: Service = _OURS) -> dict[str, Json]:
    """All attributes of a span: scalars, lists of scalars of one type, JSON texts; what is null is absent."""
    own: dict[str, Json] = dict(_flat(span.fields, PREFIX))
    named = _of_any(span, service)
    if span.kind in (SpanKind.AGENT_TURN, SpanKind.LLM):
        named |= _of_generation(span)
    elif span.kind is SpanKind.TOOL:
        named |= _of_tool(span)
    return own | {name: _flattened(value) for name, value in named.items() if value is not None}


def _of_any(span: SafeSpan, service: Service) -> dict[str, Json]:
    seal, caller = seal_of(span), span.fields.get("participant_id")
    is_pseudonym = isinstance(caller, str) and PSEUDONYM_SHAPE.fullmatch(caller) is not None
    return {
        **dict.fromkeys(_OF_EVERY_SPAN, span.trace_id),
        **dict.fromkeys(_OF_THE_CALLER, caller if is_pseudonym else None),
        **{f"{PREFIX}.{name}": getattr(seal, name) for name in _SEAL},
        f"{PREFIX}.span_id": span.span_id,
        f"{PREFIX}.env": span.env,
        f"{PREFIX}.policy_digest": span.policy_digest,
        "gen_ai.operation.name": _OPERATIONS.get(span.kind),
        "gen_ai.provider.name": span.fields.get("provider"),
        "error.type": error_of(span),
        "langfuse.trace.name": _TRACE_NAME,
        "langfuse.trace.tags": [_TAG, span.env],
        "langfuse.environment": service.environment_of(span),
        "langfuse.release": service.release,
        "gen_ai.agent.name": span.fields.get("agent_name"),
        "gen_ai.agent.version": span.fields.get("agent_version"),
        "langfuse.observation.type": _LANGFUSE_TYPES[span.kind],
        "langfuse.observation.level": _level(span),
        "langfuse.observation.status_message": error_of(span),
        "langsmith.span.kind": _LANGSMITH_KINDS.get(span.kind, "chain"),
        "langsmith.span.tags": _langsmith_tags(span.env),
        "openinference.span.kind": _PHOENIX_KINDS.get(span.kind, "CHAIN"),
    }


def _of_generation(span: SafeSpan) -> dict[str, Json]:
    fields, first_ms = span.fields, _first_ms(span)
    named: dict[str, Json] = {
        **dict.fromkeys(_OF_THE_MODEL, fields.get("model")),
        **_named(fields, _USAGE),
        "langfuse.observation.usage_details": _named(fields, _LANGFUSE_USAGE) or None,
        "langfuse.observation.cost_details": _named(fields, _LANGFUSE_COST) or None,
    }
    if first_ms is not None:
        first = _EPOCH + timedelta(microseconds=span.start_us + round(first_ms * 1000))
        named["gen_ai.response.time_to_first_chunk"] = first_ms / 1000
        named["langfuse.observation.completion_start_time"] = first.isoformat(timespec="microseconds")
    return named


def _first_ms(span: SafeSpan) -> float | None:
    """From a generation's start to its first sound, or in a pipeline to its first token, in ms; None is unknown."""
    stage, first, unit = span.fields.get("llm"), span.fields.get("ttft_ms"), 1.0
    if span.kind is SpanKind.LLM:
        first, unit = stage.get("ttft") if isinstance(stage, Mapping) else None, 1000.0
    return first * unit if isinstance(first, int | float) and 0 <= first * unit < _DAY_MS else None


def _of_tool(span: SafeSpan) -> dict[str, Json]:
    return {
        "gen_ai.tool.name": span.name.partition(".")[2] or span.name,
        "langfuse.observation.input": span.fields.get("arguments") or None,
        "langfuse.observation.output": span.fields.get("result") or None,
    }


def error_of(span: SafeSpan) -> str | None:
    """The class of a failed span's error; None where it did not fail."""
    if span.status != "error":
        return None
    named = span.fields.get("error_type")
    return named if isinstance(named, str) else span.status


def _level(span: SafeSpan) -> str:
    if span.status == "error":
        return "ERROR"
    return "WARNING" if span.fields.get("slow") is True else "DEFAULT"


def _named(fields: Mapping[str, Json], names: Mapping[str, str]) -> dict[str, Json]:
    return {theirs: fields[ours] for theirs, ours in names.items() if fields.get(ours) is not None}


def _flat(fields: Mapping[str, Json], path: str) -> Iterator[tuple[str, Json]]:
    """A field's path is its name here: no rule can name a field with a dot, so that two paths are never one."""
    for name, value in fields.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}.{name}")
        elif value is not None:
            yield f"{path}.{name}", _flattened(value)


def _flattened(value: Json) -> Json:
    """A list of one type stays a list; any other structure becomes a JSON text."""
    if isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, list | tuple) and len({_type(one) for one in value}) == 1 and _type(value[0]) is not None:
        return list(value)
    return orjson.dumps(value).decode()


def _type(value: Json) -> str | None:
    if isinstance(value, bool):
        return "flag"
    return "number" if isinstance(value, int | float) else "text" if isinstance(value, str) else None
