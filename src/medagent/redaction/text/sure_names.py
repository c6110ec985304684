"""Names beside something sure, whatever word they are: a title, `my name is`, an initial, a degree, a relation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

from medagent.redaction.policy import Category
from medagent.redaction.text.cues import FUNCTION, SURE_TITLES, TITLES, words
from medagent.redaction.text.found import Span, is_sign
from medagent.redaction.text.lexicon import Kind
from medagent.redaction.text.reading import (
    PHRASE,
    Reading,
    beginnings,
    begins_with,
    cue,
    is_hidden,
)
from medagent.redaction.text.small_word_names import small_surnames, small_word_names
from medagent.redaction.text.units import LETTER, SIGN, WORD

PEOPLE_DO = words(
    """called calls says said reports reported denies denied states stated wants wanted asks asked needs needed has had
    is was came comes will would here mentioned complained complains thinks feels called's and and's , md np pa rn"""
)
SENTENCE_ENDS = frozenset(".?!")
LONGEST_NAME = 4
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
_BEHIND_AN = FUNCTION - words(
    """other old even already only up over off in into inside outside on out around under ever above upon about after
    along any all each either every an a our oh uh um ah again i i'm i've i'd i'll is ok okay"""
) | words("is are am")
"""No sentence goes on with one of these behind `an`, but with `please` behind somebody called An."""
_BEGINS_CLAUSE = words("i i'm i've i'd i'll")
_OF_DOCTORS = words(
    """appointment appointments visit visits office offices note notes order orders bill bills number numbers name names
    referral referrals letter letters list lists today tomorrow yesterday tonight recommended advised suggested"""
)
"""Words behind `dr` that are no name."""
POINTED_TITLES = words("dr mr mrs ms prof")
_TIES = (" ", ". ", ".")
_TITLED = (
    FUNCTION
    - TITLES
    - words(
        """i i'm i've i'd i'll what who whom whose which where when why how that's he's she's you're they're we're don't
    doesn't didn't isn't wasn't can't won't patient patients doctors thank thanks please hello hey bye sorry"""
    )
)
"""Small words that a capital behind a title makes a name."""
_KIN = words(
    """husband wife son daughter mother father mom dad mum brother sister uncle aunt auntie grandma grandpa grandmother
    grandfather grandson granddaughter cousin niece nephew girl boy baby partner boyfriend girlfriend friend neighbor
    neighbour roommate boss coworker colleague caregiver twin kid child"""
)
_WHOSE = words("my our his her their your little older younger oldest youngest baby best old step")
_KIN_DO = PEOPLE_DO - words("and 's , md np pa rn") | words(
    """will would can can't won't could should may might does doesn't did didn't isn't wasn't hasn't who turned turns
    lives works got went took fell feels keeps"""
)
_KIN_CUE = cue(_KIN)
_TITLES_CUE = cue(TITLES)
_AN_CUE = cue(("an",))
_DOCTORS_CUE = cue(_DOCTORS)
_DEGREES_CUE = cue(_DEGREES)
_SPEAKING_CUE = cue(_SPEAKING)
_COMMA_CUE = cue(_COMMA)
_INTRODUCING_CUE = cue(_INTRODUCING)


def listed_names(reading: Reading) -> Iterator[Span]:
    """Places of several words, and the names that something sure is beside."""
    begins = reading.begins
    return chain(*[find(reading) for find, its in _BEGINNINGS if begins & its])


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
        last = at + 2 if reading.norm(at + 1) == "." and reading.norms[at] in POINTED_TITLES else at + 1
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
        if norms[at] in "ai" and not reading.capitals[at]:
            continue
        after = at + 2 if reading.norm(at + 1) == "." else at + 1
        if at == 0 or after >= len(units) or units[after].kind != WORD:
            continue
        if norms[after] in FUNCTION and not (reading.capitals[after] and reading.borne[after]):
            continue
        if units[after].start - units[at].end > _INITIAL_GAP or not _is_given_name(reading, at - 1):
            continue
        known = set(reading.borne[after]) & set("lm") or reading.kinds[after] is Kind.UNKNOWN
        if reading.capitals[after] or known:
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
    """Return whether a word is a first name, or one that no list has."""
    unit = reading.units[at]
    if unit.kind != WORD or unit.norm in FUNCTION:
        return False
    return reading.kinds[at] is Kind.UNKNOWN or "f" in reading.lists.name_kinds(unit.norm)


@begins_with(_SPEAKING_CUE)
def _calling(reading: Reading) -> Iterator[Span]:
    """`this is … calling`, `… speaking`: up to four words between the two, whatever they are."""
    norms = reading.norms
    for at in reading.cued(_SPEAKING_CUE):
        for begin in range(max(1, at - LONGEST_NAME), at):
            if norms[begin - 1] in _THIS_IS and (begin < 2 or norms[begin - 2] in _THIS or norms[begin - 1] in _I_AM):
                run = range(begin, at)
                is_run = all(reading.units[i].kind in (WORD, LETTER) or is_sign(reading.units[i], ".-'") for i in run)
                small = norms[begin] == "my" and is_hidden(reading, begin + 1)
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
    """`An`, where no word follows that an article may precede."""
    for at in reading.cued(_AN_CUE):
        behind_name = at > 0 and reading.norm(at + 1) in _BEGINS_CLAUSE and is_hidden(reading, at - 1)
        if behind_name or (at and _is_article_odd(reading, at + 1)):
            yield at, at, Category.NAME


def _is_article_odd(reading: Reading, after: int) -> bool:
    """Return whether the sentence ends where an article wants a noun, or goes on with a small word."""
    if after >= len(reading.units):
        return True
    return reading.norms[after] in (_BEHIND_AN if reading.units[after].kind == WORD else SENTENCE_ENDS)


@begins_with(_COMMA_CUE)
def _last_first(reading: Reading) -> Iterator[Span]:
    """`brown, jack`, alone between the ends of a sentence."""
    units, norms, lists = reading.units, reading.norms, reading.lists
    for at in reading.cued(_COMMA_CUE):
        if not 0 < at < len(units) - 1 or units[at - 1].kind != WORD or units[at + 1].kind != WORD:
            continue
        last, first = norms[at - 1], norms[at + 1]
        alone = (at == 1 or norms[at - 2] in SENTENCE_ENDS or norms[at - 2] == ":") and ends_here(reading, at + 2)
        if alone and "l" in lists.name_kinds(last) and "f" in lists.name_kinds(first) and not {last, first} & FUNCTION:
            yield at - 1, at + 1, Category.NAME


@begins_with(_INTRODUCING_CUE)
def _introduced(reading: Reading) -> Iterator[Span]:
    """Return what follows `my name is`, `last name` or `Mrs`, whatever word it is."""
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
        last = _end_of_name(reading, begin, LONGEST_NAME if named else 1)
        if last >= begin:
            yield begin, last, Category.NAME


def _may_follow_comma(reading: Reading, at: int) -> bool:
    """Return whether a word behind `last name,` may be the name: `last name, exactly as on the card` names nobody."""
    return at < len(reading.norms) and (
        reading.capitals[at] or is_hidden(reading, at) or bool(reading.lists.name_kinds(reading.norms[at]))
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
        elif is_hidden(reading, ahead) or (
            not never_first and (ahead == begin or bool(lists.name_kinds(norm)) or reading.capitals[ahead])
        ):
            last = ahead
        else:
            break
    else:
        ahead += 1
    small = ahead > last + 1 and ahead <= last + 3 and not (never_first and last < begin)
    return ahead - 1 if small and ends_here(reading, ahead) and norms[ahead - 1] not in _NO_ENDING else last


def ends_here(reading: Reading, at: int) -> bool:
    """Return whether a sentence, a part of one, or the text ends before this unit."""
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
    small_word_names,
    small_surnames,
)
"""What finds names beside something sure, and places of several words."""
_BEGINNINGS = tuple((finder, beginnings(finder)) for finder in _FINDERS)
