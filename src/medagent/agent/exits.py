"""LiveKit's own ways out of a call, shut before the session starts: what was said would leave by them, past the door.

Open by default are the recording, logs and reports that LiveKit's cloud may ask for, the transcript as a text stream in
the room, the session host, which sends chat items and tool calls to whoever asks from within the room, and LiveKit's
spans, where any tracer provider is set.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from livekit.agents import AgentSession, get_job_context
from livekit.agents.telemetry import set_tracer_provider
from livekit.agents.types import NOT_GIVEN
from livekit.agents.utils import is_given
from livekit.agents.voice.room_io import RoomOptions
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

_ROOM_OPTIONS = ("room_options", "room_input_options", "room_output_options")
_log = logging.getLogger(__name__)


def shut_exits(session: AgentSession[Any], *, leave_open: Collection[str] = ()) -> None:
    """Let the session start with nothing recorded, no text in the room and no session host, whatever it is told.

    `leave_open` may hold `text`, `session_host` and `spans`; a recording stays shut. What `start` was asked to open and
    what somebody else's tracer provider could still take along is named in a warning.
    """
    shut_recording()
    if "spans" not in leave_open:
        set_tracer_provider(trace.NoOpTracerProvider())  # LiveKit's tracer alone, which no global provider reaches now
    if isinstance(trace.get_tracer_provider(), TracerProvider):
        _log.warning("a global tracer provider is set: the spans of other libraries leave by it, past the door")
    start = session.start

    @functools.wraps(start)
    async def started(*arguments: Any, **options: Any) -> Any:
        return await start(*arguments, **_shut(options, leave_open))

    session.start = started  # type: ignore[method-assign]  # the session is not ours to subclass


def shut_recording() -> None:
    """Inside a LiveKit job, decide now that nothing of it is recorded: its server may ask for that by itself.

    Until this is decided LiveKit keeps the job's log lines and spans, and uploads them where a job fails early.
    """
    context = get_job_context(required=False)
    if context is not None:
        context.init_recording({"audio": False, "traces": False, "logs": False, "transcript": False})


def _shut(options: Mapping[str, Any], leave_open: Collection[str]) -> dict[str, Any]:
    shut, asked = dict(options), list[str]()
    if options.get("record", NOT_GIVEN) not in (NOT_GIVEN, False):
        asked.append("record")
    shut["record"] = False
    if "session_host" not in leave_open:
        if options.get("session_host", NOT_GIVEN) is True:
            asked.append("session_host")
        shut["session_host"] = False
    if "text" not in leave_open:
        given, inputs, outputs = (shut.pop(name, NOT_GIVEN) for name in _ROOM_OPTIONS)
        room = RoomOptions._ensure_options(given, room_input_options=inputs, room_output_options=outputs)
        if is_given(room.text_output) and room.text_output is not False:
            asked.append("text_output")
        shut["room_options"] = replace(room, text_output=False)
    for name in asked:
        _log.warning("%s was asked for and stays shut: what is said would leave by it, past the door", name)
    return shut
