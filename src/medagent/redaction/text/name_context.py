"""Symbols that the names' model sees around a word, with everything hidden that is not exported."""

from __future__ import annotations

import re
from collections.abc import Set
from math import inf
from operator import gt

from medagent.redaction.policy import Category
from medagent.redaction.text.cues import FILLERS, FUNCTION, TITLES, words
from medagent.redaction.text.found import Layer
from medagent.redaction.text.lexicon import Kind
from medagent.redaction.text.name_model import HOPELESS, Seen, model
from medagent.redaction.text.name_thresholds import LEAST_THRESHOLD, threshold
from medagent.redaction.text.plain_words import is_plain
from medagent.redaction.text.reading import ASKED, Reading, cue, is_hidden, is_in_heading
from medagent.redaction.text.sure_names import POINTED_TITLES, SENTENCE_ENDS, ends_here
from medagent.redaction.text.units import LETTER, MIXED, NUMBER, ORDINAL, SIGN, Unit

SMALL_THRESHOLD, UNSURE_THRESHOLD = 0.55, 0.7
"""The probability from which a small word goes beside a name, and beside something hidden that may be none."""
EDGE = "<e>"
ORDINAL_SYMBOL = "<th>"
SEEN_BY_KIND = {NUMBER: "<n>", LETTER: "<l>"}
_HIDDEN, _HIDDEN_NAME, _HIDDEN_SYLLABLE = "<x>", "<f>", "<s>"
_HIDDEN_ORDER = (_HIDDEN, _HIDDEN_SYLLABLE, _HIDDEN_NAME)
"""A hidden run is seen as the last of these that one of its parts is."""
_HIDDEN_ONES = frozenset(_HIDDEN_ORDER)
_NOWHERE: Set[int] = frozenset()
_HIDDEN_NAMES = frozenset((_HIDDEN_NAME, _HIDDEN_SYLLABLE))
_SYLLABLE = re.compile(r"[^aeiouy']{0,3}[aeiouy]{1,3}[^aeiouy']{0,2}")
"""A word of one syllable: beside one, a small word is more often another syllable of a name (`so young kim`)."""
KIND_SIGNS = ("", "", "?", "+", "")
"""Sign of each kind of word, by its number; a tuple, since the hash of a member costs a call."""
LEFT, RIGHT = 2, 2
"""Number of symbols that the model sees before a word, and behind it."""
_FIRST_OR_LAST = frozenset("fls")
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
_FILLERS_CUE = cue(FILLERS)


class Context:
    """Symbols around each word, with everything hidden that is not exported, so that a second reading agrees.

    With `again` it is seen as the next reading of the text would see it, where each hidden part is a placeholder.
    """

    def __init__(self, reading: Reading, *, again: bool = False) -> None:
        self._reading = reading
        self._again = again
        hides = self._hides = reading.gone.copy()
        self._marks = None if again else reading.marks.copy()
        self._line_begins = reading.line_begins if reading.has_lines else _NOWHERE
        self._arounds: dict[int, tuple[str, str, str, str]] = {}
        self._seen = symbols_of(reading)
        if again and "." in reading.norms:
            self._seen = [
                EDGE if norm == "." and at and hides[at - 1] else symbol
                for at, (norm, symbol) in enumerate(zip(reading.norms, self._seen, strict=True))
            ]
        for at in reading.unknown():
            hides[at] = True
        if reading.count and not again:  # the initial of a name is seen as in the mode that keeps it
            for at in reading.of_kind(LETTER):
                mark = reading.marks[at]
                hides[at] = mark is not None and mark.layer is not Layer.VOCABULARY
        self._cased: bool | None = None if reading.capital_places else False

    @property
    def cased(self) -> bool:
        """Return whether capitals are left, and most words that begin no sentence have none."""
        if self._cased is None and self._again:
            self._cased = is_cased_again(self._reading)
        elif self._cased is None:
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

    def _around(self, at: int) -> tuple[str, str, str, str]:
        """Return two symbols before a word and two behind it, edges included."""
        around = self._arounds.get(at)
        if around is not None:
            return around
        hides, seen = self._hides, self._seen
        if not self._line_begins and at >= LEFT and at + RIGHT < len(seen):
            begin, end = at - LEFT, at + RIGHT + 1
            left2, left, word, right, right2 = seen[begin:end]
            if left2 and left and word and right and right2 and True not in hides[begin:end]:
                return left2, left, right, right2
        if hides[at]:
            around = *self._before(self._run(at, -1)[0]), *self._behind(self._run(at, 1)[0])
        elif seen[at]:
            around = *self._before(at), *self._behind(at)
        else:
            around = self._around_breath(at)
        self._arounds[at] = around
        return around

    def _around_breath(self, at: int) -> tuple[str, str, str, str]:
        """Look around a breath that is a name here, which its neighbours do not see."""
        size = len(self._seen)
        after = next((one for one in range(at + 1, size) if self._hides[one] or self._seen[one]), size)
        if after == size:
            return *self._before(size), EDGE, EDGE
        first, last, symbol = after, after, self._seen[after]
        if self._hides[after]:
            first, _ = self._run(after, -1)
            last, symbol = self._run(after, 1)
            symbol = max(symbol, self._run(after, -1)[1], key=_HIDDEN_ORDER.index)
        return *self._before(first), symbol, self._behind(last)[0]

    def _before(self, at: int) -> tuple[str, str]:
        """Return two symbols before a unit, the nearer one last."""
        hides, seen, begins = self._hides, self._seen, self._line_begins
        found: list[str] = []
        while len(found) < LEFT:
            before = at - 1
            while before >= 0 and not (seen[before] or hides[before]):
                before -= 1
            is_hidden_before = before >= 0 and hides[before]
            if at in begins and not is_hidden_before and not hides[at]:
                found.append(EDGE)
            if before < 0:
                found.append(EDGE)
                at = 0
            elif is_hidden_before:
                at, symbol = self._run(before, -1)
                found.append(symbol)
            else:
                found.append(seen[before])
                at = before
        return found[1], found[0]

    def _behind(self, at: int) -> tuple[str, str]:
        """Return two symbols behind a unit, the nearer one first."""
        hides, seen, begins, size = self._hides, self._seen, self._line_begins, len(self._seen)
        found: list[str] = []
        while len(found) < RIGHT:
            after = at + 1
            while after < size and not (seen[after] or hides[after]):
                after += 1
            if after >= size:
                found.append(EDGE)
            elif hides[after]:
                at, symbol = self._run(after, 1)
                found.append(symbol)
            else:
                if after in begins and not hides[at]:
                    found.append(EDGE)
                found.append(seen[after])
                at = after
        return found[0], found[1]

    def _run(self, at: int, step: int) -> tuple[int, str]:
        """Return the end of what is hidden together, breaths between, in one direction, and what it is seen as."""
        hides, seen = self._hides, self._seen
        last, symbol = at, _HIDDEN
        while 0 <= at < len(seen) and (hides[at] or not seen[at]):
            if hides[at]:
                last = at
                if symbol is not _HIDDEN_NAME:
                    part = self._part(at)
                    symbol = symbol if part is _HIDDEN else part
            at += step
        return last, symbol

    def _begins(self, at: int) -> bool:
        """Return whether a word begins a sentence, or is a breath."""
        return not (self._seen[at] or self._hides[at]) or self._around(at)[1] == EDGE

    def sees_hidden(self, at: int) -> bool:
        """Return whether something hidden is among what is around a word."""
        return not _HIDDEN_ONES.isdisjoint(self._around(at))

    def finds(self, at: int) -> bool:
        """Return whether a suspect is a name here."""
        return self._finds(at) and not is_plain(self._reading, at)

    def _finds(self, at: int) -> bool:
        if self._reading.capitals[at]:  # others are asked for what they are
            if not self.may_be(at):
                return False
            if (self.cased and (self.says_name(at) or self._is_called(at))) or self._is_last(at):
                return True
        probability = self.probability(at)
        return probability >= LEAST_THRESHOLD and probability >= threshold(self._reading, at)

    def finds_small(self, at: int) -> bool:
        """Return whether a small word is part of the name beside it."""
        return self._finds_small(at) and not is_plain(self._reading, at)

    def _finds_small(self, at: int) -> bool:
        if self.says_name(at, CAPITAL_DATES) or (self.cased and at and is_capital_behind_hidden(self._reading, at)):
            return True
        probability = self.probability(at)
        if probability < SMALL_THRESHOLD:
            return False
        return probability >= UNSURE_THRESHOLD or not _HIDDEN_NAMES.isdisjoint(self._around(at)[1:3])

    def may_be(self, at: int) -> bool:
        """Return whether a word is a suspect for more than the capital that begins every sentence."""
        reading = self._reading
        if reading.kinds[at] is not Kind.ORDINARY:
            return True
        return (self.cased and not self._begins(at)) or at in reading.cued(ASKED)

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
            case = "-" if is_in_heading(reading, at) else "s" if left == EDGE else "u"
        else:
            case = "l" if self.cased else "-"
        kinds = reading.borne[at] + KIND_SIGNS[kind]
        return tuple.__new__(Seen, (word, kinds, case, left2, left, right, right2))


def is_capital_behind_hidden(reading: Reading, at: int) -> bool:
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


def is_cased_again(reading: Reading) -> bool:
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
    ends = sum([reading.norms[at] in SENTENCE_ENDS for at in reading.of_kind(SIGN)])
    no_words = reading.count_of_no_words + len(reading.cued(_FILLERS_CUE)) + ends + 1
    capitals = 2 * len(reading.capital_places)
    if 0 < capitals <= len(hides) - no_words - hides.count(True):  # even if none of them is left out twice
        return True
    is_word = _words_of(reading)
    upper = sum([is_word[at] and not hides[at] for at in reading.capital_places])
    seen: int = sum(map(gt, is_word, hides))
    return 2 * upper <= seen > 0


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


def symbols_of(reading: Reading) -> list[str]:
    """Return the symbol of each unit that nothing hides, empty for what the model does not see."""
    seen = reading.symbols
    if seen is None:
        seen = reading.symbols = reading.norms.copy()
        units = reading.units
        for at in reading.of_kind(NUMBER):
            seen[at] = ORDINAL_SYMBOL if units[at].how == ORDINAL else SEEN_BY_KIND[NUMBER]
        for at in reading.of_kind(LETTER):
            if seen[at] not in "ai":
                seen[at] = SEEN_BY_KIND[LETTER]
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
        return EDGE
    return EDGE if ends_sentence(reading.units[at - 1]) else ""


def ends_sentence(before: Unit) -> bool:
    """Return whether a point behind this unit is no part of it, as the one of `dr.` is."""
    return before.kind != LETTER and before.norm not in POINTED_TITLES
