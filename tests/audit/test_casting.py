"""Whoever phones is planted, every form of every value is said, and nobody plays a scenario that cannot go on."""

from __future__ import annotations

import json

import pytest
from pydantic import TypeAdapter

from medagent.audit.casting import Role, cast, cast_drill, texts_of
from medagent.audit.planted import plant
from medagent.simulator.scenario import list_scenarios, load_scenario
from medagent.simulator.steps import CallsTool, Says
from medagent.tools import TOOLS

CALLS = 3
PLANTED = plant(seed=5, calls=CALLS)
ROLES = cast(PLANTED, list_scenarios(), calls=CALLS, seconds=300, seed=5)
LONG = [role for role in ROLES if role.is_long]


def arguments(role: Role) -> list[tuple[str, str, str]]:
    """Tool, argument and value, as text, of everything that the model sends."""
    steps = [step for turn in role.scenario.turns for step in turn.model if isinstance(step, CallsTool)]
    return [(step.tool, name, str(value)) for step in steps for name, value in step.arguments.items()]


def test_every_scenario_is_played_beside_the_long_calls() -> None:
    """As many long calls as asked for, and each packaged scenario once as a short one."""
    assert len(LONG) == CALLS
    assert [role.scenario.name.split("-", 2)[2] for role in ROLES if not role.is_long] == list(list_scenarios())


@pytest.mark.parametrize("role", LONG, ids=lambda role: role.scenario.name)
def test_every_form_of_every_value_goes_into_a_tool_and_into_speech(role: Role) -> None:
    """No form of a call's values is left out: in an argument, a key or a number, and in the caller's own words."""
    sent = "\n".join(text for _, name, value in arguments(role) for text in (name, value))
    digits = "".join(sign for sign in sent if sign.isdigit() or sign == "\n")
    said = "\n".join(line.says for _, line in role.scenario.lines)
    for value in (one for one in PLANTED if one.call == role.number):
        for text in texts_of(value):
            in_number = "".join(sign for sign in text if sign.isdigit())
            assert text in sent or (len(in_number) >= 6 and in_number in digits), value.planted_id
            assert text in said, value.planted_id


def test_every_argument_of_every_tool_is_met() -> None:
    """Declared arguments, and beside them keys, numbers and fields of nobody's, all hold planted values."""
    met = {(tool, name) for role in LONG for tool, name, _ in arguments(role)}
    assert {(tool.name, name) for tool in TOOLS for name in tool.arguments.model_fields} <= met
    assert any(name == "number" for _, name in met)
    assert any(name in {text for one in PLANTED for text in texts_of(one)} for _, name in met)


def test_nobody_of_the_packaged_scenarios_phones() -> None:
    """The packaged person's name and number stand nowhere: who phones was planted for this run."""
    for role in ROLES:
        packaged = load_scenario(role.scenario.name.split("-", 2)[2])
        document = json.dumps(role.document(), default=list)
        for name in ("patient_name", "phone", "email"):
            assert packaged.person.get(name, "<none>") not in document


def test_a_role_comes_through_the_childs_input_unchanged() -> None:
    """What is written to the child's standard input is what it reads."""
    adapter = TypeAdapter(Role)
    for role in ROLES:
        assert adapter.validate_json(adapter.dump_json(role)) == role


def test_a_role_says_nothing_of_itself() -> None:
    """No text of a planted value stands in what a traceback or a log line would show of a role beside its scenario."""
    role = LONG[0]
    shown = repr(role).replace(repr(role.scenario), "")
    assert not any(text in shown for one in PLANTED for text in texts_of(one) if len(text) > 5)


def test_the_drills_call_is_as_long_as_it_must_be() -> None:
    """The call in which the switch is thrown goes on long after it."""
    drill = cast_drill(PLANTED, list_scenarios(), seconds=60, seed=5)
    assert len(drill.scenario.lines) >= 6


def test_the_same_seed_casts_the_same() -> None:
    """An audit can be played again."""
    assert cast(PLANTED, list_scenarios(), calls=CALLS, seconds=300, seed=5) == ROLES


def test_a_call_states_the_holes_of_the_scenarios_that_it_is_made_of() -> None:
    """A connection that is cut in a sentence loses its usage: the trace names it, and the audit expects it."""
    cut = [turn for role in ROLES for turn in role.scenario.turns if any(_is_cut(step) for step in turn.model)]
    assert cut
    for role in ROLES:
        is_cut = any(_is_cut(step) for turn in role.scenario.turns for step in turn.model)
        assert role.scenario.expects.missing == (("usage",) if is_cut else ())


def _is_cut(step: object) -> bool:
    fault = step.fault if isinstance(step, Says) else None
    return fault is not None and fault.kind == "reconnect" and fault.seconds is not None
