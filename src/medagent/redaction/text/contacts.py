"""E-mail addresses and links, as one piece of writing and as they are said; codes as they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from medagent.redaction.policy import Category
from medagent.redaction.text.cues import FILLERS, FUNCTION, MAIL_HOSTS, MAIL_STOPS, TOP_LEVEL, words
from medagent.redaction.text.found import Span, is_sign
from medagent.redaction.text.lexicon import Kind
from medagent.redaction.text.notation import is_clinical_code
from medagent.redaction.text.reading import Reading, begins_with, cue
from medagent.redaction.text.units import LETTER, MIXED, NUMBER, SIGN, WORD, Unit

_AMOUNT = (
    "mg mcg ml g gm gms kg lb lbs cm mm m in ft x hr hrs h am pm f yo cc iu k wk wks min mins sec secs oz bpm mmhg s "
    "days weeks months years yr yrs th meq mmol mgs mls l lpm tab tabs cap caps pt w mo mos dl ng pg mph mcgs y"
)
_CLINICAL_CODE = re.compile(
    r"(?!(?:9\d|[1-9]\d\d)(?:yo|yrs?|years|y)$)"  # an age over 89, however unlikely, written in one piece
    rf"\d{{1,4}}(?:{'|'.join(_AMOUNT.split())})|[tlcs]\d{{1,2}}|b1|b6|b12|d2|d3|k2|a1c|hba1c|h1n1|"
    r"q\d{1,2}(?:h|hr|hrs|d|w|wk|wks|mo)?|[23]d|co2|o2|spo2|sao2|pao2|pco2|po2|fio2|h2o|h2|t[34]|covid19|1st|2nd|3rd|"
    r"x(?:\d0?|12|15)d?|\d{1,3}x\d{1,3}(?:cm|mm)?|\d{1,2}ppd|a?ox\d|t[12]dm|dm[12]|s1s2|g\d{1,2}p\d{1,4}|\d{1,2}w\dd?|cd\d{1,2}|her2|brca[12]|n95|ca125|b27|d5w|d10w|"
    r"[mc]?m[23]|hco3|mgso4|caco3|po4|so4|nh3|no2|ca2|mg2|fe[23]|[cm]m2",
    re.ASCII,
)
_HEX, _LENGTH_OF_MAC = re.compile("[0-9a-f]{2}", re.ASCII), 11
"""A pair of the address of a device, and the units of one with its signs: `AA:BB:CC:DD:EE:FF`."""
_EDGE = ".,;:!?\"'()[]<>“”‘’-–…*>"
CONTACT_WORDS = MAIL_HOSTS | {"dot", "point"}
"""One of these is in every address that is said."""
_CONTACTS = cue(CONTACT_WORDS)
_SPEAKERS = words(
    """guest family clinician doctor nurse patient speaker agent caller user assistant system bot interpreter parent
    mother father operator provider relative caregiver staff receptionist human ai customer client a b member"""
)
"""The parts of a label of who speaks."""
_TURNS = cue(("at", "@", "dot"))
_COLON = cue(("colon",))
_SLASHES = frozenset(("slash", "forward", "double"))
_TOUCHING = re.compile(r"[@_\\/.:](?<=\S.)(?=\S)")
"""Something that may be an address or a link is in a text where this is found."""
_SPELLED_ENDS = {"u": "uk", "e": "edu", "c": "com", "o": "org", "n": "net", "g": "gov"}
"""Ends of addresses by the letter with which they begin, where they are spelled."""
_FARTHEST_BACK = 16
_MOST_WORDS = 3
_LOCAL_JOINS = frozenset(
    ("dot", "underscore", "dash", "hyphen", "point", ".", "_", "-", "plus", "+", "period", "minus")
)
_WIDEST_DOMAIN = 8
_ASKED = words(
    """confirm confirmed type typed try tried enter entered put write wrote cc bcc copy copied forward forwarded resend
    resent reply replied got gave give gives uses used using has had read reads reading file case lowercase
    uppercase lower upper mail's email's mails emails id ids message messages say says said spell spelled from if do
    does did portal login check checks checked checking update updated change changed new old forms form results
    letter letters bill bills records link links attachment receipt receipts note notes verify verified reset wrong
    right correct"""
)
"""Ordinary words before an address, where nothing joins them to it."""
_IN_ADDRESSES = words(
    """good better best worse worst fine great new old right wrong well just only still even very quite rather pretty
    much most more less least few some any all every own same now again always never often sometimes soon later once
    twice here there as no yes okay ok like over under up down off out above along between beyond near mother father
    mom dad wife husband son daughter brother sister doctor doctors nurse may will might can past through around"""
)
"""Small words with which an address may begin right behind what announces it: `to good morning at …`."""
_WHICH = words("old new other school work first second right wrong last main best current same this that")
"""Behind one of these `one` is no part of an address: `my old one …`."""


@begins_with(SIGN, MIXED)
def written_contacts(reading: Reading) -> Iterator[Span]:
    """Pieces without a space inside that hold an @, a link, an underscore or letters mixed with digits."""
    units = reading.units
    if not (_TOUCHING.search(reading.text) or reading.of_kind(MIXED)):
        return
    at = 0
    while at < len(units):
        last = at
        while last + 1 < len(units) and units[last + 1].start == units[last].end:
            last += 1
        if last > at and units[last].norm == ":" and _is_speaker(units[at : last + 1]):
            for one in range(at, last):
                reading.kinds[one] = Kind.CLINICAL if units[one].kind == WORD else reading.kinds[one]
                reading.terms.add(one)
        elif (last > at or units[at].kind == MIXED) and (category := _of_chunk(reading, units[at : last + 1])):
            first, end = at, last
            while first < end and is_sign(units[first], _EDGE):
                first += 1
            while end > first and is_sign(units[end], _EDGE):
                end -= 1
            yield first, end, category
        at = last + 1


def _of_chunk(reading: Reading, chunk: Sequence[Unit]) -> Category | None:
    signs = {unit.norm for unit in chunk if unit.kind == SIGN}
    if "@" in signs:
        return Category.EMAIL
    if "_" in signs or "\\" in signs or chunk[0].norm == "www":
        return Category.IDENTIFIER
    if (
        len(chunk) >= _LENGTH_OF_MAC
        and signs in ({":"}, {"-"})
        and all(map(_HEX.fullmatch, [u.norm for u in chunk[:11:2]]))
    ):
        return Category.IDENTIFIER
    has_colon = ":" in signs  # as in an address of a network, whose parts look like codes
    if any(
        unit.kind == MIXED
        and not _CLINICAL_CODE.fullmatch(unit.norm)
        and (has_colon or not is_clinical_code(reading, unit.norm))
        for unit in chunk
    ):
        return Category.IDENTIFIER
    for one, two, three in zip(chunk, chunk[1:], chunk[2:], strict=False):
        if one.norm == ":" and two.norm == three.norm == "/":
            return Category.IDENTIFIER
        if two.norm == "." and one.kind in (WORD, NUMBER) and three.kind == WORD and three.norm in TOP_LEVEL:
            return Category.IDENTIFIER
    return None


def _is_speaker(chunk: Sequence[Unit]) -> bool:
    """Return whether a piece is the label of who speaks, as `Guest_family_2:`."""
    return chunk[0].norm in _SPEAKERS and all(
        unit.norm in _SPEAKERS or unit.norm in ("_", ":") or (unit.kind == NUMBER and len(unit.norm) == 1)
        for unit in chunk
    )


@begins_with(_COLON, _CONTACTS)
def spoken_contacts(reading: Reading) -> Iterator[Span]:
    """`jane dot doe at gmail dot com`, `w w w dot clinic dot org`, half an e-mail, the beginning of a link."""
    for at in reading.cued(_COLON):
        last = at
        while last + 1 < len(reading.units) and reading.units[last + 1].norm in _SLASHES:
            last += 1
        if any(unit.norm == "slash" for unit in reading.units[at : last + 1]):
            yield at, last, Category.IDENTIFIER
    if not reading.cued(_CONTACTS):
        return
    units = reading.units
    free_from = 0
    for at in reading.cued(_TURNS):
        unit = units[at]
        if at < free_from:
            continue
        if unit.norm in ("at", "@") and (end := _domain_end(units, at)):
            first = _local_begin(reading, at, free_from)
            said = end > at + 1 or not (first == at - 1 and units[first].norm in FUNCTION)
            if first < at and said:
                yield first, end, Category.EMAIL
                free_from = end + 1
        elif unit.norm == "dot" and at + 1 < len(units) and units[at + 1].norm in TOP_LEVEL:
            yield _local_begin(reading, at, free_from), at + 1, Category.IDENTIFIER
            free_from = at + 2


def _domain_end(units: Sequence[Unit], at: int) -> int:
    """The last unit of a domain that begins behind `at`, 0 where there is none."""
    end = 0
    for ahead in range(at + 1, min(at + 1 + _WIDEST_DOMAIN, len(units))):
        norm = units[ahead].norm
        if end and ahead == end + 1 and norm in FUNCTION:
            break
        if norm in MAIL_HOSTS and ahead <= at + 3:
            end = ahead
        if norm in ("dot", "point") or (norm == "." and end == ahead - 1):
            following = units[ahead + 1].norm if ahead + 1 < len(units) else ""
            lone = following == "in" and units[ahead - 1].norm not in FUNCTION
            if following in TOP_LEVEL or following == "calm" or lone:
                end = ahead + 1
            elif following in _SPELLED_ENDS and _is_spelled(units, ahead + 1):
                end = ahead + len(_SPELLED_ENDS[following])
        elif norm in ("?", "!", ",", "at", "@") or (end and ahead > end and norm != "dot"):
            break
    return end


def _is_spelled(units: Sequence[Unit], at: int) -> bool:
    """Return whether the letters of the end of an address are here: `e d u`."""
    letters = _SPELLED_ENDS[units[at].norm]
    return tuple(unit.norm for unit in units[at : at + len(letters)]) == tuple(letters)


def _local_begin(reading: Reading, at: int, floor: int) -> int:
    """Return where the local part before `at` begins: behind a small word or the end of a sentence.

    Where no small word is near, ordinary words that nothing joins to the address are words of the sentence.
    """
    units = reading.units
    first, plain, joined = at, 0, at
    for back in range(at - 1, max(floor, at - _FARTHEST_BACK) - 1, -1):
        unit = units[back]
        if unit.norm in MAIL_STOPS and not (unit.kind == LETTER and first < at and units[back + 1].kind == LETTER):
            return first
        if is_sign(unit, '?!;:,"') or (is_sign(unit, ".") and unit.end < units[back + 1].start):
            return first
        if unit.norm in _ASKED and back < at - 1 and units[back + 1].norm not in _LOCAL_JOINS:
            begin = _begins_behind_stop(units, back, floor)
            return first if begin == back + 1 else begin
        if unit.norm in FILLERS:
            continue
        if unit.norm == "1" and back and units[back - 1].norm in _WHICH and units[back + 1].norm not in _LOCAL_JOINS:
            return first
        if (
            unit.norm in _LOCAL_JOINS
            or units[back + 1].norm in _LOCAL_JOINS
            or unit.kind != WORD
            or back == at - 1
            or (reading.kinds[back] is Kind.UNKNOWN and plain == 0)
        ):
            joined = back
        else:
            plain += 1
            if unit.norm in FUNCTION or plain > _MOST_WORDS:
                begin = _begins_behind_stop(units, back, floor) if plain <= _MOST_WORDS else back
                return joined if begin == back + 1 else begin
        first = back
    return first


def _begins_behind_stop(units: Sequence[Unit], at: int, floor: int) -> int:
    """Return where an address begins whose small words up to here are right behind what announces it; 1 more if not."""
    first = at
    while first > floor and units[first].norm in _IN_ADDRESSES and units[first - 1].norm in _IN_ADDRESSES:
        first -= 1
    if units[first].norm not in _IN_ADDRESSES:
        return at + 1
    before = units[first - 1] if first > floor else None
    is_behind = before is None or before.kind == SIGN or before.norm in MAIL_STOPS or before.norm in _ASKED
    return first if is_behind else at + 1
