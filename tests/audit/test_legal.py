"""The legal status follows from policy and destinations; contracts are read from a file and must be complete."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.audits import audit
from audit.report_parts import LEGAL, processor
from medagent.attestation.legal import LOCAL, VOICE_PATH, incomplete_processors
from medagent.attestation.report import Destination, Report
from medagent.audit import assembly
from medagent.audit.legal import legal_status, load_processors
from medagent.audit.render import html
from medagent.errors import AuditError
from medagent.redaction.loading import find_policy, load_policy
from medagent.redaction.policy import Policy

DAY = date(2026, 11, 29)
ENTRY: dict[str, Any] = {
    "service": "a service",
    "receives": "spans",
    "baa": {"reference": "contract 17", "date": "2026-03-02"},
    "region": "us",
    "retention": "14 days",
    "sub_processors": [],
}
REMOTE = ("langsmith", "otlp", "langfuse", "jsonlog", "slack", "pagerduty")
_FIELDS = ("service", "receives", "baa", "region", "retention", "sub_processors")


def destination(name: str, delay: int = 0) -> Destination:
    return Destination(name=name, host="h", project=None, region="us", retention_days=14, release_delay_days=delay)


def packaged(name: str) -> Policy:
    return load_policy(find_policy(name))


def processors(path: Path, entries: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"name": "ours", "version": "1.0.0", "processors": entries}))
    return path


def test_status_of_the_clinic_policy_is_phi_by_its_kept_fields() -> None:
    found = legal_status(packaged("clinic"), [destination("langsmith")])
    forms = {one.field: one.form for one in found.sent}
    assert (found.status, found.exact_time, found.arrival_shows_day) == ("phi", True, False)
    assert forms["appointment_datetime"].startswith("exact date and time")
    assert forms["doctor_name"].startswith("exact name")
    assert forms["participant_id"] == "keyed pseudonym derived from the value"
    assert not {"phone", "dob", "age", "patient_name", "notes"} & forms.keys()
    assert {"reason_for_visit", "notes", "error_message"} <= set(found.free_text)
    assert found.free_text_max == 50


@pytest.mark.parametrize(("delay", "status"), [(0, "phi"), (3, "safe_harbor_fields")])
def test_status_of_safe_harbor_depends_on_the_day_of_arrival(delay: int, status: str) -> None:
    found = legal_status(packaged("safe-harbor"), [destination("archive"), destination("otlp", delay)])
    assert (found.status, found.sent, found.arrival_shows_day) == (status, (), delay == 0)
    assert found.free_text


def test_matrix_states_the_form_of_each_field_and_the_free_texts() -> None:
    rows = {row.letter: row for row in assembly.matrix_rows(packaged("clinic"), (), audit().report.scan)}
    assert len(rows) == 18
    for row in rows.values():
        assert len(row.forms) == len(row.fields)
        assert bool(row.free_text) == (row.letter not in "PQ")
    phone = dict(zip(rows["D"].fields, rows["D"].forms, strict=True))
    assert phone["phone"] == "not sent, replaced by a mark"
    assert phone["participant_id"] == "keyed pseudonym derived from the value"


def test_packaged_processors_name_each_destination_and_record_no_contract() -> None:
    listed, _ = load_processors()
    assert set(listed) == {*VOICE_PATH, *REMOTE, "time_stamp_server"}
    assert all({"baa.reference", "baa.date", "region", "retention"} <= set(one.lacking(DAY)) for one in listed.values())


def test_processors_in_use_are_the_voice_path_the_destinations_and_what_the_clinic_added(tmp_path: Path) -> None:
    file = processors(tmp_path / "p.yaml", {**dict.fromkeys((*VOICE_PATH, *REMOTE, "deepgram"), ENTRY)})
    found = legal_status(packaged("clinic"), [destination("archive"), destination("otlp")], file)
    assert [one.name for one in found.processors] == [*VOICE_PATH, "otlp", "deepgram"]
    assert [*incomplete_processors(found, ("archive", "otlp"), DAY)] == []


def test_a_destination_without_an_entry_is_named(tmp_path: Path) -> None:
    file = processors(tmp_path / "p.yaml", dict.fromkeys(VOICE_PATH, ENTRY))
    found = legal_status(packaged("clinic"), [destination("slack")], file)
    assert any("slack lacks" in one for one in incomplete_processors(found, ("slack",), DAY))
    assert next(iter(incomplete_processors(found, ("slack", "otlp"), DAY))) == "processors.yaml: otlp has no entry"


@given(
    name=st.sampled_from((*VOICE_PATH, *REMOTE)),
    field=st.sampled_from(_FIELDS),
    how=st.sampled_from(["", "gone", " TODO ", "tbd."]),
)
def test_an_entry_with_any_field_missing_is_incomplete(name: str, field: str, how: str) -> None:
    changes: dict[str, Any] = {"sub_processors": None if how == "gone" else (how,)}
    if field == "baa":
        changes = {"baa_reference": None if how == "gone" else how}
    elif field != "sub_processors":
        changes = {field: None if how == "gone" else how}
    made = processor(name, **changes)
    assert len(made.lacking(DAY)) == 1
    assert processor(name).lacking(DAY) == ()


@pytest.mark.parametrize(
    ("changes", "lacks"),
    [
        ({"baa_date": None}, ("baa.date",)),
        ({"baa_date": date(2027, 1, 1)}, ("a baa.date that is not in the future",)),
        ({"baa_reference": None, "baa_date": None}, ("baa.reference", "baa.date")),
        ({"baa_reference": None, "baa_date": None, "baa_not_needed": "our own collector, in our own network"}, ()),
        ({"baa_reference": None, "baa_date": None, "baa_not_needed": "n/a"}, ("baa.reference", "baa.date")),
        ({"sub_processors": ()}, ()),
    ],
)
def test_a_contract_has_a_reference_and_a_date_or_a_reason(changes: dict[str, Any], lacks: tuple[str, ...]) -> None:
    assert processor("otlp", **changes).lacking(DAY) == lacks


def test_only_the_voice_path_may_be_said_to_be_unused() -> None:
    unused = {"not_used": "our agent runs no telephone line", "baa_reference": None, "region": None}
    assert processor("sip_carrier", **unused).lacking(DAY) == ()
    assert processor("langsmith", **unused).lacking(DAY) == ("region", "baa.reference")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: p\nversion: 1.0.0\nprocessors:\n  otlp:\n    regoin: us\n", "p.yaml:5: processors.otlp.regoin"),
        (
            "name: p\nversion: 1.0.0\nprocessors:\n  otlp:\n    baa: {date: soon}\n",
            "p.yaml:5: processors.otlp.baa.date",
        ),
        ("name: p\nversion: 1.0.0\n", "processors: Field required"),
    ],
)
def test_a_file_that_is_not_of_its_form_is_named_by_line_and_key(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(AuditError) as caught:
        load_processors(tmp_path / "p.yaml")
    assert says in str(caught.value)


def prod(report: Report, legal: object) -> Report:
    run = report.run.model_copy(update={"env": "prod"})
    system = report.system.model_copy(update={"policy_reviewed_by": ("Ines Calder",)})
    return report.model_copy(update={"run": run, "system": system, "legal": legal})


@pytest.mark.parametrize("name", [one.name for one in LEGAL.processors])
def test_a_go_in_prod_needs_an_entry_for_each_processor(name: str) -> None:
    whole = audit(lambda report: prod(report, LEGAL)).complete().verified().signed
    assert (whole.conclusion, whole.why) == ("GO", ())
    less = LEGAL.model_copy(update={"processors": tuple(one for one in LEGAL.processors if one.name != name)})
    found = audit(lambda report: prod(report, less)).complete().verified().signed
    assert (found.conclusion, found.why) == ("NO-GO", (f"processors.yaml: {name} has no entry",))


def test_a_go_in_prod_needs_the_legal_status() -> None:
    found = audit(lambda report: prod(report, None)).complete().verified().signed
    assert found.why == ("the report does not state the legal status of what is sent",)
    assert audit(lambda report: report.model_copy(update={"legal": None})).complete().verified().signed.why == ()


def test_a_destination_in_use_cannot_be_said_to_be_unused() -> None:
    unused = tuple(
        one.model_copy(update={"not_used": "nothing is sent"}) if one.name == "otlp" else one
        for one in LEGAL.processors
    )
    found = [*incomplete_processors(LEGAL.model_copy(update={"processors": unused}), ("otlp", *LOCAL), DAY)]
    assert found == ["processors.yaml: otlp is in use, and its entry says not_used"]


def test_page_one_states_status_free_text_and_contracts() -> None:
    made = audit()
    page = html(made.report, made.verified().signed)
    first = page[: page.index("<nav")]
    for said in (
        "what is sent is still PHI under 45 CFR 164.514",
        "slot (appointment_datetime)",
        "doctor (doctor_name)",
        "pseudonym of a phone (participant_id)",
        "exact time of the call",
        "Safe Harbor is not claimed for it",
        "needed under 164.504(e) with Azure OpenAI, LiveKit, SIP carrier, LangSmith, OTLP collector",
    ):
        assert said in first
