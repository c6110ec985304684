"""The lists that are shipped: words that anybody may know, names, places; loaded once."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from importlib import resources
from typing import Any, TypeVar

from medagent.redaction.text.cues import FILLERS, FUNCTION, TITLES, words
from medagent.redaction.text.units import ACCENTED, Unit

_ALSO_ACCENTED = words("cafe naive resume fiance fiancee decor cliche puree saute risque melange entree")
_SMALL = FUNCTION | FILLERS
_ASKED_ALWAYS = frozenset(("will", "may"))
"""Small words that are first names often enough to be asked without anything beside them."""
_NEVER_ASKED = TITLES | (_SMALL - _ASKED_ALWAYS)
_INDEXED = 2
"""Letters by which the lines of a list are found."""
_LAST_SIGN = "\U0010ffff"
_T = TypeVar("_T")
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


class PackedWords(Mapping[str, Kind]):
    """Words and their kinds as one sorted text, a line each with its flags; a tenth of a dictionary's memory.

    Args:
        content: Lines in the order of their code points; behind a word a space and `?`, `+` or `!`.
    """

    def __init__(self, content: str) -> None:
        self._lines = f"\n{content}\n"
        self._ranges: dict[str, tuple[int, int]] = {}

    def get(self, word: str, default: Any = None) -> Any:
        """Return the kind of a word, `default` for one that is not listed."""
        begin, end = self._ranges.get(word[:_INDEXED]) or self._range(word[:_INDEXED])
        at = self._lines.find(f"\n{word}", begin, end)
        if at < 0:
            return default
        after = at + len(word) + 1  # what is listed stands before any longer word that begins with it
        sign = self._lines[after]
        if sign == "\n" and " " not in word and word:
            return Kind.ORDINARY
        return _kind_of(self._lines[after : self._lines.index("\n", after)]) if sign == " " else default

    def __getitem__(self, word: str) -> Kind:
        """Return the kind of a word; raise `KeyError` for one that is not listed."""
        kind: Kind | None = self.get(word)
        if kind is None:
            raise KeyError(word)
        return kind

    def __contains__(self, word: object) -> bool:
        """Whether a word is listed."""
        return isinstance(word, str) and self.get(word) is not None

    def __iter__(self) -> Iterator[str]:
        """Yield the words in their order."""
        return (line.partition(" ")[0] for line in self._lines[1:-1].split("\n"))

    def __len__(self) -> int:
        """Return the number of words."""
        return self._lines.count("\n") - 1

    def with_flag(self, flag: str) -> Iterator[str]:
        """Yield the words behind which a flag stands."""
        at = self._lines.find(flag)
        while at >= 0:
            line = self._lines[self._lines.rindex("\n", 0, at) + 1 : at]
            if " " in line:
                yield line.partition(" ")[0]
            at = self._lines.find(flag, at + 1)

    def _range(self, first: str) -> tuple[int, int]:
        """Return where lines that begin with these letters stand, from the end of the line before them."""
        found = self._before(first), self._before(f"{first}{_LAST_SIGN}") + 1
        if first.isascii() and first.isalpha():  # else whatever comes would be kept
            self._ranges[first] = found
        return found

    def _before(self, target: str) -> int:
        """Return the end of the last line that is less than a target."""
        lines = self._lines
        low, high = 0, len(lines) - 1
        while low < high:
            middle = lines.rfind("\n", low, (low + high) // 2 + 1)
            end = lines.index("\n", middle + 1)
            if lines[middle + 1 : end] < target:
                low = end
            else:
                high = middle
        return low


def _kind_of(flags: str) -> Kind:
    return Kind.ALSO_A_NAME if "?" in flags else Kind.CLINICAL if "+" in flags else Kind.ORDINARY


class AskedWords(Set[str]):
    """Words that somebody bears as a name, apart from small ones; told of each word from the two lists."""

    def __init__(self, words: Mapping[str, Kind], names: Mapping[str, str]) -> None:
        self._words = words
        self._names = names

    def __contains__(self, word: object) -> bool:
        """Whether a word is asked about."""
        return (
            isinstance(word, str)
            and self._names.get(word, "p") != "p"
            and len(word) > 1
            and word not in _NEVER_ASKED
            and word in self._words
        )

    def __iter__(self) -> Iterator[str]:
        """Yield the words in the order of the names."""
        return (name for name in self._names if name in self)

    def __len__(self) -> int:
        """Return the number of words."""
        return sum(1 for _ in self)

    @classmethod
    def _from_iterable(cls, found: Iterable[_T]) -> frozenset[_T]:  # type: ignore[override]  # of two sets one is made
        return frozenset(found)


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
    phrases: Mapping[str, Mapping[str, tuple[tuple[str, ...], ...]]]
    """Places of several words, by the first and by the second one."""
    asked: Set[str]
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
        if _STRETCHED.search(word):
            return self._shortened(word)
        kind = self.clinical.kind(word)
        if word in self.names:
            return kind if kind is Kind.ALSO_A_NAME else Kind.UNKNOWN
        return Kind.CLINICAL if kind is Kind.UNKNOWN and self.clinical.has_ending(word) else kind

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
    words = PackedWords(_content_of("words"))
    of_kind = {kind: block.split(f"\n{kind} ") for kind, block in blocks_of("names")}
    clinical = ClinicalWords(lines_of("clinical"))
    named = {*of_kind.pop("e"), *clinical.eponyms}
    eponyms = [form for name in named for form in (name, f"{name}'s", f"{name}s")]
    phrases: dict[str, dict[str, tuple[tuple[str, ...], ...]]] = {}
    for phrase in [name for name in of_kind["p"] if " " in name]:
        parts = tuple(phrase.split())
        begun = phrases.setdefault(parts[0], {})
        begun[parts[1]] = (*begun.get(parts[1], ()), parts)
    of_kind["p"] = [name for name in of_kind["p"] if " " not in name]
    names: dict[str, str] = {}
    shared: dict[str, str] = {}
    for kind, listed in of_kind.items():
        also = {name: names[name] + kind for name in names.keys() & listed}
        names |= dict.fromkeys(listed, kind)
        for name, kinds in also.items():
            names[name] = shared.setdefault(kinds, kinds)
    small = (name for name in _SMALL - _ASKED_ALWAYS - TITLES if "s" in names.get(name, "") and name in words)
    return Lexicon(
        words=words,
        clinical=clinical,
        abbreviations=frozenset(words.with_flag("!")),
        names=names,
        phrases=phrases,
        asked=AskedWords(words, names),
        eponyms=frozenset(eponyms),
        drug_names=frozenset(clinical.drug_names),
        small_names=frozenset(name for name in small if len(name) > 1),
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
    begin, seen = 0, set[str]()
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
        if kind in seen or content.count("\n", begin, end) != content.count(f"\n{head}", begin, end) + 1:
            raise ValueError(f"{name}: lines of kind {kind} apart, expected them together")
        seen.add(kind)
        yield kind, content[begin + len(head) : end - 1]
        begin = end


def _content_of(name: str) -> str:
    packed = (resources.files("medagent.redaction.text") / "data" / f"{name}.txt.gz").read_bytes()
    content = gzip.decompress(packed).decode()
    begin = 0
    while content.startswith("#", begin):
        begin = content.find("\n", begin) + 1 or len(content)
    return content[begin:]
