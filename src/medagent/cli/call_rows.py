"""A sealed call as rows of a timeline, and its worst wait with the reason; pure, no output.

Times are milliseconds since the call's start. What the trace does not know is None.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from medagent.proof import Json
from medagent.telemetry.span import SafeSpan, SpanKind

Who = Literal["caller", "agent", "tool", "silence", "line", "error"]

_FAILED = ("failed", "timeout", "unreadable")
_STAGES = (("llm_generation", "llm", "ttft"), ("tts_synthesis", "tts", "ttfb"))
_NEAR_MS = 1.0
_SHORTEST_PART_MS = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing that happened; `sound_ms` is where an agent's turn was heard first, `facts` its figures for JSON."""

    who: Who
    kind: str
    at_ms: float
    duration_ms: float | None = None
    sound_ms: float | None = None
    notes: tuple[str, ...] = ()
    is_bad: bool = False
    facts: Mapping[str, Json] = field(default_factory=dict)

    @property
    def shown_ms(self) -> float:
        """Where the row begins for a reader: an agent's turn where it was heard first."""
        return self.at_ms if self.sound_ms is None else self.sound_ms

    def document(self) -> dict[str, Json]:
        """Return the row as one JSON object."""
        return {
            "row": self.kind,
            "who": self.who,
            "at_ms": self.at_ms,
            "duration_ms": self.duration_ms,
            **({"first_sound_at_ms": self.sound_ms} if self.who == "agent" else {}),
            **self.facts,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A wait of the caller for a sound: `parts` are what it was made of in ms, the longest first."""

    at_ms: float
    duration_ms: float
    turn: int | None
    turn_kind: str | None
    parts: Mapping[str, float]
    has_reconnect: bool = False
    errors: tuple[str, ...] = ()
    is_cut_by_caller: bool = False
    """The caller spoke again before a sound came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRows:
    """One call; `slowest` is None where no wait was seen."""

    trace_id: str
    duration_ms: float
    end: Mapping[str, Json]
    session: Mapping[str, Json]
    rows: Sequence[Row]
    slowest: Wait | None
    consent: str | None

    def documents(self) -> Iterator[dict[str, Json]]:
        """Yield the call, then each row, as JSON objects."""
        slow, end = self.slowest, self.end
        yield {
            "row": "call",
            "trace_id": self.trace_id,
            "duration_ms": self.duration_ms,
            "consent": self.consent,
            **{name: end.get(name) for name in ("outcome", "reason", "complete", "missing")},
            **{name: end.get(name) for name in ("dead_air_ms", "dead_air_longest_ms", "caller_silence_ms")},
            "reconnects": end.get("reconnects"),
            "interruptions": end.get("interruptions"),
            "quality": self.session.get("quality"),
            "slowest": None
            if slow is None
            else {
                "at_ms": slow.at_ms,
                "duration_ms": slow.duration_ms,
                "agent_turn": slow.turn,
                "parts_ms": dict(slow.parts),
                "reconnected": slow.has_reconnect,
                "errors": list(slow.errors),
            },
        }
        for row in self.rows:
            yield row.document()


def call_rows(spans: Sequence[SafeSpan]) -> CallRows:
    """Return the rows of a call, in order of time.

    Args:
        spans: Sealed spans of one call, at least one.

    Returns:
        Rows of turns, tools, silences, reconnections, hand-overs and errors, and the worst wait.
    """
    start_us = _start_us(spans)
    end = _fields(spans, "session.end")
    session = _fields(spans, "voice_session")
    last_ms = (max(span.end_us for span in spans) - start_us) / 1000
    duration_ms = number(end.get("duration_ms"))
    call = _Call(spans, start_us=start_us, end=end, duration_ms=last_ms if duration_ms is None else duration_ms)
    rows = sorted(call.rows(), key=lambda row: (row.shown_ms, row.who != "silence", row.duration_ms or 0.0))
    consent = _object(_fields(spans, "policy.guardrail").get("consent")).get("state")
    return CallRows(
        trace_id=spans[0].trace_id,
        duration_ms=call.duration_ms,
        end=end,
        session=session,
        rows=rows,
        slowest=call.slowest(),
        consent=consent if isinstance(consent, str) else None,
    )


def number(value: object) -> float | None:
    """Return a number, or None for anything else."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


class _Call:
    def __init__(
        self, spans: Sequence[SafeSpan], *, start_us: int, end: Mapping[str, Json], duration_ms: float
    ) -> None:
        self._spans = spans
        self._start_us = start_us
        self._end = end
        self.duration_ms = duration_ms
        self._turns = {str(span.span_id): span for span in spans}
        self._silences = _objects(end.get("silences"))
        self._listed = {error.get("error_type") for error in _objects(end.get("errors"))}
        self._reconnects = [at for at in map(number, _list(end.get("reconnected_at_ms"))) if at is not None]

    def _at_ms(self, at_us: int) -> float:
        return round((at_us - self._start_us) / 1000, 3)

    def _named(self, *names: str) -> list[SafeSpan]:
        return [span for span in self._spans if span.name in names]

    def _agent_turns(self) -> list[SafeSpan]:
        return sorted(self._named("agent_turn"), key=lambda span: span.start_us)

    # ---- rows -----------------------------------------------------------------------------------------------------

    def rows(self) -> Iterator[Row]:
        for span in self._spans:
            if span.name == "user_turn":
                yield self._caller_row(span)
            elif span.name == "agent_turn":
                yield self._agent_row(span)
            elif span.kind is SpanKind.TOOL:
                yield self._tool_row(span)
            elif span.name == "agent_handoff":
                said = f"hand-over: {span.fields.get('from_agent')} to {span.fields.get('to_agent')}"
                yield Row(who="agent", kind="agent_handoff", at_ms=self._at_ms(span.start_us), notes=(said,))
        for silence in self._silences:
            yield self._silence_row(silence)
        for at_ms in self._reconnects:
            yield Row(who="line", kind="reconnect", at_ms=at_ms, notes=("model's server reconnected",), is_bad=True)
        yield from self._error_rows()

    def _row(self, span: SafeSpan, who: Who, notes: Iterable[str], *, is_bad: bool, names: Iterable[str]) -> Row:
        return Row(
            who=who,
            kind=span.name,
            at_ms=self._at_ms(span.start_us),
            duration_ms=round((span.end_us - span.start_us) / 1000, 3),
            notes=tuple(note for note in notes if note),
            is_bad=is_bad,
            facts={name: span.fields.get(name) for name in names},
        )

    def _caller_row(self, span: SafeSpan) -> Row:
        fields = span.fields
        overlap_ms = number(fields.get("overlap_ms")) or 0.0
        notes = [
            _turn(fields),
            "typed" if fields.get("modality") == "text" else "",
            "interrupts the agent" if fields.get("interrupted_agent") is True else "",
            f"over the agent {seconds(overlap_ms)}" if overlap_ms > 0 else "",
            "not taken for a turn" if fields.get("committed") is False else "",
            "cut by the reconnect" if fields.get("ended_by") == "reconnect" else "",
            "incomplete" if fields.get("incomplete") is True else "",
        ]
        names = ("index", "audio_ms", "caller_silence_ms", "overlap_ms", "interrupted_agent", "ended_by", "committed")
        return self._row(span, "caller", notes, is_bad=fields.get("incomplete") is True, names=names)

    def _agent_row(self, span: SafeSpan) -> Row:
        fields = span.fields
        exchange = self._turns.get(span.parent_id or "")
        stages = {} if exchange is None or exchange.name != "conversation_turn" else stage_latencies(exchange.fields)
        kind = fields.get("kind")
        is_bad = span.status == "error" or fields.get("interrupted") is True or fields.get("incomplete") is True
        notes = [
            _turn(fields) + (f" {kind}" if isinstance(kind, str) and kind != "reply" else ""),
            *self._latencies(fields, stages),
            "slow" if fields.get("slow") is True else "",
            "interrupted" if fields.get("interrupted") is True else "",
            "cut by the reconnect" if fields.get("ended_by") == "reconnect" else "",
            str(fields.get("status")) if fields.get("status") in ("failed", "no_response") else "",
            "" if fields.get("error_type") in self._listed else _error(fields),
            "incomplete" if fields.get("incomplete") is True else "",
        ]
        names = ("index", "kind", "ttft_ms", "perceived_ms", "first_sound_ms", "dead_air_ms", "interrupted", "status")
        row = self._row(span, "agent", notes, is_bad=is_bad, names=(*names, "ended_by", "error_type", "error_status"))
        heard_ms = self._heard_ms(span)
        return replace(row, sound_ms=heard_ms, facts={**row.facts, "stages_ms": dict(stages) if stages else None})

    def _heard_ms(self, span: SafeSpan) -> float | None:
        """Where the turn was heard first: at the end of the dead air before it, else by its own wait."""
        first_ms = number(span.fields.get("first_sound_ms"))
        at_ms, end_ms = self._at_ms(span.start_us), self._at_ms(span.end_us)
        if span.fields.get("kind") == "greeting" and first_ms is not None:
            return first_ms
        if span.fields.get("kind") == "reply" and first_ms is not None:
            return at_ms + first_ms
        ended = [one[1] for one in self._dead_air() if at_ms - _NEAR_MS <= one[1] <= end_ms]
        return ended[0] if ended else None

    def _latencies(self, fields: Mapping[str, Json], stages: Mapping[str, float | None]) -> Iterator[str]:
        if stages:
            yield ", ".join(f"{name} {seconds(value)}" for name, value in stages.items())
            return
        if fields.get("kind") == "greeting":
            first_ms = number(fields.get("first_sound_ms"))
            yield f"first sound {milliseconds(first_ms)}"
        elif fields.get("kind") == "reply":
            ttft_ms, perceived_ms = number(fields.get("ttft_ms")), number(fields.get("perceived_ms"))
            yield f"TTFT-A {milliseconds(ttft_ms)}, perceived {milliseconds(perceived_ms)}"

    def _tool_row(self, span: SafeSpan) -> Row:
        fields = span.fields
        outcome, name = fields.get("outcome"), span.name.removeprefix("tool.")
        is_failed = outcome in _FAILED
        message = fields.get("error_message")
        notes = [
            f"{name}: {outcome if isinstance(outcome, str) else 'unknown'}",
            _error(fields) if outcome not in ("ok", fields.get("error_type")) else "",
            f"message: {message}" if is_failed and isinstance(message, str) else "",
            "message: none in the trace" if is_failed and message is None else "",
            "incomplete" if fields.get("incomplete") is True else "",
        ]
        names = ("outcome", "error_type", "error_status", "error_message", "incomplete")
        row = self._row(span, "tool", notes, is_bad=is_failed, names=names)
        return replace(row, facts={"name": name, **row.facts})

    def _silence_row(self, silence: Mapping[str, Json]) -> Row:
        kind = str(silence.get("kind"))
        said = "dead air: the caller waits" if kind == "dead_air" else "caller silent: the agent waits"
        at_ms, duration_ms = number(silence.get("at_ms")) or 0.0, number(silence.get("duration_ms"))
        return Row(who="silence", kind=kind, at_ms=at_ms, duration_ms=duration_ms, notes=(said,))

    def _error_rows(self) -> Iterator[Row]:
        for error in _objects(self._end.get("errors")):
            if error.get("error_source") == "tool":
                continue  # the tool's own row has it
            message = error.get("error_message")
            recovered = error.get("error_recoverable") is not False
            notes = (
                f"{error.get('error_source') or 'unknown'} failed",
                _error(error),
                f"message: {message}" if isinstance(message, str) else "",
                "" if recovered else "not recovered",
            )
            names = ("error_source", "error_type", "error_status", "error_message", "error_recoverable")
            yield Row(
                who="error",
                kind="error",
                at_ms=number(error.get("at_ms")) or 0.0,
                notes=tuple(note for note in notes if note),
                is_bad=True,
                facts={name: error.get(name) for name in names},
            )

    # ---- the worst wait -------------------------------------------------------------------------------------------

    def _dead_air(self) -> list[tuple[float, float]]:
        found = [one for one in self._silences if one.get("kind") == "dead_air"]
        bounds = [(number(one.get("at_ms")) or 0.0, number(one.get("duration_ms")) or 0.0) for one in found]
        return sorted((at_ms, at_ms + duration_ms) for at_ms, duration_ms in bounds)

    def slowest(self) -> Wait | None:
        """The longest dead air; where none was measured, the turn with the longest wait for its answer."""
        waits = [self._wait(start, end) for start, end in self._dead_air()] or list(self._waits_of_turns())
        return max(waits, key=lambda wait: wait.duration_ms, default=None)

    def _wait(self, start_ms: float, end_ms: float) -> Wait:
        turn = self._turn_heard_at(end_ms)
        return Wait(
            at_ms=start_ms,
            duration_ms=round(end_ms - start_ms, 3),
            turn=None if turn is None else int(number(turn.fields.get("index")) or 0),
            turn_kind=None if turn is None else str(turn.fields.get("kind")),
            parts=self._parts(turn, start_ms, end_ms),
            has_reconnect=any(start_ms <= at <= end_ms for at in self._reconnects),
            errors=tuple(dict.fromkeys(self._errors_within(start_ms, end_ms))),
            is_cut_by_caller=self._is_cut_by_caller(end_ms),
        )

    def _is_cut_by_caller(self, at_ms: float) -> bool:
        return any(abs(self._at_ms(span.start_us) - at_ms) <= _NEAR_MS for span in self._named("user_turn"))

    def _errors_within(self, start_ms: float, end_ms: float) -> Iterator[str]:
        for error in _objects(self._end.get("errors")):
            at_ms = number(error.get("at_ms"))
            if at_ms is not None and start_ms <= at_ms <= end_ms and error.get("error_source") != "tool":
                yield f"{error.get('error_source') or 'unknown'} failed ({_error(error) or 'unknown error'})"

    def _waits_of_turns(self) -> Iterator[Wait]:
        for span in self._agent_turns():
            waited = [number(span.fields.get(name)) for name in ("perceived_ms", "ttft_ms", "first_sound_ms")]
            known = [value for value in waited if value is not None]
            if known:
                at_ms = self._at_ms(span.start_us)
                wait = self._wait(at_ms, at_ms + known[-1])
                yield replace(
                    wait,
                    duration_ms=known[0],
                    turn=int(number(span.fields.get("index")) or 0),
                    turn_kind=str(span.fields.get("kind")),
                    parts=self._parts(span, at_ms, at_ms + known[-1]),
                )

    def _turn_heard_at(self, at_ms: float) -> SafeSpan | None:
        """The agent's turn that was heard when a silence ended; None where the caller or the call's end ended it."""
        if at_ms >= self.duration_ms - _NEAR_MS or self._is_cut_by_caller(at_ms):
            return None
        open_then = [
            span
            for span in self._agent_turns()
            if self._at_ms(span.start_us) <= at_ms + _NEAR_MS and at_ms <= self._at_ms(span.end_us) + _NEAR_MS
        ]
        heard = [(abs(sound - at_ms), span) for span in open_then if (sound := self._heard_ms(span)) is not None]
        if heard:
            return min(heard, key=lambda one: one[0])[1]
        return open_then[-1] if open_then else None

    def _parts(self, turn: SafeSpan | None, start_ms: float, end_ms: float) -> dict[str, float]:
        parts: dict[str, float] = {}
        for span in self._spans:
            if span.kind is SpanKind.TOOL:
                at_ms, until_ms = self._at_ms(span.start_us), self._at_ms(span.end_us)
                _add(parts, f"tool {span.name.removeprefix('tool.')}", _shared(at_ms, until_ms, start_ms, end_ms))
        for name, stage, first in _STAGES:
            for span in self._named(name):
                waited = number(_object(span.fields.get(stage)).get(first))
                at_ms = self._at_ms(span.start_us)
                if waited is not None:
                    _add(parts, f"{stage}.{first}", _shared(at_ms, at_ms + waited * 1000, start_ms, end_ms))
        fields: Mapping[str, Json] = {} if turn is None else turn.fields
        exchange = None if turn is None else self._turns.get(turn.parent_id or "")
        eou = None if exchange is None else number(_object(exchange.fields.get("eou")).get("end_of_utterance_delay"))
        ttft_ms, perceived_ms = number(fields.get("ttft_ms")), number(fields.get("perceived_ms"))
        if eou is not None:
            _add(parts, "eou", min(eou * 1000, end_ms - start_ms))
        elif ttft_ms is not None and perceived_ms is not None:
            _add(parts, "turn detection", min(perceived_ms - ttft_ms, end_ms - start_ms))
        if ttft_ms is not None and turn is not None and turn.kind is SpanKind.AGENT_TURN:
            _add(parts, "model", end_ms - start_ms - sum(parts.values()))
        known = {name: value for name, value in parts.items() if value >= _SHORTEST_PART_MS}
        return dict(sorted(known.items(), key=lambda part: part[1], reverse=True))


def stage_latencies(fields: Mapping[str, Json]) -> dict[str, float | None]:
    """Return eou, llm.ttft and tts.ttfb of a pipeline's turn in ms; None where one was not seen."""
    found = {
        "eou": number(_object(fields.get("eou")).get("end_of_utterance_delay")),
        "llm.ttft": number(_object(fields.get("llm")).get("ttft")),
        "tts.ttfb": number(_object(fields.get("tts")).get("ttfb")),
    }
    return {name: None if value is None else round(value * 1000, 3) for name, value in found.items()}


def seconds(value_ms: float | None) -> str:
    """Write a length of time in seconds; a dash where it is unknown."""
    if value_ms is None:
        return "–"
    decimals = 2 if value_ms < 9_995 else 1 if value_ms < 99_950 else 0
    return f"{value_ms / 1000:.{decimals}f} s"


def milliseconds(value_ms: float | None) -> str:
    """Write a length of time in ms, from one second on in seconds; a dash where it is unknown."""
    return f"{value_ms:.0f} ms" if value_ms is not None and value_ms < 999.5 else seconds(value_ms)


def _turn(fields: Mapping[str, Json]) -> str:
    index = fields.get("index")
    return f"turn {index}" if isinstance(index, int) else "turn"


def _error(fields: Mapping[str, Json]) -> str:
    kind, status = fields.get("error_type"), fields.get("error_status")
    return " ".join(str(part) for part in (kind, f"status {status}" if status is not None else None) if part)


def _start_us(spans: Sequence[SafeSpan]) -> int:
    """The call's start: the root's, which every span names."""
    first = spans[0]
    return first.ancestors[0].start_us if first.ancestors else first.start_us


def _shared(start: float, end: float, other_start: float, other_end: float) -> float:
    return max(0.0, min(end, other_end) - max(start, other_start))


def _add(parts: dict[str, float], name: str, duration_ms: float) -> None:
    if duration_ms > 0:
        parts[name] = round(parts.get(name, 0.0) + duration_ms, 3)


def _fields(spans: Sequence[SafeSpan], name: str) -> Mapping[str, Json]:
    return next((span.fields for span in spans if span.name == name), {})


def _object(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def _objects(value: Json) -> list[Mapping[str, Json]]:
    return [one for one in _list(value) if isinstance(one, Mapping)]
