"""Put names of many countries into invented sentences: the most common ones, as Wikipedia lists them.

The layers were made with other lists (SOURCES.md), so that the table by country shows whom they fail.
"""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from bench.redaction.public.cases import Case, PublicSet
from bench.redaction.score import NAME, Planted

SENTENCES = (
    "Good afternoon, {f} {l} here, I would like to move my visit",
    "The prescription is under {f} {l}",
    "Could you tell the nurse that {f} {l} rang",
    "I am ringing on behalf of {f} {l}, who cannot come to the phone",
    "{f} {l} was seen in the clinic last week for a rash",
    "Please put {f} {l} down as my emergency contact",
    "My husband {f} has been coughing since the weekend",
    "Is that you, {f}? It is about the blood test",
    "The surname is {l}, the first name {f}",
    "We have two patients called {l}, I mean the older one",
    "Ask for {f} at the front desk",
    "Yes, this is {f} {l} speaking",
    "My carer, {f} {l}, will bring the form",
    "I spoke to {f} yesterday about the refill",
    "{f} and I will both need the flu shot",
    "It was Mrs {l} who took the message",
    "Send the letter to {f} {l} and not to me",
    "The referral came from Doctor {l}",
    "Her baby is called {f} and has a fever",
    "That is for {l}, {f} {l}",
)
_FEWEST, _EACH = 5, 60


def read(root: Path) -> Iterator[Case]:
    """Yield sixty sentences a country and form, for countries with five first and five last names or more."""
    first = _names(root / "common-forenames-by-country.csv")
    last = _names(root / "common-surnames-by-country.csv")
    for country in sorted(first.keys() & last.keys()):
        if min(len(first[country]), len(last[country])) < _FEWEST:
            continue
        for number in range(_EACH):
            pick = hashlib.sha256(f"{country} {number}".encode()).digest()
            names = {
                "f": first[country][pick[0] % len(first[country])],
                "l": last[country][pick[1] % len(last[country])],
            }
            sentence = SENTENCES[number % len(SENTENCES)]
            yield _case(country, sentence, names)
            yield _case(country, sentence.lower(), {key: name.lower() for key, name in names.items()})


def _case(country: str, sentence: str, names: dict[str, str]) -> Case:
    text, parts = "", []
    for piece in sentence.replace("{", "\0{").replace("}", "}\0").split("\0"):
        start, name = len(text), names.get(piece.strip("{}")) if piece.startswith("{") else None
        text += name or piece
        if name:
            parts.append(Planted(NAME, start, len(text)))
    form = "lower" if text.islower() else "cased"
    return Case(dialogue=f"{country} {text}", text=text, parts=tuple(parts), origin=f"{country} {form}")


def _names(path: Path) -> dict[str, list[str]]:
    """Return each country's names in Latin letters, in the list's order."""
    names: dict[str, dict[str, None]] = defaultdict(dict)
    with path.open(encoding="utf-8-sig", newline="") as lines:
        for row in csv.DictReader(lines):
            name = row["Romanized Name"].strip()
            if len(name) > 1 and name.replace(" ", "").replace("-", "").replace("'", "").isalpha():
                names[row["Country"]][name] = None
    return {country: list(listed) for country, listed in names.items()}


NAMES = PublicSet(
    name="names-by-country",
    repository="sigpwned/popular-names-by-country-dataset",
    licence="CC0 1.0",
    needs="common-*-by-country.csv",
    read=read,
    is_dialogue=False,
)
