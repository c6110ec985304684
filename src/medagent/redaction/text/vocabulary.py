"""Layer four: a word leaves only if it is on the list, and what is beside one that does not may go with it."""

from __future__ import annotations

from enum import Enum, auto

from medagent.redaction.policy import Category
from medagent.redaction.text.address_words import STREET_NAMES
from medagent.redaction.text.cues import (
    FUNCTION,
    MAIL_HOSTS,
    PARTICLES,
    QUANTITIES,
    STATES,
    STREET_ENDINGS,
    STREETS,
    words,
)
from medagent.redaction.text.found import Layer, is_sign
from medagent.redaction.text.letters import is_lone_letter_fine
from medagent.redaction.text.names import has_more_names
from medagent.redaction.text.places import BESIDE_HIDDEN
from medagent.redaction.text.reading import Mark, Reading, cue
from medagent.redaction.text.units import GONE, LETTER, MIXED, NUMBER, ORDINAL, SIGN, SPOKEN, WORD

_UNKNOWN = Mark(Category.IDENTIFIER, Layer.VOCABULARY)
_BEGINNINGS = STREETS | {"may", "dot", "point"}
"""Without a number, a date, an address or an e-mail begins with nothing else that is ordinary."""
_BESIDE_HIDDEN = BESIDE_HIDDEN | STREET_NAMES
_WIDEST_BESIDE = 4
_BEGINNINGS_CUE, _HOSTS_CUE, _BESIDE_CUE = cue(_BEGINNINGS), cue(MAIL_HOSTS), cue(_BESIDE_HIDDEN)
_NAME, _ADDRESS = Mark(Category.NAME, Layer.NAMES), Mark(Category.ADDRESS, Layer.NAMES)
_ALSO_PARTICLES = frozenset(("do", "as"))
_BEFORE_HOUSE = words("at no number address live lives is :")
_ENDINGS = STREET_ENDINGS | words("jr sr junior senior ii iii iv md dds phd rn esq")


def mark_unknown(reading: Reading, abbreviated: set[int]) -> None:
    """Mark the words that are not on the list and the letters that mean nothing."""
    for at in reading.unknown():
        listed = reading.borne[at]
        reading.put(at, at, _UNKNOWN if not listed else _ADDRESS if listed == "p" else _NAME)
    for at in reading.of_kind(LETTER):
        if at not in abbreviated and not is_lone_letter_fine(reading.units, at):
            reading.put(at, at, _UNKNOWN)


def mark_touching(reading: Reading) -> None:
    """Mark what says nothing without the thing beside it that does not leave."""
    size, gone, norms = len(reading.units), reading.gone, reading.norms
    tied = "-" in norms
    for at in range(1 if tied else gone.index(True) + 1, size):
        if gone[at] or not (tied or gone[at - 1] or norms[at - 1] == "," or (at > 1 and gone[at - 2])):
            continue
        beside = gone[at - 1] or (at > 1 and gone[at - 2] and is_sign(reading.units[at - 1], ".,#-/"))
        belongs = (beside and _belongs(reading, at, before=True)) or _is_between(reading, at)
        if belongs or (tied and _is_joined(reading, at)):
            reading.put(at, at, _UNKNOWN)
    last = size - 1 - gone[::-1].index(True)
    for at in range(size - 2 if tied else last - 1, -1, -1):
        if gone[at]:
            continue
        if (
            (norms[at + 1] == "," and _is_house(reading, at))
            or (gone[at + 1] and _belongs(reading, at, before=False))
            or (tied and _is_joined(reading, at))
        ):
            reading.put(at, at, _UNKNOWN)


_BETWEEN = bytes((True, False, True))


_WIDEST_TERM = 2


class Open(Enum):
    """What another reading could find."""

    NOTHING = auto()
    PATTERNS = auto()
    """Patterns, and names beside them, but no other name."""
    EVERYTHING = auto()


def what_is_open(reading: Reading) -> Open:
    """Return what another reading could find: nothing where only ordinary words are left, with which nothing begins."""
    gone, norms = reading.gone, reading.norms
    letters = [at for at in reading.of_kind(LETTER) if norms[at] not in "ai"]
    if not all(gone[at] for at in (*reading.unknown(), *letters)):
        return Open.EVERYTHING
    signs, row = reading.of_kind(SIGN), bytes(gone)
    between = row.find(_BETWEEN)
    while between >= 0:
        if between + 1 not in signs and norms[between + 1] not in FUNCTION:
            return Open.EVERYTHING
        between = row.find(_BETWEEN, between + 1)
    if any(True in gone[max(0, at - _WIDEST_TERM) : at + _WIDEST_TERM + 1] for at in reading.terms):
        return Open.EVERYTHING  # a term that a word beside it showed may be a name once that word is hidden
    if has_more_names(reading):
        return Open.EVERYTHING
    if not _may_hold_patterns(reading):
        return Open.NOTHING
    return Open.EVERYTHING if reading.terms else Open.PATTERNS


def _may_hold_patterns(reading: Reading) -> bool:
    """Return whether a number is left, or a word with which a pattern begins, also beside what is hidden by now."""
    gone = reading.gone
    left = (*reading.of_kind(NUMBER), *reading.of_kind(MIXED), *reading.cued(_BEGINNINGS_CUE))
    if "at" in reading.norms:
        left = (*left, *reading.cued(_HOSTS_CUE))
    if not all(gone[at] for at in left):
        return True
    return any(not gone[at] and True in gone[max(0, at - _WIDEST_BESIDE) : at + 2] for at in reading.cued(_BESIDE_CUE))


def _belongs(reading: Reading, at: int, *, before: bool) -> bool:
    """A number without a unit, a particle, or behind what is gone the ending of a name or a street."""
    unit = reading.units[at]
    if unit.kind == NUMBER:
        if before and not reading.gone[at - 1] and _is_decimal(reading, at):
            return False
        return unit.how != ORDINAL and not _is_counted(reading, at)
    if (
        before
        and unit.norm in STATES
        and reading.text[unit.start : unit.end].isupper()
        and _ends_there(reading, at + 1)
    ):
        return True
    return unit.kind == WORD and (unit.norm in PARTICLES or (before and unit.norm in _ENDINGS))


def _is_counted(reading: Reading, at: int) -> bool:
    """Return whether a number has its unit right behind it, or behind another number that is said: `one ten pm`."""
    ahead = at + 1
    while ahead < len(reading.units) and ahead < at + 3 and reading.units[ahead].how == SPOKEN:
        ahead += 1
    return reading.norm(ahead) in QUANTITIES


def _is_house(reading: Reading, at: int) -> bool:
    """Return whether a number is that of a house before a comma and something that is gone: `no. 4, <hidden>`."""
    units, norms = reading.units, reading.norms
    if (
        at + 2 >= len(units)
        or norms[at + 1] != ","
        or not reading.gone[at + 2]
        or units[at].how
        or units[at].kind != NUMBER
    ):
        return False
    begins = at == 0 or "\n" in reading.text[units[at - 1].end : units[at].start]
    return begins or norms[at - 1] in _BEFORE_HOUSE or (norms[at - 1] == "." and norms[at - 2] == "no")


def _is_decimal(reading: Reading, at: int) -> bool:
    """Return whether a number has a fraction, as `8.7` in `on 3/5, 8.7`."""
    units = reading.units
    if at + 2 >= len(units) or units[at + 1].norm != "." or units[at + 2].kind != NUMBER:
        return False
    return units[at].end == units[at + 1].start and units[at + 1].end == units[at + 2].start


def _ends_there(reading: Reading, at: int) -> bool:
    """Return whether the text or the line ends before a unit, or a number follows: `PA 19103`."""
    units = reading.units
    if at >= len(units) or units[at].kind == NUMBER:
        return True
    return "\n" in reading.text[units[at - 1].end : units[at].start]


def _is_joined(reading: Reading, at: int) -> bool:
    """A word, or the number of a code, that a hyphen without a space ties to a word that is gone."""
    read = reading.units
    if read[at].kind != WORD and not (read[at].kind == NUMBER and not read[at].how):
        return False
    for first, sign, last in ((at - 2, at - 1, at), (at, at + 1, at + 2)):
        other = first + last - at
        if first < 0 or last >= len(read) or not reading.gone[other] or read[other].kind not in (WORD, GONE):
            continue
        if read[sign].norm == "-" and read[first].end == read[sign].start and read[sign].end == read[last].start:
            return True
    return False


def _is_between(reading: Reading, at: int) -> bool:
    """One word between two things that are gone, or before a house number; a state behind a comma."""
    read, gone = reading.units, reading.gone
    if read[at].kind != WORD or at + 1 >= len(read) or not (gone[at + 1] or read[at + 1].kind == NUMBER):
        return False
    back = at - 1
    while back > 0 and is_sign(read[back], ","):
        back -= 1
    if not gone[back]:
        return False
    norm, after = read[at].norm, read[at + 1]
    if gone[at + 1]:
        return norm not in FUNCTION or norm in _ALSO_PARTICLES if back == at - 1 else len(norm) == 2
    house = after.how not in (ORDINAL, SPOKEN) and reading.norm(at + 2) not in QUANTITIES
    return house and back == at - 1 and norm not in FUNCTION and norm not in QUANTITIES
