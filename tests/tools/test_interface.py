import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from medagent.clinic import Clinic, Refusal
from medagent.tools import TOOLS, Tool, invoke
from medagent.tools.interface import COMMON_FIELDS, Answer, Arguments


class Nothing(Arguments):
    """No argument at all."""


def tool(run: Any) -> Tool[Nothing]:
    return Tool(
        name="probe",
        description="A probe.",
        outcome="informed",
        changes=False,
        arguments=Nothing,
        result_fields=COMMON_FIELDS,
        run=run,
    )


def test_the_tools_have_names_of_their_own() -> None:
    """Six, each with a description for the model."""
    assert [each.name for each in TOOLS] == [
        "check_availability",
        "book_appointment",
        "cancel_appointment",
        "reschedule_appointment",
        "get_opening_hours",
        "get_medical_guidelines",
    ]
    assert all(each.description for each in TOOLS)


@pytest.mark.parametrize("each", TOOLS, ids=lambda each: each.name)
def test_a_schema_is_flat_and_says_what_every_field_is(each: Tool[Any]) -> None:
    """No reference, no union: type, description, and nothing allowed beside the fields."""
    schema = each.json_schema
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == set(each.arguments.model_fields)
    for field in schema["properties"].values():
        assert field["type"] == "string"
        assert field["description"].endswith(".")
        assert not {"$ref", "anyOf", "default", "title"} & set(field)
    assert "$" not in "".join(json.loads(json.dumps(schema)))


FOR_PATIENT = {"caller_name", "caller_relation"}
CALLER = {*FOR_PATIENT, "dob", "confirmation_id", "patient_name", "phone", "appointment_datetime"}
PLACE = {"doctor_name", "clinic_location"}


def test_the_fields_are_the_ones_that_the_policy_names() -> None:
    """Field names are a contract with the policy: a new one here needs a rule there."""
    assert {each.name: set(each.arguments.model_fields) for each in TOOLS} == {
        "check_availability": {*PLACE, "appointment_datetime", "from_date", "to_date"},
        "book_appointment": {
            *PLACE,
            *("patient_name", "phone", "dob", "appointment_datetime", "email", "mrn", "address"),
            *("reason_for_visit", "notes", "other_person"),
            *FOR_PATIENT,
        },
        "cancel_appointment": CALLER,
        "reschedule_appointment": {*CALLER, *PLACE, "new_appointment_datetime"},
        "get_opening_hours": {*PLACE, "date"},
        "get_medical_guidelines": {"query"},
    }


def test_an_unexpected_exception_is_a_failure_that_says_only_its_class(clinic: Clinic, now: datetime) -> None:
    """A bug that quotes a patient is not repeated to the model."""

    def run(_clinic: Clinic, _arguments: Nothing, _now: datetime) -> Answer:
        raise LookupError("no such patient: Testa Plantedname")

    answer = invoke(tool(run), {}, clinic=clinic, now=now)
    assert (answer["outcome"], answer["error_type"]) == ("failed", "LookupError")
    assert "Planted" not in str(answer)


def test_a_refusal_without_alternatives_has_no_empty_list(clinic: Clinic, now: datetime) -> None:
    """The model is not told to choose from nothing."""

    def run(_clinic: Clinic, _arguments: Nothing, _now: datetime) -> Answer:
        raise Refusal("not_now", "come back later.")

    assert invoke(tool(run), {}, clinic=clinic, now=now) == {
        "outcome": "refused",
        "error_type": "not_now",
        "error_message": "come back later.",
    }


def test_invoke_error_of_a_provider_has_its_class_and_status(clinic: Clinic, now: datetime) -> None:
    """Class and status are those of what the tool met, also behind an error that was raised from it."""

    class LabError(Exception):
        status_code = 429

    def run(_clinic: Clinic, _arguments: Nothing, _now: datetime) -> Answer:
        raise RuntimeError("no results for Testa Plantedname") from LabError("Testa Plantedname")

    answer = invoke(tool(run), {}, clinic=clinic, now=now)
    assert (answer["outcome"], answer["error_type"], answer["error_status"]) == ("failed", "LabError", 429)
    assert "Testa" not in str(answer)


def test_a_clinic_whose_file_is_gone_is_a_failure(clinic: Clinic, now: datetime, tmp_path: Path) -> None:
    """The tables vanish under a running agent: the caller is offered a call back."""
    clinic.database.write(lambda session: session.connection().exec_driver_sql("DROP TABLE schedule"))
    answer = invoke(TOOLS[0], {}, clinic=clinic, now=now)
    assert (answer["outcome"], answer["error_type"]) == ("failed", "ClinicError")
    assert str(tmp_path) not in str(answer)
