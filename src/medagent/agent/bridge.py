"""A call's events, from the session that is traced to the queue: one small function and one enqueue each.

What is listened to follows the session: `RealtimeSessions` finds each realtime session that an agent uses,
`RealtimeEvents` reads the provider's own events of it, `ConversationEvents` what the session reports of turns, tools
and agents, `SessionEvents` what each request took. All of it runs on the event loop. An exception in a handler could
end the call: `_guard` catches every one.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

from livekit.agents import AgentSession, llm, stt, tts
from livekit.agents.voice import SpeechHandle
from livekit.agents.voice import events as lk

from medagent.agent.caller import Caller, follow_job
from medagent.agent.conversation import ConversationEvents
from medagent.agent.declaration import Declaration
from medagent.agent.pipeline_mode import SessionEvents
from medagent.agent.plugins import model_and_provider
from medagent.agent.quality import Quality
from medagent.agent.raw import RealtimeEvents
from medagent.agent.realtime_sessions import RealtimeSessions, model_of, on
from medagent.redaction.error_cause import ErrorCause, cause_of
from medagent.telemetry import events
from medagent.telemetry.line import Line
from medagent.telemetry.overhead import BRIEF_NS, Overhead

_END_REASONS: Mapping[lk.CloseReason, events.EndReason] = {
    lk.CloseReason.ERROR: "error",
    lk.CloseReason.JOB_SHUTDOWN: "shutdown",
    lk.CloseReason.PARTICIPANT_DISCONNECTED: "caller_hung_up",
    lk.CloseReason.USER_INITIATED: "agent_ended",
    lk.CloseReason.TASK_COMPLETED: "agent_ended",
}
_log = logging.getLogger(__name__)


class Bridge:
    """The eyes on one call: `attach` before `session.start`, `end` when the line is closed.

    `overhead` hears what each handled event cost the call's thread.
    `on_tool(call_id, name, status)` is told when a tool starts (its name) and when it ends (done, error, cancelled).
    """

    def __init__(
        self,
        line: Line,
        *,
        agent_version: str | None = None,
        declared: Declaration | None = None,
        overhead: Overhead,
        caller: Caller | None = None,
    ) -> None:
        self._line = line
        self._overhead = overhead
        self.trace_id = line.trace_id
        self._declared = declared or Declaration(agent_version=agent_version)
        self._caller = caller
        self._session: AgentSession[Any] | None = None
        self._opening: dict[str, Any] | None = None
        self._used: tuple[events.Mode | None, str | None, str | None] = (None, None, None)
        self._parts_missing: set[events.MissingPart] = set()
        self.on_tool: Callable[[str, str | None, str | None], None] = lambda _call_id, _name, _status: None
        self.failures = 0
        self._hidden_tools: set[str] = set()
        self.raw = RealtimeEvents(
            self._send, self._guard, current_speech=self._current_speech, hidden_tools=self._hidden_tools
        )
        self._measures = SessionEvents(self._send, self._guard, is_measured=self.raw.measured.__contains__)
        self._conversation = ConversationEvents(
            self._send,
            self._guard,
            claims=self.raw.claim,
            on_tool=self._tool,
            hidden_tools=self._hidden_tools,
        )

    def attach(self, session: AgentSession[Any], *, asks: bool = False) -> None:
        """Listen to a session that has not started.

        The call begins with `begin`, or with its first event. Inside a LiveKit job the room and the caller are the
        job's, unless they were given.
        """
        caller = self._caller or self._guarded_job()
        self._session = session
        self._opening = {
            **self._declared.fields(),
            "room": caller.room,
            "participant": caller.participant,
            "caller_number": caller.number,
            "asks": asks,
        }
        self._realtime = RealtimeSessions(session, on_made=self._made, guard=self._guard)
        self._guard(self._realtime.attach)()
        follow = self._guard(self._follow_on)
        for name in ("conversation_item_added", "speech_created", "agent_state_changed"):
            on(session, name, follow)  # before those who report what happens under a model
        self._guard(self._conversation.attach)(session)
        self._guard(self._measures.attach)(session)
        session.on("error", self._guard(self._error))
        session.on("close", self._guard(self._close))

    def begin(self) -> None:
        """Begin the call's trace, unless it has begun."""
        self._guard(self._begin)()

    def _begin(self) -> None:
        if self._opening is None or self._session is None:
            return
        opening, self._opening = self._opening, None
        self._used = self._in_use(model_of(self._session))
        mode, model, provider = self._used
        self._line.send(
            events.CallStarted,
            wall_us=time.time_ns() // 1000,
            mode=mode,
            model=model,
            provider=provider,
            **opening,
        )

    def _send(self, kind: type[Any], **fields: Any) -> None:
        self._begin()
        self._line.send(kind, **fields)

    # ---- what the session uses --------------------------------------------------------------------------------------

    def missing(self, part: events.MissingPart) -> None:
        """Report that a part of the call could not be observed; the first report of each part counts."""
        if part not in self._parts_missing:
            self._parts_missing.add(part)
            _log.warning("call %s: part %s could not be observed: its trace is not complete", self.trace_id, part)
            self._guard(self._send)(events.PartMissing, part=part)

    def _made(self, realtime: llm.RealtimeSession[Any], is_late: bool) -> None:
        self.raw.subscribe(realtime)
        if is_late:
            self.missing("realtime")

    def _follow_on(
        self, event: lk.ConversationItemAddedEvent | lk.SpeechCreatedEvent | lk.AgentStateChangedEvent
    ) -> None:
        """Another agent, or `update_options`, may have brought another model."""
        if not isinstance(event, lk.ConversationItemAddedEvent) or isinstance(event.item, llm.AgentHandoff):
            self._follow()

    def _follow(self) -> None:
        """Report the model that the session uses, where it is another than before."""
        if self._session is None:
            return
        self._begin()
        self._realtime.look()
        used = self._in_use(model_of(self._session))
        if used != self._used:
            self._used = mode, model, provider = used
            self._line.send(events.ModelChanged, mode=mode, model=model, provider=provider)

    def _in_use(
        self, model: llm.LLM[Any] | llm.RealtimeModel | None
    ) -> tuple[events.Mode | None, str | None, str | None]:
        if model is None:
            return None, None, None
        return "pipeline" if isinstance(model, llm.LLM) else "realtime", *model_and_provider(model)

    def _tool(self, call_id: str, name: str | None, status: str | None) -> None:
        self.on_tool(call_id, name, status)

    def _current_speech(self) -> str | None:
        speech = None if self._session is None else self._session.current_speech
        return None if speech is None else speech.id

    def mark_speech(self, speech: SpeechHandle, kind: events.SpeechKind) -> None:
        """Declare what a speech is for, right after it was made.

        Args:
            speech: What `say` or `generate_reply` of the session returned.
            kind: `reply`, `greeting`, `disclosure`, `filler`, `hold`, `apology` or `proactive`; a `reply` alone ends
                TTFT-A. Without it the kind is derived from when and where the speech was made.
        """
        self._guard(self._conversation.mark)(speech, kind)

    def end(self, reason: events.EndReason) -> None:
        """The line is closed; the first reason given is the one that counts."""
        self._guard(self._end)(reason)

    def _end(self, reason: events.EndReason) -> None:
        self._send(events.CallEnded, reason=reason)

    def hide_tool(self, name: str) -> None:
        """Leave a tool of the host out of the trace, from now on: one whose answer is reported by `consent`, say."""
        self._hidden_tools.add(name)

    def consent(
        self,
        state: Literal["granted", "refused"],
        *,
        method: Literal["spoken", "keypad"] = "spoken",
        script_version: str | None = None,
    ) -> None:
        """The caller's answer: a yes releases the call's spans, a no deletes them; the first no is the last word."""
        self._guard(self._send)(events.ConsentSettled, state=state, method=method, script_version=script_version)

    def _guarded_job(self) -> Caller:
        found = [Caller()]
        self._guard(lambda: found.append(follow_job(self._guard(self._identified))))()
        return found[-1]

    def _identified(self, caller: Caller) -> None:
        self._send(
            events.CallerIdentified,
            room=caller.room,
            participant=caller.participant,
            caller_number=caller.number,
        )

    def quality(self, sample: Quality) -> None:
        """One look at the media connection."""
        self._guard(self._send)(
            events.QualitySampled,
            rtt_ms=sample.rtt_ms,
            jitter_ms=sample.jitter_ms,
            packet_loss=sample.packet_loss,
        )

    def _guard(self, handler: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(handler)
        def guarded(*arguments: Any, **fields: Any) -> None:
            begun_ns, own_ns = time.perf_counter_ns(), time.thread_time_ns()
            try:
                handler(*arguments, **fields)
            except Exception as error:  # noqa: BLE001  # a TypeError here would end the call; no message: it may quote
                self.failures += 1
                if self.failures == 1:
                    _log.error("telemetry failed on an event of the call: %s", type(error).__name__)
            finally:
                wall_ns = time.perf_counter_ns() - begun_ns
                self._overhead.add(wall_ns if wall_ns < BRIEF_NS else time.thread_time_ns() - own_ns, wall_ns)

        return guarded

    # ---- errors and the end -----------------------------------------------------------------------------------------

    def _error(self, event: lk.ErrorEvent) -> None:
        raised = getattr(event.error, "error", event.error)
        cause = _cause(raised)
        recoverable = bool(getattr(event.error, "recoverable", False))
        self._send(
            events.ErrorRaised,
            source=_source(event.source),
            error_type=cause.error_type,
            error_status=cause.error_status,
            message=str(raised),
            recoverable=recoverable,
        )

    def _close(self, event: lk.CloseEvent) -> None:
        self._end(_END_REASONS.get(event.reason, "unknown"))
        self._conversation.close()


def _cause(raised: object) -> ErrorCause:
    """Return the class and status of an error; a plugin may report an object other than an exception."""
    if isinstance(raised, BaseException):
        return cause_of(raised)
    return ErrorCause(error_type=type(raised).__name__, error_status=None)


def _source(source: object) -> Literal["realtime", "llm", "stt", "tts", "session"]:
    match source:
        case llm.RealtimeModel():
            return "realtime"
        case llm.LLM():
            return "llm"
        case stt.STT():
            return "stt"
        case tts.TTS():
            return "tts"
        case _:
            return "session"
