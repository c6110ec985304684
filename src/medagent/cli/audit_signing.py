"""`medagent audit key | sign | adjudicate | verify`: what people add to a report, and whether it holds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
import yaml
from rich.text import Text

from medagent.attestation.bundle import Bundle, annexes
from medagent.attestation.conclusion import reported_mark
from medagent.attestation.minimum import required_roles
from medagent.attestation.officers import MACHINE, REVIEWER, Officer, Officers
from medagent.attestation.person_key import PersonKey, check_passphrase
from medagent.attestation.report import Mark, Report
from medagent.attestation.statements import (
    AdjudicationSaid,
    Opening,
    ReviewSaid,
    SignOffSaid,
    read_said,
    said_statement,
)
from medagent.attestation.verify import VerifiedReport
from medagent.attestation.verify import verify as verified_report
from medagent.audit.review import opened, openings_name
from medagent.cli.access import record_access
from medagent.cli.audit_pages import compare_pages
from medagent.cli.open_reviews import opened_bundle
from medagent.cli.output import console, print_json
from medagent.cli.reasons import recorded_reason
from medagent.errors import AttestationError, KeyFileError, MedagentError
from medagent.file_access import read_file, write_file
from medagent.os_account import current_account
from medagent.proof import Json, VerifyKey
from medagent.proof.dsse import Envelope
from medagent.proof.dsse import sign as sign_statement
from medagent.runtime.host import machine_keys
from medagent.runtime.kill_switch import officers, record_votes
from medagent.settings import load_settings
from medagent.telemetry.ledger import reason_problem

_MOST_SHOWN = 20
_LASTS = timedelta(days=730)

ReportPath = Annotated[
    Path, typer.Argument(metavar="REPORT", exists=True, help="The bundle, or the directory in which it lies.")
]
KeyFile = Annotated[Path, typer.Option("--key", exists=True, dir_okay=False, help="Your own key's file.")]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="Read the key's passphrase here; it is asked for if left out."),
]
OfficersPath = Annotated[
    Path | None, typer.Option("--officers", exists=True, file_okay=False, help="The pinned list of who may sign.")
]
MachineKeys = Annotated[
    list[Path] | None,
    typer.Option(
        "--machine-key",
        exists=True,
        dir_okay=False,
        help="The public key (PEM) of the installation that ran the audit; this one's own if left out.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object.")]

key = typer.Typer(help="A person's own keys.", no_args_is_help=True)


class Decision(StrEnum):
    """What a sign-off can say."""

    GO = "GO"
    NO_GO = "NO-GO"


class Judgement(StrEnum):
    """What an adjudication can say."""

    NO_LEAK = "no_leak"
    LEAK = "leak"


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """A verified report before a person who is on the list."""

    bundle: Bundle
    directory: Path
    verified: VerifiedReport
    listed: Officers
    machine_keys: tuple[VerifyKey, ...]
    person: Officer
    keys: PersonKey

    def put(self, bundle: Bundle) -> VerifiedReport:
        """Verify what the bundle has become, record who signed where this host has a ledger, and write it.

        Raises `MedagentError`, and changes nothing, where it does not hold.
        """
        checked = self.check(bundle)
        settings = load_settings()
        if machine_keys(settings):
            record_votes(settings, bundle, by=current_account().name)
        bundle.write(self.directory)
        return checked

    def check(self, bundle: Bundle) -> VerifiedReport:
        """What follows from a bundle."""
        return verified_report(bundle, officers=self.listed, machine_keys=self.machine_keys, directory=self.directory)


def desk(
    report: Path, key_file: Path, passphrase_file: Path | None, listed: Path | None, machine: list[Path] | None
) -> Desk:
    """Open a report for a person; raises `AttestationError` where the key is nobody's on the list, or a machine's."""
    bundle, directory = Bundle.load(report)
    names, trusted = trusted_keys(listed, machine)
    verified = verified_report(bundle, officers=names, machine_keys=trusted, directory=directory)
    keys = PersonKey.read(key_file, _passphrase(passphrase_file))
    people = names.people(machines=(*trusted, *machine_keys(load_settings())))
    person = next((one for one in people if one.key == keys.signing.public), None)
    if person is None:
        raise AttestationError(
            f"key {keys.signing.key_id} is nobody's on the pinned list of officers, or a machine's",
            hint="an officer's public file is put into the list by a reviewed change; a machine never signs",
        )
    record_access(load_settings(), "report", "audit_desk", report=verified.sha256)
    return Desk(
        bundle=bundle,
        directory=directory,
        verified=verified,
        listed=names,
        machine_keys=trusted,
        person=person,
        keys=keys,
    )


def with_reviews_opened(at: Desk) -> Desk:
    """The same desk with the sealed reviews opened, once the ledger holds the digest of each that is asked for."""
    bundle = opened_bundle(
        at.bundle,
        report=at.verified.report,
        listed=at.listed,
        machines=at.machine_keys,
        person=at.person,
        keys=at.keys,
    )
    if bundle == at.bundle:
        return at
    verified = at.check(bundle)
    bundle.write(at.directory)
    return replace(at, bundle=bundle, verified=verified)


@key.command("new")
def new_key(
    name: Annotated[str, typer.Option(help="Your name, as the report will show it.")],
    role: Annotated[list[str], typer.Option(help="What you will sign: reviewer, sign_off; once for each.")],
    out: Annotated[Path, typer.Option(file_okay=False, help="A directory of yours, outside MEDAGENT_HOME.")],
    passphrase_file: PassphraseFile = None,
) -> None:
    """Make your own keys, and print the public file that a reviewed change puts into the list of officers."""
    home = load_settings().home
    place = out.expanduser().resolve()
    if place.is_relative_to(home.resolve()):
        raise KeyFileError(f"{place} is inside {home}", hint="a person's key never lies where the machine's are")
    slug = re.sub(r"\W+", "-", name.lower()).strip("-") or "officer"
    made, today = PersonKey.new(), datetime.now(UTC).date()
    public = _public_file(made, name, role, today)
    passphrase = _passphrase(passphrase_file, twice=True)
    check_passphrase(passphrase)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    private = place / f"{slug}.key"
    made.write(private, passphrase)
    try:
        write_file(place / f"{slug}.yaml", public.encode())
    except OSError as error:
        raise KeyFileError(f"{place / slug}.yaml cannot be written ({type(error).__name__})") from None
    err = console(stderr=True)
    err.print(f"your key: {private} (keep it, and its passphrase, to yourself)")
    err.print(f"your public file: {place / (slug + '.yaml')} (to be pinned in audits/officers by a reviewed change)")
    typer.echo(public, nl=False)


def adjudicate(
    report: ReportPath,
    mark: Annotated[str, typer.Argument(help="The mark's id, as `verify` lists it.")],
    *,
    key: KeyFile,
    decision: Annotated[Judgement, typer.Option(help="Is it a patient's data, or not?")],
    reason: Annotated[str, typer.Option(help="Why, in a line that names no patient.")],
    passphrase_file: PassphraseFile = None,
    officers_dir: OfficersPath = None,
    machine_key: MachineKeys = None,
) -> None:
    """Decide, by your signature, whether a mark of the second reader or a reviewer's finding is a leak."""
    if problem := reason_problem(reason):
        raise typer.BadParameter(f"the reason {problem}")
    at = with_reviews_opened(desk(report, key, passphrase_file, officers_dir, machine_key))
    if mark not in {one.mark_id for one in _open_marks(at.verified.report)} | _reported(at):
        raise AttestationError("the report has no such mark", hint="medagent audit verify lists them")
    said = AdjudicationSaid(
        officer=at.person.name,
        at=datetime.now(UTC),
        mark_id=mark,
        decision=decision.value,
        reason=recorded_reason(reason),
    )
    made = sign_statement(said_statement(said, {"report": at.bundle.report_sha256}), at.keys.signing)
    at.put(at.bundle.adding(adjudication=made))
    console().print(f"{mark} is adjudicated: {decision.value}")
    if at.bundle.sign_offs:
        console().print("sign-offs made before it count no more: sign again", style="yellow")


def sign(
    report: ReportPath,
    *,
    key: KeyFile,
    decision: Annotated[Decision, typer.Option(help="Your decision.")],
    role: Annotated[str | None, typer.Option(help="In which of your roles; the only one if left out.")] = None,
    passphrase_file: PassphraseFile = None,
    officers_dir: OfficersPath = None,
    machine_key: MachineKeys = None,
) -> None:
    """Sign off: over the report, every review and every adjudication; what was planted is opened with it.

    A GO is refused while anything but a further sign-off stands against it.
    """
    at = with_reviews_opened(desk(report, key, passphrase_file, officers_dir, machine_key))
    roles = [each for each in at.person.roles if each not in (REVIEWER, MACHINE)]
    chosen = role or (roles[0] if len(roles) == 1 else None)
    if chosen is None or chosen not in roles:
        raise AttestationError(f"{at.person.name} signs off as: {', '.join(roles) or 'nothing'}", hint="give --role")
    said = SignOffSaid(
        officer=at.person.name,
        role=chosen,
        at=datetime.now(UTC),
        decision=decision.value,
        openings=_openings(at),
    )
    mine = replace(at.bundle, sign_offs=tuple(_others(at)))
    made = mine.adding(sign_off=sign_statement(said_statement(said, mine.over), at.keys.signing))
    then = at.check(made)
    against = [why for why in then.signed.why if not why.startswith("missing signature") or why.endswith(REVIEWER)]
    if decision is Decision.GO and against:
        _say_conclusion(then)
        raise AttestationError("there is no GO to sign", hint="adjudicate what can be, or sign NO-GO, or audit anew")
    _say_conclusion(at.put(made))


def verify(
    report: ReportPath,
    officers_dir: OfficersPath = None,
    machine_key: MachineKeys = None,
    as_json: AsJson = False,
) -> None:
    """Check a report, annexes, signatures and pages, offline, with public keys alone; exit code 1 on any change."""
    try:
        bundle, directory = Bundle.load(report)
        listed, trusted = trusted_keys(officers_dir, machine_key)
        found = verified_report(bundle, officers=listed, machine_keys=trusted, directory=directory)
        if machine_keys(settings := load_settings()):
            record_votes(settings, bundle, by=current_account().name)
        pages, unread = compare_pages(found, directory)
        found = replace(found, checks=(*found.checks, *pages), not_checked=(*unread, *found.not_checked))
    except MedagentError as error:
        if as_json:
            print_json([{"verified": False, "says": str(error), "hint": error.hint}])
        else:
            out = console(stderr=True)
            out.print(Text("this report does not hold", style="bold red"))
            out.print(Text(error.diagnostics()))
        raise typer.Exit(1) from None
    record_access(load_settings(), "report", "audit_verify", report=found.sha256)
    if as_json:
        print_json([_about(found)])
        return
    out = console()
    for check in found.checks:
        out.print(Text.assemble(("holds    ", "green"), (f"{check.what}  ", "bold"), check.says))
    for each in found.not_checked:
        out.print(Text.assemble(("not checked  ", "yellow"), each))
    still = _undecided(found)
    for mark in still[:_MOST_SHOWN]:
        out.print(Text.assemble(("open mark  ", "red"), f"{mark.mark_id}  {mark.kind}  at {mark.path}"))
    if len(still) > _MOST_SHOWN:
        out.print(Text(f"and {len(still) - _MOST_SHOWN} more open marks; --json names them all", style="red"))
    _say_conclusion(found)


def trusted_keys(listed: Path | None, machine: list[Path] | None) -> tuple[Officers, tuple[VerifyKey, ...]]:
    """The list of officers, and the keys of installations that may have signed the report."""
    settings = load_settings()
    names = officers(settings) if listed is None else Officers.load(listed)
    given = [VerifyKey.read(file) for file in machine or ()]
    return names, tuple(given or machine_keys(settings))


def _passphrase(file: Path | None, *, twice: bool = False) -> str:
    if file is not None:
        try:
            return read_file(file).decode().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise KeyFileError(f"{file} cannot be read ({type(error).__name__})") from None
    return str(typer.prompt("passphrase", hide_input=True, confirmation_prompt=twice, err=True))


def _public_file(made: PersonKey, name: str, roles: list[str], today: date) -> str:
    """The file as it is pinned; raises `AttestationError` where the list would not take it."""
    about = {
        "name": name,
        "roles": roles,
        "public_key": made.signing.public.pem,
        "annex_key": made.annex_pem,
        "valid_from": today,
        "valid_until": today + _LASTS,
    }
    try:
        Officer.model_validate(about)
    except ValueError:
        raise AttestationError("a name is plain words, a role lower-case ones such as reviewer or sign_off") from None
    return yaml.dump(about, Dumper=_Blocks, sort_keys=False, allow_unicode=True)


class _Blocks(yaml.SafeDumper):
    """Writes a key as the lines that it is."""


_Blocks.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


def _open_marks(report: Report) -> tuple[Mark, ...]:
    return tuple(mark for mark in report.second_reader.marks if mark.settled != "kept_shape")


def _undecided(found: VerifiedReport) -> list[Mark]:
    settled = {one.mark_id for one in found.signed.adjudications}
    return [mark for mark in _open_marks(found.report) if mark.mark_id not in settled]


def _reported(at: Desk) -> set[str]:
    keys = [one.key for one in at.listed.all]
    reviews = [read_said(each, keys, ReviewSaid)[0] for each in at.bundle.reviews]
    return {reported_mark(one.trace_id, path) for said in reviews for one in said.traces for path in one.paths}


def _openings(at: Desk) -> tuple[Opening, ...]:
    """What was planted, once every review that the protocol asks for is there: never before."""
    if len(at.bundle.reviews) < required_roles(at.verified.report)[REVIEWER]:
        return ()
    name = openings_name(at.person)
    sealed = [annex.name for annex in at.verified.report.annexes if annex.name.rpartition("/")[2] == name]
    if not sealed:
        return ()
    content = {annex.name: content for annex, content in annexes(at.verified.report, at.directory)}
    return opened(content[sealed[0]], at.keys.annex)


def _others(at: Desk) -> Iterator[Envelope]:
    """The sign-offs that are not this person's own earlier one."""
    for each in at.bundle.sign_offs:
        if all(signature.key_id != at.keys.signing.key_id for signature in each.signatures):
            yield each


def _say_conclusion(found: VerifiedReport) -> None:
    out = console()
    good = found.signed.conclusion in ("GO", "CLEAN")
    out.print(Text(found.signed.conclusion, style="bold green" if good else "bold red"))
    for why in found.signed.why:
        out.print(Text(f"  {why}"))


def _about(found: VerifiedReport) -> dict[str, Json]:
    signed: dict[str, Json] = asdict(found.signed)
    return {
        "verified": True,
        "statement": found.sha256,
        **signed,
        "bounds": [bound.model_dump(mode="json") for bound in found.signed.bounds],
        "amendments": [
            {"statement": one.sha256, "key_id": one.officer.key.key_id, **one.statement.model_dump(mode="json")}
            for one in found.amendments
        ],
        "open_marks": [mark.model_dump(mode="json") for mark in _undecided(found)],
        "checked": [asdict(check) for check in found.checks],
        "not_checked": list(found.not_checked),
    }
