"""The pages beside a bundle, compared with what its verified report renders to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from medagent.attestation.signed import Signed
from medagent.attestation.verify import Check, VerifiedReport
from medagent.errors import AttestationError
from medagent.file_access import read_file

_LARGEST_PAGE = 16 * 2**20
_PAGES = ("report.html", "report.pdf")


def compare_pages(found: VerifiedReport, directory: Path) -> tuple[list[Check], list[str]]:
    """Render the report again and compare each page that lies beside the bundle, byte by byte.

    A page of the report before anybody signed is accepted as that (`audit run` writes it), and one that is marked as an
    example (`audit render --example`), where it shows no GO.

    Returns:
        The checks that hold, and what was not checked.

    Raises:
        AttestationError: A page is not what the report renders to here.
    """
    beside = [name for name in _PAGES if (directory / name).exists() or (directory / name).is_symlink()]
    if not beside:
        return [], []
    try:
        from medagent.audit import render  # noqa: PLC0415  # of the extra `audit`
    except ModuleNotFoundError as error:
        return [], [f"the pages {' and '.join(beside)}: {error.name} is not installed"]
    checks = []
    for name in beside:
        try:
            page = read_file(directory / name, limit=_LARGEST_PAGE)
        except OSError as error:
            raise AttestationError(f"{name}: cannot be read ({type(error).__name__})") from None
        for signed, is_example, says in _variants(found):
            made = (
                render.pdf(found.report, signed, example=is_example)
                if name.endswith(".pdf")
                else render.html(found.report, signed, example=is_example).encode()
            )
            if made == page:
                checks.append(Check(what=name, says=says))
                break
        else:
            flag = f"--{name.rpartition('.')[2]}"
            raise AttestationError(
                f"{name}: not what the verified report renders to",
                hint=f"do not read it; medagent audit render REPORT {flag} {name} writes it anew",
            )
    return checks, []


def _variants(found: VerifiedReport) -> Iterator[tuple[Signed, bool, str]]:
    """Yield each state of signatures that a page may show, with and without the mark EXAMPLE."""
    nobody = Signed.nobody(found.report)
    for is_example, marked in ((False, ""), (True, ", marked EXAMPLE")):
        if is_example and found.report.run.example:
            return  # the marked pages are the same ones
        for signed, says in (
            (found.signed, "what the verified report renders to"),
            (nobody, "what the report rendered to before anybody signed"),
        ):
            if not (is_example and signed.conclusion == "GO"):
                yield signed, is_example, says + marked
