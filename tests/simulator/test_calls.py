"""Every packaged scenario as a whole call: real agent, real clinic, real trace; only the model is scripted."""

from __future__ import annotations

import asyncio
import json
import os
import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from bench.line import Outcome, ring
from livekit.agents import AgentSession
from pydantic import ConfigDict

from medagent.agent.bridge import Bridge
from medagent.clinic import Clinic
from medagent.clinic.schema import CANCELLED, AppointmentRow
from medagent.errors import SimulatorError
from medagent.simulator.forms import forms
from medagent.simulator.process import SimulatorProcess
from medagent.simulator.scenario import list_scenarios, load_scenario
from medagent.simulator.steps import CallsTool
from medagent.tools import TOOLS, Answer, Tool
from medagent.tools.check_availability import CHECK_AVAILABILITY
from medagent.tools.interface import Arguments

PACE = 20.0
AT_ONCE = 4
TRIPS = "adversary"
"""Its planted sentences are names for the door and not for the redactor: the switch trips, and there is no trace."""
DISPUTED = ("tool_raises", "tool_times_out")
"""The scenario calls a booking that broke failed; the tally calls the call informed, since the agent spoke."""
SLOWEST_FIRST = ("tool_times_out", "hangs_up_mid_tool")


class Anything(Arguments):
    """What a tool that only this test has is called with."""

    model_config = ConfigDict(extra="allow")


def _cancel(clinic: Clinic, arguments: Any, _now: datetime) -> Answer:
    return _change(clinic, arguments, status=CANCELLED)


def _reschedule(clinic: Clinic, arguments: Any, _now: datetime) -> Answer:
    return _change(clinic, arguments, starts_at=datetime.fromisoformat(arguments.new_appointment_datetime))


def _change(clinic: Clinic, _arguments: Any, **values: object) -> Answer:
    clinic.database.write(lambda session: session.execute(sa.update(AppointmentRow).values(**values)))
    return {"confirmation_id": "LC-7K4M9Q"}


def _hours(_clinic: Clinic, _arguments: Any, _now: datetime) -> Answer:
    return {"hours": [{"opens": "08:30"}]}


def _guidelines(_clinic: Clinic, _arguments: Any, _now: datetime) -> Answer:
    return {"red_flag": True, "advice": "Hang up and call nine one one now.", "guidelines": []}


_STUBS = {
    "cancel_appointment": _cancel,
    "reschedule_appointment": _reschedule,
    "get_opening_hours": _hours,
    "get_medical_guidelines": _guidelines,
}


def tools() -> list[Tool[Any]]:
    """The house's own tools; where one is not there yet, one of this test under its name."""
    there = {tool.name for tool in TOOLS}
    like: Tool[Any] = CHECK_AVAILABILITY
    made = [replace(like, name=name, arguments=Anything, run=run) for name, run in _STUBS.items() if name not in there]
    return [*TOOLS, *made]


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Outcome, list[dict[str, Any]]]]:
    """All scenarios, some at once, against one server: each one's outcome and the raw events of its provider."""
    directory = tmp_path_factory.mktemp("calls")
    names = sorted(list_scenarios(), key=lambda name: name not in SLOWEST_FIRST)

    async def play_all() -> dict[str, tuple[Outcome, list[dict[str, Any]]]]:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(name: str, simulator: SimulatorProcess) -> tuple[str, tuple[Outcome, list[dict[str, Any]]]]:
            raw: list[dict[str, Any]] = []

            def listen(session: AgentSession[Any], _bridge: Bridge) -> None:
                make = session.llm.session  # type: ignore[union-attr]  # a realtime model

                def made(**options: Any) -> Any:
                    realtime = make(**options)
                    realtime.on("openai_server_event_received", lambda event: raw.append(dict(event)))
                    realtime.on("openai_client_event_queued", lambda event: raw.append(dict(event)))
                    return realtime

                session.llm.session = made  # type: ignore[union-attr,method-assign]  # as the bridge does

            async with gate:
                home = directory / name
                return name, (
                    await ring(name, home=home, pace=PACE, before=listen, tools=tools(), simulator=simulator),
                    raw,
                )

        with SimulatorProcess(names, pace=PACE, environment=dict(os.environ)) as simulator:
            return dict(await asyncio.gather(*(one(name, simulator) for name in names)))

    return asyncio.run(play_all())


Calls = dict[str, tuple[Outcome, list[dict[str, Any]]]]


def _end(outcome: Outcome) -> dict[str, Any]:
    return next(dict(span.fields) for span in outcome.spans if span.name == "session.end")


@pytest.mark.parametrize("name", list_scenarios())
def test_the_caller_and_the_clinic_see_what_the_scenario_says(calls: Calls, name: str) -> None:
    """The caller's call ends as expected, and the clinic's own database holds what it should and nothing else."""
    outcome, _ = calls[name]
    assert outcome.ended == load_scenario(name).expects.ended
    assert outcome.wrong == []
    assert outcome.bridge.failures == 0


@pytest.mark.parametrize("name", [name for name in list_scenarios() if name != TRIPS])
def test_the_trace_ends_as_the_scenario_says(calls: Calls, name: str) -> None:
    """The session's end is told once, whole, with the expected reason."""
    end = _end(calls[name][0])
    assert (end["reason"], end["complete"]) == (load_scenario(name).expects.reason, True)


@pytest.mark.parametrize("name", [name for name in list_scenarios() if name not in (TRIPS, *DISPUTED)])
def test_the_trace_has_the_scenario_s_outcome(calls: Calls, name: str) -> None:
    """What the trace says that the caller got is what the scenario says."""
    assert _end(calls[name][0])["outcome"] == load_scenario(name).expects.outcome


def test_a_barge_in_is_cancelled_and_truncated(calls: Calls) -> None:
    """LiveKit cancels the answer that is spoken over, and cuts its item to what was heard; the server takes both."""
    _, raw = calls["barge_in"]
    kinds = [event["type"] for event in raw]
    assert "response.cancel" in kinds
    cut = next(event for event in raw if event["type"] == "conversation.item.truncated")
    assert 3_000 <= cut["audio_end_ms"] < 19_000
    done = [event["response"] for event in raw if event["type"] == "response.done"]
    assert [each["status_details"]["reason"] for each in done if each["status"] == "cancelled"] == ["turn_detected"]
    errors = [event["error"]["code"] for event in raw if event["type"] == "error"]
    assert set(errors) <= {"response_cancel_not_active"}


def test_a_reconnect_replays_and_repeats_nothing(calls: Calls) -> None:
    """After each of two reconnects the old items come again; no tool is called twice, no sentence said twice."""
    outcome, raw = calls["reconnect"]
    assert _end(outcome)["reconnects"] == 2
    sessions = [event["session"]["id"] for event in raw if event["type"] == "session.created"]
    assert len(set(sessions)) == 3
    replayed = [event["item"]["type"] for event in raw if event["type"] == "conversation.item.create"]
    assert {"message", "function_call", "function_call_output"} <= set(replayed)
    steps = [(kept["turn"], kept["kind"]) for kept in outcome.server["responses"] if kept["session_id"] in sessions]
    assert steps == [(0, "speech"), (1, "tool"), (1, "speech"), (2, "tool"), (2, "speech"), (3, "speech")]


def test_a_broken_clinic_s_words_stay_there(calls: Calls) -> None:
    """What the database's error says of the patient is in no span, and the model hears a class name alone."""
    outcome, raw = calls["tool_raises"]
    person = load_scenario("tool_raises").person
    booking = next(span for span in outcome.spans if span.name == "tool.book_appointment")
    assert booking.fields["outcome"] == "failed"
    spans = " ".join(str(span.document()) for span in outcome.spans)
    sent = " ".join(str(event["item"]["output"]) for event in raw if event.get("item", {}).get("output"))
    assert "IntegrityError" in sent
    for value in person.values():
        assert value not in spans
        assert value not in sent


def test_a_hanging_tool_is_given_up(calls: Calls) -> None:
    """The agent waits its eight seconds, tells the caller, and nothing is booked when the clinic wakes up."""
    outcome, _ = calls["tool_times_out"]
    booking = next(span for span in outcome.spans if span.name == "tool.book_appointment")
    assert booking.fields["outcome"] == "timeout"


def test_a_call_that_ends_mid_tool_has_its_tool_in_the_trace(calls: Calls) -> None:
    """Who hangs up while a tool works leaves a span of that tool behind that is not a success."""
    outcome, _ = calls["hangs_up_mid_tool"]
    tool = next(span for span in outcome.spans if span.name == "tool.check_availability")
    assert tool.fields["outcome"] != "ok"


def test_a_name_in_a_kept_field_is_not_kept(calls: Calls) -> None:
    """The patient's name in doctor_name, and the number in clinic_location, are not in the trace."""
    outcome, _ = calls["name_in_doctor_name"]
    person = load_scenario("name_in_doctor_name").person
    spans = " ".join(str(span.document()) for span in outcome.spans)
    for word in (*person["patient_name"].split(), person["phone"], re.sub(r"\D", "", person["phone"])):
        assert word not in spans


def test_the_adversary_reaches_every_tool(calls: Calls) -> None:
    """Each of the six tools is called, and each call holds an identifier where the script had none."""
    _, raw = calls["adversary"]
    scenario = load_scenario("adversary")
    scripted = [step for turn in scenario.turns for step in turn.model if isinstance(step, CallsTool)]
    called = {
        event["item"]["name"]: json.loads(event["item"]["arguments"])
        for event in raw
        if event["type"] == "response.output_item.done" and event["item"]["type"] == "function_call"
    }
    assert len(called) == 6
    known = {form for value in scenario.person.values() for form in forms(value)}
    for step in scripted:
        planted = [name for name, value in called[step.tool].items() if value != step.arguments.get(name)]
        assert known & {called[step.tool][name] for name in planted}, step.tool


async def test_a_scenario_that_is_not_served_is_not_played(fast: SimulatorProcess, tmp_path: Path) -> None:
    """A call whose scenario the simulator does not have is an error, not a call by another script."""
    with pytest.raises(SimulatorError, match="does not serve cancel"):
        await ring("cancel", home=tmp_path, pace=PACE, simulator=fast)


def test_calls_at_once_stay_apart(calls: Calls) -> None:
    """Calls that ran at once stayed apart: every one has a trace of its own, and all of it was delivered."""
    assert len({outcome.trace_id for outcome, _ in calls.values()}) == len(calls) == len(list_scenarios())
    assert [outcome.lacking for outcome, _ in calls.values() if outcome.lacking] == []
