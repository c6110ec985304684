"""The ledger records who read what, by the account and not by an environment variable."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from command import medagent
from medagent import os_account
from medagent.os_account import current_account
from medagent.telemetry.ledger import Entry, entries

pytestmark = pytest.mark.timing


def accesses(home: Path) -> list[Entry]:
    return [entry for entry in entries(home / "ledger" / "ledger.jsonl") if entry.kind == "access"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one call in it."""
    made = tmp_path_factory.mktemp("home")
    played = medagent("call", "opening_hours", "--pace", "20", home=made)
    assert played.code == 0, played.err
    return made


@pytest.mark.parametrize(
    ("words", "given", "store", "is_of_one_call"),
    [
        (("trace", "list"), "", "archive", False),
        (("trace", "show", "--json"), "", "archive", True),
        (("trace", "check"), "", "archive", True),
        (("trace", "find", "--confirmation"), "R-NOT-THERE\n", "archive", False),
        (("archive", "prune"), "", "archive", False),
        (("ledger", "show"), "", "ledger", False),
        (("ledger", "verify"), "", "ledger", False),
    ],
)
def test_command_that_reads_records_an_access(
    home: Path, words: tuple[str, ...], given: str, store: str, is_of_one_call: bool
) -> None:
    """One entry each, with uid and account, whatever LOGNAME says; never the value that was looked for."""
    before = len(accesses(home))
    medagent(*words, home=home, given=given, LOGNAME="somebody", USER="somebody")
    [entry] = accesses(home)[before:]
    assert entry.content["store"] == store
    assert entry.content["command"] == "_".join(words[:2])
    assert entry.content["uid"] == os.getuid()
    assert entry.content["by"] == pwd.getpwuid(os.getuid()).pw_name
    assert (entry.content["trace_id"] is not None) is is_of_one_call
    assert b"NOT-THERE" not in (home / "ledger" / "ledger.jsonl").read_bytes()


def test_access_that_cannot_be_recorded_is_said(home: Path, tmp_path: Path) -> None:
    """The person sees the call, and that the ledger does not have it."""
    (tmp_path / "archive").mkdir()
    (tmp_path / "ledger" / "ledger.jsonl").mkdir(parents=True)
    done = medagent("trace", "list", home=tmp_path)
    assert done.code == 0
    assert "does not record this access" in done.err


def test_broken_ledger_is_left_as_it_is(tmp_path: Path) -> None:
    """It is evidence: reading it appends nothing."""
    medagent("telemetry", "off", "--reason", "drill", home=tmp_path)
    path = tmp_path / "ledger" / "ledger.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    before = path.read_bytes()
    for command in ("verify", "show"):
        assert medagent("ledger", command, home=tmp_path).code == 1
        assert path.read_bytes() == before


def test_account_names_login_and_uid(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`sudo` changes the uid and not the login; an id without a name is told by its number."""
    (tmp_path / "loginuid").write_text("0")
    monkeypatch.setattr(os_account, "_LOGIN_UID", tmp_path / "loginuid")
    monkeypatch.setattr(os, "getuid", lambda: 54321)
    found = current_account()
    assert (found.uid, found.name, found.login) == (54321, "uid-54321", "root")
    (tmp_path / "loginuid").write_text(str(2**32 - 1))
    monkeypatch.setattr(os, "getlogin", lambda: "duty")
    assert current_account().login == "duty"

    def no_terminal() -> str:
        raise OSError

    monkeypatch.setattr(os, "getlogin", no_terminal)
    assert current_account().login is None
