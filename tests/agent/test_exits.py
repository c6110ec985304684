"""LiveKit's own exits are shut on anybody's agent, whatever `start` asks for, unless the settings leave one open."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest
from livekit.agents import AgentSession
from livekit.agents.testing import fake_job_context
from livekit.agents.voice.room_io import RoomInputOptions, RoomOptions, RoomOutputOptions, TextOutputOptions

from medagent.agent.exits import shut_exits, shut_recording
from medagent.errors import SettingsError
from medagent.settings import load_settings

ROOT = Path(__file__).parents[2]


class Host(AgentSession[Any]):
    """A session that keeps what it was started with."""

    def __init__(self) -> None:
        super().__init__()
        self.started_with: dict[str, Any] = {}

    async def start(self, *_: Any, **options: Any) -> Any:
        self.started_with = options


async def started(*, leave_open: tuple[str, ...] = (), **options: Any) -> dict[str, Any]:
    session = Host()
    shut_exits(session, leave_open=leave_open)
    await session.start(cast(Any, None), **options)
    return session.started_with


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"record": True},
        {"record": {"audio": False}},
        {"session_host": True},
        {"room_options": RoomOptions()},
        {"room_options": RoomOptions(text_output=True)},
        {"room_options": RoomOptions(text_output=TextOutputOptions())},
        {"room_input_options": RoomInputOptions()},
        {"room_output_options": RoomOutputOptions(transcription_enabled=True)},
        {"room_input_options": RoomInputOptions(), "room_output_options": RoomOutputOptions()},
    ],
)
async def test_no_way_of_asking_opens_one(asked: dict[str, Any]) -> None:
    """Recording, session host and text stay shut in every form in which `start` takes them."""
    given = await started(**asked)
    assert given["record"] is False
    assert given["session_host"] is False
    assert given["room_options"].get_text_output_options() is None


async def test_what_was_asked_for_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """Who asked for an exit reads that it stays shut; who asked for none reads nothing."""
    await started(record=False, session_host=False, room_options=RoomOptions(text_output=False))
    assert caplog.messages == []
    await started(record=True, session_host=True, room_options=RoomOptions(text_output=True))
    assert [line.split(" ")[0] for line in caplog.messages] == ["record", "session_host", "text_output"]


async def test_the_rest_of_the_options_stays() -> None:
    """Audio, participants and whatever else the host set are the host's."""
    given = await started(
        room_options=RoomOptions(close_on_disconnect=False, participant_identity="desk"), capture_run=True
    )
    assert (given["capture_run"], given["room_options"].close_on_disconnect) == (True, False)
    assert given["room_options"].participant_identity == "desk"
    older = await started(room_input_options=RoomInputOptions(audio_enabled=False, participant_identity="desk"))
    assert older["room_options"].get_audio_input_options() is None
    assert older["room_options"].participant_identity == "desk"


async def test_the_settings_may_leave_one_open() -> None:
    """Text and session host are the clinic's to open; a recording is nobody's."""
    given = await started(leave_open=("text", "session_host"), record=True, session_host=True)
    assert given == {"record": False, "session_host": True}
    assert load_settings(MEDAGENT_LIVEKIT_OPEN="text, spans").livekit_open == ("text", "spans")
    with pytest.raises(SettingsError):
        load_settings(MEDAGENT_LIVEKIT_OPEN="recording")


async def test_a_job_that_fails_early_uploads_nothing() -> None:
    """What LiveKit kept of the job's beginning, to upload it if the job fails, is let go."""
    with fake_job_context() as context:
        context._info.fake_job = False
        context._info.job.enable_recording = True
        context._info.url = "wss://clinic.livekit.cloud"
        context._start_log_buffering()
        assert context._early_log_handler is not None
        shut_recording()
        assert context._early_log_handler is None
        await context._on_cleanup()
        assert context._telemetry_state is None


@pytest.mark.timing
@pytest.mark.parametrize(("leave_open", "spans"), [("", False), ("spans", True)])
def test_somebody_else_s_tracer_gets_no_span_of_livekit(leave_open: str, spans: bool) -> None:
    """With a global tracer provider set before, a call leaves no LiveKit span there, and a warning says so."""
    script = f"""
import asyncio, logging, sys, tempfile
from pathlib import Path
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

kept = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(kept))
trace.set_tracer_provider(provider)
logging.basicConfig()
from bench.line import ring

home = Path(tempfile.mkdtemp())
outcome = asyncio.run(ring("opening_hours", home=home, pace=20.0, MEDAGENT_LIVEKIT_OPEN={leave_open!r}))
assert outcome.ended == "done", outcome.ended
assert trace.get_tracer_provider() is provider
print(len(kept.get_finished_spans()))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (int(done.stdout.split()[-1]) > 0) is spans
    assert "a global tracer provider is set" in done.stderr
