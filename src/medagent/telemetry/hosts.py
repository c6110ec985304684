"""What hosts that share an outbox in PostgreSQL know of each other: changes of the switch, and who applied them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from medagent.telemetry.trips import Trip, TripStore

MOST_SILENT_S = 3.0
"""A serving host that was not seen for so long does not answer: it says every second that it is alive."""
CLOCKS_DIFFER_S = 60.0
"""A host's clock may be so far from the database's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchCommand:
    """A person's off or on, as the shared database keeps it.

    Attributes:
        state: What was said.
        at: When, by the clock of the host where it was said.
        reason: Why; it holds no value of a call.
        by: Account of the person.
        host: Id of the host where it was said.
        report: Digest of the audit report that allows an on; None for an off, and for an on with a reason.
        lifted_through: The moment through which an on lifts trips; None where it lifts none.
        position: Place in the order of all changes; 0 until it is stored.
    """

    state: Literal["on", "off"]
    at: datetime
    reason: str
    by: str
    host: str
    report: str | None = None
    lifted_through: datetime | None = None
    position: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedState:
    """One view of the shared switch.

    Attributes:
        position: Place of the latest change of any kind; 0 where there is none.
        trip: The latest trip that no lift covers.
        trip_position: Its place.
        command: The latest off or on.
        lifted_through: The latest moment through which trips are lifted.
        clock_ahead_s: Seconds by which this host's clock is ahead of the database's.
    """

    position: int
    trip: Trip | None
    trip_position: int
    command: SwitchCommand | None
    lifted_through: datetime | None
    clock_ahead_s: float

    def off(self) -> SwitchCommand | None:
        """Return the off by command that is in force; None where there is none."""
        return self.command if self.command is not None and self.command.state == "off" else None

    def clock_problem(self) -> str | None:
        """Return in which way this host's clock is wrong; None where it agrees with the database's."""
        return clock_problem(self.clock_ahead_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStatus:
    """What the shared database knows of one host.

    Attributes:
        host: Id of the host: a digest of its name and its MEDAGENT_HOME.
        name: Its name.
        applied: Place of the latest change of the switch that it has applied.
        is_serving: Whether its export service runs, as far as it said.
        silent_s: Seconds since it said so, by the database's clock.
        clock_ahead_s: Seconds by which its clock is ahead of the database's.
        problem: Why it could not apply a change; None where it could.
    """

    host: str
    name: str
    applied: int
    is_serving: bool
    silent_s: float
    clock_ahead_s: float
    problem: str | None

    @property
    def label(self) -> str:
        """Name and the beginning of the id, for a person."""
        return f"{self.name} ({self.host[:8]})"

    def says(self) -> str:
        """Return what a person reads of this host."""
        if not self.is_serving:
            text = "its export service does not run: it stores, sends nothing"
        elif self.silent_s > MOST_SILENT_S:
            text = f"not heard of for {self.silent_s:.0f} s"
        else:
            text = "its export service runs"
        if self.problem is not None:
            text = f"{text}; {self.problem}"
        clock = clock_problem(self.clock_ahead_s)
        return text if clock is None else f"{text}; {clock}"

    def has_problem(self) -> bool:
        """Return whether a person has to do something."""
        is_silent = self.is_serving and self.silent_s > MOST_SILENT_S
        return is_silent or self.problem is not None or clock_problem(self.clock_ahead_s) is not None

    def against(self, position: int) -> str | None:
        """Return why this host did not confirm a change at a position; None where it did."""
        if self.is_serving and self.applied < position:
            return f"did not answer (last heard of {self.silent_s:.0f} s ago)"
        if self.is_serving and self.problem is not None:
            return self.problem
        return None if self.is_serving else self.says()


class SharedSwitch(TripStore, Protocol):
    """The switch of all hosts that share an outbox; every method raises `MedagentError` where it cannot be done."""

    host: str
    """Id of this host."""

    def read(self) -> SharedState:
        """Return the state."""

    def record_command(self, command: SwitchCommand) -> int:
        """Store an off or on; return its place, or that of the same command if it is stored already."""

    def share_trip(self, trip: Trip) -> int:
        """Store a trip; return its place, or that of the same trip if it is stored already."""

    def beat(self, *, applied: int, clock_ahead_s: float, problem: str | None, is_serving: bool = True) -> None:
        """Store that this host's export service is alive or ends, and what it has applied."""

    def hosts(self) -> Sequence[HostStatus]:
        """Return what is known of each host, this one among them."""


def clock_problem(ahead_s: float) -> str | None:
    """Return in which way a clock is wrong, by its seconds ahead of the database's; None where it is right."""
    if abs(ahead_s) <= CLOCKS_DIFFER_S:
        return None
    way = "ahead of" if ahead_s > 0 else "behind"
    expected = f"expected at most {CLOCKS_DIFFER_S:.0f} s"
    return f"the clock of this host is {abs(ahead_s):.0f} s {way} the database's, {expected}"
