"""A line of `medagent doctor`: one thing that was looked at, how it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from medagent.errors import MedagentError
from medagent.proof import Json
from medagent.telemetry.failures import Explanation


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at: how it is, and what to do about it."""

    what: str
    state: Literal["ok", "note", "missing"]
    says: str
    hint: str = ""
    failure: Explanation | None = None
    """Why a destination did not take a trace."""

    def document(self) -> dict[str, Json]:
        """Return the fields of a JSON line."""
        about: dict[str, Json] = {"what": self.what, "state": self.state, "says": self.says, "hint": self.hint}
        return about if self.failure is None else about | self.failure.document()


def missing(what: str, error: MedagentError, *, variable: str | None = None) -> Finding:
    """Return the finding of an error, with the variable in front where the error does not name it."""
    says = str(error)
    if variable is None or variable in says:
        return Finding(what=what, state="missing", says=says, hint=error.hint)
    return Finding(what=what, state="missing", says=f"{variable}: {says}", hint=error.hint or f"change {variable}")


def without_repeats(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings without those that another one covers.

    An error that several checks met is one line, and a destination with an address that cannot be used is not ok.
    """
    failed = {one.what for one in findings if one.state == "missing" and one.failure is None}
    kept: list[Finding] = []
    for one in findings:
        is_covered = one.state == "ok" and one.what in failed & _WITH_AN_ADDRESS
        is_repeated = one.state == "missing" and any(
            other.state == "missing" and one.says in other.says and (one.what != other.what or one.says == other.says)
            for other in kept
        )
        if not (is_covered or is_repeated):
            kept.append(one)
    return kept


_WITH_AN_ADDRESS = frozenset({"langsmith", "otlp", "langfuse", "jsonlog", "slack", "pagerduty", "model", "livekit"})
