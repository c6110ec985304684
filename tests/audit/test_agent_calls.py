"""Calls made from an agent's tools: each is called, and each field is given every kind of identifier."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from medagent.agent.agent_schema import FieldKind, ToolField, ToolSchema, path_of
from medagent.audit.agent_calls import LETTERS, arguments_of, by_letter, plan_agent_calls, plan_agent_drill, text_at
from medagent.audit.casting import texts_of
from medagent.audit.planted import Planted, plant
from medagent.simulator.scenario import load_scenario
from medagent.simulator.steps import CallsTool

PLANTED = {calls: plant(seed=7, calls=calls) for calls in (1, 2, 5)}
NAMES = st.sampled_from(["note", "patient-name", "rxNumber", "Full Name", "straße"])
STEPS = st.lists(st.one_of(NAMES, st.just("[]")), max_size=3)


@st.composite
def tools(draw: st.DrawFn) -> ToolSchema:
    """A tool whose arguments are of any kind, in lists and objects too."""
    found: dict[str, ToolField] = {}
    for number in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(list(FieldKind)))
        steps = ("arguments", f"a{number}", *draw(STEPS))
        choices = ("first", "second") if kind is FieldKind.CHOICE else ()
        one = ToolField(declared=steps, kind=kind, choices=choices)
        found[one.path] = one
    return ToolSchema(name=draw(st.sampled_from(["find", "orderRefill", "look-up"])), fields=tuple(found.values()))


def leaves(value: Any, steps: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*steps, key))
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, (*steps, "[]"))
    else:
        yield path_of(steps), value


def letters_in(values: Sequence[Planted], text: str) -> set[str]:
    return {one.letter for one in values if any(form in text for form in texts_of(one))}


@given(tool=tools(), at=st.integers(0, 500))
def test_arguments_have_each_declared_field_and_its_kind(tool: ToolSchema, at: int) -> None:
    """Typed ones are of the declared kind; in the others every field holds a planted text."""
    values = PLANTED[1]
    typed = dict(leaves(arguments_of(tool, values, at=at, is_typed=True), ("arguments",)))
    untyped = dict(leaves(arguments_of(tool, values, at=at, is_typed=False), ("arguments",)))
    assert set(typed) == set(untyped) == {one.path for one in tool.fields}
    assert all(isinstance(text, str) and letters_in(values, text) for text in untyped.values())
    for one in tool.fields:
        value = typed[one.path]
        match one.kind:
            case FieldKind.NUMBER:
                assert isinstance(value, int)
                assert not isinstance(value, bool)
            case FieldKind.BOOLEAN:
                assert value is True
            case FieldKind.CHOICE:
                assert value in one.choices
            case FieldKind.TIME:
                assert date.fromisoformat(value)
            case _:
                assert letters_in(values, value)


@settings(max_examples=15, deadline=None)
@given(some=st.lists(tools(), min_size=1, max_size=3, unique_by=lambda one: one.span), calls=st.sampled_from([1, 2, 5]))
def test_plan_gives_each_field_of_each_tool_every_kind(some: list[ToolSchema], calls: int) -> None:
    """Over all calls, in arguments that are text; and there is a short call for each tool."""
    planted = PLANTED[calls]
    roles = plan_agent_calls(planted, some, calls=calls, seconds=10, pace=20, seed=3)
    assert [role.is_long for role in roles] == [True] * calls + [False] * len(some)
    given_: dict[tuple[str, str], set[str]] = {}
    for role in roles[:calls]:
        values = [one for one in planted if one.call == role.number]
        rows = by_letter(values)
        letter_of = {text: letter for letter, texts in zip("ABCDEFGHIJKLMNOPQR", rows, strict=True) for text in texts}
        for step in (step for turn in role.scenario.turns for step in turn.model):
            if isinstance(step, CallsTool):
                for path, value in leaves(step.arguments, ("arguments",)):
                    found = {letter for text, letter in letter_of.items() if text in str(value)}
                    given_.setdefault((step.tool, path), set()).update(found)
    for tool in some:
        for one in tool.fields:
            assert len(given_[tool.name, one.path]) == LETTERS, one
    short = [
        step.tool
        for role in roles[calls:]
        for turn in role.scenario.turns
        for step in turn.model
        if isinstance(step, CallsTool)
    ]
    assert short == [tool.name for tool in some]


def test_scenarios_are_read_as_they_were_planned(tmp_path: Path) -> None:
    """The simulator reads them from files; names of tools and fields keep the agent's spelling."""
    tool = ToolSchema(
        name="orderRefill", fields=(ToolField(declared=("arguments", "Items", "[]", "rx-number"), kind=FieldKind.TEXT),)
    )
    planned = [role.scenario for role in plan_agent_calls(PLANTED[2], [tool], calls=2, seconds=30, pace=20, seed=1)]
    planned.append(plan_agent_drill(PLANTED[2], [tool], seconds=60, pace=20, seed=1).scenario)
    for scenario in planned:
        file = tmp_path / f"{scenario.name}.yaml"
        file.write_text(json.dumps(asdict(scenario)))
        assert load_scenario(file) == scenario


def test_every_form_of_every_value_is_sent_and_said() -> None:
    """In some argument, declared or not, and in the caller's words."""
    tool = ToolSchema(name="find", fields=(ToolField(declared=("arguments", "note"), kind=FieldKind.TEXT),))
    [role, _] = plan_agent_calls(PLANTED[1], [tool], calls=1, seconds=30, pace=20, seed=1)
    spoken = " ".join(turn.caller.says for turn in role.scenario.turns if turn.caller is not None)
    sent = json.dumps(
        [step.arguments for turn in role.scenario.turns for step in turn.model if isinstance(step, CallsTool)],
        ensure_ascii=False,
    )
    for text in (text for one in PLANTED[1] for text in texts_of(one)):
        digits = "".join(sign for sign in text if sign.isdigit())
        as_number = f" {int(digits)}" if digits.isascii() and digits else "not a number"
        assert text in spoken
        assert json.dumps(text, ensure_ascii=False)[1:-1] in sent or as_number in sent


@given(at=st.integers(0, 10_000))
def test_text_that_is_due_is_of_the_letter_that_is_due(at: int) -> None:
    """A to R in turn; each letter's texts one after another."""
    rows = by_letter(PLANTED[1])
    assert len(rows) == LETTERS
    assert text_at(rows, at) in rows[at % LETTERS]
