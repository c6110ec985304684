"""Leaks for the reviewers' sheets that keep the shape of the text in whose place they stand.

A script that checks shapes finds none of them; a person who reads does: another person's birth date in the place of a
slot, a surname in a note, a surname as an id. What is planted is invented, and drawn anew by each audit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from random import SystemRandom

from medagent.audit.planted import Planted
from medagent.redaction import Rule
from medagent.redaction.policy import REDACTED, Category
from medagent.redaction.shapes import Moment, Pattern

_RANDOM = SystemRandom()
_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
_DAY = re.compile(r"^(\d{4}-\d{2}-\d{2})(?=$|T)", re.ASCII)
_ID_END = re.compile(r"[0-9A-Z]+$", re.ASCII)
_IDS = frozenset({Category.CONFIRMATION, Category.IDENTIFIER})


class Place(Enum):
    """What kind of leak a text can hold without a change of its shape."""

    FREE_TEXT = "free_text"
    DAY = "day"
    ID = "id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaks:
    """Invented people: surnames, and days of birth."""

    surnames: tuple[str, ...]
    births: tuple[date, ...]

    @classmethod
    def of(cls, planted: Sequence[Planted]) -> Leaks:
        """Take the names and days of birth among planted values."""
        texts = [(one.kind, one.value) for one in planted if isinstance(one.value, str)]
        return cls(
            surnames=tuple(value.split()[-1] for kind, value in texts if kind in ("name", "real_name")),
            births=tuple(date.fromisoformat(value) for kind, value in texts if kind == "birth_date"),
        )


def place_of(rule: Rule | None, text: str) -> Place | None:
    """Return what a text under a rule can hold; None where every leak would change its shape."""
    if rule is None:
        return None
    if rule.free_text:
        return Place.FREE_TEXT if any(char.isalpha() for char in text) else None
    if isinstance(rule.shape, Moment) and _DAY.match(text):
        return Place.DAY
    if isinstance(rule.shape, Pattern) and rule.category in _IDS and _ID_END.search(text):
        return Place.ID
    return None


def leak_in(text: str, place: Place, rule: Rule, leaks: Leaks) -> str | None:
    """Return the text with a leak in it, of the same shape; None where none of the leaks fits."""
    match place:
        case Place.FREE_TEXT:
            names = [name for name in leaks.surnames if name.isascii()]
            made = [_named(text, name, rule.max or len(text)) for name in names]
        case Place.DAY:
            made = [_DAY.sub(born.isoformat(), text) for born in leaks.births]
        case Place.ID:
            made = [_as_id(text, name) for name in leaks.surnames]
            made = [one for one in made if one and isinstance(rule.shape, Pattern) and rule.shape.fits(one, {})]
    fits = sorted({one for one in made if one is not None and one != text})
    return _RANDOM.choice(fits) if fits else None


def _named(text: str, name: str, most: int) -> str | None:
    """The name for the redactor's mark if there is one, else before the end; in lower case but at the beginning."""
    if REDACTED in text:
        at = text.index(REDACTED)
        whole = text[:at] + (name if at == 0 else name.lower()) + text[at + len(REDACTED) :]
        return whole if len(whole) <= most else None
    is_cut = text.endswith(_ELLIPSIS)
    words = text.removesuffix(_ELLIPSIS).split(" ")
    while is_cut and len(words) > 2 and len(" ".join(words)) + len(name) + 2 > most:
        words.pop()
    whole = " ".join(words).rstrip(" ,.;:") + f" {name.lower()}" + (_ELLIPSIS if is_cut else "")
    return whole if len(whole) <= most else None


def _as_id(text: str, name: str) -> str | None:
    """The id with its last run of capitals and digits spelt by a name; None where the name is too short for it."""
    found = _ID_END.search(text)
    letters = name.upper()
    if found is None or not letters.isascii() or len(letters) < len(found.group()):
        return None
    return text[: found.start()] + letters[: len(found.group())]
