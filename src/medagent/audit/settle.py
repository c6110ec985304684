"""Marks of the second reader that are no leaks: values that are, letter for letter, what a machine or a roster writes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from medagent.audit.second_reader import Marked

_ANY_PATH = re.compile("", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a kept value looks like: `fits` judges it whole; it counts where `path` is found in the text's path.

    `inside` lets it stand in a longer text too, as a time does in a log line: as a whole word there.
    """

    rule: str
    fits: Callable[[str], bool]
    path: re.Pattern[str] = _ANY_PATH
    inside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """A mark, and the rule of the shape that it passed by; one without a rule is open."""

    mark: Marked
    settled: Literal["kept_shape", "open"]
    rule: str | None


def matching(rule: str, pattern: str, *, path: str = "", inside: bool = False) -> Shape:
    """The shape of what a regular expression matches whole (ASCII classes)."""
    regex = re.compile(pattern, re.ASCII)
    return Shape(
        rule=rule,
        fits=lambda value: regex.fullmatch(value) is not None,
        path=re.compile(path, re.ASCII),
        inside=inside,
    )


def member(rule: str, members: Iterable[str], *, path: str = "") -> Shape:
    """The shape of what stands on a list: a roster, an enumeration, the texts of a program."""
    listed = frozenset(members)
    return Shape(rule=rule, fits=lambda value: value in listed, path=re.compile(path, re.ASCII))


_DAY = r"20\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])"
MACHINE_SHAPES: Sequence[Shape] = (
    matching("uuid", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", inside=True),
    matching("hex digest or id", r"[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{32}|[0-9a-f]{16}", inside=True),
    matching("pseudonym", r"psn_[0-9a-f]{8}_[0-9a-f]{32}", inside=True),
    matching("ISO time", _DAY + r"[T ]([01]\d|2[0-3])(:[0-5]\d){1,2}([.,]\d{3,6})?(Z|[+-]\d\d:\d\d)?", inside=True),
    matching("placeholder", r"<[A-Z_]{4,30}>", inside=True),
    matching("software version", r"\d{1,3}(\.\d{1,3}){1,3}", path=r"(^|[._])version$"),
)
"""What machines write into fields of any name; a policy's kept values need shapes of their own."""


def settle(marks: Iterable[Marked], shapes: Sequence[Shape]) -> list[Settled]:
    """Each mark with the first shape that covers it whole; on any doubt it stays open."""
    settled = []
    for mark in marks:
        rule = next((shape.rule for shape in shapes if shape.path.search(mark.path) and _covers(shape, mark)), None)
        settled.append(Settled(mark=mark, settled="open" if rule is None else "kept_shape", rule=rule))
    return settled


def _covers(shape: Shape, mark: Marked) -> bool:
    if shape.fits(mark.text):
        return True
    return shape.inside and any(
        start <= mark.start and mark.end <= end and shape.fits(mark.text[start:end]) for start, end in _words(mark)
    )


def _words(mark: Marked) -> Iterable[tuple[int, int]]:
    """Words and pairs of words around the mark, without the brackets, quotes, commas and equal signs beside them."""
    words = [match.span() for match in re.finditer(r"[^\s\"'=,;()\[\]{}]+", mark.text)]
    for number, (start, end) in enumerate(words):
        if end > mark.start and start < mark.end:
            yield start, end
            yield start, words[min(number + 1, len(words) - 1)][1]
            yield words[max(number - 1, 0)][0], end
