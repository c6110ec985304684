"""What is open at a moment of a call: a caller's turn, an agent's turn, a tool's run; each knows its own record."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from medagent.pricing import Usage
from medagent.telemetry.record import Place, Record
from medagent.telemetry.span import SpanKind

SLOW_MS = 1500.0
"""Above this the caller waited too long for the first sound: the turn is marked slow."""

_TOOL_NAME = re.compile(r"[a-z][a-z0-9_]{0,60}")

_LONGEST = 100_000

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
    """The caller speaks: how long, never what."""

    index: int
    item_id: str
    parents: tuple[Place, ...]
    start_ns: int
    start_known: bool = True
    start_audio_ms: int | None = None
    interrupted_agent: bool = False
    incomplete: bool = False

    def audio_ms(self, end_ns: int, end_audio_ms: int | None) -> float | None:
        """How long the caller spoke in ms: in the audio's own clock where the server tells it, else by arrival."""
        if not self.start_known:
            return None
        if self.start_audio_ms is not None and end_audio_ms is not None and end_audio_ms >= self.start_audio_ms:
            return float(end_audio_ms - self.start_audio_ms)
        return milliseconds(self.start_ns, end_ns)

    def record(self, end_ns: int, *, end_audio_ms: int | None, clock: Clock) -> Record:
        """The `user_turn` span; `audio_ms` is None where the beginning was not heard."""
        return Record(
            kind=SpanKind.USER_TURN,
            name="user_turn",
            place=Place(key=f"user_turn.{self.index}", start_us=clock(self.start_ns)),
            parents=self.parents,
            end_us=clock(end_ns),
            fields={
                "index": self.index,
                "audio_ms": self.audio_ms(end_ns, end_audio_ms),
                "interrupted_agent": self.interrupted_agent,
                "incomplete": self.incomplete,
            },
        )


@dataclass(slots=True, kw_only=True)
class AgentTurn:
    """The agent answers: from the end of the caller's speech, over any number of responses, to its last sound."""

    index: int
    place: Place
    parents: tuple[Place, ...]
    kind: str
    start_ns: int
    last_ns: int
    stopped_ns: int | None
    model: tuple[str | None, str | None] | None = None
    """Name and provider of the realtime model that answers; None in a pipeline."""
    superseded: bool = False
    interrupted: bool = False
    incomplete: bool = False
    audible: bool = False
    first_audio_ns: int | None = None
    open_responses: set[str] = field(default_factory=set)
    open_tools: set[str] = field(default_factory=set)
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
        """An error happened in this turn, or its last response failed."""
        return bool(self.error) or self.status == "failed"

    @property
    def is_incomplete(self) -> bool:
        """Events of this turn were lost, or it ended before its responses and tools."""
        return self.incomplete or bool(self.open_responses or self.open_tools)

    @property
    def settled(self) -> bool:
        """Nothing more is to be expected of this turn: no response, no tool, no sound."""
        return not (self.open_responses or self.open_tools or self.audible)

    def ttft_ms(self) -> float | None:
        """TTFT-A in ms: end of the caller's speech to the turn's first audio; None without one of the two."""
        if self.stopped_ns is None or self.first_audio_ns is None or self.first_audio_ns < self.stopped_ns:
            return None
        return milliseconds(self.stopped_ns, self.first_audio_ns)

    def record(self, *, clock: Clock, silence_ms: int | None) -> Record:
        """The `agent_turn` span; of a realtime model it has model, tokens and cost too."""
        ttft, model = self.ttft_ms(), self.model
        return Record(
            kind=SpanKind.AGENT_SPEECH if model is None else SpanKind.AGENT_TURN,
            name="agent_turn",
            place=self.place,
            parents=self.parents,
            end_us=max(clock(self.last_ns), self.place.start_us),
            status="error" if self.failed else "ok",
            fields={
                "index": self.index,
                "kind": self.kind,
                "ttft_ms": ttft,
                "perceived_ms": None if ttft is None or silence_ms is None else round(ttft + silence_ms, 3),
                **({} if model is None else self._of_model(*model, ttft)),
                "responses": self.responses,
                "cancelled_responses": self.cancelled,
                "tool_calls": self.tool_calls,
                "status": self.status,
                "interrupted": self.interrupted,
                "incomplete": self.is_incomplete,
                **self.error,
            },
        )

    def _of_model(self, model: str | None, provider: str | None, ttft: float | None) -> dict[str, object]:
        return {
            "model": model,
            "provider": provider,
            "total_latency_ms": ttft,
            "slow": None if ttft is None else ttft > SLOW_MS,
            **self.bill.fields(),
            "cost_usd": None if self.open_responses else self.bill.cost_usd,
        }


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
    incomplete: bool = False

    @property
    def span_name(self) -> str:
        """The tool's name where it is one; a model can make up others."""
        return self.name if _TOOL_NAME.fullmatch(self.name) else "unnamed"

    def record(
        self, end_ns: int, *, status: str, output: str | None, error: tuple[str | None, int | None], clock: Clock
    ) -> tuple[Record, str]:
        """The `tool.<name>` span and its outcome: ok, refused, failed, timeout or cancelled.

        `error` is class and status of the exception that it ended with, where that is known.
        """
        result = _as_object(output)
        outcome = _outcome(status, result)
        failed = outcome in ("failed", "timeout")
        told: dict[str, object] = {}
        if outcome != "ok":
            raised, answered = error
            status_told = answered if raised is not None else result.get("error_status")
            told = {
                "error_type": raised or result.get("error_type", "tool_error" if status == "error" else None),
                **({} if status_told is None else {"error_status": status_told}),
                "error_message": result.get("output") if status == "error" else None,
                "error_source": "tool",
                "error_recoverable": True,
            }
        record = Record(
            kind=SpanKind.TOOL,
            name=f"tool.{self.span_name}",
            place=Place(key=f"tool.{self.number}", start_us=clock(self.start_ns)),
            parents=self.parents,
            end_us=clock(end_ns),
            status="error" if failed else "ok",
            fields={
                "arguments": _as_object(self.arguments),
                "result": result if status != "error" else {},
                "outcome": outcome,
                "duration_ms": milliseconds(self.start_ns, end_ns),
                "incomplete": self.incomplete,
                **told,
            },
        )
        return record, outcome


def _as_object(text: str | None) -> dict[str, object]:
    """A tool's object, as JSON or as Python writes it (LiveKit gives `str()` of what a tool returned).

    Anything else stands under `output`, where a policy can name it.
    """
    if text is None or text == "":
        return {}
    for read in (json.loads, ast.literal_eval):
        try:
            value = read(text) if len(text) <= _LONGEST else text
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        return value if isinstance(value, dict) else {"output": value}
    return {"output": text}


def _outcome(status: str, result: dict[str, object]) -> str:
    if status == "cancelled":
        return "cancelled"
    if status == "error":
        return "failed"
    said = result.get("outcome")
    return said if isinstance(said, str) and said in ("ok", "refused", "failed", "timeout", "cancelled") else "ok"
