"""The short form of `make load`: what is counted there over minutes is counted here over seconds."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from load.__main__ import load, picture
from load.short_calls import growth
from medagent.runtime.telemetry import Telemetry
from medagent.settings import load_settings
from sink import Sink

pytestmark = pytest.mark.slow
MOST_MB = 10.0


def test_calls_side_by_side_drop_nothing(tmp_path: Path) -> None:
    """Three at once: each is complete, each span arrives, no event is lost; the picture is drawn."""
    with Sink(tmp_path) as sink:
        loaded = asyncio.run(load(sink, tmp_path / "home", calls=3, seconds=8.0))
    assert loaded.complete == 3
    assert len(loaded.spans) >= 3 * 6
    assert loaded.dropped == 0
    picture(loaded.felt, tmp_path / "load.svg")
    assert (tmp_path / "load.svg").read_text().startswith("<svg")


def test_short_calls_leave_nothing_behind(tmp_path: Path) -> None:
    """Memory stays where it was after the first calls, everything delivered."""
    with Sink(tmp_path) as sink:
        settings = load_settings(MEDAGENT_HOME=tmp_path / "home", LANGSMITH_API_KEY="load", LANGSMITH_ENDPOINT=sink.url)
        telemetry = Telemetry(settings).start()
        grown, _ = growth(telemetry, 250, settled_after=150)
        telemetry.close()
    assert grown < MOST_MB
