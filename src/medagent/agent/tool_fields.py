"""Fields that a tool's type annotations or JSON Schema declare, as a trace records them.

Types are read as `tool_values.py` copies values: dataclasses, pydantic models, TypedDicts, named tuples, attrs and
msgspec classes have fields, a list has items, and a dict of any keys is opaque.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from typing import Any, TypeAlias
from uuid import UUID

import typing_extensions
from livekit.agents import Agent
from livekit.agents.llm import ToolResult
from pydantic import BaseModel, Json, RootModel, TypeAdapter

from medagent.agent.agent_schema import ITEM, OUTPUT, RESULT, FieldKind, ToolField, Unseen, path_of

Found: TypeAlias = Iterator[ToolField | Unseen]
Steps: TypeAlias = tuple[str, ...]

DEEPEST = 8
"""Steps of a policy's path at most."""
_SCALARS: Sequence[tuple[tuple[type, ...], FieldKind]] = (
    ((bool,), FieldKind.BOOLEAN),
    ((int, float, complex, Decimal, Fraction, timedelta), FieldKind.NUMBER),
    ((date, time), FieldKind.TIME),
    ((str, bytes, bytearray, memoryview, UUID, PurePath), FieldKind.TEXT),
)
_OF_JSON = {
    "string": FieldKind.TEXT,
    "integer": FieldKind.NUMBER,
    "number": FieldKind.NUMBER,
    "boolean": FieldKind.BOOLEAN,
}
_TIMES = frozenset({"date", "date-time", "time"})
_ALIASES = tuple(kind for kind in (getattr(typing, "TypeAliasType", None), typing_extensions.TypeAliasType) if kind)
_MARKERS = (typing.Required, typing.NotRequired, typing_extensions.ReadOnly, typing.ClassVar, typing.Final)
_OPTIONS = ("anyOf", "oneOf", "allOf")


def fields_of_type(
    hint: Any, steps: Steps, *, by_alias: bool = False, bound: Mapping[Any, Any] | None = None, inside: Steps = ()
) -> Found:
    """Yield the leaves of a type.

    Args:
        hint: the annotation, resolved.
        steps: declared names down to here, `("result",)` for a result.
        by_alias: whether pydantic fields have the names that a model is told, as in arguments.
        bound: the types that stand for type variables.
        inside: names of the classes around, so that one that holds itself ends.
    """
    known = bound or {}
    hint, is_json = _bare(hint, known)
    origin, args = typing.get_origin(hint), typing.get_args(hint)

    def go_on(inner: Any, further: Steps = (), within: Steps = inside, names: Mapping[Any, Any] = known) -> Found:
        return fields_of_type(inner, (*steps, *further), by_alias=by_alias, bound=names, inside=within)

    if hint is None or hint is type(None) or _is_agent(hint):
        return
    kind = origin or hint
    if is_json and steps != (RESULT,):
        yield ToolField(declared=steps)  # a text that holds JSON stays a text below the result itself
    elif len(steps) > DEEPEST - (steps[1:2] == (ITEM,)):
        yield _unseen(steps, f"it lies deeper than the {DEEPEST} steps of a policy's path")
    elif origin in (typing.Union, types.UnionType):
        for option in args:
            yield from go_on(option)
    elif origin is typing.Literal:
        yield from _literal(args, steps)
    elif not isinstance(kind, type) or hint is ToolResult:
        yield _unseen(steps, f"{_told(hint)} may hold anything, expected a type with fields")
    elif (declared := _parts_of(kind, args, by_alias=by_alias, known=known)) is None:
        yield from _of_class(kind, hint, args, steps, go_on)
    elif str(hint) in inside:
        yield _unseen(steps, f"{kind.__qualname__} holds itself")
    else:
        parts, names = declared
        for name, inner in parts.items():
            yield from go_on(inner, (name,), (*inside, str(hint)), names)
        if getattr(kind, "model_config", {}).get("extra") == "allow":
            yield _unseen(steps, f"{kind.__qualname__} allows further fields of any name")


def fields_of_schema(
    schema: Mapping[str, Any], steps: Steps, *, definitions: Mapping[str, Any] | None = None, depth: int = 0
) -> Found:
    """Yield the leaves of a JSON Schema, as a raw function tool or an MCP server declares its arguments."""
    known = {**(definitions or {}), **schema.get("$defs", {}), **schema.get("definitions", {})}
    referred = known.get(str(schema.get("$ref")).rpartition("/")[2])
    if isinstance(referred, Mapping) and depth < 2 * DEEPEST:
        yield from fields_of_schema(referred, steps, definitions=known, depth=depth + 1)
        return
    if "$ref" in schema or len(steps) > DEEPEST or depth >= 2 * DEEPEST:
        yield _unseen(steps, "its JSON Schema goes too deep, or refers to what it does not hold")
        return
    parts = [(steps, option) for key in _OPTIONS for option in schema.get(key, ())]
    parts += [((*steps, str(name)), inner) for name, inner in schema.get("properties", {}).items()]
    declared = schema.get("type")
    kinds = [kind for kind in (declared if isinstance(declared, list) else [declared]) if kind != "null"]
    if not parts and kinds == ["array"]:
        parts = [((*steps, ITEM), item) for item in schema.get("prefixItems") or [schema.get("items", {})]]
    for further, inner in parts:
        shape = inner if isinstance(inner, Mapping) else {}
        yield from fields_of_schema(shape, further, definitions=known, depth=depth + 1)
    if not parts:
        yield from _value_of_schema(schema, kinds, steps)
    elif isinstance(schema.get("additionalProperties"), Mapping) or schema.get("patternProperties"):
        yield _unseen(steps, "its JSON Schema allows further fields of any name")


def _value_of_schema(schema: Mapping[str, Any], kinds: Sequence[Any], steps: Steps) -> Found:
    """The leaf of a JSON Schema that has no parts."""
    if "enum" in schema or "const" in schema:
        yield from _literal(tuple(schema.get("enum", ())) or (schema.get("const"),), steps)
    elif kinds and all(kind in _OF_JSON for kind in kinds):
        for kind in kinds:
            is_time = kind == "string" and schema.get("format") in _TIMES
            yield ToolField(declared=steps, kind=FieldKind.TIME if is_time else _OF_JSON[kind])
    elif schema.get("type") != "null" and not (kinds == ["object"] and schema.get("additionalProperties") is False):
        yield _unseen(steps, "its JSON Schema declares no fields")


def result_fields(hint: Any) -> Found:
    """Yield the leaves of a tool's return annotation, a result that is no object under `output`."""
    for found in fields_of_type(_without_agents(hint), (RESULT,)):
        if isinstance(found, ToolField) and (len(found.declared) == 1 or found.declared[1] == ITEM):
            yield dataclasses.replace(found, declared=(RESULT, OUTPUT, *found.declared[1:]))
        elif isinstance(found, Unseen) and found.path is not None and found.path.startswith(f"{RESULT}{ITEM}"):
            yield dataclasses.replace(found, path=f"{RESULT}.{OUTPUT}{found.path.removeprefix(RESULT)}")
        else:
            yield found


def agents_in(hint: Any) -> Iterator[type[Agent]]:
    """Yield the agents that a tool hands over to, by its return annotation."""
    bare, _ = _bare(hint, {})
    if isinstance(bare, type) and issubclass(bare, Agent):
        yield bare
    for inner in typing.get_args(bare):
        yield from agents_in(inner)


def consistent(fields: Sequence[ToolField]) -> tuple[ToolField, ...]:
    """Return the fields that one policy can declare: a path is a value, an object or a list, the first that has parts.

    A value of another kind than its path is declared as does not pass the redactor.
    """
    kinds: dict[str, str] = {}
    for each in fields:
        for end in range(1, len(each.declared)):
            kinds.setdefault(path_of(each.declared[:end]), "list" if each.declared[end] == ITEM else "object")
    return tuple(
        each
        for each in fields
        if each.path not in kinds
        and all(
            kinds[path_of(each.declared[:end])] == ("list" if each.declared[end] == ITEM else "object")
            for end in range(1, len(each.declared))
        )
    )


def _bare(hint: Any, known: Mapping[Any, Any]) -> tuple[Any, bool]:
    """A type without what annotates it, and whether it is written as JSON text."""
    is_json = False
    for _ in range(4 * DEEPEST):
        origin = typing.get_origin(hint)
        if origin in (typing.Annotated, *_MARKERS):
            marks = getattr(hint, "__metadata__", ())
            is_json |= any(mark is Json or type(mark) is Json for mark in marks)
            hint = typing.get_args(hint)[0]
        elif isinstance(hint, typing.NewType):
            hint = hint.__supertype__
        elif isinstance(hint, typing.TypeVar):
            hint = known.get(hint, hint.__bound__ or Any)
        elif isinstance(hint, _ALIASES):
            hint = hint.__value__
        elif isinstance(hint, dataclasses.InitVar):
            hint = hint.type
        else:
            break
    return hint, is_json


def _parts_of(
    kind: type, args: tuple[Any, ...], *, by_alias: bool, known: Mapping[Any, Any]
) -> tuple[dict[str, Any], Mapping[Any, Any]] | None:
    """The fields of a class that declares them, and what stands for its type variables; None for any other class."""
    variables = getattr(kind, "__parameters__", None) or getattr(kind, "__orig_parameters__", ())
    names = {**known, **dict(zip(variables or (), args, strict=False))}
    if issubclass(kind, RootModel):
        return None
    if issubclass(kind, BaseModel):
        fields = {
            (_told_name(name, each) if by_alias else name): each.annotation for name, each in kind.model_fields.items()
        }
        return fields, names
    if typing.is_typeddict(kind) or typing_extensions.is_typeddict(kind):
        return _hints(kind), names
    hints = _hints(kind)
    if issubclass(kind, tuple) and hasattr(kind, "_fields"):
        return {name: hints.get(name, Any) for name in kind._fields}, names
    if dataclasses.is_dataclass(kind):
        return {each.name: hints.get(each.name, Any) for each in dataclasses.fields(kind)}, names
    if hasattr(kind, "__attrs_attrs__"):
        return {each.name: hints.get(each.name, Any) for each in kind.__attrs_attrs__}, names
    if isinstance(declared := getattr(kind, "__struct_fields__", None), tuple):
        return {name: hints.get(name, Any) for name in declared}, names
    return None


def _of_class(kind: type, hint: Any, args: tuple[Any, ...], steps: Steps, go_on: Any) -> Found:
    """Leaves of a class without declared fields: a scalar, a list, a dict, or what pydantic knows of it."""
    scalar = next((scalar for kinds, scalar in _SCALARS if issubclass(kind, kinds)), None)
    if issubclass(kind, RootModel):
        yield from go_on(kind.model_fields["root"].annotation)
    elif issubclass(kind, Enum):
        yield from _literal(tuple(member.value for member in kind), steps)
    elif scalar is not None:
        yield ToolField(declared=steps, kind=scalar)
    elif issubclass(kind, Mapping):
        yield _unseen(steps, f"{_told(hint)} has keys of any name, expected a TypedDict, dataclass or pydantic model")
    elif issubclass(kind, Collection | deque):
        items = [arg for arg in args if arg is not ...]
        if not items:
            yield _unseen((*steps, ITEM), f"{_told(hint)} has items of any type, expected their type")
        for item in items:
            yield from go_on(item, (ITEM,))
    else:
        yield from _by_pydantic(hint, steps)


def _by_pydantic(hint: Any, steps: Steps) -> Found:
    """Leaves of a type that pydantic can describe, such as `EmailStr`."""
    if hint in (Any, object):
        yield _unseen(steps, f"{_told(hint)} may be anything, expected a type with fields")
        return
    try:
        schema = TypeAdapter(hint).json_schema(mode="serialization")
    except Exception:  # noqa: BLE001  # pydantic raises many kinds, and a class of theirs any other
        schema = {}
    if schema.get("type") in _OF_JSON:
        yield from fields_of_schema(schema, steps)
    else:
        yield _unseen(steps, f"{_told(hint)} declares no fields, expected a TypedDict, dataclass or pydantic model")


def _literal(members: tuple[Any, ...], steps: Steps) -> Found:
    """One field of a closed type: texts are choices, anything else is of its own kind."""
    plain = [member.value if isinstance(member, Enum) else member for member in members]
    present = [member for member in plain if member is not None]
    if present and all(type(member) is str for member in present):
        yield ToolField(declared=steps, kind=FieldKind.CHOICE, choices=tuple(dict.fromkeys(present)))
    elif present and all(type(member) is bool for member in present):
        yield ToolField(declared=steps, kind=FieldKind.BOOLEAN)
    elif present and all(type(member) in (int, float) for member in present):
        yield ToolField(declared=steps, kind=FieldKind.NUMBER)
    elif present:
        yield ToolField(declared=steps, kind=FieldKind.MIXED)


def _hints(kind: Any) -> dict[str, Any]:
    try:
        return typing_extensions.get_type_hints(kind, include_extras=True)
    except Exception:  # noqa: BLE001  # an annotation of theirs is evaluated: it may raise anything
        return dict.fromkeys(getattr(kind, "__annotations__", {}), Any)


def _told_name(name: str, info: Any) -> str:
    alias = info.validation_alias if isinstance(info.validation_alias, str) else info.alias
    return alias if isinstance(alias, str) else name


def _is_agent(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Agent)


def _without_agents(hint: Any) -> Any:
    """A result as the model is told of it: LiveKit leaves out the agent of a tuple, and a single rest is itself."""
    bare, _ = _bare(hint, {})
    origin, args = typing.get_origin(bare), typing.get_args(bare)
    if origin in (typing.Union, types.UnionType):
        return typing.Union[tuple(map(_without_agents, args))]  # noqa: UP007  # made at run time
    if origin is tuple:
        others = [arg for arg in args if not any(agents_in(arg))]
        if len(others) < len(args):
            return others[0] if len(others) == 1 else tuple[tuple(others)] if others else None  # type: ignore[misc]
    return hint


def _unseen(steps: Steps, reason: str) -> Unseen:
    return Unseen(where=path_of(steps), path=path_of(steps), reason=reason)


def _told(hint: Any) -> str:
    """A type by its name; a long one by its first part."""
    name = hint.__qualname__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)
    return name.replace("typing.", "")[:60]
