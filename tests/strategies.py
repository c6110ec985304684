"""Anything that may happen in a call, be counted in it or come of it, for Hypothesis; people here are invented."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from medagent.pricing import Usage
from medagent.telemetry import events as ev
from spans import safe_spans

__all__ = ["event_streams", "made_up_names", "modes", "records_of_any_kind", "safe_spans", "started", "usages"]

WALL_US = 1_767_225_600_000_000
START_NS = 7_000_000_000

_tokens = st.none() | st.integers(0, 5_000)
_items = st.sampled_from(["item_1", "item_2", "item_3"])
_responses = st.sampled_from(["resp_1", "resp_2", "resp_3", "resp_4"])
_sources = st.sampled_from(["server", "session"])
_speeches = st.sampled_from(["speech_1", "speech_2", "speech_3"])
_tool_calls = st.sampled_from(["call_1", "call_2", "call_3"])
_audio_ms = st.none() | st.integers(0, 60_000)
_raw_json = st.sampled_from(
    ["", "{}", "[1]", "{", '{"notes": "a cough"}', '{"outcome": "refused"}', '{"outcome": "timeout"}', "NaN"]
)
_ms = st.none() | st.floats(0, 500)
_seconds = st.none() | st.floats(0.001, 60)

made_up_names = st.sampled_from(
    ["Jane Doe", "Zoë Brandt-Day", "Mrs. Ann O'Day", "Dr. Will May", "Li", "José de la Rosa", "Doctor Hope Park", "Roy"]
)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """A provider's count, of which any part may be unknown."""
    names = ("input_text_tokens", "input_audio_tokens", "input_cached_text_tokens", "input_cached_audio_tokens")
    parts = {name: draw(_tokens) for name in (*names, "output_text_tokens", "output_audio_tokens", "total_tokens")}
    return Usage(**parts)


def started(**changes: Any) -> ev.CallStarted:
    """The beginning of a synthetic call."""
    about: dict[str, Any] = {
        "seq": 0,
        "at_ns": START_NS,
        "wall_us": WALL_US,
        "model": "gpt-realtime",
        "provider": "azure.ai.openai",
        "mode": "realtime",
        "agent_version": "0.1.0",
    }
    return ev.CallStarted(**(about | changes))


def _kind(kind: type[Any], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[type[Any], dict[str, Any]]]:
    return st.tuples(st.just(kind), st.fixed_dictionaries(fields))


_happenings = st.one_of(
    _kind(
        ev.TurnDetectionSet,
        silence_ms=st.none() | st.integers(0, 2_000),
        detection=st.sampled_from([None, "server_vad", "semantic_vad", "vad", "turn_detector", "manual", "none"]),
    ),
    _kind(ev.SpeechStarted, item_id=_items, audio_ms=_audio_ms, source=_sources),
    _kind(ev.SpeechStopped, item_id=_items, audio_ms=_audio_ms, source=_sources, tentative=st.booleans()),
    _kind(ev.ResponseStarted, response_id=_responses, speech_id=st.none() | _speeches),
    _kind(ev.AudioStarted, response_id=_responses),
    _kind(ev.ToolRequested, response_id=_responses, call_id=_tool_calls),
    _kind(
        ev.ResponseFinished,
        response_id=_responses,
        status=st.sampled_from(["completed", "cancelled", "incomplete", "failed"]),
        usage=st.none() | usages(),
        error_type=st.sampled_from([None, "rate_limit"]),
    ),
    _kind(
        ev.ToolAnswered,
        call_id=_tool_calls,
        name=st.sampled_from(["book_appointment", "lookup"]),
        arguments=_raw_json,
        output=st.none() | _raw_json,
        is_error=st.booleans(),
        reply_required=st.booleans(),
    ),
    _kind(
        ev.AgentSpeechCreated,
        speech_id=_speeches,
        initiator=st.sampled_from(["server", "turn", "host"]),
        agent=st.sampled_from([None, "desk"]),
        in_tool=st.booleans(),
        generated=st.booleans(),
        purpose=st.sampled_from([None, None, "reply", "disclosure"]),
    ),
    _kind(ev.AgentSpeechPlaying, speech_id=_speeches, step=st.integers(1, 3), audio=st.booleans()),
    _kind(ev.AgentSpeechMarked, speech_id=_speeches, purpose=st.sampled_from(["reply", "hold"])),
    _kind(
        ev.AgentSpeechFinished,
        speech_id=_speeches,
        interrupted=st.booleans(),
        by_caller=st.booleans(),
        step=st.integers(1, 3),
        error_type=st.sampled_from([None, "rate_limit"]),
    ),
    _kind(ev.AgentHandedOver, old=st.none() | st.just("desk"), new=st.just("billing"), call_id=st.none() | _tool_calls),
    _kind(ev.UserTurnCommitted, manual=st.booleans(), speech_id=st.none() | _speeches),
    _kind(ev.SpeechTranscribed, item_id=_items),
    _kind(ev.TextReceived, speech_id=st.none() | _speeches, received_ns=st.integers(START_NS, START_NS + 10**10)),
    _kind(
        ev.ToolStarted,
        call_id=_tool_calls,
        name=st.sampled_from(["book_appointment", "check_availability", "Not a Name!", "x" * 90]),
        arguments=_raw_json,
    ),
    _kind(
        ev.ToolEnded,
        call_id=_tool_calls,
        status=st.sampled_from(["done", "error", "cancelled"]),
        output=st.none() | _raw_json,
    ),
    _kind(
        ev.UserStateChanged,
        old=st.sampled_from(["speaking", "listening", "away"]),
        new=st.sampled_from(["speaking", "listening", "away"]),
    ),
    _kind(
        ev.AgentStateChanged,
        old=st.sampled_from(["listening", "thinking", "speaking"]),
        new=st.sampled_from(["listening", "thinking", "speaking"]),
    ),
    _kind(
        ev.UtteranceMeasured,
        end_of_utterance_delay=_seconds,
        transcription_delay=_seconds,
        on_user_turn_completed_delay=_seconds,
    ),
    _kind(
        ev.StageMeasured,
        stage=st.sampled_from(["stt", "llm", "tts"]),
        key=st.sampled_from(["a", "b", "c"]),
        model=st.sampled_from([None, "gpt-4o-mini", "nova-3"]),
        provider=st.sampled_from([None, "openai"]),
        response_id=st.none() | _responses,
        duration=_seconds,
        first=_seconds,
        audio_duration=_seconds,
        characters=st.none() | st.integers(1, 500),
        streamed=st.none() | st.booleans(),
        cancelled=st.none() | st.booleans(),
        usage=st.none() | usages(),
    ),
    _kind(
        ev.ErrorRaised,
        source=st.sampled_from(["realtime", "llm", "stt", "tts", "tool", "session"]),
        error_type=st.just("TimeoutError"),
        message=st.none() | st.just("the line was busy"),
        recoverable=st.booleans(),
    ),
    _kind(ev.Reconnected),
    _kind(ev.StartMeasured, since_ms=st.floats(0, 60_000), dispatch_ms=_ms, process_start_ms=_ms, connect_ms=_ms),
    _kind(ev.CallerIdentified, participant=st.none() | st.just("sip_1")),
    _kind(ev.QualitySampled, rtt_ms=_ms, jitter_ms=_ms, packet_loss=st.none() | st.floats(0, 1)),
    _kind(ev.ConsentSettled, state=st.sampled_from(["pending", "granted", "not_asked"]), method=st.just("spoken")),
    _kind(ev.Gap, lost=st.integers(1, 5)),
)

modes = st.sampled_from(["realtime", "pipeline"])
_reasons = st.sampled_from(["caller_hung_up", "agent_ended", "shutdown", "error", "limit", "process_lost", "unknown"])


@st.composite
def event_streams(draw: st.DrawFn) -> list[ev.CallEvent]:
    """Events in any order, some twice, some under new numbers, some lost, time going where it wants; then the end."""
    happenings = draw(st.lists(_happenings, max_size=30))
    replayed = draw(st.lists(st.sampled_from(happenings), max_size=10)) if happenings else []
    stream: list[ev.CallEvent] = []
    seq, at_ns = 1, START_NS
    for kind, fields in happenings + replayed:
        at_ns += draw(st.integers(-2_000_000_000, 5_000_000_000))
        stream.append(kind(seq=seq, at_ns=max(0, at_ns), **fields))
        seq += draw(st.sampled_from([0, 1, 1, 1, 1, 3]))
    if draw(st.booleans()):
        stream = draw(st.permutations(stream))
    return [*stream, ev.CallEnded(seq=seq + 1, at_ns=at_ns, reason=draw(_reasons))]


@st.composite
def records_of_any_kind(draw: st.DrawFn) -> Sequence[Any]:
    """The records of a call in which anything happened."""
    from medagent.pricing import load_prices
    from medagent.telemetry.call import Call

    began = started(mode=draw(modes), participant=draw(st.none() | st.just("sip_1")))
    call = Call(began, prices=load_prices(), policy_name="clinic", policy_version="1.0.0")
    return [record for event in [began, *draw(event_streams())] for record in call.feed(event)]
