from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from livekit import rtc
from livekit.agents import Agent, AgentSession, function_tool
from livekit.plugins import openai
from openai.types.realtime.realtime_audio_input_turn_detection import ServerVad

from medagent.simulator.caller import Caller, CallerEar
from medagent.simulator.process import SimulatorProcess
from medagent.simulator.scenario import load_scenario

pytestmark = pytest.mark.timing

_SLOT = {
    "appointment_datetime": "2031-05-06T10:00:00-07:00",
    "doctor_name": "Dr. Amara Okafor",
    "clinic_location": "Main Street",
}


class Desk(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="You answer the clinic's phone.")
        self.calls: list[tuple[str, dict[str, Any]]] = []

    async def on_enter(self) -> None:
        self.session.generate_reply(instructions="Greet the caller.")

    @function_tool
    async def check_availability(self, doctor_name: str, from_date: str) -> str:
        """Find free appointments."""
        self.calls.append(("check_availability", {"doctor_name": doctor_name, "from_date": from_date}))
        return json.dumps({"outcome": "ok", "slots": [_SLOT]})

    @function_tool
    async def book_appointment(  # noqa: PLR0917 - the tool's own parameters
        self,
        patient_name: str,
        phone: str,
        dob: str,
        appointment_datetime: str,
        doctor_name: str,
        clinic_location: str,
        reason_for_visit: str,
        email: str | None = None,
        notes: str | None = None,
    ) -> str:
        """Book an appointment."""
        arguments = {name: value for name, value in locals().items() if name != "self"}
        self.calls.append(("book_appointment", arguments))
        return json.dumps({"outcome": "ok", "confirmation_id": "C-1"})


async def test_the_whole_booking_runs(tmp_path: Path) -> None:
    """A real LiveKit session, a real server process and the caller hold the whole call, with the scripted arguments."""
    scenario, desk, events = load_scenario("book"), Desk(), []
    record = tmp_path / "record.jsonl"
    with SimulatorProcess(["book"], pace=20, environment=dict(os.environ), record=record) as process:
        async with aiohttp.ClientSession() as http:
            model = openai.realtime.RealtimeModel.with_azure(
                azure_deployment="gpt-realtime",
                azure_endpoint=process.endpoint,
                api_key="k",
                turn_detection=ServerVad(type="server_vad", silence_duration_ms=500),
                http_session=http,
            )
            caller = Caller(scenario, pace=20, on_event=lambda kind, _detail: events.append(kind))
            session: AgentSession[None] = AgentSession(llm=model, vad=None, aec_warmup_duration=None)
            session.input.audio, session.output.audio = caller.input, caller.output
            await session.start(desk, record=False)
            try:
                async with asyncio.timeout(60):
                    assert await caller.run() == "done"
            finally:
                await session.aclose()
        responses = process.record()["responses"]
    assert [name for name, _ in desk.calls] == ["check_availability", "book_appointment"]
    person = scenario.person
    assert desk.calls[1][1] == {
        **{name: person[name] for name in ("patient_name", "phone", "email", "dob")},
        **_SLOT,
        "reason_for_visit": "Sore knee, it hurts when walking and gets worse in the evening",
        "notes": "Maren asked for a call back in the morning",
    }
    assert [kept["status"] for kept in responses] == ["completed"] * 6
    assert [kept["turn"] for kept in responses] == [0, 1, 1, 2, 2, 3]
    assert [kept["ttft_ms"] is not None for kept in responses] == [False, False, True, False, True, True]
    assert [json.loads(line) for line in record.read_text().splitlines()] == responses
    assert events == [
        "agent_audio_starts",
        "agent_audio_stops",
        *("caller_speaks", "caller_stops", "agent_audio_starts", "agent_audio_stops") * 3,
        "hangs_up",
    ]


async def test_who_is_not_answered_hangs_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller whom nobody greets gives up when the patience is over, and says nothing."""
    monkeypatch.setattr("medagent.simulator.scenario._PATIENCE_WALL_S", 1.0)
    events: list[tuple[str, str]] = []
    caller = Caller(load_scenario("book"), pace=50, on_event=lambda kind, detail: events.append((kind, detail)))
    began = asyncio.get_running_loop().time()
    assert await caller.run() == "gave up"
    assert asyncio.get_running_loop().time() - began > 0.9
    assert events == [("hangs_up", "gave up")]


@pytest.mark.deadline
async def test_the_microphone_does_not_drift() -> None:
    """A second of the call gives 50 frames, however late single frames were taken."""
    caller = Caller(load_scenario("book"), pace=2)
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number in range(50):
        frame = await anext(caller.input)
        if number == 20:
            await asyncio.sleep(0.1)
    assert loop.time() - began == pytest.approx(0.5, abs=0.05)
    assert (frame.sample_rate, frame.samples_per_channel, frame.num_channels) == (24_000, 480, 1)


def _frame(seconds: float) -> rtc.AudioFrame:
    count = round(seconds * 24_000)
    return rtc.AudioFrame(bytes(count * 2), 24_000, 1, count)


async def test_playback_takes_its_duration() -> None:
    """A segment is over when its audio is played, all of it heard."""
    ear = CallerEar(pace=2, on_change=lambda _playing: None)
    loop = asyncio.get_running_loop()
    began = loop.time()
    for _ in range(4):
        await ear.capture_frame(_frame(0.1))
    ear.flush()
    event = await ear.wait_for_playout()
    assert loop.time() - began > 0.19
    assert not event.interrupted
    assert event.playback_position == pytest.approx(0.4)


async def test_an_interruption_reports_what_was_heard() -> None:
    """A cleared segment is over at once, at the second of audio that was playing, and the next one counts anew."""
    ear = CallerEar(pace=2, on_change=lambda _playing: None)
    await ear.capture_frame(_frame(3.0))
    ear.flush()
    await asyncio.sleep(0.2)
    ear.clear_buffer()
    event = await ear.wait_for_playout()
    assert event.interrupted
    assert 0.39 < event.playback_position < 3.0
    await ear.capture_frame(_frame(0.1))
    ear.flush()
    again = await ear.wait_for_playout()
    assert not again.interrupted
    assert again.playback_position == pytest.approx(0.1)
