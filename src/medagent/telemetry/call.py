"""Events in, records out: a state machine with no I/O and no clock of its own; its table is in `transitions`."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import replace
from typing import Any, ClassVar

from medagent.outcomes import Outcomes, by_name
from medagent.pricing import PriceList
from medagent.telemetry.agent_turns import AgentTurns, failure
from medagent.telemetry.caller_turns import CallerTurns
from medagent.telemetry.costs import PARTS
from medagent.telemetry.events import (
    AgentHandedOver,
    AgentSpeechCreated,
    AgentSpeechFinished,
    AgentSpeechMarked,
    AgentSpeechPlaying,
    AgentStateChanged,
    AudioStarted,
    CallEnded,
    CallerIdentified,
    CallEvent,
    CallStarted,
    CostUnknown,
    ErrorRaised,
    Gap,
    ModelChanged,
    PartMissing,
    QualitySampled,
    Reconnected,
    ResponseFinished,
    ResponseMeasured,
    ResponseStarted,
    SpeechStarted,
    SpeechStopped,
    SpeechTranscribed,
    StageMeasured,
    StartMeasured,
    TextReceived,
    ToolAnswered,
    ToolEnded,
    ToolRequested,
    ToolStarted,
    TurnDetectionSet,
    UserStateChanged,
    UserTurnCommitted,
    UtteranceMeasured,
)
from medagent.telemetry.exchange import Exchanges
from medagent.telemetry.frame import Frame
from medagent.telemetry.record import Place, Record
from medagent.telemetry.silence import SilenceTracker
from medagent.telemetry.tally import Tally
from medagent.telemetry.tool_runs import ToolRuns
from medagent.telemetry.transitions import TRANSITIONS, Committed, Floor, Settled
from medagent.telemetry.turns import AgentTurn

_OF_RESPONSES = ("realtime", "llm", "tts")
_SUMMARY = ("reason", "outcome", "duration_ms", "user_turns", "agent_turns", "complete", "missing")


class Call:
    """The state of one call; `feed` takes each event as it comes, in any order, and never raises on one."""

    def __init__(
        self,
        started: CallStarted,
        *,
        prices: PriceList,
        policy_name: str,
        policy_version: str,
        outcomes: Outcomes | None = None,
        tool_names: Set[str] = frozenset(),
    ) -> None:
        """Begin a call; `tool_names` are those that the policy has rules for."""
        self._frame = Frame(started, policy_name=policy_name, policy_version=policy_version)
        self._model: tuple[str | None, str | None] | None = None
        if started.mode == "realtime":
            self._model = (started.model, started.provider)
        self._prices = prices
        self._tally = Tally(
            start_ns=started.at_ns,
            has_model=started.mode is not None,
            outcomes={**by_name(outcomes or {}), **by_name(started.outcomes or {})},
        )
        self._silence = SilenceTracker(start_ns=started.at_ns)
        self._unheard = 0
        self._floor = Floor.IDLE
        self._opened = False
        self._last_ns = started.at_ns
        self._seen_events: set[int] = set()
        self._highest_seq: int | None = None
        self._items: set[tuple[type, str]] = set()
        self._out: list[Record] = []
        self._stored: set[str] = set()
        """Keys of the spans that were returned, in their last form or in an earlier one."""
        self._exchanges = Exchanges(self._frame, prices=prices, is_pipeline=started.mode == "pipeline")
        self._caller = CallerTurns(frame=self._frame, tally=self._tally, exchanges=self._exchanges, out=self._emit)
        self._tools = ToolRuns(frame=self._frame, tally=self._tally, out=self._emit, tool_names=tool_names)
        self._agents = AgentTurns(
            frame=self._frame,
            tally=self._tally,
            exchanges=self._exchanges,
            caller=self._caller,
            tools=self._tools,
            silence=self._silence,
            out=self._emit,
        )
        self._agents.model = self._model
        self._turn_of_tool: dict[str, AgentTurn] = {}
        self._answered_ns: int | None = None

    @property
    def ended(self) -> bool:
        """Whether the call's `session.end` has been made."""
        return self._floor is Floor.ENDED

    def with_caller(self, record: Record) -> Record:
        """A record of this call with who is on the line, once that is known."""
        return self._frame.with_caller(record)

    def feed(self, event: CallEvent) -> list[Record]:
        """Take one event; returns the records that it completes, often none."""
        if self.ended or event.seq in self._seen_events:
            return []
        self._out = []
        self._seen_events.add(event.seq)
        if not self._opened:
            self._open()
        self._notice_gap(event.seq)
        self._last_ns = self._silence.now_ns = max(self._last_ns, event.at_ns)
        event = replace(event, at_ns=self._last_ns)  # time that goes backwards stands still
        fill = self._FILL.get(type(event))
        if fill is None or fill(self, event):
            self._step(type(event), event)
        self._follow_silence()
        self._settle(event)
        return [self.with_caller(record) for record in (*self._open_parents(), *self._out)]

    def _open_parents(self) -> list[Record]:
        """Return the provisional spans of open parents: a call that is killed now must not have a span without one."""
        parents: dict[str, Record] = {}
        self._stored |= {record.place.key for record in self._out}
        for place in (place for record in self._out for place in record.parents[1:]):
            if place.key not in self._stored and (record := self._open_record(place)) is not None:
                parents[place.key] = replace(record, final=False)
                self._stored.add(place.key)
        return list(parents.values())

    def _open_record(self, place: Place) -> Record | None:
        turn = next((turn for turn in self._agents.open if turn.place == place), None)
        return self._exchanges.open_record(place) if turn is None else turn.record(clock=self._frame.clock)

    def _emit(self, record: Record) -> None:
        self._out.append(record)

    def _step(self, cause: type, event: Any) -> None:
        transition = TRANSITIONS.get((self._floor, cause))
        if transition is None:
            return
        actions, floor = transition
        for action in actions:
            getattr(self, f"_{action}")(event)
        self._floor = floor

    def _settle(self, event: CallEvent) -> None:
        """Close the speeches that are over; where the caller has spoken, also the responses of no speech."""
        for turn in self._agents.open:
            if turn.speech_id is not None and turn.finished and turn.settled:
                self._agents.close(turn)
        current = self._agents.current
        is_over = current is None or (current.superseded and current.settled)
        if is_over and len(self._agents.open) == (current is not None):
            self._step(Settled, event)

    def _follow_silence(self) -> None:
        if self._caller.unheard > self._unheard:
            self._unheard = self._caller.unheard
            self._silence.caller_unheard()
        agents = self._agents
        self._silence.follow(
            is_busy=bool(agents.unsettled), is_working=agents.is_working, is_asked=self._caller.is_waiting
        )

    # ---- time and order -------------------------------------------------------------------------------------------

    def _notice_gap(self, seq: int) -> None:
        if self._highest_seq is not None and seq > self._highest_seq + 1:
            self._lose(seq - self._highest_seq - 1)
        self._highest_seq = seq if self._highest_seq is None else max(self._highest_seq, seq)

    def _lose(self, count: int) -> None:
        self._tally.events_lost += count
        for open_one in (self._caller.current, *self._agents.open, self._exchanges.current):
            if open_one is not None:
                open_one.incomplete = True
        self._tools.lose()
        self._silence.lose()

    # ---- actions of the table -------------------------------------------------------------------------------------

    def _open(self) -> None:
        self._opened = True
        self._out += self._frame.opening()

    def _open_user(self, event: SpeechStarted) -> None:
        self._agents.is_told, self._answered_ns = False, None
        self._silence.caller_begins()
        self._caller.begin(
            event,
            over=self._agents.unsettled,
            is_audible=self._tally.is_agent_audible,
            caller_silence_ms=self._silence.take_ms("caller_silence"),
        )

    def _close_user(self, event: SpeechStopped) -> None:
        self._silence.caller_stops(self._caller.silence_ms(event))
        self._caller.stop(event, is_audible=self._tally.is_agent_audible)

    def _cut_user(self, event: CallEvent) -> None:
        self._caller.cut(event.at_ns, answered_ns=self._answered_ns, is_end=isinstance(event, CallEnded))

    def _late_user(self, event: SpeechStopped) -> None:
        self._silence.caller_unheard()
        self._caller.stop_unheard(event)

    def _open_agent(self, event: CallEvent) -> None:
        if self._caller.current is not None:
            self._answered_ns = event.at_ns
        self._agents.open_current(event)

    def _join_agent(self, event: CallEvent) -> None:
        if self._agents.current is None:
            self._open_agent(event)

    def _open_speech(self, event: AgentSpeechCreated) -> None:
        self._agents.open_speech(event)

    def _supersede(self, _event: object) -> None:
        if self._agents.current is not None:
            self._agents.current.superseded = True

    def _close_agent(self, _event: object) -> None:
        if self._agents.current is not None:
            self._agents.close(self._agents.current)

    def _close_agents(self, _event: object) -> None:
        for turn in self._agents.open:
            turn.incomplete |= turn.speech_id is not None and not turn.finished
            self._agents.close(turn)

    def _close_tools(self, event: CallEvent) -> None:
        self._tools.close(event.at_ns)

    def _end(self, event: CallEnded) -> None:
        end_ns = event.at_ns
        self._silence.end()
        self._caller.end()
        self._out += self._exchanges.close(None)
        unfinished = self._heard_of(ResponseStarted) - self._heard_of(ResponseFinished)
        if unfinished:
            self._tally.costs.unknown.add("llm" if self._model is None else "realtime")
        totals = {**self._tally.fields(reason=event.reason, end_ns=end_ns), **self._silence.fields()}
        summary = {name: totals[name] for name in _SUMMARY}
        self._out.append(self._frame.marker("session.end", end_ns, totals))
        self._out.append(self._frame.session(end_ns=end_ns, summary={**summary, "quality": self._tally.quality()}))

    # ---- what events fill in; True lets the event move the floor ---------------------------------------------------

    def _first_of(self, kind: type, identity: str) -> bool:
        known = (kind, identity) in self._items
        self._items.add((kind, identity))
        return not known

    def _heard_of(self, kind: type) -> set[str]:
        return {identity for known, identity in self._items if known is kind}

    def _speech_started(self, event: SpeechStarted) -> bool:
        return self._caller.counts_start(event)

    def _speech_stopped(self, event: SpeechStopped) -> bool:
        return self._caller.counts_stop(event)

    def _committed(self, event: UserTurnCommitted) -> None:
        """The commit of a turn that a speech answers already is told twice."""
        answer = self._agents.speech(event.speech_id, event.at_ns)
        if not event.manual and answer is not None and answer.request is not None:
            self._caller.name(event, answer)
            return
        self._caller.commit(event, answer)
        if answer is not None:
            answer.request = self._caller.request
        if self._caller.current is None and (event.manual or answer is None):
            self._step(Committed, event)

    def _transcribed(self, event: SpeechTranscribed) -> None:
        self._caller.transcribed(event)

    def _text(self, event: TextReceived) -> None:
        self._agents.text(event)

    def _speech_created(self, event: AgentSpeechCreated) -> bool:
        return self._first_of(AgentSpeechCreated, event.speech_id)

    def _speech_playing(self, event: AgentSpeechPlaying) -> None:
        self._agents.play(event)

    def _speech_marked(self, event: AgentSpeechMarked) -> None:
        self._agents.mark(event)

    def _speech_finished(self, event: AgentSpeechFinished) -> None:
        self._agents.finish(event)

    def _handed_over(self, event: AgentHandedOver) -> None:
        """The tool that waits for an agent task waits under the turn that it was called in."""
        self._agents.agent = self._caller.agent = event.new
        if event.old is not None:
            self._out.append(self._frame.handoff(event.at_ns, old=event.old, new=event.new))
            self._tally.handoffs += 1
        if event.call_id is not None:
            run = self._tools.wait(event.call_id, event.at_ns)
            if run is not None and run.turn is not None:
                self._agents.suspend(run.turn, event.at_ns)

    def _response_started(self, event: ResponseStarted) -> None:
        if not self._first_of(ResponseStarted, event.response_id):
            return
        turn = self._agents.speech(event.speech_id, event.at_ns)
        if turn is None:
            self._step(ResponseStarted, event)
            turn = self._agents.current
        if turn is not None:
            self._agents.respond(event, turn)

    def _turn_of(self, event: AudioStarted | ToolRequested | ResponseFinished) -> AgentTurn | None:
        """The turn of a response; one whose beginning was lost begins here, incomplete."""
        if event.response_id not in self._agents.of_response:
            self._response_started(ResponseStarted(seq=-1, at_ns=event.at_ns, response_id=event.response_id))
            if (turn := self._agents.of_response.get(event.response_id)) is not None:
                turn.incomplete = True
        return self._agents.of_response.get(event.response_id)

    def _audio_started(self, event: AudioStarted) -> None:
        turn = self._turn_of(event)
        if turn is not None and self._first_of(AudioStarted, event.response_id):
            self._agents.audio(turn, event.response_id, event.at_ns)

    def _tool_requested(self, event: ToolRequested) -> None:
        turn = self._turn_of(event)
        if turn is not None and self._first_of(ToolRequested, f"{event.response_id}/{event.call_id}"):
            turn.tool_calls += 1
            turn.step(event.response_id).calls_tool = True
            self._tally.tools_requested.add(event.call_id)
            if not turn.closed and not self._tools.has_run(event.call_id):
                self._turn_of_tool[event.call_id] = turn
                turn.requested.add(event.call_id)

    def _response_finished(self, event: ResponseFinished) -> None:
        turn = self._turn_of(event)
        if turn is None or not self._first_of(ResponseFinished, event.response_id):
            return
        turn.open_responses.discard(event.response_id)
        turn.last_ns = max(turn.last_ns, event.at_ns)
        turn.status = event.status
        turn.cancelled += event.status == "cancelled"
        if event.status == "cancelled" and turn.speech_id is None and not turn.closed:
            turn.interrupted = True
            if turn.first_sound_ns is not None:
                self._caller.interrupted(turn)
        if not event.measured_apart:
            self._bill(turn, event)
        if event.status == "failed":
            turn.failed_ns, self._agents.is_told = None if self._agents.is_told else event.at_ns, False
            source = "session" if event.measured_apart or turn.model is None else "realtime"
            turn.error = failure(event.error_type or "response_failed", event.error_status, source=source)

    def _bill(self, turn: AgentTurn | None, event: ResponseFinished | ResponseMeasured) -> None:
        """Count tokens and cost of a response of a realtime model, whose model is the response's own."""
        model = self._model if event.model is None else (event.model, event.provider)
        if model is None or (event.usage is None and isinstance(event, ResponseFinished) and event.status == "failed"):
            return
        cost_usd = self._prices.realtime_cost(model[0], event.usage)
        self._tally.response(event.usage, cost_usd, model=model[0], provider=model[1])
        if turn is not None:
            turn.model = model
            turn.bill.add(event.usage, cost_usd)

    def _response_measured(self, event: ResponseMeasured) -> None:
        """Usage that comes when the turn is closed is the call's alone."""
        if self._first_of(ResponseMeasured, event.key):
            self._bill(self._agents.last_of_model, event)

    def _model_changed(self, event: ModelChanged) -> None:
        """Turns that begin from here on are the new model's; what a pipeline left open is closed."""
        self._frame.change_model(event)
        self._tally.has_model |= event.mode is not None
        self._model = self._agents.model = (event.model, event.provider) if event.mode == "realtime" else None
        is_idle = not self._agents.open and self._caller.current is None
        if self._exchanges.is_pipeline and event.mode != "pipeline" and is_idle:
            self._out += self._exchanges.close(None)
        self._exchanges.is_pipeline = event.mode == "pipeline"

    def _part_missing(self, event: PartMissing) -> None:
        self._tally.parts_missing.add(event.part)
        if event.part in PARTS:
            self._tally.costs.unknown.add(event.part)

    def _cost_unknown(self, event: CostUnknown) -> None:
        self._tally.costs.unknown.add(event.part)

    def _tool_started(self, event: ToolStarted) -> None:
        turn = self._turn_of_tool.pop(event.call_id, None)
        self._tools.start(event, self._agents.last if turn is None or turn.closed else turn)

    def _tool_ended(self, event: ToolEnded) -> None:
        self._tools.end(event)

    def _tool_answered(self, event: ToolAnswered) -> None:
        self._tools.answer(event, self._turn_of_tool.pop(event.call_id, self._agents.last))

    def _agent_state(self, event: AgentStateChanged) -> None:
        is_audible = event.new == "speaking"
        self._silence.agent_state(is_audible=is_audible)
        self._tally.is_agent_audible = is_audible
        self._caller.audible(event.at_ns, is_audible=is_audible)
        if not is_audible:
            self._agents.silent()
        turn = self._agents.current
        if turn is not None and (is_audible or turn.audible):
            turn.last_ns = max(turn.last_ns, event.at_ns)
            turn.audible = is_audible

    def _user_state(self, event: UserStateChanged) -> None:
        self._tally.user_state(event)
        if event.new == "away":
            self._caller.give_up()

    def _error(self, event: ErrorRaised) -> None:
        """An error counts once: it may tell of a response that failed already, or of one that will be seen to fail."""
        fields, turn = self._tally.error(event), self._agents.last
        if event.source in _OF_RESPONSES:
            self._agents.is_told = turn is None or turn.failed_ns is None
            self._agents.fail()
            if turn is not None:
                turn.failed_ns = None
        if turn is not None and not turn.settled:
            turn.error = fields

    def _utterance(self, event: UtteranceMeasured) -> None:
        self._exchanges.measured(event)

    def _stage(self, event: StageMeasured) -> None:
        if self._first_of(StageMeasured, f"{event.stage}.{event.key}"):
            identity = event.response_id or ""
            turn = self._agents.of_response.get(identity) or self._agents.of_speech.get(identity)
            record, cost_usd = self._exchanges.stage(event, turn)
            self._tally.stage(event, cost_usd)
            self._out.append(record)

    def _reconnected(self, event: Reconnected) -> bool:
        self._tally.reconnect(event.at_ns)
        self._agents.reconnect(event.at_ns)
        is_cut = self._caller.reconnect(event.at_ns)
        if is_cut:
            self._silence.caller_lost()
        return is_cut

    def _ready(self, event: StartMeasured) -> None:
        self._tally.ready = self._tally.ready or event

    def _sample(self, event: QualitySampled) -> None:
        self._tally.sample(event)

    def _gap(self, event: Gap) -> None:
        self._lose(event.lost)

    def _identified(self, event: CallerIdentified) -> None:
        self._frame.identify(event)

    def _turn_detection(self, event: TurnDetectionSet) -> None:
        self._caller.detect(event)

    _FILL: ClassVar[dict[type, Callable[[Any, Any], bool | None]]] = {
        CallerIdentified: _identified,
        ModelChanged: _model_changed,
        PartMissing: _part_missing,
        CostUnknown: _cost_unknown,
        ResponseMeasured: _response_measured,
        TurnDetectionSet: _turn_detection,
        SpeechStarted: _speech_started,
        SpeechStopped: _speech_stopped,
        UserTurnCommitted: _committed,
        SpeechTranscribed: _transcribed,
        TextReceived: _text,
        AgentSpeechCreated: _speech_created,
        AgentSpeechPlaying: _speech_playing,
        AgentSpeechMarked: _speech_marked,
        AgentSpeechFinished: _speech_finished,
        AgentHandedOver: _handed_over,
        ResponseStarted: _response_started,
        AudioStarted: _audio_started,
        ToolRequested: _tool_requested,
        ResponseFinished: _response_finished,
        ToolStarted: _tool_started,
        ToolEnded: _tool_ended,
        ToolAnswered: _tool_answered,
        UserStateChanged: _user_state,
        AgentStateChanged: _agent_state,
        UtteranceMeasured: _utterance,
        StageMeasured: _stage,
        ErrorRaised: _error,
        Reconnected: _reconnected,
        StartMeasured: _ready,
        QualitySampled: _sample,
        Gap: _gap,
    }
