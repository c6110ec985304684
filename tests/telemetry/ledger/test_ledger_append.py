"""Appending: one whole chain, whoever writes at once and whatever dies meanwhile."""

from __future__ import annotations

import contextlib
import fcntl
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledgers import CONTENTS, KEY, POLICY, TRUSTED, guardrail, written
from medagent.errors import BrokenLedgerError, LedgerContentError, LedgerError, TornLedgerError
from medagent.telemetry.ledger import Ledger, entries, lock, verify


def traces(path: Path) -> list[str]:
    return [str(entry.content["trace_id"]) for entry in entries(path) if entry.kind == "guardrail"]


def test_an_entry_is_what_was_said(tmp_path: Path) -> None:
    """Every kind comes back as it went in, after the entry that introduces the key; the file is its user's alone."""
    path = tmp_path / "ledger" / "ledger.jsonl"
    written(path)
    introduced, *rest = entries(path)
    assert introduced.content == {"key_id": KEY.key_id, "public_key": KEY.public.pem}
    assert {entry.kind: {k: v for k, v in entry.content.items() if v is not None} for entry in rest} == CONTENTS
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_what_is_refused_leaves_nothing(tmp_path: Path) -> None:
    """A content that is not its kind's is refused before the file is touched."""
    path = tmp_path / "ledger.jsonl"
    with pytest.raises(LedgerContentError):
        Ledger(path, KEY).append("guardrail", {"trace_id": "x"})
    assert not path.exists()


def test_a_state_is_noted_once(tmp_path: Path) -> None:
    """Only a policy that differs from the latest is a change of policy, whichever process says so."""
    path = tmp_path / "ledger.jsonl"
    other = {**POLICY, "sha256": "ef" * 32}
    noted = []
    for policy in (POLICY, POLICY, other, other, POLICY):
        noted.append(Ledger(path, KEY).note("policy_changed", policy))
        Ledger(path, KEY).append("guardrail", guardrail(complete=False))
    assert [entry is not None for entry in noted] == [True, False, True, False, True]
    assert verify(path, TRUSTED).kinds["policy_changed"] == 3


def append_many(path: Path, first: int, count: int) -> None:
    ledger = Ledger(path, KEY)
    threads = [
        threading.Thread(
            target=lambda part: [ledger.append("guardrail", guardrail(first + n)) for n in range(part, count, 2)],
            args=(part,),
        )
        for part in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.timing
def test_many_at_once_leave_one_whole_chain(tmp_path: Path) -> None:
    """Four processes of two threads each: every entry is there once, in one chain."""
    path = tmp_path / "ledger.jsonl"
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=append_many, args=(path, n * 1000, 40)) for n in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert verify(path, TRUSTED).kinds == {"key_created": 1, "guardrail": 160}
    assert sorted(traces(path)) == sorted(str(UUID(int=n * 1000 + m)) for n in range(4) for m in range(40))


WRITER = """
import itertools, sys
from pathlib import Path
from ledgers import KEY, guardrail
from medagent.telemetry.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]), KEY)
for number in itertools.count(int(sys.argv[2])):
    ledger.append("guardrail", guardrail(number))
    print(guardrail(number)["trace_id"], flush=True)
"""


@pytest.mark.timing
def test_killed_while_it_appends(tmp_path: Path) -> None:
    """After every kill -9 the ledger is whole or torn, goes on, and has all that was acknowledged."""
    path = tmp_path / "ledger.jsonl"
    acknowledged: list[str] = []
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    for round_ in range(3):
        writers = [
            subprocess.Popen(
                [sys.executable, "-c", WRITER, str(path), str((2 * round_ + n) * 10**7)],
                stdout=subprocess.PIPE,
                text=True,
                env=environment,
            )
            for n in range(2)
        ]
        for writer in writers:
            assert writer.stdout is not None
            acknowledged.append(writer.stdout.readline().strip())
        time.sleep(0.03 * (round_ + 1))
        for writer in writers:
            writer.kill()
            assert writer.stdout is not None
            out = writer.stdout.read()  # `communicate` would miss what `readline` has buffered
            assert writer.wait(60) == -signal.SIGKILL
            acknowledged += [line for line in out.split("\n")[:-1] if line]
        with contextlib.suppress(TornLedgerError):
            verify(path, TRUSTED)
        Ledger(path, KEY).append("guardrail", guardrail(round_))
        verify(path, TRUSTED)
    assert len(acknowledged) > 6
    assert set(acknowledged) <= set(traces(path))


@pytest.mark.timing
def test_a_reader_meets_no_half_entry(tmp_path: Path) -> None:
    """Verified while others append, it is whole every time, and longer."""
    path = tmp_path / "ledger.jsonl"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    Ledger(path, KEY).append("guardrail", guardrail())
    lengths = [verify(path, TRUSTED).entries]
    command = [sys.executable, "-c", WRITER, str(path), "1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as writer:
        try:
            deadline = time.monotonic() + 30
            while len(set(lengths)) < 6:
                assert writer.poll() is None
                assert time.monotonic() < deadline
                lengths.append(verify(path, TRUSTED).entries)
        finally:
            writer.kill()
    assert lengths == sorted(lengths)


@settings(deadline=None, max_examples=30)  # each one waits for the disk
@given(cuts=st.lists(st.integers(1, 900), min_size=1, max_size=3))
def test_a_torn_line_is_reported_and_accounted_for(tmp_path_factory: pytest.TempPathFactory, cuts: list[int]) -> None:
    """Cut anywhere in its last write, and again in the recovery's: reported, kept byte for byte, then accounted for."""
    path = tmp_path_factory.mktemp("torn") / "ledger.jsonl"
    written(path)
    accounted = 0
    for cut in cuts:
        size = path.stat().st_size
        Ledger(path, KEY).append("guardrail", guardrail(1))
        kept = path.read_bytes()[: size + cut]
        path.write_bytes(kept)
        torn = not kept.endswith(b"\n")
        if torn:
            with pytest.raises(TornLedgerError):
                verify(path, TRUSTED)
        Ledger(path, KEY).append("guardrail", guardrail(2))
        assert path.read_bytes().startswith(kept)
        accounted += torn
        assert len(verify(path, TRUSTED).recovered) == accounted


@settings(deadline=None, max_examples=30)  # each one waits for the disk
@given(data=st.data())
def test_torn_while_it_recovers(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """A crash in the recovery of a crash is a torn line like another, however often."""
    path = tmp_path_factory.mktemp("torn") / "ledger.jsonl"
    path.write_bytes(written(path)[:-7])
    for _ in range(data.draw(st.integers(1, 3))):
        torn = path.read_bytes()
        Ledger(path, KEY).append("guardrail", guardrail(1))
        grown = path.read_bytes()
        recovery = grown[len(torn) : grown.index(b"\n", len(torn) + 1) + 1]
        path.write_bytes(torn + recovery[: data.draw(st.integers(0, len(recovery) - 2))])
        with pytest.raises(BrokenLedgerError):
            verify(path, TRUSTED)
    Ledger(path, KEY).append("guardrail", guardrail(2))
    assert len(verify(path, TRUSTED).recovered) == 1


def test_a_line_that_lacks_its_newline_alone_is_kept(tmp_path: Path) -> None:
    """The entry is whole and counts; the next one says that the line was torn all the same."""
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(written(path)[:-1])
    with pytest.raises(TornLedgerError):
        verify(path, TRUSTED)
    Ledger(path, KEY).append("guardrail", guardrail(1))
    got = verify(path, TRUSTED)
    assert (got.recovered, got.entries) == ((len(CONTENTS) + 1,), len(CONTENTS) + 3)


def test_the_first_line_may_be_torn_too(tmp_path: Path) -> None:
    """A crash in the very first write leaves no entry; the ledger begins after it."""
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(b'{"at":"20')
    Ledger(path, KEY).append("guardrail", guardrail())
    assert verify(path, TRUSTED).kinds == {"recovered": 1, "key_created": 1, "guardrail": 1}


def test_an_edited_end_is_not_built_upon(tmp_path: Path) -> None:
    """A last line that is whole and no entry is no work of a crash: nothing is appended to it."""
    path = tmp_path / "ledger.jsonl"
    edited = written(path).replace(b'"by":"officer"}', b'"by":"nobody"}')
    for content in (edited, edited[:-1]):
        path.write_bytes(content)
        with pytest.raises(BrokenLedgerError):
            Ledger(path, KEY).append("guardrail", guardrail())
        assert path.read_bytes() == content


def test_a_process_notices_that_its_own_entry_is_gone(tmp_path: Path) -> None:
    """Cut, replaced or removed under a running process: it appends nothing more."""
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(path, KEY)
    before = written(path)
    ledger.append("guardrail", guardrail(1))
    path.write_bytes(before)
    with pytest.raises(BrokenLedgerError):
        ledger.append("guardrail", guardrail(2))
    Ledger(path, KEY).append("guardrail", guardrail(3))
    with pytest.raises(BrokenLedgerError):
        ledger.append("guardrail", guardrail(2))
    path.unlink()
    with pytest.raises(BrokenLedgerError):
        ledger.append("guardrail", guardrail(2))


FULL = """
import resource, sys
from pathlib import Path
from ledgers import KEY, guardrail
from medagent.errors import LedgerError
from medagent.telemetry.ledger import Ledger
path = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100,) * 2)
try:
    Ledger(path, KEY).append("guardrail", guardrail(1))
except LedgerError as error:
    print(error)
"""


def test_a_full_disk_is_said_and_got_over(tmp_path: Path) -> None:
    """A write that finds no room raises, leaves a torn line, and the next one accounts for it."""
    path = tmp_path / "ledger.jsonl"
    before = written(path)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path)], capture_output=True, text=True, check=True, env=environment
    )
    assert "EFBIG" in done.stdout
    assert path.stat().st_size == len(before) + 100
    Ledger(path, KEY).append("guardrail", guardrail(2))
    assert len(verify(path, TRUSTED).recovered) == 1


def test_a_lock_that_is_never_released_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever holds it may have been stopped; nobody waits for ever, to write or to read."""
    monkeypatch.setattr(lock, "_PATIENCE_S", 0.05)
    path = tmp_path / "ledger.jsonl"
    written(path)
    with path.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(LedgerError, match="EAGAIN"):
            Ledger(path, KEY).append("guardrail", guardrail())
        with pytest.raises(LedgerError):
            verify(path, TRUSTED)
    Ledger(path, KEY).append("guardrail", guardrail())


def test_a_place_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    """A directory in the file's place, a file in the directory's, a link to elsewhere."""
    (tmp_path / "file").touch()
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for path in (tmp_path / "file" / "ledger.jsonl", tmp_path / "directory", tmp_path / "link"):
        with pytest.raises(LedgerError):
            Ledger(path, KEY).append("guardrail", guardrail())
    assert not (tmp_path / "elsewhere").exists()
