"""Receipts: what was sent stays known after the span itself is deleted, and costs one statement a batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from medagent.telemetry.door.send_log import SendLog, Sent
from medagent.telemetry.outbox import Outbox, Receipt
from medagent.telemetry.outbox import deliveries as module
from medagent.telemetry.span import SafeSpan
from outboxes import CALLS, MakeOutbox, admitted, begin, put

PLACE = "elsewhere"
Clock = Callable[[int], None]


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Sets the time that deliveries see, in milliseconds."""

    def set_to(now: int) -> None:
        monkeypatch.setattr(module, "now_ms", lambda _connection: now)

    set_to(1_000_000)
    return set_to


def receipts(outbox: Outbox, destination: str = PLACE, call: str = CALLS[0]) -> list[Receipt]:
    return [one for one in outbox.deliveries_of(call).receipts if one.destination == destination]


def outcomes(outbox: Outbox, call: str = CALLS[0]) -> dict[str, Sent]:
    """Span name → the surest outcome at the destination."""
    found: dict[str, Sent] = {}
    for one in receipts(outbox, call=call):
        for name in one.spans.values():
            found[name] = max(one.outcome, found.get(name, one.outcome))
    return found


def filled(outbox: Outbox, *names: str, call: str = CALLS[0]) -> list[SafeSpan]:
    begin(outbox, call)
    for name in names:
        put(outbox, call, name)
    return outbox.lease(PLACE, 10)


def test_a_delivered_span_has_a_receipt_of_ids_names_and_times(make_outbox: MakeOutbox, clock: Clock) -> None:
    """The span is deleted; its id, name, destination, first and last time and number of attempts stay."""
    outbox = make_outbox(destinations=(PLACE,))
    [span] = filled(outbox, "user_turn")
    outbox.failed(PLACE, [span], error="UnansweredError", sent={span.span_id: Sent.UNKNOWN})
    clock(2_000_000)
    outbox.delivered(PLACE, outbox.lease(PLACE, 10))
    assert not outbox.waits(PLACE)
    assert receipts(outbox) == [
        Receipt(
            destination=PLACE,
            outcome=Sent.DELIVERED,
            first_ms=1_000_000,
            last_ms=2_000_000,
            attempts=2,
            spans={span.span_id: "user_turn"},
        )
    ]


def test_a_receipt_of_a_batch_groups_by_call(outbox: Outbox) -> None:
    """A batch of two calls gets one receipt for each call."""
    filled(outbox, "user_turn", "agent_turn")
    begin(outbox, CALLS[1])
    put(outbox, CALLS[1], "user_turn")
    outbox.delivered(PLACE, outbox.due(PLACE, 10))
    assert [len(one.spans) for one in receipts(outbox)] == [2]
    assert [len(one.spans) for one in receipts(outbox, call=CALLS[1])] == [1]


def test_a_lease_that_was_never_ended_counts_as_sent(make_outbox: MakeOutbox, clock: Clock) -> None:
    """A process that died between request and answer has an unknown outcome, also once another took over."""
    dead, heir = make_outbox("dead"), make_outbox("heir")
    filled(dead, "user_turn")
    assert outcomes(heir) == {"user_turn": Sent.UNKNOWN}
    clock(1_000_000 + 20_000)
    [span] = heir.lease(PLACE, 10)
    heir.let_go(PLACE, [span])
    [receipt] = receipts(heir)
    assert (receipt.outcome, receipt.first_ms) == (Sent.UNKNOWN, 1_000_000)


def test_a_lease_that_was_let_go_is_not_sent(outbox: Outbox) -> None:
    """Off between lease and request: nothing was sent, and nothing is recorded."""
    batch = filled(outbox, "user_turn")
    outbox.let_go(PLACE, batch)
    assert receipts(outbox) == []


@pytest.mark.parametrize("end", ["purge", "expire", "withdraw"])
@pytest.mark.parametrize("noted", [True, False])
def test_what_was_sent_outlives_a_deletion_from_the_queue(outbox: Outbox, end: str, *, noted: bool) -> None:
    """Purge, age and refused consent delete the span and keep the receipt of an attempt, noted or in flight."""
    batch = filled(outbox, "user_turn", "agent_turn")
    outbox.let_go(PLACE, batch[1:])
    if noted:
        outbox.failed(PLACE, batch[:1], error="UnansweredError", sent={batch[0].span_id: Sent.UNKNOWN})
    match end:
        case "purge":
            outbox.purge(record=lambda _: None)
        case "expire":
            outbox.expire(before_ms=2**50, record=lambda _: None)
        case _:
            with outbox.transaction() as transaction:
                transaction.withdraw(CALLS[0])
    assert not outbox.waits(PLACE)
    assert outcomes(outbox) == {"user_turn": Sent.UNKNOWN}


def test_one_calls_queue_is_deleted_alone(outbox: Outbox) -> None:
    """A call's deliveries go, but those to the named destinations and those of other calls."""
    filled(outbox, "user_turn")
    begin(outbox, CALLS[1])
    put(outbox, CALLS[1], "user_turn")
    lost: list[str] = []
    count = outbox.purge_call(CALLS[0], record=lambda each: lost.append(each.trace_id), but_of=("archive",))
    assert (count, lost) == (1, [CALLS[0]])
    assert [span.trace_id for span in outbox.due(PLACE, 10)] == [CALLS[1]]
    assert len(outbox.due("archive", 10)) == 2


def test_what_waits_is_told_by_destination(outbox: Outbox) -> None:
    """Due, in flight, dead-lettered and held spans of one call are counted apart."""
    batch = filled(outbox, "user_turn", "agent_turn", "policy.guardrail")
    outbox.set_aside(PLACE, batch[:1], error="RefusedError 400", sent={batch[0].span_id: Sent.REFUSED})
    outbox.let_go(PLACE, batch[1:2])
    with outbox.transaction() as transaction:
        transaction.put(admitted(CALLS[0], "session.end"), final=False)
    found = outbox.deliveries_of(CALLS[0])
    queued = found.queued[PLACE]
    assert (queued.due, queued.leased, queued.set_aside, found.held, found.is_open) == (2, 1, 1, 1, True)
    assert outcomes(outbox) == {"user_turn": Sent.REFUSED, "policy.guardrail": Sent.UNKNOWN}


def test_receipts_are_found_by_the_beginning_of_an_id(outbox: Outbox) -> None:
    """A call is found by its id's beginning after all of its spans are delivered and forgotten."""
    filled(outbox, "user_turn")
    with outbox.transaction() as transaction:
        transaction.close_call(CALLS[0])
    for place in (PLACE, "archive"):
        outbox.delivered(place, outbox.due(place, 10))
    outbox.expire(before_ms=2**50, record=lambda _: None)
    assert outbox.trace_ids(CALLS[0][:8]) == [CALLS[0]]
    assert outbox.trace_ids("ffffffff") == []


def test_receipts_are_deleted_by_age(outbox: Outbox, clock: Clock) -> None:
    """Only what was last sent before the given moment is deleted, however much there is."""
    filled(outbox, "user_turn", "agent_turn")
    outbox.delivered(PLACE, outbox.due(PLACE, 1))
    clock(5_000_000)
    outbox.delivered(PLACE, outbox.due(PLACE, 1))
    assert outbox.forget_receipts(before_ms=5_000_000) == 1
    assert outcomes(outbox) == {"agent_turn": Sent.DELIVERED}
    assert outbox.forget_receipts(before_ms=5_000_000) == 0


@pytest.mark.parametrize("size", [1, 40])
def test_a_batch_costs_one_statement_more(outbox: Outbox, size: int) -> None:
    """A receipt is one INSERT for a batch, whatever its size, and none where nothing was sent."""
    begin(outbox, CALLS[0])
    for number in range(size):
        put(outbox, CALLS[0], "user_turn", number)
    batch = outbox.due(PLACE, size)
    assert len(batch) == size

    def statements(sent: dict[str, Sent] | None) -> list[str]:
        seen: list[str] = []

        def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
            seen.append(statement.split(maxsplit=1)[0])

        engine = outbox._database._engine
        sa.event.listen(engine, "before_cursor_execute", note)
        try:
            outbox.delivered(PLACE if sent is None else "archive", batch, sent=sent)
        finally:
            sa.event.remove(engine, "before_cursor_execute", note)
        return [verb for verb in seen if verb not in ("BEGIN", "SELECT")]

    assert statements({}) == ["DELETE", "DELETE"]
    assert statements(None) == ["DELETE", "INSERT", "DELETE"]


_NAMES = ("user_turn", "agent_turn", "policy.guardrail")
_ends = st.sampled_from(["delivered", "failed", "let_go", "set_aside", "die"])
_attempt = st.fixed_dictionaries(
    {name: st.tuples(_ends, st.sampled_from([None, Sent.REFUSED, Sent.UNKNOWN])) for name in _NAMES}
)
_rounds = st.lists(_attempt | st.sampled_from(["purge", "offer_again"]), min_size=1, max_size=5)


@given(rounds=_rounds)
def test_receipts_hold_the_surest_outcome_of_every_span(rounds: list[Any]) -> None:
    """However attempts end, each span's outcome is the surest of its attempts, and none is invented."""
    expected: dict[str, Sent] = {}
    now = 1_000_000
    with TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "now_ms", lambda _connection: now)
        outbox = Outbox(f"sqlite:///{Path(directory) / 'o.db'}", destinations=[PLACE], owner="o")
        begin(outbox, CALLS[0])
        for name in _NAMES:
            put(outbox, CALLS[0], name)
        for step in rounds:
            now += 20_000  # longer than a lease
            if step == "purge":
                outbox.purge(record=lambda _: None)
            elif step == "offer_again":
                outbox.offer_again(PLACE)
            else:
                for span in outbox.lease(PLACE, 3):
                    end, outcome = step[span.name]
                    outcome = {"delivered": Sent.DELIVERED, "die": Sent.UNKNOWN}.get(end, outcome)
                    _end(outbox, span, end, outcome)
                    surest = max(filter(None, (outcome, expected.get(span.name))), default=None)
                    expected |= {} if surest is None else {span.name: surest}
            assert outcomes(outbox) == expected
        outbox.close()


def _end(outbox: Outbox, span: SafeSpan, end: str, outcome: Sent | None) -> None:
    sent = {} if outcome is None else {span.span_id: outcome}
    match end:
        case "delivered":
            outbox.delivered(PLACE, [span])
        case "failed":
            outbox.failed(PLACE, [span], error="E", sent=sent)
        case "let_go":
            outbox.let_go(PLACE, [span], sent=sent)
        case "set_aside":
            outbox.set_aside(PLACE, [span], error="E", sent=sent)
        # "die": its lease is never ended


def test_a_send_log_keeps_what_the_answers_prove() -> None:
    """An answer of refusal proves that it is not there; no answer, an error of the server, a conflict prove nothing."""
    [first, second] = [admitted(CALLS[0], name).span for name in ("user_turn", "agent_turn")]
    log = SendLog()
    for status, outcome in [(202, Sent.UNKNOWN), (409, Sent.UNKNOWN), (503, Sent.UNKNOWN), (400, Sent.REFUSED)]:
        log.begin([first])
        log.answered(status)
        assert log.take() == {first.span_id: outcome}
    log.begin([first, second])
    log.never_sent()
    assert log.take() == {}
    log.begin([first])
    log.answered(400)
    log.begin([first, second])
    assert log.take() == {first.span_id: Sent.UNKNOWN, second.span_id: Sent.UNKNOWN}
    assert log.take() == {}
