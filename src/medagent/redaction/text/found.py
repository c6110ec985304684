"""What the layers say they found."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from medagent.redaction.policy import Category
from medagent.redaction.text.units import SIGN, Unit


class Layer(StrEnum):
    """Who found it."""

    KNOWN = "known"
    PATTERNS = "patterns"
    NAMES = "names"
    VOCABULARY = "vocabulary"
    GUARD = "guard"
    LANGUAGE = "language"


class TextFinding(NamedTuple):
    """Why a part of a text did not leave: `start` and `end` in code points of the input, never what was there."""

    category: Category
    start: int
    end: int
    layer: Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrubbed:
    """The text that may leave and why the rest may not; findings are in order and do not overlap."""

    text: str = field(repr=False)
    findings: tuple[TextFinding, ...]
    withheld: tuple[str, ...] = ()
    """The language of each text or sentence that did not leave because it is not English."""


Span: TypeAlias = tuple[int, int, Category]
"""First and last unit, both inside, and what they are."""


def is_sign(unit: Unit, signs: str) -> bool:
    """Return whether a unit is one of these signs."""
    return unit.kind == SIGN and unit.norm in signs
