"""The two accounts of one session that are compared: LiveKit's own and the archived trace's; plain data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Usage of models: tokens, characters read aloud, seconds of audio."""

    input_tokens: float = 0
    output_tokens: float = 0
    tts_characters: float = 0
    tts_audio_seconds: float = 0.0
    stt_audio_seconds: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(**{one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(self)})

    def __sub__(self, other: Usage) -> Usage:
        return Usage(**{one.name: getattr(self, one.name) - getattr(other, one.name) for one in fields(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolFacts:
    """One run of a tool: `status` is done, error, cancelled, or open where LiveKit reported no end."""

    name: str
    status: str
    output: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionFacts:
    """LiveKit's account of one session.

    `timeline` holds, in their order, user, agent and handoff, with `.interrupted` and `.closing` where they apply.
    """

    timeline: Sequence[str]
    utterances: int
    speeches: int
    interrupted_speeches: int
    tools: Sequence[ToolFacts]
    usage_at_close: Usage
    usage: Usage
    reason: str | None

    def document(self) -> dict[str, Any]:
        """Return the facts as JSON holds them, without what tools returned."""
        document = asdict(self)
        for tool in document["tools"]:
            tool["output"] = None if tool["output"] is None else f"{len(tool['output'])} characters"
        return document


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceFacts:
    """The archived trace's account of the same session."""

    user_turns: int
    agent_turns: int
    interruptions: int
    handoffs: int
    tool_outcomes: Sequence[str]
    usage: Mapping[str, float | None]
    reason: str | None
    outcome: str | None
    complete: bool
    missing: Sequence[str]
    spans: Mapping[str, int]
    totals: Mapping[str, int | None]

    @classmethod
    def of(cls, spans: Sequence[Any]) -> Self | None:
        """Read a trace's spans; None where it has no `session.end`."""
        end = next((span.fields for span in spans if span.name == "session.end"), None)
        if end is None:
            return None
        counted = Counter("tool" if span.name.startswith("tool.") else span.name for span in spans)
        tools = sorted((span for span in spans if span.name.startswith("tool.")), key=lambda span: span.start_us)
        usage = end.get("usage") or {}
        return cls(
            user_turns=counted["user_turn"],
            agent_turns=counted["agent_turn"],
            interruptions=int(end.get("interruptions") or 0),
            handoffs=counted["agent_handoff"],
            tool_outcomes=tuple(str(span.fields.get("outcome")) for span in tools),
            usage={one.name: usage.get(one.name) for one in fields(Usage)},
            reason=end.get("reason"),
            outcome=end.get("outcome"),
            complete=end.get("complete") is True,
            missing=tuple(end.get("missing") or ()),
            spans=dict(counted),
            totals={
                "user_turns": (end.get("user_turns") or 0) + (end.get("uncommitted_turns") or 0),
                "agent_turns": end.get("agent_turns"),
                "tool_calls": end.get("tool_calls"),
            },
        )

    def document(self) -> dict[str, Any]:
        """Return the facts as JSON holds them."""
        return asdict(self)
