"""Marks of the second reader that are no leaks: values that are, sign for sign, what a machine or a roster writes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from medagent.audit.second_reader import Marked
from medagent.redaction.policy import Policy, steps_of
from medagent.redaction.safe_harbor import all_rules
from medagent.redaction.shapes import Rosters
from medagent.redaction.shapes import Shape as PolicyShape

_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d([.,]\d{3,6})?)?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_ANY_PATH = re.compile("", re.ASCII)
_STANDARD_NAMES = {
    "provider": ("gen_ai.provider.name",),
    "model": ("gen_ai.request.model", "gen_ai.response.model", "ls_model_name", "llm.model_name", "mlflow.llm.model"),
    "agent_name": ("gen_ai.agent.name", "agent.name"),
    "agent_version": ("gen_ai.agent.version",),
}
"""Names of conventions and backends under which a field's value is exported too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a kept value looks like: `fits` judges it whole; it counts where `path` is found in the text's path.

    `inside` lets it be in a longer text too, as a time does in a log line: as a whole word there.
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
    """The shape of what is on a list: a roster, an enumeration, the texts of a program."""
    listed = frozenset(members)
    return Shape(rule=rule, fits=lambda value: value in listed, path=re.compile(path, re.ASCII))


MACHINE_SHAPES: Sequence[Shape] = (
    matching("uuid", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", inside=True),
    matching("SHA-256", r"[0-9a-f]{64}", inside=True),
    matching("hex id with a letter", r"(?=\d*[a-f])([0-9a-f]{16}|[0-9a-f]{32})", inside=True),
    matching("trace or span id", r"[0-9a-f]{16}|[0-9a-f]{32}", path=r"(?i:trace|span)_?(?i:id)$"),
    matching("pseudonym", r"psn_[0-9a-f]{8}_[0-9a-f]{32}", inside=True),
    matching("placeholder", r"<[A-Z_]{4,30}>", inside=True),
)
"""What machines write into fields of any name; times, a policy's kept values and versions need shapes of their own."""


def moment(rule: str, begin: datetime, end: datetime) -> Shape:
    """An ISO 8601 time between two moments (aware): what a clock wrote during a run; one without a zone is in UTC."""

    def fits(value: str) -> bool:
        if not _TIME.fullmatch(value):
            return False
        try:
            read = datetime.fromisoformat(value.replace(",", "."))
        except ValueError:
            return False
        return begin <= (read if read.tzinfo else read.replace(tzinfo=UTC)) <= end

    return Shape(rule=rule, fits=fits, inside=True)


def declared_shapes(policy: Policy, rosters: Rosters) -> list[Shape]:
    """Return the shapes of what a policy keeps, each under its own and its standard names, and the names that it gives.

    A path is one of names and numbers between dots or brackets; what is before the declared part does not count.
    """
    names = {name for name in policy.spans if not name.endswith("*")}
    shapes = []
    for field, rule in all_rules(policy):
        steps = steps_of(field.partition(": ")[2] or field)
        names.update(steps)
        if rule.shape is not None:
            suffix = "".join(r"[.\[]\d+\]?" if step == "[]" else rf"(?:^|\.)(?:{_named(step)})" for step in steps)
            shapes.append(_declared(f"policy: {field}", rule.shape, rosters, re.compile(suffix + "$", re.ASCII)))
    return [member("policy: a name that it gives", names), *shapes]


def _named(step: str) -> str:
    return "|".join(map(re.escape, (step, *_STANDARD_NAMES.get(step, ()))))


def _declared(rule: str, shape: PolicyShape, rosters: Rosters, path: re.Pattern[str]) -> Shape:
    return Shape(rule=rule, fits=lambda value: shape.fits(value, rosters), path=path)


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
