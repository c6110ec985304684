"""A trip is kept in the switch's file, the ledger and the outbox; each alone keeps telemetry off until it is lifted."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from ledgers import KEY, guardrail
from medagent.errors import OutboxUnavailableError, SwitchError
from medagent.telemetry.gates import ExportGate, StoreGate
from medagent.telemetry.ledger import Ledger, LedgerTrips
from medagent.telemetry.outbox.trips import OutboxTrips
from medagent.telemetry.switch import Switch
from medagent.telemetry.trips import Trip
from switches import GO, with_stores

STORES = ("switch.json", "ledger", "outbox")


def delete(home: Path, *names: str) -> None:
    for name in names:
        place = home / name
        shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)


@pytest.mark.parametrize("env", ["dev", "prod"])
@pytest.mark.parametrize("kept", STORES)
def test_trip_kept_by_one_store_keeps_a_new_process_off(tmp_path: Path, kept: str, env: str) -> None:
    """Whichever two of the three are lost; the reason is still known."""
    with_stores(tmp_path).trip("a leak at the filter")
    delete(tmp_path, *(name for name in STORES if name != kept))
    state = with_stores(tmp_path, env=env).state()  # type: ignore[arg-type]
    assert (state.on, state.source, state.reason) == (False, "trip", "a leak at the filter")


def test_trip_in_a_shared_outbox_keeps_another_host_off(tmp_path: Path, outbox_url: str) -> None:
    """Hosts that share an outbox, SQLite or PostgreSQL, are off together, and on together once it is lifted."""
    here = with_stores(tmp_path / "here", outbox_url=outbox_url)
    here.trip("a leak at the filter")
    there = with_stores(tmp_path / "there", outbox_url=outbox_url)
    assert there.state().source == "trip"
    here.turn_on_without_audit(reason="ticket OPS-1", by="duty", override=True)
    assert here.is_on()
    assert with_stores(tmp_path / "there", outbox_url=outbox_url).is_on()


@pytest.mark.parametrize("by", ["audit", "override"])
@pytest.mark.parametrize("lost", [(), *((name,) for name in STORES), ("switch.json", "ledger"), ("ledger", "outbox")])
def test_lift_is_recorded_in_every_store(tmp_path: Path, by: str, lost: tuple[str, ...]) -> None:
    """After a lift no store that is left keeps it off, in this process or a new one."""
    switch = with_stores(tmp_path)
    switch.trip("a leak at the filter")
    if by == "audit":
        switch.turn_on(report=GO, by="officer")
    else:
        switch.turn_on_without_audit(reason="ticket OPS-1", by="duty", override=True)
    assert switch.is_on()
    delete(tmp_path, *lost)
    state = with_stores(tmp_path).state()
    is_unrecorded = by == "override" and "ledger" in lost and "switch.json" not in lost
    assert state.source == ("audit_missing" if is_unrecorded else "none"), state


def test_restored_stores_do_not_lift_a_trip(tmp_path: Path) -> None:
    """The ledger and the file as they were before the trip: the outbox still has it, and the same report is refused."""
    began = datetime.now(UTC)

    def switch() -> Switch:
        made = with_stores(tmp_path, env="prod")
        made._audited = lambda _report: began
        return made

    first = switch()
    first.turn_on(report=GO, by="officer")
    before = (tmp_path / "ledger" / "ledger.jsonl").read_bytes()
    first.trip("a leak at the filter")
    (tmp_path / "switch.json").unlink()
    (tmp_path / "ledger" / "ledger.jsonl").write_bytes(before)
    with pytest.raises(SwitchError, match="it tripped after this audit began"):
        switch().turn_on(report=GO, by="officer")
    assert switch().state().source == "trip"


def test_manual_off_is_lifted_with_a_reason_in_dev_alone(tmp_path: Path) -> None:
    """In prod the same words name the command that would do it."""
    switch = with_stores(tmp_path)
    switch.turn_off(reason="drill", by="duty")
    with pytest.raises(SwitchError, match="an audit report is needed") as caught:
        with_stores(tmp_path, env="prod").turn_on_without_audit(reason="done", by="duty", override=True)
    assert caught.value.hint == "medagent telemetry on --audit REPORT"
    assert switch.turn_on_without_audit(reason="the drill is over", by="duty") is None
    assert with_stores(tmp_path).is_on()
    assert with_stores(tmp_path, env="prod").state().source == "audit_missing"


def test_trip_below_a_manual_off_still_needs_an_override(tmp_path: Path) -> None:
    """The off by command hides nothing: state and refusal name the trip."""
    switch = with_stores(tmp_path)
    switch.trip("a leak at the filter")
    switch.turn_off(reason="drill", by="duty")
    delete(tmp_path, "ledger", "outbox")
    switch = with_stores(tmp_path)
    assert (switch.state().source, switch.state().reason) == ("trip", "a leak at the filter")
    with pytest.raises(SwitchError, match=r"it tripped at .*: a leak at the filter") as caught:
        switch.turn_on_without_audit(reason="ticket OPS-1", by="duty")
    assert "--override" in caught.value.hint
    assert not switch.is_on()


def test_reason_that_may_not_be_recorded_lifts_nothing(tmp_path: Path) -> None:
    """An on is only after it is recorded; an off is never refused for its words."""
    switch = with_stores(tmp_path)
    switch.turn_off(reason="drill", by="duty")
    with pytest.raises(SwitchError, match=r"e-mail|looks like"):
        switch.turn_on_without_audit(reason="asked for by jane.doe@mail.example", by="duty")
    assert not switch.is_on()


def test_on_written_by_hand_turns_nothing_on(tmp_path: Path) -> None:
    """The ledger has no such change."""
    switch = with_stores(tmp_path)
    switch.turn_off(reason="drill", by="duty")
    entry = '{"state":"on","source":"command","reason":"x","by":"x","at":"2026-01-01T00:00:00+00:00"}'
    (tmp_path / "switch.json").write_text(entry)
    assert with_stores(tmp_path).state().source == "audit_missing"


@pytest.mark.parametrize("kind", ["fifo", "device", "dangling", "directory", "huge", "link to an entry"])
def test_switch_file_that_is_no_regular_file_is_off_at_once(tmp_path: Path, kind: str) -> None:
    """A read neither waits nor takes more than it must."""
    place = tmp_path / "switch.json"
    match kind:
        case "fifo":
            os.mkfifo(place)
        case "device":
            place.symlink_to("/dev/zero")
        case "dangling":
            place.symlink_to(tmp_path / "nothing")
        case "directory":
            place.mkdir()
        case "link to an entry":
            with_stores(tmp_path).turn_on_without_audit(reason="ticket OPS-1", by="duty")
            place.rename(tmp_path / "elsewhere.json")
            place.symlink_to(tmp_path / "elsewhere.json")
        case _:
            place.write_bytes(b" " * (1 << 17))
    assert with_stores(tmp_path).state().source == "unreadable"


def test_off_at_a_linked_switch_file_replaces_the_link(tmp_path: Path) -> None:
    """An off is always possible, and the link's target stays as it was."""
    (tmp_path / "theirs").write_bytes(b"theirs")
    (tmp_path / "switch.json").symlink_to(tmp_path / "theirs")
    with_stores(tmp_path).turn_off(reason="drill", by="duty")
    assert not with_stores(tmp_path).is_on()
    assert not (tmp_path / "switch.json").is_symlink()
    assert (tmp_path / "theirs").read_bytes() == b"theirs"


def test_unreadable_switch_file_needs_an_override(tmp_path: Path) -> None:
    """What it held is not known: it may have been a trip."""
    (tmp_path / "switch.json").write_bytes(b"broken")
    switch = with_stores(tmp_path)
    with pytest.raises(SwitchError, match="could not be read"):
        switch.turn_on_without_audit(reason="ticket OPS-1", by="duty")
    switch.turn_on_without_audit(reason="ticket OPS-1", by="duty", override=True)
    assert with_stores(tmp_path).is_on()


def test_unreadable_ledger_is_off(tmp_path: Path) -> None:
    """A directory in its place; once it is gone, telemetry is on again."""
    (tmp_path / "ledger" / "ledger.jsonl").mkdir(parents=True)
    state = with_stores(tmp_path).state()
    assert (state.on, state.source) == (False, "unreadable")
    (tmp_path / "ledger" / "ledger.jsonl").rmdir()
    assert with_stores(tmp_path).is_on()


def test_unreadable_outbox_holds_exports_and_not_the_storing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What passes by itself turns nothing off: spans are stored, requests wait, and go on after the next read."""
    monkeypatch.setattr("medagent.telemetry.switch._OUTBOX_AGAIN_S", 0)
    monkeypatch.setattr("medagent.telemetry.switch._LOOK_EVERY_S", 0)
    (tmp_path / "outbox" / "outbox.db").mkdir(parents=True)
    switch = with_stores(tmp_path)
    store, export = StoreGate(switch), ExportGate(switch)
    assert (store.is_open(), export.is_open()) == (True, False)
    assert export.decide().waits == "the outbox cannot be read"
    (tmp_path / "outbox" / "outbox.db").rmdir()
    assert (store.is_open(), export.is_open()) == (True, True)


def test_lift_that_the_outbox_cannot_record_lifts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would be off again for a reason that nobody remembers."""
    switch = with_stores(tmp_path)
    switch.trip("a leak at the filter")

    def away(_self: OutboxTrips, *, through: datetime) -> None:
        raise OutboxUnavailableError(f"the outbox cannot be used at {through.year}")

    monkeypatch.setattr(OutboxTrips, "record_lift", away)
    with pytest.raises(SwitchError, match="the outbox does not record it"):
        switch.turn_on_without_audit(reason="ticket OPS-1", by="duty", override=True)
    assert not switch.is_on()
    assert not with_stores(tmp_path).is_on()


def test_trip_that_one_store_cannot_take_is_kept_by_the_others(tmp_path: Path) -> None:
    """A broken place for the file: the ledger and the outbox have it."""
    (tmp_path / "switch.json").mkdir()
    with_stores(tmp_path).trip("a leak at the filter")
    (tmp_path / "switch.json").rmdir()
    for lost in ("ledger", "outbox"):
        other = tmp_path / f"without-{lost}"
        shutil.copytree(tmp_path, other, ignore=shutil.ignore_patterns("without-*", lost))
        assert with_stores(other).state().source == "trip"


def test_outbox_keeps_the_latest_trip_and_the_latest_lift(outbox_url: str) -> None:
    """A trip that is written late counts at its own time, on SQLite and PostgreSQL."""
    trips, now = OutboxTrips(outbox_url), datetime.now(UTC)
    second = timedelta(seconds=1)
    assert trips.in_force() is None
    trips.record_lift(through=now)
    trips.record_trip(Trip(at=now - second, reason="before the lift"))
    assert trips.in_force() is None
    trips.record_trip(Trip(at=now + second, reason="after the lift"))
    assert OutboxTrips(outbox_url).in_force() == Trip(at=now + second, reason="after the lift")
    trips.record_lift(through=now + second)
    assert trips.in_force() is None
    trips.close()


def test_look_at_a_missing_outbox_makes_none(tmp_path: Path) -> None:
    """`telemetry status` on a new host leaves no database behind."""
    assert OutboxTrips(f"sqlite:///{tmp_path / 'outbox.db'}").in_force() is None
    assert list(tmp_path.iterdir()) == []


def test_outbox_of_an_older_version_gets_the_table(tmp_path: Path) -> None:
    """A file without `switch_events` is brought up to date by the first look."""
    url = f"sqlite:///{tmp_path / 'outbox.db'}"
    OutboxTrips(url).record_lift(through=datetime.now(UTC))
    with sa.create_engine(url).begin() as connection:
        connection.execute(sa.text("DROP TABLE switch_events"))
    assert OutboxTrips(url).in_force() is None


def change(**changes: object) -> dict[str, object]:
    return {"state": "off", "source": "command", "reason": "drill", "by": "duty"} | changes


def test_ledger_is_followed_as_it_grows_and_as_it_is_replaced(tmp_path: Path) -> None:
    """Growth, truncation, another file in its place: each look gives what the ledger says now."""
    path = tmp_path / "ledger.jsonl"
    trips, ledger = LedgerTrips(path), Ledger(path, KEY)
    assert trips.in_force() is None
    ledger.append("guardrail", guardrail())
    assert trips.in_force() is None
    before = path.read_bytes()
    ledger.append("switch_changed", change(source="trip", reason="a leak"))
    found = trips.in_force()
    assert found is not None
    assert found.reason == "a leak"
    ledger.append("switch_changed", change())
    ledger.append("switch_changed", change(state="on"))
    assert trips.in_force() == found
    tripped = path.read_bytes()
    ledger.append("switch_changed", change(state="on", source="override"))
    assert trips.in_force() is None
    assert trips.confirms(source="override", reason="drill", by="duty")
    path.write_bytes(tripped)
    assert trips.in_force() == found
    path.write_bytes(before)
    assert trips.in_force() is None
    path.write_bytes(tripped)
    assert trips.in_force() == found
    path.unlink()
    assert trips.in_force() is None
    assert LedgerTrips(path).in_force() is None


def test_trip_in_a_damaged_line_counts(tmp_path: Path) -> None:
    """A line that names a trip and cannot be parsed is one, dated by the entry after it; a later lift covers it."""
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(path, KEY)
    ledger.append("switch_changed", change(source="trip", reason="a leak"))
    path.write_bytes(path.read_bytes().replace(b"a leak", b"b leak"))
    damaged = LedgerTrips(path).in_force()
    assert damaged is not None
    assert damaged.reason == "an entry of the ledger that cannot be read"
    with path.open("ab") as file:
        file.write(Ledger(tmp_path / "other.jsonl", KEY).append("guardrail", guardrail()).line() + b"\n")
    dated = LedgerTrips(path).in_force()
    assert dated is not None
    assert dated.at <= datetime.now(UTC)
    with path.open("ab") as file:
        on = Ledger(tmp_path / "third.jsonl", KEY).append("switch_changed", change(state="on", source="override"))
        file.write(on.line() + b"\n")
    assert LedgerTrips(path).in_force() is None
