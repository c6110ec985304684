from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from medagent.errors import ScenarioError
from medagent.simulator.scenario import check_for_agent, check_for_clinic, list_scenarios, load_scenario
from medagent.simulator.steps import Fault
from medagent.simulator.template import UnresolvedError, resolve

_SMALL = {
    "name": "small",
    "description": "two turns",
    "seed": 1,
    "person": {"patient_name": "Maren Oldfield"},
    "turns": [
        {"model": [{"says": "Hello."}]},
        {
            "caller": {"says": "I am ${person.patient_name}."},
            "model": [{"tool": "look", "arguments": {"day": "today"}}],
        },
    ],
    "expects": {"outcome": "informed"},
}


def _written(tmp_path: Path, **changes: object) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump({**_SMALL, **changes}))
    return path


def test_every_packaged_scenario_loads() -> None:
    """Every packaged scenario is a valid one under its own name, and no two people share a name or a number."""
    assert len(list_scenarios()) >= 14
    people = [load_scenario(name).person for name in list_scenarios()]
    assert len({person["patient_name"] for person in people}) == len(people)
    assert len({person["phone"] for person in people}) == len(people)
    assert all(person["phone"][5:].startswith("55501") for person in people)
    assert [load_scenario(name).name for name in list_scenarios()] == list(list_scenarios())


def test_a_file_is_a_scenario_too(tmp_path: Path) -> None:
    """A path loads as a packaged name does."""
    assert load_scenario(_written(tmp_path)).greeting == 0


@pytest.mark.parametrize(
    ("changes", "entry", "hint"),
    [
        ({"turn": []}, "turn", "turns"),
        ({"expects": {"outcom": "booked"}}, "expects.outcom", "outcome"),
        ({"person": {"phone": 5}}, "person.phone", ""),
        ({"turns": [{"model": [{"tool": "look", "argments": {}}]}]}, "turns.0.model.0.tool.argments", "arguments"),
        ({"turns": [{"model": [{"says": "${person.patient_nme}"}]}]}, "turns.0.model.0.says", "patient_name"),
        ({"turns": [{"model": [{"says": "${look.day}"}, {"tool": "look"}]}]}, "turns.0.model.0.says", ""),
        ({"turns": [*_SMALL["turns"], {"model": [{"says": "And?"}]}]}, "turns.2", ""),  # type: ignore[misc]
        ({"turns": [{"model": [{"says": "Hi", "fault": {"kind": "slo", "seconds": 1}}]}]}, "fault.kind", "slow"),
        ({"turns": [{"model": [{"says": "Hi", "fault": {"kind": "slow"}}]}]}, "slow needs seconds", ""),
        ({"turns": [{"model": [{"says": "Hi", "fault": {"kind": "missing", "seconds": 1}}]}]}, "takes no seconds", ""),
        ({"turns": [{"model": [{"says": "Hi", "fault": {"kind": "slow", "seconds": 1, "code": "x"}}]}]}, "no code", ""),
        ({"turns": [{"model": [{"tool": "a", "fault": {"kind": "incomplete", "seconds": 1}}]}]}, "only speech", ""),
        ({"turns": [{"model": [{"says": "${given.0.doctor_name}"}]}]}, "is not given", ""),
        ({"given": {"appointments": [{"doctor_name": "A", "in_days": 1}]}}, "a person with", ""),
        ({"clinic_fault": {"tool": "a", "kind": "hang"}}, "hang needs seconds", ""),
        ({"clinic_fault": {"tool": "a", "kind": "rais"}}, "clinic_fault.kind", "raise"),
        ({"adversary": {"argumnts": 2}}, "adversary.argumnts", "arguments"),
    ],
)
def test_an_error_names_file_entry_and_the_nearest_word(
    tmp_path: Path, changes: dict[str, object], entry: str, hint: str
) -> None:
    """What is wrong in a scenario is found in it by the message alone."""
    with pytest.raises(ScenarioError) as caught:
        load_scenario(_written(tmp_path, **changes))
    assert "small.yaml" in str(caught.value)
    assert entry in str(caught.value)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("outcome", "says", "hint"), [("boked", "'boked' is not", "booked"), (None, "no outcome", "there are: booked")]
)
def test_the_clinic_s_own_agent_needs_one_of_its_outcomes(
    tmp_path: Path, outcome: str | None, says: str, hint: str
) -> None:
    """Somebody else's agent may have any, or none that is checked."""
    scenario = load_scenario(_written(tmp_path, expects={"outcome": outcome}))
    check_for_agent(scenario)
    with pytest.raises(ScenarioError, match=says) as caught:
        check_for_clinic(scenario)
    assert hint in caught.value.hint


@pytest.mark.parametrize("name", ["orderRefill", "Patient lookup", "düsseldorf", "notes.add", "x-1"])
def test_a_tool_of_any_spelling_can_be_called_and_its_result_used(tmp_path: Path, name: str) -> None:
    """The longest name that was called is the tool's; what no tool returned is still an error."""
    steps = [{"tool": name, "arguments": {"Patient Name": "${person.patient_name}"}}]
    turns = [{"caller": {"says": "Go."}, "model": [*steps, {"says": f"It is ${{{name}.a.0}}, ${{{name}}}."}]}]
    assert load_scenario(_written(tmp_path, turns=turns)).turns
    assert resolve(f"${{{name}.a.0}}", person={}, results={name: {"a": [7]}}) == 7
    assert resolve(f"${{{name}}}", person={}, results={name: "plain"}) == "plain"
    with pytest.raises(ScenarioError, match="no tool called before"):
        load_scenario(_written(tmp_path, turns=[{"model": [{"says": f"${{other{name}.a}}"}]}]))


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    """A mistyped name of a scenario is answered with the one that was meant."""
    with pytest.raises(ScenarioError) as caught:
        load_scenario("bok")
    assert "book" in caught.value.hint


def test_references_are_filled() -> None:
    """A reference takes its value from the person, from a tool's last result or from the calendar, its type kept."""
    results = {"look": {"slots": [{"at": "2031-05-06T10:00", "room": 4}]}}
    person = {"phone": "+14155550137"}

    def fill(template: str) -> object:
        return resolve(template, person=person, results=results)

    assert fill("${look.slots.0.room}") == 4
    assert fill("at ${look.slots.0.at} for ${person.phone}") == "at 2031-05-06T10:00 for +14155550137"
    ahead = date.fromisoformat(str(fill("${today+3d}"))) - datetime.now(UTC).date()
    assert ahead in {timedelta(days=3), timedelta(days=2)}, "2 only if midnight fell between the two"
    for unknown in ("${look.slots.1.room}", "${look.slots}", "${other.x}"):
        with pytest.raises(UnresolvedError):
            fill(unknown)


def test_what_was_given_names_what_may_be_said_of_it(tmp_path: Path) -> None:
    """A given appointment's id can be said in any line; a mistyped word of it is answered with the nearest."""
    given = {"appointments": [{"doctor_name": "Dr. Priya Raman", "in_days": 3}]}

    person = {"patient_name": "Maren Oldfield", "phone": "+14155550137", "dob": "1982-03-03"}

    def saying(reference: str) -> Path:
        turns = [{"caller": {"says": f"It is ${{{reference}}}."}, "model": [{"says": "I see."}]}]
        return _written(tmp_path, given=given, person=person, turns=turns)

    assert load_scenario(saying("given.0.confirmation_id")).given.appointments[0].in_days == 3
    with pytest.raises(ScenarioError) as caught:
        load_scenario(saying("given.0.confirmation"))
    assert "0.confirmation_id" in caught.value.hint


def test_a_fault_with_a_chance_is_drawn_from_the_seed(tmp_path: Path) -> None:
    """A fault of chance one half strikes at the same places in every run, at about half of them, others by seed."""
    fault = Fault(kind="missing", chance=0.5)

    def struck(seed: int) -> list[bool]:
        scenario = load_scenario(_written(tmp_path, seed=seed))
        return [scenario.strikes(fault, turn, 0) for turn in range(200)]

    assert struck(1) == struck(1) != struck(2)
    assert 60 < sum(struck(1)) < 140
    assert load_scenario(_written(tmp_path)).strikes(Fault(kind="missing"), 0, 0)


def test_patience_is_of_the_call_until_the_wall_matters() -> None:
    """Patience shrinks with the pace, but not below what real databases need, and waits for a clinic that hangs."""
    book, hanging = load_scenario("book"), load_scenario("tool_times_out")
    assert book.patience_at(0.25) == 60
    assert [book.patience_at(pace) for pace in (1, 2, 20)] == [30, 30, 30]
    assert hanging.patience_at(20) == 30 + 10


def test_latencies_are_seeded() -> None:
    """Two loads of a scenario think equally long at each place, and not equally long at all places."""
    first, second = load_scenario("book"), load_scenario("book")
    places = [(turn, step) for turn in range(3) for step in range(2)]
    times = [first.latency_s("think", *place) for place in places]
    assert times == [second.latency_s("think", *place) for place in places]
    assert len(set(times)) > 1
    assert all(0.27 <= time <= 0.43 for time in times)
