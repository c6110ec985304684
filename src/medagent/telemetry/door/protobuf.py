"""Read an OTLP request as its collector will: every span a document of its own, and no byte that is not read."""

from __future__ import annotations

from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from medagent.errors import DoorError
from medagent.proof import Json


def named_documents(body: bytes) -> list[tuple[str, Json]]:
    """Name and value of a request's parts: `resource.<n>`, `scope.<n>.<m>` and `span.<16 hex digits>`.

    Raises `DoorError` on unknown fields, on an encoding that is not the deterministic one, and on a doubled key.
    """
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(body)
        request.DiscardUnknownFields()
        known = request.SerializeToString(deterministic=True)
    except (DecodeError, ValueError):
        raise DoorError("exit: the body is no OTLP request") from None
    if known != body:
        raise DoorError("exit: the body holds unknown fields or is not in its one encoding")
    found: list[tuple[str, Json]] = []
    for number, of_resource in enumerate(request.resource_spans):
        found.append((f"resource.{number}", plain(of_resource, without="scope_spans")))
        for index, of_scope in enumerate(of_resource.scope_spans):
            found.append((f"scope.{number}.{index}", plain(of_scope, without="spans")))
            found += [(f"span.{span.span_id.hex()}", plain(span)) for span in of_scope.spans]
    return found


def plain(message: Message, *, without: str = "") -> dict[str, Json]:
    """Return all that is set in a message, under its field's name; ids in hex, enumerations by name."""
    return {
        field.name: _attributes(value) if field.message_type is KeyValue.DESCRIPTOR else _field(field, value)
        for field, value in message.ListFields()
        if field.name != without
    }


def _field(field: FieldDescriptor, value: Any) -> Json:
    if field.is_repeated:
        return [_scalar(field, one) for one in value]
    return _scalar(field, value)


def _scalar(field: FieldDescriptor, value: Any) -> Json:
    if isinstance(value, Message):
        return plain(value)
    if field.enum_type is not None:
        if value not in field.enum_type.values_by_number:
            raise DoorError(f"exit: {field.name} is a number without a name")
        return str(field.enum_type.values_by_number[value].name)
    return value.hex() if isinstance(value, bytes) else value


def _attributes(pairs: Any) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for pair in pairs:
        if pair.key in found or pair.key_strindex:
            raise DoorError("exit: an attribute comes twice or refers to a table that is not there")
        found[pair.key] = _value(pair.value)
    return found


def _value(value: AnyValue) -> Json:
    match value.WhichOneof("value"):
        case None:
            return None
        case "array_value":
            return [_value(one) for one in value.array_value.values]
        case "kvlist_value":
            return _attributes(value.kvlist_value.values)
        case "string_value" | "bool_value" | "int_value" | "double_value" as kind:
            plain: Json = getattr(value, kind)
            return plain
        case _:
            raise DoorError("exit: an attribute's value has a type that the door does not read")
