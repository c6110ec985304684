"""`medagent audit review | merge`: a person reads the sampled calls, signs and seals; the host joins the answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from medagent.attestation.bundle import BUNDLE, Bundle, annexes
from medagent.attestation.officers import REVIEWER, Officers
from medagent.attestation.reading_time import FREE_TEXT_MS, OTHER_MS, time_of
from medagent.attestation.sealed_review import LARGEST, SealedReview, check_sealed
from medagent.attestation.statements import LedgerReceipt, ReviewSaid, TraceRead, said_statement
from medagent.attestation.verify import verify as verified_report
from medagent.audit.review import Worksheet
from medagent.audit.sealing import seal_review
from medagent.cli.audit_signing import (
    Desk,
    KeyFile,
    MachineKeys,
    OfficersPath,
    PassphraseFile,
    ReportPath,
    desk,
    trusted_keys,
)
from medagent.cli.output import console
from medagent.cli.review_walk import Progress, Sheet, answered, walk
from medagent.errors import AttestationError
from medagent.file_access import read_file, replace_file
from medagent.os_account import current_account
from medagent.proof import VerifyKey
from medagent.proof.dsse import sign
from medagent.runtime.host import key_ring, ledger, machine_keys
from medagent.settings import Settings, load_settings


class _Given(BaseModel):
    """The answers of one sheet from other review software: its leaks, and the milliseconds for each of its texts."""

    model_config = ConfigDict(extra="forbid")

    leaks: tuple[str, ...]
    free_text_ms: tuple[int, ...]
    other_ms: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Joined:
    """A report on the host that ran the audit, before nobody in particular."""

    listed: Officers
    machine_keys: tuple[VerifyKey, ...]


_ANSWERS: TypeAdapter[dict[str, _Given]] = TypeAdapter(dict[str, _Given])
_READ: TypeAdapter[dict[str, Progress]] = TypeAdapter(dict[str, Progress])


def review(
    report: ReportPath,
    *,
    reviewer: Annotated[str, typer.Option(help="Your name, as it stands on the list of officers.")],
    key: KeyFile,
    answers: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Answers of other review software as JSON: trace id → leaks, free_text_ms, other_ms.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(dir_okay=False, help="Where the sealed answers go; beside the report by default.")
    ] = None,
    passphrase_file: PassphraseFile = None,
    officers_dir: OfficersPath = None,
    machine_key: MachineKeys = None,
) -> None:
    """Read every sampled call, mark each text that is a patient's, sign, and seal the answers to who signs off.

    Free texts come first. In some of the calls a leak was planted on purpose, to measure how well the sample is read.
    Each text is timed; on average a free text takes at least 2 s and any other 0.5 s, or the review is invalid.
    """
    at = desk(report, key, passphrase_file, officers_dir, machine_key)
    if at.person.name != reviewer:
        raise AttestationError(f"this key is {at.person.name}'s")
    if REVIEWER not in at.person.roles:
        raise AttestationError(f"{at.person.name} is on the list, and not as {REVIEWER}")
    sealers = check_sealed(
        at.bundle.sealed_reviews,
        report_sha256=at.bundle.report_sha256,
        officers=at.listed.people(machines=at.machine_keys),
        machines=at.machine_keys,
    )
    if any(officer.person == at.person.person for officer, _ in sealers.values()):
        raise AttestationError(f"{at.person.name} has signed a review of this report already")
    sheets = _sheets(at)
    progress = key.parent / f".review-{at.bundle.report_sha256[:16]}-{at.keys.signing.key_id}.json"
    read = (
        walk(sheets, _resumed(progress, sheets), lambda done: _keep(progress, done))
        if answers is None
        else _given(answers, sheets)
    )
    traces = tuple(read[sheet.content.trace_id] for sheet in sheets)
    said = ReviewSaid(reviewer=reviewer, at=datetime.now(UTC), traces=traces)
    _show_times(said)
    progress.unlink(missing_ok=True)
    if problem := time_of(said).problem:
        raise AttestationError(f"review: {problem}", hint="read the sample anew; the answers were discarded")
    sealed = seal_review(
        said,
        report_sha256=at.bundle.report_sha256,
        key=at.keys.signing,
        officers=at.listed.people(machines=at.machine_keys),
        at=datetime.now(UTC),
    )
    file = out or at.directory / f"sealed-review-{at.keys.signing.key_id}.json"
    replace_file(file, json.dumps(sealed.document(), indent=1).encode())
    leaks = sum(one.verdict == "leak" for one in said.traces)
    console().print(f"signed and sealed: {len(said.traces)} traces read, {leaks} with a leak")
    if _is_host(at.machine_keys):
        _merged(at.bundle, at.directory, [sealed], at)
    else:
        console().print(f"give {file} to the host of the audit: medagent audit merge REPORT {file.name}")


def merge(
    report: ReportPath,
    reviews: Annotated[list[Path], typer.Argument(exists=True, help="Sealed answers, or bundles that hold some.")],
    officers_dir: OfficersPath = None,
    machine_key: MachineKeys = None,
) -> None:
    """Join reviews that were made apart: record the digest of each in this host's ledger, and add it to the bundle."""
    bundle, directory = Bundle.load(report)
    listed, machines = trusted_keys(officers_dir, machine_key)
    at = _Joined(listed=listed, machine_keys=machines)
    verified_report(bundle, officers=listed, machine_keys=machines, directory=directory)
    if not _is_host(machines):
        raise AttestationError(
            "this host did not sign the report, so its ledger cannot record reviews of it",
            hint="run it on the host that ran the audit",
        )
    _merged(bundle, directory, [one for file in reviews for one in _sealed_of(file)], at)


def _merged(bundle: Bundle, directory: Path, found: Sequence[SealedReview], at: Desk | _Joined) -> None:
    """Record and add what the bundle does not have yet; nothing is recorded where one of them does not hold."""
    present = {one.sha256 for one in bundle.sealed_reviews if one.receipt is not None}
    new = {one.sha256: SealedReview(envelope=one.envelope) for one in found if one.sha256 not in present}
    if new and any(one.salt is not None for one in bundle.sealed_reviews):
        raise AttestationError("the reviews of this report are open already, expected no further one")
    together = bundle
    for one in new.values():
        together = together.sealing(one)
    people = at.listed.people(machines=at.machine_keys)
    by = check_sealed(
        together.sealed_reviews, report_sha256=bundle.report_sha256, officers=people, machines=at.machine_keys
    )
    settings = load_settings()
    for sha256, one in new.items():
        together = together.sealing(_recorded(one, by[sha256][0].key, bundle.report_sha256, settings))
    verified_report(together, officers=at.listed, machine_keys=at.machine_keys, directory=directory)
    together.write(directory)
    for officer, _ in by.values():
        console().print(f"sealed review of {officer.name}: recorded in the ledger")


def _recorded(one: SealedReview, key: VerifyKey, report_sha256: str, settings: Settings) -> SealedReview:
    about = {"report": report_sha256, "statement": one.sha256, "key_id": key.key_id, "by": current_account().name}
    entry = ledger(settings).append("sealed_review", about)
    said = LedgerReceipt(
        sealed_review=one.sha256, sequence=entry.sequence, entry=entry.hash, at=datetime.fromisoformat(entry.at)
    )
    receipt = sign(said_statement(said, {"report": report_sha256}), key_ring(settings).signing_key())
    return SealedReview(envelope=one.envelope, receipt=receipt)


def _is_host(trusted: Sequence[VerifyKey]) -> bool:
    """Whether this installation's key is one of those that may have signed the report."""
    return bool(set(machine_keys(load_settings())) & set(trusted))


def _sealed_of(path: Path) -> tuple[SealedReview, ...]:
    if path.is_dir() or path.name == BUNDLE:
        return Bundle.load(path)[0].sealed_reviews
    return (SealedReview.load(read_file(path, limit=LARGEST)),)


def _show_times(said: ReviewSaid) -> None:
    time = time_of(said)
    for what, count, mean, least in (
        ("free texts", time.free_texts, time.free_text_ms, FREE_TEXT_MS),
        ("other texts", time.others, time.other_ms, OTHER_MS),
    ):
        if mean is not None:
            style = "red" if mean < least else "green"
            text = f"{count:,} {what}: {mean / 1000:.2f} s each on average, at least {least / 1000:g} s"
            console().print(text, style=style)


def _sheets(at: Desk) -> list[Sheet]:
    """Each sampled trace's worksheet, in the report's order."""
    content = {annex.sha256: each for annex, each in annexes(at.verified.report, at.directory)}
    return [
        Sheet(sha256=one.sha256, content=Worksheet.parse(content[one.sha256]))
        for one in at.verified.report.sample.traces
    ]


def _given(file: Path, sheets: Sequence[Sheet]) -> dict[str, TraceRead]:
    try:
        answers = _ANSWERS.validate_json(read_file(file))
    except (OSError, ValidationError):
        raise AttestationError(
            f"{file}: malformed, expected JSON of trace ids, each with leaks, free_text_ms and other_ms"
        ) from None
    if answers.keys() != {sheet.content.trace_id for sheet in sheets}:
        raise AttestationError(f"{file} does not answer for every sampled trace, and for no other")
    found: dict[str, TraceRead] = {}
    for sheet in sheets:
        given = answers[sheet.content.trace_id]
        if (len(given.free_text_ms), len(given.other_ms)) != (len(sheet.free), len(sheet.others)):
            raise AttestationError(f"{file}: trace {sheet.content.trace_id}: expected one time for each text")
        found[sheet.content.trace_id] = answered(sheet, given.leaks, given.free_text_ms, given.other_ms)
    return found


def _resumed(file: Path, sheets: Sequence[Sheet]) -> dict[str, Progress]:
    try:
        read = _READ.validate_json(read_file(file))
    except FileNotFoundError:
        return {}
    except (OSError, ValidationError):
        raise AttestationError(f"{file} cannot be read", hint="remove it, and read the sample anew") from None
    current = {sheet.content.trace_id: sheet.sha256 for sheet in sheets}
    return {trace: one for trace, one in read.items() if current.get(trace) == one.sha256}


def _keep(file: Path, read: Mapping[str, Progress]) -> None:
    replace_file(file, json.dumps({trace: one.model_dump(mode="json") for trace, one in read.items()}).encode())
