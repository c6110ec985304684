"""Events in, records out: a state machine with no I/O and no clock of its own; its table is in `transitions`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

from medagent.pricing import PriceList
from medagent.telemetry.costs import PARTS
from medagent.telemetry.events import (
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
    StageMeasured,
    ToolEnded,
    ToolRequested,
    ToolStarted,
    TurnDetectionSet,
    UserStateChanged,
    UtteranceMeasured,
)
from medagent.telemetry.exchange import Exchanges
from medagent.telemetry.frame import Frame
from medagent.telemetry.record import Place, Record
from medagent.telemetry.tally import Tally
from medagent.telemetry.transitions import TRANSITIONS, Floor, Settled
from medagent.telemetry.turns import AgentTurn, ToolRun, UserTurn, milliseconds

_OF_RESPONSES = ("realtime", "llm", "tts")
_SUMMARY = ("reason", "outcome", "duration_ms", "user_turns", "agent_turns", "complete", "missing")


class Call:
    """The state of one call; `feed` takes each event as it comes, in any order, and never raises on one."""

    def __init__(self, started: CallStarted, *, prices: PriceList, policy_name: str, policy_version: str) -> None:
        self._frame = Frame(started, policy_name=policy_name, policy_version=policy_version)
        self._model: tuple[str | None, str | None] | None = None
        if started.mode == "realtime":
            self._model = (started.model, started.provider)
        self._prices = prices
        self._tally = Tally(start_ns=started.at_ns, has_model=started.mode is not None)
        self._floor = Floor.IDLE
        self._opened = False
        self._last_ns = started.at_ns
        self._seen_events: set[int] = set()
        self._highest_seq: int | None = None
        self._items: set[tuple[type, str]] = set()
        self._user: UserTurn | None = None
        self._agent: AgentTurn | None = None
        self._exchanges = Exchanges(self._frame, prices=prices, is_pipeline=started.mode == "pipeline")
        self._tools: dict[str, ToolRun] = {}
        self._tools_seen: set[str] = set()
        self._turn_of_response: dict[str, AgentTurn] = {}
        self._turn_of_tool: dict[str, AgentTurn] = {}
        self._unanswered_ns: int | None = None
        self._is_told = False
        self._silence_ms: int | None = None
        self._out: list[Record] = []

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
        self._last_ns = max(self._last_ns, event.at_ns)
        event = replace(event, at_ns=self._last_ns)  # time that goes backwards stands still
        fill = self._FILL.get(type(event))
        if fill is None or fill(self, event):
            self._step(type(event), event)
        if self._agent is not None and self._agent.superseded and self._agent.settled:
            self._step(Settled, event)
        return [self.with_caller(record) for record in self._out]

    def _step(self, cause: type, event: Any) -> None:
        transition = TRANSITIONS.get((self._floor, cause))
        if transition is None:
            return
        actions, floor = transition
        for action in actions:
            getattr(self, f"_{action}")(event)
        self._floor = floor

    # ---- time and order -------------------------------------------------------------------------------------------

    def _notice_gap(self, seq: int) -> None:
        if self._highest_seq is not None and seq > self._highest_seq + 1:
            self._lose(seq - self._highest_seq - 1)
        self._highest_seq = seq if self._highest_seq is None else max(self._highest_seq, seq)

    def _lose(self, count: int) -> None:
        self._tally.events_lost += count
        for open_one in (self._user, self._agent, self._exchanges.current, *self._tools.values()):
            if open_one is not None:
                open_one.incomplete = True

    # ---- actions of the table -------------------------------------------------------------------------------------

    def _open(self) -> None:
        self._opened = True
        self._out += self._frame.opening()

    def _open_user(self, event: SpeechStarted) -> None:
        self._is_told = False
        interrupts = self._agent is not None and not self._agent.settled
        self._user = UserTurn(
            index=self._tally.user_turns,
            item_id=event.item_id,
            parents=self._exchanges.stand(event.at_ns),
            start_ns=event.at_ns,
            start_audio_ms=event.audio_ms,
            interrupted_agent=interrupts,
        )
        self._tally.user_turns += 1

    def _finish_user(self, end_ns: int, end_audio_ms: int | None) -> None:
        if self._user is not None:
            turn, self._user = self._user, None
            self._out.append(turn.record(end_ns, end_audio_ms=end_audio_ms, clock=self._frame.clock))
            self._exchanges.heard(turn, end_ns)

    def _close_user(self, event: SpeechStopped) -> None:
        self._finish_user(event.at_ns, event.audio_ms)
        self._unanswered_ns = event.at_ns

    def _cut_user(self, event: CallEvent) -> None:
        if self._user is not None:
            self._user.incomplete = True
            self._finish_user(event.at_ns, None)

    def _late_user(self, event: SpeechStopped) -> None:
        self._user = UserTurn(
            index=self._tally.user_turns,
            item_id=event.item_id,
            parents=self._exchanges.stand(event.at_ns),
            start_ns=event.at_ns,
            start_known=False,
            incomplete=True,
        )
        self._tally.user_turns += 1
        self._close_user(event)

    def _open_agent(self, event: CallEvent) -> None:
        index = self._tally.agent_turns
        stopped_ns, self._unanswered_ns = self._unanswered_ns, None
        start_ns = event.at_ns if stopped_ns is None else stopped_ns
        self._agent = AgentTurn(
            index=index,
            place=Place(key=f"agent_turn.{index}", start_us=self._frame.clock(start_ns)),
            parents=self._exchanges.stand(start_ns, answer=index),
            kind="reply" if self._tally.user_turns else "greeting",
            start_ns=start_ns,
            last_ns=event.at_ns,
            stopped_ns=stopped_ns,
            model=self._model,
        )

    def _supersede(self, event: CallEvent) -> None:
        if self._agent is not None:
            self._agent.superseded = True
            if not self._agent.settled and isinstance(event, SpeechStarted):
                self._agent.interrupted = True
                self._agent.last_ns = max(self._agent.last_ns, event.at_ns)

    def _close_agent(self, _event: object) -> None:
        if self._agent is not None:
            turn, self._agent = self._agent, None
            self._tally.agent_turn(turn)
            if turn.failed_ns is not None:
                self._tally.note(turn.error, turn.failed_ns)
            self._out.append(turn.record(clock=self._frame.clock, silence_ms=self._silence_ms))
            self._out += self._exchanges.close(turn)

    def _close_tools(self, event: CallEvent) -> None:
        for run in list(self._tools.values()):
            run.incomplete = True
            self._finish_tool(run, event.at_ns, status="cancelled", output=None)

    def _end(self, event: CallEnded) -> None:
        end_ns = event.at_ns
        self._out += self._exchanges.close(None)
        unfinished = self._heard_of(ResponseStarted) - self._heard_of(ResponseFinished)
        if unfinished:
            self._tally.costs.unknown.add("llm" if self._model is None else "realtime")
        totals = self._tally.fields(reason=event.reason, end_ns=end_ns)
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
        return self._first_of(SpeechStarted, event.item_id) and (SpeechStopped, event.item_id) not in self._items

    def _speech_stopped(self, event: SpeechStopped) -> bool:
        """The end of the open utterance, or of one whose beginning was lost; one that was cut has ended."""
        is_open = self._user is not None and self._user.item_id == event.item_id
        began = (SpeechStarted, event.item_id) in self._items
        return self._first_of(SpeechStopped, event.item_id) and (is_open or not began)

    def _response_started(self, event: ResponseStarted) -> bool:
        if not self._first_of(ResponseStarted, event.response_id):
            return False
        self._step(ResponseStarted, event)
        if self._agent is not None:
            self._agent.responses += 1
            self._agent.open_responses.add(event.response_id)
            self._agent.last_ns = max(self._agent.last_ns, event.at_ns)
            self._turn_of_response[event.response_id] = self._agent
        return False

    def _turn_of(self, event: AudioStarted | ToolRequested | ResponseFinished) -> AgentTurn | None:
        """The turn of a response; one whose beginning was lost begins here, incomplete."""
        if event.response_id not in self._turn_of_response:
            self._response_started(ResponseStarted(seq=-1, at_ns=event.at_ns, response_id=event.response_id))
            if self._agent is not None:
                self._agent.incomplete = True
        return self._turn_of_response.get(event.response_id)

    def _audio_started(self, event: AudioStarted) -> bool:
        turn = self._turn_of(event)
        if turn is not None and self._first_of(AudioStarted, event.response_id):
            if turn.first_audio_ns is None:
                turn.first_audio_ns = event.at_ns
            turn.last_ns = max(turn.last_ns, event.at_ns)
        return False

    def _tool_requested(self, event: ToolRequested) -> bool:
        turn = self._turn_of(event)
        if turn is not None and self._first_of(ToolRequested, event.call_id):
            turn.tool_calls += 1
            self._turn_of_tool[event.call_id] = turn
            self._tally.tools_requested.add(event.call_id)
            if turn is self._agent and event.call_id not in self._tools_seen:
                turn.open_tools.add(event.call_id)
        return False

    def _response_finished(self, event: ResponseFinished) -> bool:
        turn = self._turn_of(event)
        if turn is None or not self._first_of(ResponseFinished, event.response_id):
            return False
        turn.open_responses.discard(event.response_id)
        turn.last_ns = max(turn.last_ns, event.at_ns)
        turn.status = event.status
        turn.cancelled += event.status == "cancelled"
        if not event.measured_apart:
            self._bill(turn, event)
        if event.status == "failed":
            turn.failed_ns, self._is_told = None if self._is_told else event.at_ns, False
            turn.error = {
                "error_type": event.error_type or "response_failed",
                **({} if event.error_status is None else {"error_status": event.error_status}),
                "error_message": None,
                "error_source": "session" if event.measured_apart or turn.model is None else "realtime",
                "error_recoverable": True,
            }
        return False

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

    def _response_measured(self, event: ResponseMeasured) -> bool:
        """Usage that comes when the turn is closed is the call's alone."""
        if self._first_of(ResponseMeasured, event.key):
            self._bill(self._agent, event)
        return False

    def _model_changed(self, event: ModelChanged) -> bool:
        """Turns that begin from here on are the new model's; what a pipeline left open is closed."""
        self._frame.change_model(event)
        self._tally.has_model |= event.mode is not None
        self._model = (event.model, event.provider) if event.mode == "realtime" else None
        if self._exchanges.is_pipeline and event.mode != "pipeline" and self._agent is None and self._user is None:
            self._out += self._exchanges.close(None)
        self._exchanges.is_pipeline = event.mode == "pipeline"
        return False

    def _part_missing(self, event: PartMissing) -> bool:
        self._tally.parts_missing.add(event.part)
        if event.part in PARTS:
            self._tally.costs.unknown.add(event.part)
        return False

    def _cost_unknown(self, event: CostUnknown) -> bool:
        self._tally.costs.unknown.add(event.part)
        return False

    def _tool_started(self, event: ToolStarted) -> bool:
        if event.call_id in self._tools_seen:
            return False
        turn = self._turn_of_tool.get(event.call_id, self._agent)
        self._tools[event.call_id] = ToolRun(
            call_id=event.call_id,
            number=len(self._tools_seen),
            name=event.name,
            start_ns=event.at_ns,
            parents=(self._frame.root,) if turn is None else (*turn.parents, turn.place),
            turn=turn,
            arguments=event.arguments,
        )
        self._tools_seen.add(event.call_id)
        if turn is not None:
            turn.tool_calls += event.call_id not in self._turn_of_tool
            turn.open_tools.add(event.call_id)
            turn.last_ns = max(turn.last_ns, event.at_ns)
        return False

    def _tool_ended(self, event: ToolEnded) -> bool:
        run = self._tools.get(event.call_id)
        if run is not None:
            error = (event.error_type, event.error_status)
            self._finish_tool(run, event.at_ns, status=event.status, output=event.output, error=error)
        return False

    def _finish_tool(
        self,
        run: ToolRun,
        end_ns: int,
        *,
        status: str,
        output: str | None,
        error: tuple[str | None, int | None] = (None, None),
    ) -> None:
        del self._tools[run.call_id]
        if run.turn is not None:
            run.turn.open_tools.discard(run.call_id)
            run.turn.last_ns = max(run.turn.last_ns, end_ns)
        record, outcome = run.record(end_ns, status=status, output=output, error=error, clock=self._frame.clock)
        self._tally.tool(
            run.call_id, name=run.span_name, outcome=outcome, duration_ms=milliseconds(run.start_ns, end_ns)
        )
        self._out.append(record)

    def _agent_state(self, event: AgentStateChanged) -> bool:
        turn = self._agent
        if turn is not None and (event.new == "speaking" or turn.audible):
            turn.last_ns = max(turn.last_ns, event.at_ns)
            turn.audible = event.new == "speaking"
        return False

    def _user_state(self, event: UserStateChanged) -> bool:
        self._tally.user_state(event)
        return False

    def _error(self, event: ErrorRaised) -> bool:
        """An error counts once: it may tell of a response that failed already, or of one that will be seen to fail."""
        fields = self._tally.error(event)
        if event.source in _OF_RESPONSES:
            self._is_told = self._agent is None or self._agent.failed_ns is None
            if self._agent is not None:
                self._agent.failed_ns = None
        if self._agent is not None and not self._agent.settled:
            self._agent.error = fields
        return False

    def _utterance(self, event: UtteranceMeasured) -> bool:
        self._exchanges.measured(event)
        return False

    def _stage(self, event: StageMeasured) -> bool:
        if self._first_of(StageMeasured, f"{event.stage}.{event.key}"):
            turn = self._turn_of_response.get(event.response_id or "")
            record, cost_usd = self._exchanges.stage(event, turn)
            self._tally.stage(event, cost_usd)
            self._out.append(record)
        return False

    def _reconnected(self, _event: Reconnected) -> bool:
        self._tally.reconnects += 1
        return False

    def _sample(self, event: QualitySampled) -> bool:
        self._tally.sample(event)
        return False

    def _gap(self, event: Gap) -> bool:
        self._lose(event.lost)
        return False

    def _identified(self, event: CallerIdentified) -> bool:
        self._frame.identify(event)
        return False

    def _turn_detection(self, event: TurnDetectionSet) -> bool:
        self._silence_ms = event.silence_ms
        return False

    _FILL: ClassVar[dict[type, Callable[[Any, Any], bool]]] = {
        CallerIdentified: _identified,
        ModelChanged: _model_changed,
        PartMissing: _part_missing,
        CostUnknown: _cost_unknown,
        ResponseMeasured: _response_measured,
        TurnDetectionSet: _turn_detection,
        SpeechStarted: _speech_started,
        SpeechStopped: _speech_stopped,
        ResponseStarted: _response_started,
        AudioStarted: _audio_started,
        ToolRequested: _tool_requested,
        ResponseFinished: _response_finished,
        ToolStarted: _tool_started,
        ToolEnded: _tool_ended,
        UserStateChanged: _user_state,
        AgentStateChanged: _agent_state,
        UtteranceMeasured: _utterance,
        StageMeasured: _stage,
        ErrorRaised: _error,
        Reconnected: _reconnected,
        QualitySampled: _sample,
        Gap: _gap,
    }
