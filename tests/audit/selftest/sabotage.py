"""What a sabotage is: the module and the process that it alters, right after the import, and the cause to be named."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Literal

Alter = Callable[[ModuleType], None]
Process = Literal["line", "alerts", "switch", "requests", "simulator"]
"""The audited processes: the calls, the watch of the alerts, the person on duty's `telemetry off`, the delivery that is
refused while the switch is thrown; and the simulated model."""

_MARKS: Mapping[Process, Sequence[str]] = {
    "line": ("-m", "medagent.audit.line"),
    "alerts": ("-m", "medagent.audit.alert_drill"),
    "switch": ("telemetry", "off"),
    "requests": ("-m", "medagent.audit.refused_delivery"),
    "simulator": ("-m", "medagent.simulator.process"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sabotage:
    """One way to break it. `causes`: patterns of which one must be found at the start of a cause of the verdict."""

    name: str
    breaks: str
    causes: tuple[str, ...]
    process: Process = "line"
    alterations: Mapping[str, Alter] = field(default_factory=dict)
    policy: Callable[[str], str] | None = None
    """Writes another policy from the packaged one's text."""
    scenarios: tuple[str, ...] = ("book",)
    timed: bool = False
    """Two calls at the pace of life, which alone judge latency."""
    agent: str | None = None
    """Factory of an agent that is audited in place of the packaged receptionist."""


ALL: dict[str, Sabotage] = {}


def sabotage(
    name: str,
    *,
    breaks: str,
    causes: str | tuple[str, ...],
    of: str | None = None,
    process: Process = "line",
    scenarios: tuple[str, ...] = ("book",),
    timed: bool = False,
    agent: str | None = None,
    also: Mapping[str, Alter] | None = None,
) -> Callable[[Alter], Alter]:
    """Register a function as the alteration of a module that it is handed, once that is imported; `also` are others."""

    def registered(alter: Alter) -> Alter:
        assert name not in ALL
        assert of is not None
        ALL[name] = Sabotage(
            name=name,
            breaks=breaks,
            causes=(causes,) if isinstance(causes, str) else causes,
            process=process,
            alterations={of: alter, **(also or {})},
            scenarios=scenarios,
            timed=timed,
            agent=agent,
        )
        return alter

    return registered


def is_process(process: Process, arguments: Sequence[str]) -> bool:
    """Whether a command line (`sys.orig_argv`) is one of that process."""
    marks = tuple(_MARKS[process])
    size = len(marks)
    return any(tuple(arguments[at : at + size]) == marks for at in range(len(arguments) - size + 1))
