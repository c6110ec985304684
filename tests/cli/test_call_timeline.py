"""The timeline of a call: what it says, in which order, and that it fits every terminal."""

from __future__ import annotations

import io
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from medagent.cli.call_rows import CallRows, call_rows
from medagent.cli.call_timeline import (
    ASCII,
    BLOCKS,
    clock,
    encodable,
    marks_for,
    print_timeline,
    slowest_line,
    timeline,
)
from medagent.pricing import Usage
from medagent.proof import digest
from medagent.telemetry import events as ev
from medagent.telemetry.record import Record
from medagent.telemetry.span import Ancestor, SafeSpan, Seal
from strategies import event_streams, modes, started
from tape import Tape, new_call

TRACE = str(uuid5(NAMESPACE_OID, "call"))
WIDTHS = st.integers(60, 140)


def sealed(records: list[Record]) -> list[SafeSpan]:
    """Records as spans whose fields are as they came: for what a policy keeps this is what left."""
    ids = {"voice_session": TRACE}
    found = []
    for number, record in enumerate(one for one in records if one.final):
        for place in (record.place, *record.parents):
            ids.setdefault(place.key, str(uuid5(NAMESPACE_OID, place.key)))
        found.append(
            SafeSpan(
                trace_id=TRACE,
                span_id=ids[record.place.key],
                ancestors=tuple(Ancestor(span_id=ids[p.key], start_us=p.start_us) for p in record.parents),
                name=record.name,
                kind=record.kind,
                start_us=record.place.start_us,
                end_us=max(record.end_us, record.place.start_us),
                status=record.status,
                env="dev",
                policy_digest="ab" * 32,
                fields=dict(record.fields),  # type: ignore[arg-type]  # a test's values are JSON
                seal=Seal(sequence=number, previous=digest({}), hash=digest({})),
            )
        )
    return found


def shown(call: CallRows, *, width: int = 80, encoding: str = "utf-8") -> list[str]:
    """The lines as an output of an encoding gets them."""
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding=encoding, errors="strict")
    print_timeline(call, to=Console(file=out, width=width, highlight=False, soft_wrap=True))
    out.flush()
    return raw.getvalue().decode(encoding).splitlines()


def pipeline_call() -> CallRows:
    """Two exchanges of a pipeline; in the second the LLM takes 3.2 of 4.1 s."""
    tape = Tape(mode="pipeline", model="gpt-4o-mini", provider="openai")
    tape.speech("hello", 100, "host", generated=False).plays("hello", 800).finishes("hello", 2000)
    tape.hears("item_1", 3000, 5500, silence_ms=500)
    tape(6000, ev.UserTurnCommitted, speech_id="answer")
    delays = {"end_of_utterance_delay": 0.6, "transcription_delay": 0.3, "on_user_turn_completed_delay": 0.0}
    tape(6000, ev.UtteranceMeasured, **delays)
    tape.speech("answer", 6000)
    about: dict[str, Any] = {"model": "gpt-4o-mini", "provider": "openai", "response_id": "answer", "duration": 3.3}
    tape(8900, ev.StageMeasured, stage="llm", key="llm", first=3.2, usage=Usage(output_tokens=9), **about)
    tape.plays("answer", 9100)
    tape(9300, ev.StageMeasured, stage="tts", key="tts", first=0.25, **(about | {"duration": 0.5}))
    tape.finishes("answer", 11_000)
    tape(11_000, ev.QualitySampled, rtt_ms=40.0, jitter_ms=3.0, packet_loss=0.01)
    tape(11_500, ev.QualitySampled, rtt_ms=90.0, jitter_ms=None, packet_loss=0.0)
    tape.ends(12_000)
    return call_rows(sealed(tape.records))


def failing_call(message: str | None = "the line to <REDACTED> was busy") -> CallRows:
    """A realtime call with a tool that fails, a reconnection and an interruption."""
    tape = Tape()(0, ev.TurnDetectionSet, silence_ms=500, detection="server_vad")
    tape.speech("hello", 100, "host").plays("hello", 800).finishes("hello", 2000)
    tape.says("item_1", 3000, 5000).speech("answer", 5100)
    tape(5100, ev.ResponseStarted, response_id="resp_1", speech_id="answer")
    tape(5300, ev.ToolRequested, response_id="resp_1", call_id="call_1").done("resp_1", 5400)
    tape(5400, ev.ToolStarted, call_id="call_1", name="book_appointment", arguments="{}")
    tape(7400, ev.ToolEnded, call_id="call_1", status="error", output=message, error_type="ClinicError")
    about = {"name": "book_appointment", "arguments": "{}", "output": message, "is_error": True}
    tape(7400, ev.ToolAnswered, call_id="call_1", **about)
    tape(7600, ev.Reconnected)
    tape(7700, ev.ResponseStarted, response_id="resp_2", speech_id="answer")
    tape(8000, ev.AudioStarted, response_id="resp_2").plays("answer", 8050, step=2)
    tape(9000, ev.SpeechStarted, item_id="item_2", audio_ms=9000)
    tape.done("resp_2", 9100, "cancelled").finishes("answer", 9100, interrupted=True)
    tape(10_000, ev.SpeechStopped, item_id="item_2", audio_ms=10_000)
    tape(11_000, ev.ErrorRaised, source="realtime", error_type="APIError", message=None, recoverable=False)
    tape.ends(14_000)
    return call_rows(sealed(tape.records))


def test_first_line_names_the_worst_wait_of_a_pipeline_and_its_longest_part() -> None:
    """Where, how long, before which turn, and which stage took most of it."""
    call = pipeline_call()
    assert slowest_line(call) == (
        "Slowest: 4.10 s at 00:05 before agent turn 1: llm.ttft 3.20 s, eou 0.60 s, tts.ttfb 0.25 s"
    )
    [turn] = [row for row in call.documents() if row["row"] == "agent_turn" and row["index"] == 1]
    assert turn["stages_ms"] == {"eou": 600.0, "llm.ttft": 3200.0, "tts.ttfb": 250.0}


def test_first_line_names_tool_reconnection_and_an_answer_that_never_came() -> None:
    """The longest wait was not answered; the one before it was a tool's, with a reconnection in it."""
    call = failing_call()
    assert slowest_line(call).startswith("Slowest: 4.50 s at 00:09 unanswered when the call ended: ")
    tape_end = [row for row in call.rows if row.kind == "dead_air"]
    assert [(row.at_ms, row.duration_ms) for row in tape_end] == [(0, 800), (4500, 3550), (9500, 4500)]


def test_lines_show_failures_interruptions_reconnections_and_silences() -> None:
    """A failed tool with its redacted message, an interruption, a reconnection, an error, both kinds of silence."""
    lines = shown(failing_call())
    text = "\n".join(lines)
    for said in (
        "tool    book_appointment: failed; ClinicError",
        "message: the line to <REDACTED> was",
        "line    model's server reconnected",
        "caller  turn 1; interrupts the agent",
        "error   realtime failed; APIError",
        "dead air: the caller waits",
        "caller silent: the agent waits",
        "TTFT-A 3.00 s, perceived 3.50 s",
        "Media quality: not seen",
    ):
        assert said in text, said
    assert "Media quality (2 samples): round trip p50 40 ms, max 90 ms at 00:11; jitter" in "\n".join(
        shown(pipeline_call(), width=140)
    )


def test_unknown_values_are_dashes_and_null() -> None:
    """What was not seen is no zero: a dash in the lines with its reason, null in the rows."""
    tape = Tape().says("item_1", 1000, 2000).answers("resp_1", 2100, 2500, 4000)(4100, ev.Gap, lost=2)
    tape.ends(5000)
    call = call_rows(sealed(tape.records))
    lines = shown(call)
    assert "dead air – (longest –), caller silence –" in " ".join(line.strip() for line in lines)
    assert any(line.startswith("Silence is unknown (–)") for line in lines)
    assert any(line.startswith("Incomplete: the trace has no, or not all of: events") for line in lines)
    first, *rows = call.documents()
    assert (first["dead_air_ms"], first["caller_silence_ms"]) == (None, None)
    assert all(row["dead_air_ms"] is None for row in rows if row["row"] == "agent_turn")


def test_message_that_the_policy_withheld_is_said_to_be() -> None:
    """A failed tool without a message in the trace says so."""
    lines = shown(failing_call(message=None))
    assert any("message: none in the trace" in line for line in lines)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_lines_fit_every_encoding(encoding: str) -> None:
    """No character is sent to an output that cannot hold it, whatever a message holds."""
    lines = shown(failing_call(message="Zoë – “busy” … ☎"), encoding=encoding)
    assert any(("#" if encoding != "utf-8" else "█") in line for line in lines)
    assert marks_for(encoding) is (BLOCKS if encoding == "utf-8" else ASCII)


def test_a_long_call_stays_readable() -> None:
    """Five minutes with thirty exchanges: one line each for caller and agent, in order of time, in 80 columns."""
    tape = Tape()(0, ev.TurnDetectionSet, silence_ms=500, detection="server_vad")
    tape.speech("s0", 100, "host").plays("s0", 800).finishes("s0", 3000)
    for n in range(30):
        at = 3000 + n * 10_000
        tape.says(f"item_{n}", at + 900, at + 4900).speech(f"s{n + 1}", at + 4900)
        tape(at + 4900, ev.ResponseStarted, response_id=f"r{n}", speech_id=f"s{n + 1}")
        tape(at + 5300, ev.AudioStarted, response_id=f"r{n}").plays(f"s{n + 1}", at + 5300).done(f"r{n}", at + 9000)
        tape.finishes(f"s{n + 1}", at + 10_000)
    tape.ends(305_000)
    lines = shown(call_rows(sealed(tape.records)))
    rows = [line for line in lines if line[2:3] == ":" and line[5:6] == "."]
    assert len(rows) == 63  # the greeting, two for each exchange, the worst wait, the silence before the end
    assert [line[:7] for line in rows] == sorted(line[:7] for line in rows)
    assert max(map(len, lines)) <= 80
    assert len(lines) < 80


@given(width=WIDTHS, marks=st.sampled_from([ASCII, BLOCKS]), mode=modes, stream=event_streams())
def test_no_line_is_longer_than_the_width(width: int, marks: Any, mode: Any, stream: list[ev.CallEvent]) -> None:
    """Whatever happened in a call: it can be shown, no line is cut or too long, every row is in the call's order."""
    call = new_call(started(mode=mode))
    records = [record for event in [started(mode=mode), *stream] for record in call.feed(event)]
    rows = call_rows(sealed(records))
    lines = [line.plain for line in timeline(rows, width=width, marks=marks)]
    assert all(len(line) <= width for line in lines)
    assert lines[0].startswith("Slowest: ")
    moments = [row.shown_ms for row in rows.rows]
    assert moments == sorted(moments)
    assert len(list(rows.documents())) == 1 + len(rows.rows)
    dead_air = [row.duration_ms or 0.0 for row in rows.rows if row.kind == "dead_air"]
    if rows.slowest is not None:
        assert rows.slowest.at_ms >= 0
        assert rows.slowest.duration_ms >= max(dead_air, default=0.0) - 0.001


@given(at_ms=st.floats(0, 3_600_000))
def test_clock_is_minutes_seconds_and_tenths(at_ms: float) -> None:
    """The moment that is shown is within half a tenth of a second."""
    minutes, rest = clock(at_ms).split(":")
    assert abs(int(minutes) * 60_000 + float(rest) * 1000 - at_ms) <= 50.001
    assert float(rest) < 60


@given(text=st.text(max_size=40), encoding=st.sampled_from(["ascii", "latin-1", "utf-8", "cp437"]))
def test_encodable_text_can_be_encoded(text: str, encoding: str) -> None:
    """What an encoding can hold stays as it is; the rest becomes something that it can."""
    made = encodable(text.replace("\ud800", ""), encoding)
    made.encode(encoding)
    if text.isascii():
        assert made == text
