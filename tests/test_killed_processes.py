"""Jobs and export services that are killed at random: what a spool had on disk is in the archive in the end."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.processes import Bench

pytestmark = [pytest.mark.slow, pytest.mark.timing]


def test_killed_jobs_and_services_lose_nothing_accepted(tmp_path: Path) -> None:
    """Nothing is there twice, and the ledger has one entry a call."""
    found = Bench(tmp_path, seconds=4.0, pace=20.0).kill(seconds=40.0, jobs=3, seed=7)
    assert found["problems"] == []
    assert found["killed"]["jobs"] > 0
    assert found["killed"]["services"] + found["killed"]["both"] > 0
    assert found["accepted"] > 0
