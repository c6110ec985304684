"""The switch's own file, `switch.json`: one entry, replaced whole, which every process of the host reads."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from medagent.errors import SwitchError
from medagent.file_access import replace_file
from medagent.telemetry.trips import Trip

_MOST_BYTES = 1 << 16


class Entry(BaseModel):
    """The latest change of the switch, with the latest trip and the moment through which trips are lifted."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: Literal["on", "off"]
    source: Literal["command", "trip", "override"]
    reason: str
    by: str
    at: str
    report: str | None = None
    tripped_at: AwareDatetime | None = None
    trip_reason: str | None = None
    lifted_through: AwareDatetime | None = None
    event: int | None = None
    """Its place among the changes of all hosts that share an outbox; None where it is not shared (yet)."""

    def trip(self) -> Trip | None:
        """Return the latest trip that this entry knows, lifted or not."""
        if self.source == "trip":
            return Trip(at=self.tripped_at or moment(self.at), reason=self.reason)
        if self.tripped_at is None:
            return None
        return Trip(at=self.tripped_at, reason=self.trip_reason or "its reason is not kept")

    def covers(self, trip: Trip) -> bool:
        """Return whether this entry lifts a trip."""
        return self.lifted_through is not None and trip.at <= self.lifted_through


class UnreadableError(Exception):
    """The file is malformed, too large, not a regular file, a symbolic link, or closed to this user."""


class SwitchFile:
    """Reads and replaces the entry; a read never waits and never takes more than 64 kB."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Entry | None:
        """Return the entry, None where there is no file; raises `UnreadableError` on anything else."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        except OSError:
            raise UnreadableError from None
        try:
            about = os.fstat(descriptor)
            if not stat.S_ISREG(about.st_mode) or about.st_size > _MOST_BYTES:
                raise UnreadableError
            entry = Entry.model_validate_json(os.read(descriptor, _MOST_BYTES))
            moment(entry.at)
        except (OSError, ValueError):
            raise UnreadableError from None
        else:
            return entry
        finally:
            os.close(descriptor)

    def write(self, entry: Entry) -> None:
        """Replace the entry; raises `SwitchError` where that cannot be done."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(self.path, entry.model_dump_json(exclude_none=True).encode())
        except OSError as error:
            raise SwitchError(
                f"the switch {self.path} cannot be written ({type(error).__name__})",
                hint="set MEDAGENT_TELEMETRY=off and restart the processes, or mend the directory",
            ) from None


def moment(at: str) -> datetime:
    """Return a moment of an entry, UTC unless it names a zone; raises `ValueError` where it is none."""
    told = datetime.fromisoformat(at)
    return told if told.tzinfo is not None else told.replace(tzinfo=UTC)
