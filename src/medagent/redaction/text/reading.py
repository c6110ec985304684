"""One reading of a text: its units, what the lists say of each, and what will not leave."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Set
from functools import cache
from itertools import chain, count
from typing import Any, NamedTuple, TypeAlias, TypeVar

from medagent.redaction.policy import Category
from medagent.redaction.text.cues import PEOPLE_LABELS
from medagent.redaction.text.found import Layer, TextFinding
from medagent.redaction.text.lexicon import Kind, Lexicon
from medagent.redaction.text.spoken import units
from medagent.redaction.text.units import ACCENTED, GONE, LETTER, MIXED, NUMBER, SIGN, WORD

_SHORTEST_CAPITALS, _SHORTEST_AREA = 2, 3
_BULLETS = frozenset("-*•·–—○●▪")
LIST_LETTERS = frozenset("abcdefgh")
"""Letters that count the parts of a list."""
_CUES_OF: dict[str, tuple[int, ...]] = {}
_COUNT = count()
_Finder = TypeVar("_Finder", bound=Callable[..., Any])
_MOST_FACTS = 16_384
_SHORT = 2
_CUE_OF_KIND = {kind: next(_COUNT) for kind in (LETTER, NUMBER, MIXED, SIGN, GONE)}
ASKED, SMALL, EPONYM, PHRASE, SPELLED, DRUG_NAME, PAIR, RARE, ABBREVIATION, CAPITALS = (next(_COUNT) for _ in range(10))
"""Cues of the lists: words that may be names, small ones of these, eponyms, first words of places, letters but a and i,
drugs that people are called, first names of terms that hold several, very rare names, abbreviations that are names, and
those that only capitals show."""
_Fact: TypeAlias = tuple[Kind, str, tuple[int, ...]]
"""Of a plain word or sign: its kind, the lists of names that have it, its cues."""


def cue(words: Iterable[str]) -> int:
    """Return a number by which every reading tells where one of these words is, noted for all cues in one pass."""
    number = next(_COUNT)
    for word in words:
        _CUES_OF[word] = (*_CUES_OF.get(word, ()), number)
    _facts_of.cache_clear()
    return number


class _Facts(dict[str, _Fact]):
    """What the lists and the cues say of words, looked up once: only words that they hold are kept here."""

    def __init__(self, lists: Lexicon) -> None:
        super().__init__()
        self._lists = lists
        self._shared: dict[_Fact, _Fact] = {}
        self._cues = dict(_CUES_OF)
        small = (form for word in lists.small_names for form in (word, f"{word}'s"))
        of_lists = (
            (SMALL, small),
            (EPONYM, lists.eponyms),
            (PHRASE, lists.phrases),
            (DRUG_NAME, lists.drug_names),
            (PAIR, lists.pairs),
        )
        for number, listed in of_lists:
            for word in listed:
                self._cues[word] = (*self._cues.get(word, ()), number)

    def __missing__(self, norm: str) -> _Fact:
        lists = self._lists
        cues = self._cues.get(norm, ())
        if norm in lists.capitals:
            cues = (*cues, CAPITALS)
        if len(norm) <= 1 or not (norm.isalpha() or norm.replace("'", "").isalpha()):
            if norm.isalpha() and norm not in "ai":
                cues = (*cues, SPELLED)
            borne = "" if norm.isdigit() else lists.name_kinds(norm)
            return self._kept(norm, (Kind.NO_WORD, borne, cues)) if len(norm) <= _SHORT else (Kind.NO_WORD, borne, cues)
        kind = lists.kind(norm)
        if kind is Kind.UNKNOWN:
            return kind, lists.name_kinds(norm), cues
        if kind is Kind.ALSO_A_NAME or norm in lists.asked:
            cues = (*cues, ASKED)
            if kind is Kind.CLINICAL or norm in lists.abbreviations:
                cues = (*cues, ABBREVIATION)
            elif not lists.name_kinds(norm) and norm not in lists.words:
                cues = (*cues, RARE)
        return self._kept(norm, (kind, lists.name_kinds(norm), cues))

    def _kept(self, norm: str, fact: _Fact) -> _Fact:
        if len(self) >= _MOST_FACTS:
            self.clear()
        self[norm] = found = self._shared.setdefault(fact, fact)
        return found


@cache
def _facts_of(lists: Lexicon) -> _Facts:
    return _Facts(lists)


def begins_with(*begins: int | str) -> Callable[[_Finder], _Finder]:
    """Note of a finder that it finds nothing in a text that has none of these cues and kinds of units."""

    def note(finder: _Finder) -> _Finder:
        bits = (1 << (_CUE_OF_KIND[each] if isinstance(each, str) else each) for each in begins)
        finder.begins = sum(bits)  # type: ignore[attr-defined]  # a function's own note
        return finder

    return note


def beginnings(finder: Callable[..., Any]) -> int:
    """Return what `begins_with` noted, a bit for each cue and kind of unit."""
    begins: int = finder.begins  # type: ignore[attr-defined]  # a function's own note
    return begins


class Mark(NamedTuple):
    """Why a unit does not leave."""

    category: Category
    layer: Layer


class Reading:
    """The units of a text and their marks; the first who marks a unit is the one who is named."""

    def __init__(self, text: str, lists: Lexicon) -> None:
        self.text = text
        self.units = units(text)
        self.lists = lists
        norms, unit_kinds, starts, _, hows = zip(*self.units, strict=True) if self.units else ((),) * 5
        self.norms: list[str] = list(norms)
        kinds, borne, cues = zip(*map(_facts_of(lists).__getitem__, norms), strict=True) if norms else ((),) * 3
        self.kinds: list[Kind] = list(kinds)
        self.borne: list[str] = list(borne)
        """In which lists of names each word is, as letters."""
        self._of_kind = of_kind = _places_of_kinds(unit_kinds)
        self._cued = _places_of_cues(cues)
        self.begins = sum([1 << number for number in self._cued] + [1 << _CUE_OF_KIND[kind] for kind in of_kind])
        """Which cues and kinds of units are here, a bit for each."""
        if ACCENTED in hows:
            for at, unit in enumerate(self.units):
                if unit.how == ACCENTED and unit.kind == WORD:
                    self.kinds[at] = lists.kind_of(unit)
        unknown = Kind.UNKNOWN
        self._unknown = [at for at, kind in enumerate(self.kinds) if kind is unknown] if unknown in self.kinds else []
        if text.islower():
            self.capitals = [False] * len(norms)
        else:
            self.capitals = list(map(str.isupper, map(text.__getitem__, starts)))
        """Whether each unit begins with a capital."""
        self.capital_places = (
            [at for at, capital in enumerate(self.capitals) if capital] if True in self.capitals else []
        )
        self.has_lines = "\n" in text or ":" in text or ")" in text
        """Whether a line, or what is behind a heading, may begin somewhere."""
        self.symbols: list[str] | None = None
        """What the model of names sees of each unit, once it was asked."""
        self.cased_words: list[bool] | None = None
        """Which units tell of capitals, once it was asked."""
        self._line_begins: Set[int] | None = None
        self.marks: list[Mark | None] = [None] * len(self.units)
        self.asked: list[int] = []
        """The words of which the names' model decides, as it was asked."""
        self.cased = False
        """Whether capitals tell something here, as the names were asked."""
        self.terms: set[int] = set()
        """Names that are part of a clinical term here."""
        self.gone = [False] * len(norms)
        for at in self.of_kind(GONE):
            self.gone[at] = True
        self.count = 0

    @property
    def line_begins(self) -> Set[int]:
        """Return where a unit begins a line, or what is behind a heading."""
        if self._line_begins is None:
            self._line_begins = _line_begins(self)
        return self._line_begins

    def may_hold(self, finder: Callable[[Reading], Any]) -> bool:
        """Return whether something is here with which a finder begins."""
        return bool(beginnings(finder) & self.begins)

    def cued(self, number: int) -> list[int]:
        """Return where a word of a cue is, in order."""
        return self._cued.get(number) or []

    @property
    def count_of_no_words(self) -> int:
        """Return how many units are no words of two letters or more."""
        return sum(map(len, self._of_kind.values()))

    def non_words(self) -> Iterator[int]:
        """Yield where units are that are no words of two letters or more."""
        return chain.from_iterable(self._of_kind.values())

    def unknown(self) -> list[int]:
        """Return where a word is that no list has, in order, apart from those that a term explains."""
        kinds, unknown = self.kinds, Kind.UNKNOWN
        return [at for at in self._unknown if kinds[at] is unknown] if self._unknown else []

    def places_of(self, words: Set[str]) -> list[int]:
        """Return where one of these words is, in order; for words that no cue has."""
        if words.isdisjoint(self.norms):
            return []
        return [at for at, norm in enumerate(self.norms) if norm in words]

    def of_kind(self, kind: str) -> list[int]:
        """Return where a unit of this kind, which is no word, is, in order."""
        return self._of_kind.get(kind) or []

    def put(self, first: int, last: int, mark: Mark) -> None:
        """Mark units from `first` to `last`, those that nobody marked and that are no placeholders."""
        for at in range(first, last + 1):
            if not self.gone[at]:
                self.marks[at] = mark
                self.gone[at] = True
                self.count += 1

    def norm(self, at: int) -> str:
        """The unit at this place, empty behind the end."""
        return self.norms[at] if at < len(self.norms) else ""

    def findings(self) -> Iterator[TextFinding]:
        """Neighbours with the same mark as one finding, in code points of the text."""
        marked = [(at, mark) for at, mark in enumerate(self.marks) if mark is not None]
        for at, (first, mark) in enumerate(marked):
            if at and marked[at - 1] == (first - 1, mark):
                continue
            last = at
            while last + 1 < len(marked) and marked[last + 1] == (marked[last][0] + 1, mark):
                last += 1
            start, end = self.units[first].start, self.units[marked[last][0]].end
            yield tuple.__new__(TextFinding, (mark.category, start, end, mark.layer))


def _places_of_kinds(kinds: Iterable[str]) -> dict[str, list[int]]:
    """Return where units that are no words are, by their kind."""
    found: dict[str, list[int]] = {}
    for at, kind in enumerate(kinds):
        if kind != WORD:
            if kind in found:
                found[kind].append(at)
            else:
                found[kind] = [at]
    return found


def _places_of_cues(cues: Iterable[tuple[int, ...]]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for at, numbers in enumerate(cues):
        for number in numbers:
            if number in found:
                found[number].append(at)
            else:
                found[number] = [at]
    return found


def begins_line(reading: Reading, at: int) -> bool:
    """Return whether a word has its capital from its place: behind a line's end, a bullet, or a heading."""
    return at in reading.line_begins


def _line_begins(reading: Reading) -> set[int]:
    """Return where a unit begins a line or what is like one; it is asked behind signs and line ends alone."""
    text, units = reading.text, reading.units
    found: set[int] = set()
    end = text.find("\n")
    if end >= 0:
        starts = [unit.start for unit in units]
        while end >= 0:
            found.add(bisect_right(starts, end))
            end = text.find("\n", end + 1)
        found -= {0, len(units)}
    for sign in reading.of_kind(SIGN):
        if sign + 1 < len(units) and _begins_behind(reading, sign + 1, found):
            found.add(sign + 1)
    return found


def _begins_behind(reading: Reading, at: int, begins: Set[int]) -> bool:
    """Return whether a unit behind a sign begins a line, where it is known of the units before it."""
    units, text = reading.units, reading.text
    before = units[at - 1].norm
    if before == ":":
        return at < 2 or units[at - 2].kind != WORD or units[at - 2].norm not in PEOPLE_LABELS
    if before in _BULLETS:
        return at == 1 or at - 1 in begins
    if before not in (".", ")") or at < 2:
        return False
    mark = units[at - 2]
    if (
        before == ")"
        and mark.kind == NUMBER
        and len(mark.norm) < _SHORTEST_AREA
        and (at == 2 or units[at - 3].norm != "(")
    ):
        return True
    lettered = mark.kind == LETTER and mark.norm in LIST_LETTERS and text[mark.start].islower()
    return (mark.kind == NUMBER or lettered) and (at == 2 or at - 2 in begins)


def is_in_heading(reading: Reading, at: int) -> bool:
    """Return whether a word is in capitals because its whole line is, two words or more of it."""
    text, unit = reading.text, reading.units[at]
    if not text[unit.start : unit.end].isupper() or unit.end - unit.start < _SHORTEST_CAPITALS:
        return False
    line = text[text.rfind("\n", 0, unit.start) + 1 :].partition("\n")[0].partition(":")[0]
    return line.isupper() and len(line.split()) > 1


def is_hidden(reading: Reading, at: int) -> bool:
    """Tell whether a unit is marked, or no list has it, so that it will be."""
    return reading.gone[at] or reading.kinds[at] is Kind.UNKNOWN


def is_in_code(reading: Reading, at: int) -> bool:
    """Return whether hyphens tie a word to a number: `7-MM-HT`."""
    units = reading.units
    for step in (-1, 1):
        one = at + step
        while 0 <= one < len(units) and units[min(one, one - step)].end == units[max(one, one - step)].start:
            if units[one].kind in (NUMBER, MIXED):
                return reading.norm(at + step) == "-"
            one += step
    return False
