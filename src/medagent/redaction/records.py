"""What goes into the redactor and what comes out of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from medagent.proof import Json
from medagent.redaction.policy import Action, Category


class Record(Protocol):
    """Raw fields of one span, as a call produced them; whoever implements it keeps them out of its repr."""

    @property
    def name(self) -> str:
        """The span's name, such as `tool.<name>`."""

    @property
    def fields(self) -> Mapping[str, object]:
        """Raw values, of any type, from anyone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One decision: the declared path (`<unnamed>` for a key of nobody's, `<span>` for its name); never the value."""

    path: str
    category: Category | None
    rule: str | None
    action: Action
    withheld: tuple[str, ...] = ()
    """The language of each text or sentence of the value that did not leave because it is not English."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How often each action was taken, and how many values of each category did not leave as they were."""

    actions: Mapping[Action, int] = field(default_factory=dict)
    categories: Mapping[Category, int] = field(default_factory=dict)
    languages: Mapping[str, int] = field(default_factory=dict)
    """Texts and sentences that did not leave because they are not English, by their language."""

    @property
    def dropped(self) -> int:
        """Values that left no trace in the output: by rule, or because no rule named them."""
        return self.actions.get(Action.DROP, 0)

    @classmethod
    def of(cls, findings: Iterable[Finding]) -> Counts:
        """Count decisions."""
        actions: dict[Action, int] = {}
        categories: dict[Category, int] = {}
        languages: dict[str, int] = {}
        for finding in findings:
            action, category = finding.action, finding.category
            actions[action] = actions.get(action, 0) + 1
            if category is not None and action is not Action.KEEP:
                categories[category] = categories.get(category, 0) + 1
            for language in finding.withheld:
                languages[language] = languages.get(language, 0) + 1
        return cls(actions=actions, categories=categories, languages=languages)

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            actions={a: self.actions.get(a, 0) + other.actions.get(a, 0) for a in {*self.actions, *other.actions}},
            categories={
                c: self.categories.get(c, 0) + other.categories.get(c, 0) for c in {*self.categories, *other.categories}
            },
            languages={
                language: self.languages.get(language, 0) + other.languages.get(language, 0)
                for language in {*self.languages, *other.languages}
            },
        )

    def document(self) -> dict[str, dict[str, int]]:
        """Return all actions and categories by their lower-case names, zeros included, as the guardrail reports them.

        Languages for which a text was withheld are there only where there are any, as `withheld.language_es`.
        """
        counts = {
            "actions": {action.value.lower(): self.actions.get(action, 0) for action in Action},
            "categories": {category.value: self.categories.get(category, 0) for category in Category},
        }
        if self.languages:
            counts["withheld"] = {f"language_{code}": times for code, times in sorted(self.languages.items())}
        return counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Redacted:
    """What may become a span: its name and the fields that are left, and every decision that led there."""

    name: str
    fields: dict[str, Json] = field(repr=False)
    counts: Counts
    findings: tuple[Finding, ...]
