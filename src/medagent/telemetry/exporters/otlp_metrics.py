"""OTLP metrics: what is counted of delivered spans, and the request that tells a collector the totals.

Names are those of OpenTelemetry's GenAI conventions where these have one, else begin with `medagent.`. An attribute's
value is a member of a closed set (`ClosedValues`) or a constant: no text of a call can be one. Totals are cumulative.
"""

from __future__ import annotations

import bisect
import hashlib
import math
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric

from medagent.errors import PartlyRefusedError
from medagent.proof import Json
from medagent.telemetry.door.answer import Answer
from medagent.telemetry.door.exit import ExitSession
from medagent.telemetry.door.metric_exit import Header, MetricEnvelope, MetricExit, Point
from medagent.telemetry.exporters.attributes import GENAI_SCHEMA_URL
from medagent.telemetry.exporters.exporter import RELEASE, Envelope, Service, failure_of
from medagent.telemetry.failures import Failure, FailureCause
from medagent.telemetry.gates import Gate
from medagent.telemetry.metric_totals import Amount, Amounts, Series, Total, Totals
from medagent.telemetry.span import SafeSpan, SpanKind

UNDECLARED = "unknown"
"""Name of a tool that no policy declares, as in the name of its span."""
OTHER = "_OTHER"
"""A value that is in no closed set, as the conventions write it for `error.type`."""
_TRACES, _METRICS = "/v1/traces", "/v1/metrics"
_MEDIA_TYPE = "application/x-protobuf"
_SCOPE = "medagent"
_OURS = {"accept-encoding": "identity", "user-agent": "medagent"}
_SUCCESS = 200
_MEDAGENT = Service()
_MOST_TOKENS = 2**40
_MOST_SECONDS = 86_400.0
_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_FIRST_SECONDS = (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
_CALL_SECONDS = (5.0, 15.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 900.0, 1800.0, 3600.0)
_TOKENS = tuple(float(4**power) for power in range(14))
_OUTPUT = {SpanKind.AGENT_TURN: "speech", SpanKind.AGENT_SPEECH: "speech", SpanKind.LLM: "text"}
_MODALITIES = ("text", "audio")
_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """A histogram with these upper bounds of its buckets, or without any a counter."""

    name: str
    unit: str
    description: str
    bounds: tuple[float, ...] = ()

    def bucket(self, value: float) -> int:
        """Return the number of the bucket; a bound belongs to the bucket below it."""
        return bisect.bisect_left(self.bounds, value)

    def header(self) -> Header:
        """Return what stands before the data points."""
        return Header(
            name=self.name, unit=self.unit, description=self.description, bounds=self.bounds, is_counter=not self.bounds
        )


CALL = Instrument(
    name="gen_ai.invoke_agent.duration", unit="s", description="Duration of a call.", bounds=_CALL_SECONDS
)
OPERATION = Instrument(
    name="gen_ai.client.operation.duration",
    unit="s",
    description="Duration of an agent turn, or of a request to a language model.",
    bounds=_SECONDS,
)
FIRST = Instrument(
    name="gen_ai.server.time_to_first_token",
    unit="s",
    description="Time to the first audio of an answer (speech, TTFT-A), or to the first token of a model (text).",
    bounds=_FIRST_SECONDS,
)
TOKEN_USAGE = Instrument(
    name="gen_ai.client.token.usage", unit="{token}", description="Number of tokens of an operation.", bounds=_TOKENS
)
TOKENS = Instrument(name="medagent.tokens", unit="{token}", description="Number of tokens, by modality.")
CACHED_TOKENS = Instrument(
    name="medagent.tokens.cached", unit="{token}", description="Number of input tokens that a cache held, by modality."
)
TOOL = Instrument(
    name="gen_ai.execute_tool.duration", unit="s", description="Duration of a tool call.", bounds=_SECONDS
)
ERRORS = Instrument(name="medagent.errors", unit="{error}", description="Number of errors, by type.")
INSTRUMENTS = {one.name: one for one in (CALL, OPERATION, FIRST, TOKEN_USAGE, TOKENS, CACHED_TOKENS, TOOL, ERRORS)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedValues:
    """The members that attributes may have: what a policy lists and the operator's own models."""

    tools: frozenset[str] = frozenset()
    models: frozenset[str] = frozenset()
    providers: frozenset[str] = frozenset()
    error_types: frozenset[str] = frozenset()
    error_sources: frozenset[str] = frozenset()
    call_outcomes: frozenset[str] = frozenset()
    tool_outcomes: frozenset[str] = frozenset()

    def by_attribute(self) -> dict[str, frozenset[str]]:
        """Return the values that each attribute may have, the constants among them."""
        other = frozenset({OTHER})
        return {
            "gen_ai.operation.name": frozenset({"invoke_agent", "chat", "execute_tool"}),
            "gen_ai.provider.name": self.providers | other,
            "gen_ai.request.model": self.models | other,
            "gen_ai.output.type": frozenset(_OUTPUT.values()),
            "gen_ai.token.type": frozenset({"input", "output"}),
            "medagent.token.modality": frozenset({*_MODALITIES, UNDECLARED}),
            "gen_ai.tool.name": self.tools | {UNDECLARED},
            "medagent.tool.outcome": self.tool_outcomes | other,
            "medagent.call.outcome": self.call_outcomes | other,
            "error.type": self.error_types | other,
            "medagent.error.source": self.error_sources | other,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Value:
    instrument: Instrument
    value: float
    attributes: Mapping[str, str | None]


def metrics_url(traces_url: str) -> str:
    """Return the address for metrics beside that for traces."""
    return traces_url.removesuffix(_TRACES) + _METRICS


def stream_of(url: str) -> str:
    """Return the key of the totals of an address; another address begins at zero."""
    return f"otlp {hashlib.sha256(url.encode()).hexdigest()[:32]}"


def amounts_of(spans: Sequence[SafeSpan], closed: ClosedValues, *, service: Service = _MEDAGENT) -> Amounts:
    """Count redacted spans; those of a call that `medagent doctor` made count in no metric.

    Args:
        spans: Spans that a destination took.
        closed: The values that attributes may have.
        service: Names the environment.

    Returns:
        Counts and sums by series and bucket.
    """
    found: dict[tuple[Series, int], Amount] = {}
    for span in spans:
        if span.fields.get("synthetic") is True:
            continue
        for one in _values(span, closed):
            attributes = tuple(sorted((key, text) for key, text in one.attributes.items() if text is not None))
            series = Series(instrument=one.instrument.name, env=service.environment_of(span), attributes=attributes)
            key = series, one.instrument.bucket(one.value)
            before = found.get(key, Amount(count=0, sum=0.0))
            found[key] = Amount(count=before.count + 1, sum=before.sum + one.value)
    return found


def _values(span: SafeSpan, closed: ClosedValues) -> Iterator[_Value]:
    match span.kind:
        case SpanKind.SESSION:
            seconds = _number(span.fields.get("duration_ms"), most=_MOST_SECONDS * 1000)
            if seconds is not None:
                outcome = _member(span.fields.get("outcome"), closed.call_outcomes)
                named = {"gen_ai.operation.name": "invoke_agent", "medagent.call.outcome": outcome}
                yield _Value(instrument=CALL, value=seconds / 1000, attributes=named)
        case SpanKind.AGENT_TURN | SpanKind.LLM:
            yield from _of_model(span, closed)
        case SpanKind.AGENT_SPEECH:
            yield from _first(span, {"gen_ai.operation.name": "chat"})
        case SpanKind.TOOL:
            yield from _of_tool(span, closed)
        case SpanKind.MARKER if span.name == "session.end":
            errors = span.fields.get("errors")
            for one in errors if isinstance(errors, Sequence) and not isinstance(errors, str) else ():
                if isinstance(one, Mapping):
                    yield _error(one, closed)
        case _:
            return


def _of_model(span: SafeSpan, closed: ClosedValues) -> Iterator[_Value]:
    fields = span.fields
    stage = fields.get("llm")
    stage = stage if isinstance(stage, Mapping) else {}
    named: dict[str, str | None] = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": _member(fields.get("provider"), closed.providers),
        "gen_ai.request.model": _model(fields.get("model"), closed.models),
    }
    lasted = _number(stage.get("duration"), most=_MOST_SECONDS)
    if lasted is None:
        lasted = min((span.end_us - span.start_us) / 1e6, _MOST_SECONDS)
    failed = {"error.type": _error_type(span, closed)}
    yield _Value(instrument=OPERATION, value=lasted, attributes=named | failed)
    yield from _first(span, named)
    for kind in ("input", "output"):
        if (total := _tokens(fields, f"{kind}_tokens")) is None:
            continue
        typed = named | {"gen_ai.token.type": kind}
        yield _Value(instrument=TOKEN_USAGE, value=total, attributes=typed)
        yield from _by_modality(span, TOKENS, f"{kind}_%s_tokens", total, typed)
    if (cached := _tokens(fields, "input_cached_tokens")) is not None:
        yield from _by_modality(span, CACHED_TOKENS, "input_cached_%s_tokens", cached, named)


def _first(span: SafeSpan, named: Mapping[str, str | None]) -> Iterator[_Value]:
    """TTFT-A of an agent's turn, the time to the first token of a language model."""
    stage = span.fields.get("llm")
    if span.kind is SpanKind.LLM:
        first = _number(stage.get("ttft"), most=_MOST_SECONDS) if isinstance(stage, Mapping) else None
    else:
        milliseconds = _number(span.fields.get("ttft_ms"), most=_MOST_SECONDS * 1000)
        first = None if milliseconds is None else milliseconds / 1000
    if first is not None:
        yield _Value(instrument=FIRST, value=first, attributes={**named, "gen_ai.output.type": _OUTPUT[span.kind]})


def _by_modality(
    span: SafeSpan, instrument: Instrument, field: str, total: float, named: Mapping[str, str | None]
) -> Iterator[_Value]:
    """Split a total: the parts add up to it; a language model of a pipeline reads and writes text alone."""
    parts = {modality: _tokens(span.fields, field % modality) for modality in _MODALITIES}
    left = total
    if span.kind is SpanKind.LLM:
        parts, left = {"text": total}, 0.0
    for modality, tokens in parts.items():
        if span.kind is not SpanKind.LLM:
            tokens = None if tokens is None or tokens > left else tokens  # noqa: PLW2901  # more than all is no part
            left -= tokens or 0.0
        if tokens:
            yield _Value(instrument=instrument, value=tokens, attributes={**named, "medagent.token.modality": modality})
    if left:
        yield _Value(instrument=instrument, value=left, attributes={**named, "medagent.token.modality": UNDECLARED})


def _of_tool(span: SafeSpan, closed: ClosedValues) -> Iterator[_Value]:
    milliseconds = _number(span.fields.get("duration_ms"), most=_MOST_SECONDS * 1000)
    lasted = min((span.end_us - span.start_us) / 1e6, _MOST_SECONDS) if milliseconds is None else milliseconds / 1000
    name = span.name.partition(".")[2]
    named = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": name if name in closed.tools else UNDECLARED,
        "medagent.tool.outcome": _member(span.fields.get("outcome"), closed.tool_outcomes),
        "error.type": _error_type(span, closed),
    }
    yield _Value(instrument=TOOL, value=lasted, attributes=named)
    if span.status == "error":
        yield _error(span.fields, closed)


def _error(fields: Mapping[str, Json], closed: ClosedValues) -> _Value:
    named = {
        "error.type": _member(fields.get("error_type"), closed.error_types) or OTHER,
        "medagent.error.source": _member(fields.get("error_source"), closed.error_sources),
    }
    return _Value(instrument=ERRORS, value=1.0, attributes=named)


def _error_type(span: SafeSpan, closed: ClosedValues) -> str | None:
    if span.status != "error":
        return None
    return _member(span.fields.get("error_type"), closed.error_types) or OTHER


def _member(value: object, members: frozenset[str]) -> str | None:
    """Return a member, `OTHER` for any other value, None where there is none."""
    if value is None:
        return None
    return value if isinstance(value, str) and value in members else OTHER


def _model(value: object, models: frozenset[str]) -> str | None:
    """Return a model's name; a snapshot (`-2025-08-28`) that is not listed has its model's."""
    named = _member(value, models)
    return _member(_SNAPSHOT.sub("", value), models) if named == OTHER and isinstance(value, str) else named


def _number(value: object, *, most: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value) if 0 <= value <= most else None


def _tokens(fields: Mapping[str, Json], name: str) -> float | None:
    value = fields.get(name)
    return _number(value, most=_MOST_TOKENS) if isinstance(value, int) else None


class OtlpMetricsExporter:
    """Sends totals to `url` with these headers; a second request with the same totals changes nothing there.

    For one thread at a time, its worker's.
    """

    name = "otlp"

    def __init__(
        self,
        *,
        url: str,
        headers: Mapping[str, str],
        closed: ClosedValues,
        gate: Gate,
        ca_pem: bytes | None = None,
        service: Service = _MEDAGENT,
    ) -> None:
        self._url = url
        self._headers = {**headers, **_OURS}
        self._closed = closed.by_attribute()
        self._service = service
        environments = ("dev", "prod") if service.environment is None else (service.environment,)
        self._resources = {env: self._resource(env) for env in environments}
        headed = Envelope(
            method="POST", url=url, media_type=_MEDIA_TYPE, headers=self._headers, keys=frozenset(), constants={}
        )
        allowed = MetricEnvelope(
            headers={one.name: one.header() for one in INSTRUMENTS.values()},
            attributes=self._closed,
            resources=self._resources,
            scope={"name": _SCOPE, "version": RELEASE},
            schema_url=GENAI_SCHEMA_URL,
        )
        self._exit = MetricExit(headed, metrics=allowed)
        self._session = ExitSession(headed, gate=gate, ca_pem=ca_pem, exit=self._exit)

    def export(self, totals: Totals) -> None:
        """Send totals; what no closed set holds any more is left out.

        Raises:
            DoorError: The egress filter refused the request.
            EgressOffError: The switch is off.
            ExportError: The collector did not take all of it.
        """
        sent = [one for one in totals.totals if self._is_closed(one)]
        if not sent:
            return
        points = _points(sent, started_ns=totals.started_ms * 1_000_000, now_ns=time.time_ns())
        self._exit.expect(points, instance_id=totals.instance_id)
        body = self._request(points, totals.instance_id).SerializeToString(deterministic=True)
        headers = {**self._headers, "content-type": _MEDIA_TYPE}
        self._session.deliver((), lambda: self._session.request("POST", self._url, data=body, headers=headers))
        if rejected_points(self.name, self._session.answer):
            said = Failure(cause=FailureCause.CONTENT_REFUSED, status=_SUCCESS).explain(self.name)
            raise PartlyRefusedError(
                f"{self.name}: metrics refused in part",
                rejected=1,
                status=_SUCCESS,
                cause=FailureCause.CONTENT_REFUSED,
                hint=said.remedy,
            )

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _is_closed(self, total: Total) -> bool:
        """Whether today's instruments and closed sets hold a series that may have been counted long ago."""
        series = total.series
        is_named = series.instrument in INSTRUMENTS and series.env in self._resources
        return is_named and all(value in self._closed.get(key, ()) for key, value in series.attributes)

    def _resource(self, env: str) -> dict[str, str]:
        service = self._service
        return {
            "service.name": service.name,
            **({} if service.version is None else {"service.version": service.version}),
            "deployment.environment": env,
            "deployment.environment.name": env,
        }

    def _request(self, points: Sequence[Point], instance_id: str) -> ExportMetricsServiceRequest:
        request = ExportMetricsServiceRequest()
        by_env: dict[str, Any] = {}
        metrics: dict[tuple[str, str], Metric] = {}
        for point in points:
            if point.env not in by_env:
                of_resource = request.resource_metrics.add()
                _put(
                    of_resource.resource.attributes, {**self._resources[point.env], "service.instance.id": instance_id}
                )
                by_env[point.env] = of_resource.scope_metrics.add()
                by_env[point.env].scope.name = _SCOPE
                by_env[point.env].scope.version = RELEASE
                by_env[point.env].schema_url = GENAI_SCHEMA_URL
            key = point.env, point.instrument
            if key not in metrics:
                metrics[key] = by_env[point.env].metrics.add()
                _begin(metrics[key], INSTRUMENTS[point.instrument])
            _fill(metrics[key], point)
        return request


def rejected_points(name: str, answer: Answer) -> int:
    """Return how many data points a collector did not take, 0 after a full success.

    Raises:
        ExportError: It is no `ExportMetricsServiceResponse` with status 200.
    """
    count: object = None
    if answer.status_code == _SUCCESS and answer.media_type == _MEDIA_TYPE and answer.body is not None:
        try:
            response = ExportMetricsServiceResponse.FromString(answer.body)
        except DecodeError:
            raise failure_of(name, answer) from None
        known = response.partial_success
        is_known = not len(UnknownFieldSet(response)) and not len(UnknownFieldSet(known))
        count = int(known.rejected_data_points) if is_known else None
    elif answer.status_code == _SUCCESS and (found := answer.success()) is not None:
        partial = found.get("partialSuccess") or {}
        told = str(partial.get("rejectedDataPoints", 0)) if isinstance(partial, dict) else ""
        count = int(told) if told.isascii() and told.isdecimal() else None
    if not isinstance(count, int) or count < 0:
        raise failure_of(name, answer)
    return count


def _points(totals: Sequence[Total], *, started_ns: int, now_ns: int) -> list[Point]:
    return [
        Point(
            instrument=one.series.instrument,
            env=one.series.env,
            attributes=dict(one.series.attributes),
            started_ns=started_ns,
            at_ns=max(now_ns, started_ns),
            buckets=tuple(
                one.buckets.get(number, 0) for number in range(len(INSTRUMENTS[one.series.instrument].bounds) + 1)
            ),
            sum=one.sum,
        )
        for one in totals
    ]


def _begin(metric: Metric, instrument: Instrument) -> None:
    metric.name, metric.unit, metric.description = instrument.name, instrument.unit, instrument.description
    data = metric.histogram if instrument.bounds else metric.sum
    data.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    if not instrument.bounds:
        metric.sum.is_monotonic = True


def _fill(metric: Metric, point: Point) -> None:
    instrument = INSTRUMENTS[point.instrument]
    made: Any = metric.histogram.data_points.add() if instrument.bounds else metric.sum.data_points.add()
    made.start_time_unix_nano, made.time_unix_nano = point.started_ns, point.at_ns
    _put(made.attributes, point.attributes)
    if instrument.bounds:
        made.count, made.sum = sum(point.buckets), point.sum
        made.bucket_counts.extend(point.buckets)
        made.explicit_bounds.extend(instrument.bounds)
    else:
        made.as_int = round(point.sum)


def _put(pairs: Any, attributes: Mapping[str, str]) -> None:
    for key, value in attributes.items():
        pairs.add(key=key).value.string_value = value
