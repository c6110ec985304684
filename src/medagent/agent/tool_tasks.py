"""The asyncio tasks of tools at work: LiveKit's event tells a tool's message, its task the exception behind it."""

from __future__ import annotations

import asyncio
from typing import Any

_NAME = "tool_exec_"
"""The prefix that LiveKit puts before a tool's name in its task; without it the class stays unknown."""


class ToolTasks:
    """The task of each tool that runs, found when the tool starts."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[Any]] = {}

    def started(self, call_id: str, tool: str) -> None:
        """Remember the task of a tool that has just started; call it on the session's event loop."""
        taken = set(self._tasks.values())
        for task in asyncio.all_tasks():
            if task.get_name() == _NAME + tool and task not in taken:
                self._tasks[call_id] = task
                return

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
