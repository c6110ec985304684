"""What a tool is, and the one way to run it: whatever the model sends, an answer comes back and nothing leaks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from medagent.clinic import Booking, Clinic, Refusal, Slot, spoken_slot
from medagent.redaction.error_cause import cause_of

Answer: TypeAlias = dict[str, Any]
"""A JSON object for the model; `outcome` is "ok", "refused" or "failed"."""


class Arguments(BaseModel):
    """The base of every tool's arguments; a field's description tells the model what to send, and what was wrong."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


SLOT_FIELDS = ("appointment_datetime", "spoken_time", "doctor_name", "clinic_location")
"""What an offered slot holds."""
BOOKING_FIELDS = ("confirmation_id", *SLOT_FIELDS)
"""What an agreed appointment holds."""
COMMON_FIELDS = (
    "outcome",
    "error_type",
    "error_status",
    "error_message",
    "alternatives[]",
    *(f"alternatives[].{field}" for field in SLOT_FIELDS),
)
"""What any tool's answer may hold: its outcome, and with a refusal the reason and names or slots to offer instead."""

A = TypeVar("A", bound=Arguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool(Generic[A]):
    """One thing the agent can do for a caller; `run` gives the answer's fields and raises `Refusal` for a no.

    `outcome` is what a call has come to once the tool did what it was asked; with `changes` the tool changes something,
    and the last such tool decides the call's outcome.
    `result_fields` are the paths of all leaves that an answer may hold, dotted, `[]` for a list's item: what a policy
    must have a rule for.
    """

    name: str
    description: str
    outcome: str
    changes: bool
    arguments: type[A]
    result_fields: tuple[str, ...]
    run: Callable[[Clinic, A, datetime], Answer]

    @property
    def field_paths(self) -> tuple[str, ...]:
        """Every path that a record of this tool may fill, a refusal's and a failure's included."""
        arguments = (f"arguments.{name}" for name in self.arguments.model_fields)
        return (*arguments, *(f"result.{path}" for path in self.result_fields))

    @property
    def json_schema(self) -> dict[str, Any]:
        """The arguments as one flat JSON Schema object: no references, no titles; an optional one is not required."""
        schema = self.arguments.model_json_schema()
        return {
            "type": "object",
            "properties": {name: _flat(each) for name, each in schema["properties"].items()},
            "required": schema.get("required", []),
            "additionalProperties": False,
        }


def invoke(
    tool: Tool[A], raw_arguments: Mapping[str, Any], *, clinic: Clinic, now: datetime, number: str | None = None
) -> Answer:
    """Check, run, answer: never raises. Nothing is booked unless the outcome is "ok".

    Args:
        tool: The tool.
        raw_arguments: Arguments as the model sent them.
        clinic: The clinic that the tool works on.
        now: The moment, aware.
        number: Number that the call comes from, as the line sent it; None where it is withheld.

    Returns:
        An object for the model.
    """
    try:
        if number is not None:
            clinic = clinic.called_from(number)
        return _answer(tool, raw_arguments, clinic=clinic, now=now)
    except Exception as error:  # noqa: BLE001  # the caller is on the line: a class name is all that may be said
        cause = cause_of(error)
        status = {} if cause.error_status is None else {"error_status": cause.error_status}
        return {
            "outcome": "failed",
            "error_type": cause.error_type,
            **status,
            "error_message": "the clinic's system did not answer; offer to call back",
        }


def _answer(tool: Tool[A], raw_arguments: Mapping[str, Any], *, clinic: Clinic, now: datetime) -> Answer:
    try:
        return {"outcome": "ok", **_run(tool, raw_arguments, clinic=clinic, now=now)}
    except Refusal as refusal:
        answer: Answer = {"outcome": "refused", "error_type": refusal.code, "error_message": str(refusal)}
        if refusal.alternatives:
            answer["alternatives"] = [offered(a, clinic) if isinstance(a, Slot) else a for a in refusal.alternatives]
        return answer


def offered(slot: Slot, clinic: Clinic) -> dict[str, str]:
    """Return a slot as the model reads it: ISO 8601 with offset in the place's own time, and the same in words."""
    return {
        "appointment_datetime": slot.starts_at.isoformat(),
        "spoken_time": spoken_slot(slot, home=clinic.zone),
        "doctor_name": slot.doctor,
        "clinic_location": slot.location,
    }


def booked(booking: Booking, clinic: Clinic) -> dict[str, str]:
    """Return an appointment as the model reads it."""
    return {"confirmation_id": booking.confirmation_id, **offered(booking.slot, clinic)}


def offers(slots: Iterable[Slot], clinic: Clinic) -> list[dict[str, str]]:
    """Return slots as the model reads them."""
    return [offered(slot, clinic) for slot in slots]


def _run(tool: Tool[A], raw_arguments: Mapping[str, Any], *, clinic: Clinic, now: datetime) -> Answer:
    # A model fills what it does not know with null or "": for us it was not given.
    given = {name: value for name, value in raw_arguments.items() if value is not None and value != ""}
    try:
        arguments = tool.arguments.model_validate(given, context={"country": lambda: clinic.country})
    except ValidationError as invalid:
        first = invalid.errors(include_input=False, include_context=False, include_url=False)[0]
        problem = (str(first["type"]), str(first["loc"][0]) if first["loc"] else "")
    else:
        return tool.run(clinic, arguments, now)
    raise _refusal(tool.arguments, *problem)


def _refusal(arguments: type[Arguments], problem: str, name: str) -> Refusal:
    field = arguments.model_fields.get(name)
    if field is None:  # its name is not repeated: a model can put a caller's words there
        return Refusal(
            "unknown_field", f"an argument is not known; the arguments are: {', '.join(arguments.model_fields)}."
        )
    if problem == "missing":
        return Refusal("missing_field", f"{name} is missing: {field.description}")
    return Refusal(f"invalid_{name}", f"{name} is not usable: {field.description}")


def _flat(schema: Mapping[str, Any]) -> dict[str, Any]:
    inner: Mapping[str, Any] = next((each for each in schema.get("anyOf", ()) if each.get("type") != "null"), {})
    return {key: value for key, value in {**schema, **inner}.items() if key not in ("anyOf", "default", "title")}
