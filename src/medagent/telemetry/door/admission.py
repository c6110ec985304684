"""The first part of the door: before it is stored, a span is looked at by eyes that the redactor does not use.

Everything a known value could be recognised by is compared here in its plainest form: letters and digits only, case
folded. A machine field (an id, a hash, a number in its range, a time) is held to its declared shape instead.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from medagent.errors import DoorError
from medagent.proof import Json
from medagent.proof.keys import PSEUDONYM_SHAPE
from medagent.redaction.policy import REDACTED, WITHHELD, Action, Category, Policy, Rule
from medagent.redaction.shapes import Moment, is_sayable
from medagent.telemetry.span import SafeSpan

_YEAR = re.compile(r"\d{4}", re.ASCII)
_SHORTEST_DIGITS = 7
_DATE_DIGITS = 8
_SHORTEST_JOINED = 7
_SHORTEST_PART = 3
_SHORTEST_WORD = 2
_SHORTEST_COUNT = 5
_NOT_A_NAME = frozenset({"mrs", "miss", "prof", "professor", "doctor", "sir", "madam"})
_SHAPES_OF_IDENTIFIERS = {
    "an e-mail address": re.compile(r"[^\s@]+@[^\s@]+\.[a-z]{2,}", re.IGNORECASE),
    "a social security number": re.compile(r"(?<!\d)\d{3}-\d{2}-\d{4}(?!\d)"),
    "a phone number": re.compile(r"(?<![\w-])\+?\d(?:[ ().-]{0,2}\d){8,14}(?![\w-])"),
    "a web address": re.compile(r"\bhttps?://|\bwww\.", re.IGNORECASE),
}
_LONG_NUMBER = re.compile(r"\d(?:\W?\d){4,}")
_DATE = re.compile(r"\d{1,4}\s*[-/.]\s*\d{1,2}\s*[-/.]\s*\d{1,4}")


def identifier_shape(text: str) -> str | None:
    """Which kind of identifier a text seems to hold, by its shape alone; None: none of those the door knows."""
    return next((what for what, shape in _SHAPES_OF_IDENTIFIERS.items() if shape.search(text)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A span that passed admission, with the digest of what passed; nothing else gets into the outbox."""

    span: SafeSpan
    digest: str


class Admission:
    """Checks each span of one call against the call's known values and against shapes that its fields may not have."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._forms: list[_Form] = []

    def admit(self, span: SafeSpan, known: Sequence[tuple[str, str]]) -> Admitted:
        """Let a span pass; raises `DoorError`, naming path and rule, where it holds what it must not.

        `known` is the call's (category, value) pairs so far, of which no call of this method sees fewer than the last.
        """
        self._forms += [_Form.of(str(category), value) for category, value in known[len(self._forms) :]]
        declared = span.name in self._policy.spans
        if not declared and any(form.stands_in(span.name, free=False) for form in self._forms):
            raise DoorError("the name of a tool's span holds a known value of this call")
        for path, value in _leaves(span.fields, ()):
            rule = self._policy.rule_for(span.name, path)
            if rule is None:
                raise DoorError(f"{span.name}: {_shown(path)}: no rule names this field")
            self._check(span.name, path, value, rule)
        return Admitted(span=span, digest=span.digest())

    def _check(self, name: str, path: tuple[str | int, ...], value: Json, rule: Rule) -> None:
        if value is None or value in (REDACTED, WITHHELD):
            return
        if rule.action in (Action.REDACT, Action.DROP):
            raise DoorError(f"{name}: {_shown(path)}: is there although its rule takes it away")
        if rule.action is Action.PSEUDONYM or _is_machine(rule):
            if not _has_shape(value, rule):
                raise DoorError(f"{name}: {_shown(path)}: has not the shape that its rule declares")
            if any(form.is_number(value) or form.is_date(value, rule) for form in self._forms):
                raise DoorError(f"{name}: {_shown(path)}: is a number or date that this call knows as an identifier")
            return
        text = str(value)
        for form in self._forms:
            if form.stands_in(text, free=rule.free_text):
                raise DoorError(f"{name}: {_shown(path)}: holds a known {form.category} of this call")
        for what, shape in _SHAPES_OF_IDENTIFIERS.items():
            if rule.category is not Category.MACHINE and shape.search(text):  # a long version looks like a number
                raise DoorError(f"{name}: {_shown(path)}: holds what looks like {what}")


def refuse_identifiers(text: str, where: str) -> None:
    """Look at a text of no call, which no known value can judge; raises `DoorError` where it may hold an identifier."""
    shapes = _SHAPES_OF_IDENTIFIERS | {"a number that could be somebody's": _LONG_NUMBER, "a date": _DATE}
    for what, shape in shapes.items():
        if shape.search(text):
            raise DoorError(f"{where}: holds what looks like {what}")


def _is_machine(rule: Rule) -> bool:
    """Whether the rule declares a value that no person could have said: it is held to its shape alone."""
    return rule.action is Action.KEEP and not is_sayable(rule.shape)


def _has_shape(value: Json, rule: Rule) -> bool:
    if rule.action is Action.PSEUDONYM:
        return isinstance(value, str) and PSEUDONYM_SHAPE.fullmatch(value) is not None
    if rule.condition is not None and isinstance(value, str) and _YEAR.fullmatch(value):
        return True
    return rule.shape is not None and rule.shape.fits(value, {})


def _shown(path: tuple[str | int, ...]) -> str:
    return ".".join("[]" if isinstance(step, int) else step for step in path)


def _leaves(value: Json, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Json]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for number, inner in enumerate(value):
            yield from _leaves(inner, (*path, number))
    else:
        yield path, value


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """A known value reduced to what is compared: its words, plain and case-folded, and its digits alone."""

    category: str
    words: tuple[str, ...]
    parts: frozenset[str]
    digits: str

    @classmethod
    def of(cls, category: str, value: str) -> _Form:
        parts = frozenset(word for word in _words(_without_apostrophes(value)) if len(word) >= _SHORTEST_PART)
        names = parts - _NOT_A_NAME if category == "name" else frozenset()
        return cls(category=category, words=tuple(_words(value)), parts=names, digits=_digits(value))

    def is_number(self, value: Json) -> bool:
        """Whether a whole number is this value; a short one is by chance the same as some count."""
        whole = isinstance(value, int | float) and float(value).is_integer()
        return whole and len(self.digits) >= _SHORTEST_DIGITS and self.digits == f"{value:.0f}"

    def is_date(self, value: Json, rule: Rule) -> bool:
        """Whether a time is on this very date."""
        is_time = isinstance(value, str) and isinstance(rule.shape, Moment)
        return is_time and len(self.digits) == _DATE_DIGITS and _digits(str(value)).startswith(self.digits)

    def stands_in(self, text: str, *, free: bool) -> bool:
        """Its words in a row, its letters in any grouping, its digits in any grouping, in free text a name's parts."""
        words = _words(text)
        size = len(self.words)
        joined = "".join(self.words)
        shortest = _SHORTEST_COUNT if joined.isdigit() else _SHORTEST_WORD
        runs = (tuple(words[i : i + size]) for i in range(len(words) - size + 1))
        if len(joined) >= shortest and self.words in runs:
            return True
        if len(joined) >= _SHORTEST_JOINED and joined in "".join(words):
            return True
        if len(self.digits) >= _SHORTEST_DIGITS and self.digits[-10:] in _digits(text):
            return True
        return free and not self.parts.isdisjoint((*words, *_words(_without_apostrophes(text))))


def _digits(text: str) -> str:
    return "".join(c for c in text if c.isdigit())


def _without_apostrophes(text: str) -> str:
    return re.sub("['’]", "", text)


def _words(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", text)
    plain = "".join(c for c in plain if not unicodedata.combining(c)).casefold()
    return re.findall(r"[^\W_]+", plain)
