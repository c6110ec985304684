"""Parts of known values inside kept ones: the redactor takes them out, and admission alone refuses them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medagent.errors import DoorError
from medagent.proof import PseudonymKey
from medagent.redaction import REDACTED, Category, Identifier, KnownValues, Redactor
from medagent.redaction.loading import parse_policy
from medagent.telemetry.door.admission import Admission
from medagent.telemetry.span import SafeSpan, SpanKind

POLICY = parse_policy(
    """\
name: parts
version: 0.1.0
fields:
  patient_name: {action: REDACT, category: name, safe_harbor: A}
  staff: {action: KEEP, category: staff, shape: {roster: doctors}, why: Staff is public.}
  day:
    action: KEEP
    category: appointment
    shape: {moment: {days_before: 1, days_after: 730, or_date: true}}
    why: A slot.
  total: {action: KEEP, category: measurement, shape: {number: {min: 0, max: 99999999}}, why: A count.}
spans:
  tool.*:
    arguments: fields
    result.code: {action: KEEP, category: machine, shape: {pattern: "[A-Za-z0-9_. -]{1,40}"}, why: A code.}
  voice_session:
    model: {action: KEEP, category: machine, shape: {setting: "[a-z0-9.-]{1,40}"}, why: A model.}
""",
    file="parts.yaml",
)
DOCTORS = {"doctors": ["Dr. Amara Okafor", "Dr. Zoë Brandt-Day"]}
REDACTOR = Redactor(POLICY, keys=PseudonymKey(secret=b"k" * 32), rosters=DOCTORS)
NAME, BORN, PHONE = Category.NAME, Category.DATE_OF_BIRTH, Category.PHONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Raw:
    name: str
    fields: Mapping[str, object] = field(repr=False)


def knowing(*values: tuple[Category, str]) -> KnownValues:
    known = KnownValues()
    known.learn(Identifier(category=category, value=value) for category, value in values)
    return known


def code_left(code: str, known: KnownValues) -> object:
    left = REDACTOR.redact(Raw(name="tool.x", fields={"result": {"code": code}}), known).fields["result"]
    assert isinstance(left, Mapping)
    return left["code"]


def left(name: str, value: object, known: KnownValues, *, at_us: int | None = None) -> object:
    arguments = REDACTOR.redact(Raw(name="tool.x", fields={"arguments": {name: value}}), known, at_us=at_us).fields[
        "arguments"
    ]
    assert isinstance(arguments, Mapping)
    return arguments[name]


def admit(fields: Mapping[str, object], known: KnownValues, *, name: str = "tool.x") -> None:
    span = SafeSpan(
        trace_id=str(uuid.UUID(int=7)),
        span_id=str(uuid.UUID(int=8)),
        ancestors=(),
        name=name,
        kind=SpanKind.TOOL,
        start_us=0,
        end_us=1,
        status="ok",
        env="dev",
        policy_digest=POLICY.digest,
        fields=dict(fields),  # type: ignore[arg-type]
    )
    Admission(POLICY, lists=DOCTORS).admit(span, tuple((str(category), value) for category, value in known))


def refused(fields: Mapping[str, object], known: KnownValues) -> bool:
    try:
        admit(fields, known)
    except DoorError:
        return True
    return False


# ---- what a part is --------------------------------------------------------------------------------------------------

PARTS = [
    (BORN, "1982-03-14", "LC-820314"),
    (BORN, "March 14th, 1982", "LC-031482"),
    (BORN, "1982-03-14", "x14031982"),
    (BORN, "1982-03-14", "19821403"),
    (BORN, "1982-03-14", "A0314B"),
    (BORN, "1982-03-14", "3141982"),
    (PHONE, "+1 415 555 0137", "LC-550137"),
    (PHONE, "+1 415 555 0137", "55.01.37"),
    (Category.MRN, "441902", "AB4419C"),
    (Category.IDENTIFIER, "078-05-1120", "LC-051120"),
    (Category.ADDRESS, "12 Elm St, Springfield 62704", "Z62704"),
    (NAME, "Tess Barker", "TessNotFoundError"),
    (NAME, "Tess Barker", "LC-BARKER"),
    (NAME, "Tess Barker", "tess_barker"),
    (NAME, "Tess Barker", "LC-BARK7Q"),
    (NAME, "Zoë Müller", "mullernotfound"),
    (NAME, "Søren Ødegård", "Odegard-x"),
    (NAME, "Max Li", "code-max-7"),
]


@pytest.mark.parametrize(("category", "value", "code"), PARTS)
def test_redactor_part_in_a_kept_pattern_is_redacted(category: Category, value: str, code: str) -> None:
    """Four digits in a row of a number or a date in any order, three letters of a name, also inside a word."""
    assert code_left(code, knowing((category, value))) == REDACTED
    assert code_left(code, knowing((PHONE, "+44 20 7946 0958"))) == code


@pytest.mark.parametrize(
    ("category", "value", "code"), [each for each in PARTS if each[0] is not Category.ADDRESS and "Ø" not in each[1]]
)
def test_admission_alone_part_in_a_kept_pattern_is_refused(category: Category, value: str, code: str) -> None:
    """Whatever the redactor lets through, a part does not get in."""
    assert refused({"result": {"code": code}}, knowing((category, value)))


@st.composite
def people(draw: st.DrawFn) -> list[tuple[Category, str]]:
    letters = st.text("abcdefghjkmnoprstuvwxyzäéø", min_size=3, max_size=9)
    name = f"{draw(letters).title()} {draw(letters).title()}"
    born = draw(st.dates(date(1925, 1, 1), date(2024, 12, 31)))
    digits = st.text("0123456789", min_size=4, max_size=7)
    phone = f"+1 {draw(st.integers(200, 999))} 555 01{draw(st.integers(10, 99))}"
    return [(NAME, name), (BORN, born.isoformat()), (PHONE, phone), (Category.MRN, draw(digits))]


def pieces(person: list[tuple[Category, str]]) -> Iterator[str]:
    """Every four digits in a row and every three letters of a name, and a day and a month in both orders."""
    for category, value in person:
        bare = re.sub(r"[^a-z0-9]", "", value.lower())
        size = 3 if category is NAME else 4
        words = re.findall(r"[a-z]{3,}", value.lower()) if category is NAME else [bare]
        yield from (word[at : at + size] for word in words for at in range(len(word) - size + 1))
        if category is BORN:
            yield from (value[5:7] + value[8:], value[8:] + value[5:7], value[2:4] + value[5:7], value[8:] + value[2:4])


@given(person=people(), data=st.data())
def test_redactor_and_admission_no_part_survives_either_alone(
    person: list[tuple[Category, str]], data: st.DataObject
) -> None:
    """For any person, a kept code around any part of what is known leaves neither the redactor nor admission."""
    known = knowing(*person)
    part = data.draw(st.sampled_from(sorted(set(pieces(person)))))
    before, after = (data.draw(st.text("XQ-_ ", max_size=4)) for _ in range(2))
    code = f"{before}{data.draw(st.sampled_from([part, part.upper(), part.title()]))}{after}"
    assert code_left(code, known) == REDACTED
    assert refused({"result": {"code": code}}, known)


@given(
    person=people(),
    code=st.text("ABCDEFGHJKMNPQRSTVWXYZ0123456789_- ", min_size=1, max_size=20).filter(str.strip),
    doctor=st.sampled_from(DOCTORS["doctors"]),
    total=st.integers(0, 99_999_999) | st.floats(0, 99_999_999),
)
def test_admission_what_the_redactor_keeps_is_admitted(
    person: list[tuple[Category, str]], code: str, doctor: str, total: float
) -> None:
    """The redactor is at least as strict as admission: a clean call does not trip the switch."""
    known = knowing(*person)
    raw = Raw(name="tool.x", fields={"arguments": {"staff": doctor, "total": total}, "result": {"code": code}})
    admit(REDACTOR.redact(raw, known).fields, known)


# ---- what is compared whole ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("caller", "doctor", "kept"),
    [
        ("Ngozi Okafor", "Dr. Amara Okafor", True),
        ("Okafor", "Dr. Amara Okafor", True),
        ("Amara Okafor", "Dr. Amara Okafor", False),
        ("OKAFOR, AMARA", "Dr. Amara Okafor", False),
        ("Mrs. Amara N. Okafor", "Dr. Amara Okafor", False),
        ("zoe brandt day", "Dr. Zoë Brandt-Day", False),
        ("Zoë Brandt", "Dr. Zoë Brandt-Day", True),
    ],
)
def test_redactor_doctor_is_compared_as_a_whole_name(caller: str, doctor: str, kept: bool) -> None:
    """A patient who shares a doctor's surname does not hide the doctor; one who has the whole name does."""
    known = knowing((NAME, caller))
    assert (left("staff", doctor, known) == doctor) is kept
    assert refused({"arguments": {"staff": doctor}}, known) is not kept


def test_admission_member_of_no_list_is_refused() -> None:
    """A name that is not on the roster does not get in, known or not."""
    assert refused({"arguments": {"staff": "Dr. Nobody Knows"}}, KnownValues())


AT_US = 1_772_000_000_000_000


@pytest.mark.parametrize("value", ["+1 415 555 2026", "2026", "20260301"])
def test_redactor_number_that_ends_in_a_year_hides_no_date(value: str) -> None:
    """A phone or an extension that ends in 2026 must not hide every date of 2026."""
    known = knowing((PHONE, value), (BORN, "1982-03-14"))
    assert left("day", "2026-03-01", known, at_us=AT_US) == "2026-03-01"
    admit({"arguments": {"day": "2026-03-01"}}, known)


def test_redactor_known_day_is_redacted_as_a_whole_date() -> None:
    """The very day of a birth does not leave as a slot; the same day of another year does."""
    known = knowing((BORN, "March 1st, 2026"))
    assert left("day", "2026-03-01T09:30:00", known, at_us=AT_US) == REDACTED
    assert left("day", "2026-03-02", known, at_us=AT_US) == "2026-03-02"
    assert refused({"arguments": {"day": "2026-03-01"}}, known)


@pytest.mark.parametrize(
    ("value", "total", "kept"),
    [
        ("3", 3, True),
        ("2026", 2026, True),
        ("441902", 441902, False),
        ("+1 415 555 0137", 5550137, False),
        ("+1 415 555 0137", 137, True),
        ("+1 415 555 0137", 41.0137, True),
    ],
)
def test_redactor_counts_are_compared_whole(value: str, total: float, kept: bool) -> None:
    """A count is hidden only where it is a whole known number of five digits, or seven digits at its end."""
    known = knowing((Category.MRN, value))
    assert (left("total", total, known) == total) is kept
    assert refused({"arguments": {"total": total}}, known) is not kept


@pytest.mark.parametrize(
    ("known", "model", "kept"),
    [
        ((NAME, "Tim Day"), "gpt-realtime", True),
        ((NAME, "Nova Reed"), "nova-3", True),
        ((PHONE, "+1 415 555 2024"), "gpt-4o-2024-12-17", True),
        ((NAME, "Tess Barker"), "gpt-tess-barker", False),
        ((BORN, "2024-12-17"), "gpt-4o-2024-12-17", False),
    ],
)
def test_redactor_setting_is_compared_whole(known: tuple[Category, str], model: str, kept: bool) -> None:
    """The caller Tim does not hide gpt-realtime; a whole known value in a setting is redacted."""
    values = knowing(known)
    fields = REDACTOR.redact(Raw(name="voice_session", fields={"model": model}), values).fields
    assert (fields["model"] == model) is kept
    admit(fields, values, name="voice_session")
