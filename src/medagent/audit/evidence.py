"""Everything that an audit's calls and drills left behind, before anybody judges it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, get_args

from medagent.attestation.report import AlertDrill, Integrity, Scan, SwitchDrill
from medagent.audit.capture import Document
from medagent.audit.casting import Role
from medagent.audit.child import Ran
from medagent.audit.planted import Planted
from medagent.redaction.policy import REDACTED
from medagent.simulator.steps import Consent
from medagent.telemetry.events import LostPart, MissingPart
from medagent.telemetry.span import SafeSpan

_NO_SPAN = frozenset({"record_consent"})
"""Tools that are no tool of the clinic's: their call is told of in the guardrail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was played and by whom, what it left, and what the drills came to."""

    started: datetime
    ended: datetime
    planted: Sequence[Planted] = field(repr=False)
    roles: Sequence[Role] = field(repr=False)
    line: Ran = field(repr=False)
    drill: Ran = field(repr=False)
    chains: Mapping[str, Sequence[SafeSpan]]
    documents: Sequence[Document] = field(repr=False)
    bodies: Sequence[Document] = field(repr=False)
    """The requests of the calls alone, without those of the drills."""
    unread: Sequence[str]
    strangers: Sequence[str]
    """Addresses to which the system spoke and that are neither the capture's nor the model's."""
    record: Mapping[str, Any] = field(repr=False)
    """The simulator's own account of its responses."""
    rosters: Mapping[str, frozenset[str]]
    """The clinic's own doctors and locations."""
    alerts: tuple[AlertDrill, ...]
    switch: SwitchDrill
    integrity: Integrity

    def broken_calls(self) -> tuple[str, ...]:
        """What is wrong with which call: how it ended, what its trace lacks, what the model did and no span tells."""
        made = Counter(
            one["scenario"]
            for one in self.record["responses"]
            if one["kind"] == "tool" and one["status"] == "completed" and one["tool"] not in _NO_SPAN
        )
        refused = {one.scenario.name for one in self.roles if _says_no(one.scenario.consent)}
        cut = {one["scenario"] for one in self.record["responses"] if one["status"] == "disconnected"}
        holes = {
            one.scenario.name: list(one.scenario.expects.missing) if one.scenario.name in cut else []
            for one in self.roles
        }
        found: list[str] = []
        for call in self.line.done.calls:
            spans = self.chains.get(call.trace_id, ())
            end = next((span.fields for span in spans if span.name == "session.end"), {})
            told = sum(span.name.startswith("tool.") for span in spans)
            if call.error is not None:
                found.append(f"{call.name}: {call.error}")
            elif call.ended != call.expected:
                found.append(f"{call.name}: {call.ended}, not {call.expected}")
            elif problem := _wrong_counts(spans):
                found.append(f"{call.name}: {problem}")
            elif call.name in refused:
                if (left := [span.name for span in spans]) != _AFTER_A_NO:
                    found.append(f"{call.name}: consent was refused and {len(left)} spans left")
            elif end.get("missing") != (hole := holes.get(call.name, [])) or end.get("complete") is bool(hole):
                found.append(f"{call.name}: the trace misses {_listed(end.get('missing'))}, expected {_listed(hole)}")
            elif told < made[call.name]:
                found.append(f"{call.name}: {made[call.name]} tools were called, {told} are told of")
        return tuple(found)

    def inventory_of_documents(self) -> bytes:
        """The captured bytes as a list: way, name, size, digest; the bytes themselves are deleted."""
        rows = [
            {
                "channel": one.channel,
                "path": hashlib.sha256(one.path.encode()).hexdigest()[:16] if one.channel == "files" else one.path,
                "bytes": len(one.raw),
                "sha256": hashlib.sha256(one.raw).hexdigest(),
            }
            for one in self.documents
        ]
        return json.dumps({"documents": rows}, indent=0).encode()

    def findings_text(self, scan: Scan, around: Mapping[str, str], marks: Mapping[str, str]) -> bytes:
        """What was found, in words and in its text, for an officer's eyes alone; empty where nothing was."""
        values = {one.planted_id: one for one in self.planted}
        found = {
            finding.finding_id: {
                "planted": str(values[finding.planted_id].value),
                "form": finding.form,
                "around": around[finding.finding_id],
            }
            for finding in scan.findings
        }
        return json.dumps({"findings": found, "marks": dict(marks)}).encode() if found or marks else b""


_AFTER_A_NO = ["voice_session", "policy.guardrail"]
"""All that is left of a call whose caller refused."""


_PARTS = frozenset({*get_args(MissingPart), *get_args(LostPart), "process"})


def _listed(missing: object) -> str:
    """Return the parts that a trace names as missing; the report quotes no other word of a trace."""
    if not isinstance(missing, list | tuple):
        return "no list"
    return ", ".join(one if isinstance(one, str) and one in _PARTS else "unknown part" for one in missing) or "nothing"


def _says_no(consent: Consent | None) -> bool:
    return consent is not None and consent.answer == "refused"


def _wrong_counts(spans: Sequence[SafeSpan]) -> str | None:
    """What a guardrail says was redacted cannot be less than what its call's other spans show to be."""
    guardrail = next((span.fields for span in spans if span.name == "policy.guardrail"), None)
    if guardrail is None:
        return None
    actions = guardrail.get("actions")
    told = actions.get("redact") if isinstance(actions, Mapping) else None
    counted = told if isinstance(told, int) else None
    shown = sum(_redacted(span.fields) for span in spans if span.name != "policy.guardrail")
    if counted is not None and counted >= shown:
        return None
    return f"its guardrail counts {'no' if counted is None else counted} values as redacted, its spans show {shown}"


def _redacted(value: object) -> int:
    if isinstance(value, Mapping):
        return sum(map(_redacted, value.values()))
    if isinstance(value, Sequence) and not isinstance(value, str):
        return sum(map(_redacted, value))
    return value == REDACTED
