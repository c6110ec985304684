"""Closed lists: what a trace may name of errors, zones, hours and guidelines, and how a policy adds members."""

from __future__ import annotations

import re
import subprocess
import sys
import zoneinfo
from pathlib import Path

import pytest
from small_policy import in_files

from medagent.clinic.guidelines.collection import collection
from medagent.errors import PolicyError
from medagent.redaction import REDACTED
from medagent.redaction.lists import error_types, time_zones
from medagent.redaction.loading import parse_policy
from medagent.redaction.policy import Policy
from medagent.redaction.trial import treat
from medagent.tools import TOOLS
from packaged import packaged_policy

ROOT = Path(__file__).parents[2]
KIND = "{action: KEEP, category: machine, shape: %s, why: A member.}"


def policy_of(shape: str, lists: str = "") -> Policy:
    return parse_policy(
        f"name: small\nversion: 0.1.0\n{lists}fields: {{}}\nspans:\n  tool.*:\n    kind: {KIND % shape}\n",
        file="small.yaml",
    )


def left(policy: Policy, value: str, **rosters: list[str]) -> object:
    return treat(policy, "tool.x", {"kind": value}, rosters=rosters).fields["kind"]


@pytest.mark.timing
def test_error_types_every_installed_class_is_on_the_list() -> None:
    """A class of the standard library, LiveKit, OpenAI, aiohttp or of ours is named as it is."""
    check = [sys.executable, "-m", "scripts.build_error_types", "--check"]  # a process that has loaded nothing else
    ran = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert (ran.returncode, ran.stdout) == (0, "")
    assert {"APIStatusError", "APIConnectionError", "APITimeoutError", "ClientConnectorDNSError"} <= error_types()
    assert {"gaierror", "RateLimitError", "WSServerHandshakeError", "ToolError", "OutboxError"} <= error_types()


def test_error_types_codes_of_the_clinic_stand_in_its_policy() -> None:
    """Every code of a refusal, and every argument's own, is kept by the clinic's policy."""
    rooms = [ROOT / "src/medagent" / room for room in ("clinic", "tools")]
    source = "\n".join(file.read_text("utf-8") for room in rooms for file in room.rglob("*.py"))
    codes = set(re.findall(r'Refusal\(\s*f?"([a-z_]+)"', source)) | set(re.findall(r'return "([a-z_]+)", ', source))
    codes |= {f"invalid_{name}" for tool in TOOLS for name in tool.arguments.model_fields}
    codes |= {f"{how}_{kind}" for how in ("unknown", "ambiguous") for kind in ("doctor", "location")}
    assert {"slot_taken", "not_verified", "off_grid", "missing_field"} <= codes
    for code in codes | {"ClinicError"}:
        fields = {"result": {"error_type": code}}
        assert treat(packaged_policy(), "tool.book_appointment", fields).fields == fields


@pytest.mark.parametrize("value", ["barker_not_found", "TessNotFoundError", "tess_barker", "NotAnErrorOfOurs"])
def test_error_type_on_no_list_is_redacted(value: str) -> None:
    """Whether the call knows a part of it or not."""
    assert left(policy_of("{list: error_types}"), value) == REDACTED


def test_error_type_an_application_adds_its_own(tmp_path: Path) -> None:
    """A policy that extends another adds members to its lists; those of the base stay."""
    own = "name: own\nversion: 0.1.0\nextends: base\nlists: {error_types: [LabDownError]}\n"
    rule = KIND % "{list: error_types}"
    head = "name: base\nversion: 0.1.0\nlists: {error_types: [base_code]}\nfields: {}\n"
    base = f"{head}spans:\n  tool.*:\n    kind: {rule}\n"
    policy = in_files(tmp_path, own=own, base=base)
    for value in ("LabDownError", "base_code", "TimeoutError"):
        assert left(policy, value) == value
    assert left(policy, "OtherDownError") == REDACTED


def test_time_zones_are_those_of_tzdata() -> None:
    """Every zone is kept, a name in the form of one is not."""
    policy = policy_of("{list: time_zones}")
    assert time_zones() == zoneinfo.available_timezones()
    assert left(policy, "America/Argentina/Buenos_Aires") == "America/Argentina/Buenos_Aires"
    assert left(policy, "America/Tess_Barker") == REDACTED


def test_list_given_by_the_application() -> None:
    """Its members are kept only where the application gave them."""
    policy = policy_of("{list: branches}", "lists: {branches: given}\n")
    assert left(policy, "north", branches=["north"]) == "north"
    assert left(policy, "north") == REDACTED


def test_guideline_ids_are_those_of_the_collection() -> None:
    """Every entry's id is kept once the clinic has given its collection."""
    for entry in collection():
        fields = {"result": {"guidelines": [{"guideline_id": entry.guideline_id}]}}
        given = {"guideline_ids": [each.guideline_id for each in collection()]}
        assert treat(packaged_policy(), "tool.get_medical_guidelines", fields, rosters=given).fields == fields


@pytest.mark.parametrize(
    ("shape", "lists", "problem"),
    [
        ("{list: error_typs}", "", "did you mean 'error_types'"),
        ("{list: branches}", "", "unknown word, expected one of error_types"),
        ("{list: error_types}", "lists: {error_types: given}\n", "lists.error_types"),
        ("{list: branches}", "lists: {branches: []}\n", "the list is empty"),
    ],
)
def test_list_that_is_not_declared_is_an_error(shape: str, lists: str, problem: str) -> None:
    """The error names the file, the line and what was probably meant."""
    with pytest.raises(PolicyError) as caught:
        policy_of(shape, lists)
    assert problem in str(caught.value)


def test_setting_in_a_tool_is_an_error() -> None:
    """What a model or a tool writes is no setting of the operator's."""
    rule = KIND % '{setting: "[a-z]+"}'
    text = f"name: small\nversion: 0.1.0\nfields: {{}}\nspans:\n  tool.x:\n    result.kind: {rule}\n"
    with pytest.raises(PolicyError, match="a model or a tool writes this value"):
        parse_policy(text, file="small.yaml")
