"""One reading of a text: its units, what the lists say of each, and what will not leave."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from itertools import count
from typing import NamedTuple, cast

from medagent.redaction.policy import Category
from medagent.redaction.text.cues import PEOPLE_LABELS
from medagent.redaction.text.found import Layer, TextFinding
from medagent.redaction.text.lexicon import Kind, Lexicon
from medagent.redaction.text.spoken import units
from medagent.redaction.text.units import ACCENTED, GONE, LETTER, NUMBER, WORD

_SHORTEST_CAPITALS = 2
_BULLETS = frozenset("-*•·–—○●▪")
LIST_LETTERS = frozenset("abcdefgh")
"""Letters that count the parts of a list."""
_CUES_OF: dict[str, tuple[int, ...]] = {}
_COUNT = count()


def cue(words: Iterable[str]) -> int:
    """Return a number by which every reading tells where one of these words stands, noted for all cues in one pass."""
    number = next(_COUNT)
    for word in words:
        _CUES_OF[word] = (*_CUES_OF.get(word, ()), number)
    return number


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
        self.norms = norms = [unit.norm for unit in self.units]
        kinds = list(map(lists.words.get, norms))
        self._of_kind = of_kind = dict[str, list[int]]()
        self._unknown: list[int] = []
        for at, unit in enumerate(self.units):
            if unit.kind != WORD:
                kinds[at] = Kind.NO_WORD
                if unit.kind in of_kind:
                    of_kind[unit.kind].append(at)
                else:
                    of_kind[unit.kind] = [at]
            elif unit.how == ACCENTED or kinds[at] is None:
                kinds[at] = kind = lists.kind_of(unit)
                if kind is Kind.UNKNOWN:
                    self._unknown.append(at)
        self.kinds = cast("list[Kind]", kinds)
        self._cued = cued = dict[int, list[int]]()
        for at, numbers in enumerate(map(_CUES_OF.get, norms)):
            if numbers:
                for number in numbers:
                    if number in cued:
                        cued[number].append(at)
                    else:
                        cued[number] = [at]
        get = lists.names.get
        self.borne = [get(norm) or (lists.name_kinds(norm) if "'" in norm else "") for norm in norms]
        """In which lists of names each word stands, as letters."""
        self.capitals = [False] * len(norms) if text.islower() else [text[unit.start].isupper() for unit in self.units]
        """Whether each unit begins with a capital."""
        self.symbols: list[str] | None = None
        """What the model of names sees of each unit, once it was asked."""
        self.marks: list[Mark | None] = [None] * len(self.units)
        self.asked: list[int] = []
        """The words of which the names' model decides, as it was asked."""
        self.cased = False
        """Whether capitals tell something here, as the names were asked."""
        self.terms: set[int] = set()
        """Names that are part of a clinical term here."""
        self.gone = [False] * len(norms)
        for at in of_kind.get(GONE) or ():
            self.gone[at] = True
        self.count = 0

    def cued(self, number: int) -> list[int]:
        """Return where a word of a cue stands, in order."""
        return self._cued.get(number) or []

    def unknown(self) -> list[int]:
        """Return where a word stands that no list has, in order, apart from those that a term explains."""
        kinds, unknown = self.kinds, Kind.UNKNOWN
        return [at for at in self._unknown if kinds[at] is unknown]

    def places_of(self, words: Set[str]) -> list[int]:
        """Return where one of these words stands, in order; for words that no cue has."""
        if words.isdisjoint(self.norms):
            return []
        return [at for at, norm in enumerate(self.norms) if norm in words]

    def of_kind(self, kind: str) -> list[int]:
        """Return where a unit of this kind, which is no word, stands, in order."""
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
        begun: tuple[Mark, int] | None = None
        for at, mark in enumerate([*self.marks, None]):
            if begun and mark != begun[0]:
                why, first = begun
                start, end = self.units[first].start, self.units[at - 1].end
                yield TextFinding(category=why.category, layer=why.layer, start=start, end=end)
                begun = None
            if mark is not None and begun is None:
                begun = mark, at


def begins_line(reading: Reading, at: int) -> bool:
    """Whether a word has its capital from its place: behind a line's end, a bullet, or a heading and its colon."""
    units, text = reading.units, reading.text
    if "\n" in text[units[at - 1].end : units[at].start]:
        return True
    before = units[at - 1].norm
    if before == ":":
        return at < 2 or units[at - 2].kind != WORD or units[at - 2].norm not in PEOPLE_LABELS
    if before in _BULLETS:
        return at == 1 or begins_line(reading, at - 1)
    if before not in (".", ")") or at < 2:
        return False
    mark = units[at - 2]
    lettered = mark.kind == LETTER and mark.norm in LIST_LETTERS and text[mark.start].islower()
    return (mark.kind == NUMBER or lettered) and (at == 2 or begins_line(reading, at - 2))


def is_in_heading(reading: Reading, at: int) -> bool:
    """Whether a word is in capitals because its whole line is, two words or more of it."""
    text, unit = reading.text, reading.units[at]
    if not text[unit.start : unit.end].isupper() or unit.end - unit.start < _SHORTEST_CAPITALS:
        return False
    line = text[text.rfind("\n", 0, unit.start) + 1 :].partition("\n")[0].partition(":")[0]
    return line.isupper() and len(line.split()) > 1
