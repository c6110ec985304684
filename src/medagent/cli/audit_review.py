"""`medagent audit review`: a person reads the sampled calls, one by one, and signs what was seen."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError
from rich.padding import Padding
from rich.text import Text

from medagent.attestation.bundle import annexes
from medagent.attestation.officers import REVIEWER
from medagent.attestation.statements import ReviewSaid, TraceRead, said_statement
from medagent.audit.review import SheetSpan, Worksheet
from medagent.cli.audit_signing import (
    Desk,
    KeyFile,
    MachineKeys,
    OfficersPath,
    PassphraseFile,
    ReportPath,
    desk,
)
from medagent.cli.output import console
from medagent.errors import AttestationError
from medagent.file_access import read_file, replace_file
from medagent.proof.dsse import sign

_ANSWERS: TypeAdapter[dict[str, tuple[str, ...]]] = TypeAdapter(dict[str, tuple[str, ...]])
_READ: TypeAdapter[dict[str, TraceRead]] = TypeAdapter(dict[str, TraceRead])
_QUIET = "bright_black"
_LATER = "q"
_LONGEST_WORD = 24
_TOGETHER = "\N{NO-BREAK SPACE}"


def review(
    report: ReportPath,
    *,
    reviewer: Annotated[str, typer.Option(help="Your name, as it stands on the list of officers.")],
    key: KeyFile,
    answers: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="Your answers as JSON: trace id → paths of its leaks."),
    ] = None,
    passphrase_file: PassphraseFile = None,
    officers_dir: OfficersPath = None,
    machine_key: MachineKeys = None,
) -> None:
    """Read every sampled call and say of each text whether it is a patient's; then sign. It can be left and resumed.

    In some of the calls a leak was planted on purpose, to measure how well the sample is read.
    """
    at = desk(report, key, passphrase_file, officers_dir, machine_key)
    if at.person.name != reviewer:
        raise AttestationError(f"this key is {at.person.name}'s")
    if REVIEWER not in at.person.roles:
        raise AttestationError(f"{at.person.name} is on the list, and not as {REVIEWER}")
    if any(one.key_id == at.keys.signing.key_id for one in at.verified.signed.reviews):
        raise AttestationError(f"{at.person.name} has signed a review of this report already")
    sheets = _sheets(at)
    given = None if answers is None else _given(answers, sheets)
    read = _walked(at, sheets) if given is None else {sheet.trace_id: given[sheet.trace_id] for _, sheet in sheets}
    said = ReviewSaid(
        reviewer=reviewer, at=datetime.now(UTC), traces=tuple(read[sheet.trace_id] for _, sheet in sheets)
    )
    made = sign(said_statement(said, {"report": at.bundle.report_sha256}), at.keys.signing)
    at.put(at.bundle.adding(review=made))
    _progress(at).unlink(missing_ok=True)
    leaks = sum(one.verdict == "leak" for one in said.traces)
    console().print(f"signed: {len(said.traces)} traces read, {leaks} with a leak")


def _sheets(at: Desk) -> list[tuple[str, Worksheet]]:
    """The digest and content of each sampled trace's worksheet, in the report's order."""
    content = {annex.sha256: each for annex, each in annexes(at.verified.report, at.directory)}
    return [(one.sha256, Worksheet.parse(content[one.sha256])) for one in at.verified.report.sample.traces]


def _given(file: Path, sheets: Sequence[tuple[str, Worksheet]]) -> dict[str, TraceRead]:
    try:
        answers = _ANSWERS.validate_json(read_file(file))
    except (OSError, ValidationError):
        raise AttestationError(f"{file} is not JSON of trace ids and paths") from None
    if answers.keys() != {sheet.trace_id for _, sheet in sheets}:
        raise AttestationError(f"{file} does not answer for every sampled trace, and for no other")
    return {sheet.trace_id: _verdict(sheet, sha256, answers[sheet.trace_id], 0) for sha256, sheet in sheets}


def _verdict(sheet: Worksheet, sha256: str, paths: Sequence[str], seconds: int) -> TraceRead:
    unknown = set(paths) - set(sheet.paths)
    if unknown:
        raise AttestationError(f"trace {sheet.trace_id} has no text at {min(unknown)}")
    return TraceRead(
        trace_id=sheet.trace_id,
        worksheet_sha256=sha256,
        verdict="leak" if paths else "clean",
        paths=tuple(dict.fromkeys(paths)),
        seconds=seconds,
    )


def _walked(at: Desk, sheets: Sequence[tuple[str, Worksheet]]) -> dict[str, TraceRead]:
    """Ask for each sheet that is not answered yet, and keep each answer at once."""
    read = _resumed(at, sheets)
    for number, (sha256, sheet) in enumerate(sheets, 1):
        if sheet.trace_id in read:
            continue
        began = time.monotonic()
        console().rule(f"call {number} of {len(sheets)}")
        texts = _show(sheet)
        paths = [texts[each] for each in _asked(len(texts))]
        read[sheet.trace_id] = _verdict(sheet, sha256, paths, int(time.monotonic() - began))
        _keep(_progress(at), read)
    return read


def _show(sheet: Worksheet) -> list[str]:
    """Print the call as a waterfall with every text in it, numbered; returns the paths by number.

    What is one short word or number stands beside others on a line; what is read as a text has a line of its own.
    """
    paths: list[str] = []
    out = console()
    for span in sheet.spans:
        out.print(_line(span))
        words, lines = Text(), []
        for text in span.texts:
            paths.append(text.path)
            short = text.path.split(span.name, 1)[-1].lstrip(".")
            shown = Text.assemble((f"[{len(paths)}]{_TOGETHER}{short}{_TOGETHER}", _QUIET), _visible(text.text))
            if " " in text.text or len(text.text) > _LONGEST_WORD:
                lines.append(shown)
            else:
                words.append_text(shown).append("   ")
        for paragraph in (words, *lines):
            if paragraph:
                out.print(Padding(paragraph, (0, 0, 0, 2 * (span.depth + 1))))
    return paths


def _line(span: SheetSpan) -> Text:
    style = "bold red" if span.status == "error" else "bold"
    times = f"  at {span.start_ms / 1000:,.2f} s, {span.duration_ms:,.0f} ms"
    return Text.assemble("  " * span.depth, (span.name, style), (times, _QUIET))


def _visible(text: str) -> str:
    """The text with what a terminal would obey written out."""
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)


def _asked(most: int) -> list[int]:
    """The positions of the texts that are leaks; leaves the program where the reviewer wants to go on later."""
    while True:
        said = str(
            typer.prompt(
                f"Leaks? their numbers, Enter for none, {_LATER} to go on later", default="", show_default=False
            )
        )
        if said.strip() == _LATER:
            console().print("kept: the same command goes on from here")
            raise typer.Exit(3)
        numbers = said.replace(",", " ").split()
        if all(each.isdecimal() and 1 <= int(each) <= most for each in numbers):
            return [int(each) - 1 for each in numbers]
        console().print(f"numbers from 1 to {most}, or nothing", style="red")


def _progress(at: Desk) -> Path:
    return at.directory / f".review-{at.bundle.report_sha256[:16]}-{at.keys.signing.key_id}.json"


def _resumed(at: Desk, sheets: Sequence[tuple[str, Worksheet]]) -> dict[str, TraceRead]:
    try:
        read = _READ.validate_json(read_file(_progress(at)))
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError):
        raise AttestationError(f"{_progress(at)} cannot be read", hint="remove it, and read the sample anew") from None
    current = {sheet.trace_id: sha256 for sha256, sheet in sheets}
    return {trace: one for trace, one in read.items() if current.get(trace) == one.worksheet_sha256}


def _keep(file: Path, read: Mapping[str, TraceRead]) -> None:
    replace_file(file, json.dumps({trace: one.model_dump(mode="json") for trace, one in read.items()}).encode())
