"""Spans of real calls, each played once in a run of the tests, from the agent through to the archive."""

from __future__ import annotations

import asyncio
import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from livekit.agents import Agent, AgentSession, function_tool

import shared
from medagent.rehearsal import stage
from medagent.runtime.exports import archive
from medagent.runtime.telemetry import Telemetry
from medagent.settings import load_settings
from medagent.simulator.caller import CallerEar, CallerVoice
from medagent.simulator.scenario import load_scenario
from medagent.telemetry.span import SafeSpan
from scripted import CLOSE_S, Ears, Loudness, Mind, Mouth

PACE = 10.0
WAIT_S = 60.0
KINDS = ("realtime", "pipeline", "not_sampled", "refused", "recovered")


class _RealCalls(Mapping[str, list[SafeSpan]]):
    """The calls by kind, each played when it is first asked for."""

    def __getitem__(self, kind: str) -> list[SafeSpan]:
        return list(_spans(kind))

    def __iter__(self) -> Iterator[str]:
        return iter(KINDS)

    def __len__(self) -> int:
        return len(KINDS)


def real_calls() -> Mapping[str, list[SafeSpan]]:
    """Return the sealed spans of one call of each kind in `KINDS`, as the archive has them."""
    return _RealCalls()


@functools.cache
def _spans(kind: str) -> list[SafeSpan]:
    file = shared.made_once(f"call-{kind}", functools.partial(_write, kind)) / "spans.json"
    return [SafeSpan.from_document(document) for document in json.loads(file.read_bytes())]


def _write(kind: str, directory: Path) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary)
        played = {
            "realtime": lambda: _played("book", home),
            "pipeline": lambda: asyncio.run(_piped(home)),
            "not_sampled": lambda: _played("opening_hours", home, MEDAGENT_SAMPLING="1e-12"),
            "refused": lambda: _played("consent_refused", home),
            "recovered": lambda: _recovered(home),
        }[kind]()
    assert [SafeSpan.from_document(json.loads(json.dumps(span.document()))) for span in played] == played
    (directory / "spans.json").write_text(json.dumps([span.document() for span in played]))


def _played(name: str, home: Path, **settings: str) -> list[SafeSpan]:
    async def play() -> list[SafeSpan]:
        async with stage(load_settings(MEDAGENT_HOME=home, **settings), [name], pace=PACE) as line:
            played = await line.play(load_scenario(name))
            assert not played.problems, played.problems
            return list(played.spans)

    return asyncio.run(play())


class _Desk(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="You are a receptionist.")

    async def on_enter(self) -> None:
        self.session.say("Good morning.")

    @function_tool
    async def get_opening_hours(self, date: str) -> str:
        """The hours of a day."""
        return json.dumps({"outcome": "ok", "open": True})


async def _piped(home: Path) -> list[SafeSpan]:
    """A greeting, a question, a tool's run and an answer through STT, LLM and TTS."""
    telemetry = await asyncio.to_thread(lambda: Telemetry(load_settings(MEDAGENT_HOME=home)).start())
    session: AgentSession[Any] = AgentSession(
        stt=Ears(["When are you open on Monday?"]),
        llm=Mind([("get_opening_hours", '{"date": "2026-05-04"}'), "From nine to five."]),
        tts=Mouth(),
        vad=Loudness(),
        turn_handling={"turn_detection": "vad"},
        aec_warmup_duration=None,
        session_close_transcript_timeout=CLOSE_S,
    )
    bridge = telemetry.watch(session)
    voice = CallerVoice(pace=1.0)
    session.input.audio, session.output.audio = voice, CallerEar(pace=4.0, on_change=lambda _audible: None)

    async def agent_speaks() -> None:
        async with asyncio.timeout(WAIT_S):
            while session.agent_state != "speaking":  # noqa: ASYNC110  # LiveKit has no event for both
                await asyncio.sleep(0.01)
            while session.agent_state != "listening" or session.current_speech is not None:  # noqa: ASYNC110  # the same
                await asyncio.sleep(0.01)

    try:
        await session.start(_Desk(), record=False)
        await agent_speaks()
        await voice.say(0.8)
        await agent_speaks()
        bridge.end("caller_hung_up")
    finally:
        voice.close()
        await session.aclose()
    return await asyncio.to_thread(_delivered, telemetry, bridge.trace_id)


def _recovered(home: Path) -> list[SafeSpan]:
    """A call whose process was killed, ended by the next process."""
    environment = {**os.environ, "MEDAGENT_HOME": str(home)}
    words = [sys.executable, str(Path(__file__).parent / "victim.py"), "plain"]
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as victim:
        assert victim.stdout is not None
        trace_id = victim.stdout.readline().strip()
        victim.kill()
    telemetry = Telemetry(load_settings(MEDAGENT_HOME=home)).start()
    telemetry.recover()
    return _delivered(telemetry, trace_id)


def _delivered(telemetry: Telemetry, trace_id: str) -> list[SafeSpan]:
    try:
        assert telemetry.flush(WAIT_S) == []
        store = archive(telemetry.settings)
        try:
            return store.spans(trace_id)
        finally:
            store.close()
    finally:
        telemetry.close()
