import re

from hypothesis import given
from hypothesis import strategies as st

from medagent.clinic import CONFIRMATION_ID
from medagent.clinic.confirmation import new_confirmation_id


def test_every_new_id_has_the_published_shape() -> None:
    """Of two thousand fresh ids each matches the pattern, and hardly one comes twice (one in 500 such runs has one)."""
    made = [new_confirmation_id() for _ in range(2_000)]
    assert all(re.fullmatch(CONFIRMATION_ID, each) for each in made)
    assert len(set(made)) > 1_990


@given(body=st.text(alphabet="0123456789ABILOUZ", min_size=6, max_size=6))
def test_the_pattern_takes_no_id_that_could_be_a_number(body: str) -> None:
    """A body matches exactly if it has a letter, no four digits in a row, and none of I, L, O, U."""
    sound = bool(re.search("[A-Z]", body)) and not re.search("[0-9]{4}", body) and not re.search("[ILOU]", body)
    assert bool(re.fullmatch(CONFIRMATION_ID, f"LC-{body}")) is sound


def test_the_pattern_is_for_the_whole_id() -> None:
    """Longer, shorter, lower-case ids and a line break at the end are not ids."""
    for other in ("LC-7K4M9", "LC-K7M4Q9Q", "lc-7k4m9q", "LC-K7M4Q9\n", "LCK7M4Q9"):
        assert not re.fullmatch(CONFIRMATION_ID, other)
