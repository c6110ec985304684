"""Compare LiveKit's account of a session with the trace's; pure.

LiveKit counts messages, speeches and states where a trace counts turns: a turn of the agent is at least one run of its
messages between two of the caller's, and at most one of its speeches. A number between these bounds agrees.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from bench.livekit_suite.facts import SessionFacts, ToolFacts, TraceFacts

_ADMITS_ALL = frozenset({"events", "process", "attached_late", "attached_twice"})
_NAMES = {
    "user_turns": {"user_turn", "stt", "realtime"},
    "agent_turns": {"agent_turn", "llm", "realtime"},
    "tools": {"tool"},
    "interruptions": {"interruption", "agent_turn"},
    "handoffs": {"agent_handoff"},
    "input_tokens": {"usage", "llm", "realtime"},
    "output_tokens": {"usage", "llm", "realtime"},
    "tts_characters": {"usage", "tts"},
    "tts_audio_seconds": {"usage", "tts"},
    "stt_audio_seconds": {"usage", "stt"},
    "end": {"session.end"},
    "outcome": {"session.end"},
    "spans": set[str](),
    "trace": set[str](),
}
"""The names in a trace's `missing` that admit a difference of each kind."""
_ENDINGS = {
    "error": {"error"},
    "job_shutdown": {"shutdown"},
    "participant_disconnected": {"caller_hung_up"},
    "user_initiated": {"agent_ended"},
    "task_completed": {"agent_ended"},
    None: {"shutdown", "process_lost", "unknown"},
}
_FAILED = frozenset({"failed", "timeout", "refused", "unreadable"})
_TOLERANCE = 0.01
_SAID = ("ok", "refused", "failed", "timeout", "cancelled")


class Verdict(StrEnum):
    """Whether a trace agrees with LiveKit, admits each difference in `missing`, or is wrong and silent."""

    AGREES = "agrees"
    ADMITS = "admits"
    SILENT = "silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing of which the two accounts differ."""

    kind: str
    livekit: str
    trace: str
    admitted: bool

    def __str__(self) -> str:
        return f"{self.kind}: LiveKit {self.livekit}, trace {self.trace}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One session's differences and the verdict on them."""

    verdict: Verdict
    differences: Sequence[Difference]

    def document(self) -> dict[str, Any]:
        """Return the comparison as JSON holds it."""
        return {"verdict": self.verdict.value, "differences": [asdict(one) for one in self.differences]}


def compare(livekit: SessionFacts, trace: TraceFacts | None) -> Comparison:
    """Return what the trace tells otherwise than LiveKit, and whether it admits that."""
    if trace is None:
        absent = Difference(kind="trace", livekit="a session", trace="no session.end", admitted=False)
        return Comparison(verdict=Verdict.SILENT, differences=(absent,))
    named = frozenset() if trace.complete else frozenset(trace.missing)
    differences = tuple(
        Difference(kind=kind, livekit=expected, trace=found, admitted=bool(named & (_NAMES[kind] | _ADMITS_ALL)))
        for kind, expected, found in _differences(livekit, trace)
    )
    if not differences:
        return Comparison(verdict=Verdict.AGREES, differences=())
    silent = any(not one.admitted for one in differences)
    return Comparison(verdict=Verdict.SILENT if silent else Verdict.ADMITS, differences=differences)


def _differences(livekit: SessionFacts, trace: TraceFacts) -> Iterator[tuple[str, str, str]]:
    for kind, (low, high), found in (
        ("user_turns", user_turns(livekit), trace.user_turns),
        ("agent_turns", agent_turns(livekit), trace.agent_turns),
        ("interruptions", interruptions(livekit), trace.interruptions),
        ("handoffs", handoffs(livekit), trace.handoffs),
    ):
        if not low <= found <= high:
            yield kind, _range(low, high), str(found)
    yield from _tools(livekit.tools, trace.tool_outcomes)
    yield from _usage(livekit, trace)
    if trace.reason not in _ENDINGS[livekit.reason]:
        yield "end", str(livekit.reason), str(trace.reason)
    crashed = any(outcome not in ("ok", "cancelled") for outcome in trace.tool_outcomes)
    if trace.outcome == "failed" and livekit.reason not in ("error", None) and not crashed:
        yield "outcome", f"{livekit.reason}, no tool failed", "failed"
    for total, name in (("user_turns", "user_turn"), ("agent_turns", "agent_turn"), ("tool_calls", "tool")):
        if trace.totals.get(total) != trace.spans.get(name, 0):
            yield "spans", f"{trace.totals.get(total)} {total} in session.end", f"{trace.spans.get(name, 0)} spans"


def user_turns(livekit: SessionFacts) -> tuple[int, int]:
    """Bounds: each of the user's messages is a turn; a turn without a message was at least heard."""
    messages = sum(one.startswith("user") for one in livekit.timeline)
    return messages, max(messages, livekit.utterances)


def agent_turns(livekit: SessionFacts) -> tuple[int, int]:
    """Bounds: runs of the agent's messages between the user's, and speeches that were scheduled."""
    runs = sum(one.startswith("agent") for one in _without_repeats(livekit.timeline))
    return runs, max(runs, livekit.speeches)


def interruptions(livekit: SessionFacts) -> tuple[int, int]:
    """Bounds: runs with an interrupted message, but at the close, and speeches that were interrupted."""
    runs, cut = 0, False
    messages = 0
    for one in (*livekit.timeline, "user"):
        if one.startswith("user"):
            runs, cut = runs + cut, False
        elif one.startswith("agent.interrupted"):
            messages += 1
            cut = cut or not one.endswith(".closing")
    return runs, max(messages, livekit.interrupted_speeches)


def handoffs(livekit: SessionFacts) -> tuple[int, int]:
    """Bounds: hand-overs from one agent to another; those of the close may be missing."""
    return livekit.timeline.count("handoff"), sum(one.startswith("handoff") for one in livekit.timeline)


def _without_repeats(timeline: Sequence[str]) -> Iterator[str]:
    last = ""
    for one in timeline:
        who = one.partition(".")[0]
        if who not in ("handoff", last):
            yield one
            last = who


def _tools(runs: Sequence[ToolFacts], outcomes: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """Every run needs an outcome of its own that fits how LiveKit ended it."""
    allowed = [_allowed(run) for run in runs]
    if len(allowed) != len(outcomes) or not _matches(allowed, list(outcomes)):
        yield "tools", str([run.status for run in runs]), str(list(outcomes))


def _allowed(run: ToolFacts) -> frozenset[str]:
    match run.status:
        case "done":
            said = _said_outcome(run.output)
            return frozenset({said} if said is not None else {"ok", "unreadable"})
        case "error":
            return _FAILED
        case "cancelled":
            return frozenset({"cancelled"})
        case _:
            return _FAILED | {"cancelled"}


def _said_outcome(output: str | None) -> str | None:
    for read in (json.loads, ast.literal_eval):
        try:
            value = read(output or "")
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        said = value.get("outcome") if isinstance(value, dict) else None
        said = said.strip().lower() if isinstance(said, str) else None
        return said if said in _SAID else None
    return None


def _matches(allowed: list[frozenset[str]], outcomes: list[str]) -> bool:
    """Return whether each run can be given an outcome of its own: augmenting paths."""
    holder: dict[int, int] = {}

    def place(run: int, tried: set[int]) -> bool:
        for number, outcome in enumerate(outcomes):
            if outcome in allowed[run] and number not in tried:
                tried.add(number)
                if number not in holder or place(holder[number], tried):
                    holder[number] = run
                    return True
        return False

    return all(place(run, set()) for run in range(len(allowed)))


def _usage(livekit: SessionFacts, trace: TraceFacts) -> Iterator[tuple[str, str, str]]:
    for name, found in trace.usage.items():
        bounds = sorted((getattr(livekit.usage_at_close, name), getattr(livekit.usage, name)))
        low, high = bounds[0] * (1 - _TOLERANCE) - 1e-6, bounds[1] * (1 + _TOLERANCE) + 1e-6
        if not low <= (found or 0) <= high:
            yield name, _range(*(round(bound, 3) for bound in bounds)), str(found)


def _range(low: float, high: float) -> str:
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"
