"""A scripted call: who phones, what they say, what the model does; a YAML file, refused at any unknown word."""

from __future__ import annotations

import difflib
import json
import random
import re
from dataclasses import fields
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, JsonValue, PositiveFloat, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from medagent.errors import ConfigFileError, ScenarioError
from medagent.settings import ConsentScript
from medagent.simulator import steps
from medagent.simulator.steps import (
    CLINIC_OUTCOMES,
    STRICT,
    Adversary,
    CallsTool,
    ClinicFault,
    Consent,
    Expects,
    Fault,
    Given,
    Latency,
    Line,
    Says,
    Turn,
)
from medagent.simulator.template import head_of, is_day, references
from medagent.yaml_text import check, read_text

_PACKAGED = resources.files("medagent.simulator") / "scenarios"
_PATIENCE_WALL_S = 30.0
_GIVEN = ("confirmation_id", "appointment_datetime", "doctor_name", "clinic_location")


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Scenario:
    """One call from ring to hang-up; the person is invented; seconds at pace 1.

    `patience_s`: so long the caller bears silence. `hangs_up_after_s`: the caller hangs up so long after their last
    word (after the ring, if they say nothing), whatever the agent does. `recycle_after_s`: the server ends each
    connection after so long. `events: legacy`: the server uses the event names of the beta. `local_time`: the clinic's
    clocks show this time when the call begins, on the day that is nearest.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
    description: str
    seed: int
    person: dict[str, str]
    turns: Annotated[tuple[Turn, ...], Field(min_length=1)]
    expects: Expects
    latency: Latency = Latency()
    patience_s: PositiveFloat = 15.0
    hangs_up_after_s: PositiveFloat | None = None
    recycle_after_s: PositiveFloat | None = None
    events: Literal["current", "legacy"] = "current"
    given: Given = Given()
    clinic_fault: ClinicFault | None = None
    adversary: Adversary | None = None
    consent: Consent | None = None
    local_time: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] | None = None
    lost: Says = Says(says="I am sorry, I did not get that. Could you say it again?")
    idle: Says = Says(says="Are you still there?")

    @property
    def greeting(self) -> int | None:
        """The index of the turn in which the agent speaks first, if there is one."""
        return 0 if self.turns[0].caller is None else None

    @property
    def lines(self) -> tuple[tuple[int, Line], ...]:
        """The caller's lines with the index of their turn."""
        return tuple((index, turn.caller) for index, turn in enumerate(self.turns) if turn.caller is not None)

    @property
    def consent_script(self) -> ConsentScript | None:
        """Return what the agent asks with: the greeting's first words."""
        if self.consent is None:
            return None
        words = next((step.says for step in self.turns[0].model if isinstance(step, Says)), "")
        return ConsentScript(words=words, version=self.consent.script_version)

    def patience_at(self, pace: float) -> float:
        """Return how long the caller bears silence, in wall seconds: what is real in a call is as slow at any pace."""
        hangs_s = self.clinic_fault.seconds if self.clinic_fault is not None else None
        return max(self.patience_s / pace, _PATIENCE_WALL_S) + (hangs_s or 0.0)

    def latency_s(self, kind: Literal["think", "tool_call"], *place: int) -> float:
        """The latency at a place of the script (turn, step) in seconds at pace 1: the same in every run."""
        spread = self.latency.think_ms if kind == "think" else self.latency.tool_call_ms
        return max(0.0, spread.median + self.chance(kind, *place).uniform(-1, 1) * spread.jitter) / 1000

    def strikes(self, fault: Fault, *place: int) -> bool:
        """Return whether a fault at a place of the script comes to pass: the same in every run."""
        return self.chance("fault", *place).random() < fault.chance

    def chance(self, what: str, *place: int) -> random.Random:
        """The dice of one thing at one place of the script."""
        return random.Random(f"{self.seed} {what} {place}")  # noqa: S311 - a seeded script, no secret


def list_scenarios() -> tuple[str, ...]:
    """The names of the packaged scenarios."""
    return tuple(sorted(entry.name.removesuffix(".yaml") for entry in _PACKAGED.iterdir() if _is_yaml(entry.name)))


def load_scenario(name_or_path: str | Path) -> Scenario:
    """Load a packaged scenario by name, or a file; raises `ScenarioError` naming file, entry and the nearest word."""
    origin, text = _read(name_or_path)
    try:
        check(text, origin)
        document = json.dumps(yaml.safe_load(text), default=date.isoformat)
        scenario = TypeAdapter(Scenario).validate_json(document)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ScenarioError(f"{origin}: not YAML" + (f", line {mark.line + 1}" if mark else "")) from None
    except ConfigFileError as error:
        raise ScenarioError(str(error)) from None
    except TypeError:
        raise ScenarioError(f"{origin}: holds what JSON cannot") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        entry = ".".join(str(part) for part in first["loc"]) or "the file"
        raise ScenarioError(f"{origin}: {entry}: {first['msg']}", hint=_nearest(first)) from None
    _check_script(scenario, origin)
    return scenario


def check_for_clinic(scenario: Scenario) -> None:
    """Raise `ScenarioError` where a scenario expects an outcome that no call of the clinic's agent can have."""
    if (outcome := scenario.expects.outcome) not in CLINIC_OUTCOMES:
        said = "no outcome" if outcome is None else f"{outcome!r} is not an outcome of the clinic's agent"
        hint = _did_you_mean(outcome or "", CLINIC_OUTCOMES) or f"there are: {', '.join(CLINIC_OUTCOMES)}"
        raise ScenarioError(f"scenario {scenario.name}: expects.outcome: {said}", hint=hint)


def check_for_agent(scenario: Scenario) -> None:
    """Raise `ScenarioError` where a scenario needs the clinic, which somebody else's agent does not have."""
    needs = {"given.appointments": scenario.given.appointments, "clinic_fault": scenario.clinic_fault}
    if wanted := [name for name, value in needs.items() if value]:
        raise ScenarioError(
            f"scenario {scenario.name}: {', '.join(wanted)}: only the clinic's own agent has a clinic",
            hint="play it without --agent, or take it out of the scenario",
        )


def _read(name_or_path: str | Path) -> tuple[str, str]:
    packaged = _PACKAGED / f"{name_or_path}.yaml"
    is_path = isinstance(name_or_path, Path) or "/" in name_or_path or _is_yaml(name_or_path)
    try:
        if is_path:
            return str(name_or_path), read_text(Path(name_or_path))
        return packaged.name, read_text(packaged)
    except ConfigFileError as error:
        names = list_scenarios()
        hint = "" if is_path else _did_you_mean(str(name_or_path), names) or f"there are: {', '.join(names)}"
        said = str(error).partition(": ")[2]
        raise ScenarioError(f"scenario {name_or_path}: {said}", hint=hint) from None


def _is_yaml(name: str) -> bool:
    return name.endswith((".yaml", ".yml"))


def _did_you_mean(word: str, words: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, words, n=1)
    return f"did you mean {close[0]}?" if close else ""


def _nearest(error: Any) -> str:
    if error["type"] == "missing":
        return ""
    if error["type"] == "literal_error":
        return _did_you_mean(str(error["input"]), tuple(re.findall(r"'([^']*)'", error["ctx"]["expected"])))
    models = (Scenario, *(each for each in vars(steps).values() if isinstance(each, type)))
    known = {field.name for model in models if hasattr(model, "__dataclass_fields__") for field in fields(model)}
    return _did_you_mean(str(error["loc"][-1]), tuple(sorted(known))) if error["loc"] else ""


def _check_script(scenario: Scenario, origin: str) -> None:
    called: list[str] = []
    if scenario.given.appointments and not {"patient_name", "phone", "dob"} <= scenario.person.keys():
        raise ScenarioError(f"{origin}: given: appointments need a person with patient_name, phone and dob")
    if (script := scenario.consent_script) is not None and not script.words:
        raise ScenarioError(f"{origin}: consent: the first turn has no words to ask with")
    for index, turn in enumerate(scenario.turns):
        if index and turn.caller is None:
            raise ScenarioError(f"{origin}: turns.{index}: only the first turn, the greeting, has no caller")
        if turn.caller is not None:
            _check(turn.caller.says, scenario, [], f"{origin}: turns.{index}.caller.says")
        for place, step in enumerate(turn.model):
            where = f"{origin}: turns.{index}.model.{place}"
            if isinstance(step, CallsTool) and step.fault is not None and step.fault.kind == "incomplete":
                raise ScenarioError(f"{where}.fault: only speech can be incomplete")
            if isinstance(step, Says):
                _check(step.says, scenario, called, f"{where}.says")
                continue
            for name, value in step.arguments.items():
                _check(value, scenario, called, f"{where}.arguments.{name}")
            called.append(step.tool)
            if step.otherwise is not None:
                _check(step.otherwise.says, scenario, called, f"{where}.otherwise.says")


def _check(template: JsonValue, scenario: Scenario, called: list[str], where: str) -> None:
    for reference in references(template):
        head = head_of(reference, called)
        rest = reference[len(head) + 1 :]
        if head == "person" and rest not in scenario.person:
            hint = _did_you_mean(rest, tuple(scenario.person))
            raise ScenarioError(f"{where}: ${{{reference}}} is not in person", hint=hint)
        if head == "given":
            words = tuple(f"{n}.{word}" for n in range(len(scenario.given.appointments)) for word in _GIVEN)
            if rest not in words:
                raise ScenarioError(f"{where}: ${{{reference}}} is not given", hint=_did_you_mean(rest, words))
        elif head != "person" and head not in called and not is_day(reference):
            hint = _did_you_mean(head, ("person", "today", "given", *called))
            raise ScenarioError(f"{where}: ${{{reference}}} names no tool called before", hint=hint)
