"""Jumps of the wall clock, as the times of a ledger's entries show them.

Retention deletes by age, and a clock that jumps years ahead makes everything old. An entry more than `MOST_GAP` from
the one before it comes after a `clock_jumped`, which holds until a person confirms the clock or it returns.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from medagent.errors import ClockError, LedgerError
from medagent.file_access import open_to_read
from medagent.proof import Json
from medagent.telemetry.ledger.contents import CLOCK_CONFIRMED, CLOCK_JUMPED, CLOCK_RETURNED
from medagent.telemetry.ledger.entry import Entry

MOST_GAP = timedelta(days=31)
"""Longest plausible time without a ledger entry or a span."""
_MARK = b'"kind":"clock_'


def clock_entry(descriptor: int, last: Entry | None, kind: str, now: datetime) -> tuple[str, Mapping[str, Json]] | None:
    """Return kind and content of the entry that a jump needs before the next one; None without a jump."""
    if last is None or kind == CLOCK_CONFIRMED:
        return None
    if abs(now - datetime.fromisoformat(last.at)) <= MOST_GAP:
        return None
    mark = _latest_mark(descriptor)
    is_jumped = mark is not None and mark.kind == CLOCK_JUMPED
    previous = str(mark.content["previous"]) if mark is not None and is_jumped else last.at
    is_back = is_jumped and abs(now - datetime.fromisoformat(previous)) <= MOST_GAP
    return (CLOCK_RETURNED if is_back else CLOCK_JUMPED), {"previous": previous}


def check_clock(path: Path, *, has_spans: bool) -> None:
    """Raise `ClockError` where what is old by this clock may be new.

    Every call appends an entry, so the ledger is what the clock is compared with: spans that are stored after a jump
    are as new as the clock says.

    Args:
        path: The ledger.
        has_spans: Whether there is anything that could be deleted.

    Raises:
        ClockError: The clock jumped ahead and no person has confirmed it since, or the ledger has no entry.
        LedgerError: The ledger cannot be read.
    """
    now = datetime.now(UTC)
    last: Entry | None = None
    mark: Entry | None = None
    try:
        descriptor = open_to_read(path, is_link_followed=False)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise LedgerError(f"the ledger {path} cannot be read ({type(error).__name__})") from None
    else:
        try:
            mark, last = _latest_mark(descriptor), _latest(descriptor, b'"kind":"')
        finally:
            os.close(descriptor)
    if last is None:
        if has_spans:
            raise ClockError("clock: the ledger has no entry to compare it with, so nothing is deleted")
        return
    is_jumped = mark is not None and mark.kind == CLOCK_JUMPED
    # Of a jump that is not confirmed, only the time before it is known.
    known = str(mark.content["previous"]) if mark is not None and is_jumped else last.at
    if now - datetime.fromisoformat(known) > MOST_GAP:
        days = MOST_GAP.days
        raise ClockError(f"clock: over {days} days ahead of the ledger's {known[:10]}, so nothing is deleted")


def _latest_mark(descriptor: int) -> Entry | None:
    return _latest(descriptor, _MARK)


def _latest(descriptor: int, mark: bytes) -> Entry | None:
    """Return the latest entry whose line holds these bytes."""
    if os.fstat(descriptor).st_size == 0:
        return None
    with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as content:
        end = len(content)
        while (at := content.rfind(mark, 0, end)) >= 0:
            newline = content.find(b"\n", at)
            end = content.rfind(b"\n", 0, at) + 1
            try:
                return Entry.parse(content[end : len(content) if newline < 0 else newline])
            except ValueError:
                continue
    return None
