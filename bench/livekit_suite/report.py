"""Results of a run of the suite, as one document and as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.livekit_suite.suite import SuiteRun

_VERDICTS = ("agrees", "admits", "silent")


@dataclass(slots=True, kw_only=True)
class Report:
    """The runs of LiveKit's tests without and with tracing, and of its examples with it."""

    versions: Mapping[str, str]
    plain: SuiteRun | None = None
    traced: SuiteRun | None = None
    examples: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    least_examples: int = 0
    """Least number of examples that must be played to the end."""

    def changed(self) -> list[str]:
        """Return the tests that pass without tracing and not with it."""
        if self.plain is None or self.traced is None:
            return []
        return [
            name
            for name, outcome in self.plain.tests.items()
            if outcome == "passed" and self.traced.tests.get(name) != "passed"
        ]

    def sessions(self, part: str) -> list[Mapping[str, Any]]:
        """Return the compared sessions of `tests` or `examples`."""
        if part == "tests":
            return [] if self.traced is None else list(self.traced.sessions)
        return [session for one in self.examples.values() for session in one["sessions"]]

    def silent(self) -> list[Mapping[str, Any]]:
        """Return the sessions whose trace is wrong and does not say so."""
        return [one for part in ("tests", "examples") for one in self.sessions(part) if one["verdict"] == "silent"]

    def wrapped(self) -> list[str]:
        """Return what was left on the models of closed sessions."""
        return [
            f"{one['owner']}: {', '.join(one['wrapped'])}"
            for part in ("tests", "examples")
            for one in self.sessions(part)
            if one["wrapped"]
        ]

    def remained(self) -> list[str]:
        """Return threads, tasks and descriptors that were there after the end, or grew with the sessions."""
        if self.traced is None:
            return []
        ends = {"threads": self.traced.end["threads"], "tasks": self.traced.end["tasks"]}
        found = [f"after the end: {kind} {', '.join(names)}" for kind, names in ends.items() if names]
        found += [f"{one['owner']}: task {name}" for one in self.traced.remaining for name in one["tasks"]]
        return found + [f"grew with the sessions: {kind}" for kind in _growing(self.traced.remaining)]

    def played(self) -> int:
        """Return how many examples started a session and were talked to."""
        return sum(one["outcome"] == "passed" for one in self.examples.values())

    def failures(self) -> list[str]:
        """Return each reason for which the measure is not passed."""
        few = [] if self.played() >= self.least_examples else [f"examples played: {self.played()}"]
        return [
            *few,
            *(f"changed: {name}" for name in self.changed()),
            *(f"silent: {one['owner']} session {one['number']}" for one in self.silent()),
            *(f"remained: {one}" for one in (*self.remained(), *self.wrapped())),
        ]

    def document(self) -> dict[str, Any]:
        """Return everything that was measured, as JSON holds it."""
        return {
            "versions": dict(self.versions),
            "tests": {} if self.traced is None else self.traced.tests,
            "tests_without": {} if self.plain is None else self.plain.tests,
            "changed": self.changed(),
            "remained": [*self.remained(), *self.wrapped()],
            "sessions": {part: self.sessions(part) for part in ("tests", "examples")},
            "examples": {name: {"outcome": one["outcome"]} for name, one in self.examples.items()},
            "failures": self.failures(),
        }


_LAST_READINGS = 5


def _growing(readings: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what a process has more of at the end than when a fifth of its sessions were over.

    The end is the least of the last readings: SQLite opens a directory for the moment of a sync.
    """
    known = [one for one in readings if one["threads"]]
    if len(known) < 2 * _LAST_READINGS:
        return
    early = known[len(known) // 5]
    for kind in ("threads", "descriptors"):
        late = min(known[-_LAST_READINGS:], key=lambda one: len(one[kind]))
        if len(late[kind]) > len(early[kind]):
            yield f"{kind} {sorted(set(late[kind]) - set(early[kind])) or len(late[kind]) - len(early[kind])}"


def table(report: Report) -> str:
    """Return the report as text: a line for each session that does not agree, and the totals."""
    lines = []
    for part in ("tests", "examples"):
        for one in report.sessions(part):
            if one["verdict"] != "agrees":
                lines.append(f"{one['verdict']:7} {one['owner']} #{one['number']}")
                for found in one["differences"]:
                    admitted = "  in missing" if found["admitted"] else ""
                    lines.append(
                        f"        {found['kind']}: LiveKit {found['livekit']}, trace {found['trace']}{admitted}"
                    )
    lines += [f"{one['outcome']}: {name}" for name, one in report.examples.items() if one["outcome"] != "passed"]
    lines.append("")
    lines.append(f"{'':10}{'sessions':>9}" + "".join(f"{verdict:>8}" for verdict in _VERDICTS))
    for part in ("tests", "examples"):
        counted = Counter(one["verdict"] for one in report.sessions(part))
        lines.append(f"{part:10}{counted.total():>9}" + "".join(f"{counted[verdict]:>8}" for verdict in _VERDICTS))
    if report.plain is not None and report.traced is not None:
        outcomes = [Counter(run.tests.values()) for run in (report.plain, report.traced)]
        lines.append(f"tests that pass: {outcomes[0]['passed']} without tracing, {outcomes[1]['passed']} with it")
    if report.examples:
        lines.append(f"examples played: {report.played()} of {len(report.examples)}, at least {report.least_examples}")
    lines += [f"changed: {name}" for name in report.changed()]
    lines += [f"remained: {one}" for one in (*report.remained(), *report.wrapped())]
    return "\n".join(lines)
