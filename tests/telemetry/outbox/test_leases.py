"""Who sends what: one at a time, never for ever, whatever the clock does."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa

from medagent.errors import OutboxUnavailableError
from medagent.telemetry.outbox import Outbox, shared_clock
from medagent.telemetry.shipper import Shipper
from medagent.telemetry.span import SafeSpan
from medagent.telemetry.switch import Switch
from outboxes import CALLS, MakeOutbox, begin, put

HOUR_MS = 3_600_000


class Clock:
    """Stands in for the wall clock that all processes share, the server's with it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ms = 1_800_000_000_000
        monkeypatch.setattr(shared_clock, "_ahead_ms", lambda _connection: 0)
        monkeypatch.setattr(time, "time_ns", lambda: self.ms * 1_000_000)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def fill(outbox: Outbox, count: int, trace_id: str = CALLS[0]) -> None:
    begin(outbox, trace_id)
    for number in range(count):
        put(outbox, trace_id, "user_turn", number)


def numbers(batch: Sequence[SafeSpan]) -> list[object]:
    return [span.fields["index"] for span in batch]


def test_two_shippers_do_not_get_the_same_span(make_outbox: MakeOutbox) -> None:
    """What one is sending the other is not given; it goes on with the next; another destination is no matter."""
    one, other = make_outbox("one"), make_outbox("other")
    fill(one, 5)
    first = one.lease("archive", 3)
    assert (numbers(first), numbers(other.lease("archive", 3))) == ([0, 1, 2], [3, 4])
    assert numbers(other.lease("elsewhere", 9)) == [0, 1, 2, 3, 4]
    assert one.lease("archive", 3) == []
    assert one.status().leased == {"archive": 5, "elsewhere": 5}
    one.failed("archive", first[:2], error="ExportError")
    one.let_go("archive", first[2:])
    assert numbers(other.lease("archive", 9)) == [0, 1, 2]


def test_a_lease_ends_unless_it_is_renewed(make_outbox: MakeOutbox, clock: Clock) -> None:
    """What a dead process was sending is free again within seconds; who lives holds on; a thief is not renewed."""
    dead, alive, third = make_outbox("dead"), make_outbox("alive"), make_outbox("third")
    fill(dead, 2)
    dead_batch, alive_batch = dead.lease("archive", 1), alive.lease("archive", 1)
    clock.ms += 10_000
    alive.renew("archive", alive_batch)
    clock.ms += 10_000
    assert numbers(third.lease("archive", 9)) == numbers(dead_batch) == [0]
    clock.ms += 10_000
    dead.renew("archive", dead_batch)
    clock.ms += 10_000
    assert numbers(alive.lease("archive", 9)) == [0, 1]


def test_a_clock_that_goes_back_an_hour_leaves_nothing_leased_for_an_hour(
    make_outbox: MakeOutbox, clock: Clock
) -> None:
    """A lease, or a pause that a destination asked for, that ends further ahead than any can is none."""
    one, other = make_outbox("one"), make_outbox("other")
    fill(one, 1)
    one.lease("archive", 1)
    one.pause("elsewhere", 3000)
    assert other.lease("elsewhere", 1) == other.lease("archive", 1) == []
    clock.ms -= HOUR_MS
    assert numbers(other.lease("archive", 1)) == numbers(other.lease("elsewhere", 1)) == [0]
    assert one.status().oldest_s == {"archive": 0.0, "elsewhere": 0.0}


def test_a_pause_holds_for_every_process_and_ends(make_outbox: MakeOutbox, clock: Clock) -> None:
    """Nobody sends what a destination asked not to be sent now; an hour is the most."""
    one, other = make_outbox("one"), make_outbox("other")
    fill(one, 1)
    one.pause("archive", 60)
    assert (other.lease("archive", 1), other.status().paused_s) == ([], {"archive": 60.0})
    assert numbers(other.due("archive", 1)) == [0]
    clock.ms += 60_001
    assert numbers(other.lease("archive", 1)) == [0]
    one.pause("elsewhere", 1e9)
    assert one.status().paused_s["elsewhere"] == 3600


def test_a_batch_is_at_most_a_few_megabytes(make_outbox: MakeOutbox) -> None:
    """So many large spans as any destination takes, and at least one."""
    outbox = make_outbox()
    begin(outbox, CALLS[0])
    for number in range(12):
        put(outbox, CALLS[0], "user_turn", number, note="x" * 250_000)
    assert len(outbox.lease("archive", 100)) == 8
    assert len(outbox.lease("archive", 100)) == 4


def test_a_span_that_is_not_what_was_sealed_does_not_leave(
    make_outbox: MakeOutbox, outbox_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A body that somebody changed is set aside and named, and the rest goes."""
    outbox = make_outbox()
    fill(outbox, 3)
    victim = outbox.due("archive", 2)[1].span_id
    with sa.create_engine(outbox_url).begin() as raw:
        raw.execute(sa.text("UPDATE spans SET body = replace(body, 'ok', 'no') WHERE span_id = :id"), {"id": victim})
    assert numbers(outbox.lease("archive", 9)) == [0, 2]
    [aside] = outbox.status().set_aside_spans
    assert (aside.span_id, aside.destination, aside.error) == (victim, "archive", "span_altered")
    assert victim in caplog.text


class _Lines:
    """A destination that is a file: each span it is sent is a line, after the time that a network takes."""

    region, retention_days, name = "here", None, "archive"

    def __init__(self, path: Path, takes_s: float = 0.002) -> None:
        self._path = path
        self._takes_s = takes_s

    def export(self, batch: Sequence[SafeSpan]) -> None:
        time.sleep(self._takes_s * len(batch))
        with self._path.open("a") as file:
            file.write("".join(json.dumps(span.span_id) + "\n" for span in batch))

    def holds(self, span: SafeSpan) -> bool:
        return span.span_id in self._path.read_text()

    def close(self) -> None:
        pass


def _ship(url: str, home: Path, path: Path, takes_s: float) -> None:
    logging.basicConfig(filename=path.with_name("log"), level=logging.WARNING)
    outbox = Outbox(url, destinations=["archive", "elsewhere"], owner=str(os.getpid()))
    shipper = Shipper(_Lines(path, takes_s), outbox=outbox, switch=Switch(home, forced=None, env="dev"))
    shipper.start()
    shipper.flush(240)
    shipper.stop(60)


@pytest.mark.timing
def test_three_processes_ship_each_span_once(make_outbox: MakeOutbox, outbox_url: str, tmp_path: Path) -> None:
    """Shippers in processes of their own share the work; a span comes twice only where a shipper says what failed."""
    outbox = make_outbox()
    for trace_id in CALLS[:3]:
        fill(outbox, 100, trace_id)
    expected = [span.span_id for span in outbox.due("archive", 1000)]
    path = tmp_path / "lines"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_ship, args=(outbox_url, tmp_path, path, 0.005)) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(300)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    arrived = Counter(json.loads(line) for line in path.read_text().splitlines())
    assert sorted(arrived) == sorted(expected)
    assert set(arrived.values()) == {1} or path.with_name("log").read_text()


@pytest.mark.timing
def test_what_a_killed_shipper_was_sending_is_sent_by_another(
    make_outbox: MakeOutbox, outbox_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After `kill -9` in the middle of a request the spans are free once the lease is over, and none is lost."""
    outbox = make_outbox()
    fill(outbox, 5)
    path = tmp_path / "lines"
    victim = multiprocessing.get_context("spawn").Process(target=_ship, args=(outbox_url, tmp_path, path, 60.0))
    victim.start()
    deadline = time.monotonic() + 240
    while not outbox.status().leased:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert victim.pid is not None
    os.kill(victim.pid, signal.SIGKILL)
    victim.join(60)
    assert outbox.lease("archive", 9) == []
    true_ns = time.time_ns
    monkeypatch.setattr(shared_clock, "_ahead_ms", lambda _connection: 0)
    monkeypatch.setattr(time, "time_ns", lambda: true_ns() + 15 * 10**9)
    assert numbers(outbox.lease("archive", 9)) == [0, 1, 2, 3, 4]


def test_lease_of_another_host_holds_on_a_host_whose_clock_is_wrong(
    make_outbox: MakeOutbox, outbox_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour ahead or behind: what another host sends is not sent twice, and what it sends is not taken from it."""
    if not outbox_url.startswith("postgresql"):
        pytest.skip("a file has one host")
    right, wrong = make_outbox("right"), make_outbox("wrong")
    fill(right, 4)
    true_ns = time.time_ns
    for hours in (1, -1):
        first = right.lease("archive", 1)
        monkeypatch.setattr(time, "time_ns", lambda hours=hours: true_ns() + hours * HOUR_MS * 1_000_000)
        wrong.close()  # its next connection measures the clock anew
        second = wrong.lease("archive", 1)
        monkeypatch.setattr(time, "time_ns", true_ns)
        rest = right.lease("archive", 9)
        assert (numbers(first), numbers(second), numbers(rest)) == ([0], [1], [2, 3])
        right.let_go("archive", [*first, *second, *rest])


@pytest.mark.timing
def test_a_server_that_is_away_is_waited_for(postgresql_server: str) -> None:
    """Nothing is raised at the start of a process, and nothing of the URL is said at its use."""
    url = f"postgresql+psycopg://clinic:hush@/nowhere?host={postgresql_server}"
    outbox = Outbox(url, destinations=["archive"], owner="o")
    with pytest.raises(OutboxUnavailableError) as caught:
        outbox.status()
    assert "hush" not in caught.value.diagnostics()
