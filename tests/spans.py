"""Spans for tests: one whole synthetic call, and a strategy for any span that there may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from medagent.proof import GENESIS, Json
from medagent.telemetry.span import Ancestor, SafeSpan, Seal, SpanKind

START_US = 1_767_225_600_000_000
CALLER = "psn_0123abcd_" + "0f" * 16
"""A pseudonym of nobody."""


AGENT_TURN: dict[str, Json] = {
    "index": 1,
    "kind": "reply",
    "agent": "receptionist",
    "model": "gpt-realtime",
    "provider": "azure.ai.openai",
    "ttft_ms": 812.5,
    "ttft_start": "speech_stopped",
    "first_sound_ms": 812.5,
    "perceived_ms": None,
    "total_latency_ms": 812.5,
    "slow": False,
    "input_tokens": 311,
    "output_tokens": 97,
    "total_tokens": 408,
    "input_text_tokens": 211,
    "input_audio_tokens": 100,
    "input_cached_tokens": 64,
    "output_text_tokens": 22,
    "output_audio_tokens": 75,
    "cost_usd": 0.01234,
    "ended_by": "interrupted",
    "interrupted": True,
    "tool_calls": 1,
}
EXCHANGE: dict[str, Json] = {
    "index": 1,
    "kind": "reply",
    "model": "gpt-4o-mini",
    "total_latency_ms": 1610.0,
    "slow": True,
    "eou": {"end_of_utterance_delay": 0.5, "transcription_delay": 0.31, "on_user_turn_completed_delay": 0.001},
    "stt": {"duration": None, "audio_duration": 2.5, "streamed": True},
    "llm": {"ttft": 0.81, "duration": 1.25, "tokens_per_second": 20.8, "prompt_cached_tokens": 0},
    "tts": {"ttfb": 0.3, "duration": 0.75, "audio_duration": 3.25, "characters": 48, "streamed": True},
    "input_tokens": 211,
    "output_tokens": 26,
    "total_tokens": 237,
    "input_cached_tokens": 0,
    "cost_usd": 0.00321,
    "interrupted": False,
}
LLM: dict[str, Json] = {
    "model": "gpt-4o-mini",
    "provider": "openai",
    "llm": EXCHANGE["llm"],
    "input_tokens": 211,
    "output_tokens": 26,
    "total_tokens": 237,
    "input_cached_tokens": 0,
    "cancelled": False,
    "cost_usd": 0.0000472,
}
STT: dict[str, Json] = {"model": "nova-3", "provider": "deepgram", "stt": EXCHANGE["stt"], "cost_usd": None}
TTS: dict[str, Json] = {"model": "sonic-2", "provider": "cartesia", "tts": EXCHANGE["tts"], "cost_usd": 0.0024}
TOOL: dict[str, Json] = {
    "arguments": {"patient_name": "<REDACTED>", "reason_for_visit": "a cough …", "doctor_name": "Dr. Okafor", "n": 3},
    "result": {"confirmation_id": "CNF-7Q2M9K", "slots": [{"at": "2026-01-07T10:30:00", "free": True}], "note": None},
    "outcome": "booked",
    "duration_ms": 41.75,
}
ERROR: dict[str, Json] = {"error_type": "TimeoutError", "error_source": "tool", "error_recoverable": True}


def assert_one_tree(spans: Sequence[SafeSpan]) -> None:
    """Assert that each trace has one root, whose id is the trace id, and that each path goes through its parent's."""
    by_id = {span.span_id: span for span in spans}
    roots = [span.trace_id for span in spans if not span.ancestors]
    assert sorted(roots) == sorted({span.trace_id for span in spans})
    for span in spans:
        own = Ancestor(span_id=span.span_id, start_us=span.start_us)
        assert (*span.ancestors, own)[0].span_id == span.trace_id
        if span.parent_id in by_id:
            parent = by_id[span.parent_id]
            assert span.ancestors == (*parent.ancestors, Ancestor(span_id=parent.span_id, start_us=parent.start_us))
        else:
            assert span.parent_id is None


def seal(spans: Sequence[SafeSpan]) -> list[SafeSpan]:
    sealed, previous = [], GENESIS
    for number, span in enumerate(spans):
        made = Seal.over(sequence=number, previous=previous, span_digest=span.digest())
        sealed.append(span.sealed(made))
        previous = made.hash
    return sealed


def call(trace_id: str = "5f0c3b1e-0c1d-4f6a-9a55-1f2e3d4c5b6a", *, start_us: int = START_US) -> list[SafeSpan]:
    """A sealed call of six spans: session, start, turn, tool under it, failed tool, end."""

    def span(number: int, name: str, kind: SpanKind, path: Sequence[int], fields: dict[str, Json]) -> SafeSpan:
        ids = [
            trace_id,
            *(f"{trace_id[:12]}{(int(trace_id[12], 16) + n) % 16:x}{trace_id[13:]}" for n in range(1, 6)),
        ]
        return SafeSpan(
            trace_id=trace_id,
            span_id=ids[number],
            ancestors=tuple(Ancestor(span_id=ids[n], start_us=start_us + n * 1_000_001) for n in path),
            name=name,
            kind=kind,
            start_us=start_us + number * 1_000_001,
            end_us=start_us + number * 1_000_001 + 250_000,
            status="error" if "error_type" in fields else "ok",
            env="dev",
            policy_digest="ab" * 32,
            fields=fields,
        )

    ended: dict[str, Json] = {"reason": "hang_up", "outcome": "booked", "duration_ms": 61250.5, "complete": True}
    return seal(
        [
            span(
                0, "voice_session", SpanKind.SESSION, [], {"agent_version": "0.1.0", "quality": {"rtt_ms": [21, 22.5]}}
            ),
            span(1, "session.start", SpanKind.MARKER, [0], {}),
            span(2, "agent_turn", SpanKind.AGENT_TURN, [0], AGENT_TURN),
            span(3, "tool.book_appointment", SpanKind.TOOL, [0, 2], TOOL),
            span(4, "tool.check_availability", SpanKind.TOOL, [0, 2], {"arguments": {}, "result": None, **ERROR}),
            span(5, "session.end", SpanKind.MARKER, [0], ended),
        ]
    )


def exchange() -> list[SafeSpan]:
    """A pipeline's exchange, whole: the caller's turn, the three stages, the agent's turn, a tool under it."""

    def span(number: int, name: str, kind: SpanKind, fields: dict[str, Json]) -> SafeSpan:
        ids = [f"6f0c3b{n:02x}-0c1d-4f6a-9a55-1f2e3d4c5b6a" for n in (0, 1, number)]
        above = [(ids[n], START_US + n * 1_000_001) for n in (0, 1)][: 1 if number == 1 else 2]
        return SafeSpan(
            trace_id=ids[0],
            span_id=ids[2],
            ancestors=tuple(Ancestor(span_id=one, start_us=start_us) for one, start_us in above),
            name=name,
            kind=kind,
            start_us=START_US + number * 1_000_001,
            end_us=START_US + number * 1_000_001 + 250_000,
            status="ok",
            env="dev",
            policy_digest="ab" * 32,
            fields={"participant_id": CALLER, **fields},
        )

    heard: dict[str, Json] = {"index": 1, "audio_ms": 2500.0}
    spoken: dict[str, Json] = {"index": 1, "kind": "reply", "ttft_ms": 1650.0, "tool_calls": 1}
    return seal(
        [
            span(2, "user_turn", SpanKind.USER_TURN, heard),
            span(3, "stt_processing", SpanKind.STT, STT),
            span(4, "llm_generation", SpanKind.LLM, LLM),
            span(5, "tts_synthesis", SpanKind.TTS, TTS),
            span(6, "tool.book_appointment", SpanKind.TOOL, TOOL),
            span(7, "agent_turn", SpanKind.AGENT_SPEECH, spoken),
            span(1, "conversation_turn", SpanKind.EXCHANGE, EXCHANGE),
        ]
    )


_text = st.text(st.characters(codec="utf-8"), max_size=24)
_scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _text
)
_fields: st.SearchStrategy[Any] = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=4), max_leaves=12
)
_us = st.integers(0, 2**52)


@st.composite
def safe_spans(draw: st.DrawFn) -> SafeSpan:
    """Any sealed span that `SafeSpan` accepts."""
    start = draw(_us)
    ids = [str(draw(st.uuids())) for _ in range(draw(st.integers(1, 4)))]
    span = SafeSpan(
        trace_id=ids[0],
        span_id=ids[-1],
        ancestors=tuple(Ancestor(span_id=i, start_us=draw(_us)) for i in ids[:-1]),
        name=draw(st.from_regex(r"[a-z][a-z0-9_]{0,12}(\.[a-z][a-z0-9_]{0,12})?", fullmatch=True)),
        kind=draw(st.sampled_from(SpanKind)),
        start_us=start,
        end_us=start + draw(st.integers(0, 10**9)),
        status=draw(st.sampled_from(["ok", "error"])),
        env=draw(st.sampled_from(["dev", "prod"])),
        policy_digest=draw(st.binary(min_size=32, max_size=32)).hex(),
        fields=draw(st.dictionaries(_text, _fields, max_size=6)),
    )
    return seal([span])[0]


_OUR_NAMES = [
    *("kind", "model", "provider", "participant_id", "ttft_ms", "total_latency_ms", "perceived_ms", "duration_ms"),
    *("at_ms", "outcome", "status", "slow", "input_tokens", "total_tokens", "cost_usd", "error_type", "error_message"),
    *("arguments", "result", "tools", "errors", "usage", "llm", "tts", "eou", "name", "ttft", "stt", "duration"),
]
_our_fields: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(0, 10**7)
    | st.sampled_from(["ok", "failed", "reply", "", "[1]", '{"a":1}']),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_OUR_NAMES), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def named_spans(draw: st.DrawFn) -> SafeSpan:
    """A span whose fields have the names that exporters look for, and values that these never have."""
    kind, name = draw(
        st.sampled_from(
            [
                (SpanKind.AGENT_TURN, "agent_turn"),
                (SpanKind.EXCHANGE, "conversation_turn"),
                (SpanKind.AGENT_SPEECH, "agent_turn"),
                (SpanKind.LLM, "llm_generation"),
                (SpanKind.TTS, "tts_synthesis"),
                (SpanKind.TOOL, "tool.check_availability"),
                (SpanKind.MARKER, "session.end"),
                (SpanKind.SESSION, "voice_session"),
            ]
        )
    )
    fields = draw(st.dictionaries(st.sampled_from(_OUR_NAMES), _our_fields, max_size=8))
    return alone(draw(safe_spans()), kind=kind, name=name, fields=fields)


def alone(span: SafeSpan, **changes: Any) -> SafeSpan:
    """The same span with changes, sealed anew as the first of its chain."""
    return seal([replace(span, seal=None, **changes)])[0]
