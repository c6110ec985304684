"""Turns, speeches, tools and hand-overs of a session, from the events that the session itself reports.

All of it runs on the session's event loop. Nothing here depends on which model listens or speaks; what a provider's
own events add (tokens, the server's voice activity detection) is read elsewhere.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections import Counter
from collections.abc import Callable, Set
from typing import Any

from livekit.agents import AgentSession, llm
from livekit.agents.voice import SpeechHandle
from livekit.agents.voice import events as lk

from medagent.agent.job import waited
from medagent.agent.raw import Send
from medagent.agent.realtime_sessions import Guard, model_of, on
from medagent.agent.tool_tasks import ToolTasks
from medagent.redaction.error_cause import cause_of
from medagent.telemetry import events

_SHORTEST_SILENCE_MS = 1
_FILLER = "_FillerScheduler"
"""Begins the name of the task in which LiveKit plays a tool's filler."""


class ConversationEvents:
    """Send what a session reports of its conversation; `guard` makes handlers that never raise.

    `claims(speech_id)` runs when a speech that the provider began by itself is announced: its response follows.
    `on_tool(call_id, name, status)` runs when a tool starts (its name) and when it ends (done, error, cancelled).
    `on_spoken(speech_id, asked, heard)` runs when a speech that a model wrote, whole or in part, was not interrupted:
    `asked` is how often the model was asked for it, `heard` how many of its steps were played.
    Tools named in `hidden_tools`, a set that may still grow, are not sent.
    """

    def __init__(
        self,
        send: Send,
        guard: Guard,
        *,
        claims: Callable[[str], None] = lambda _speech_id: None,
        on_tool: Callable[[str, str | None, str | None], None] = lambda _call_id, _name, _status: None,
        on_spoken: Callable[[str, int, int], None] = lambda _speech_id, _asked, _heard: None,
        hidden_tools: Set[str] = frozenset(),
    ) -> None:
        self._send = send
        self._guard = guard
        self._claims = claims
        self._on_tool = on_tool
        self._on_spoken = on_spoken
        self._heard: dict[str, set[int]] = {}
        self._asked: Counter[str] = Counter()
        self._hidden = hidden_tools
        self._session: AgentSession[Any] | None = None
        self._began = time.time()
        self._utterances = 0
        self._is_speaking = False
        self._claimed_ns: int | None = None
        self._speeches: dict[str, tuple[SpeechHandle, dict[str, Any], int]] = {}
        self._announced: set[str] = set()
        self._kinds: dict[str, events.SpeechKind] = {}
        self._tools = ToolTasks()
        self._tool_names: set[str] = set()
        self._handlers: dict[str, Callable[..., None]] = {}
        self._commit: Callable[..., Any] | None = None
        self._is_ready = False

    def attach(self, session: AgentSession[Any]) -> None:
        """Listen to a session, also to the commits of its host."""
        self._session = session
        handlers: dict[str, Callable[..., None]] = {
            "user_state_changed": self._user_state,
            "agent_state_changed": self._agent_state,
            "speech_created": self._speech_created,
            "conversation_item_added": self._item_added,
            "tool_execution_updated": self._tool,
            "function_tools_executed": self._executed,
        }
        self._handlers = {name: self._guard(handler) for name, handler in handlers.items()}
        for name, handler in self._handlers.items():
            on(session, name, handler)
        self._wrap_commit(session)

    def close(self) -> None:
        """Stop listening; nothing of the session remains replaced."""
        if self._session is None:
            return
        self._send = _nowhere  # what ends later is no event of the session's next call
        for name, handler in self._handlers.items():
            self._session.off(name, handler)  # type: ignore[arg-type]
        self._handlers = {}
        if self._commit is not None and vars(self._session).get("commit_user_turn") is self._commit:
            del self._session.commit_user_turn

    def mark(self, speech: SpeechHandle, kind: events.SpeechKind) -> None:
        """Take the host's word for what a speech is for."""
        self._kinds[speech.id] = kind
        if speech.id in self._announced:
            self._send(events.AgentSpeechMarked, speech_id=speech.id, purpose=kind)

    def _wrap_commit(self, session: AgentSession[Any]) -> None:
        """LiveKit reports a host's commit by no event: `commit_user_turn` is replaced on this object until `close`."""
        commit = session.commit_user_turn
        committed = self._guard(self._committed)

        @functools.wraps(commit)
        def commit_user_turn(*arguments: Any, **options: Any) -> Any:
            transcript = commit(*arguments, **options)
            committed()
            return transcript

        self._commit = commit_user_turn
        session.commit_user_turn = commit_user_turn  # type: ignore[method-assign]

    def _committed(self) -> None:
        self._send(events.UserTurnCommitted, manual=True)
        self._is_speaking = False

    # ---- the caller -------------------------------------------------------------------------------------------------

    def _user_state(self, event: lk.UserStateChangedEvent) -> None:
        """The session dates a state back to the sound that it was heard in; the silence since then is the VAD's."""
        self._send(events.UserStateChanged, old=event.old_state, new=event.new_state)
        place_ms = max(0, round((event.created_at - self._began) * 1000))
        if event.new_state == "speaking":
            if getattr(self._session, "_user_turn_claims", 0):  # text arrived: a state without a sound
                self._claimed_ns = time.monotonic_ns()
                return
            self._utterances, self._is_speaking = self._utterances + 1, True
            self._send(events.SpeechStarted, item_id=self._utterance, audio_ms=place_ms, source="session")
        elif self._is_speaking:
            self._is_speaking = False
            silence_ms = round((time.time() - event.created_at) * 1000)
            self._send(
                events.SpeechStopped,
                item_id=self._utterance,
                audio_ms=place_ms,
                source="session",
                tentative=self._model() is not None,
                detection=self._detection(),
                silence_ms=silence_ms if silence_ms >= _SHORTEST_SILENCE_MS else None,
            )

    @property
    def _utterance(self) -> str:
        return f"utterance_{self._utterances}"

    def _activity(self) -> Any:
        return getattr(self._session, "_activity", None)

    def _model(self) -> llm.LLM[Any] | llm.RealtimeModel | None:
        return None if self._session is None else model_of(self._session)

    def _detection(self) -> events.Detection:
        """Return how LiveKit detects the end of the caller's turns for the current agent."""
        activity, session = self._activity(), self._session
        chosen = getattr(activity, "_turn_detection", None if session is None else session.turn_detection)
        if chosen is not None and not isinstance(chosen, str):
            return "turn_detector"
        for named in ("vad", "stt", "manual"):
            if chosen == named:
                return named
        return "stt" if getattr(activity, "vad", None) is None else "vad"

    def _user_message(self, message: llm.ChatMessage) -> None:
        """Send a message as typed text, a commit, or the text of a realtime model's item.

        Typed text has no confidence of a transcript.
        """
        speech_id = self._answering()
        if message.transcript_confidence is None:
            claimed_ns, self._claimed_ns = self._claimed_ns, None
            created_ns = self._speeches[speech_id][2] if speech_id in self._speeches else time.monotonic_ns()
            received_ns = created_ns if claimed_ns is None else claimed_ns
            self._send(events.TextReceived, speech_id=speech_id, received_ns=received_ns)
        elif isinstance(self._model(), llm.LLM):
            self._send(events.UserTurnCommitted, speech_id=speech_id, detection=self._detection())
        else:
            self._send(events.SpeechTranscribed, item_id=message.id)

    def _answering(self) -> str | None:
        """The speech whose task added the message."""
        task = asyncio.current_task()
        for speech, _, _ in self._speeches.values():
            if task is not None and task in getattr(speech, "_tasks", ()):
                return speech.id
        return None

    # ---- the agent --------------------------------------------------------------------------------------------------

    def _speech_created(self, event: lk.SpeechCreatedEvent) -> None:
        """One that was made ahead is no answer yet: the session schedules it later, or throws it away."""
        speech = event.speech_handle
        initiator: events.Initiator = "host"
        if not event.user_initiated:
            initiator = "server"
        elif event.source == "generate_reply" and speech.input_details.modality == "audio":
            initiator = "turn"
        about = {
            "initiator": initiator,
            "agent": self._agent(),
            "in_tool": self._is_in_tool(),
            "generated": event.source == "generate_reply",
        }
        self._speeches[speech.id] = (speech, about, time.monotonic_ns())
        speech.add_done_callback(self._guard(self._finished))
        if initiator == "server":
            self._announce(speech, is_scheduled=True)
            self._claims(speech.id)
        else:
            asyncio.get_running_loop().call_soon(self._guard(self._announce), speech)

    def _agent(self) -> str | None:
        try:
            return None if self._session is None else self._session.current_agent.id
        except RuntimeError:  # the session has no agent yet
            return None

    def _is_in_tool(self) -> bool:
        task = asyncio.current_task()
        return task is not None and (self._tools.call_of(task) is not None or task.get_name().startswith(_FILLER))

    def _announce(self, speech: SpeechHandle, *, is_scheduled: bool = False) -> None:
        if speech.id in self._announced or speech.id not in self._speeches:
            return
        if is_scheduled or speech.scheduled:
            self._announced.add(speech.id)
            _, about, _ = self._speeches[speech.id]
            self._send(events.AgentSpeechCreated, speech_id=speech.id, purpose=self._kinds.get(speech.id), **about)

    def _announce_all(self) -> None:
        for speech, _, _ in list(self._speeches.values()):
            self._announce(speech)

    def _agent_state(self, event: lk.AgentStateChangedEvent) -> None:
        self._announce_all()
        if event.old_state == "initializing" and not self._is_ready:
            self._is_ready = True
            self._send(events.StartMeasured, **waited(self._began))
        self._send(events.AgentStateChanged, old=event.old_state, new=event.new_state)
        if event.new_state != "speaking" or self._session is None:
            return
        speech, output = self._session.current_speech, self._session.output
        if speech is not None and speech.id in self._announced:
            audio = output.audio is not None and output.audio_enabled
            self._heard.setdefault(speech.id, set()).add(speech.num_steps)
            self._send(events.AgentSpeechPlaying, speech_id=speech.id, step=speech.num_steps, audio=audio)

    def _finished(self, speech: SpeechHandle) -> None:
        self._announce(speech)
        _, about, _ = self._speeches.pop(speech.id)
        self._kinds.pop(speech.id, None)
        asked, heard = 1 + self._asked.pop(speech.id, 0), self._heard.pop(speech.id, ())
        if speech.id not in self._announced:
            return
        error = speech.exception()
        cause = None if error is None else cause_of(error)
        has_answer = error is None or bool(speech.chat_items)  # what a model began it may have failed to end
        if has_answer and about["generated"] and not speech.interrupted:
            self._on_spoken(speech.id, asked, len(heard))
        self._send(
            events.AgentSpeechFinished,
            speech_id=speech.id,
            interrupted=_is_interrupted(speech),
            by_caller=getattr(speech, "_interrupt_source", None) != "programmatic",
            step=speech.num_steps,
            error_type=None if cause is None else cause.error_type,
            error_status=None if cause is None else cause.error_status,
        )

    def _item_added(self, event: lk.ConversationItemAddedEvent) -> None:
        self._announce_all()
        item = event.item
        if isinstance(item, llm.AgentHandoff):
            task = asyncio.current_task()
            call_id = None if task is None else self._tools.call_of(task)
            self._send(events.AgentHandedOver, old=item.old_agent_id, new=item.new_agent_id, call_id=call_id)
            self._send(events.TurnDetectionSet, silence_ms=None, detection="none")
        elif isinstance(item, llm.ChatMessage) and item.role == "user":
            self._user_message(item)

    # ---- tools ------------------------------------------------------------------------------------------------------

    def _tool(self, event: lk.ToolExecutionUpdatedEvent) -> None:
        update = event.update
        if update.type == "tool_call_started":  # a model's own mark is read much faster than its class
            call = update.function_call
            if call.name in self._hidden:
                return
            self._announce_all()
            self._on_tool(call.call_id, call.name, None)
            if self._session is not None:
                self._tools.started(self._session, call.call_id)
            self._tool_names.add(call.name)
            self._send(events.ToolStarted, call_id=call.call_id, name=call.name, arguments=call.arguments)
        elif update.type == "tool_call_ended":
            self._on_tool(update.call_id, None, update.status)
            end = self._tools.ended(update.call_id)
            cause = cause_of(end.raised) if end.raised is not None and update.status == "error" else None
            self._send(
                events.ToolEnded,
                call_id=update.call_id,
                status=update.status,
                output=update.message,
                returned=end.returned if update.status == "done" else None,
                error_type=None if cause is None else cause.error_type,
                error_status=None if cause is None else cause.error_status,
            )

    def _executed(self, event: lk.FunctionToolsExecutedEvent) -> None:
        """Send the answer that the model got to each call, also to a call that LiveKit refused before a tool ran.

        A call whose id is in use is refused: the answer of the tool that ran is sent first.
        """
        if (speech_id := self._answering()) is not None:
            asyncio.get_running_loop().call_soon(self._guard(self._asks_again), speech_id, event)
        for call, output in sorted(event.zipped(), key=lambda pair: pair[1].is_error):
            if call.name in self._hidden:
                continue
            self._send(
                events.ToolAnswered,
                call_id=call.call_id,
                name=call.name if call.name in self._known_tools() else "",
                arguments=call.arguments,
                output=output.output,
                is_error=output.is_error,
                reply_required=output.reply_required,
            )

    def _asks_again(self, speech_id: str, event: lk.FunctionToolsExecutedEvent) -> None:
        """A handler of the host's may still have cancelled the reply."""
        if event.has_tool_reply and speech_id in self._speeches:
            self._asked[speech_id] += 1

    def _known_tools(self) -> set[str]:
        """The names of tools that exist: a model may make up others, and its words are no name of a span."""
        activity = self._activity()
        offered = () if activity is None else llm.ToolContext(activity.tools).function_tools
        return self._tool_names | set(offered)


def _nowhere(_kind: type[Any], **_fields: object) -> None:
    return


def _is_interrupted(speech: SpeechHandle) -> bool:
    """Return whether LiveKit calls a speech interrupted: a message of it was cut, or what it was made for never came.

    A speech whose last message was played to its end said all it had, also where it was interrupted a moment later.
    """
    messages = [item for item in speech.chat_items if isinstance(item, llm.ChatMessage)]
    if any(message.interrupted for message in messages):
        return True
    has_said_all = bool(messages) and speech.chat_items[-1] is messages[-1]
    return speech.interrupted and not has_said_all
