"""What the layers say they found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from medagent.redaction.policy import Category
from medagent.redaction.text.units import GONE, SIGN, Unit


class Layer(StrEnum):
    """Who found it."""

    KNOWN = "known"
    PATTERNS = "patterns"
    NAMES = "names"
    VOCABULARY = "vocabulary"
    GUARD = "guard"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFinding:
    """Why a part of a text did not leave: `start` and `end` in code points of the input, never what stood there."""

    category: Category
    start: int
    end: int
    layer: Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrubbed:
    """The text that may leave and why the rest may not; findings are in order and do not overlap."""

    text: str = field(repr=False)
    findings: tuple[TextFinding, ...]


Span: TypeAlias = tuple[int, int, Category]
"""First and last unit, both inside, and what they are."""


class Mark(NamedTuple):
    """Why a unit does not leave."""

    category: Category
    layer: Layer


class Marks:
    """Which units of one text do not leave; the first who says so is the one who is named."""

    def __init__(self, units: Sequence[Unit]) -> None:
        self.units = units
        self.of: list[Mark | None] = [None] * len(units)
        self.count = 0

    def put(self, first: int, last: int, mark: Mark) -> None:
        """Mark units from `first` to `last`, those that nobody marked and that are no placeholders."""
        for at in range(first, last + 1):
            if self.of[at] is None and self.units[at].kind != GONE:
                self.of[at] = mark
                self.count += 1

    def gone(self, at: int) -> bool:
        """Whether this unit is a placeholder or will be one."""
        return self.of[at] is not None or self.units[at].kind == GONE

    def findings(self) -> Iterator[TextFinding]:
        """Neighbours with the same mark as one finding."""
        begun: tuple[Mark, int] | None = None
        for at, mark in enumerate([*self.of, None]):
            if begun and mark != begun[0]:
                why, first = begun
                yield TextFinding(
                    category=why.category,
                    layer=why.layer,
                    start=self.units[first].start,
                    end=self.units[at - 1].end,
                )
                begun = None
            if mark is not None and begun is None:
                begun = mark, at


def is_sign(unit: Unit, signs: str) -> bool:
    """Whether a unit is one of these signs."""
    return unit.kind == SIGN and unit.norm in signs
