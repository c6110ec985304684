"""One pure function per action; each gives `<REDACTED>` for what it cannot treat."""

from __future__ import annotations

import re
import unicodedata
from typing import assert_never

from medagent.proof import Json, PseudonymKey
from medagent.redaction.policy import REDACTED, Action, Bucket, Category, Rule
from medagent.redaction.shapes import Rosters, Shape, year_of

ELLIPSIS = "…"
_OLDEST = 89
_UNIT = re.compile(rf"{REDACTED}|\s+|(?:(?!{REDACTED})\S)+")
_JOINER = "\u200d"


def apply(
    action: Action,
    rule: Rule,
    value: object,
    *,
    text: str | None,
    rosters: Rosters,
    keys: PseudonymKey | None,
    at_us: int | None = None,
) -> Json:
    """Treat one raw value under a rule; `text` is a free text, scrubbed; who drops a value leaves its key out.

    `at_us`: when it was said, in microseconds since the Unix epoch (UTC); None: a date is judged by its form alone.
    """
    match action:
        case Action.KEEP:
            return keep(value, rule.shape, rosters)
        case Action.REDACT | Action.DROP:
            return REDACTED
        case Action.TRUNCATE:
            return truncate(text, rule.max) if text is not None and rule.max else REDACTED
        case Action.PSEUDONYM:
            fits = rule.shape is None or rule.shape.fits(value, rosters)
            return pseudonym(value, rule.category, keys) if fits else REDACTED
        case Action.BUCKET:
            return bucket(value, rule.bucket, at_us)
        case _:
            assert_never(action)


def keep(value: object, shape: Shape | None, rosters: Rosters) -> Json:
    """The value itself where it has the declared shape."""
    if shape is None or not shape.fits(value, rosters):
        return REDACTED
    return value if isinstance(value, (str, int, float)) else REDACTED


def pseudonym(value: object, category: Category, keys: PseudonymKey | None) -> str:
    """A keyed pseudonym of a string or an integer; without a key there is none."""
    if keys is None or not isinstance(value, (str, int)) or isinstance(value, bool):
        return REDACTED
    return keys.pseudonym(category.value, str(value))


def bucket(value: object, size: Bucket | None, at_us: int | None = None) -> Json:
    """A date's year (a string) unless it tells of an age over 89, or an age in years up to 89 and "90+" above."""
    match size:
        case Bucket.YEAR:
            return year_of(value, at_us) or REDACTED
        case Bucket.AGE:
            return _age(value)
        case None:
            return REDACTED
        case _:
            assert_never(size)


def truncate(text: str, limit: int) -> str:
    """At most `limit` code points with the ellipsis, cut behind a word, never in a grapheme or a `<REDACTED>`."""
    if len(text) <= limit:
        return text
    end = 0
    for unit in _UNIT.finditer(text):
        if unit.end() > limit - 1:
            break
        if not unit.group().isspace():
            end = unit.end()
    if end == 0 and not text.lstrip().startswith(REDACTED):
        end = limit - 1
        while end > 0 and _inside_grapheme(text, end):
            end -= 1
    return text[:end].rstrip() + ELLIPSIS


def _age(value: object) -> Json:
    if value == "90+":
        return "90+"
    if isinstance(value, str) and re.fullmatch(r"\d{1,3}", value, re.ASCII):
        value = int(value)
    if type(value) is not int or not 0 <= value <= 150:
        return REDACTED
    return value if value <= _OLDEST else "90+"


def _inside_grapheme(text: str, at: int) -> bool:
    """Whether a cut before `text[at]` would split what a reader sees as one sign."""
    before, after = text[at - 1], text[at]
    if unicodedata.category(after) in ("Mn", "Me", "Mc") or _JOINER in (before, after):
        return True
    if "\U0001f3fb" <= after <= "\U0001f3ff" or "\U000e0020" <= after <= "\U000e007f" or before + after == "\r\n":
        return True
    if _jamo(after) and (_jamo(before) or "\uac00" <= before <= "\ud7a3"):
        return True
    flags = 0
    while flags < at and _flag(text[at - 1 - flags]):
        flags += 1
    return _flag(after) and flags % 2 == 1


def _flag(sign: str) -> bool:
    return "\U0001f1e6" <= sign <= "\U0001f1ff"


def _jamo(sign: str) -> bool:
    return "\u1100" <= sign <= "\u11ff"
