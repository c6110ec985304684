"""What the clinic says instead of yes: nothing was written, and the caller can be offered something else."""

from __future__ import annotations

from medagent.clinic.hours import Slot
from medagent.errors import MedagentError


class Refusal(MedagentError):  # noqa: N818  # an answer, no error: it rolls back and names what would be right
    """Why not: a snake_case code, a sentence without a patient's value, and slots or names to offer instead."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        alternatives: tuple[Slot, ...] | tuple[str, ...] = (),
        is_identity_check: bool = False,
    ) -> None:
        """`is_identity_check`: by this answer a caller could guess at a patient's date of birth, so that it counts."""
        super().__init__(message)
        self.code = code
        self.alternatives = alternatives
        self.is_identity_check = is_identity_check
