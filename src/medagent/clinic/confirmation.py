"""Confirmation ids: easy to say on the phone, random, and never mistaken for a number of the patient's."""

from __future__ import annotations

import re
import secrets

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LETTER, _ANY = "[A-HJKMNP-TV-Z]", "[0-9A-HJKMNP-TV-Z]"
CONFIRMATION_ID = (
    f"LC-{_LETTER}({_ANY}{_LETTER}{_ANY}{{3}}|{_ANY}{{2}}{_LETTER}{_ANY}{{2}}"
    f"|{_ANY}{{3}}{_LETTER}{_ANY}|{_LETTER}{_ANY}{{3}}{_LETTER})"
)
"""The pattern of a new id (to be matched whole): six of Crockford's characters, the first a letter, never four digits
in a row, written without look-around as a policy needs it. There are 22 * 32**5 of them less a few, about 29.4 bits."""
WRITTEN_ID = r"LC-(?=[0-9]*[A-HJKMNP-TV-Z])(?![0-9A-Z]*[0-9]{4})[0-9A-HJKMNP-TV-Z]{6}"
"""What a caller may name: ids of older rows may begin with a digit. Whether it is an id, the database says."""


def new_confirmation_id() -> str:
    """Return a fresh id, such as `LC-K7M4Q9`; it holds nothing of the patient and opens nothing by itself."""
    while True:
        candidate = "LC-" + "".join(secrets.choice(_ALPHABET) for _ in range(6))
        if re.fullmatch(CONFIRMATION_ID, candidate):
            return candidate
