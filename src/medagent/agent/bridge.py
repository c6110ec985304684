"""LiveKit's and the provider's events in, ours out: one small function and one enqueue each, and nothing ever raised.

The provider's raw events come from `RealtimeSession.on("openai_server_event_received")`: plain dicts that the plugin
goes on to use, so they are read and never changed. An exception in such a handler would end the call; the guard below
is the one place in medagent that catches everything.
"""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Literal

from livekit.agents import AgentSession, llm, stt, tts
from livekit.agents.voice import events as lk

from medagent.agent.caller import Caller, follow_job
from medagent.agent.pipeline_mode import PipelineMode, about_model
from medagent.agent.quality import Quality
from medagent.agent.raw import hear, usage_of
from medagent.agent.tool_tasks import ToolTasks
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
CONSENT_TOOL = "record_consent"
"""The tool by which a model tells the caller's answer to the question of consent."""

_RESPONSE_ENDS = ("completed", "cancelled", "incomplete", "failed")
_log = logging.getLogger(__name__)


class Bridge:
    """The eyes on one call: `attach` before `session.start`, `end` when the line is closed.

    `overhead` hears what each handled event cost the call's thread.
    `on_tool(call_id, name, status)` is told when a tool starts (its name) and when it ends (done, error, cancelled).
    """

    def __init__(
        self, line: Line, *, model: str, agent_version: str, overhead: Overhead, caller: Caller | None = None
    ) -> None:
        self._line = line
        self._overhead = overhead
        self.trace_id = line.trace_id
        self._model = model
        self._agent_version = agent_version
        self._caller = caller
        self._audible: str | None = None
        self._is_pipeline = False
        self._tools = ToolTasks()
        self.on_tool: Callable[[str, str | None, str | None], None] = lambda _call_id, _name, _status: None
        self.failures = 0
        self._raw: Mapping[str, Callable[[Mapping[str, Any]], None]] = {
            "session.updated": self._session_updated,
            "input_audio_buffer.speech_started": self._speech_started,
            "input_audio_buffer.speech_stopped": self._speech_stopped,
            "response.created": self._response_created,
            "response.output_audio.delta": self._audio_delta,
            "response.audio.delta": self._audio_delta,
            "response.output_item.done": self._item_done,
            "response.done": self._response_done,
        }

    def attach(self, session: AgentSession[Any], *, wall_us: int, asks: bool = False) -> None:
        """Listen to a session that has not started; every realtime session that its model opens is heard too.

        Inside a LiveKit job the room and the caller are the job's, unless they were given.
        """
        caller = self._caller or self._guarded_job()
        self._is_pipeline = isinstance(session.llm, llm.LLM)
        about = [(self._model, "azure.ai.openai")]
        if isinstance(session.llm, llm.LLM):
            about = [("unknown", "other")]
            self._guard(lambda model: about.append(about_model(model)))(session.llm)
        model, provider = about[-1]
        self._guard(self._line.send)(
            events.CallStarted,
            wall_us=wall_us,
            model=model,
            provider=provider,
            mode="pipeline" if self._is_pipeline else "realtime",
            agent_version=self._agent_version,
            room=caller.room,
            participant=caller.participant,
            caller_number=caller.number,
            asks=asks,
        )
        if isinstance(session.llm, llm.RealtimeModel):
            hear(
                session.llm,
                openai_server_event_received=self._guard(self._server_event),
                session_reconnected=self._guard(self._reconnected),
            )
        elif self._is_pipeline:
            self._guard(PipelineMode(self._line, self._guard).attach)(session)
        session.on("user_state_changed", self._guard(self._user_state))
        session.on("agent_state_changed", self._guard(self._agent_state))
        session.on("tool_execution_updated", self._guard(functools.partial(self._tool, session)))
        session.on("error", self._guard(self._error))
        session.on("close", self._guard(self._close))

    def end(self, reason: events.EndReason) -> None:
        """The line is closed; the first reason given is the one that counts."""
        self._guard(self._end)(reason)

    def _end(self, reason: events.EndReason) -> None:
        self._line.send(events.CallEnded, reason=reason)

    def consent(
        self,
        state: Literal["granted", "refused"],
        *,
        method: Literal["spoken", "keypad"] = "spoken",
        script_version: str | None = None,
    ) -> None:
        """The caller's answer: a yes releases the call's spans, a no deletes them; the first no is the last word."""
        self._guard(self._line.send)(events.ConsentSettled, state=state, method=method, script_version=script_version)

    def _guarded_job(self) -> Caller:
        found = [Caller()]
        self._guard(lambda: found.append(follow_job(self._guard(self._identified))))()
        return found[-1]

    def _identified(self, caller: Caller) -> None:
        self._line.send(
            events.CallerIdentified,
            room=caller.room,
            participant=caller.participant,
            caller_number=caller.number,
        )

    def quality(self, sample: Quality) -> None:
        """One look at the media connection."""
        self._guard(self._line.send)(
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

    # ---- the provider's raw events ----------------------------------------------------------------------------------

    def _server_event(self, event: Mapping[str, Any]) -> None:
        handle = self._raw.get(event["type"])
        if handle is not None:
            handle(event)

    def _session_updated(self, event: Mapping[str, Any]) -> None:
        described = event["session"]
        audio_in = (described.get("audio") or {}).get("input") or described
        detection = audio_in.get("turn_detection") or {}
        silence = detection.get("silence_duration_ms") if detection.get("type") == "server_vad" else None
        self._line.send(events.TurnDetectionSet, silence_ms=silence)

    def _speech_started(self, event: Mapping[str, Any]) -> None:
        self._line.send(events.SpeechStarted, item_id=event["item_id"], audio_ms=event.get("audio_start_ms"))

    def _speech_stopped(self, event: Mapping[str, Any]) -> None:
        self._line.send(events.SpeechStopped, item_id=event["item_id"], audio_ms=event.get("audio_end_ms"))

    def _response_created(self, event: Mapping[str, Any]) -> None:
        self._line.send(events.ResponseStarted, response_id=event["response"]["id"])

    def _audio_delta(self, event: Mapping[str, Any]) -> None:
        if event["response_id"] != self._audible:
            self._audible = event["response_id"]
            self._line.send(events.AudioStarted, response_id=event["response_id"])

    def _item_done(self, event: Mapping[str, Any]) -> None:
        item = event["item"]
        if item["type"] == "function_call" and item["name"] != CONSENT_TOOL:
            self._line.send(events.ToolRequested, response_id=event["response_id"], call_id=item["call_id"])

    def _response_done(self, event: Mapping[str, Any]) -> None:
        response = event["response"]
        status = response.get("status")
        failure = (response.get("status_details") or {}).get("error") or {}
        self._line.send(
            events.ResponseFinished,
            response_id=response["id"],
            status=status if status in _RESPONSE_ENDS else "incomplete",
            usage=usage_of(response),
            error_type=failure.get("code") or failure.get("type"),
        )

    def _reconnected(self, _event: object) -> None:
        self._line.send(events.Reconnected)

    # ---- the session's own events -----------------------------------------------------------------------------------

    def _user_state(self, event: lk.UserStateChangedEvent) -> None:
        self._line.send(events.UserStateChanged, old=event.old_state, new=event.new_state)

    def _agent_state(self, event: lk.AgentStateChangedEvent) -> None:
        self._line.send(events.AgentStateChanged, old=event.old_state, new=event.new_state)

    def _tool(self, session: AgentSession[Any], event: lk.ToolExecutionUpdatedEvent) -> None:
        update = event.update
        if update.type == "tool_call_started":  # a model's own mark is read much faster than its class
            call = update.function_call
            if call.name == CONSENT_TOOL:  # its answer goes through `consent`; a span of it would tell nothing else
                return
            self.on_tool(call.call_id, call.name, None)
            self._tools.started(session, call.call_id)
            self._line.send(events.ToolStarted, call_id=call.call_id, name=call.name, arguments=call.arguments)
        elif update.type == "tool_call_ended":
            self.on_tool(update.call_id, None, update.status)
            raised = self._tools.raised(update.call_id)
            cause = _cause(raised) if raised is not None and update.status == "error" else None
            self._line.send(
                events.ToolEnded,
                call_id=update.call_id,
                status=update.status,
                output=update.message,
                error_type=None if cause is None else cause.error_type,
                error_status=None if cause is None else cause.error_status,
            )

    def _error(self, event: lk.ErrorEvent) -> None:
        raised = getattr(event.error, "error", event.error)
        cause = _cause(raised)
        recoverable = bool(getattr(event.error, "recoverable", False))
        self._line.send(
            events.ErrorRaised,
            source=_source(event.source),
            error_type=cause.error_type,
            error_status=cause.error_status,
            message=str(raised),
            recoverable=recoverable,
        )
        if not (recoverable or self._is_pipeline):  # a pipeline is tried again and tells its end by `close`
            self._end("error")  # LiveKit emits no `close` after a fatal error of the realtime provider

    def _close(self, event: lk.CloseEvent) -> None:
        self._end(_END_REASONS.get(event.reason, "unknown"))


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
