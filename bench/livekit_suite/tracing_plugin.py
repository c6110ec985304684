"""A pytest plugin for LiveKit's test suite: trace and observe every session, and report both accounts as JSON.

`MEDAGENT_SUITE_REPORT` names the file. Without `MEDAGENT_SUITE_TRACE=1` sessions are counted and otherwise untouched.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from bench.livekit_suite.sessions import TracedSessions, remaining

_REPORT = Path(os.environ["MEDAGENT_SUITE_REPORT"])
_TRACES = os.environ.get("MEDAGENT_SUITE_TRACE") == "1"
_sessions = TracedSessions(trace=_TRACES)
_outcomes: dict[str, str] = {}
_leaks: list[dict[str, Any]] = []


def pytest_configure() -> None:
    """Trace each session from its start on."""
    _sessions.install()


def pytest_runtest_logstart(nodeid: str) -> None:
    """Sessions that start from here on belong to this test."""
    _sessions.owner = nodeid


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Keep the worst phase as the test's outcome."""
    if report.failed:
        _outcomes[report.nodeid] = "failed"
    elif report.when == "call" or report.skipped:
        _outcomes.setdefault(report.nodeid, "skipped" if report.skipped else "passed")


@pytest.hookimpl(hookwrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Any:
    """Read each session's account before fixtures take its loop away."""
    _sessions.settle()
    yield
    _leaks.append({"owner": item.nodeid, **remaining()})


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish() -> None:
    """Compare, and write the report, also where the run was interrupted."""
    _sessions.end()
    left = remaining()
    document = {"tests": _outcomes, "sessions": _sessions.compare(), "remaining": _leaks, "end": left}
    _REPORT.write_text(json.dumps(document))
