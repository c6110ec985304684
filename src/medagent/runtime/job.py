"""Telemetry of a job process: from the events of its calls to the spool; no exporter, no database."""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Callable, Collection, Mapping, Sequence

import medagent
from medagent.core_dumps import disable_core_dumps
from medagent.errors import LedgerError
from medagent.os_account import current_account
from medagent.outcomes import Outcomes
from medagent.pricing import load_prices
from medagent.runtime.destinations import destinations
from medagent.runtime.host import key_ring, ledger, redactor, spool_path
from medagent.runtime.identity import identity
from medagent.runtime.installed_watch import job_watch
from medagent.runtime.kill_switch import switch
from medagent.runtime.service_process import ensure_service
from medagent.settings import Settings
from medagent.telemetry.events import AudioStarted, CallEnded, CallStarted, ResponseFinished, ResponseStarted
from medagent.telemetry.interpreter import share
from medagent.telemetry.line import Inlet
from medagent.telemetry.overhead import Overhead, OverheadWatch
from medagent.telemetry.pipeline import Pipeline
from medagent.telemetry.session import SessionMaker
from medagent.telemetry.spool.spool import Spool
from medagent.telemetry.storage_log import storage_log
from medagent.telemetry.switch import Switch

_STOP_S = 0.3
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 2.5, 300.0
_log = logging.getLogger(__name__)


class Job:
    """Traces the calls of this process: start it once, close it at the end."""

    def __init__(
        self,
        settings: Settings,
        *,
        rosters: Mapping[str, Collection[str]] | None = None,
        outcomes: Outcomes | None = None,
        inlet: Inlet | None = None,
        overhead: Overhead | None = None,
        stop: Switch | None = None,
        service: str | None = None,
        on_stored: Callable[[], object] = lambda: None,
    ) -> None:
        """Prepare to trace.

        Args:
            settings: The settings.
            rosters: Closed lists of names that the policy keeps.
            outcomes: Outcomes of tools that the host declares.
            inlet: Queue in which events may wait already.
            overhead: Costs that were counted already.
            stop: The host's switch; by default a new one, which reads no database.
            service: Name of the export service in the same process, if there is one.
            on_stored: Called when the spool has something new.
        """
        disable_core_dumps()
        self.settings = settings
        for name, remedy in settings.unusable_destinations().items():
            _log.warning("destination %s is off: %s", name, remedy)
        self.ledger = ledger(settings, opens_outbox=service is not None)
        self.switch = stop or switch(settings, reads_outbox=False)
        self.overhead = overhead or Overhead()
        self._overhead_watch = OverheadWatch(self.overhead, switch=self.switch, also=self._ensure_service)
        self.redactor = redactor(settings, rosters)
        sessions = SessionMaker(
            redactor=self.redactor,
            prices=load_prices(settings.pricing_path),
            switch=self.switch,
            env=settings.env,
            destinations=destinations(settings),
            legal_basis=settings.legal_basis(),
            key=key_ring(settings).pseudonym_key(),
            sampling=settings.sampling,
            synthetic_callers=settings.synthetic_callers is not None,
            outcomes=outcomes or {},
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
        self._lost: set[str] = set()
        self._starts, self._start_due = 0, 0.0
        self.identity = identity(settings, service=service)
        self.spool = Spool(spool_path(settings), identity=self.identity, max_bytes=settings.outbox_max_mb * 2**20)
        self.pipeline = Pipeline(
            sessions=sessions, store=self.spool, on_due=on_stored, on_lost=self._record_lost, inlet=inlet
        )
        self._installed_watch = job_watch(settings)

    def _declare_synthetic_callers(self) -> None:
        try:
            self.ledger.append("synthetic_callers", current_account().content())
        except LedgerError as error:
            _log.error("the ledger does not record MEDAGENT_SYNTHETIC_CALLERS: %s", error)

    def _record_lost(self, trace_id: str) -> None:
        """Record a call in the ledger whose spans could not be stored, once."""
        if trace_id not in self._lost:
            self._lost.add(trace_id)
            self.ledger.append("not_stored", {"trace_id": trace_id})

    def start(self) -> Job:
        """Begin to work, with an export service on this host unless one is in this process."""
        share()
        self._ensure_service()
        self.pipeline.start()
        self._overhead_watch.start()
        if self._installed_watch is not None:
            self._installed_watch.start()
        return self

    def _ensure_service(self) -> None:
        """Start the host's export service where it is missing; without one the spool keeps what is stored.

        A service that ends at once is started again after a pause, each time twice as long, up to five minutes.
        """
        if self.identity.service is not None or time.monotonic() < self._start_due:
            return
        try:
            is_started = ensure_service(self.settings, self.identity)
        except (OSError, subprocess.SubprocessError) as error:
            storage_log.error(_log, "the export service cannot be started", error)
            is_started = True
        self._starts = self._starts + 1 if is_started else 0
        pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2**self._starts) if is_started else 0.0
        self._start_due = time.monotonic() + pause_s

    def hello(self) -> str:
        """Store a synthetic call of one greeting, like a real one; return its trace id."""
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
        """Wait until all that happened is in the spool; the destinations are the export service's."""
        self.pipeline.flush(timeout_s)
        return ()

    def close(self, timeout_s: float = 3.0) -> None:
        """End open calls and write what is left to the spool."""
        if self._installed_watch is not None:
            self._installed_watch.stop()
        self._overhead_watch.stop(_STOP_S)
        if self.pipeline.stop(timeout_s):  # a worker that hangs may still write to the files
            self.spool.close()
