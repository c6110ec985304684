"""The tools at work in a call: each start is a run, and a run's span waits for what the model was told of it."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Set

from medagent.snake_case import UNNAMED, snake_case
from medagent.telemetry.events import ToolAnswered, ToolEnded, ToolStarted
from medagent.telemetry.frame import Frame
from medagent.telemetry.record import Record
from medagent.telemetry.tally import Tally
from medagent.telemetry.turns import AgentTurn, ToolRun

_NAME = re.compile(r"[a-z][a-z0-9_]{0,60}")
_log = logging.getLogger(__name__)


class ToolRuns:
    """The runs of one call; `out` takes the record of each run once nothing more can change it."""

    def __init__(
        self, *, frame: Frame, tally: Tally, out: Callable[[Record], None], tool_names: Set[str] = frozenset()
    ) -> None:
        self._frame = frame
        self._tally = tally
        self._out = out
        self._tool_names = tool_names
        self._spelling: dict[str, str] = {}
        """The tool's own name by its name in spans, the first of this call."""
        self._count = 0
        self._at_work: list[ToolRun] = []
        self._ended: list[ToolRun] = []
        self._answered: set[int] = set()
        self._unanswered: list[str] = []
        """Calls whose run was emitted at its end: outside of a speech nothing says that an answer is to come."""

    @property
    def at_work(self) -> list[ToolRun]:
        """The runs that have not ended, oldest first."""
        return list(self._at_work)

    def has_run(self, call_id: str) -> bool:
        """Whether a run of a call is at work, or waits for its answer."""
        return any(run.call_id == call_id for run in (*self._at_work, *self._ended))

    def start(self, event: ToolStarted, turn: AgentTurn | None) -> None:
        """Begin a run; a `call_id` that comes again is another run."""
        run = self._new(event.call_id, event.name, event.arguments, event.at_ns, turn)
        self._at_work.append(run)
        if turn is not None:
            turn.tool_calls += event.call_id not in turn.requested
            turn.requested.discard(event.call_id)
            turn.open_tools.add(run.number)
            turn.last_ns = max(turn.last_ns, event.at_ns)

    def end(self, event: ToolEnded) -> None:
        """End the oldest run of a call; its span waits until the model is told of it."""
        for run in self._at_work:
            if run.call_id == event.call_id:
                run.error, run.returned = (event.error_type, event.error_status), event.returned
                self._end(run, event.at_ns, status=event.status, output=event.output)
                break

    def _end(self, run: ToolRun, at_ns: int, *, status: str, output: str | None) -> None:
        self._at_work.remove(run)
        run.status, run.output, run.end_ns = status, output, at_ns
        if (turn := run.turn) is not None:
            turn.open_tools.discard(run.number)
            turn.cut_in_tool |= status == "cancelled"
            turn.last_ns = max(turn.last_ns, at_ns)
        is_answered_later = run.turn is not None and run.turn.speech_id is not None
        if run.number not in self._answered and is_answered_later:
            self._ended.append(run)
            return
        if run.number not in self._answered:
            self._unanswered.append(run.call_id)
        self._emit(run)

    def answer(self, event: ToolAnswered, turn: AgentTurn | None) -> None:
        """Take what the model was told of a call; where nothing ran, the framework refused it."""
        ended = [run for run in self._ended if _is_of(run, event)]
        running = [run for run in self._at_work if _is_of(run, event) and run.number not in self._answered]
        turn = (ended or running)[0].turn if ended or running else turn
        if turn is not None:
            turn.reply_expected |= event.reply_required
        if not ended and not running and event.call_id in self._unanswered:
            self._unanswered.remove(event.call_id)
        elif ended:
            run = ended[0]
            self._ended.remove(run)
            if event.is_error and run.status == "done":
                run.refusal = event.output or ""
            self._emit(run)
        elif running:
            self._answered.add(running[0].number)  # a progress report: the run goes on
        else:
            self._refuse(event, turn)

    def _refuse(self, event: ToolAnswered, turn: AgentTurn | None) -> None:
        run = self._new(event.call_id, event.name, event.arguments, event.at_ns, turn)
        run.status, run.output = "rejected" if event.is_error else "declined", event.output
        run.end_ns = event.at_ns
        if turn is not None:
            turn.tool_calls += event.call_id not in turn.requested
            turn.requested.discard(event.call_id)
        self._emit(run)

    def _new(self, call_id: str, name: str, arguments: str, at_ns: int, turn: AgentTurn | None) -> ToolRun:
        number, self._count = self._count, self._count + 1
        return ToolRun(
            call_id=call_id,
            number=number,
            name=name,
            start_ns=at_ns,
            parents=(self._frame.root,) if turn is None else (*turn.parents, turn.place),
            turn=turn,
            arguments=arguments,
            span_name=self._span_name(name),
        )

    def _span_name(self, name: str) -> str:
        """Return a tool's name in spans.

        A name of another spelling is one where the policy has rules for it: a model can make a name of a value. Of
        several spellings in a call the first has the name.
        """
        spelled = name if isinstance(name, str) else ""
        is_plain = _NAME.fullmatch(spelled) is not None
        found = spelled if is_plain else snake_case(spelled)
        if found is None or not (is_plain or found in self._tool_names):
            return UNNAMED
        first = self._spelling.setdefault(found, spelled) if found in self._tool_names else spelled
        if first != spelled:
            _log.warning("two tools of a call have one name in spans, expected names that differ in more than spelling")
        return found if first == spelled else UNNAMED

    def wait(self, call_id: str, at_ns: int) -> ToolRun | None:
        """Note that a tool waits for an agent task, or goes on; returns its run where it has just begun to wait."""
        for run in self._at_work:
            if run.call_id == call_id:
                run.waits(at_ns)
                return run if run.waits_since_ns is not None else None
        return None

    def lose(self) -> None:
        """Mark what is at work: events were lost."""
        for run in self._at_work:
            run.incomplete = True

    def flush(self, turn: AgentTurn) -> None:
        """Emit the runs of a turn that is over."""
        for run in [run for run in self._ended if run.turn is turn]:
            self._ended.remove(run)
            self._emit(run)

    def close(self, at_ns: int) -> None:
        """Emit all: what is still at work is cancelled."""
        for run in self.at_work:
            run.incomplete = True
            self._end(run, at_ns, status="cancelled", output=None)
        for run in self._ended:
            self._emit(run)
        self._ended = []

    def _emit(self, run: ToolRun) -> None:
        self._tally.tool(
            run.call_id, called=run.name, name=run.span_name, outcome=run.outcome(), duration_ms=run.duration_ms()
        )
        if run.status == "done" and not run.result().is_whole:
            self._tally.parts_missing.add("tool_result")
        self._out(run.record(clock=self._frame.clock))


def _is_of(run: ToolRun, event: ToolAnswered) -> bool:
    """Return whether an answer can be of a run; a call of another tool may have the same id."""
    return (run.call_id, run.name) == (event.call_id, event.name)
