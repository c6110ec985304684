"""Find tools in the source of functions that make them, without running these functions.

A tool that is made inside a function exists only while an agent runs. Its decorator, arguments and annotations stand in
the source; what does not (a schema that is computed, a function that is passed in) is reported as not read.
"""

from __future__ import annotations

import ast
import inspect
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, TypeAlias

from livekit.agents.llm import function_tool

_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
_NAME = "function_tool"


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeTool:
    """A tool that a function makes; `stub` has its signature and annotations, `names` are those that its code uses."""

    name: str
    where: str
    stub: Any = field(repr=False)
    names: frozenset[str] = frozenset()
    raw_schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadTool:
    """A place where a tool is made that the source does not describe."""

    where: str
    reason: str


def made_in_functions(modules: Iterable[ModuleType], *, live: Iterable[Any]) -> Iterator[MadeTool | UnreadTool]:
    """Yield the tools that functions of modules make.

    Args:
        modules: modules whose source is read.
        live: functions of the tools that are known already; these are left out.
    """
    codes = [code for function in live if (code := getattr(function, "__code__", None)) is not None]
    for module in modules:
        try:
            tree = ast.parse(inspect.getsource(module))
        except (OSError, TypeError, SyntaxError):
            continue
        own = [code for code in codes if code.co_filename == getattr(module, "__file__", None)]
        reader = _Reader(module, lines={code.co_firstlineno for code in own}, names={code.co_name for code in own})
        yield from reader.walk(tree, (), is_method=False)


class _Reader:
    def __init__(self, module: ModuleType, *, lines: set[int], names: set[str]) -> None:
        self._module = module
        self._lines = lines
        self._names = names

    def walk(self, node: ast.AST, inside: tuple[ast.AST, ...], *, is_method: bool) -> Iterator[MadeTool | UnreadTool]:
        makers = [one for one in inside if isinstance(one, _Function)]
        if isinstance(node, _Function) and makers:
            marks = [mark for mark in node.decorator_list if self._is_mark(mark)]
            if marks and min(mark.lineno for mark in node.decorator_list) not in self._lines:
                yield self._of_definition(node, marks[0], makers[-1], is_method=is_method)
        elif isinstance(node, ast.Call) and makers and self._is_mark(node.func):
            yield from self._of_call(node, makers[-1])
        skipped = {id(mark) for mark in getattr(node, "decorator_list", ()) if self._is_mark(mark)}
        for child in ast.iter_child_nodes(node):
            if id(child) not in skipped:
                yield from self.walk(child, (*inside, node), is_method=isinstance(node, ast.ClassDef))

    def _is_mark(self, node: ast.AST) -> bool:
        """Whether an expression is LiveKit's `function_tool`, under any name that the module imports it by."""
        target = node.func if isinstance(node, ast.Call) else node
        if isinstance(target, ast.Attribute):
            return target.attr == _NAME
        if isinstance(target, ast.Name):
            return target.id == _NAME or vars(self._module).get(target.id) is function_tool
        return False

    def _of_definition(
        self, node: _Function, mark: ast.expr, maker: _Function, *, is_method: bool
    ) -> MadeTool | UnreadTool:
        where = f"{maker.name}() line {node.lineno}"
        given = {one.arg: one.value for one in mark.keywords if one.arg} if isinstance(mark, ast.Call) else {}
        name, raw = (self._evaluated(given[key]) if key in given else None for key in ("name", "raw_schema"))
        if _MISSING in (name, raw) or not isinstance(raw, Mapping | None):
            return UnreadTool(where=where, reason=_COMPUTED)
        walked = list(ast.walk(node))
        attributes = {one.attr for one in walked if isinstance(one, ast.Attribute)}
        return MadeTool(
            name=str(name or (node.name if raw is None else raw.get("name"))),
            where=where,
            stub=self._stub(node, is_method=is_method),
            names=frozenset(attributes | {one.id for one in walked if isinstance(one, ast.Name)}),
            raw_schema=raw,
        )

    def _of_call(self, node: ast.Call, maker: _Function) -> Iterator[MadeTool | UnreadTool]:
        """A function that is made a tool by a call: it is read where it is defined beside, or known already."""
        target = node.args[0] if node.args else None
        called = target.attr if isinstance(target, ast.Attribute) else target.id if isinstance(target, ast.Name) else ""
        if called in self._names:
            return
        beside = [one for one in ast.walk(maker) if isinstance(one, _Function) and one.name == called]
        if isinstance(target, ast.Name) and beside and beside[0] is not maker:
            yield self._of_definition(beside[0], node, maker, is_method=False)
        else:
            yield UnreadTool(where=f"{maker.name}() line {node.lineno}", reason=_COMPUTED)

    def _stub(self, node: _Function, *, is_method: bool) -> Any:
        """A function of the same signature and annotations; an annotation that cannot be evaluated is left out."""
        arguments = [*node.args.posonlyargs, *node.args.args]
        annotations: dict[str, Any] = {}
        parameters: list[inspect.Parameter] = []
        for one in [*(arguments[1:] if is_method else arguments), *node.args.kwonlyargs]:
            if one.annotation is not None and (hint := self._evaluated(one.annotation)) is not _MISSING:
                annotations[one.arg] = hint
            annotation = annotations.get(one.arg, inspect.Parameter.empty)
            parameters.append(inspect.Parameter(one.arg, inspect.Parameter.KEYWORD_ONLY, annotation=annotation))
        if node.returns is not None and (hint := self._evaluated(node.returns)) is not _MISSING:
            annotations["return"] = hint
        stub = types.FunctionType(_nothing.__code__, vars(self._module), node.name)
        stub.__annotations__ = annotations
        stub.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return stub

    def _evaluated(self, node: ast.expr) -> Any:
        """The value of an annotation or constant of the module; `_MISSING` where it needs what only a run has."""
        try:
            # Their own module has run already: its annotations are evaluated as `typing.get_type_hints` does.
            return eval(compile(ast.Expression(node), "<annotation>", "eval"), vars(self._module))  # noqa: S307
        except Exception:  # noqa: BLE001  # theirs: it may raise anything
            return _MISSING


def _nothing() -> None:
    return


_MISSING: Any = object()
_COMPUTED = "a tool is made here that the source does not describe, expected a factory that makes it"
