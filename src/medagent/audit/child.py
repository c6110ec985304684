"""The audited process as the auditor holds it: its rooms on the disk, its start, what it says, what is left of it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medagent.audit.capture import Document
from medagent.audit.line import Done, Spec
from medagent.audit.watching import ProcessWatch, Seen
from medagent.errors import AuditError
from medagent.settings import Settings

_ERROR = re.compile(r"[A-Za-z_.]+(Error|Exception|Interrupt)\b")
_LOOK_EVERY_S = 1.0
_SILENT_S = 300.0
"""Longer than any turn of a call, and than what is still to be delivered when the last one has ended."""
_ANSWER_WITHIN_S = 300.0
"""Limit for one command of the audited system, for machines under full load too."""
OnLine = Callable[[Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """Two houses on the disk that share no directory: the auditor's, and the audited system's with all it may write."""

    auditor: Path
    system: Path

    @classmethod
    def made(cls, work: Path) -> Rooms:
        """Make them, for this user alone."""
        rooms = cls(auditor=work / "auditor", system=work / "system")
        for path in (rooms.auditor / "scenarios", rooms.auditor / "copies", rooms.auditor / "alerts"):
            path.mkdir(mode=0o700, parents=True)
        for path in (rooms.state, rooms.home, rooms.temporary, rooms.working, rooms.deleted):
            path.mkdir(mode=0o700, parents=True)
        return rooms

    @property
    def state(self) -> Path:
        """Its MEDAGENT_HOME."""
        return self.system / "medagent"

    @property
    def home(self) -> Path:
        """Its HOME."""
        return self.system / "home"

    @property
    def temporary(self) -> Path:
        """Its TMPDIR."""
        return self.system / "tmp"

    @property
    def working(self) -> Path:
        """Where it runs."""
        return self.system / "work"

    @property
    def deleted(self) -> Path:
        """What it wrote and deleted again."""
        return self.system / "deleted"

    @property
    def clinic(self) -> tuple[Path, ...]:
        """The clinic's database, the one place where patients' data rests; with SQLite's own files beside it."""
        database = self.state / "clinic" / "clinic.db"
        return tuple(database.with_name(database.name + ending) for ending in ("", "-wal", "-shm"))

    def environment(self, settings: Settings) -> dict[str, str]:
        """What a process of the system inherits: paths and locale, no key and no setting but where its state is."""
        return settings.child_environment(
            HOME=str(self.home),
            TMPDIR=str(self.temporary),
            MEDAGENT_HOME=str(self.state),
            PYTHONDONTWRITEBYTECODE="1",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What came of one process: what it says of itself, what it wrote to its streams, what was seen of it."""

    done: Done
    documents: tuple[Document, ...]
    stdout: bytes
    stderr: bytes
    seen: Seen


def run_line(spec: Spec, *, rooms: Rooms, settings: Settings, name: str, on_line: OnLine) -> Ran:
    """Run the audited line to its end; `on_line` hears each of its reports.

    Raises `AuditError` where it died, or hangs: it is killed when it has reported nothing for five minutes.
    """
    out, err = (rooms.auditor / f"{name}.{stream}" for stream in ("stdout", "stderr"))
    reading, writing = os.pipe()
    told: list[bytes] = []
    with out.open("wb") as stdout, err.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "medagent.audit.line"],
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=stderr,
            pass_fds=(writing,),
            cwd=rooms.working,
            env=rooms.environment(settings),
        )
    os.close(writing)
    done: list[Done] = []
    last_told = time.monotonic()

    def listen() -> None:
        nonlocal last_told
        with os.fdopen(reading, "rb") as reports:
            for line in reports:
                last_told = time.monotonic()
                told.append(line)
                about = json.loads(line)
                if about["kind"] == "done":
                    done.append(Done.model_validate(about["done"]))
                else:
                    on_line(about)

    listening = threading.Thread(target=listen, name="medagent-audit-reports", daemon=True)
    listening.start()
    try:
        with ProcessWatch(process.pid) as watch:
            assert process.stdin is not None  # noqa: S101  # a pipe
            process.stdin.write(spec.model_copy(update={"report_fd": writing}).model_dump_json().encode())
            process.stdin.close()
            while process.poll() is None:
                if time.monotonic() - last_told > _SILENT_S:
                    raise AuditError(f"the audited line hangs: no word of it for {_SILENT_S:g} s")
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_LOOK_EVERY_S)
        listening.join()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode != 0 or not done:
        last = err.read_bytes().rstrip().rpartition(b"\n")[2].decode(errors="replace")
        named = _ERROR.match(last)
        raise AuditError(f"the audited line died with {process.returncode} ({named[0] if named else 'no word'})")
    streams = (("stdout", out), ("stderr", err))
    documents = [Document(channel=stream, path=name, raw=path.read_bytes()) for stream, path in streams]
    documents.append(Document(channel="reports", path=name, raw=b"".join(told)))
    return Ran(
        done=done[0],
        documents=(*documents, *watch.seen().documents),
        stdout=documents[0].raw,
        stderr=documents[1].raw,
        seen=watch.seen(),
    )


def command(arguments: list[str], *, rooms: Rooms, settings: Settings) -> tuple[int, Document]:
    """Run the command line on the system's own state, as the person on duty would; its code and what it printed."""
    name = " ".join(arguments[:2])
    ran = _run(name, ["-c", "from medagent.cli import main; main()", *arguments], b"", rooms=rooms, settings=settings)
    return ran.returncode, Document(channel="stdout", path=name, raw=ran.stdout + ran.stderr)


def ask(module: str, told: str, *, rooms: Rooms, settings: Settings) -> tuple[str, list[Document]]:
    """Run a module of the system on what it is told; its answer, and what it printed. `AuditError` where it died."""
    ran = _run(module.rpartition(".")[2], ["-m", module], told.encode(), rooms=rooms, settings=settings)
    if ran.returncode != 0:
        raise AuditError(f"{module.rpartition('.')[2]} died with {ran.returncode}")
    printed = {
        "reports": ran.stdout,
        "stderr": ran.stderr,
    }  # its answer is for the auditor
    return ran.stdout.decode(), [Document(channel=name, path=module, raw=raw) for name, raw in printed.items()]


def _run(
    name: str, arguments: list[str], told: bytes, *, rooms: Rooms, settings: Settings
) -> subprocess.CompletedProcess[bytes]:
    """Run our own interpreter in the system's directories; `AuditError` where it does not end in time."""
    try:
        return subprocess.run(  # noqa: S603  # our own interpreter and modules
            [sys.executable, *arguments],
            input=told,
            capture_output=True,
            cwd=rooms.working,
            env=rooms.environment(settings),
            check=False,
            timeout=_ANSWER_WITHIN_S,
        )
    except subprocess.TimeoutExpired:
        raise AuditError(
            f"{name}: timed out after {_ANSWER_WITHIN_S:.0f} s, expected an answer",
            hint="run the audit on a machine with less load",
        ) from None
