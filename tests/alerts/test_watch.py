"""The watch over a real archive, told to a real destination that fails as destinations do."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from fleet import MINUTE_US, NOON_US, alone, span, step, store, tools, turns, watching

from medagent.alerts.rules import load_alerts
from medagent.alerts.watch import check
from medagent.errors import SettingsError
from medagent.proof import Json
from medagent.telemetry.exporters.archive import Archive
from medagent.telemetry.exporters.exporter import always_open
from medagent.telemetry.switch import Switch
from sink import Sink
from switches import GO, audited

pytestmark = pytest.mark.timing

SLOW = turns(20, NOON_US, ttft_ms=4000.0)


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    (tmp_path / "sink").mkdir()
    with Sink(tmp_path / "sink") as sink:
        yield sink


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def texts(sink: Sink, status: int = 200) -> list[str]:
    """What the destination took."""
    return [json.loads(request.body)["text"] for request in sink.requests() if request.answered == status]


def messages(home: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(home / "alerts" / "alerts.db")) as database:
        return database.execute("SELECT edge, state FROM message ORDER BY number").fetchall()


def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def test_one_message_when_it_begins_and_one_when_it_is_over(home: Path, sink: Sink) -> None:
    """However often somebody looks, an incident is told twice: when it began and when it ended."""
    store(home, SLOW)
    for minute in range(-3, 40):
        step(home, sink, NOON_US + minute * MINUTE_US)
    fired, cleared = texts(sink)
    assert fired.startswith("[DEV][OBS] TTFT-A p95: 4 s, over 3 s (20 turns in 15 min), at 2026-01-01 12:00 UTC.")
    assert cleared.startswith("[DEV][OBS] Cleared: TTFT-A p95: at or under 3 s for 10 min, now no figure")
    assert "12:25 UTC" in cleared or "12:24 UTC" in cleared
    assert fired[-13:] == cleared[-13:]
    assert all(json.loads(request.body)["channel"] == "#agent-ops" for request in sink.requests())


def test_nineteen_slow_turns_are_too_few(home: Path, sink: Sink) -> None:
    """Under the minimum sample nothing fires, and `check` says that it is too little to say so."""
    store(home, SLOW[1:])
    step(home, sink, NOON_US)
    assert sink.requests() == []
    with closing(Archive(home / "archive", gate=always_open)) as archive:
        states = {f.rule.id: f.state for f in check(archive, load_alerts(), at_us=NOON_US)}
    assert states["ttft_p95"] == "few"


def test_greetings_and_turns_without_a_sound_are_no_turns(home: Path, sink: Sink) -> None:
    """A turn whose TTFT-A is null is neither slow nor fast."""
    quiet = [
        span("agent_turn", NOON_US - 10 * MINUTE_US - n, call="quiet", number=n, fields={"ttft_ms": None})
        for n in range(100)
    ]
    store(home, [*SLOW, *quiet])
    step(home, sink, NOON_US)
    assert "20 turns" in texts(sink)[0]


@pytest.mark.parametrize(
    ("failed", "runs", "fires"), [(1, 10, False), (2, 10, True), (2, 9, False), (3, 9, True), (1, 1, False)]
)
def test_failures_of_tools(home: Path, sink: Sink, failed: int, runs: int, fires: bool) -> None:
    """Over 10 % of ten runs or more fires, and on a quiet line three failures; refusals and cancellations are none."""
    fine = ["refused", "cancelled", *["ok"] * (runs - failed)][: runs - failed]
    store(home, tools([*["failed", "timeout", "failed"][:failed], *fine], NOON_US))
    step(home, sink, NOON_US)
    assert bool(texts(sink)) is fires
    if fires:
        assert f"({runs} tool runs in 30 min, {failed} failed)" in texts(sink)[0]


def test_calls_with_an_unrecovered_error(home: Path, sink: Sink) -> None:
    """Session and end of a call are one call; an error that was recovered from is none, a tool that failed is one."""
    ends: list[dict[str, Json]] = [
        {"reason": "caller_hung_up", "errors": [{"error_recoverable": True}]},
        {"reason": "caller_hung_up", "outcome": "booked", "errors": [{"error_recoverable": False}]},
        {"reason": "process_lost", "errors": []},
        {"reason": "caller_hung_up", "outcome": "booked", "tool_failures": 1, "errors": []},
    ]
    spans = [span("session.end", NOON_US, call=n, fields=end) for n, end in enumerate(ends)]
    spans += [span("voice_session", NOON_US, call=n, fields={"outcome": "informed"}) for n in range(8)]
    store(home, spans)
    step(home, sink, NOON_US)
    assert "Error rate: 37.5 %, over 5 % (8 calls in 1 h, 3 failed)" in texts(sink)[0]


def test_a_restart_in_the_middle_of_an_incident(home: Path, sink: Sink) -> None:
    """A watch that is killed and started again neither repeats the beginning nor misses the end in between."""
    store(home, SLOW)
    step(home, sink, NOON_US + MINUTE_US)
    step(home, sink, NOON_US + 5 * MINUTE_US)
    assert len(texts(sink)) == 1
    step(home, sink, NOON_US + 600 * MINUTE_US)
    assert len(texts(sink)) == 2
    assert "12:2" in texts(sink)[1]


def test_an_incident_while_nobody_looked_is_told_afterwards(home: Path, sink: Sink) -> None:
    """What began and ended between two looks is two messages, with the times at which it did."""
    step(home, sink, NOON_US - 60 * MINUTE_US)
    store(home, SLOW)
    step(home, sink, NOON_US + 120 * MINUTE_US)
    assert [text.startswith("[DEV][OBS] Cleared") for text in texts(sink)] == [False, True]


def test_spans_that_arrive_late(home: Path, sink: Sink) -> None:
    """A slow stretch that reaches the archive nine minutes late is told then; it is not told again."""
    step(home, sink, NOON_US + 23 * MINUTE_US)
    store(home, SLOW)
    step(home, sink, NOON_US + 24 * MINUTE_US)
    step(home, sink, NOON_US + 25 * MINUTE_US)
    assert [text.startswith("[DEV][OBS] Cleared") for text in texts(sink)] == [False, True]


def test_it_is_kept_while_the_destination_fails(home: Path, sink: Sink) -> None:
    """Beginning and end wait in their order while the destination answers 500, and come once when it is back."""
    sink.mode(status=500)
    store(home, SLOW)
    for minute in (0, 1, 2, 30, 31):
        step(home, sink, NOON_US + minute * MINUTE_US)
    assert texts(sink) == []
    assert messages(home) == [("fired", "waiting"), ("cleared", "waiting")]
    sink.mode(status=200)
    for minute in (32, 33):
        step(home, sink, NOON_US + minute * MINUTE_US)
    assert [text.startswith("[DEV][OBS] Cleared") for text in texts(sink)] == [False, True]
    assert messages(home) == [("fired", "sent"), ("cleared", "sent")]


def test_it_is_kept_while_nobody_listens(home: Path, sink: Sink) -> None:
    """A refused connection is certain: the message waits, and is sent once."""
    store(home, SLOW)
    step(home, f"http://127.0.0.1:{closed_port()}/x", NOON_US)
    assert messages(home) == [("fired", "waiting")]
    step(home, sink, NOON_US + MINUTE_US)
    step(home, sink, NOON_US + 2 * MINUTE_US)
    assert len(texts(sink)) == 1


def test_a_slow_destination_is_not_told_twice(home: Path, sink: Sink) -> None:
    """Where no answer comes in time the message may have arrived, and is not sent again; the next incident is."""
    sink.mode(status=200, delay=3)
    store(home, SLOW)
    for minute in range(3):
        step(home, sink, NOON_US + minute * MINUTE_US, timeout_s=(0.5, 0.5))
    assert len(sink.requests()) == 1
    assert messages(home) == [("fired", "sending")]
    sink.mode(status=200)
    store(home, turns(20, NOON_US + 120 * MINUTE_US, ttft_ms=5000.0, call="later"))
    step(home, sink, NOON_US + 120 * MINUTE_US)
    assert [state for _, state in messages(home)] == ["sending", "sent", "sent"]
    assert len({request.body for request in sink.requests()}) == len(sink.requests()) == 3


def test_several_watches_at_once_tell_it_once(home: Path, sink: Sink) -> None:
    """Eight watches on one state, looking and telling at the same time, are one voice."""
    store(home, SLOW)
    step(home, sink, NOON_US - 30 * MINUTE_US)
    sink.mode(status=200, delay=0.2)
    start, failed = threading.Barrier(8), []

    def run() -> None:
        try:
            start.wait()
            step(home, sink, NOON_US, timeout_s=(5.0, 5.0))
        except BaseException as error:  # noqa: BLE001  # of whatever kind, the test must see it
            failed.append(error)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert len(texts(sink)) == 1


def test_a_watch_killed_over_a_message_does_not_repeat_it(home: Path, sink: Sink, tmp_path: Path) -> None:
    """`kill -9` while the destination makes us wait: the message arrived, and the next watch does not send it."""
    now_us = time.time_ns() // 1000
    store(home, turns(20, now_us, ttft_ms=4000.0))
    sink.mode(status=200, delay=5)
    environment = {"MEDAGENT_HOME": str(home), "MEDAGENT_SLACK_WEBHOOK_URL": f"{sink.url}/x", "PATH": ""}
    program = Path(sys.executable).with_name("medagent")
    process = subprocess.Popen([program, "alerts", "watch"], env=environment, cwd=tmp_path)
    for _ in range(300):
        if sink.requests():
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    sink.mode(status=200)
    step(home, sink, now_us + MINUTE_US)
    assert len(sink.requests()) == 1


def test_the_door_stops_a_title_that_holds_a_person(home: Path, sink: Sink) -> None:
    """An identifier in a rule's title never reaches the wire: the message stops, the switch trips."""
    store(home, SLOW)
    alerts = alone(load_alerts(), "ttft_p95")
    for number, title in enumerate(
        ["Calls of Maren Oldfield", "Calls from 555-010-0142", "Mail jane.doe@example.com", "Born 1982-03-14"]
    ):
        room = home / str(number)
        store(room, SLOW)
        planted = replace(alerts, rules=(replace(alerts.rules[0], title=title),))
        with watching(room, sink, alerts=planted) as (watch, _):
            watch.look(now_us=NOON_US)
            watch.deliver()
            watch.deliver()
        state = Switch(room, forced=None, env="dev").state()
        assert (state.on, state.source) == (False, "trip")
        assert title not in str(state.reason)
        assert messages(room) == [("fired", "refused")]
    assert sink.requests() == []


def test_a_message_that_was_changed_on_disk_does_not_leave(home: Path, sink: Sink) -> None:
    """What stands in the state is looked at again when it is sent."""
    store(home, SLOW)
    with watching(home, sink) as (watch, _):
        watch.look(now_us=NOON_US)
        with closing(sqlite3.connect(home / "alerts" / "alerts.db")) as other, other:
            other.execute("UPDATE message SET notice = replace(notice, 'TTFT-A p95', 'Maren Oldfield')")
        watch.deliver()
    assert sink.requests() == []
    assert messages(home) == [("fired", "refused")]


def test_while_telemetry_is_off_nothing_leaves(home: Path, sink: Sink) -> None:
    """With the switch off a message waits; switched on, it leaves once."""
    store(home, SLOW)
    switch = Switch(home, forced=None, env="dev", audited=audited)
    switch.turn_off(reason="a drill", by="the test")
    step(home, sink, NOON_US)
    assert sink.requests() == []
    switch.turn_on(report=GO, by="the test")
    step(home, sink, NOON_US + MINUTE_US)
    step(home, sink, NOON_US + 2 * MINUTE_US)
    assert len(texts(sink)) == 1


def test_an_alert_that_is_not_watched_any_more_is_closed(home: Path, sink: Sink) -> None:
    """Disabling an alert that fires ends its incident, once; enabling it again starts anew."""
    store(home, SLOW)
    step(home, sink, NOON_US)
    with watching(home, sink, alerts=alone(load_alerts(), "tool_failure_rate")) as (watch, _):
        for minute in (1, 2):
            watch.look(now_us=NOON_US + minute * MINUTE_US)
            watch.deliver()
    assert "not watched any more, at 2026-01-01 12:01 UTC" in texts(sink)[1]
    step(home, sink, NOON_US + 3 * MINUTE_US)
    assert len(texts(sink)) == 3


def test_what_leaves_is_the_message_and_nothing_else(home: Path, sink: Sink) -> None:
    """The request holds two words of JSON, no header of a library, and goes to the webhook's own address."""
    store(home, SLOW)
    step(home, sink, NOON_US)
    [request] = sink.requests()
    assert json.loads(request.body).keys() == {"channel", "text"}
    assert request.path == "/services/T000/B000/secret"
    headers = {name.lower() for name in request.headers}
    assert headers == {"host", "content-type", "content-length", "user-agent", "accept-encoding"}
    assert request.headers["User-Agent"] == "medagent"


def test_a_webhook_in_the_clear_is_refused(home: Path) -> None:
    """A secret address over plain HTTP to another machine is an error that does not quote it."""
    with (
        pytest.raises(SettingsError, match="MEDAGENT_SLACK_WEBHOOK_URL") as caught,
        watching(home, "http://hooks.example/secret"),
    ):
        pass
    assert "secret" not in caught.value.diagnostics()


def test_the_state_belongs_to_its_user_alone(home: Path, sink: Sink) -> None:
    """Directory and files of the state are closed to others."""
    with watching(home, sink) as (watch, _):
        watch.look(now_us=NOON_US)
        files = [home / "alerts", *(home / "alerts").iterdir()]
        assert len(files) > 1
        assert all(file.stat().st_mode & 0o077 == 0 for file in files)


def test_a_message_names_the_three_worst_calls_and_the_command(home: Path, sink: Sink) -> None:
    """The slowest turn of each of three calls, with its place in the call; a fourth call is not named."""
    slow = [turn for n in range(4) for turn in turns(6, NOON_US - n * 30_000_000, ttft_ms=4000.0 + 500 * n, call=n)]
    store(home, slow)
    step(home, sink, NOON_US)
    ids = [slow[6 * n].trace_id[:8] for n in (3, 2, 1)]
    named = "; ".join(f"{one} at 00:00, {value} s" for one, value in zip(ids, ("5.5", "5", "4.5"), strict=True))
    assert f" Worst: {named}. Look: medagent trace show --timeline {ids[0]}. Incident " in texts(sink)[0]


def test_under_a_shifted_clock_no_call_is_named(home: Path, sink: Sink) -> None:
    """A call's id beside the time of an alert would show the day that the clock hides: a list is named instead."""
    store(home, SLOW)
    with watching(home, sink, names_calls=False) as (watch, _):
        watch.look(now_us=NOON_US)
        watch.deliver()
    [text] = texts(sink)
    assert SLOW[0].trace_id[:8] not in text
    assert " Look: medagent trace list --slow. Incident " in text


def test_failed_tools_name_the_calls_with_most_failures(home: Path, sink: Sink) -> None:
    """Of a share the calls with most failures come first, with the place of the last one and no figure."""
    store(home, [*tools(["failed"], NOON_US, call="one"), *tools(["failed", "failed", "timeout"], NOON_US, call="two")])
    step(home, sink, NOON_US)
    first, second = (tools(["failed"], NOON_US, call=call)[0].trace_id[:8] for call in ("two", "one"))
    assert (
        f" Worst: {first} at 00:00; {second} at 00:00. Look: medagent trace show --timeline {first}." in texts(sink)[0]
    )
