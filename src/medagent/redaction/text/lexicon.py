"""The lists that are shipped: words that anybody may know, names, places; loaded once."""

from __future__ import annotations

import gzip
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
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
_BLOCK = 16
"""Lines of a list that are together in one text."""
_T = TypeVar("_T")
_BEGINNINGS = words(
    """cryo thermo electro laparo endo trans peri intra extra post retro hemi micro macro hyper hypo poly para inter
    infra supra angio broncho cardio cranio cysto dermo entero gastro hemo hemato hepato histo hystero immuno kerato
    laryngo lympho mammo masto meningo myelo naso nephro neuro oculo onco ophthalmo osteo pharyngo phlebo pleuro
    pneumo procto psycho pulmo pyelo radio recto rhino sclero sigmoido spino spleno spondylo thoraco thrombo thyro
    tracheo uretero urethro utero vaso veno vertebro viscero cervico costo dorso femoro gluteo ileo inguino lumbo
    maxillo mandibulo occipito orbito palato parieto patello pelvi phreno sacro scapulo sterno temporo tibio vesico
    anti auto contra epi ferro fibro glyco hydro ipsi lacto leuko lipo litho meso meta mono multi ortho patho
    pharmaco photo phono pseudo pyro semi super tele tetra ultra"""
)
"""Greek and Latin beginnings of clinical words."""
_SHORTEST_COMPOUND, _SHORTEST_BEGINNING, _SHORTEST_REST = 9, 3, 5
"""Letters of such a word, of its beginning and of the ordinary word behind it."""
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


class SortedWords:
    """Words in texts of a few lines each, found by the first word of each; a sixth of a dictionary's memory.

    Args:
        lines: Words in the order of their code points, each with its flags behind it.
        flags: Signs with which flags begin, which are in no word.
    """

    def __init__(self, lines: Sequence[str], flags: str) -> None:
        self._flags = flags
        self._firsts = [line.rstrip(f"{flags}?+!") for line in lines[::_BLOCK]]
        self._blocks = ["\n".join(["", *lines[at : at + _BLOCK], ""]) for at in range(0, len(lines), _BLOCK)]
        self._count = len(lines)
        self._whole = 0, len(self._firsts)
        self._ranges: dict[str, tuple[int, int]] = {}
        """Of the first words, those that begin with the same letters."""
        for at, first in enumerate(self._firsts):
            letters = first[:_INDEXED]
            self._ranges[letters] = self._ranges.get(letters, (at, at))[0], at + 1

    def flags_of(self, word: str) -> str | None:
        """Return the flags behind a word, None for one that is not listed."""
        begin, end = self._ranges.get(word[:_INDEXED], self._whole)
        block = self._blocks[bisect_right(self._firsts, word, begin, end) - 1]
        at = block.find(f"\n{word}")
        if at < 0:
            return None
        begin = at + len(word) + 1  # what is listed is before any longer word that begins with it
        flags = block[begin : block.find("\n", begin)]
        if flags and flags[0] not in self._flags:
            return None
        return flags if word and not any(sign in word for sign in f"{self._flags}\n") else None

    def __iter__(self) -> Iterator[str]:
        """Yield the lines in their order."""
        return (line for block in self._blocks for line in block[1:-1].split("\n"))

    def __len__(self) -> int:
        """Return the number of words."""
        return self._count


class PackedWords(Mapping[str, Kind]):
    """Words and their kinds, by lines with a space and `?`, `+` or `!` behind a word that is not simply ordinary."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._words = SortedWords(lines, " ")

    def get(self, word: str, default: Any = None) -> Any:
        """Return the kind of a word, `default` for one that is not listed."""
        flags = self._words.flags_of(word)
        return default if flags is None else _kind_of(flags) if flags else Kind.ORDINARY

    def __getitem__(self, word: str) -> Kind:
        """Return the kind of a word; raise `KeyError` for one that is not listed."""
        kind: Kind | None = self.get(word)
        if kind is None:
            raise KeyError("word: not listed")  # the word may be a caller's
        return kind

    def __contains__(self, word: object) -> bool:
        """Return whether a word is listed."""
        return isinstance(word, str) and self.get(word) is not None

    def __iter__(self) -> Iterator[str]:
        """Yield the words in their order."""
        return (line.partition(" ")[0] for line in self._words)

    def __len__(self) -> int:
        """Return the number of words."""
        return len(self._words)


def _kind_of(flags: str) -> Kind:
    return Kind.ALSO_A_NAME if "?" in flags else Kind.CLINICAL if "+" in flags else Kind.ORDINARY


class AskedWords(Set[str]):
    """Words that somebody bears as a name, apart from small ones; told of each word from the two lists."""

    def __init__(self, words: Mapping[str, Kind], names: Mapping[str, str]) -> None:
        self._words = words
        self._names = names

    def __contains__(self, word: object) -> bool:
        """Return whether a word is asked about."""
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
    def _from_iterable(cls, found: Iterable[_T]) -> frozenset[_T]:
        return frozenset(found)


class ClinicalWords:
    """Clinical words beside the vocabulary."""

    __slots__ = (
        "_endings",
        "_shortest",
        "_tails",
        "_words",
        "capitals",
        "drug_names",
        "eponyms",
        "pairs",
        "rare_eponyms",
    )

    def __init__(self, lines: Iterable[str]) -> None:
        """Take lines: endings, eponyms, drugs' names, terms with `;` between, capitals, and words that begin alike.

        Behind an eponym that few people are called is `?`. A word is clinical, with `.` behind it ordinary, with
        `?` perhaps a name.
        """
        endings, eponyms, drug_names, pairs, capitals, *groups = lines
        self.eponyms, self.drug_names = eponyms.replace("?", "").split(), drug_names.split()
        self.capitals = frozenset(capitals.split())
        self.rare_eponyms = [name[:-1] for name in eponyms.split() if name[-1] == "?"]
        self.pairs: dict[str, tuple[tuple[str, ...], ...]] = {}
        for first, *rest in (pair.split() for pair in pairs.split(";")):
            self.pairs[first] = (*self.pairs.get(first, ()), tuple(rest))
        self._endings = tuple(endings.split())
        self._shortest = min(map(len, self._endings), default=1)
        self._tails = frozenset(ending[-self._shortest :] for ending in self._endings)
        self._words = SortedWords(" ".join(groups).split(" "), "?.")

    def kind(self, word: str) -> Kind:
        """Return what a word is that the vocabulary lacks."""
        flags = self._words.flags_of(word)
        return Kind.UNKNOWN if flags is None else _KINDS[flags]

    def has_ending(self, word: str) -> bool:
        """Return whether a long word ends as drugs, diseases or operations do, and as no name does."""
        size, tails = self._shortest, self._tails
        if len(word) < SHORTEST_WITH_ENDING or not (word[-size:] in tails or word[-size - 1 : -1] in tails):
            return False
        return word.endswith(self._endings) or (word[-1] == "s" and word[:-1].endswith(self._endings))


_KINDS = {"": Kind.CLINICAL, ".": Kind.ORDINARY, "?": Kind.ALSO_A_NAME}
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
    rare_eponyms: frozenset[str]
    """Those of them that few people are called."""
    pairs: Mapping[str, tuple[tuple[str, ...], ...]]
    """Terms of several names, by the first one: what follows it."""
    drug_names: frozenset[str]
    """Brands of drugs that are also somebody's name."""
    capitals: frozenset[str]
    """Abbreviations of notes that only capitals show."""
    small_names: frozenset[str]
    """The small words and breaths that somebody bears as a name: asked only beside another part of a name."""

    def kind_of(self, unit: Unit) -> Kind:
        """Return what a word of a text is; one with accents is another word than the one without."""
        return self.kind(unit.norm) if unit.how != ACCENTED or unit.norm in _ALSO_ACCENTED else Kind.UNKNOWN

    def kind(self, word: str) -> Kind:
        """Return what a plain word is, with or without a possessive or a short verb behind its apostrophe."""
        found = self.words.get(word)
        if found is None and "'" in word:
            if self.clinical.kind(word) is Kind.CLINICAL:
                return Kind.CLINICAL
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
        is_built = kind is Kind.UNKNOWN and (self.clinical.has_ending(word) or self._is_compound(word))
        return Kind.CLINICAL if is_built else kind

    def _is_compound(self, word: str) -> bool:
        """Return whether a long word is a Greek or Latin beginning and an ordinary word: `cryoablation`."""
        if len(word) < _SHORTEST_COMPOUND:
            return False
        return any(
            word[:size] in _BEGINNINGS and self.words.get(word[size:]) in (Kind.ORDINARY, Kind.CLINICAL)
            for size in range(_SHORTEST_BEGINNING, len(word) - _SHORTEST_REST + 1)
        )

    def _shortened(self, word: str) -> Kind:
        """What a drawn-out word is, as `sooo` and `okaaay`: an ordinary one that nobody is called, or unknown."""
        for short in (_STRETCHED.sub(r"\1", word), _STRETCHED.sub(r"\1\1", word)):
            if self.words.get(short) in (Kind.ORDINARY, Kind.CLINICAL) and (
                short in _SMALL or not self.name_kinds(short)
            ):
                return Kind.ORDINARY
        return Kind.UNKNOWN

    def name_kinds(self, word: str) -> str:
        """Return in which lists of names a word is, as letters."""
        return self.names.get(word) or (self.names.get(word.removesuffix("'s"), "") if "'" in word else "")


@cache
def lexicon() -> Lexicon:
    """The shipped lists."""
    lines = lines_of("words")
    words = PackedWords(lines)
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
        abbreviations=frozenset([line.partition(" ")[0] for line in lines if "!" in line]),
        names=names,
        phrases=phrases,
        asked=AskedWords(words, names),
        eponyms=frozenset(eponyms),
        rare_eponyms=frozenset(form for name in clinical.rare_eponyms for form in (name, f"{name}'s")),
        pairs=clinical.pairs,
        drug_names=frozenset(clinical.drug_names),
        capitals=clinical.capitals,
        small_names=frozenset(name for name in small if len(name) > 1),
    )


def lines_of(name: str) -> list[str]:
    """The lines of a packed list of this package."""
    return _content_of(name).split("\n")


def blocks_of(name: str) -> Iterator[tuple[str, str]]:
    """Yield each kind of a packed list that is sorted by kind, and its lines: the first one without its kind.

    Raises:
        ValueError: The lines of a kind are apart.
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
