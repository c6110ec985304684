"""Keys, policy, redactor and ledger of a host, the same for each of its processes."""

from __future__ import annotations

import logging
import platform
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from medagent.errors import OutboxError
from medagent.presidio import recognisers_of
from medagent.proof import KeyRing, VerifyKey, digest
from medagent.redaction import Policy, Redactor, load_policy
from medagent.redaction.loading import find_policy
from medagent.settings import Settings, make_home
from medagent.telemetry.ledger import Ledger
from medagent.telemetry.ledger.anchors import Anchor, FileAnchor, Head, check_heads, heads_in, second_place

if TYPE_CHECKING:
    pass


_log = logging.getLogger(__name__)


def host_id(settings: Settings) -> str:
    """Return what tells apart the hosts that share an outbox: a digest of this host's name and MEDAGENT_HOME."""
    return digest([platform.node(), str(settings.home)])


def key_ring(settings: Settings) -> KeyRing:
    """This installation's keys."""
    pseudonym, signing, old = (
        None if secret is None else secret.get_secret_value()
        for secret in (settings.pseudonym_key, settings.signing_key, settings.pseudonym_keys_old)
    )
    directory = make_home(settings.home) / "keys"
    return KeyRing(directory, env=settings.env, pseudonym_hex=pseudonym, signing_hex=signing, old_hex=old)


def policy(settings: Settings) -> Policy:
    """The policy in force: a file, a packaged one by name, or `clinic`; read again when a file of its chain changed."""
    path = find_policy(str(settings.policy_path or "clinic"))
    stamps, held = _POLICIES.get(path, ((), None))
    if held is None or stamps != _stamps(held):
        held = load_policy(path)
        _POLICIES[path] = (_stamps(held), held)
    return held


_POLICIES: dict[Path, tuple[tuple[int, ...], Policy]] = {}
"""Each policy as it was last read, with the times at which its files had changed."""


def _stamps(held: Policy) -> tuple[int, ...]:
    """When each file of a policy's chain was changed, in ns; -1 for one that is gone."""
    paths = [one.path for one in held.files if one.path is not None]
    return tuple(path.stat().st_mtime_ns if path.exists() else -1 for path in paths)


def redactor(settings: Settings, rosters: Mapping[str, Collection[str]] | None = None) -> Redactor:
    """The policy of these settings with this installation's keys."""
    in_force = policy(settings)
    keys = key_ring(settings).pseudonym_key()
    return Redactor(in_force, keys=keys, rosters=rosters, recognisers=recognisers_of(in_force))


def redactors(settings: Settings) -> Iterator[Redactor]:
    """Yield a redactor for each pseudonym key, the current one first; for lookups, not for export."""
    in_force, ring = policy(settings), key_ring(settings)
    for key in (ring.pseudonym_key(), *ring.old_pseudonym_keys()):
        yield Redactor(in_force, keys=key, recognisers=recognisers_of(in_force))


def spool_path(settings: Settings) -> Path:
    """Return the folder of this host's spool files."""
    return make_home(settings.home) / "spool"


def ledger_path(settings: Settings) -> Path:
    """Return where this host's ledger is."""
    return make_home(settings.home) / "ledger" / "ledger.jsonl"


def ledger(settings: Settings, *, opens_outbox: bool = True) -> Ledger:
    """Return this host's ledger, to append to; raises `KeyFileError` where prod has no signing key.

    A job opens no database (`opens_outbox`): the outbox gets the ledger's head with the export service's next entry.
    """
    anchors = ledger_anchors(settings, opens_outbox=opens_outbox)
    return Ledger(ledger_path(settings), key_ring(settings).signing_key(), anchors=anchors)


def ledger_anchors(settings: Settings, *, opens_outbox: bool = True) -> list[Anchor]:
    """Return the places that keep the ledger's head: archive, outbox, and the second place where one is set."""
    found: list[Anchor] = [FileAnchor(make_home(settings.home) / "archive" / "ledger-head.json")]
    if opens_outbox:
        from medagent.telemetry.outbox.ledger_head import OutboxAnchor  # noqa: PLC0415  # a job opens no database

        found.append(OutboxAnchor(settings.outbox_location, host=host_id(settings)))
    if settings.ledger_anchor is not None:
        found.append(second_place(settings.ledger_anchor))
    return found


def check_ledger_heads(settings: Settings, *more: Path) -> None:
    """Raise `BrokenLedgerError` where a place keeps a head, or a file of `more` names one, that the ledger lacks."""
    kept: list[tuple[str, Head]] = []
    for anchor in ledger_anchors(settings):
        try:
            kept += [(anchor.name, head) for head in anchor.heads()]
        except OutboxError as error:
            _log.warning("the outbox's head of the ledger cannot be compared: %s", error)  # exports wait meanwhile
    kept += [(str(file), head) for file in more for head in heads_in(file)]
    check_heads(ledger_path(settings), kept)


def machine_keys(settings: Settings) -> list[VerifyKey]:
    """The public key with which this installation signs its reports; none where it has no key, and none is made."""
    given = None if settings.signing_key is None else settings.signing_key.get_secret_value()
    if given is None and not (settings.home / "keys" / "signing.key").exists():
        return []
    return [KeyRing(settings.home / "keys", env=settings.env, signing_hex=given).signing_key().public]
