"""The kill switch: off from any source wins, what cannot be read is off, a trip holds even if it cannot be written.

A trip is kept in the switch's file, in the ledger and in the outbox; each of the three keeps telemetry off until the
trip is lifted in it. A file or a ledger that cannot be read is off. An outbox that cannot be read is not: spans are
still stored, since a locked file or a server that is away passes, but nothing is exported until it was read.

Hosts that share an outbox in PostgreSQL share their switch too (`hosts.py`): an off there is off here.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, Protocol

from medagent.errors import MedagentError, SwitchError
from medagent.proof import Json
from medagent.telemetry.hosts import SharedState, SharedSwitch, SwitchCommand
from medagent.telemetry.ledger import reason_problem
from medagent.telemetry.switch_file import Entry, SwitchFile, UnreadableError, moment
from medagent.telemetry.trips import SwitchRecord, Trip, TripStore, latest

Source = Literal["none", "environment", "command", "trip", "audit_missing", "unreadable", "clock"]

_OFF_WORDS = frozenset({"off", "0", "false", "no"})
_ON_WORDS = frozenset({"on", "1", "true", "yes"})
_LOOK_EVERY_S = 0.2
_OUTBOX_EVERY_S = 0.5
_OUTBOX_AGAIN_S = 2.0
"""A server that is away may hold a read for seconds: it is not asked again at once."""
_log = logging.getLogger(__name__)

WITHHELD_REASON = "(withheld)"
"""Stands for a reason that may not be recorded: an off is never refused for its words."""

Recorder = Callable[[Mapping[str, Json]], object]
"""Puts a change of the switch {state, source, reason, by} into the ledger; raises `MedagentError` where it cannot."""

Audited = Callable[[str], datetime]
"""When the audit of a report (its digest) began, if the report is a GO for what runs here and newer than every recorded
trip; raises `MedagentError` otherwise."""


class ProcessCode(Protocol):
    """The code of this process, held against what is installed and signed; asked at every look, so both are cheap."""

    def stamp(self) -> object:
        """Return what changes whenever what is installed was checked anew."""
        ...

    def problem(self) -> str | None:
        """Return why this process does not run what was checked; None where it does."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchState:
    """Whether telemetry may run, which source decides, and why and since when as far as that is known.

    `waits` is set where telemetry is on and yet nothing may be exported for the moment: the reason.
    """

    on: bool
    source: Source
    reason: str | None = None
    at: str | None = None
    waits: str | None = None

    @property
    def may_export(self) -> bool:
        """Whether a request may leave."""
        return self.on and self.waits is None


_ON = SwitchState(on=True, source="none")
_NO_REPORT = "no signed audit report allows telemetry"
_NOT_AUDITED = SwitchState(on=False, source="audit_missing", reason=_NO_REPORT)
_LATER_TRIP = "it tripped after this audit began"
_OUTBOX_UNREAD = "the outbox cannot be read"
_VERIFIED_FOR_S = 3600.0
"""For so long a report that was verified is not verified again: an officer may have been taken off the list."""
_CLOCKS_DIFFER = timedelta(minutes=5)
_UNREAD_TRIP = "the switch file could not be read"


class Switch:
    """One host's switch, shared by all processes through `switch.json`; a look at it costs a file read every 0.2 s.

    Off holds before it is recorded, on only after it. An entry that says on proves nothing: each process that reads one
    has its report verified anew, once. `ledger` and `outbox` are the other two stores of trips.
    """

    def __init__(
        self,
        home: Path,
        *,
        forced: str | None,
        env: Literal["dev", "prod"],
        record: Recorder | None = None,
        audited: Audited | None = None,
        ledger: SwitchRecord | None = None,
        outbox: TripStore | None = None,
        shared: SharedSwitch | None = None,
        go_days: int | None = None,
        code: ProcessCode | None = None,
    ) -> None:
        self.env = env
        self._code = code
        self._go_days = go_days
        self._file = SwitchFile(home / "switch.json")
        self._record = record
        self._audited = audited
        self._ledger = ledger
        self._outbox = shared if outbox is None else outbox
        self.shared = shared
        self._verified: tuple[tuple[Entry, object], datetime | str, float] | None = None
        self._forced_off = _forced_off(forced)
        self._tripped: Trip | None = None
        self._looked: SwitchState = _ON
        self._looked_at = float("-inf")
        self._outbox_read: Trip | SharedState | MedagentError | None = None
        self._outbox_due = float("-inf")
        self._lock = threading.Lock()

    def state(self) -> SwitchState:
        """The state at this moment, at most 0.2 s old."""
        if self._forced_off is not None:
            return self._forced_off
        if self._tripped is not None and self._tripped_still_holds():
            return _off_by(self._tripped)
        with self._lock:
            now = time.monotonic()
            if now - self._looked_at >= _LOOK_EVERY_S:
                self._looked = self._read()
                self._looked_at = now
            return self._looked

    def is_on(self) -> bool:
        """Whether telemetry may run."""
        return self.state().on

    def trip(self, reason: str) -> None:
        """Off by itself: in this process at once, on the host as soon as it is written. `reason` holds no value."""
        if self._tripped is not None and self._tripped_still_holds():
            return
        tripped = Trip(at=datetime.now(UTC), reason=recordable(reason))
        self._tripped = tripped
        entry = self._entry("off", "trip", tripped.reason, by="medagent", at=tripped.at, trip=tripped)
        stores: list[Callable[[], object]] = [lambda: self._write(entry), lambda: self._note(entry)]
        if (outbox := self._outbox) is not None:
            stores.append(lambda: outbox.record_trip(tripped))
        for keep in stores:
            try:
                keep()
            except MedagentError as error:
                _log.error("the kill switch tripped and could not be written: it holds in this process: %s", error)
        self._forget_outbox()

    def turn_off(self, *, reason: str, by: str) -> None:
        """Off for every process on the host, and on each that shares its outbox.

        Raises `SwitchError` where it cannot be written, recorded or shared.
        """
        entry = self._entry("off", "command", recordable(reason), by=by, trip=self._file_trip())
        self._write(entry)
        try:
            self._share_off(entry)
        finally:
            self._note(entry)

    def _share_off(self, entry: Entry) -> None:
        if self.shared is None:
            return
        try:
            position = self.shared.record_command(command_of(entry, host=self.shared.host))
        except MedagentError as error:
            raise SwitchError(
                f"telemetry is off on this host, the others do not know it: {error}",
                hint="this host's export service shares it as soon as it can; or repeat the command on each host",
            ) from None
        self.note_event(entry, position)
        self._forget_outbox()

    def turn_on(self, *, report: str, by: str) -> None:
        """Lift an off by an audit's report (its digest); raises `SwitchError` where it allows nothing here.

        Also where a trip is newer than the audit, or where it cannot be recorded. An off by command does not make a
        report older: it may be the same one that allowed telemetry before.
        """
        self._lift(self._allowed(report, by=by))

    def turn_on_without_audit(self, *, reason: str, by: str, override: bool = False) -> Trip | None:
        """Lift an off in dev with a reason, a trip only with `override`; returns the trip that was lifted.

        An override lifts the trips that are known here, and no later one. Raises `SwitchError` in prod, where a trip is
        in force and `override` is not given, where a store cannot be read, and where it cannot be recorded.
        """
        if self.env != "dev":
            raise SwitchError(
                "telemetry stays off: with MEDAGENT_ENV=prod an audit report is needed",
                hint="medagent telemetry on --audit REPORT",
            )
        if problem := reason_problem(reason):
            raise SwitchError(f"the reason {problem}", hint="it is kept for six years: name a ticket, never a person")
        trip = latest(self._unlifted_file_trip(), self._tripped, *self._trips_elsewhere())
        if trip is not None and not override:
            raise SwitchError(
                f"telemetry stays off: it tripped at {_told(trip.at)}: {trip.reason}",
                hint='mend the cause, then: medagent telemetry on --override --reason "…"',
            )
        if trip is None:
            self._note_and_write(self._share_on(self._entry("on", "command", reason, by=by, trip=self._file_trip())))
            self._forget_outbox()
        else:
            entry = self._entry("on", "override", reason, by=by, trip=trip)
            self._lift(entry.model_copy(update={"lifted_through": trip.at}))
        return trip

    def close(self) -> None:
        """Hold no connection to the outbox any more; a later look at the switch opens one."""
        if self._outbox is not None:
            self._outbox.close()

    # ---- trips -----------------------------------------------------------------------------------------------------

    def _tripped_still_holds(self) -> bool:
        """A trip is over once an audit that began after it, or an override of it, allowed telemetry again."""
        try:
            written = self._file.read()
        except UnreadableError:
            return True
        if written is None or written.state == "off" or self._against(written) is not None:
            return True
        self._tripped = None
        return False

    def _file_trip(self) -> Trip | None:
        """The latest trip, as far as this process and the switch's file know, lifted or not."""
        try:
            written = self._file.read()
        except UnreadableError:
            return Trip(at=datetime.now(UTC), reason=_UNREAD_TRIP)  # what it held is not known
        return latest(None if written is None else written.trip(), self._tripped)

    def _unlifted_file_trip(self) -> Trip | None:
        try:
            written = self._file.read()
        except UnreadableError:
            return self._file_trip()
        return None if written is None else self._in_force(written)

    def _in_force(self, written: Entry) -> Trip | None:
        """The trip of the switch's file, unless it was lifted there."""
        trip = written.trip()
        if trip is None or written.covers(trip):
            return None
        if written.state == "on" and written.report is not None and self._against(written) is None:
            return None  # the audit began after it
        return trip

    def _trips_elsewhere(self) -> tuple[Trip | None, Trip | None]:
        """The trips that ledger and outbox keep, read now; raises `SwitchError` where one cannot be read."""
        try:
            return (
                None if self._ledger is None else self._ledger.in_force(),
                None if self._outbox is None else self._outbox.in_force(),
            )
        except MedagentError as error:
            raise SwitchError(f"telemetry stays off: {error}", hint=error.hint) from None

    def _outbox_state(self) -> Trip | SharedState | None:
        """What the outbox keeps, at most half a second old; raises `MedagentError` where it could not be read."""
        if self._outbox is None:
            return None
        now = time.monotonic()
        if now >= self._outbox_due:
            try:
                self._outbox_read = self._outbox.in_force() if self.shared is None else self.shared.read()
                self._outbox_due = now + _OUTBOX_EVERY_S
            except MedagentError as error:
                self._outbox_read = error
                self._outbox_due = time.monotonic() + _OUTBOX_AGAIN_S
        if isinstance(self._outbox_read, MedagentError):
            raise self._outbox_read
        return self._outbox_read

    def _forget_outbox(self) -> None:
        self._outbox_due = float("-inf")
        self._looked_at = float("-inf")

    # ---- changes of other hosts --------------------------------------------------------------------------------------

    def entry(self) -> Entry | None:
        """Return the latest change on this host; raises `SwitchError` where its file cannot be read."""
        try:
            return self._file.read()
        except UnreadableError:
            raise SwitchError(f"{self._file.path} cannot be read") from None

    def note_event(self, entry: Entry, position: int) -> None:
        """Note where a change of this host is among those of all hosts, unless another followed it here."""
        if self.entry() == entry:
            self._write(entry.model_copy(update={"event": position}))

    def local_trip(self) -> Trip | None:
        """Return the latest trip that file or ledger of this host keep in force."""
        return latest(self._unlifted_file_trip(), None if self._ledger is None else self._ledger.in_force())

    def apply_trip(self, trip: Trip, *, position: int, by: str) -> None:
        """Turn this host off by a trip of another; raises `SwitchError` where that cannot be written or recorded."""
        entry = self._entry("off", "trip", recordable(trip.reason), by=by, at=trip.at, trip=trip)
        self._apply(entry.model_copy(update={"event": position}))

    def apply_off(self, command: SwitchCommand) -> None:
        """Turn this host off by a command on another; raises as `apply_trip`."""
        entry = self._entry(
            "off", "command", recordable(command.reason), by=command.by, at=command.at, trip=self._file_trip()
        )
        self._apply(entry.model_copy(update={"event": command.position}))

    def _apply(self, entry: Entry) -> None:
        self._write(entry)
        self._note(entry, source="shared")

    def apply_on(self, command: SwitchCommand) -> None:
        """Lift an off of this host by a command on another; raises `SwitchError` where nothing allows that here."""
        if command.report is not None:
            entry = self._allowed(command.report, by=command.by)
        elif self.env != "dev":
            raise SwitchError("telemetry stays off: with MEDAGENT_ENV=prod an audit report is needed")
        else:
            through = command.lifted_through
            trip = latest(self._unlifted_file_trip(), self._tripped, *self._trips_elsewhere()[1:])
            if trip is not None and (through is None or trip.at > through):
                raise SwitchError(f"telemetry stays off: it tripped at {_told(trip.at)}: {trip.reason}")
            source: Literal["command", "override"] = "command" if through is None else "override"
            entry = self._entry("on", source, command.reason, by=command.by, trip=trip or self._file_trip())
            entry = entry if through is None else entry.model_copy(update={"lifted_through": through})
        self._note_and_write(entry.model_copy(update={"event": command.position}))
        if self._tripped is not None and entry.covers(self._tripped):
            self._tripped = None
        self._forget_outbox()

    # ---- what an entry allows --------------------------------------------------------------------------------------

    def _against(self, entry: Entry) -> str | None:
        """What speaks against an entry that says on; its report is verified once for each entry and process."""
        trips = [trip for trip in (entry.trip(), self._tripped) if trip is not None]
        if entry.report is None and self.env == "dev":
            if not self._is_recorded(entry):
                return "the ledger does not record who turned it on"
            return None if all(entry.covers(trip) for trip in trips) else "it tripped, and the trip is not lifted"
        began = self._began_of(entry)
        if isinstance(began, str):
            return began
        return _LATER_TRIP if any(began <= trip.at for trip in trips) else None

    def _is_recorded(self, entry: Entry) -> bool:
        """Whether the ledger has this on: a hand that writes the file turns nothing on."""
        try:
            return self._ledger is None or self._ledger.confirms(source=entry.source, reason=entry.reason, by=entry.by)
        except MedagentError:
            return False

    def _began_of(self, entry: Entry) -> datetime | str:
        """When the audit behind an entry began, or why it allows nothing.

        Verified by each process once an hour, and anew when what is installed was checked again.
        """
        verified, now = self._verified, time.monotonic()
        case = (entry, None if self._code is None else self._code.stamp())
        if verified is None or verified[0] != case or now - verified[2] > _VERIFIED_FOR_S:
            verified = self._verified = (case, self._began(entry), now)
        if self._code is not None and isinstance(verified[1], datetime) and (problem := self._code.problem()):
            return problem
        ends = self._end_of(verified[1])
        if ends is not None and datetime.now(UTC) >= ends:
            return f"the GO ended on {ends.date().isoformat()}, {self._go_days} days after its audit"
        return verified[1]

    def _end_of(self, began: datetime | str) -> datetime | None:
        if isinstance(began, str) or self._go_days is None:
            return None
        return began + timedelta(days=self._go_days)

    def go_ends(self) -> tuple[str, datetime] | None:
        """Return the report (its digest) that allows telemetry now and when its GO ends; None where none does."""
        try:
            written = self._file.read()
        except UnreadableError:
            return None
        if written is None or written.state == "off" or written.report is None:
            return None
        ends = self._end_of(self._began_of(written))
        return None if ends is None else (written.report, ends)

    def report(self) -> str | None:
        """Return the digest of the report that turned telemetry on, even if it no longer allows it."""
        try:
            written = self._file.read()
        except UnreadableError:
            return None
        return None if written is None or written.state == "off" else written.report

    def _began(self, entry: Entry) -> datetime | str:
        if self._audited is None or entry.report is None:
            return _NO_REPORT
        try:
            return self._audited(entry.report)
        except MedagentError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001  # a report that cannot be judged allows nothing
            return f"the report cannot be judged ({type(error).__name__})"

    def _read(self) -> SwitchState:
        try:
            written = self._file.read()
        except UnreadableError:
            return SwitchState(on=False, source="unreadable", reason=f"{self._file.path} cannot be read")
        try:
            in_ledger = None if self._ledger is None else self._ledger.in_force()
        except MedagentError as error:
            return SwitchState(on=False, source="unreadable", reason=str(error))
        if self.env == "prod" and (clock := self._clock_problem()) is not None:
            return SwitchState(on=False, source="clock", reason=clock)
        waits: str | None = None
        off: SwitchCommand | None = None
        try:
            in_outbox = self._outbox_state()
        except MedagentError:
            in_outbox, waits = None, _OUTBOX_UNREAD
        if isinstance(in_outbox, SharedState):
            off = in_outbox.off()
            waits = in_outbox.clock_problem() if self.env == "prod" else None
            in_outbox = in_outbox.trip
        against = self._against(written) if written is not None and written.state == "on" else None
        in_file = None if written is None else self._in_force(written)
        if (trip := latest(in_file, in_ledger, in_outbox)) is not None:
            return _off_by(trip)
        if off is not None:
            return SwitchState(on=False, source="command", reason=off.reason, at=_told(off.at))
        if written is None:
            return replace(_ON, waits=waits) if self.env == "dev" else _NOT_AUDITED
        if written.state == "off":
            return SwitchState(on=False, source="command", reason=written.reason, at=written.at)
        if against is not None:
            return SwitchState(on=False, source="audit_missing", reason=against)
        return replace(_ON, waits=waits)

    def _clock_problem(self) -> str | None:
        """Why the time is not known: a clock that was set back would revive a GO that ended."""
        newest = None if self._ledger is None else self._ledger.newest()
        if newest is None or datetime.now(UTC) >= newest - _CLOCKS_DIFFER:
            return None
        return f"the clock is more than 5 minutes earlier than the ledger's newest entry ({_told(newest)})"

    # ---- writing ---------------------------------------------------------------------------------------------------

    def _entry(
        self,
        state: Literal["on", "off"],
        source: Literal["command", "trip", "override"],
        reason: str,
        *,
        by: str,
        trip: Trip | None,
        at: datetime | None = None,
    ) -> Entry:
        """A new entry, which keeps the latest trip and through which moment trips are lifted."""
        return Entry(
            state=state,
            source=source,
            reason=reason,
            by=by,
            at=_told(at or datetime.now(UTC)),
            tripped_at=None if trip is None else trip.at,
            trip_reason=None if trip is None or source == "trip" else trip.reason,
            lifted_through=self._lifted_through(),
        )

    def _lifted_through(self) -> datetime | None:
        try:
            written = self._file.read()
        except UnreadableError:
            return None
        if written is None or written.lifted_through is not None or written.state == "off":
            return None if written is None else written.lifted_through
        began = self._began_of(written) if written.report is not None and self._against(written) is None else None
        return began - timedelta(microseconds=1) if isinstance(began, datetime) else None

    def _lift(self, entry: Entry) -> None:
        """Record a lift in all three stores, the switch's file last: until then telemetry is off."""
        through = entry.lifted_through
        if self.shared is not None:
            entry = self._share_on(entry)
        elif self._outbox is not None and through is not None:
            try:
                self._outbox.record_lift(through=through)
            except MedagentError as error:
                raise SwitchError(
                    f"telemetry stays off: the outbox does not record it: {error}",
                    hint=error.hint or "medagent outbox status",
                ) from None
        self._note_and_write(entry)
        if self._tripped is not None and entry.covers(self._tripped):
            self._tripped = None
        self._forget_outbox()

    def _allowed(self, report: str, *, by: str) -> Entry:
        """Return an entry by which a report turns telemetry on; raises `SwitchError` where it allows nothing here."""
        try:
            self._file.read()
        except UnreadableError:
            raise SwitchError(
                f"telemetry stays off: {self._file.path} cannot be read",
                hint="delete it and try again: the ledger and the outbox keep the trips too",
            ) from None
        if self.env == "prod" and (clock := self._clock_problem()) is not None:
            raise SwitchError(f"telemetry stays off: {clock}", hint="set the clock of this host")
        entry = self._entry("on", "command", "a signed audit report allows it", by=by, trip=self._file_trip())
        entry = entry.model_copy(update={"report": report})
        against, began = self._against(entry), self._began_of(entry)
        if isinstance(began, str) or against is not None:
            raise SwitchError(f"telemetry stays off: {against or began}")
        if (trip := latest(*self._trips_elsewhere())) is not None and trip.at >= began:
            raise SwitchError(f"telemetry stays off: {_LATER_TRIP}")
        return entry.model_copy(update={"lifted_through": began - timedelta(microseconds=1)})

    def _share_on(self, entry: Entry) -> Entry:
        """Record an on for all hosts that share the outbox; return the entry with its place."""
        if self.shared is None:
            return entry
        try:
            position = self.shared.record_command(command_of(entry, host=self.shared.host))
        except MedagentError as error:
            raise SwitchError(
                f"telemetry stays off: the shared switch does not record it: {error}",
                hint=error.hint or "medagent outbox status",
            ) from None
        return entry.model_copy(update={"event": position})

    def _note_and_write(self, entry: Entry) -> None:
        self._note(entry)
        self._write(entry)

    def _note(self, entry: Entry, *, source: str | None = None) -> None:
        about = entry.model_dump(include={"state", "source", "reason", "by", "report"}, exclude_none=True)
        try:
            if self._record is not None:
                self._record(about if source is None else {**about, "source": source})
        except MedagentError as error:
            says = "telemetry is off on this host, but" if entry.state == "off" else "telemetry stays off:"
            raise SwitchError(f"{says} the ledger does not say so: {error}", hint=error.hint) from None

    def _write(self, entry: Entry) -> None:
        self._file.write(entry)
        self._looked_at = float("-inf")


def command_of(entry: Entry, *, host: str) -> SwitchCommand:
    """Return an entry as the shared switch stores it, with the lifts of an on by a report or an override alone."""
    is_lift = entry.state == "on" and (entry.report is not None or entry.source == "override")
    return SwitchCommand(
        state=entry.state,
        at=moment(entry.at),
        reason=entry.reason,
        by=entry.by,
        host=host,
        report=entry.report,
        lifted_through=entry.lifted_through if is_lift else None,
    )


def recordable(reason: str) -> str:
    """The reason as it is kept: itself, or the mark of one that may not be recorded."""
    return WITHHELD_REASON if reason_problem(reason) else reason


def _forced_off(word: str | None) -> SwitchState | None:
    if word is None or word.strip().lower() in _ON_WORDS:
        return None
    if word.strip().lower() in _OFF_WORDS:
        return SwitchState(on=False, source="environment", reason="MEDAGENT_TELEMETRY")
    problem = "is neither on nor off" if word.strip() else "is set but empty"
    _log.warning("MEDAGENT_TELEMETRY %s: telemetry is off", problem)
    return SwitchState(on=False, source="environment", reason=f"MEDAGENT_TELEMETRY {problem}")


def _off_by(trip: Trip) -> SwitchState:
    return SwitchState(on=False, source="trip", reason=trip.reason, at=_told(trip.at))


def _told(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")
