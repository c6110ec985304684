"""From the outbox to a destination: in order, at least once, and never past a switch that is off."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import pytest

from medagent.errors import DoorError, ExportError, OutboxUnavailableError, RefusedError
from medagent.telemetry import shipper as module
from medagent.telemetry.door.admission import Admitted
from medagent.telemetry.outbox import Outbox
from medagent.telemetry.shipper import Shipper
from medagent.telemetry.span import SafeSpan
from medagent.telemetry.switch import Switch
from medagent.telemetry.trips import Trip
from spans import call
from switches import GO, audited

pytestmark = pytest.mark.timing

SECRET = "Jane Doe"


class Destination:
    """Keeps what it takes; fails as long as it has a failure left, hangs while it is told to."""

    region, retention_days = "here", None

    def __init__(self, name: str = "archive", failures: Sequence[Exception] = ()) -> None:
        self.name = name
        self.failures = list(failures)
        self.taken: list[SafeSpan] = []
        self.attempts: list[float] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.closed = 0

    def export(self, batch: Sequence[SafeSpan]) -> None:
        self.attempts.append(time.monotonic())
        self.may_go_on.wait(60)
        if self.failures:
            raise self.failures.pop(0)
        self.taken += batch

    def holds(self, span: SafeSpan) -> bool:
        return span in self.taken

    def close(self) -> None:
        self.closed += 1


class Unreadable:
    """A store of trips that cannot be read until `is_readable`."""

    def __init__(self) -> None:
        self.is_readable = False
        self.reads = 0

    def in_force(self) -> Trip | None:
        self.reads += 1
        if not self.is_readable:
            raise OutboxUnavailableError("the outbox cannot be read")
        return None

    def record_trip(self, trip: Trip) -> None:
        """Keep nothing."""

    def record_lift(self, *, through: datetime) -> None:
        """Lift nothing."""

    def close(self) -> None:
        """Hold nothing."""


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(module, "_LONGEST_PAUSE_S", 0.2)
    monkeypatch.setattr(module, "_LOOK_EVERY_S", 0.05)


@pytest.fixture
def switch(tmp_path: Path) -> Switch:
    return Switch(tmp_path, forced=None, env="dev", audited=audited)


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    outbox = Outbox(f"sqlite:///{tmp_path / 'outbox.db'}", destinations=["archive", "other"], owner="o")
    yield outbox
    outbox.close()


@pytest.fixture
def ship(outbox: Outbox, switch: Switch) -> Iterator[Callable[[Destination], Shipper]]:
    made: list[tuple[Destination, Shipper]] = []

    def start(destination: Destination) -> Shipper:
        shipper = Shipper(destination, outbox=outbox, switch=switch)
        shipper.start()
        made.append((destination, shipper))
        return shipper

    yield start
    for destination, shipper in made:
        destination.may_go_on.set()
        shipper.stop(60)


def fill(outbox: Outbox, *, again: bool = False) -> list[str]:
    spans = call("6f0c3b1e-0c1d-4f6a-9a55-1f2e3d4c5b6a") if again else call()
    with outbox.transaction() as transaction:
        transaction.open_call(spans[0].trace_id, release="released")
        for span in spans:
            transaction.put(Admitted.of(span), final=True)
    return [span.span_id for span in spans]


def ids(destination: Destination) -> list[str]:
    return [span.span_id for span in destination.taken]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.005)


def test_it_ships_in_order_and_once(outbox: Outbox, ship: Callable[[Destination], Shipper]) -> None:
    """Batch by batch, oldest first; what came while it shipped comes next; then nothing is due."""
    first = fill(outbox)
    destination = Destination()
    shipper = ship(destination)
    assert shipper.flush(60)
    second = fill(outbox, again=True)
    shipper.wake()
    assert shipper.flush(60)
    assert ids(destination) == first + second
    assert outbox.status().due == {"archive": 0, "other": 12}
    assert all(span.seal is not None for span in destination.taken)


def test_a_failure_is_tried_again_after_a_growing_pause(
    outbox: Outbox, ship: Callable[[Destination], Shipper], caplog: pytest.LogCaptureFixture
) -> None:
    """A destination that is down loses nothing, and is not hammered."""
    expected = fill(outbox)
    destination = Destination(failures=[ExportError("503")] * 4)
    shipper = ship(destination)
    wait_for(lambda: len(destination.attempts) >= 2)
    assert outbox.status().last_errors == {"archive": "unknown"}
    assert shipper.flush(60)
    pauses = [after - before for before, after in zip(destination.attempts, destination.attempts[1:], strict=False)]
    assert [pause >= least for pause, least in zip(pauses, [0.05, 0.1, 0.2, 0.2], strict=True)] == [True] * 4
    assert ids(destination) == expected
    assert "shipping to archive: not delivered" in caplog.text


def test_a_refusal_of_everything_that_ends_in_the_middle_sets_nothing_aside(
    outbox: Outbox, ship: Callable[[Destination], Shipper]
) -> None:
    """A span that was refused alone before the destination took anything is offered again once it takes."""
    everything = fill(outbox)
    destination = Destination(failures=[RefusedError("no", status=413)] * len(everything))
    assert ship(destination).flush(60)
    assert sorted(ids(destination)) == sorted(everything)
    assert outbox.status().set_aside == {}


def test_a_success_ends_the_pauses(
    outbox: Outbox, ship: Callable[[Destination], Shipper], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next failure after a success starts small again."""
    pauses, pause = list[float](), Shipper._pause

    def noted(self: Shipper) -> None:
        pause(self)
        pauses.append(self._pause_s)

    monkeypatch.setattr(Shipper, "_pause", noted)
    fill(outbox)
    destination = Destination(failures=[ExportError("503")] * 3)
    shipper = ship(destination)
    assert shipper.flush(60)
    destination.failures = [ExportError("503")]
    fill(outbox, again=True)
    assert shipper.flush(60)
    assert pauses == [0.05, 0.1, 0.2, 0.05]


def test_what_the_exit_refuses_trips_the_switch(
    outbox: Outbox, switch: Switch, ship: Callable[[Destination], Shipper]
) -> None:
    """After a leak at the door nothing is shipped anywhere; the spans stay due."""
    fill(outbox)
    leaking, other = Destination(failures=[DoorError("fields.notes: was not admitted")]), Destination("other")
    shipper = ship(leaking)
    wait_for(lambda: not switch.is_on())
    assert switch.state().reason == "exit to archive: fields.notes: was not admitted"
    assert not shipper.flush(1)
    assert not ship(other).flush(1)
    time.sleep(0.3)
    assert (leaking.taken, other.taken) == ([], [])
    assert outbox.status().due == {"archive": 6, "other": 6}


def test_the_switch_trips_though_the_outbox_is_broken(
    outbox: Outbox, switch: Switch, ship: Callable[[Destination], Shipper], tmp_path: Path
) -> None:
    """A leak counts before it is noted."""

    class Vandal(Destination):
        def export(self, batch: Sequence[SafeSpan]) -> None:
            outbox.close()
            (tmp_path / "outbox.db").write_bytes(b"broken" * 4096)
            super().export(batch)

    fill(outbox)
    ship(Vandal(failures=[DoorError("a leak")]))
    wait_for(lambda: not switch.is_on())


def test_an_exporter_that_breaks_does_not_end_the_thread(
    outbox: Outbox, ship: Callable[[Destination], Shipper], caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever it raises is counted by its class, its message is not repeated, and the work goes on."""
    expected = fill(outbox)
    destination = Destination(failures=[KeyError(SECRET), ValueError(SECRET), RecursionError(SECRET)])
    assert ship(destination).flush(60)
    assert sorted(ids(destination)) == sorted(expected)
    assert "RecursionError" in caplog.text
    assert SECRET not in caplog.text


def test_an_outbox_that_breaks_does_not_end_the_thread(
    outbox: Outbox, ship: Callable[[Destination], Shipper], tmp_path: Path
) -> None:
    """A file that cannot be opened for a while delays the spans and loses none."""
    expected = fill(outbox)
    outbox.close()
    path, aside = tmp_path / "outbox.db", tmp_path / "aside.db"
    path.rename(aside)
    path.symlink_to(tmp_path, target_is_directory=True)
    destination = Destination()
    ship(destination)
    time.sleep(0.2)
    assert ids(destination) == []
    aside.replace(path)  # in one step: between two, the shipper would make a new file
    wait_for(lambda: ids(destination) == expected)


def test_off_stops_shipping_and_on_goes_on(
    outbox: Outbox, switch: Switch, ship: Callable[[Destination], Shipper]
) -> None:
    """While the switch is off nothing is handed over; what was held goes when a person lifts it."""
    switch.turn_off(reason="drill", by="duty")
    expected = fill(outbox)
    destination = Destination()
    shipper = ship(destination)
    shipper.wake()
    time.sleep(0.3)
    assert not shipper.flush(0.1)
    assert destination.attempts == []
    switch.turn_on(report=GO, by="duty")
    assert shipper.flush(60)
    assert ids(destination) == expected


def test_a_destination_that_hangs_holds_no_other(outbox: Outbox, ship: Callable[[Destination], Shipper]) -> None:
    """One waits for its request, the other has everything; stopping does not wait for ever."""
    expected = fill(outbox)
    hanging, other = Destination(), Destination("other")
    hanging.may_go_on.clear()
    stuck = ship(hanging)
    wait_for(lambda: len(hanging.attempts) == 1)
    assert ship(other).flush(60)
    assert ids(other) == expected
    assert not stuck.flush(0.1)
    stuck.stop(0.2)  # meant to expire
    assert (hanging.closed, hanging.taken) == (0, [])
    assert outbox.status().due["archive"] == 6


def test_a_shipper_that_stops_lets_go_of_its_destination(
    outbox: Outbox, ship: Callable[[Destination], Shipper]
) -> None:
    """It closes the exporter and ships nothing more; flush says what that means."""
    destination = Destination()
    shipper = ship(destination)
    shipper.stop(60)
    fill(outbox)
    assert destination.closed == 1
    assert not shipper.flush(1)
    assert destination.taken == []


def test_nothing_due_is_flushed(ship: Callable[[Destination], Shipper], switch: Switch) -> None:
    """An empty list is delivered whatever the switch says."""
    shipper = ship(Destination())
    switch.turn_off(reason="drill", by="duty")
    assert shipper.flush(60)


def test_flush_waits_while_trips_cannot_be_read(
    outbox: Outbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outbox whose trips cannot be read for a moment delays the requests; `flush` waits, and then all arrives."""
    monkeypatch.setattr("medagent.telemetry.switch._OUTBOX_AGAIN_S", 0)
    trips = Unreadable()
    delayed = Switch(tmp_path, forced=None, env="dev", audited=audited, outbox=trips)
    destination = Destination()
    shipper = Shipper(destination, outbox=outbox, switch=delayed)
    shipper.start()
    sent = fill(outbox)
    flushed: list[bool] = []
    flushing = threading.Thread(target=lambda: flushed.append(shipper.flush(60)))
    flushing.start()
    wait_for(lambda: trips.reads > 2)
    assert (flushed, destination.taken) == ([], [])
    trips.is_readable = True
    flushing.join(60)
    assert flushed == [True]
    assert ids(destination) == sent
    shipper.stop(60)
