"""One free text through all four layers and the guard around them."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from math import inf
from typing import Final, Protocol

from medagent.redaction.policy import REDACTED, Category, TextMode
from medagent.redaction.text.addresses import addresses
from medagent.redaction.text.contacts import codes, is_lone_letter_fine, spoken_contacts, written_contacts
from medagent.redaction.text.cues import FUNCTION, PARTICLES, QUANTITIES, STATES, STREET_ENDINGS
from medagent.redaction.text.dates import dates
from medagent.redaction.text.digits import digit_runs
from medagent.redaction.text.found import Layer, Mark, Marks, Scrubbed, Span, TextFinding, is_sign
from medagent.redaction.text.guard import LONGEST_TEXT, is_readable, readable_length
from medagent.redaction.text.known import KnownValues
from medagent.redaction.text.lexicon import Kind, Lexicon, lexicon
from medagent.redaction.text.names import listed_names, mark_names
from medagent.redaction.text.spoken import units
from medagent.redaction.text.units import LETTER, MIXED, NUMBER, ORDINAL, SIGN, SPOKEN, WORD, Unit, blank_out, merged

LONGEST_S: Final = 1.0
"""Thread time that one text may take; what takes longer does not leave."""
_MOST_READINGS = 8
_TOUCHED = Mark(Category.IDENTIFIER, Layer.VOCABULARY)
_ALSO_PARTICLES = frozenset(("do", "as"))
_ENDINGS = STREET_ENDINGS | frozenset("jr sr junior senior ii iii iv md dds phd rn esq".split())


class Recogniser(Protocol):
    """Finds identifiers in a free text."""

    def spans(self, text: str) -> Iterable[tuple[int, int]]:
        """Start and end (code points) of what must not leave."""


class _UnreadableError(Exception):
    """A text took more time or more readings than one may take."""


def scrub(
    text: str,
    known: KnownValues,
    *,
    mode: TextMode = TextMode.VOCABULARY,
    recognisers: Iterable[Recogniser] = (),
) -> Scrubbed:
    """What may leave of a free text, and why the rest may not; raises nothing, whatever the text is."""
    try:
        return _scrub(text, known, mode, tuple(recognisers))
    except Exception:  # noqa: BLE001  # the guard: a text that breaks a layer, or takes too long, does not leave
        return _refused(text)


def _scrub(text: str, known: KnownValues, mode: TextMode, recognisers: Sequence[Recogniser]) -> Scrubbed:
    """Read the text, then read what is left of it, until a reading finds nothing more."""
    deadline = time.thread_time() + LONGEST_S
    end = readable_length(text)
    if not is_readable(text[:LONGEST_TEXT]):
        return _refused(text)
    scrubbed = Scrubbed(text=text[:LONGEST_TEXT], findings=())
    for _ in range(_MOST_READINGS):
        marks = Marks(units(scrubbed.text))
        if not scrubbed.findings:
            for recogniser in recognisers:
                _put_offsets(marks, recogniser.spans(scrubbed.text), len(scrubbed.text))
        for _ in _layers(scrubbed.text, known, mode, marks):
            if time.thread_time() > deadline:
                raise _UnreadableError
        if not marks.count:
            break
        findings = _in_order(text, scrubbed.findings, marks.findings())
        clean, _ = blank_out(text[:LONGEST_TEXT], ((finding.start, finding.end) for finding in findings))
        scrubbed = Scrubbed(text=clean, findings=findings)
    else:
        raise _UnreadableError
    return scrubbed if end == len(text) else _without_tail(text, scrubbed.findings, end)


def _in_order(text: str, before: Sequence[TextFinding], more: Iterable[TextFinding]) -> tuple[TextFinding, ...]:
    """All findings as places of the input, where `more` are places of what had been left of it."""
    if not before:
        return tuple(more)
    shifts: list[tuple[int, int]] = [(0, 0)]
    left = taken = 0
    for start, end in merged(text, ((finding.start, finding.end) for finding in before)):
        left += start - taken + len(REDACTED)
        taken = end
        shifts.append((left, end - left))
    moved = (
        replace(finding, start=finding.start + shift, end=finding.end + shift)
        for finding in more
        for shift in (shifts[bisect_right(shifts, (finding.start, inf)) - 1][1],)
    )
    return tuple(sorted((*before, *moved), key=lambda finding: finding.start))


def _without_tail(text: str, findings: Iterable[TextFinding], end: int) -> Scrubbed:
    """The text up to `end`, or up to a finding that reaches over it."""
    kept = tuple(finding for finding in findings if finding.end <= end)
    begin = min([end, *(finding.start for finding in findings if finding.start < end < finding.end)])
    tail = TextFinding(category=Category.IDENTIFIER, start=begin, end=len(text), layer=Layer.GUARD)
    clean, _ = blank_out(text, ((finding.start, finding.end) for finding in (*kept, tail)))
    return Scrubbed(text=clean, findings=(*kept, tail))


def _layers(text: str, known: KnownValues, mode: TextMode, marks: Marks) -> Iterator[None]:
    """Run the layers one by one, with a breath after each."""
    read, lists = marks.units, lexicon()
    for first, last, category in known.spans(read):
        marks.put(first, last, Mark(category, Layer.KNOWN))
    yield
    spelled, abbreviated = codes(read, lists.abbreviations)
    for first, last, category in chain(_patterns(read), spelled):
        marks.put(first, last, Mark(category, Layer.PATTERNS))
    yield
    for first, last, category in listed_names(read, lists):
        marks.put(first, last, Mark(category, Layer.NAMES))
    if mode is TextMode.VOCABULARY:
        _put_unknown(marks, lists, abbreviated)
    yield
    mark_names(text, marks, lists, unknown_too=mode is TextMode.DETECT)
    if mode is TextMode.VOCABULARY:
        _put_touching(marks)
    yield


def _patterns(read: Sequence[Unit]) -> Iterator[Span]:
    kinds = {unit.kind for unit in read}
    found: Iterator[Span] = chain(dates(read), addresses(read), spoken_contacts(read))
    if kinds & {SIGN, MIXED}:
        found = chain(written_contacts(read), found)
    if NUMBER in kinds:
        found = chain(found, digit_runs(read))
    return found


def _put_unknown(marks: Marks, lists: Lexicon, abbreviated: set[int]) -> None:
    """Layer four: a word that is not on the list, a letter that stands for nothing."""
    for at, unit in enumerate(marks.units):
        if marks.of[at] is not None:
            continue
        if unit.kind == WORD and lists.kind_of(unit) is Kind.UNKNOWN:
            kinds = lists.name_kinds(unit.norm)
            if kinds:
                marks.put(at, at, Mark(Category.ADDRESS if kinds == "p" else Category.NAME, Layer.NAMES))
            else:
                marks.put(at, at, Mark(Category.IDENTIFIER, Layer.VOCABULARY))
        elif unit.kind == LETTER and at not in abbreviated and not is_lone_letter_fine(marks.units, at):
            marks.put(at, at, Mark(Category.IDENTIFIER, Layer.VOCABULARY))


def _put_touching(marks: Marks) -> None:
    """What stands beside something that does not leave, and says nothing without it, goes with it."""
    read = marks.units
    for at in range(len(read)):
        if _touches(marks, at, at - 1) or _is_between(marks, at):
            marks.put(at, at, _TOUCHED)
    for at in range(len(read) - 1, -1, -1):
        if _touches(marks, at, at + 1):
            marks.put(at, at, _TOUCHED)


def _touches(marks: Marks, at: int, other: int) -> bool:
    """A number without a unit, a particle or an ending of names, next to what is gone."""
    read = marks.units
    if marks.gone(at) or not 0 <= other < len(read) or not marks.gone(other):
        return False
    unit = read[at]
    if unit.kind == NUMBER:
        return unit.how != ORDINAL and _norm(read, at + 1) not in QUANTITIES
    return unit.kind == WORD and (unit.norm in PARTICLES or (other < at and unit.norm in _ENDINGS))


def _is_between(marks: Marks, at: int) -> bool:
    """One word between two things that are gone, or before a house number; a state before its postcode."""
    read = marks.units
    if marks.gone(at) or read[at].kind != WORD or at + 1 >= len(read):
        return False
    back = at - 1
    while back > 0 and is_sign(read[back], ","):
        back -= 1
    if back < 0 or not marks.gone(back):
        return False
    norm, after = read[at].norm, read[at + 1]
    if marks.gone(at + 1):
        if back == at - 1:
            return norm not in FUNCTION or norm in _ALSO_PARTICLES
        return norm in STATES
    house = after.kind == NUMBER and after.how not in (ORDINAL, SPOKEN) and _norm(read, at + 2) not in QUANTITIES
    return house and back == at - 1 and norm not in FUNCTION and norm not in QUANTITIES


def _norm(read: Sequence[Unit], at: int) -> str:
    return read[at].norm if at < len(read) else ""


def _put_offsets(marks: Marks, spans: Iterable[tuple[int, int]], length: int) -> None:
    """Mark every unit that an outside recogniser's span touches; raises `ValueError` on offsets outside the text."""
    for start, end in spans:
        if not 0 <= start <= end <= length:
            raise ValueError("a recogniser's span lies outside the text")
        for at, unit in enumerate(marks.units):
            if unit.start < end and start < unit.end:
                marks.put(at, at, Mark(Category.IDENTIFIER, Layer.PATTERNS))


def _refused(text: str) -> Scrubbed:
    """Nothing of the text."""
    finding = TextFinding(category=Category.IDENTIFIER, start=0, end=len(text), layer=Layer.GUARD)
    return Scrubbed(text=REDACTED, findings=(finding,))


