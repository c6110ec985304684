"""JSON lines: what each says, that only whole ones are written, and that they pass the door before."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medagent.errors import DoorError, ExportError, NotAskableError
from medagent.proof import Json
from medagent.telemetry.door.exit import Exit
from medagent.telemetry.exporters.exporter import always_open
from medagent.telemetry.exporters.jsonlog import ENVELOPE, JsonLog, lines_of
from medagent.telemetry.span import SafeSpan
from spans import AGENT_TURN, alone, call, exchange, named_spans, safe_spans
from work import calls_of

SESSION, START, TURN, TOOLED, FAILED, END = call()
REAL_TOOL: dict[str, Json] = {"outcome": "refused", "duration_ms": 41.75}
TOOLS: list[Json] = [
    {"name": "check_availability", "outcome": "ok", "duration_ms": 41.75},
    {"name": "book_appointment", "outcome": "timeout", "duration_ms": 5000.5},
]
ERRORS: list[Json] = [
    {
        "error_type": "APIError",
        "error_message": None,
        "error_source": "llm",
        "error_recoverable": True,
        "at_ms": 1500.0,
    },
    {
        "error_type": "STTError",
        "error_message": None,
        "error_source": "stt",
        "error_recoverable": True,
        "at_ms": 2500.0,
    },
]
ENDED: dict[str, Json] = {
    "reason": "caller_hung_up",
    "outcome": "booked",
    "duration_ms": 61250.5,
    "complete": True,
    "missing": [],
    "user_turns": 9,
    "agent_turns": 10,
    "tool_calls": 2,
    "tool_failures": 1,
    "interruptions": 1,
    "unrecovered": False,
    "usage": {"input_tokens": 3110, "output_tokens": 970, "total_tokens": 4080},
    "cost_usd": 0.1234,
    "tools": TOOLS,
    "errors": ERRORS,
}


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _common(span: SafeSpan, event: str, number: str = "") -> dict[str, Any]:
    return {
        "_event_type": event,
        "_session_id": span.trace_id,
        "_id": f"{span.span_id}.{event}{number}",
        "trace_id": span.trace_id,
        "env": "dev",
    }


def _told(span: SafeSpan, **options: Any) -> list[dict[str, Any]]:
    """The lines without their time, which is the span's end, aware, in UTC."""
    lines: list[dict[str, Any]] = [json.loads(orjson.dumps(line)) for line in lines_of(span, **options)]
    for line in lines:
        when = datetime.fromisoformat(line.pop("_timestamp"))
        assert when.utcoffset() == timedelta(0)
        assert round(when.timestamp() * 10**6) == span.end_us
    return lines


def test_a_turn_is_one_line() -> None:
    """An agent's turn tells its latency in seconds, and null for the parts that Realtime mode has not."""
    assert _told(TURN) == [
        {
            **_common(TURN, "voice_metrics"),
            **{name: AGENT_TURN[name] for name in ("index", "kind", "agent", "model", "slow", "interrupted")},
            **{name: AGENT_TURN[name] for name in ("ttft_start", "first_sound_ms", "ended_by")},
            **{name: AGENT_TURN[name] for name in ("input_tokens", "output_tokens", "cost_usd")},
            "total_latency": 0.8125,
            "perceived": None,
            "llm": {"ttft": None},
            "tts": {"ttfb": None},
            "eou": {"end_of_utterance_delay": None, "delay": None},
        }
    ]


def test_a_pipelines_exchange_is_one_line() -> None:
    """In pipeline mode the exchange tells what the agent's turn tells otherwise, its parts in seconds; once."""
    lines = {span.name: _told(span) for span in exchange()}
    [line] = lines["conversation_turn"]
    assert line["_event_type"] == "voice_metrics"
    assert (line["llm"], line["tts"], line["total_latency"]) == ({"ttft": 0.81}, {"ttfb": 0.3}, 1.61)
    assert line["eou"] == {"end_of_utterance_delay": 0.5, "delay": 0.5}
    assert (line["model"], line["input_tokens"], line["cost_usd"], line["slow"]) == ("gpt-4o-mini", 211, 0.00321, True)
    assert {name for name, told in lines.items() if told} == {"conversation_turn", "tool.book_appointment"}


def test_a_tool_call_is_one_line() -> None:
    """A refusal is told and is no failure; a duration is in seconds."""
    assert _told(alone(TOOLED, fields=REAL_TOOL)) == [
        {
            **_common(TOOLED, "tool_metrics"),
            "tool": "book_appointment",
            "outcome": "refused",
            "success": True,
            "duration": 0.04175,
        }
    ]


@pytest.mark.parametrize("outcome", ["failed", "timeout"])
def test_a_failed_tool_is_an_error_too(outcome: str) -> None:
    """What failed has its own `session_error`, with class and source, beside its `tool_metrics`."""
    fields: dict[str, Json] = {"outcome": outcome, "error_type": "TimeoutError", "error_source": "tool"}
    metrics, error = _told(alone(FAILED, fields=fields))
    assert (metrics["success"], metrics["duration"]) == (False, None)
    assert error == {
        **_common(FAILED, "session_error"),
        "tool": "check_availability",
        "error_type": "TimeoutError",
        "error_status": None,
        "error_message": None,
        "error_source": "tool",
        "error_recoverable": None,
    }


def test_a_failed_response_is_told_by_the_calls_end_alone() -> None:
    """A turn whose model failed makes no error line of its own: the call's end lists that error once."""
    [voice] = _told(alone(TURN, fields={**AGENT_TURN, "status": "failed", "error_type": "server_error"}))
    assert voice["_event_type"] == "voice_metrics"


def test_a_call_is_one_line_and_one_for_each_error() -> None:
    """The end of a call tells its tools, sums and errors, each error once with its moment, in about 1 kB."""
    span = alone(END, fields=ENDED)
    first, second, analytics = _told(span)
    assert (first["_id"], second["_id"]) == (f"{END.span_id}.session_error.0", f"{END.span_id}.session_error.1")
    assert [(one["error_type"], one["at"]) for one in (first, second)] == [("APIError", 1.5), ("STTError", 2.5)]
    assert analytics == {
        **_common(END, "session_analytics"),
        **{name: ENDED[name] for name in ("reason", "outcome", "complete", "missing", "user_turns", "agent_turns")},
        **{name: ENDED[name] for name in ("tool_failures", "interruptions", "cost_usd", "unrecovered")},
        "duration": 61.2505,
        "tool_call_count": 2,
        "tool_calls": [
            {"tool": "check_availability", "outcome": "ok", "success": True, "duration": 0.04175},
            {"tool": "book_appointment", "outcome": "timeout", "success": False, "duration": 5.0005},
        ],
        "metrics_summary": {
            "llm_tokens": 4080,
            "llm_input_tokens": 3110,
            "llm_output_tokens": 970,
            "stt_audio_seconds": None,
            "tts_audio_seconds": None,
            "tts_characters": None,
        },
    }
    assert len(orjson.dumps(lines_of(span)[-1])) < 1300


def test_tools_that_are_not_known_are_null_and_not_none() -> None:
    """A call that does not say which tools ran has null there: an empty list would say that none did."""
    assert _told(END)[-1]["tool_calls"] is None
    assert _told(alone(END, fields={"tools": []}))[-1]["tool_calls"] == []


def test_errors_without_end_are_cut() -> None:
    """However many errors a span lists, a line's number has two digits at most, in which nothing can hide."""
    span = alone(END, fields={"errors": ERRORS * 60})
    lines = lines_of(span)
    assert len(lines) == 101
    _check(b"".join(orjson.dumps(line) + b"\n" for line in lines), [span])


def test_other_spans_make_no_line() -> None:
    """The session, its start and the caller's turns say nothing that these lines do not."""
    assert [lines_of(span) for span in (SESSION, START)] == [[], []]


def test_cloudwatch_finds_its_metrics() -> None:
    """With EMF a line carries its directive and the values at its root; what is not known is no metric."""
    [line] = _told(TURN, emf=True)
    assert line["_aws"] == {
        "Timestamp": TURN.end_us // 1000,
        "CloudWatchMetrics": [
            {
                "Namespace": "medagent",
                "Dimensions": [["env"]],
                "Metrics": [
                    {"Name": "TotalLatency", "Unit": "Milliseconds"},
                    {"Name": "TTFTA", "Unit": "Milliseconds"},
                ],
            }
        ],
    }
    assert (line["TotalLatency"], line["TTFTA"], line["env"]) == (812.5, 812.5, "dev")
    [tool] = _told(alone(TOOLED, fields=REAL_TOOL), emf=True)
    assert (tool["ToolDuration"], tool["_aws"]["CloudWatchMetrics"][0]["Metrics"][0]["Unit"]) == (41.75, "Milliseconds")
    assert _told(alone(END, fields=ENDED), emf=True)[-1]["CostUsd"] == 0.1234
    [greeting] = _told(alone(TURN, fields={"kind": "greeting", "ttft_ms": None}), emf=True)
    assert "_aws" not in greeting


def test_only_its_user_reads_it(tmp_path: Path) -> None:
    """The file is made 0600, and one that others may read is closed to them."""
    path = tmp_path / "calls.jsonl"
    JsonLog(path, gate=always_open).export(call())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    JsonLog(path, gate=always_open).export(call())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("is_dangling", [False, True])
def test_jsonlog_that_is_a_symbolic_link_is_not_written(tmp_path: Path, is_dangling: bool) -> None:
    """The log does not lead to another file of this user."""
    target = tmp_path / "target"
    if not is_dangling:
        target.write_bytes(b"theirs\n")
    (tmp_path / "log.jsonl").symlink_to(target)
    with pytest.raises(ExportError):
        JsonLog(tmp_path / "log.jsonl", gate=always_open).export([TURN])
    assert is_dangling or target.read_bytes() == b"theirs\n"
    assert target.exists() is not is_dangling


def test_jsonlog_that_is_a_fifo_without_a_reader_is_not_waited_for(tmp_path: Path) -> None:
    """The batch stays due."""
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ExportError):
        JsonLog(tmp_path / "fifo", gate=always_open).export([TURN])


def test_a_rotated_file_is_left_alone(tmp_path: Path) -> None:
    """What comes after a rotation goes to a new file under the old name."""
    path, log = tmp_path / "calls.jsonl", JsonLog(tmp_path / "calls.jsonl", gate=always_open)
    log.export([TURN])
    path.rename(tmp_path / "calls.jsonl.1")
    log.export([TOOLED])
    assert [line["_event_type"] for line in _lines(path)] == ["tool_metrics"]
    assert [line["_event_type"] for line in _lines(tmp_path / "calls.jsonl.1")] == ["voice_metrics"]


def test_a_second_delivery_can_be_told(tmp_path: Path) -> None:
    """A batch that comes twice makes the same lines twice, under the same ids."""
    path, log = tmp_path / "calls.jsonl", JsonLog(tmp_path / "calls.jsonl", gate=always_open)
    log.export(call())
    log.export(call())
    lines = _lines(path)
    assert lines[: len(lines) // 2] == lines[len(lines) // 2 :]
    assert len({line["_id"] for line in lines}) == len(lines) // 2


SHORT_OF_SPACE = """
import resource, signal, sys
from pathlib import Path
from spans import call
from medagent.errors import ExportError
from medagent.telemetry.exporters.jsonlog import JsonLog
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log = JsonLog(Path(sys.argv[1]), gate=lambda: None)
log.export(call())
size = Path(sys.argv[1]).stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, size + 100))
try:
    log.export(call())
except ExportError as error:
    print(error)
"""


@pytest.mark.timing
def test_a_line_is_whole_or_not_there(tmp_path: Path) -> None:
    """Where the disk takes only a part of a batch, the part is taken back and the batch has failed."""
    path = tmp_path / "calls.jsonl"
    ran = subprocess.run(
        [sys.executable, "-c", SHORT_OF_SPACE, path],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert ran.stdout == "the log cannot be written (OSError)\n"
    assert len(_lines(path)) == sum(len(lines_of(span)) for span in call())


WRITE = """
import sys
from pathlib import Path
from spans import call
from medagent.telemetry.exporters.jsonlog import JsonLog
log = JsonLog("stdout" if sys.argv[1] == "stdout" else Path(sys.argv[1]), gate=lambda: None)
print("before")
for _ in range(int(sys.argv[2])):
    log.export(call())
print("after")
"""


def _writer(target: str, times: int) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(
        [sys.executable, "-c", WRITE, target, str(times)], env=environment, stdout=subprocess.PIPE, text=True
    )


@pytest.mark.timing
def test_two_processes_write_whole_lines(tmp_path: Path) -> None:
    """Several workers may share a file: every line of each is whole."""
    path = tmp_path / "calls.jsonl"
    writers = [_writer(str(path), 50) for _ in range(3)]
    for writer in writers:
        writer.communicate(timeout=60)
    ids = [line["_id"] for line in _lines(path)]
    assert {ids.count(identity) for identity in set(ids)} == {150}


@pytest.mark.timing
def test_standard_output_gets_bare_lines() -> None:
    """On standard output a line stands alone, after what was printed before and before what comes after."""
    before, *lines, after = _writer("stdout", 1).communicate(timeout=60)[0].splitlines()
    assert (before, after) == ("before", "after")
    events = [json.loads(line)["_event_type"] for line in lines]
    assert events == ["voice_metrics", "tool_metrics", "tool_metrics", "session_analytics"]
    with pytest.raises(NotAskableError):
        JsonLog("stdout", gate=always_open).holds(TURN)


def test_a_standard_output_that_is_closed_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is none, nothing is lost: the batch has failed."""
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(ExportError):
        JsonLog("stdout", gate=always_open).export([TURN])


def test_the_file_can_be_asked(tmp_path: Path) -> None:
    """What was written is there, what was not is not, and a span without lines needs none."""
    log = JsonLog(tmp_path / "calls.jsonl", gate=always_open)
    with pytest.raises(ExportError):
        log.holds(TURN)
    log.export([TURN])
    assert [log.holds(span) for span in (TURN, TOOLED, START)] == [True, False, True]


LIES: dict[str, dict[str, Any]] = {
    "a name": {"model": "Jane Q. Roe"},
    "a key": {"Jane Q. Roe": None},
    "a number": {"total_latency": 5550101},
    "another span's value": {"tool": "book_appointment"},
    "another span": {"_id": f"{TOOLED.span_id}.voice_metrics"},
    "an unknown span": {"_id": "00000000-0000-4000-8000-000000000000.voice_metrics"},
    "an id with more": {"_id": f"{TURN.span_id}.voice_metrics.5550101"},
    "a nested value": {"llm": {"ttft": 5550101}},
    "another event": {"_event_type": "Jane Q. Roe"},
    "another metric": {"_aws": {"CloudWatchMetrics": [{"Dimensions": [["Jane Q. Roe"]]}]}},
    "another moment": {"_timestamp": "1982-03-19T00:00:00.000000+00:00"},
}


@pytest.mark.parametrize("lie", LIES.values(), ids=LIES.keys())
def test_a_line_that_was_changed_does_not_pass(lie: dict[str, Any]) -> None:
    """What stands in a line and not in its span is refused, and not quoted."""
    [line] = lines_of(TURN)
    _check(orjson.dumps(line) + b"\n", [TURN, TOOLED])
    with pytest.raises(DoorError) as caught:
        _check(orjson.dumps(line | lie) + b"\n", [TURN, TOOLED])
    assert not {"Roe", "5550101"} & set(repr(caught.value).replace("'", " ").split())


@pytest.mark.parametrize("change", [b" ", b"\n", b"{}\n", b"[]\n", b"Jane\n", b'{"_id":1}\n'])
def test_nothing_stands_between_the_lines(change: bytes) -> None:
    """A line without an end, an empty one and one that is no object are refused."""
    body = orjson.dumps(lines_of(TURN)[0]) + b"\n"
    with pytest.raises(DoorError):
        _check(body + change, [TURN])


def _check(body: bytes, batch: list[SafeSpan]) -> None:
    Exit(ENVELOPE).check(
        method="APPEND", url=ENVELOPE.url, headers={"content-type": "application/x-ndjson"}, body=body, batch=batch
    )


@given(
    st.lists(safe_spans() | named_spans(), min_size=1, max_size=3, unique_by=lambda span: span.span_id), st.booleans()
)
def test_whatever_a_span_may_be_passes(batch: list[SafeSpan], emf: bool) -> None:
    """No span that there may be trips the exit."""
    lines = [orjson.dumps(line) + b"\n" for span in batch for line in lines_of(span, emf=emf)]
    _check(b"".join(lines), batch)


def test_the_work_for_a_span_is_bounded_and_does_not_grow_with_its_batch(tmp_path: Path) -> None:
    """Making, checking and writing a span takes at most 2,000 function calls; `make bench` has the time."""
    log = JsonLog(tmp_path / "calls.jsonl", emf=True, gate=always_open)

    def export(count: int) -> int:
        batch = [replace(TURN, span_id=f"{number:08x}-0000-4000-8000-000000000000") for number in range(count)]
        return calls_of(lambda: log.export(batch))

    export(1)
    few, many = export(20), export(100)
    assert many < 100 * 2_000
    assert many < 5.5 * few
