"""Compare what a backend shows of a call with what left the process: one row for each thing that a person looks for."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from medagent.telemetry.span import SafeSpan, SpanKind
from scripts.backends.calls import UNPRICED, Played
from scripts.backends.shown import ShownSpan, ShownTrace

KINDS = {
    SpanKind.SESSION: "AGENT",
    SpanKind.GUARDRAIL: "GUARDRAIL",
    SpanKind.AGENT_TURN: "LLM",
    SpanKind.LLM: "LLM",
    SpanKind.TOOL: "TOOL",
}
"""Kind by kind of span; any other is a CHAIN. Both backends have these words."""
_GENERATIONS = (SpanKind.AGENT_TURN, SpanKind.LLM)
_BILLED_BY_MEASURE = {SpanKind.STT: "seconds", SpanKind.TTS: "characters"}
_TOKENS = {
    "input": "input_tokens",
    "output": "output_tokens",
    "total": "total_tokens",
    "input_cached": "input_cached_tokens",
}
_MODALITIES = {"input_audio": "input_audio_tokens", "output_audio": "output_audio_tokens"}
_COST_WITHIN = 0.01
_CLOCK_WITHIN_US = 2  # Phoenix reads nanoseconds as a floating point number
_LONG_NUMBER = 8
_LONGEST = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One comparison; `ok` is None for what a backend cannot hold, which is listed and fails nothing."""

    backend: str
    what: str
    ours: str
    theirs: str
    ok: bool | None


def compare(backend: str, call: Played, shown: ShownTrace, *, project: str, holds_measures: bool) -> Iterator[Row]:
    """Yield the rows of one call.

    Args:
        backend: Its name.
        call: What left.
        shown: What it shows.
        project: The project's name that was set for it.
        holds_measures: Whether it holds the cost of what is billed by the second or the character.
    """
    theirs = {span.span_id: span for span in shown.spans}
    pairs = [(span, theirs[_short(span)]) for span in _in_order(call.spans) if _short(span) in theirs]

    def row(what: str, ours: Any, other: Any, *, ok: bool | None = None, shows: bool = True) -> Row:
        is_ok = ours == other if shows and ok is None else ok
        return Row(backend=backend, what=f"{call.name}: {what}", ours=_text(ours), theirs=_text(other), ok=is_ok)

    yield row("spans", len(call.spans), len(shown.spans))
    yield _same(
        row,
        "parents and order",
        [_place(one) for one in _in_order(call.spans)],
        [_shown_place(one) for one in shown.spans],
    )
    yield row("kinds", _counted(_kind(one) for one in call.spans), _counted(one.kind for one in shown.spans))
    late = [max(abs(a.start_us - b.start_us), abs(a.end_us - b.end_us)) for a, b in pairs]
    yield row("times (µs off)", 0, max(late, default=-1), ok=bool(late) and max(late) <= _CLOCK_WITHIN_US)
    yield from _of_tools(row, pairs)
    yield row("identifiers of the caller", 0, len(_identifiers(call, shown)))
    yield row("project", project, shown.project)
    yield row("session", call.trace_id, shown.session)
    yield row("user", _user(call), shown.user)
    yield from _of_errors(row, call, shown, pairs)
    yield from _of_models(row, pairs)
    yield from _of_costs(row, call, shown, pairs, holds_measures=holds_measures)


def _of_tools(row: Callable[..., Row], pairs: Sequence[tuple[SafeSpan, ShownSpan]]) -> Iterator[Row]:
    tools = [(a, b) for a, b in pairs if a.kind is SpanKind.TOOL]
    for what, field, shown in (("input", "arguments", "taken"), ("output", "result", "given")):
        ours = [a.fields.get(field) or None for a, _ in tools]
        yield _same(row, f"{what} of {len(tools)} tools", ours, [getattr(b, shown) for _, b in tools])


def _of_errors(
    row: Callable[..., Row], call: Played, shown: ShownTrace, pairs: Sequence[tuple[SafeSpan, ShownSpan]]
) -> Iterator[Row]:
    failed = [(a, b) for a, b in pairs if a.status == "error"]
    yield row(
        "failed spans", sum(one.status == "error" for one in call.spans), sum(one.is_error for one in shown.spans)
    )
    is_failed = any(one.status == "error" for one in call.spans)
    yield row("the trace failed", is_failed, shown.is_error)
    for ours, other in failed:
        if ours.kind is SpanKind.TOOL:
            yield row(f"error message of {ours.name}", _message(ours), other.message)


def _of_models(row: Callable[..., Row], pairs: Sequence[tuple[SafeSpan, ShownSpan]]) -> Iterator[Row]:
    generations = [(a, b) for a, b in pairs if a.kind in _GENERATIONS]
    yield row(
        "models",
        _counted(str(a.fields["model"]) for a, _ in generations),
        _counted(str(b.model) for _, b in generations),
    )
    for names, what in ((_TOKENS, "tokens"), (_MODALITIES, "audio tokens")):
        ours = {theirs: _sum(a.fields.get(name) for a, _ in generations) for theirs, name in names.items()}
        ours = {name: count for name, count in ours.items() if count}
        if ours:
            yield row(what, ours, {name: _sum(b.tokens.get(name) for _, b in generations) for name in ours})


def _of_costs(
    row: Callable[..., Row],
    call: Played,
    shown: ShownTrace,
    pairs: Sequence[tuple[SafeSpan, ShownSpan]],
    *,
    holds_measures: bool,
) -> Iterator[Row]:
    """Yield the cost of spans whose cost we know, the trace's sum, and what is held nowhere or made up."""
    kinds = (*_GENERATIONS, *(_BILLED_BY_MEASURE if holds_measures else ()))
    known = [(a, b) for a, b in pairs if a.kind in kinds and a.fields.get("cost_usd") is not None]
    ours, other = _dollars(a.fields["cost_usd"] for a, _ in known), _dollars(b.cost_usd for _, b in known)
    yield row("cost of spans (USD)", ours, other, ok=_is_near(ours, other))
    unknown = [
        (a, b) for a, b in pairs if a.kind in kinds and a.fields.get("cost_usd") is None and a.fields.get("model")
    ]
    if not unknown:
        yield row("cost of the trace (USD)", ours, round(shown.cost_usd or 0.0, 8), ok=_is_near(ours, shown.cost_usd))
    if made_up := [(a, b) for a, b in unknown if a.fields["model"] == UNPRICED]:
        its_own = _dollars(b.cost_usd for _, b in made_up)
        yield row(f"cost of {UNPRICED} (no price of ours)", None, its_own or None, shows=False)
    if shown.cost_split_usd is not None:
        split = {"input": round(shown.cost_split_usd[0], 8), "output": round(shown.cost_split_usd[1], 8)}
        yield row("cost by direction (USD)", None, split, shows=False)
    if not holds_measures:
        for kind, unit in _BILLED_BY_MEASURE.items():
            billed = [one for one in call.spans if one.kind is kind and one.fields.get("cost_usd") is not None]
            if billed:
                yield row(
                    f"cost by {unit} (USD)", _dollars(one.fields["cost_usd"] for one in billed), None, shows=False
                )


def _same(row: Callable[..., Row], what: str, ours: Sequence[Any], theirs: Sequence[Any]) -> Row:
    """Compare lists whole, and show how many of their members are the same."""
    same = sum(a == b for a, b in zip(ours, theirs, strict=False))
    shown: Row = row(what, f"{len(ours)} as sent", f"{same} as sent", ok=list(ours) == list(theirs))
    return shown


def _in_order(spans: Iterable[SafeSpan]) -> list[SafeSpan]:
    return sorted(spans, key=lambda span: (span.start_us, _short(span)))


def _short(span: SafeSpan) -> str:
    return span.span_id.replace("-", "")[:16]


def _place(span: SafeSpan) -> tuple[str, str | None, str]:
    parent = None if span.parent_id is None else span.parent_id.replace("-", "")[:16]
    return _short(span), parent, span.name


def _shown_place(span: ShownSpan) -> tuple[str, str | None, str]:
    return span.span_id, span.parent_id, span.name


def _kind(span: SafeSpan) -> str:
    return KINDS.get(span.kind, "CHAIN")


def _user(call: Played) -> object:
    [root] = [span for span in call.spans if not span.ancestors]
    return root.fields.get("participant_id")


def _message(span: SafeSpan) -> object:
    result: Any = span.fields.get("result") or {}
    return span.fields.get("error_message") or result.get("error_message") or span.fields.get("error_type")


def _identifiers(call: Played, shown: ShownTrace) -> list[str]:
    """Return which identifiers of the caller stand anywhere in the answer: as they are, or their digits alone."""
    text = shown.everything.casefold()
    forms = {name: {value.casefold(), re.sub(r"\D", "", value)} for name, value in call.person.items()}
    long_enough = {name: {one for one in each if len(one) >= _LONG_NUMBER} for name, each in forms.items()}
    return [name for name, each in long_enough.items() if any(one in text for one in each)]


def _counted(values: Iterable[str]) -> str:
    return ", ".join(f"{value} {count}" for value, count in sorted(Counter(values).items()))


def _sum(values: Iterable[Any]) -> int:
    return sum(value for value in values if value is not None)


def _dollars(values: Iterable[Any]) -> float:
    return round(float(sum(value for value in values if value is not None)), 8)


def _is_near(ours: float, theirs: float | None) -> bool:
    return theirs is not None and abs(theirs - ours) <= _COST_WITHIN * ours


def _text(value: Any) -> str:
    if value is None:
        return "–"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict):
        text = ", ".join(f"{name} {count}" for name, count in value.items())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
