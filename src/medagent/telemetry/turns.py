"""What is open at a moment of a call: a caller's turn, an agent's turn, a tool's run; each knows its own record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from medagent.pricing import Usage
from medagent.snake_case import UNNAMED
from medagent.telemetry.events import TtftStart, TurnEnd, TurnSource
from medagent.telemetry.record import Place, Record
from medagent.telemetry.span import SpanKind
from medagent.telemetry.tool_result import (
    FAILURES,
    UNREADABLE,
    ToolResult,
    ToolValue,
    read_arguments,
    read_result,
    stated,
)

SLOW_MS = 1500.0
"""Above this the caller waited too long for the first sound: the turn is marked slow."""

Clock = Callable[[int], int]
"""Monotonic nanoseconds of an event → Unix microseconds."""


def milliseconds(start_ns: int, end_ns: int) -> float:
    """The distance of two monotonic times, in ms with three decimals."""
    return round((end_ns - start_ns) / 1e6, 3)


@dataclass(slots=True, kw_only=True)
class Bill:
    """Tokens and US dollars of some responses; one whose cost is unknown makes the sum unknown."""

    usage: Usage | None = None
    unpriced: bool = False
    _sum: float | None = None

    def add(self, usage: Usage | None, cost_usd: float | None) -> None:
        """Add a response."""
        if usage is not None:
            self.usage = usage if self.usage is None else self.usage + usage
        if cost_usd is None:
            self.unpriced = True
        else:
            self._sum = round((self._sum or 0.0) + cost_usd, 8)

    def fields(self) -> dict[str, int | None]:
        """The tokens by name."""
        return (self.usage or Usage()).fields()

    @property
    def cost_usd(self) -> float | None:
        """What all of it costs; None where nothing was billed or a part is unknown."""
        return None if self.unpriced else self._sum


@dataclass(slots=True, kw_only=True)
class UserTurn:
    """One turn of the caller, spoken or typed: how long, never what.

    `end_ns` is set while the turn has stopped and may still go on or be committed.
    """

    index: int
    item_id: str
    parents: tuple[Place, ...]
    start_ns: int
    start_known: bool = True
    start_audio_ms: int | None = None
    source: TurnSource = "server"
    agent: str | None = None
    is_typed: bool = False
    end_ns: int | None = None
    end_known: bool = True
    end_audio_ms: int | None = None
    ended_by: TurnEnd | None = None
    committed: bool = True
    spoken_over: bool = False
    """The agent was still heard when the caller stopped."""
    interrupted_agent: bool = False
    overlap_from_ns: int | None = None
    overlap_ms: float = 0.0
    incomplete: bool = False

    def overlap_begins(self, at_ns: int) -> None:
        """Note that caller and agent are heard at once from here on."""
        if self.overlap_from_ns is None:
            self.overlap_from_ns = at_ns

    def overlap_ends(self, at_ns: int) -> None:
        """Add the time since both are heard."""
        if self.overlap_from_ns is not None:
            self.overlap_ms = round(self.overlap_ms + milliseconds(self.overlap_from_ns, at_ns), 3)
            self.overlap_from_ns = None

    def audio_ms(self) -> float | None:
        """How long the caller spoke in ms: in the audio's own clock where the server gives it, else by arrival."""
        if self.is_typed or not (self.start_known and self.end_known) or self.end_ns is None:
            return None
        begun_ms, ended_ms = self.start_audio_ms, self.end_audio_ms
        if begun_ms is not None and ended_ms is not None and ended_ms >= begun_ms:
            return float(ended_ms - begun_ms)
        return milliseconds(self.start_ns, self.end_ns)

    def record(self, *, clock: Clock) -> Record:
        """The `user_turn` span; `audio_ms` is None where the beginning or the end was not heard."""
        start_us = max(self.parents[-1].start_us, clock(self.start_ns))
        return Record(
            kind=SpanKind.USER_TURN,
            name="user_turn",
            place=Place(key=f"user_turn.{self.index}", start_us=start_us),
            parents=self.parents,
            end_us=max(start_us, clock(self.end_ns or self.start_ns)),
            fields={
                "index": self.index,
                "agent": self.agent,
                "modality": "text" if self.is_typed else "audio",
                "audio_ms": self.audio_ms(),
                "ended_by": self.ended_by,
                "committed": self.committed,
                "interrupted_agent": self.interrupted_agent,
                "overlap_ms": None if self.is_typed else self.overlap_ms,
                "incomplete": self.incomplete,
            },
        )


@dataclass(slots=True, kw_only=True)
class Request:
    """A request of the caller that waits for its answer: the start of TTFT-A, and its event."""

    at_ns: int
    start: TtftStart
    silence_ms: int | None = None
    """The silence that was waited for before; None where it is not known, or nothing was."""
    answered: bool = False
    is_over: bool = False
    first_sound_ns: int | None = None


@dataclass(slots=True, kw_only=True)
class Step:
    """One response, or one step of a speech: its first sound, and whether it called a tool."""

    key: str | int
    first_sound_ns: int | None = None
    calls_tool: bool = False


@dataclass(slots=True, kw_only=True)
class AgentTurn:
    """The agent speaks: from the end of the caller's turn, over any number of responses, to its last sound.

    `speech_id` names the framework's speech where there is one; `request` is what this turn answers.
    """

    index: int
    place: Place
    parents: tuple[Place, ...]
    kind: str
    start_ns: int
    last_ns: int
    since_ns: int | None = None
    request: Request | None = None
    model: tuple[str | None, str | None] | None = None
    """Name and provider of the realtime model that answers; None in a pipeline."""
    speech_id: str | None = None
    agent: str | None = None
    generated: bool = True
    finished: bool = False
    played: bool = False
    written: bool = False
    """It was given to an output without sound, as text."""
    superseded: bool = False
    interrupted: bool = False
    incomplete: bool = False
    audible: bool = False
    steps: list[Step] = field(default_factory=list)
    open_responses: set[str] = field(default_factory=set)
    open_tools: set[int] = field(default_factory=set)
    """Numbers of the runs that this turn waits for."""
    requested: set[str] = field(default_factory=set)
    """Tool calls that the model asked for and that have not begun."""
    reply_expected: bool = False
    """The framework asked the model to go on after a tool."""
    filled_by: list[AgentTurn] = field(default_factory=list)
    """Turns that were spoken while this one was awaited."""
    closed: bool = False
    cut_in_tool: bool = False
    lost_responses: int = 0
    responses: int = 0
    cancelled: int = 0
    tool_calls: int = 0
    status: str = "no_response"
    bill: Bill = field(default_factory=Bill)
    error: dict[str, object] = field(default_factory=dict)
    failed_ns: int | None = None
    """When a response failed of which no error was raised so far."""

    @property
    def failed(self) -> bool:
        """An error happened in this turn that it did not survive, or its last response failed."""
        return self.status == "failed" or (bool(self.error) and self.status != "completed")

    @property
    def is_incomplete(self) -> bool:
        """Events of this turn were lost, or it ended before its responses and tools."""
        return self.incomplete or bool(self.open_responses or self.open_tools or self.requested)

    @property
    def settled(self) -> bool:
        """Nothing more is to be expected of this turn: no response, no tool, no sound."""
        if self.open_responses or self.open_tools or (self.requested and not self.finished):
            return False
        return self.finished if self.speech_id is not None else not self.audible

    def step(self, key: str | int) -> Step:
        """The step of a key; it begins here if there is none."""
        for known in self.steps:
            if known.key == key:
                return known
        self.steps.append(Step(key=key))
        return self.steps[-1]

    @property
    def first_sound_ns(self) -> int | None:
        """When this turn was heard first; None if it never was."""
        return min((step.first_sound_ns for step in self.steps if step.first_sound_ns is not None), default=None)

    def answer_ns(self) -> int | None:
        """The first sound of the answer; what is said before a tool is one only if nothing was said after it."""
        heard = [step for step in self.steps if step.first_sound_ns is not None]
        if heard and isinstance(heard[-1].key, int):
            answers = [] if self.cut_in_tool else heard[-1:]
        else:
            answers = [step for step in heard if not step.calls_tool]
        if not answers and not (self.interrupted or self.is_incomplete or self.lost_responses):
            answers = heard[-1:]
        return answers[0].first_sound_ns if answers else None

    def ttft_ms(self) -> float | None:
        """TTFT-A in ms: end of the caller's turn to the first audio of the answer; None without one of the two."""
        if self.kind != "reply" or self.request is None:
            return None
        return _wait(self.request.at_ns, self.answer_ns())

    def first_sound_ms(self) -> float | None:
        """The wait for the first sound of any kind in ms: for an answer also a filler's."""
        since_ns, heard_ns = self.since_ns, self.first_sound_ns
        if self.kind == "reply" and self.request is not None:
            since_ns, heard_ns = self.request.at_ns, self.request.first_sound_ns
        return None if since_ns is None else _wait(since_ns, heard_ns)

    def perceived_ms(self) -> float | None:
        """TTFT-A with the silence that was waited for before it, in ms; None where one of the two is not known."""
        ttft, silence_ms = self.ttft_ms(), None if self.request is None else self.request.silence_ms
        return None if ttft is None or silence_ms is None else round(ttft + silence_ms, 3)

    def record(self, *, clock: Clock) -> Record:
        """The `agent_turn` span; of a realtime model it has model, tokens and cost too."""
        ttft, request = self.ttft_ms(), self.request if self.kind == "reply" else None
        return Record(
            kind=SpanKind.AGENT_SPEECH if self.model is None else SpanKind.AGENT_TURN,
            name="agent_turn",
            place=self.place,
            parents=self.parents,
            end_us=max(clock(self.last_ns), self.place.start_us),
            status="error" if self.failed else "ok",
            fields={
                "index": self.index,
                "kind": self.kind,
                "agent": self.agent,
                "ttft_ms": ttft,
                "ttft_start": None if request is None else request.start,
                "first_sound_ms": self.first_sound_ms(),
                "perceived_ms": self.perceived_ms(),
                **({} if self.model is None else self._of_model(*self.model, ttft)),
                "responses": self.responses,
                "cancelled_responses": self.cancelled,
                "tool_calls": self.tool_calls,
                "status": self.status,
                "ended_by": self._ended_by(),
                "interrupted": self.interrupted,
                "incomplete": self.is_incomplete,
                **self.error,
            },
        )

    def _ended_by(self) -> TurnEnd | None:
        if self.interrupted:
            return "interrupted"
        if self.lost_responses:
            return "reconnect"
        return "failed" if self.status == "failed" else None if self.is_incomplete else "completed"

    def _of_model(self, model: str | None, provider: str | None, ttft: float | None) -> dict[str, object]:
        return {
            "model": model,
            "provider": provider,
            "total_latency_ms": ttft,
            "slow": None if ttft is None else ttft > SLOW_MS,
            **self.bill.fields(),
            "cost_usd": None if self.open_responses or self.lost_responses else self.bill.cost_usd,
        }


def _wait(since_ns: int, heard_ns: int | None) -> float | None:
    return None if heard_ns is None or heard_ns < since_ns else milliseconds(since_ns, heard_ns)


@dataclass(slots=True, kw_only=True)
class ToolRun:
    """A tool at work for the caller; arguments and output are raw."""

    call_id: str
    number: int
    name: str
    start_ns: int
    parents: tuple[Place, ...]
    turn: AgentTurn | None
    arguments: str = field(repr=False)
    span_name: str = UNNAMED
    """The tool's name in spans."""
    incomplete: bool = False
    status: str | None = None
    """How it ended: done, error or cancelled; rejected or declined where it never ran; None while it runs."""
    output: str | None = field(default=None, repr=False)
    returned: ToolValue | None = field(default=None, repr=False)
    refusal: str | None = field(default=None, repr=False)
    """The framework's error to the model in place of a result that it cannot use."""
    error: tuple[str | None, int | None] = (None, None)
    _result: ToolResult | None = field(default=None, repr=False)
    end_ns: int | None = None
    waits_since_ns: int | None = None
    waited_ns: int = 0
    """How long it waited for an agent task: the caller's answers are no work of the tool."""

    def waits(self, at_ns: int) -> None:
        """Note that the tool waits for an agent task, or goes on if it did."""
        if self.waits_since_ns is None:
            self.waits_since_ns = at_ns
        else:
            self.waited_ns += at_ns - self.waits_since_ns
            self.waits_since_ns = None

    def result(self) -> ToolResult:
        """Return what the tool returned, read once it has ended."""
        if self._result is None or self.status is None:
            self._result = read_result(self.output, self.returned)
        return self._result

    def outcome(self) -> str:
        """Return ok, refused, failed, timeout, cancelled or unreadable."""
        match self.status or "cancelled":
            case "cancelled":
                return "cancelled"
            case "error" | "rejected":
                return "failed"
            case "declined":
                return "refused"
        outcome = self.result().outcome
        return "failed" if self.refusal is not None and outcome in ("ok", UNREADABLE) else outcome

    @property
    def busy_until_ns(self) -> int:
        """When the tool's own work was done: its end, less the time in which it waited for an agent task."""
        end_ns = self.start_ns if self.end_ns is None else self.end_ns
        waiting_ns = 0 if self.waits_since_ns is None else end_ns - self.waits_since_ns
        return max(self.start_ns, end_ns - self.waited_ns - waiting_ns)

    def duration_ms(self) -> float:
        """How long the tool worked, in ms."""
        return milliseconds(self.start_ns, self.busy_until_ns)

    def record(self, *, clock: Clock) -> Record:
        """The `tool.<name>` span."""
        status, result, outcome = self.status or "cancelled", self.result().fields, self.outcome()
        failed = outcome in FAILURES
        is_error = status in ("error", "rejected")
        told: dict[str, object] = {}
        if outcome != "ok":
            raised, answered = self.error
            status_told = answered if raised is not None else stated(result, "error_status")
            unnamed = "tool_error" if is_error or self.refusal is not None else None
            told = {
                "error_type": raised or stated(result, "error_type") or unnamed,
                **({} if status_told is None else {"error_status": status_told}),
                "error_message": self.output if is_error else self.refusal,
                "error_source": "tool",
                "error_recoverable": True,
            }
        return Record(
            kind=SpanKind.TOOL,
            name=f"tool.{self.span_name}",
            place=Place(key=f"tool.{self.number}", start_us=clock(self.start_ns)),
            parents=self.parents,
            end_us=clock(self.busy_until_ns),
            status="error" if failed else "ok",
            fields={
                "arguments": read_arguments(self.arguments),
                "result": {} if is_error else result,
                "outcome": outcome,
                "duration_ms": self.duration_ms(),
                "incomplete": self.incomplete,
                **told,
            },
        )
