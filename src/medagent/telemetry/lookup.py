"""How a raw value would stand in a trace, so that a call is found by what nobody may keep."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from medagent.redaction import REDACTED, KnownValues, Redactor

Lookup = Literal["room", "phone", "confirmation"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Raw:
    name: str
    fields: dict[str, object] = field(repr=False)


def treated(redactor: Redactor, kind: Lookup, raw: str) -> list[str]:
    """A room, phone number or confirmation id as the policy lets it leave; nothing where it never does."""
    match kind:
        case "room":
            records = [_Raw(name="voice_session", fields={"room_id": raw})]
        case "phone":
            number = "".join(c for c in raw if c.isdigit())
            identities = (raw, *(f"sip_{prefix}{number}" for prefix in ("", "+", "1", "+1")))
            records = [_Raw(name="voice_session", fields={"participant_id": identity}) for identity in identities]
        case "confirmation":
            said: dict[str, object] = {"confirmation_id": raw.upper()}
            parts = ("result", "arguments")  # one that no result named stands in the arguments as a pseudonym
            tools = [span for span in redactor.policy.spans if span.startswith("tool.") and not span.endswith(".*")]
            records = [_Raw(name=tool, fields={part: said}) for tool in tools for part in parts]
    leaves = [leaf for record in records for leaf in _leaves(redactor.redact(record, KnownValues()).fields)]
    return [leaf for leaf in dict.fromkeys(leaves) if leaf != REDACTED]


def _leaves(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in _leaves(inner)]
    return [value] if isinstance(value, str) else []
