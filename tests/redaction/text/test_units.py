"""A text is cut the same, whichever of the two ways is taken."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from medagent.redaction.text.units import pieces

PARTS = ("<REDACTED>", "<redacted>", *"abzAZ19' .,-_@<>\n", "don't", "4b", "O'Day", "'s")


@given(st.lists(st.sampled_from(PARTS), max_size=14).map("".join))
def test_plain_texts_are_cut_as_all_others(text: str) -> None:
    """The short way that ASCII takes finds the units that the long way finds, placeholders and all."""
    assert pieces(text) == pieces(f"{text} é")[:-1]
