"""A ledger that was rolled back or deleted is noticed by each place that keeps its head."""

from __future__ import annotations

import os
import re
import socket
import stat
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledgers import KEY
from medagent.errors import BrokenLedgerError, LedgerError, SettingsError
from medagent.runtime.exports import exporters, outbox
from medagent.runtime.host import check_ledger_heads, ledger, ledger_path
from medagent.settings import Settings, load_settings
from medagent.telemetry.ledger import Ledger
from medagent.telemetry.ledger.anchors import (
    AppendedAnchor,
    FileAnchor,
    Head,
    SyslogAnchor,
    check_heads,
    heads_in,
    second_place,
)

NOBODY = 65534


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A host with an outbox, and a second place that it can read."""
    place = tmp_path / "second"
    place.touch()
    monkeypatch.setenv("MEDAGENT_LEDGER_ANCHOR", f"file:{place}")
    settings = load_settings()
    box = outbox(settings, exporters(settings))
    with box._database.writing():
        pass
    box.close()
    return settings


def record(settings: Settings, count: int = 3) -> list[str]:
    return [ledger(settings).append("checkpoint", {"by": f"duty{number}"}).hash for number in range(count)]


def only(settings: Settings, place: str) -> None:
    """Take the head away from every place but one."""
    if place != "archive":
        (settings.home / "archive" / "ledger-head.json").unlink()
    if place != "outbox":
        for file in (settings.home / "outbox").glob("outbox.db*"):
            file.unlink()
    if place != "second place":
        Path(str(settings.ledger_anchor).removeprefix("file:")).write_text("")


@pytest.mark.parametrize("place", ["archive", "outbox", "second place"])
@pytest.mark.parametrize("harm", ["rolled back", "deleted", "emptied", "rewritten"])
def test_a_ledger_that_lost_its_end_is_noticed_by_each_place(place: str, harm: str, host: Settings) -> None:
    """Archive, outbox and second place each suffice, and what is whole passes."""
    record(host)
    check_ledger_heads(host)
    only(host, place)
    check_ledger_heads(host)
    path = ledger_path(host)
    lines = path.read_bytes().splitlines(keepends=True)
    match harm:
        case "rolled back":
            path.write_bytes(b"".join(lines[:-1]))
        case "deleted":
            path.unlink()
        case "emptied":
            path.write_bytes(b"")
        case _:
            path.unlink()
            Ledger(path, KEY).append("checkpoint", {"by": "duty"})
    for _ in range(2):
        with pytest.raises(BrokenLedgerError, match=f"the {place} keeps its hash"):
            check_ledger_heads(host)
        record(host, 1)  # what is recorded later does not hide it


@given(kept=st.integers(0, 6), heads=st.lists(st.integers(0, 6), min_size=1))
def test_a_head_is_missed_exactly_if_its_entry_is_gone(
    kept: int, heads: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever number of entries is left, and whichever heads a place kept."""
    path = tmp_path_factory.mktemp("ledger") / "ledger.jsonl"
    made = [Ledger(path, KEY).append("checkpoint", {"by": f"duty{number}"}) for number in range(6)]
    lines = path.read_bytes().splitlines(keepends=True)
    hashes = ["0" * 64, *(one.hash for one in made)]
    path.write_bytes(b"".join(lines[: kept + 1]))
    there = {one.hash for one in made[:kept]}
    named = [("a place", Head(sequence=number, hash=hashes[number])) for number in heads]
    if all(head.hash in there for _, head in named):
        check_heads(path, named)
    else:
        with pytest.raises(BrokenLedgerError, match="rolled back or deleted"):
            check_heads(path, named)


@pytest.fixture(params=["unix", "udp"])
def receiver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """A syslog receiver on this host, and the setting that names it."""
    family = socket.AF_UNIX if request.param == "unix" else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_DGRAM)) as taken:
        taken.settimeout(30)
        if request.param == "unix":
            taken.bind(str(tmp_path / "log"))
            yield f"syslog:{tmp_path / 'log'}", taken
        else:
            taken.bind(("127.0.0.1", 0))
            yield f"syslog:127.0.0.1:{taken.getsockname()[1]}", taken


@pytest.mark.timing
def test_a_syslog_receiver_is_told_every_head(
    receiver: tuple[str, socket.socket], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RFC 5424; its log shows that the ledger was deleted with everything else on the host."""
    setting, taken = receiver
    monkeypatch.setenv("MEDAGENT_LEDGER_ANCHOR", setting)
    settings = load_settings()
    record(settings)
    log = [taken.recv(4096).decode() for _ in range(3)]
    assert all(
        re.match(r"<109>1 - - medagent \d+ - - medagent-ledger sequence=\d+ hash=[0-9a-f]{64}$", one) for one in log
    )
    file = tmp_path / "messages"
    file.write_text("\n".join(log))
    check_ledger_heads(settings, file)
    path = ledger_path(settings)
    path.unlink()
    (settings.home / "archive" / "ledger-head.json").unlink()
    check_ledger_heads(settings)
    with pytest.raises(BrokenLedgerError, match="rolled back or deleted"):
        check_ledger_heads(settings, file)


@pytest.mark.timing
@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a file of another user")
def test_a_file_of_another_user_takes_every_head(tmp_path: Path) -> None:
    """The process may append to it and neither read nor replace it; who owns it reads every head."""
    for place in (tmp_path, *tmp_path.parents):
        with suppress(OSError):
            if place != Path("/") and place.stat().st_uid == os.geteuid():
                place.chmod(place.stat().st_mode | 0o055)
    place = tmp_path / "heads"
    place.touch()
    place.chmod(stat.S_IRUSR | stat.S_IWUSR | stat.S_IWOTH)
    head = Head(sequence=7, hash="ab" * 32)
    child = os.fork()
    if child == 0:
        code = 1
        with suppress(BaseException):
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            anchor = AppendedAnchor(place)
            anchor.keep(head)
            anchor.keep(head)
            code = 0 if anchor.heads() == [] else 2
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert list(heads_in(place)) == [head, head]
    assert place.stat().st_uid == 0


def test_a_place_that_cannot_take_a_head_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A missing file is not made, a link is not followed, and the entry is recorded all the same."""
    target = tmp_path / "target"
    target.touch()
    (tmp_path / "link").symlink_to(target)
    for place in ("missing", "link"):
        monkeypatch.setenv("MEDAGENT_LEDGER_ANCHOR", f"file:{tmp_path / place}")
        record(load_settings(), 1)
        assert "cannot be kept in the second place" in caplog.text
        caplog.clear()
    assert not (tmp_path / "missing").exists()
    assert target.read_bytes() == b""
    check_ledger_heads(load_settings())


def test_a_head_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """A file in the archive that holds no head keeps the ledger from passing."""
    place = tmp_path / "ledger-head.json"
    for text in ("", "{}", '{"sequence": 1, "hash": "x"}', "[]"):
        place.write_text(text)
        with pytest.raises(LedgerError, match="cannot be read"):
            FileAnchor(place).heads()


@pytest.mark.parametrize(
    "setting",
    [
        "",
        "x",
        "file:relative",
        "syslog:",
        "syslog:log.example:514",
        "syslog:192.0.2.1:514",
        "syslog:127.0.0.1:0",
        "http://x",
    ],
)
def test_a_place_elsewhere_is_refused(setting: str) -> None:
    """A receiver is on this host, a file has a whole path."""
    with pytest.raises(SettingsError, match="MEDAGENT_LEDGER_ANCHOR"):
        second_place(setting)


@pytest.mark.parametrize("setting", ["syslog:/dev/log", "syslog:127.0.0.1:514", "syslog:[::1]:514"])
def test_a_receiver_on_this_host_is_taken(setting: str) -> None:
    """By socket, or by a loopback address of either family."""
    assert isinstance(second_place(setting), SyslogAnchor)
