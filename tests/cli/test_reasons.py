"""A `--reason` passes the text layers before anybody keeps it."""

from __future__ import annotations

from pathlib import Path

import pytest

from command import medagent
from medagent.cli.reasons import recorded_reason
from medagent.telemetry.ledger import entries

PLANTED = ("Maren", "Oldfield", "Theodora", "1982", "march", "Elmswood")


@pytest.mark.parametrize(
    "text",
    [
        "drill",
        "ticket OPS-1",
        "suspected leak, ticket OPS-4711",
        "INC004711: false alarm, checked twice",
        "OPS-1 OPS-2",
        "planned change CHG-12, on again after the audit",
    ],
)
def test_reason_of_plain_words_and_tickets_is_recorded_as_it_is(text: str) -> None:
    """An operator's own words stay."""
    assert recorded_reason(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "outage, notes of Maren Oldfield",
        "ticket OPS-12 Maren complained",
        "the caller theodora called back",
        "born march third 1982",
        "lives on Elmswood road",
    ],
)
def test_reason_loses_what_may_be_a_persons(text: str) -> None:
    """A name, a date, a place: what the layers take out of any free text."""
    made = recorded_reason(text)
    assert "<REDACTED>" in made
    assert not any(word.lower() in made.lower() for word in PLANTED)


@pytest.mark.timing
def test_telemetry_off_records_the_scrubbed_reason_everywhere(tmp_path: Path) -> None:
    """Neither the switch's file nor the ledger has the name."""
    done = medagent("telemetry", "off", "--reason", "outage, notes of Maren Oldfield, OPS-7", home=tmp_path)
    assert done.code == 0
    assert "recorded as: outage, notes of <REDACTED>, OPS-7" in done.err
    assert not any(b"Oldfield" in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    [change] = [one for one in entries(tmp_path / "ledger" / "ledger.jsonl") if one.kind == "switch_changed"]
    assert change.content["reason"] == "outage, notes of <REDACTED>, OPS-7"
