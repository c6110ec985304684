"""One free text through all four layers and the guard around them."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from math import inf
from typing import Final, Protocol

from medagent.redaction.policy import REDACTED, Category, TextMode
from medagent.redaction.text.addresses import addresses
from medagent.redaction.text.ages import ages
from medagent.redaction.text.contacts import spoken_contacts, written_contacts
from medagent.redaction.text.dates import dates
from medagent.redaction.text.digits import digit_runs
from medagent.redaction.text.eponyms import read_eponyms
from medagent.redaction.text.found import Layer, Scrubbed, TextFinding
from medagent.redaction.text.guard import (
    LONGEST_TEXT,
    has_foreign_letters,
    is_plain_text,
    is_turned,
    readable_length,
    strange_signs,
)
from medagent.redaction.text.known import KnownValues
from medagent.redaction.text.labels import labelled_codes
from medagent.redaction.text.language import LEXICONS, ForeignPart, foreign_parts
from medagent.redaction.text.letters import codes
from medagent.redaction.text.lexicon import Kind, lexicon
from medagent.redaction.text.names import mark_names, mark_small_names
from medagent.redaction.text.notation import mark_starts
from medagent.redaction.text.place_frames import framed_places
from medagent.redaction.text.places import places
from medagent.redaction.text.reading import SPELLED, Mark, Reading, beginnings
from medagent.redaction.text.spoken import units
from medagent.redaction.text.sure_names import listed_names
from medagent.redaction.text.terms import read_terms, read_unlisted_drugs
from medagent.redaction.text.units import blank_out, merged
from medagent.redaction.text.vocabulary import Open, mark_touching, mark_unknown, what_is_open

_PATTERNS = (
    ages,
    written_contacts,
    dates,
    addresses,
    places,
    framed_places,
    labelled_codes,
    spoken_contacts,
    digit_runs,
)
_BEGINNINGS = tuple((pattern, beginnings(pattern)) for pattern in _PATTERNS)
_CODES, _EPONYMS, _TERMS = beginnings(codes), beginnings(read_eponyms), beginnings(read_terms)
_UNLISTED_DRUGS = beginnings(read_unlisted_drugs)
LONGEST_S: Final = 1.0
"""Seconds of this thread's processor time that one text may take; one that takes longer is withheld."""
_MOST_READINGS = 8
_LANGUAGE = "en"
"""The language of the lexicon by which a text is read."""


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
    """Return what may leave of a free text, and why the rest may not; raises nothing, whatever the text is."""
    try:
        return _scrub(text, known, mode, tuple(recognisers))
    except Exception:  # noqa: BLE001  # the guard: a text that breaks a layer, or takes too long, does not leave
        return _refused(text)


def _scrub(text: str, known: KnownValues, mode: TextMode, recognisers: Sequence[Recogniser]) -> Scrubbed:
    """Read the text, then read what is left of it, until a reading finds nothing more."""
    deadline = time.thread_time() + LONGEST_S
    end = readable_length(text)
    scrubbed, reading = _begin(text, known, mode)
    if reading is None:
        return scrubbed
    for recogniser in recognisers:
        _put_offsets(reading, recogniser.spans(scrubbed.text))
    is_open = Open.EVERYTHING
    for _ in range(_MOST_READINGS):
        if time.thread_time() > deadline:
            raise _UnreadableError
        _read(reading, mode, is_open)
        if not reading.count:
            break
        findings = _in_order(text, scrubbed.findings, reading.findings())
        clean, _ = blank_out(text[:LONGEST_TEXT], ((finding.start, finding.end) for finding in findings))
        scrubbed = Scrubbed(text=clean, findings=findings, withheld=scrubbed.withheld)
        is_open = what_is_open(reading)
        if is_open is Open.NOTHING:
            break
        reading = _known_reading(scrubbed.text, known)
    else:
        raise _UnreadableError
    return scrubbed if end == len(text) else _without_tail(text, scrubbed, end)


def _begin(text: str, known: KnownValues, mode: TextMode) -> tuple[Scrubbed, Reading | None]:
    """Take out other languages and strange signs; the first reading of the rest is None where nothing is left."""
    scrubbed = Scrubbed(text=text[:LONGEST_TEXT], findings=())
    if is_turned(text):
        return _refused(text), None
    if has_foreign_letters(scrubbed.text):
        reading = _known_reading(scrubbed.text, known)
        parts = foreign_parts(reading)
        if _is_whole(parts, reading):
            return _withheld(text, reading, parts), None
        if mode is TextMode.DETECT:
            return _refused(text), None
        scrubbed = _without_parts(scrubbed, reading, parts)
    scrubbed = _without_strange_signs(scrubbed, known)
    reading = _known_reading(scrubbed.text, known)
    parts = foreign_parts(reading)
    if _is_whole(parts, reading) and not scrubbed.findings:
        return _withheld(text, reading, parts), None
    if parts:
        scrubbed = replace(scrubbed, withheld=(*scrubbed.withheld, *_put_parts(reading, parts)))
    return scrubbed, reading


def _known_reading(text: str, known: KnownValues) -> Reading:
    """Read a text and mark what the call knows, before anything else."""
    reading = Reading(text, LEXICONS[_LANGUAGE]())
    for first, last, category in known.spans(reading.units):
        reading.put(first, last, Mark(category, Layer.KNOWN))
    return reading


def _put_parts(reading: Reading, parts: Iterable[ForeignPart]) -> tuple[str, ...]:
    """Mark what is in another language; return the language of each part."""
    for part in parts:
        reading.put(part.first, part.last, Mark(Category.IDENTIFIER, Layer.LANGUAGE))
    return tuple(part.language for part in parts)


def _is_whole(parts: Sequence[ForeignPart], reading: Reading) -> bool:
    """Return whether one part is all of a text."""
    return len(parts) == 1 and parts[0].first == 0 and parts[0].last == len(reading.units) - 1


def _withheld(text: str, reading: Reading, parts: Sequence[ForeignPart]) -> Scrubbed:
    """Send nothing of a text in another language: known values as themselves, the rest by its language."""
    findings: list[TextFinding] = []
    at = 0
    for found in (*reading.findings(), None):
        start = len(text) if found is None else found.start
        if at < start:
            rest = TextFinding(category=Category.IDENTIFIER, start=at, end=start, layer=Layer.LANGUAGE)
            findings.append(rest)
        if found is not None:
            findings.append(found)
            at = found.end
    return Scrubbed(text=REDACTED, findings=tuple(findings), withheld=tuple(part.language for part in parts))


def _without_parts(scrubbed: Scrubbed, reading: Reading, parts: Sequence[ForeignPart]) -> Scrubbed:
    """Take out the sentences in another language."""
    if not parts:
        return scrubbed
    withheld = _put_parts(reading, parts)
    findings = tuple(reading.findings())
    clean, _ = blank_out(scrubbed.text, ((finding.start, finding.end) for finding in findings))
    return Scrubbed(text=clean, findings=findings, withheld=withheld)


def _without_strange_signs(scrubbed: Scrubbed, known: KnownValues) -> Scrubbed:
    """Take out the signs that no layer can judge, with the words that they cut or hide in."""
    text = scrubbed.text
    if is_plain_text(text):
        return scrubbed
    strange = [
        TextFinding(category=Category.IDENTIFIER, start=start, end=end, layer=Layer.GUARD)
        for start, end in strange_signs(text, lambda parts: _are_plain(parts, known))
    ]
    clean, _ = blank_out(text, ((each.start, each.end) for each in strange))
    return Scrubbed(text=clean, findings=_in_order(text, scrubbed.findings, strange), withheld=scrubbed.withheld)


def _are_plain(parts: list[str], known: KnownValues) -> bool:
    """Whether the parts of a word are ordinary words, and are no name and nothing that is known when put together."""
    lists, together = lexicon(), "".join(parts).casefold()
    return (
        all(len(part) > 1 and lists.words.get(part.casefold()) in (Kind.ORDINARY, Kind.CLINICAL) for part in parts)
        and not lists.name_kinds(together)
        and not any(True for _ in known.spans(units(together)))
    )


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
        finding._replace(start=finding.start + shift, end=finding.end + shift)
        for finding in more
        for shift in (shifts[bisect_right(shifts, (finding.start, inf)) - 1][1],)
    )
    return tuple(sorted((*before, *moved), key=lambda finding: finding.start))


def _without_tail(text: str, scrubbed: Scrubbed, end: int) -> Scrubbed:
    """The text up to `end`, or up to a finding that reaches over it."""
    findings, withheld = scrubbed.findings, scrubbed.withheld
    kept = tuple(finding for finding in findings if finding.end <= end)
    begin = min([end, *(finding.start for finding in findings if finding.start < end < finding.end)])
    tail = TextFinding(category=Category.IDENTIFIER, start=begin, end=len(text), layer=Layer.GUARD)
    clean, _ = blank_out(text, ((finding.start, finding.end) for finding in (*kept, tail)))
    return Scrubbed(text=clean, findings=(*kept, tail), withheld=withheld)


def _read(reading: Reading, mode: TextMode, is_open: Open) -> None:
    """Run the layers behind the known values over one reading, each on what the ones before it left."""
    begins = reading.begins
    if begins & _EPONYMS:
        read_eponyms(reading)
    if begins & _TERMS:
        read_terms(reading)
    if begins & _UNLISTED_DRUGS:
        read_unlisted_drugs(reading)
    mark_starts(reading)
    spelled, abbreviated = codes(reading) if begins & _CODES else ([], set[int]())
    if reading.terms:
        spelled = [span for span in spelled if len(set(range(span[0], span[1] + 1)) - reading.terms) > 1]
        abbreviated = abbreviated | reading.terms
    found = [pattern(reading) for pattern, its in _BEGINNINGS if begins & its]
    for first, last, category in chain(*found, spelled):
        reading.put(first, last, Mark(category, Layer.PATTERNS))
    for first, last, category in listed_names(reading):
        if first == last and reading.norms[first] == "may" and first in reading.terms:
            continue  # the verb behind a noun that is a title elsewhere: `the nurse may call`
        reading.put(first, last, Mark(category, Layer.NAMES))
    if is_open is Open.PATTERNS and not (reading.count or reading.unknown() or reading.cued(SPELLED)):
        return
    context = mark_names(reading)
    if mode is TextMode.VOCABULARY:
        mark_unknown(reading, abbreviated)
    mark_small_names(reading, context)
    if mode is TextMode.VOCABULARY and reading.count:
        mark_touching(reading)


def _put_offsets(reading: Reading, spans: Iterable[tuple[int, int]]) -> None:
    """Mark every unit that an outside recogniser's span touches; raises `ValueError` on offsets outside the text."""
    for start, end in spans:
        if not 0 <= start <= end <= len(reading.text):
            raise ValueError("a recogniser's span lies outside the text")
        for at, unit in enumerate(reading.units):
            if unit.start < end and start < unit.end:
                reading.put(at, at, Mark(Category.IDENTIFIER, Layer.PATTERNS))


def _refused(text: str) -> Scrubbed:
    """Nothing of the text."""
    finding = TextFinding(category=Category.IDENTIFIER, start=0, end=len(text), layer=Layer.GUARD)
    return Scrubbed(text=REDACTED, findings=(finding,))
