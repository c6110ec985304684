"""The asyncio tasks of running tools: LiveKit's event has a tool's message, its task what it returned or raised."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from livekit.agents import AgentSession
from livekit.agents.voice import tool_executor

from medagent.agent.tool_values import copied
from medagent.telemetry.tool_result import ToolValue

_RUNNING = "_RunningTasks"
"""LiveKit's private table of running tools by session; without it the class of an error is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolEnd:
    """How a tool ended: what it raised, or what it returned; neither where its task is not known."""

    raised: BaseException | None = field(default=None, repr=False)
    returned: ToolValue | None = field(default=None, repr=False)


class ToolTasks:
    """The tasks of each call's running tools, found when a tool starts; a call that is repeated has several."""

    def __init__(self) -> None:
        self._tasks: dict[str, list[asyncio.Task[Any]]] = {}

    def started(self, session: AgentSession[Any], call_id: str) -> None:
        """Remember the task of a tool that has just started in a session."""
        running = getattr(tool_executor, _RUNNING, {}).get(session, {}).get(call_id)
        task = getattr(running, "exe_task", None)
        if isinstance(task, asyncio.Task):
            self._tasks.setdefault(call_id, []).append(task)

    def ended(self, call_id: str) -> ToolEnd:
        """Return how a tool that has ended did so, and forget its task."""
        tasks = self._tasks.get(call_id, [])
        task = next((task for task in tasks if task.done()), None)
        if task is None:
            return ToolEnd()
        tasks.remove(task)
        if not tasks:
            del self._tasks[call_id]
        if task.cancelled():
            return ToolEnd()
        if (error := task.exception()) is not None:
            return ToolEnd(raised=error)
        result = task.result()
        return ToolEnd(raised=result) if isinstance(result, BaseException) else ToolEnd(returned=copied(result))

    def call_of(self, task: asyncio.Task[Any]) -> str | None:
        """Return the call whose tool runs in a task; None where it is no task of a tool."""
        return next((call_id for call_id, known in self._tasks.items() if task in known), None)
