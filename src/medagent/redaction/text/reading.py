"""One reading of a text: its units, what the lists say of each, and what will not leave."""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import NamedTuple

from medagent.redaction.policy import Category
from medagent.redaction.text.found import Layer, TextFinding
from medagent.redaction.text.lexicon import Kind, Lexicon
from medagent.redaction.text.spoken import units
from medagent.redaction.text.units import ACCENTED, GONE, WORD


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
        get, kind_of = lists.words.get, lists.kind_of
        self.norms = [unit.norm for unit in self.units]
        self.kinds = [
            Kind.NO_WORD
            if unit.kind != WORD
            else (get(unit.norm) or kind_of(unit))
            if unit.how != ACCENTED
            else kind_of(unit)
            for unit in self.units
        ]
        self._said = frozenset(self.norms)
        self._said_as = {unit.kind for unit in self.units}
        self.marks: list[Mark | None] = [None] * len(self.units)
        self.gone = [unit.kind == GONE for unit in self.units]
        self.count = 0

    def places_of(self, words: Set[str]) -> list[int]:
        """Where one of these words stands, in order; most texts have none, and that is quickly said."""
        if words.isdisjoint(self._said):
            return []
        return [at for at, norm in enumerate(self.norms) if norm in words]

    def of_kind(self, kind: str) -> list[int]:
        """Where a unit of this kind stands, in order."""
        if kind not in self._said_as:
            return []
        return [at for at, unit in enumerate(self.units) if unit.kind == kind]

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
