from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from medagent.clinic import Clinic
from medagent.tools import TOOLS, Tool, invoke

PATIENT = {"patient_name": "Testa Plantedname", "phone": "(312) 555-0142", "dob": "1980-01-31"}
GOOD = {**PATIENT, "appointment_datetime": "2026-11-24T10:00", "doctor_name": "Dr. Okafor"}


def paths(path: str, value: Any) -> Iterator[str]:
    match value:
        case dict():
            for key, item in value.items():
                yield from paths(f"{path}.{key}", item)
        case list():
            for item in value:
                yield from paths(f"{path}[]", item)
        case _:
            yield path


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: str(tool.name))
@pytest.mark.parametrize("arguments", [GOOD, {}, {"appointment_datetime": "2026-11-24T10:00"}, {"doctor_name": "Who"}])
def test_an_answer_has_no_field_that_its_tool_does_not_declare(
    tool: Tool[Any], arguments: dict[str, str], clinic: Clinic, now: datetime
) -> None:
    """What a tool answers is among the fields that it declares, so that a policy can be checked without a call."""
    assert tool.result_fields
    accepted = {name: value for name, value in arguments.items() if name in tool.arguments.model_fields}
    answer = invoke(tool, accepted, clinic=clinic, now=now)
    told = {"result.alternatives" if "alternatives" in path else path for path in paths("result", answer)}
    assert told <= set(tool.field_paths)


def test_a_declared_field_is_an_argument_or_of_the_answer() -> None:
    """The declared paths are those of the arguments' model and of the result, each once."""
    for tool in TOOLS:
        assert len(set(tool.field_paths)) == len(tool.field_paths)
        assert {p.removeprefix("arguments.") for p in tool.field_paths if p.startswith("arguments.")} == set(
            tool.arguments.model_fields
        )
