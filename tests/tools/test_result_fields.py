import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from medagent.clinic import Clinic
from medagent.redaction.policy import Leaf, ListNode, Node, ObjectNode
from medagent.tools import TOOLS, Tool, invoke
from packaged import packaged_policy

BY_NAME = {tool.name: tool for tool in TOOLS}
ALL = pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
PERSON = {"patient_name": "Testa Plantedname", "phone": "312 555 0142", "dob": "1980-01-31"}
BOOKING = {**PERSON, "doctor_name": "Okafor", "appointment_datetime": "2026-11-24T10:00"}
OTHER = {**BOOKING, "patient_name": "Testo Other"}
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("check_availability", {}),
    ("check_availability", {"appointment_datetime": "2026-11-24T10:00"}),
    ("check_availability", {"doctor_name": "nobody"}),
    ("check_availability", {"appointment_datetime": "2026-11-26T10:00"}),
    ("book_appointment", BOOKING),
    ("book_appointment", OTHER),
    ("book_appointment", {}),
    ("reschedule_appointment", {**PERSON, "new_appointment_datetime": "2026-11-24T11:00"}),
    ("reschedule_appointment", {**PERSON, "new_appointment_datetime": "2026-11-26T11:00"}),
    ("reschedule_appointment", {"dob": "1999-09-09", "new_appointment_datetime": "2026-11-24T11:00"}),
    ("reschedule_appointment", {**PERSON, "new_appointment_datetime": "2026-11-24T11:00", "doctor_name": "nobody"}),
    ("cancel_appointment", {**PERSON, "appointment_datetime": "2026-11-24T16:00"}),
    ("cancel_appointment", PERSON),
    ("cancel_appointment", {"dob": "1999-09-09"}),
    ("get_opening_hours", {}),
    ("get_opening_hours", {"doctor_name": "Okafor", "date": "2026-11-24"}),
    ("get_opening_hours", {"date": "2026-11-26"}),
    ("get_opening_hours", {"clinic_location": "Lakeside"}),
    ("get_medical_guidelines", {"query": "back pain"}),
    ("get_medical_guidelines", {"query": "chest pain"}),
    ("get_medical_guidelines", {"query": "parking"}),
    ("get_medical_guidelines", {}),
]


def paths(value: object, path: str = "") -> Iterator[str]:
    """The paths of a JSON value's leaves, as a tool declares them."""
    match value:
        case dict():
            for key, inner in value.items():
                yield from paths(inner, f"{path}.{key}" if path else key)
        case list():
            for inner in value:
                yield from paths(inner, f"{path}[]")
        case _:
            yield path


def test_every_answer_holds_only_what_its_tool_declares(clinic: Clinic, now: datetime) -> None:
    """All tools, played through with and without success: no leaf that is not declared, and both kinds were seen."""
    seen: dict[str, set[str]] = {}
    for name, arguments in CALLS:
        answer = invoke(BY_NAME[name], arguments, clinic=clinic, now=now)
        seen.setdefault(name, set()).add(answer["outcome"])
        assert set(paths(answer)) <= set(BY_NAME[name].result_fields), name
    assert seen == {tool.name: {"ok", "refused"} for tool in TOOLS}


def test_what_is_declared_does_come_but_for_what_no_call_above_asks(clinic: Clinic, now: datetime) -> None:
    """A declaration is no wish list: of every tool's own fields each was in an answer."""
    held: dict[str, set[str]] = {}
    for name, arguments in CALLS:
        held.setdefault(name, set()).update(paths(invoke(BY_NAME[name], arguments, clinic=clinic, now=now)))
    missing = {
        f"{tool.name}: {field}"
        for tool in TOOLS
        for field in set(tool.result_fields) - held[tool.name]
        if not field.startswith("alternatives[]")
    }
    of_faults = {f"{tool.name}: error_status" for tool in TOOLS}  # see test_interface
    assert missing - of_faults == {"get_opening_hours: holidays[].clinic_location"}  # a place's own, see test_opening


@ALL
def test_a_declared_path_is_one(tool: Tool[Any]) -> None:
    """Dotted names with `[]` for a list's item, each once."""
    assert len(set(tool.result_fields)) == len(tool.result_fields)
    assert all(re.fullmatch(r"[a-z_]+(\[\])?(\.[a-z_]+(\[\])?)*", field) for field in tool.result_fields)


def ruled(node: Node, path: str) -> bool:
    """Whether a rule stands at a path of a policy's tree, or above it."""
    for step in (step for part in path.split(".") for step in re.findall(r"\w+|\[\]", part)):
        match node:
            case Leaf():
                return True
            case ObjectNode() if step in node.children:
                node = node.children[step]
            case ListNode() if step == "[]":
                node = node.item
            case _:
                return False
    return isinstance(node, Leaf)


@ALL
def test_the_policy_has_a_rule_for_everything_that_goes_in_and_comes_out(tool: Tool[Any]) -> None:
    """Every argument and every declared field of an answer: what nobody named would be dropped unseen."""
    tree = packaged_policy().tree(f"tool.{tool.name}")
    fields = [f"arguments.{name}" for name in tool.arguments.model_fields]
    fields += [f"result.{field}" for field in tool.result_fields]
    assert [field for field in fields if not ruled(tree, field)] == []


def test_an_entrys_id_and_date_have_the_shape_that_the_policy_keeps() -> None:
    """All entries of the collection: none would leave as a redaction, and none of their texts leaves at all."""
    from medagent.clinic.guidelines.collection import collection

    policy = packaged_policy()
    rules = {
        field: policy.rule_for("tool.get_medical_guidelines", ("result", "guidelines", 0, field))
        for field in ("guideline_id", "source_date", "title", "text", "source")
    }
    for entry in collection():
        for field, value in (("guideline_id", entry.guideline_id), ("source_date", entry.source_date.isoformat())):
            rule = rules[field]
            assert rule is not None
            assert rule.shape is not None
            assert rule.shape.fits(value, {"guideline_ids": [each.guideline_id for each in collection()]})
    assert {str(rule.action) for field in ("title", "text", "source") if (rule := rules[field])} == {"DROP"}
