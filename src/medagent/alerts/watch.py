"""Looks at the archive, keeps what it finds, tells who must know; a look may be late, repeated or killed anywhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Literal, Protocol

from medagent.alerts.incidents import Edge, follow, look_from
from medagent.alerts.metrics import METRICS, Moment, Row
from medagent.alerts.notice import Notice, go_ends_notice, notice_of, trial_notice
from medagent.alerts.post import Sender
from medagent.alerts.rules import Alerts, Rule
from medagent.alerts.state import AlertState, Message
from medagent.alerts.windows import Reading, readings
from medagent.alerts.worst import worst_rows
from medagent.errors import DoorError, EgressOffError, ExportError, SettingsError, UnansweredError
from medagent.proof import digest
from medagent.settings import Env
from medagent.telemetry.failures import Failure
from medagent.telemetry.gates import ExportGate
from medagent.telemetry.switch import Switch

SETTINGS = {"slack": "MEDAGENT_SLACK_WEBHOOK_URL", "pagerduty": "MEDAGENT_PAGERDUTY_ROUTING_KEY"}
"""What sets a destination up."""

_GO_ENDS_DAYS = (30, 7)
_log = logging.getLogger(__name__)


class Spans(Protocol):
    """Where calls can be read: the local archive."""

    def spans_between(self, start_us: int, end_us: int, names: Sequence[str]) -> list[Moment]:
        """What ended in (start, end], each with that moment, in µs since the Unix epoch (UTC)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One alert at one moment: `few` is over the threshold with too small a sample, `off` is not enabled."""

    rule: Rule
    reading: Reading
    state: Literal["ok", "few", "firing", "off"]


def read(spans: Spans, rule: Rule, *, since_us: int, until_us: int) -> list[Reading]:
    """An alert's metric over [since, until]; times in µs since the Unix epoch (UTC)."""
    return _over(rows_of(spans, rule, since_us=since_us, until_us=until_us), rule, since_us=since_us, until_us=until_us)


def rows_of(spans: Spans, rule: Rule, *, since_us: int, until_us: int) -> list[Row]:
    """Return the rows that an alert's metric over [since, until] is made of."""
    metric = METRICS[rule.metric]
    return metric.rows(spans.spans_between(since_us - rule.window_us, until_us, metric.names))


def _over(rows: list[Row], rule: Rule, *, since_us: int, until_us: int) -> list[Reading]:
    measure = METRICS[rule.metric].measure
    return readings(rows, measure, window_us=rule.window_us, since_us=since_us, until_us=until_us)


def check(spans: Spans, alerts: Alerts, *, at_us: int) -> list[Finding]:
    """Every alert as it is at a moment, enabled or not; it fires until it was calm for as long as it must settle."""
    since_us = at_us - alerts.settle_us
    return [_finding(rule, read(spans, rule, since_us=since_us, until_us=at_us)) for rule in alerts.rules]


def _finding(rule: Rule, over_time: Sequence[Reading]) -> Finding:
    last = over_time[-1]
    if not rule.enabled:
        return Finding(rule=rule, reading=last, state="off")
    if any(rule.breached_by(reading) for reading in over_time):
        return Finding(rule=rule, reading=last, state="firing")
    return Finding(rule=rule, reading=last, state="few" if rule.is_over(last) else "ok")


class Watch:
    """One look after the other; any number of processes may watch the same state."""

    def __init__(
        self,
        alerts: Alerts,
        *,
        spans: Spans,
        state: AlertState,
        senders: Mapping[str, Sender],
        switch: Switch,
        env: Env,
        go_ends: Callable[[], tuple[str, datetime] | None] = lambda: None,
        names_calls: bool = True,
    ) -> None:
        """`go_ends` is asked at each look for the report that allows telemetry and for the end of its GO.

        `names_calls`: messages may name calls. Under a shifted clock they may not: a call's id beside the time of an
        alert shows the day that the clock hides.
        """
        self._names_calls = names_calls
        self._go_ends = go_ends
        self._alerts = alerts
        self._spans = spans
        self._state = state
        self._senders = senders
        self._switch = switch
        self._gate = ExportGate(switch)
        self._env = env

    @property
    def unreachable(self) -> list[str]:
        """Destinations of enabled alerts that are not set up."""
        return sorted({rule.destination for rule in self._alerts.enabled} - set(self._senders))

    def look(self, *, now_us: int) -> list[tuple[Rule, Edge]]:
        """Follow every enabled alert to now and keep what began and what is over; tells nobody yet."""
        found: list[tuple[Rule, Edge]] = []
        settle_us = self._alerts.settle_us
        for rule in self._alerts.enabled:
            before = self._state.standing(rule.id)
            since_us = look_from(before, now_us=now_us, settle_us=settle_us)
            rows = rows_of(self._spans, rule, since_us=since_us, until_us=now_us)
            over_time = _over(rows, rule, since_us=since_us, until_us=now_us)
            after, edges = follow(rule, over_time, before, now_us=now_us, settle_us=settle_us)
            destination = rule.destination if rule.destination in self._senders else None
            if self._state.move(
                rule.id, before, after, edges, destination=destination, tell=partial(self._tell, rule, rows)
            ):
                found += [(rule, edge) for edge in edges]
        self._state.drop_all_but({rule.id for rule in self._alerts.enabled}, at_us=now_us)
        self._announce_end(now_us)
        return found

    def _announce_end(self, now_us: int) -> None:
        """Keep a message for every destination 30 and 7 days before the GO ends, once each."""
        found = self._go_ends()
        if found is None:
            return
        report, ends = found
        left = ends - datetime.fromtimestamp(now_us / 1e6, UTC)
        due = [days for days in _GO_ENDS_DAYS if timedelta() < left <= timedelta(days=days)]
        for name in self._senders if due else ():
            incident = digest(["go_ends", report, ends.isoformat(), min(due), name])[:12]
            self._state.announce(
                incident, name, go_ends_notice(env=self._env, incident=incident, ends=ends, days=min(due))
            )

    def deliver(self) -> None:
        """Send what waits, oldest first; a destination that is down keeps its messages, and nothing is sent twice."""
        for sender in self._senders.values():
            while self._gate.is_open() and (message := self._state.claim(sender.name)) is not None:
                if not self._sent(sender, message):
                    break

    def test(self, destination: str) -> None:
        """Send what says that it is a test; raises as `Sender.send`, and `SettingsError` without such a destination."""
        sender = self._senders.get(destination)
        if sender is None:
            raise SettingsError(f"{destination} is not set up", hint=f"set {SETTINGS[destination]}")
        self._gate()
        try:
            sender.send(trial_notice(env=self._env, at_us=time.time_ns() // 1000))
        except DoorError as error:
            self._switch.trip(f"exit to {destination}: {error}")
            raise

    def _tell(self, rule: Rule, rows: list[Row], edge: Edge, incident: str) -> Notice:
        worst: list[Row] = []
        if edge.kind == "fired" and self._names_calls:
            worst = worst_rows(rows, METRICS[rule.metric].measure, window_us=rule.window_us, at_us=edge.at_us)
        return notice_of(rule, edge, incident=incident, env=self._env, settle_us=self._alerts.settle_us, worst=worst)

    def _sent(self, sender: Sender, message: Message) -> bool:
        """Try one message; False where the destination is down and the rest can wait."""
        number = message.number
        try:
            sender.send(message.notice)
        except DoorError as error:
            self._state.refused(number)
            self._switch.trip(f"exit to {sender.name}: {error}")
            _log.error("the door refused a message: %s", error)
            return False
        except EgressOffError as error:
            self._state.failed(number, error=type(error).__name__)
            return False
        except UnansweredError:
            self._state.unanswered(number)
            _log.error("%s gave no answer: a message may have arrived and is not sent again", sender.name)
            return False
        except ExportError as error:
            failure = Failure.of(error)
            said = failure.explain(sender.name)
            self._state.failed(number, error=failure.stored())
            _log.warning("a message waits: %s: %s; %s", sender.name, said.cause, said.remedy)
            return False
        self._state.sent(number)
        return True
