"""A job and an export service in one process: for commands, simulations and audits."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import medagent
from medagent.core_dumps import disable_core_dumps
from medagent.errors import LedgerError
from medagent.os_account import current_account
from medagent.outcomes import Outcomes
from medagent.pricing import load_prices
from medagent.settings import Settings
from medagent.telemetry.events import AudioStarted, CallEnded, CallStarted, ResponseFinished, ResponseStarted
from medagent.telemetry.gates import ExportGate
from medagent.telemetry.interpreter import share
from medagent.telemetry.line import Inlet
from medagent.telemetry.overhead import Overhead, OverheadWatch
from medagent.telemetry.pipeline import Pipeline
from medagent.telemetry.recovery import Recovered
from medagent.telemetry.session import SessionMaker

if TYPE_CHECKING:
    from livekit.agents import AgentSession

    from medagent.agent.bridge import Bridge
    from medagent.agent.caller import Caller

from medagent.runtime.destinations import destinations as facts
from medagent.runtime.exports import delivery, exporters
from medagent.runtime.host import key_ring, ledger, redactor
from medagent.runtime.installed_watch import job_watch
from medagent.runtime.kill_switch import switch

_log = logging.getLogger(__name__)
_STOP_S = 0.3


class Telemetry:
    """Everything between the events of a process's calls and the wire; start it once, close it at the end."""

    def __init__(
        self,
        settings: Settings,
        *,
        rosters: Mapping[str, Collection[str]] | None = None,
        outcomes: Outcomes | None = None,
        inlet: Inlet | None = None,
        overhead: Overhead | None = None,
    ) -> None:
        """Events may wait in `inlet` and costs be counted in `overhead` before this is made."""
        disable_core_dumps()
        self.settings = settings
        for name, remedy in settings.unusable_destinations().items():
            _log.warning("destination %s is off: %s", name, remedy)
        self.ledger = ledger(settings)
        self.switch = switch(settings)
        self.overhead = overhead or Overhead()
        self._overhead_watch = OverheadWatch(self.overhead, switch=self.switch)
        self.gate = ExportGate(self.switch)
        self.destinations = destinations = exporters(settings, gate=self.gate)
        self._redactor = redactor(settings, rosters)
        self._delivery = delivery(settings, destinations, self.switch, self._redactor)
        sessions = SessionMaker(
            redactor=self._redactor,
            prices=load_prices(settings.pricing_path),
            switch=self.switch,
            env=settings.env,
            destinations=facts(settings),
            legal_basis=settings.legal_basis(),
            key=key_ring(settings).pseudonym_key(),
            sampling=settings.sampling,
            synthetic_callers=settings.synthetic_callers is not None,
            outcomes=outcomes or {},
            closed=self._delivery.entries.tell,
        )
        in_force = sessions.policy
        holds = {"name": in_force.name, "version": in_force.version, "sha256": in_force.digest}
        try:
            self.ledger.note("policy_changed", holds)
        except LedgerError as error:
            _log.error("the ledger does not say which policy holds: %s", error)
        if settings.synthetic_callers is not None:
            _log.warning("MEDAGENT_SYNTHETIC_CALLERS is set: no caller of this process may be a real person")
            self._declare_synthetic_callers()
        self.pipeline = Pipeline(
            sessions=sessions, outbox=self._delivery.outbox, on_due=self._delivery.wake, inlet=inlet
        )
        self._installed_watch = job_watch(settings)
        self._is_closed = False

    def _declare_synthetic_callers(self) -> None:
        try:
            self.ledger.append("synthetic_callers", current_account().content())
        except LedgerError as error:
            _log.error("the ledger does not record MEDAGENT_SYNTHETIC_CALLERS: %s", error)

    def start(self) -> Telemetry:
        """Begin to work and to ship, and to end what dead processes left open."""
        share()
        self.pipeline.start()
        self._overhead_watch.start()
        self._delivery.start()
        if self._installed_watch is not None:
            self._installed_watch.start()
        return self

    def recover(self) -> Recovered:
        """End the calls of processes that died, and tell the ledger what it was still to be told."""
        return self._delivery.recovery.look()

    def watch(
        self,
        session: AgentSession[Any],
        *,
        caller: Caller | None = None,
        asks: bool = False,
        declared: Mapping[str, object] | None = None,
    ) -> Bridge:
        """Trace a session that has not started; the bridge's `trace_id` names the call, its `end` closes it.

        `declared` are the arguments of `trace_call` that tell of the agent.
        With `asks` nothing of the call is released before the bridge is told of its consent, whatever the settings say.
        Inside a LiveKit job the call ends with the job, which waits up to 2.5 s for its delivery. From here on log
        lines pass the door too, whatever handlers there are or will be, and LiveKit's own exits are shut.
        """
        from medagent.agent.declaration import declare  # noqa: PLC0415  # livekit costs seconds; the CLI need not pay them
        from medagent.agent.watching import watch  # noqa: PLC0415  # the same

        return watch(
            session,
            new_line=self.pipeline.line,
            overhead=self.overhead,
            settings=self.settings,
            caller=caller,
            declared=declare(self.settings, **(declared or {})),
            asks=asks,
            deliver=self.flush,
        )

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
            synthetic=True,
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
        return self._delivery.flush(max(0.1, deadline - time.monotonic()))

    def close(self, timeout_s: float = 3.0) -> None:
        """End open calls, write what is left, ship what the time allows; the rest stays in the outbox.

        It takes no longer than `timeout_s`, whatever hangs; a second call does nothing.
        """
        if self._is_closed:
            return
        self._is_closed = True
        deadline = time.monotonic() + timeout_s
        if self._installed_watch is not None:
            self._installed_watch.stop()
        self._overhead_watch.stop(_STOP_S)
        self.pipeline.stop(timeout_s)
        self._delivery.close(max(0.1, deadline - time.monotonic()))
        self.switch.close()
