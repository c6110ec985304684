"""Record what a LiveKit session reports of itself; knows LiveKit's public events and nothing of medagent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from livekit import rtc
from livekit.agents import AgentSession
from livekit.agents.voice import SpeechHandle
from livekit.agents.voice import events as lk

from bench.livekit_suite.facts import SessionFacts, ToolFacts, Usage

_ROLES = {"user": "user", "assistant": "agent"}


class SessionObserver:
    """Subscribe to one session and collect its own account of turns, tools, hand-overs, usage and end."""

    def __init__(self, session: AgentSession[Any]) -> None:
        self._session = session
        self._timeline: list[str] = []
        self._speeches: list[tuple[SpeechHandle, bool, int, list[int]]] = []
        self._utterances = 0
        self._runs: list[dict[str, Any]] = []
        self._answers: list[tuple[str, str, bool, str]] = []
        self._reason: str | None = None
        self._fatal = False
        self._before = _usage(session)
        self._at_close: Usage | None = None
        for event, handler in {
            "conversation_item_added": self._item,
            "speech_created": self._speech,
            "user_state_changed": self._user_state,
            "tool_execution_updated": self._tool,
            "function_tools_executed": self._executed,
            "close": self._close,
        }.items():
            rtc.EventEmitter.on(session, event, handler)  # type: ignore[arg-type]  # the session's own `on` warns

    def facts(self) -> SessionFacts:
        """Return what was seen so far; call it when the session has ended."""
        final = _usage(self._session) - self._before
        return SessionFacts(
            timeline=tuple(self._timeline),
            utterances=self._utterances,
            speeches=sum(self._turns_of(*one) for one in self._speeches),
            interrupted_speeches=sum(speech.interrupted and speech.scheduled for speech, *_ in self._speeches),
            tools=tuple(self._tools()),
            usage_at_close=final if self._at_close is None else self._at_close - self._before,
            usage=final,
            reason=self._reason,
        )

    def _closing(self) -> bool:
        return bool(getattr(self._session, "_closing", False))

    def _item(self, event: lk.ConversationItemAddedEvent) -> None:
        item = event.item
        late = ".closing" if self._closing() else ""
        if item.type == "agent_handoff":
            if item.old_agent_id is not None:
                self._timeline.append(f"handoff{late}")
        elif item.type == "message" and item.role in _ROLES:
            cut = ".interrupted" if item.interrupted else ""
            self._timeline.append(f"{_ROLES[item.role]}{cut}{late}")

    def _speech(self, event: lk.SpeechCreatedEvent) -> None:
        done: list[int] = []
        self._speeches.append((event.speech_handle, event.user_initiated, len(self._timeline), done))
        event.speech_handle.add_done_callback(lambda _speech: done.append(len(self._timeline)))

    def _turns_of(self, speech: SpeechHandle, by_host: bool, created: int, done: list[int]) -> int:
        """Return the most turns that a speech can be: one, or one a step where the caller spoke in between."""
        if not speech.scheduled:
            return 0
        during = self._timeline[created : done[0] if done else None]
        asked = sum(one.startswith("user") for one in during)
        return speech.num_steps if asked > (0 if by_host else 1) else 1

    def _user_state(self, event: lk.UserStateChangedEvent) -> None:
        self._utterances += event.new_state == "speaking"

    def _tool(self, event: lk.ToolExecutionUpdatedEvent) -> None:
        update = event.update
        if update.type == "tool_call_started":
            call = update.function_call
            self._runs.append({"call_id": call.call_id, "name": call.name, "status": None, "output": None})
        elif update.type == "tool_call_ended":
            for run in self._runs:
                if run["call_id"] == update.call_id and run["status"] is None:
                    run.update(status=update.status, output=update.message)
                    break

    def _executed(self, event: lk.FunctionToolsExecutedEvent) -> None:
        for call, output in event.zipped():
            self._answers.append((call.call_id, call.name, output.is_error, output.output))

    def _tools(self) -> Iterable[ToolFacts]:
        unclaimed = list(self._answers)
        for run in self._runs:
            answers = [one for one in unclaimed if one[:2] == (run["call_id"], run["name"])]
            answer = min(answers, key=lambda one: one[2] is (run["status"] == "done"), default=None)
            if answer is not None:
                unclaimed.remove(answer)
            status = "error" if answer is not None and answer[2] and run["status"] == "done" else run["status"]
            output = run["output"] if run["output"] is not None else answer and answer[3]
            yield ToolFacts(name=run["name"], status=status or "open", output=output)
        for call_id, name, is_error, output in unclaimed:
            if is_error or not any(run["call_id"] == call_id for run in self._runs):
                yield ToolFacts(name=name, status="error" if is_error else "done", output=output)

    def _close(self, event: lk.CloseEvent) -> None:
        self._reason = event.reason.value
        self._at_close = _usage(self._session)


def _usage(session: AgentSession[Any]) -> Usage:
    total = Usage()
    for used in session.usage.model_usage:
        match used.type:
            case "llm_usage":
                total += Usage(input_tokens=used.input_tokens, output_tokens=used.output_tokens)
            case "tts_usage":
                total += Usage(tts_characters=used.characters_count, tts_audio_seconds=used.audio_duration)
            case "stt_usage":
                total += Usage(stt_audio_seconds=used.audio_duration)
    return total
