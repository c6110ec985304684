"""OTLP metrics as a collector reads them: what is counted, under which names, and that no text of a call is in them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

from medagent.audit.reading import _METRICS, _SCHEMA
from medagent.errors import DoorError, EgressOffError, ExportError, PartlyRefusedError
from medagent.runtime import exports
from medagent.settings import load_settings
from medagent.telemetry.exporters.attributes import GENAI_SCHEMA_URL
from medagent.telemetry.exporters.exporter import RELEASE, Service, always_open
from medagent.telemetry.exporters.otlp_metrics import (
    INSTRUMENTS,
    OTHER,
    UNDECLARED,
    ClosedValues,
    OtlpMetricsExporter,
    amounts_of,
    metrics_url,
    stream_of,
)
from medagent.telemetry.metric_totals import Amounts, Series, Total, Totals
from medagent.telemetry.span import SafeSpan, SpanKind
from sink import Sink, attributes
from spans import alone, call, exchange, named_spans, safe_spans

pytestmark = pytest.mark.timing

CLOSED = ClosedValues(
    tools=frozenset({"book_appointment"}),
    models=frozenset({"gpt-realtime", "gpt-4o-mini"}),
    providers=frozenset({"azure.ai.openai", "openai"}),
    error_types=frozenset({"TimeoutError"}),
    error_sources=frozenset({"tool"}),
    call_outcomes=frozenset({"booked"}),
    tool_outcomes=frozenset({"ok", "failed"}),
)
ALLOWED = CLOSED.by_attribute()
INSTANCE = "0b6a3a52-5a0f-4c39-9b5e-0d3c6a0f4d11"
SESSION, _, TURN, TOOLED, FAILED, END = call()
STARTED_MS = 1_767_225_600_000


def totals_of(amounts: Amounts) -> Totals:
    """The totals of a stream that begins with these amounts."""
    buckets: dict[Series, dict[int, int]] = {}
    sums: Counter[Series] = Counter()
    for (series, bucket), amount in amounts.items():
        buckets.setdefault(series, {})[bucket] = amount.count
        sums[series] += amount.sum  # type: ignore[assignment]  # a float
    made = [Total(series=one, buckets=buckets[one], sum=float(sums[one])) for one in sorted(buckets)]
    return Totals(instance_id=INSTANCE, started_ms=STARTED_MS, version=1, totals=made)


def exporter_to(url: str, **changes: Any) -> OtlpMetricsExporter:
    options: dict[str, Any] = {"url": f"{url}/v1/metrics", "headers": {"x-api-key": "secret"}, "closed": CLOSED}
    return OtlpMetricsExporter(**{**options, "gate": always_open, **changes})


@pytest.fixture(scope="module")
def sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sink]:
    with Sink(tmp_path_factory.mktemp("sink")) as running:
        yield running


@pytest.fixture
def exporter(sink: Sink) -> Iterator[OtlpMetricsExporter]:
    made = exporter_to(sink.url)
    yield made
    made.close()


def held(request: ExportMetricsServiceRequest) -> dict[tuple[str, tuple[tuple[str, str], ...]], Any]:
    """The data points of a request by instrument and attributes."""
    return {
        (metric.name, tuple(sorted(attributes(point.attributes).items()))): point
        for of_resource in request.resource_metrics
        for of_scope in of_resource.scope_metrics
        for metric in of_scope.metrics
        for point in (metric.histogram.data_points or metric.sum.data_points)
    }


def test_request_of_a_call_has_conventional_names_units_and_bounds(sink: Sink, exporter: OtlpMetricsExporter) -> None:
    """Decoded by OpenTelemetry's own messages: cumulative histograms and monotonic counters, with our bounds."""
    ended = alone(END, fields={**END.fields, "errors": [{"error_type": "TimeoutError", "error_source": "tool"}]})
    exporter.export(totals_of(amounts_of([alone(SESSION, fields=END.fields), *call()[1:5], ended], CLOSED)))
    request = sink.metrics()[-1]
    [of_resource] = request.resource_metrics
    [of_scope] = of_resource.scope_metrics
    assert {metric.name for metric in of_scope.metrics} == set(INSTRUMENTS)
    for metric in of_scope.metrics:
        data = getattr(metric, str(metric.WhichOneof("data")))
        assert data.aggregation_temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
        assert (metric.unit, metric.description) == (
            INSTRUMENTS[metric.name].unit,
            INSTRUMENTS[metric.name].description,
        )
        assert metric.WhichOneof("data") == ("histogram" if INSTRUMENTS[metric.name].bounds else "sum")
        for point in metric.histogram.data_points:
            assert tuple(point.explicit_bounds) == INSTRUMENTS[metric.name].bounds
            assert sum(point.bucket_counts) == point.count
        assert metric.WhichOneof("data") == "histogram" or metric.sum.is_monotonic
    assert attributes(of_resource.resource.attributes) == {
        "service.name": "medagent",
        "service.version": RELEASE,
        "service.instance.id": INSTANCE,
        "deployment.environment": "dev",
        "deployment.environment.name": "dev",
    }
    assert (of_scope.scope.name, of_scope.scope.version) == ("medagent", RELEASE)
    sent = sink.requests()[-1]
    assert (sent.method, sent.path, sent.headers["x-api-key"]) == ("POST", "/v1/metrics", "secret")


def test_values_of_a_call_are_in_its_data_points(sink: Sink, exporter: OtlpMetricsExporter) -> None:
    """Durations in seconds, tokens by type and modality, TTFT-A, tools by declared name, errors by type."""
    exporter.export(totals_of(amounts_of([alone(SESSION, fields=END.fields), *call()[1:]], CLOSED)))
    points = held(sink.metrics()[-1])
    chat = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "azure.ai.openai",
        "gen_ai.request.model": "gpt-realtime",
    }

    def point(name: str, **more: str) -> Any:
        named = {key.replace("__", "."): value for key, value in more.items()}
        return points[name, tuple(sorted(named.items()))]

    assert point(
        "gen_ai.invoke_agent.duration", gen_ai__operation__name="invoke_agent", medagent__call__outcome="booked"
    ).sum == pytest.approx(61.2505)
    assert points["gen_ai.client.operation.duration", tuple(sorted(chat.items()))].sum == pytest.approx(0.25)
    first = points[
        "gen_ai.server.time_to_first_token", tuple(sorted((chat | {"gen_ai.output.type": "speech"}).items()))
    ]
    assert (first.count, first.sum) == (1, 0.8125)
    assert list(first.bucket_counts).index(1) == list(first.explicit_bounds).index(1.0)
    tokens = {
        (kind, modality): points[
            "medagent.tokens",
            tuple(sorted((chat | {"gen_ai.token.type": kind, "medagent.token.modality": modality}).items())),
        ].as_int
        for kind in ("input", "output")
        for modality in ("text", "audio")
    }
    assert tokens == {("input", "text"): 211, ("input", "audio"): 100, ("output", "text"): 22, ("output", "audio"): 75}
    cached = chat | {"medagent.token.modality": UNDECLARED}  # the span says 64 in all, and nothing of their modality
    assert points["medagent.tokens.cached", tuple(sorted(cached.items()))].as_int == 64
    booked = point(
        "gen_ai.execute_tool.duration",
        gen_ai__operation__name="execute_tool",
        gen_ai__tool__name="book_appointment",
        medagent__tool__outcome=OTHER,  # the span says `booked`, which is no outcome of a tool
    )
    assert booked.sum == pytest.approx(0.04175)
    failed = point(
        "gen_ai.execute_tool.duration",
        gen_ai__operation__name="execute_tool",
        gen_ai__tool__name=UNDECLARED,  # no policy declares it
        error__type="TimeoutError",
    )
    assert failed.count == 1
    assert point("medagent.errors", error__type="TimeoutError", medagent__error__source="tool").as_int == 1


def test_a_pipelines_model_and_answer_are_counted_apart(sink: Sink, exporter: OtlpMetricsExporter) -> None:
    """The model's first token is text, the answer's first audio is speech; its tokens are text."""
    exporter.export(totals_of(amounts_of(exchange(), CLOSED)))
    points = held(sink.metrics()[-1])
    first = {
        dict(named)["gen_ai.output.type"]: point.sum
        for (name, named), point in points.items()
        if name == "gen_ai.server.time_to_first_token"
    }
    assert first == {"text": 0.81, "speech": 1.65}
    modalities = {dict(named)["medagent.token.modality"] for (name, named) in points if name == "medagent.tokens"}
    assert modalities == {"text"}


@pytest.mark.parametrize(
    ("model", "told"),
    [("gpt-4o-mini-2024-07-18", "gpt-4o-mini"), ("gpt-4o-mini", "gpt-4o-mini"), ("jane-q-roe", OTHER), (None, None)],
)
def test_model_is_one_of_the_operators(model: str | None, told: str | None) -> None:
    """A snapshot has its model's name; a name of nobody's list is not told."""
    amounts = amounts_of([alone(TURN, fields={**TURN.fields, "model": model})], CLOSED)
    assert {dict(series.attributes).get("gen_ai.request.model") for series, _ in amounts} == {told}


def test_spans_of_the_doctor_count_in_no_metric() -> None:
    """A call of `medagent doctor --send` has `synthetic: true` on what would be counted."""
    assert amounts_of([alone(TURN, fields={**TURN.fields, "synthetic": True})], CLOSED) == {}
    assert amounts_of([TURN], CLOSED)


ANY_SPANS = st.lists(named_spans() | safe_spans(), max_size=6)


@given(ANY_SPANS)
def test_every_attribute_is_a_member_of_its_closed_set(spans: list[SafeSpan]) -> None:
    """Whatever texts a span holds: an attribute is a constant or a member, and the keys are ours."""
    for series, bucket in amounts_of(spans, CLOSED):
        assert series.env in ("dev", "prod")
        assert 0 <= bucket <= len(INSTRUMENTS[series.instrument].bounds)
        for key, value in series.attributes:
            assert value in ALLOWED[key]


@given(ANY_SPANS)
def test_counting_in_parts_is_counting_the_whole(spans: list[SafeSpan]) -> None:
    """However spans are split into batches, counts are the same; sums are finite and not negative."""
    whole = amounts_of(spans, CLOSED)
    parts: Counter[tuple[Series, int]] = Counter()
    for span in spans:
        parts.update({key: amount.count for key, amount in amounts_of([span], CLOSED).items()})
    assert parts == Counter({key: amount.count for key, amount in whole.items()})
    assert all(amount.count > 0 and amount.sum >= 0 and math.isfinite(amount.sum) for amount in whole.values())


COUNTS = st.none() | st.integers(0, 10**7) | st.integers(-5, 5) | st.booleans()
PARTS = (
    "input",
    "input_text",
    "input_audio",
    "input_cached",
    "input_cached_text",
    "output",
    "output_text",
    "output_audio",
)
USAGE = st.fixed_dictionaries({}, optional=dict.fromkeys((f"{part}_tokens" for part in PARTS), COUNTS))


@given(fields=USAGE, kind=st.sampled_from([SpanKind.AGENT_TURN, SpanKind.LLM]))
def test_tokens_by_modality_add_up_to_all_tokens(fields: dict[str, Any], kind: SpanKind) -> None:
    """What has no modality is `unknown`; parts that are more than all are no parts."""
    sums: Counter[tuple[str, str]] = Counter()
    for (series, _), amount in amounts_of([alone(TURN, kind=kind, fields=fields)], CLOSED).items():
        sums[series.instrument, dict(series.attributes).get("gen_ai.token.type", "")] += int(amount.sum)
    for token_type in ("input", "output"):
        assert sums["medagent.tokens", token_type] == sums["gen_ai.client.token.usage", token_type]


@given(value=st.floats(0, 1e9), instrument=st.sampled_from([one for one in INSTRUMENTS.values() if one.bounds]))
def test_bucket_of_a_value_lies_between_its_bounds(value: float, instrument: Any) -> None:
    """A bound belongs to the bucket below it, as OTLP has it: (lower, upper]."""
    bounds = (-math.inf, *instrument.bounds, math.inf)
    number = instrument.bucket(value)
    assert bounds[number] < value <= bounds[number + 1]


# ---- the egress filter --------------------------------------------------------------------------------------------

Change = Callable[[ExportMetricsServiceRequest], object]


def _metric(request: ExportMetricsServiceRequest, name: str = "medagent.tokens") -> Any:
    [found] = [one for one in request.resource_metrics[0].scope_metrics[0].metrics if one.name == name]
    return found


def _histogram(request: ExportMetricsServiceRequest) -> Any:
    return _metric(request, "gen_ai.client.token.usage").histogram.data_points[0]


def _label(pairs: Any, key: str, value: str) -> None:
    pairs.add(key=key).value.string_value = value


SABOTAGES: dict[str, Change] = {
    "another value": lambda r: setattr(_metric(r).sum.data_points[0], "as_int", 4155550137),
    "another sum": lambda r: setattr(_histogram(r), "sum", 4155550137.0),
    "another count": lambda r: setattr(_histogram(r), "count", 7),
    "another bucket": lambda r: _histogram(r).bucket_counts.append(1),
    "another bound": lambda r: _histogram(r).explicit_bounds.__setitem__(0, 1982.0303),
    "a minimum": lambda r: setattr(_histogram(r), "min", 3.0),
    "an exemplar": lambda r: _histogram(r).exemplars.add(as_int=4155550137),
    "an attribute more": lambda r: _label(_histogram(r).attributes, "patient", "Jane Q. Roe"),
    "an attribute's value": lambda r: setattr(_histogram(r).attributes[0].value, "string_value", "Jane Q. Roe"),
    "an attribute that is a number": lambda r: setattr(_histogram(r).attributes[0].value, "int_value", 4155550137),
    "a data point more": lambda r: _metric(r).sum.data_points.add(as_int=1),
    "a data point twice": lambda r: _metric(r).sum.data_points.append(_metric(r).sum.data_points[0]),
    "a data point less": lambda r: _metric(r).sum.data_points.pop(),
    "a metric more": lambda r: r.resource_metrics[0].scope_metrics[0].metrics.add(name="Jane Q. Roe"),
    "a name": lambda r: setattr(_metric(r), "name", "Jane Q. Roe"),
    "a unit": lambda r: setattr(_metric(r), "unit", "Jane"),
    "a description": lambda r: setattr(_metric(r), "description", "Jane Q. Roe"),
    "metadata": lambda r: _label(_metric(r).metadata, "who", "Jane Q. Roe"),
    "another temporality": lambda r: setattr(_metric(r).sum, "aggregation_temporality", 1),
    "a counter that may fall": lambda r: setattr(_metric(r).sum, "is_monotonic", False),
    "an attribute of the resource": lambda r: _label(r.resource_metrics[0].resource.attributes, "host.name", "x"),
    "another instance": lambda r: setattr(
        r.resource_metrics[0].resource.attributes[-1].value, "string_value", "4155550137"
    ),
    "an attribute of the scope": lambda r: _label(r.resource_metrics[0].scope_metrics[0].scope.attributes, "a", "b"),
    "a schema": lambda r: setattr(r.resource_metrics[0], "schema_url", "https://jane.example"),
    "a resource more": lambda r: r.resource_metrics.add(),
}


class _Changed(OtlpMetricsExporter):
    """Makes the request, then changes it: stands for any fault in the code that makes it."""

    change: Change | None = None
    tail = b""

    def _request(self, *arguments: Any) -> Any:
        made = super()._request(*arguments)
        if self.change is not None:
            self.change(made)
        tail = self.tail

        class Body:
            def SerializeToString(self, *, deterministic: bool) -> bytes:  # noqa: N802  # protobuf names it so
                return made.SerializeToString(deterministic=deterministic) + tail

        return Body()


def _changed(sink: Sink, change: Change | None, tail: bytes = b"") -> tuple[_Changed, int]:
    made = _Changed(url=f"{sink.url}/v1/metrics", headers={}, closed=CLOSED, gate=always_open)
    made.change, made.tail = change, tail
    return made, len(sink.requests())


@pytest.mark.parametrize("change", SABOTAGES.values(), ids=SABOTAGES.keys())
def test_filter_blocks_what_is_not_in_the_totals(sink: Sink, change: Change) -> None:
    """Not a byte is sent of a request that is changed after its totals were read."""
    exporter, before = _changed(sink, change)
    with pytest.raises(DoorError):
        exporter.export(totals_of(amounts_of([TURN, TOOLED], CLOSED)))
    exporter.close()
    assert len(sink.requests()) == before


def test_filter_passes_the_unchanged_request(sink: Sink) -> None:
    """The control of the sabotages: the same exporter without a change."""
    exporter, before = _changed(sink, None)
    exporter.export(totals_of(amounts_of([TURN, TOOLED], CLOSED)))
    exporter.close()
    assert len(sink.requests()) == before + 1


@pytest.mark.parametrize("tail", [b"\xfa\x3e\x04Jane", b"\x00"], ids=["an unknown field", "a byte"])
def test_filter_blocks_bytes_that_are_no_field(sink: Sink, tail: bytes) -> None:
    """A body that is not in its one encoding hides something."""
    exporter, before = _changed(sink, None, tail)
    with pytest.raises(DoorError):
        exporter.export(totals_of(amounts_of([TURN], CLOSED)))
    exporter.close()
    assert len(sink.requests()) == before


@given(key=st.sampled_from(sorted(ALLOWED)), value=st.text(max_size=20))
def test_series_outside_of_todays_closed_sets_is_not_sent(key: str, value: str) -> None:
    """What was counted under another policy, or written into the file by hand, stays here."""
    made = exporter_to("http://127.0.0.1:9")
    series = Series(instrument="medagent.errors", env="dev", attributes=((key, value),))
    totals = Totals(
        instance_id=INSTANCE,
        started_ms=STARTED_MS,
        version=1,
        totals=[Total(series=series, buckets={0: 1}, sum=1.0)],
    )
    if value in ALLOWED[key]:
        with pytest.raises(ExportError):  # nobody listens there
            made.export(totals)
    else:
        made.export(totals)
    made.close()


# ---- answers, settings --------------------------------------------------------------------------------------------


def test_gate_that_is_shut_lets_no_metrics_leave(sink: Sink) -> None:
    """The gate is the last thing before the wire."""

    def shut() -> None:
        raise EgressOffError("off")

    made, before = exporter_to(sink.url, gate=shut), len(sink.requests())
    with pytest.raises(EgressOffError):
        made.export(totals_of(amounts_of([TURN], CLOSED)))
    made.close()
    assert len(sink.requests()) == before


PARTIAL = ExportMetricsServiceResponse()
PARTIAL.partial_success.rejected_data_points = 3


@pytest.mark.parametrize(
    ("mode", "error"),
    [
        ({}, None),
        ({"answer": b"{}".hex(), "media_type": "application/json"}, None),
        ({"answer": PARTIAL.SerializeToString().hex()}, PartlyRefusedError),
        (
            {"answer": b'{"partialSuccess":{"rejectedDataPoints":"3"}}'.hex(), "media_type": "application/json"},
            Exception,
        ),
        ({"answer": b"\xff".hex()}, ExportError),
        ({"answer": b"<html>".hex(), "media_type": "text/html"}, ExportError),
        ({"status": 404}, ExportError),
        ({"status": 204}, ExportError),
    ],
    ids=["protobuf", "JSON", "partial", "partial in JSON", "no message", "a page", "404", "204"],
)
def test_only_a_collectors_own_success_counts(sink: Sink, mode: dict[str, Any], error: type[Exception] | None) -> None:
    """As for traces: docs/destinations.md."""
    exporter = exporter_to(sink.url)
    sink.mode(**mode)
    try:
        if error is None:
            exporter.export(totals_of(amounts_of([TURN], CLOSED)))
        else:
            with pytest.raises(error):
                exporter.export(totals_of(amounts_of([TURN], CLOSED)))
    finally:
        sink.mode()
        exporter.close()


def test_two_environments_are_two_resources_unless_named(sink: Sink) -> None:
    """With the operator's names, as the traces have them; a named environment is one, whatever the installations."""
    spans = [TURN, alone(TURN, env="prod")]
    named = Service(name="phone", version=None, environment="staging")
    told = {}
    for service in (Service(), named):
        made = exporter_to(sink.url, service=service)
        made.export(totals_of(amounts_of(spans, CLOSED, service=service)))
        made.close()
        told[service.name] = [attributes(one.resource.attributes) for one in sink.metrics()[-1].resource_metrics]
    assert [one["deployment.environment.name"] for one in told["medagent"]] == ["dev", "prod"]
    [only] = told["phone"]
    assert (only["service.name"], only["deployment.environment.name"]) == ("phone", "staging")
    assert "service.version" not in only


@pytest.mark.parametrize("endpoint", ["http://c:4318/v1/traces", "http://c:4318/tenant/v1/traces"])
def test_metrics_go_beside_the_traces(endpoint: str) -> None:
    """The same endpoint, and a stream of its own for each address."""
    assert metrics_url(endpoint) == endpoint.replace("traces", "metrics")
    assert stream_of(endpoint) != stream_of(endpoint + "x")
    assert endpoint not in stream_of(endpoint)


@pytest.mark.parametrize(
    ("settings", "is_on"),
    [
        ({}, True),
        ({"MEDAGENT_OTLP_METRICS": "0"}, False),
        ({"MEDAGENT_DESTINATIONS": "langfuse"}, False),
        ({"MEDAGENT_OTLP_ENDPOINT": None}, False),
    ],
    ids=["on by default", "set off", "no OTLP destination", "no endpoint"],
)
def test_metrics_follow_the_setting_and_the_destination(
    tmp_path: Path, settings: dict[str, str | None], is_on: bool
) -> None:
    """Where no collector is configured nothing is counted."""
    given = {"MEDAGENT_DESTINATIONS": "otlp", "MEDAGENT_OTLP_ENDPOINT": "http://c:4318", **settings}
    made = exports.metrics(load_settings(MEDAGENT_HOME=str(tmp_path), **given), always_open)
    assert (made is not None) is is_on


def test_audit_knows_every_metric_by_name() -> None:
    """Its own list, by which the second reader takes a dotted name for no address."""
    assert set(_METRICS) == set(INSTRUMENTS)
    assert _SCHEMA == GENAI_SCHEMA_URL


def test_closed_values_come_from_policy_prices_and_settings(tmp_path: Path) -> None:
    """The clinic's six tools, the listed error types, the priced models and the set one; no family, no roster."""
    closed = exports._closed_values(load_settings(MEDAGENT_HOME=str(tmp_path), MEDAGENT_MODEL="our-own"))
    assert "book_appointment" in closed.tools
    assert not {"*", "", UNDECLARED} & closed.tools
    assert {"our-own", "gpt-realtime"} <= closed.models
    assert {"TimeoutError", "not_verified"} <= closed.error_types
    assert "azure.ai.openai" in closed.providers
    assert {"booked", "failed"} <= closed.call_outcomes
    assert {"ok", "timeout"} <= closed.tool_outcomes
