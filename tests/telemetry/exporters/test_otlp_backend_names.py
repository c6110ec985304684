"""Names that a collector gets for the GenAI conventions, OpenInference and MLflow; `make backends` reads them back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from medagent.errors import DoorError
from medagent.pricing import RealtimePrice, Usage, load_prices
from medagent.proof import Json
from medagent.telemetry.door.derived import derived
from medagent.telemetry.door.exit import Exit
from medagent.telemetry.exporters.attributes import GENAI_SCHEMA_URL, attributes_of
from medagent.telemetry.exporters.exporter import always_open
from medagent.telemetry.exporters.otlp import LangfuseExporter, Names, envelope, request_of
from medagent.telemetry.span import SafeSpan, SpanKind
from sink import Sink, attributes
from spans import AGENT_TURN, ERROR, TOOL, alone, call, exchange, named_spans, safe_spans

SESSION, START, TURN, TOOLED, FAILED, END = call()
HEARD, STT, LLM, TTS, _, SPOKEN, EXCHANGE = exchange()
DRAFTS = Names(voice_drafts=True)
PREFIXES = ("llm.", "input.", "output.", "mlflow.", "tool.", "agent.", "gen_ai.tool.call.")
BY_MODALITY = ("gen_ai.usage.text.", "gen_ai.usage.audio.")
REALTIME: dict[str, Json] = {
    **AGENT_TURN,
    "input_cached_text_tokens": 40,
    "input_cached_audio_tokens": 24,
}


def added(span: SafeSpan, **names: bool) -> dict[str, Any]:
    """What the span has beside what Langfuse gets."""
    before = attributes_of(span, backend_names=False)
    return {name: value for name, value in attributes_of(span, **names).items() if before.get(name) != value}


EXPECTED: dict[str, tuple[SafeSpan, dict[str, Any]]] = {
    "realtime": (
        alone(TURN, fields=REALTIME),
        {
            "gen_ai.usage.text.input_tokens": 211,
            "gen_ai.usage.text.cache_read.input_tokens": 40,
            "gen_ai.usage.text.output_tokens": 22,
            "gen_ai.usage.audio.input_tokens": 100,
            "gen_ai.usage.audio.cache_read.input_tokens": 24,
            "gen_ai.usage.audio.output_tokens": 75,
            "llm.model_name": "gpt-realtime",
            "llm.provider": "azure",
            "llm.system": "openai",
            "llm.token_count.prompt": 311,
            "llm.token_count.completion": 97,
            "llm.token_count.total": 408,
            "llm.token_count.prompt_details.cache_read": 40,
            "llm.token_count.prompt_details.audio": 76,
            "llm.token_count.prompt_details.cache_read_audio": 24,
            "llm.token_count.completion_details.audio": 75,
            "llm.cost.total": 0.01234,
            "output.value": '{"kind":"reply","ended_by":"interrupted","interrupted":true,"tool_calls":1}',
            "output.mime_type": "application/json",
            "mlflow.llm.model": "gpt-realtime",
            "mlflow.chat.tokenUsage": (
                '{"input_tokens":311,"output_tokens":97,"total_tokens":408,"cache_read_input_tokens":64}'
            ),
            "mlflow.llm.cost": '{"total_cost":0.01234}',
        },
    ),
    "a text model": (
        LLM,
        {
            "llm.model_name": "gpt-4o-mini",
            "llm.provider": "openai",
            "llm.system": "openai",
            "llm.token_count.prompt": 211,
            "llm.token_count.completion": 26,
            "llm.token_count.total": 237,
            "llm.token_count.prompt_details.cache_read": 0,
            "llm.cost.total": 0.0000472,
            "output.value": '{"cancelled":false}',
            "output.mime_type": "application/json",
            "mlflow.llm.model": "gpt-4o-mini",
            "mlflow.chat.tokenUsage": (
                '{"input_tokens":211,"output_tokens":26,"total_tokens":237,"cache_read_input_tokens":0}'
            ),
            "mlflow.llm.cost": '{"total_cost":0.0000472}',
        },
    ),
    "an unknown cost": (alone(STT), {"mlflow.llm.model": "nova-3"}),
    "a cost by characters": (alone(TTS), {"mlflow.llm.model": "sonic-2", "mlflow.llm.cost": '{"total_cost":0.0024}'}),
    "a tool": (
        TOOLED,
        {
            "gen_ai.tool.call.arguments": json.dumps(TOOL["arguments"], ensure_ascii=False, separators=(",", ":")),
            "gen_ai.tool.call.result": json.dumps(TOOL["result"], ensure_ascii=False, separators=(",", ":")),
            "tool.name": "book_appointment",
            "input.value": json.dumps(TOOL["arguments"], ensure_ascii=False, separators=(",", ":")),
            "input.mime_type": "application/json",
            "output.value": json.dumps(TOOL["result"], ensure_ascii=False, separators=(",", ":")),
            "output.mime_type": "application/json",
        },
    ),
    "a tool without arguments and result": (FAILED, {"tool.name": "check_availability"}),
    "a session": (
        alone(SESSION, fields={"agent_name": "front-desk", "mode": "realtime", "outcome": "booked", "user_turns": 3}),
        {
            "agent.name": "front-desk",
            "input.value": '{"agent_name":"front-desk","mode":"realtime"}',
            "input.mime_type": "application/json",
            "output.value": '{"outcome":"booked","user_turns":3}',
            "output.mime_type": "application/json",
        },
    ),
    "a marker": (END, {}),
    "a caller's turn": (HEARD, {}),
}


@pytest.mark.parametrize(("span", "expected"), EXPECTED.values(), ids=EXPECTED.keys())
def test_a_collector_gets_the_names_of_each_backend(span: SafeSpan, expected: dict[str, Any]) -> None:
    """Beside what Langfuse gets these names and no other."""
    assert added(span) == expected


def test_no_cached_tokens_are_not_told_as_a_count() -> None:
    """The conventions want `cache_read` only where it is not 0; OpenInference and MLflow get the 0."""
    assert "gen_ai.usage.cache_read.input_tokens" not in attributes_of(LLM)
    assert attributes_of(TURN)["gen_ai.usage.cache_read.input_tokens"] == 64


def cost_by_parts(named: dict[str, Any], price: RealtimePrice) -> float:
    """What Phoenix makes of the parts and the prices that `medagent pricing export phoenix` gives it."""
    rates = {
        "audio": price.audio.input,
        "cache_read": price.text.cached,
        "cache_read_audio": price.audio.cached,
    }
    parts = {one: named.get(f"llm.token_count.prompt_details.{one}", 0) for one in rates}
    spoken = named.get("llm.token_count.completion_details.audio", 0)
    rest, text = named["llm.token_count.prompt"] - sum(parts.values()), named["llm.token_count.completion"] - spoken
    assert rest >= 0
    cost = sum(parts[one] * (rates[one] or 0) for one in rates) + rest * (price.text.input or 0)
    return (cost + spoken * (price.audio.output or 0) + text * (price.text.output or 0)) / 1_000_000


_COUNT = st.integers(0, 100_000)


@given(st.tuples(_COUNT, _COUNT), st.tuples(_COUNT, _COUNT), _COUNT, _COUNT)
def test_the_parts_of_the_input_add_up_to_our_cost(
    text: tuple[int, int], audio: tuple[int, int], output_text: int, output_audio: int
) -> None:
    """Whatever was read from a cache, no token is counted twice and none is left out."""
    usage = Usage(
        input_tokens=sum(text) + sum(audio),
        output_tokens=output_text + output_audio,
        input_text_tokens=sum(text),
        input_audio_tokens=sum(audio),
        input_cached_tokens=text[0] + audio[0],
        input_cached_text_tokens=text[0],
        input_cached_audio_tokens=audio[0],
        output_text_tokens=output_text,
        output_audio_tokens=output_audio,
    )
    price = load_prices().realtime["gpt-realtime-mini"]  # cached text and cached audio cost differently
    named = attributes_of(alone(TURN, fields={"model": "gpt-realtime-mini", **usage.fields()}))
    assert cost_by_parts(named, price) == pytest.approx(price.cost(usage), abs=1e-7)


def test_fresh_audio_is_derived_by_the_filter_itself() -> None:
    """The one count that no field holds; a flag is no count."""
    span = alone(TURN, fields={"input_audio_tokens": 5_550_100, "input_cached_audio_tokens": 99})
    assert 5_550_001 in set(derived(span))
    flags = alone(TURN, fields={"input_audio_tokens": True, "input_cached_audio_tokens": False})
    assert not [one for one in derived(flags) if one is True or (one == 1 and not isinstance(one, str))]


def check(batch: list[SafeSpan], names: Names, body: bytes) -> None:
    sealed = envelope(url="http://127.0.0.1:9/v1/traces", headers={}, names=names)
    headers = {"Content-Type": "application/x-protobuf"}
    Exit(sealed).check(method="POST", url=sealed.url, headers=headers, body=body, batch=batch)


@given(
    st.lists(
        safe_spans() | named_spans(), min_size=1, max_size=2, unique_by=lambda span: span.span_id.replace("-", "")[:16]
    ),
    st.sampled_from([DRAFTS, Names(backend_names=False)]),
)
def test_whatever_a_span_may_be_passes_with_any_names(batch: list[SafeSpan], names: Names) -> None:
    """With the drafts and with Langfuse's names alone; `test_otlp` has the default."""
    check(batch, names, request_of(batch, names=names).SerializeToString(deterministic=True))


def changed(key: str, value: str, *, number: int = 2) -> bytes:
    request = request_of(call())
    pairs = request.resource_spans[0].scope_spans[0].spans[number].attributes
    found = [pair.value for pair in pairs if pair.key == key]
    (found[0] if found else pairs.add(key=key).value).string_value = value
    return request.SerializeToString(deterministic=True)


SABOTAGES = {
    "a name as input": ("input.value", '{"patient_name":"Jane Q. Roe"}', 3),
    "a name as output": ("output.value", "Jane Q. Roe", 3),
    "a name in the arguments": ("gen_ai.tool.call.arguments", '{"doctor_name":"Jane Q. Roe"}', 3),
    "another model": ("llm.model_name", "Jane Q. Roe", 2),
    "another provider": ("llm.provider", "Jane Q. Roe", 2),
    "another usage": ("mlflow.chat.tokenUsage", '{"input_tokens":5550101}', 2),
    "a name in the usage": ("mlflow.chat.tokenUsage", '{"Jane Q. Roe":311}', 2),
    "another cost": ("mlflow.llm.cost", '{"total_cost":5550101}', 2),
    "another agent": ("agent.name", "Jane Q. Roe", 0),
    "a MIME type": ("input.mime_type", "text/Jane", 3),
    "a draft": ("gen_ai.output.type", "speech", 2),
    "another draft": ("gen_ai.realtime_session.id", TURN.trace_id, 2),
    "a tag of MLflow": ("mlflow.traceTag.name", "gpt-realtime", 0),
    "inputs of MLflow": ("mlflow.spanInputs", "gpt-realtime", 0),
}


@pytest.mark.parametrize(("key", "value", "number"), SABOTAGES.values(), ids=SABOTAGES.keys())
def test_a_sabotaged_name_is_refused(key: str, value: str, number: int) -> None:
    """A name that was not set, or holds anything but its span's, does not leave; drafts neither while they are off."""
    with pytest.raises(DoorError) as caught:
        check(call(), Names(), changed(key, value, number=number))
    assert "Jane" not in caught.value.diagnostics()


def schemas(names: Names) -> list[str]:
    request = request_of([TURN], names=names)
    check([TURN], names, request.SerializeToString(deterministic=True))
    return [scope.schema_url for one in request.resource_spans for scope in one.scope_spans]


def test_the_scope_names_the_conventions() -> None:
    """A collector is told which release of the GenAI conventions `gen_ai.*` follows; Langfuse is not."""
    assert schemas(Names()) == [GENAI_SCHEMA_URL]
    assert schemas(Names(backend_names=False)) == [""]


@pytest.mark.timing
def test_langfuse_gets_what_it_got(tmp_path: Any) -> None:
    """No name of another backend, no schema, and the class as a failed span's message."""
    with Sink(tmp_path) as sink:
        exporter = LangfuseExporter(public_key="p", secret_key="s", base_url=sink.url, gate=always_open)
        exporter.export([*call(), *exchange()])
        exporter.close()
        sent = {name for span in sink.spans().values() for name in attributes(span.attributes)}
        [request] = sink.traces()
        failed = sink.spans()[FAILED.span_id.replace("-", "")[:16]]
    assert not [name for name in sent if name.startswith((*PREFIXES, *BY_MODALITY))]
    assert {scope.schema_url for one in request.resource_spans for scope in one.scope_spans} == {""}
    assert failed.status.message == "TimeoutError"


MESSAGES: dict[str, tuple[dict[str, Json], str]] = {
    "its own": ({**ERROR, "error_message": "the desk is …"}, "the desk is …"),
    "its result's": ({**ERROR, "error_message": None, "result": {"error_message": "no answer"}}, "no answer"),
    "none": (dict(ERROR), "TimeoutError"),
    "empty": ({**ERROR, "error_message": ""}, "TimeoutError"),
}


@pytest.mark.parametrize(("fields", "expected"), MESSAGES.values(), ids=MESSAGES.keys())
def test_a_failed_span_has_its_redacted_message(fields: dict[str, Json], expected: str) -> None:
    """The status holds the message as redaction left it, `error.type` the class."""
    span = alone(FAILED, fields=fields)
    request = request_of([span])
    check([span], Names(), request.SerializeToString(deterministic=True))
    [sent] = request.resource_spans[0].scope_spans[0].spans
    assert (sent.status.message, attributes(sent.attributes)["error.type"]) == (expected, "TimeoutError")


DRAFTED: dict[str, tuple[SafeSpan, dict[str, Any]]] = {
    "an agent's turn": (
        TURN,
        {
            "gen_ai.operation.name": "realtime_inference",
            "gen_ai.realtime_session.id": TURN.trace_id,
            "gen_ai.agent.invocation.end_reason": "interrupted",
        },
    ),
    "a caller's turn": (
        alone(TURN, name="user_turn", kind=SpanKind.USER_TURN, fields={"modality": "audio"}),
        {"gen_ai.operation.name": "user_speech", "gen_ai.realtime_session.id": TURN.trace_id},
    ),
    "a typed turn": (alone(TURN, name="user_turn", kind=SpanKind.USER_TURN, fields={"modality": "text"}), {}),
    "a pipeline's caller": (HEARD, {}),
    "transcription": (STT, {"gen_ai.operation.name": "speech_to_text", "gen_ai.request.model": "nova-3"}),
    "speech": (
        TTS,
        {
            "gen_ai.operation.name": "text_to_speech",
            "gen_ai.request.model": "sonic-2",
            "gen_ai.output.type": "speech",
        },
    ),
    "a text model": (LLM, {}),
    "a tool": (TOOLED, {}),
}


@pytest.mark.parametrize(("span", "expected"), DRAFTED.values(), ids=DRAFTED.keys())
def test_drafts_for_voice_are_added_only_when_asked_for(span: SafeSpan, expected: dict[str, Any]) -> None:
    """Pull requests 390 and 394 of the conventions; without the setting no attribute of theirs is there."""
    plain, drafted = attributes_of(span), attributes_of(span, voice_drafts=True)
    assert {name: value for name, value in drafted.items() if plain.get(name) != value} == expected
    check([span], DRAFTS, request_of([span], names=DRAFTS).SerializeToString(deterministic=True))
    if expected:
        body = ExportTraceServiceRequest.FromString(request_of([span], names=DRAFTS).SerializeToString())
        with pytest.raises(DoorError):
            check([span], Names(), body.SerializeToString(deterministic=True))
