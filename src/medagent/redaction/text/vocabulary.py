"""Layer four: a word leaves only if it is on the list, and what stands beside one that does not may go with it."""

from __future__ import annotations

from medagent.redaction.policy import Category
from medagent.redaction.text.cues import FUNCTION, PARTICLES, QUANTITIES, STATES, STREET_ENDINGS
from medagent.redaction.text.found import Layer, is_sign
from medagent.redaction.text.letters import is_lone_letter_fine
from medagent.redaction.text.lexicon import Kind
from medagent.redaction.text.reading import Mark, Reading
from medagent.redaction.text.units import LETTER, NUMBER, ORDINAL, SPOKEN, WORD

_UNKNOWN = Mark(Category.IDENTIFIER, Layer.VOCABULARY)
_ALSO_PARTICLES = frozenset(("do", "as"))
_ENDINGS = STREET_ENDINGS | frozenset("jr sr junior senior ii iii iv md dds phd rn esq".split())


def mark_unknown(reading: Reading, abbreviated: set[int]) -> None:
    """Mark the words that are not on the list and the letters that stand for nothing."""
    for at, unit in enumerate(reading.units):
        if reading.gone[at]:
            continue
        if unit.kind == WORD:
            if reading.kinds[at] is Kind.UNKNOWN:
                listed = reading.lists.name_kinds(unit.norm)
                category = Category.ADDRESS if listed == "p" else Category.NAME
                reading.put(at, at, Mark(category, Layer.NAMES) if listed else _UNKNOWN)
        elif unit.kind == LETTER and at not in abbreviated and not is_lone_letter_fine(reading.units, at):
            reading.put(at, at, _UNKNOWN)


def mark_touching(reading: Reading) -> None:
    """Mark what says nothing without the thing beside it that does not leave."""
    size, gone = len(reading.units), reading.gone
    for at in range(1, size):
        if not gone[at] and ((gone[at - 1] and _belongs(reading, at, before=True)) or _is_between(reading, at)):
            reading.put(at, at, _UNKNOWN)
    for at in range(size - 2, -1, -1):
        if gone[at + 1] and not gone[at] and _belongs(reading, at, before=False):
            reading.put(at, at, _UNKNOWN)


def _belongs(reading: Reading, at: int, *, before: bool) -> bool:
    """A number without a unit, a particle, or behind what is gone the ending of a name or a street."""
    unit = reading.units[at]
    if unit.kind == NUMBER:
        return unit.how != ORDINAL and reading.norm(at + 1) not in QUANTITIES
    return unit.kind == WORD and (unit.norm in PARTICLES or (before and unit.norm in _ENDINGS))


def _is_between(reading: Reading, at: int) -> bool:
    """One word between two things that are gone, or before a house number; a state before its postcode."""
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
        return norm not in FUNCTION or norm in _ALSO_PARTICLES if back == at - 1 else norm in STATES
    house = after.how not in (ORDINAL, SPOKEN) and reading.norm(at + 2) not in QUANTITIES
    return house and back == at - 1 and norm not in FUNCTION and norm not in QUANTITIES
