"""Names and places: which of the words that may be one are one here, by a small log-linear model and by lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import chain
from math import exp

from medagent.redaction.policy import Category
from medagent.redaction.text.cues import FILLERS, FUNCTION, SURE_TITLES, TITLES
from medagent.redaction.text.found import Layer, Mark, Marks, Span
from medagent.redaction.text.lexicon import Kind, Lexicon, lines_of
from medagent.redaction.text.units import LETTER, NUMBER, ORDINAL, SIGN, WORD, Unit

THRESHOLD = 0.15
"""The probability of a name from which a word does not leave; chosen on the development part, see MODEL_CARD.md."""
_ENDS = frozenset(".?!")
_EDGE = "<e>"
_HIDDEN = "<x>"
_NAME_IS = frozenset(("name", "names", "surname", "name's"))
_IS = frozenset(("is", "was", ":", "'s", "as", "under", "for"))
_NOT_A_NAME = FUNCTION | frozenset(
    """spelled spelt correct wrong listed misspelled confusing long short hard different common changed unknown
    pronounced difficult hyphenated first last middle full legal maiden married birth what called""".split()
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


def listed_names(units: Sequence[Unit], lists: Lexicon) -> Iterator[Span]:
    """Places of several words, and what follows `my name is`."""
    return chain(_places(units, lists), _introduced(units))


def mark_names(text: str, marks: Marks, lists: Lexicon, *, unknown_too: bool) -> None:
    """Mark the suspects that are names here; words that no list of words has are suspects only where asked."""
    units = marks.units
    left: list[int] = []
    for at, unit in enumerate(units):
        if marks.gone(at) or not is_suspect(text, unit, lists, unknown_too=unknown_too):
            continue
        if lists.kind_of(unit) is Kind.UNKNOWN and (kinds := lists.name_kinds(unit.norm)):
            marks.put(at, at, Mark(Category.ADDRESS if kinds == "p" else Category.NAME, Layer.NAMES))
        elif category := _beside(text, marks, lists, at):
            marks.put(at, at, Mark(category, Layer.NAMES))
        else:
            left.append(at)
    if not left:
        return
    context = Context(text, marks, lists)
    for at in left:
        if context.may_be(at) and model().probability(context.features(at)) >= THRESHOLD:
            kinds = lists.name_kinds(units[at].norm)
            marks.put(at, at, Mark(Category.ADDRESS if kinds == "p" else Category.NAME, Layer.NAMES))


def _beside(text: str, marks: Marks, lists: Lexicon, at: int) -> Category | None:
    """What a suspect is by what stands directly beside it: a title, a first name, an address; None where nothing tells."""
    units = marks.units
    kinds = lists.name_kinds(units[at].norm)
    before = at - 2 if at > 1 and units[at - 1].norm == "." else at - 1
    if units[at].norm in FUNCTION or before < 0:
        return None
    if units[before].norm in TITLES:
        return Category.NAME if "l" in kinds or text[units[at].start].isupper() else None
    mark = marks.of[at - 1]
    if mark is not None and mark.category is Category.ADDRESS and "p" in kinds:
        return Category.ADDRESS
    first = units[at - 1]
    if first.kind == WORD and first.norm not in FUNCTION and "f" in lists.name_kinds(first.norm) and "l" in kinds:
        if mark is None and lists.kind_of(first) is Kind.ALSO_A_NAME:
            marks.put(at - 1, at - 1, Mark(Category.NAME, Layer.NAMES))
        return Category.NAME if marks.gone(at - 1) else None
    after = units[at + 1] if at + 1 < len(units) else None
    if after and marks.gone(at + 1) and "f" in lists.name_kinds(after.norm) and kinds:
        return Category.NAME
    return None


def is_suspect(text: str, unit: Unit, lists: Lexicon, *, unknown_too: bool) -> bool:
    """Whether the statistics have to decide: a word that is also a name, a capital where none is needed."""
    if unit.kind != WORD or unit.norm in FILLERS:
        return False
    kind = lists.kind_of(unit)
    if kind is Kind.ORDINARY:
        return text[unit.start].isupper() and unit.norm not in FUNCTION
    return kind is Kind.ALSO_A_NAME or (unknown_too and kind is Kind.UNKNOWN)


class Context:
    """What stands around each word, with everything that will not leave hidden, so that a second reading agrees."""

    def __init__(self, text: str, marks: Marks, lists: Lexicon) -> None:
        self._text = text
        self._units = marks.units
        self._lists = lists
        self._symbols: list[str] = [_EDGE, _EDGE]
        self._place: dict[int, int] = {}
        upper = lower = 0
        for at, unit in enumerate(marks.units):
            if marks.gone(at) or (unit.kind == WORD and lists.kind_of(unit) is Kind.UNKNOWN):
                symbol = _HIDDEN
                if self._symbols[-1] == _HIDDEN:
                    self._place[at] = len(self._symbols) - 1
                    continue
            else:
                symbol = _symbol(unit)
                if not symbol or (unit.norm == "." and at and _is_short(marks.units[at - 1])):
                    continue
                if unit.kind == WORD:
                    if text[unit.start].isupper():
                        upper += 1
                    else:
                        lower += 1
            self._place[at] = len(self._symbols)
            self._symbols.append(symbol)
        self._symbols += [_EDGE, _EDGE]
        self._cased = upper > 0 and lower >= upper

    def may_be(self, at: int) -> bool:
        """Whether a word is a suspect for more than the capital that begins every sentence."""
        begins = self._symbols[self._place[at] - 1] == _EDGE or not self._cased
        return not begins or self._lists.kind_of(self._units[at]) is not Kind.ORDINARY

    def features(self, at: int) -> tuple[str, ...]:
        """The features of one word."""
        unit, place, around = self._units[at], self._place[at], self._symbols
        left2, left, right, right2 = around[place - 2], around[place - 1], around[place + 1], around[place + 2]
        word = unit.norm if self._lists.kind_of(unit) is not Kind.UNKNOWN else "<u>"
        case = "-" if not self._cased else "l" if not self._text[unit.start].isupper() else "s" if left == _EDGE else "u"
        kinds = self._lists.name_kinds(unit.norm)
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


def _is_short(unit: Unit) -> bool:
    """Whether the point behind this ends no sentence: `dr.`, `J.`."""
    return unit.kind == LETTER or unit.norm in TITLES


def _symbol(unit: Unit) -> str:
    """A neighbour as the model sees it; empty for what it does not see."""
    if unit.kind == WORD:
        return "" if unit.norm in FILLERS else unit.norm
    if unit.kind == NUMBER:
        return "<th>" if unit.how == ORDINAL else "<n>"
    if unit.kind == LETTER:
        return unit.norm if unit.norm in "ai" else "<l>"
    if unit.kind == SIGN:
        return _EDGE if unit.norm in _ENDS else "," if unit.norm == "," else ""
    return _HIDDEN


def _places(units: Sequence[Unit], lists: Lexicon) -> Iterator[Span]:
    """Places of several words, all of which may be ordinary ones."""
    for at, unit in enumerate(units):
        for parts in lists.phrases.get(unit.norm, ()) if unit.kind == WORD else ():
            here = units[at : at + len(parts)]
            if tuple(other.norm for other in here) == parts:
                yield at, at + len(parts) - 1, Category.ADDRESS


def _introduced(units: Sequence[Unit]) -> Iterator[Span]:
    """What follows `my name is` or `Mrs`, whatever word it is."""
    for at, unit in enumerate(units):
        if unit.kind != WORD:
            continue
        begin, most = at + 1, 2
        if unit.norm in _NAME_IS:
            if begin < len(units) and units[begin].norm in _IS:
                begin, most = begin + 1, 3
            elif unit.norm != "name's":
                continue
        elif unit.norm not in SURE_TITLES:
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
