"""Names and places: which of the words that may be one are one here, by a small log-linear model and by lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import chain
from math import exp

from medagent.redaction.policy import Category
from medagent.redaction.text.cues import FILLERS, FUNCTION, SURE_TITLES, TITLES, words
from medagent.redaction.text.found import Layer, Span
from medagent.redaction.text.lexicon import Kind, lines_of
from medagent.redaction.text.reading import Mark, Reading
from medagent.redaction.text.units import LETTER, NUMBER, ORDINAL, WORD, Unit

THRESHOLD = 0.15
"""The probability of a name from which a word does not leave; chosen on the development part, see MODEL_CARD.md."""
_ENDS = frozenset(".?!")
_EDGE = "<e>"
_HIDDEN = "<x>"
_NAME_IS = frozenset(("name", "names", "surname", "name's"))
_INTRODUCING = _NAME_IS | SURE_TITLES
_DOCTORS = frozenset(("dr", "doctor", "prof", "professor"))
_IS = frozenset(("is", "was", ":", "'s", "as", "under", "for"))
_NOT_A_NAME = FUNCTION | words(
    """spelled spelt correct wrong listed misspelled confusing long short hard different common changed unknown
    pronounced difficult hyphenated first last middle full legal maiden married birth what called"""
)


CAPITALS = FUNCTION | words(
    """monday tuesday wednesday thursday friday saturday sunday january february march april may june july august
    september october november december"""
)


class Model:
    """Weights by feature, in log odds of being a name."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._weights = weights

    def probability(self, features: Iterable[str]) -> float:
        """How likely the word is a name, 0 to 1."""
        get = self._weights.get
        score = sum([get(feature, 0.0) for feature in features])
        return 1 / (1 + exp(-max(-30.0, min(30.0, score))))


@cache
def model() -> Model:
    """The shipped model."""
    weights: dict[str, float] = {}
    for line in lines_of("model"):
        feature, _, weight = line.rpartition("\t")
        if feature:
            weights[feature] = int(weight) / 100
    return Model(weights)


def listed_names(reading: Reading) -> Iterator[Span]:
    """Places of several words, and what follows `my name is`."""
    return chain(_places(reading), _introduced(reading), _doctors(reading))


def mark_names(reading: Reading, *, unknown_too: bool) -> None:
    """Mark the suspects that are names here; words that no list of words has are suspects only where asked."""
    open_ones: list[int] = []
    for at in suspects(reading, unknown_too=unknown_too):
        if reading.gone[at]:
            continue
        listed = reading.lists.name_kinds(reading.units[at].norm)
        if reading.kinds[at] is Kind.UNKNOWN and listed:
            _put(reading, at, listed)
        elif category := _beside(reading, at, listed):
            reading.put(at, at, Mark(category, Layer.NAMES))
        else:
            open_ones.append(at)
    if not open_ones:
        return
    context = Context(reading)
    for at in open_ones:
        if context.may_be(at) and (context.says_name(at) or model().probability(context.features(at)) >= THRESHOLD):
            _put(reading, at, reading.lists.name_kinds(reading.units[at].norm))


def _put(reading: Reading, at: int, listed: str) -> None:
    reading.put(at, at, Mark(Category.ADDRESS if listed == "p" else Category.NAME, Layer.NAMES))


def _beside(reading: Reading, at: int, listed: str) -> Category | None:
    """What a suspect is by what stands directly beside it: a title, a first name, an address."""
    units, gone = reading.units, reading.gone
    before = at - 2 if at > 1 and units[at - 1].norm == "." else at - 1
    if units[at].norm in FUNCTION or before < 0:
        return None
    if units[before].norm in TITLES:
        return Category.NAME if "l" in listed or reading.text[units[at].start].isupper() else None
    mark = reading.marks[at - 1]
    if mark is not None and mark.category is Category.ADDRESS and "p" in listed:
        return Category.ADDRESS
    first = units[at - 1]
    if first.kind == WORD and first.norm not in FUNCTION and "l" in listed and _is_first(reading, first):
        if reading.kinds[at - 1] is Kind.ALSO_A_NAME:
            _put(reading, at - 1, "f")
        return Category.NAME if gone[at - 1] else None
    if at + 1 < len(units) and gone[at + 1] and listed and _is_first(reading, units[at + 1]):
        return Category.NAME
    return None


def _is_first(reading: Reading, unit: Unit) -> bool:
    return "f" in reading.lists.name_kinds(unit.norm)


def suspects(reading: Reading, *, unknown_too: bool) -> list[int]:
    """The words of which the statistics decide: those that are also names, and capitals where none is needed."""
    text, norms = reading.text, reading.norms
    asked = (Kind.ALSO_A_NAME, Kind.UNKNOWN) if unknown_too else (Kind.ALSO_A_NAME,)
    return [
        at
        for at, kind in enumerate(reading.kinds)
        if (kind in asked and norms[at] not in FILLERS)
        or (kind is Kind.ORDINARY and text[reading.units[at].start].isupper() and norms[at] not in FUNCTION)
    ]


class Context:
    """What stands around each word, with everything that will not leave hidden, so that a second reading agrees."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        symbols = self._symbols = [_EDGE, _EDGE]
        self._place: dict[int, int] = {}
        text = reading.text
        upper = lower = 0
        before: Unit | None = None
        for at, (unit, kind, gone) in enumerate(zip(reading.units, reading.kinds, reading.gone, strict=True)):
            if gone or kind is Kind.UNKNOWN:
                symbol = _HIDDEN
                if symbols[-1] == _HIDDEN:
                    self._place[at] = len(symbols) - 1
                    continue
            else:
                symbol = _symbol(unit, before)
                if not symbol:
                    continue
                if unit.kind == WORD:
                    if text[unit.start].isupper():
                        upper += 1
                    else:
                        lower += 1
            self._place[at] = len(symbols)
            symbols.append(symbol)
            before = unit
        symbols += [_EDGE, _EDGE]
        self._cased = 0 < upper <= lower

    def may_be(self, at: int) -> bool:
        """Whether a word is a suspect for more than the capital that begins every sentence."""
        begins = self._symbols[self._place[at] - 1] == _EDGE or not self._cased
        return not begins or self._reading.kinds[at] is not Kind.ORDINARY

    def says_name(self, at: int) -> bool:
        """Whether a word that people bear as a name has a capital that nothing else gives it."""
        reading = self._reading
        unit = reading.units[at]
        begins = self._symbols[self._place[at] - 1] == _EDGE or (at > 0 and reading.units[at - 1].norm == ":")
        if begins or not self._cased or unit.norm in CAPITALS:
            return False
        return reading.text[unit.start].isupper() and bool(set(reading.lists.name_kinds(unit.norm)) & set("fl"))

    def features(self, at: int) -> tuple[str, ...]:
        """The features of one word."""
        reading, place, around = self._reading, self._place[at], self._symbols
        unit = reading.units[at]
        left2, left, right, right2 = around[place - 2], around[place - 1], around[place + 1], around[place + 2]
        word = unit.norm if reading.kinds[at] is not Kind.UNKNOWN else "<u>"
        capital = reading.text[unit.start].isupper()
        case = "-" if not self._cased else "l" if not capital else "s" if left == _EDGE else "u"
        kinds = reading.lists.name_kinds(unit.norm)
        return (
            "bias",
            f"w {word}",
            f"k {kinds} {case}",
            f"c {case} {word}",
            f"l {left}",
            f"r {right}",
            f"L {left2} {left}",
            f"R {right} {right2}",
            f"b {left} {right}",
            f"2 {left2}",
            f"3 {right2}",
            f"lk {left} {kinds}",
            f"rk {right} {kinds}",
            f"lc {left} {case}",
            f"wl {left} {word}",
            f"wr {word} {right}",
        )


def _symbol(unit: Unit, before: Unit | None) -> str:
    """A neighbour as the model sees it; empty for what it does not see, such as the point of `dr.`."""
    if unit.kind == WORD:
        return "" if unit.norm in FILLERS else unit.norm
    if unit.kind == NUMBER:
        return "<th>" if unit.how == ORDINAL else "<n>"
    if unit.kind == LETTER:
        return unit.norm if unit.norm in "ai" else "<l>"
    if unit.norm not in _ENDS:
        return "," if unit.norm == "," else ""
    return "" if unit.norm == "." and before and (before.kind == LETTER or before.norm in TITLES) else _EDGE


def _places(reading: Reading) -> Iterator[Span]:
    """Places of several words, all of which may be ordinary ones."""
    phrases = reading.lists.phrases
    for at in reading.places_of(phrases.keys()):
        for parts in phrases[reading.norms[at]]:
            if reading.norm(at + 1) == parts[1] and tuple(reading.norms[at : at + len(parts)]) == parts:
                yield at, at + len(parts) - 1, Category.ADDRESS


def _doctors(reading: Reading) -> Iterator[Span]:
    """A word behind `doctor` that is somebody's last name, ordinary as it is."""
    for at in reading.places_of(_DOCTORS):
        last = at + 2 if reading.norm(at + 1) == "." else at + 1
        norm = reading.norm(last)
        if norm not in FUNCTION and "l" in reading.lists.name_kinds(norm) and reading.units[last].kind == WORD:
            yield last, last, Category.NAME


def _introduced(reading: Reading) -> Iterator[Span]:
    """What follows `my name is` or `Mrs`, whatever word it is."""
    units = reading.units
    for at in reading.places_of(_INTRODUCING):
        unit = units[at]
        begin, most = at + 1, 2
        if unit.norm in _NAME_IS:
            if begin < len(units) and units[begin].norm in _IS:
                begin, most = begin + 1, 3
            elif unit.norm != "name's":
                continue
        if begin < len(units) and units[begin].norm in (".", ":"):
            begin += 1
        last = begin - 1
        for ahead in range(begin, min(begin + most, len(units))):
            norm = units[ahead].norm
            if units[ahead].kind != WORD or norm in _NOT_A_NAME:
                break
            last = ahead if most == 3 or ahead == begin else last
        if last >= begin:
            yield begin, last, Category.NAME
