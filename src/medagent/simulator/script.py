"""Where a call stands in its scenario: what the model does next, with the results that the tools gave it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from medagent.simulator.scenario import CallsTool, Says, Scenario, UnresolvedError, resolve, seconds_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """The model says this, for so many seconds at pace 1."""

    text: str = field(repr=False)
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """The model calls this tool with these arguments, as JSON."""

    name: str
    arguments: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What one response holds; latencies in seconds at pace 1; `turn` is None beyond the script."""

    turn: int | None
    does: Speech | ToolCall
    think_s: float
    tool_call_s: float


class Script:
    """One connection's way through a scenario: the caller's n-th utterance starts their n-th line's turn."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._turn = scenario.greeting
        self._step = 0
        self._heard = 0
        self._tools: dict[str, str] = {}
        self._results: dict[str, Any] = {}
        self._failed: CallsTool | None = None

    @property
    def turn(self) -> int | None:
        """The turn that the call is in; None beyond the script."""
        return self._turn

    def hear(self) -> str:
        """The caller has spoken: the next turn begins; gives what a transcriber would write ("" beyond the script)."""
        lines = self._scenario.lines
        self._step, self._failed = 0, None
        if self._heard >= len(lines):
            self._turn = None
            return ""
        self._turn, line = lines[self._heard]
        self._heard += 1
        return str(resolve(line.says, person=self._scenario.person, results={}))

    def called(self, call_id: str, tool: str) -> None:
        """Remember which tool a call id belongs to."""
        self._tools[call_id] = tool

    def returned(self, call_id: str, output: str) -> None:
        """Keep a tool's result, and whether it is one to go on with (`outcome` is ok)."""
        tool = self._tools.get(call_id)
        if tool is None:
            return
        try:
            result = json.loads(output)
        except ValueError:
            result = None
        self._results[tool] = result
        if not isinstance(result, dict) or result.get("outcome") != "ok":
            self._failed = self._last_call(tool)

    def next(self) -> Move:
        """What the next response does; a thing that cannot be said or asked becomes the `otherwise`, or "I am lost"."""
        turn, place = self._turn, self._step
        self._step += 1
        steps = () if turn is None else self._scenario.turns[turn].model
        failed, self._failed = self._failed, None
        does: Speech | ToolCall | None
        if failed is not None and failed.otherwise is not None:
            self._step = len(steps)
            does = self._speech(failed.otherwise)
        elif place >= len(steps):
            does = None
        else:
            step = steps[place]
            does = self._speech(step) if isinstance(step, Says) else self._call(step)
            if does is None and isinstance(step, CallsTool) and step.otherwise is not None:
                self._step = len(steps)
                does = self._speech(step.otherwise)
        where = (-1 if turn is None else turn, place)
        return Move(
            turn=turn,
            does=does or Speech(text=self._scenario.lost.says, seconds=seconds_of(self._scenario.lost, "")),
            think_s=self._scenario.latency_s("think", *where),
            tool_call_s=self._scenario.latency_s("tool_call", *where),
        )

    def _last_call(self, tool: str) -> CallsTool | None:
        steps = () if self._turn is None else self._scenario.turns[self._turn].model[: self._step]
        calls = [step for step in steps if isinstance(step, CallsTool) and step.tool == tool]
        return calls[-1] if calls else None

    def _speech(self, says: Says) -> Speech | None:
        text = self._filled(says.says)
        return None if text is None else Speech(text=text, seconds=seconds_of(says, text))

    def _call(self, step: CallsTool) -> ToolCall | None:
        filled = {name: self._filled(value) for name, value in step.arguments.items()}
        if any(value is None and step.arguments[name] is not None for name, value in filled.items()):
            return None
        return ToolCall(name=step.tool, arguments=json.dumps(filled))

    def _filled(self, template: Any) -> Any:
        try:
            return resolve(template, person=self._scenario.person, results=self._results)
        except UnresolvedError:
            return None
