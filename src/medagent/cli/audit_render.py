"""`medagent audit render`: a report as pages for people, with what its verified signatures say."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from medagent.attestation.bundle import BUNDLE, LARGEST_BUNDLE, Bundle
from medagent.attestation.consistency import check_consistency
from medagent.attestation.officers import Officers
from medagent.attestation.report import Report
from medagent.attestation.signed import Signed
from medagent.attestation.verify import verify
from medagent.cli.access import record_access
from medagent.cli.audit_signing import MachineKeys, OfficersPath
from medagent.cli.output import console
from medagent.errors import AttestationError
from medagent.file_access import read_file, write_file
from medagent.proof import VerifyKey
from medagent.runtime.host import machine_keys
from medagent.runtime.kill_switch import officers
from medagent.settings import load_settings


def render(
    report: Annotated[
        Path, typer.Argument(exists=True, help="A bundle, the directory of one, or a report's JSON that nobody signed.")
    ],
    html: Annotated[Path | None, typer.Option(dir_okay=False, help="Write one self-contained HTML file.")] = None,
    pdf: Annotated[Path | None, typer.Option(dir_okay=False, help="Write a PDF (PDF/A-3a, PDF/UA-1).")] = None,
    *,
    officers_path: OfficersPath = None,
    machine_key: MachineKeys = None,
    example: Annotated[
        bool, typer.Option("--example", help="Mark every page as an example; a GO is not shown then.")
    ] = False,
) -> None:
    """Set a report as HTML, PDF or both; a bundle's signatures are verified first, and nothing is written if one fails.

    Annexes are not needed and not looked at: `medagent audit verify` does that.
    """
    if html is None and pdf is None:
        raise typer.BadParameter("say where to: --html FILE, --pdf FILE, or both")
    found, signed = _read(report, officers_path, machine_key or [])
    made: list[tuple[Path, bytes]] = []
    try:
        from medagent.audit import render as pages  # noqa: PLC0415  # of the extra `audit`: a missing part is one line
    except ModuleNotFoundError as error:
        raise AttestationError(f"{error.name} is not installed", hint="pip install 'medagent[audit]'") from None
    if html is not None:
        made.append((html, pages.html(found, signed, example=example).encode()))
    if pdf is not None:
        made.append((pdf, pages.pdf(found, signed, example=example)))
    for file, content in made:
        try:
            write_file(file, content)
        except OSError as error:
            raise AttestationError(f"{file} cannot be written ({type(error).__name__})") from None
        console().print(f"{signed.conclusion}: {file}", soft_wrap=True)


def _read(path: Path, list_of_officers: Path | None, key_files: list[Path]) -> tuple[Report, Signed]:
    """A verified bundle, or else a bare report, of which the pages say that nobody signed it."""
    if path.is_file() and path.name != BUNDLE:
        try:
            report = Report.model_validate_json(read_file(path, limit=LARGEST_BUNDLE))
        except OSError as error:
            raise AttestationError(f"{path} cannot be read ({type(error).__name__})") from None
        except ValidationError:
            pass  # not a bare report: then it must be a bundle
        else:
            check_consistency(report)
            return report, Signed.nobody(report)
    settings = load_settings()
    bundle, _ = Bundle.load(path)
    keys = [VerifyKey.read(file) for file in key_files]
    verified = verify(
        bundle,
        officers=Officers.load(list_of_officers) if list_of_officers else officers(settings),
        machine_keys=keys or machine_keys(settings),
        directory=None,
    )
    record_access(settings, "report", "audit_render", report=verified.sha256)
    return verified.report, verified.signed
