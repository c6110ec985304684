"""The log-linear model of names: what it sees of a word, its weights, its probability."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from math import exp
from typing import NamedTuple

from medagent.redaction.text.lexicon import blocks_of, lexicon

_FEATURES = (
    ("w", "k", "l", "r"),
    ("lk", "rk", "wl", "wr"),
    ("c", "L", "R", "b", "B", "2", "3", "lc", "n", "H", "I", "J"),
)
"""Kinds of features by stage, those that most often say no before the others."""
HOPELESS = -3.0
"""The log odds after a stage from which on a word is no name, whatever the later features say."""


class Seen(NamedTuple):
    """What the model sees of a word: itself, its lists, its capital, two symbols before it and two behind it."""

    word: str
    kinds: str
    case: str
    left2: str
    left: str
    right: str
    right2: str

    def features(self) -> tuple[str, ...]:
        """All features of one word, as the model is trained on them."""
        word, kinds, case, left2, left, right, right2 = self
        names = lexicon().name_kinds
        return (
            "bias",
            f"w {word}",
            f"k {kinds} {case}",
            f"l {left}",
            f"r {right}",
            f"lk {left} {kinds}",
            f"rk {right} {kinds}",
            f"wl {left} {word}",
            f"wr {word} {right}",
            f"c {case} {word}",
            f"L {left2} {left}",
            f"R {right} {right2}",
            f"b {left} {right}",
            f"B {left} {right} {right2}",
            f"2 {left2}",
            f"3 {right2}",
            f"lc {left} {case}",
            f"n {names(left)} {names(right)}",
            f"H {group(left)} {group(right)} {borne(kinds)}",
            f"I {group(left2)} {group(left)} {borne(kinds)}",
            f"J {group(right)} {group(right2)} {borne(kinds)}",
        )


_GROUPS_OF_WORDS = {
    "he": "i you he she we they it who there somebody someone everybody everyone anybody anyone nobody",
    "him": "me him them us",
    "the": "the a an my your his her our their some any no every each another these those which what this that",
    "is": """is was are were has had have does did do can could will would should may might must be been isn't wasn't
        hasn't hadn't doesn't didn't don't can't couldn't won't wouldn't shouldn't aren't weren't haven't""",
    "of": """of in on at for from with without about after before by to like under over into through during near
        between against around behind than per except""",
    "and": "and or but so because if when while since until unless as then whether where how why once",
    "it's": "it's i'm he's she's that's there's what's who's where's how's we're they're you're here's let's i'll i've",
    "hi": """hi hey hello okay ok yes yeah no sure well thanks thank please sorry bye goodbye alright right oh dear
        welcome morning afternoon evening""",
    "today": """now today yesterday tomorrow tonight again here there too also just still already never always not ever
        soon later back home away up down out off in""",
    "kin": """husband wife son daughter mother father mom dad mum mama brother sister uncle aunt auntie grandma grandpa
        grandmother grandfather grandson granddaughter cousin niece nephew stepson stepdaughter fiance fiancee twin
        baby partner boyfriend girlfriend friend neighbor neighbour roommate boss coworker colleague landlord sitter
        coach teacher caregiver aide child kid kids""",
    "dr": """mr mrs ms miss mister dr doctor nurse midwife therapist surgeon dentist pharmacist specialist
        receptionist patient resident professor pastor officer""",
    "name": "name names name's surname called named spelled under",
    "ask": """ask tell call see get take give find help need want know let put make bring keep send show meet remind
        thank page text email phone contact reach wake say think hope guess believe remember love trust""",
    "asked": """said told took went got felt fell gave came saw knew thought made left lost kept put broke hurt ate
        slept ran met heard found brought sent says thinks knows gets takes wants needs""",
}
_ENDING = re.compile(r"(?:n't|ed|ing|ly|s)$")


class _Groups(dict[str, str]):
    """Coarse kinds of the symbols around a word, so that what was learned beside one holds beside its like."""

    def __missing__(self, symbol: str) -> str:
        ending = _ENDING.search(symbol)
        found = symbol if symbol[:1] in "<,2" else ending[0] if ending and len(symbol) > _SHORTEST_ENDED else "-"
        if len(self) < _MOST_GROUPED:
            self[symbol] = found
        return found


_SHORTEST_ENDED, _MOST_GROUPED = 4, 2_000
group = _Groups({word: name for name, listed in _GROUPS_OF_WORDS.items() for word in listed.split()}).__getitem__


class _Borne(dict[str, str]):
    """How well known a word is as a name, and how often it is said as a word: shorter than its lists."""

    def __missing__(self, kinds: str) -> str:
        how = "k" if "k" in kinds else "?" if "?" in kinds else "r"
        said = "c" if "c" in kinds else "d" if "d" in kinds else ""
        which = "f" if "f" in kinds or "g" in kinds else "l" if "l" in kinds or "m" in kinds else ""
        found = self[kinds] = how + said + which + ("+" if "+" in kinds else "") + ("s" if "s" in kinds else "")
        return found


borne = _Borne().__getitem__


class Model:
    """Weights by feature, in log odds of being a name."""

    def __init__(self, of_kind: Mapping[str, Mapping[str, float]]) -> None:
        """Take the weights by kind of feature and by what is seen."""
        self._bias = of_kind.get("bias", {}).get("", 0.0)
        self._first, self._second, self._third = (
            tuple(of_kind.get(kind, {}).get for kind in kinds) for kinds in _FEATURES
        )
        self._most: dict[str, float] = {}

    def is_hopeless(self, word: str, kinds: str, left: str, right: str) -> bool:
        """Return whether the first two stages say no of a word in small letters, however the text is cased."""
        of_word, of_kind, of_left, of_right = self._first
        most = self._most.get(word)
        if most is None:
            of_kinds = max(of_kind(f"{kinds} -", 0.0), of_kind(f"{kinds} l", 0.0))
            most = self._most[word] = self._bias + of_word(word, 0.0) + of_kinds
        score = most + of_left(left, 0.0) + of_right(right, 0.0)
        if score < HOPELESS:
            return True
        lk, rk, wl, wr = self._second
        score += (
            lk(f"{left} {kinds}", 0.0)
            + rk(f"{right} {kinds}", 0.0)
            + wl(f"{left} {word}", 0.0)
            + wr(f"{word} {right}", 0.0)
        )
        return score < HOPELESS

    def probability(self, seen: Seen, hopeless: float) -> float:
        """How likely the word is a name, 0 to 1; later features are not asked where the odds fall below `hopeless`."""
        word, kinds, case, left2, left, right, right2 = seen
        of_word, of_kind, of_left, of_right = self._first
        score = self._bias + of_word(word, 0.0) + of_kind(f"{kinds} {case}", 0.0)
        score = score + of_left(left, 0.0) + of_right(right, 0.0)
        if score < hopeless:
            return 0.0
        lk, rk, wl, wr = self._second
        score += (
            lk(f"{left} {kinds}", 0.0)
            + rk(f"{right} {kinds}", 0.0)
            + wl(f"{left} {word}", 0.0)
            + wr(f"{word} {right}", 0.0)
        )
        if score < hopeless:
            return 0.0
        names = lexicon().name_kinds
        c, two_left, two_right, both, both_right, second, behind, lc, lists, beside, before, after = self._third
        before_it, behind_it = f"{left2} {left}", f"{right} {right2}"
        far_left, near_left, near_right, far_right = group(left2), group(left), group(right), group(right2)
        known = borne(kinds)
        score += (
            c(f"{case} {word}", 0.0)
            + two_left(before_it, 0.0)
            + two_right(behind_it, 0.0)
            + both(f"{left} {right}", 0.0)
            + both_right(f"{left} {behind_it}", 0.0)
            + second(left2, 0.0)
            + behind(right2, 0.0)
            + lc(f"{left} {case}", 0.0)
            + lists(f"{names(left)} {names(right)}", 0.0)
            + beside(f"{near_left} {near_right} {known}", 0.0)
            + before(f"{far_left} {near_left} {known}", 0.0)
            + after(f"{near_right} {far_right} {known}", 0.0)
        )
        return 1 / (1 + exp(-max(-30.0, min(30.0, score)))) if score >= hopeless else 0.0


@cache
def model() -> Model:
    """The shipped model."""
    of_kind: dict[str, dict[str, float]] = {}
    shared: dict[str, float] = {}
    for kind, block in blocks_of("model"):
        parts = block.replace(f"\n{kind} ", "\t").split("\t")
        weights = parts[1::2]
        shared |= {weight: int(weight) / 100 for weight in set(weights) - shared.keys()}
        of_kind[kind] = dict(zip(parts[::2], map(shared.__getitem__, weights), strict=True))
    return Model(of_kind)
