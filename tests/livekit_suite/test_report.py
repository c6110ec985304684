"""The report of a run: what makes the measure fail."""

from __future__ import annotations

from typing import Any

import pytest
from bench.livekit_suite.report import Report, table
from bench.livekit_suite.suite import SuiteRun

_NOTHING = {"threads": [], "tasks": [], "descriptors": []}
_ALIVE = {"threads": ["medagent-worker"], "tasks": [], "descriptors": ["/outbox/outbox.db"]}


def session(verdict: str, wrapped: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"owner": "tests/test_x.py::test_y", "number": 0, "verdict": verdict, "differences": [], "wrapped": wrapped}


def suite_run(outcome: str = "passed", **changes: Any) -> SuiteRun:
    made: dict[str, Any] = {
        "tests": {"tests/test_x.py::test_y": outcome, "tests/test_x.py::test_old": "failed"},
        "sessions": [session("agrees"), session("admits")],
        "remaining": [{"owner": "", **_ALIVE}] * 20,
        "end": _NOTHING,
        "log": "",
    }
    return SuiteRun(**(made | changes))


def report(traced: SuiteRun, **changes: Any) -> Report:
    return Report(versions={}, plain=suite_run(), traced=traced, **changes)


def test_report_without_faults_passes() -> None:
    """Sessions that agree or admit, and a test that failed before too, are no failure."""
    assert report(suite_run()).failures() == []


@pytest.mark.parametrize(
    "traced",
    [
        suite_run("failed"),
        suite_run(tests={}),
        suite_run(sessions=[session("silent")]),
        suite_run(sessions=[session("agrees", ("FakeLLM.chat",))]),
        suite_run(end=_ALIVE),
        suite_run(end=_NOTHING | {"tasks": ["Bridge.run"]}),
        suite_run(remaining=[{"owner": "", **_NOTHING, "tasks": ["Bridge.run"]}]),
        suite_run(remaining=[{"owner": "", **_ALIVE, "descriptors": ["/outbox"] * number} for number in range(20)]),
    ],
    ids=["changed", "lost", "silent", "wrapped", "thread", "task", "task of a test", "descriptors"],
)
def test_report_with_a_fault_fails(traced: SuiteRun) -> None:
    """Each of the promises fails the measure, and the table names it."""
    assert len(report(traced).failures()) == 1
    assert "tests/test_x.py::test_y" in table(report(traced)) or "remained" in table(report(traced))


def test_a_descriptor_of_one_moment_is_no_leak() -> None:
    """SQLite opens a directory for the moment of a sync; the last reading may fall on it."""
    moment = {"owner": "", **_ALIVE, "descriptors": ["/outbox", *_ALIVE["descriptors"]]}
    traced = suite_run(remaining=[*[{"owner": "", **_ALIVE}] * 19, moment])
    assert report(traced).failures() == []


def test_report_with_too_few_examples_fails() -> None:
    """Examples that were not played do not count."""
    played = {"a.py": {"outcome": "passed", "sessions": []}, "b.py": {"outcome": "no start", "sessions": []}}
    assert report(suite_run(), examples=played, least_examples=1).failures() == []
    assert report(suite_run(), examples=played, least_examples=2).failures() == ["examples played: 1"]
