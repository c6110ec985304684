from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from made_scenario import line, says, scenario_document, written

from medagent.simulator.forms import forms
from medagent.simulator.scenario import Scenario, load_scenario
from medagent.simulator.script import Move, Script, Speech, ToolCall

_TOOLS = [
    {
        "type": "function",
        "name": "look",
        "parameters": {"type": "object", "properties": {"day": {}, "place": {}, "who": {}}},
    }
]


def _scenario(tmp_path: Path, **settings: Any) -> Scenario:
    turns = [
        {
            "caller": line(),
            "model": [{"tool": "look", "arguments": {"day": "today"}, "otherwise": says("No.")}, says("${look.found}")],
        },
        {"caller": line(), "model": [{"tool": "look", "arguments": {"day": "today"}}, says("Two.")]},
    ]
    return load_scenario(written(tmp_path, scenario_document("scripted", *turns, **settings))[0])


def _words(move: Move) -> str:
    assert isinstance(move.does, Speech)
    return move.does.text


def _arguments(move: Move) -> dict[str, str]:
    assert isinstance(move.does, ToolCall)
    arguments: dict[str, str] = json.loads(move.does.arguments)
    return arguments


def test_a_replayed_result_is_not_a_new_one(tmp_path: Path) -> None:
    """A refusal that a client replays after it was answered does not bring the `otherwise` again."""
    script = Script(_scenario(tmp_path))
    script.hear()
    script.next()
    script.called("call_1", "look")
    script.returned("call_1", '{"outcome": "refused"}')
    assert _words(script.next()) == "No."
    script.hear()
    script.returned("call_1", '{"outcome": "refused"}')
    assert _arguments(script.next()) == {"day": "today"}
    assert _words(script.next()) == "Two."


def test_the_adversary_is_seeded(tmp_path: Path) -> None:
    """The same seed plants the same, another seed something else, and each planted value is a form of the person's."""

    def planted(seed: int) -> list[dict[str, str]]:
        script = Script(_scenario(tmp_path, seed=seed, adversary={"arguments": 2}))
        moves = []
        for _ in range(2):
            script.hear()
            moves.append(_arguments(script.next(_TOOLS)))
        return moves

    person = _scenario(tmp_path).person
    known = {form for value in person.values() for form in forms(value)}
    for arguments in planted(1):
        assert set(arguments) <= {"day", "place", "who"}
        assert sum(value in known for value in arguments.values()) == 2
    assert planted(1) == planted(1)
    assert len({json.dumps(planted(seed)) for seed in range(5)}) == 5


def test_without_an_adversary_the_script_stands(tmp_path: Path) -> None:
    """A model that is not told to plant sends what the scenario says, whatever the session's tools declare."""
    script = Script(_scenario(tmp_path))
    script.hear()
    assert _arguments(script.next(_TOOLS)) == {"day": "today"}


def test_the_forms_are_those_that_people_use() -> None:
    """A number is spoken, dotted and bare; a name is turned round, in parts and spelled; an address is said out."""
    assert {"14155550137", "one four one five five five five oh one three seven"} <= set(forms("+14155550137"))
    assert {"Oldfield, Maren", "Oldfield", "M-A-R-E-N-O-L-D-F-I-E-L-D"} <= set(forms("Maren Oldfield"))
    assert "maren dot oldfield at example dot com" in forms("maren.oldfield@example.com")


@given(value=st.text(alphabet=st.characters(codec="ascii", exclude_categories=["C"]), min_size=1, max_size=40))
def test_a_form_adds_nothing_and_repeats_nothing(value: str) -> None:
    """The first form is the value, none comes twice, and a form of digits alone holds the value's digits."""
    found = forms(value)
    assert found[0] == value
    assert len(set(found)) == len(found)
    for form in found:
        if re.fullmatch(r"[0-9]{4,}", form):
            assert form == re.sub(r"[^0-9]", "", value)
