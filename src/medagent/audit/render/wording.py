"""How figures, digests and times are written, the same on every page."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from medagent.audit.render.document import Cell, Tone

_SHORT = 12


def count(number: int) -> str:
    """An integer with its thousands parted."""
    return f"{number:,}"


def amount(number: float, unit: str = "") -> str:
    """Three significant digits, never in powers of ten; the unit follows after a space that does not break."""
    if number >= 100 or number == int(number):
        written = f"{number:,.0f}"
    else:
        written = f"{number:.{max(0, 2 - _magnitude(number))}f}"
    return f"{written}\u00a0{unit}" if unit else written


def percent(share: float) -> str:
    """A share of one as per cent; what is not zero is never written as zero, what is not all never as 100."""
    if share == 0:
        return "0\u00a0%"
    if share < 0.0001:
        return "under 0.01\u00a0%"
    if 0.9999 < share < 1:
        return "over 99.99\u00a0%"
    return f"{share * 100:.4g}\u00a0%"


def at_most(share: float) -> str:
    """A bound as per cent, never written lower than it is."""
    return f"{math.ceil(share * 10_000 - 1e-9) / 100:.4g}\u00a0%"


def moment(at: str) -> str:
    """A time to the second, in UTC."""
    return f"{_utc(at):%Y-%m-%d %H:%M:%S} UTC"


def day(at: str) -> str:
    """The day of a time, in UTC, written out."""
    return f"{_utc(at):%-d %B %Y}"


def short(digest: str) -> str:
    """The beginning of a digest; the appendix has it in full."""
    return digest[:_SHORT] + "…"


def many(number: int, one: str, more: str | None = None) -> str:
    """A number and what it counts, in the singular where it is one."""
    return f"{count(number)} {one if number == 1 else more or one + 's'}"


def cell(text: str | float, tone: Tone = "plain") -> Cell:
    """A text, or a count with its thousands parted."""
    return Cell(text=count(text) if isinstance(text, int) else str(text), tone=tone)


def code(text: str) -> Cell:
    """What a machine wrote: a path, a digest, an id."""
    return Cell(text=text, code=True)


def tally(number: int) -> Cell:
    """A count among many of which most are nought: those recede."""
    return Cell(text=count(number), tone="plain" if number else "quiet")


def titled(name: str) -> str:
    """A name made for machines, or a sentence as it is, with a capital."""
    said = name.replace("_", " ")
    return said[:1].upper() + said[1:]


def leaks(number: int) -> str:
    """What a reviewer found beyond what was planted."""
    return many(number, "leak") if number else "no leak"


def role(name: str) -> str:
    """A role as people say it."""
    return name.replace("_", "-")


def zero(number: int) -> Cell:
    """A count that should be nought: quiet where it is, loud where it is not."""
    return Cell(text=count(number), tone="bad" if number else "good")


def yes(true: bool, good: str = "yes", bad: str = "no") -> Cell:
    """What should be so, and whether it is."""
    return Cell(text=good if true else bad, tone="good" if true else "bad")


def listed(items: tuple[str, ...], none: str = "none") -> str:
    """Items in one line."""
    return ", ".join(items) if items else none


def _utc(at: str) -> datetime:
    found = datetime.fromisoformat(at)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _magnitude(number: float) -> int:
    return len(str(int(number))) - 1 if number >= 1 else (0 if number >= 0.1 else -1)
