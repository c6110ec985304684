"""Sentences that announce a town or a facility: `lives in X`, `an hour from X`, `faxed it to X`, `at X for rehab`.

How sure a sentence is decides which words may be the name: behind `lives in` nearly all, behind `was in` none that is
there as often without being a place (`in tears`, `in sales`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from medagent.redaction.policy import Category
from medagent.redaction.text.cues import FILLERS, FUNCTION, MONTH_OF, NAME_WORDS, QUANTITIES, STATES, WEEKDAYS, words
from medagent.redaction.text.found import Span
from medagent.redaction.text.frame_words import (
    ADVERB_LEFT,
    ALL_SITES,
    ARTICLES,
    AT_THINGS,
    BARE_NO,
    BARE_PREPOSITIONS,
    BE,
    BE_SHORT,
    BESIDE_HIDDEN,
    BREAKS,
    CALLERS,
    CLINICAL_ENDINGS,
    CLOSE,
    DEPARTMENTS,
    EMPLOYED,
    GOING,
    HEADED,
    HEADS_OF_ADJECTIVES,
    IN_HOMES,
    LEFT_ADVERBS,
    LEFT_OF_FROM,
    LEFT_OF_IN,
    LIVED_WHERE,
    MASS_ENDINGS,
    MY_WAY,
    NEAR_LEFT,
    NO_BEGINNING,
    NO_LOOSE,
    NO_PAIR,
    NO_PAIR_SPIRITS,
    NORTHS,
    OF_FACILITIES,
    OF_SITES,
    OUT_OF,
    PAIR_HEADS,
    PAIR_MAY_HOLD,
    PEOPLE_SAY,
    PERSONS,
    PLACE_ADVERBS,
    PREPOSITIONS,
    RIGHT,
    SENDING,
    SITE_TYPES,
    TREATMENTS,
    VIRTUES,
    WIDEST_CLAUSE,
    Level,
)
from medagent.redaction.text.lexicon import Kind
from medagent.redaction.text.place_words import (
    HOLY,
    HOME_ENDINGS,
    KINDS_OF,
    LIVING,
    LONGEST,
    NO_PLACE,
    NUMBERED_NAMES,
    PAIR,
    PAIRED,
    PRONOUNS,
    RETREATS,
    TIMES,
    TYPES,
    UNPAIRED,
    WORKING,
)
from medagent.redaction.text.reading import Reading, begins_with, cue
from medagent.redaction.text.units import GONE, LETTER, NUMBER, ORDINAL, SIGN, SPOKEN, WORD, Unit

_PREPOSITION_CUE = cue(PREPOSITIONS)
_SITE_CUE, _HOMETOWN_CUE, _WHERE_CUE = (
    cue(SITE_TYPES),
    cue(("hometown", "downtown", "toured", "touring", "visiting")),
    cue(("where",)),
)


_HEADS_CUE = cue(PAIR_HEADS)


@begins_with(_PREPOSITION_CUE, _SITE_CUE, _HOMETOWN_CUE, _WHERE_CUE, _HEADS_CUE)
def framed_places(reading: Reading) -> Iterator[Span]:
    """Yield towns and facilities that prepositions and verbs around them announce."""
    norms, units = reading.norms, reading.units
    for at in reading.cued(_PREPOSITION_CUE):
        if at + 1 == len(norms) or norms[at + 1] in NO_BEGINNING or not (found := _behind(reading, at)):
            continue
        yield *found, Category.ADDRESS
        ahead = found[1] + 1
        if norm_at(units, ahead) in ("and", "or") and (also := named(reading, ahead + 1, Level.BARE)):
            yield *also, Category.ADDRESS
    for at in reading.cued(_SITE_CUE):
        if found := _before_site(reading, at):
            yield *found, Category.ADDRESS
    for at in reading.cued(_HOMETOWN_CUE):
        begin = at + 1 + (norm_at(units, at + 1) in ("is", "was"))
        fits = begin > at + 1 if norms[at] == "hometown" else begin == at + 1
        level = Level.PAIR if norms[at].startswith("tour") else Level.LOOSE
        if fits and (found := named(reading, begin, level)):
            yield *found, Category.ADDRESS
    found_at = [_at_work(reading, at) for at in reading.cued(_HEADS_CUE) if at and norm_at(units, at + 1) in PEOPLE_SAY]
    for found in (*found_at, *[_where_lived(reading, at) for at in reading.cued(_WHERE_CUE)]):
        if found:
            yield *found, Category.ADDRESS


def _behind(reading: Reading, at: int) -> tuple[int, int] | None:
    """Return the first and last unit of a place behind a preposition."""
    level = _level(reading, at)
    if level is Level.PAIR and (found := named(reading, at + 1, level)):
        return found
    if level is Level.PAIR:
        level = None
    if level is None and reading.norms[at] in ("at", "to", "in") and _is_for_treatment(reading.units, at + 1):
        level = Level.LIKELY
    if level is None:
        level = _level_by_noun(reading, at)
    return None if level is None else named(reading, at + 1, level)


def over_breaths(units: Sequence[Unit], at: int) -> int:
    """Return the first unit behind `uh`, `um` and the commas beside them."""
    ahead = at
    while norm_at(units, ahead) in FILLERS or (
        norm_at(units, ahead) == ","
        and (norm_at(units, ahead + 1) in FILLERS or (ahead > at and norm_at(units, ahead - 1) in FILLERS))
    ):
        ahead += 1
    return ahead


def _level(reading: Reading, at: int) -> Level | None:
    """Return how sure the words before a preposition are that a place follows, None where they announce none."""
    norms, norm = reading.norms, reading.norms[at]
    if norm in OF_FACILITIES:
        return None
    left = at - 1
    while left >= 0 and norms[left] in LEFT_ADVERBS:
        left -= 1
    before = norms[left] if left >= 0 else ""
    if norm == "in":
        return _level_of_in(norms, at, left)
    if norm == "from":
        if "originally" in norms[left + 1 : at] or "originally" in norms[at + 2 : at + 5]:
            return Level.SURE
        if before in CALLERS:
            return Level.PAIR
        return LEFT_OF_FROM.get(before)
    if norm == "to":
        return _level_of_to(norms, at, left)
    if norm == "of":
        if norms[at - 1] == "out":
            return Level.LOOSE if before in OUT_OF else None
        return Level.LOOSE if norms[at - 1] in NORTHS else None
    if norm == "at":
        return Level.PAIR if before in CALLERS or before in IN_HOMES or before in WORKING else None
    near = norm == "outside" or left < at - 1 or before in NEAR_LEFT
    if norm == "by":
        near = before in LIVING or before == "close"
    if norm == "around":
        near = before in LIVING or before in ALL_SITES
    return Level.LOOSE if near else None


def _level_by_noun(reading: Reading, at: int) -> Level | None:
    """Return how sure the words behind a preposition alone make a place, whatever is before it."""
    norm = reading.norms[at]
    if at == over_breaths(reading.units, 0) and norm in BARE_PREPOSITIONS and _is_answer(reading, at):
        return Level.BARE
    if norm in BARE_PREPOSITIONS:
        return Level.BARE if _has_articles(reading, at) else Level.FACILITY if norm == "from" else None
    if norm in OF_FACILITIES and norm != "into":
        left = reading.norms[max(0, at - 2) : at]
        return Level.FACILITY if not EMPLOYED.isdisjoint(left) else None
    if norm == "at":
        if reading.norms[at - 1] in AT_THINGS:
            return None
        return Level.PAIR if _has_articles(reading, at) else Level.FACILITY
    lived = norm == "into" or (norm == "of" and reading.norms[at - 1] in ("out", "resident", "residents", "patient"))
    return Level.FACILITY if lived else None


def _is_answer(reading: Reading, at: int) -> bool:
    """Return whether one word behind a preposition is all that is said, in small letters: `uh in wall`."""
    begin, size = over_breaths(reading.units, at + 1), len(reading.units)
    ends = begin + 1 >= size or (begin + 2 == size and reading.units[-1].kind == SIGN)
    return ends and not reading.capital_places


def _level_of_in(norms: Sequence[str], at: int, left: int) -> Level | None:
    before = norms[left] if left >= 0 else ""
    if found := LEFT_OF_IN.get(before):
        return found
    is_short = before in BE_SHORT
    if is_short or before in BE:
        near = norms[max(0, left - 4) : left]
        if any(word in ALL_SITES for word in near):
            return Level.LIKELY
        if not (is_short or any(word in PERSONS or word.endswith("'ll") for word in near)):
            return None
        moved = any(word in PLACE_ADVERBS for word in norms[left + 1 : at])
        return (
            Level.LOOSE
            if moved or not TIMES.isdisjoint(norms[at + 2 : at + 5]) or not _RESTING.isdisjoint(norms[at + 2 : at + 5])
            else Level.PAIR
        )
    if before in IN_HOMES and norms[left - 1] in ("put", "place", "placed", "got", "have", "left"):
        return Level.PAIR
    if left < at - 1 and before not in ADVERB_LEFT and any(word in PLACE_ADVERBS for word in norms[left + 1 : at]):
        return Level.LOOSE
    return Level.LOOSE if "with" in norms[max(0, left - 4) : left] and before in PERSONS else None


_RESTING = words("now until till when visiting currently since")


def _level_of_to(norms: Sequence[str], at: int, left: int) -> Level | None:
    before = norms[left] if left >= 0 else ""
    if norms[at - 1] in CLOSE or before in HEADED:
        return Level.LOOSE
    if before == "way" and norms[left - 1] in MY_WAY:
        return Level.LOOSE
    sent = any(word in SENDING for word in norms[max(0, left - 4) : left + 1])
    return Level.PAIR if sent else Level.FACILITY if before in GOING else None


def _is_for_treatment(units: Sequence[Unit], begin: int) -> bool:
    """Return whether up to three words end before `for rehab` and the like."""
    for ahead in range(begin + 1, min(begin + LONGEST + 1, len(units))):
        if units[ahead].norm == "for":
            return norm_at(units, ahead + 1) in TREATMENTS
    return False


def _before_site(reading: Reading, at: int) -> tuple[int, int] | None:
    """Return the units of `peculiar` in `your peculiar location`."""
    units, first = reading.units, at
    while first > 0 and at - first < PAIR and units[first - 1].kind == WORD and _may_call_site(reading, first - 1):
        first -= 1
    is_site = first < at and norm_at(units, first - 1) in OF_SITES and _may_follow(units, at + 1)
    return (first, at - 1) if is_site else None


def _may_call_site(reading: Reading, at: int) -> bool:
    norm = reading.norms[at]
    return not (
        norm in FUNCTION
        or norm in KINDS_OF
        or norm in DEPARTMENTS
        or norm in NO_LOOSE
        or norm in QUANTITIES
        or "'" in norm
        or reading.kinds[at] is Kind.CLINICAL
        or norm.endswith(("al", "ic", "ics", "ary", "ory", "ive", "ology", "ing", "ed", "ist"))
        or (norm.endswith(("er", "est")) and _is_compared(reading, norm))
    )


def _is_compared(reading: Reading, norm: str) -> bool:
    """Return whether a word is an adjective with -er or -est: `larger`, `nearest`."""
    stem = norm.removesuffix("est").removesuffix("er")
    return any(form in reading.lists.words for form in (stem, f"{stem}e", stem[:-1], f"{stem[:-1]}y"))


def _at_work(reading: Reading, at: int) -> tuple[int, int] | None:
    """Return the units of `shady pines` in `shady pines sent her over`."""
    units, norms, first = reading.units, reading.norms, at - 1
    begins = first == 0 or units[first - 1].kind == SIGN or norms[first - 1] in _BEGINNINGS
    fits = (
        begins
        and units[first].kind == WORD
        and norms[first] not in FUNCTION
        and reading.kinds[first] is not Kind.CLINICAL
    )
    return (first, at) if fits and _is_facility((norms[first], norms[at])) else None


_BEGINNINGS = words("and but so because that when if since after before because they")


def _where_lived(reading: Reading, at: int) -> tuple[int, int] | None:
    """Return the units of `mobile` in `mobile is where i grew up`."""
    units, norms = reading.units, reading.norms
    if at < PAIR or norms[at - 1] not in ("is", "was") or norm_at(units, at + 1) not in PRONOUNS:
        return None
    if LIVED_WHERE.isdisjoint(norms[at + 2 : at + 4]):
        return None
    first = at - 1
    while first > 0 and at - first <= PAIR and units[first - 1].kind == WORD and norms[first - 1] not in FUNCTION:
        first -= 1
    begins = first == 0 or units[first - 1].kind == SIGN or norms[first - 1] in ("and", "but", "so", "because")
    return named(reading, first, Level.LOOSE) if begins and first < at - 1 else None


def named(reading: Reading, begin: int, level: Level) -> tuple[int, int] | None:
    """Return the first and last unit of a bare name of one to three words, None for what is no place.

    A word of the clinic is none, but behind a cue that is sure.
    """
    units, kinds = reading.units, reading.kinds
    begin, loose = over_breaths(units, begin), level < Level.PERSON
    is_numbered = begin + 1 < len(units) and units[begin].kind == NUMBER and units[begin + 1].norm in NUMBERED_NAMES
    if is_numbered and not loose:
        return (begin, begin + 1) if units[begin].how in (SPOKEN, ORDINAL) else None
    ahead = _run_end(units, begin, loose=loose)
    last = ahead - 1
    if last < begin or ahead - begin > LONGEST or (last == begin and units[last].norm in FUNCTION):
        return None
    said = [unit.norm for unit in units[begin:ahead]]
    paired = len(said) == PAIR and said[1] in PAIRED and said[0] not in UNPAIRED and "'" not in said[0]
    paired = paired or (len(said) == PAIR and said[0].endswith("'s") and said[1] in RETREATS)
    paired = paired or (len(said) == PAIR and said[0] in HOLY and said[0] != "good")
    if not paired and any(word in NO_PLACE or word in TYPES for word in said) and not _is_facility(said):
        if len(said) == 1 and kinds[begin] is not Kind.UNKNOWN:
            kinds[begin] = Kind.ORDINARY if kinds[begin] is Kind.ALSO_A_NAME else kinds[begin]
            reading.terms.add(begin)
        return None
    if loose and not paired and not _may_be_loosely(reading, begin, ahead, level):
        return None
    if loose and not _may_follow(units, ahead):
        return None
    clinical = kinds[last] is Kind.CLINICAL and not (paired or said[-1] in HOME_ENDINGS or _is_facility(said))
    if clinical and not (level is Level.SURE or (level is Level.LIKELY and not said[-1].endswith(CLINICAL_ENDINGS))):
        return None
    if ahead < len(units) and units[ahead].kind in (NUMBER, LETTER) and units[ahead].norm not in ("i", "a"):
        return (begin, last) if len(units[ahead].norm) >= LONGEST + 2 else None
    if said[-1].endswith(("ing", "ed", "ly")) and len(said) == 1 and not reading.lists.name_kinds(said[0]):
        return None
    if norm_at(units, ahead) == "or" and norm_at(units, ahead + 1) == "consequences":
        return begin, ahead + 1
    return begin, last


def _run_end(units: Sequence[Unit], begin: int, *, loose: bool) -> int:
    """Return the end of the words from here that may be one name, up to one more than a name has."""
    ahead = begin
    while ahead < len(units) and ahead - begin < LONGEST + 1:
        unit = units[ahead]
        norm = unit.norm
        if unit.kind == GONE and loose:
            ahead += 1
            continue
        if unit.kind != WORD or (loose and norm in BREAKS):
            break
        if norm in QUANTITIES or norm in WEEKDAYS or norm in MONTH_OF or norm in TIMES:
            break
        if (norm in FUNCTION and not (ahead == begin and norm in NAME_WORDS)) or (
            loose and ahead > begin and norm.endswith("ed")
        ):
            break
        ahead += 1
    return ahead


def _is_facility(said: Sequence[str]) -> bool:
    """Return whether two words are called as facilities are: `tender hearts`, `open arms`, `morning star`."""
    if len(said) != PAIR or said[1] not in PAIR_HEADS or "'" in said[0]:
        return False
    first = said[0]
    if first in NO_PAIR_SPIRITS or first in UNPAIRED:
        return said[1] in HEADS_OF_ADJECTIVES
    return first in PAIR_MAY_HOLD or first not in NO_PAIR


def _may_be_loosely(reading: Reading, begin: int, ahead: int, level: Level) -> bool:
    """Return whether words may be a name where a sentence is not sure: none that is there for itself."""
    units, kinds = reading.units, reading.kinds
    said = [unit.norm for unit in units[begin:ahead]]
    if all(unit.kind == GONE for unit in units[begin:ahead]):
        return False
    if len(said) > 1 and _is_facility(said):
        return True
    if level is Level.LIKELY:
        return not any(word in NO_LOOSE for word in said)
    if level is Level.FACILITY or any(kinds[at] is Kind.CLINICAL for at in range(begin, ahead)) or "'" in said[-1]:
        return False
    last = said[-1]
    if reading.norms[begin - 1] == "to" and level is Level.PAIR and _is_verb(reading, said[0]):
        return False
    if (
        last.endswith(MASS_ENDINGS)
        and last not in VIRTUES
        and not (level is Level.LOOSE and reading.lists.name_kinds(last))
    ):
        return False
    if level is Level.PAIR and any(unit.kind == GONE for unit in units[begin:ahead]):
        return all(word in BESIDE_HIDDEN for word in said if word)
    if level is Level.PAIR:
        return len(said) > 1 and not any(word in NO_PAIR for word in said)
    if any(word in NO_LOOSE for word in said):
        return False
    if level is Level.BARE:
        return (
            len(said) == 1 and last not in BARE_NO and kinds[begin] is not Kind.UNKNOWN and _is_counted(reading, last)
        )
    plural = last.endswith("s") and not last.endswith("ss") and reading.lists.words.get(last[:-1]) is not None
    return len(said) > 1 or not plural


def _has_articles(reading: Reading, at: int) -> bool:
    """Return whether a text is said in whole sentences and in small letters, so that a noun has its article."""
    return not (reading.capital_places or ARTICLES.isdisjoint(reading.norms[max(0, at - WIDEST_CLAUSE) : at]))


def _is_counted(reading: Reading, word: str) -> bool:
    """Return whether a word is a noun that has a plural."""
    listed = reading.lists.words
    plural = (
        f"{word[:-1]}ies" if word[-1] == "y" else f"{word}es" if word.endswith(("s", "x", "ch", "sh")) else f"{word}s"
    )
    return plural in listed or f"{word}s" in listed


def _is_verb(reading: Reading, word: str) -> bool:
    """Return whether a word is a verb as well, since it has a form in -ing."""
    listed = reading.lists.words
    return (
        f"{word}ing" in listed or f"{word}{word[-1]}ing" in listed or (word[-1] == "e" and f"{word[:-1]}ing" in listed)
    )


def _may_follow(units: Sequence[Unit], at: int) -> bool:
    """Return whether a sentence may go on here behind the name of a place."""
    if at >= len(units):
        return True
    unit = units[at]
    if unit.kind in (SIGN, GONE):
        return unit.norm not in ("/", "%", "-", "'")
    return unit.kind == NUMBER or unit.norm in ("i", "a") or unit.norm in RIGHT or unit.norm.endswith(("ed", "n't"))


def ends_place(units: Sequence[Unit], at: int) -> bool:
    """Return whether a name may end before this unit: nothing, a sign, or a small word follows."""
    if at >= len(units):
        return True
    unit = units[at]
    return (
        unit.kind in (SIGN, GONE)
        or unit.norm in TIMES
        or unit.norm in FUNCTION
        or unit.norm in FILLERS
        or unit.norm in TYPES
        or unit.norm in STATES
    )


def norm_at(units: Sequence[Unit], at: int) -> str:
    """Return the unit at this place, empty outside the text."""
    return units[at].norm if 0 <= at < len(units) else ""
