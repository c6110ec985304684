import math
import re
from datetime import UTC, date, datetime

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from medagent.clinic import CONFIRMATION_ID, WRITTEN_ID, Clinic, Patient
from medagent.clinic.confirmation import new_confirmation_id
from medagent.clinic.schema import AppointmentRow
from medagent.redaction import load_policy
from medagent.redaction.loading import find_policy
from medagent.redaction.shapes import Pattern
from medagent.tools.fields import confirmation


def test_every_new_id_has_the_published_shape() -> None:
    """Of two thousand fresh ids each matches the pattern, and hardly one comes twice (one in 500 such runs has one)."""
    made = [new_confirmation_id() for _ in range(2_000)]
    assert all(re.fullmatch(CONFIRMATION_ID, each) for each in made)
    assert len(set(made)) > 1_990


@given(body=st.text(alphabet="0123456789ABILOUZ", min_size=6, max_size=6))
def test_the_pattern_takes_no_id_that_could_be_a_number(body: str) -> None:
    """A body matches exactly if it begins with a letter, and has no four digits in a row and none of I, L, O, U."""
    written = bool(re.search("[A-Z]", body)) and not re.search("[0-9]{4}", body) and not re.search("[ILOU]", body)
    assert bool(re.fullmatch(WRITTEN_ID, f"LC-{body}")) is written
    assert bool(re.fullmatch(CONFIRMATION_ID, f"LC-{body}")) is (written and body[0].isalpha())


def test_policies_keep_the_pattern_of_the_clinic() -> None:
    """Both policies have the clinic's own pattern: an id of an older row leaves in neither."""
    for name in ("clinic", "safe-harbor"):
        shape = load_policy(find_policy(name)).fields["confirmation_id"].shape
        assert isinstance(shape, Pattern)
        assert shape.regex.pattern == CONFIRMATION_ID


def test_entropy_of_an_id_is_enough() -> None:
    """Over 29 bits: whoever guesses needs the date of birth as well, and has three tries a call."""
    assert math.log2(22 * 32**5) > 29


def test_id_of_an_older_row_is_found(clinic: Clinic) -> None:
    """Ids with a digit first were made before: the tool takes one, and the database has it."""
    mine = Patient(name="Testa Plantedname", phone="+13125550142", dob=date(1980, 1, 31))
    now = datetime(2026, 11, 20, 15, tzinfo=UTC)
    slot = next(iter(clinic.free_slots(now=now)))
    booked = clinic.book(mine, when=slot.starts_at, doctor=slot.doctor, now=now)
    change = update(AppointmentRow).where(AppointmentRow.confirmation_id == booked.confirmation_id)
    clinic.database.write(lambda session: session.execute(change.values(confirmation_id="LC-7K4M9Q")))
    proved = clinic.verify(dob=mine.dob, confirmation_id=confirmation("lc 7 k 4 m 9 q"))
    assert clinic.cancel(proved, now=now).confirmation_id == "LC-7K4M9Q"


def test_the_pattern_is_for_the_whole_id() -> None:
    """Longer, shorter, lower-case ids and a line break at the end are not ids."""
    for other in ("LC-7K4M9", "LC-K7M4Q9Q", "lc-7k4m9q", "LC-K7M4Q9\n", "LCK7M4Q9"):
        assert not re.fullmatch(CONFIRMATION_ID, other)
