"""HIPAA's Safe Harbor (45 CFR 164.514(b)(2)): its eighteen identifiers, and what a policy does about each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from medagent.proof import Json
from medagent.redaction.policy import Example, Policy, Rule, leaves
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One identifier: the rules that carry it, and the policy's examples that hold one, with what came of them."""

    letter: str
    identifier: str
    rules: Mapping[str, Rule]
    examples: Mapping[str, bool]

    def document(self) -> dict[str, Json]:
        """The row for a script."""
        fields: list[Json] = [
            {"field": field, "action": rule.action.value, "source": rule.source} for field, rule in self.rules.items()
        ]
        examples: list[Json] = [{"name": name, "passed": passed} for name, passed in self.examples.items()]
        return {"letter": self.letter, "identifier": self.identifier, "fields": fields, "examples": examples}


def matrix(policy: Policy) -> tuple[Row, ...]:
    """The eighteen rows, A to R; an identifier that no rule names has no fields: it is dropped wherever it stands."""
    named = dict(all_rules(policy))
    tried = {example.name: (run(example, policy).passed, _letters(policy, example)) for example in policy.examples}
    return tuple(
        Row(
            letter=letter,
            identifier=identifier,
            rules={field: rule for field, rule in named.items() if rule.safe_harbor == letter},
            examples={name: passed for name, (passed, letters) in tried.items() if letter in letters},
        )
        for letter, identifier in IDENTIFIERS.items()
    )


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
