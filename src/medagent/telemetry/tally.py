"""What a call adds up to: totals, states, errors, quality, outcome."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median

from medagent.outcomes import INFORMED, Outcomes, ToolOutcome
from medagent.pricing import Usage
from medagent.snake_case import snake_case
from medagent.telemetry.costs import Costs
from medagent.telemetry.events import (
    EndReason,
    ErrorRaised,
    LostPart,
    MissingPart,
    QualitySampled,
    StageMeasured,
    StartMeasured,
    UserStateChanged,
)
from medagent.telemetry.tool_result import FAILURES
from medagent.telemetry.turns import AgentTurn, UserTurn, milliseconds

_LOST = ("error", "process_lost")
_MOST_SAMPLES = 360
_MOST_LISTED = 100
_MOST_IN_SERIES = 100
_MOST_TOOLS = 20


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts of one call; times are monotonic nanoseconds."""

    start_ns: int
    outcomes: Outcomes = field(default_factory=dict)
    """Declared outcomes by the tool's normalised name; a tool without one informs and changes nothing."""
    user_turns: int = 0
    uncommitted_turns: int = 0
    overlaps: int = 0
    overlap_ms: float = 0.0
    handoffs: int = 0
    is_agent_audible: bool = False
    ready: StartMeasured | None = None
    first_sound_ns: int | None = None
    has_lost_turn: bool = False
    """The beginning or the end of an utterance was not heard."""
    agent_turns: int = 0
    replies: int = 0
    """Answers that the caller heard, or was given as text."""
    interruptions: int = 0
    tools_requested: set[str] = field(default_factory=set)
    tool_runs: list[tuple[ToolOutcome, str]] = field(default_factory=list)
    """The declared outcome of each run's tool, and the run's own outcome."""
    tools: list[dict[str, object]] = field(default_factory=list)
    tool_calls_recorded: set[str] = field(default_factory=set)
    reconnects: int = 0
    events_lost: int = 0
    parts_missing: set[MissingPart] = field(default_factory=set)
    has_model: bool = True
    """Whether a model could answer at some time; without one (a transcriber) no turn of an agent is expected."""
    usage: Usage | None = None
    """Tokens of language models, realtime ones included."""
    costs: Costs = field(default_factory=Costs)
    stt_audio_seconds: float | None = None
    tts_audio_seconds: float | None = None
    tts_characters: int | None = None
    errors: list[dict[str, object]] = field(default_factory=list, repr=False)
    user_states: list[dict[str, object]] = field(default_factory=list)
    time_in_state_ms: dict[str, float] = field(default_factory=dict)
    samples: list[dict[str, object]] = field(default_factory=list)
    _state: tuple[str, int] | None = None

    def user_turn(self, turn: UserTurn) -> None:
        """Count a turn of the caller; what the framework never took for one counts apart."""
        self.user_turns += turn.committed
        self.uncommitted_turns += not turn.committed
        self.overlaps += turn.overlap_ms > 0
        self.overlap_ms = round(self.overlap_ms + turn.overlap_ms, 3)

    def agent_turn(self, turn: AgentTurn) -> None:
        """Count a closed agent turn."""
        self.agent_turns += 1
        self.interruptions += turn.interrupted
        if turn.lost_responses:
            self.parts_missing.add("usage")
        self.replies += turn.kind == "reply" and (turn.written or turn.first_sound_ns is not None)

    def error(self, event: ErrorRaised) -> dict[str, object]:
        """Note an error; returns its fields for the span that it happened in."""
        fields: dict[str, object] = {
            "error_type": event.error_type,
            **({} if event.error_status is None else {"error_status": event.error_status}),
            "error_message": event.message,
            "error_source": event.source,
            "error_recoverable": event.recoverable,
        }
        self.note(fields, event.at_ns)
        return fields

    def note(self, error: dict[str, object], at_ns: int) -> None:
        """List an error with its moment, a hundred of them at most."""
        if len(self.errors) < _MOST_LISTED:
            self.errors.append({**error, "at_ms": milliseconds(self.start_ns, at_ns)})

    def tool(self, call_id: str, *, called: str, name: str, outcome: str, duration_ms: float) -> None:
        """Count a tool's run, and list the first twenty; `called` is the tool's own name, `name` its span's."""
        self.tool_runs.append((self.outcomes.get(snake_case(called) or "", INFORMED), outcome))
        self.tool_calls_recorded.add(call_id)
        if len(self.tools) < _MOST_TOOLS:
            self.tools.append({"name": name, "outcome": outcome, "duration_ms": duration_ms})

    def stage(self, request: StageMeasured, cost_usd: float | None) -> None:
        """Count a request to an LLM, STT or TTS."""
        self.costs.add(
            request.stage,
            model=request.model,
            provider=request.provider,
            usage=request.usage,
            cost_usd=cost_usd,
            audio_seconds=request.audio_duration,
            characters=request.characters,
        )
        if request.stage == "llm":
            self.count_tokens(request.usage)
        if request.stage == "stt" and request.audio_duration is not None:
            self.stt_audio_seconds = round((self.stt_audio_seconds or 0.0) + request.audio_duration, 6)
        if request.stage == "tts" and request.audio_duration is not None:
            self.tts_audio_seconds = round((self.tts_audio_seconds or 0.0) + request.audio_duration, 6)
        if request.stage == "tts" and request.characters is not None:
            self.tts_characters = (self.tts_characters or 0) + request.characters

    def response(self, usage: Usage | None, cost_usd: float | None, *, model: str | None, provider: str | None) -> None:
        """Count a response of a realtime model."""
        self.costs.add("realtime", model=model, provider=provider, usage=usage, cost_usd=cost_usd)
        self.count_tokens(usage)

    def count_tokens(self, usage: Usage | None) -> None:
        """Add the tokens of one request to the call's."""
        if usage is not None:
            self.usage = usage if self.usage is None else self.usage + usage

    def user_state(self, event: UserStateChanged) -> None:
        """Note a change of the caller's state and the time spent in the one before."""
        if self._state is None:
            self._state = (event.old, self.start_ns)
        self._leave_state(event.at_ns)
        self._state = (event.new, event.at_ns)
        if len(self.user_states) < _MOST_LISTED:
            at_ms = milliseconds(self.start_ns, event.at_ns)
            self.user_states.append({"from": event.old, "to": event.new, "at_ms": at_ms})

    def _leave_state(self, at_ns: int) -> None:
        if self._state is not None:
            state, since_ns = self._state
            spent = max(0.0, milliseconds(since_ns, at_ns))
            self.time_in_state_ms[state] = round(self.time_in_state_ms.get(state, 0.0) + spent, 3)

    def sample(self, event: QualitySampled) -> None:
        """Keep one look at the media connection; an hour of them at most."""
        if len(self.samples) < _MOST_SAMPLES:
            self.samples.append(
                {
                    "at_ms": milliseconds(self.start_ns, event.at_ns),
                    "rtt_ms": event.rtt_ms,
                    "jitter_ms": event.jitter_ms,
                    "packet_loss": event.packet_loss,
                }
            )

    def quality(self) -> dict[str, object]:
        """Summary of the media connection, and a series of at most 100 looks spread over the call."""
        every = -(-len(self.samples) // _MOST_IN_SERIES) or 1
        return {
            "samples": len(self.samples),
            "rtt_ms": _summary(sample["rtt_ms"] for sample in self.samples),
            "jitter_ms": _summary(sample["jitter_ms"] for sample in self.samples),
            "packet_loss": _summary(sample["packet_loss"] for sample in self.samples),
            "series": self.samples[::every],
        }

    def sound(self, at_ns: int) -> None:
        """Note that the agent is heard; the first time counts."""
        self.first_sound_ns = at_ns if self.first_sound_ns is None else min(self.first_sound_ns, at_ns)

    def first_word(self) -> dict[str, object]:
        """The wait before the agent's first word, whole and in its parts."""
        ready, heard_ns = self.ready, self.first_sound_ns
        whole_ms = None
        if ready is not None and heard_ns is not None:
            whole_ms = round(max(0.0, ready.since_ms + milliseconds(ready.at_ns, heard_ns)), 3)
        return {
            "total_ms": whole_ms,
            "dispatch_ms": None if ready is None else ready.dispatch_ms,
            "process_start_ms": None if ready is None else ready.process_start_ms,
            "connect_ms": None if ready is None else ready.connect_ms,
        }

    def outcome(self, reason: EndReason) -> str:
        """Return what the caller got: the outcome that a tool declares, or refused, abandoned, failed, informed.

        The last attempt at a change decides where it failed, else the last change that was made. In a call that
        changed nothing a failure counts where it is the last of the tools' runs.
        """
        runs = self.tool_runs
        changes = [(tool.outcome, ended) for tool, ended in runs if tool.changes]
        made = [outcome for outcome, ended in changes if ended == "ok"]
        if changes and changes[-1][1] in FAILURES:
            return "failed"
        if made:
            return made[-1]
        if reason in _LOST or (runs and runs[-1][1] in FAILURES):
            return "failed"
        if changes and changes[-1][1] == "refused":
            return "refused"
        told = [tool.outcome for tool, ended in runs if ended == "ok"]
        if told and not changes:
            return told[-1]
        if not changes and any(ended == "refused" for _, ended in runs):
            return "refused"
        return INFORMED.outcome if self.replies else "abandoned"

    def missing(self) -> list[str]:
        """What a whole trace of this call would have and this one has not."""
        absent: dict[LostPart, bool] = {
            "agent_turn": self.agent_turns == 0 and self.has_model,
            "user_turn": self.has_lost_turn,
            "tool": not self.tools_requested <= self.tool_calls_recorded,
            "events": self.events_lost > 0,
        }
        return [*(what for what, is_absent in absent.items() if is_absent), *sorted(self.parts_missing)]

    def fields(self, *, reason: EndReason, end_ns: int) -> dict[str, object]:
        """The raw fields of `session.end`."""
        self._leave_state(end_ns)
        self._state = None
        missing, outcome = self.missing(), self.outcome(reason)
        return {
            "reason": reason,
            "outcome": outcome,
            "duration_ms": milliseconds(self.start_ns, end_ns),
            "complete": not missing,
            "missing": missing,
            "user_turns": self.user_turns,
            "uncommitted_turns": self.uncommitted_turns,
            "agent_turns": self.agent_turns,
            "handoffs": self.handoffs,
            "tool_calls": len(self.tool_runs),
            "tool_failures": sum(outcome in FAILURES for _, outcome in self.tool_runs),
            "interruptions": self.interruptions,
            "interruption_rate": round(self.interruptions / self.agent_turns, 4) if self.agent_turns else None,
            "overlaps": self.overlaps,
            "overlap_ms": self.overlap_ms,
            "first_word": self.first_word(),
            "reconnects": self.reconnects,
            "events_lost": self.events_lost,
            "tools": self.tools,
            "usage": {
                **(self.usage or Usage()).fields(),
                "stt_audio_seconds": self.stt_audio_seconds,
                "tts_audio_seconds": self.tts_audio_seconds,
                "tts_characters": self.tts_characters,
            },
            **self.costs.fields(),
            "user_states": self.user_states,
            "time_in_state_ms": self.time_in_state_ms,
            "unrecovered": reason in _LOST or outcome == "failed",
            "errors": sorted(self.errors, key=lambda error: float(str(error["at_ms"]))),
        }


def _summary(values: Iterable[object]) -> dict[str, object]:
    known = [value for value in values if isinstance(value, int | float)]
    return {"p50": round(median(known), 4), "max": max(known)} if known else {"p50": None, "max": None}
