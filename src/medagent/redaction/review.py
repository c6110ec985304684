"""Is every field of every tool under a rule, and has somebody read exactly these rules?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from medagent.errors import PolicyError
from medagent.proof import digest
from medagent.redaction.policy import Policy, Review, leaves, steps_of


class Problem(StrEnum):
    """Why a tool does not pass."""

    UNNAMED = "unnamed"
    UNREVIEWED = "unreviewed"
    CHANGED = "changed"
    SAME_NAME = "same_name"
    """Two spellings of a tool or field have one name."""
    UNSEEN = "unseen"
    """A part of the agent could not be seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """One reason against a tool's rules; `fields` are declared paths, never values."""

    span: str
    problem: Problem
    says: str
    fields: tuple[str, ...] = ()


def unnamed(policy: Policy, span: str, paths: Iterable[str]) -> tuple[str, ...]:
    """The paths that no rule names, themselves or with all that they stand in: what stands there is dropped."""
    return tuple(path for path in paths if not _is_named(policy, span, _indexed(path)))


def _is_named(policy: Policy, span: str, path: tuple[str | int, ...]) -> bool:
    return any(policy.rule_for(span, path[:depth]) is not None for depth in range(1, len(path) + 1))


def digest_of(policy: Policy, span: str, paths: Iterable[str]) -> str:
    """What a reviewer signs: every compiled rule of the span, and the names of all fields that its tool declares."""
    rules = {leaf.path: leaf.rule.document() for leaf in leaves(policy.tree(span))}
    return digest({"span": span, "rules": rules, "fields": sorted(paths)})


def objections(policy: Policy, tools: Mapping[str, tuple[str, ...]]) -> Iterator[Objection]:
    """What speaks against a policy, given each tool's span and the paths that its records may fill."""
    for span, paths in tools.items():
        if bare := unnamed(policy, span, paths):
            yield Objection(span=span, problem=Problem.UNNAMED, says="no rule names", fields=bare)
        review = policy.reviews.get(span)
        if review is None:
            yield Objection(span=span, problem=Problem.UNREVIEWED, says="its rules are not reviewed")
        elif review.digest != digest_of(policy, span, paths):
            said = f"its rules or fields changed since the review of {review.on.isoformat()} by {review.by}"
            yield Objection(span=span, problem=Problem.CHANGED, says=said)


def review_line(review: Review) -> str:
    """A review as a policy says it, on one line."""
    by = json.dumps(review.by, ensure_ascii=False)
    return f"reviewed: {{by: {by}, on: {review.on.isoformat()}, digest: {review.digest}}}"


def with_review(text: str, span: str, review: Review, *, file: str) -> str:
    """A policy's text with the review of one span, all else as it stands; raises `PolicyError` for another layout.

    The layout is the packaged policies' own: `spans:`, two blanks and a span's name, four and its rules.
    """
    lines = text.splitlines()
    if "spans:" not in lines:
        raise PolicyError(f"{file}: has no line 'spans:'", hint="write the line that `policy review` prints yourself")
    line, head = f"    {review_line(review)}", f"  {span}:"
    if head not in lines:
        after = lines.index("spans:") + 1
        lines[after:after] = [head, line, ""]
    else:
        after = lines.index(head) + 1
        has_one = after < len(lines) and lines[after].startswith("    reviewed:")
        lines[after : after + has_one] = [line]
    return "\n".join(lines) + "\n"


def _indexed(path: str) -> tuple[str | int, ...]:
    return tuple(0 if step == "[]" else step for step in steps_of(path))
