"""Names and places: which of the words that may be one are one here, by a small log-linear model and by lists."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Set
from functools import cache
from itertools import chain
from math import exp, inf
from typing import NamedTuple

from medagent.redaction.policy import Category
from medagent.redaction.text.cues import FILLERS, FUNCTION, SURE_TITLES, TITLES, words
from medagent.redaction.text.found import Layer, Span, is_sign
from medagent.redaction.text.lexicon import Kind, lexicon, lines_of
from medagent.redaction.text.reading import Mark, Reading, begins_line, cue, is_in_heading
from medagent.redaction.text.units import LETTER, MIXED, NUMBER, ORDINAL, SIGN, WORD

THRESHOLD = 0.2
"""The probability of a name from which a word does not leave; set by hand, MODEL_CARD.md says what is known of how."""
SMALL_THRESHOLD = 0.55
CAPITAL_THRESHOLD = 0.15
UNKNOWN_THRESHOLD = 0.05
COMMON_THRESHOLD = 0.5
BESIDE_THRESHOLD = 0.05
RARE_THRESHOLD = 0.35
_LEAST_THRESHOLD = min(
    (THRESHOLD, CAPITAL_THRESHOLD, UNKNOWN_THRESHOLD, COMMON_THRESHOLD, BESIDE_THRESHOLD, RARE_THRESHOLD)
)
_LINE_THRESHOLD = 0.9
_PEOPLE_DO = words(
    """called calls says said reports reported denies denied states stated wants wanted asks asked needs needed has had
    is was came comes will would here mentioned complained complains thinks feels called's and and's , md np pa rn"""
)
_ENDS = frozenset(".?!")
_EDGE = "<e>"
_HIDDEN, _HIDDEN_NAME, _HIDDEN_SYLLABLE = "<x>", "<f>", "<s>"
_HIDDEN_ONES = frozenset((_HIDDEN, _HIDDEN_NAME, _HIDDEN_SYLLABLE))
_SYLLABLE = re.compile(r"[^aeiouy']{0,3}[aeiouy]{1,3}[^aeiouy']{0,2}")
"""A word of one syllable: beside one, a small word is more often another syllable of a name (`so young kim`)."""
_KIND_SIGNS = ("", "", "?", "+", "")
"""Of each kind of word, by its number; a tuple, since the hash of a member costs a call."""
_NO_PLAIN_WORD = (Kind.NO_WORD, Kind.UNKNOWN)
_LONGEST_NAME = 4
_LEFT, _RIGHT = 3, 2
"""How many symbols the model sees before a word, and behind it."""
_FEATURES = (
    ("w", "k", "l", "r"),
    ("lk", "rk", "wl", "wr"),
    ("c", "L", "R", "T", "b", "B", "2", "3", "lc", "n", "G", "H", "I", "J"),
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
_WHICH_NAME = words("last first family maiden middle given sur second married birth")
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
_BEHIND_AN = frozenset(
    word for word in FUNCTION if word[0] not in "aeiou" and word not in {"her", "his", "here", "have", "had", "has"}
)
"""No sentence goes on with one of these behind `an`, but with `please` behind somebody called An."""

_ANNOUNCING = TITLES | words("uncle aunt auntie grandma grandpa cousin name name's surname surname's called named")
"""Behind one of these a small word may be somebody's name: `doctor so`, `uncle an`."""

_ANNOUNCING_CUE = cue(_ANNOUNCING)
_AN_CUE = cue(("an",))
_DOCTORS_CUE = cue(_DOCTORS)
_DEGREES_CUE = cue(_DEGREES)
_SPEAKING_CUE = cue(_SPEAKING)
_COMMA_CUE = cue(_COMMA)
_INTRODUCING_CUE = cue(_INTRODUCING)


class Seen(NamedTuple):
    """What the model sees of a word: itself, its lists, its capital, three symbols before it and two behind it."""

    word: str
    kinds: str
    case: str
    left3: str
    left2: str
    left: str
    right: str
    right2: str

    def features(self) -> tuple[str, ...]:
        """All features of one word, as the model is trained on them."""
        word, kinds, case, left3, left2, left, right, right2 = self
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
            f"T {left3} {left2} {left}",
            f"b {left} {right}",
            f"B {left} {right} {right2}",
            f"2 {left2}",
            f"3 {right2}",
            f"lc {left} {case}",
            f"n {names(left)} {names(right)}",
            f"G {group(left2)} {group(left)} {group(right)} {group(right2)}",
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

    def __init__(self, features: list[str], weights: list[float]) -> None:
        """Take features in order, out of the list; each is its kind, a space and what is seen."""
        of_kind: dict[str, dict[str, float]] = {}
        begin = 0
        while features:
            kind = features[0].partition(" ")[0]
            end = bisect_left(features, f"{kind}!")
            seen = [one[len(kind) + 1 :] for one in features[:end]]
            del features[:end]  # both at once would be twice the memory
            of_kind[kind] = dict(zip(seen, weights[begin : begin + end], strict=True))
            begin += end
        self._bias = of_kind.get("bias", {}).get("", 0.0)
        self._first, self._second, self._third = (
            tuple(of_kind.get(kind, {}).get for kind in kinds) for kinds in _FEATURES
        )
        self._most: dict[str, float] = {}

    def is_hopeless(self, word: str, kinds: str, left: str, right: str) -> bool:
        """Whether the first stage says no of a small letter between two plain words, however the text is cased."""
        of_word, of_kind, of_left, of_right = self._first
        most = self._most.get(word)
        if most is None:
            of_kinds = max(of_kind(f"{kinds} -", 0.0), of_kind(f"{kinds} l", 0.0))
            most = self._most[word] = self._bias + of_word(word, 0.0) + of_kinds
        return most + of_left(left, 0.0) + of_right(right, 0.0) < _HOPELESS

    def probability(self, seen: Seen, hopeless: float) -> float:
        """How likely the word is a name, 0 to 1; later features are not asked where the odds fall below `hopeless`."""
        word, kinds, case, left3, left2, left, right, right2 = seen
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
        c, two_left, two_right, three_left, both, both_right, second, behind, lc, lists, *coarse = self._third
        around, beside, before, after = coarse
        of_left2, of_left, of_right, of_right2 = group(left2), group(left), group(right), group(right2)
        known = borne(kinds)
        score += (
            c(f"{case} {word}", 0.0)
            + two_left(f"{left2} {left}", 0.0)
            + two_right(f"{right} {right2}", 0.0)
            + three_left(f"{left3} {left2} {left}", 0.0)
            + both(f"{left} {right}", 0.0)
            + both_right(f"{left} {right} {right2}", 0.0)
            + second(left2, 0.0)
            + behind(right2, 0.0)
            + lc(f"{left} {case}", 0.0)
            + lists(f"{names(left)} {names(right)}", 0.0)
            + around(f"{of_left2} {of_left} {of_right} {of_right2}", 0.0)
            + beside(f"{of_left} {of_right} {known}", 0.0)
            + before(f"{of_left2} {of_left} {known}", 0.0)
            + after(f"{of_right} {of_right2} {known}", 0.0)
        )
        return 1 / (1 + exp(-max(-30.0, min(30.0, score)))) if score >= hopeless else 0.0


@cache
def model() -> Model:
    """The shipped model."""
    parts = "\t".join(lines_of("model")).split("\t")
    shared = {weight: int(weight) / 100 for weight in set(parts[1::2])}
    weights = [shared[weight] for weight in parts[1::2]]
    features = parts[::2]
    del parts
    return Model(features, weights)


def listed_names(reading: Reading) -> Iterator[Span]:
    """Places of several words, and the names that something sure stands beside."""
    return chain(_places(reading), *(find(reading) for find, begins in _FINDERS if begins(reading)))


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
        if reading.gone[at]:
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
    if (
        "f" in kinds
        and "k" in kinds
        and "c" not in kinds
        and reading.kinds[min(at + 1, len(reading.kinds) - 1)] is (Kind.UNKNOWN)
    ):
        return BESIDE_THRESHOLD
    if not kinds:
        return UNKNOWN_THRESHOLD if reading.kinds[at] is Kind.UNKNOWN else CAPITAL_THRESHOLD
    if "k" in kinds or reading.kinds[at] is Kind.ALSO_A_NAME:
        return THRESHOLD
    return COMMON_THRESHOLD if "c" in kinds else RARE_THRESHOLD


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
    before = at - 2 if at > 1 and norms[at - 1] == "." else at - 1
    if norms[at] in FUNCTION or before < 0:
        return None
    if norms[before] in TITLES:
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
    if at + 1 < len(units) and _is_hidden(reading, at + 1) and _is_name(listed) and "f" in reading.borne[at + 1]:
        return Category.NAME
    return None


def _is_hopeless(reading: Reading, at: int) -> bool:
    """Whether a word in small letters between two plain words is no name, which is quickly seen."""
    kinds, norms, gone = reading.kinds, reading.norms, reading.gone
    if at == 0 or at + 1 >= len(norms) or gone[at - 1] or gone[at + 1]:
        return False
    left, right = norms[at - 1], norms[at + 1]
    if kinds[at - 1] in _NO_PLAIN_WORD or kinds[at + 1] in _NO_PLAIN_WORD or left in FILLERS or right in FILLERS:
        return False
    if kinds[at] is Kind.UNKNOWN or reading.capitals[at]:
        return False
    return model().is_hopeless(norms[at], reading.borne[at] + _KIND_SIGNS[kinds[at]], left, right)


def _is_hidden(reading: Reading, at: int) -> bool:
    return reading.gone[at] or reading.kinds[at] is Kind.UNKNOWN


def _is_name(listed: str) -> bool:
    return "f" in listed or "l" in listed or "p" in listed


def suspects(reading: Reading) -> list[int]:
    """The words of which the statistics decide: those that somebody bears as a name, and capitals without a need."""
    capitals, listed = reading.capitals, reading.lists.asked
    unknown, also, ordinary, lowered = Kind.UNKNOWN, Kind.ALSO_A_NAME, Kind.ORDINARY, True not in reading.capitals
    found = [
        at
        for at, (kind, norm) in enumerate(zip(reading.kinds, reading.norms, strict=True))
        if norm in listed
        or kind is unknown
        or kind is also
        or (
            not lowered
            and kind is ordinary
            and capitals[at]
            and norm not in FUNCTION
            and norm.partition("'")[0] not in FUNCTION
        )
    ]
    return [at for at in found if at not in reading.terms] if reading.terms else found


def small_suspects(reading: Reading) -> list[int]:
    """The small words that somebody bears as a name and that stand beside something hidden, or behind a title."""
    gone, kinds, norms = reading.gone, reading.kinds, reading.norms
    unknown, also = Kind.UNKNOWN, Kind.ALSO_A_NAME
    if not (True in gone or reading.unknown() or reading.cued(_ANNOUNCING_CUE)):
        return []
    small = _with_possessives(reading.lists.small_names)
    found: list[int] = []
    last = len(norms) - 1
    places = [at for at, norm in enumerate(norms) if norm in small]
    if True in reading.capitals:
        more = [at for at in range(1, len(norms)) if _is_capital_behind_hidden(reading, at)]
        places = sorted({*places, *more}) if more else places
    for at in places:
        if gone[at] or kinds[at] is also:
            continue
        before = at - 2 if at > 1 and norms[at - 1] == "-" else at - 1
        after = at + 2 if at + 1 < last and norms[at + 1] == "-" else at + 1
        if (
            (at and (gone[at - 1] or kinds[at - 1] is unknown or gone[before] or kinds[before] is unknown))
            or (at < last and (gone[at + 1] or kinds[at + 1] is unknown or gone[after] or kinds[after] is unknown))
            or (at and norms[at - 1 - (at > 1 and norms[at - 1] == ".")] in _ANNOUNCING)
        ):
            found.append(at)
    return found


def _is_capital_behind_hidden(reading: Reading, at: int) -> bool:
    """Whether a small word stands with a capital of its own right behind a hidden one: `Kipruto Were`."""
    if not (reading.capitals[at] and reading.capitals[at - 1] and reading.norms[at] in _BORNE_ANYWHERE):
        return False
    start, end = reading.units[at].start, reading.units[at].end
    written = reading.text[start + 1 : end].islower() and reading.text[reading.units[at - 1].end : start] in _GAPS
    return written and _is_hidden(reading, at - 1)


@cache
def _with_possessives(small: frozenset[str]) -> frozenset[str]:
    return small | {f"{word}'s" for word in small}


def has_more_names(reading: Reading) -> bool:
    """Whether another reading of what is left would find a name, where hidden words are seen without their kind."""
    gone = reading.gone
    open_ones = [at for at in reading.asked if not gone[at]]
    if True not in reading.capitals:
        open_ones = [at for at in open_ones if _is_near_hidden(reading, at)]
    open_ones = [at for at in open_ones if not _is_hopeless(reading, at)]
    small = small_suspects(reading)
    if not (open_ones or small):
        return False
    context = Context(reading, again=True)
    if context.cased is reading.cased:  # only what stands near something hidden can look otherwise
        open_ones = [at for at in open_ones if context.sees_hidden(at)]
    return any(map(context.finds, open_ones)) or any(map(context.finds_small, small))


def _is_near_hidden(reading: Reading, at: int) -> bool:
    """Whether something hidden, or unseen, is so near that the model may see it."""
    begin, end = max(0, at - _LEFT), at + _RIGHT + 1
    if True in reading.gone[begin:end] or Kind.UNKNOWN in reading.kinds[begin:end] or reading.symbols is None:
        return True
    return "" in reading.symbols[begin:end]


class Context:
    """What stands around each word, with everything that will not leave hidden, so that a second reading agrees.

    With `again` it is seen as the next reading of the text would see it, where each hidden part is a placeholder.
    """

    def __init__(self, reading: Reading, *, again: bool = False) -> None:
        self._reading = reading
        self._again = again
        hides = self._hides = reading.gone.copy()
        for at in reading.unknown():
            hides[at] = True
        if not again:  # the initial of a name is seen as in the mode that keeps it
            for at in reading.of_kind(LETTER):
                mark = reading.marks[at]
                hides[at] = mark is not None and mark.layer is not Layer.VOCABULARY
        self.cased = True in reading.capitals and self._is_cased()
        symbols = self._symbols = [_EDGE, _EDGE, _EDGE]
        self._places = [0] * len(hides)
        lines = "\n" in reading.text or ":" in reading.norms
        seen = self._seen()
        if lines or "" in seen:
            self._see_each(seen)
        else:
            self._see_stretches(seen)
        symbols += (_EDGE, _EDGE)

    def _see_stretches(self, seen: list[str]) -> None:
        """Note what the model sees, where only what is hidden is not seen as it is."""
        symbols, places = self._symbols, self._places
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

    def _see_each(self, seen: list[str]) -> None:
        """Note what the model sees, unit by unit: over breaths, and with the ends of lines."""
        reading, hides, symbols, places = self._reading, self._hides, self._symbols, self._places
        lines = "\n" in reading.text or ":" in reading.norms
        hidden = False
        for at, (symbol, is_hidden) in enumerate(zip(seen, hides, strict=True)):
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

    def _part(self, at: int) -> str:
        if self._again:
            return _HIDDEN
        reading = self._reading
        mark = reading.marks[at]
        if mark is not None and mark.category is not Category.NAME:
            return _HIDDEN
        if _SYLLABLE.fullmatch(reading.norms[at]):
            return _HIDDEN_SYLLABLE
        listed = reading.borne[at]
        return _HIDDEN_NAME if mark is not None or "f" in listed or "l" in listed else _HIDDEN

    def _seen(self) -> list[str]:
        """What is seen of each unit that is not hidden; nothing of breaths."""
        reading = self._reading
        seen = reading.symbols
        if seen is None:
            seen = reading.symbols = reading.norms.copy()
            units = reading.units
            for at in reading.of_kind(NUMBER):
                seen[at] = "<th>" if units[at].how == ORDINAL else "<n>"
            for at in reading.of_kind(LETTER):
                if seen[at] not in "ai":
                    seen[at] = "<l>"
            for kind in (MIXED, SIGN):
                for at in reading.of_kind(kind):
                    seen[at] = _symbol(reading, at)
            if not FILLERS.isdisjoint(seen):
                seen[:] = ["" if symbol in FILLERS else symbol for symbol in seen]
        if self._again and "." in reading.norms:
            gone = reading.gone
            return [
                _EDGE if norm == "." and at and gone[at - 1] else symbol
                for at, (norm, symbol) in enumerate(zip(reading.norms, seen, strict=True))
            ]
        return seen

    def _is_cased(self) -> bool:
        """Whether some words have a capital, and most of those that begin no sentence have none."""
        reading, hides = self._reading, self._hides
        befores = (".", *reading.norms)
        capitals = [
            capital
            for capital, hidden, kind, norm, before in zip(
                reading.capitals, hides, reading.kinds, reading.norms, befores, strict=False
            )
            if not hidden and kind is not Kind.NO_WORD and norm not in FILLERS and before not in _ENDS
        ]
        return 2 * sum(capitals) <= len(capitals) > 0

    def _around(self, at: int) -> list[str]:
        """Three symbols before and two behind."""
        symbols, place = self._symbols, self._places[at]
        if place:
            return [*symbols[place - 3 : place], *symbols[place + 1 : place + 3]]
        behind = next((one for one in self._places[at:] if one), len(symbols) - 2)
        return symbols[behind - 3 : behind + 2]  # a breath that is a name here, which its neighbours do not see

    def sees_hidden(self, at: int) -> bool:
        """Whether something hidden is among what stands around a word."""
        return not _HIDDEN_ONES.isdisjoint(self._around(at))

    def finds(self, at: int) -> bool:
        """Whether a suspect is a name here."""
        if not self.may_be(at):
            return False
        if self.cased and (self.says_name(at) or self._is_called(at)):
            return True
        probability = self.probability(at)
        return probability >= _LEAST_THRESHOLD and probability >= threshold(self._reading, at)

    def finds_small(self, at: int) -> bool:
        """Whether a small word is part of the name beside it."""
        if self.says_name(at, CAPITAL_DATES) or (self.cased and at and _is_capital_behind_hidden(self._reading, at)):
            return True
        return self.probability(at) >= SMALL_THRESHOLD

    def may_be(self, at: int) -> bool:
        """Whether a word is a suspect for more than the capital that begins every sentence."""
        reading = self._reading
        begins = not self.cased or self._symbols[self._places[at] - 1] == _EDGE
        return not begins or reading.kinds[at] is not Kind.ORDINARY or reading.norms[at] in reading.lists.asked

    def says_name(self, at: int, never: Set[str] = CAPITALS) -> bool:
        """Whether a word that people bear as a name has a capital that nothing else gives it."""
        reading = self._reading
        norm = reading.norms[at]
        if not self.cased or not _is_capital(reading, at) or norm in never or norm in FILLERS:
            return False
        if is_in_heading(reading, at):
            return False
        if _FIRST_OR_LAST.isdisjoint(reading.borne[at]) or (at > 0 and reading.norms[at - 1] == ":"):
            return False
        return self._symbols[self._places[at] - 1] != _EDGE

    def _is_called(self, at: int) -> bool:
        """Whether a word that no list has is written with a capital that nothing else gives it."""
        reading = self._reading
        if reading.kinds[at] is not Kind.UNKNOWN or not reading.capitals[at] or is_in_heading(reading, at):
            return False
        return self._symbols[self._places[at] - 1] != _EDGE

    def probability(self, at: int) -> float:
        """How likely a word is a name here, 0 to 1."""
        hopeless = -inf if self._reading.kinds[at] is Kind.UNKNOWN else _HOPELESS
        return model().probability(self.seen(at), hopeless)

    def seen(self, at: int) -> Seen:
        """What the model sees of a word."""
        reading = self._reading
        left3, left2, left, right, right2 = self._around(at)
        kind = reading.kinds[at]
        word = reading.norms[at] if kind is not Kind.UNKNOWN else "<u>"
        capital = self.cased and reading.capitals[at]
        if capital:
            case = "-" if is_in_heading(reading, at) else "s" if left == _EDGE else "u"
        else:
            case = "l" if self.cased else "-"
        kinds = reading.borne[at] + _KIND_SIGNS[kind]
        return tuple.__new__(Seen, (word, kinds, case, left3, left2, left, right, right2))


def _symbol(reading: Reading, at: int) -> str:
    """A sign as the model sees it; empty for what it does not see, as the point of `dr.`."""
    norm = reading.norms[at]
    if norm not in _ENDS:
        return "," if norm == "," else ""
    if norm != "." or at == 0:
        return _EDGE
    before = reading.units[at - 1]
    return "" if before.kind == LETTER or before.norm in TITLES else _EDGE


def _places(reading: Reading) -> Iterator[Span]:
    """Places of several words, all of which may be ordinary ones."""
    phrases = reading.lists.phrases
    for at in reading.places_of(phrases.keys()):
        for parts in phrases[reading.norms[at]]:
            if reading.norm(at + 1) == parts[1] and tuple(reading.norms[at : at + len(parts)]) == parts:
                yield at, at + len(parts) - 1, Category.ADDRESS


def _doctors(reading: Reading) -> Iterator[Span]:
    """A word behind `doctor` that is somebody's last name, ordinary as it is."""
    for at in reading.cued(_DOCTORS_CUE):
        last = at + 2 if reading.norm(at + 1) == "." else at + 1
        norm = reading.norm(last)
        if norm not in FUNCTION and "l" in reading.lists.name_kinds(norm) and reading.units[last].kind == WORD:
            yield last, last, Category.NAME


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
        begin += reading.norm(begin) in (".", ":", ",")
        last = _end_of_name(reading, begin, _LONGEST_NAME if named else 1)
        if last >= begin:
            yield begin, last, Category.NAME


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


_FINDERS: tuple[tuple[Callable[[Reading], Iterator[Span]], Callable[[Reading], object]], ...] = (
    (_introduced, lambda reading: reading.cued(_INTRODUCING_CUE)),
    (_doctors, lambda reading: reading.cued(_DOCTORS_CUE)),
    (_with_initial, lambda reading: reading.of_kind(LETTER) or reading.cued(_DEGREES_CUE)),
    (_calling, lambda reading: reading.cued(_SPEAKING_CUE)),
    (_called_an, lambda reading: reading.cued(_AN_CUE)),
    (_last_first, lambda reading: reading.cued(_COMMA_CUE)),
)
"""What finds names beside something sure, and what tells that there may be something sure."""
