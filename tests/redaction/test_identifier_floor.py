from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from raw_record import RawRecord

from medagent.errors import PolicyError
from medagent.redaction import REDACTED, Category, KnownValues, Policy, Redactor
from medagent.redaction.identifier_names import identifier_category
from medagent.redaction.loading import parse_policy
from medagent.redaction.policy import leaves, steps_of
from packaged import packaged_policy

NAMES = {
    Category.NAME: "patient_name full_name first_name surname caller_name guardian_name contact_name nickname",
    Category.PHONE: "phone phone_number mobile cell_phone telephone fax callback_number caller_id whatsapp home_phone",
    Category.EMAIL: "email e_mail email_address work_email",
    Category.DATE_OF_BIRTH: "dob date_of_birth birth_date birthday birth_year patient_dob",
    Category.MRN: "mrn medical_record_number chart_number",
    Category.ADDRESS: "address home_address street_address address_line_1 zip zip_code postcode postal_code city",
    Category.IDENTIFIER: "ssn social_security_number insurance_number member_id account_number license_number "
    "drivers_license passport passport_number ip_address mac_address device_id license_plate policy_number iban",
}
PAIRS = [(category, name) for category, names in NAMES.items() for name in names.split()]
SPELLINGS: list[Callable[[str], str]] = [
    str,
    str.upper,
    str.title,
    lambda name: name.replace("_", "-"),
    lambda name: name.replace("_", " "),
    lambda name: name.replace("_", "."),
    lambda name: name.replace("_", ""),
    lambda name: "".join(part.capitalize() for part in name.split("_")),
    lambda name: name[0] + "".join(part.capitalize() for part in name.split("_"))[1:],
    lambda name: f"{name}_2",
    lambda name: f"new_{name}",
    lambda name: f"{name[:2]}\u200b{name[2:]}",
    lambda name: "".join(chr(ord(c) + 0xFEE0) if c.isalnum() else c for c in name),
]
NOT_OF_A_PATIENT = """
doctor_name doctorName clinic_location clinic_phone clinic_address guideline_title title tool_name model_name
policy_name policy_version provider agent_name file_name drug_name holiday_name room_name location_name
confirmation_id doctor_email appointment_datetime from_date to_date duration_ms phone_verified phone_type has_phone
email_sent is_verified cell_count time_zone guideline_id source_date outcome name names notes symptoms query slots
kind model error_type session_id trace_id order_number index status tools id hours opens retention_days region
destinations method state text pharmacy_phone code
"""


@settings(max_examples=150, deadline=None)
@given(pair=st.sampled_from(PAIRS), spell=st.sampled_from(SPELLINGS))
def test_an_identifiers_name_is_known_in_any_spelling(pair: tuple[Category, str], spell: Callable[[str], str]) -> None:
    """Case, separators, camel case, a number behind it or an invisible sign change nothing about what a name means."""
    category, name = pair
    assert identifier_category(spell(name)) is category


@pytest.mark.parametrize("name", NOT_OF_A_PATIENT.split())
def test_a_name_of_something_else_is_no_identifier(name: str) -> None:
    """The clinic's own people, places and machines are not patients, and a flag about a value is not the value."""
    assert identifier_category(name) is None


@pytest.mark.parametrize(
    ("path", "category"),
    [
        ("arguments.name", Category.NAME),
        ("arguments.patient.name", Category.NAME),
        ("result.callers.first", Category.NAME),
        ("arguments.address.line1", Category.ADDRESS),
        ("arguments.phone.value", Category.PHONE),
        ("arguments.phone.type", None),
        ("arguments.patient.outcome", None),
        ("tools.name", None),
        ("policy.name", None),
        ("result.doctor.name", None),
        ("destinations.name", None),
    ],
)
def test_a_bare_name_is_read_by_what_it_stands_in(path: str, category: Category | None) -> None:
    """`name` is a person's within a person or a tool's arguments, and a part of an identifier is one."""
    *within, name = path.split(".")
    assert identifier_category(name, within=within) is category


def test_no_kept_field_of_the_packaged_policies_is_an_identifier_by_its_name() -> None:
    """What the packaged policies keep has no such name; every field that their authors call identifying stays."""
    for name in ("clinic", "safe-harbor"):
        for field, rule in packaged_policy(name).fields.items():
            if rule.safe_harbor in tuple("DEFGHIJKLMO") or field in ("patient_name", "dob", "address"):
                assert identifier_category(field) is not None, field


# ---- what is always learned ------------------------------------------------------------------------------------------

OPEN = """\
name: open
version: 1.0.0
fields:
  notes: {action: TRUNCATE, category: health_text, max: 50}
  dropped_phone: {action: DROP, category: machine}
  member_id: {action: KEEP, category: machine, shape: boolean, why: Says whether one was given.}
spans:
  tool.*: {arguments: fields}
"""
PLACES: list[Callable[[str, object], dict[str, object]]] = [
    lambda name, value: {"arguments": {name: value}},
    lambda name, value: {"result": {"rows": [{"x": {name: value}}]}},
    lambda name, value: {"arguments": {name: [value]}},
    lambda name, value: {"arguments": {name: {"value": value}}},
    lambda name, value: {"arguments": json.dumps({name: value})},
    lambda name, value: {"result": {"text": json.dumps(json.dumps({"a": [{name: value}]}))}},
]


@settings(max_examples=100, deadline=None)
@given(pair=st.sampled_from(PAIRS), spell=st.sampled_from(SPELLINGS[:10]), place=st.sampled_from(PLACES))
def test_a_value_under_an_identifiers_name_is_learned_under_any_policy(
    pair: tuple[Category, str], spell: Callable[[str], str], place: Callable[[str, object], dict[str, object]]
) -> None:
    """Named, dropped, kept or unknown to the policy, at any depth, in JSON too: the call knows it, by its category."""
    policy = parse_policy(OPEN, file="open.yaml")
    record = RawRecord(name="tool.x", fields=place(spell(pair[1]), "Quillon 19820314"))
    assert ("Quillon 19820314", pair[0]) in {(i.value, i.category) for i in Redactor(policy).identifiers(record)}


def test_what_the_floor_teaches_is_taken_out_of_a_text() -> None:
    """A policy that identifies nothing still keeps a name and a number out of a free text."""
    redactor, known = Redactor(parse_policy(OPEN, file="open.yaml")), KnownValues()
    told = {"patientName": "Grace Rose", "DOB": "1982-03-14", "notes": "grace rose of march 14 1982 has a cough"}
    record = RawRecord(name="tool.x", fields={"arguments": told})
    known.learn(redactor.identifiers(record))
    left = redactor.redact(record, known).fields
    assert left == {"arguments": {"notes": f"{REDACTED} of {REDACTED} has a cough"}}


def test_what_is_no_identifier_is_not_learned() -> None:
    """Counts, flags, placeholders, a sentence under `caller` and an object's other fields teach nothing."""
    fields = {
        "arguments": {"phone": 3, "email_sent": "yes", "dob": REDACTED, "patient": {"outcome": "booked"}, "mrn": "--"},
        "result": {"caller": "the one who rang up about an appointment", "phone_type": "mobile", "address": None},
        "categories": {"phone": 12345},
        "tools": [{"name": "book_appointment"}],
    }
    assert Redactor(parse_policy(OPEN, file="open.yaml")).identifiers(RawRecord(name="tool.x", fields=fields)) == []


# ---- what cannot be kept ---------------------------------------------------------------------------------------------

BROAD = [
    'action: KEEP, shape: {pattern: "[^<]+"}',
    'action: KEEP, shape: {pattern: "[0-9+ ]{4,15}"}',
    "action: KEEP, shape: {number: {min: 0, max: 9999999999}}",
    "action: KEEP, shape: {number: {min: 0, max: 1000}}",
    "action: KEEP, shape: date_or_datetime",
    "action: KEEP, shape: {moment: {days_before: 1, days_after: 2}}",
    "action: KEEP, shape: uuid",
    'action: KEEP, shape: {pattern: "[^<]+"}, unless_present: [mrn], then: REDACT',
    "action: TRUNCATE, max: 50",
    "action: BUCKET, bucket: year",
    "action: BUCKET, bucket: age",
]
NARROW = [
    "action: REDACT",
    "action: DROP",
    "action: PSEUDONYM",
    "action: KEEP, shape: {enum: [given, missing]}",
    "action: KEEP, shape: boolean",
    "action: KEEP, shape: {roster: doctors}",
    "action: KEEP, shape: {number: {min: 0, max: 999}}",
]


def policy_of(where: str, field: str, rule: str) -> str:
    why = ", why: Engineers like it." if "KEEP" in rule else ""
    written = f"{{{rule}, category: machine{why}}}"
    if where == "fields":
        return f"name: p\nversion: 1.0.0\nfields:\n  {field}: {written}\nspans: {{tool.*: {{arguments: fields}}}}\n"
    return f"name: p\nversion: 1.0.0\nfields: {{}}\nspans:\n  tool.x: {{'{where}{field}': {written}}}\n"


@settings(max_examples=100, deadline=None)
@given(
    pair=st.sampled_from(PAIRS),
    rule=st.sampled_from(BROAD),
    where=st.sampled_from(["fields", "arguments.", "result.rows[].", "arguments.address."]),
)
def test_an_identifier_cannot_be_kept_as_it_was_said(pair: tuple[Category, str], rule: str, where: str) -> None:
    """A pattern, a time, a long number, a free text or a bucket on such a name is refused with file, line and rule."""
    line = 4 if where == "fields" else 5
    with pytest.raises(
        PolicyError, match=rf"^p\.yaml:{line}: (fields|spans)\.\S*{pair[1]}: [A-Z]+ reveals a field .*expected REDACT"
    ):
        parse_policy(policy_of(where, pair[1], rule), file="p.yaml")


@settings(max_examples=80, deadline=None)
@given(pair=st.sampled_from(PAIRS), rule=st.sampled_from(NARROW), where=st.sampled_from(["fields", "arguments."]))
def test_an_identifier_can_be_taken_away_or_kept_as_a_flag(pair: tuple[Category, str], rule: str, where: str) -> None:
    """What reveals nothing loads; a field that means no identifier may be kept with a pattern."""
    parse_policy(policy_of(where, pair[1], rule), file="p.yaml")
    parse_policy(policy_of(where, "ticket", BROAD[0]), file="p.yaml")


def test_a_part_of_an_identifier_cannot_be_kept_either() -> None:
    """A rule by name is refused in the object where it would keep a part of an address, and names that place."""
    text = (
        "name: p\nversion: 1.0.0\nfields:\n"
        "  line: {action: KEEP, category: machine, why: x, shape: {pattern: '[a-z ]+'}}\n"
        "spans:\n  tool.x: {arguments.home_address: fields}\n"
    )
    with pytest.raises(
        PolicyError, match=r"^p\.yaml:4: fields\.line: KEEP .* at tool\.x\.arguments\.home_address\.line, exp"
    ):
        parse_policy(text, file="p.yaml")


def test_all_breaches_of_a_policy_are_named_at_once() -> None:
    """Each field that reveals an identifier is one problem of the error, beside every other mistake of the file."""
    text = (
        "name: p\nversion: one\nfields:\n"
        "  phone: {action: KEEP, category: machine, why: x, shape: {pattern: '.+'}}\n"
        "  dob: {action: BUCKET, category: machine, bucket: year}\n"
        "  notes: {action: TRUNCATE, category: health, max: 500}\n"
        "spans:\n  tool.*: {arguments: fields}\n  tool.x: {result.ok: {acton: KEEP}}\n"
        "queued_when_off: keep\n"
    )
    with pytest.raises(PolicyError) as caught:
        parse_policy(text, file="p.yaml")
    places = [re.sub(r"^(p\.yaml:\d+: [^:]+): .*", r"\1", problem) for problem in caught.value.problems]
    assert places == [
        "p.yaml:2: version",
        "p.yaml:4: fields.phone.shape",
        "p.yaml:5: fields.dob",
        "p.yaml:6: fields.notes.category",
        "p.yaml:6: fields.notes",
        "p.yaml:9: spans.tool.x.result.ok",
        "p.yaml:10: queued_when_off",
        "p.yaml:9: spans.tool.x.result.ok",
        "p.yaml:9: spans.tool.x.result.ok",
    ]


def declared(policy: Policy) -> set[tuple[str, ...]]:
    return {
        tuple(step for step in steps_of(leaf.path) if step != "[]")
        for tree in policy.spans.values()
        for leaf in leaves(tree)
    }


def test_a_machines_own_fields_teach_nothing() -> None:
    """No field that a span of the machine keeps would be learned as an identifier, whatever is in it."""
    policy = packaged_policy()
    for path in declared(policy):
        rule = policy.fields.get(path[-1])
        if rule is None and path[0] not in ("arguments", "room_id", "categories"):
            assert identifier_category(path[-1], within=path[:-1]) is None, path
