"""OTLP as a collector reads it, and Langfuse's table; over a socket, in an environment that means no good."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from medagent.errors import ExportError, NotAskableError, PartlyRefusedError, SettingsError
from medagent.telemetry.destination import parse_headers, traces_url
from medagent.telemetry.door.exit import Exit
from medagent.telemetry.exporters.attributes import attributes_of
from medagent.telemetry.exporters.exporter import RELEASE, Service, always_open
from medagent.telemetry.exporters.otlp import (
    LangfuseExporter,
    OtlpExporter,
    envelope,
    request_of,
)
from medagent.telemetry.span import SafeSpan, SpanKind
from sink import Sink, attributes
from spans import AGENT_TURN, CALLER, TOOL, alone, call, exchange, named_spans, safe_spans
from work import calls_of

pytestmark = pytest.mark.timing

SESSION, START, TURN, TOOLED, FAILED, END = call()
HEARD, STT, LLM, TTS, _, SPOKEN, EXCHANGE = exchange()


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    with Sink(tmp_path) as sink:
        yield sink


@pytest.fixture
def exporter(sink: Sink) -> Iterator[OtlpExporter]:
    exporter = OtlpExporter(url=f"{sink.url}/v1/traces", headers={"x-api-key": "secret"}, gate=always_open)
    yield exporter
    exporter.close()


@pytest.fixture
def langfuse(sink: Sink) -> Iterator[LangfuseExporter]:
    exporter = LangfuseExporter(public_key="pk-lf-1", secret_key="sk-lf-2", base_url=f"{sink.url}/", gate=always_open)
    yield exporter
    exporter.close()


def test_a_call_is_one_tree(sink: Sink, exporter: OtlpExporter) -> None:
    """The trace's id is its UUID's 16 bytes, a span's the first 8 of its own; each names its parent and its times."""
    exporter.export(call())
    held = sink.spans()
    assert len(held) == len(call())
    for span in call():
        sent = held[span.span_id.replace("-", "")[:16]]
        assert sent.trace_id.hex() == span.trace_id.replace("-", "")
        assert sent.parent_span_id.hex() == (span.parent_id or "").replace("-", "")[:16]
        assert (sent.start_time_unix_nano, sent.end_time_unix_nano) == (span.start_us * 1000, span.end_us * 1000)
        assert sent.name == span.name
        is_client = span.kind is SpanKind.AGENT_TURN  # the model is elsewhere
        assert sent.kind == (Span.SPAN_KIND_CLIENT if is_client else Span.SPAN_KIND_INTERNAL)


def test_a_failure_is_a_status_with_its_class(sink: Sink, exporter: OtlpExporter) -> None:
    """What failed says so, by the class of the error; what did not fail is OK."""
    exporter.export([TOOLED, FAILED])
    worked, failed = (sink.spans()[span.span_id.replace("-", "")[:16]].status for span in (TOOLED, FAILED))
    assert (worked.code, worked.message) == (Status.STATUS_CODE_OK, "")
    assert (failed.code, failed.message) == (Status.STATUS_CODE_ERROR, "TimeoutError")


def test_the_resource_says_what_runs_and_nothing_of_where(sink: Sink, exporter: OtlpExporter) -> None:
    """A resource is the service, its release and its environment; two environments in a batch are two resources."""
    exporter.export([TURN, alone(TOOLED, env="prod")])
    [request] = sink.traces()
    assert [attributes(one.resource.attributes) for one in request.resource_spans] == [
        {
            "service.name": "medagent",
            "service.version": RELEASE,
            "deployment.environment": env,
            "deployment.environment.name": env,
        }
        for env in ("dev", "prod")
    ]
    scopes = {(scope.scope.name, scope.scope.version) for one in request.resource_spans for scope in one.scope_spans}
    assert scopes == {("medagent", RELEASE)}


STAGING = Service(name="phone.agents", version="2.1.0", environment="staging", project="Reception, north")


def test_the_resource_has_the_names_of_the_settings(sink: Sink) -> None:
    """Service, version, environment and Phoenix's project are the operator's, and pass the request filter."""
    headers = {"x-api-key": "secret"}
    exporter = OtlpExporter(url=f"{sink.url}/v1/traces", headers=headers, gate=always_open, service=STAGING)
    exporter.export([alone(SESSION, fields={**SESSION.fields, "agent_name": "front-desk"}), TURN])
    exporter.close()
    [request] = sink.traces()
    [resource] = request.resource_spans
    assert attributes(resource.resource.attributes) == {
        "service.name": "phone.agents",
        "service.version": "2.1.0",
        "openinference.project.name": "Reception, north",
        "deployment.environment": "staging",
        "deployment.environment.name": "staging",
    }
    sent = attributes(sink.spans()[SESSION.span_id.replace("-", "")[:16]].attributes)
    named = {"gen_ai.agent.name": "front-desk", "langfuse.environment": "staging", "langfuse.release": "2.1.0"}
    assert sent.items() >= named.items()
    assert (sent["medagent.env"], sent["gen_ai.agent.version"]) == ("dev", "0.1.0")


def test_a_named_service_without_a_version_has_none(sink: Sink) -> None:
    """The version of medagent is not the service's."""
    unversioned = Service(name="phone.agents", version=None)
    exporter = OtlpExporter(url=f"{sink.url}/v1/traces", headers={}, gate=always_open, service=unversioned)
    exporter.export([TURN])
    exporter.close()
    [request] = sink.traces()
    assert "service.version" not in attributes(request.resource_spans[0].resource.attributes)


def test_every_field_stands_under_its_path(sink: Sink, exporter: OtlpExporter) -> None:
    """Numbers are numbers, flags flags, nested fields have dotted names, lists of records are JSON, null is absent."""
    exporter.export([alone(SESSION, fields={**SESSION.fields, "flags": [True], "none": [], "mixed": [1, "a", None]})])
    exporter.export([TOOLED, TURN])
    session, tool, turn = (
        attributes(sink.spans()[span.span_id.replace("-", "")[:16]].attributes) for span in (SESSION, TOOLED, TURN)
    )
    assert session["medagent.quality.rtt_ms"] == [21.0, 22.5]
    assert (session["medagent.flags"], session["medagent.none"]) == ([True], "[]")
    assert session["medagent.mixed"] == '[1,"a",null]'
    assert tool["medagent.arguments.doctor_name"] == "Dr. Okafor"
    assert tool["medagent.arguments.n"] == 3
    assert json.loads(tool["medagent.result.slots"]) == [{"at": "2026-01-07T10:30:00", "free": True}]
    assert "medagent.result.note" not in tool
    assert {name: turn.get(f"medagent.{name}") for name in AGENT_TURN} == AGENT_TURN
    assert isinstance(turn["medagent.interrupted"], bool)


COMMON: dict[str, Any] = {
    "gen_ai.conversation.id": TURN.trace_id,
    "session.id": TURN.trace_id,
    "langfuse.session.id": TURN.trace_id,
    "langfuse.trace.name": "voice_session",
    "langfuse.trace.tags": ["medagent", "dev"],
    "langfuse.environment": "dev",
    "langfuse.release": RELEASE,
    "langsmith.metadata.thread_id": TURN.trace_id,
    "langsmith.metadata.session_id": TURN.trace_id,
    "langsmith.span.tags": "medagent, dev",
}
OF_CALLER = {"user.id": CALLER, "langfuse.user.id": CALLER, "langsmith.metadata.user_id": CALLER}
NAMED: dict[str, tuple[SafeSpan, dict[str, Any]]] = {
    "voice_session": (
        alone(SESSION, fields={"participant_id": CALLER, "provider": "azure.ai.openai"}),
        {
            **OF_CALLER,
            "langfuse.observation.type": "agent",
            "langfuse.observation.level": "DEFAULT",
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.provider.name": "azure.ai.openai",
            "langsmith.span.kind": "chain",
            "openinference.span.kind": "AGENT",
        },
    ),
    "agent_turn": (
        alone(TURN, fields={**AGENT_TURN, "slow": True}),
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.level": "WARNING",
            "langfuse.observation.model.name": "gpt-realtime",
            "langfuse.observation.usage_details": '{"input":311,"output":97,"total":408,"cached_tokens":64}',
            "langfuse.observation.cost_details": '{"total":0.01234}',
            "langfuse.observation.completion_start_time": "2026-01-01T00:00:02.812502+00:00",
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "azure.ai.openai",
            "gen_ai.request.model": "gpt-realtime",
            "gen_ai.response.model": "gpt-realtime",
            "gen_ai.usage.input_tokens": 311,
            "gen_ai.usage.output_tokens": 97,
            "gen_ai.usage.cache_read.input_tokens": 64,
            "gen_ai.usage.cost": 0.01234,
            "gen_ai.response.time_to_first_chunk": 0.8125,
            "langsmith.span.kind": "llm",
            "openinference.span.kind": "LLM",
        },
    ),
    "a greeting, of which nothing is known": (
        alone(TURN, fields={"kind": "greeting", "ttft_ms": None, "cost_usd": None}),
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.level": "DEFAULT",
            "gen_ai.operation.name": "chat",
            "langsmith.span.kind": "llm",
            "openinference.span.kind": "LLM",
        },
    ),
    "tool": (
        TOOLED,
        {
            "langfuse.observation.type": "tool",
            "langfuse.observation.level": "DEFAULT",
            "langfuse.observation.input": json.dumps(TOOL["arguments"], ensure_ascii=False, separators=(",", ":")),
            "langfuse.observation.output": json.dumps(TOOL["result"], ensure_ascii=False, separators=(",", ":")),
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "book_appointment",
            "langsmith.span.kind": "tool",
            "openinference.span.kind": "TOOL",
        },
    ),
    "a tool that failed": (
        FAILED,
        {
            "langfuse.observation.type": "tool",
            "langfuse.observation.level": "ERROR",
            "langfuse.observation.status_message": "TimeoutError",
            "error.type": "TimeoutError",
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "check_availability",
            "langsmith.span.kind": "tool",
            "openinference.span.kind": "TOOL",
        },
    ),
    "session.end": (
        END,
        {
            "langfuse.observation.type": "span",
            "langfuse.observation.level": "DEFAULT",
            "langsmith.span.kind": "chain",
            "openinference.span.kind": "CHAIN",
        },
    ),
    "policy.guardrail": (
        alone(START, name="policy.guardrail", kind=SpanKind.GUARDRAIL),
        {
            "langfuse.observation.type": "guardrail",
            "langfuse.observation.level": "DEFAULT",
            "langsmith.span.kind": "chain",
            "openinference.span.kind": "GUARDRAIL",
        },
    ),
    "user_turn": (
        alone(START, name="user_turn", kind=SpanKind.USER_TURN),
        {
            "langfuse.observation.type": "span",
            "langfuse.observation.level": "DEFAULT",
            "langsmith.span.kind": "chain",
            "openinference.span.kind": "CHAIN",
        },
    ),
}


CHAIN = {
    "langfuse.observation.type": "span",
    "langfuse.observation.level": "DEFAULT",
    "langsmith.span.kind": "chain",
    "openinference.span.kind": "CHAIN",
}
NAMED |= {
    "conversation_turn": (EXCHANGE, {**OF_CALLER, **CHAIN, "langfuse.observation.level": "WARNING"}),
    "a pipeline's agent_turn": (SPOKEN, {**OF_CALLER, **CHAIN}),
    "a pipeline's user_turn": (HEARD, {**OF_CALLER, **CHAIN}),
    "stt_processing": (STT, {**OF_CALLER, **CHAIN, "gen_ai.provider.name": "deepgram"}),
    "tts_synthesis": (TTS, {**OF_CALLER, **CHAIN, "gen_ai.provider.name": "cartesia"}),
    "llm_generation": (
        LLM,
        {
            **OF_CALLER,
            "langfuse.observation.type": "generation",
            "langfuse.observation.level": "DEFAULT",
            "langfuse.observation.model.name": "gpt-4o-mini",
            "langfuse.observation.usage_details": '{"input":211,"output":26,"total":237,"cached_tokens":0}',
            "langfuse.observation.cost_details": '{"total":0.0000472}',
            "langfuse.observation.completion_start_time": "2026-01-01T00:00:04.810004+00:00",
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": "gpt-4o-mini",
            "gen_ai.response.model": "gpt-4o-mini",
            "gen_ai.usage.input_tokens": 211,
            "gen_ai.usage.output_tokens": 26,
            "gen_ai.usage.cache_read.input_tokens": 0,
            "gen_ai.usage.cost": 0.0000472,
            "gen_ai.response.time_to_first_chunk": 0.81,
            "langsmith.span.kind": "llm",
            "openinference.span.kind": "LLM",
        },
    ),
}


@pytest.mark.parametrize(("span", "expected"), NAMED.values(), ids=NAMED.keys())
def test_the_backends_find_what_they_look_for(
    sink: Sink, langfuse: LangfuseExporter, span: SafeSpan, expected: dict[str, Any]
) -> None:
    """Beside its own fields a span has exactly these names of Langfuse, LangSmith, Phoenix and OpenTelemetry."""
    langfuse.export([span])
    [sent] = sink.spans().values()
    theirs = {name: value for name, value in attributes(sent.attributes).items() if not name.startswith("medagent.")}
    ids = {name: span.trace_id for name, value in COMMON.items() if value == TURN.trace_id}
    assert theirs == COMMON | ids | expected


def test_what_is_no_pseudonym_is_no_user(sink: Sink, langfuse: LangfuseExporter) -> None:
    """A participant who was redacted is nobody: else all such callers would be one user."""
    langfuse.export([alone(SESSION, fields={"participant_id": "<REDACTED>"})])
    [sent] = sink.spans().values()
    assert not {"user.id", "langfuse.user.id"} & attributes(sent.attributes).keys()


def test_no_field_can_pose_as_the_seal() -> None:
    """A field with the name of a machine attribute does not take its place."""
    posing = alone(SESSION, fields={"hash": "y", "sequence": "z", "trace_id": "x"})
    named = attributes_of(posing)
    assert posing.seal is not None
    assert (named["medagent.hash"], named["medagent.sequence"]) == (posing.seal.hash, 0)
    assert named["medagent.trace_id"] == posing.trace_id


def test_langfuse_is_asked_as_it_wants(sink: Sink, langfuse: LangfuseExporter) -> None:
    """One POST to its own path, with Basic authorisation, the ingestion version, and no other header of ours."""
    langfuse.export(call())
    [request] = sink.requests()
    assert (request.method, request.path) == ("POST", "/api/public/otel/v1/traces")
    headers = {name.lower(): value for name, value in request.headers.items()}
    assert headers["authorization"] == "Basic " + base64.b64encode(b"pk-lf-1:sk-lf-2").decode()
    assert headers["x-langfuse-ingestion-version"] == "4"
    assert headers.keys() == {
        "host",
        "accept-encoding",
        "user-agent",
        "authorization",
        "x-langfuse-ingestion-version",
        "content-type",
        "content-length",
    }
    assert "sk-lf-2" not in repr(langfuse._session._exit._envelope)


@pytest.mark.parametrize(
    ("base", "region"),
    [
        ("https://cloud.langfuse.com", "eu"),
        ("https://us.cloud.langfuse.com/", "us"),
        ("https://hipaa.cloud.langfuse.com", "us-hipaa"),
        ("https://jp.cloud.langfuse.com", "jp"),
        ("https://cloud.langfuse.com.example", "self-hosted"),
        ("https://langfuse.clinic.example", "self-hosted"),
    ],
)
def test_the_region_is_the_hosts(base: str, region: str) -> None:
    """Where the data goes is told by the address it goes to."""
    assert LangfuseExporter(public_key="p", secret_key="s", base_url=base, gate=always_open).region == region


@pytest.mark.parametrize("status", [300, 307, 400, 401, 404, 413, 429, 500, 503])
def test_every_other_answer_is_an_error_once(sink: Sink, exporter: OtlpExporter, status: int) -> None:
    """Whatever is no 2xx is raised with its status after one request: no retry, no other address."""
    sink.mode(status=status, location=sink.url + "/elsewhere", retry_after=30)
    with pytest.raises(ExportError, match=str(status)):
        exporter.export(call())
    assert [request.path for request in sink.requests()] == ["/v1/traces"]


def _rejecting(count: int) -> bytes:
    answer = ExportTraceServiceResponse()
    answer.partial_success.rejected_spans = count
    answer.partial_success.error_message = "Jane Q. Roe"
    return answer.SerializeToString()


@pytest.mark.parametrize(
    ("media_type", "answer"),
    [
        ("application/x-protobuf", _rejecting(2)),
        ("application/json", b'{"partialSuccess":{"rejectedSpans":"2","errorMessage":"Jane Q. Roe"}}'),
        ("application/json", b'{"partialSuccess":{"rejectedSpans":2}}'),
    ],
)
def test_a_partial_success_is_a_failure(sink: Sink, exporter: OtlpExporter, media_type: str, answer: bytes) -> None:
    """An answer that rejects two spans is raised with their number, and the error does not quote it."""
    sink.mode(answer=answer.hex(), media_type=media_type)
    with pytest.raises(PartlyRefusedError, match="otlp: 2 spans rejected") as caught:
        exporter.export(call())
    assert caught.value.rejected == 2
    assert "Roe" not in caught.value.diagnostics()


@pytest.mark.parametrize(
    ("media_type", "answer"),
    [
        ("application/x-protobuf", b""),
        ("application/x-protobuf", _rejecting(0)),
        ("application/json; charset=utf-8", b"{}"),
        ("application/json", b'{"partialSuccess":{}}'),
        ("application/json", b'{"partialSuccess":null}'),
        ("application/json", b'{"message":"OK","partialSuccess":{"rejectedSpans":"0"}}'),
    ],
)
def test_a_full_success_rejects_nothing(sink: Sink, exporter: OtlpExporter, media_type: str, answer: bytes) -> None:
    """An empty message, and one that rejects no span, has taken all; a warning in it changes nothing."""
    sink.mode(answer=answer.hex(), media_type=media_type)
    exporter.export(call())


def test_a_destination_that_is_not_there_is_an_error() -> None:
    """A refused connection is raised at once and says no more than its kind."""
    exporter = OtlpExporter(url="http://127.0.0.1:9/v1/traces", headers={}, gate=always_open)
    with pytest.raises(ExportError, match=r"connection refused \(ConnectionError\)"):
        exporter.export(call())


def test_only_langfuse_can_be_asked(sink: Sink, exporter: OtlpExporter, langfuse: LangfuseExporter) -> None:
    """A collector has no question; Langfuse is asked for an observation by its id and must name its trace."""
    with pytest.raises(NotAskableError):
        exporter.holds(TURN)
    shown = json.dumps({"traceId": TURN.trace_id.replace("-", "")}).encode()
    for status, answer, expected in ((200, shown, True), (200, b'{"traceId":"0"}', False), (404, b"{}", False)):
        sink.mode(status=status, answer=answer.hex(), media_type="application/json")
        assert langfuse.holds(TURN) is expected
    sink.mode(status=401)
    with pytest.raises(ExportError, match="401"):
        langfuse.holds(TURN)
    assert {request.path for request in sink.requests()} == {
        f"/api/public/observations/{TURN.span_id[:18].replace('-', '')}"
    }


@pytest.mark.parametrize(
    "endpoint",
    ["localhost:4318", "ftp://collector", "", "https://", "https://key@host", "https://host?key=1", "http://[x"],
)
def test_what_is_no_address_does_not_start(endpoint: str) -> None:
    """An endpoint with anything but an address is refused, and not quoted."""
    with pytest.raises(SettingsError) as caught:
        traces_url(endpoint, variable="MEDAGENT_OTLP_ENDPOINT")
    assert "MEDAGENT_OTLP_ENDPOINT" in str(caught.value)
    assert "key" not in str(caught.value)


def test_an_endpoint_may_name_the_path_or_not() -> None:
    """Both forms that collectors document lead to the same place."""
    for endpoint in ("http://collector:4318", "http://collector:4318/", "http://collector:4318/v1/traces"):
        assert traces_url(endpoint, variable="X") == "http://collector:4318/v1/traces"


def test_headers_are_read_as_opentelemetry_writes_them() -> None:
    """Names in any case, values percent-encoded, spaces around; nothing is no header."""
    assert parse_headers(" X-Api-Key = a%2Cb ,authorization=Basic cGs=", variable="X") == {
        "x-api-key": "a,b",
        "authorization": "Basic cGs=",
    }
    assert parse_headers("", variable="X") == {}


@pytest.mark.parametrize(
    "text",
    ["secret", "=secret", "a b=secret", "host=secret", "Content-Type=secret", "a=1,A=secret", "user-agent=secret"],
)
def test_a_header_that_is_none_does_not_start(text: str) -> None:
    """What is no header, is ours to set or comes twice is refused, and not quoted."""
    with pytest.raises(SettingsError) as caught:
        parse_headers(text, variable="MEDAGENT_OTLP_HEADERS")
    assert "secret" not in caught.value.diagnostics()


HOSTILE = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9/hostile",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9/hostile",
    "OTEL_EXPORTER_OTLP_HEADERS": "x-hostile=hostile",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "x-hostile=hostile",
    "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
    "OTEL_EXPORTER_OTLP_TIMEOUT": "0.001",
    "OTEL_EXPORTER_OTLP_CERTIFICATE": "/hostile.pem",
    "OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY": "/hostile.pem",
    "OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER": "hostile",
    "OTEL_RESOURCE_ATTRIBUTES": "hostile.key=hostile,service.name=hostile",
    "OTEL_SERVICE_NAME": "hostile-service",
    "OTEL_TRACES_EXPORTER": "console",
    "OTEL_TRACES_SAMPLER": "always_off",
    "OTEL_SDK_DISABLED": "true",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "1",
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "1",
    "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "*",
    "LANGFUSE_HOST": "http://127.0.0.1:9/hostile",
    "LANGFUSE_TRACING_ENVIRONMENT": "hostile",
    "LANGFUSE_RELEASE": "hostile",
    "HTTP_PROXY": "http://hostile-proxy.invalid:9",
    "http_proxy": "http://hostile-proxy.invalid:9",
    "ALL_PROXY": "http://hostile-proxy.invalid:9",
    "REQUESTS_CA_BUNDLE": "/hostile.pem",
}
SHIP = """
import sys
from spans import call
from medagent.telemetry.exporters.otlp import LangfuseExporter
exporter = LangfuseExporter(public_key="pk-lf-1", secret_key="sk-lf-2", base_url=sys.argv[1], gate=lambda: None)
exporter.export(call())
exporter.close()
"""


def test_a_hostile_environment_neither_leaves_nor_redirects(sink: Sink, tmp_path: Path) -> None:
    """In a process of its own, with every variable set that OpenTelemetry's SDK knows, the same bytes arrive."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login hostile password hostile")
    for environment in (HOSTILE | {"NETRC": str(netrc)}, {}):
        subprocess.run(
            [sys.executable, "-c", SHIP, sink.url],
            env={**os.environ, **environment, "PYTHONPATH": str(Path(__file__).parents[2])},
            check=True,
            timeout=60,
        )
    hostile, plain = sink.requests()
    assert b"hostile" not in hostile.everything().lower()
    assert (hostile.path, hostile.headers, hostile.raw) == (plain.path, plain.headers, plain.raw)


@given(
    st.lists(
        safe_spans() | named_spans(), min_size=1, max_size=3, unique_by=lambda span: span.span_id.replace("-", "")[:16]
    )
)
def test_whatever_a_span_may_be_passes(batch: list[SafeSpan]) -> None:
    """No span that there may be trips the exit, be it the only one or one of several, and none is another's."""
    body = request_of(batch).SerializeToString(deterministic=True)
    sealed = envelope(url="http://127.0.0.1:9/v1/traces", headers={})
    headers = {"Content-Type": "application/x-protobuf"}
    Exit(sealed).check(method="POST", url=sealed.url, headers=headers, body=body, batch=batch)


def test_the_work_for_a_span_is_bounded_and_does_not_grow_with_its_batch() -> None:
    """Making and checking a span takes at most 3,500 function calls; `make bench` has the time."""
    sealed = envelope(url="http://127.0.0.1:9/v1/traces", headers={})
    headers = {"Content-Type": "application/x-protobuf"}

    def export(count: int) -> int:
        batch = [alone(TURN, span_id=f"{number:08x}-0000-4000-8000-000000000000") for number in range(count)]

        def work() -> None:
            body = request_of(batch).SerializeToString(deterministic=True)
            Exit(sealed).check(method="POST", url=sealed.url, headers=headers, body=body, batch=batch)

        return calls_of(work)

    export(1)
    few, many = export(20), export(100)
    assert many < 100 * 3_500
    assert many < 5.5 * few
