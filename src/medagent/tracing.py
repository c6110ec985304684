"""The three lines: a call is traced from its first moment, while all that takes is still being loaded elsewhere.

On the call's thread stand a queue and the eyes on the session. Policy, text layers and spool take a
third of a second to load: a thread of their own does that, and until it has, events wait in memory and nothing is
stored. A job stores spans for the host's export service, which is started where there is none.
"""

from __future__ import annotations

import functools
import gc
import logging
import os
import sys
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import medagent
from medagent.agent.factory import TRACED_BY
from medagent.core_dumps import disable_core_dumps
from medagent.errors import MedagentError
from medagent.settings import Settings, load_settings
from medagent.telemetry.interpreter import share
from medagent.telemetry.line import Inlet, Line
from medagent.telemetry.overhead import Overhead
from medagent.telemetry.shutdown import close_at_end

if TYPE_CHECKING:
    from livekit.agents import AgentSession

    from medagent.agent.bridge import Bridge
    from medagent.agent.caller import Caller
    from medagent.outcomes import Outcomes, ToolOutcome
    from medagent.runtime.job import Job
    from medagent.runtime.telemetry import Telemetry

END_S = 2.5
"""So long a process's end may wait; with the interpreter's own end it stays under three seconds."""
_log = logging.getLogger(__name__)


class Tracing:
    """This process's telemetry, there at once and loaded on a thread of its own; it lives until the process ends.

    Where it cannot start, for whatever reason, calls go on without it; the log says why, and so does the ledger where
    it can be written. Raises `SettingsError` where prod leaves consent unsettled: such a process answers no calls.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        rosters: Mapping[str, Collection[str]] | None = None,
        outcomes: Outcomes | None = None,
    ) -> None:
        settings.legal_basis()
        settings.check_prod()
        disable_core_dumps()
        self.settings = settings
        self._rosters = rosters
        self._outcomes = outcomes
        self._inlet = Inlet()
        self._overhead = Overhead()
        self._loaded = threading.Event()
        self._telemetry: Telemetry | Job | None = None
        share()  # while the other thread loads, the loop has its turn often enough
        threading.Thread(target=self._load, name="medagent-start", daemon=True).start()
        close_at_end(functools.partial(self.close, END_S))

    def watch(
        self,
        session: AgentSession[Any],
        *,
        caller: Caller | None = None,
        asks: bool = False,
        declared: Mapping[str, object] | None = None,
    ) -> Bridge:
        """Trace a session that has not started; a call that cannot be traced goes on untraced.

        `declared` are the arguments of `trace_call` that tell of the agent.

        Raises `SettingsError` inside a LiveKit job of another machine's server while `MEDAGENT_ENV` is unset.
        With `asks` nothing of the call is released before the bridge is told of its consent, whatever the settings say.
        """
        from medagent.agent.bridge import Bridge  # noqa: PLC0415  # livekit costs seconds; `medagent redact` need not pay
        from medagent.agent.declaration import declare  # noqa: PLC0415  # the same
        from medagent.agent.server_address import check_job_environment  # noqa: PLC0415  # the same
        from medagent.agent.watching import watch  # noqa: PLC0415  # the same

        check_job_environment(self.settings)
        try:
            return watch(
                session,
                new_line=self._inlet.line,
                overhead=self._overhead,
                settings=self.settings,
                caller=caller,
                declared=declare(self.settings, **(declared or {})),
                asks=asks,
                deliver=self.flush,
            )
        except Exception as error:  # noqa: BLE001  # no failure of ours may end a call; no message: it may quote
            _log.error("a call cannot be traced: %s", type(error).__name__)
            nowhere = Line(str(uuid4()), lambda _arrival: None)
            return Bridge(nowhere, overhead=self._overhead)

    def loaded(self, timeout_s: float) -> Telemetry | Job | None:
        """What works behind the queue, once it is loaded; None where it is not by then, or cannot be."""
        self._loaded.wait(timeout_s)
        return self._telemetry

    def flush(self, timeout_s: float) -> Sequence[str]:
        """Wait until all that happened is stored for the export service, or delivered by one in this process.

        Returns the destinations that still lack something, as far as this process sends itself.
        """
        deadline = time.monotonic() + timeout_s
        running = self.loaded(timeout_s)
        return () if running is None else running.flush(max(0.1, deadline - time.monotonic()))

    def close(self, timeout_s: float = 3.0) -> None:
        """End open calls and ship what the time allows; a second call does nothing."""
        deadline = time.monotonic() + timeout_s
        if (running := self.loaded(timeout_s)) is not None:
            running.close(max(0.1, deadline - time.monotonic()))

    def _load(self) -> None:
        is_collecting = gc.isenabled()
        gc.disable()  # a full collection holds every call: what is loaded here stays, so none need look at it
        try:
            self._telemetry = self._made().start()
        except Exception as error:  # noqa: BLE001  # whatever it is, it must not keep the agent from answering
            self._inlet.shut()
            _not_started(self.settings, error)
        finally:
            gc.freeze()
            if is_collecting:
                gc.enable()
            self._loaded.set()

    def _made(self) -> Telemetry | Job:
        """Return what works behind the queue: a job, with its own export service where the settings ask for that."""
        if self.settings.export_service == "in_process":
            from medagent.runtime.telemetry import Telemetry  # noqa: PLC0415  # this is what takes its time

            kind: type[Telemetry | Job] = Telemetry
        else:
            from medagent.runtime.job import Job  # noqa: PLC0415  # the same

            kind = Job
        return kind(
            self.settings,
            rosters=self._rosters,
            outcomes=self._outcomes,
            inlet=self._inlet,
            overhead=self._overhead,
        )


@functools.cache
def tracing() -> Tracing:
    """This process's tracing, begun at the first call; raises `SettingsError` on a setting that may not be."""
    settings = load_settings()
    return Tracing(settings.model_copy(update={"agent_path": _AGENT[0]}) if _AGENT else settings)


_AGENT: list[Path] = []
"""The file whose code traced the first call of this process, unless it is ours: a GO is bound to it."""


def _note_agent(file: str) -> None:
    path = Path(file).absolute()
    if not _AGENT and not path.is_relative_to(Path(medagent.__file__).parent):
        _AGENT.append(path)


os.register_at_fork(after_in_child=tracing.cache_clear)  # the threads of a process stay with it


def trace_call(
    session: AgentSession[Any],
    *,
    caller: Caller | None = None,
    agent_name: str | None = None,
    agent_version: str | None = None,
    outcomes: Mapping[str, ToolOutcome | str | tuple[str, bool] | Mapping[str, object]] | None = None,
    rosters: Mapping[str, Collection[str]] | None = None,
) -> Bridge:
    """Trace a LiveKit session that has not started: the one line that an agent needs.

    Room and caller are the LiveKit job's, unless `caller` is given; they are exported as pseudonyms or not at all.
    Where telemetry cannot start, or cannot observe the session, the call goes on without it.

    Args:
        session: A session before its `start`.
        caller: Room and caller, where they are not the job's.
        agent_name: Name of the agent; by default MEDAGENT_AGENT_NAME.
        agent_version: Version of the agent; by default MEDAGENT_AGENT_VERSION.
        outcomes: Outcome of a call after a tool succeeded, by the tool's name: a `ToolOutcome`, or
            the outcome alone where the tool changes something (`{"order_refill": "ordered"}`). It comes before the
            `outcomes` of the policy.
        rosters: Closed lists of names that the policy keeps, such as `{"doctors": [...]}`.

    Returns:
        The bridge of the call, with its `trace_id`. Its `end` is needed only where a session never closes, its
        `consent` only where the settings state that the caller is asked.

    Raises:
        SettingsError: A setting is not allowed, or `MEDAGENT_ENV` is unset in a job of another machine's LiveKit
            server. An argument that is not usable is logged, and the call is traced without it.
    """
    _note_agent(sys._getframe(1).f_code.co_filename)
    declared = {"agent_name": agent_name, "agent_version": agent_version, "outcomes": outcomes, "rosters": rosters}
    if (simulated := TRACED_BY.get()) is not None:
        return simulated(session, caller=caller, declared=declared)
    return tracing().watch(session, caller=caller, declared=declared)


def _share_between_jobs() -> None:
    """Have LiveKit's forkserver load what every traced job needs: its job processes then share that memory.

    LiveKit's worker preloads the packages of its registered plugins. Where LiveKit is not loaded yet, an agent passes
    `preload_modules=["medagent.preload"]` to its `AgentServer`.
    """
    agents = sys.modules.get("livekit.agents")
    if agents is None or threading.current_thread() is not threading.main_thread():
        return
    try:
        agents.Plugin.register_plugin(agents.Plugin("medagent", medagent.__version__, "medagent.preload"))
    except Exception as error:  # noqa: BLE001  # jobs without it use more memory, and nothing else
        _log.warning("jobs do not share telemetry's memory: %s", type(error).__name__)


_share_between_jobs()


def _not_started(settings: Settings, error: Exception) -> None:
    says = str(error) if isinstance(error, MedagentError) else "unexpected"  # a foreign message may quote a value
    _log.error("telemetry did not start in this process: %s: %s", type(error).__name__, says)
    try:
        from medagent.runtime.host import ledger  # noqa: PLC0415  # see above
        from medagent.telemetry.switch import recordable  # noqa: PLC0415  # see above

        ledger(settings).append("not_started", {"error": type(error).__name__, "reason": recordable(says)})
    except Exception as unwritten:  # noqa: BLE001  # nobody is left to tell
        _log.error("the ledger does not record that telemetry did not start: %s", type(unwritten).__name__)
