"""The kill switch: off from any source wins, what cannot be read is off, a trip holds even if it cannot be written."""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from medagent.errors import MedagentError, SwitchError
from medagent.proof import Json
from medagent.telemetry.ledger import reason_problem

Source = Literal["none", "environment", "command", "trip", "audit_missing", "unreadable"]

_OFF_WORDS = frozenset({"off", "0", "false", "no"})
_ON_WORDS = frozenset({"on", "1", "true", "yes"})
_LOOK_EVERY_S = 0.2
_log = logging.getLogger(__name__)

WITHHELD_REASON = "(withheld)"
"""Stands for a reason that may not be recorded: an off is never refused for its words."""

Recorder = Callable[[Mapping[str, Json]], object]
"""Puts a change of the switch {state, source, reason, by} into the ledger; raises `MedagentError` where it cannot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchState:
    """Whether telemetry may run, who says so, and why and since when as far as that is known."""

    on: bool
    source: Source
    reason: str | None = None
    at: str | None = None


class _Entry(BaseModel):
    """What `switch.json` holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: Literal["on", "off"]
    source: Literal["command", "trip"]
    reason: str
    by: str
    at: str


_ON = SwitchState(on=True, source="none")


class Switch:
    """One host's switch, shared by all processes through `switch.json`; a look at it costs a file read every 0.2 s.

    Off holds before it is recorded, on only after it.
    """

    def __init__(
        self, home: Path, *, forced: str | None, env: Literal["dev", "prod"], record: Recorder | None = None
    ) -> None:
        self._path = home / "switch.json"
        self._record = record
        self._env = env
        self._forced_off = _forced_off(forced)
        self._tripped: SwitchState | None = None
        self._looked: SwitchState = _ON
        self._looked_at = float("-inf")

    def state(self) -> SwitchState:
        """The state at this moment, at most 0.2 s old."""
        if self._forced_off is not None:
            return self._forced_off
        if self._tripped is not None and self._tripped_still_holds():
            return self._tripped
        return self._look()

    def is_on(self) -> bool:
        """Whether telemetry may run."""
        return self.state().on

    def trip(self, reason: str) -> None:
        """Off by itself: in this process at once, on the host as soon as it is written. `reason` holds no value."""
        if self._tripped is not None and self._tripped_still_holds():
            return
        kept = recordable(reason)
        self._tripped = SwitchState(on=False, source="trip", reason=kept, at=_now())
        entry = _Entry(state="off", source="trip", reason=kept, by="medagent", at=_now())
        for keep in (self._write, self._note):
            try:
                keep(entry)
            except SwitchError as error:
                _log.error("the kill switch tripped and could not be written: it holds in this process: %s", error)

    def turn_off(self, *, reason: str, by: str) -> None:
        """Off for every process on the host; raises `SwitchError` where it cannot be written or recorded."""
        entry = _Entry(state="off", source="command", reason=recordable(reason), by=by, at=_now())
        self._write(entry)
        self._note(entry)

    def turn_on(self, *, override: str | None, by: str) -> None:
        """Lift an off in dev, for a stated reason; raises `SwitchError` in prod, or where it cannot be recorded."""
        if self._env == "prod":
            raise SwitchError(
                "telemetry cannot be switched on in prod by a word",
                hint="it needs a signed audit report for exactly this code, policy and destinations",
            )
        if not (override and override.strip()):
            raise SwitchError("telemetry is lifted only for a reason", hint='medagent telemetry on --override "reason"')
        if problem := reason_problem(override):
            raise SwitchError(f"the reason {problem}", hint="it is kept for six years: name a ticket, never a person")
        entry = _Entry(state="on", source="command", reason=override, by=by, at=_now())
        self._note(entry)
        self._write(entry)
        self._tripped = None

    def _tripped_still_holds(self) -> bool:
        """A trip is over once a person switched on after it."""
        try:
            written = self._entry()
        except (OSError, ValueError):
            return True
        if self._tripped is not None and written.state == "on" and written.at > str(self._tripped.at):
            self._tripped = None
            return False
        return True

    def _look(self) -> SwitchState:
        now = time.monotonic()
        if now - self._looked_at >= _LOOK_EVERY_S:
            self._looked = self._read()
            self._looked_at = now
        return self._looked

    def _entry(self) -> _Entry:
        return _Entry.model_validate_json(self._path.read_bytes())

    def _read(self) -> SwitchState:
        try:
            written = self._entry()
        except FileNotFoundError:
            written = None
        except (OSError, ValueError):
            return SwitchState(on=False, source="unreadable", reason=f"{self._path} cannot be read")
        if written is not None and written.state == "off":
            return SwitchState(on=False, source=written.source, reason=written.reason, at=written.at)
        if self._env == "prod":
            return SwitchState(on=False, source="audit_missing", reason="no signed audit report allows telemetry")
        return _ON

    def _note(self, entry: _Entry) -> None:
        try:
            if self._record is not None:
                self._record(entry.model_dump(exclude={"at"}))
        except MedagentError as error:
            says = "telemetry is off on this host, but" if entry.state == "off" else "telemetry stays off:"
            raise SwitchError(f"{says} the ledger does not say so: {error}", hint=error.hint) from None

    def _write(self, entry: _Entry) -> None:
        draft = self._path.with_name(f".switch.{os.getpid()}.{secrets.token_hex(4)}.json")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft.write_text(entry.model_dump_json(), encoding="utf-8")
            draft.replace(self._path)
        except OSError as error:
            raise SwitchError(
                f"the switch {self._path} cannot be written ({type(error).__name__})",
                hint="set MEDAGENT_TELEMETRY=off and restart the processes, or mend the directory",
            ) from None
        self._looked_at = float("-inf")


def recordable(reason: str) -> str:
    """The reason as it is kept: itself, or the mark of one that may not be recorded."""
    return WITHHELD_REASON if reason_problem(reason) else reason


def _forced_off(word: str | None) -> SwitchState | None:
    if word is None or word.strip().lower() in _ON_WORDS:
        return None
    if word.strip().lower() not in _OFF_WORDS:
        _log.warning("MEDAGENT_TELEMETRY is neither on nor off: telemetry is off")
        return SwitchState(on=False, source="environment", reason="MEDAGENT_TELEMETRY is neither on nor off")
    return SwitchState(on=False, source="environment", reason="MEDAGENT_TELEMETRY")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
