"""The caller's turns, whoever heard them: the provider's server, LiveKit's session, the host's commit, a keyboard."""

from __future__ import annotations

from collections.abc import Callable

from medagent.telemetry.events import (
    Detection,
    SpeechStarted,
    SpeechStopped,
    SpeechTranscribed,
    TextReceived,
    TurnDetectionSet,
    TurnEnd,
    TurnSource,
    UserTurnCommitted,
)
from medagent.telemetry.exchange import Exchanges
from medagent.telemetry.frame import Frame
from medagent.telemetry.record import Place, Record
from medagent.telemetry.tally import Tally
from medagent.telemetry.turns import AgentTurn, Request, UserTurn

SAME_TURN_NS = 3_000_000_000
"""A caller who speaks on within this time, before the turn was committed, is still in it."""

_ENDED_BY: dict[Detection | None, TurnEnd] = {
    "server_vad": "silence",
    "semantic_vad": "semantic",
    "vad": "silence",
    "turn_detector": "semantic",
    "stt": "silence",
}


class CallerTurns:
    """The turns of one call's caller and what they wait to be answered; `out` takes the record of each that is over."""

    def __init__(self, *, frame: Frame, tally: Tally, exchanges: Exchanges, out: Callable[[Record], None]) -> None:
        self._frame = frame
        self._tally = tally
        self._exchanges = exchanges
        self._out = out
        self.current: UserTurn | None = None
        self.request: Request | None = None
        self.agent: str | None = None
        self._stopped: UserTurn | None = None
        self._held: list[tuple[UserTurn, set[int]]] = []
        self._overlaps: dict[int, set[int]] = {}
        self._detection: Detection | None = None
        self._is_by_server = False
        self._silence_ms: int | None = None
        self._items: dict[str, str] = {}
        self._replayed: set[str] = set()
        self._unnamed: list[UserTurn] = []
        """Turns that the session heard and that have no message yet; each message of the caller belongs to one turn."""
        self._unheard = 0
        self._opened = 0
        self.has_had_turn = False
        """Whether the caller has finished a turn."""

    # ---- which events count ---------------------------------------------------------------------------------------

    def detect(self, event: TurnDetectionSet) -> None:
        """Take the turn detection in use: only one of server and session counts at a time."""
        if event.detection is not None:
            self._detection = event.detection
            self._is_by_server = event.detection in ("server_vad", "semantic_vad")
        if event.detection == "none":  # another agent listens: what the last one heard waits for no message
            self._unnamed.clear()
        self._silence_ms = event.silence_ms

    def counts_start(self, event: SpeechStarted) -> bool:
        """Whether this begins an utterance: not one that a reconnect brings again, nor one heard twice."""
        if not self._is_source(event.source) or event.item_id in self._replayed:
            return False
        known = self._items.get(event.item_id)
        if known in ("open", "late"):
            self._items[event.item_id] = "ended" if known == "late" else known
            return False
        self._items[event.item_id] = "open"
        return True

    def counts_stop(self, event: SpeechStopped) -> bool:
        """Whether this ends the open utterance, or one whose beginning was lost; one that was cut has ended."""
        if not self._is_source(event.source) or event.item_id in self._replayed:
            return False
        if event.detection is not None:
            self._detection = event.detection
        is_open = self.current is not None and self.current.item_id == event.item_id
        known = self._items.get(event.item_id)
        self._items[event.item_id] = "ended" if is_open or known is not None else "late"
        return is_open or known is None

    def _is_source(self, source: TurnSource) -> bool:
        if source == "server":
            self._is_by_server = True
        return source == "server" or not self._is_by_server

    # ---- an utterance ---------------------------------------------------------------------------------------------

    def begin(self, event: SpeechStarted, *, over: set[int], is_audible: bool, caller_silence_ms: float | None) -> None:
        """The caller begins to speak, or speaks on; `over` are the agent's turns that are not settled."""
        stopped, self._stopped = self._stopped, None
        is_soon = stopped is not None and event.at_ns - (stopped.end_ns or 0) <= SAME_TURN_NS
        if stopped is not None and not stopped.spoken_over and (is_soon or self._detection == "manual"):
            self.current = stopped
            stopped.item_id, stopped.end_ns = event.item_id, None
            self._withdraw()
        else:
            if stopped is not None:
                self._over(stopped)
            self.current = self._new(event.item_id, event.at_ns, source=event.source)
            if event.source == "session":
                self._unnamed.append(self.current)
            self.current.start_audio_ms = event.audio_ms
            self.current.caller_silence_ms = caller_silence_ms
        self._overlaps.setdefault(self.current.index, set()).update(over)
        if is_audible:
            self.current.overlap_begins(event.at_ns)

    def _withdraw(self) -> None:
        if self.request is not None and not self.request.answered:
            self.request.is_over, self.request = True, None

    def _new(self, item_id: str, at_ns: int, *, source: TurnSource, parents: tuple[Place, ...] = ()) -> UserTurn:
        index, self._opened = self._opened, self._opened + 1
        return UserTurn(
            index=index,
            item_id=item_id,
            parents=parents or self._exchanges.stand(at_ns),
            start_ns=at_ns,
            source=source,
            agent=self.agent,
        )

    def stop(self, event: SpeechStopped, *, is_audible: bool) -> None:
        """The caller stopped: the turn is over, or waits for its commit."""
        turn, self.current = self.current, None
        if turn is None:
            return
        turn.spoken_over = is_audible
        self._end(turn, event.at_ns, event.audio_ms)
        self._ask(event)
        if event.tentative:
            turn.committed, self._stopped = False, turn
        else:
            self._over(turn)

    def stop_unheard(self, event: SpeechStopped) -> None:
        """The end of an utterance whose beginning was lost."""
        if self._stopped is not None:
            self._over(self._stopped)
            self._stopped = None
        turn = self._new(event.item_id, event.at_ns, source=event.source)
        turn.start_known, turn.incomplete, self._tally.has_lost_turn = False, True, True
        self._end(turn, event.at_ns, event.audio_ms)
        self._ask(event)
        self._over(turn)

    def _end(self, turn: UserTurn, at_ns: int, audio_ms: int | None) -> None:
        turn.end_ns, turn.end_audio_ms = at_ns, audio_ms
        turn.ended_by = _ENDED_BY.get(self._detection)
        if turn.ended_by is None and turn.source == "server":
            turn.ended_by = "silence"
        turn.overlap_ends(at_ns)

    def _ask(self, event: SpeechStopped) -> None:
        self.has_had_turn = True
        self.request = Request(
            at_ns=event.at_ns,
            start="speech_stopped" if event.source == "server" else "user_state",
            silence_ms=self.silence_ms(event),
        )

    def cut(
        self, at_ns: int, *, by: TurnEnd | None = None, answered_ns: int | None = None, is_end: bool = False
    ) -> None:
        """End the open utterance, whose own end was not heard; `answered_ns`: an answer shows that it ended before.

        `is_end`: the call itself is over, so that nothing of it was missed.
        """
        turn, self.current = self.current, None
        if turn is None:
            return
        turn.incomplete = True
        self._tally.has_lost_turn |= not is_end
        if answered_ns is not None and answered_ns >= turn.start_ns:
            at_ns, turn.end_known = answered_ns, False
        turn.end_ns, turn.ended_by = at_ns, by
        turn.overlap_ends(at_ns)
        self._over(turn)

    def reconnect(self, at_ns: int) -> bool:
        """Close what the lost connection left open; returns whether an utterance was."""
        self._replayed.update(self._items)
        is_cut = self.current is not None and self.current.source == "server"
        if is_cut:
            self.cut(at_ns, by="reconnect")
        return is_cut

    # ---- commits and text -----------------------------------------------------------------------------------------

    def commit(self, event: UserTurnCommitted, answer: AgentTurn | None = None) -> None:
        """LiveKit took what was said for a turn, whose beginning may not have been heard; `answer` is under way."""
        if event.detection is not None:
            self._detection = event.detection
        if event.manual:
            turn, self.current = self.current or self._stopped, None
            if turn is None:
                turn = self._unheard_turn(event.at_ns, answer)
                self._unnamed.append(turn)
        else:
            turn = self._named(is_answered=False)
            if turn is None and (self.current is not None or self.is_waiting):
                self._miss(event.at_ns, answer)
                return
            if turn is not None and turn is not self._stopped:
                return
            turn = turn or self._unheard_turn(event.at_ns, answer)
        if event.manual or not self.is_waiting:
            self.request = Request(at_ns=event.at_ns, start="commit")
        self.has_had_turn = True
        self._items[turn.item_id] = "ended"
        if turn.end_ns is None:
            self._end(turn, event.at_ns, None)
        if event.manual:
            turn.ended_by = "manual"
        self._stopped = turn
        self.accept()

    def name(self, event: UserTurnCommitted, answer: AgentTurn) -> None:
        """The message of what a speech answers came: of the turn that the speech has taken, or of one not heard."""
        turn = self._named(is_answered=True)
        if turn is None:
            self._miss(event.at_ns, answer)
        elif turn is self._stopped:
            self.accept()

    def transcribed(self, event: SpeechTranscribed) -> None:
        """The text of an utterance came: one that the server or the session heard, or one that nobody did."""
        known = event.item_id in self._items
        self._items.setdefault(event.item_id, "ended")
        if known:
            return
        if self._unnamed:
            self._unnamed.pop(0)
        else:
            self._miss(event.at_ns, None)

    def _named(self, *, is_answered: bool) -> UserTurn | None:
        """The turn that a message is of: where a speech answers it the last that was taken, else the last that stopped.

        What was heard before it waits for no message: it was never taken for a turn.
        """
        taken = [turn for turn in self._unnamed if turn.committed and turn is not self.current]
        stopped = [turn for turn in self._unnamed if turn is self._stopped]
        found = (*stopped, *taken) if is_answered else (*taken, *stopped)
        if not found:
            return None
        self._unnamed = self._unnamed[self._unnamed.index(found[-1]) + 1 :]
        return found[-1]

    def _unheard_turn(self, at_ns: int, answer: AgentTurn | None) -> UserTurn:
        self._unheard += 1
        parents = () if answer is None else answer.parents
        turn = self._new(f"unheard_{self._unheard}", at_ns, source="session", parents=parents)
        turn.start_known = False
        return turn

    def _miss(self, at_ns: int, answer: AgentTurn | None) -> None:
        """Only the message of a turn came: when the caller spoke is not known."""
        turn = self._unheard_turn(at_ns, answer)
        turn.end_ns, turn.end_known, turn.incomplete, self._tally.has_lost_turn = at_ns, False, True, True
        self.has_had_turn = True
        self._over(turn)

    def silence_ms(self, event: SpeechStopped) -> int | None:
        """Return the silence in ms that was waited for before an end of speech; None where it is not known."""
        return self._silence_ms if event.source == "server" else event.silence_ms

    def accept(self) -> None:
        """Take what the caller said last for a turn."""
        turn, self._stopped = self._stopped, None
        if turn is not None:
            turn.committed = True
            self._over(turn)

    def give_up(self) -> None:
        """The caller is away: what is said from here on answers nothing that they said before."""
        if self.request is not None and not self.request.answered:
            self.request.is_over = True

    @property
    def unheard(self) -> int:
        """How many turns were committed, or came as text, of which no beginning was heard."""
        return self._unheard

    @property
    def is_waiting(self) -> bool:
        """Whether the caller asked for something that was not answered yet."""
        return self.request is not None and not (self.request.answered or self.request.is_over)

    def text(self, event: TextReceived, answer: AgentTurn | None, *, caller_silence_ms: float | None) -> Request:
        """The caller typed: a turn without sound, which stands with its answer."""
        at_ns = min(event.received_ns, event.at_ns)
        turn = self._new("text", at_ns, source="session", parents=() if answer is None else answer.parents)
        turn.is_typed, turn.end_ns, turn.ended_by = True, at_ns, "typed"
        turn.caller_silence_ms = caller_silence_ms
        self.has_had_turn = True
        self._over(turn)
        self.request = Request(at_ns=at_ns, start="text")
        return self.request

    def end(self) -> None:
        """The call is over: emit all that waits."""
        if self._stopped is not None:
            self._over(self._stopped)
            self._stopped = None
        held, self._held = self._held, []
        for turn, _ in held:
            self._emit(turn)

    # ---- against the agent's turns --------------------------------------------------------------------------------

    def agent_opens(self, turn: AgentTurn) -> None:
        """The agent's turn begins while the caller speaks."""
        if self.current is not None:
            self._overlaps.setdefault(self.current.index, set()).add(turn.index)

    def audible(self, at_ns: int, *, is_audible: bool) -> None:
        """The agent is heard from here on, or no longer."""
        if self.current is not None:
            (self.current.overlap_begins if is_audible else self.current.overlap_ends)(at_ns)

    def interrupted(self, turn: AgentTurn) -> None:
        """The agent's turn was interrupted by the caller: the last utterance over it did so."""
        held = [one for one, _ in reversed(self._held)]
        for user in (self.current, self._stopped, *held):
            if user is not None and turn.index in self._overlaps.get(user.index, ()):
                user.interrupted_agent = True
                return

    def agent_closed(self, turn: AgentTurn) -> None:
        """An agent's turn is over: what waited to know whether it was interrupted is emitted."""
        for over in self._overlaps.values():
            over.discard(turn.index)
        held, self._held = self._held, []
        for user, over in held:
            if over:
                self._held.append((user, over))
            else:
                self._emit(user)

    def _over(self, turn: UserTurn) -> None:
        over = self._overlaps.get(turn.index)
        self._exchanges.heard(turn, turn.end_ns or turn.start_ns)
        if over:
            self._held.append((turn, over))
        else:
            self._emit(turn)

    def _emit(self, turn: UserTurn) -> None:
        self._overlaps.pop(turn.index, None)
        self._tally.user_turn(turn)
        self._out(turn.record(clock=self._frame.clock))
