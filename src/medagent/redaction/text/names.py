"""Names and places: which of the words that may be one are one here, by a small log-linear model and by lists."""

from __future__ import annotations

from medagent.redaction.policy import Category
from medagent.redaction.text.cues import FILLERS, FUNCTION, TITLES, words
from medagent.redaction.text.found import Layer
from medagent.redaction.text.lexicon import Kind
from medagent.redaction.text.name_context import (
    EDGE,
    KIND_SIGNS,
    LEFT,
    ORDINAL_SYMBOL,
    RIGHT,
    SEEN_BY_KIND,
    Context,
    ends_sentence,
    is_capital_behind_hidden,
    is_cased_again,
    symbols_of,
)
from medagent.redaction.text.name_model import model
from medagent.redaction.text.plain_words import is_plain
from medagent.redaction.text.reading import ASKED, SMALL, Mark, Reading, begins_line, cue, is_hidden
from medagent.redaction.text.sure_names import LONGEST_NAME, POINTED_TITLES, SENTENCE_ENDS
from medagent.redaction.text.units import ORDINAL, WORD

_EDGE_BEFORE = dict.fromkeys(SENTENCE_ENDS, EDGE)
_SEEN_AS_THEY_ARE = frozenset(",ai")
_TITLES_AND_POINT, _TITLES_AND_FILLERS = TITLES | {"."}, TITLES | FILLERS
_NO_PLAIN_WORD = (Kind.NO_WORD, Kind.UNKNOWN)
_LAST = frozenset("lm")
_PERSON_VERBS = words("is was has had needs wants called says")
"""Between a first name and one of these a word is a last name."""
_ANNOUNCING = TITLES | words("uncle aunt auntie grandma grandpa cousin name name's surname surname's called named")
"""Behind one of these a small word may be somebody's name: `doctor so`, `uncle an`."""
_ANNOUNCING_CUE = cue(_ANNOUNCING)


def mark_names(reading: Reading) -> Context | None:
    """Mark the suspects that are names here.

    Words that no list has are hidden from the others, and the vocabulary layer marks them only afterwards: it hides
    at least what detection alone hides.

    Returns:
        What was around each word, if that was asked and nothing was hidden since.
    """
    open_ones: list[int] = []
    asked = reading.asked = suspects(reading)
    gone, kinds, borne = reading.gone, reading.kinds, reading.borne
    for at in asked:
        if gone[at]:
            continue
        hopeless = _is_hopeless_between_plain_words(reading, at)
        if hopeless is not None:
            if not hopeless:
                open_ones.append(at)
            continue
        listed = borne[at]
        if listed and kinds[at] is Kind.UNKNOWN:
            if is_plain(reading, at):
                kinds[at] = Kind.ORDINARY
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


def _is_hopeless_between_plain_words(reading: Reading, at: int) -> bool | None:
    """Return what `_is_hopeless` says of a word that `_beside` cannot judge, None where it takes a closer look."""
    norms, kinds, borne, gone = reading.norms, reading.kinds, reading.borne, reading.gone
    if not 0 < at < len(norms) - 1 or reading.capitals[at] or reading.has_lines or gone[at - 1] or gone[at + 1]:
        return None
    left, right, kind = norms[at - 1], norms[at + 1], kinds[at]
    if kinds[at - 1] in _NO_PLAIN_WORD or kinds[at + 1] in _NO_PLAIN_WORD or kind is Kind.UNKNOWN:
        return None
    if "f" in borne[at - 1] or left in _TITLES_AND_FILLERS or right in FILLERS or norms[at] in FILLERS:
        return None
    return model().is_hopeless(norms[at], borne[at] + KIND_SIGNS[kind], left, right)


def _is_hopeless(reading: Reading, at: int) -> bool:
    """Whether a word is no name beside what is plainly seen there, whatever the case tells, which is quickly asked."""
    kind, norm = reading.kinds[at], reading.norms[at]
    if kind is Kind.UNKNOWN or norm in FILLERS:
        return False
    left = _plain_left(reading, at)
    if reading.capitals[at]:
        return left == EDGE and kind is Kind.ORDINARY and at not in reading.cued(ASKED)
    if left is None or (right := _plain_right(reading, at)) is None:
        return False
    return model().is_hopeless(norm, reading.borne[at] + KIND_SIGNS[kind], left, right)


def _plain_left(reading: Reading, at: int) -> str | None:
    """Return what the model sees before a word; None where that takes a closer look."""
    if at == 0:
        return EDGE
    symbol = _plain_symbol(reading, at - 1)
    return EDGE if symbol and reading.has_lines and begins_line(reading, at) else symbol


def _plain_right(reading: Reading, at: int) -> str | None:
    """Return what the model sees behind a word; None where that takes a closer look."""
    after = at + 1
    if after == len(reading.norms):
        return EDGE
    symbol = _plain_symbol(reading, after)
    return EDGE if symbol and reading.has_lines and begins_line(reading, after) else symbol


def _plain_symbol(reading: Reading, at: int) -> str | None:
    kind, norm = reading.kinds[at], reading.norms[at]
    if kind is Kind.UNKNOWN or reading.gone[at] or norm in FILLERS:
        return None
    if kind is not Kind.NO_WORD or norm in _SEEN_AS_THEY_ARE:
        return norm
    unit = reading.units[at]
    if unit.kind in SEEN_BY_KIND:
        return ORDINAL_SYMBOL if unit.how == ORDINAL else SEEN_BY_KIND[unit.kind]
    if norm == "." and at and not ends_sentence(reading.units[at - 1]):
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
    if more := [at for at in reading.capital_places if at and (gone[at - 1] or kinds[at - 1] is unknown)]:
        places = sorted({*places, *(at for at in more if is_capital_behind_hidden(reading, at))})
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


def has_more_names(reading: Reading) -> bool:
    """Whether another reading of what is left would find a name, where hidden words are seen without their kind."""
    open_ones = [at for at in reading.asked if not reading.gone[at]]
    is_same = not (open_ones and reading.capital_places) or is_cased_again(reading) is reading.cased
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


def _is_near_hidden(reading: Reading, at: int) -> bool:
    """Return whether something hidden, or unseen, is so near that the model may see it."""
    begin, end = max(0, at - LEFT), at + RIGHT + 1
    if True in reading.gone[begin:end] or Kind.UNKNOWN in reading.kinds[begin:end]:
        return True
    return "" in symbols_of(reading)[begin:end]
