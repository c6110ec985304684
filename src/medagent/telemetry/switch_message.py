"""The one sentence about a switch that is off: what turned it off, and how it is turned on again here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from medagent.telemetry.switch import SwitchState

_BY = {
    "environment": "by the environment",
    "command": "by command",
    "trip": "it tripped",
    "audit_missing": "by the audit",
    "unreadable": "a source cannot be read",
    "clock": "the time is not known",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchMessage:
    """What a person reads: the state with its cause, and the command or setting that changes it."""

    says: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.says}. {self.remedy}" if self.remedy else self.says


def message_of(state: SwitchState, *, env: Literal["dev", "prod"]) -> SwitchMessage:
    """Return what to print for a state in an environment; the remedy is empty where telemetry is on."""
    if state.on and state.waits is None:
        return SwitchMessage(says="telemetry is on", remedy="")
    if state.on:
        return SwitchMessage(
            says=f"telemetry is on, exports wait: {state.waits}", remedy="To see the outbox: `medagent outbox status`"
        )
    since = f", since {state.at}" if state.at else ""
    says = f"telemetry is off, {_BY.get(state.source, state.source)}: {state.reason}{since}"
    return SwitchMessage(says=says, remedy=f"To turn it on: {_remedy(state, env)}")


def _remedy(state: SwitchState, env: Literal["dev", "prod"]) -> str:
    with_audit = "`medagent telemetry on --audit REPORT`"
    match state.source:
        case "environment":
            return "unset MEDAGENT_TELEMETRY or set it to `on`, and restart the process"
        case "unreadable":
            if env == "prod":
                return f"mend what cannot be read; a broken switch file is deleted, then {with_audit}"
            return (
                "mend what cannot be read; a broken switch file is replaced by "
                '`medagent telemetry on --override --reason "…"`'
            )
        case "clock":
            return "set the clock of this host"
        case "trip":
            if env == "prod":
                return f"mend the cause, audit anew, then {with_audit}"
            return 'mend the cause, then `medagent telemetry on --override --reason "…"`'
        case "audit_missing" if env == "prod":
            return f"`medagent audit run audits/week5.yaml`, have the report signed, then {with_audit}"
        case _:
            return with_audit if env == "prod" else '`medagent telemetry on --reason "…"`'
