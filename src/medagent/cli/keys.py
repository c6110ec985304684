"""`medagent keys`: rotate the pseudonym key, replace a destination's secret, and amend the GO by a signature."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from medagent.attestation.amendments import account_replacement, key_rotation
from medagent.attestation.binding import KEY_SETTING
from medagent.attestation.report import System
from medagent.attestation.statements import AmendmentStatement
from medagent.cli.amending import OpenGo, amend, open_go, with_pseudonym_key
from medagent.cli.output import console
from medagent.cli.reasons import recorded_reason
from medagent.errors import AttestationError, KeyFileError
from medagent.os_account import current_account
from medagent.proof import KeyRing, PseudonymKey
from medagent.proof.keys import write_new_key
from medagent.runtime.binding import binding
from medagent.runtime.host import key_ring, ledger
from medagent.settings import load_settings
from medagent.telemetry.ledger import reason_problem

app = typer.Typer(
    help="Rotate the pseudonym key, or replace a destination's secret, while the GO holds.", no_args_is_help=True
)

Reason = Annotated[str, typer.Option(help="Why; kept for six years. Name a ticket, never a person.")]
KeyFile = Annotated[
    Path | None, typer.Option("--key", exists=True, dir_okay=False, help="The key file of who may sign off.")
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="Read the key's passphrase here; it is asked for if left out."),
]
Audit = Annotated[
    Path | None,
    typer.Option("--audit", exists=True, help="The GO's bundle; the one that telemetry is on by, if left out."),
]


class Replaced(StrEnum):
    """Destinations with an account secret."""

    LANGSMITH = "langsmith"
    OTLP = "otlp"
    LANGFUSE = "langfuse"
    SLACK = "slack"
    PAGERDUTY = "pagerduty"


@app.command()
def rotate(
    reason: Reason,
    key: KeyFile = None,
    passphrase_file: PassphraseFile = None,
    audit: Audit = None,
    *,
    to: Annotated[
        Path | None,
        typer.Option("--to", dir_okay=False, help="Write the new key here (mode 0600), for a secret store."),
    ] = None,
    no_amendment: Annotated[
        bool, typer.Option("--no-amendment", help="Amend nothing: in prod telemetry is off until the GO is amended.")
    ] = False,
) -> None:
    """Make a new pseudonym key, keep the old one for `trace find`, and amend the GO.

    A key in MEDAGENT_HOME/keys is replaced there. A key from MEDAGENT_PSEUDONYM_KEY is not: --to writes the new one to
    a file. Where the settings hold the new key already, and the old one is kept or in MEDAGENT_PSEUDONYM_KEYS_OLD, the
    GO alone is amended. No secret is printed. Restart every process afterwards.
    """
    why, settings = _recorded(reason), load_settings()
    ring, go = key_ring(settings), None if no_amendment else open_go(settings, audit)
    if go is None and settings.env == "prod" and not no_amendment:
        raise AttestationError(
            "no GO is in force here, expected one to amend", hint="--audit REPORT, or --no-amendment without a GO"
        )
    keys = _rotation(ring, go, to)
    write = None
    if go is not None:
        if differs := binding(with_pseudonym_key(settings, keys.old)).differences(go.verified.system):
            raise AttestationError(
                "more than the key differs from the GO: " + "; ".join(differs),
                hint="undo the other changes, or audit anew; --no-amendment rotates all the same",
            )
        then = with_pseudonym_key(settings, keys.new)

        def statement(system: System, at: datetime, officer: str) -> AmendmentStatement:
            return key_rotation(system, binding(then), officer=officer, at=at, reason=why)

        write = amend(then, go, key, passphrase_file, statement)
    _keep(ring, keys, to)
    if write is not None:
        write()
    content = {"old": keys.old.key_id, "new": keys.new.key_id, "by": current_account().name, "reason": why}
    ledger(settings).append("pseudonym_key_rotated", content)
    _show(keys, go, to)


@app.command()
def replace(
    destination: Annotated[Replaced, typer.Argument(help="Whose account secret was replaced.")],
    reason: Reason,
    key: KeyFile = None,
    passphrase_file: PassphraseFile = None,
    audit: Audit = None,
) -> None:
    """Amend the GO by a destination's new account secret, which the settings hold already.

    Its scheme, host, port, project, workspace and tenant headers must be those of the GO. Whether the new secret
    belongs to the same account, no digest shows: who signs states it.
    """
    why, settings = _recorded(reason), load_settings()
    go = open_go(settings, audit)
    if go is None:
        raise AttestationError("no GO is in force here, expected one to amend", hint="give --audit REPORT")
    if go.bound_key_id != key_ring(settings).pseudonym_key().key_id:
        raise AttestationError(f"{KEY_SETTING}: another key, expected the GO's", hint="medagent keys rotate")

    def statement(system: System, at: datetime, officer: str) -> AmendmentStatement:
        here = binding(settings)
        return account_replacement(system, here, destination.value, officer=officer, at=at, reason=why)

    amend(settings, go, key, passphrase_file, statement)()
    out = console()
    out.print(Text(f"the GO holds with the new account secret of {destination.value}; restart every process"))
    out.print(Text(f"the amended bundle: {go.file}"), soft_wrap=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rotation:
    """Old and new key; `is_set` if the settings or the key file already hold the new one."""

    old: PseudonymKey
    new: PseudonymKey
    is_set: bool


def _recorded(reason: str) -> str:
    if problem := reason_problem(reason):
        raise typer.BadParameter(f"the reason {problem}")
    return recorded_reason(reason)


def _rotation(ring: KeyRing, go: OpenGo | None, to: Path | None) -> _Rotation:
    current = ring.pseudonym_key()
    if go is not None and go.bound_key_id != current.key_id:
        old = next((one for one in ring.old_pseudonym_keys() if one.key_id == go.bound_key_id), None)
        if old is None:
            raise KeyFileError(
                f"pseudonym key {go.bound_key_id}: missing, expected the key of the GO beside the new one",
                hint="set MEDAGENT_PSEUDONYM_KEYS_OLD to it",
            )
        if not current.is_random:
            raise KeyFileError(
                f"{KEY_SETTING}: a repeated pattern, expected random digits", hint="openssl rand -hex 32"
            )
        return _Rotation(old=old, new=current, is_set=True)
    if ring.pseudonym_file is None and to is None:
        raise KeyFileError(
            f"{KEY_SETTING}: set outside MEDAGENT_HOME, expected --to FILE for the new key",
            hint="or set the new key there, the old one in MEDAGENT_PSEUDONYM_KEYS_OLD, and run this again",
        )
    if ring.pseudonym_file is not None and to is not None:
        raise typer.BadParameter(f"--to is for a key from {KEY_SETTING}; the key in {ring.pseudonym_file} is replaced")
    return _Rotation(old=current, new=PseudonymKey.new(), is_set=False)


def _keep(ring: KeyRing, keys: _Rotation, to: Path | None) -> None:
    """Store both keys, the old one first, so that an interrupted process loses neither."""
    if not ring.is_given_old(keys.old):
        ring.keep_old(keys.old)
    if keys.is_set:
        return
    if to is not None:
        write_new_key(to.expanduser(), keys.new)
    else:
        ring.replace_pseudonym_key(keys.new)


def _show(keys: _Rotation, go: OpenGo | None, to: Path | None) -> None:
    out = console()
    out.print(Text(f"pseudonym key {keys.old.key_id} is replaced by {keys.new.key_id}"))
    if to is not None:
        out.print(Text(f"set {KEY_SETTING} to the content of {to}, then delete that file"), soft_wrap=True)
    if go is None:
        out.print(Text("no GO is amended"))
    else:
        out.print(Text(f"the GO holds with the new key; the amended bundle: {go.file}"), soft_wrap=True)
    out.print(Text("restart every process; trace find looks under every key"))
