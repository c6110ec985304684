"""Thread of an export service that applies other hosts' changes of the switch here and shares this host's.

Jobs read the switch's file alone, so that an off of another host reaches them when it is written here. An off or a trip
of this host that is not shared yet (the database was away, a job tripped) is shared by this thread.
"""

from __future__ import annotations

import logging
import threading
import time
from contextlib import suppress

from medagent.errors import MedagentError
from medagent.telemetry.hosts import SharedState, SharedSwitch, SwitchCommand
from medagent.telemetry.storage_log import storage_log
from medagent.telemetry.switch import Switch, command_of
from medagent.telemetry.switch_file import Entry

_LOOK_EVERY_S = 0.25
_BEAT_EVERY_S = 1.0
_SAID_EVERY_S = 60.0
_log = logging.getLogger(__name__)


class SwitchSync:
    """One host's side of the shared switch; for one thread at a time, `stop` apart."""

    def __init__(self, switch: Switch, shared: SharedSwitch) -> None:
        self._switch = switch
        self._shared = shared
        self._told: tuple[int, str | None] | None = None
        self._beat_due = float("-inf")
        self._clock_due = float("-inf")
        self._state: SharedState | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="medagent-hosts", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """End the thread, which stores that this host's export service has ended."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def look(self) -> None:
        """Share and apply what changed, and store that this host is alive.

        Raises `MedagentError` where the database cannot be used now.
        """
        problem = self._share()
        state = self._fresh()
        problem = self._apply(state) or problem
        self._say_clock(state)
        self._state = state
        now = time.monotonic()
        if now >= self._beat_due or self._told != (state.position, problem):
            self._shared.beat(applied=state.position, clock_ahead_s=state.clock_ahead_s, problem=problem)
            self._beat_due, self._told = now + _BEAT_EVERY_S, (state.position, problem)

    def _fresh(self) -> SharedState:
        """Return the state; read again where a change here is newer, as after a command in between."""
        state = self._shared.read()
        with suppress(MedagentError):
            entry = self._switch.entry()
            if entry is not None and (entry.event or 0) > state.position:
                return self._shared.read()
        return state

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.look()
            except MedagentError as error:
                storage_log.error(_log, "the shared switch waits", error)
            except Exception as error:  # noqa: BLE001  # the thread outlives any look; no message: it may quote
                _log.error("the shared switch failed: %s", type(error).__name__)
            self._stopping.wait(_LOOK_EVERY_S)
        self._end()

    def _end(self) -> None:
        if self._state is None or self._told is None:
            return
        position, problem = self._told
        try:
            self._shared.beat(
                applied=position, clock_ahead_s=self._state.clock_ahead_s, problem=problem, is_serving=False
            )
        except MedagentError as error:
            storage_log.error(_log, "the shared switch", error)

    def _share(self) -> str | None:
        """Share an off or trip of this host that is not shared yet; return why it cannot be read."""
        try:
            entry = self._switch.entry()
        except MedagentError as error:
            return str(error)
        if entry is None or entry.state == "on" or entry.event is not None:
            return None
        trip = entry.trip()
        position = 0
        if trip is not None and not entry.covers(trip):
            position = self._shared.share_trip(trip)
        if entry.source != "trip":
            position = self._shared.record_command(command_of(entry, host=self._shared.host))
        self._switch.note_event(entry, position)
        return None

    def _apply(self, state: SharedState) -> str | None:
        """Bring this host's switch to the shared state; return why that was not possible."""
        try:
            self._bring(state)
            trip = self._switch.local_trip()
        except MedagentError as error:
            return str(error)
        is_lifted = trip is None or (state.lifted_through is not None and trip.at <= state.lifted_through)
        if trip is not None and state.trip is None and not is_lifted:
            self._shared.share_trip(trip)  # the ledger alone kept it
        return None

    def _bring(self, state: SharedState) -> None:
        entry, command = self._switch.entry(), state.command
        is_on = entry is None or entry.state == "on"
        if state.trip is not None:
            here = None if entry is None or entry.state == "on" else entry.trip()
            if here is None or here.at < state.trip.at:
                self._switch.apply_trip(state.trip, position=state.trip_position, by="medagent")
                _log.warning("telemetry is off: it tripped on a host that shares the outbox")
        elif command is None:
            return
        elif command.state == "off" and is_on:
            self._switch.apply_off(command)
            _log.warning("telemetry is off: by command on a host that shares the outbox")
        elif command.state == "on" and entry is not None and not is_on and self._is_news(entry, command):
            self._switch.apply_on(command)
            _log.warning("telemetry is on: by command on a host that shares the outbox")

    def _is_news(self, entry: Entry, command: SwitchCommand) -> bool:
        """Return whether a command is later than this host's change; a command writes its own host's file."""
        return (entry.event or 0) < command.position and command.host != self._shared.host

    def _say_clock(self, state: SharedState) -> None:
        """Warn of a wrong clock, once a minute."""
        problem = state.clock_problem()
        if problem is not None and time.monotonic() >= self._clock_due:
            self._clock_due = time.monotonic() + _SAID_EVERY_S
            is_held = self._switch.env == "prod"
            _log.error("%s%s", problem, ": nothing is exported from this host" if is_held else "")
