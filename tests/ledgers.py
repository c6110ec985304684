"""A ledger for tests: invented contents of every kind that others append."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import UUID

from medagent.proof import SigningKey
from medagent.telemetry.ledger import Ledger

KEY = SigningKey.from_seed(b"k" * 32)
THIEF = SigningKey.from_seed(b"t" * 32)
TRUSTED = [KEY.public]


def guardrail(number: int = 0, **changes: Any) -> dict[str, Any]:
    about = {
        "trace_id": str(UUID(int=number)),
        "head": f"{number:064x}",
        "policy": "cd" * 32,
        "actions": {"redact": 12, "keep": 100},
        "categories": {"name": 3},
        "complete": True,
    }
    return about | changes


POLICY = {"name": "clinic", "version": "1.0.0", "sha256": "cd" * 32}
SWITCH = {"state": "off", "source": "command", "reason": "the quarter's drill, ticket OPS-4711", "by": "duty"}
AUDIT = {"report": "ef" * 32, "verdict": "NO-GO", "policy": "cd" * 32}
SIGN_OFF = {"report": "ef" * 32, "role": "reviewer", "key_id": KEY.key_id, "by": "officer"}
GATE = {"gate": 3, "passed": True, "evidence": "ab" * 32, "by": "officer"}
ACCESS = {"store": "archive", "trace_id": str(UUID(int=7)), "by": "officer", "reason": "week 5 review"}
DELETION = {"store": "archive", "cause": "retention", "trace_id": str(UUID(int=7)), "by": "medagent"}
DELETION_REQUESTED = {
    "destination": "langsmith",
    "trace_id": str(UUID(int=7)),
    "spans": 31,
    "by": "duty",
    "reason": "suspected leak, ticket OPS-4711",
}
DELETION_STATUS = {
    "destination": "langsmith",
    "trace_id": str(UUID(int=7)),
    "status": "failed",
    "cause": "http_403",
    "by": "duty",
}
CONTENTS: dict[str, dict[str, Any]] = {
    "policy_changed": POLICY,
    "guardrail": guardrail(),
    "switch_changed": SWITCH,
    "installed_checked": {"installed": "5b" * 32, "passed": False, "changed": ["requests", "file"]},
    "not_started": {"error": "PolicyError", "reason": "the policy clinic.yaml cannot be read"},
    "audit": AUDIT,
    "sign_off": SIGN_OFF,
    "gate": GATE,
    "access": ACCESS,
    "pseudonym_key_rotated": {"old": "1a2b3c4d", "new": "5e6f7a8b", "by": "duty", "reason": "quarterly OPS-7"},
    "deletion": DELETION,
    "deletion_requested": DELETION_REQUESTED,
    "deletion_status": DELETION_STATUS,
    "identity_checks_failed": {"scope": "record", "failures": 5, "hours": 24},
    "checkpoint": {"by": "officer"},
}


def written(path: Path, key: SigningKey = KEY) -> bytes:
    """A ledger of an entry of each kind, after the one that introduces the key; returns its bytes."""
    ledger = Ledger(path, key)
    for kind, content in CONTENTS.items():
        ledger.append(kind, content)
    return path.read_bytes()
