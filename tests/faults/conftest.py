"""A scene for each fault, and the matrix of what was seen, printed where these tests are run by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from faults.scene import Scene


@pytest.fixture
def scene(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """A host with a destination that listens."""
    made = Scene(tmp_path)
    made.destination.start()
    yield made
    made.destination.close()
    request.node.user_properties += [("row", asdict(row)) for row in made.rows]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One table: fault, what was accepted and arrived, repeats by id, whether the call ended as expected, seconds."""
    reports = (report for of_kind in terminalreporter.stats.values() for report in of_kind)
    properties = (
        getattr(report, "user_properties", ()) for report in reports if getattr(report, "when", "") == "teardown"
    )
    rows = [value for each in properties for _, value in each]
    if not rows:
        return
    terminalreporter.section("fault matrix")
    shape = "{fault:<44} {accepted:>8} {arrived:>7} {repeats:>7}  {call:<38} {seconds:>7}"
    titles = ("fault", "accepted", "arrived", "repeats", "call", "seconds")
    terminalreporter.write_line(shape.format(**{title: title for title in titles}))
    for row in sorted(rows, key=lambda row: row["fault"]):
        terminalreporter.write_line(shape.format(**{**row, "seconds": f"{row['seconds']:.1f}"}))
