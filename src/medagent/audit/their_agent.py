"""An agent of the clinic's own in the audited process: its factory's sessions, played with simulated models."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from livekit.agents.utils import http_context
from livekit.agents.voice.io import AudioInput, AudioOutput
from pydantic import BaseModel, ConfigDict

from medagent.agent.caller import Caller
from medagent.agent.clinic_agent import azure_model
from medagent.agent.factory import AgentContext, load_factory
from medagent.agent.local import Watch
from medagent.attestation.agent_files import agent_files, agent_root
from medagent.attestation.binding import PACKAGE
from medagent.audit.agent_subject import AgentSubject
from medagent.audit.casting import Role
from medagent.audit.planted import Planted
from medagent.audit.planted_results import RESULTS, PlantedResults, ToolRuns, plant_results
from medagent.settings import Settings


class AgentDone(BaseModel):
    """What the process saw of the agent.

    Attributes:
        runs: How often each tool's own code ran.
        fields: By span and declared path, how often the field held planted values, by letter.
        unbound: Modules of the agent's directory that it loaded and no report is bound to.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    runs: ToolRuns
    fields: dict[str, dict[str, dict[str, int]]]
    unbound: tuple[str, ...]


class TheirAgent:
    """The agent of one process; its tools' results are planted from here on.

    Raises:
        AgentModuleError: Its module or factory is not usable in this process.
    """

    def __init__(self, subject: AgentSubject, planted: Sequence[Planted], *, calls: int) -> None:
        self._subject = subject
        self._tools = subject.declared()
        self._planted = planted
        self._calls = calls
        self._runs = ToolRuns()
        self._before = frozenset(sys.modules)
        sys.path.insert(0, str(subject.directory))
        self._factory = load_factory(subject.factory)
        plant_results()

    @property
    def paths(self) -> Mapping[str, Sequence[str]]:
        """Declared paths of its tools, by span."""
        return self._subject.schema_.paths()

    async def answer(
        self,
        role: Role,
        settings: Settings,
        *,
        watch: Watch,
        audio_in: AudioInput,
        audio_out: AudioOutput,
        caller: Callable[[], Awaitable[object]],
        met: Callable[[str, str], None],
    ) -> None:
        """Let its factory make session and agent, and play one call with them.

        Args:
            role: The call.
            settings: Those with the address and deployment of the simulated model.
            watch: Attaches telemetry to the session.
            audio_in: What the agent hears.
            audio_out: Where it speaks.
            caller: Plays the caller to the end of the call.
            met: Called with each planted text that is met outside of records.

        Raises:
            AgentModuleError: The factory raised, or returned something else.
        """
        values = [one for one in self._planted if one.call == role.number]
        RESULTS.set(PlantedResults(role, values, self._tools, calls=self._calls, met=met, runs=self._runs))
        context = AgentContext(
            make_realtime=lambda: azure_model(settings),
            simulated=True,
            caller=Caller(room=role.room, participant=role.participant, number=role.scenario.person.get("phone")),
        )
        async with http_context.open():
            session, agent = await self._factory.make(context)
            bridge = watch(session)
            broken = asyncio.Event()
            session.on("close", lambda _event: broken.set())
            session.on("error", lambda event: None if getattr(event.error, "recoverable", False) else broken.set())
            session.input.audio, session.output.audio = audio_in, audio_out
            try:
                await session.start(agent, record=False)
                talk, breaks = asyncio.ensure_future(caller()), asyncio.ensure_future(broken.wait())
                await asyncio.wait((talk, breaks), return_when=asyncio.FIRST_COMPLETED)
                if talk.done():
                    talk.result()
                    bridge.end("caller_hung_up")
                for task in (talk, breaks):
                    task.cancel()
                await asyncio.gather(talk, breaks, return_exceptions=True)
            finally:
                await session.aclose()
                bridge.end("error")  # counts only where nothing else ended the call

    def done(self, fields: dict[str, dict[str, dict[str, int]]]) -> AgentDone:
        """Return what was seen of it; `fields` are those that held planted values."""
        return AgentDone(runs=self._runs, fields=fields, unbound=tuple(sorted(self._unbound())))

    def _unbound(self) -> set[str]:
        """Modules that it loaded from beside its own and to whose files no report is bound."""
        file = self._subject.file
        bound = {str(one.resolve()) for one in agent_files(file)}
        root = agent_root(file)
        places = [root, root.parent] if (root / "__init__.py").exists() else [root, self._subject.directory]
        found = set()
        for name, module in [*sys.modules.items()]:
            path = _file_of(module)
            if name in self._before or path is None or str(path) in bound or path.is_relative_to(PACKAGE):
                continue
            if "site-packages" in path.parts:
                continue
            if any(path.is_relative_to(one.resolve()) for one in places):
                found.add(name)
        return found


def _file_of(module: Any) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file).resolve() if isinstance(file, str) else None
