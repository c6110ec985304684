"""Read PriMock57: mock consultations of doctors, transcribed by hand.

The set annotates no identifiers. `primock57.txt` holds the places (interval and words, no text) of those that were
found by reading it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from bench.redaction.public.cases import Case, PublicSet, case, mentions
from bench.redaction.score import Planted

_FILE = re.compile(r"day(\d+)_consultation(\d+)_([dp])")
_INTERVAL = re.compile(r'^\s*text = "(.*)"\s*$', re.MULTILINE)
_UNHEARD = re.compile(r"<[A-Z_]+/>")
_UNSURE = re.compile(r"</?[A-Z_]+>")
_WORD = re.compile(r"\S+")
_OTHER = ("Babylon", "Partick Thistle", "Gmail", "Google", "Boots", "Lloyd", "Italy", "Vietnam", "Thailand")
"""An organisation, a club, firms and countries that the texts name."""


def read(root: Path) -> Iterator[Case]:
    """Yield each interval of speech."""
    places = _places()
    for path in sorted(root.glob("transcripts/*.TextGrid")):
        if not (match := _FILE.match(path.name)):
            continue
        consultation = f"{match[1]}.{match[2]}"
        for number, raw in enumerate(_INTERVAL.findall(path.read_text("utf-8")), 1):
            text = " ".join(_UNSURE.sub("", _UNHEARD.sub(" ", raw.replace('""', '"'))).split())
            if text:
                words = [found.span() for found in _WORD.finditer(text)]
                parts = [
                    Planted(kind, words[first][0], words[last][1])
                    for kind, first, last in places.get((f"{consultation}{match[3]}", number), [])
                ]
                yield case(consultation, text, parts, [at for name in _OTHER for at in mentions(text, name)])


def _places() -> dict[tuple[str, int], list[tuple[str, int, int]]]:
    """Return kind, first and last word of each identifier, by speaker and interval."""
    places: dict[tuple[str, int], list[tuple[str, int, int]]] = {}
    for line in Path(__file__).with_suffix(".txt").read_text("utf-8").splitlines():
        if line.startswith("#"):
            continue
        speaker, number, *found = line.split()
        for each in found:
            kind, first, last = re.split("[:]|-(?=[0-9]+$)", each)
            places.setdefault((speaker, int(number)), []).append((kind, int(first), int(last)))
    return places


PRIMOCK57 = PublicSet(
    name="primock57",
    repository="babylonhealth/primock57",
    licence="CC BY 4.0",
    needs="transcripts/*.TextGrid",
    read=read,
)
