"""OTLP over HTTP: any collector, Phoenix, and Langfuse, which is one with a key of its own.

The messages are OpenTelemetry's; its `OTLPSpanExporter` is not used. Whatever it is given, it adds the headers that
OTEL_EXPORTER_OTLP_HEADERS names, takes certificates from the environment, retries by itself, and does not read in the
answer that a part was not taken.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from medagent.errors import NotAskableError, PartlyRefusedError
from medagent.proof import Json
from medagent.telemetry.destination import OWN_HEADERS, langfuse_region, traces_url
from medagent.telemetry.door.answer import Answer
from medagent.telemetry.door.exit import ExitSession
from medagent.telemetry.door.send_log import Sent
from medagent.telemetry.exporters.attributes import (
    BACKEND_CONSTANTS,
    BACKEND_KEYS,
    CONSTANTS,
    DRAFT_CONSTANTS,
    DRAFT_KEYS,
    GENAI_SCHEMA_URL,
    KEYS,
    PREFIX,
    attributes_of,
    constants_of,
    error_of,
    message_of,
)
from medagent.telemetry.exporters.exporter import RELEASE, Envelope, Service, ask, failure_of, shown
from medagent.telemetry.failures import Failure, FailureCause
from medagent.telemetry.gates import Gate
from medagent.telemetry.span import SafeSpan, SpanKind

_MEDIA_TYPE = "application/x-protobuf"
_SCOPE = "medagent"
_OURS_ALONE = Service()
_PROJECT = "openinference.project.name"
_ENVIRONMENT = ("deployment.environment", "deployment.environment.name")
_CALLS_OUT = (SpanKind.AGENT_TURN, SpanKind.STT, SpanKind.LLM, SpanKind.TTS)
_SUCCESS = 200
_NUMBER = re.compile(r"[0-9]{1,18}")
_PART = re.compile(r"resource\.\d+|scope\.\d+\.\d+|span\.(?P<span>[0-9a-f]{16})")
_MESSAGE_KEYS = {"trace_id", "span_id", "parent_span_id", "name", "attributes", "status", "message", "resource"}
_MESSAGE_CONSTANTS = {
    "kind": frozenset({"SPAN_KIND_INTERNAL", "SPAN_KIND_CLIENT"}),
    "code": frozenset({"STATUS_CODE_OK", "STATUS_CODE_ERROR"}),
    "version": frozenset({RELEASE}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Attribute names that a collector gets beside our own, Langfuse's and LangSmith's.

    `backend_names`: the GenAI conventions' schema and tokens by modality, OpenInference, MLflow; and a failed span's
    message in place of its class. `voice_drafts`: the conventions' drafts for voice.
    """

    backend_names: bool = True
    voice_drafts: bool = False


_ALL_BACKENDS = Names()
_LANGFUSE_ALONE = Names(backend_names=False)


class OtlpExporter:
    """Delivers to `url` with these headers; a second delivery brings the same ids. For one thread, its shipper's."""

    def __init__(
        self,
        *,
        url: str,
        headers: Mapping[str, str],
        name: str = "otlp",
        region: str = "self-hosted",
        retention_days: int | None = None,
        gate: Gate,
        ca_pem: bytes | None = None,
        service: Service = _OURS_ALONE,
        names: Names = _ALL_BACKENDS,
    ) -> None:
        self._ca_pem = ca_pem
        self._service = service
        self._names = names
        self.name = name
        self.region = region
        self.retention_days = retention_days
        self._url = url
        self._headers = {**headers, **OWN_HEADERS}
        self._gate = gate
        self._session = ExitSession(
            envelope(url=url, headers=self._headers, service=service, names=names), gate=gate, ca_pem=ca_pem
        )

    def export(self, batch: Sequence[SafeSpan]) -> None:
        """Deliver a batch whole; raises `ExportError` where not all of it was taken, `DoorError` where refused."""
        if not batch:
            return
        body = request_of(batch, self._service, self._names).SerializeToString(deterministic=True)
        headers = {**self._headers, "content-type": _MEDIA_TYPE}
        self._session.deliver(batch, lambda: self._session.request("POST", self._url, data=body, headers=headers))
        if rejected := rejected_spans(self.name, self._session.answer):
            said = Failure(cause=FailureCause.SPANS_REJECTED, status=_SUCCESS).explain(self.name)
            message = f"{self.name}: {rejected} {said.cause}"
            raise PartlyRefusedError(
                message, rejected=rejected, status=_SUCCESS, cause=FailureCause.SPANS_REJECTED, hint=said.remedy
            )

    def holds(self, span: SafeSpan) -> bool:
        """OTLP knows no question: always raises `NotAskableError`."""
        raise NotAskableError(f"{self.name} cannot be asked what it holds")

    def take_sends(self) -> Mapping[str, Sent]:
        """Return what was sent since the last look, by span id."""
        return self._session.send_log.take()

    def close(self) -> None:
        """Close the connections; what was not delivered is the outbox's."""
        self._session.close()


class LangfuseExporter(OtlpExporter):
    """Langfuse's OTLP intake, which shows by its own API what it holds."""

    def __init__(
        self,
        *,
        public_key: str,
        secret_key: str,
        base_url: str,
        retention_days: int | None = None,
        gate: Gate,
        ca_pem: bytes | None = None,
        service: Service = _OURS_ALONE,
    ) -> None:
        self._base = base_url.rstrip("/")
        pair = base64.b64encode(f"{public_key}:{secret_key}".encode()).decode()
        self._authorization = f"Basic {pair}"
        super().__init__(
            name="langfuse",
            url=traces_url(f"{self._base}/api/public/otel", variable="LANGFUSE_BASE_URL"),
            headers={"authorization": self._authorization, "x-langfuse-ingestion-version": "4"},
            region=langfuse_region(self._base),
            retention_days=retention_days,
            gate=gate,
            ca_pem=ca_pem,
            service=service,
            names=_LANGFUSE_ALONE,
        )

    def holds(self, span: SafeSpan) -> bool:
        """Ask for the observation by its id, which is all that this request tells."""
        url = f"{self._base}/api/public/observations/{_span_id(span.span_id).hex()}"
        headers = {"authorization": self._authorization}
        found = shown(ask(url, headers, of=self.name, gate=self._gate, ca_pem=self._ca_pem), self.name)
        return found is not None and found.get("traceId") == UUID(span.trace_id).hex


def envelope(
    *, url: str, headers: Mapping[str, str], service: Service = _OURS_ALONE, names: Names = _ALL_BACKENDS
) -> Envelope:
    """All that a collector is told beside the spans."""
    environments = frozenset({"dev", "prod"} if service.environment is None else {service.environment})
    named = {
        "service.name": frozenset({service.name}),
        **({} if service.version is None else {"service.version": frozenset({service.version})}),
        **({} if service.project is None else {_PROJECT: frozenset({service.project})}),
        **dict.fromkeys(_ENVIRONMENT, environments),
    }
    times = {"start_time_unix_nano", "end_time_unix_nano"}
    more = [
        *([(BACKEND_KEYS, BACKEND_CONSTANTS)] if names.backend_names else []),
        *([(DRAFT_KEYS, DRAFT_CONSTANTS)] if names.voice_drafts else []),
    ]
    return Envelope(
        method="POST",
        url=url,
        media_type=_MEDIA_TYPE,
        headers=headers,
        keys=frozenset({*_MESSAGE_KEYS, *times, "scope", *KEYS, *(key for keys, _ in more for key in keys)}),
        constants={
            **CONSTANTS,
            **{name: values for _, constants in more for name, values in constants.items()},
            **constants_of(service),
            **_MESSAGE_CONSTANTS,
            **named,
            "name": frozenset({_SCOPE}),
        },
        part=_PART,
        prefix=PREFIX,
    )


def request_of(
    batch: Sequence[SafeSpan], service: Service = _OURS_ALONE, names: Names = _ALL_BACKENDS
) -> ExportTraceServiceRequest:
    """The request for a batch, one resource for each environment in it."""
    request = ExportTraceServiceRequest()
    by_env: dict[str, Any] = {}
    for span in batch:
        if span.env not in by_env:
            resource = request.resource_spans.add()
            about = {"service.name": service.name, "service.version": service.version, _PROJECT: service.project}
            environment = dict.fromkeys(_ENVIRONMENT, service.environment_of(span))
            known = {name: value for name, value in about.items() if value is not None}
            _put(resource.resource.attributes, {**known, **environment})
            by_env[span.env] = resource.scope_spans.add()
            by_env[span.env].scope.name = _SCOPE
            by_env[span.env].scope.version = RELEASE
            if names.backend_names:
                by_env[span.env].schema_url = GENAI_SCHEMA_URL
        _fill(by_env[span.env].spans.add(), span, service, names)
    return request


def rejected_spans(name: str, answer: Answer) -> int:
    """Return how many spans a collector did not take, 0 after a full success.

    Args:
        name: The destination.
        answer: Its answer to a request with spans.

    Raises:
        ExportError: It is no `ExportTraceServiceResponse` with status 200; `RefusedError` after 400, 413 or 422.
    """
    count: object = None
    if answer.status_code == _SUCCESS and answer.media_type == _MEDIA_TYPE and answer.body is not None:
        count = _of_message(answer.body)
    elif answer.status_code == _SUCCESS and (found := answer.success()) is not None:
        partial = found.get("partialSuccess") or {}
        count = partial.get("rejectedSpans", 0) if isinstance(partial, dict) else None
        if isinstance(count, str):  # the JSON form of a 64-bit integer
            count = int(count) if _NUMBER.fullmatch(count) else None
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise failure_of(name, answer)
    return count


def _of_message(body: bytes) -> int | None:
    """A field that the message does not have may say that a part was not taken: then None."""
    try:
        response = ExportTraceServiceResponse.FromString(body)
    except DecodeError:
        return None
    known = response.partial_success
    return None if len(UnknownFieldSet(response)) or len(UnknownFieldSet(known)) else int(known.rejected_spans)


def _fill(message: Span, span: SafeSpan, service: Service, names: Names) -> None:
    message.trace_id = UUID(span.trace_id).bytes
    message.span_id = _span_id(span.span_id)
    if span.parent_id is not None:
        message.parent_span_id = _span_id(span.parent_id)
    message.name = span.name
    message.kind = Span.SPAN_KIND_CLIENT if span.kind in _CALLS_OUT else Span.SPAN_KIND_INTERNAL
    message.start_time_unix_nano = span.start_us * 1000
    message.end_time_unix_nano = span.end_us * 1000
    message.status.code = Status.STATUS_CODE_ERROR if span.status == "error" else Status.STATUS_CODE_OK
    message.status.message = (message_of(span) if names.backend_names else error_of(span)) or ""
    named = attributes_of(span, service, backend_names=names.backend_names, voice_drafts=names.voice_drafts)
    _put(message.attributes, named)


def _span_id(span_id: str) -> bytes:
    return UUID(span_id).bytes[:8]


def _put(pairs: Any, attributes: Mapping[str, Json]) -> None:
    for key, value in attributes.items():
        pair = pairs.add(key=key)
        _set(pair.value, value)


def _set(message: AnyValue, value: Json) -> None:
    match value:
        case bool():
            message.bool_value = value
        case int():
            message.int_value = value
        case float():
            message.double_value = value
        case str():
            message.string_value = value
        case list():
            message.array_value.SetInParent()
            as_double = any(isinstance(one, float) for one in value)
            for one in value:
                _set(message.array_value.values.add(), float(one) if as_double and isinstance(one, int) else one)
