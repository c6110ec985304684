"""`medagent worker` answers: LiveKit's own worker hands a job to a process of its own, and the call is traced there."""

from __future__ import annotations

import asyncio
import functools
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest
from livekit import rtc
from livekit.agents import AgentSession
from livekit.agents.ipc.mock_room import create_mock_room
from livekit.agents.testing import fake_job_context
from livekit.rtc._proto import stats_pb2

from command import medagent
from medagent.agent import worker as module
from medagent.agent.bridge import Bridge
from medagent.agent.clinic_agent import ClinicAgent, azure_model
from medagent.agent.limit import CallLimit
from medagent.agent.quality import sample_quality
from medagent.agent.worker import answer_job
from medagent.clinic import Clinic
from medagent.pricing import load_prices
from medagent.runtime.exports import archive
from medagent.runtime.telemetry import Telemetry
from medagent.settings import Settings, load_settings
from medagent.simulator.process import SimulatorProcess
from medagent.telemetry.chain import verify_chain
from medagent.telemetry.span import SafeSpan

pytestmark = pytest.mark.timing

NUMBER = "4155550137"
ROOM = f"clinic_+1{NUMBER}_7f3a"
LIVEKIT = {"LIVEKIT_URL": "ws://127.0.0.1:9", "LIVEKIT_API_KEY": "key", "LIVEKIT_API_SECRET": "s" * 32}
MODEL = {"AZURE_OPENAI_ENDPOINT": "http://127.0.0.1:9", "AZURE_OPENAI_API_KEY": "simulator"}


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorProcess]:
    with SimulatorProcess(["silent_caller"]) as running:
        yield running


def the_only_call(settings: Settings) -> list[SafeSpan]:
    store = archive(settings)
    try:
        [call] = store.calls()
        return store.spans(call.trace_id)
    finally:
        store.close()


class Job:
    """A call that was picked up in LiveKit's console room, and whether its job was told to end."""

    def __init__(self, session: AgentSession[Any], bridge: Bridge) -> None:
        self.session = session
        self.bridge = bridge
        self.over = asyncio.Event()


@asynccontextmanager
async def picked_up(settings: Settings, *, seconds: float = 60.0) -> AsyncIterator[Job]:
    """Answer as a job's process does; leaving the block is the job's end, with its callbacks."""
    clinic = Clinic.open(settings.clinic_url)
    telemetry = Telemetry(settings, rosters=clinic.rosters()).start()
    jobs: list[Job] = []

    def watch(session: AgentSession[Any]) -> Bridge:
        jobs.append(Job(session, telemetry.watch(session)))
        return jobs[0].bridge

    async def closing() -> None:
        await asyncio.to_thread(telemetry.flush, 60)
        await asyncio.to_thread(telemetry.close)

    with fake_job_context(room=create_mock_room()) as context:
        context.job.enable_recording = True
        context._on_shutdown = lambda _reason: jobs[0].over.set()
        try:
            await answer_job(
                context,
                ClinicAgent(clinic, name="the clinic", now=lambda: datetime.now(UTC)),
                model=azure_model(settings),
                watch=watch,
                limit=CallLimit(seconds=seconds, cost_usd=10),
                prices=load_prices(),
                model_name=settings.model,
                closing=closing,
            )
            yield jobs[0]
        finally:
            for callback in context._shutdown_callbacks:
                await callback("the test ends")
            clinic.close()


@pytest.fixture
def settings(tmp_path: Path, simulator: SimulatorProcess) -> Settings:
    return load_settings(
        MEDAGENT_HOME=tmp_path / "home", AZURE_OPENAI_ENDPOINT=simulator.endpoint, AZURE_OPENAI_API_KEY="simulator"
    )


def test_a_job_s_process_answers_and_traces(tmp_path: Path, simulator: SimulatorProcess) -> None:
    """LiveKit's worker makes a process for the job; the agent greets, the call has its end, no line tells the room."""
    home = tmp_path / "home"
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("one_job.py")), ROOM],
        env={
            **os.environ,
            **LIVEKIT,
            "MEDAGENT_HOME": str(home),
            "AZURE_OPENAI_ENDPOINT": simulator.endpoint,
            "AZURE_OPENAI_API_KEY": "simulator",
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    spans = the_only_call(load_settings(MEDAGENT_HOME=home))
    verify_chain(spans)
    fields = {span.name: span.fields for span in spans}
    assert fields["agent_turn"]["kind"] == "greeting"
    assert fields["session.end"]["reason"] == "shutdown"
    assert str(fields["voice_session"]["room_id"]).startswith("psn_")
    assert NUMBER not in done.stdout + done.stderr
    files = [path for path in home.rglob("*") if path.is_file() and (home / "clinic") not in path.parents]
    assert files
    assert not [path for path in files if NUMBER.encode() in path.read_bytes()]


async def test_nothing_of_livekit_s_is_open(settings: Settings) -> None:
    """Its server asked for a recording, and there is none, no text in the room, no session host."""
    async with picked_up(settings) as job:
        assert not any(job.session._opts.recording_options.values())
        assert job.session._session_host is None
        assert job.session._room_io is not None
        assert job.session._room_io._tr_synchronizer is None
        assert job.session.output.transcription is None


async def test_at_its_limit_the_call_ends(settings: Settings) -> None:
    """The session is closed with reason `limit`, and so is the job."""
    async with picked_up(settings, seconds=2.0) as job:
        await asyncio.wait_for(job.over.wait(), 30)
    [end] = [span.fields for span in the_only_call(settings) if span.name == "session.end"]
    assert end["reason"] == "limit"


async def test_the_media_connection_is_looked_at(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the room's statistics say is in the call's own span, as a series and a summary."""
    room = create_mock_room()
    path = stats_pb2.RtcStats.CandidatePair(
        candidate_pair=stats_pb2.CandidatePairStats(current_round_trip_time=0.042, nominated=True)
    )
    looked = rtc.RtcStats(publisher_stats=[], subscriber_stats=[stats_pb2.RtcStats(candidate_pair=path)])
    monkeypatch.setattr(room, "get_rtc_stats", AsyncMock(return_value=looked))
    monkeypatch.setattr(module, "sample_quality", functools.partial(sample_quality, every_s=0.1))
    async with picked_up(settings):
        await asyncio.sleep(1)
    [session] = [span.fields for span in the_only_call(settings) if span.name == "voice_session"]
    quality: Any = session["quality"]
    assert "42" in str(quality)


@pytest.mark.parametrize(
    ("word", "environment", "says"),
    [
        ("dev", {}, "AZURE_OPENAI_ENDPOINT"),
        ("start", {}, "AZURE_OPENAI_ENDPOINT"),
        ("start", MODEL, "LIVEKIT_URL and LIVEKIT_API_KEY and LIVEKIT_API_SECRET"),
        ("start", {**MODEL, **LIVEKIT, "LIVEKIT_API_SECRET": ""}, "LIVEKIT_API_SECRET"),
        ("start", {**MODEL, **LIVEKIT, "MEDAGENT_ENV": "prod"}, "MEDAGENT_CONSENT"),
        ("start", {**MODEL, **LIVEKIT, "MEDAGENT_MODEL": "gpt-of-ours"}, "MEDAGENT_CALL_MAX_COST_USD=off"),
        ("start", {**MODEL, "MEDAGENT_MODEL": "gpt-of-ours", "MEDAGENT_CALL_MAX_COST_USD": "off"}, "LIVEKIT_URL"),
    ],
)
def test_what_is_missing_is_said_at_the_start(
    tmp_path: Path, word: str, environment: dict[str, str], says: str
) -> None:
    """Without a server, a model or, in prod, a word on consent, the worker does not start, and says what to set."""
    done = medagent("worker", word, home=tmp_path, **{**dict.fromkeys(LIVEKIT, ""), **environment})
    assert done.code == 2
    assert says in done.err
    assert "Traceback" not in done.err
    assert "simulator" not in done.err
