"""Every packaged scenario as a whole call: real agent, real clinic, real trace; only the model is scripted."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import os
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bench.line import Outcome, ring
from livekit.agents import AgentSession

from medagent.agent import clinic_agent
from medagent.agent.bridge import Bridge
from medagent.errors import SimulatorError
from medagent.simulator.forms import forms
from medagent.simulator.process import SimulatorProcess
from medagent.simulator.scenario import list_scenarios, load_scenario
from medagent.simulator.steps import CallsTool
from medagent.simulator.template import today_in

pytestmark = pytest.mark.timing

PACE = 20.0
AT_ONCE = 4
SLOWEST_FIRST = ("tool_times_out", "hangs_up_mid_tool")
UNHURRIED = 4.0
"""The pace of a call in which somebody speaks after so many seconds: on a slow machine they are as long as the rest."""


class EverythingFormatter(logging.Formatter):
    """Prints all that a record holds, extras and all, as JSON formatters do."""

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record) + repr(vars(record))


@pytest.fixture(scope="module")
def logged() -> Iterator[io.StringIO]:
    """Every line that any logger of the process writes while the calls are played, at DEBUG."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(EverythingFormatter())
    level = logging.root.level
    logging.root.addHandler(handler)
    logging.root.setLevel(logging.DEBUG)
    yield stream
    logging.root.removeHandler(handler)
    logging.root.setLevel(level)


def timed(name: str) -> bool:
    """Whether the caller of a scenario speaks into the agent's answer or into its silence."""
    return any(line.barge_in_after_s or line.after_silence_s for _, line in load_scenario(name).lines)


@pytest.fixture(scope="module")
def calls(
    logged: io.StringIO, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Outcome, list[dict[str, Any]]]]:
    """All scenarios, some at once, against one server: each one's outcome and the raw events of its provider."""
    directory = tmp_path_factory.mktemp("calls")
    names = sorted(list_scenarios(), key=lambda name: name not in SLOWEST_FIRST)

    async def play_all() -> dict[str, tuple[Outcome, list[dict[str, Any]]]]:
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(name: str) -> tuple[str, tuple[Outcome, list[dict[str, Any]]]]:
            simulator, pace = (slow, UNHURRIED) if timed(name) else (fast, PACE)
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
                    await ring(name, home=home, pace=pace, before=listen, simulator=simulator),
                    raw,
                )

        environment = dict(os.environ)
        with (
            SimulatorProcess(names, pace=PACE, environment=environment) as fast,
            SimulatorProcess(names, pace=UNHURRIED, environment=environment) as slow,
        ):
            return dict(await asyncio.gather(*map(one, names)))

    return asyncio.run(play_all())


Calls = dict[str, tuple[Outcome, list[dict[str, Any]]]]


def _end(outcome: Outcome) -> dict[str, Any]:
    return next(dict(span.fields) for span in outcome.spans if span.name == "session.end")


@pytest.mark.parametrize("name", list_scenarios())
def test_a_call_comes_out_as_its_scenario_says(calls: Calls, name: str) -> None:
    """For the caller, in the clinic's own database and in the trace: outcome, reason, whole, nothing of the person."""
    outcome, _ = calls[name]
    assert outcome.problems == []
    assert outcome.bridge.failures == 0


def said_of(name: str) -> set[str]:
    """Each way in which the person's identifiers are said or written, where it is long enough to be no accident."""
    return {form for value in load_scenario(name).person.values() for form in forms(value) if len(form) >= 5}


@pytest.mark.parametrize("name", list_scenarios())
def test_no_form_of_an_identifier_is_in_a_trace(calls: Calls, name: str) -> None:
    """Written, spoken, spelled or as digits: nothing of the person stands in any span, adversary or not."""
    left = json.dumps([span.document() for span in calls[name][0].spans], ensure_ascii=False).casefold()
    assert [form for form in said_of(name) if form.casefold() in left] == []


def test_no_form_of_an_identifier_is_in_a_log_line(calls: Calls, logged: io.StringIO) -> None:
    """At DEBUG, over every scenario, no line of ours, of LiveKit or of a library holds one, extras included."""
    lines = logged.getvalue().casefold()
    assert "livekit.agents" in lines
    assert "asyncio" in lines
    assert [(name, form) for name in calls for form in said_of(name) if form.casefold() in lines] == []


def test_a_barge_in_is_cancelled_and_truncated(calls: Calls) -> None:
    """LiveKit cancels the answer that is spoken over, and cuts its item to what was heard; the server takes both."""
    _, raw = calls["barge_in"]
    kinds = [event["type"] for event in raw]
    assert "response.cancel" in kinds
    cut = next(event for event in raw if event["type"] == "conversation.item.truncated")
    assert 3_000 <= cut["audio_end_ms"] < 19_000  # no clock
    spoken_over = next(
        event["response"]
        for event in raw
        if event["type"] == "response.done" and event["response"]["output"][0]["id"] == cut["item_id"]
    )
    assert spoken_over["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
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


def test_tomorrow_is_the_clinics_own_at_twenty_to_midnight(calls: Calls) -> None:
    """The model reads the day from the instructions and asks for the next one, whatever the day is in UTC."""
    outcome, raw = calls["midnight"]
    sessions = [event["session"] for event in raw if event["type"] == "session.update"]
    told = [session["instructions"] for session in sessions if session.get("instructions")]
    today = next(found for text in told if (found := today_in(text)) is not None)
    assert "11:40 PM (23:40) Chicago time" in told[0]
    asked = next(span for span in outcome.spans if span.name == "tool.check_availability")
    arguments: Any = asked.fields["arguments"]
    assert arguments["from_date"] == (today + timedelta(days=1)).isoformat()


async def test_the_clock_goes_on_in_a_call(
    fast: SimulatorProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The instructions are renewed while the caller speaks; the call goes on and its trace is whole."""
    monkeypatch.setattr(clinic_agent, "CLOCK_S", 0.2)
    monkeypatch.setattr(clinic_agent, "_OLDEST_CLOCK", timedelta())
    told: list[str] = []

    def listen(session: AgentSession[Any], _bridge: Bridge) -> None:
        make = session.llm.session  # type: ignore[union-attr]  # a realtime model

        def made(**options: Any) -> Any:
            realtime = make(**options)
            realtime.on("openai_client_event_queued", lambda event: told.append(json.dumps(event)))
            return realtime

        session.llm.session = made  # type: ignore[union-attr,method-assign]  # as the bridge does

    outcome = await ring("book", home=tmp_path, pace=PACE, before=listen, simulator=fast)
    assert len([event for event in told if "Today is " in event]) > 2
    assert outcome.problems == []
    assert _end(outcome)["complete"] is True
    assert not [task for task in asyncio.all_tasks() if "_keep_time" in repr(task)]


async def test_a_scenario_that_is_not_served_is_not_played(fast: SimulatorProcess, tmp_path: Path) -> None:
    """A call whose scenario the simulator does not have is an error, not a call by another script."""
    with pytest.raises(SimulatorError, match="does not serve cancel"):
        await ring("cancel", home=tmp_path, pace=PACE, simulator=fast)


def test_calls_at_once_stay_apart(calls: Calls) -> None:
    """Calls that ran at once stayed apart: every one has a trace of its own, and all of it was delivered."""
    assert len({outcome.trace_id for outcome, _ in calls.values()}) == len(calls) == len(list_scenarios())
    assert [outcome.lacking for outcome, _ in calls.values() if outcome.lacking] == []
