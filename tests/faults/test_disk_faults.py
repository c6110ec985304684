"""What a disk can do: full, read-only, locked, broken. What was accepted stays, and no call waits for a disk."""

from __future__ import annotations

import resource
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from faults import mounts
from faults.scene import CALL, LONG_S, Scene, until

pytestmark = [pytest.mark.timing, pytest.mark.slow]

BOOKED = {"ended": "done", "wrong": []}


def test_a_disk_that_is_full_in_a_real_call(scene: Scene) -> None:
    """State, archive, ledger, log on a disk that fills up in mid-call: the caller books; with room again all is there.

    Where no mount is allowed, the operating system's limit on a file's size stands for the disk.
    """
    is_disk = bool(mounts.namespace())
    scene.log = scene.home / "calls.jsonl"
    with scene.victim(wrap=mounts.on_a_small_disk(scene.home) if is_disk else ()) as victim:
        pid = victim.process.pid

        def look() -> None:
            if is_disk:
                scene.view = mounts.copied(pid, scene.home, scene.directory / "copy")
                scene.log = scene.view / "calls.jsonl"

        victim.tell("calls", 1)
        assert victim.tell("flush", LONG_S)["lacking"] == []
        look()
        before = scene.accepted()
        victim.say("ring", "book")
        victim.hear()
        filler = mounts.fill(mounts.seen_by(pid, scene.home)) if is_disk else None
        if filler is None:
            full = (scene.home / "outbox" / "outbox.db-wal").stat().st_size
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (full, resource.RLIM_INFINITY))
        while "ended" not in (rung := victim.hear()):
            pass
        assert {name: rung[name] for name in BOOKED} == BOOKED
        assert not victim.tell("written", 1)["written"]
        assert "telemetry waits" in victim.errors()
        look()
        assert "session.end" not in scene.names(rung["traces"][0])
        if filler is None:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        else:
            filler.unlink()
        assert victim.tell("written", LONG_S)["written"]
        assert victim.tell("flush", LONG_S)["lacking"] == []
        look()
        assert scene.fields(rung["traces"][0], "session.end")["complete"]
        assert len(scene.ledger("guardrail")) == 2
        disk = "a tmpfs of 16 MB" if is_disk else "RLIMIT_FSIZE"
        scene.row(f"disk full: {disk} (a real call)", before, call="booked, whole", repeats=False)


def test_a_log_that_may_only_be_read(scene: Scene) -> None:
    """The JSON log's directory is mounted read-only: its lines wait, the other destinations do not, nothing is lost.

    Where no mount is allowed, a directory in the log's place refuses it.
    """
    scene.log = scene.directory / "logs" / "calls.jsonl"
    scene.log.parent.mkdir()
    can_mount = bool(mounts.namespace())
    if not can_mount:
        scene.log.mkdir()
    with scene.victim(wrap=mounts.read_only(scene.log.parent) if can_mount else ()) as victim:
        told = victim.tell("calls", 2)
        assert victim.tell("written", LONG_S)["written"]
        assert [scene.names(trace_id) for trace_id in told["traces"]] == [CALL, CALL]
        until(lambda: scene.lacking() == scene.tried() == {"jsonlog"})
    before = scene.accepted()
    if not can_mount:
        scene.log.rmdir()
    assert scene.ship().code == 0
    label = "read-only mount: the JSON log" if can_mount else "a log that cannot be written"
    scene.row(label, before, call="ended, whole", repeats=False)


def test_a_state_directory_that_may_only_be_read(scene: Scene) -> None:
    """A process that finds its state read-only takes its calls untraced; what waited there is delivered later.

    Where no mount is allowed, a file stands in the way of the state directory.
    """
    scene.destination.mode(status=503)
    with scene.victim() as victim:
        victim.tell("calls", 2)
        assert victim.tell("written", LONG_S)["written"]
    before = scene.accepted()
    can_mount = bool(mounts.namespace())
    blocked = scene.directory / "blocked"
    blocked.touch()
    home = scene.home if can_mount else blocked
    wrap = mounts.read_only(home) if can_mount else ()
    with scene.victim("--three-lines", wrap=wrap, MEDAGENT_HOME=str(home)) as victim:
        victim.tell("calls", 2)
        assert victim.tell("loaded", LONG_S)["loaded"] == can_mount  # with a home it waits for room
        says = (
            "telemetry waits: the spool cannot be written" if can_mount else "telemetry did not start in this process"
        )
        until(lambda: says in victim.errors())
    assert scene.accepted() == before
    scene.destination.mode()
    assert scene.ship().code == 0
    label = "read-only mount: the state, at start" if can_mount else "a state directory that is a file"
    scene.row(label, before, call="ended, untraced", repeats=False)


def test_a_database_that_another_process_locks(scene: Scene) -> None:
    """`BEGIN EXCLUSIVE` for longer than the outbox waits: calls end meanwhile, and are whole once it is free."""
    with scene.victim() as victim:
        victim.tell("calls", 1)
        assert victim.tell("flush", LONG_S)["lacking"] == []
        before = scene.accepted()
        with closing(
            sqlite3.connect(scene.home / "outbox" / "outbox.db", timeout=LONG_S, isolation_level=None)
        ) as lock:
            lock.execute("BEGIN EXCLUSIVE")
            told = victim.tell("calls", 2)
            until(lambda: "telemetry waits" in victim.errors())
            assert set(scene.accepted()) == set(before)
            lock.execute("ROLLBACK")
        assert victim.tell("written", LONG_S)["written"]
        assert victim.tell("flush", LONG_S)["lacking"] == []
        assert [scene.names(trace_id) for trace_id in told["traces"]] == [CALL, CALL]
    scene.row("locked database (BEGIN EXCLUSIVE)", before, call="ended, whole", repeats=False)


def test_an_outbox_that_is_broken_in_use(scene: Scene) -> None:
    """Garbage over the file while a process has it open: it is set aside and reported, a new one takes what comes."""
    with scene.victim() as victim:
        victim.tell("calls", 1)
        assert victim.tell("flush", LONG_S)["lacking"] == []
        before = scene.accepted()
        spoil(scene.home / "outbox" / "outbox.db")
        told = victim.tell("calls", 2)
        assert victim.tell("written", LONG_S)["written"]
        assert victim.tell("flush", LONG_S)["lacking"] == []
        assert [scene.names(trace_id) for trace_id in told["traces"]] == [CALL, CALL]
        assert victim.tell("counts")["lost"] == {"events": 0, "spans": 0, "failures": 0}
    assert len(scene.status()["corrupt"]) == 1
    scene.row("corrupt outbox file, in use", before, call="ended, whole", repeats=False)


def test_an_outbox_that_is_broken_at_the_start(scene: Scene) -> None:
    """Garbage for a file: the next process sets it aside, says so, and works; what was delivered stays delivered."""
    with scene.victim() as victim:
        victim.tell("calls", 1)
        assert victim.tell("flush", LONG_S)["lacking"] == []
    before = scene.accepted()
    spoil(scene.home / "outbox" / "outbox.db")
    with scene.victim() as victim:
        told = victim.tell("calls", 1)
        assert victim.tell("flush", LONG_S)["lacking"] == []
        assert scene.names(told["traces"][0]) == CALL
        assert "is set aside as" in victim.errors()
    assert scene.command("outbox", "status").code == 1
    scene.row("corrupt outbox file, at start", before, call="ended, whole", repeats=False)


def spoil(path: Path) -> None:
    """Overwrite a database, its log of writes and the log's index; its processes still have it open.

    Without the index a process that has every page in memory would never read what is broken, and write it whole again.
    """
    for file in (path, *(path.with_name(f"{path.name}-{more}") for more in ("wal", "shm"))):
        if file.exists():
            with file.open("r+b") as raw:
                raw.write(b"\xa5" * file.stat().st_size)
