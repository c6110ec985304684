"""Parts of a call's known values in a kept value, as admission looks for them: digits in a row, letters of a name.

The redactor looks for the same parts (`redaction/text/parts.py`). Both are written on their own, on purpose: nothing is
shared between them, so that one finds what the other misses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

_DIGITS = 4
_LETTERS = 3
_LONG_NUMBER = 7
_WHOLE_NUMBER = 5
_ORDERS = ("%Y%m%d", "%Y%d%m", "%m%d%Y", "%d%m%Y", "%m%Y%d", "%d%Y%m")
_TITLES = frozenset(
    {"mr", "mrs", "ms", "miss", "mx", "dr", "doctor", "prof", "professor", "sir", "madam", "jr", "sr", "md", "phd"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPart:
    """One known value as rows of digits and as words of a name, to be looked for piece by piece."""

    rows: tuple[str, ...]
    names: tuple[str, ...]
    whole: Counter[str]
    digits: str

    @classmethod
    def of(cls, *, digits: str, dates: Iterable[date], names: Iterable[str], words: Iterable[str]) -> KnownPart:
        """Take a value's digits, the dates that it may be, the words that name somebody, and all its words."""
        rows = [digits]
        for day in dates:
            for order in _ORDERS:
                written = day.strftime(order)
                rows += [written, day.strftime(order.replace("%Y", "%y"))]
        return cls(
            rows=tuple(row for row in dict.fromkeys(rows) if len(row) >= _DIGITS),
            names=tuple(name for name in names if len(name) >= _LETTERS),
            whole=Counter(_telling(words)),
            digits=digits,
        )

    def is_in(self, joined: str) -> bool:
        """Tell whether a part stands in a text that is joined to letters and digits alone, in lower case."""
        for length, start in _runs(joined):
            for at in range(start, start + length - _DIGITS + 1):
                piece = joined[at : at + _DIGITS]
                if any(piece in row for row in self.rows):
                    return True
        pieces = (joined[at : at + _LETTERS] for at in range(len(joined) - _LETTERS + 1)) if self.names else ()
        return any(piece.isalpha() and any(piece in name for name in self.names) for piece in pieces)

    def is_member(self, words: Iterable[str]) -> bool:
        """Tell whether the words of a list's member are this value as a whole, in any order, without titles."""
        return bool(self.whole) and Counter(_telling(words)) == self.whole

    def is_number(self, number: str) -> bool:
        """Tell whether a whole number is this one, or seven digits or more at its end."""
        if len(number) >= _LONG_NUMBER and self.digits.endswith(number):
            return True
        return len(number) >= _WHOLE_NUMBER and self.digits.lstrip("0") == number


def _telling(words: Iterable[str]) -> list[str]:
    rest = [word for word in words if word not in _TITLES]
    return [word for word in rest if len(word) > 1] or rest


def _runs(joined: str) -> Iterable[tuple[int, int]]:
    """Yield length and place of each row of at least four digits."""
    start = None
    for at, sign in enumerate(f"{joined} "):
        if sign.isdecimal():
            start = at if start is None else start
        elif start is not None:
            if at - start >= _DIGITS:
                yield at - start, start
            start = None
