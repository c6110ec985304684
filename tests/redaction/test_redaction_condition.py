from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from raw_record import SLOT, booking, treat

from medagent.redaction import REDACTED

KEYS = ["mrn", "MRN", "Mrn", "patient_id", "patientId", "Patient-ID", "PATIENT ID"]


def escaped(sign: str) -> str:
    return f"\\u{ord(sign):04x}"


def wrapped(key: str, way: str) -> object:
    match way:
        case "plain":
            return {key: "00417"}
        case "deep":
            return {"a": [{"b": ({"c": {key: 417}},)}]}
        case "json":
            return json.dumps({"a": [{key: "00417"}]})
        case "json in json":
            return json.dumps({"a": json.dumps({key: "x"})})
        case "escaped":
            return f'{{"{"".join(map(escaped, key))}": 1}}'
        case "repeated":
            hidden = "".join(map(escaped, key))
            return f'{{"{hidden}": 7, "{hidden}": null}}'
        case "broken json":
            return f'{{"{key}": "00417", '
        case _:
            return f"I found {key}: 00417 in the file"


WAYS = ["plain", "deep", "json", "json in json", "escaped", "repeated", "broken json", "in a text"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("place", ["arguments", "result", "elsewhere"])
def test_a_patient_id_anywhere_leaves_only_the_year(key: str, way: str, place: str) -> None:
    """A patient's id at any depth, in any casing, inside JSON strings too, makes of every date its year."""
    fields: dict[str, dict[str, object]] = {
        "arguments": {"appointment_datetime": SLOT, "from_date": "2026-05-04"},
        "result": {"appointment_datetime": SLOT, "confirmation_id": "LC-K7M4Q9"},
        "elsewhere": {},
    }
    fields[place] = {**fields[place], "x": wrapped(key, way)}
    left = treat("tool.book_appointment", fields).fields
    assert left["arguments"] == {"appointment_datetime": "2026", "from_date": "2026"}
    assert left["result"] == {"appointment_datetime": "2026", "confirmation_id": "LC-K7M4Q9"}


def test_no_patient_id_keeps_the_date() -> None:
    """Without a patient's id the date stays; a null id is none, and a word that only holds the letters is none."""
    assert booking(appointment_datetime=SLOT, mrn=None, notes="nothing {").fields["arguments"] == {
        "appointment_datetime": SLOT,
        "mrn": None,
        "notes": "nothing {",
    }
    assert booking(appointment_datetime=SLOT, amrnx="7").fields["arguments"] == {"appointment_datetime": SLOT}


@pytest.mark.parametrize("unreadable", [b'{"mrn": 1}', {"mrn"}, object(), {1: "x"}, "[" * 5_000, ["x"] * 20_000])
def test_what_cannot_be_read_may_hold_an_id(unreadable: object) -> None:
    """A record that cannot be read to its end is treated as if a patient's id stood in it."""
    assert booking(appointment_datetime=SLOT, extra=unreadable).fields["arguments"] == {"appointment_datetime": "2026"}


@given(st.text())
def test_a_date_that_is_none_is_redacted(text: str) -> None:
    """What does not parse as a date leaves neither as one nor as a year."""
    for more in ({}, {"mrn": "7"}):
        left = booking(appointment_datetime=f"x{text}", **more).fields["arguments"]
        assert left["appointment_datetime"] == "<REDACTED>"  # type: ignore[index,call-overload]  # an object, as declared


@given(day=st.dates(date(1900, 1, 1), date(2099, 12, 31)), called=st.dates(date(2024, 1, 1), date(2060, 12, 31)))
def test_a_date_is_a_slot_only_where_it_lies_near_the_call(day: date, called: date) -> None:
    """An admission, a discharge or a birth in a slot's field does not leave, whether or not the call knows it."""
    at = datetime(called.year, called.month, called.day, 14, tzinfo=UTC)
    fields = {"arguments": {"from_date": day.isoformat(), "appointment_datetime": f"{day}T09:30:00-05:00"}}
    left = treat("tool.check_availability", fields, at_us=int(at.timestamp() * 1e6)).fields["arguments"]
    near = called - timedelta(days=1) <= day <= called + timedelta(days=730)
    assert left == (fields["arguments"] if near else dict.fromkeys(fields["arguments"], REDACTED))


@given(born=st.dates(date(1900, 1, 1), date(2026, 1, 1)), called=st.dates(date(2026, 1, 1), date(2030, 12, 31)))
def test_no_year_tells_of_an_age_over_89(born: date, called: date) -> None:
    """A year alone may leave, unless who was born in it can be ninety at the time of the call."""
    at = datetime(called.year, called.month, called.day, tzinfo=UTC)
    fields = {"arguments": {"patient_id": "x", "from_date": born.isoformat()}}
    left = treat("tool.check_availability", fields, at_us=int(at.timestamp() * 1e6)).fields["arguments"]
    assert left == {
        "patient_id": REDACTED,
        "from_date": REDACTED if called.year - born.year >= 90 else str(born.year),
    }
