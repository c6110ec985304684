"""A clock that jumps ahead deletes nothing, in whatever order it jumps, writes and returns."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledgers import KEY, guardrail
from medagent.errors import ClockError
from medagent.os_account import current_account
from medagent.runtime.exports import archive
from medagent.runtime.host import ledger as ledger_of
from medagent.runtime.maintenance import prune
from medagent.settings import load_settings
from medagent.telemetry.ledger import Ledger, check_clock, clock, entries, ledger, verify
from spans import call

NOW = datetime(2026, 6, 1, tzinfo=UTC)
YEARS = timedelta(days=3650)


class Clock(datetime):
    """What the ledger reads as the time."""

    at = NOW

    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        return cls.at


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Clock]]:
    Clock.at = NOW
    for module in (clock, ledger):
        monkeypatch.setattr(module, "datetime", Clock)
    yield Clock
    Clock.at = NOW


def kinds(path: Path) -> list[str]:
    return [entry.kind for entry in entries(path)]


def is_trusted(path: Path) -> bool:
    try:
        check_clock(path, has_spans=True)
    except ClockError:
        return False
    return True


def test_clock_that_jumps_is_not_trusted_before_and_after_it_writes(tmp_path: Path, wall: type[Clock]) -> None:
    """What is written after the jump does not make it right."""
    path = tmp_path / "ledger.jsonl"
    book = Ledger(path, KEY)
    book.append("guardrail", guardrail())
    assert is_trusted(path)
    wall.at = NOW + YEARS
    assert not is_trusted(path)
    for _ in range(3):
        wall.at += timedelta(days=1)
        book.append("guardrail", guardrail())
        assert not is_trusted(path)
    assert kinds(path).count("clock_jumped") == 1
    assert verify(path, [KEY.public]).entries == len(kinds(path))


def test_clock_that_returns_is_trusted_and_one_that_half_returns_is_not(tmp_path: Path, wall: type[Clock]) -> None:
    """A second wrong time is as wrong as the first."""
    path = tmp_path / "ledger.jsonl"
    book = Ledger(path, KEY)
    book.append("guardrail", guardrail())
    wall.at = NOW + YEARS
    book.append("guardrail", guardrail())
    wall.at = NOW + YEARS / 2
    book.append("guardrail", guardrail())
    assert not is_trusted(path)
    wall.at = NOW + timedelta(days=1)
    assert is_trusted(path)
    for _ in range(3):
        book.append("guardrail", guardrail())
        wall.at += timedelta(days=20)
        assert is_trusted(path)
    assert kinds(path).count("clock_returned") == 1


def test_clock_that_was_behind_is_trusted_once_it_is_back(tmp_path: Path, wall: type[Clock]) -> None:
    """A host that boots in 1970 and finds the time later needs no person."""
    path = tmp_path / "ledger.jsonl"
    book = Ledger(path, KEY)
    book.append("guardrail", guardrail())
    wall.at = NOW - 5 * YEARS
    book.append("guardrail", guardrail())
    wall.at = NOW + timedelta(days=2)
    assert is_trusted(path)
    book.append("guardrail", guardrail())
    wall.at = NOW + timedelta(days=31)
    assert is_trusted(path)


def test_clock_that_a_person_confirms_is_trusted(tmp_path: Path, wall: type[Clock]) -> None:
    """A host that was idle for long goes on, and the ledger names who said so."""
    path = tmp_path / "ledger.jsonl"
    book = Ledger(path, KEY)
    book.append("guardrail", guardrail())
    wall.at = NOW + timedelta(days=60)
    book.append("guardrail", guardrail())
    assert not is_trusted(path)
    book.append("clock_confirmed", current_account().content())
    assert is_trusted(path)
    wall.at += YEARS
    assert not is_trusted(path)


def test_clock_without_a_ledger_is_trusted_only_where_nothing_is_stored(tmp_path: Path) -> None:
    """A ledger that was removed proves no time."""
    check_clock(tmp_path / "ledger.jsonl", has_spans=False)
    with pytest.raises(ClockError):
        check_clock(tmp_path / "ledger.jsonl", has_spans=True)


@given(steps=st.lists(st.integers(min_value=-4000, max_value=4000), min_size=1, max_size=8))
@settings(deadline=None, max_examples=25)
def test_clock_over_a_gap_ahead_of_every_true_time_is_never_trusted(
    steps: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever a wrong clock shows and writes, it is trusted only near the time that was true before."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.jsonl"
    with pytest.MonkeyPatch.context() as patch:
        for module in (clock, ledger):
            patch.setattr(module, "datetime", Clock)
        Clock.at = NOW
        book = Ledger(path, KEY)
        book.append("guardrail", guardrail())
        for days in steps:
            Clock.at = NOW + timedelta(days=days)
            if days > clock.MOST_GAP.days:
                assert not is_trusted(path)
            if abs(days) > clock.MOST_GAP.days:
                book.append("guardrail", guardrail())
                assert days < 0 or not is_trusted(path)


def test_archive_prune_keeps_all_after_a_jump_until_it_is_confirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten years ahead, spans of today are six years too old, and stay."""
    made = load_settings(MEDAGENT_HOME=tmp_path)
    spans = call()
    store = archive(made)
    store.export(spans)
    ledger_of(made).append("guardrail", guardrail())
    real = datetime.now(UTC)

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return real + YEARS

    for module in (clock, ledger):
        monkeypatch.setattr(module, "datetime", Later)
    monkeypatch.setattr("medagent.telemetry.keeper.time.time_ns", lambda: int((real + YEARS).timestamp() * 1e9))
    with pytest.raises(ClockError, match="clock"):
        prune(made, account=current_account())
    assert len(archive(made).spans(spans[0].trace_id)) == len(spans)
    assert prune(made, account=current_account(), is_clock_right=True) == len(spans)
