"""The composition root: what a process is made of, wired the same for the three lines, the worker and the CLI."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import medagent
from medagent.alerts.pagerduty import PagerDuty
from medagent.alerts.post import Sender
from medagent.alerts.rules import Alerts
from medagent.alerts.slack import Slack
from medagent.alerts.state import AlertState
from medagent.alerts.watch import Watch
from medagent.pricing import load_prices
from medagent.proof import KeyRing
from medagent.redaction import Redactor, load_policy
from medagent.settings import Settings, load_settings, make_home
from medagent.telemetry.door.logs import guard_logging
from medagent.telemetry.events import AudioStarted, CallEnded, CallStarted, ResponseFinished, ResponseStarted
from medagent.telemetry.exporters.archive import Archive
from medagent.telemetry.exporters.exporter import Exporter
from medagent.telemetry.exporters.langsmith import LangSmithExporter
from medagent.telemetry.outbox import Outbox, OutboxStatus
from medagent.telemetry.pipeline import Pipeline
from medagent.telemetry.session import Destination, SessionMaker
from medagent.telemetry.shipper import Shipper
from medagent.telemetry.span import SafeSpan
from medagent.telemetry.switch import Switch

if TYPE_CHECKING:
    from livekit.agents import AgentSession

    from medagent.agent.bridge import Bridge, Caller


def switch(settings: Settings) -> Switch:
    """The host's kill switch."""
    return Switch(make_home(settings.home), forced=settings.telemetry, env=settings.env)


def archive(settings: Settings) -> Archive:
    """The local archive, always a destination."""
    return Archive(make_home(settings.home) / "archive")


def exporters(settings: Settings) -> list[Exporter]:
    """The destinations of these settings: the archive, and LangSmith once its key is set."""
    found: list[Exporter] = [archive(settings)]
    if settings.langsmith_api_key is not None:
        found.append(
            LangSmithExporter(
                api_key=settings.langsmith_api_key.get_secret_value(),
                endpoint=settings.langsmith_endpoint,
                project=settings.langsmith_project,
                retention_days=settings.langsmith_retention_days,
            )
        )
    return found


def outbox(settings: Settings, destinations: Sequence[Exporter]) -> Outbox:
    """The durable queue of this host, for these destinations."""
    path = make_home(settings.home) / "outbox" / "outbox.db"
    return Outbox(f"sqlite:///{path}", destinations=[one.name for one in destinations], owner=str(uuid4()))


def redactor(settings: Settings, rosters: Mapping[str, Collection[str]] | None = None) -> Redactor:
    """The policy of these settings with this installation's keys."""
    return Redactor(load_policy(settings.policy_path), keys=key_ring(settings).pseudonym_key(), rosters=rosters)


def key_ring(settings: Settings) -> KeyRing:
    """This installation's keys."""
    secret = settings.pseudonym_key
    given = None if secret is None else secret.get_secret_value()
    return KeyRing(make_home(settings.home) / "keys", env=settings.env, pseudonym_hex=given)


def alert_watch(settings: Settings, alerts: Alerts) -> Watch:
    """The alerts of these settings over the archive, with the destinations whose address or key is set."""
    senders: dict[str, Sender] = {}
    if settings.slack_webhook_url is not None:
        senders["slack"] = Slack(settings.slack_webhook_url.get_secret_value(), channel=alerts.slack_channel)
    if settings.pagerduty_routing_key is not None:
        senders["pagerduty"] = PagerDuty(settings.pagerduty_routing_key.get_secret_value())
    return Watch(
        alerts,
        spans=archive(settings),
        state=AlertState(make_home(settings.home) / "alerts"),
        senders=senders,
        switch=switch(settings),
        env=settings.env,
    )


def waiting(settings: Settings) -> OutboxStatus:
    """What waits in the outbox for which destination."""
    box = outbox(settings, exporters(settings))
    try:
        return box.status()
    finally:
        box.close()


class Telemetry:
    """Everything between the events of a process's calls and the wire; start it once, close it at the end."""

    def __init__(
        self,
        settings: Settings,
        *,
        rosters: Mapping[str, Collection[str]] | None = None,
        on_span: Callable[[SafeSpan], None] | None = None,
    ) -> None:
        self.settings = settings
        self.switch = switch(settings)
        self.destinations = destinations = exporters(settings)
        self._outbox = outbox(settings, destinations)
        self._shippers = [Shipper(one, outbox=self._outbox, switch=self.switch) for one in destinations]
        sessions = SessionMaker(
            redactor=redactor(settings, rosters),
            prices=load_prices(settings.pricing_path),
            switch=self.switch,
            env=settings.env,
            destinations=[
                Destination(name=d.name, region=d.region, retention_days=d.retention_days) for d in destinations
            ],
            legal_basis=settings.legal_basis(),
        )
        self.pipeline = Pipeline(sessions=sessions, outbox=self._outbox, on_due=self._wake, on_span=on_span)

    def start(self) -> Telemetry:
        """Begin to work and to ship."""
        self.pipeline.start()
        for shipper in self._shippers:
            shipper.start()
        return self

    def watch(self, session: AgentSession[Any], *, caller: Caller | None = None) -> Bridge:
        """Trace a session that has not started; the bridge's `trace_id` names the call, its `end` closes it.

        From here on log lines pass the door too, whatever handlers the root logger has by now.
        """
        from medagent.agent.bridge import Bridge  # noqa: PLC0415  # livekit costs seconds; the CLI need not pay them

        guard_logging()
        bridge = Bridge(
            self.pipeline.line(), model=self.settings.model, agent_version=medagent.__version__, caller=caller
        )
        bridge.attach(session, wall_us=time.time_ns() // 1000)
        return bridge

    def hello(self) -> str:
        """Send a synthetic call of one greeting through everything that a real one passes; returns its trace id."""
        line = self.pipeline.line()
        line.send(
            CallStarted,
            wall_us=time.time_ns() // 1000,
            model=self.settings.model,
            provider="azure.ai.openai",
            mode="realtime",
            agent_version=medagent.__version__,
        )
        line.send(ResponseStarted, response_id="hello")
        line.send(AudioStarted, response_id="hello")
        line.send(ResponseFinished, response_id="hello", status="completed", usage=None)
        line.send(CallEnded, reason="agent_ended")
        return line.trace_id

    def flush(self, timeout_s: float) -> Sequence[str]:
        """Wait until all that happened is delivered; returns the destinations that still lack something."""
        deadline = time.monotonic() + timeout_s
        self.pipeline.flush(timeout_s)
        return [s.name for s in self._shippers if not s.flush(max(0.1, deadline - time.monotonic()))]

    def close(self, timeout_s: float = 3.0) -> None:
        """End open calls, write what is left, stop shipping; what is not delivered stays in the outbox."""
        deadline = time.monotonic() + timeout_s
        self.pipeline.stop(timeout_s)
        for shipper in self._shippers:
            shipper.stop(max(0.1, deadline - time.monotonic()))
        self._outbox.close()

    def _wake(self) -> None:
        for shipper in self._shippers:
            shipper.wake()


@functools.cache
def telemetry() -> Telemetry:
    """This process's telemetry, from the environment's settings; made and started at the first call."""
    return Telemetry(load_settings()).start()


def trace_call(
    session: AgentSession[Any],
    *,
    room: str | None = None,
    participant: str | None = None,
    caller_number: str | None = None,
) -> Bridge:
    """Trace a LiveKit session that has not started: the one line that an agent needs.

    `room`, `participant` and `caller_number` are the raw ones; they leave as pseudonyms or not at all. Call `end` on
    what comes back only where the session itself does not close. Raises `SettingsError` or `PolicyError` at the first
    call of a process that is configured wrong; nothing is ever raised into the call itself.
    """
    from medagent.agent.bridge import Caller  # noqa: PLC0415  # livekit costs seconds; the CLI need not pay them

    return telemetry().watch(session, caller=Caller(room=room, participant=participant, number=caller_number))
