"""HIPAA's Safe Harbor (45 CFR 164.514(b)(2)): its eighteen identifiers, and what a policy does about each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from medagent.proof import Json
from medagent.redaction.policy import Action, Bucket, Category, Example, Policy, Rule, leaves
from medagent.redaction.shapes import Member, Moment
from medagent.redaction.trial import run

IDENTIFIERS: Mapping[str, str] = {
    "A": "names",
    "B": "places smaller than a state",
    "C": "dates except the year, ages over 89",
    "D": "telephone numbers",
    "E": "fax numbers",
    "F": "e-mail addresses",
    "G": "social security numbers",
    "H": "medical record numbers",
    "I": "health plan beneficiary numbers",
    "J": "account numbers",
    "K": "certificate and license numbers",
    "L": "vehicle identifiers, license plates",
    "M": "device identifiers, serial numbers",
    "N": "URLs",
    "O": "IP addresses",
    "P": "biometric identifiers, voice prints",
    "Q": "full-face photographs",
    "R": "any other unique number or code",
}


NOT_IN_TEXT = frozenset("PQ")
"""Sound and pictures: no text can hold them."""
_NOT_OF_THE_PATIENT = frozenset({Category.STAFF, Category.PLACE, Category.CONFIRMATION})
"""A code of one of these is not derived from information about the patient, as 164.514(c) asks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One identifier: the rules that carry it, and the policy's examples that hold one, with what came of them.

    `forms` says for each rule in what form the value is sent; `free_text` are the fields whose words may hold one too.
    """

    letter: str
    identifier: str
    rules: Mapping[str, Rule]
    examples: Mapping[str, bool]
    free_text: tuple[str, ...] = ()

    @property
    def forms(self) -> Mapping[str, str]:
        """In what form each field is sent."""
        return {field: sent_form(rule) for field, rule in self.rules.items()}

    def document(self) -> dict[str, Json]:
        """The row for a script."""
        fields: list[Json] = [
            {"field": field, "action": rule.action.value, "form": sent_form(rule), "source": rule.source}
            for field, rule in self.rules.items()
        ]
        examples: list[Json] = [{"name": name, "passed": passed} for name, passed in self.examples.items()]
        return {
            "letter": self.letter,
            "identifier": self.identifier,
            "fields": fields,
            "free_text": list(self.free_text),
            "examples": examples,
        }


def matrix(policy: Policy) -> tuple[Row, ...]:
    """The eighteen rows, A to R; an identifier that no rule names has no fields: it is dropped wherever it stands."""
    named = dict(all_rules(policy))
    texts = free_text_fields(policy)
    tried = {example.name: (run(example, policy).passed, _letters(policy, example)) for example in policy.examples}
    return tuple(
        Row(
            letter=letter,
            identifier=identifier,
            rules={field: rule for field, rule in named.items() if rule.safe_harbor == letter},
            examples={name: passed for name, (passed, letters) in tried.items() if letter in letters},
            free_text=() if letter in NOT_IN_TEXT else texts,
        )
        for letter, identifier in IDENTIFIERS.items()
    )


def free_text_fields(policy: Policy) -> tuple[str, ...]:
    """Return the fields whose words a caller or a model may choose, scrubbed before they are sent."""
    return tuple(name for name, rule in all_rules(policy) if rule.free_text)


def sent_form(rule: Rule) -> str:
    """Return in what form a rule lets a value out, in words; with a condition, both forms."""
    first = _form(rule, rule.action)
    if rule.condition is None:
        return first
    return f"{first}; under its condition {_form(rule, rule.condition.then)}"


def meets_safe_harbor(rule: Rule) -> bool:
    """Whether what a rule lets out is allowed by Safe Harbor's list, or by 164.514(c) for codes."""
    actions = {rule.action, *([] if rule.condition is None else [rule.condition.then])}
    if actions & {Action.KEEP, Action.TRUNCATE}:
        return False
    return Action.PSEUDONYM not in actions or rule.category in _NOT_OF_THE_PATIENT


def _form(rule: Rule, action: Action) -> str:
    match action:
        case Action.REDACT:
            return "not sent, replaced by a mark"
        case Action.DROP:
            return "not sent, field removed"
        case Action.KEEP:
            return _kept(rule)
        case Action.PSEUDONYM:
            return "keyed pseudonym derived from the value"
        case Action.BUCKET:
            return "year only" if rule.bucket is Bucket.YEAR else "age, over 89 as 90+"
        case Action.TRUNCATE:
            return f"scrubbed text of at most {rule.max} characters"


def _kept(rule: Rule) -> str:
    match rule.shape:
        case Moment():
            return "exact date and time"
        case Member():
            return "exact name, if on the clinic's list"
        case _:
            return "exact value"


def all_rules(policy: Policy) -> Iterator[tuple[str, Rule]]:
    """Every rule once: those by name, then those by path as `span: path`, each where it was written."""
    yield from policy.fields.items()
    for span, tree in policy.spans.items():
        for leaf in leaves(tree):
            if leaf.rule.name == f"spans.{span}.{leaf.path}":
                yield f"{span}: {leaf.path}", leaf.rule


def _letters(policy: Policy, example: Example) -> set[str]:
    rules = (policy.rule_for(policy.span_name(example.span), path) for path in _paths(example.fields, ()))
    return {rule.safe_harbor for rule in rules if rule is not None and rule.safe_harbor is not None}


def _paths(value: Json, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _paths(inner, (*path, key))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for number, inner in enumerate(value):
            yield from _paths(inner, (*path, number))
    else:
        yield path
