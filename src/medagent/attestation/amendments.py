"""Amendments of a GO: a rotated pseudonym key or a replaced account secret, checked and applied to a report's system.

Trust flows one way: the pinned list → each amendment's signature → its place in the chain → the one part that it
changes. Every digest that can be computed without a key is computed again. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Literal, TypeAlias

from medagent.attestation.binding import KEY_SETTING, Binding, destinations_digest
from medagent.attestation.minimum import SIGN_OFF
from medagent.attestation.officers import Officer
from medagent.attestation.report import BoundSetting, Destination, System
from medagent.attestation.statements import AmendmentStatement, KeyedChange, read_said, sha256_of
from medagent.errors import AttestationError, SignatureError
from medagent.proof.dsse import Envelope

Amendable: TypeAlias = Literal["langsmith", "otlp", "langfuse", "slack", "pagerduty"]
ACCOUNT_PART: Mapping[Amendable, Literal["account", "address"]] = MappingProxyType(
    {"langsmith": "account", "otlp": "account", "langfuse": "account", "slack": "address", "pagerduty": "account"}
)
"""Part of each destination that holds its account secret; for a webhook it is the path of the address."""
_PARTS = ("address", "account", "workspace")
_KEYED = re.compile(r"(?P<clear>.*?)(?P<keyed>keyed:[0-9a-f]{32})", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """An amendment whose signature holds and that was applied; `sha256` is the digest of its statement."""

    statement: AmendmentStatement
    officer: Officer
    sha256: str

    def says(self) -> str:
        """Return it in one line, for people."""
        one, what = self.statement, "pseudonym key"
        if one.destination is not None:
            what = f"account secret of {one.destination}"
        return (
            f"{what} {one.old} replaced by {one.new}, signed by {self.officer.name}, key {self.officer.key.key_id}, "
            f"at {one.at.isoformat()}: {one.reason}"
        )


def amendment_subjects(report_sha256: str, before: Sequence[Envelope]) -> dict[str, str]:
    """Return the digests that an amendment signs: the report's and the previous amendment's."""
    subjects = {"report": report_sha256}
    return subjects | {"amendment": sha256_of(before[-1])} if before else subjects


def check_amendments(
    envelopes: Sequence[Envelope],
    *,
    report_sha256: str,
    system: System,
    officers: Sequence[Officer],
    after: datetime,
    before: datetime,
) -> tuple[tuple[Amendment, ...], System]:
    """Check a chain of amendments and apply each in its order.

    Args:
        envelopes: The chain, oldest first.
        report_sha256: The report's digest.
        system: The audited system.
        officers: Who may sign for themselves: no machine, no revoked key.
        after: The audit's end.
        before: The latest time that an amendment may have.

    Returns:
        The amendments, and the system as amended.

    Raises:
        AttestationError: One is malformed, signed by another key, out of its time or place, or changes another part.
    """
    found: list[Amendment] = []
    for number, envelope in enumerate(envelopes, 1):
        one = _read(envelope, number, amendment_subjects(report_sha256, envelopes[: number - 1]), officers)
        earliest = found[-1].statement.at + timedelta(microseconds=1) if found else after
        if not earliest <= one.statement.at <= before:
            raise AttestationError(
                f"amendment {number}: wrong time, expected one after the audit and after the amendment before it, "
                "and none in the future"
            )
        try:
            system = amended(system, one.statement)
        except AttestationError as error:
            raise AttestationError(f"amendment {number}: {error}") from None
        found.append(one)
    return tuple(found), system


def amended(system: System, statement: AmendmentStatement) -> System:
    """Return the system with the one key of the statement replaced.

    Raises:
        AttestationError: The statement is of another system, or changes another part than it names.
    """
    if not system.settings or destinations_digest(system.destinations, system.settings) != system.destinations_sha256:
        raise AttestationError("the report does not list what it is bound to, expected a report of this version")
    if statement.destinations_before != system.destinations_sha256:
        raise AttestationError("made over another state of the destinations, expected the state before it")
    keyed = dict(keyed_digests(system.destinations, system.settings))
    if statement.kind == "pseudonym_key":
        bound = {one.name: one.value for one in system.settings}
        if bound.get(KEY_SETTING) != statement.old:
            raise AttestationError(f"{KEY_SETTING}: another key id, expected the report's")
        if {one.part: one.old for one in statement.keyed} != keyed:
            raise AttestationError("other keyed digests than the report's, expected each of them once")
        changes = {one.part: one.new for one in statement.keyed} | {KEY_SETTING: statement.new}
    else:
        part = _account_part(statement.destination)
        if keyed.get(part) != statement.old:
            raise AttestationError(f"{part}: another digest, expected the report's")
        changes = {part: statement.new}
    made = _with(system, changes)
    if made.destinations_sha256 != statement.destinations_after:
        raise AttestationError("another part is changed too, expected the named one alone")
    return made


def keyed_digests(destinations: Sequence[Destination], settings: Sequence[BoundSetting]) -> Iterator[tuple[str, str]]:
    """Yield each part that is bound by a keyed digest, and the digest."""
    for one in destinations:
        for part in _PARTS:
            if match := _KEYED.fullmatch(getattr(one, part) or ""):
                yield f"{one.name}: {part}", match["keyed"]
    for setting in settings:
        if match := _KEYED.fullmatch(setting.value):
            yield setting.name, match["keyed"]


def key_rotation(system: System, here: Binding, *, officer: str, at: datetime, reason: str) -> AmendmentStatement:
    """Return the statement of a rotated pseudonym key.

    Args:
        system: The audited system as amended so far; the caller has compared it with the binding under the old key.
        here: The binding under the new key.
        officer: The name of who signs.
        at: The time.
        reason: Why, without a person's data.

    Raises:
        AttestationError: More than the key differs.
    """
    bound, ours = ({one.name: one.value for one in each.settings} for each in (system, here))
    old, new = (dict(keyed_digests(each.destinations, each.settings)) for each in (system, here))
    if KEY_SETTING not in bound or set(old) != set(new):
        raise AttestationError(
            "the GO lists other destinations or settings than those here, expected another key alone"
        )
    content = {
        "officer": officer,
        "at": at,
        "kind": "pseudonym_key",
        "destination": None,
        "old": bound[KEY_SETTING],
        "new": ours[KEY_SETTING],
        "keyed": [KeyedChange(part=part, old=old[part], new=new[part]) for part in sorted(old)],
        "reason": reason,
    }
    return _made(system, here, new | {KEY_SETTING: ours[KEY_SETTING]}, content)


def account_replacement(
    system: System, here: Binding, destination: Amendable, *, officer: str, at: datetime, reason: str
) -> AmendmentStatement:
    """Return the statement of a destination's replaced account secret; arguments and errors as of `key_rotation`."""
    part = _account_part(destination)
    old, new = (dict(keyed_digests(each.destinations, each.settings)).get(part) for each in (system, here))
    if old is None or new is None:
        raise AttestationError(f"{destination}: no account secret in the GO or in the settings, expected one in both")
    if old == new:
        raise AttestationError(f"{destination}: the account secret is the one of the GO, expected the new one")
    content = {
        "officer": officer,
        "at": at,
        "kind": "destination_account",
        "destination": destination,
        "old": old,
        "new": new,
        "keyed": (),
        "reason": reason,
    }
    return _made(system, here, {part: new}, content)


def _made(
    system: System, here: Binding, changes: Mapping[str, str], content: Mapping[str, object]
) -> AmendmentStatement:
    then = _with(system, changes)
    if differs := here.differences(then):
        raise AttestationError("more than the key differs from the GO: " + "; ".join(differs))
    digests = {"destinations_before": system.destinations_sha256, "destinations_after": then.destinations_sha256}
    try:
        made = AmendmentStatement.model_validate({**content, **digests})
    except ValueError:
        raise AttestationError("the amendment has not its form, expected a new key and a plain reason") from None
    amended(system, made)
    return made


def _account_part(destination: Amendable | None) -> str:
    if destination is None:
        raise AttestationError("no destination is named, expected one with an account secret")
    return f"{destination}: {ACCOUNT_PART[destination]}"


def _with(system: System, changes: Mapping[str, str]) -> System:
    """Replace keyed digests in the system; the clear text before each digest is unchanged."""

    def value(name: str, old: str | None) -> str | None:
        if name not in changes or old is None:
            return old
        match = _KEYED.fullmatch(old)
        return changes[name] if match is None else match["clear"] + changes[name]

    destinations = tuple(
        one.model_copy(update={part: value(f"{one.name}: {part}", getattr(one, part)) for part in _PARTS})
        for one in system.destinations
    )
    settings = tuple(one.model_copy(update={"value": value(one.name, one.value)}) for one in system.settings)
    return system.model_copy(
        update={
            "destinations": destinations,
            "settings": settings,
            "destinations_sha256": destinations_digest(destinations, settings),
        }
    )


def _read(envelope: Envelope, number: int, subjects: Mapping[str, str], officers: Sequence[Officer]) -> Amendment:
    by_key = {one.key: one for one in officers if SIGN_OFF in one.roles}
    try:
        statement, signer, over = read_said(envelope, tuple(by_key), AmendmentStatement)
    except SignatureError:
        raise AttestationError(
            f"amendment {number}: signed by no sign-off key of the pinned list, or changed after that, "
            "expected a signature of who may sign off",
            hint="a machine's key never amends a GO: medagent keys rotate, medagent keys replace",
        ) from None
    officer = by_key[signer]
    if statement.officer != officer.name:
        raise AttestationError(f"amendment {number}: names another officer than its key's, expected {officer.name}")
    if not officer.held_at(statement.at.astimezone(UTC)):
        raise AttestationError(f"amendment {number}: {officer.name}'s key was not valid at {statement.at.isoformat()}")
    if over != subjects:
        raise AttestationError(f"amendment {number}: over another report or another amendment, expected the one before")
    return Amendment(statement=statement, officer=officer, sha256=sha256_of(envelope))
