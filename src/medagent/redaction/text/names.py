"""Names and places: which of the words that may be one are one here, by a small log-linear model and by lists."""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from math import inf

from medagent.redaction.policy import Category
from medagent.redaction.text.cues import FILLERS, FUNCTION, TITLES, words
from medagent.redaction.text.found import Layer
from medagent.redaction.text.lexicon import Kind
from medagent.redaction.text.name_model import HOPELESS, Seen, model
from medagent.redaction.text.plain_words import is_plain
from medagent.redaction.text.reading import (
    ASKED,
    SMALL,
    Mark,
    Reading,
    begins_line,
    cue,
    is_hidden,
    is_in_heading,
)
from medagent.redaction.text.sure_names import LONGEST_NAME, PEOPLE_DO, POINTED_TITLES, SENTENCE_ENDS, ends_here
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
_EDGE = "<e>"
_EDGE_BEFORE = dict.fromkeys(SENTENCE_ENDS, _EDGE)
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
_LEFT, _RIGHT = 2, 2
"""How many symbols the model sees before a word, and behind it."""
_FIRST_OR_LAST, _LAST = frozenset("fls"), frozenset("lm")
_PERSON_VERBS = words("is was has had needs wants called says")
"""Between a first name and one of these a word is a last name."""
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
_ANNOUNCING = TITLES | words("uncle aunt auntie grandma grandpa cousin name name's surname surname's called named")
"""Behind one of these a small word may be somebody's name: `doctor so`, `uncle an`."""
_ANNOUNCING_CUE = cue(_ANNOUNCING)
_FILLERS_CUE = cue(FILLERS)


def mark_names(reading: Reading) -> Context | None:
    """Mark the suspects that are names here.

    Words that no list has are hidden from the others, and the vocabulary layer marks them only afterwards: it hides
    at least what detection alone hides.

    Returns:
        What was around each word, if that was asked and nothing was hidden since.
    """
    open_ones: list[int] = []
    asked = reading.asked = suspects(reading)
    for at in asked:
        if reading.gone[at] or _is_between_plain_words(reading, at):
            continue
        listed = reading.borne[at]
        unknown = reading.kinds[at] is Kind.UNKNOWN
        if unknown and listed:
            if is_plain(reading, at):
                reading.kinds[at] = Kind.ORDINARY
            else:
                _put(reading, at, listed)
        elif (category := _beside(reading, at, listed)) and not is_plain(reading, at):
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
    for _ in range(LONGEST_NAME):
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
    if at and is_hidden(reading, at - 1) and "f" in reading.borne[at - 1]:
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
    """Return whether `ha` is beside another."""
    norm = reading.norms[at]
    beside = [one for one in (at - 1, at + 1) if 0 <= one < len(reading.norms) and not reading.gone[one]]
    return norm in _LAUGHS and any(reading.norms[one] == norm for one in beside)


def _is_counted(reading: Reading, at: int) -> bool:
    """Return whether a word is a plural right behind a number: `two samples`."""
    is_behind = at > 0 and reading.units[at - 1].kind == NUMBER and not reading.gone[at - 1]
    return is_behind and reading.norms[at].endswith("s")


def _is_before_name(reading: Reading, at: int) -> bool:
    """Return whether a name, or a word that no list has, is hidden right behind a word."""
    if at + 1 >= len(reading.norms):
        return False
    mark = reading.marks[at + 1]
    return reading.kinds[at + 1] is Kind.UNKNOWN if mark is None else mark.category is Category.NAME


def _begins_note(reading: Reading, at: int, kinds: str) -> bool:
    """Return whether a word begins a note's line, is no well-known first name and does nothing that people do."""
    if not reading.capitals[at] or ("f" in kinds and "k" in kinds) or reading.norm(at + 1) in PEOPLE_DO:
        return False
    return begins_line(reading, at) and not reading.gone[at - 1] if at else is_in_heading(reading, at)


def _put(reading: Reading, at: int, listed: str) -> None:
    reading.put(at, at, Mark(Category.ADDRESS if listed == "p" else Category.NAME, Layer.NAMES))


def _beside(reading: Reading, at: int, listed: str) -> Category | None:
    """Return what a suspect is by what is directly beside it: a title, a first name, an address."""
    units, norms = reading.units, reading.norms
    if not (at and _may_be_beside(reading, at)):
        return None
    before = at - 2 if at > 1 and norms[at - 1] == "." else at - 1
    if norms[at] in FUNCTION:
        return None
    if norms[before] in (TITLES if before == at - 1 else POINTED_TITLES):
        return Category.NAME if "l" in listed or reading.capitals[at] else None
    mark = reading.marks[at - 1]
    if mark is not None and mark.category is Category.ADDRESS and "p" in listed:
        return Category.ADDRESS
    first = units[at - 1]
    has_first = is_hidden(reading, at - 1) and "f" in reading.borne[at - 1]
    if has_first and reading.norm(at + 1) in _PERSON_VERBS and not _LAST.isdisjoint(listed):
        return Category.NAME
    if "c" in listed and "k" not in listed:
        return None
    if has_first and "l" in listed and first.kind == WORD and first.norm not in FUNCTION:
        return Category.NAME
    if at + 1 < len(units) and is_hidden(reading, at + 1) and _is_name(listed):
        is_known = "f" in listed and "k" in listed and "c" not in listed and reading.kinds[at + 1] is Kind.UNKNOWN
        return Category.NAME if is_known or "f" in reading.borne[at + 1] else None
    return None


def _may_be_beside(reading: Reading, at: int) -> bool:
    """Return whether a title, a first name or something hidden may be directly beside a word."""
    return (
        reading.gone[at - 1]
        or "f" in reading.borne[at - 1]
        or reading.norms[at - 1] in _TITLES_AND_POINT
        or (at + 1 < len(reading.norms) and is_hidden(reading, at + 1))
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
    """Return what the model sees before a word; None where that takes a closer look."""
    if at == 0:
        return _EDGE
    symbol = _plain_symbol(reading, at - 1)
    return _EDGE if symbol and reading.has_lines and begins_line(reading, at) else symbol


def _plain_right(reading: Reading, at: int) -> str | None:
    """Return what the model sees behind a word; None where that takes a closer look."""
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
    """The small words that somebody bears as a name and that are beside something hidden, or behind a title."""
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
            or (at > 1 and norms[at - 1] == "." and norms[at - 2] in POINTED_TITLES)
        ):
            found.append(at)
    return found


def _is_capital_behind_hidden(reading: Reading, at: int) -> bool:
    """Return whether a small word is with a capital of its own right behind a hidden one: `Kipruto Were`."""
    if not (reading.capitals[at] and _has_capital(reading, at - 1) and reading.norms[at] in _BORNE_ANYWHERE):
        return False
    start, end = reading.units[at].start, reading.units[at].end
    written = reading.text[start + 1 : end].islower() and reading.text[reading.units[at - 1].end : start] in _GAPS
    return written and is_hidden(reading, at - 1)


def _has_capital(reading: Reading, at: int) -> bool:
    """Return whether a word has a capital, or is a part of one that has, as `yun` of `Seo-yun`."""
    while at > 1 and reading.norms[at - 1] == "-":
        at -= 2
    return reading.capitals[at]


def has_more_names(reading: Reading) -> bool:
    """Whether another reading of what is left would find a name, where hidden words are seen without their kind."""
    open_ones = [at for at in reading.asked if not reading.gone[at]]
    is_same = not reading.capital_places or _is_cased_again(reading) is reading.cased
    if is_same:  # only what is near something hidden can look otherwise
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
    """Return whether the next reading sees capitals, and most words that begin no sentence have none."""
    if all(reading.gone[at] for at in reading.capital_places):
        return False
    hides = reading.gone
    if unknown := reading.unknown():
        hides = hides.copy()
        for at in unknown:
            hides[at] = True
    return _are_few(reading, hides)


def _are_few(reading: Reading, hides: list[bool]) -> bool:
    """Return whether most words that begin no sentence and are not hidden have no capital."""
    seen = [is_word and not hidden for is_word, hidden in zip(_words_of(reading), hides, strict=True)]
    upper = [at for at in reading.capital_places if seen[at]]
    return 2 * len(upper) <= sum(seen) > 0


def _is_near_hidden(reading: Reading, at: int) -> bool:
    """Return whether something hidden, or unseen, is so near that the model may see it."""
    begin, end = max(0, at - _LEFT), at + _RIGHT + 1
    if True in reading.gone[begin:end] or Kind.UNKNOWN in reading.kinds[begin:end]:
        return True
    return "" in _symbols_of(reading)[begin:end]


class Context:
    """Symbols around each word, with everything hidden that is not exported, so that a second reading agrees.

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
        """Return whether capitals are left, and most words that begin no sentence have none."""
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
        """Return whether a word begins a sentence, or is a breath."""
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
        for at, (symbol, hides) in enumerate(zip(self._seen, self._hides, strict=True)):
            if hides:
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
        """Return whether something hidden is among what is around a word."""
        return not _HIDDEN_ONES.isdisjoint(self._around(at))

    def finds(self, at: int) -> bool:
        """Return whether a suspect is a name here."""
        return self._finds(at) and not is_plain(self._reading, at)

    def _finds(self, at: int) -> bool:
        if not self.may_be(at):
            return False
        if self._reading.capitals[at] and (
            (self.cased and (self.says_name(at) or self._is_called(at))) or self._is_last(at)
        ):
            return True
        probability = self.probability(at)
        return probability >= _LEAST_THRESHOLD and probability >= threshold(self._reading, at)

    def finds_small(self, at: int) -> bool:
        """Return whether a small word is part of the name beside it."""
        return self._finds_small(at) and not is_plain(self._reading, at)

    def _finds_small(self, at: int) -> bool:
        if self.says_name(at, CAPITAL_DATES) or (self.cased and at and _is_capital_behind_hidden(self._reading, at)):
            return True
        probability = self.probability(at)
        if probability < SMALL_THRESHOLD:
            return False
        return probability >= UNSURE_THRESHOLD or not _HIDDEN_NAMES.isdisjoint(self._around(at)[1:3])

    def may_be(self, at: int) -> bool:
        """Return whether a word is a suspect for more than the capital that begins every sentence."""
        reading = self._reading
        if reading.kinds[at] is not Kind.ORDINARY or at in reading.cued(ASKED):
            return True
        return self.cased and not self._begins(at)

    def says_name(self, at: int, never: Set[str] = CAPITALS) -> bool:
        """Return whether a word that people bear as a name has a capital that nothing else gives it."""
        reading = self._reading
        norm = reading.norms[at]
        if not reading.capitals[at] or not self.cased or norm in never or norm in FILLERS:
            return False
        if is_in_heading(reading, at):
            return False
        if _FIRST_OR_LAST.isdisjoint(reading.borne[at]) or (at > 0 and reading.norms[at - 1] == ":"):
            return False
        return not self._begins(at)

    def _is_called(self, at: int) -> bool:
        """Return whether a word that no list has is written with a capital that nothing else gives it."""
        reading = self._reading
        if reading.kinds[at] is not Kind.UNKNOWN or not reading.capitals[at] or is_in_heading(reading, at):
            return False
        return not self._begins(at)

    def _is_last(self, at: int) -> bool:
        """Return whether any word is with a capital right behind a hidden one: `Winona Kills Straight`."""
        reading = self._reading
        if (
            not (at and _has_capital(reading, at - 1) and is_hidden(reading, at - 1))
            or reading.kinds[at] is Kind.NO_WORD
        ):
            return False
        mark = reading.marks[at - 1]
        if (mark is not None and mark.category is not Category.NAME) or reading.norms[at] in CAPITALS:
            return False
        if not self.cased and (_FIRST_OR_LAST.isdisjoint(reading.borne[at]) or not ends_here(reading, at + 1)):
            return False
        start, end = reading.units[at].start, reading.units[at].end
        return reading.text[start + 1 : end].islower() and reading.text[reading.units[at - 1].end : start] in _GAPS

    def probability(self, at: int) -> float:
        """Return how likely a word is a name here, 0 to 1."""
        reading = self._reading
        kind = reading.kinds[at]
        if kind is Kind.UNKNOWN:
            return model().probability(self.seen(at), -inf)
        return model().probability(self.seen(at), HOPELESS)

    def seen(self, at: int) -> Seen:
        """Return what the model sees of a word."""
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
            if norms[at] in SENTENCE_ENDS and at + 1 < len(norms):
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
    if norm not in SENTENCE_ENDS:
        return "," if norm == "," else ""
    if norm != "." or at == 0:
        return _EDGE
    return _EDGE if _ends_sentence(reading.units[at - 1]) else ""


def _ends_sentence(before: Unit) -> bool:
    """Return whether a point behind this unit is no part of it, as the one of `dr.` is."""
    return before.kind != LETTER and before.norm not in POINTED_TITLES
