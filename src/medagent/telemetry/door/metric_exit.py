"""The last look at a request with metrics: what is about to leave is read again and compared with the totals.

Every data point must be one that is expected, whole and once; every text must be a member of its attribute's closed
set. Nothing is shared with the code that makes the request.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import orjson
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric, ResourceMetrics

from medagent.errors import DoorError
from medagent.proof import Json
from medagent.telemetry.door.exit import Exit
from medagent.telemetry.door.protobuf import plain
from medagent.telemetry.door.wire import inflate
from medagent.telemetry.exporters.exporter import Envelope
from medagent.telemetry.span import SafeSpan

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_INSTANCE = "service.instance.id"
_MOST_POINTS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What stands before the data points of an instrument; `bounds` are those of a histogram's buckets."""

    name: str
    unit: str
    description: str
    bounds: tuple[float, ...]
    is_counter: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One data point that is expected; times in nanoseconds since the Unix epoch (UTC)."""

    instrument: str
    env: str
    attributes: Mapping[str, str]
    started_ns: int
    at_ns: int
    buckets: tuple[int, ...]
    sum: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricEnvelope:
    """All that a request with metrics may hold beside numbers."""

    headers: Mapping[str, Header]
    attributes: Mapping[str, frozenset[str]] = field(repr=False)
    resources: Mapping[str, Mapping[str, str]]
    """By environment, without the stream's own id."""
    scope: Mapping[str, str]
    schema_url: str


class MetricExit(Exit):
    """Compares a request with the totals that it is to tell."""

    def __init__(self, envelope: Envelope, *, metrics: MetricEnvelope) -> None:
        super().__init__(envelope)
        self._metrics = metrics
        self._expected: list[bytes] = []
        self._instance_id = ""

    def expect(self, points: Sequence[Point], *, instance_id: str) -> None:
        """Take the data points of the next request; raises `DoorError` on an attribute that is in no closed set."""
        if not _UUID.fullmatch(instance_id) or len(points) > _MOST_POINTS:
            raise DoorError("exit: metrics with an id that is none, or with too many data points")
        for point in points:
            for key, value in point.attributes.items():
                if value not in self._metrics.attributes.get(key, ()):
                    raise DoorError(f"exit: an attribute of {point.instrument} is in no closed set")
        self._instance_id = instance_id
        self._expected = [_key(point.env, point.instrument, self._document(point)) for point in points]

    def check(
        self, *, method: str, url: str, headers: Mapping[str, str], body: bytes, batch: Sequence[SafeSpan]
    ) -> None:
        """Raise `DoorError` unless the request is exactly the expected data points under their instruments."""
        expected, self._expected = Counter(self._expected), []
        _, encoding = self._addressed(method=method, url=url, headers=headers, length=len(body))
        if batch:
            raise DoorError("exit: a request with metrics is made of no spans")
        request = _decoded(inflate(body, encoding, self._envelope.max_bytes))
        found: Counter[bytes] = Counter()
        for of_resource in request.resource_metrics:
            env = self._environment(of_resource)
            for of_scope in of_resource.scope_metrics:
                if plain(of_scope, without="metrics") != self._scope():
                    raise DoorError("exit: the scope of metrics is not ours")
                for metric in of_scope.metrics:
                    found.update(_key(env, metric.name, one) for one in self._points(metric))
        if not found or found != expected:
            raise DoorError("exit: a data point is not one of the totals")

    def _scope(self) -> dict[str, object]:
        return {"scope": dict(self._metrics.scope), "schema_url": self._metrics.schema_url}

    def _environment(self, of_resource: ResourceMetrics) -> str:
        told = plain(of_resource, without="scope_metrics")
        for env, resource in self._metrics.resources.items():
            if told == {"resource": {"attributes": {**resource, _INSTANCE: self._instance_id}}}:
                return env
        raise DoorError("exit: the resource of metrics is not ours")

    def _points(self, metric: Metric) -> list[Json]:
        header = self._metrics.headers.get(metric.name)
        if header is None:
            raise DoorError("exit: metrics of an instrument that is not ours")
        whole = plain(metric)
        kind = "sum" if header.is_counter else "histogram"
        data = whole.get(kind)
        points = data.pop("data_points", None) if isinstance(data, dict) else None
        told: dict[str, Json] = {"name": header.name, "unit": header.unit, "description": header.description}
        cumulative: dict[str, Json] = {"aggregation_temporality": "AGGREGATION_TEMPORALITY_CUMULATIVE"}
        if whole != {**told, kind: cumulative | ({"is_monotonic": True} if header.is_counter else {})}:
            raise DoorError(f"exit: {header.name} is not described as its instrument")
        return points if isinstance(points, list) else []

    def _document(self, point: Point) -> Json:
        """Return a data point as the decoder reads it: what is 0 or empty in a plain field is not there."""
        header = self._metrics.headers[point.instrument]
        said: dict[str, Json] = {
            "attributes": dict(point.attributes),
            "start_time_unix_nano": point.started_ns,
            "time_unix_nano": point.at_ns,
        }
        if header.is_counter:
            said["as_int"] = round(point.sum)
        else:
            said |= {"count": sum(point.buckets), "sum": float(point.sum)}
            said |= {"bucket_counts": list(point.buckets), "explicit_bounds": list(header.bounds)}
        return {key: value for key, value in said.items() if value not in ({}, []) and (key != "count" or value)}


def _decoded(body: bytes) -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    try:
        request.ParseFromString(body)
        request.DiscardUnknownFields()
        known = request.SerializeToString(deterministic=True)
    except (DecodeError, ValueError):
        raise DoorError("exit: the body is no OTLP request with metrics") from None
    if known != body:
        raise DoorError("exit: the body holds unknown fields or is not in its one encoding")
    return request


def _key(env: str, instrument: str, document: Json) -> bytes:
    return orjson.dumps([env, instrument, document], option=orjson.OPT_SORT_KEYS)
