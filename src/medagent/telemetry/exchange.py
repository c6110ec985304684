"""A pipeline's exchange: what was said, what was answered, and the stages between; with a realtime model there is none.

A stage is one request to STT, LLM or TTS. A sum of which one part is unknown is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from medagent.pricing import PriceList, Usage
from medagent.telemetry.events import Stage, StageMeasured, UtteranceMeasured
from medagent.telemetry.frame import Frame
from medagent.telemetry.record import Place, Record
from medagent.telemetry.span import SpanKind
from medagent.telemetry.turns import SLOW_MS, AgentTurn, Bill, Clock, UserTurn

_SPANS = {
    "stt": (SpanKind.STT, "stt_processing"),
    "llm": (SpanKind.LLM, "llm_generation"),
    "tts": (SpanKind.TTS, "tts_synthesis"),
}
_TOKENS = ("input_tokens", "output_tokens", "total_tokens", "input_cached_tokens")


@dataclass(slots=True, kw_only=True)
class Exchange:
    """The caller speaks, the agent answers: `conversation_turn`, from the first word to the answer's last sound."""

    index: int
    place: Place
    last_ns: int
    answered: bool = False
    closed: bool = False
    incomplete: bool = False
    utterance: UtteranceMeasured | None = None
    requests: list[StageMeasured] = field(default_factory=list)
    bill: Bill = field(default_factory=Bill)

    def add(self, request: StageMeasured, cost_usd: float | None) -> None:
        """Count a stage's request; what comes when the exchange is closed is the call's alone."""
        if not self.closed:
            self.requests.append(request)
            self.bill.add(tokens_of(request), cost_usd)

    def record(self, turn: AgentTurn | None, *, root: Place, clock: Clock) -> Record:
        """The `conversation_turn` span; `turn` is the agent's, None where nothing was answered."""
        by_stage = {stage: [one for one in self.requests if one.stage == stage] for stage in _SPANS}
        measured = {stage: measures(stage, requests) for stage, requests in by_stage.items()}
        parts = self._delays()
        latency = _sum((parts["end_of_utterance_delay"], measured["llm"].get("ttft"), measured["tts"].get("ttfb")))
        latency_ms = None if latency is None else round(latency * 1000, 3)
        tokens = self.bill.fields()
        ends = [self.last_ns] + ([] if turn is None else [turn.last_ns])
        return Record(
            kind=SpanKind.EXCHANGE,
            name="conversation_turn",
            place=self.place,
            parents=(root,),
            end_us=max(self.place.start_us, *map(clock, ends)),
            status="error" if turn is not None and turn.failed else "ok",
            fields={
                "index": self.index,
                "kind": "reply" if turn is None else turn.kind,
                "model": next((one.model for one in by_stage["llm"] if one.model is not None), None),
                "total_latency_ms": latency_ms,
                "slow": None if latency_ms is None else latency_ms > SLOW_MS,
                "eou": parts,
                **measured,
                **{name: tokens[name] for name in _TOKENS},
                "cost_usd": None if turn is not None and turn.open_responses else self.bill.cost_usd,
                "status": "no_response" if turn is None else turn.status,
                "interrupted": turn is not None and turn.interrupted,
                "incomplete": self.incomplete or turn is None or turn.is_incomplete,
            },
        )

    def _delays(self) -> dict[str, float | None]:
        names = ("end_of_utterance_delay", "transcription_delay", "on_user_turn_completed_delay")
        return {name: None if self.utterance is None else getattr(self.utterance, name) for name in names}


class Exchanges:
    """The exchanges of one call; outside of a pipeline there is none, and all stands under the call itself.

    `is_pipeline` may change within a call: it holds for the turns that begin from then on.
    """

    def __init__(self, frame: Frame, *, prices: PriceList, is_pipeline: bool) -> None:
        self._frame = frame
        self._prices = prices
        self.is_pipeline = is_pipeline
        self._exchanges = 0
        self._stages = 0
        self._answers: dict[int, Exchange] = {}
        self._joined: dict[int, Exchange] = {}
        self.current: Exchange | None = None

    def stand(self, at_ns: int, *, answer: int | None = None) -> tuple[Place, ...]:
        """What a turn that begins now stands under; `answer` is its index where it is the agent's.

        An exchange that has its answer takes no more turns: the next one opens another.
        """
        root = self._frame.root
        if not self.is_pipeline:
            return (root,)
        if self.current is None or self.current.answered:
            place = Place(key=f"conversation_turn.{self._exchanges}", start_us=self._frame.clock(at_ns))
            self.current = Exchange(index=self._exchanges, place=place, last_ns=at_ns)
            self._exchanges += 1
        if answer is not None:
            self.current.answered, self._answers[answer] = True, self.current
        return (root, self.current.place)

    def join(self, turn: int, other: int) -> None:
        """Let the requests of an agent's turn stand where those of another do; it answers nothing by itself."""
        exchange = self._answers.get(other) or self._joined.get(other)
        if exchange is not None:
            self._joined[turn] = exchange

    def heard(self, turn: UserTurn, end_ns: int) -> None:
        """The caller's turn is over."""
        if self.current is not None:
            self.current.last_ns = max(self.current.last_ns, end_ns)
            self.current.incomplete |= turn.incomplete

    def measured(self, utterance: UtteranceMeasured) -> None:
        """What the caller said last was taken for said."""
        if self.current is not None:
            self.current.utterance = utterance

    def stage(self, request: StageMeasured, turn: AgentTurn | None) -> tuple[Record, float | None]:
        """The span of a request and what it cost in US dollars; it stands in the exchange of the turn that it is for.

        Without one it stands in the exchange that is open, or under the call, as a probe does.
        """
        exchange = self.current
        if turn is not None:
            exchange = self._answers.get(turn.index) or self._joined.get(turn.index)
        if request.is_probe or (turn is None and exchange is not None and exchange.closed):
            exchange = None
        cost_usd = cost_of(request, self._prices)
        if exchange is not None:
            exchange.add(request, cost_usd)
        root = self._frame.root
        parents = (root,) if exchange is None else (root, exchange.place)
        number, self._stages = self._stages, self._stages + 1
        clock = self._frame.clock
        return stage_record(request, number=number, parents=parents, clock=clock, cost_usd=cost_usd), cost_usd

    def open_record(self, place: Place) -> Record | None:
        """Return the span so far of an exchange that is not over; None for any other place."""
        for exchange in (self.current, *self._answers.values()):
            if exchange is not None and exchange.place == place and not exchange.closed:
                return exchange.record(None, root=self._frame.root, clock=self._frame.clock)
        return None

    def close(self, turn: AgentTurn | None) -> list[Record]:
        """Close the exchange that a turn of the agent answered, or, without one, what is still open."""
        exchange = self.current if turn is None else self._answers.get(turn.index)
        if exchange is None or exchange.closed:
            return []
        exchange.closed = True
        return [exchange.record(turn, root=self._frame.root, clock=self._frame.clock)]


def measures(stage: Stage | str, requests: Sequence[StageMeasured]) -> dict[str, float | None]:
    """What the requests to one stage add up to, under the names of the field; the waits are the first's."""
    first = next((one.first for one in requests if one.first is not None), None)
    duration = _sum(one.duration for one in requests)
    audio = _sum(one.audio_duration for one in requests)
    streamed = next((one.streamed for one in requests if one.streamed is not None), None)
    if stage == "stt":
        return {"duration": duration, "audio_duration": audio, "streamed": streamed}
    if stage == "tts":
        characters = _sum(one.characters for one in requests)
        spoken = {"audio_duration": audio, "characters": characters, "streamed": streamed}
        return {"ttfb": first, "duration": duration, **spoken}
    written = _sum(None if one.usage is None else one.usage.output_tokens for one in requests)
    return {
        "ttft": first,
        "duration": duration,
        "tokens_per_second": round(written / duration, 3) if written is not None and duration else None,
        "prompt_cached_tokens": _sum(None if one.usage is None else one.usage.input_cached_tokens for one in requests),
    }


def tokens_of(request: StageMeasured) -> Usage | None:
    """Return the tokens that count in the sum of a turn and of a call: those of the LLM alone."""
    return request.usage if request.stage == "llm" else None


def cost_of(request: StageMeasured, prices: PriceList) -> float | None:
    """US dollars of one request; None where its measure or the model's price is unknown."""
    match request.stage:
        case "stt":
            return prices.stt_cost(request.model, request.audio_duration, request.usage)
        case "tts":
            return prices.tts_cost(request.model, request.characters)
        case "llm":
            return prices.llm_cost(request.model, request.usage)


def stage_record(
    request: StageMeasured, *, number: int, parents: tuple[Place, ...], clock: Clock, cost_usd: float | None
) -> Record:
    """The span of one request: `stt_processing`, `llm_generation` or `tts_synthesis`."""
    kind, name = _SPANS[request.stage]
    began_us = clock(request.at_ns - round((request.duration or 0.0) * 1e9))
    tokens = {} if request.stage == "tts" else Bill(usage=request.usage).fields()
    return Record(
        kind=kind,
        name=name,
        place=Place(key=f"{name}.{number}", start_us=max(parents[-1].start_us, began_us)),
        parents=parents,
        end_us=clock(request.at_ns),
        fields={
            "model": request.model,
            "provider": request.provider,
            request.stage: measures(request.stage, [request]),
            **{name: tokens[name] for name in _TOKENS if name in tokens},
            "cancelled": request.cancelled,
            "cost_usd": cost_usd,
        },
    )


def _sum(parts: Iterable[float | None]) -> float | None:
    known = list(parts)
    numbers = [part for part in known if part is not None]
    return round(sum(numbers), 6) if numbers and len(numbers) == len(known) else None
