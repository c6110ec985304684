"""LiveKit's own ways out of a call, shut before the session starts: what was said would leave by them, past the door.

Open by default are the recording, logs and reports that LiveKit's cloud may ask for, the transcript as a text stream in
the room, the session host, which sends chat items and tool calls to whoever asks from within the room, and LiveKit's
spans, where any tracer provider is set.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from livekit.agents import AgentSession, get_job_context
from livekit.agents.telemetry import set_tracer_provider, tracer
from livekit.agents.types import NOT_GIVEN
from livekit.agents.utils import is_given
from livekit.agents.voice.room_io import RoomOptions
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

_ROOM_OPTIONS = ("room_options", "room_input_options", "room_output_options")
_NO_SPANS = trace.NoOpTracerProvider()
LOOK_EVERY_S = 60.0
_closing: set[asyncio.Task[object]] = set()
_log = logging.getLogger(__name__)


def shut_exits(
    session: AgentSession[Any],
    *,
    leave_open: Collection[str] = (),
    before_start: Callable[..., None] = lambda *_arguments, **_options: None,
) -> bool:
    """Make the session start with nothing recorded, no text in the room and no session host, whatever it is told.

    This holds for each start of the session, one after `aclose` too. `leave_open` may hold `text`, `session_host` and
    `spans`; a recording stays shut. What `start` was asked to open and what somebody else's tracer provider could still
    take along is named in a warning. `before_start` is called with the arguments of each start.

    Returns:
        Whether LiveKit's spans had no other provider before.
    """
    shut_recording()
    are_alone = "spans" in leave_open or shut_spans()
    if isinstance(trace.get_tracer_provider(), TracerProvider):
        _log.warning("a global tracer provider is set: the spans of other libraries leave by it, past the door")
    start = session.start

    @functools.wraps(start)
    async def started(*arguments: Any, **options: Any) -> Any:
        before_start(*arguments[:1], **options)
        return await start(*arguments, **_shut(options, leave_open))

    session.start = started  # type: ignore[method-assign]  # the session is not ours to subclass
    return are_alone


def shut_spans() -> bool:
    """Give LiveKit's tracer a provider that keeps nothing.

    Returns:
        False where somebody had set another provider for it; one that is global alone is nobody's word for LiveKit.
    """
    found = getattr(tracer, "_tracer_provider", None)
    if found is _NO_SPANS:
        return True
    set_tracer_provider(_NO_SPANS)  # LiveKit's tracer alone, which no global provider reaches now
    return not _is_set_for_livekit(found)


class SpansWatch:
    """Keep LiveKit's spans shut: look as a session starts and once a minute, whichever provider its tracer has then."""

    def __init__(
        self, *, on_found: Callable[[], None], guard: Callable[[Callable[..., None]], Callable[..., None]]
    ) -> None:
        self._on_found = on_found
        self._again = guard(self.start)
        self._next: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Look now, and again after a minute."""
        self.close()
        self.look()
        self._next = asyncio.get_running_loop().call_later(LOOK_EVERY_S, self._again)

    def look(self) -> None:
        """Shut the spans again where somebody set a provider, and report that."""
        if not shut_spans():
            self._on_found()

    def close(self) -> None:
        """Look no more."""
        if self._next is not None:
            self._next.cancel()


def _is_set_for_livekit(provider: object) -> bool:
    """LiveKit marks a provider that its own `set_tracer_provider` was given; any other is its tracer's default."""
    if not isinstance(provider, TracerProvider):
        return not isinstance(provider, trace.ProxyTracerProvider | trace.NoOpTracerProvider) and provider is not None
    return provider is not trace.get_tracer_provider() or provider in _marked()


def _marked() -> Collection[object]:
    from livekit.agents.telemetry import traces  # noqa: PLC0415  # private to LiveKit: without it the rest still holds

    return getattr(traces, "_pii_redaction_installed", ())


def shut_recording() -> None:
    """Inside a LiveKit job, decide now that nothing of it is recorded: its server may ask for that by itself.

    Until this is decided LiveKit keeps the job's log lines and spans, and uploads them where a job fails early.
    """
    context = get_job_context(required=False)
    if context is not None:
        context.init_recording({"audio": False, "traces": False, "logs": False, "transcript": False})


def shut_running(session: AgentSession[Any], *, leave_open: Collection[str] = ()) -> None:
    """Shut the exits of a session that runs already; what left by them before is out."""
    session.options.recording_options |= {"audio": False, "traces": False, "logs": False, "transcript": False}
    recorder = getattr(session, "_recorder_io", None)
    if recorder is not None:
        _soon(recorder.aclose())
    host = getattr(session, "_session_host", None)
    if host is not None and "session_host" not in leave_open:
        session._session_host = None  # a session that is still starting would start it
        host._started = True  # closing one that has not started would leave its handlers
        _soon(host.aclose())
    if "text" not in leave_open:
        session.output.set_transcription_enabled(False)
        room_io = getattr(session, "_room_io", None)
        forward = getattr(room_io, "_on_user_input_transcribed", None)
        if forward is not None:
            session.off("user_input_transcribed", forward)


def _soon(closing: Any) -> None:
    task = asyncio.ensure_future(closing)
    _closing.add(task)
    task.add_done_callback(_closed)


def _closed(task: asyncio.Task[object]) -> None:
    _closing.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("an exit of a running session could not be shut: %s", type(error).__name__)


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
