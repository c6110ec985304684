"""The pages beside a bundle say what the verified report says, or `audit verify` does not pass."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from attestation.audits import LIST, MACHINE, audit, pin
from medagent.attestation.bundle import Bundle
from medagent.attestation.signed import Signed
from medagent.attestation.statements import read_report
from medagent.audit.render import html, pdf
from medagent.cli.audit_signing import verify

app = typer.Typer()
app.command()(verify)


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[str, ...], bytes, bytes]:
    """A signed audit's directory, the options to verify it, and its two pages."""
    root = tmp_path_factory.mktemp("audit")
    made = audit().complete()
    verified = made.verified()
    (root / "machine.pem").write_text(MACHINE.public.pem)
    options = ("--officers", str(pin(root / "officers", LIST)), "--machine-key", str(root / "machine.pem"))
    page, paper = html(verified.report, verified.signed).encode(), pdf(verified.report, verified.signed)
    return made.written(root / "out"), options, page, paper


def run(directory: Path, options: tuple[str, ...]) -> Result:
    return CliRunner().invoke(app, [str(directory), *options])


def test_verify_compares_the_pages_with_its_own(reported: tuple[Path, tuple[str, ...], bytes, bytes]) -> None:
    """A page as rendered, or as before the signatures, passes; one changed byte does not."""
    directory, options, page, paper = reported
    assert run(directory, options).exit_code == 0
    (directory / "report.html").write_bytes(page)
    (directory / "report.pdf").write_bytes(paper)
    done = run(directory, options)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.count("renders to") == 2
    for changed in (page.replace(b"NO-GO", b"GO", 1), page.replace(b"GO", b"NO-GO", 1), page + b" ", b""):
        if changed == page:
            continue
        (directory / "report.html").write_bytes(changed)
        done = run(directory, options)
        assert done.exit_code == 1
        assert "report.html: not what the verified report renders to" in done.stderr
    (directory / "report.html").write_bytes(page)
    (directory / "report.pdf").write_bytes(paper[:-1] + b"X")
    assert "report.pdf" in run(directory, options).stderr
    (directory / "report.pdf").unlink()


def test_verify_takes_the_page_of_before_the_signatures(reported: tuple[Path, tuple[str, ...], bytes, bytes]) -> None:
    """`audit run` writes it, and it says that nobody signed."""
    directory, options, *_ = reported
    report, _ = read_report(Bundle.load(directory)[0].report, [MACHINE.public])
    (directory / "report.html").write_bytes(html(report, Signed.nobody(report)).encode())
    done = run(directory, options)
    assert done.exit_code == 0, done.stderr
    assert "before anybody signed" in done.stdout


def test_verify_reads_no_page_without_end(reported: tuple[Path, tuple[str, ...], bytes, bytes]) -> None:
    """A FIFO in a stranger's directory is neither waited for nor passed over."""
    directory, options, *_ = reported
    (directory / "report.html").unlink(missing_ok=True)
    os.mkfifo(directory / "report.html")
    done = run(directory, options)
    assert done.exit_code == 1
    assert "report.html: cannot be read (FileKindError)" in done.stderr


def test_verify_takes_pages_that_are_marked_as_an_example(
    reported: tuple[Path, tuple[str, ...], bytes, bytes], tmp_path: Path
) -> None:
    """Pages of `audit render --example` are accepted beside a normal report; a changed byte is refused."""
    _, options, *_ = reported
    made = audit()
    directory, report = made.written(tmp_path / "out"), made.verified().report
    page = html(report, made.verified().signed, example=True).encode()
    paper = pdf(report, Signed.nobody(report), example=True)
    (directory / "report.html").write_bytes(page)
    (directory / "report.pdf").write_bytes(paper)
    done = run(directory, options)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.count("marked EXAMPLE") == 2
    (directory / "report.html").write_bytes(page.replace(b"EXAMPLE", b"        ", 1))
    assert run(directory, options).exit_code == 1


def test_verify_takes_no_example_page_of_a_go(reported: tuple[Path, tuple[str, ...], bytes, bytes]) -> None:
    """A page marked EXAMPLE shows no GO: with a GO only the unsigned page may be marked."""
    directory, options, page, _ = reported
    report, _ = read_report(Bundle.load(directory)[0].report, [MACHINE.public])
    (directory / "report.pdf").unlink(missing_ok=True)
    (directory / "report.html").unlink(missing_ok=True)
    (directory / "report.html").write_bytes(html(report, Signed.nobody(report), example=True).encode())
    assert run(directory, options).exit_code == 0
    (directory / "report.html").write_bytes(page.replace(b"<body>", b"<body>EXAMPLE", 1) + b"EXAMPLE")
    assert run(directory, options).exit_code == 1


def test_verify_takes_the_pages_of_the_shipped_example() -> None:
    """The shipped report has the example flag; its pages are those that `audit run` wrote."""
    place = Path(__file__).parents[2] / "audits" / "evidence"
    done = run(place, ("--machine-key", str(place / "machine.pem")))
    assert done.exit_code == 0, done.stderr
    assert done.stdout.count("before anybody signed") == 2
