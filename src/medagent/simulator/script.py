"""Where a call is in its scenario: what the model does next, with the results that the tools gave it."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from medagent.simulator.forms import forms
from medagent.simulator.protocol import FATAL_CODES
from medagent.simulator.scenario import Scenario
from medagent.simulator.steps import CallsTool, Fault, Says, seconds_of
from medagent.simulator.template import UnresolvedError, resolve
from medagent.simulator.voice import speech_seconds

_FAILED = frozenset({"failed", "refused", "timeout"})
_RAISED = ("An internal error occurred", "the tool returned an invalid output", "Unknown function: ")
"""What LiveKit sends to a model in place of the result of a tool that raised, returned no data or does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Speech:
    """The model says this, for so many seconds at pace 1."""

    text: str = field(repr=False)
    seconds: float

    @property
    def stretch(self) -> float:
        """Return how many times as long as usual it takes."""
        return self.seconds / speech_seconds(self.text)


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
    fault: Fault | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What a transcriber writes ("" beyond the script), how late (seconds at pace 1), or that it cannot."""

    text: str = field(repr=False)
    late_s: float = 0.0
    fails: bool = False


class Script:
    """One call's way through a scenario: the caller's n-th utterance starts their n-th line's turn."""

    def __init__(
        self,
        scenario: Scenario,
        *,
        given: Sequence[Mapping[str, str]] = (),
        struck: set[tuple[int, int]] | None = None,
    ) -> None:
        """`struck` are the places whose fault has come to pass already."""
        self.scenario = scenario
        self.failed: Set[str] = frozenset()
        """Ids of tool calls that are known to have failed, whatever their results say."""
        self.today: date | None = None
        """The day that the model's instructions call today."""

        self._turn = scenario.greeting
        self._step = 0
        self._heard = 0
        self._struck = set() if struck is None else struck
        self._tools: dict[str, str] = {}
        self._returned: set[str] = set()
        self._results: dict[str, Any] = {"given": [dict(each) for each in given]}
        self._failed: CallsTool | None = None

    @property
    def turn(self) -> int | None:
        """The turn that the call is in; None beyond the script."""
        return self._turn

    def hear(self) -> Heard:
        """The caller has spoken: the next turn begins."""
        lines = self.scenario.lines
        self._step, self._failed = 0, None
        if self._heard >= len(lines):
            self._turn = None
            return Heard(text="")
        self._turn, line = lines[self._heard]
        self._heard += 1
        text = self._line(self._heard - 1)
        return Heard(text=text, late_s=line.transcription.late_s, fails=line.transcription.fails)

    def called(self, call_id: str, tool: str) -> None:
        """Remember which tool a call id belongs to."""
        self._tools[call_id] = tool

    def returned(self, call_id: str, output: str) -> None:
        """Keep a tool's result, and whether the tool failed; a replayed one is known."""
        tool = self._tools.get(call_id)
        if tool is None or call_id in self._returned:
            return
        self._returned.add(call_id)
        result = self._results[tool] = _read(output)
        step = self._last_call(tool)
        says_so = step is not None and step.fails_if is not None and step.fails_if.casefold() in output.casefold()
        if says_so or call_id in self.failed or _has_failed(result):
            self._failed = step

    def replay(self, messages: Sequence[Mapping[str, Any]]) -> None:
        """Go to where a chat ends; messages are those of OpenAI's chat completions, foreign ones are skipped.

        A chat is the whole truth of its call: a request that is repeated, or made too early, moves nothing.
        """
        for message in messages:
            text = text_of(message)
            match message.get("role"):
                case "user":
                    self._go_to_line(text)
                case "assistant":
                    if text:
                        self._go_behind_speech(text)
                    for call in message.get("tool_calls") or ():
                        self.called(call["id"], call["function"]["name"])
                        self._go_behind_call(call["function"]["name"])
                case "tool":
                    self.returned(str(message.get("tool_call_id")), text)

    def _go_to_line(self, text: str) -> None:
        """Take the line that the text is, or contains; several of them where turns were joined; else the next."""
        said = [_plain(self._line(index)) for index in range(len(self.scenario.lines))]
        heard, at = _plain(text), self._heard
        later = range(at, len(said))
        whole = next((index for index in later if said[index] == heard), None)
        found = next((index for index in later if said[index] and said[index] in heard), at) if whole is None else whole
        while found + 1 < len(said) and whole is None and f"{said[found]} {said[found + 1]}" in heard:
            found += 1
        self._heard = min(found, len(said))
        self.hear()

    def _go_behind_speech(self, text: str) -> None:
        steps, said = self._steps(), _plain(text)
        if self._failed is not None and self._failed.otherwise is not None:
            if self._has_said(self._failed.otherwise, said):
                self._step, self._failed = len(steps), None
            return
        step = steps[self._step] if self._step < len(steps) else None
        if isinstance(step, Says) and self._has_said(step, said):
            self._step += 1

    def _has_said(self, says: Says, said: str) -> bool:
        """Whether a text is what was to be said, or its beginning: an interrupted one is kept as far as heard."""
        return bool(said) and _plain(str(self._filled(says.says) or says.says)).startswith(said)

    def _go_behind_call(self, tool: str) -> None:
        steps = self._steps()
        later = range(self._step, len(steps))
        calls = (index for index in later if isinstance(step := steps[index], CallsTool) and step.tool == tool)
        self._step = next(calls, self._step - 1) + 1
        self._failed = None

    def _steps(self) -> Sequence[Says | CallsTool]:
        return () if self._turn is None else self.scenario.turns[self._turn].model

    def _line(self, index: int) -> str:
        line = self.scenario.lines[index][1]
        return str(resolve(line.says, person=self.scenario.person, results=self._results, today=self.today))

    def next(self, tools: Sequence[Mapping[str, Any]] = ()) -> Move:
        """What the next response does; a thing that cannot be said or asked becomes the `otherwise`, or "I am lost".

        `tools` are the session's, as the protocol has them. A step that a fault swallows comes again at the next try.
        """
        turn, place = self._turn, self._step
        where = (-1 if turn is None else turn, place)
        steps = self._steps()
        failed, self._failed = self._failed, None
        does: Speech | ToolCall | None = None
        fault = None
        if failed is not None and failed.otherwise is not None:
            self._step = len(steps)
            does = self._speech(failed.otherwise)
        elif place < len(steps):
            step = steps[place]
            self._step += 1
            does = self._speech(step) if isinstance(step, Says) else self._call(step, where, tools)
            fault = self._fault(step.fault, where)
            if does is None and isinstance(step, CallsTool) and step.otherwise is not None:
                self._step = len(steps)
                does = self._speech(step.otherwise)
        if fault is not None and (fault.kind in ("missing", "failed") or fault.code in FATAL_CODES):
            self._step = place
        return Move(
            turn=turn,
            does=does or self._said(self.scenario.lost),
            think_s=self.scenario.latency_s("think", *where),
            tool_call_s=self.scenario.latency_s("tool_call", *where),
            fault=fault,
        )

    def idle(self) -> Move:
        """Return what the model says into a silence."""
        return Move(turn=self._turn, does=self._said(self.scenario.idle), think_s=0.0, tool_call_s=0.0)

    def _fault(self, fault: Fault | None, where: tuple[int, int]) -> Fault | None:
        if fault is None or where in self._struck or not self.scenario.strikes(fault, *where):
            return None
        self._struck.add(where)
        return fault

    def _last_call(self, tool: str) -> CallsTool | None:
        calls = [step for step in self._steps()[: self._step] if isinstance(step, CallsTool) and step.tool == tool]
        return calls[-1] if calls else None

    def _speech(self, says: Says) -> Speech | None:
        text = self._filled(says.says)
        return None if text is None else Speech(text=text, seconds=seconds_of(says, text))

    def _said(self, says: Says) -> Speech:
        return self._speech(says) or Speech(text=says.says, seconds=seconds_of(says, says.says))

    def _call(self, step: CallsTool, where: tuple[int, int], tools: Sequence[Mapping[str, Any]]) -> ToolCall | None:
        filled = {name: self._filled(value) for name, value in step.arguments.items()}
        if any(value is None and step.arguments[name] is not None for name, value in filled.items()):
            return None
        return ToolCall(name=step.tool, arguments=json.dumps(filled | self._planted(step, where, tools)))

    def _planted(self, step: CallsTool, where: tuple[int, int], tools: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """The adversary's hand: identifiers of the person in arguments that the tool declares."""
        if self.scenario.adversary is None:
            return {}
        dice = self.scenario.chance("adversary", *where)
        declared: Mapping[str, Any] = next(
            (tool["parameters"]["properties"] for tool in tools if tool.get("name") == step.tool), {}
        )
        names = sorted({*step.arguments, *declared})
        chosen = dice.sample(names, min(self.scenario.adversary.arguments, len(names)))
        return {name: dice.choice(forms(dice.choice(sorted(self.scenario.person.values())))) for name in chosen}

    def _filled(self, template: Any) -> Any:
        try:
            return resolve(template, person=self.scenario.person, results=self._results, today=self.today)
        except UnresolvedError:
            return None


def text_of(message: Mapping[str, Any]) -> str:
    """Return the text of a chat's message, whose content is a text, a list of parts or nothing."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else ()
    return "".join(str(part.get("text") or "") for part in parts if isinstance(part, Mapping))


def _read(output: str) -> Any:
    """A tool's result as data: LiveKit sends Python's form of an object where the tool returned one."""
    for read in (json.loads, ast.literal_eval):
        try:
            return read(output)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    return output


def _has_failed(result: Any) -> bool:
    if isinstance(result, str):
        return result.startswith(_RAISED)
    return isinstance(result, Mapping) and result.get("outcome") in _FAILED


def _plain(text: str) -> str:
    """Letters and digits alone: what was spoken has no punctuation of its own."""
    return " ".join(re.findall(r"\w+", text.casefold()))
