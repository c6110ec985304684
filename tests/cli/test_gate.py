"""A gate says what it looked at, passes only on what is there, and the ledger has the digest of what was seen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import typer

from attestation.audits import HOST, LIST, SECRET, audit, bound_to, pin
from medagent.cli.gate import gate
from medagent.proof import Json, digest
from medagent.runtime.exports import archive
from medagent.runtime.host import ledger_path
from medagent.settings import load_settings
from medagent.telemetry.ledger import entries
from medagent.telemetry.span import SafeSpan
from sink import Sink
from spans import START_US, call, seal


def looked(number: int, capsys: pytest.CaptureFixture[str], report: Path | None = None) -> dict[str, Any]:
    """What the gate says; its evidence and its line in the ledger are checked on the way."""
    code = 0
    try:
        gate(number, report, as_json=True)
    except typer.Exit as left:
        code = left.exit_code
    said: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert said["passed"] is (code == 0)
    evidence = json.loads(Path(said["evidence"]).read_bytes())
    *_, last = (entry for entry in entries(ledger_path(load_settings())) if entry.kind == "gate")
    assert last.content == {
        "gate": number,
        "passed": said["passed"],
        "evidence": digest(evidence),
        "by": last.content["by"],
    }
    return said


def store(calls: Sequence[Sequence[SafeSpan]]) -> None:
    kept = archive(load_settings())
    for spans in calls:
        kept.export(list(spans))
    kept.close()


def a_call(number: int, **changes: Json) -> list[SafeSpan]:
    """A call; `changes` are of the arguments of its first tool."""
    made = call(str(UUID(int=number + 1, version=4)), start_us=START_US + number * 10**9)
    tool = made[3]
    arguments = tool.fields["arguments"]
    assert isinstance(arguments, dict)
    result: Json = {"confirmation_id": "CNF-7Q2M9K"}
    made[3] = replace(tool, fields={**tool.fields, "arguments": {**arguments, **changes}, "result": result})
    return seal([replace(span, seal=None) for span in made])


@pytest.mark.timing
def test_the_first_gate_asks_every_destination(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A hello that stays in the archive is not enough; sent to LangSmith and read back from there, it is."""
    alone = looked(1, capsys)
    assert (alone["passed"], alone["seen"][-1]["what"]) == (False, "destinations")
    with Sink(tmp_path) as sink:
        monkeypatch.setenv("LANGSMITH_API_KEY", "lsv2_pt_test")
        monkeypatch.setenv("LANGSMITH_ENDPOINT", sink.url)
        sent = looked(1, capsys)
    assert sent["passed"]
    assert [each["what"] for each in sent["seen"]] == ["archive", "langsmith"]


def test_the_second_gate_wants_ten_complete_calls(capsys: pytest.CaptureFixture[str]) -> None:
    """Nine are too few; of ten none may be incomplete."""
    store([a_call(number) for number in range(9)])
    assert looked(2, capsys)["seen"][-1]["says"] == "9 of 10 are in the archive"
    store([a_call(9)])
    assert looked(2, capsys)["passed"]
    *rest, end = a_call(10)
    store(
        [seal([replace(span, seal=None) for span in (*rest, replace(end, fields={**end.fields, "complete": False}))])]
    )
    assert [each["holds"] for each in looked(2, capsys)["seen"]] == [False, *[True] * 9]


def test_the_third_gate_reads_twenty_tool_spans(capsys: pytest.CaptureFixture[str]) -> None:
    """An identifier in the latest twenty is named by its path and kind, and its text is nowhere."""
    store([a_call(number) for number in range(9)])
    assert looked(3, capsys)["seen"][-1]["says"] == "18 of 20 are in the archive"
    store([a_call(9)])
    assert looked(3, capsys)["passed"]
    store(
        [
            a_call(10, reason_for_visit="call me: maren@mail.example"),
            a_call(11, notes="born march third nineteen eighty two"),
        ]
    )
    found = [each["says"] for each in looked(3, capsys)["seen"] if not each["holds"]]
    assert len(found) == 2
    assert "arguments.notes: " in found[0]
    assert "arguments.reason_for_visit: an e-mail address" in found[1]
    assert not any(word in each for each in found for word in ("maren", "march", "nineteen"))


@pytest.mark.timing
def test_the_fourth_gate_makes_the_alerts_fire_and_clear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each of the three in a drill, and a test message to the real channel; without one it does not pass."""
    unset = looked(4, capsys)
    assert [each["holds"] for each in unset["seen"]] == [True, True, True, False]
    with Sink(tmp_path) as sink:
        monkeypatch.setenv("MEDAGENT_SLACK_WEBHOOK_URL", f"{sink.url}/services/T0/B0/x")
        assert looked(4, capsys)["passed"]
        assert len(sink.requests()) == 1


def test_the_fifth_gate_is_a_signed_go_for_what_runs_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not without a report, not for one that nobody signed, not for another code."""
    for name, value in SECRET.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MEDAGENT_OFFICERS", str(pin(tmp_path / "officers", LIST)))
    here = bound_to(load_settings())
    unsigned = audit(here, key=HOST)
    assert not looked(5, capsys)["passed"]
    assert "missing signature" in looked(5, capsys, unsigned.written(tmp_path / "1"))["seen"][-1]["says"]
    assert "the code here" in looked(5, capsys, audit(key=HOST).complete().written(tmp_path / "2"))["seen"][-1]["says"]
    assert looked(5, capsys, unsigned.complete().written(tmp_path / "3"))["passed"]
