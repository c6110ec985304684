"""Results of an agent's own tools, replaced by planted values once the tool's own code has run.

LiveKit calls every function tool through the same method, which is observed in the audited process alone.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from functools import partial, wraps
from itertools import count
from typing import Any

from livekit.agents import Agent, llm
from pydantic import BaseModel, ConfigDict

from medagent.agent.agent_schema import ITEM, OUTPUT, RESULT, FieldKind, ToolSchema, path_of
from medagent.agent.tool_values import copied
from medagent.audit.agent_calls import by_letter, text_at
from medagent.audit.casting import Role
from medagent.audit.planted import Planted

_RAISES_EVERY, _EXTRA_EVERY, _TYPED_EVERY = 7, 3, 4
_DEEPEST = 12
_STORY = "could not save {}, reached at {}, row {}"


class ToolRuns(BaseModel):
    """How often tools were run, by the names that they declare."""

    model_config = ConfigDict(extra="forbid")

    entered: dict[str, int] = {}
    returned: dict[str, int] = {}
    raised: dict[str, int] = {}


class PlantedResults:
    """Planted results of one call's tools.

    Args:
        role: The call.
        values: Its planted values.
        tools: Tools that the agent declares.
        calls: Number of long calls, which share the letters of a field.
        met: Called with `error` and the text of each error that is raised in place of a result.
        runs: Where runs are counted.
    """

    def __init__(
        self,
        role: Role,
        values: Sequence[Planted],
        tools: Sequence[ToolSchema],
        *,
        calls: int,
        met: Callable[[str, str], None],
        runs: ToolRuns,
    ) -> None:
        self._role = role
        self._rows = by_letter(values)
        self._tools = {tool.name: tool for tool in tools}
        self._calls = calls
        self._met = met
        self._runs = runs
        self._runs_of: Counter[str] = Counter()
        self._texts_of: Counter[str] = Counter()

    async def run(self, name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        """Run a tool's own code, then return planted values in place of what it returned, or raise with some.

        An agent that it hands over to is kept in a short call; in a long one the agent that is audited goes on.
        """
        self._runs.entered[name] = self._runs.entered.get(name, 0) + 1
        returned: Any = None
        try:
            returned = await call()
        except llm.StopResponse:
            raise
        except Exception:  # noqa: BLE001  # what it would have returned is planted all the same
            self._runs.raised[name] = self._runs.raised.get(name, 0) + 1
        else:
            self._runs.returned[name] = self._runs.returned.get(name, 0) + 1
        nth = self._runs_of[name]
        self._runs_of[name] += 1
        if nth % _RAISES_EVERY == _RAISES_EVERY - 1:
            story = _STORY.format(*(text_at(self._rows, nth * 3 + place) for place in range(3)))
            self._met("error", story)
            raise RuntimeError(story)
        return self._planted(name, returned, nth)

    def _planted(self, name: str, returned: Any, nth: int) -> Any:
        agents: tuple[Agent, ...] = ()
        if isinstance(returned, Agent):
            agents, returned = (returned,), None
        elif isinstance(returned, tuple) and any(isinstance(one, Agent) for one in returned):
            agents = tuple(one for one in returned if isinstance(one, Agent))
            others = [one for one in returned if not isinstance(one, Agent)]
            returned = others[0] if others else None
        tool = self._tools.get(name, ToolSchema(name=name))
        is_typed = nth % _TYPED_EVERY == _TYPED_EVERY - 1
        at = self._texts_of[name] * self._calls + self._role.number
        self._texts_of[name] += not is_typed
        planting = _Planting(self._rows, tool, at=at, is_typed=is_typed)
        if isinstance(returned, llm.ToolResult):
            made: Any = llm.ToolResult(planting.result(returned.output), reply_required=returned.reply_required)
        else:
            made = planting.result(returned)
        if isinstance(made, dict) and nth % _EXTRA_EVERY == 1:
            made = {**self._undeclared(nth), **made}
        return (agents[0], made) if agents and not self._role.is_long else made

    def _undeclared(self, nth: int) -> dict[str, Any]:
        """What a database says more than it was asked for."""
        texts = [text_at(self._rows, nth * 7 + place) for place in range(7)]
        return {
            "id": texts[0],
            texts[1]: "yes",
            "patient_name": self._role.scenario.person.get("patient_name", ""),
            "history": [{"seen": texts[2], "by": [texts[3], {"also": texts[4]}]}],
            "notes": f"as said: {texts[5]}",
            "number": _number(texts[6]),
        }


class _Planting:
    """Planted values for one result; each declared field is given the next letter at its next text."""

    def __init__(self, rows: Sequence[Sequence[str]], tool: ToolSchema, *, at: int, is_typed: bool) -> None:
        self._rows = rows
        self._at = at
        self._is_typed = is_typed
        fields = [each for each in tool.fields if each.declared[0] == RESULT]
        self._fields = fields
        self._places = {each.path: place for place, each in enumerate(fields)}
        self._others = count(len(fields))

    def result(self, returned: Any) -> Any:
        """Return a value like it with planted leaves; fields that are declared and absent are added."""
        if isinstance(returned, str) and (inside := _object(returned)) is not None:
            return json.dumps(self.result(inside))
        if returned is None:
            returned = {}
        words = [each for each in self._fields if each.declared == (RESULT, OUTPUT)]
        if isinstance(returned, str) or (words and returned == {}):
            return self._leaf("", (OUTPUT,))
        made = self._like(returned, (), 0)
        if isinstance(made, dict):
            for each in self._fields:
                _add(made, each.declared[1:], partial(self._leaf, _EXAMPLES.get(each.kind, ""), each.declared[1:]))
        return made

    def _like(self, value: Any, path: tuple[str, ...], depth: int) -> Any:
        if depth > _DEEPEST:
            return self._leaf("", path)
        if isinstance(value, Mapping):
            return {key: self._like(item, (*path, str(key)), depth + 1) for key, item in value.items()}
        if isinstance(value, BaseModel):
            inner = {
                name: self._like(getattr(value, name), (*path, name), depth + 1) for name in type(value).model_fields
            }
            return value.model_copy(update=inner)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            names = [each.name for each in dataclasses.fields(value) if each.init]
            inner = {name: self._like(getattr(value, name), (*path, name), depth + 1) for name in names}
            try:
                return dataclasses.replace(value, **inner)
            except Exception:  # noqa: BLE001  # it checks what it is made of
                return inner
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            names = value._fields
            return type(value)(
                *(self._like(item, (*path, name), depth + 1) for name, item in zip(names, value, strict=True))
            )
        if isinstance(value, list | tuple | set | frozenset):
            return [self._like(item, (*path, ITEM), depth + 1) for item in value]
        if isinstance(value, str | int | float | bool) or value is None:
            return self._leaf(value, path)
        plain = copied(value).value
        return self._leaf("", path) if plain is None or plain is value else self._like(plain, path, depth + 1)

    def _leaf(self, value: object, path: tuple[str, ...]) -> object:
        place = self._places.get(path_of((RESULT, *path)))
        text = text_at(self._rows, self._at + (next(self._others) if place is None else place))
        if self._is_typed and isinstance(value, bool):
            return value
        if self._is_typed and isinstance(value, int | float):
            return _number(text)
        return text


_EXAMPLES: Mapping[FieldKind, object] = {FieldKind.NUMBER: 0, FieldKind.BOOLEAN: True}


def _add(made: Any, steps: Sequence[str], leaf: Callable[[], object]) -> None:
    """Put a leaf where its declared names lead, if nothing is there."""
    head, rest = steps[0], steps[1:]
    inner: Any = [] if rest and rest[0] == ITEM else {}
    if isinstance(made, dict) and head != ITEM:
        if rest:
            _add(made.setdefault(head, inner), rest, leaf)
        elif head not in made:
            made[head] = leaf()
    elif isinstance(made, list) and head == ITEM:
        if rest:
            if not made:
                made.append(inner)
            _add(made[0], rest, leaf)
        elif not made:
            made.append(leaf())


def _object(text: str) -> dict[str, Any] | None:
    try:
        read = json.loads(text)
    except ValueError:
        return None
    return read if isinstance(read, dict) else None


def _number(text: str) -> int:
    digits = re.sub(r"\D", "", text)
    return int(digits) if digits.isascii() and 6 <= len(digits) <= 15 else 0


# ---- LiveKit's own method -------------------------------------------------------------------------------------------

RESULTS: ContextVar[PlantedResults | None] = ContextVar("medagent_audit_results", default=None)
"""Planted results of the call whose tasks these are."""


def plant_results() -> None:
    """Run every function tool of this process through `RESULTS` from here on."""
    for kind in (llm.FunctionTool, llm.RawFunctionTool):
        setattr(kind, "__call__", _planted(kind.__call__))  # noqa: B010  # seen from outside, whoever calls it


def _planted(call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    @wraps(call)
    async def planted(tool: Any, *arguments: Any, **named: Any) -> Any:
        results = RESULTS.get()
        if results is None:
            return await call(tool, *arguments, **named)
        return await results.run(tool.info.name, lambda: call(tool, *arguments, **named))

    return planted
