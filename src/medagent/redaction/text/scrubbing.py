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
from medagent.redaction.text.letters import codes
from medagent.redaction.text.lexicon import Kind, lexicon
from medagent.redaction.text.names import listed_names, mark_names, mark_small_names
from medagent.redaction.text.places import places
from medagent.redaction.text.reading import Mark, Reading
from medagent.redaction.text.spoken import units
from medagent.redaction.text.terms import read_terms
from medagent.redaction.text.units import blank_out, merged
from medagent.redaction.text.vocabulary import is_settled, mark_touching, mark_unknown

_PATTERNS = (ages, written_contacts, dates, addresses, places, labelled_codes, spoken_contacts, digit_runs)
LONGEST_S: Final = 1.0
"""Seconds that one text may take; what takes longer does not leave."""
_MOST_READINGS = 8


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
    deadline = time.perf_counter() + LONGEST_S
    end = readable_length(text)
    if is_turned(text) or (mode is TextMode.DETECT and has_foreign_letters(text)):
        return _refused(text)
    scrubbed = _without_strange_signs(text[:LONGEST_TEXT], known)
    for time_read in range(_MOST_READINGS):
        if time.perf_counter() > deadline:
            raise _UnreadableError
        reading = Reading(scrubbed.text, lexicon())
        if time_read == 0:
            for recogniser in recognisers:
                _put_offsets(reading, recogniser.spans(scrubbed.text))
        _read(reading, known, mode)
        if not reading.count:
            break
        findings = _in_order(text, scrubbed.findings, reading.findings())
        clean, _ = blank_out(text[:LONGEST_TEXT], ((finding.start, finding.end) for finding in findings))
        scrubbed = Scrubbed(text=clean, findings=findings)
        if is_settled(reading):
            break
    else:
        raise _UnreadableError
    return scrubbed if end == len(text) else _without_tail(text, scrubbed.findings, end)


def _without_strange_signs(text: str, known: KnownValues) -> Scrubbed:
    """Take out the signs that no layer can judge, with the words that they cut or hide in."""
    if is_plain_text(text):
        return Scrubbed(text=text, findings=())
    findings = tuple(
        TextFinding(category=Category.IDENTIFIER, start=start, end=end, layer=Layer.GUARD)
        for start, end in strange_signs(text, lambda parts: _are_plain(parts, known))
    )
    return Scrubbed(text=blank_out(text, ((each.start, each.end) for each in findings))[0], findings=findings)


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


def _read(reading: Reading, known: KnownValues, mode: TextMode) -> None:
    """Run the layers over one reading, each on what the ones before it left."""
    for first, last, category in known.spans(reading.units):
        reading.put(first, last, Mark(category, Layer.KNOWN))
    read_eponyms(reading)
    read_terms(reading)
    spelled, abbreviated = codes(reading)
    for first, last, category in chain(*(pattern(reading) for pattern in _PATTERNS), spelled):
        reading.put(first, last, Mark(category, Layer.PATTERNS))
    for first, last, category in listed_names(reading):
        reading.put(first, last, Mark(category, Layer.NAMES))
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
