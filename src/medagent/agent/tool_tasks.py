"""The asyncio tasks of running tools: LiveKit's event has a tool's message, its task has the exception behind it."""

from __future__ import annotations

import asyncio
from typing import Any

from livekit.agents import AgentSession
from livekit.agents.voice import tool_executor

_RUNNING = "_RunningTasks"
"""LiveKit's table of each session's running tools; without it the class of an error stays unknown."""


class ToolTasks:
    """The task of each tool that runs, found when the tool starts."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[Any]] = {}

    def started(self, session: AgentSession[Any], call_id: str) -> None:
        """Remember the task of a tool that has just started in a session."""
        running = getattr(tool_executor, _RUNNING, {}).get(session, {}).get(call_id)
        task = getattr(running, "exe_task", None)
        if isinstance(task, asyncio.Task):
            self._tasks[call_id] = task

    def raised(self, call_id: str) -> BaseException | None:
        """Return what a tool that has ended raised, and forget its task; None where nothing was raised or is known."""
        task = self._tasks.pop(call_id, None)
        if task is None or not task.done() or task.cancelled():
            return None
        if (error := task.exception()) is not None:
            return error
        result = task.result()
        return result if isinstance(result, BaseException) else None

    def call_of(self, task: asyncio.Task[Any]) -> str | None:
        """Return the call whose tool runs in a task; None where it is no task of a tool."""
        return next((call_id for call_id, known in self._tasks.items() if known is task), None)
