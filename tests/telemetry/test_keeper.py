"""What is deleted, when, and what is left of it: a place in the chain, and an entry in the ledger."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from databases import postgresql_server, postgresql_url
from ledgers import KEY
from medagent.errors import BrokenChainError, LedgerError, TraceNotFoundError
from medagent.telemetry import keeper as module
from medagent.telemetry.chain import Tombstone, verify_chain
from medagent.telemetry.exporters.archive import Archive
from medagent.telemetry.exporters.exporter import always_open
from medagent.telemetry.keeper import Housekeeping, Keeper
from medagent.telemetry.ledger import Ledger
from medagent.telemetry.ledger.verify import entries
from medagent.telemetry.outbox import Outbox
from medagent.telemetry.span import SafeSpan
from medagent.telemetry.switch import Switch
from outboxes import CALLS, MakeOutbox, begin, make_outbox, outbox_url, put
from spans import call

__all__ = ["make_outbox", "outbox_url", "postgresql_server", "postgresql_url"]

DAY_US = 86_400_000_000
TRACE = call()[0].trace_id


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOOK_EVERY_S", 0.02)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Archive]:
    with closing(Archive(tmp_path / "archive", gate=always_open)) as archive:
        yield archive


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.jsonl", KEY)


@pytest.fixture
def outbox(make_outbox: MakeOutbox) -> Outbox:
    return make_outbox()


@pytest.fixture
def keeper(outbox: Outbox, store: Archive, ledger: Ledger) -> Keeper:
    return Keeper(outbox=outbox, store=store, record=ledger.append, outbox_days=30, archive_days=90)


@pytest.fixture
def deletions(tmp_path: Path) -> Callable[[], list[Mapping[str, Any]]]:
    def read() -> list[Mapping[str, Any]]:
        path = tmp_path / "ledger.jsonl"
        return [entry.content for entry in entries(path) if entry.kind == "deletion"] if path.exists() else []

    return read


Deletions = Callable[[], list[Mapping[str, Any]]]


def change(directory: Path, statement: str, value: str | int) -> None:
    with closing(sqlite3.connect(directory / "archive" / "archive.db", isolation_level=None)) as raw:
        raw.execute(statement, (value,))


def days_ago(days: float) -> int:
    return time.time_ns() // 1000 - int(days * DAY_US)


# ---- the archive -----------------------------------------------------------------------------------------------------


def test_a_call_that_is_too_old_leaves_its_chain_behind(
    keeper: Keeper, store: Archive, deletions: Deletions, tmp_path: Path
) -> None:
    """Its spans are gone, byte for byte; tombstones verify in their place; the ledger names first, last and hash."""
    old, young = call(start_us=days_ago(91)), call(CALLS[1], start_us=days_ago(89))
    for spans in (old, young):
        store.export(spans)
    assert keeper.prune() == len(old)
    chain = store.chain(TRACE)
    assert all(isinstance(link, Tombstone) and link.cause == "retention" for link in chain)
    assert [link.seal for link in chain] == [span.seal for span in old]
    verify_chain(chain)
    assert store.spans(TRACE) == []
    assert store.spans(CALLS[1]) == young
    [entry] = deletions()
    assert entry["hash"] == old[-1].seal.hash
    about = {name: entry[name] for name in ("store", "cause", "trace_id", "first", "last", "by")}
    places = {"trace_id": TRACE, "first": 0, "last": 5}
    assert about == {"store": "archive", "cause": "retention", "by": "medagent", **places}
    on_disk = b"".join(path.read_bytes() for path in (tmp_path / "archive").iterdir())
    assert old[2].span_id.encode() not in on_disk
    assert young[2].span_id.encode() in on_disk
    assert (keeper.prune(), len(deletions())) == (0, 1)


def test_a_guardrail_stays_for_six_years(keeper: Keeper, store: Archive, tmp_path: Path) -> None:
    """Of an old call the proof is kept, in its place in the chain."""
    spans = call(start_us=days_ago(100))
    store.export(spans)
    change(tmp_path, "UPDATE span SET name = 'policy.guardrail' WHERE span_id = ?", spans[4].span_id)
    keeper.prune()
    chain = store.chain(TRACE)
    assert [isinstance(link, SafeSpan) for link in chain] == [False, False, False, False, True, False]
    verify_chain(chain)
    older = replace(keeper, archive_days=4000)
    change(tmp_path, "UPDATE span SET occurred_us = ?", days_ago(2300))
    assert older.prune() == 0
    assert keeper.prune() == 1


def test_what_the_ledger_cannot_record_is_not_deleted(keeper: Keeper, store: Archive, outbox: Outbox) -> None:
    """A deletion counts after its entry, in the archive and in the outbox."""

    def refuse(kind: str, content: object) -> None:
        raise LedgerError("no room")

    mute = replace(keeper, record=refuse)
    store.export(call(start_us=days_ago(91)))
    begin(outbox, CALLS[0])
    put(outbox, CALLS[0], "user_turn")
    for delete in (mute.prune, lambda: mute.purge(by="duty", reason="OPS-1")):
        with pytest.raises(LedgerError):
            delete()
    assert len(store.spans(TRACE)) == 6
    assert outbox.status().due == {"archive": 1, "elsewhere": 1}


def test_a_removed_span_is_no_deleted_one(keeper: Keeper, store: Archive) -> None:
    """A hole without a tombstone breaks the chain, and so does a tombstone that does not fit into its place."""
    store.export(call(start_us=days_ago(91)))
    keeper.prune()
    chain = store.chain(TRACE)
    for broken in (
        chain[:2] + chain[3:],
        [*chain[:2], chain[3], chain[2], *chain[4:]],
        [replace(chain[0], trace_id=CALLS[2]), *chain[1:]],
        [chain[0], replace(chain[1], seal=replace(chain[1].seal, hash="0" * 64)), *chain[2:]],
    ):
        with pytest.raises(BrokenChainError):
            verify_chain(broken)


def test_a_late_delivery_brings_nothing_back(store: Archive) -> None:
    """What was buried stays so, whoever still had it to send; the rest of the call arrives."""
    spans = call()
    store.bury([Tombstone(trace_id=TRACE, seal=spans[1].seal, cause="refusal")])
    store.export(spans)
    assert [isinstance(link, Tombstone) for link in store.chain(TRACE)] == [False, True, False, False, False, False]
    verify_chain(store.chain(TRACE))
    with pytest.raises(TraceNotFoundError):
        store.chain("ffff")


# ---- the outbox ------------------------------------------------------------------------------------------------------


def test_what_waited_too_long_is_given_up(
    keeper: Keeper, outbox: Outbox, store: Archive, deletions: Deletions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A destination that is away for thirty days, or not configured any more, holds nothing for ever; it is counted."""
    begin(outbox, CALLS[0])
    for number in range(3):
        put(outbox, CALLS[0], "user_turn", number)
    outbox.delivered("archive", outbox.due("archive", 9))
    assert keeper.expire() == 0
    true_ns = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: true_ns() + 31 * DAY_US * 1000)
    put(outbox, CALLS[0], "user_turn", 3)
    assert keeper.expire() == 1
    assert [span.fields["index"] for span in outbox.due("elsewhere", 9)] == [3]
    assert outbox.status().dropped == {"elsewhere": 3}
    [entry] = deletions()
    assert (entry["store"], entry["cause"], entry["first"], entry["last"]) == ("outbox", "retention", 0, 2)
    outbox.delivered("archive", outbox.due("archive", 9))
    put(outbox, CALLS[0], "user_turn", 4)
    store.export(outbox.due("archive", 9))


def test_a_destination_that_is_not_configured_any_more_is_named(make_outbox: MakeOutbox) -> None:
    """What waits for it is kept and shown; nothing new is queued for it."""
    before = make_outbox(destinations=("archive", "gone"))
    begin(before, CALLS[0])
    put(before, CALLS[0], "user_turn")
    now = make_outbox(destinations=("archive",))
    begin(now, CALLS[1])
    put(now, CALLS[1], "user_turn")
    status = now.status()
    assert (status.removed, status.due) == (["gone"], {"archive": 2, "gone": 1})


def test_a_purge_leaves_places_and_reasons(
    keeper: Keeper, outbox: Outbox, store: Archive, deletions: Deletions
) -> None:
    """All that is queued goes; where the archive lacks it, a tombstone stands; what comes next hangs on it."""
    begin(outbox, CALLS[0])
    for number in range(4):
        put(outbox, CALLS[0], "user_turn", number)
    first = outbox.due("archive", 1)
    store.export(first)
    outbox.delivered("archive", first)
    outbox.set_aside("elsewhere", first, error="RefusedError 400")
    assert keeper.purge(by="duty", reason="OPS-4711") == 1
    assert outbox.status().due == {"archive": 0, "elsewhere": 0}
    assert (outbox.status().bytes, outbox.status().set_aside) == (0, {})
    put(outbox, CALLS[0], "user_turn", 4)
    store.export(outbox.due("archive", 9))
    chain = store.chain(CALLS[0])
    assert [isinstance(link, Tombstone) for link in chain] == [False, True, True, True, False]
    verify_chain(chain)
    [entry] = deletions()
    about = [entry[name] for name in ("store", "cause", "first", "last", "by", "reason")]
    assert about == ["outbox", "purge", 0, 3, "duty", "OPS-4711"]


@pytest.mark.timing
@pytest.mark.parametrize("purges", [True, False])
def test_an_off_holds_or_purges_as_the_policy_says(  # noqa: PLR0917  # fixtures
    purges: bool,
    keeper: Keeper,
    outbox: Outbox,
    deletions: Deletions,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At the next look after an off for the host; an off of one process alone deletes nothing."""
    begin(outbox, CALLS[0])
    put(outbox, CALLS[0], "user_turn")
    looks, bury = Counter[int](), keeper.bury_refused

    def look(_keeper: Keeper) -> int:
        looks[threading.get_ident()] += 1
        return bury()

    def two_whole_looks_of_each() -> None:
        before = Counter(looks)
        deadline = time.monotonic() + 60
        while len(looks) < 2 or min(looks[one] - before[one] for one in looks) < 3:
            assert time.monotonic() < deadline
            time.sleep(0.02)

    monkeypatch.setattr(Keeper, "bury_refused", look)
    forced, switch = (Switch(tmp_path, forced=word, env="dev") for word in ("off", None))
    threads = [Housekeeping(keeper, switch=one, purges_when_off=purges) for one in (forced, switch)]
    for thread in threads:
        thread.start()
    two_whole_looks_of_each()
    assert outbox.waits("archive")
    switch.turn_off(reason="drill", by="duty")
    two_whole_looks_of_each()
    for thread in threads:
        thread.stop(60)
    assert outbox.waits("archive") is not purges
    assert [entry["cause"] for entry in deletions()] == (["purge"] if purges else [])


# ---- when there is no room -------------------------------------------------------------------------------------------


def test_a_full_outbox_takes_the_frame_of_new_calls_only(make_outbox: MakeOutbox) -> None:
    """A call that began before goes on; of a new one session and guardrail are kept, the rest refused and counted."""
    outbox = make_outbox(max_bytes=3000)
    begin(outbox, CALLS[0])
    for number in range(9):
        put(outbox, CALLS[0], "user_turn", number)
    assert outbox.status().bytes > 3000
    begin(outbox, CALLS[1])
    for name in ("voice_session", "policy.guardrail", "user_turn", "tool.book_appointment"):
        put(outbox, CALLS[1], name)
    put(outbox, CALLS[0], "user_turn", 9)
    mine = [span.name for span in outbox.due("archive", 99) if span.trace_id == CALLS[1]]
    assert mine == ["voice_session", "policy.guardrail"]
    assert (outbox.status().refused, outbox.status().max_bytes) == (2, 3000)
    for place in ("archive", "elsewhere"):
        outbox.delivered(place, outbox.due(place, 99))
    begin(outbox, CALLS[2])
    put(outbox, CALLS[2], "user_turn")
    assert [span.trace_id for span in outbox.due("archive", 9)] == [CALLS[2]]


def test_a_span_that_is_too_large_is_refused_and_counted(make_outbox: MakeOutbox) -> None:
    """It takes nothing else with it."""
    outbox = make_outbox()
    begin(outbox, CALLS[0])
    put(outbox, CALLS[0], "user_turn", 0, note="x" * 300_000)
    put(outbox, CALLS[0], "user_turn", 1)
    assert [span.fields["index"] for span in outbox.due("archive", 9)] == [1]
    assert outbox.status().refused == 1
