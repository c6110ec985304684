"""The archive: what went in comes out as it was, and what was changed in between shows."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medagent.errors import BrokenChainError, ExportError, TraceNotFoundError
from medagent.proof import GENESIS
from medagent.telemetry.chain import verify_chain
from medagent.telemetry.exporters.archive import Archive
from medagent.telemetry.exporters.exporter import always_open
from medagent.telemetry.span import SafeSpan
from spans import START_US, call, safe_spans, seal

FIRST = "5f0c3b1e-0c1d-4f6a-9a55-1f2e3d4c5b6a"
SECOND = "5f0c9999-0c1d-4f6a-9a55-1f2e3d4c5b6a"


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    archive = Archive(tmp_path / "archive", gate=always_open)
    yield archive
    archive.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(span=safe_spans())
def test_a_span_comes_back_as_it_went_in(archive: Archive, span: SafeSpan) -> None:
    """Whatever a span holds, the archive gives it back, digest and seal included."""
    archive.export([span])
    [back] = [held for held in archive.spans(span.trace_id) if held.span_id == span.span_id]
    assert back == span
    assert back.digest() == span.digest()


def test_spans_come_in_the_order_of_their_seals(archive: Archive) -> None:
    """However they were delivered, a call reads from its first span to its last."""
    archive.export(call()[3:])
    archive.export(call()[:3])
    assert archive.spans(FIRST) == call()
    verify_chain(archive.spans(FIRST))


def test_a_part_of_an_id_finds_its_call(archive: Archive) -> None:
    """A prefix is enough where it fits one call; where it fits two, the error lists both; where none, it says so."""
    archive.export([*call(FIRST), *call(SECOND)])
    assert archive.spans("5f0c3")[0].trace_id == FIRST
    with pytest.raises(TraceNotFoundError) as caught:
        archive.spans("5f0c")
    assert FIRST in str(caught.value)
    assert SECOND in str(caught.value)
    for unknown in ("6", "5f0c%", "", "5550101 Jane", "*"):
        with pytest.raises(TraceNotFoundError) as caught:
            archive.spans(unknown)
        assert not unknown or len(unknown) < 3 or unknown not in caught.value.diagnostics()


def test_the_list_of_calls_says_how_each_ended(archive: Archive) -> None:
    """The latest call comes first, with its outcome, reason, length and number of spans."""
    archive.export(call(FIRST))
    archive.export(call(SECOND, start_us=START_US + 10**9)[:2])
    later, earlier = archive.calls(10)
    assert (earlier.trace_id, earlier.outcome, earlier.reason) == (FIRST, "booked", "hang_up")
    assert (earlier.duration_ms, earlier.spans, earlier.complete) == (61250.5, 6, True)
    assert (later.trace_id, later.outcome, later.reason, later.spans) == (SECOND, None, None, 2)
    assert not later.complete
    assert later.duration_ms == pytest.approx(1250.001)
    assert [found.trace_id for found in archive.calls(1)] == [SECOND]


def test_nobody_else_can_read_it(tmp_path: Path) -> None:
    """The directory and every file in it belong to their user alone."""
    with closing(Archive(tmp_path / "archive", gate=always_open)) as archive:
        archive.export(call())
        files = [tmp_path / "archive", *(tmp_path / "archive").iterdir()]
        assert len(files) > 2
        assert all(file.stat().st_mode & 0o077 == 0 for file in files)


def test_a_directory_that_is_none_is_an_error(tmp_path: Path) -> None:
    """An archive that cannot be opened does not start."""
    (tmp_path / "file").touch()
    with pytest.raises(ExportError):
        Archive(tmp_path / "file", gate=always_open)


def test_a_batch_is_stored_whole_or_not_at_all(archive: Archive, tmp_path: Path) -> None:
    """If the last span of a batch cannot be stored, the first is not there either, and the next batch still works."""
    spans = call()
    with closing(sqlite3.connect(tmp_path / "archive" / "archive.db")) as other:
        other.execute(
            f"CREATE TRIGGER full BEFORE INSERT ON span WHEN new.span_id = '{spans[-1].span_id}' "
            "BEGIN SELECT RAISE(ABORT, 'disk full'); END"
        )
        with pytest.raises(ExportError):
            archive.export(spans)
        assert archive.calls() == []
        other.execute("DROP TRIGGER full")
    archive.export(spans)
    assert archive.spans(FIRST) == spans


@pytest.mark.timing
def test_a_second_archive_of_a_process_does_not_cost_the_first_its_spans(archive: Archive, tmp_path: Path) -> None:
    """Opened and closed here, it leaves the file locked: a reader that goes elsewhere keeps the log of writes."""
    path = tmp_path / "archive" / "archive.db"
    count = "SELECT count(*) FROM span"
    read = f"import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); print(*d.execute('{count}').fetchone())"

    def seen_elsewhere() -> int:
        """Open the archive in a process of its own, read, and close it as the last one that it knows of."""
        command = [sys.executable, "-c", f"{read}; d.close()", str(path)]
        return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    archive.export(call(FIRST))
    Archive(tmp_path / "archive", gate=always_open).close()
    assert seen_elsewhere() == len(call(FIRST))
    archive.export(call(SECOND))
    assert seen_elsewhere() == len(call(FIRST)) + len(call(SECOND))


@pytest.mark.timing
def test_two_readers_and_a_writer_at_once(archive: Archive, tmp_path: Path) -> None:
    """A call is written by one archive while others, of this process and of another's file handle, read."""
    calls = [call(f"{number:08x}-0c1d-4f6a-9a55-1f2e3d4c5b6a") for number in range(20)]
    seen: list[int] = []

    def read() -> None:
        with closing(Archive(tmp_path / "archive", gate=always_open)) as other:
            while not seen or seen[-1] < len(calls):
                seen.append(len(other.calls(100)))
                assert all(found.spans == 6 for found in other.calls(100))

    reader = threading.Thread(target=read)
    reader.start()
    for spans in calls:
        archive.export(spans)
    reader.join(timeout=30)
    assert seen[-1] == len(calls)


@given(st.data())
def test_a_changed_chain_does_not_hold(data: st.DataObject) -> None:
    """Any span that is left out of the middle, doubled, swapped or changed breaks the chain."""
    spans = call()
    number = data.draw(st.integers(0, len(spans) - 2))
    span = spans[number]
    assert span.seal is not None
    broken = data.draw(
        st.sampled_from(
            [
                spans[:number] + spans[number + 1 :],
                [*spans[: number + 1], span, *spans[number + 1 :]],
                [*spans[:number], spans[number + 1], span, *spans[number + 2 :]],
                [*spans[:number], replace(span, fields={**span.fields, "n": 1}), *spans[number + 1 :]],
                [*spans[:number], replace(span, end_us=span.end_us + 1), *spans[number + 1 :]],
                [*spans[:number], replace(span, seal=replace(span.seal, hash="0" * 64)), *spans[number + 1 :]],
                [*spans[:number], replace(span, seal=replace(span.seal, sequence=9)), *spans[number + 1 :]],
                [*spans[:number], replace(span, seal=replace(span.seal, previous="f" * 64)), *spans[number + 1 :]],
                [*spans[:number], replace(span, seal=None), *spans[number + 1 :]],
            ]
        )
    )
    with pytest.raises(BrokenChainError):
        verify_chain(broken)


def test_the_untouched_chain_holds() -> None:
    """The chain above holds as it is; no chain at all does not, nor one of two calls."""
    verify_chain(call())
    with pytest.raises(BrokenChainError):
        verify_chain([])
    mixed = seal([replace(call(FIRST)[0], seal=None), replace(call(SECOND)[1], seal=None)])
    assert mixed[0].seal is not None
    assert mixed[0].seal.previous == GENESIS
    with pytest.raises(BrokenChainError, match="another call"):
        verify_chain(mixed)


def test_a_document_that_was_spoilt_is_named_by_its_number(archive: Archive, tmp_path: Path) -> None:
    """What was changed in the file to something that is no span is an error without its content."""
    archive.export(call())
    with closing(sqlite3.connect(tmp_path / "archive" / "archive.db")) as other, other:
        other.execute('UPDATE span SET document = \'{"name": "Jane"}\' WHERE sequence = 2')
    with pytest.raises(BrokenChainError, match="span 2 cannot be read") as caught:
        archive.spans(FIRST)
    assert "Jane" not in caught.value.diagnostics()


def test_what_ended_between_two_moments(archive: Archive) -> None:
    """Spans are found by when they ended, the first moment excluded, the last included, by name or by family."""
    spans = call()
    archive.export(spans)
    _, start, turn, book, look, end = spans
    found = archive.spans_between(turn.end_us, end.end_us, ["tool.*", "session.end", "agent_turn"])
    assert found == [(span.end_us, span) for span in (book, look, end)]
    assert archive.spans_between(0, start.end_us, ["session.start"]) == [(start.end_us, start)]
    assert archive.spans_between(0, 2**53, ["tool"]) == []


def test_a_call_whose_times_are_told_otherwise_is_found_by_its_own(tmp_path: Path) -> None:
    """Where the day of a call is moved before it is sealed, alerts still find it on the day on which it was."""
    day_us = 86_400_000_000
    with closing(
        Archive(tmp_path / "archive", occurred=lambda span: span.end_us + 30 * day_us, gate=always_open)
    ) as archive:
        archive.export(call())
        assert archive.spans_between(0, START_US + day_us, ["*"]) == []
        found = archive.spans_between(START_US + 30 * day_us, START_US + 31 * day_us, ["*"])
        assert sorted(span.name for _, span in found) == sorted(span.name for span in call())
        assert archive.spans(FIRST) == call()


def test_an_archive_of_an_earlier_version_opens(tmp_path: Path) -> None:
    """Spans that were stored before the archive knew when they really ended are found by their own times."""
    with closing(Archive(tmp_path / "archive", gate=always_open)) as archive:
        archive.export(call())
    with closing(sqlite3.connect(tmp_path / "archive" / "archive.db")) as other, other:
        other.execute("DROP INDEX span_by_time")
        other.execute("ALTER TABLE span DROP COLUMN occurred_us")
    for _ in range(2):
        with closing(Archive(tmp_path / "archive", gate=always_open)) as archive:
            assert len(archive.spans_between(0, 2**53, ["*"])) == len(call())
