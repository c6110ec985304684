"""Letters in capitals: abbreviations of notes stay, cities and parts of codes are removed."""

from __future__ import annotations

import pytest

from medagent.redaction import KnownValues
from medagent.redaction.text import scrub

CODES = {
    "a bank account": ("BR97 0036 0305 0000 1000 9795 493P 1", ("BR97", "493P")),
    "a bank account in a sentence": ("this is an iban VG96 VPVG 0000 0123 4567 8901", ("VG96", "VPVG")),
    "a number plate": ("Vehicles AB51 ABC and BD62XYZ were seen", ("AB51", "BD62")),
    "a network address": ("Server IP: 2001:db8::1", ("db8",)),
    "a hardware address": ("Hardware address: AA-BB-CC-DD-EE-FF", ("AA", "CC", "EE")),
    "a booking": ("No, is YM 924 the one?", ("YM", "924")),
    "a city": ("Is there another train leaving from SF?", ("SF",)),
    "an airport": ("I want to go to LAX on the 4th", ("LAX",)),
    "a province": ("I need tickets from Vancouver, BC to Portland", ("Vancouver", "BC")),
}
NOTES = (
    "pt c/o SOB, r/o PE, CKD3, NKDA, AAOx3",
    "CBC, BMP and LFTs; ABD soft, NT/ND",
    "PMH: HTN, DM2, COPD, s/p CABG x3",
)


@pytest.mark.parametrize("kind", CODES)
def test_letters_of_a_code_or_a_city_are_removed(kind: str) -> None:
    text, parts = CODES[kind]
    left = scrub(text, KnownValues()).text
    assert [part for part in parts if part in left] == []


@pytest.mark.parametrize("note", NOTES, ids=["complaints", "laboratory", "history"])
def test_abbreviations_of_a_note_stay(note: str) -> None:
    assert scrub(note, KnownValues()).text == note
