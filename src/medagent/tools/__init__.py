"""What the agent can do for a caller: one file per tool."""

from typing import Any

from medagent.tools.book_appointment import BOOK_APPOINTMENT
from medagent.tools.check_availability import CHECK_AVAILABILITY
from medagent.tools.interface import Answer, Tool, invoke

TOOLS: tuple[Tool[Any], ...] = (CHECK_AVAILABILITY, BOOK_APPOINTMENT)

__all__ = ["TOOLS", "Answer", "Tool", "invoke"]
