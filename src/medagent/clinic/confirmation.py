"""Confirmation ids: easy to say on the phone, random, and never mistaken for a number of the patient's."""

from __future__ import annotations

import re
import secrets

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
CONFIRMATION_ID = r"LC-(?=[0-9]*[A-HJKMNP-TV-Z])(?![0-9A-Z]*[0-9]{4})[0-9A-HJKMNP-TV-Z]{6}"
"""The pattern (to be matched whole): six of Crockford's characters, one letter at least, never four digits in a row."""


def new_confirmation_id() -> str:
    """A fresh id, such as `LC-7K4M9Q`; it holds nothing of the patient and opens nothing by itself."""
    while True:
        candidate = "LC-" + "".join(secrets.choice(_ALPHABET) for _ in range(6))
        if re.fullmatch(CONFIRMATION_ID, candidate):
            return candidate
