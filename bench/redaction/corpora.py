"""The texts that are measured: labelled sentences, ordinary talk, and what a patient of one's own would add."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scripts.dialogues import TEST, turns

from bench.redaction.score import ADDRESS, DATE, EMAIL, ID, NAME, PHONE, PLACE, Planted
from bench.redaction.spoken import lines
from medagent.redaction import Category, Identifier, KnownValues

KINDS = {
    "PERSON": NAME,
    "STREET_ADDRESS": ADDRESS,
    "ZIP_CODE": ADDRESS,
    "GPE": PLACE,
    "PHONE_NUMBER": PHONE,
    "EMAIL_ADDRESS": EMAIL,
    "DATE_TIME": DATE,
    "CREDIT_CARD": ID,
    "IBAN_CODE": ID,
    "US_SSN": ID,
    "IP_ADDRESS": ID,
    "US_DRIVER_LICENSE": ID,
}
_HELD_OUT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A text with what is planted in it; `known` has what a call that knows its caller would know."""

    text: str = field(repr=False)
    planted: tuple[Planted, ...] = ()
    known: KnownValues = field(default_factory=KnownValues)


def synthetic(data: Path, *, held_out: bool, lower: bool) -> list[Sample]:
    """presidio_synth_v2.json, all of it or the templates that nobody looked at while the layers were made."""
    samples: list[Sample] = []
    for row in json.loads((data / "presidio_synth_v2.json").read_text("utf-8")):
        text = row["full_text"].lower() if lower else row["full_text"]
        if len(text) != len(row["full_text"]) or (held_out and (row["template_id"] or 0) % _HELD_OUT):
            continue
        planted = tuple(
            Planted(KINDS[span["entity_type"]], span["start_position"], span["end_position"])
            for span in row["spans"]
            if span["entity_type"] in KINDS
        )
        samples.append(Sample(text=text, planted=planted))
    return samples


def spoken(part: str, *, known: bool) -> list[Sample]:
    """The spoken set, with or without the values that a call would know."""
    samples: list[Sample] = []
    for line in lines(part):
        values = KnownValues()
        if known:
            values.learn([Identifier(category=Category(line.category), value=line.value)])
        samples.append(Sample(text=line.text, planted=(Planted(line.kind, line.start, line.end),), known=values))
    return samples


def talk(data: Path, part: str = TEST, *, known: Sequence[Identifier] = ()) -> list[Sample]:
    """What doctors and patients said in dialogues of which nothing is in the vocabulary."""
    values = KnownValues()
    values.learn(known)
    return [Sample(text=turn, known=values) for _, turn in turns(data, part)]


PATIENT = (
    Identifier(category=Category.NAME, value="Ottoline Brown"),
    Identifier(category=Category.PHONE, value="+1 555 010 0142"),
    Identifier(category=Category.EMAIL, value="ottoline.brown@example.com"),
    Identifier(category=Category.DATE_OF_BIRTH, value="1982-03-03"),
    Identifier(category=Category.MRN, value="MRN-004177"),
    Identifier(category=Category.ADDRESS, value="12 Elmhurst Street, Springfield, IL 62704"),
)
