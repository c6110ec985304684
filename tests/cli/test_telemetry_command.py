"""`medagent telemetry` as the person on duty uses it: off, back on, and in every message the way back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command import medagent
from medagent.runtime.kill_switch import switch
from medagent.settings import load_settings
from medagent.telemetry.ledger import entries
from medagent.telemetry.switch import SwitchState
from medagent.telemetry.switch_message import message_of

PROD = {
    "MEDAGENT_ENV": "prod",
    "MEDAGENT_CONSENT": "not_asked",
    "MEDAGENT_CONSENT_BASIS": "treatment operations",
    "MEDAGENT_PSEUDONYM_KEY": "ab" * 32,
    "MEDAGENT_SIGNING_KEY": "cd" * 32,
}
BACK = 'medagent telemetry on --reason "…"'
OVERRIDE = 'medagent telemetry on --override --reason "…"'
AUDIT = "medagent telemetry on --audit REPORT"


def trip(home: Path) -> None:
    switch(load_settings(MEDAGENT_HOME=str(home))).trip("admission: a leak")


@pytest.mark.timing
def test_manual_off_is_lifted_with_a_reason(tmp_path: Path) -> None:
    """Off names the way back; on records who and why; both are in the ledger."""
    off = medagent("telemetry", "off", "--reason", "drill", home=tmp_path)
    assert (off.code, BACK in off.out) == (0, True)
    on = medagent("telemetry", "on", "--reason", "the drill is over", home=tmp_path)
    assert (on.code, on.out.strip()) == (0, "telemetry is on")
    changes = [e.content for e in entries(tmp_path / "ledger" / "ledger.jsonl") if e.kind == "switch_changed"]
    assert [(c["state"], c["source"], c["reason"]) for c in changes] == [
        ("off", "command", "drill"),
        ("on", "command", "the drill is over"),
    ]


@pytest.mark.timing
def test_trip_needs_an_override_and_is_named(tmp_path: Path) -> None:
    """Refused with what tripped it; lifted with `--override`, which names it again."""
    trip(tmp_path)
    refused = medagent("telemetry", "on", "--reason", "ticket OPS-1", home=tmp_path)
    assert refused.code != 0
    assert "admission: a leak" in refused.err
    assert "--override" in refused.err
    lifted = medagent("telemetry", "on", "--override", "--reason", "ticket OPS-1", home=tmp_path)
    assert lifted.code == 0
    assert "lifted the trip" in lifted.out
    assert "admission: a leak" in lifted.out
    assert json.loads(medagent("telemetry", "status", "--json", home=tmp_path).out)["on"] is True


@pytest.mark.timing
def test_prod_is_lifted_by_an_audit_alone(tmp_path: Path) -> None:
    """Neither a reason nor an override: the error names the command that would."""
    medagent("telemetry", "off", "--reason", "drill", home=tmp_path, **PROD)
    for words in (("--reason", "done"), ("--override", "--reason", "done")):
        refused = medagent("telemetry", "on", *words, home=tmp_path, **PROD)
        assert refused.code != 0
        assert AUDIT in refused.err
    assert AUDIT in medagent("telemetry", "status", home=tmp_path, **PROD).out


@pytest.mark.timing
@pytest.mark.parametrize(
    "words", [(), ("--override",), ("--audit", ".", "--reason", "x"), ("--audit", ".", "--override")]
)
def test_on_takes_a_report_or_a_reason(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Never neither, never both."""
    refused = medagent("telemetry", "on", *words, home=tmp_path)
    assert refused.code == 2
    assert "--reason TEXT" in refused.err


@pytest.mark.timing
@pytest.mark.parametrize("word", ["", " "])
def test_empty_word_is_off_and_said_so(tmp_path: Path, word: str) -> None:
    """A variable that is set to nothing is not one that is unset: status and doctor name it."""
    status = medagent("telemetry", "status", home=tmp_path, MEDAGENT_TELEMETRY=word)
    assert "MEDAGENT_TELEMETRY is set but empty" in status.out
    assert "unset MEDAGENT_TELEMETRY" in status.out
    doctor = medagent("doctor", home=tmp_path, MEDAGENT_TELEMETRY=word)
    assert "MEDAGENT_TELEMETRY is set but empty" in " ".join(doctor.out.split())
    assert json.loads(medagent("telemetry", "status", "--json", home=tmp_path).out)["on"] is True


@pytest.mark.timing
@pytest.mark.parametrize(
    ("command", "environment"),
    [
        (("telemetry", "status"), {}),
        (("doctor",), {}),
        (("doctor", "--send"), {}),
        (("ship", "--wait", "0"), {}),
        (("gate", "1"), {}),
        (("call", "opening_hours", "--pace", "20"), {}),
        (("alerts", "test"), {"MEDAGENT_SLACK_WEBHOOK_URL": "http://127.0.0.1:9/x"}),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_command_that_reports_off_names_the_way_back(
    tmp_path: Path, command: tuple[str, ...], environment: dict[str, str]
) -> None:
    """One sentence, the same in every command."""
    trip(tmp_path)
    done = medagent(*command, home=tmp_path, **environment)
    said = " ".join((done.out + done.err).split())
    assert "admission: a leak" in said
    assert OVERRIDE in said


def test_message_is_right_for_every_source_and_environment() -> None:
    """The remedy is a command or a setting of this environment."""
    for env, command, tripped in (("dev", BACK, OVERRIDE), ("prod", AUDIT, AUDIT)):
        for source, remedy in (
            ("command", command),
            ("trip", tripped),
            ("unreadable", tripped),
            ("audit_missing", command),
            ("environment", "unset MEDAGENT_TELEMETRY"),
        ):
            state = SwitchState(on=False, source=source, reason="r")  # type: ignore[arg-type]
            assert remedy in message_of(state, env=env).remedy, (env, source)  # type: ignore[arg-type]
    assert message_of(SwitchState(on=True, source="none"), env="dev").remedy == ""
    waits = message_of(SwitchState(on=True, source="none", waits="the outbox cannot be read"), env="prod")
    assert "exports wait: the outbox cannot be read" in str(waits)
