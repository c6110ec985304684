"""The probability from which the names' model hides a word, by what is known of the word and beside it."""

from __future__ import annotations

from medagent.redaction.policy import Category
from medagent.redaction.text.cues import words
from medagent.redaction.text.lexicon import Kind
from medagent.redaction.text.reading import Reading, begins_line, is_hidden, is_in_heading
from medagent.redaction.text.sure_names import PEOPLE_DO
from medagent.redaction.text.units import NUMBER

THRESHOLD = 0.2
"""The probability of a name from which a word does not leave; set by hand, MODEL_CARD.md says what is known of how."""
CAPITAL_THRESHOLD = 0.15
UNKNOWN_THRESHOLD = 0.05
COMMON_THRESHOLD = 0.5
BESIDE_THRESHOLD = 0.05
RARE_THRESHOLD = 0.35
SELDOM_THRESHOLD = 0.6
LEAST_THRESHOLD = min(
    (THRESHOLD, CAPITAL_THRESHOLD, UNKNOWN_THRESHOLD, COMMON_THRESHOLD, BESIDE_THRESHOLD, RARE_THRESHOLD)
)
"""The lowest of them, under which nothing else is asked."""
_LINE_THRESHOLD = 0.9
_INTERJECTIONS = words(
    """huh welp yay ouch gosh wow whoa oops phew ugh aha aw aww yup nah geez jeez golly bless cheers bravo boo hurray
    darn dang yikes"""
)
_LAUGHS = words("ha hah heh ho tut")


def threshold(reading: Reading, at: int) -> float:
    """Return the probability from which a suspect is hidden: higher for words that are seldom names, or often said."""
    kinds = reading.borne[at]
    if _begins_note(reading, at, kinds):
        return _LINE_THRESHOLD
    if at and is_hidden(reading, at - 1) and "f" in reading.borne[at - 1]:
        return BESIDE_THRESHOLD
    if "f" in kinds and "c" not in kinds and _is_before_name(reading, at):
        return BESIDE_THRESHOLD
    if not kinds:
        return UNKNOWN_THRESHOLD if reading.kinds[at] is Kind.UNKNOWN else CAPITAL_THRESHOLD
    norm = reading.norms[at]
    if not reading.capitals[at] and (norm in _INTERJECTIONS or _is_laugh(reading, at) or _is_counted(reading, at)):
        return _LINE_THRESHOLD
    if "k" in kinds or reading.kinds[at] is Kind.ALSO_A_NAME:
        return THRESHOLD
    if "c" in kinds:
        return COMMON_THRESHOLD
    return RARE_THRESHOLD if "f" in kinds or "l" in kinds else SELDOM_THRESHOLD


def _is_laugh(reading: Reading, at: int) -> bool:
    """Return whether `ha` is beside another."""
    norm = reading.norms[at]
    beside = [one for one in (at - 1, at + 1) if 0 <= one < len(reading.norms) and not reading.gone[one]]
    return norm in _LAUGHS and any(reading.norms[one] == norm for one in beside)


def _is_counted(reading: Reading, at: int) -> bool:
    """Return whether a word is a plural right behind a number: `two samples`."""
    is_behind = at > 0 and reading.units[at - 1].kind == NUMBER and not reading.gone[at - 1]
    return is_behind and reading.norms[at].endswith("s")


def _is_before_name(reading: Reading, at: int) -> bool:
    """Return whether a name, or a word that no list has, is hidden right behind a word."""
    if at + 1 >= len(reading.norms):
        return False
    mark = reading.marks[at + 1]
    return reading.kinds[at + 1] is Kind.UNKNOWN if mark is None else mark.category is Category.NAME


def _begins_note(reading: Reading, at: int, kinds: str) -> bool:
    """Return whether a word begins a note's line, is no well-known first name and does nothing that people do."""
    if not reading.capitals[at] or ("f" in kinds and "k" in kinds) or reading.norm(at + 1) in PEOPLE_DO:
        return False
    return begins_line(reading, at) and not reading.gone[at - 1] if at else is_in_heading(reading, at)
