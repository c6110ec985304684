"""A call that is held for days before a remote destination gets it."""

from __future__ import annotations

import time

import pytest

from outboxes import CALLS, MakeOutbox, begin, put

DAY_MS = 86_400_000


def held(trace_id: str, destination: str) -> int:
    """The second call is held for three days, all others for one, and the archive has them at once."""
    return 0 if destination == "archive" else 3 if trace_id == CALLS[1] else 1


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The outbox's wall clock in ms, as the only item."""
    now = [time.time_ns() // 1_000_000]
    for module in ("deliveries", "transaction", "status", "outbox"):
        monkeypatch.setattr(f"medagent.telemetry.outbox.{module}.now_ms", lambda _connection: now[0])
    return now


def names(make_outbox: MakeOutbox, destination: str) -> list[str]:
    """What another process, started later and without a delay of its own, would send now."""
    box = make_outbox(owner="later")
    leased = box.lease(destination, 10)
    box.let_go(destination, leased)
    assert [span.span_id for span in box.due(destination, 10)] == [span.span_id for span in leased]
    assert box.waits(destination) == bool(leased)
    return [span.trace_id for span in leased]


def test_a_call_is_due_after_its_days_and_at_the_archive_at_once(make_outbox: MakeOutbox, clock: list[int]) -> None:
    """To the millisecond, in any process, and also for spans that were sealed when consent came."""
    box = make_outbox(delay=held)
    for trace_id in CALLS[:2]:
        begin(box, trace_id, "held")
        put(box, trace_id, "voice_session")
        with box.transaction() as transaction:
            transaction.release(trace_id)
    assert names(make_outbox, "archive") == CALLS[:2]
    assert names(make_outbox, "elsewhere") == []
    assert box.status().delayed == {"elsewhere": 2}
    assert box.status().due == {"archive": 2, "elsewhere": 2}
    begun = clock[0]
    for after, due in ((DAY_MS - 1, []), (DAY_MS, CALLS[:1]), (3 * DAY_MS - 1, CALLS[:1]), (3 * DAY_MS, CALLS[:2])):
        clock[0] = begun + after
        assert names(make_outbox, "elsewhere") == due
    assert box.status().delayed == {}


def test_what_is_held_does_not_grow_too_old(make_outbox: MakeOutbox, clock: list[int]) -> None:
    """A delivery expires by the day of its release, and a purge takes it all the same."""
    box = make_outbox(delay=held)
    begin(box, CALLS[1])
    put(box, CALLS[1], "voice_session")
    begun = clock[0]
    assert box.expire(before_ms=begun + 3 * DAY_MS, record=lambda _: None) == 1  # the archive's alone
    assert box.status().due == {"archive": 0, "elsewhere": 1}
    assert box.purge(record=lambda _: None) == 1
    assert box.status().due == {"archive": 0, "elsewhere": 0}


def test_without_a_delay_a_span_is_due_at_once(make_outbox: MakeOutbox, clock: list[int]) -> None:
    """Also where the clock went back since it was queued."""
    box = make_outbox()
    begin(box, CALLS[0])
    put(box, CALLS[0], "voice_session")
    clock[0] -= 5 * DAY_MS
    assert names(make_outbox, "elsewhere") == CALLS[:1]
