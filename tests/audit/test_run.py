"""One audit from end to end, small and fast: every part of it real, in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from attestation.audits import KEYS, pin
from medagent.attestation.bundle import BUNDLE, Bundle, annexes
from medagent.attestation.report import Report
from medagent.attestation.verify import verify
from medagent.audit.annex import open_with
from medagent.audit.protocol import load_protocol
from medagent.cli.audit_pages import compare_pages
from medagent.runtime.host import ledger_path, machine_keys
from medagent.runtime.kill_switch import officers
from medagent.settings import load_settings
from medagent.telemetry.ledger import entries

WEEK5 = Path(__file__).parent.parent.parent / "audits" / "week5.yaml"
SMALL = {
    "calls: 10": "calls: 1",
    "call_seconds: 300": "call_seconds: 30",
    "scenarios: all": "scenarios: [book, cancel]",
}


def audit(tmp_path: Path, *arguments: str, **settings: str) -> tuple[int, str, Path]:
    """Run the command on a small protocol; its code, what it printed, and where the report is."""
    text = WEEK5.read_text()
    for old, new in {**SMALL, "sample: 10": "sample: 2", "planted_copies: 4": "planted_copies: 1"}.items():
        assert old in text
        text = text.replace(old, new)
    protocol, out = tmp_path / "small.yaml", tmp_path / "out"
    protocol.write_text(text)
    load_protocol(protocol)
    command = [sys.executable, "-c", "from medagent.cli import main; main()", "audit", "run", str(protocol)]
    (tmp_path / "tmp").mkdir()
    environment = load_settings().child_environment(
        MEDAGENT_HOME=str(tmp_path / "host"), TMPDIR=str(tmp_path / "tmp"), **settings
    )
    ran = subprocess.run(
        [*command, "--pace", "20", "--seed", "3", "--out", str(out), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        cwd=tmp_path,
    )
    return ran.returncode, ran.stdout or ran.stderr, out


@pytest.mark.slow
def test_a_rehearsal_comes_to_its_verdict_and_its_report_holds(tmp_path: Path) -> None:
    """All parts measured, every annex in its place, the ledger told, nothing left behind, the switch untouched."""
    code, printed, out = audit(tmp_path)
    report = Report.model_validate_json((out / "report.json").read_bytes())
    assert (report.verdict, code) == ("CLEAN", 0), printed
    assert report.run.rehearsal
    assert not any(one.judged for one in report.criteria if one.name.startswith("overhead"))
    met = {row.letter: row for row in report.planted}
    assert len(met) == 18
    assert all(row.offered > 0 for row in report.planted)
    assert sum(row.stopped["field_rule"] for row in report.planted) > 0
    assert sum(row.stopped["log_door"] for row in report.planted) > 0
    assert {one.channel for one in report.scan.channels if one.bytes} >= {
        "langsmith", "otlp", "langfuse", "slack", "stdout", "stderr", "files", "process", "reports", "archive",
    }  # fmt: skip
    assert report.delivery.arrived["langsmith"] == report.delivery.spans_accepted > 0
    assert report.latency.thread_us.count > 0
    assert report.switch.call_went_on
    bundle = Bundle.parse((out / BUNDLE).read_bytes())
    assert len(list(annexes(report, out))) == len(report.annexes) >= 3
    host = load_settings(MEDAGENT_HOME=tmp_path / "host")
    verified = verify(bundle, officers=officers(host), machine_keys=machine_keys(host), directory=out)
    assert [one.what for one in compare_pages(verified, out)[0]] == ["report.html", "report.pdf"]
    audits = [entry for entry in entries(ledger_path(host)) if entry.kind == "audit"]
    assert [entry.content["report"] for entry in audits] == [bundle.report_sha256]
    assert not (tmp_path / "host" / "switch.json").exists()
    assert list((tmp_path / "tmp").glob("medagent-audit-*")) == []


@pytest.mark.slow
def test_log_lines_in_clear_are_found_and_trip_the_switch_of_this_host(tmp_path: Path) -> None:
    """A house that keeps its own log lines in clear leaks what they hold: named by channel, never by value."""
    officers = pin(tmp_path / "officers")
    code, printed, out = audit(tmp_path, "--json", MEDAGENT_LOGS_IN_CLEAR="clinic", MEDAGENT_OFFICERS=str(officers))
    report = Report.model_validate_json((out / "report.json").read_bytes())
    assert (report.verdict, code) == ("NOT CLEAN", 1)
    assert any(cause.startswith("leaks: ") and "stderr" in cause for cause in report.causes)
    assert {finding.channel for finding in report.scan.findings} == {"stderr"}
    assert json.loads(printed.splitlines()[-1])["verdict"] == "NOT CLEAN"
    state = json.loads((tmp_path / "host" / "switch.json").read_bytes())
    assert (state["state"], state["source"]) == ("off", "trip")
    ines = KEYS["Ines Calder"]
    sealed = (out / f"annex/findings-{ines.signing.public.key_id}.sealed").read_bytes()
    found = json.loads(open_with(ines.annex, sealed))["findings"]
    assert set(found) == {finding.finding_id for finding in report.scan.findings}
    written = next(
        found[one.finding_id] for one in report.scan.findings if (one.form, one.encoding) == ("written", "plain")
    )
    assert written["planted"] in written["around"] != written["planted"]
    assert written["planted"] not in (out / "report.json").read_text()


@pytest.mark.parametrize("arguments", [("none.yaml",), ("--pace", "0.5")])
def test_what_cannot_be_run_is_refused_at_once(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """A protocol that is not there and an impossible pace end before anything is played."""
    command = [sys.executable, "-c", "from medagent.cli import main; main()", "audit", "run", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.returncode == 2
    assert not list(tmp_path.glob("audit-*"))
