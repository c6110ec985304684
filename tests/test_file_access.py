"""Files are read once through one descriptor and written without following a link; no home moves a database."""

from __future__ import annotations

import fcntl
import hashlib
import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.audits import audit
from medagent.alerts.rules import load_alerts
from medagent.attestation.bundle import Bundle, annexes
from medagent.attestation.officers import Officers
from medagent.attestation.person_key import PersonKey
from medagent.audit.protocol import load_protocol
from medagent.clinic import Clinic
from medagent.errors import AttestationError, ClinicError, MedagentError, OutboxUnavailableError
from medagent.file_access import (
    LARGEST_FILE,
    FileKindError,
    FileModeError,
    FileSizeError,
    make_database_file,
    open_to_write,
    read_file,
    replace_file,
)
from medagent.pricing import load_prices
from medagent.proof import KeyRing, VerifyKey
from medagent.redaction import load_policy
from medagent.settings import Settings
from medagent.telemetry.outbox import Outbox

NAMES = st.one_of(
    st.sampled_from(
        ["a%2e%2e", "%2e%2e", "x?mode=memory", "q?vfs=unix-none&cache=shared", "a b", "h#t", "file:x", "é;&="]
    ),
    st.text(st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=20).filter(
        lambda name: name not in (".", "..") and len(name.encode()) < 200
    ),
)


@settings(deadline=None, max_examples=15)
@given(name=NAMES)
def test_settings_home_of_any_name_holds_its_databases(name: str) -> None:
    """No sign in MEDAGENT_HOME moves a database outside it."""
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory) / name
        made = Settings(MEDAGENT_HOME=home)  # type: ignore[call-arg]
        Clinic.open(made.clinic_url).close()
        outbox = Outbox(made.outbox_location, destinations=["archive"], owner="o")
        outbox.status()
        outbox.close()
        found = {path.relative_to(directory) for path in Path(directory).rglob("*.db")}
        assert found == {Path(name, "clinic", "clinic.db"), Path(name, "outbox", "outbox.db")}
        assert all(
            sqlite3.connect(Path(directory) / path).execute("PRAGMA schema_version").fetchone()[0] for path in found
        )


@pytest.mark.parametrize("which", ["clinic", "outbox"])
def test_database_that_is_a_symbolic_link_is_refused(tmp_path: Path, which: str) -> None:
    """A database is a file that is written: no link leads it elsewhere."""
    elsewhere = tmp_path / "elsewhere.db"
    link = tmp_path / "room" / "linked.db"
    link.parent.mkdir()
    link.symlink_to(elsewhere)
    with pytest.raises((ClinicError, OutboxUnavailableError)):
        Clinic.open(link) if which == "clinic" else Outbox(link, destinations=["archive"], owner="o").status()
    assert not elsewhere.exists()


def test_read_file_through_a_link_returns_the_content(tmp_path: Path) -> None:
    """A mounted configuration is a link to a link."""
    (tmp_path / "real").write_bytes(b"content")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert read_file(tmp_path / "link") == b"content"


@pytest.mark.parametrize("kind", ["fifo", "directory", "device", "link to device", "socket file"])
def test_read_file_of_another_kind_is_refused(tmp_path: Path, kind: str) -> None:
    """Nothing that never ends is read, and no FIFO is waited for."""
    place = tmp_path / "place"
    match kind:
        case "fifo":
            os.mkfifo(place)
        case "directory":
            place.mkdir()
        case "device":
            place = Path("/dev/zero")
        case "link to device":
            place.symlink_to("/dev/zero")
        case _:
            os.mknod(place, stat.S_IFSOCK | 0o600)
    with pytest.raises(OSError, match=r"not a regular file|No such device"):
        read_file(place)


def test_read_file_over_the_limit_is_refused_and_one_at_it_is_not(tmp_path: Path) -> None:
    """The limit counts what was read, not what a size said before."""
    place = tmp_path / "place"
    place.write_bytes(b"x" * 100)
    assert len(read_file(place, limit=100)) == 100
    with pytest.raises(FileSizeError):
        read_file(place, limit=99)


def test_read_file_that_others_can_read_is_refused_where_it_is_private(tmp_path: Path) -> None:
    """Mode and content are those of one descriptor."""
    place = tmp_path / "key"
    place.write_bytes(b"x")
    place.chmod(0o640)
    with pytest.raises(FileModeError):
        read_file(place, is_private=True)
    place.chmod(0o600)
    assert read_file(place, is_private=True) == b"x"


@pytest.mark.parametrize("is_dangling", [False, True])
def test_open_to_write_does_not_follow_a_link(tmp_path: Path, is_dangling: bool) -> None:
    """The target is neither changed nor made."""
    target = tmp_path / "target"
    if not is_dangling:
        target.write_bytes(b"theirs")
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(OSError, match="symbolic links"):
        open_to_write(tmp_path / "link")
    assert target.exists() is not is_dangling


def test_open_to_write_refuses_a_fifo_without_waiting(tmp_path: Path) -> None:
    """Without a reader its open would wait for ever."""
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(FileKindError):
        open_to_write(tmp_path / "fifo")
    with pytest.raises(OSError, match="No such device"):
        open_to_write(tmp_path / "fifo", flags=os.O_WRONLY, is_stream_allowed=True)


def test_replace_file_replaces_a_link_and_leaves_its_target(tmp_path: Path) -> None:
    """A link at the place of a file that is written is removed, never followed."""
    target, place = tmp_path / "target", tmp_path / "place"
    target.write_bytes(b"theirs")
    place.symlink_to(target)
    replace_file(place, b"ours")
    assert (place.read_bytes(), place.is_symlink(), target.read_bytes()) == (b"ours", False, b"theirs")
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def _fifo(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path, 0o600)
    return path


def _large(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    os.truncate(path, 2 * LARGEST_FILE)
    return path


READERS: dict[str, Callable[[Path], object]] = {
    "policy": load_policy,
    "prices": load_prices,
    "alerts": load_alerts,
    "protocol": load_protocol,
    "public key": VerifyKey.read,
    "person's key": lambda path: PersonKey.read(path, "a passphrase"),
    "bundle": Bundle.load,
    "machine key": lambda path: KeyRing(path.parent, env="dev").signing_key(),
    "officers": lambda path: Officers.load(path.parent),
    "consent script": lambda path: Settings(
        MEDAGENT_CONSENT="ask",
        MEDAGENT_CONSENT_SCRIPT=str(path),  # type: ignore[call-arg]
        MEDAGENT_CONSENT_SCRIPT_VERSION="1.0",
    ).asks(),
}
LARGE_ENOUGH = {"bundle"}
"""What may be larger than 1 MB."""


@pytest.mark.parametrize("made", [_fifo, _large])
@pytest.mark.parametrize("reader", READERS)
def test_file_that_is_read_is_regular_and_bounded(tmp_path: Path, reader: str, made: Callable[[Path], Path]) -> None:
    """A FIFO is not waited for, and 2 MB are not parsed."""
    path = made(tmp_path / "room" / ("signing.key" if reader == "machine key" else "one.yaml"))
    if reader in LARGE_ENOUGH and made is _large:
        os.truncate(path, 32 * LARGEST_FILE)
    with pytest.raises(MedagentError):
        READERS[reader](path)


def test_protocol_digest_is_of_the_bytes_that_were_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is opened once: what is put in its place meanwhile has no part in it."""
    week5 = Path(__file__).parents[1] / "audits" / "week5.yaml"
    opened: list[str] = []
    real = os.open

    def counted(path: Any, *rest: Any, **options: Any) -> int:
        opened.append(str(path))
        return real(path, *rest, **options)

    monkeypatch.setattr(os, "open", counted)
    _, digest = load_protocol(week5)
    assert opened.count(str(week5)) == 1
    assert digest == hashlib.sha256(week5.read_bytes()).hexdigest()


def test_annex_over_its_limit_or_without_end_is_not_read(tmp_path: Path) -> None:
    """Whoever verifies a stranger's bundle reads a bounded number of bytes."""
    made = audit()
    directory = made.written(tmp_path)
    place = directory / made.report.annexes[0].name
    os.truncate(place, 64 * LARGEST_FILE)
    with pytest.raises(AttestationError, match="too large"):
        list(annexes(made.report, directory))
    place.unlink()
    place.symlink_to("/dev/zero")
    with pytest.raises(AttestationError, match="FileKindError"):
        list(annexes(made.report, directory))
    many = made.report.model_copy(update={"annexes": made.report.annexes * 500})
    with pytest.raises(AttestationError, match="expected at most"):
        list(annexes(many, directory))


@pytest.mark.timing
def test_make_database_file_keeps_the_locks_of_this_process(tmp_path: Path) -> None:
    """It makes a file for this user alone, narrows one that is there, and another process still finds it locked."""
    path = tmp_path / "some.db"
    make_database_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o644)
    lock = "import fcntl, sys; fcntl.lockf(open(sys.argv[1], 'r+'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    with path.open("r+") as held:
        fcntl.lockf(held, fcntl.LOCK_EX)
        make_database_file(path)
        done = subprocess.run([sys.executable, "-c", lock, str(path)], capture_output=True, text=True, check=False)
    assert "BlockingIOError" in done.stderr
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", ["link", "dangling", "fifo", "directory"])
def test_make_database_file_refuses_what_is_no_file(tmp_path: Path, kind: str) -> None:
    """A link is not followed, and nothing but a regular file counts."""
    path = tmp_path / "some.db"
    (tmp_path / "target").touch(mode=0o644)
    {
        "link": lambda: path.symlink_to(tmp_path / "target"),
        "dangling": lambda: path.symlink_to(tmp_path / "gone"),
        "fifo": lambda: os.mkfifo(path),
        "directory": path.mkdir,
    }[kind]()
    with pytest.raises(OSError, match=r"symbolic link|not a regular file"):
        make_database_file(path)
    assert stat.S_IMODE((tmp_path / "target").stat().st_mode) == 0o644
    assert not (tmp_path / "gone").exists()
