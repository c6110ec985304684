"""An agent of the clinic's own in the audited process: its factory's sessions, played with simulated models."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from livekit.agents.voice.io import AudioInput, AudioOutput
from pydantic import BaseModel, ConfigDict

from medagent.agent.bridge import Bridge
from medagent.agent.caller import Caller
from medagent.agent.factory import TRACED_BY, load_factory
from medagent.agent.local import answer_made
from medagent.attestation.agent_files import agent_files, agent_root
from medagent.attestation.binding import PACKAGE
from medagent.audit.agent_subject import AgentSubject
from medagent.audit.casting import Role
from medagent.audit.planted import Planted
from medagent.audit.planted_results import RESULTS, PlantedResults, ToolRuns, plant_results
from medagent.simulator.stand_ins import context_of


class AgentDone(BaseModel):
    """What the process saw of the agent.

    Attributes:
        runs: How often each tool's own code ran.
        fields: By span and declared path, how often the field held planted values, by letter.
        unbound: Modules of the agent's directory that it loaded and no report is bound to.
        refused: Hosts to which the agent tried to connect.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    runs: ToolRuns
    fields: dict[str, dict[str, dict[str, int]]]
    unbound: tuple[str, ...]
    refused: tuple[str, ...]


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
        endpoint: str,
        deployment: str,
        *,
        trace: Callable[..., Bridge],
        audio_in: AudioInput,
        audio_out: AudioOutput,
        caller: Callable[[], Awaitable[object]],
        met: Callable[[str, str], None],
    ) -> None:
        """Let its factory make session and agent, and play one call with them.

        Args:
            role: The call.
            endpoint: Address of the simulator.
            deployment: Deployment that leads to the call.
            trace: Traces the session, as `trace_call` does with its arguments; it is used in place of it too.
            audio_in: What the agent hears.
            audio_out: Where it speaks.
            caller: Plays the caller to the end of the call.
            met: Called with each planted text that is met outside of records.

        Raises:
            AgentModuleError: The factory raised, or returned something else.
        """
        values = [one for one in self._planted if one.call == role.number]
        RESULTS.set(PlantedResults(role, values, self._tools, calls=self._calls, met=met, runs=self._runs))
        phones = Caller(room=role.room, participant=role.participant, number=role.scenario.person.get("phone"))
        TRACED_BY.set(trace)
        await answer_made(
            self._factory,
            context_of(endpoint, deployment, caller=phones),
            watch=trace,
            audio_in=audio_in,
            audio_out=audio_out,
            caller=caller,
        )

    def done(self, fields: dict[str, dict[str, dict[str, int]]], refused: Sequence[str]) -> AgentDone:
        """Return what was seen of it; `fields` are those that held planted values, `refused` the hosts."""
        unbound = tuple(sorted(self._unbound()))
        return AgentDone(runs=self._runs, fields=fields, unbound=unbound, refused=tuple(refused))

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
