"""What is said of an incident: typed parts, held to their shapes once more before they become words that leave."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from medagent.alerts.incidents import Edge
from medagent.alerts.metrics import METRICS, MetricName, Row
from medagent.alerts.rules import Rule, is_sayable_title
from medagent.alerts.worst import MOST_WORST
from medagent.errors import DoorError
from medagent.settings import Env
from medagent.telemetry.door.admission import refuse_identifiers

_Count: TypeAlias = Annotated[int, Field(ge=0)]
_UNITS = ((86_400_000_000, "d"), (3_600_000_000, "h"), (60_000_000, "min"))
_INCIDENT = re.compile(r"[0-9a-f]{12}")
_CALL = re.compile(r"[0-9a-f]{8}")
_LISTED: Mapping[MetricName, str] = {
    "error_rate": "--failed",
    "tool_failure_rate": "--failed",
    "ttft_p95": "--slow",
    "total_latency_p95": "--slow",
    "cost_usd": "--sort cost",
}
"""The options of `trace list` that list such calls."""


class WorstCall(BaseModel):
    """A call that made an alert fire: the beginning of its id, and where in it what took how long or cost how much."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    call: str
    offset_s: _Count | None
    value: float | None


class Notice(BaseModel):
    """One message to the person on duty, as it is kept until it is delivered; times in µs since the epoch (UTC)."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    kind: Literal["fired", "cleared", "dropped", "test", "go_ends", "identity_checks"]
    env: Env
    title: str
    metric: MetricName
    incident: str
    at_us: _Count
    window_us: _Count
    settle_us: _Count
    threshold: float
    value: float | None
    sample: _Count
    failures: _Count
    worst: Annotated[tuple[WorstCall, ...], Field(max_length=MOST_WORST)] = ()

    def text(self, *, with_calls: bool = False) -> str:
        """Return the words as they leave.

        Args:
            with_calls: Name the worst calls, and the command that shows them.

        Raises:
            DoorError: A part is not what it must be.
        """
        refuse_identifiers(self.title, "alerts: title")
        if not is_sayable_title(self.title):
            raise DoorError("alerts: title: holds a word that is not an ordinary one")
        if not _INCIDENT.fullmatch(self.incident):
            raise DoorError("alerts: incident: has not the shape of an incident's id")
        if not all(_CALL.fullmatch(one.call) for one in self.worst):
            raise DoorError("alerts: call: has not the shape of the beginning of a call's id")
        return f"[{self.env.upper()}][OBS] {self._said(self._calls() if with_calls else '')}"

    def _calls(self) -> str:
        """The worst calls and the command that shows the first; without them the command that lists such calls."""
        if not self.worst:
            return f" Look: medagent trace list {_LISTED[self.metric]}."
        said = []
        for one in self.worst:
            at = "" if one.offset_s is None else f" at {one.offset_s // 60:02d}:{one.offset_s % 60:02d}"
            has_value = one.value is not None and METRICS[self.metric].measure != "share"
            said.append(f"{one.call}{at}" + (f", {amount(self.metric, one.value)}" if has_value else ""))
        return f" Worst: {'; '.join(said)}. Look: medagent trace show --timeline {self.worst[0].call}."

    def _said(self, calls: str) -> str:
        metric, at = METRICS[self.metric], f"{datetime.fromtimestamp(self.at_us / 1e6, UTC):%Y-%m-%d %H:%M} UTC"
        limit, window = amount(self.metric, self.threshold), length(self.window_us)
        made_of = f"{self.sample} {metric.things} in {window}" + (
            f", {self.failures} failed" if metric.measure == "share" else ""
        )
        value = amount(self.metric, self.value)
        match self.kind:
            case "fired":
                return f"{self.title}: {value}, over {limit} ({made_of}), at {at}.{calls} Incident {self.incident}."
            case "cleared":
                calm = f"at or under {limit} for {length(self.settle_us)}, now {value} ({made_of})"
                return f"Cleared: {self.title}: {calm}, at {at}. Incident {self.incident}."
            case "dropped":
                return f"Cleared: {self.title}: this alert is not watched any more, at {at}. Incident {self.incident}."
            case "go_ends":
                days = f"in {self.threshold:g} days or less, at {at}"
                return f"The audit's GO ends {days}: telemetry is off from then on. Audit anew before."
            case "identity_checks":
                return (
                    f"{self.title}: {self.failures} failed within {length(self.window_us)}, at {at}. It is for staff "
                    f"only for as long; the ledger has an entry. Incident {self.incident}."
                )
            case "test":
                return f"Test of the alerts, no incident: this message says that the way to you works, at {at}."


def notice_of(rule: Rule, edge: Edge, *, incident: str, env: Env, settle_us: int, worst: Sequence[Row] = ()) -> Notice:
    """The notice of an incident's beginning or end; `worst` are rows of the worst calls, the worst first."""
    read = edge.reading
    return Notice(
        kind=edge.kind,
        env=env,
        title=rule.title,
        metric=rule.metric,
        incident=incident,
        at_us=edge.at_us,
        window_us=rule.window_us,
        settle_us=settle_us,
        threshold=rule.threshold,
        value=None if read is None else read.value,
        sample=0 if read is None else read.sample,
        failures=0 if read is None else read.failures,
        worst=tuple(
            WorstCall(
                call=row.trace_id[:8],
                offset_s=None if row.offset_ms is None else max(0, round(row.offset_ms / 1000)),
                value=row.value,
            )
            for row in worst
        ),
    )


def trial_notice(*, env: Env, at_us: int) -> Notice:
    """A message that says of itself that it is none of an incident."""
    return Notice(
        kind="test",
        env=env,
        title="Test",
        metric="error_rate",
        incident="0" * 12,
        at_us=at_us,
        window_us=0,
        settle_us=0,
        threshold=0.0,
        value=None,
        sample=0,
        failures=0,
    )


def go_ends_notice(*, env: Env, incident: str, ends: datetime, days: int) -> Notice:
    """The notice that a GO ends in `days` days or less."""
    return trial_notice(env=env, at_us=int(ends.timestamp() * 1_000_000)).model_copy(
        update={"kind": "go_ends", "incident": incident, "threshold": float(days)}
    )


def identity_checks_notice(*, env: Env, incident: str, title: str, at_us: int, failures: int, window_us: int) -> Notice:
    """Return the notice that identity checks failed too often for one record or one calling number."""
    return trial_notice(env=env, at_us=at_us).model_copy(
        update={
            "kind": "identity_checks",
            "incident": incident,
            "title": title,
            "failures": failures,
            "window_us": window_us,
        }
    )


def amount(metric: MetricName, value: float | None) -> str:
    """A value of a metric with its unit."""
    if value is None:
        return "no figure"
    unit, factor = {"%": ("%", 100), "s": ("s", 1), "$": ("dollars", 1)}[METRICS[metric].unit]
    return f"{value * factor:.2f}".rstrip("0").rstrip(".") + f" {unit}"


def length(duration_us: int) -> str:
    """A length of time in its largest whole unit."""
    size, name = next((unit for unit in _UNITS if duration_us % unit[0] == 0), _UNITS[-1])
    return f"{duration_us // size} {name}"
