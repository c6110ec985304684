"""The audit's drill of requests: clean on the system as it is, and it finds a gate that is looked at too seldom."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.audit.selftest.hook import SITE

from medagent.audit.child import Rooms
from medagent.audit.request_drill import DESTINATIONS, STATUSES, drill_requests
from medagent.settings import load_settings

pytestmark = [pytest.mark.timing, pytest.mark.slow]
_ROOT = Path(__file__).resolve().parents[2]
_MODEL = "http://127.0.0.1:9"
_LIMIT_MS = 5000.0
"""No promise: what goes on without a gate goes on for half a minute."""


def drilled(tmp_path: Path) -> dict[tuple[str, int], int]:
    """How many requests began after the switch, by destination and status; each round was in the middle of some."""
    done = drill_requests(load_settings(), rooms=Rooms.made(tmp_path / "work"), model=_MODEL, limit_ms=_LIMIT_MS)
    assert {(one.destination, one.status) for one in done.rounds if one.in_the_middle} == {
        (name, status) for name in DESTINATIONS for status in STATUSES
    }
    assert all((one.bytes_after > 0) is (one.requests_after > 0) for one in done.rounds)
    return {(one.destination, one.status): one.requests_after for one in done.rounds}


def test_drill_of_the_system_as_it_is_finds_nothing(tmp_path: Path) -> None:
    """Every destination is in the middle of requests when the switch is thrown, and none begins after."""
    assert set(drilled(tmp_path).values()) == {0}


@pytest.mark.parametrize(
    ("name", "late"),
    [
        ("switch_ignored_after_409", {("langsmith", 409)}),
        (
            "switch_ignored_between_splits",
            {("langsmith", 409), *((one, status) for one in DESTINATIONS for status in (400, 413))},
        ),
    ],
)
def test_gate_looked_at_too_seldom_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, late: set[tuple[str, int]]
) -> None:
    """The round that breaks the promise is named, by its destination and the status of its batches."""
    site = tmp_path / "site"
    site.mkdir()
    text = SITE.format(root=str(_ROOT), name=name, witness=str(tmp_path / "witness"))
    (site / "sitecustomize.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(site))
    assert {where for where, count in drilled(tmp_path).items() if count} == late
    assert (tmp_path / "witness").read_text().count("medagent.telemetry.shipper") == len(STATUSES)
