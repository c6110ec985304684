"""Amendment of a GO after a key change: load, compare with this host, sign, store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import typer
from pydantic import SecretStr

from medagent.attestation.allowance import allowed
from medagent.attestation.amendments import amendment_subjects
from medagent.attestation.binding import KEY_SETTING
from medagent.attestation.bundle import BUNDLE, Bundle
from medagent.attestation.minimum import SIGN_OFF
from medagent.attestation.report import System
from medagent.attestation.statements import AmendmentStatement, said_statement
from medagent.attestation.verify import VerifiedReport, verify
from medagent.cli.audit_signing import desk
from medagent.errors import AttestationError
from medagent.os_account import current_account
from medagent.proof import PseudonymKey
from medagent.proof.dsse import sign
from medagent.runtime.binding import binding
from medagent.runtime.host import check_ledger_heads, machine_keys
from medagent.runtime.kill_switch import audits, check_votes, officers, record_votes, switch
from medagent.settings import Settings

MakeStatement = Callable[[System, datetime, str], AmendmentStatement]
"""Function of the amended system, the time and the officer's name; returns the statement to sign."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenGo:
    """A verified bundle that has every signature in this host's ledger, and the directory of its annexes."""

    bundle: Bundle
    directory: Path
    verified: VerifiedReport

    @property
    def file(self) -> Path:
        """The bundle's file."""
        return self.directory / BUNDLE

    @property
    def bound_key_id(self) -> str | None:
        """Id of the bound pseudonym key after all amendments; None in an older report."""
        return next((one.value for one in self.verified.system.settings if one.name == KEY_SETTING), None)


def open_go(settings: Settings, audit: Path | None) -> OpenGo | None:
    """Return the GO of a bundle, by default of the bundle that turned telemetry on; None if there is none.

    Raises:
        MedagentError: It does not hold, or lacks a statement that the ledger knows.
    """
    place = audit or _in_force(settings)
    if place is None:
        return None
    bundle, directory = Bundle.load(place)
    verified = _verified(settings, bundle)
    check_ledger_heads(settings)
    check_votes(settings, bundle)
    return OpenGo(bundle=bundle, directory=directory, verified=verified)


def amend(
    settings: Settings, go: OpenGo, key_file: Path | None, passphrase_file: Path | None, make: MakeStatement
) -> Callable[[], None]:
    """Sign an amendment of a GO; the returned function writes it.

    Args:
        settings: The settings with the new key or secret.
        go: The GO as it is.
        key_file: The key of who may sign off.
        passphrase_file: Its passphrase; it is asked for if left out.
        make: Makes the statement.

    Raises:
        MedagentError: The key may not sign off, or the GO would not hold here with the amendment.
    """
    if key_file is None:
        raise typer.BadParameter("a GO is amended by a signature: give --key FILE, the key of who may sign off")
    at = desk(go.directory, key_file, passphrase_file, None, None)
    if SIGN_OFF not in at.person.roles:
        raise AttestationError(
            f"{at.person.name}: may not amend a GO, expected the role {SIGN_OFF}", hint="ask who signs off"
        )
    statement = make(go.verified.system, datetime.now(UTC), at.person.name)
    subjects = amendment_subjects(go.bundle.report_sha256, go.bundle.amendments)
    bundle = go.bundle.amending(sign(said_statement(statement, subjects), at.keys.signing))
    allowed(
        _verified(settings, bundle),
        binding=binding(settings),
        env=settings.env,
        officers=officers(settings),
        days=settings.go_days,
    )

    def write() -> None:
        bundle.write(go.directory)
        filed = audits(settings) / bundle.report_sha256
        if (filed / BUNDLE).exists():
            bundle.write(filed)
        record_votes(settings, bundle, by=current_account().name)

    return write


def with_pseudonym_key(settings: Settings, key: PseudonymKey) -> Settings:
    """Return the same settings with another pseudonym key."""
    return settings.model_copy(update={"pseudonym_key": SecretStr(key.secret.hex())})


def _verified(settings: Settings, bundle: Bundle) -> VerifiedReport:
    return verify(bundle, officers=officers(settings), machine_keys=machine_keys(settings), directory=None)


def _in_force(settings: Settings) -> Path | None:
    report = switch(settings).report()
    return None if report is None else audits(settings) / report
