"""What a process writes, opens and starts is seen, from inside by its own events and from outside in /proc."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from medagent.audit.watching import ProcessWatch, written_files

PROGRAM = """
import json, os, socket, sqlite3, subprocess, sys, tempfile
from pathlib import Path
from medagent.audit.watching import Touched
touched = Touched()
sys.addaudithook(touched.hook)
Path(sys.argv[1]).write_text("one")
os.close(os.open(sys.argv[2], os.O_CREAT | os.O_WRONLY))
Path(sys.argv[1]).read_text()
Path("/etc/hostname").exists() and open("/etc/hostname").close()
sqlite3.connect(sys.argv[3]).close()
os.rename(sys.argv[2], sys.argv[2] + ".moved")
subprocess.run([sys.executable, "-c", "pass"])
try:
    socket.create_connection(("127.0.0.1", 9), timeout=0.2)
except OSError:
    pass
print(json.dumps([sorted(touched.written), sorted(touched.addresses), sorted(touched.started)]))
"""


def test_a_process_tells_what_it_wrote_spoke_to_and_started(tmp_path: Path) -> None:
    """Every file opened to write, by whichever call, every address and every command; not what was only read."""
    names = [str(tmp_path / name) for name in ("a", "b", "c.db")]
    ran = subprocess.run([sys.executable, "-c", PROGRAM, *names], capture_output=True, text=True, check=True)
    written, addresses, started = json.loads(ran.stdout)
    assert {*names, f"{names[1]}.moved"} <= set(written)
    assert "/etc/hostname" not in written
    assert "127.0.0.1:9" in addresses
    assert any("pass" in one for one in started)


DELETING = """
import json, os, shutil, sys, tempfile
from pathlib import Path
from medagent.audit.watching import Touched
touched = Touched(Path(sys.argv[1]))
sys.addaudithook(touched.hook)
os.chdir(sys.argv[2])
with tempfile.NamedTemporaryFile("w", dir=".") as file:
    file.write("one that deletes itself")
Path("a").write_text("overwritten by opening")
Path("a").write_text("replaced by renaming")
Path("b").write_text("stays")
Path("b").replace("a")
Path("c").write_text("cut by name")
os.truncate("c", 0)
with open("d", "w") as file:
    file.write("cut by descriptor")
    file.flush()
    os.truncate(file.fileno(), 0)
os.makedirs("e/f")
Path("e/f/g").write_text("in a tree that goes")
shutil.rmtree("e")
os.mkdir("h")
Path("h/i").write_text("in a directory that was moved")
os.rename("h", "j")
os.remove("theirs")
print(json.dumps(sorted(touched.written)))
"""


def test_what_a_process_writes_and_deletes_overwrites_or_cuts_is_read_all_the_same(tmp_path: Path) -> None:
    """A file was written though it stands nowhere at the end; what others had written there is none of it."""
    kept, work = tmp_path / "kept", tmp_path / "work"
    kept.mkdir()
    work.mkdir()
    (work / "theirs").write_text("of somebody else")
    ran = subprocess.run([sys.executable, "-c", DELETING, kept, work], capture_output=True, text=True, check=True)
    found = written_files(
        [kept], opened=set(json.loads(ran.stdout)), since=time.time() + 3600, excluded=set(), not_ours=[]
    )
    assert sorted(one.raw.decode() for one in found.documents if one.raw) == sorted(
        [
            "one that deletes itself",
            "overwritten by opening",
            "replaced by renaming",
            "stays",
            "cut by name",
            "cut by descriptor",
            "in a tree that goes",
            "in a directory that was moved",
        ]
    )


AGAIN = """
import os, sys
from pathlib import Path
from medagent.audit.watching import Touched
touched = Touched(Path(sys.argv[1]))
sys.addaudithook(touched.hook)
os.chdir(sys.argv[2])
Path("a").write_text(sys.argv[3])
os.remove("a")
print(sorted(touched.lost))
"""


def test_two_processes_that_delete_the_same_name_keep_both(tmp_path: Path) -> None:
    """The drill's process comes after the line's, in the same house: it writes over nothing that is still unread."""
    for said in ("of the line", "of the drill"):
        subprocess.run([sys.executable, "-c", AGAIN, tmp_path, tmp_path, said], check=True)
    assert sorted(path.read_text() for path in tmp_path.iterdir()) == ["of the drill", "of the line"]


def test_what_cannot_be_kept_is_said(tmp_path: Path) -> None:
    """A file that is gone before it was read is no clean file."""
    program = [sys.executable, "-c", AGAIN, tmp_path / "nowhere", tmp_path, "x"]
    ran = subprocess.run(program, capture_output=True, text=True, check=True)
    assert str(tmp_path / "a") in ran.stdout


@pytest.mark.timing
def test_a_file_without_a_name_is_read_while_it_is_held() -> None:
    """One that never had a name, and one that was deleted at once; each of its states, if it was cut between two."""
    program = """
import os, tempfile, time
a, b = tempfile.TemporaryFile("w"), tempfile.NamedTemporaryFile("w", delete=False)
os.unlink(b.name)
for text in ("first-a", "then-a"):
    a.seek(0), a.truncate(), a.write(text), a.flush()
    time.sleep(1)
b.write("held-b"), b.flush()
time.sleep(30)
"""
    process = subprocess.Popen([sys.executable, "-c", program])
    wanted = (b"first-a", b"then-a", b"held-b")
    try:
        with ProcessWatch(process.pid) as watch:
            deadline, raw = time.monotonic() + 60, b""
            while not all(one in raw for one in wanted) and time.monotonic() < deadline:
                time.sleep(0.05)
                raw = b"\n".join(one.raw for one in watch.seen().documents if one.channel == "files")
    finally:
        process.kill()
        process.wait()
    assert [one for one in wanted if one not in raw] == []


@pytest.mark.timing
def test_command_lines_environments_and_held_files_are_seen_of_children_too(tmp_path: Path) -> None:
    """What stands in the arguments or the environment of a grandchild is seen, and the file that it holds open."""
    held = tmp_path / "held"
    inner = f"import time; f = open({str(held)!r}, 'w'); time.sleep(3)"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}], env={{'CANARY': 'yes'}})"
    process = subprocess.Popen([sys.executable, "-c", outer, "an-argument"])
    try:
        with ProcessWatch(process.pid) as watch:
            deadline = time.monotonic() + 60
            while str(held) not in watch.seen().held and time.monotonic() < deadline and process.poll() is None:
                time.sleep(0.05)
            seen = watch.seen()
    finally:
        process.kill()
        process.wait()
    raw = b"".join(one.raw for one in seen.documents)
    assert str(held) in seen.held
    assert b"an-argument" in raw
    assert b"CANARY=yes" in raw


def test_the_clinics_database_alone_is_not_read(tmp_path: Path) -> None:
    """Of the system's files every one is read but those excluded by exact path and those of the auditor."""
    system, auditor = tmp_path / "system", tmp_path / "auditor"
    for path in (system / "clinic" / "clinic.db", system / "log", system / "clinic" / "clinic.db.old", auditor / "a"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("x")
    found = written_files(
        [system],
        opened={str(elsewhere), str(tmp_path / "gone")},
        since=time.time() + 3600,
        excluded={system / "clinic" / "clinic.db"},
        not_ours=[auditor],
    )
    assert {Path(one.path).name for one in found.documents} == {"log", "clinic.db.old", "elsewhere"}
    assert found.unread == ()


def test_what_is_too_large_to_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was not read is no clean file: it is told."""
    monkeypatch.setattr("medagent.audit.watching._MOST_BYTES", 4)
    (tmp_path / "large").write_text("12345")
    found = written_files([tmp_path], opened=set(), since=time.time() + 3600, excluded=set(), not_ours=[])
    assert found.documents == ()
    assert "large" in found.unread[0]
