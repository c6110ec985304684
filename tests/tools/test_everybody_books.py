"""Booking and cancelling by everybody who phones, through the tools."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import phonenumbers
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from medagent.clinic import Clinic, seed_demo
from medagent.clinic.schema import AppointmentRow, AttemptRow, LocationRow, PatientRow, RepresentativeRow
from medagent.tools import TOOLS, invoke
from name_spellings import ANY_SCRIPT, IN_LATIN, LATIN, LETTERS, names

TOOL = {tool.name: tool for tool in TOOLS}
PERSON = {"patient_name": "José María García López", "phone": "312 555 0142", "dob": "1980-01-31"}
TEN, RAMAN = "2026-11-24T10:00", {"doctor_name": "Raman", "clinic_location": "Harbor View"}


@pytest.fixture
def use(clinic: Clinic, now: datetime) -> Any:
    def run(name: str, *, number: str | None = None, **arguments: Any) -> Any:
        return invoke(TOOL[name], arguments, clinic=clinic, now=now, number=number)

    return run


@pytest.fixture
def book(use: Any) -> Any:
    def run(**given: Any) -> Any:
        return use("book_appointment", **{**PERSON, "doctor_name": "Okafor", "appointment_datetime": TEN, **given})

    return run


@pytest.fixture
def sqlite_clinic(sqlite_url: str, now: datetime) -> Iterator[Clinic]:
    opened = Clinic.open(sqlite_url)
    seed_demo(opened, now=now)
    yield opened
    opened.close()


def rows(clinic: Clinic, *columns: Any) -> list[tuple[Any, ...]]:
    return clinic.database.read(lambda session: [tuple(row) for row in session.execute(select(*columns))])


def forget(clinic: Clinic) -> None:
    """Cancel all, and forget failed checks."""
    clinic.database.write(lambda session: session.execute(update(AppointmentRow).values(status="cancelled")))
    clinic.database.write(lambda session: session.execute(update(AttemptRow).values(failed=False)))


@pytest.mark.parametrize("language", sorted(LETTERS))
@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_one_spelling_books_and_another_cancels(
    sqlite_clinic: Clinic, now: datetime, language: str, data: st.DataObject
) -> None:
    """In each language: the second spelling is the same person, hears the same id, and cancels; a part does not."""
    parts = data.draw(names(language))
    spelled = {**ANY_SCRIPT, **(IN_LATIN if language in LATIN else {})}
    one, other = (spelled[data.draw(st.sampled_from(sorted(spelled)))](parts) for _ in range(2))
    wish = {**PERSON, "doctor_name": "Okafor", "appointment_datetime": TEN}

    def run(tool: str, **arguments: Any) -> Any:
        return invoke(TOOL[tool], arguments, clinic=sqlite_clinic, now=now)

    booked = run("book_appointment", **{**wish, "patient_name": one})
    assert booked["outcome"] == "ok"
    again = run("book_appointment", **{**wish, "patient_name": other})
    assert again["confirmation_id"] == booked["confirmation_id"]
    second = run("book_appointment", **{**wish, **RAMAN, "patient_name": other})
    assert second["error_type"] == "patient_busy"
    part = run("cancel_appointment", dob=PERSON["dob"], patient_name=parts[0])
    assert part["error_type"] == "not_verified"
    cancelled = run("cancel_appointment", dob=PERSON["dob"], patient_name=other)
    assert (cancelled["outcome"], cancelled["confirmation_id"]) == ("ok", booked["confirmation_id"])
    forget(sqlite_clinic)


def test_callers_of_every_region_can_book(sqlite_clinic: Clinic, now: datetime) -> None:
    """A person of each region, with a number of the metadata's: booked, with that number."""
    regions = sorted(phonenumbers.SUPPORTED_REGIONS)[::5]
    assert len(regions) >= 49
    for region in regions:
        example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
        example = example or phonenumbers.example_number(region)
        number = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
        wish = {**PERSON, "phone": number, "doctor_name": "Okafor", "appointment_datetime": TEN}
        wish["patient_name"] = f"Testa Of{region}"
        answer = invoke(TOOL["book_appointment"], wish, clinic=sqlite_clinic, now=now)
        assert answer["outcome"] == "ok", (region, number)
        (kept,) = rows(sqlite_clinic, PatientRow.phone)[-1]
        assert kept == phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
        forget(sqlite_clinic)


def test_a_clinic_abroad_takes_its_own_numbers(book: Any, clinic: Clinic) -> None:
    """The country of the locations' zone is the default: Madrid's nine digits, and another country with its code."""
    clinic.database.write(lambda session: session.execute(update(LocationRow).values(time_zone="Europe/Madrid")))
    fresh = Clinic(clinic.database)
    assert fresh.country == "ES"
    answer = invoke(
        TOOL["book_appointment"],
        {**PERSON, "phone": "612 34 56 78 ext. 7", "doctor_name": "Okafor", "appointment_datetime": TEN},
        clinic=fresh,
        now=datetime.fromisoformat("2026-11-20T17:00+00:00"),
    )
    assert answer["outcome"] == "ok"
    assert rows(clinic, PatientRow.phone, PatientRow.extension) == [("+34612345678", "7")]
    assert Clinic(clinic.database, country="MX").country == "MX"


LESS = {
    "one of two surnames": "José María García",
    "no surname": "José María",
    "a suffix more": "José María García López Jr.",
    "a particle more": "José María de García López",
    "a short form": "Pepe García López",
    "another surname": "José María Birchfield",
}


@pytest.mark.parametrize("name", LESS.values(), ids=LESS)
def test_less_than_the_name_never_verifies_and_double_books_nobody(book: Any, use: Any, name: str) -> None:
    """The answer is the one for a stranger; at the same time with another doctor it is a question, not a booking."""
    mine = book()
    stranger = use("cancel_appointment", dob=PERSON["dob"], patient_name="Nemo Nobody")
    assert use("cancel_appointment", dob=PERSON["dob"], patient_name=name) == stranger
    assert book(**RAMAN, patient_name=name)["error_type"] == "similar_patient"
    assert book(patient_name=name)["error_type"] == "similar_patient"
    by_id = use("cancel_appointment", dob=PERSON["dob"], confirmation_id=mine["confirmation_id"])
    assert by_id["outcome"] == "ok"


def test_the_question_is_answered_by_the_full_name_or_by_another_person(book: Any, clinic: Clinic) -> None:
    """The full name finds the record; another person, once that is said, has a record of their own."""
    book()
    asked = book(patient_name="José García López", appointment_datetime="2026-11-24T11:00")
    assert asked["error_type"] == "similar_patient"
    assert "García" not in json.dumps(asked, ensure_ascii=False)
    assert book(appointment_datetime="2026-11-24T11:00")["outcome"] == "ok"
    assert len(rows(clinic, PatientRow.id)) == 1
    other = book(patient_name="José García López", appointment_datetime="2026-11-24T11:30", other_person="yes")
    assert other["outcome"] == "ok"
    assert len(rows(clinic, PatientRow.id)) == 2


def test_father_and_son_are_two_people(book: Any, use: Any, clinic: Clinic) -> None:
    """One name but for Jr., one number, two dates of birth: each cancels his own and not the other's."""
    father = book(patient_name="Robert Ashgrove")
    son = book(patient_name="Robert Ashgrove Jr.", dob="2010-06-01", appointment_datetime="2026-11-24T11:00")
    assert (father["outcome"], son["outcome"], len(rows(clinic, PatientRow.id))) == ("ok", "ok", 2)
    mixed = use("cancel_appointment", dob="2010-06-01", patient_name="Robert Ashgrove")
    assert mixed["error_type"] == "not_verified"
    cancelled = use("cancel_appointment", dob="2010-06-01", patient_name="Robert Ashgrove, Jr")
    assert cancelled["confirmation_id"] == son["confirmation_id"]


def test_twins_at_one_number_are_two_people(book: Any, use: Any, clinic: Clinic) -> None:
    """One day, one number, one surname: told apart by the given name, and asked where both are to come at one time."""
    ana = book(patient_name="Ana Ashgrove", dob="2015-03-03")
    eva = book(patient_name="Eva Ashgrove", dob="2015-03-03", appointment_datetime="2026-11-24T11:00")
    assert (ana["outcome"], eva["outcome"]) == ("ok", "ok")
    cancelled = use("cancel_appointment", dob="2015-03-03", patient_name="eva ashgrove")
    assert cancelled["confirmation_id"] == eva["confirmation_id"]
    third = book(patient_name="Ida Ashgrove", dob="2015-03-03", **RAMAN)
    assert third["error_type"] == "similar_patient"
    assert book(patient_name="Ida Ashgrove", dob="2015-03-03", other_person="yes", **RAMAN)["outcome"] == "ok"


def test_a_parent_books_for_a_child_and_the_relation_is_kept(book: Any, use: Any, clinic: Clinic) -> None:
    """The patient is the child: the parent's name is kept beside, and verifies nothing."""
    answer = book(patient_name="Mia Ashgrove", dob="2018-09-09", caller_name="Nora Ashgrove", caller_relation="parent")
    assert answer["outcome"] == "ok"
    assert rows(clinic, RepresentativeRow.name, RepresentativeRow.relation) == [("Nora Ashgrove", "parent")]
    assert rows(clinic, PatientRow.name) == [("Mia Ashgrove",)]
    claim = {"dob": "2018-09-09", "caller_name": "Nora Ashgrove", "caller_relation": "parent"}
    assert use("cancel_appointment", **claim, patient_name="Nora Ashgrove")["error_type"] == "not_verified"
    assert use("cancel_appointment", **claim, patient_name="Mia Ashgrove")["outcome"] == "ok"
    assert len(rows(clinic, RepresentativeRow.id)) == 1


def test_the_second_caller_hears_the_next_free_times(book: Any) -> None:
    """The alternatives begin after the time that is taken, with the same doctor."""
    book()
    answer = book(patient_name="Otto Birchfield", phone="+52 55 1234 5678", dob="1975-05-05")
    assert answer["error_type"] == "slot_taken"
    offered = [each["appointment_datetime"] for each in answer["alternatives"]]
    assert offered[0] == "2026-11-24T10:30:00-06:00"
    assert offered == sorted(offered)


def test_appointments_of_places_a_quarter_apart_do_not_overlap(book: Any, clinic: Clinic, now: datetime) -> None:
    """Ten o'clock in Kolkata is a quarter past in Kathmandu: neither doctor nor patient is there twice."""
    clinic.database.write(
        lambda session: [
            session.execute(update(LocationRow).where(LocationRow.name.like(f"%{place}%")).values(time_zone=zone))
            for place, zone in (("Main", "Asia/Kolkata"), ("Harbor", "Asia/Kathmandu"))
        ]
    )
    fresh = Clinic(clinic.database, country="IN")

    def at(place: str, doctor: str, time: str, name: str) -> Any:
        wish = {
            **PERSON,
            "phone": "+525512345678",
            "clinic_location": place,
            "doctor_name": doctor,
            "patient_name": name,
        }
        return invoke(TOOL["book_appointment"], {**wish, "appointment_datetime": time}, clinic=fresh, now=now)

    assert at("Main Street", "Okafor", "2026-11-24T10:00", "Testa Plantedname")["outcome"] == "ok"
    assert at("Harbor View", "Raman", "2026-11-24T10:30", "Testa Plantedname")["error_type"] == "patient_busy"
    assert at("Harbor View", "Raman", "2026-11-24T11:00", "Testa Plantedname")["outcome"] == "ok"


@pytest.mark.parametrize("field", ["doctor_name", "clinic_location", "reason_for_visit", "address"])
def test_invisible_signs_are_no_reason_to_refuse(book: Any, field: str) -> None:
    """A mark of direction or a joiner in any line of text is taken, as it is in a name."""
    said = {"doctor_name": "Oka\u200bfor", "clinic_location": "\u200eMain Street"}.get(
        field, "\u200fa \u0646\u200c\u0646"
    )
    assert book(**{field: said})["outcome"] == "ok"
