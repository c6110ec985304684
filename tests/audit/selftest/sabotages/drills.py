"""A switch that is not obeyed, and alerts that say nothing."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace
from typing import Any

from tests.audit.selftest.sabotage import sabotage

_SHIPPER = "medagent.telemetry.shipper"


def _open_gate(shipper: ModuleType) -> Any:
    """Return a gate that passes everything."""

    class Open(shipper.ExportGate):  # type: ignore[name-defined, misc]  # a class of the module at hand
        def __init__(self) -> None:
            pass

        def decide(self) -> Any:
            return SimpleNamespace(on=True, may_export=True)

    return Open()


def _open_session(shipper: ModuleType, exporter: Any) -> None:
    """The exporter's own gate passes everything; that of the shipper stays as it is."""
    exporter._gate = _open_gate(shipper)
    if hasattr(exporter, "_session"):
        exporter._session._gate = _open_gate(shipper)


def _deaf(shipper: ModuleType, destination: str) -> None:
    made = shipper.Shipper.__init__

    def deaf(self: Any, exporter: Any, **how: Any) -> None:
        made(self, exporter, **how)
        if exporter.name == destination:
            self._gate = _open_gate(shipper)
            _open_session(shipper, exporter)

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
    "switch_ignored_between_splits",
    breaks="the gate is looked at only before a batch, not before the parts that it is split into",
    causes="switch: [1-9]",
    of=_SHIPPER,
    process="requests",
)
def switch_ignored_between_splits(shipper: ModuleType) -> None:
    made, send = shipper.Shipper.__init__, shipper.Shipper._send

    def opened(self: Any, exporter: Any, **how: Any) -> None:
        made(self, exporter, **how)
        _open_session(shipper, exporter)

    def once(self: Any, batch: Any) -> Any:
        gate, self._gate = self._gate, _open_gate(shipper)
        try:
            return send(self, batch)
        finally:
            self._gate = gate

    shipper.Shipper.__init__, shipper.Shipper._send = opened, once


@sabotage(
    "switch_ignored_after_409",
    breaks="LangSmith's exporter sends each span of a batch alone and looks at no gate between",
    causes="switch: [1-9]",
    of=_SHIPPER,
    process="requests",
)
def switch_ignored_after_409(shipper: ModuleType) -> None:
    made = shipper.Shipper.__init__

    def opened(self: Any, exporter: Any, **how: Any) -> None:
        made(self, exporter, **how)
        _open_session(shipper, exporter)

    shipper.Shipper.__init__ = opened


@sabotage(
    "trip_kept_out_of_the_outbox",
    breaks="a trip is kept in the switch's file and in the ledger, not in the outbox",
    causes="safeguards: .*memory of trips",
    of="medagent.telemetry.outbox.trips",
)
def trip_kept_out_of_the_outbox(trips: ModuleType) -> None:
    trips.OutboxTrips.record_trip = lambda _self, _trip: None


@sabotage(
    "trip_in_the_ledger_ignored",
    breaks="a trip that the ledger alone still holds keeps nothing off",
    causes="safeguards: .*memory of trips",
    of="medagent.telemetry.ledger.trips",
)
def trip_in_the_ledger_ignored(trips: ModuleType) -> None:
    trips.LedgerTrips.in_force = lambda _self: None


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
