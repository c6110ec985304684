"""A scripted call: who phones, what they say, what the model does; a YAML file, refused at any unknown word."""

from __future__ import annotations

import difflib
import json
import random
import re
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import yaml
from pydantic import (
    ConfigDict,
    Discriminator,
    Field,
    NonNegativeFloat,
    PositiveFloat,
    Tag,
    TypeAdapter,
    ValidationError,
)
from pydantic.dataclasses import dataclass

from medagent.errors import ScenarioError
from medagent.simulator.voice import speech_seconds

Outcome = Literal["booked", "rescheduled", "cancelled", "informed", "transferred", "refused", "abandoned", "failed"]
Value: TypeAlias = str | int | float | bool | None

_STRICT = ConfigDict(strict=True, extra="forbid")
_REFERENCE = re.compile(r"\$\{([^}]*)\}")
_TODAY = re.compile(r"today(?:([+-]\d{1,4})d)?")
_PACKAGED = resources.files("medagent.simulator") / "scenarios"


class UnresolvedError(LookupError):
    """A `${…}` has no value in this call: the tool it names was not called or did not return it."""


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Spread:
    """A latency in milliseconds, even between median - jitter and median + jitter."""

    median: NonNegativeFloat
    jitter: NonNegativeFloat = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Latency:
    """How long the model takes: to its first audio, and to the end of a function call; milliseconds at pace 1."""

    think_ms: Spread = Spread(median=350, jitter=80)
    tool_call_ms: Spread = Spread(median=250, jitter=60)


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Says:
    """The model speaks; `seconds` overrules what the text's length gives."""

    says: Annotated[str, Field(min_length=1)]
    seconds: PositiveFloat | None = None


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class CallsTool:
    """The model calls a tool, in a response of its own; `otherwise` is said in place of the turn's rest if it fails."""

    tool: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    arguments: dict[str, Value] = Field(default_factory=dict)
    otherwise: Says | None = None


def _kind(step: object) -> str:
    return "tool" if isinstance(step, CallsTool) or (isinstance(step, Mapping) and "tool" in step) else "says"


Step = Annotated[Annotated[CallsTool, Tag("tool")] | Annotated[Says, Tag("says")], Discriminator(_kind)]


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Line:
    """What the caller says; seconds at pace 1. `after_agent_s`: at least so much of the agent is heard before it."""

    says: Annotated[str, Field(min_length=1)]
    seconds: PositiveFloat | None = None
    pause_s: NonNegativeFloat = 0.0
    after_agent_s: PositiveFloat = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Turn:
    """An exchange: the caller's line (none in a greeting), then the model's steps in order."""

    model: Annotated[tuple[Step, ...], Field(min_length=1)]
    caller: Line | None = None


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Expects:
    """What a run of the scenario must leave behind; counts are of the clinic's tables."""

    outcome: Outcome
    appointments: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True, slots=True, kw_only=True, config=_STRICT)
class Scenario:
    """One call from ring to hang-up; the person is invented. `patience_s`: so long the caller bears silence."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
    description: str
    seed: int
    person: dict[str, str]
    turns: Annotated[tuple[Turn, ...], Field(min_length=1)]
    expects: Expects
    latency: Latency = Latency()
    patience_s: PositiveFloat = 15.0
    lost: Says = Says(says="I am sorry, I did not get that. Could you say it again?")

    @property
    def greeting(self) -> int | None:
        """The index of the turn in which the agent speaks first, if there is one."""
        return 0 if self.turns[0].caller is None else None

    @property
    def lines(self) -> tuple[tuple[int, Line], ...]:
        """The caller's lines with the index of their turn."""
        return tuple((index, turn.caller) for index, turn in enumerate(self.turns) if turn.caller is not None)

    def latency_s(self, kind: Literal["think", "tool_call"], *place: int) -> float:
        """The latency at a place of the script (turn, step) in seconds at pace 1: the same in every run."""
        spread = self.latency.think_ms if kind == "think" else self.latency.tool_call_ms
        chance = random.Random(f"{self.seed} {kind} {place}")  # noqa: S311 - a seeded script, no secret
        return max(0.0, spread.median + chance.uniform(-1, 1) * spread.jitter) / 1000


def seconds_of(spoken: Says | Line, text: str) -> float:
    """How long a line takes at pace 1, in seconds."""
    return spoken.seconds if spoken.seconds is not None else speech_seconds(text)


def resolve(template: Value, *, person: Mapping[str, str], results: Mapping[str, Any]) -> Any:
    """Put values into `${…}`; one that is the whole template keeps its type. Raises `UnresolvedError`."""
    if not isinstance(template, str):
        return template
    if whole := _REFERENCE.fullmatch(template):
        return _look_up(whole[1], person, results)
    return _REFERENCE.sub(lambda match: str(_look_up(match[1], person, results)), template)


def list_scenarios() -> tuple[str, ...]:
    """The names of the packaged scenarios."""
    return tuple(sorted(entry.name.removesuffix(".yaml") for entry in _PACKAGED.iterdir() if _is_yaml(entry.name)))


def load_scenario(name_or_path: str | Path) -> Scenario:
    """Load a packaged scenario by name, or a file; raises `ScenarioError` naming file, entry and the nearest word."""
    origin, text = _read(name_or_path)
    try:
        document = json.dumps(yaml.safe_load(text), default=date.isoformat)
        scenario = TypeAdapter(Scenario).validate_json(document)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ScenarioError(f"{origin}: not YAML" + (f", line {mark.line + 1}" if mark else "")) from None
    except TypeError:
        raise ScenarioError(f"{origin}: holds what JSON cannot") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        entry = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ScenarioError(f"{origin}: {entry}: {first['msg']}", hint=_nearest(first)) from None
    _check_script(scenario, origin)
    return scenario


def _read(name_or_path: str | Path) -> tuple[str, str]:
    packaged = _PACKAGED / f"{name_or_path}.yaml"
    is_path = isinstance(name_or_path, Path) or "/" in name_or_path or _is_yaml(name_or_path)
    try:
        if is_path:
            return str(name_or_path), Path(name_or_path).read_text(encoding="utf-8")
        return packaged.name, packaged.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        names = list_scenarios()
        hint = "" if is_path else _did_you_mean(str(name_or_path), names) or f"there are: {', '.join(names)}"
        raise ScenarioError(f"scenario {name_or_path}: cannot be read ({type(error).__name__})", hint=hint) from None


def _is_yaml(name: str) -> bool:
    return name.endswith((".yaml", ".yml"))


def _did_you_mean(word: str, words: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, words, n=1)
    return f"did you mean {close[0]}?" if close else ""


def _nearest(error: Any) -> str:
    models = (Scenario, Latency, Spread, Turn, Line, CallsTool, Says, Expects)
    known = tuple(sorted({field.name for model in models for field in fields(model)}))
    return _did_you_mean(str(error["loc"][-1]), known) if error["loc"] else ""


def _check_script(scenario: Scenario, origin: str) -> None:
    called: list[str] = []
    for index, turn in enumerate(scenario.turns):
        if index and turn.caller is None:
            raise ScenarioError(f"{origin}: turns.{index}: only the first turn, the greeting, has no caller")
        if turn.caller is not None:
            _check(turn.caller.says, scenario, [], f"{origin}: turns.{index}.caller.says")
        for place, step in enumerate(turn.model):
            where = f"{origin}: turns.{index}.model.{place}"
            if isinstance(step, Says):
                _check(step.says, scenario, called, f"{where}.says")
                continue
            for name, value in step.arguments.items():
                _check(value, scenario, called, f"{where}.arguments.{name}")
            called.append(step.tool)
            if step.otherwise is not None:
                _check(step.otherwise.says, scenario, called, f"{where}.otherwise.says")


def _check(template: Value, scenario: Scenario, called: list[str], where: str) -> None:
    for reference in _REFERENCE.findall(template) if isinstance(template, str) else ():
        head, _, rest = reference.partition(".")
        if head == "person" and rest not in scenario.person:
            hint = _did_you_mean(rest, tuple(scenario.person))
            raise ScenarioError(f"{where}: ${{{reference}}} is not in person", hint=hint)
        if head != "person" and head not in called and not _TODAY.fullmatch(reference):
            hint = _did_you_mean(head, ("person", "today", *called))
            raise ScenarioError(f"{where}: ${{{reference}}} names no tool called before", hint=hint)


def _look_up(reference: str, person: Mapping[str, str], results: Mapping[str, Any]) -> Any:
    if today := _TODAY.fullmatch(reference):
        return (datetime.now(UTC).date() + timedelta(days=int(today[1] or 0))).isoformat()
    head, *path = reference.split(".")
    value: Any = person if head == "person" else results.get(head)
    try:
        for part in path:
            value = value[int(part)] if isinstance(value, list) else value[part]
    except (KeyError, IndexError, ValueError, TypeError):
        raise UnresolvedError(reference) from None
    if value is None or isinstance(value, list | dict):
        raise UnresolvedError(reference)
    return value
