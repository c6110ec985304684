"""A scene for each fault, and the matrix of what was seen, printed where these tests are run by themselves."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from faults.scene import Scene, Victim


@pytest.fixture
def scene(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """A host of its own, with a destination that listens."""
    made = Scene(tmp_path)
    made.destination.start()
    yield made
    made.destination.close()
    request.node.user_properties += [("row", asdict(row)) for row in made.rows]


@pytest.fixture(scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Scene, Victim]]:
    made = Scene(tmp_path_factory.mktemp("running"))
    made.destination.start()
    with made.victim() as victim:
        yield made, victim
    made.destination.close()


@pytest.fixture
def running(_running: tuple[Scene, Victim], request: pytest.FixtureRequest) -> Iterator[tuple[Scene, Victim]]:
    """A host and a process on it that goes on from fault to fault, each ended before the next."""
    scene, _ = _running
    scene.began, scene.rows = time.monotonic(), []
    yield _running
    request.node.user_properties += [("row", asdict(row)) for row in scene.rows]


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
    shape = "{fault:<48} {accepted:>8} {arrived:>7} {repeats:>7}  {call:<38} {seconds:>7}"
    titles = ("fault", "accepted", "arrived", "repeats", "call", "seconds")
    terminalreporter.write_line(shape.format(**{title: title for title in titles}))
    for row in sorted(rows, key=lambda row: row["fault"]):
        terminalreporter.write_line(shape.format(**{**row, "seconds": f"{row['seconds']:.1f}"}))
