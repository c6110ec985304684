"""Which tools does somebody's agent have, and what may they be given: read from the module, livekit not needed here."""

from __future__ import annotations

import importlib
import inspect
import sys
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import PydanticSchemaGenerationError, PydanticUserError, TypeAdapter

from medagent.errors import AgentModuleError
from medagent.tools import Tool

_DEEPEST = 8
_LIVEKIT_INFO = ("__livekit_tool_info", "__livekit_raw_tool_info")


def tools_of(module: str) -> dict[str, tuple[str, ...]]:
    """Span name and field paths of every tool in a module, on its classes too; raises `AgentModuleError`."""
    sys.path.insert(0, str(Path.cwd()))
    try:
        loaded = importlib.import_module(module)
    except Exception as error:
        raise AgentModuleError(f"{module} cannot be imported ({type(error).__name__})") from error
    finally:
        sys.path.pop(0)
    found = dict(map(_described, _tools_in(loaded)))
    if not found:
        raise AgentModuleError(f"{module} has no tool", hint="a tool is a LiveKit function tool or a medagent Tool")
    return found


def _tools_in(module: object) -> Iterator[Any]:
    for value in vars(module).values():
        inside = [v for base in value.__mro__ for v in vars(base).values()] if isinstance(value, type) else []
        several = value if isinstance(value, (list, tuple)) else ()
        yield from (one for one in (value, *inside, *several) if isinstance(one, Tool) or _livekit_info(one))


def _livekit_info(tool: object) -> Any:
    try:
        held = object.__getattribute__(tool, "__dict__")  # its own attributes, past any __getattr__ that would raise
    except AttributeError:
        return None
    return next((held[name] for name in _LIVEKIT_INFO if name in held), None)


def _described(tool: Any) -> tuple[str, tuple[str, ...]]:
    if isinstance(tool, Tool):
        return f"tool.{tool.name}", tool.field_paths
    info = _livekit_info(tool)
    raw = getattr(info, "raw_schema", None)
    if isinstance(raw, Mapping):
        return f"tool.{info.name}", tuple(_paths("arguments", raw.get("parameters", {}), {}))
    return f"tool.{info.name}", tuple(_of_signature(tool))


def _of_signature(tool: Any) -> Iterator[str]:
    """Arguments by name and type, without `self` and LiveKit's context; the result where its type tells its fields."""
    try:
        hints = typing.get_type_hints(tool, include_extras=True)
    except (NameError, TypeError):
        hints = {}
    for name in inspect.signature(tool).parameters:
        if name != "self" and not _is_context(hints.get(name)):
            yield from _of_type(f"arguments.{name}", hints.get(name))
    if hints.get("return") is not None:
        yield from (path for path in _of_type("result", hints["return"]) if path != "result")


def _is_context(hint: Any) -> bool:
    return getattr(typing.get_origin(hint) or hint, "__name__", "") == "RunContext"


def _of_type(path: str, hint: Any) -> Iterator[str]:
    if typing.is_typeddict(hint):
        for name, inner in typing.get_type_hints(hint).items():
            yield from _of_type(f"{path}.{name}", inner)
        return
    try:
        schema = TypeAdapter(hint).json_schema() if hint is not None else {}
    except (PydanticSchemaGenerationError, PydanticUserError):
        schema = {}
    yield from _paths(path, schema, schema.get("$defs", {}))


def _paths(path: str, schema: Mapping[str, Any], defs: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    """The leaves of a JSON Schema; what it does not tell further is a leaf itself, and so is what goes too deep."""
    if "$ref" in schema:
        schema = defs.get(str(schema["$ref"]).rpartition("/")[2], {})
    options = [o for key in ("anyOf", "oneOf", "allOf") for o in schema.get(key, ()) if o.get("type") != "null"]
    if depth >= _DEEPEST:
        yield path
    elif options:
        yield from dict.fromkeys(p for option in options for p in _paths(path, option, defs, depth + 1))
    elif schema.get("properties"):
        for name, inner in schema["properties"].items():
            yield from _paths(f"{path}.{name}", inner, defs, depth + 1)
    elif schema.get("type") == "array":
        yield from _paths(f"{path}[]", schema.get("items", {}), defs, depth + 1)
    else:
        yield path
