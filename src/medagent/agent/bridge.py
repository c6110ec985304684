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

from livekit.agents import Agent, AgentSession, llm
from livekit.agents.metrics import LLMModelUsage
from livekit.agents.utils import is_given
from livekit.agents.voice import SpeechHandle
from livekit.agents.voice import events as lk

from medagent.agent.caller import Caller, CallerChoice, choice_of_job, named_in
from medagent.agent.conversation import ConversationEvents
from medagent.agent.declaration import Declaration
from medagent.agent.exits import SpansWatch
from medagent.agent.fallback import next_model, serving_session
from medagent.agent.pipeline_mode import SessionEvents
from medagent.agent.plugins import ModelNames
from medagent.agent.quality import Quality
from medagent.agent.raw import RealtimeEvents
from medagent.agent.realtime_sessions import (
    RealtimeSessions,
    current,
    has_openai_events,
    makes_openai_events,
    model_of,
    on,
    serving_model,
)
from medagent.agent.session_errors import SessionErrors
from medagent.agent.shared import followed
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
_PINNING = (
    *(events.SpeechStarted, events.SpeechStopped, events.UserTurnCommitted, events.SpeechTranscribed),
    *(events.TextReceived, events.ToolStarted, events.CallEnded),
)
"""With these the caller is chosen among those who are there: until then one who phones may still join."""

_log = logging.getLogger(__name__)


class Bridge:
    """The eyes on one session: `attach` before `session.start`, `end` when the line is closed.

    A session that is started again after it was closed is another call of a line that `new_line` gives: `trace_id` is
    then that one's. With `watch_spans` LiveKit's spans are kept shut from its start to its close.
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
        caller_identity: str | None = None,
        azure_model: str | None = None,
        new_line: Callable[[], Line] | None = None,
        watch_spans: bool = False,
    ) -> None:
        self._line = line
        self._new_line = new_line
        self._overhead = overhead
        self.trace_id = line.trace_id
        self._declared = declared or Declaration(agent_version=agent_version)
        self._caller = caller
        self._caller_identity = caller_identity
        self._names = ModelNames(azure_model=azure_model)
        self._spans = SpansWatch(on_found=self.spans_found, guard=self._guard) if watch_spans else None
        self._realtime: RealtimeSessions | None = None
        self._choice: CallerChoice | None = None
        self._session: AgentSession[Any] | None = None
        self._asks = False
        self._is_begun = False
        self._is_ended = False
        self.is_late = False
        self._handlers: dict[str, Callable[..., None]] = {}
        self.on_tool: Callable[[str, str | None, str | None], None] = lambda _call_id, _name, _status: None
        self.failures = 0
        self._hidden_tools: set[str] = set()
        self._forget()

    def _forget(self) -> None:
        """Return what is known of a call, before anything is."""
        self._used: tuple[events.Mode | None, str | None, str | None] = (None, None, None)
        self._model: object = None
        self._parts_missing: set[events.MissingPart] = set()
        self.raw = RealtimeEvents(
            self._send,
            self._guard,
            names=self._names,
            current_speech=self._current_speech,
            hidden_tools=self._hidden_tools,
        )
        self._errors = SessionErrors(self._send, missing=self.missing)
        self._reported = SessionEvents(
            self._send,
            self._guard,
            is_raw=self._is_raw,
            is_measured=self.raw.measured.__contains__,
            missing=self.missing,
        )
        self._conversation = ConversationEvents(
            self._send,
            self._guard,
            claims=self.raw.claim,
            on_tool=self._tool,
            on_spoken=self._reported.spoken,
            hidden_tools=self._hidden_tools,
        )

    def caller_number(self) -> str | None:
        """Return the number that the call comes from, as the line sent it; None where it is withheld or not known."""
        caller = self._caller
        if caller is None and self._choice is not None:
            caller = self._choice.first()
        return None if caller is None else caller.number

    def attach(self, session: AgentSession[Any], *, asks: bool = False) -> None:
        """Listen to a session.

        The call begins with `begin`, or with its first event. Inside a LiveKit job the room and the caller are the
        job's, unless they were given.
        """
        self._session = session
        self._asks = asks
        self.is_late = _has_begun(session)
        self._guard(self._listen)()
        if self.is_late:
            _log.error("call %s: session runs already, expected trace_call before session.start", self.trace_id)
            self.missing("attached_late")

    def _listen(self) -> None:
        if (session := self._session) is None:
            return
        followed.add(session)
        self._errors.attach(session)
        if self._caller is None:
            self._choice = choice_of_job(self._identified, pattern=self._caller_identity, guard=self._guard)
        if self._choice is not None:
            self._guard(self._choice.attach)()
        self._realtime = RealtimeSessions(session, on_made=self._made, guard=self._guard)
        self._guard(self._realtime.attach)()
        follow = self._guard(self._follow_on)
        self._handlers = {
            "conversation_item_added": follow,
            "speech_created": follow,
            "agent_state_changed": follow,
            "error": self._guard(self._errors.raised),
            "close": self._guard(self._close),
        }
        for name, handler in self._handlers.items():
            on(session, name, handler)  # before those who report what happens under a model
        self._guard(self._conversation.attach)(session)
        self._guard(self._reported.attach)(session)

    def _detach(self) -> None:
        """Stop listening: nothing of the session, its models, its room or its job holds a handler any more."""
        if (session := self._session) is None:
            return
        followed.discard(session)
        for name, handler in self._handlers.items():
            session.off(name, handler)  # type: ignore[arg-type]
        self._handlers = {}
        for listener in (self._spans, self._realtime, self._choice, self.raw, self._conversation, self._reported):
            if listener is not None:
                self._guard(listener.close)()

    @property
    def is_over(self) -> bool:
        """Return whether the call was ended and its session does not run any more."""
        return self._is_ended and not getattr(self._session, "_started", False)

    def starting(self, agent: object = None, **options: object) -> None:
        """Begin the call's trace as its session starts; one that was ended before is a call of its own."""
        self._guard(self._starting)(agent, options)

    def _starting(self, agent: object, options: Mapping[str, object]) -> None:
        if self.is_over:
            self.renew(caller=self._caller, asks=self._asks)
        if self._choice is not None and (named := named_in(options)) is not None:
            self._choice.name(named)
        model = agent.llm if isinstance(agent, Agent) and is_given(agent.llm) else None
        self._begin(model)
        if self._spans is not None:
            self._spans.start()

    def renew(self, *, caller: Caller | None, asks: bool, declared: Declaration | None = None) -> None:
        """Trace the next call of a session that was closed."""
        if self._new_line is None:
            return
        self._detach()
        self._caller, self._asks, self.is_late = caller, asks, False
        self._declared = declared or self._declared
        self._line = self._new_line()
        self.trace_id = self._line.trace_id
        self._is_begun = self._is_ended = False
        self._forget()
        self._listen()

    def begin(self) -> None:
        """Begin the call's trace, unless it has begun."""
        self._guard(self._begin)()

    def _begin(self, model: object = None) -> None:
        if self._is_begun or self._session is None:
            return
        self._is_begun = True
        caller = self._caller or Caller()
        if self._caller is None and self._choice is not None:
            caller = self._choice.first()
        given = model if isinstance(model, llm.LLM | llm.RealtimeModel) else None
        used = serving_model(self._session) if given is None else next_model(given)
        self._used, self._model = (mode, name, provider), _ = self._in_use(used), used
        self._line.send(
            events.CallStarted,
            wall_us=time.time_ns() // 1000,
            mode=mode,
            model=name,
            provider=provider,
            **self._declared.fields(),
            room=caller.room,
            participant=caller.participant,
            caller_number=caller.number,
            asks=self._asks,
        )

    def _send(self, kind: type[Any], **fields: Any) -> None:
        self._begin()
        if self._choice is not None and kind in _PINNING:
            self._choice.pin()
        self._line.send(kind, **fields)

    def spans_found(self) -> None:
        """Report that LiveKit's tracer had a provider: it is shut, and what it was set for is missing."""
        if "spans_of_livekit" not in self._parts_missing:
            _log.error(
                "LiveKit's tracer: a provider was set, expected none; its spans are shut (MEDAGENT_LIVEKIT_OPEN)"
            )
        self.missing("spans_of_livekit")

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
        if self._realtime is not None:
            self._realtime.look()
        model = serving_model(self._session)
        used, is_same = self._in_use(model), model is self._model
        if used != self._used:
            self._used, self._model = used, model
            mode, name, provider = used
            self._line.send(
                events.ModelChanged,
                mode=mode,
                model=name,
                provider=provider,
                is_correction=is_same and mode == "realtime",
            )

    def _in_use(
        self, model: llm.LLM[Any] | llm.RealtimeModel | None
    ) -> tuple[events.Mode | None, str | None, str | None]:
        if model is None:
            return None, None, None
        return "pipeline" if isinstance(model, llm.LLM) else "realtime", *self._names.of(model)

    def _is_raw(self) -> bool:
        """Return whether the current agent's responses are sent from the provider's own events."""
        if self._session is None:
            return False
        realtime = current(self._session)
        if realtime is not None:
            return has_openai_events(serving_session(realtime))
        model = model_of(self._session)
        return isinstance(model, llm.RealtimeModel) and makes_openai_events(model)

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
        if not self._is_ended:
            self._guard(self._reported.finish)()
            self._guard(self._compare_usage)()
        self._send(events.CallEnded, reason=reason)
        self._is_ended = True

    def _compare_usage(self) -> None:
        """LiveKit's own count of tokens is a second opinion: what it has and this trace has not is missing."""
        if self._session is None or self._reported.is_partial or self.is_late:
            return
        usage = [one for one in self._session.usage.model_usage if isinstance(one, LLMModelUsage)]
        if sum(one.input_tokens + one.output_tokens for one in usage) > self.raw.tokens + self._reported.tokens:
            self.missing("usage")

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

    # ---- the end ----------------------------------------------------------------------------------------------------

    def _close(self, event: lk.CloseEvent) -> None:
        self._guard(self._errors.closed)(event)
        self._end(_END_REASONS.get(event.reason, "unknown"))
        self._detach()


def _has_begun(session: AgentSession[Any]) -> bool:
    """Return whether a session runs, or is starting: its agent's `on_enter` runs before it is marked as started."""
    return bool(getattr(session, "_started", False)) or getattr(session, "_root_span_context", None) is not None
