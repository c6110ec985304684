"""Outcomes that tools declare: what a call has come to once a tool did what it was asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from medagent.errors import OutcomeError
from medagent.snake_case import same_name, snake_case

OUTCOME_WORD = re.compile(r"[a-z][a-z_]{0,40}")
_OF_THE_CALL = frozenset({"refused", "abandoned", "failed", "no_answer", "busy", "voicemail"})
"""Outcomes that a call has by the way it went, and that no tool can declare."""
_KEYS = {"outcome", "changes"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOutcome:
    """Outcome of a call after a tool succeeded.

    With `changes` the tool changes something beyond the call, as a booking does: the last such tool decides the call's
    outcome. Without it the tool only tells.
    """

    outcome: str = "informed"
    changes: bool = False

    def __post_init__(self) -> None:
        """Raise `OutcomeError` for an outcome that is no word, or that no tool can declare."""
        if (
            not isinstance(self.outcome, str)
            or not OUTCOME_WORD.fullmatch(self.outcome)
            or self.outcome in _OF_THE_CALL
        ):
            raise OutcomeError(
                "outcome of a tool: not usable, expected a word of a-z and _ other than "
                + ", ".join(sorted(_OF_THE_CALL))
            )
        if not isinstance(self.changes, bool):
            raise OutcomeError("changes of a tool: not usable, expected True or False")


INFORMED = ToolOutcome()
"""The outcome of a tool that declares none."""

Outcomes: TypeAlias = Mapping[str, ToolOutcome]
"""The outcome of each tool, by the tool's name."""


class DeclaringTool(Protocol):
    """A tool that declares its outcome itself."""

    @property
    def name(self) -> str:
        """The tool's name."""

    @property
    def outcome(self) -> str:
        """Outcome of a call after the tool succeeded."""

    @property
    def changes(self) -> bool:
        """Whether the tool changes something beyond the call."""


def by_name(outcomes: Outcomes) -> dict[str, ToolOutcome]:
    """Return outcomes by the normalised names of their tools; a tool that has none is left out."""
    return {name: one for spelled, one in outcomes.items() if (name := snake_case(spelled)) is not None}


def outcomes_of(tools: Iterable[DeclaringTool]) -> dict[str, ToolOutcome]:
    """Return what each tool declares.

    Raises:
        OutcomeError: A declaration is not usable.
    """
    return {tool.name: ToolOutcome(outcome=tool.outcome, changes=tool.changes) for tool in tools}


def read_outcomes(given: Mapping[str, object]) -> dict[str, ToolOutcome]:
    """Read outcomes by tool name, in any of the forms that a host may write.

    Args:
        given: for each tool, by its name in any spelling, a `ToolOutcome`, a mapping with `outcome` and `changes`, a
            pair of both, or the outcome alone: then the tool changes something, unless its outcome is `informed`.

    Raises:
        OutcomeError: A name or an outcome is not usable.
    """
    found: dict[str, ToolOutcome] = {}
    spelled = [name for name in given if isinstance(name, str)]
    for name, spellings in same_name(spelled).items():
        several = " and ".join(map(ascii, spellings))
        raise OutcomeError(f"outcomes: {several} are one tool, {name}, expected it once")
    for name, declared in given.items():
        if not isinstance(name, str) or snake_case(name) is None:
            raise OutcomeError(
                "outcomes: a tool's name is not usable, expected the name under which the model calls it"
            )
        try:
            found[name] = _read(declared)
        except OutcomeError as error:
            raise OutcomeError(f"outcomes: {name}: {error}") from None
    return found


def _read(declared: object) -> ToolOutcome:
    match declared:
        case ToolOutcome():
            return declared
        case str():
            return ToolOutcome(outcome=declared, changes=declared != INFORMED.outcome)
        case (str() as outcome, bool() as changes):
            return ToolOutcome(outcome=outcome, changes=changes)
        case Mapping() if "outcome" in declared and set(declared) <= _KEYS:
            if declared.get("changes") is None:
                return _read(declared["outcome"])
            return ToolOutcome(outcome=declared["outcome"], changes=declared["changes"])
    raise OutcomeError("not usable, expected an outcome, or 'outcome' and 'changes'")
