"""Letters that are said one by one: a name that is spelled, a code, or a clinic's abbreviation."""

from __future__ import annotations

import re
from collections.abc import Sequence

from medagent.redaction.policy import Category
from medagent.redaction.text.cues import FILLERS, QUANTITIES, RECORD_WORDS, words
from medagent.redaction.text.found import Span, is_sign
from medagent.redaction.text.notation import NOTATION, notation
from medagent.redaction.text.reading import Reading, begins_with, cue
from medagent.redaction.text.units import EXPLAINED, GONE, LETTER, NUMBER, ORDINAL, WORD, Unit

_LONGEST_CODE = 24
_NATO = words(
    """alpha alfa bravo charlie delta echo foxtrot golf hotel india juliet juliett kilo lima mike november oscar papa
    quebec romeo sierra tango uniform victor whiskey xray yankee zulu"""
)
_NATO_CUE = cue(_NATO)
_LETTER_AFTER = words(
    """vitamin vitamins hepatitis hep type group grade stage plan class factor protein omega influenza part medicare
    seat gate row terminal platform aisle lane bay pod concourse"""
)
_LETTER_BEFORE = words("ray rays section sections shirt shirts cell cells wave factor negative positive scan scans")
_BETWEEN_LETTERS = FILLERS | frozenset(
    ("dash", "hyphen", "dot", "space", "slash", "minus", "period", "-", ".", ",", "/", "…", "–")
)
_SAID_CODE = re.compile(
    r"[bdk](?:1|2|3|6|12)|[tlcs]\d{1,2}|a1c|h1n1|o2|co2|[23]d|q\d{1,2}h?|[tlcs]\d{1,2}[tlcs]\d|cd\d{1,2}|\d{0,3}mmh2o|h2o|ca\d{2,3}",
    re.ASCII,
)


@begins_with(LETTER, _NATO_CUE, *NOTATION)
def codes(reading: Reading) -> tuple[list[Span], set[int]]:
    """Letters that are spelled or mixed with digits, and the units of what is a clinic's abbreviation instead."""
    found: list[Span] = []
    fine = notation(reading)
    units, abbreviations = reading.units, reading.lists.abbreviations
    done = -1
    for letter in sorted((*reading.of_kind(LETTER), *reading.cued(_NATO_CUE))):
        at = letter - 1 if letter and _begins_code(units, letter - 1) else letter
        if at <= done or letter in fine or _is_alone(units, letter):
            continue
        parts = _parts(units, at, fine)
        done = parts[-1]
        if len(parts) == 1 and units[at].how != EXPLAINED:
            continue
        if _are_dotted(units, parts, abbreviations):
            fine.update(parts)
            continue
        kept = _without_articles(units, parts, abbreviations)
        if _points_at_somebody(units, kept, abbreviations):
            found.append((kept[0], kept[-1], _code_category(units, kept)))
        else:
            fine.update(kept)
    return found, fine


def _is_alone(units: Sequence[Unit], at: int) -> bool:
    """Return whether a letter is `a` or `I` with a word behind it that goes on with no code, which is quickly seen."""
    unit = units[at]
    if unit.norm not in ("a", "i") or unit.how == EXPLAINED or at + 1 >= len(units):
        return False
    after = units[at + 1]
    return after.kind == WORD and after.norm not in _NATO and after.norm not in _BETWEEN_LETTERS


def _begins_code(units: Sequence[Unit], at: int) -> bool:
    """A number that goes on with a letter."""
    if units[at].kind != NUMBER or units[at].how == ORDINAL:
        return False
    return units[at + 1].kind == LETTER and units[at + 1].norm not in "aipx"


def _parts(units: Sequence[Unit], at: int, fine: set[int]) -> list[int]:
    """The letters and digits that go on from here, across a dash or a breath."""
    parts = [at]
    spelling = units[at].norm in _NATO
    ahead = at + 1
    while ahead < len(units) and ahead <= parts[-1] + 2 and len(parts) < _LONGEST_CODE:
        unit = units[ahead]
        if ahead in fine or _begins_sentence(units, ahead):
            break
        if unit.kind == LETTER or (unit.kind == NUMBER and unit.how != ORDINAL) or unit.norm in _NATO:
            parts.append(ahead)
            spelling = spelling or unit.norm in _NATO
        elif unit.norm not in _BETWEEN_LETTERS or unit.kind == GONE:
            break
        ahead += 1
    return parts


def _begins_sentence(units: Sequence[Unit], at: int) -> bool:
    """Return whether `I` or `a` behind a full stop and a gap goes on with a word: `… zero. I see`."""
    if units[at].norm not in ("i", "a") or at + 1 >= len(units) or units[at + 1].kind != WORD:
        return False
    return units[at - 1].norm in (".", "?", "!") and units[at - 1].end < units[at].start


def _are_dotted(units: Sequence[Unit], parts: list[int], abbreviations: frozenset[str]) -> bool:
    """Return whether letters are abbreviations with points, a gap between each two: `q.i.d. p.r.n. 2`."""
    words, first = list[str](), 0
    for at, part in enumerate(parts):
        behind = units[part + 1] if part + 1 < len(units) else None
        last = at + 1 == len(parts)
        if last or (behind and behind.norm == "." and units[parts[at + 1]].start > behind.end):
            words.append("".join(units[one].norm for one in parts[first : at + 1]))
            first = at + 1
    letters = [word for word in words if not word.isdecimal()]
    return len(words) > 1 and bool(letters) and all(word in abbreviations for word in letters)


def _without_articles(units: Sequence[Unit], parts: list[int], abbreviations: frozenset[str]) -> list[int]:
    """The parts without an `a` or `I` at their ends, where the rest is an abbreviation or digits, else all."""
    inner = list(parts)
    if len(inner) > 1 and units[inner[0]].norm in ("a", "i") and units[inner[0]].kind == LETTER:
        inner = inner[1:]
    if len(inner) > 1 and units[inner[-1]].norm in ("a", "i") and units[inner[-1]].kind == LETTER:
        inner = inner[:-1]
    joined = "".join(units[at].norm for at in inner)
    said = joined in abbreviations or _SAID_CODE.fullmatch(joined)
    return inner if said or all(units[at].kind == NUMBER for at in inner) else parts


def _points_at_somebody(units: Sequence[Unit], parts: list[int], abbreviations: frozenset[str]) -> bool:
    said = [units[at] for at in parts]
    letters = [unit.norm for unit in said if unit.kind == LETTER]
    joined = "".join(unit.norm for unit in said)
    nato = sum(unit.norm in _NATO for unit in said)
    before = units[parts[0] - 1].norm if parts[0] else ""
    if any(unit.how == EXPLAINED for unit in said) or nato >= 3 or (nato and nato + len(letters) >= 3):
        return True
    if not letters or nato == len(said) or joined in abbreviations or _SAID_CODE.fullmatch(joined):
        return False
    amount = "".join(letters)
    if said[0].kind == NUMBER and amount in QUANTITIES and all(u.kind == LETTER for u in said[-len(letters) :]):
        return False
    if before in _LETTER_AFTER or not set(letters) - {"a", "i"}:
        return set(letters) <= {"a", "i"} and len(letters) >= 3
    if len(letters) == len(said):
        return len(letters) >= 2 and not (len(letters) == 2 and set(letters) <= {"i", "a"})
    digits = len(joined) - len(letters)
    after = units[parts[-1] + 1].norm if parts[-1] + 1 < len(units) else ""
    return digits + len(letters) >= 3 or (len(letters) == 1 and after in _LETTER_BEFORE)


def _code_category(units: Sequence[Unit], parts: list[int]) -> Category:
    for at in range(parts[0] - 1, max(-1, parts[0] - 8), -1):
        if kind := RECORD_WORDS.get(units[at].norm):
            return Category.MRN if kind == "mrn" else Category.IDENTIFIER
    return Category.IDENTIFIER if any(units[at].kind == NUMBER for at in parts) else Category.NAME


def is_lone_letter_fine(units: Sequence[Unit], at: int) -> bool:
    """Return whether a letter alone is a word here: `a`, `I`, `vitamin d`, `x ray`, the `m` of `I 'm`."""
    norm = units[at].norm
    if norm in ("a", "i") or not norm.isascii():  # the guard lets no letters of other alphabets in but Greek ones
        return True
    before = units[at - 1] if at else None
    after = units[at + 1] if at + 1 < len(units) else None
    if before and is_sign(before, "'’") and before.end == units[at].start and norm in "smdt":
        return True
    if before and (before.norm in _LETTER_AFTER or (norm in "tsmd" and before.kind == WORD and before.norm in _HALVES)):
        return True
    if norm == "o" and before and before.norm == "/" and at > 1 and units[at - 2].norm.endswith("y"):
        return True  # `51y/o`
    if at > 2 and units[at - 1].norm in ("and", "or", ",", "&") and units[at - 3].norm in _LETTER_AFTER:
        return True  # `vitamins d and c`
    if after and after.norm in _LETTER_BEFORE:
        return True
    return norm in "bdktlcsqx" and after is not None and after.kind == NUMBER and len(after.norm) <= 2


_HALVES = words(
    """don doesn didn isn wasn aren weren hasn haven hadn won wouldn couldn shouldn it that he she what let"""
)
