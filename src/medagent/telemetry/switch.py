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

from pydantic import AwareDatetime, BaseModel, ConfigDict

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

Audited = Callable[[str], datetime]
"""When the audit of a report (its digest) began, if the report is a GO for what runs here and newer than every recorded
trip; raises `MedagentError` otherwise."""


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
    report: str | None = None
    tripped_at: AwareDatetime | None = None
    """When the latest trip was, whatever was said after it."""


_ON = SwitchState(on=True, source="none")
_NO_REPORT = "no signed audit report allows telemetry"
_NOT_AUDITED = SwitchState(on=False, source="audit_missing", reason=_NO_REPORT)


class Switch:
    """One host's switch, shared by all processes through `switch.json`; a look at it costs a file read every 0.2 s.

    Off holds before it is recorded, on only after it. An entry that says on proves nothing: each process that reads one
    has its report verified anew, once.
    """

    def __init__(
        self,
        home: Path,
        *,
        forced: str | None,
        env: Literal["dev", "prod"],
        record: Recorder | None = None,
        audited: Audited | None = None,
    ) -> None:
        self._path = home / "switch.json"
        self._record = record
        self._audited = audited
        self._verified: tuple[_Entry, datetime | str] | None = None
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
        at = str(self._tripped.at)
        entry = _Entry(state="off", source="trip", reason=kept, by="medagent", at=at, tripped_at=_moment(at))
        for keep in (self._write, self._note):
            try:
                keep(entry)
            except SwitchError as error:
                _log.error("the kill switch tripped and could not be written: it holds in this process: %s", error)

    def turn_off(self, *, reason: str, by: str) -> None:
        """Off for every process on the host; raises `SwitchError` where it cannot be written or recorded."""
        entry = _Entry(
            state="off",
            source="command",
            reason=recordable(reason),
            by=by,
            at=_now(),
            tripped_at=self._last_trip(),
        )
        self._write(entry)
        self._note(entry)

    def turn_on(self, *, report: str, by: str) -> None:
        """Lift an off by an audit's report (its digest); raises `SwitchError` where it allows nothing here.

        Also where a trip is newer than the audit, or where it cannot be recorded. An off by command does not make a
        report older: it may be the same one that allowed telemetry before.
        """
        reason = "a signed audit report allows it"
        entry = _Entry(
            state="on", source="command", reason=reason, by=by, at=_now(), report=report, tripped_at=self._last_trip()
        )
        if (against := self._against(entry)) is not None:
            raise SwitchError(f"telemetry stays off: {against}")
        self._note(entry)
        self._write(entry)
        self._tripped = None

    def _tripped_still_holds(self) -> bool:
        """A trip is over once an audit that began after it allowed telemetry again."""
        try:
            written = self._entry()
        except (OSError, ValueError):
            return True
        if written.state == "off" or self._against(written) is not None:
            return True
        self._tripped = None
        return False

    def _last_trip(self) -> datetime | None:
        """When it tripped last, as far as this process and the switch's file know."""
        try:
            written = self._entry().tripped_at
        except (OSError, ValueError):
            written = None
        mine = None if self._tripped is None else _moment(self._tripped.at)
        return max((each for each in (written, mine) if each is not None), default=None)

    def _against(self, entry: _Entry) -> str | None:
        """What speaks against an entry that says on; its report is verified once for each entry and process."""
        if self._verified is None or self._verified[0] != entry:
            self._verified = (entry, self._began(entry))
        began = self._verified[1]
        if isinstance(began, str):
            return began
        trips = (entry.tripped_at, None if self._tripped is None else _moment(self._tripped.at))
        if any(trip is not None and began <= trip for trip in trips):
            return "it tripped after this audit began"
        return None

    def _began(self, entry: _Entry) -> datetime | str:
        """When the audit behind an entry began; or why it allows nothing."""
        if self._audited is None or entry.report is None:
            return _NO_REPORT
        try:
            return self._audited(entry.report)
        except MedagentError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001  # a report that cannot be judged allows nothing
            return f"the report cannot be judged ({type(error).__name__})"

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
        if written is None:
            return _ON if self._env == "dev" else _NOT_AUDITED
        against = self._against(written)
        return _ON if against is None else SwitchState(on=False, source="audit_missing", reason=against)

    def _note(self, entry: _Entry) -> None:
        try:
            if self._record is not None:
                self._record(entry.model_dump(exclude={"at", "tripped_at"}, exclude_none=True))
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


def _moment(at: str | None) -> datetime | None:
    return None if at is None else datetime.fromisoformat(at)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
