"""The kill switch: off from anywhere is off, doubt is off, and only a person turns it on again."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medagent.errors import AttestationError, LedgerError, SwitchError
from medagent.telemetry.switch import Audited, Switch
from switches import GO, audited, with_stores


def a_switch(home: Path, *, forced: str | None = None, env: Any = "dev", allows: Audited = audited) -> Switch:
    def record(change: Mapping[str, Any]) -> None:
        try:
            with (home / "record.jsonl").open("a") as log:
                log.write(json.dumps(dict(change)) + "\n")
        except OSError:
            raise LedgerError("the ledger cannot be written") from None

    return Switch(home, forced=forced, env=env, record=record, audited=allows)


def lines(home: Path) -> list[dict[str, str]]:
    """Every change that was recorded, in order."""
    return [json.loads(line) for line in (home / "record.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("word", ["off", "0", "false", "no", "OFF", " Off ", "False\n", "NO"])
def test_every_word_for_off_is_off(tmp_path: Path, word: str) -> None:
    """Case and spaces do not matter."""
    state = a_switch(tmp_path, forced=word).state()
    assert (state.on, state.source, state.reason) == (False, "environment", "MEDAGENT_TELEMETRY")


@pytest.mark.parametrize("word", [None, "on", "1", "true", "yes", "ON", " Yes "])
def test_every_word_for_on_forces_nothing(tmp_path: Path, word: str | None) -> None:
    """It leaves the decision to the others: on in dev, off where one of them says so."""
    switch = a_switch(tmp_path, forced=word)
    assert switch.is_on()
    a_switch(tmp_path).turn_off(reason="drill", by="duty")
    assert a_switch(tmp_path, forced=word).state().source == "command"


@given(word=st.text(max_size=8).filter(lambda word: word.strip().lower() not in {"on", "1", "true", "yes"}))
def test_any_other_word_is_off(tmp_path_factory: pytest.TempPathFactory, word: str) -> None:
    """Who meant to say something and was not understood does not want data to leave."""
    assert not a_switch(tmp_path_factory.getbasetemp(), forced=word).is_on()


def test_a_word_that_is_none_is_warned_of_and_not_repeated(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The log says that the setting is wrong, not what somebody pasted into it."""
    a_switch(tmp_path, forced="Jane Doe")
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "Jane" not in caplog.text


def test_off_from_any_source_wins(tmp_path: Path) -> None:
    """Lifting one of two does not turn it on."""
    forced = a_switch(tmp_path, forced="off")
    forced.turn_on(report=GO, by="duty")
    assert not forced.is_on()
    switch = a_switch(tmp_path, forced="on")
    switch.trip("a leak at the door")
    assert not switch.is_on()


def told_and_seen(home: Path) -> tuple[float, float]:
    """When a running process was switched off, and when it saw that: seconds since the epoch."""
    watcher = (
        "import sys, time; from pathlib import Path; from medagent.telemetry.switch import Switch\n"
        "switch = Switch(Path(sys.argv[1]), forced=None, env='dev')\n"
        "print(switch.is_on(), flush=True)\n"
        "while switch.is_on(): time.sleep(0.01)\n"
        "print(time.time(), switch.state().source, switch.state().reason, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", watcher, str(home)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        told = time.time()
        a_switch(home).turn_off(reason="drill", by="duty")
        seen, source, reason = process.stdout.readline().split()
        assert process.wait(60) == 0
    assert (source, reason) == ("command", "drill")
    return told, float(seen)


@pytest.mark.timing
def test_a_command_is_seen_by_another_process(tmp_path: Path) -> None:
    """A running process sees it without a restart, and not before it was given."""
    told, seen = told_and_seen(tmp_path)
    assert told <= seen


@pytest.mark.deadline
def test_a_command_is_seen_by_another_process_within_a_second(tmp_path: Path) -> None:
    """`telemetry off` takes effect in every running process of the host within 1 s."""
    told, seen = told_and_seen(tmp_path)
    assert seen - told < 1.0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"on",
        b"{}",
        b"\xff\xfe\x00",
        b'{"state": "on"}',
        b'{"state": "maybe", "source": "command", "reason": "r", "by": "b", "at": "2026"}',
        b'{"state": "on", "source": "command", "reason": "r", "by": "b", "at": "2026", "extra": 1}',
        b"[" * 100_000,
    ],
)
def test_a_file_that_cannot_be_understood_is_off(tmp_path: Path, content: bytes) -> None:
    """Doubt is off."""
    (tmp_path / "switch.json").write_bytes(content)
    state = a_switch(tmp_path).state()
    assert (state.on, state.source) == (False, "unreadable")


def test_a_file_that_cannot_be_read_is_off(tmp_path: Path) -> None:
    """A directory in its place, a home that is a file: off."""
    (tmp_path / "home" / "switch.json").mkdir(parents=True)
    (tmp_path / "file").touch()
    for home in ("home", "file"):
        assert a_switch(tmp_path / home).state().source == "unreadable"


def test_a_trip_that_cannot_be_written_holds_in_its_process(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A broken disk does not turn a tripped switch on again, not even once it is mended."""
    home = tmp_path / "home"
    switch = a_switch(home)
    assert switch.is_on()
    home.touch()
    switch.trip("a leak at the door")
    home.unlink()
    state = switch.state()
    assert (state.on, state.source, state.reason) == (False, "trip", "a leak at the door")
    assert "could not be written" in caplog.text
    assert a_switch(home).is_on()


def test_a_trip_in_a_read_only_home_holds_in_its_process() -> None:
    """A process that may read its home and not write it: off for itself, on for the host, and the log says so."""
    code = (
        "import os, sys; from pathlib import Path; from medagent.telemetry.switch import Switch\n"
        "switch = Switch(Path(sys.argv[1]), forced=None, env='dev')\n"
        "if os.geteuid() == 0: os.setuid(65534)\n"
        "before = switch.is_on(); switch.trip('a leak at the door')\n"
        "print(before, switch.is_on(), switch.state().source)"
    )
    with tempfile.TemporaryDirectory() as directory:  # pytest's own no other user may enter
        home = Path(directory)
        home.chmod(0o555)
        done = subprocess.run([sys.executable, "-c", code, str(home)], capture_output=True, text=True, check=False)
        assert done.stdout.split() == ["True", "False", "trip"], done.stderr
        assert "could not be written" in done.stderr
        assert list(home.iterdir()) == []
        assert a_switch(home).is_on()
        home.chmod(0o755)


def test_a_trip_holds_for_the_host(tmp_path: Path) -> None:
    """Every other process sees it, and one that starts later too."""
    a_switch(tmp_path).trip("overhead")
    state = a_switch(tmp_path).state()
    assert (state.on, state.source, state.reason) == (False, "trip", "overhead")


def test_only_a_later_audit_lifts_a_trip(tmp_path: Path) -> None:
    """An `on` from before the trip is no answer to it; a later audit's is, from whichever process."""
    began = {GO: datetime.now(UTC)}
    other = a_switch(tmp_path, allows=began.__getitem__)
    other.turn_on(report=GO, by="duty")
    before = (tmp_path / "switch.json").read_bytes()
    switch = a_switch(tmp_path, allows=began.__getitem__)
    switch.trip("a leak at the door")
    (tmp_path / "switch.json").write_bytes(before)
    assert not switch.is_on()
    began["91" * 32] = datetime.now(UTC)
    other.turn_on(report="91" * 32, by="duty")
    assert switch.is_on()


def test_a_second_trip_counts_after_the_first_was_lifted(tmp_path: Path) -> None:
    """Whether or not anybody looked in between, a new leak turns it off again."""
    switch = a_switch(tmp_path)
    switch.trip("first")
    a_switch(tmp_path).turn_on(report=GO, by="duty")
    switch.trip("second")
    assert switch.state().reason == "second"
    assert not a_switch(tmp_path).is_on()


def test_a_trip_is_written_once(tmp_path: Path) -> None:
    """A hundred leaks of a second are one trip with the first's reason."""
    switch = a_switch(tmp_path)
    for number in range(100):
        switch.trip(f"leak {number}")
    assert [line["reason"] for line in lines(tmp_path)] == ["leak 0"]


def refusing(report: str) -> datetime:
    raise AttestationError("this report does not allow telemetry: the code here is not what was audited")


def breaking(report: str) -> datetime:
    raise RuntimeError(report)


@pytest.mark.parametrize("env", ["dev", "prod"])
@pytest.mark.parametrize(("allows", "says"), [(refusing, "code here"), (breaking, "cannot be judged \\(RuntimeError")])
def test_on_needs_a_report_that_allows_it(tmp_path: Path, env: str, allows: Audited, says: str) -> None:
    """In dev as in prod nobody lifts an off by a word; a report that cannot be judged allows nothing."""
    switch = a_switch(tmp_path, env=env, allows=allows)
    switch.turn_off(reason="drill", by="duty")
    with pytest.raises(SwitchError, match=says):
        switch.turn_on(report=GO, by="duty")
    assert not switch.is_on()
    assert len(lines(tmp_path)) == 1


def test_prod_starts_off_until_a_report_allows_it(tmp_path: Path) -> None:
    """Without a file prod is off and dev on; by a report both are on."""
    assert a_switch(tmp_path, env="prod").state().source == "audit_missing"
    assert a_switch(tmp_path).is_on()
    a_switch(tmp_path, env="prod").turn_on(report=GO, by="duty")
    assert a_switch(tmp_path, env="prod").is_on()


@pytest.mark.parametrize("env", ["dev", "prod"])
def test_an_entry_that_says_on_is_not_enough(tmp_path: Path, env: str) -> None:
    """Every process has the report behind it verified, once: a hand that writes the file turns nothing on."""
    a_switch(tmp_path).turn_on(report=GO, by="duty")
    asked: list[str] = []

    def refused_then(report: str) -> datetime:
        asked.append(report)
        raise AttestationError("a review that was signed over is missing")

    switch = a_switch(tmp_path, env=env, allows=refused_then)
    for _ in range(3):
        state = switch._read()
        assert (state.on, state.source, state.reason) == (
            False,
            "audit_missing",
            "a review that was signed over is missing",
        )
    assert asked == [GO]
    written = json.loads((tmp_path / "switch.json").read_text())
    (tmp_path / "switch.json").write_text(json.dumps(written | {"report": None}))
    assert with_stores(tmp_path, env=env).state().source == "audit_missing"


def test_an_audit_from_before_a_trip_lifts_nothing(tmp_path: Path) -> None:
    """Nor after an off by hand that came in between, nor in a process that tripped and could not write it."""
    began = datetime.now(UTC)
    switch = a_switch(tmp_path, allows=lambda report: began)
    switch.turn_on(report=GO, by="duty")
    switch.trip("a leak at the door")
    with pytest.raises(SwitchError, match="it tripped after this audit began"):
        switch.turn_on(report=GO, by="duty")
    other = a_switch(tmp_path, allows=lambda report: began)
    other.turn_off(reason="drill", by="duty")
    with pytest.raises(SwitchError, match="it tripped after this audit began"):
        other.turn_on(report=GO, by="duty")
    assert not other.is_on()


def test_an_off_by_command_does_not_age_a_report(tmp_path: Path) -> None:
    """After a drill the same report lifts it: what was audited has not changed."""
    began = datetime.now(UTC)
    switch = a_switch(tmp_path, allows=lambda report: began)
    switch.turn_off(reason="drill", by="duty")
    switch.turn_on(report=GO, by="duty")
    assert switch.is_on()


def test_every_change_is_recorded(tmp_path: Path) -> None:
    """Who and why, in the order in which it happened."""
    switch = a_switch(tmp_path)
    switch.turn_off(reason="drill", by="duty")
    switch.turn_on(report=GO, by="officer")
    switch.trip("a leak at the door")
    written = lines(tmp_path)
    assert [(line["state"], line["source"], line["reason"], line["by"]) for line in written] == [
        ("off", "command", "drill", "duty"),
        ("on", "command", "a signed audit report allows it", "officer"),
        ("off", "trip", "a leak at the door", "medagent"),
    ]


def test_the_state_outlives_the_process(tmp_path: Path) -> None:
    """A new switch on the same host is as the last one was left."""
    a_switch(tmp_path).turn_off(reason="drill", by="duty")
    assert not a_switch(tmp_path).is_on()
    a_switch(tmp_path).turn_on(report=GO, by="duty")
    assert a_switch(tmp_path).is_on()


def test_a_command_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    """Who believes that telemetry is off must not be wrong."""
    (tmp_path / "file").touch()
    with pytest.raises(SwitchError) as caught:
        a_switch(tmp_path / "file").turn_off(reason="drill", by="duty")
    assert "MEDAGENT_TELEMETRY=off" in caught.value.diagnostics()
