"""The kill switch: off from any source wins, what cannot be read is off, a trip holds even if it cannot be written."""

from __future__ import annotations

import logging
import os
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from medagent.errors import SwitchError

Source = Literal["none", "environment", "command", "trip", "audit_missing", "unreadable"]

_OFF_WORDS = frozenset({"off", "0", "false", "no"})
_ON_WORDS = frozenset({"on", "1", "true", "yes"})
_LOOK_EVERY_S = 0.2
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchState:
    """Whether telemetry may run, who says so, and why and since when as far as that is known."""

    on: bool
    source: Source
    reason: str | None = None
    at: str | None = None


class _Entry(BaseModel):
    """What `switch.json` holds, and each line of `switch.log`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: Literal["on", "off"]
    source: Literal["command", "trip"]
    reason: str
    by: str
    at: str


_ON = SwitchState(on=True, source="none")


class Switch:
    """One host's switch, shared by all processes through `switch.json`; a look at it costs a file read every 0.2 s."""

    def __init__(self, home: Path, *, forced: str | None, env: Literal["dev", "prod"]) -> None:
        self._path = home / "switch.json"
        self._log_path = home / "switch.log"
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
        self._tripped = SwitchState(on=False, source="trip", reason=reason, at=_now())
        try:
            self._write("off", source="trip", reason=reason, by="medagent")
        except SwitchError:
            _log.error("the kill switch tripped and could not be written: it holds in this process")

    def turn_off(self, *, reason: str, by: str) -> None:
        """Off for every process on the host; raises `SwitchError` where it cannot be written."""
        self._write("off", source="command", reason=reason, by=by)

    def turn_on(self, *, override: str | None, by: str) -> None:
        """Lift an off in dev, for a stated reason; raises `SwitchError` in prod or without a reason."""
        if self._env == "prod":
            raise SwitchError(
                "telemetry cannot be switched on in prod by a word",
                hint="it needs a signed audit report for exactly this code, policy and destinations",
            )
        if not (override and override.strip()):
            raise SwitchError("telemetry is lifted only for a reason", hint='medagent telemetry on --override "reason"')
        self._write("on", source="command", reason=override, by=by)
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

    def _write(self, state: Literal["on", "off"], *, source: Literal["command", "trip"], reason: str, by: str) -> None:
        entry = _Entry(state=state, source=source, reason=reason, by=by, at=_now()).model_dump_json()
        draft = self._path.with_name(f".switch.{os.getpid()}.{secrets.token_hex(4)}.json")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _append(self._log_path, entry)
            draft.write_text(entry, encoding="utf-8")
            draft.replace(self._path)
        except OSError as error:
            raise SwitchError(
                f"the switch {self._path} cannot be written ({type(error).__name__})",
                hint="set MEDAGENT_TELEMETRY=off and restart the processes, or mend the directory",
            ) from None
        self._looked_at = float("-inf")


def _append(path: Path, entry: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, entry.encode() + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _forced_off(word: str | None) -> SwitchState | None:
    if word is None or word.strip().lower() in _ON_WORDS:
        return None
    if word.strip().lower() not in _OFF_WORDS:
        _log.warning("MEDAGENT_TELEMETRY is neither on nor off: telemetry is off")
        return SwitchState(on=False, source="environment", reason="MEDAGENT_TELEMETRY is neither on nor off")
    return SwitchState(on=False, source="environment", reason="MEDAGENT_TELEMETRY")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
