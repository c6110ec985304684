"""A span's OTLP attributes: its fields as they are, and beside them the names that each backend looks for.

The names are our own table: the constants of `opentelemetry-semantic-conventions` for `gen_ai.*` are deprecated, and
those of the backends are nowhere but in their documents. A collector gets the names of the GenAI conventions
(`GENAI_SCHEMA_URL`), OpenInference (Phoenix), MLflow, Langfuse and LangSmith in one export; Langfuse itself gets those
that it had before. `make backends` compares what Phoenix and MLflow make of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

import orjson

from medagent.proof import Json
from medagent.proof.keys import PSEUDONYM_SHAPE
from medagent.telemetry.exporters.exporter import Service, seal_of
from medagent.telemetry.span import SafeSpan, SpanKind

PREFIX = "medagent"
"""A field stands under this and its dotted path."""
GENAI_SCHEMA_URL = "https://opentelemetry.io/schemas/gen-ai/0.1.0"
"""The GenAI conventions v0.1.0, which `gen_ai.*` follows."""

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
_DRAFT_OPERATIONS = {
    SpanKind.AGENT_TURN: "realtime_inference",
    SpanKind.USER_TURN: "user_speech",
    SpanKind.STT: "speech_to_text",
    SpanKind.TTS: "text_to_speech",
}
"""Operations of the conventions' open pull requests 390 and 394."""
_DRAFT_END_REASONS = {"completed": "completed", "interrupted": "interrupted", "reconnect": "session_closed"}
_OPENINFERENCE_PROVIDERS = {
    "azure.ai.openai": ("azure", "openai"),
    "openai": ("openai", "openai"),
    "anthropic": ("anthropic", "anthropic"),
    "mistral_ai": ("mistralai", "mistralai"),
    "groq": ("groq", None),
    "gcp.gemini": ("google", None),
}
"""OpenInference's provider (who hosts the model) and system (whose protocol it speaks)."""
_JSON = "application/json"
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
_USAGE_BY_MODALITY = {
    f"gen_ai.usage.{modality}.{theirs}": ours.format(modality)
    for modality in ("text", "audio")
    for theirs, ours in {
        "input_tokens": "input_{}_tokens",
        "cache_read.input_tokens": "input_cached_{}_tokens",
        "output_tokens": "output_{}_tokens",
    }.items()
}
_OPENINFERENCE_USAGE = {
    "llm.token_count.prompt": "input_tokens",
    "llm.token_count.completion": "output_tokens",
    "llm.token_count.total": "total_tokens",
    "llm.token_count.completion_details.audio": "output_audio_tokens",
    "llm.cost.total": "cost_usd",
}
_PROMPT_DETAILS = "llm.token_count.prompt_details"
_MLFLOW_USAGE = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "total_tokens": "total_tokens",
    "cache_read_input_tokens": "input_cached_tokens",
}
_MLFLOW_COST = {"total_cost": "cost_usd"}
_CALL_BEGAN = ("agent_name", "mode", "model")
_CALL_ENDED = ("outcome", "reason", "user_turns", "agent_turns", "duration_ms", "complete")
_TURN_ENDED = ("kind", "status", "ended_by", "interrupted", "tool_calls", "cancelled")
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

BACKEND_KEYS = frozenset(
    {"gen_ai.tool.call.arguments", "gen_ai.tool.call.result"}
    | {*_USAGE_BY_MODALITY, *_OPENINFERENCE_USAGE, *_MLFLOW_USAGE, *_MLFLOW_COST}
    | {f"{_PROMPT_DETAILS}.{name}" for name in ("audio", "cache_read", "cache_read_audio")}
    | {"llm.model_name", "agent.name", "tool.name", "input.value", "output.value"}
    | {"mlflow.llm.model", "mlflow.chat.tokenUsage", "mlflow.llm.cost"}
)
"""Attributes of the GenAI conventions, OpenInference and MLflow whose values are the span's."""


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

BACKEND_CONSTANTS: Mapping[str, frozenset[str]] = {
    "schema_url": frozenset({GENAI_SCHEMA_URL}),
    "llm.provider": frozenset(provider for provider, _ in _OPENINFERENCE_PROVIDERS.values()),
    "llm.system": frozenset(system for _, system in _OPENINFERENCE_PROVIDERS.values() if system is not None),
    "input.mime_type": frozenset({_JSON}),
    "output.mime_type": frozenset({_JSON}),
}
"""Attributes of OpenInference, and the scope's schema, whose values are ours."""

DRAFT_KEYS = frozenset({"gen_ai.realtime_session.id"})
"""Attributes of the voice drafts whose values are the span's."""
DRAFT_CONSTANTS: Mapping[str, frozenset[str]] = {
    "gen_ai.operation.name": CONSTANTS["gen_ai.operation.name"] | frozenset(_DRAFT_OPERATIONS.values()),
    "gen_ai.output.type": frozenset({"speech"}),
    "gen_ai.agent.invocation.end_reason": frozenset(_DRAFT_END_REASONS.values()),
}
"""Attributes of the voice drafts whose values are ours."""


def constants_of(service: Service) -> dict[str, frozenset[str]]:
    """Return the attributes whose values are the operator's names."""
    environment = () if service.environment is None else (service.environment,)
    return {
        "langfuse.release": frozenset({service.release}),
        "langfuse.environment": frozenset(environment),
    }


def attributes_of(
    span: SafeSpan, service: Service = _OURS, *, backend_names: bool = True, voice_drafts: bool = False
) -> dict[str, Json]:
    """Return all attributes of a span: scalars, lists of scalars of one type, JSON texts; what is null is absent.

    Args:
        span: A sealed span.
        service: Names under which destinations group calls.
        backend_names: Add the GenAI conventions' tokens by modality and the names of OpenInference and MLflow.
        voice_drafts: Add the attributes of the conventions' drafts for voice.

    Returns:
        Value by attribute name.
    """
    own: dict[str, Json] = dict(_flat(span.fields, PREFIX))
    named = _of_any(span, service)
    if span.kind in (SpanKind.AGENT_TURN, SpanKind.LLM):
        named |= _of_generation(span)
    elif span.kind is SpanKind.TOOL:
        named |= _of_tool(span)
    if backend_names:
        named |= _of_backends(span)
    if voice_drafts:
        named |= _of_drafts(span)
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


def _of_backends(span: SafeSpan) -> dict[str, Json]:
    """Return what OpenInference, MLflow and a reader of the GenAI conventions look for on a span of this kind."""
    fields = span.fields
    match span.kind:
        case SpanKind.SESSION:
            named = _shown_as_json(_picked(fields, _CALL_BEGAN), _picked(fields, _CALL_ENDED))
            return {**named, "agent.name": fields.get("agent_name")}
        case SpanKind.AGENT_TURN | SpanKind.LLM:
            provider, system = _OPENINFERENCE_PROVIDERS.get(str(fields.get("provider")), (None, None))
            return {
                "gen_ai.usage.cache_read.input_tokens": fields.get("input_cached_tokens") or None,
                **{name: tokens for name, tokens in _named(fields, _USAGE_BY_MODALITY).items() if tokens},
                "llm.model_name": fields.get("model"),
                "llm.provider": provider,
                "llm.system": system,
                **_named(fields, _OPENINFERENCE_USAGE),
                **_prompt_details(fields),
                **_shown_as_json(None, _picked(fields, _TURN_ENDED)),
                "mlflow.chat.tokenUsage": _named(fields, _MLFLOW_USAGE) or None,
                **_of_billed(span),
            }
        case SpanKind.STT | SpanKind.TTS:
            return _of_billed(span)
        case SpanKind.TOOL:
            arguments, result = fields.get("arguments") or None, fields.get("result") or None
            return {
                "gen_ai.tool.call.arguments": arguments,
                "gen_ai.tool.call.result": result,
                "tool.name": span.name.partition(".")[2] or span.name,
                **_shown_as_json(arguments, result),
            }
        case _:
            return {}


def _of_billed(span: SafeSpan) -> dict[str, Json]:
    """Return model and cost as MLflow takes them; without a cost it would compute one by its own table."""
    return {
        "mlflow.llm.model": span.fields.get("model"),
        "mlflow.llm.cost": _named(span.fields, _MLFLOW_COST) or None,
    }


def _prompt_details(fields: Mapping[str, Json]) -> dict[str, Json]:
    """Return input tokens in parts that do not overlap: Phoenix adds up the price of each part.

    What is in no part is text that no cache held. `audio` is without cached audio, `cache_read` without it too.
    """
    names = ("input_cached_tokens", "input_cached_text_tokens", "input_audio_tokens", "input_cached_audio_tokens")
    cached, cached_text, audio, cached_audio = (_count(fields.get(name)) for name in names)
    if cached_text is None or audio is None or cached_audio is None or cached_audio > audio:
        return {} if cached is None else {f"{_PROMPT_DETAILS}.cache_read": cached}
    parts = {"cache_read": cached_text, "audio": audio - cached_audio, "cache_read_audio": cached_audio}
    return {f"{_PROMPT_DETAILS}.{name}": tokens for name, tokens in parts.items()}


def _count(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _shown_as_json(taken: Json, given: Json) -> dict[str, Json]:
    """Return input and output as Phoenix and MLflow show them; what is None is left to them."""
    return {
        "input.value": taken,
        "input.mime_type": None if taken is None else _JSON,
        "output.value": given,
        "output.mime_type": None if given is None else _JSON,
    }


def _of_drafts(span: SafeSpan) -> dict[str, Json]:
    """Return what pull requests 390 and 394 of the GenAI conventions propose for voice."""
    fields, named = span.fields, dict[str, Json]()
    is_of_pipeline = span.kind is SpanKind.USER_TURN and len(span.ancestors) > 1
    is_typed = span.kind is SpanKind.USER_TURN and fields.get("modality") == "text"
    if span.kind in _DRAFT_OPERATIONS and not is_of_pipeline and not is_typed:
        named["gen_ai.operation.name"] = _DRAFT_OPERATIONS[span.kind]
        if span.kind in (SpanKind.AGENT_TURN, SpanKind.USER_TURN):
            named["gen_ai.realtime_session.id"] = span.trace_id
        else:
            named["gen_ai.request.model"] = fields.get("model")
    if span.kind is SpanKind.TTS:
        named["gen_ai.output.type"] = "speech"
    if span.kind in (SpanKind.AGENT_TURN, SpanKind.AGENT_SPEECH):
        named["gen_ai.agent.invocation.end_reason"] = _DRAFT_END_REASONS.get(str(fields.get("ended_by")))
    return named


def message_of(span: SafeSpan) -> str | None:
    """Return a failed span's message as redaction left it, else its error's class; None where it did not fail."""
    if span.status != "error":
        return None
    result = span.fields.get("result")
    told = result.get("error_message") if isinstance(result, Mapping) else None
    for message in (span.fields.get("error_message"), told):
        if isinstance(message, str) and message:
            return message
    return error_of(span)


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


def _picked(fields: Mapping[str, Json], names: Iterable[str]) -> Json:
    return {name: fields[name] for name in names if fields.get(name) is not None} or None


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
