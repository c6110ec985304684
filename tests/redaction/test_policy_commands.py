from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from small_policy import SMALL

from command import Done, run
from medagent.redaction import find_policy
from medagent.redaction.comparison import rule_changes, synthetic_records, value_changes
from medagent.redaction.explanation import explain
from medagent.redaction.policy import Action
from medagent.redaction.safe_harbor import IDENTIFIERS, matrix
from packaged import packaged_policy

pytestmark = pytest.mark.timing
CLINIC, STRICT = (packaged_policy(name) for name in ("clinic", "safe-harbor"))


def medagent(*arguments: str) -> Done:
    return run(*arguments, environment=os.environ)


def lines(*arguments: str) -> list[dict[str, Any]]:
    done = medagent(*arguments)
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


@pytest.mark.parametrize("policy", [CLINIC, STRICT], ids=lambda policy: str(policy.name))
def test_the_matrix_has_eighteen_rows_and_a_proof_in_each(policy: Any) -> None:
    """For each of Safe Harbor's identifiers a rule says what is done, and an example of the policy has tried it."""
    rows = matrix(policy)
    assert "".join(row.letter for row in rows) == "ABCDEFGHIJKLMNOPQR" == "".join(IDENTIFIERS)
    assert [row.letter for row in rows if not row.rules or not row.examples or not all(row.examples.values())] == []


def test_nothing_of_the_safe_harbor_leaves_under_the_stricter_policy() -> None:
    """There no field that carries one of the eighteen is kept; a pseudonym or a bucket is the most that leaves."""
    for row in matrix(STRICT):
        assert [field for field, rule in row.rules.items() if rule.action in (Action.KEEP, Action.TRUNCATE)] == []


def test_show() -> None:
    """`policy show` prints the rules and the matrix within 100 columns, and all of it as JSON."""
    done = medagent("policy", "show", "--policy", "safe-harbor")
    assert (done.code, done.err) == (0, "")
    assert max(map(len, done.out.splitlines())) <= 100
    for word in ("patient_name", "164.514", "biometric", STRICT.digest[:12], "clock shifted"):
        assert word in done.out
    (told,) = lines("policy", "show", "--policy", "safe-harbor", "--json")
    assert (told["sha256"], told["clock"]) == (STRICT.digest, "shifted")
    assert told["rules"]["doctor_name"] == {
        "action": "PSEUDONYM",
        "category": "staff",
        "safe_harbor": "A",
        "shape": {"roster": "doctors"},
        "why": None,
        "source": STRICT.fields["doctor_name"].source,
    }
    assert [row["letter"] for row in told["safe_harbor"]] == list(IDENTIFIERS)


@pytest.mark.parametrize(
    ("field", "value", "span", "action", "left"),
    [
        ("phone", "555-0142", None, "REDACT", "<REDACTED>"),
        ("doctor_name", "Dr. Amara Okafor", None, "KEEP", "Dr. Amara Okafor"),
        ("doctor_name", "Jane Doe", None, "REDACT", "<REDACTED>"),
        ("age", "95", None, "BUCKET", "90+"),
        ("notes", "Jane", None, "REDACT", "<REDACTED>"),
        ("photo", "x", None, "DROP", None),
        ("favourite_colour", "red", None, "DROP", None),
        ("user_states[].from", "away", "session.end", "KEEP", "away"),
        ("available", "true", None, "KEEP", True),
        ("slots[].doctor_name", "Dr. Amara Okafor", "tool.check_availability", "KEEP", "Dr. Amara Okafor"),
        ("duration_ms", "41.5", "tool.book_appointment", "KEEP", 41.5),
    ],
)
def test_explain(field: str, value: str, span: str | None, action: str, left: object) -> None:
    """What `policy explain` says would leave is what the redactor lets leave, with the rule and its line."""
    (told, *_) = lines("policy", "explain", field, value, "--json", *(("--span", span) if span else ()))
    assert (told["action"], told["left"], told["leaves"]) == (action, left, left is not None)
    if field == "favourite_colour":
        assert told["rule"] is None
        return
    file, _, line = told["source"].partition(":")
    assert file == "clinic.yaml"
    assert field.rpartition(".")[2] in find_policy().read_text().splitlines()[int(line) - 1]
    plain = medagent("policy", "explain", field, value, *(("--span", span) if span else ()))
    assert told["source"] in plain.out


BROKEN = """\
name: mine
version: 1
extends: ./base.yaml
fields:
  phone: {action: KEEP, category: machine, why: x, shape: {pattern: "[0-9]+"}}
  phone: {action: REDACT, category: phone}
  notes: {acton: TRUNCATE, category: health_text, max: 50}
"""


def test_lint_lists_every_error_of_a_file_and_of_its_base(tmp_path: Path) -> None:
    """Exit code 1, one line each on stdout, as JSON too; what loads the policy fails with the first of them."""
    (tmp_path / "base.yaml").write_text(SMALL.replace("max: 50", "max: 500"))
    path = tmp_path / "mine.yaml"
    path.write_text(BROKEN)
    done = medagent("policy", "lint", "--policy", str(path))
    assert (done.code, done.err) == (1, "")
    starts = [line.rpartition(", expected")[0][:60] for line in done.out.splitlines()]
    assert len(starts) == 6
    told = [json.loads(line) for line in medagent("policy", "lint", "--policy", str(path), "--json").out.splitlines()]
    assert [(one["file"], one["line"], one["rule"], one["problem"]) for one in told] == [
        ("mine.yaml", 2, "version", "invalid"),
        ("mine.yaml", 5, "fields.phone", "invalid"),
        ("mine.yaml", 6, None, "invalid"),
        ("mine.yaml", 7, "fields.notes", "invalid"),
        ("base.yaml", 9, "spans.tool.*.notes", "invalid"),
        ("mine.yaml", 7, "fields.notes", "invalid"),
    ]
    shown = medagent("policy", "show", "--policy", str(path))
    assert (shown.code, shown.out) == (2, "")
    assert shown.err == f"medagent: {done.out.splitlines()[0]}\n`medagent policy lint` lists this and 5 more\n"


def test_lint_lists_every_failing_example(tmp_path: Path) -> None:
    """Each example that does not come out is a line, beside what else speaks against the tools."""
    path = tmp_path / "p.yaml"
    second = SMALL.partition("examples:\n")[2].replace("the number goes", "again")
    path.write_text((SMALL + second).replace("phone: <REDACTED>", "phone: kept"))
    told = [json.loads(line) for line in medagent("policy", "lint", "--policy", str(path), "--json").out.splitlines()]
    assert [one["says"][:35] for one in told if one["problem"] == "invalid"] == [
        "'the number goes' does not come out",
        "'again' does not come out as expect",
    ]
    assert any(one["problem"] == "unnamed" for one in told)


def test_explain_tells_the_condition_too() -> None:
    """A rule with a condition is explained twice: alone, and beside what it asks for."""
    first, beside = lines("policy", "explain", "appointment_datetime", "2026-05-04T09:30", "--json")
    assert (first["left"], first["beside"]) == ("2026-05-04T09:30", None)
    assert (beside["left"], beside["beside"], beside["action"]) == ("2026", "mrn", "BUCKET")


def test_explain_a_span_that_is_none() -> None:
    """A misspelled span is an error with the nearest one."""
    done = medagent("policy", "explain", "phone", "1", "--span", "tool.book_apointment")
    assert done.code == 2
    assert "did you mean 'tool.book_appointment'" in done.err


def test_explain_is_true_of_every_rule() -> None:
    """Every named field can be explained, and its rule is found."""
    for policy in (CLINIC, STRICT):
        for field, rule in policy.fields.items():
            assert explain(policy, field, "x")[0].rule is rule


def test_diff() -> None:
    """`policy diff` tells each rule that decides otherwise, and what would leave otherwise of the invented records."""
    found = lines("policy", "diff", "clinic", "safe-harbor", "--json")
    rules = {one["rule"]: one for one in found if "rule" in one}
    assert set(rules) == {
        "clock",
        "appointment_datetime",
        "from_date",
        "to_date",
        "confirmation_id",
        "doctor_name",
        "clinic_location",
        "voice_session: room_id",
        "participant_id",
        "policy.guardrail: consent.at",
        "tool.reschedule_appointment: arguments.new_appointment_datetime",
        "tool.get_opening_hours: arguments.date",
        "tool.get_opening_hours: result.hours[].time_zone",
        "tool.get_opening_hours: result.holidays[].holiday_date",
        "tool.get_medical_guidelines: result.guidelines[].source_date",
    }
    assert rules["voice_session: room_id"]["after"]["action"] == "DROP"
    values = {(one["record"], one["path"]): (one["before"], one["after"]) for one in found if "record" in one}
    assert values["a booking", "arguments.appointment_datetime"] == ('"2026-05-04T09:30:00-05:00"', '"2026"')
    assert values["the session of a booking by phone", "room_id"] == ('"<PSEUDONYM>"', None)
    shown = medagent("policy", "diff", "clinic", "safe-harbor")
    assert (shown.code, shown.err) == (0, "")
    assert max(map(len, shown.out.splitlines())) <= 100
    assert "2026-05-04T09:30:00-05:00" in shown.out


def test_no_difference() -> None:
    """A policy decides as it does itself."""
    assert list(rule_changes(CLINIC, CLINIC)) == []
    assert list(value_changes(STRICT, STRICT)) == []
    assert "decide alike" in medagent("policy", "diff", "clinic", "clinic").out
    assert lines("policy", "diff", "clinic", "clinic", "--json") == []


def test_the_synthetic_records_reach_every_span_of_a_tool() -> None:
    """The records that are replayed stand for tools, turns, the session and a guardrail, and name nobody who exists."""
    spans = {record.span for record in synthetic_records().records}
    assert {"voice_session", "agent_turn", "user_turn", "policy.guardrail", "tool.book_appointment"} <= spans
    assert any(CLINIC.span_name(span) == "tool.unknown" for span in spans)


def test_the_examples_by_command(tmp_path: Path) -> None:
    """`policy test` runs each example; one that fails is shown with what came out, and the exit code is 1."""
    good = lines("policy", "test", "--json")
    assert [one["passed"] for one in good] == [True] * len(CLINIC.examples)
    path = tmp_path / "p.yaml"
    path.write_text(SMALL.replace("phone: <REDACTED>", "phone: kept"))
    done = medagent("policy", "test", "--policy", str(path))
    assert done.code == 1
    assert "kept" in done.out
    assert "<REDACTED>" in done.out
    assert medagent("policy", "show", "--policy", str(path)).code == 2


def test_the_schema_by_command() -> None:
    """`policy schema` prints what is published beside the policies."""
    published = find_policy().with_name("policy.schema.json").read_text("utf-8")
    assert medagent("policy", "schema").out == published


def test_what_is_no_policy_by_command() -> None:
    """A name that is neither packaged nor a file is two lines on stderr and exit code 2."""
    done = medagent("policy", "show", "--policy", "nobody")
    assert done.code == 2
    assert done.err.startswith("medagent: nobody: no such policy\n")


@pytest.mark.parametrize("command", [("policy", "show", "--json"), ("policy", "test"), ("redact",)], ids=" ".join)
def test_policy_setting_with_a_packaged_name_is_found(command: tuple[str, ...]) -> None:
    """MEDAGENT_POLICY takes the name of a packaged policy in every command, as in a call."""
    done = run(*command, environment={**os.environ, "MEDAGENT_POLICY": "safe-harbor"}, given="hello\n")
    assert done.code == 0, done.err
