"""`medagent ledger`: what an officer types, and what comes back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from ledgers import THIEF, guardrail
from medagent.cli import app
from medagent.errors import KeyFileError
from medagent.proof import SigningKey
from medagent.runtime.host import ledger, ledger_path
from medagent.runtime.kill_switch import switch
from medagent.runtime.telemetry import Telemetry
from medagent.settings import Settings, load_settings


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDAGENT_HOME", str(tmp_path / "home"))
    for name in ("MEDAGENT_ENV", "MEDAGENT_SIGNING_KEY", "MEDAGENT_PSEUDONYM_KEY", "MEDAGENT_TELEMETRY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


@pytest.fixture
def settings(home: Path) -> Settings:
    """A host on which three calls were traced and telemetry was switched."""
    made = load_settings()
    assert made.home == home
    for number in range(3):
        ledger(made).append("guardrail", guardrail(number))
    switch(made).turn_off(reason="drill", by="duty")
    return made


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["ledger", *map(str, words)])


def test_an_officers_week(settings: Settings, tmp_path: Path) -> None:
    """Key and checkpoint are taken away, work goes on, and with both the ledger verifies; then its end is cut off."""
    key, checkpoint = tmp_path / "machine.pem", tmp_path / "checkpoint.json"
    key.write_text(run("key").stdout)
    checkpoint.write_text(run("checkpoint").stdout)
    ledger(settings).append("guardrail", guardrail(3))
    done = run("verify", "--key", key, "--checkpoint", checkpoint)
    assert done.exit_code == 0, done.stderr
    assert "the ledger is whole: 7 entries" in done.stdout
    assert "1 checkpoint, 4 guardrail, 1 key_created, 1 switch_changed" in done.stdout

    path = ledger_path(settings)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-3]))  # the last is an access
    done = run("verify", "--key", key)
    assert (done.exit_code, "the archive keeps its hash" in done.stderr) == (1, True)
    (path.parents[1] / "archive" / "ledger-head.json").unlink()
    assert run("verify", "--key", key).exit_code == 0
    done = run("verify", "--key", key, "--checkpoint", checkpoint)
    assert done.exit_code == 1
    assert "the ledger is broken" in done.stderr
    assert "entry 5: the checkpoint saw another" in done.stderr  # an access stands at its place


def test_a_broken_ledger_is_named_by_its_entry(settings: Settings) -> None:
    """Exit code 1, the number and what is wrong, for people and for machines; no checkpoint is taken of it."""
    path = ledger_path(settings)
    path.write_bytes(path.read_bytes().replace(b'"name":3', b'"name":2', 1))
    done = run("verify")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "entry 1: it is not what was written" in done.stderr
    done = run("verify", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout) == {
        "whole": False,
        "torn": False,
        "entry": 1,
        "says": "entry 1: it is not what was written",
    }
    before = path.read_bytes()
    done = run("checkpoint")
    assert (done.exit_code, done.stdout, path.read_bytes()) == (1, "", before)


def test_a_torn_ledger_is_called_torn(settings: Settings) -> None:
    """Until the next entry accounts for it; then it is whole and says so."""
    path = ledger_path(settings)
    path.write_bytes(path.read_bytes()[:-20])
    done = run("verify")
    assert done.exit_code == 1
    assert "the ledger is torn" in done.stderr
    ledger(settings).append("guardrail", guardrail(4))
    done = run("verify")
    assert done.exit_code == 0
    assert "entry 4 accounts for a line before it" in done.stdout


def test_another_key_is_refused(settings: Settings, tmp_path: Path) -> None:
    """With a key that never signed the ledger is broken; with a file that is no key the command fails."""
    assert ledger_path(settings).exists()
    other = tmp_path / "other.pem"
    other.write_text(THIEF.public.pem)
    done = run("verify", "--key", other)
    assert done.exit_code == 1
    assert "entry 0: it is signed by key" in done.stderr
    other.write_text("no key")
    assert isinstance(run("verify", "--key", other).exception, KeyFileError)


def test_a_copy_is_verified_elsewhere(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """File and public key are enough on a machine that has neither ledger nor key."""
    copy, key = tmp_path / "copy.jsonl", tmp_path / "machine.pem"
    copy.write_bytes(ledger_path(settings).read_bytes())
    key.write_text(run("key").stdout)
    monkeypatch.setenv("MEDAGENT_HOME", str(tmp_path / "elsewhere"))
    done = run("verify", "--file", copy, "--key", key, "--json")
    found: dict[str, Any] = json.loads(done.stdout)
    assert (found["whole"], found["entries"], found["recovered"]) == (True, 5, [])
    assert not (tmp_path / "elsewhere" / "keys").exists()


def test_show_is_for_people_and_machines(settings: Settings) -> None:
    """A line per entry, by kind, and what breaks it at the end."""
    done = run("show", "--kind", "switch_changed")
    assert done.exit_code == 0
    assert "reason drill" in done.stdout
    assert "guardrail" not in done.stdout
    documents = [json.loads(line) for line in run("show", "--json").stdout.splitlines()]
    assert [document["sequence"] for document in documents] == [0, 1, 2, 3, 4, 5]  # the last is the access before
    path = ledger_path(settings)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[::2]))
    done = run("show", "--json")
    assert (done.exit_code, len(done.stdout.splitlines())) == (1, 1)
    assert "entry 1" in done.stderr
    assert run("show", "--kind", "nothing").exit_code == 2


def test_no_ledger_is_not_a_whole_one(home: Path) -> None:
    """On a fresh host there is nothing to be proud of."""
    assert run("verify").exit_code == 1
    assert not (home / "ledger").exists()


@pytest.mark.timing
def test_prod_does_not_start_without_its_signing_key(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unsigned record is none: the error says what to set, and with it the process starts."""
    monkeypatch.setenv("MEDAGENT_ENV", "prod")
    monkeypatch.setenv("MEDAGENT_PSEUDONYM_KEY", "5a" * 32)
    monkeypatch.setenv("MEDAGENT_CONSENT", "not_asked")
    monkeypatch.setenv("MEDAGENT_CONSENT_BASIS", "treatment contract")
    with pytest.raises(KeyFileError) as caught:
        Telemetry(load_settings())
    assert "MEDAGENT_SIGNING_KEY" in caught.value.diagnostics()
    monkeypatch.setenv("MEDAGENT_SIGNING_KEY", "6b" * 32)
    telemetry = Telemetry(load_settings())
    entry = telemetry.ledger.append("guardrail", guardrail())
    assert entry.key_id == SigningKey.from_seed(b"\x6b" * 32).key_id
    assert not (home / "keys").exists()
