"""The lists that are shipped: words that anybody may know, names, places; loaded once, about 40 ms."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from importlib import resources
from itertools import groupby, takewhile
from operator import itemgetter

from medagent.redaction.text.cues import FILLERS, FUNCTION, TITLES, words
from medagent.redaction.text.units import ACCENTED, Unit

_ALSO_ACCENTED = words("cafe naive resume fiance fiancee decor cliche puree saute risque melange entree")
_SMALL = FUNCTION | FILLERS
_ASKED_ALWAYS = frozenset(("will", "may"))
"""Small words that are first names often enough to be asked without anything beside them."""
_ENDINGS = frozenset(("s", "m", "d", "ll", "re", "ve", "t", "n"))
SHORTEST_WITH_ENDING = 8
"""Letters of a word from which on its ending says that it is a drug, a disease or an operation."""


class Kind(IntEnum):
    """What the lists say of a word; a clinical one is no name even with a capital."""

    UNKNOWN = 0
    ORDINARY = 1
    ALSO_A_NAME = 2
    CLINICAL = 3
    NO_WORD = 4


class ClinicalWords:
    """Clinical words beside the vocabulary, by their first two letters in one text each: a tenth of a set's memory."""

    __slots__ = ("_endings", "_groups", "drug_names", "eponyms")

    def __init__(self, lines: Iterable[str]) -> None:
        """Take a line of endings, one of eponyms, one of drugs' names, and lines of words that begin alike.

        A word is clinical, with `.` behind it ordinary, with `?` perhaps a name.
        """
        endings, eponyms, drug_names, *groups = lines
        self.eponyms, self.drug_names = eponyms.split(), drug_names.split()
        self._endings = tuple(endings.split())
        self._groups = {group[:2]: f" {group} " for group in groups}

    def kind(self, word: str) -> Kind:
        """Return what a word is that the vocabulary lacks."""
        group = self._groups.get(word[:2], "")
        at = group.find(f" {word}")
        while at >= 0:
            kind = _KINDS.get(group[at + len(word) + 1])
            if kind is not None:
                return kind
            at = group.find(f" {word}", at + 1)
        return Kind.UNKNOWN

    def has_ending(self, word: str) -> bool:
        """Whether a long word ends as drugs, diseases or operations do, and as no name does."""
        if len(word) < SHORTEST_WITH_ENDING:
            return False
        return word.endswith(self._endings) or (word[-1] == "s" and word[:-1].endswith(self._endings))


_KINDS = {" ": Kind.CLINICAL, ".": Kind.ORDINARY, "?": Kind.ALSO_A_NAME}
"""What a word is by the sign behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lexicon:
    """Words by kind, abbreviations that are also spelled, names in letters.

    `f` a first name, `g` a rare one, `l` a last name, `m` a rare one, `s` a syllable of names, `p` a place; of words
    that are names too, `k` well known as a name, `c` often said as a word, `d` now and then.
    """

    words: Mapping[str, Kind]
    clinical: ClinicalWords
    abbreviations: frozenset[str]
    names: Mapping[str, str]
    phrases: Mapping[str, tuple[tuple[str, ...], ...]]
    asked: frozenset[str]
    """The words that somebody bears as a name: whether one is a name is asked each time."""
    eponyms: frozenset[str]
    """Names that diseases, signs and tests bear, with and without an ending."""
    drug_names: frozenset[str]
    """Brands of drugs that are also somebody's name."""
    small_names: frozenset[str]
    """The small words and breaths that somebody bears as a name: asked only beside another part of a name."""

    def kind_of(self, unit: Unit) -> Kind:
        """What a word of a text is; one with accents is another word than the one without."""
        return self.kind(unit.norm) if unit.how != ACCENTED or unit.norm in _ALSO_ACCENTED else Kind.UNKNOWN

    def kind(self, word: str) -> Kind:
        """What a plain word is, with or without a possessive or a short verb behind its apostrophe."""
        found = self.words.get(word)
        if found is None and "'" in word:
            stem, _, ending = word.rpartition("'")
            if ending in _ENDINGS:
                word, found = stem, self.words.get(stem)
        if found is not None:
            return found
        kind = self.clinical.kind(word)
        if kind is Kind.UNKNOWN and word not in self.names and self.clinical.has_ending(word):
            return Kind.CLINICAL
        return kind

    def name_kinds(self, word: str) -> str:
        """In which lists of names a word stands, as letters."""
        return self.names.get(word) or (self.names.get(word.removesuffix("'s"), "") if "'" in word else "")


@cache
def lexicon() -> Lexicon:
    """The shipped lists."""
    listed = lines_of("words")
    words = dict.fromkeys(listed, Kind.ORDINARY)
    abbreviations: set[str] = set()
    for line in [line for line in listed if " " in line]:
        del words[line]
        word, _, flags = line.partition(" ")
        words[word] = Kind.ALSO_A_NAME if "?" in flags else Kind.CLINICAL if "+" in flags else Kind.ORDINARY
        if "!" in flags:
            abbreviations.add(word)
    of_kind: dict[str, list[str]] = {}
    for kind, lines in groupby(lines_of("names"), itemgetter(slice(1))):
        of_kind.setdefault(kind, []).extend([line[2:] for line in lines])
    clinical = ClinicalWords(lines_of("clinical"))
    named = {*of_kind.pop("e"), *clinical.eponyms}
    eponyms = [form for name in named for form in (name, f"{name}'s", f"{name}s")]
    phrases: dict[str, tuple[tuple[str, ...], ...]] = {}
    for phrase in [name for name in of_kind["p"] if " " in name]:
        parts = tuple(phrase.split())
        phrases[parts[0]] = (*phrases.get(parts[0], ()), parts)
    of_kind["p"] = [name for name in of_kind["p"] if " " not in name]
    names: dict[str, str] = {}
    shared: dict[str, str] = {}
    for kind, listed in of_kind.items():
        also = {name: names[name] + kind for name in names.keys() & set(listed)}
        names |= dict.fromkeys(listed, kind)
        names |= {name: shared.setdefault(kinds, kinds) for name, kinds in also.items()}
    borne = {name for name in names.keys() & words.keys() if names[name] != "p" and len(name) > 1}
    borne -= TITLES
    small = {name for name in borne & _SMALL if "s" in names[name]} - _ASKED_ALWAYS
    return Lexicon(
        words=words,
        clinical=clinical,
        abbreviations=frozenset(abbreviations),
        names=names,
        phrases=phrases,
        asked=frozenset(borne - (_SMALL - _ASKED_ALWAYS)),
        eponyms=frozenset(eponyms),
        drug_names=frozenset(clinical.drug_names),
        small_names=frozenset(small),
    )


def lines_of(name: str) -> list[str]:
    """The lines of a packed list of this package."""
    packed = (resources.files("medagent.redaction.text") / "data" / f"{name}.txt.gz").read_bytes()
    lines = gzip.decompress(packed).decode().split("\n")
    return lines[sum(1 for _ in takewhile(_is_comment, lines)) :]


def _is_comment(line: str) -> bool:
    return line.startswith("#")
