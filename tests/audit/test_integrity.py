"""Chains that hang on the ledger: whatever a copy was changed by, it is rejected; and what is whole is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from medagent.audit.integrity import check_call, examine
from medagent.errors import MedagentError
from medagent.proof import SigningKey
from medagent.telemetry.ledger import Ledger
from spans import call

KEY = SigningKey.from_seed(b"\x01" * 32)
CALL = call()
TRACE = CALL[0].trace_id


def ledger(tmp_path: Path, *, head: str) -> Path:
    path = tmp_path / "ledger" / "ledger.jsonl"
    kept = Ledger(path, KEY)
    for trace_id, its_head in (("0" * 8 + TRACE[8:], "ab" * 32), (TRACE, head), ("1" * 8 + TRACE[8:], "cd" * 32)):
        guardrail = {"trace_id": trace_id, "head": its_head, "policy": "ef" * 32}
        kept.append("guardrail", {**guardrail, "actions": {}, "categories": {}, "complete": True})
    return path


def head() -> str:
    assert CALL[-1].seal is not None
    return CALL[-1].seal.hash


def test_ten_tampered_copies_are_rejected_and_the_original_is_not(tmp_path: Path) -> None:
    """Change, removal, swap, cut tail and a rewrite whole, of a call and of the ledger."""
    path = ledger(tmp_path, head=head())
    found = examine({TRACE: CALL}, path, [KEY.public], tmp_path / "copies")
    assert (found.calls, found.chains_verified, found.ledger_entries) == (1, 1, 4)
    assert len(found.tampered) == 10
    assert [one.what for one in found.tampered if not one.rejected] == []


def test_a_chain_that_the_ledger_does_not_know_does_not_count(tmp_path: Path) -> None:
    """A chain that holds in itself and ends elsewhere than the ledger says was rewritten."""
    found = examine({TRACE: CALL}, ledger(tmp_path, head="12" * 32), [KEY.public], tmp_path / "copies")
    assert (found.calls, found.chains_verified) == (1, 0)


def test_a_rewritten_ledger_has_no_head(tmp_path: Path) -> None:
    """One changed byte anywhere, and the ledger is no evidence."""
    path = ledger(tmp_path, head=head())
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    found = examine({TRACE: CALL}, path, [KEY.public], tmp_path / "copies")
    assert (found.ledger_entries, found.ledger_head) == (0, None)


def test_a_missing_ledger_is_no_evidence(tmp_path: Path) -> None:
    """Without a ledger no chain ends where it should."""
    found = examine({TRACE: CALL}, tmp_path / "none", [KEY.public], tmp_path / "copies")
    assert (found.chains_verified, found.ledger_head, len(found.tampered)) == (0, None, 5)


@pytest.mark.parametrize("at", range(len(CALL)))
def test_any_span_that_was_touched_breaks_its_call(at: int) -> None:
    """No span of a call can be changed without its chain saying so."""
    touched = [*CALL]
    touched[at] = replace(CALL[at], status="error" if CALL[at].status == "ok" else "ok")
    with pytest.raises(MedagentError):
        check_call(touched, {TRACE: head()})
