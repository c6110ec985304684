"""`medagent audit render`, in the process of the test: the command is one function."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from audit import reports
from medagent.attestation.bundle import Bundle
from medagent.cli.audit_render import render
from medagent.errors import MedagentError
from medagent.proof import SigningKey

KEY = SigningKey.from_seed(bytes(range(32)))

app = typer.Typer()
app.command()(render)


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def bundle(tmp_path: Path) -> tuple[Path, tuple[str | Path, ...]]:
    """A report that the machine signed, and the keys to check it with: the list of officers is empty."""
    report, _ = reports.go()
    (tmp_path / "officers").mkdir()
    (tmp_path / "machine.pem").write_text(KEY.public.pem)
    options = ("--officers", tmp_path / "officers", "--machine-key", tmp_path / "machine.pem")
    return Bundle.sealed(report, KEY).write(tmp_path / "out"), options


def test_a_report_that_nobody_signed_is_rendered_as_that(tmp_path: Path) -> None:
    """A bare report gives both files, and they say that it is open and unsigned."""
    report, _ = reports.go()
    (tmp_path / "report.json").write_text(report.model_dump_json())
    done = run(tmp_path / "report.json", "--html", tmp_path / "r.html", "--pdf", tmp_path / "r.pdf")
    assert done.exit_code == 0, done.output
    assert "open: not reviewed:" in done.output
    page = (tmp_path / "r.html").read_text()
    assert "<title>open: not reviewed" in page
    assert "unsigned report" in page
    assert (tmp_path / "r.pdf").read_bytes().startswith(b"%PDF-")


def test_a_bundle_is_rendered_with_what_its_signatures_say(
    tmp_path: Path, bundle: tuple[Path, tuple[str | Path, ...]]
) -> None:
    """The machine's signature alone is no GO: the page names its key, the statement, and who has not signed."""
    file, options = bundle
    done = run(file, "--html", tmp_path / "r.html", *options)
    assert done.exit_code == 0, done.output
    page = (tmp_path / "r.html").read_text()
    assert "<title>NO-GO" in page
    assert "2 of 2 reviewer" in page
    assert KEY.key_id in page
    assert Bundle.load(file)[0].report_sha256 in page


def test_a_bundle_that_was_changed_is_not_rendered(tmp_path: Path, bundle: tuple[Path, tuple[str | Path, ...]]) -> None:
    """A signature that does not hold leaves no page behind."""
    file, options = bundle
    changed = json.loads(file.read_text())
    signature = changed["report"]["signatures"][0]["sig"]
    file.write_text(file.read_text().replace(signature, signature[:-8] + "AAAAAA=="))
    done = run(file, "--html", tmp_path / "r.html", *options)
    assert isinstance(done.exception, MedagentError)
    assert not (tmp_path / "r.html").exists()


def test_it_must_be_said_where_the_pages_go(tmp_path: Path) -> None:
    """Without a file to write it asks for one."""
    report, _ = reports.go()
    (tmp_path / "report.json").write_text(report.model_dump_json())
    done = run(tmp_path / "report.json")
    assert done.exit_code == 2
    assert "--html FILE" in done.output
