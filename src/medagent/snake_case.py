"""Normalise the name of a tool or field: one snake_case name for every spelling.

Spans, policies, `policy lint` and the audit use this name; a value is never changed by it. `orderRefill`,
`order-refill` and `Order Refill` are `order_refill`, `düsseldorf` is `dusseldorf`, and a letter that has no Latin form
is its code point (`名前` is `u540d_u524d`). Two spellings can have the same name: `policy lint` reports both, and the
redactor redacts both.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

UNNAMED: Final = "unnamed"
"""Name of a tool's span where the tool's own name cannot be one."""
LONGEST_NAME: Final = 120
"""Characters of a normalised name at most."""

_NORMAL = re.compile(r"[a-z][a-z0-9_]*")
_LONGEST_SPELLING = 400
_WORD = re.compile(r"[A-Z]{2,}s(?![a-z])|[A-Z]+(?![a-z])[0-9]*|[A-Z]?[a-z0-9]+")
_BEFORE_A_DIGIT = "n_"
_LATIN = str.maketrans(
    dict(
        zip(
            "ßẞæÆœŒøØđĐðÐþÞłŁħĦıŋ",
            (
                "ss",
                "SS",
                "ae",
                "Ae",
                "oe",
                "Oe",
                "o",
                "O",
                "d",
                "D",
                "d",
                "D",
                "th",
                "Th",
                "l",
                "L",
                "h",
                "H",
                "i",
                "n",
            ),
            strict=True,
        )
    )
)
"""Latin letters that Unicode does not decompose."""


def snake_case(spelling: str) -> str | None:
    """Return the name that a spelling has in spans and policies.

    Args:
        spelling: a name of a tool or field, in any spelling and script.

    Returns:
        A name of `a-z`, `0-9` and `_` that begins with a letter, at most `LONGEST_NAME` characters; a spelling of this
        form is its own name. None where the spelling has no letter or digit, or is too long.
    """
    if len(spelling) > _LONGEST_SPELLING:
        return None
    if not _NORMAL.fullmatch(spelling):
        spelling = _normalised(spelling)
    return spelling if 0 < len(spelling) <= LONGEST_NAME else None


def same_name(spellings: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return each name that several different spellings have, with these spellings."""
    found: dict[str, list[str]] = {}
    for spelling in dict.fromkeys(spellings):
        if (name := snake_case(spelling)) is not None:
            found.setdefault(name, []).append(spelling)
    return {name: tuple(several) for name, several in found.items() if len(several) > 1}


def latin(text: str) -> str:
    """Return a text with Latin letters instead of their accented, joined and wide forms."""
    decomposed = unicodedata.normalize("NFKD", text.translate(_LATIN))
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign))


def _normalised(spelling: str) -> str:
    plain = "".join(map(_ascii, latin(spelling)))
    name = "_".join(word.lower() for word in _WORD.findall(plain))
    return f"{_BEFORE_A_DIGIT}{name}" if name[:1].isdigit() else name


def _ascii(sign: str) -> str:
    """Return a sign as ASCII letters and digits; a blank for what parts words, nothing for what has no width."""
    if sign.isascii():
        return sign if sign.isalnum() else " "
    if unicodedata.category(sign) in ("Cf", "Mn", "Me"):
        return ""
    if sign.isdecimal():
        return str(unicodedata.decimal(sign))
    return f" u{ord(sign):x} " if sign.isalnum() else " "
