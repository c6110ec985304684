"""The composition root: what a process is made of, wired the same for the three lines, the worker and the CLI."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import medagent
from medagent.presidio import recognisers_of
from medagent.pricing import load_prices
from medagent.proof import KeyRing
from medagent.redaction import Redactor, load_policy
from medagent.settings import Settings, load_settings, make_home
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
        policy_path: Path | None = None,
        on_span: Callable[[SafeSpan], None] | None = None,
    ) -> None:
        home = make_home(settings.home)
        self.settings = settings
        self.switch = switch(settings)
        policy = load_policy(policy_path or settings.policy_path)
        secret = settings.pseudonym_key
        ring = KeyRing(
            home / "keys", env=settings.env, pseudonym_hex=None if secret is None else secret.get_secret_value()
        )
        destinations = exporters(settings)
        self._outbox = outbox(settings, destinations)
        self._shippers = [Shipper(one, outbox=self._outbox, switch=self.switch) for one in destinations]
        sessions = SessionMaker(
            policy=policy,
            redactor=Redactor(
                policy, keys=ring.pseudonym_key(), rosters=rosters or {}, recognisers=recognisers_of(policy)
            ),
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
        """Trace a session that has not started; the bridge's `trace_id` names the call, its `end` closes it."""
        from medagent.agent.bridge import Bridge  # noqa: PLC0415  # livekit costs seconds; the CLI need not pay them

        bridge = Bridge(
            self.pipeline.line(), model=self.settings.model, agent_version=medagent.__version__, caller=caller
        )
        bridge.attach(session, wall_us=time.time_ns() // 1000)
        return bridge

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
