"""A job and an export service in one process: for commands, simulations and audits."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from medagent.errors import MedagentError
from medagent.outcomes import Outcomes
from medagent.runtime.exports import delivery, exporters
from medagent.runtime.job import Job
from medagent.runtime.kill_switch import switch
from medagent.settings import Settings
from medagent.telemetry.gates import ExportGate
from medagent.telemetry.ledger import Ledger
from medagent.telemetry.line import Inlet
from medagent.telemetry.overhead import Overhead
from medagent.telemetry.pipeline import Pipeline
from medagent.telemetry.recovery import Recovered
from medagent.telemetry.storage_log import storage_log

if TYPE_CHECKING:
    from livekit.agents import AgentSession

    from medagent.agent.bridge import Bridge
    from medagent.agent.caller import Caller

_log = logging.getLogger(__name__)


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
        self.settings = settings
        self.switch = switch(settings)
        self.gate = ExportGate(self.switch)
        service = str(uuid4())
        self.job = Job(
            settings,
            rosters=rosters,
            outcomes=outcomes,
            inlet=inlet,
            overhead=overhead,
            stop=self.switch,
            service=service,
            on_stored=self._seal,
        )
        self.destinations = exporters(settings, gate=self.gate)
        self._delivery = delivery(
            settings,
            self.destinations,
            self.switch,
            self.job.redactor,
            service=service,
            reads_living=lambda: False,
        )
        self._is_closed = False

    @property
    def ledger(self) -> Ledger:
        """Return the host's ledger."""
        return self.job.ledger

    @property
    def overhead(self) -> Overhead:
        """Return the costs that were counted."""
        return self.job.overhead

    @property
    def pipeline(self) -> Pipeline:
        """Return the telemetry worker."""
        return self.job.pipeline

    def start(self) -> Telemetry:
        """Begin to work and to ship, and to end what dead processes left open."""
        self.job.start()
        self._delivery.start()
        return self

    def recover(self) -> Recovered:
        """End the calls of processes that died, and write their entries into the ledger."""
        imported = self._delivery.importer.look()
        found = self._delivery.recovery.look()
        return Recovered(calls=found.calls + imported.dead, entries=found.entries)

    def hello(self) -> str:
        """Send a synthetic call of one greeting through everything that a real one passes; return its trace id."""
        return self.job.hello()

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

    def flush(self, timeout_s: float) -> Sequence[str]:
        """Wait until all that happened is delivered; return the destinations that still lack something."""
        deadline = time.monotonic() + timeout_s
        self.job.flush(timeout_s)
        return self._delivery.flush(max(0.1, deadline - time.monotonic()))

    def close(self, timeout_s: float = 3.0) -> None:
        """End open calls, write what is left, ship what the time allows; the rest stays in the outbox.

        It takes no longer than `timeout_s`, whatever hangs; a second call does nothing.
        """
        if self._is_closed:
            return
        self._is_closed = True
        deadline = time.monotonic() + timeout_s
        self.job.close(timeout_s)
        self._delivery.close(max(0.1, deadline - time.monotonic()))
        self.switch.close()

    def _seal(self) -> None:
        """Seal what the spool has at once; where the outbox cannot take it now, the import thread tries again."""
        try:
            self._delivery.importer.look()
        except MedagentError as error:
            storage_log.error(_log, "telemetry waits", error)
