"""The first part of the door: before it is stored, a span is looked at by eyes that the redactor does not use.

Everything a known value could be recognised by is compared here in its plainest forms (`forms.py`). A machine field (an
id, a hash, a number in its range, a time) is held to its declared shape, and must not be the known value itself. A
member of a list must be on it, and not be a known value as a whole. What else is kept must not hold a known value, nor,
where a person could have said it, a part of one (`parts.py`); the redactor has code of its own for the same.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from medagent.errors import DoorError
from medagent.proof import Json, canonical
from medagent.proof.keys import PSEUDONYM_SHAPE
from medagent.redaction.lists import CODE_LISTS
from medagent.redaction.policy import REDACTED, WITHHELD, Action, Category, Policy, Rule
from medagent.redaction.shapes import ListMember, Member, Moment, Rosters, Setting, Shape, is_closed, is_sayable
from medagent.telemetry.door.forms import Form, Reading, without_apostrophes, words
from medagent.telemetry.span import SafeSpan

_YEAR = re.compile(r"\d{4}", re.ASCII)
_MOST_PASSED = 1_000
_SHAPES_OF_IDENTIFIERS = {
    "an e-mail address": re.compile(r"[^\s@]+@[^\s@]+\.[a-z]{2,}", re.IGNORECASE),
    "a social security number": re.compile(r"(?<!\d)\d{3}-\d{2}-\d{4}(?!\d)"),
    "a phone number": re.compile(r"(?<![\w-])\+?\d(?:[ ().-]{0,2}\d){8,14}(?![\w-])"),
    "a web address": re.compile(r"\bhttps?://|\bwww\.", re.IGNORECASE),
}
_LONG_NUMBER = re.compile(r"\d(?:\W?\d){4,}")
_DIGITS_OF_A_FRACTION = 7
"""So many digits around a decimal point may be a phone number; the redactor counts by a constant of its own."""
_DATE = re.compile(r"\d{1,4}\s*[-/.]\s*\d{1,2}\s*[-/.]\s*\d{1,4}")


def identifier_shape(text: str) -> str | None:
    """Which kind of identifier a text seems to hold, by its shape alone; None: none of those the door knows."""
    return next((what for what, shape in _SHAPES_OF_IDENTIFIERS.items() if shape.search(text)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A span that passed admission, with the digest of what passed; nothing else gets into the outbox."""

    span: SafeSpan
    body: bytes
    """Its canonical form, as it is stored."""
    digest: str

    @classmethod
    def of(cls, span: SafeSpan) -> Admitted:
        """What passed, in the form that it is stored and digested in."""
        body = canonical(span.body())
        return cls(span=span, body=body, digest=hashlib.sha256(body).hexdigest())


class Admission:
    """Checks each span of one call against the call's known values and against shapes that its fields may not have."""

    def __init__(self, policy: Policy, *, lists: Rosters | None = None) -> None:
        """Take the closed lists that the application gave; a member of any other is judged like another text."""
        self._policy = policy
        self._lists: Rosters = lists or {}
        self._forms: list[Form] = []
        self._passed: set[tuple[str, bool]] = set()

    def admit(self, span: SafeSpan, known: Sequence[tuple[str, str]]) -> Admitted:
        """Let a span pass; raises `DoorError`, naming path and rule, where it holds what it must not.

        `known` is the call's (category, value) pairs so far, of which no call of this method sees fewer than the last.
        """
        if len(known) > len(self._forms):
            self._forms += [Form.of(str(category), value) for category, value in known[len(self._forms) :]]
            self._passed.clear()
        if span.name not in self._policy.spans and self._holding(span.name, free=False):
            raise DoorError("the name of a tool's span holds a known value of this call")
        name = self._told(span)
        self._check_ids(span)
        texts: list[str] = []
        for path, value in _leaves(span.fields, ()):
            rule = self._policy.rule_for(span.name, path)
            if rule is None:
                raise DoorError(f"{name}: a field that no rule names")  # nor is its path told: a key may be a name
            self._check(name, path, value, rule)
            if rule.free_text and isinstance(value, str) and value not in (REDACTED, WITHHELD):
                texts.append(value)
        if len(texts) > 1 and (form := self._holding(" ".join(texts), free=True)):
            raise DoorError(f"{name}: its texts, read as one, hold a known {form.category} of this call")
        return Admitted.of(span)

    def _check_ids(self, span: SafeSpan) -> None:
        if span.policy_digest != self._policy.digest:
            raise DoorError(f"{self._told(span)}: policy_digest: is not that of the policy in force")
        ids = {"trace_id": span.trace_id, "span_id": span.span_id}
        ids |= {f"ancestors.{number}": step.span_id for number, step in enumerate(span.ancestors)}
        for where, value in ids.items():
            plain = value.replace("-", "")
            if any(form.is_in_id(plain) for form in self._forms):
                raise DoorError(f"{self._told(span)}: {where}: holds a known value of this call")

    def _told(self, span: SafeSpan) -> str:
        """How a refusal names a span: it is logged and kept in the ledger, so that a name of nobody's is not told."""
        return span.name if span.name in self._policy.spans else f"{span.kind.value} of no declared name"

    def _holding(self, text: str, *, free: bool) -> Form | None:
        reading = Reading.of(text)
        return next((form for form in self._forms if form.stands_in(reading, free=free)), None)

    def _check(self, name: str, path: tuple[str | int, ...], value: Json, rule: Rule) -> None:
        if value is None or value in (REDACTED, WITHHELD):
            return
        if rule.action in (Action.REDACT, Action.DROP):
            raise DoorError(f"{name}: {_shown(path)}: is there although its rule takes it away")
        if rule.action is Action.PSEUDONYM or _is_machine(rule) or _is_pseudonym(value, rule):
            if not (_has_shape(value, rule) or _is_pseudonym(value, rule)):
                raise DoorError(f"{name}: {_shown(path)}: has not the shape that its rule declares")
            if self._is_known(value, rule):
                raise DoorError(f"{name}: {_shown(path)}: is a number or date that this call knows as an identifier")
            return
        text = str(value)
        if rule.action is Action.KEEP and (shape := self._list_of(rule)) is not None:
            if not shape.fits(value, self._lists):
                raise DoorError(f"{name}: {_shown(path)}: is not on the list that its rule declares")
            row = words(without_apostrophes(text))
            if form := next((form for form in self._forms if form.part.is_member(row)), None):
                raise DoorError(f"{name}: {_shown(path)}: is a known {form.category} of this call")
            return
        self._check_text(name, path, text, rule)

    def _check_text(self, name: str, path: tuple[str | int, ...], text: str, rule: Rule) -> None:
        """Look for known values, for parts of them where a person could have said it, and for shapes of identifiers."""
        may_have_parts = rule.action is not Action.KEEP or isinstance(rule.shape, Setting | Member)
        asked = (text, may_have_parts)
        if rule.free_text or asked not in self._passed:
            if form := self._holding(text, free=rule.free_text):
                raise DoorError(f"{name}: {_shown(path)}: holds a known {form.category} of this call")
            if not may_have_parts and (form := self._holding_part(text)):
                raise DoorError(f"{name}: {_shown(path)}: holds a part of a known {form.category} of this call")
            if not rule.free_text and len(self._passed) < _MOST_PASSED:
                self._passed.add(asked)
        for what, shape in _SHAPES_OF_IDENTIFIERS.items():
            if rule.category is not Category.MACHINE and shape.search(text):  # a long version looks like a number
                raise DoorError(f"{name}: {_shown(path)}: holds what looks like {what}")

    def _holding_part(self, text: str) -> Form | None:
        joined = "".join(words(text))
        return next((form for form in self._forms if form.part.is_in(joined)), None)

    def _list_of(self, rule: Rule) -> Shape | None:
        """The shape of a rule that declares a list whose members are known here; None for any other."""
        match rule.shape:
            case Member(roster=name) if name in self._lists:
                return rule.shape
            case ListMember(name=name, added=added) if name in self._lists or name in CODE_LISTS or added:
                return rule.shape
            case _:
                return None

    def _is_known(self, value: Json, rule: Rule) -> bool:
        """Whether a value of a machine's shape is a known value all the same."""
        if isinstance(value, str):
            if isinstance(rule.shape, Moment):
                return any(form.is_day(value) for form in self._forms)
            plain = value.removeprefix("psn_").replace("_", "")
            return rule.may_pseudonymise and any(form.is_in_id(plain) for form in self._forms)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if float(value).is_integer():
            digits = f"{abs(value):.0f}"
        elif len(digits := repr(abs(value)).replace(".", "")) < _DIGITS_OF_A_FRACTION:
            return False  # what has a short fraction was measured
        return any(form.part.is_number(digits) for form in self._forms)


def refuse_identifiers(text: str, where: str) -> None:
    """Look at a text of no call, which no known value can judge; raises `DoorError` where it may hold an identifier."""
    shapes = _SHAPES_OF_IDENTIFIERS | {"a number that could be somebody's": _LONG_NUMBER, "a date": _DATE}
    for what, shape in shapes.items():
        if shape.search(text):
            raise DoorError(f"{where}: holds what looks like {what}")


def _is_machine(rule: Rule) -> bool:
    """Whether the rule declares a value that no person could have said: it is held to its shape alone."""
    shape = rule.shape
    return rule.action is Action.KEEP and not (is_sayable(shape) or is_closed(shape) or isinstance(shape, Setting))


def _is_pseudonym(value: Json, rule: Rule) -> bool:
    """Whether a value is a pseudonym that its rule puts where a condition does not hold."""
    return rule.may_pseudonymise and isinstance(value, str) and PSEUDONYM_SHAPE.fullmatch(value) is not None


def _has_shape(value: Json, rule: Rule) -> bool:
    if rule.action is Action.PSEUDONYM:
        return isinstance(value, str) and PSEUDONYM_SHAPE.fullmatch(value) is not None
    is_year = isinstance(value, str) and _YEAR.fullmatch(value) is not None
    if is_year and rule.condition is not None and rule.condition.then is Action.BUCKET:
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
