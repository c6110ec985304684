"""Names and places: which of the words that may be one are one here, by a small log-linear model and by lists."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import cache
from itertools import chain
from math import exp, inf
from typing import NamedTuple

from medagent.redaction.policy import Category
from medagent.redaction.text.cues import FILLERS, FUNCTION, SURE_TITLES, TITLES, words
from medagent.redaction.text.found import Layer, Span, is_sign
from medagent.redaction.text.lexicon import Kind, blocks_of, lexicon
from medagent.redaction.text.reading import (
    ASKED,
    PHRASE,
    SMALL,
    Mark,
    Reading,
    beginnings,
    begins_line,
    begins_with,
    cue,
    is_in_heading,
)
from medagent.redaction.text.units import LETTER, MIXED, NUMBER, ORDINAL, SIGN, WORD, Unit

THRESHOLD = 0.2
"""The probability of a name from which a word does not leave; set by hand, MODEL_CARD.md says what is known of how."""
SMALL_THRESHOLD, UNSURE_THRESHOLD = 0.55, 0.7
"""The probability from which a small word goes beside a name, and beside something hidden that may be none."""
CAPITAL_THRESHOLD = 0.15
UNKNOWN_THRESHOLD = 0.05
COMMON_THRESHOLD = 0.5
BESIDE_THRESHOLD = 0.05
RARE_THRESHOLD = 0.35
SELDOM_THRESHOLD = 0.6
_LEAST_THRESHOLD = min(
    (THRESHOLD, CAPITAL_THRESHOLD, UNKNOWN_THRESHOLD, COMMON_THRESHOLD, BESIDE_THRESHOLD, RARE_THRESHOLD)
)
_LINE_THRESHOLD = 0.9
_INTERJECTIONS = words(
    """huh welp yay ouch gosh wow whoa oops phew ugh aha aw aww yup nah geez jeez golly bless cheers bravo boo hurray
    darn dang yikes"""
)
_LAUGHS = words("ha hah heh ho tut")
_PEOPLE_DO = words(
    """called calls says said reports reported denies denied states stated wants wanted asks asked needs needed has had
    is was came comes will would here mentioned complained complains thinks feels called's and and's , md np pa rn"""
)
_ENDS = frozenset(".?!")
_EDGE = "<e>"
_EDGE_BEFORE = dict.fromkeys(_ENDS, _EDGE)
_SEEN_AS_THEY_ARE = frozenset(",ai")
_EDGES = (_EDGE,) * 3
_ORDINAL = "<th>"
_SEEN_BY_KIND = {NUMBER: "<n>", LETTER: "<l>"}
_HIDDEN, _HIDDEN_NAME, _HIDDEN_SYLLABLE = "<x>", "<f>", "<s>"
_HIDDEN_ONES = frozenset((_HIDDEN, _HIDDEN_NAME, _HIDDEN_SYLLABLE))
_HIDDEN_NAMES = frozenset((_HIDDEN_NAME, _HIDDEN_SYLLABLE))
_SYLLABLE = re.compile(r"[^aeiouy']{0,3}[aeiouy]{1,3}[^aeiouy']{0,2}")
"""A word of one syllable: beside one, a small word is more often another syllable of a name (`so young kim`)."""
_TITLES_AND_POINT, _TITLES_AND_FILLERS = TITLES | {"."}, TITLES | FILLERS
_NO_PLAIN_WORD = (Kind.NO_WORD, Kind.UNKNOWN)
_KIND_SIGNS = ("", "", "?", "+", "")
"""Of each kind of word, by its number; a tuple, since the hash of a member costs a call."""
_LONGEST_NAME = 4
_LEFT, _RIGHT = 2, 2
"""How many symbols the model sees before a word, and behind it."""
_FEATURES = (
    ("w", "k", "l", "r"),
    ("lk", "rk", "wl", "wr"),
    ("c", "L", "R", "b", "B", "2", "3", "lc", "n", "H", "I", "J"),
)
"""Kinds of features by stage, those that most often say no before the others."""
_HOPELESS = -3.0
"""The log odds after a stage from which on a word is no name, whatever the later features say."""
_FIRST_OR_LAST, _LAST = frozenset("fls"), frozenset("lm")
_PERSON_VERBS = words("is was has had needs wants called says")
"""Between a first name and one of these a word is a last name."""
_NAME_IS = frozenset(("name", "names", "surname", "name's"))
_INTRODUCING = _NAME_IS | SURE_TITLES
_DOCTORS = frozenset(("dr", "doctor", "prof", "professor"))
_IS = frozenset(("is", "was", ":", "'s", "as", "under", "for"))
_NOT_A_NAME = FUNCTION | words(
    """spelled spelt correct wrong listed misspelled confusing long short hard different common changed unknown
    pronounced difficult hyphenated first last middle full legal maiden married birth what called"""
)

_NEVER = words(
    """not wrong correct right spelled spelt listed misspelled misspelt confusing different common changed unknown same
    pronounced difficult hyphenated name called what"""
)
_NO_ENDING = words("and but because please thanks okay ok yes no with for from at on in to of by so here again now")
_NOT_TITLED = words("and or is was i")
_COMMA = frozenset((",",))
_WHICH_NAME = words("last first family maiden middle given sur second married birth full patient patient's caller's")
_NEVER_FIRST = words(
    "not the that this your his it its our on at of for with by from and is as if like such me mine no yes"
)
"""No name begins with one of these behind `name is`, unless something hidden follows it."""
_DEGREES = words("md dds dmd rn np phd esq lmft lcsw crna facp facs mph psyd lpn aprn dnp pharmd dpm")
_INITIAL_GAP, _DEGREE_GAP = 2, 4
_SPEAKING = words("calling speaking")
_THIS_IS, _THIS = words("is was it's this's that's i'm"), words("this it that here")
_I_AM = words("it's i'm that's this's")
_SAID_OF_OTHERS = words("what they're you're we're i'm he's she's why when who whoever")
_NOT_CALLING = words("who whoever what not just the a your my our someone somebody anyone still the why when")

CAPITAL_DATES = words(
    """monday tuesday wednesday thursday friday saturday sunday january february march april may june july august
    september october november december"""
)
CAPITALS = FUNCTION | CAPITAL_DATES

_GAPS = (" ", "-")
_NEVER_BEHIND = words(
    """i i'm i've i'd i'll that's he's she's you're they're we're don't doesn't didn't isn't wasn't can't won't he she
    it we they you this that these there my your his her its our their what who how why when where which if and or but
    so then now also because while although though however mother father mom dad wife husband daughter brother sister
    patient patients doctors thank thanks please hello hi hey bye sorry yes no yeah yep ok okay nope"""
)
_BORNE_ANYWHERE = FUNCTION - TITLES - _NEVER_BEHIND
"""Small words that a capital makes a part of the name before it; somebody is called so in some language."""
_BEHIND_AN = FUNCTION - words(
    """other old even already only up over off in into inside outside on out around under ever above upon about after
    along any all each either every an a our oh uh um ah again i i'm i've i'd i'll is ok okay"""
) | words("is are am")
"""No sentence goes on with one of these behind `an`, but with `please` behind somebody called An."""

_ANNOUNCING = TITLES | words("uncle aunt auntie grandma grandpa cousin name name's surname surname's called named")
"""Behind one of these a small word may be somebody's name: `doctor so`, `uncle an`."""

_OF_DOCTORS = words(
    """appointment appointments visit visits office offices note notes order orders bill bills number numbers name names
    referral referrals letter letters list lists today tomorrow yesterday tonight recommended advised suggested"""
)
"""Words behind `dr` that are no name."""
_POINTED = words("dr mr mrs ms prof")
_TIES = (" ", ". ", ".")
_TITLED = (
    FUNCTION
    - TITLES
    - words(
        """i i'm i've i'd i'll what who whom whose which where when why how that's he's she's you're they're we're don't
    doesn't didn't isn't wasn't can't won't patient patients doctors thank thanks please hello hi hey bye sorry"""
    )
)
"""Small words that a capital behind a title makes a name."""
_KIN = words(
    """husband wife son daughter mother father mom dad mum brother sister uncle aunt auntie grandma grandpa grandmother
    grandfather grandson granddaughter cousin niece nephew girl boy baby partner boyfriend girlfriend friend neighbor
    neighbour roommate boss coworker colleague caregiver twin kid child"""
)
_WHOSE = words("my our his her their your little older younger oldest youngest baby best old step")
_KIN_DO = _PEOPLE_DO - words("and 's , md np pa rn") | words(
    """will would can can't won't could should may might does doesn't did didn't isn't wasn't hasn't who turned turns
    lives works got went took fell feels keeps"""
)

_KIN_CUE = cue(_KIN)
_TITLES_CUE = cue(TITLES)
_ANNOUNCING_CUE = cue(_ANNOUNCING)
_AN_CUE = cue(("an",))
_DOCTORS_CUE = cue(_DOCTORS)
_DEGREES_CUE = cue(_DEGREES)
_SPEAKING_CUE = cue(_SPEAKING)
_COMMA_CUE = cue(_COMMA)
_INTRODUCING_CUE = cue(_INTRODUCING)
_FILLERS_CUE = cue(FILLERS)


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
        """Whether the first two stages say no of a word in small letters, however the text is cased."""
        of_word, of_kind, of_left, of_right = self._first
        most = self._most.get(word)
        if most is None:
            of_kinds = max(of_kind(f"{kinds} -", 0.0), of_kind(f"{kinds} l", 0.0))
            most = self._most[word] = self._bias + of_word(word, 0.0) + of_kinds
        score = most + of_left(left, 0.0) + of_right(right, 0.0)
        if score < _HOPELESS:
            return True
        lk, rk, wl, wr = self._second
        score += (
            lk(f"{left} {kinds}", 0.0)
            + rk(f"{right} {kinds}", 0.0)
            + wl(f"{left} {word}", 0.0)
            + wr(f"{word} {right}", 0.0)
        )
        return score < _HOPELESS

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


def listed_names(reading: Reading) -> Iterator[Span]:
    """Places of several words, and the names that something sure stands beside."""
    begins = reading.begins
    return chain(*[find(reading) for find, its in _BEGINNINGS if begins & its])


def mark_names(reading: Reading) -> Context | None:
    """Mark the suspects that are names here.

    Words that no list has are hidden from the others, and the vocabulary layer marks them only afterwards: it hides
    at least what detection alone hides.

    Returns:
        What stood around each word, if that was asked and nothing was hidden since.
    """
    open_ones: list[int] = []
    asked = reading.asked = suspects(reading)
    for at in asked:
        if reading.gone[at] or _is_between_plain_words(reading, at):
            continue
        listed = reading.borne[at]
        unknown = reading.kinds[at] is Kind.UNKNOWN
        if unknown and listed:
            _put(reading, at, listed)
        elif category := _beside(reading, at, listed):
            reading.put(at, at, Mark(category, Layer.NAMES))
        elif not _is_hopeless(reading, at):
            open_ones.append(at)
    if not open_ones:
        return None
    context = Context(reading)
    reading.cased = context.cased
    before = reading.count
    for at in open_ones:
        if context.finds(at):
            _put(reading, at, reading.borne[at])
    return context if reading.count == before else None


def mark_small_names(reading: Reading, context: Context | None) -> None:
    """Mark the small words that are part of a name beside them: `min ho <x>`, `<x> said`, `the <x>`."""
    for _ in range(_LONGEST_NAME):
        found = False
        for at in small_suspects(reading):
            context = context or Context(reading)
            if context.finds_small(at):
                reading.put(at, at, Mark(Category.NAME, Layer.NAMES))
                found = True
        if not found:
            return
        context = None


def threshold(reading: Reading, at: int) -> float:
    """Return the probability from which a suspect is hidden: higher for words that are seldom names, or often said."""
    kinds = reading.borne[at]
    if _begins_note(reading, at, kinds):
        return _LINE_THRESHOLD
    if at and _is_hidden(reading, at - 1) and "f" in reading.borne[at - 1]:
        return BESIDE_THRESHOLD
    if "f" in kinds and "c" not in kinds and _is_before_name(reading, at):
        return BESIDE_THRESHOLD
    if not kinds:
        return UNKNOWN_THRESHOLD if reading.kinds[at] is Kind.UNKNOWN else CAPITAL_THRESHOLD
    norm = reading.norms[at]
    if not reading.capitals[at] and (norm in _INTERJECTIONS or _is_laugh(reading, at) or _is_counted(reading, at)):
        return _LINE_THRESHOLD
    if "k" in kinds or reading.kinds[at] is Kind.ALSO_A_NAME:
        return THRESHOLD
    if "c" in kinds:
        return COMMON_THRESHOLD
    return RARE_THRESHOLD if "f" in kinds or "l" in kinds else SELDOM_THRESHOLD


def _is_laugh(reading: Reading, at: int) -> bool:
    """Whether `ha` stands beside another."""
    norm = reading.norms[at]
    beside = [one for one in (at - 1, at + 1) if 0 <= one < len(reading.norms) and not reading.gone[one]]
    return norm in _LAUGHS and any(reading.norms[one] == norm for one in beside)


def _is_counted(reading: Reading, at: int) -> bool:
    """Whether a word is a plural right behind a number: `two samples`."""
    is_behind = at > 0 and reading.units[at - 1].kind == NUMBER and not reading.gone[at - 1]
    return is_behind and reading.norms[at].endswith("s")


def _is_before_name(reading: Reading, at: int) -> bool:
    """Whether a name, or a word that no list has, is hidden right behind a word."""
    if at + 1 >= len(reading.norms):
        return False
    mark = reading.marks[at + 1]
    return reading.kinds[at + 1] is Kind.UNKNOWN if mark is None else mark.category is Category.NAME


def _begins_note(reading: Reading, at: int, kinds: str) -> bool:
    """Whether a word begins a note's line, is no well-known first name and does nothing that people do."""
    if not reading.capitals[at] or ("f" in kinds and "k" in kinds) or reading.norm(at + 1) in _PEOPLE_DO:
        return False
    return begins_line(reading, at) and not reading.gone[at - 1] if at else is_in_heading(reading, at)


def _put(reading: Reading, at: int, listed: str) -> None:
    reading.put(at, at, Mark(Category.ADDRESS if listed == "p" else Category.NAME, Layer.NAMES))


def _beside(reading: Reading, at: int, listed: str) -> Category | None:
    """What a suspect is by what stands directly beside it: a title, a first name, an address."""
    units, norms = reading.units, reading.norms
    if not (at and _may_be_beside(reading, at)):
        return None
    before = at - 2 if at > 1 and norms[at - 1] == "." else at - 1
    if norms[at] in FUNCTION:
        return None
    if norms[before] in (TITLES if before == at - 1 else _POINTED):
        return Category.NAME if "l" in listed or reading.capitals[at] else None
    mark = reading.marks[at - 1]
    if mark is not None and mark.category is Category.ADDRESS and "p" in listed:
        return Category.ADDRESS
    first = units[at - 1]
    has_first = _is_hidden(reading, at - 1) and "f" in reading.borne[at - 1]
    if has_first and reading.norm(at + 1) in _PERSON_VERBS and not _LAST.isdisjoint(listed):
        return Category.NAME
    if "c" in listed and "k" not in listed:
        return None
    if has_first and "l" in listed and first.kind == WORD and first.norm not in FUNCTION:
        return Category.NAME
    if at + 1 < len(units) and _is_hidden(reading, at + 1) and _is_name(listed):
        is_known = "f" in listed and "k" in listed and "c" not in listed and reading.kinds[at + 1] is Kind.UNKNOWN
        return Category.NAME if is_known or "f" in reading.borne[at + 1] else None
    return None


def _may_be_beside(reading: Reading, at: int) -> bool:
    """Whether a title, a first name or something hidden may stand directly beside a word."""
    return (
        reading.gone[at - 1]
        or "f" in reading.borne[at - 1]
        or reading.norms[at - 1] in _TITLES_AND_POINT
        or (at + 1 < len(reading.norms) and _is_hidden(reading, at + 1))
    )


def _is_between_plain_words(reading: Reading, at: int) -> bool:
    """Whether two ordinary words say that the one between them is no name: as `_beside` and `_is_hopeless`, sooner."""
    norms, kinds, borne, gone = reading.norms, reading.kinds, reading.borne, reading.gone
    if not 0 < at < len(norms) - 1 or reading.capitals[at] or reading.has_lines or gone[at - 1] or gone[at + 1]:
        return False
    left, right, kind = norms[at - 1], norms[at + 1], kinds[at]
    if kinds[at - 1] in _NO_PLAIN_WORD or kinds[at + 1] in _NO_PLAIN_WORD or kind is Kind.UNKNOWN:
        return False
    if "f" in borne[at - 1] or left in _TITLES_AND_FILLERS or right in FILLERS or norms[at] in FILLERS:
        return False
    return model().is_hopeless(norms[at], borne[at] + _KIND_SIGNS[kind], left, right)


def _is_hopeless(reading: Reading, at: int) -> bool:
    """Whether a word is no name beside what is plainly seen there, whatever the case tells, which is quickly asked."""
    kind, norm = reading.kinds[at], reading.norms[at]
    if kind is Kind.UNKNOWN or norm in FILLERS:
        return False
    left = _plain_left(reading, at)
    if reading.capitals[at]:
        return left == _EDGE and kind is Kind.ORDINARY and at not in reading.cued(ASKED)
    if left is None or (right := _plain_right(reading, at)) is None:
        return False
    return model().is_hopeless(norm, reading.borne[at] + _KIND_SIGNS[kind], left, right)


def _plain_left(reading: Reading, at: int) -> str | None:
    """What the model sees before a word; None where that takes a closer look."""
    if at == 0:
        return _EDGE
    symbol = _plain_symbol(reading, at - 1)
    return _EDGE if symbol and reading.has_lines and begins_line(reading, at) else symbol


def _plain_right(reading: Reading, at: int) -> str | None:
    """What the model sees behind a word; None where that takes a closer look."""
    after = at + 1
    if after == len(reading.norms):
        return _EDGE
    symbol = _plain_symbol(reading, after)
    return _EDGE if symbol and reading.has_lines and begins_line(reading, after) else symbol


def _plain_symbol(reading: Reading, at: int) -> str | None:
    kind, norm = reading.kinds[at], reading.norms[at]
    if kind is Kind.UNKNOWN or reading.gone[at] or norm in FILLERS:
        return None
    if kind is not Kind.NO_WORD or norm in _SEEN_AS_THEY_ARE:
        return norm
    unit = reading.units[at]
    if unit.kind in _SEEN_BY_KIND:
        return _ORDINAL if unit.how == ORDINAL else _SEEN_BY_KIND[unit.kind]
    if norm == "." and at and not _ends_sentence(reading.units[at - 1]):
        return None
    return _EDGE_BEFORE.get(norm)


def _is_hidden(reading: Reading, at: int) -> bool:
    return reading.gone[at] or reading.kinds[at] is Kind.UNKNOWN


def _is_name(listed: str) -> bool:
    return "f" in listed or "l" in listed or "p" in listed


def suspects(reading: Reading) -> list[int]:
    """The words of which the statistics decide: those that somebody bears as a name, and capitals without a need."""
    kinds, norms, terms = reading.kinds, reading.norms, reading.terms
    ordinary = Kind.ORDINARY
    found = {*reading.cued(ASKED), *reading.unknown()}
    for at in reading.capital_places:
        if kinds[at] is ordinary and norms[at] not in FUNCTION and norms[at].partition("'")[0] not in FUNCTION:
            found.add(at)
    return sorted(found - terms if terms else found)


def small_suspects(reading: Reading) -> list[int]:
    """The small words that somebody bears as a name and that stand beside something hidden, or behind a title."""
    gone, kinds, norms = reading.gone, reading.kinds, reading.norms
    unknown, also = Kind.UNKNOWN, Kind.ALSO_A_NAME
    if not (True in gone or reading.unknown() or reading.cued(_ANNOUNCING_CUE)):
        return []
    found: list[int] = []
    last = len(norms) - 1
    places = reading.cued(SMALL)
    if more := [at for at in reading.capital_places if at and _is_capital_behind_hidden(reading, at)]:
        places = sorted({*places, *more})
    for at in places:
        if gone[at] or kinds[at] is also:
            continue
        before = at - 2 if at > 1 and norms[at - 1] == "-" else at - 1
        after = at + 2 if at + 1 < last and norms[at + 1] == "-" else at + 1
        if (
            (at and (gone[at - 1] or kinds[at - 1] is unknown or gone[before] or kinds[before] is unknown))
            or (at < last and (gone[at + 1] or kinds[at + 1] is unknown or gone[after] or kinds[after] is unknown))
            or (at and norms[at - 1] in _ANNOUNCING)
            or (at > 1 and norms[at - 1] == "." and norms[at - 2] in _POINTED)
        ):
            found.append(at)
    return found


def _is_capital_behind_hidden(reading: Reading, at: int) -> bool:
    """Whether a small word stands with a capital of its own right behind a hidden one: `Kipruto Were`."""
    if not (reading.capitals[at] and _has_capital(reading, at - 1) and reading.norms[at] in _BORNE_ANYWHERE):
        return False
    start, end = reading.units[at].start, reading.units[at].end
    written = reading.text[start + 1 : end].islower() and reading.text[reading.units[at - 1].end : start] in _GAPS
    return written and _is_hidden(reading, at - 1)


def _has_capital(reading: Reading, at: int) -> bool:
    """Whether a word has a capital, or is a part of one that has, as `yun` of `Seo-yun`."""
    while at > 1 and reading.norms[at - 1] == "-":
        at -= 2
    return reading.capitals[at]


def has_more_names(reading: Reading) -> bool:
    """Whether another reading of what is left would find a name, where hidden words are seen without their kind."""
    open_ones = [at for at in reading.asked if not reading.gone[at]]
    is_same = not reading.capital_places or _is_cased_again(reading) is reading.cased
    if is_same:  # only what stands near something hidden can look otherwise
        open_ones = [at for at in open_ones if _is_near_hidden(reading, at)]
    open_ones = [at for at in open_ones if not _is_hopeless(reading, at)]
    small = small_suspects(reading)
    if not (open_ones or small):
        return False
    context = Context(reading, again=True)
    if is_same:
        open_ones = [at for at in open_ones if context.sees_hidden(at)]
    return any(map(context.finds, open_ones)) or any(map(context.finds_small, small))


def _is_cased_again(reading: Reading) -> bool:
    """Whether the next reading sees capitals, and most words that begin no sentence have none."""
    if all(reading.gone[at] for at in reading.capital_places):
        return False
    hides = reading.gone
    if unknown := reading.unknown():
        hides = hides.copy()
        for at in unknown:
            hides[at] = True
    return _are_few(reading, hides)


def _are_few(reading: Reading, hides: list[bool]) -> bool:
    """Whether most words that begin no sentence and are not hidden have no capital."""
    seen = [is_word and not hidden for is_word, hidden in zip(_words_of(reading), hides, strict=True)]
    upper = [at for at in reading.capital_places if seen[at]]
    return 2 * len(upper) <= sum(seen) > 0


def _is_near_hidden(reading: Reading, at: int) -> bool:
    """Whether something hidden, or unseen, is so near that the model may see it."""
    begin, end = max(0, at - _LEFT), at + _RIGHT + 1
    if True in reading.gone[begin:end] or Kind.UNKNOWN in reading.kinds[begin:end]:
        return True
    return "" in _symbols_of(reading)[begin:end]


class Context:
    """What stands around each word, with everything that will not leave hidden, so that a second reading agrees.

    With `again` it is seen as the next reading of the text would see it, where each hidden part is a placeholder.
    """

    def __init__(self, reading: Reading, *, again: bool = False) -> None:
        self._reading = reading
        self._again = again
        hides = self._hides = reading.gone.copy()
        self._marks = None if again else reading.marks.copy()
        self._has_lines = reading.has_lines
        self._all: tuple[list[str], list[int]] | None = None
        self._seen = _symbols_of(reading)
        if again and "." in reading.norms:
            self._seen = [
                _EDGE if norm == "." and at and hides[at - 1] else symbol
                for at, (norm, symbol) in enumerate(zip(reading.norms, self._seen, strict=True))
            ]
        for at in reading.unknown():
            hides[at] = True
        if reading.count and not again:  # the initial of a name is seen as in the mode that keeps it
            for at in reading.of_kind(LETTER):
                mark = reading.marks[at]
                hides[at] = mark is not None and mark.layer is not Layer.VOCABULARY
        self._cased: bool | None = None if reading.capital_places else False
        if again and self._cased is None:
            self._cased = _is_cased_again(reading)

    @property
    def cased(self) -> bool:
        """Whether capitals are left, and most words that begin no sentence have none."""
        if self._cased is None:
            gone = self._reading.gone
            is_left = not all(map(gone.__getitem__, self._reading.capital_places))
            self._cased = is_left and _are_few(self._reading, self._hides)
        return self._cased

    def _part(self, at: int) -> str:
        if self._marks is None:
            return _HIDDEN
        mark = self._marks[at]
        if mark is not None and mark.category is not Category.NAME:
            return _HIDDEN
        if _SYLLABLE.fullmatch(self._reading.norms[at]):
            return _HIDDEN_SYLLABLE
        listed = self._reading.borne[at]
        return _HIDDEN_NAME if mark is not None or "f" in listed or "l" in listed else _HIDDEN

    def _around(self, at: int) -> Sequence[str]:
        """Two symbols before and two behind."""
        if not self._has_lines:
            begin, end = max(0, at - _LEFT), at + _RIGHT + 1
            window = self._seen[begin:end]
            if "" not in window and True not in self._hides[begin:end]:
                del window[at - begin]
                before, after = max(0, _LEFT - at), max(0, end - len(self._seen))
                return [*_EDGES[:before], *window, *_EDGES[:after]] if before or after else window
        symbols, places = self._see()
        if place := places[at]:
            return [*symbols[place - 2 : place], *symbols[place + 1 : place + 3]]
        behind = next((one for one in places[at:] if one), len(symbols) - 2)
        return symbols[behind - 2 : behind + 2]  # a breath that is a name here, which its neighbours do not see

    def _begins(self, at: int) -> bool:
        """Whether a word begins a sentence, or is a breath."""
        symbols, places = self._see()
        return symbols[places[at] - 1] == _EDGE

    def _see(self) -> tuple[list[str], list[int]]:
        """Return what the model sees of the whole text, and where in it each unit is; 0 for breaths."""
        if self._all is None:
            symbols, places = self._all = [_EDGE, _EDGE, _EDGE], [0] * len(self._hides)
            if self._has_lines or "" in self._seen:
                self._see_each(symbols, places)
            else:
                self._see_stretches(symbols, places)
            symbols += (_EDGE, _EDGE)
        return self._all

    def _see_stretches(self, symbols: list[str], places: list[int]) -> None:
        """Note what the model sees, where only what is hidden is not seen as it is."""
        seen = self._seen
        done = -1
        for at in [at for at, hidden in enumerate(self._hides) if hidden]:
            part = self._part(at)
            if at > done:
                begin = max(done, 0)
                places[begin:at] = range(len(symbols), len(symbols) + at - begin)
                symbols += seen[begin:at]
                symbols.append(part)
            elif part is _HIDDEN_NAME or symbols[-1] is _HIDDEN:
                symbols[-1] = part
            places[at] = len(symbols) - 1
            done = at + 1
        begin = max(done, 0)
        places[begin:] = range(len(symbols), len(symbols) + len(seen) - begin)
        symbols += seen[begin:]

    def _see_each(self, symbols: list[str], places: list[int]) -> None:
        """Note what the model sees, unit by unit: over breaths, and with the ends of lines."""
        reading, lines = self._reading, self._has_lines
        hidden = False
        for at, (symbol, is_hidden) in enumerate(zip(self._seen, self._hides, strict=True)):
            if is_hidden:
                part = self._part(at)
                if not hidden:
                    hidden = True
                    symbols.append(part)
                elif part is _HIDDEN_NAME or symbols[-1] is _HIDDEN:
                    symbols[-1] = part
                places[at] = len(symbols) - 1
            elif symbol:
                hidden = False
                if lines and at and symbols[-1] not in _HIDDEN_ONES and begins_line(reading, at):
                    symbols.append(_EDGE)
                places[at] = len(symbols)
                symbols.append(symbol)

    def sees_hidden(self, at: int) -> bool:
        """Whether something hidden is among what stands around a word."""
        return not _HIDDEN_ONES.isdisjoint(self._around(at))

    def finds(self, at: int) -> bool:
        """Whether a suspect is a name here."""
        if not self.may_be(at):
            return False
        if self._reading.capitals[at] and (
            (self.cased and (self.says_name(at) or self._is_called(at))) or self._is_last(at)
        ):
            return True
        probability = self.probability(at)
        return probability >= _LEAST_THRESHOLD and probability >= threshold(self._reading, at)

    def finds_small(self, at: int) -> bool:
        """Whether a small word is part of the name beside it."""
        if self.says_name(at, CAPITAL_DATES) or (self.cased and at and _is_capital_behind_hidden(self._reading, at)):
            return True
        probability = self.probability(at)
        if probability < SMALL_THRESHOLD:
            return False
        return probability >= UNSURE_THRESHOLD or not _HIDDEN_NAMES.isdisjoint(self._around(at)[1:3])

    def may_be(self, at: int) -> bool:
        """Whether a word is a suspect for more than the capital that begins every sentence."""
        reading = self._reading
        if reading.kinds[at] is not Kind.ORDINARY or at in reading.cued(ASKED):
            return True
        return self.cased and not self._begins(at)

    def says_name(self, at: int, never: Set[str] = CAPITALS) -> bool:
        """Whether a word that people bear as a name has a capital that nothing else gives it."""
        reading = self._reading
        norm = reading.norms[at]
        if not _is_capital(reading, at) or not self.cased or norm in never or norm in FILLERS:
            return False
        if is_in_heading(reading, at):
            return False
        if _FIRST_OR_LAST.isdisjoint(reading.borne[at]) or (at > 0 and reading.norms[at - 1] == ":"):
            return False
        return not self._begins(at)

    def _is_called(self, at: int) -> bool:
        """Whether a word that no list has is written with a capital that nothing else gives it."""
        reading = self._reading
        if reading.kinds[at] is not Kind.UNKNOWN or not reading.capitals[at] or is_in_heading(reading, at):
            return False
        return not self._begins(at)

    def _is_last(self, at: int) -> bool:
        """Whether any word stands with a capital right behind a hidden one: `Winona Kills Straight`."""
        reading = self._reading
        if (
            not (at and _has_capital(reading, at - 1) and _is_hidden(reading, at - 1))
            or reading.kinds[at] is Kind.NO_WORD
        ):
            return False
        mark = reading.marks[at - 1]
        if (mark is not None and mark.category is not Category.NAME) or reading.norms[at] in CAPITALS:
            return False
        if not self.cased and (_FIRST_OR_LAST.isdisjoint(reading.borne[at]) or not _ends_here(reading, at + 1)):
            return False
        start, end = reading.units[at].start, reading.units[at].end
        return reading.text[start + 1 : end].islower() and reading.text[reading.units[at - 1].end : start] in _GAPS

    def probability(self, at: int) -> float:
        """How likely a word is a name here, 0 to 1."""
        reading = self._reading
        kind = reading.kinds[at]
        if kind is Kind.UNKNOWN:
            return model().probability(self.seen(at), -inf)
        return model().probability(self.seen(at), _HOPELESS)

    def seen(self, at: int) -> Seen:
        """What the model sees of a word."""
        reading = self._reading
        left2, left, right, right2 = self._around(at)
        kind = reading.kinds[at]
        word = reading.norms[at] if kind is not Kind.UNKNOWN else "<u>"
        capital = self.cased and reading.capitals[at]
        if capital:
            case = "-" if is_in_heading(reading, at) else "s" if left == _EDGE else "u"
        else:
            case = "l" if self.cased else "-"
        kinds = reading.borne[at] + _KIND_SIGNS[kind]
        return tuple.__new__(Seen, (word, kinds, case, left2, left, right, right2))


def _words_of(reading: Reading) -> list[bool]:
    """Which units are words that tell of capitals: no breaths, and none with which a sentence begins."""
    found = reading.cased_words
    if found is None:
        norms = reading.norms
        found = reading.cased_words = [True] * len(norms)
        for places in (reading.non_words(), reading.cued(_FILLERS_CUE), [0] if norms else []):
            for at in places:
                found[at] = False
        for at in reading.of_kind(SIGN):
            if norms[at] in _ENDS and at + 1 < len(norms):
                found[at + 1] = False
    return found


def _symbols_of(reading: Reading) -> list[str]:
    """What the model sees of each unit that nothing hides, empty for what it does not see; kept with the reading."""
    seen = reading.symbols
    if seen is None:
        seen = reading.symbols = reading.norms.copy()
        units = reading.units
        for at in reading.of_kind(NUMBER):
            seen[at] = _ORDINAL if units[at].how == ORDINAL else _SEEN_BY_KIND[NUMBER]
        for at in reading.of_kind(LETTER):
            if seen[at] not in "ai":
                seen[at] = _SEEN_BY_KIND[LETTER]
        for kind in (MIXED, SIGN):
            for at in reading.of_kind(kind):
                seen[at] = _symbol(reading, at)
        if not FILLERS.isdisjoint(seen):
            seen[:] = ["" if symbol in FILLERS else symbol for symbol in seen]
    return seen


def _symbol(reading: Reading, at: int) -> str:
    """A sign as the model sees it; empty for what it does not see, as the point of `dr.`."""
    norm = reading.norms[at]
    if norm not in _ENDS:
        return "," if norm == "," else ""
    if norm != "." or at == 0:
        return _EDGE
    return _EDGE if _ends_sentence(reading.units[at - 1]) else ""


def _ends_sentence(before: Unit) -> bool:
    """Whether a point behind this unit is no part of it, as the one of `dr.` is."""
    return before.kind != LETTER and before.norm not in _POINTED


@begins_with(PHRASE)
def _places(reading: Reading) -> Iterator[Span]:
    """Places of several words, all of which may be ordinary ones."""
    phrases = reading.lists.phrases
    for at in reading.cued(PHRASE):
        for parts in phrases[reading.norms[at]].get(reading.norm(at + 1), ()):
            if tuple(reading.norms[at : at + len(parts)]) == parts:
                yield at, at + len(parts) - 1, Category.ADDRESS


@begins_with(_DOCTORS_CUE)
def _doctors(reading: Reading) -> Iterator[Span]:
    """A word behind `doctor` that is somebody's last name, ordinary as it is."""
    for at in reading.cued(_DOCTORS_CUE):
        last = at + 2 if reading.norm(at + 1) == "." else at + 1
        norm = reading.norm(last)
        if norm in FUNCTION or last >= len(reading.units) or reading.units[last].kind != WORD:
            continue
        is_any = reading.norms[at] == "dr" and reading.kinds[last] is Kind.ORDINARY and norm not in _OF_DOCTORS
        if is_any or "l" in reading.lists.name_kinds(norm):
            yield last, last, Category.NAME


@begins_with(_TITLES_CUE)
def _titled(reading: Reading) -> Iterator[Span]:
    """`Dr. By`, `nurse To`: a word with a capital of its own behind a title, small as it is."""
    text, units = reading.text, reading.units
    if not reading.capital_places:
        return
    for at in reading.cued(_TITLES_CUE):
        last = at + 2 if reading.norm(at + 1) == "." and reading.norms[at] in _POINTED else at + 1
        if last >= len(units) or not reading.capitals[last] or reading.norms[last] not in _TITLED:
            continue
        if text[units[last].start + 1 : units[last].end].islower() and text[units[at].end : units[last].start] in _TIES:
            yield last, last, Category.NAME


@begins_with(_KIN_CUE)
def _kin(reading: Reading) -> Iterator[Span]:
    """`my girl lyza is ten`: a brand's name behind a relation, where it does as people do."""
    norms, words_of = reading.norms, reading.lists.words
    for at in reading.cued(_KIN_CUE):
        last = at + 1
        is_whose = at > 0 and norms[at - 1] in _WHOSE and reading.norm(last + 1) in _KIN_DO
        if is_whose and reading.kinds[last] is Kind.CLINICAL and norms[last] not in words_of:
            yield last, last, Category.NAME


@begins_with(LETTER, _DEGREES_CUE)
def _with_initial(reading: Reading) -> Iterator[Span]:
    """`James E. Hunt`, `Hunt, MD`: a first name, an initial and any word; any name before a degree."""
    units, norms = reading.units, reading.norms
    for at in reading.of_kind(LETTER):
        if norms[at] in "ai" and not _is_capital(reading, at):
            continue
        after = at + 2 if reading.norm(at + 1) == "." else at + 1
        if at == 0 or after >= len(units) or units[after].kind != WORD:
            continue
        if norms[after] in FUNCTION and not (_is_capital(reading, after) and reading.borne[after]):
            continue
        if units[after].start - units[at].end > _INITIAL_GAP or not _is_given_name(reading, at - 1):
            continue
        known = set(reading.borne[after]) & set("lm") or reading.kinds[after] is Kind.UNKNOWN
        if _is_capital(reading, after) or known:
            yield at - 1, after, Category.NAME
    for at in reading.cued(_DEGREES_CUE):
        last = at - 1
        while last > 0 and is_sign(units[last], ",."):
            last -= 1
        if last >= 0 and units[last].kind == WORD and norms[last] not in FUNCTION and at - last <= _DEGREE_GAP:
            written = reading.text[units[at].start].isupper() and reading.text[units[last].start].isupper()
            if (written and is_sign(units[at - 1], ",")) or (last > 0 and _is_given_name(reading, last - 1)):
                yield last, last, Category.NAME


def _is_given_name(reading: Reading, at: int) -> bool:
    """Whether a word is a first name, or one that no list has."""
    unit = reading.units[at]
    if unit.kind != WORD or unit.norm in FUNCTION:
        return False
    return reading.kinds[at] is Kind.UNKNOWN or "f" in reading.lists.name_kinds(unit.norm)


@begins_with(_SPEAKING_CUE)
def _calling(reading: Reading) -> Iterator[Span]:
    """`this is … calling`, `… speaking`: up to four words between the two, whatever they are."""
    norms = reading.norms
    for at in reading.cued(_SPEAKING_CUE):
        for begin in range(max(1, at - _LONGEST_NAME), at):
            if norms[begin - 1] in _THIS_IS and (begin < 2 or norms[begin - 2] in _THIS or norms[begin - 1] in _I_AM):
                run = range(begin, at)
                is_run = all(reading.units[i].kind in (WORD, LETTER) or is_sign(reading.units[i], ".-'") for i in run)
                small = norms[begin] == "my" and _is_hidden(reading, begin + 1)
                if (
                    is_run
                    and _SAID_OF_OTHERS.isdisjoint(norms[begin:at])
                    and (small or norms[begin] not in _NOT_CALLING)
                    and (len(run) > 1 or norms[begin] not in FUNCTION)
                ):
                    yield begin, at - 1, Category.NAME
                break


@begins_with(_AN_CUE)
def _called_an(reading: Reading) -> Iterator[Span]:
    """`An`, where no word follows that an article may stand before."""
    for at in reading.cued(_AN_CUE):
        if at and _is_article_odd(reading, at + 1):
            yield at, at, Category.NAME


def _is_article_odd(reading: Reading, after: int) -> bool:
    """Whether the sentence ends where an article wants a noun, or goes on with a small word."""
    if after >= len(reading.units):
        return True
    return reading.norms[after] in (_BEHIND_AN if reading.units[after].kind == WORD else _ENDS)


@begins_with(_COMMA_CUE)
def _last_first(reading: Reading) -> Iterator[Span]:
    """`brown, jack`, alone between the ends of a sentence."""
    units, norms, lists = reading.units, reading.norms, reading.lists
    for at in reading.cued(_COMMA_CUE):
        if not 0 < at < len(units) - 1 or units[at - 1].kind != WORD or units[at + 1].kind != WORD:
            continue
        last, first = norms[at - 1], norms[at + 1]
        alone = (at == 1 or norms[at - 2] in _ENDS or norms[at - 2] == ":") and _ends_here(reading, at + 2)
        if alone and "l" in lists.name_kinds(last) and "f" in lists.name_kinds(first) and not {last, first} & FUNCTION:
            yield at - 1, at + 1, Category.NAME


@begins_with(_INTRODUCING_CUE)
def _introduced(reading: Reading) -> Iterator[Span]:
    """What follows `my name is`, `last name` or `Mrs`, whatever word it is."""
    units, norms = reading.units, reading.norms
    for at in reading.cued(_INTRODUCING_CUE):
        begin = at + 1
        if norms[at] not in _NAME_IS:
            begin += reading.norm(begin) == "."
            if begin < len(units) and units[begin].kind == WORD and _may_be_titled(reading, begin):
                yield begin, begin, Category.NAME
            continue
        named = norms[at] == "name's" or reading.norm(begin) in _IS
        if not named and not (at and norms[at - 1] in _WHICH_NAME and norms[at] == "name"):
            continue
        begin += reading.norm(begin) in _IS
        if reading.norm(begin) in (".", ":", ","):
            begin += 1
            if norms[begin - 1] == "," and not _may_follow_comma(reading, begin):
                continue
        last = _end_of_name(reading, begin, _LONGEST_NAME if named else 1)
        if last >= begin:
            yield begin, last, Category.NAME


def _may_follow_comma(reading: Reading, at: int) -> bool:
    """Whether a word behind `last name,` may be the name: `last name, exactly as on the card` names nobody."""
    return at < len(reading.norms) and (
        reading.capitals[at] or _is_hidden(reading, at) or bool(reading.lists.name_kinds(reading.norms[at]))
    )


def _may_be_titled(reading: Reading, at: int) -> bool:
    norm = reading.norms[at]
    return norm not in _NOT_A_NAME or (bool(reading.lists.name_kinds(norm)) and norm not in _NOT_TITLED)


def _end_of_name(reading: Reading, begin: int, most: int) -> int:
    """The last unit of the name that begins here for sure; `begin` - 1 where it is none.

    A small word belongs to it between other parts, and at its end where the sentence ends too.
    """
    norms, lists = reading.norms, reading.lists
    last = ahead = begin - 1
    never_first = reading.norm(begin) in _NEVER_FIRST
    for ahead in range(begin, min(begin + most, len(norms))):
        norm = norms[ahead]
        if reading.units[ahead].kind != WORD or norm in _NEVER:
            break
        if norm in _NOT_A_NAME:
            if not lists.name_kinds(norm):
                break
        elif _is_hidden(reading, ahead) or (
            not never_first and (ahead == begin or bool(lists.name_kinds(norm)) or _is_capital(reading, ahead))
        ):
            last = ahead
        else:
            break
    else:
        ahead += 1
    small = ahead > last + 1 and ahead <= last + 3 and not (never_first and last < begin)
    return ahead - 1 if small and _ends_here(reading, ahead) and norms[ahead - 1] not in _NO_ENDING else last


def _is_capital(reading: Reading, at: int) -> bool:
    return reading.capitals[at]


def _ends_here(reading: Reading, at: int) -> bool:
    """Whether a sentence, a part of one, or the text ends before this unit."""
    return (
        at >= len(reading.units)
        or (reading.units[at].kind == SIGN and reading.norms[at] in ".,;?!")
        or (reading.norms[at] in ("and", "i", "calling", "speaking"))
    )


_FINDERS: tuple[Callable[[Reading], Iterator[Span]], ...] = (
    _places,
    _introduced,
    _doctors,
    _titled,
    _kin,
    _with_initial,
    _calling,
    _called_an,
    _last_first,
)
"""What finds names beside something sure, and places of several words."""
_BEGINNINGS = tuple((finder, beginnings(finder)) for finder in _FINDERS)
