"""Chains and ledger of the audited system, verified as a stranger would; and whether a copy that lies is found out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from medagent.attestation.report import Integrity, Tampering
from medagent.errors import MedagentError
from medagent.proof import GENESIS, SigningKey, VerifyKey
from medagent.telemetry.chain import verify_chain
from medagent.telemetry.ledger import Ledger
from medagent.telemetry.ledger.verify import entries, verify
from medagent.telemetry.span import SafeSpan, Seal

Chain = Sequence[SafeSpan]


def examine(calls: Mapping[str, Chain], ledger: Path, keys: Sequence[VerifyKey], scratch: Path) -> Integrity:
    """Verify every call's chain against its head in the ledger, the ledger itself, and what tampered copies give.

    `calls` are the spans of each trace as the archive has them; `scratch` is an empty directory for the copies.
    """
    heads = _heads(ledger)
    sound = sum(_holds(lambda spans=spans: check_call(spans, heads)) for spans in calls.values())  # type: ignore[misc]  # a default binds the loop's value
    try:
        verified = verify(ledger, keys)
        count, head = verified.entries, verified.last.hash
    except MedagentError:
        count, head = 0, None
    longest = max(calls.values(), key=len, default=())
    tampered = [*_tampered_chains(longest, heads), *_tampered_ledgers(ledger, keys, scratch)]
    return Integrity(
        calls=len(calls), chains_verified=sound, ledger_entries=count, ledger_head=head, tampered=tuple(tampered)
    )


def check_call(spans: Chain, heads: Mapping[str, str | None]) -> None:
    """Raises `MedagentError` unless the chain holds and ends where the ledger says that this call's ended."""
    verify_chain(spans)
    last = spans[-1]
    if last.seal is None or heads.get(last.trace_id) != last.seal.hash:
        raise MedagentError("the chain does not end where the ledger says")


def _heads(ledger: Path) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    try:
        for entry in entries(ledger):
            if entry.kind == "guardrail":
                head = entry.content["head"]
                found[str(entry.content["trace_id"])] = None if head is None else str(head)
    except MedagentError:
        return found
    return found


def _holds(check: Callable[[], object]) -> bool:
    try:
        check()
    except MedagentError:
        return False
    return True


# ---- a call's chain -------------------------------------------------------------------------------------------------


def _tampered_chains(spans: Chain, heads: Mapping[str, str | None]) -> list[Tampering]:
    if len(spans) < 3:
        return []
    changed = [*spans]
    changed[1] = replace(spans[1], end_us=spans[1].end_us + 1)
    swapped = [*spans]
    swapped[1], swapped[2] = swapped[2], swapped[1]
    copies: Mapping[str, Chain] = {
        "a call: a span changed": changed,
        "a call: a span removed": [*spans[:1], *spans[2:]],
        "a call: two spans swapped": swapped,
        "a call: its end cut off": spans[:-1],
        "a call: rewritten whole, sealed anew": _resealed(changed),
    }
    return [
        Tampering(what=what, rejected=not _holds(lambda copy=copy: check_call(copy, heads)))  # type: ignore[misc]  # as above
        for what, copy in copies.items()
    ]


def _resealed(spans: Chain) -> list[SafeSpan]:
    previous, made = GENESIS, []
    for number, span in enumerate(spans):
        seal = Seal.over(sequence=number, previous=previous, span_digest=span.digest())
        made.append(span.sealed(seal))
        previous = seal.hash
    return made


# ---- the ledger -----------------------------------------------------------------------------------------------------


def _tampered_ledgers(ledger: Path, keys: Sequence[VerifyKey], scratch: Path) -> list[Tampering]:
    try:
        lines = ledger.read_bytes().splitlines(keepends=True)
        *_, last = entries(ledger)
    except (OSError, ValueError, MedagentError):
        return []
    if len(lines) < 4:
        return []
    middle = len(lines) // 2
    copies: Mapping[str, Callable[[Path], object]] = {
        "the ledger: an entry changed": lambda path: path.write_bytes(b"".join(_changed(lines, middle))),
        "the ledger: an entry removed": lambda path: path.write_bytes(b"".join(lines[:middle] + lines[middle + 1 :])),
        "the ledger: two entries swapped": lambda path: path.write_bytes(b"".join(_swapped(lines, middle))),
        "the ledger: its end cut off": lambda path: path.write_bytes(b"".join(lines[:-1])),
        "the ledger: rewritten whole, signed by another key": lambda path: _rewritten(lines, path),
    }
    found = []
    for number, (what, make) in enumerate(copies.items()):
        path = scratch / f"copy-{number}" / "ledger.jsonl"
        path.parent.mkdir(parents=True)
        make(path)
        checked = _holds(lambda path=path: verify(path, keys, earlier_checkpoint=last.checkpoint()))  # type: ignore[misc]  # as above
        found.append(Tampering(what=what, rejected=not checked))
        shutil.rmtree(path.parent)
    return found


def _changed(lines: Sequence[bytes], at: int) -> list[bytes]:
    entry = json.loads(lines[at])
    entry["at"] = entry["at"].replace("20", "21", 1)
    return [*lines[:at], json.dumps(entry, separators=(",", ":"), sort_keys=True).encode() + b"\n", *lines[at + 1 :]]


def _swapped(lines: Sequence[bytes], at: int) -> list[bytes]:
    return [*lines[: at - 1], lines[at], lines[at - 1], *lines[at + 1 :]]


def _rewritten(lines: Sequence[bytes], path: Path) -> None:
    forger = Ledger(path, SigningKey.from_seed(b"\x07" * 32))
    for line in lines:
        entry = json.loads(line)
        if entry["kind"] == "guardrail":
            forger.append("guardrail", entry["content"])
