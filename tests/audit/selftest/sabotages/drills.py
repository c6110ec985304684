"""A switch that is not obeyed, and alerts that say nothing."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from tests.audit.selftest.sabotage import sabotage

_SHIPPER = "medagent.telemetry.shipper"


class _AlwaysOn:
    def __init__(self, own: Any) -> None:
        self._own = own

    def is_on(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)


def _deaf(shipper: ModuleType, destination: str) -> None:
    made = shipper.Shipper.__init__

    def deaf(self: Any, exporter: Any, *, switch: Any, **how: Any) -> None:
        made(self, exporter, switch=_AlwaysOn(switch) if exporter.name == destination else switch, **how)

    shipper.Shipper.__init__ = deaf


@sabotage(
    "switch_ignored_by_langsmith", breaks="one shipper does not look at the switch", causes="switch: [1-9]", of=_SHIPPER
)
def switch_ignored_by_langsmith(shipper: ModuleType) -> None:
    _deaf(shipper, "langsmith")


@sabotage(
    "switch_ignored_by_jsonlog", breaks="the log lines go on after the switch", causes="switch: [1-9]", of=_SHIPPER
)
def switch_ignored_by_jsonlog(shipper: ModuleType) -> None:
    _deaf(shipper, "jsonlog")


@sabotage(
    "switch_not_recorded",
    breaks="the switch is thrown and the ledger does not say so",
    causes="switch: .*not recorded",
    of="medagent.telemetry.switch",
    process="switch",
)
def switch_not_recorded(switch: ModuleType) -> None:
    switch.Switch._note = lambda _self, _entry: None


@sabotage(
    "alert_muted",
    breaks="one alert sees no breach",
    causes="alerts: silent: error_rate",
    of="medagent.alerts.rules",
    process="alerts",
)
def alert_muted(rules: ModuleType) -> None:
    breached = rules.Rule.breached_by
    rules.Rule.breached_by = lambda self, reading: self.id != "error_rate" and breached(self, reading)


@sabotage(
    "alert_never_clears",
    breaks="an incident is never over",
    causes="alerts: silent: error_rate",
    of="medagent.alerts.incidents",
    process="alerts",
)
def alert_never_clears(incidents: ModuleType) -> None:
    follow = incidents.follow

    def for_ever(*arguments: Any, **named: Any) -> Any:
        standing, edges = follow(*arguments, **named)
        return standing, tuple(edge for edge in edges if edge.kind != "cleared")

    incidents.follow = for_ever


@sabotage(
    "nobody_is_told",
    breaks="alerts fire and clear, and no message is sent",
    causes="alerts: silent: error_rate",
    of="medagent.alerts.watch",
    process="alerts",
)
def nobody_is_told(watch: ModuleType) -> None:
    watch.Watch.deliver = lambda _self: None
