"""Statements of people that the ledger keeps: a bundle that lacks one of them is not whole; pure but for one read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from medagent.errors import LedgerError
from medagent.telemetry.ledger.entry import Entry

_KIND = b'"kind":"sign_off"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One signed statement over a report: its digest, by which key, in which role, when, what it decided."""

    report: str
    statement: str
    role: str
    key_id: str
    decision: str
    signed_at: datetime


def votes(path: Path, report: str) -> Iterator[Vote]:
    """Yield the statements over a report that a ledger keeps, oldest first; raises `LedgerError` where it cannot."""
    mark = report.encode()
    try:
        with path.open("rb") as file:
            for line in file:
                if _KIND in line and mark in line and (vote := _vote(line)) is not None and vote.report == report:
                    yield vote
    except FileNotFoundError:
        return
    except OSError as error:
        raise LedgerError(f"the ledger {path} cannot be read ({type(error).__name__})") from None


def _vote(line: bytes) -> Vote | None:
    """The vote of a line; None in an entry from before statements were kept."""
    try:
        content = Entry.parse(line.rstrip(b"\n")).content
    except ValueError:
        raise LedgerError("a sign-off in the ledger cannot be read", hint="medagent ledger verify") from None
    if content.get("statement") is None:
        return None
    return Vote(
        report=str(content["report"]),
        statement=str(content["statement"]),
        role=str(content["role"]),
        key_id=str(content["key_id"]),
        decision=str(content["decision"]),
        signed_at=datetime.fromisoformat(str(content["signed_at"])),
    )
