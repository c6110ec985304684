"""The switch thrown in the middle of a call, by the real command in another process: what left after it."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medagent.attestation.report import SwitchDrill
from medagent.audit.capture import Capture, Document
from medagent.audit.child import Ran, Rooms, command
from medagent.errors import MedagentError
from medagent.settings import Settings
from medagent.telemetry.ledger import entries

REASON = "switch drill of the audit"
_WHEN = 0.4
_QUEUES_S = 1.0
_LOOK_S = 0.05


class SwitchThrower:
    """Listens to a call's progress and throws the switch once; from a second before until no more may leave,
    destinations refuse, so that a shipper which ignores it has something to ship, and tries again."""

    def __init__(self, *, rooms: Rooms, settings: Settings, capture: Capture, log: Path, limit_ms: float) -> None:
        self._rooms = rooms
        self._settings = settings
        self._capture = capture
        self._log = log
        self._limit_s = limit_ms / 1000
        self._thread = threading.Thread(target=self._throw, name="medagent-switch-drill", daemon=True)
        self._thrown_at: float | None = None
        self._kept: Mapping[str, int] = {}
        self.documents: list[Document] = []

    def on_line(self, about: Mapping[str, Any]) -> None:
        """Throw once the call is on its way."""
        if about["kind"] == "turn" and about["turn"] >= _WHEN * about["turns"] and not self._thread.ident:
            self._thread.start()

    def result(self, ran: Ran) -> SwitchDrill:
        """What came of it, once the call's process has ended."""
        if self._thread.ident:
            self._thread.join()
        thrown = self._thrown_at
        if thrown is None:
            return SwitchDrill(thrown_at="", effective_after_ms=0.0, bytes_after={}, call_went_on=False, recorded=False)
        bodies = [one for one in self._capture.documents() if one.at > thrown]
        late = [one for one in bodies if one.at > thrown + self._limit_s]
        after = {name: sum(len(one.raw) for one in late if one.channel == name) for name in _DESTINATIONS}
        after |= {name: size - self._kept.get(name, 0) for name, size in self._sizes().items()}
        seen_off = ran.done.off_after
        moments = [one.at for one in bodies] + ([seen_off] if seen_off is not None else [time.time()])
        call = ran.done.calls[0]
        return SwitchDrill(
            thrown_at=datetime.fromtimestamp(thrown, UTC).isoformat(timespec="milliseconds"),
            effective_after_ms=max(0.0, max(moments) - thrown) * 1000,
            bytes_after=after,
            call_went_on=call.ended == call.expected and call.began_at + call.seconds > thrown + self._limit_s,
            recorded=_recorded(self._rooms.state / "ledger" / "ledger.jsonl"),
        )

    def _throw(self) -> None:
        self._capture.refuses = True
        aside = _blocked(self._log)
        time.sleep(_QUEUES_S)
        thrower = threading.Thread(target=self._command, name="medagent-switch-command", daemon=True)
        thrower.start()
        written = self._rooms.state / "switch.json"
        for _ in _every(_LOOK_S, thrower.is_alive):
            with contextlib.suppress(OSError, ValueError, KeyError):
                entry = json.loads(written.read_bytes())
                if entry["state"] == "off":
                    self._thrown_at = datetime.fromisoformat(entry["at"]).timestamp()
                    break
        if self._thrown_at is not None:
            time.sleep(max(0.0, self._thrown_at + self._limit_s - time.time()))
        self._capture.refuses = False
        _unblocked(self._log, aside)
        self._kept = self._sizes()
        thrower.join()

    def _command(self) -> None:
        _, document = command(["telemetry", "off", "--reason", REASON], rooms=self._rooms, settings=self._settings)
        self.documents.append(document)

    def _sizes(self) -> dict[str, int]:
        """What the destinations on this machine hold, in bytes."""
        log = self._log.stat().st_size if self._log.exists() else 0
        return {"jsonlog": log, "archive": _stored(self._rooms.state / "archive" / "archive.db")}


_DESTINATIONS: Sequence[str] = ("langsmith", "otlp", "langfuse", "slack", "pagerduty")


def _blocked(log: Path) -> Path:
    """Put a directory where the log is, so that no line can be written; returns where the log lies meanwhile."""
    aside = log.with_name(f"{log.name}.aside")
    with contextlib.suppress(FileNotFoundError):
        log.rename(aside)
    with contextlib.suppress(FileExistsError):
        log.mkdir()
    return aside


def _unblocked(log: Path, aside: Path) -> None:
    with contextlib.suppress(OSError):
        log.rmdir()
    if aside.exists() and not log.exists():
        aside.rename(log)


def _every(seconds: float, goes_on: Callable[[], bool]) -> Iterator[None]:
    """Again and again while something goes on, and once more after."""
    while goes_on():
        yield
        time.sleep(seconds)
    yield


def _stored(archive: Path) -> int:
    try:
        with contextlib.closing(sqlite3.connect(f"{archive.absolute().as_uri()}?mode=ro", uri=True)) as database:
            return int(database.execute("SELECT COALESCE(SUM(LENGTH(document)), 0) FROM span").fetchone()[0])
    except sqlite3.Error:
        return 0


def _recorded(ledger: Path) -> bool:
    try:
        found = [entry for entry in entries(ledger) if entry.kind == "switch_changed"]
    except MedagentError:
        return False
    return any(entry.content["state"] == "off" and entry.content["reason"] == REASON for entry in found)
