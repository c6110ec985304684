"""OTLP bodies, sabotaged in every way that came to mind: none of them may reach the destination."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from medagent.errors import DoorError
from medagent.telemetry.door.exit import Exit
from medagent.telemetry.exporters.otlp import envelope, request_of
from spans import call

URL = "http://127.0.0.1:9/v1/traces"
NAME = "Jane Q. Roe"
PLAN = call()
SESSION, TURN, TOOL = 0, 2, 3
ENVELOPE = envelope(url=URL, headers={"x-api-key": "secret"})

Change = Callable[[ExportTraceServiceRequest], object]
Bytes = Callable[[bytes], bytes]


def _check(body: bytes, **headers: str) -> None:
    given = {"content-type": "application/x-protobuf", "x-api-key": "secret", **headers}
    Exit(ENVELOPE).check(method="POST", url=URL, headers=given, body=body, batch=PLAN)


def _body(change: Change) -> bytes:
    request = request_of(PLAN)
    change(request)
    return request.SerializeToString(deterministic=True)


def _span(request: ExportTraceServiceRequest, number: int) -> Span:
    return request.resource_spans[0].scope_spans[0].spans[number]


def _value(request: ExportTraceServiceRequest, number: int, key: str) -> Any:
    [value] = [pair.value for pair in _span(request, number).attributes if pair.key == key]
    return value


def into(number: int, key: str, **value: Any) -> Change:
    """Set an attribute that is there to another value."""

    def change(request: ExportTraceServiceRequest) -> None:
        for kind, one in value.items():
            setattr(_value(request, number, key), kind, one)

    return change


def extra(number: int, key: str, value: str) -> Change:
    return lambda request: setattr(_span(request, number).attributes.add(key=key).value, "string_value", value)


def of_resource(key: str, value: str) -> Change:
    return lambda request: setattr(
        request.resource_spans[0].resource.attributes.add(key=key).value, "string_value", value
    )


def _swap(request: ExportTraceServiceRequest) -> None:
    _value(request, TURN, "medagent.model").string_value = "Dr. Okafor"


def _nested(key: str, number: int = TOOL) -> Callable[[Any], Change]:
    return lambda value: into(number, key, string_value=orjson.dumps(value).decode())


SABOTAGES: dict[str, Change] = {
    "an extra attribute": extra(TURN, "host.name", NAME),
    "an attribute that is a name": extra(TURN, NAME, "x"),
    "an extra field": extra(TURN, "medagent.patient_name", NAME),
    "an attribute twice": extra(TURN, "medagent.model", "gpt-realtime"),
    "another span's field": extra(TURN, "medagent.arguments.doctor_name", "Dr. Okafor"),
    "another span's value": _swap,
    "a field's value under another path": into(TOOL, "medagent.arguments.doctor_name", string_value="CNF-7Q2M9K"),
    "a changed value": into(TOOL, "medagent.arguments.patient_name", string_value=NAME),
    "a changed number": into(TURN, "medagent.ttft_ms", double_value=812.25),
    "a changed count": into(TURN, "gen_ai.usage.input_tokens", int_value=5550101),
    "a number as a text": into(TURN, "medagent.ttft_ms", string_value="812.5"),
    "a flag as a number": into(TURN, "medagent.interrupted", int_value=1),
    "bytes": into(TURN, "medagent.model", bytes_value=NAME.encode()),
    "a reference to a table": into(TURN, "medagent.model", string_value_strindex=5550101),
    "a reference beside a key": lambda r: setattr(_span(r, TURN).attributes[0], "key_strindex", 5550101),
    "a key's reference": lambda r: setattr(_span(r, TURN).attributes.add(), "key_strindex", 5550101),
    "a list with more": lambda r: setattr(
        _value(r, SESSION, "langfuse.trace.tags").array_value.values.add(), "string_value", NAME
    ),
    "a record": lambda r: setattr(
        _value(r, TURN, "medagent.model").kvlist_value.values.add(key=NAME).value, "bool_value", True
    ),
    "usage of another": _nested("langfuse.observation.usage_details", TURN)({"input": 5550101}),
    "a name in the usage": _nested("langfuse.observation.usage_details", TURN)({NAME: 311}),
    "a spare space in the usage": into(TURN, "langfuse.observation.usage_details", string_value='{"input": 311}'),
    "a doubled key in the usage": into(
        TURN, "langfuse.observation.usage_details", string_value='{"input":5550101,"input":311}'
    ),
    "a changed cost": _nested("langfuse.observation.cost_details", TURN)({"total": 0.0123}),
    "another's input": _nested("langfuse.observation.input", TOOL)({"patient_name": NAME}),
    "a slot": _nested("medagent.result.slots")([{"at": NAME}]),
    "another first sound": into(
        TURN, "langfuse.observation.completion_start_time", string_value="1982-03-19T00:00:00.000000+00:00"
    ),
    "another type": into(TURN, "langfuse.observation.type", string_value="retriever"),
    "another release": into(TURN, "langfuse.release", string_value="5550101"),
    "another user": extra(TURN, "user.id", NAME),
    "a name": lambda r: setattr(_span(r, TURN), "name", NAME),
    "another trace": lambda r: setattr(_span(r, TURN), "trace_id", b"Jane Q. Roe, MD."),
    "another span": lambda r: setattr(_span(r, TURN), "span_id", b"Jane Roe"),
    "a span twice": lambda r: r.resource_spans[0].scope_spans[0].spans.add().CopyFrom(_span(r, TURN)),
    "another parent": lambda r: setattr(_span(r, TURN), "parent_span_id", b"Jane Roe"),
    "another start": lambda r: setattr(_span(r, TURN), "start_time_unix_nano", 5550101),
    "another end": lambda r: setattr(_span(r, TURN), "end_time_unix_nano", 5550101),
    "a state": lambda r: setattr(_span(r, TURN), "trace_state", NAME),
    "flags": lambda r: setattr(_span(r, TURN), "flags", 5550101),
    "a kind without a name": lambda r: setattr(_span(r, TURN), "kind", 55),
    "another kind": lambda r: setattr(_span(r, TURN), "kind", Span.SPAN_KIND_PRODUCER),
    "a status message": lambda r: setattr(_span(r, TURN).status, "message", NAME),
    "an event": lambda r: _span(r, TURN).events.add(name=NAME),
    "a link": lambda r: _span(r, TURN).links.add(span_id=b"Jane Roe"),
    "dropped attributes": lambda r: setattr(_span(r, TURN), "dropped_attributes_count", 5550101),
    "an extra resource attribute": of_resource("host.name", "jane-laptop"),
    "a resource attribute of a span": of_resource("medagent.model", "gpt-realtime"),
    "another service": lambda r: setattr(r.resource_spans[0].resource.attributes[0].value, "string_value", NAME),
    "a schema": lambda r: setattr(r.resource_spans[0], "schema_url", NAME),
    "a scope's attribute": lambda r: r.resource_spans[0].scope_spans[0].scope.attributes.add(key=NAME),
    "another scope": lambda r: setattr(r.resource_spans[0].scope_spans[0].scope, "name", NAME),
    "a scope's version": lambda r: setattr(r.resource_spans[0].scope_spans[0].scope, "version", "5550101"),
    "a resource of its own": lambda r: setattr(r.resource_spans.add(), "schema_url", NAME),
}


def _with_unknown(body: bytes) -> bytes:
    request = ExportTraceServiceRequest.FromString(body)
    span = _span(request, TURN)
    span.MergeFromString(b"\xfa\x01\x0bJane Q. Roe")
    return request.SerializeToString(deterministic=True)


def _with_other_name_first(body: bytes) -> bytes:
    """Before the name of a span its message gets another, and everything around it the length that it then has."""
    request = ExportTraceServiceRequest.FromString(body)
    scope = request.resource_spans[0].scope_spans[0]
    span = b"\x2a\x0bJane Q. Roe" + scope.spans[TURN].SerializeToString(deterministic=True)
    del scope.spans[:]
    inner = scope.SerializeToString(deterministic=True) + _field(2, span)
    del request.resource_spans[0].scope_spans[:]
    return _field(1, request.resource_spans[0].SerializeToString(deterministic=True) + _field(2, inner))


def _field(number: int, data: bytes) -> bytes:
    size, length = len(data), b""
    while size > 0x7F:
        size, length = size >> 7, length + bytes([size & 0x7F | 0x80])
    return bytes([number << 3 | 2]) + length + bytes([size]) + data


BYTES: dict[str, Bytes] = {
    "an unknown field": lambda body: body + b"\xfa\x01\x0bJane Q. Roe",
    "an unknown field inside": _with_unknown,
    "trailing bytes": lambda body: body + NAME.encode(),
    "a field twice, of which the last counts": _with_other_name_first,
    "half of it": lambda body: body[: len(body) // 2],
    "no protobuf": lambda _: NAME.encode(),
    "a longer number than needed": lambda body: b"\x8a\x00" + body[1:],
}


@pytest.mark.parametrize("change", SABOTAGES.values(), ids=SABOTAGES.keys())
def test_what_was_sabotaged_is_refused(change: Change) -> None:
    """A message that holds anything but its spans is refused, and the refusal quotes nothing."""
    body = _body(change)
    assert body != _body(lambda _: None)
    with pytest.raises(DoorError) as caught:
        _check(body)
    for word in (NAME, "jane", "Jane", "5550101", "Okafor", "secret"):
        assert word not in caught.value.diagnostics() + repr(caught.value)


@pytest.mark.parametrize("change", BYTES.values(), ids=BYTES.keys())
def test_what_no_message_shows_is_refused_too(change: Bytes) -> None:
    """Bytes that a reader of known fields would never see are refused all the same."""
    body = change(_body(lambda _: None))
    with pytest.raises(DoorError) as caught:
        _check(body)
    assert "Jane" not in repr(caught.value)


def test_what_was_not_sabotaged_passes() -> None:
    """The same body untouched passes, and one that was taken apart and put together again."""
    body = _body(lambda _: None)
    _check(body)
    read = ExportTraceServiceRequest.FromString(_with_other_name_first(body))
    _check(read.SerializeToString(deterministic=True))


@pytest.mark.parametrize(
    "headers",
    [{"x-patient": "x"}, {"x-api-key": "other"}, {"content-type": "application/json"}, {"content-encoding": "gzip"}],
)
def test_another_header_is_refused(headers: dict[str, str]) -> None:
    """The headers are the configured ones and no others."""
    with pytest.raises(DoorError):
        _check(_body(lambda _: None), **headers)


@pytest.mark.parametrize("number", range(len(PLAN)))
def test_every_single_attribute_is_looked_at(number: int) -> None:
    """Whichever one attribute of a span becomes a name, the body is refused."""
    count = len(_span(request_of(PLAN), number).attributes)
    assert count > 15
    for index in range(count):
        request = request_of(PLAN)
        _span(request, number).attributes[index].value.string_value = NAME
        with pytest.raises(DoorError):
            _check(request.SerializeToString(deterministic=True))
