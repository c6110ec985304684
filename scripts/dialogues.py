"""The doctor-patient dialogues and how they are split, the same for every script and benchmark."""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

TRAIN, DEVELOP, TEST = "train", "develop", "test"
_SPEAKER = re.compile(r"^[A-Za-z_0-9 ]{3,20}:\s*")


def part_of(dialogue_id: str) -> str:
    """A dialogue is whole in one part: about 70 % train, 10 % develop, 20 % test."""
    draw = hashlib.sha256(dialogue_id.encode()).digest()[0]
    if draw % 5 == 0:
        return TEST
    return DEVELOP if draw % 10 == 1 else TRAIN


def notes(data: Path, part: str) -> Iterator[str]:
    """What the doctors wrote of the dialogues of a part."""
    return (row["section_text"] for row in _rows(data, part))


def turns(data: Path, part: str) -> Iterator[tuple[str, str]]:
    """Dialogue id and what one side said, without the speaker."""
    for row in _rows(data, part):
        for line in row["dialogue"].splitlines():
            if said := _SPEAKER.sub("", line.strip()):
                yield row["ID"], said


def _rows(data: Path, part: str) -> Iterator[dict[str, str]]:
    with (data / "mts_dialog_train.csv").open(encoding="utf-8", newline="") as file:
        yield from (row for row in csv.DictReader(file) if part_of(row["ID"]) == part)
