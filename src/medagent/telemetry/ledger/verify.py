"""The way out: the ledger read as a stranger would, with nothing but public keys and what was kept elsewhere.

Trust flows one way: the keys → an earlier checkpoint → each entry's signature → the chain. Nothing is repaired here.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medagent.errors import BrokenLedgerError, LedgerError, SignatureError, TornLedgerError
from medagent.file_access import open_to_read
from medagent.proof import GENESIS, VerifyKey
from medagent.proof.dsse import Envelope, authenticate
from medagent.telemetry.ledger.contents import RECOVERED
from medagent.telemetry.ledger.entry import CHECKPOINT, Entry
from medagent.telemetry.ledger.lock import lock


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedLedger:
    """A ledger that is whole: how many entries of which kind, its last, and which of them account for a crash."""

    entries: int
    kinds: Mapping[str, int]
    first_at: str
    last: Entry
    recovered: tuple[int, ...]


def verify(path: Path, keys: Sequence[VerifyKey], *, earlier_checkpoint: Envelope | None = None) -> VerifiedLedger:
    """Read all of it and return what it is, once every entry is signed by one of `keys` and hangs on the one before.

    With a checkpoint that was kept elsewhere it must also be the ledger that the checkpoint was taken of, and not have
    lost its end since. Raises `BrokenLedgerError` with the number of the first entry that does not hold (an empty
    ledger is broken too), `TornLedgerError` where only the last line is unfinished, `SignatureError` where `keys` is
    empty or the checkpoint is not signed by one of them, `LedgerError` where the file cannot be read.
    """
    if not keys:
        raise SignatureError("no key is trusted, so no entry proves anything", hint="give at least one public key")
    trusted = {key.key_id: key for key in keys}
    earlier = None if earlier_checkpoint is None else _Earlier.of(earlier_checkpoint, keys)
    kinds: Counter[str] = Counter()
    recovered: list[int] = []
    torn: TornLedgerError | None = None
    first: Entry | None = None
    last: Entry | None = None
    try:
        for entry in entries(path):
            _authenticate(entry, trusted)
            if earlier is not None and entry.sequence == earlier.sequence and entry.hash != earlier.hash:
                raise BrokenLedgerError("the checkpoint saw another: the ledger was rewritten", entry=entry.sequence)
            kinds[entry.kind] += 1
            if entry.kind == RECOVERED:
                recovered.append(entry.sequence)
            first, last = first or entry, entry
    except TornLedgerError as error:
        torn = error
    if earlier is not None and (last is None or last.sequence < earlier.sequence):
        missing = 0 if last is None else last.sequence + 1
        raise BrokenLedgerError(
            f"it is missing: the checkpoint was taken at entry {earlier.sequence}, so the end is cut off", entry=missing
        )
    if torn is not None:
        raise torn
    if first is None or last is None:
        raise BrokenLedgerError("the ledger is empty")
    return VerifiedLedger(
        entries=last.sequence + 1, kinds=kinds, first_at=first.at, last=last, recovered=tuple(recovered)
    )


def entries(path: Path) -> Iterator[Entry]:
    """The entries in order, their chain checked and their signatures not; raises as `verify` does where it breaks."""
    previous, number, debris = GENESIS, 0, b""
    for line in _lines(path):
        if not line.endswith(b"\n"):
            raise TornLedgerError(
                f"the last line, {len(debris + line)} bytes after {number} entries, was not written to its end",
                hint="a crash leaves this, and so does a hand; the next entry to be written will account for it",
            )
        try:
            entry = Entry.parse(line[:-1])
        except ValueError:
            debris += line
            continue
        accounted = {"bytes": len(debris), "sha256": hashlib.sha256(debris).hexdigest()}
        if (debris or entry.kind == RECOVERED) and (entry.kind != RECOVERED or entry.content != accounted):
            raise BrokenLedgerError("it is not what was written", entry=number)
        if entry.sequence != number:
            raise BrokenLedgerError(f"number {entry.sequence} stands in its place", entry=number)
        if entry.previous != previous:
            raise BrokenLedgerError("it does not follow the entry before it", entry=number)
        yield entry
        previous, number, debris = entry.hash, number + 1, b""
    if debris:
        raise BrokenLedgerError("it is not what was written", entry=number)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Earlier:
    sequence: int
    hash: str

    @classmethod
    def of(cls, envelope: Envelope, keys: Sequence[VerifyKey]) -> _Earlier:
        verified = authenticate(envelope, keys, 1, payload_type=CHECKPOINT)
        try:
            document = json.loads(verified.payload)
            return cls(sequence=int(document["sequence"]), hash=str(document["hash"]))
        except (ValueError, KeyError, TypeError):
            raise SignatureError("what is signed is not a checkpoint of a ledger") from None


def _authenticate(entry: Entry, trusted: Mapping[str, VerifyKey]) -> None:
    key = trusted.get(entry.key_id)
    if key is None:
        raise BrokenLedgerError(
            f"it is signed by key {entry.key_id}, which is not trusted",
            entry=entry.sequence,
            hint="give the public key of every key that the ledger was ever written with",
        )
    try:
        entry.authenticate(key)
    except SignatureError:
        raise BrokenLedgerError(f"its signature is not that of key {key.key_id}", entry=entry.sequence) from None


def _lines(path: Path) -> Iterator[bytes]:
    """The lines that were there at the start, each with its newline; what comes meanwhile is for the next reader."""
    try:
        with os.fdopen(open_to_read(path), "rb") as file:
            lock(file.fileno(), fcntl.LOCK_SH)
            left = os.fstat(file.fileno()).st_size
            fcntl.flock(file, fcntl.LOCK_UN)
            while left > 0 and (line := file.readline(left)):
                left -= len(line)
                yield line
    except FileNotFoundError:
        raise BrokenLedgerError(f"there is no ledger at {path}") from None
    except OSError as error:
        raise LedgerError(f"the ledger {path} cannot be read ({type(error).__name__})") from None
