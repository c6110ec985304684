"""The only shape that may leave: made from redacted fields, checked by shape, imports nothing that is raw."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Literal

from medagent.proof import Json, digest

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?")
_LATEST_US = 2**53


def _step(ancestor: Ancestor) -> dict[str, Json]:
    return {"span_id": ancestor.span_id, "start_us": ancestor.start_us}


class SpanKind(StrEnum):
    """What a span stands for; each exporter maps it to its destination's own word.

    An agent's turn is `AGENT_TURN` where one model hears, thinks and speaks, and `AGENT_SPEECH` in a pipeline, whose
    tokens and cost are those of `STT`, `LLM` and `TTS`.
    """

    SESSION = "session"
    MARKER = "marker"
    GUARDRAIL = "guardrail"
    EXCHANGE = "exchange"
    USER_TURN = "user_turn"
    AGENT_TURN = "agent_turn"
    AGENT_SPEECH = "agent_speech"
    STT = "stt"
    LLM = "llm"
    TTS = "tts"
    TOOL = "tool"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ancestor:
    """One step on the way from the root: a span's id and its start, in microseconds since the Unix epoch (UTC)."""

    span_id: str
    start_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """The place of a span in its call's chain: number (from 0), hash of the one before, own hash."""

    sequence: int
    previous: str
    hash: str

    @classmethod
    def over(cls, *, sequence: int, previous: str, span_digest: str) -> Seal:
        """Chain a span's digest to the hash before it."""
        chained = digest({"sequence": sequence, "previous": previous, "digest": span_digest})
        return cls(sequence=sequence, previous=previous, hash=chained)


@dataclass(frozen=True, slots=True, kw_only=True)
class SafeSpan:
    """One redacted span; ids are UUIDs, times are microseconds since the Unix epoch (UTC), `ancestors` is root first.

    Raises `ValueError`, naming the attribute only, where a machine field has not its shape.
    """

    trace_id: str
    span_id: str
    ancestors: tuple[Ancestor, ...]
    name: str
    kind: SpanKind
    start_us: int
    end_us: int
    status: Literal["ok", "error"]
    env: Literal["dev", "prod"]
    policy_digest: str
    fields: Mapping[str, Json]
    seal: Seal | None = None

    def __post_init__(self) -> None:
        checks = {
            "trace_id": _UUID.fullmatch(self.trace_id),
            "span_id": _UUID.fullmatch(self.span_id),
            "ancestors": all(_UUID.fullmatch(a.span_id) and 0 <= a.start_us < _LATEST_US for a in self.ancestors),
            "name": len(self.name) <= 80 and _NAME.fullmatch(self.name),
            "times": 0 <= self.start_us <= self.end_us < _LATEST_US,
            "status": self.status in ("ok", "error"),
            "env": self.env in ("dev", "prod"),
            "policy_digest": _SHA256.fullmatch(self.policy_digest),
        }
        for attribute, sound in checks.items():
            if not sound:
                raise ValueError(f"a span's {attribute} has not the shape of one")

    @property
    def parent_id(self) -> str | None:
        """The parent's id; None for the root."""
        return self.ancestors[-1].span_id if self.ancestors else None

    def body(self) -> dict[str, Json]:
        """What is digested and stored: everything but the seal."""
        return {
            "trace_id": self.trace_id,
            "span_id": self.span_id,
            "ancestors": [_step(a) for a in self.ancestors],
            "name": self.name,
            "kind": self.kind.value,
            "start_us": self.start_us,
            "end_us": self.end_us,
            "status": self.status,
            "env": self.env,
            "policy_digest": self.policy_digest,
            "fields": dict(self.fields),
        }

    def digest(self) -> str:
        """The SHA-256 of the canonical body."""
        return digest(self.body())

    def sealed(self, seal: Seal) -> SafeSpan:
        """The same span with its place in the chain."""
        return replace(self, seal=seal)

    def document(self) -> dict[str, Json]:
        """The body with its seal, as the archive keeps it and `--json` prints it."""
        if self.seal is None:
            return self.body()
        seal: Json = {"sequence": self.seal.sequence, "previous": self.seal.previous, "hash": self.seal.hash}
        return {**self.body(), "seal": seal}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> SafeSpan:
        """Read a span back; raises `ValueError`, `KeyError` or `TypeError` on what is not one."""
        seal = document.get("seal")
        return cls(
            trace_id=document["trace_id"],
            span_id=document["span_id"],
            ancestors=tuple(Ancestor(span_id=a["span_id"], start_us=a["start_us"]) for a in document["ancestors"]),
            name=document["name"],
            kind=SpanKind(document["kind"]),
            start_us=document["start_us"],
            end_us=document["end_us"],
            status=document["status"],
            env=document["env"],
            policy_digest=document["policy_digest"],
            fields=document["fields"],
            seal=None if seal is None else Seal(**seal),
        )
