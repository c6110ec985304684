"""The agent's turns: one for each speech of the framework, or, without one, one for the responses of a provider."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from medagent.telemetry.caller_turns import CallerTurns
from medagent.telemetry.events import (
    AgentSpeechCreated,
    AgentSpeechFinished,
    AgentSpeechMarked,
    AgentSpeechPlaying,
    ResponseStarted,
    TextReceived,
)
from medagent.telemetry.exchange import Exchanges
from medagent.telemetry.frame import Frame
from medagent.telemetry.record import Place, Record
from medagent.telemetry.silence import SilenceTracker
from medagent.telemetry.tally import Tally
from medagent.telemetry.tool_runs import ToolRuns
from medagent.telemetry.turns import AgentTurn, Request

LONGEST_WAIT_NS = 15_000_000_000
"""Longest wait for an answer; LiveKit reports the caller as away after the same time."""

Model = tuple[str | None, str | None]


class AgentTurns:
    """The agent's turns of one call; `out` takes the record of each that is over.

    `current` is the turn of the responses that belong to no speech; every speech has a turn of its own.
    """

    def __init__(
        self,
        *,
        frame: Frame,
        tally: Tally,
        exchanges: Exchanges,
        caller: CallerTurns,
        tools: ToolRuns,
        silence: SilenceTracker,
        out: Callable[[Record], None],
    ) -> None:
        self._frame = frame
        self._tally = tally
        self._exchanges = exchanges
        self._caller = caller
        self._tools = tools
        self._silence = silence
        self._out = out
        self.model: Model | None = None
        self.agent: str | None = None
        self.current: AgentTurn | None = None
        self.of_response: dict[str, AgentTurn] = {}
        self.of_speech: dict[str, AgentTurn] = {}
        self._speeches: dict[str, AgentTurn] = {}
        self._created: dict[str, AgentSpeechCreated] = {}
        self._suspended: set[str] = set()
        self._playing: AgentTurn | None = None
        self._failed_since: Request | None = None
        self._opened = 0
        self.is_told = False
        """An error was raised of a response, or a speech, that is yet to be seen to fail."""

    @property
    def open(self) -> list[AgentTurn]:
        """The turns that are not over, oldest first."""
        return sorted(
            [*self._speeches.values(), *([] if self.current is None else [self.current])], key=lambda turn: turn.index
        )

    @property
    def unsettled(self) -> set[int]:
        """The indexes of the turns of which more is to be expected."""
        return {turn.index for turn in self.open if not turn.settled}

    @property
    def is_working(self) -> bool:
        """Whether a response or a tool of an open turn is at work, or was asked for."""
        return any(turn.open_responses or turn.open_tools or turn.requested for turn in self.open)

    @property
    def last(self) -> AgentTurn | None:
        """The newest turn that is not over."""
        return self.open[-1] if self.open else None

    @property
    def last_of_model(self) -> AgentTurn | None:
        """The newest open turn of a realtime model."""
        return next((turn for turn in reversed(self.open) if turn.model is not None), None)

    # ---- beginning ------------------------------------------------------------------------------------------------

    def open_current(self, event: Any) -> None:
        """A response of no speech opens a turn."""
        kind, request = self._purpose_of_response(event.at_ns)
        self.current = self._open(event.at_ns, kind=kind, request=request, agent=self.agent, model=self.model)

    def _purpose_of_response(self, at_ns: int) -> tuple[str, Request | None]:
        request = self._waiting()
        if request is not None:
            if at_ns - request.at_ns <= LONGEST_WAIT_NS:
                return "reply", request
            request.is_over = True
            return "proactive", None
        asked = self._caller.request
        if asked is not None and asked.is_over:
            return "proactive", None
        return ("reply" if self._caller.has_had_turn or self._caller.current is not None else "greeting"), None

    def open_speech(self, event: AgentSpeechCreated) -> None:
        """The framework will say something: a turn of its own."""
        if event.speech_id in self._created:
            return
        self._created[event.speech_id] = event
        self._take(event.speech_id, self._open_speech(event, event.at_ns))

    def _open_speech(self, event: AgentSpeechCreated, at_ns: int) -> AgentTurn:
        if event.initiator != "host":
            self._caller.accept()
        kind, request, awaited = self._purpose(event, at_ns)
        turn = self._open(
            at_ns,
            kind=kind,
            request=request,
            agent=event.agent or self.agent,
            model=self.model if event.generated else None,
            awaited=awaited,
        )
        turn.speech_id, turn.generated = event.speech_id, event.generated
        return turn

    def _waiting(self) -> Request | None:
        request = self._caller.request
        return None if request is None or request.answered or request.is_over else request

    def _purpose(self, event: AgentSpeechCreated, at_ns: int) -> tuple[str, Request | None, AgentTurn | None]:
        """Return the kind of a speech, the request that it answers, and the turn that is awaited meanwhile."""
        request = self._waiting()
        if event.purpose is not None:
            return event.purpose, request if event.purpose == "reply" else None, None
        if event.initiator != "host":
            is_reply = event.initiator == "turn" or request is not None or self._caller.has_had_turn
            return ("reply" if is_reply else "greeting"), request, None
        busy = [turn for turn in self.open if turn.request is not None and not turn.finished]
        if event.in_tool:
            return "filler", None, busy[-1] if busy else None
        if not self._caller.has_had_turn:
            return "greeting", None, None
        if request is None:
            return "proactive", None, None
        if not event.generated and self._failed_since is request:
            return "apology", None, None
        if busy and busy[-1].request is request:
            return "filler", None, busy[-1]
        if at_ns - request.at_ns <= LONGEST_WAIT_NS:
            self._caller.accept()
            return "reply", request, None
        request.is_over = True
        return "proactive", None, None

    def _open(
        self,
        at_ns: int,
        *,
        kind: str,
        request: Request | None,
        agent: str | None,
        model: Model | None,
        awaited: AgentTurn | None = None,
    ) -> AgentTurn:
        index, self._opened = self._opened, self._opened + 1
        start_ns = at_ns if request is None else min(at_ns, request.at_ns)
        asked = self._caller.request
        parents = awaited.parents if awaited is not None else self._exchanges.stand(start_ns, answer=index)
        start_us = max(parents[-1].start_us, self._frame.clock(start_ns))
        turn = AgentTurn(
            index=index,
            place=Place(key=f"agent_turn.{index}", start_us=start_us),
            parents=parents,
            kind=kind,
            start_ns=start_ns,
            last_ns=at_ns,
            request=request,
            agent=agent,
            model=model,
        )
        if kind == "greeting":
            turn.since_ns = self._frame.started.at_ns
        elif kind in ("filler", "apology", "hold", "disclosure") and asked is not None:
            turn.since_ns = asked.at_ns
        if awaited is not None:
            self._exchanges.join(index, awaited.index)
            awaited.filled_by.append(turn)
        self._caller.agent_opens(turn)
        return turn

    def speech(self, speech_id: str | None, at_ns: int) -> AgentTurn | None:
        """The turn of a speech; one that goes on after an agent task has another."""
        if speech_id is None:
            return None
        turn, event = self._speeches.get(speech_id), self._created.get(speech_id)
        if turn is None and event is not None and speech_id in self._suspended:
            self._suspended.discard(speech_id)
            turn = self._go_on(event, at_ns)
            self._take(speech_id, turn)
        return turn

    def _take(self, speech_id: str, turn: AgentTurn) -> None:
        self._speeches[speech_id] = self.of_speech[speech_id] = turn

    def _go_on(self, event: AgentSpeechCreated, at_ns: int) -> AgentTurn:
        turn = self._open(
            at_ns, kind="reply", request=self._waiting(), agent=event.agent, model=self.model, awaited=None
        )
        turn.speech_id, turn.generated = event.speech_id, event.generated
        return turn

    # ---- what belongs to a turn -----------------------------------------------------------------------------------

    def respond(self, event: ResponseStarted, turn: AgentTurn) -> None:
        """Add a response to its turn."""
        turn.responses += 1
        turn.open_responses.add(event.response_id)
        turn.step(event.response_id)
        turn.model = turn.model or self.model
        turn.last_ns = max(turn.last_ns, event.at_ns)
        self.of_response[event.response_id] = turn

    def audio(self, turn: AgentTurn, response_id: str, at_ns: int) -> None:
        """The first audio of a response arrived; behind another speech it is heard later."""
        if self._playing is None or self._playing is turn:
            self._sound(turn, response_id, at_ns)

    def play(self, event: AgentSpeechPlaying) -> None:
        """The first frame of a step of a speech was given to the session's output."""
        turn = self.speech(event.speech_id, event.at_ns)
        if turn is None:
            return
        if not event.audio:
            turn.written = True
            self._silence.lose()  # what is written ends no silence
            return
        turn.add_dead_air(self._silence.take_ms("dead_air"))
        self._playing, turn.played = turn, True
        key = turn.steps[-1].key if turn.responses and turn.steps else event.step
        if turn.step(key).first_sound_ns is None:
            self._sound(turn, key, event.at_ns)

    def silent(self) -> None:
        """The agent is heard no longer."""
        self._playing = None

    def _sound(self, turn: AgentTurn, key: str | int, at_ns: int) -> None:
        step = turn.step(key)
        if step.first_sound_ns is not None:
            return
        step.first_sound_ns = at_ns
        self._tally.sound(at_ns)
        turn.last_ns = max(turn.last_ns, at_ns)
        for request in (self._caller.request, turn.request):
            if request is not None and request.first_sound_ns is None and at_ns >= request.at_ns:
                request.first_sound_ns = at_ns
        if turn.kind == "reply" and turn.request is not None:
            turn.request.answered = True

    def mark(self, event: AgentSpeechMarked) -> None:
        """Take what the host declared a speech to be for."""
        turn = self._speeches.get(event.speech_id)
        if turn is None or turn.kind == event.purpose:
            return
        if event.purpose == "reply":
            turn.request = turn.request or self._waiting()
        elif turn.request is not None:
            turn.request.answered, turn.request = False, None
        if event.purpose != "reply" and self._caller.request is not None:
            turn.since_ns = self._caller.request.at_ns
        turn.kind = event.purpose

    def text(self, event: TextReceived) -> None:
        """The caller typed what a speech answers."""
        turn = None if event.speech_id is None else self._speeches.get(event.speech_id)
        self._silence.caller_writes(event.received_ns)
        request = self._caller.text(event, turn, caller_silence_ms=self._silence.take_ms("caller_silence"))
        if turn is None:
            return
        heard_ns = turn.first_sound_ns
        turn.kind, turn.request, turn.since_ns = "reply", request, None
        if heard_ns is not None and heard_ns >= request.at_ns:
            request.answered, request.first_sound_ns = True, heard_ns

    def fail(self) -> None:
        """A model or a voice failed while the caller waits."""
        self._failed_since = self._waiting()

    # ---- end ------------------------------------------------------------------------------------------------------

    def finish(self, event: AgentSpeechFinished) -> None:
        """A speech is over; its turn is, as soon as its responses are."""
        self._suspended.discard(event.speech_id)
        turn = self._speeches.get(event.speech_id)
        if turn is None:
            return
        turn.finished, turn.interrupted = True, event.interrupted
        turn.last_ns = max(turn.last_ns, event.at_ns)
        if event.interrupted:
            self._drop_unheard(turn)
            if event.by_caller and turn.first_sound_ns is not None:
                self._caller.interrupted(turn)
        if event.error_type is not None and not turn.error:
            turn.failed_ns, self.is_told = None if self.is_told else event.at_ns, False
            turn.error = failure(event.error_type, event.error_status, source="session")
        if not turn.responses:
            turn.responses = event.step if turn.generated else 0
            turn.status = "failed" if event.error_type else "cancelled" if event.interrupted else "completed"
            turn.cancelled = int(turn.status == "cancelled" and turn.generated)
        if not turn.played and not turn.responses and not event.interrupted:
            turn.requested.clear()

    def _drop_unheard(self, turn: AgentTurn) -> None:
        """Remove the first sound of steps that never reached the output."""
        if turn.played:
            return
        for step in turn.steps:
            for request in (self._caller.request, turn.request):
                if request is not None and request.first_sound_ns == step.first_sound_ns:
                    request.first_sound_ns = None
            step.first_sound_ns = None
        if turn.request is not None:
            turn.request.answered = False

    def suspend(self, turn: AgentTurn, at_ns: int) -> None:
        """An agent task takes over within a tool: what the speech has said so far is a turn, what follows another."""
        if turn.speech_id is None or turn.speech_id not in self._speeches:
            return
        if not turn.responses:
            turn.responses, turn.status = int(turn.generated), "completed"
        turn.open_tools.clear()
        turn.last_ns = max(turn.last_ns, at_ns)
        self._suspended.add(turn.speech_id)
        self.close(turn)

    def reconnect(self, at_ns: int) -> None:
        """Close the responses that the lost connection left open."""
        for turn in self.open:
            lost = len(turn.open_responses)
            if lost:
                turn.lost_responses += lost
                turn.open_responses.clear()
                turn.incomplete, turn.status = True, "incomplete"
                turn.last_ns = max(turn.last_ns, at_ns)
            if turn is self.current and not turn.open_tools:
                turn.superseded = True

    def close(self, turn: AgentTurn) -> None:
        """Emit a turn that is over, with what was said while it was awaited."""
        if turn is self.current:
            self.current = None
        elif turn.speech_id is not None:
            self._speeches.pop(turn.speech_id, None)
        if self._playing is turn:
            self._playing = None
        turn.add_dead_air(self._silence.take_ms("dead_air"))
        self._answer_by_filler(turn)
        self._tools.flush(turn)
        self._caller.agent_closed(turn)
        turn.closed = True
        if not any(turn in awaited.filled_by for awaited in self.open):
            self._emit(turn)
        for filler in turn.filled_by:
            if filler.closed:
                self._emit(filler)

    def _emit(self, turn: AgentTurn) -> None:
        self._tally.agent_turn(turn)
        if turn.failed_ns is not None:
            self._tally.note(turn.error, turn.failed_ns)
        self._out(turn.record(clock=self._frame.clock))
        for record in self._exchanges.close(turn):
            self._out(record)

    def _answer_by_filler(self, turn: AgentTurn) -> None:
        """A tool that spoke by itself, and asked for no reply, has answered."""
        if turn.kind != "reply" or turn.request is None or turn.answer_ns() is not None:
            return
        if turn.interrupted or turn.is_incomplete or turn.reply_expected or not turn.tool_calls:
            return
        for filler in reversed(turn.filled_by):
            if filler.kind == "filler" and not filler.interrupted:
                filler.kind, filler.request = "reply", turn.request
                filler.request.answered = filler.first_sound_ns is not None
                return


def failure(error_type: str, error_status: int | None, *, source: str) -> dict[str, object]:
    """Return the fields of an error of which the message is not known."""
    return {
        "error_type": error_type,
        **({} if error_status is None else {"error_status": error_status}),
        "error_message": None,
        "error_source": source,
        "error_recoverable": True,
    }
