"""Sentences with what must go or stay in brackets, half of them for developing and half held out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from medagent.redaction import KnownValues
from medagent.redaction.policy import TextMode
from medagent.redaction.text import scrub

_BRACKETS = re.compile(r"\[([^\]]*)\]")


@dataclass(frozen=True)
class Said:
    """A sentence and the parts of it (code points) that were in brackets."""

    text: str
    parts: tuple[tuple[int, int], ...]


def sentences(name: str) -> list[Said]:
    """Return the sentences of a file, in its order."""
    found = []
    for line in (Path(__file__).parent / f"{name}.txt").read_text("utf-8").splitlines():
        if not line or line.startswith("#") or line in ("[develop]", "[held out]"):
            continue
        text, parts = "", []
        for at, piece in enumerate(_BRACKETS.split(line.replace("\\n", "\n"))):
            if at % 2:
                parts.append((len(text), len(text) + len(piece)))
            text += piece
        found.append(Said(text, tuple(parts)))
    return found


def is_gone(said: Said, mode: TextMode) -> bool:
    """Return whether no letter or digit of any part is left."""
    gone = {at for found in scrub(said.text, KnownValues(), mode=mode).findings for at in range(found.start, found.end)}
    return all(at in gone for start, end in said.parts for at in range(start, end) if said.text[at].isalnum())


def is_kept(said: Said, mode: TextMode) -> bool:
    """Return whether every part is left whole."""
    found = scrub(said.text, KnownValues(), mode=mode).findings
    return not any(one.start < end and start < one.end for one in found for start, end in said.parts)
