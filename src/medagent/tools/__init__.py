"""What the agent can do for a caller: one file per tool."""

from typing import Any

from medagent.tools.book_appointment import BOOK_APPOINTMENT
from medagent.tools.cancel_appointment import CANCEL_APPOINTMENT
from medagent.tools.check_availability import CHECK_AVAILABILITY
from medagent.tools.get_medical_guidelines import GET_MEDICAL_GUIDELINES
from medagent.tools.get_opening_hours import GET_OPENING_HOURS
from medagent.tools.interface import Answer, Tool, invoke
from medagent.tools.reschedule_appointment import RESCHEDULE_APPOINTMENT

TOOLS: tuple[Tool[Any], ...] = (
    CHECK_AVAILABILITY,
    BOOK_APPOINTMENT,
    CANCEL_APPOINTMENT,
    RESCHEDULE_APPOINTMENT,
    GET_OPENING_HOURS,
    GET_MEDICAL_GUIDELINES,
)

__all__ = ["TOOLS", "Answer", "Tool", "invoke"]
