"""E-mail addresses, links and codes: as one piece of writing, and as they are said."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from medagent.redaction.policy import Category
from medagent.redaction.text.cues import FILLERS, MAIL_HOSTS, MAIL_STOPS, QUANTITIES, RECORD_WORDS, TOP_LEVEL
from medagent.redaction.text.found import Span, is_sign
from medagent.redaction.text.units import GONE, LETTER, MIXED, NUMBER, ORDINAL, SIGN, WORD, Unit

_AMOUNT = (
    "mg mcg ml g gm gms kg lb lbs cm mm m in ft x hr hrs h am pm f yo cc iu k wk wks min mins sec secs oz bpm mmhg s "
    "days weeks months years yr yrs th"
)
_CLINICAL_CODE = re.compile(
    rf"\d{{1,4}}(?:{'|'.join(_AMOUNT.split())})|[tlcs]\d{{1,2}}|b1|b6|b12|d2|d3|k2|a1c|hba1c|h1n1|q\d{{1,2}}h?|[23]d|co2|o2|spo2|t[34]|"
    r"covid19|1st|2nd|3rd|x\d",
    re.ASCII,
)
_EDGE = ".,;:!?\"'()[]<>“”‘’-–…*>"
_FARTHEST_BACK = 16
_WIDEST_DOMAIN = 8
_LONGEST_CODE = 24


def written_contacts(units: Sequence[Unit]) -> Iterator[Span]:
    """Pieces without a space inside that hold an @, a link, an underscore or letters mixed with digits."""
    at = 0
    while at < len(units):
        last = at
        while last + 1 < len(units) and units[last + 1].start == units[last].end:
            last += 1
        if (last > at or units[at].kind == MIXED) and (category := _of_chunk(units[at : last + 1])):
            first, end = at, last
            while first < end and is_sign(units[first], _EDGE):
                first += 1
            while end > first and is_sign(units[end], _EDGE):
                end -= 1
            yield first, end, category
        at = last + 1


def _of_chunk(chunk: Sequence[Unit]) -> Category | None:
    signs = {unit.norm for unit in chunk if unit.kind == SIGN}
    if "@" in signs:
        return Category.EMAIL
    if "_" in signs or "\\" in signs or chunk[0].norm == "www":
        return Category.IDENTIFIER
    if any(unit.kind == MIXED and not _CLINICAL_CODE.fullmatch(unit.norm) for unit in chunk):
        return Category.IDENTIFIER
    for one, two, three in zip(chunk, chunk[1:], chunk[2:], strict=False):
        if one.norm == ":" and two.norm == three.norm == "/":
            return Category.IDENTIFIER
        if two.norm == "." and one.kind in (WORD, NUMBER) and three.kind == WORD and three.norm in TOP_LEVEL:
            return Category.IDENTIFIER
    return None


def spoken_contacts(units: Sequence[Unit]) -> Iterator[Span]:
    """`jane dot doe at gmail dot com`, `w w w dot clinic dot org`, and an e-mail whose end was not heard."""
    free_from = 0
    for at, unit in enumerate(units):
        if at < free_from or unit.kind not in (WORD, SIGN):
            continue
        if unit.norm in ("at", "@") and (end := _domain_end(units, at)):
            first = _local_begin(units, at, free_from)
            if first < at:
                yield first, end, Category.EMAIL
                free_from = end + 1
        elif unit.norm == "dot" and at + 1 < len(units) and units[at + 1].norm in TOP_LEVEL:
            yield _local_begin(units, at, free_from), at + 1, Category.IDENTIFIER
            free_from = at + 2


def _domain_end(units: Sequence[Unit], at: int) -> int:
    """The last unit of a domain that begins behind `at`, 0 where there is none."""
    end = 0
    for ahead in range(at + 1, min(at + 1 + _WIDEST_DOMAIN, len(units))):
        norm = units[ahead].norm
        if norm in MAIL_HOSTS and ahead <= at + 3:
            end = ahead
        if norm in ("dot", "point") or (norm == "." and end == ahead - 1):
            following = units[ahead + 1].norm if ahead + 1 < len(units) else ""
            if following in TOP_LEVEL or following == "calm":
                end = ahead + 1
        elif norm in ("?", "!", ",") or (end and ahead > end and norm != "dot"):
            break
    return end


def _local_begin(units: Sequence[Unit], at: int, floor: int) -> int:
    """Where the local part before `at` begins: behind a small word or the end of a sentence."""
    first = at
    for back in range(at - 1, max(floor, at - _FARTHEST_BACK) - 1, -1):
        unit = units[back]
        if unit.norm in MAIL_STOPS and not (unit.kind == LETTER and first < at and units[back + 1].kind == LETTER):
            break
        if is_sign(unit, "?!;:,\"") or (is_sign(unit, ".") and unit.end < units[back + 1].start):
            break
        if unit.norm not in FILLERS:
            first = back
    return first


_NATO = frozenset(
    """alpha alfa bravo charlie delta echo foxtrot golf hotel india juliet juliett kilo lima mike november oscar papa
    quebec romeo sierra tango uniform victor whiskey xray yankee zulu""".split()
)
_LETTER_AFTER = frozenset(
    "vitamin vitamins hepatitis hep type group grade stage plan class factor protein omega influenza part medicare".split()
)
_LETTER_BEFORE = frozenset("ray rays section sections shirt shirts cell cells wave factor negative positive scan scans".split())
_BETWEEN_LETTERS = FILLERS | frozenset(("dash", "hyphen", "dot", "space", "slash", "minus", "period", "-", ".", ",", "/", "…", "–"))
_SAID_CODE = re.compile(r"[bdk](?:1|2|3|6|12)|[tlcs]\d{1,2}|a1c|h1n1|o2|co2|[23]d|q\d{1,2}h?", re.ASCII)


def codes(units: Sequence[Unit], abbreviations: frozenset[str]) -> tuple[list[Span], set[int]]:
    """Letters that are spelled, explained or mixed with digits, and the units of what is a clinic's abbreviation instead."""
    found: list[Span] = []
    fine: set[int] = set()
    at = 0
    while at < len(units):
        if units[at].kind == LETTER or units[at].norm in _NATO or _begins_code(units, at):
            parts = _parts(units, at)
            kept = _without_articles(units, parts, abbreviations)
            if _points_at_somebody(units, kept, abbreviations):
                found.append((kept[0], kept[-1], _code_category(units, kept)))
            elif len(kept) > 1:
                fine.update(kept)
            at = parts[-1]
        at += 1
    return found, fine


def _begins_code(units: Sequence[Unit], at: int) -> bool:
    """A number that goes on with a letter."""
    if units[at].kind != NUMBER or units[at].how == ORDINAL or at + 1 == len(units):
        return False
    return units[at + 1].kind == LETTER and units[at + 1].norm not in "aipx"


def _parts(units: Sequence[Unit], at: int) -> list[int]:
    """The letters and digits that go on from here, across a dash or a breath."""
    parts = [at]
    spelling = units[at].norm in _NATO
    ahead = at + 1
    while ahead < len(units) and ahead <= parts[-1] + 2 and len(parts) < _LONGEST_CODE:
        unit = units[ahead]
        if unit.kind == LETTER or (unit.kind == NUMBER and unit.how != ORDINAL) or unit.norm in _NATO:
            parts.append(ahead)
            spelling = spelling or unit.norm in _NATO
        elif unit.norm not in _BETWEEN_LETTERS or unit.kind == GONE:
            break
        ahead += 1
    return parts


def _without_articles(units: Sequence[Unit], parts: list[int], abbreviations: frozenset[str]) -> list[int]:
    """The parts without an `a` or `I` at their ends, where the rest is an abbreviation or digits, else all."""
    inner = list(parts)
    if len(inner) > 1 and units[inner[0]].norm in ("a", "i") and units[inner[0]].kind == LETTER:
        inner = inner[1:]
    if len(inner) > 1 and units[inner[-1]].norm in ("a", "i") and units[inner[-1]].kind == LETTER:
        inner = inner[:-1]
    joined = "".join(units[at].norm for at in inner)
    return inner if joined in abbreviations or all(units[at].kind == NUMBER for at in inner) else parts


def _points_at_somebody(units: Sequence[Unit], parts: list[int], abbreviations: frozenset[str]) -> bool:
    said = [units[at] for at in parts]
    letters = [unit.norm for unit in said if unit.kind == LETTER]
    joined = "".join(unit.norm for unit in said)
    nato = sum(unit.norm in _NATO for unit in said)
    before = units[parts[0] - 1].norm if parts[0] else ""
    if any(unit.how == "explained" for unit in said) or nato >= 3 or (nato and nato + len(letters) >= 3):
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
    """Whether a letter alone is a word here: `a`, `I`, `vitamin d`, `x ray`, the `m` of `I 'm`."""
    norm = units[at].norm
    if norm in ("a", "i"):
        return True
    before = units[at - 1] if at else None
    after = units[at + 1] if at + 1 < len(units) else None
    if before and is_sign(before, "'’") and before.end == units[at].start and norm in "smdt":
        return True
    if before and (before.norm in _LETTER_AFTER or (norm in "tsmd" and before.kind == WORD and before.norm in _HALVES)):
        return True
    if after and after.norm in _LETTER_BEFORE:
        return True
    return norm in "bdktlcsqx" and after is not None and after.kind == NUMBER and len(after.norm) <= 2


_HALVES = frozenset("don doesn didn isn wasn aren weren hasn haven hadn won wouldn couldn shouldn it that he she what let".split())
