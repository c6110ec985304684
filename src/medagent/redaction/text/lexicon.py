"""The lists that are shipped: words that anybody may know, names, places; loaded once, about 40 ms."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from importlib import resources

from medagent.redaction.text.cues import words
from medagent.redaction.text.units import ACCENTED, Unit

_ALSO_ACCENTED = words("cafe naive resume fiance fiancee decor cliche puree saute risque melange entree")
_ENDINGS = frozenset(("s", "m", "d", "ll", "re", "ve", "t", "n"))


class Kind(IntEnum):
    """What the lists say of a word; a clinical one is no name even with a capital."""

    UNKNOWN = 0
    ORDINARY = 1
    ALSO_A_NAME = 2
    CLINICAL = 3
    NO_WORD = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Lexicon:
    """Words by kind, abbreviations that are also spelled, names in letters f (first), l (last), p (place)."""

    words: Mapping[str, Kind]
    abbreviations: frozenset[str]
    names: Mapping[str, str]
    phrases: Mapping[str, tuple[tuple[str, ...], ...]]

    def kind_of(self, unit: Unit) -> Kind:
        """What a word of a text is; one with accents is another word than the one without."""
        return self.kind(unit.norm) if unit.how != ACCENTED or unit.norm in _ALSO_ACCENTED else Kind.UNKNOWN

    def kind(self, word: str) -> Kind:
        """What a plain word is, with or without a possessive or a short verb behind its apostrophe."""
        found = self.words.get(word)
        if found is None and "'" in word:
            stem, _, ending = word.rpartition("'")
            if ending in _ENDINGS:
                found = self.words.get(stem)
        return found if found is not None else Kind.UNKNOWN

    def name_kinds(self, word: str) -> str:
        """In which lists of names a word stands, as letters."""
        return self.names.get(word) or (self.names.get(word.rpartition("'")[0], "") if "'" in word else "")


@cache
def lexicon() -> Lexicon:
    """The shipped lists."""
    words: dict[str, Kind] = {}
    abbreviations: set[str] = set()
    for line in lines_of("words"):
        word, _, flags = line.partition(" ")
        words[word] = Kind.ALSO_A_NAME if "?" in flags else Kind.CLINICAL if "+" in flags else Kind.ORDINARY
        if "!" in flags:
            abbreviations.add(word)
    names: dict[str, str] = {}
    phrases: dict[str, tuple[tuple[str, ...], ...]] = {}
    for line in lines_of("names"):
        kind, _, name = line.partition(" ")
        if " " in name:
            parts = tuple(name.split())
            phrases[parts[0]] = (*phrases.get(parts[0], ()), parts)
        else:
            names[name] = names.get(name, "") + kind
    return Lexicon(words=words, abbreviations=frozenset(abbreviations), names=names, phrases=phrases)


def lines_of(name: str) -> list[str]:
    """The lines of a packed list of this package."""
    packed = (resources.files("medagent.redaction.text") / "data" / f"{name}.txt.gz").read_bytes()
    return [line for line in gzip.decompress(packed).decode().split("\n") if not line.startswith("#")]
