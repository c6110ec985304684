"""The lists that are shipped: words that anybody may know, names, places; loaded once, about 40 ms."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from importlib import resources

from medagent.redaction.text.cues import FILLERS, FUNCTION, TITLES, words
from medagent.redaction.text.units import ACCENTED, Unit

_ALSO_ACCENTED = words("cafe naive resume fiance fiancee decor cliche puree saute risque melange entree")
_SMALL = FUNCTION | FILLERS
_ASKED_ALWAYS = frozenset(("will", "may"))
"""Small words that are first names often enough to be asked without anything beside them."""
_STRETCHED = re.compile(r"([a-z])\1{2,}")
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

    __slots__ = ("_endings", "_groups")

    def __init__(self, lines: Iterable[str]) -> None:
        """Take a line of endings and lines of words that begin alike, `?` behind those that may be a name."""
        endings, *groups = lines
        self._endings = tuple(endings.split())
        self._groups = {group[:2]: f" {group} " for group in groups}

    def kind(self, word: str) -> Kind:
        """Return what a word is that the vocabulary lacks."""
        group = self._groups.get(word[:2], "")
        if f" {word} " in group:
            return Kind.CLINICAL
        return Kind.ALSO_A_NAME if f" {word}? " in group else Kind.UNKNOWN

    def has_ending(self, word: str) -> bool:
        """Whether a long word ends as drugs, diseases or operations do, and as no name does."""
        if len(word) < SHORTEST_WITH_ENDING:
            return False
        return word.endswith(self._endings) or (word[-1] == "s" and word[:-1].endswith(self._endings))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
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
        if _STRETCHED.search(word):
            return self._shortened(word)
        kind = self.clinical.kind(word)
        if kind is Kind.UNKNOWN and word not in self.names and self.clinical.has_ending(word):
            return Kind.CLINICAL
        return kind

    def _shortened(self, word: str) -> Kind:
        """What a drawn-out word is, as `sooo` and `okaaay`: an ordinary one that nobody is called, or unknown."""
        for short in (_STRETCHED.sub(r"\1", word), _STRETCHED.sub(r"\1\1", word)):
            if self.words.get(short) in (Kind.ORDINARY, Kind.CLINICAL) and (
                short in _SMALL or not self.name_kinds(short)
            ):
                return Kind.ORDINARY
        return Kind.UNKNOWN

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
        word, flags = line.split(" ", 1)
        words[word] = Kind.ALSO_A_NAME if "?" in flags else Kind.CLINICAL if "+" in flags else Kind.ORDINARY
        if "!" in flags:
            abbreviations.add(word)
    of_kind = {kind: block.split(f"\n{kind} ") for kind, block in blocks_of("names")}
    eponyms = [form for name in of_kind.pop("e") for form in (name, f"{name}'s", f"{name}s")]
    phrases: dict[str, tuple[tuple[str, ...], ...]] = {}
    for phrase in [name for name in of_kind["p"] if " " in name]:
        parts = tuple(phrase.split())
        phrases[parts[0]] = (*phrases.get(parts[0], ()), parts)
    of_kind["p"] = [name for name in of_kind["p"] if " " not in name]
    names: dict[str, str] = {}
    shared: dict[str, str] = {}
    for kind, listed in of_kind.items():
        also = {name: names[name] + kind for name in names.keys() & listed}
        names |= dict.fromkeys(listed, kind)
        for name, kinds in also.items():
            names[name] = shared.setdefault(kinds, kinds)
    borne = {name for name in names.keys() & words.keys() if names[name] != "p" and len(name) > 1}
    borne -= TITLES
    small = {name for name in borne & _SMALL if "s" in names[name]} - _ASKED_ALWAYS
    return Lexicon(
        words=words,
        clinical=ClinicalWords(lines_of("clinical")),
        abbreviations=frozenset(abbreviations),
        names=names,
        phrases=phrases,
        asked=frozenset(borne - (_SMALL - _ASKED_ALWAYS)),
        eponyms=frozenset(eponyms),
        small_names=frozenset(small),
    )


def lines_of(name: str) -> list[str]:
    """The lines of a packed list of this package."""
    return _content_of(name).split("\n")


def blocks_of(name: str) -> Iterator[tuple[str, str]]:
    """Yield each kind of a packed list that is sorted by kind, and its lines: the first one without its kind.

    Raises:
        ValueError: The lines of a kind do not stand together.
    """
    content = f"{_content_of(name)}\n"
    begin = 0
    while begin < len(content):
        kind = content[begin : content.index(" ", begin)]
        head = f"{kind} "
        last, end = begin, len(content)
        while (middle := content.rfind("\n", last, (last + end) // 2) + 1) or (
            middle := content.find("\n", last, end - 1) + 1
        ):
            if content.startswith(head, middle):
                last = middle
            else:
                end = middle
        if content.count("\n", begin, end) != content.count(f"\n{head}", begin, end) + 1:
            raise ValueError(f"{name}: lines of kind {kind} apart, expected them together")
        yield kind, content[begin + len(head) : end - 1]
        begin = end


def _content_of(name: str) -> str:
    packed = (resources.files("medagent.redaction.text") / "data" / f"{name}.txt.gz").read_bytes()
    content = gzip.decompress(packed).decode()
    begin = 0
    while content.startswith("#", begin):
        begin = content.find("\n", begin) + 1 or len(content)
    return content[begin:]
