"""Names that are made of small words, by the sentence on both sides: `booked under so on`, `i am you he i have …`.

Two small words in the place of a name, where the sentence ends or begins anew behind them, are one unless they are
said for themselves there (`for my son`, `him or her`, `said so`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from medagent.redaction.policy import Category
from medagent.redaction.text.cues import words
from medagent.redaction.text.found import Span
from medagent.redaction.text.reading import Reading, begins_with, cue, is_hidden
from medagent.redaction.text.units import LETTER, SIGN, WORD

_LONGEST = 4
_SYLLABLES = words("be hi me am")
"""Small words that somebody bears as a part of a name, beside those that the lists have as a syllable."""
_BREATHS = words("uh um uhm umm uhh er erm hmm mm mmm")
"""Breaths that nobody is called, between what announces a name and the name."""
_NEVER = words("best made said saw were mine may will can't")
_ENDS = frozenset(".,?!;")
_RESTARTS = words(
    """tomorrow tonight that returning wants needs said i i'm i've i'd i'll calling speaking again here from yesterday
    today please thanks thank about"""
)
_AND_RESTARTS = words("i i'm my this we")
_SPEAKING = words("speaking calling here")
_ASKS = words("do can")
_I = words("i i'm i've i'd i'll")
_VERBS = words(
    """is was has had can't cannot needs need wants want doesn't does didn't did isn't wasn't hasn't won't says said
    reports reported denies called calls feels felt got gets went goes lives takes took keeps fell will would
    could should came comes asked asks told tells who's weighs turned turns died passed started stopped complains
    complained"""
)
_KIN = words(
    """husband wife son daughter mother father mom dad mum brother sister uncle aunt auntie grandma grandpa grandmother
    grandfather grandson granddaughter cousin niece nephew baby partner boyfriend girlfriend friend neighbor
    neighbour"""
)
_WHOSE = words("my our his her their your")
_NAMED = words("name name's names surname surname's")
_BE = words("is was")
_BEFORE_BE = words(
    """doctor contact wife husband mother father son daughter sister brother this name here patient caller file it that
    member client resident patient's person account"""
)
_I_AM = words("am i'm it's that's this's")
_TALK = words("speak speaking spoke spoken talk talking talked")
_TAKING, _TAKING_SMALL = words("with to for me of by as up"), words("in on to than or so no")
_OF_TALK = words(
    """here give gave it live lives living work works message speak speaking spoke spoken talk talking talked
    connected"""
)
_BEFORE_FOR = words(
    """is it's calling call called prescription prescriptions refill refills appointment appointments ask asked asking
    chart was booked message messages here results result referral visit order meds medication"""
)
_TELLING = words("tell told asked ask let mister mr mrs ms miss missus doctor dr nurse caller named called by as up")
_BEFORE_TELLING = {
    "by": words("go goes going"),
    "as": words("down listed known registered"),
    "up": words("pull look bring"),
    "me": words("call calls called calling"),
}
"""Second and first words of `go by`, `down as`, `pull up`, `call me`."""
_TITLES = words("mister mr mrs ms miss missus doctor dr nurse caller named")
_PREPOSITIONS = words("under with to for")
_CUE = cue(_NAMED | _BE | _I_AM | _KIN | _PREPOSITIONS | _TELLING | {"patient", "of", "me", "hello"})
_SPEAKING_CUE = cue(("calling", "speaking"))
_SURNAME_CUE = cue(("name", "name's", "surname", "surname's"))
_OBJECTS, _OWNERS = words("him her you my mine me"), words("my her his our your")
_DOES, _INTERJECTIONS = words("can do go see say"), words("oh ah eh no ok so hi")
_JOINS = words("so or oh no ah ok eh")
_NO_NAME_PAIRS = frozenset(
    tuple(pair.split("_"))
    for pair in words(
        """do_you can_you see_you see_him see_her see_me see_my do_so can_do so_can so_do go_on go_in go_to see_to do_no
    do_my do_me do_him do_her in_or on_or or_on or_in so_soon no_can no_do in_an on_an to_an hi_you be_so be_no
    be_in be_on be_my be_me be_or am_so am_no am_in am_on am_i in_no on_no in_so on_so no_son my_son her_son
    so_my so_her than_my than_me than_him than_her than_you do_or do_in do_on go_or go_so go_no go_see go_do
    can_see can_go can_be do_see do_be so_be be_him be_her be_you so_me so_him no_me me_no me_so me_in me_on
    me_or me_to me_my you_so you_no you_in you_on you_or you_to you_my him_so him_no him_in him_on him_or him_to
    him_my her_no her_in her_on her_or her_to to_me to_my to_him to_her to_you to_go to_do to_see to_say to_be
    on_me on_my in_me in_my hi_hi no_an so_an you_soon him_soon her_soon me_soon he_soon is_so no_or or_so or_no
    so_or my_my oh_my"""
    )
)
"""Two small words that are said beside each other for themselves."""
_FAMILY = words("last family maiden married sur second given middle")
_NO_SURNAME = words(
    """and or but please is was are only too now then no ok okay yes later also first same just not the a an's his her
    my your our their it this that for from with on at to of what who how very really all both uh um uhm been am
    any every some such them there here he's she's doing getting going gone"""
)
_BEHIND_SURNAME = frozenset(
    (("first", "name"), ("date", "of"), ("like", "the"), ("with", "the"), ("and", "first"), ("like", "in"))
)


@begins_with(_CUE, _SPEAKING_CUE)
def small_word_names(reading: Reading) -> Iterator[Span]:
    """Yield names of two small words or more, and of one that no sentence has in this place."""
    units, norms = reading.units, reading.norms
    if reading.cued(_SPEAKING_CUE) or "name" in norms:
        yield from _begun(reading)
    borne, last = reading.borne, len(units) - 1
    for at in reading.cued(_CUE):
        begin = at + 1
        while begin < last and (norms[begin] in _BREATHS or (norms[begin] == "," and norms[begin + 1] in _BREATHS)):
            begin += 1 + (reading.norm(begin + 1) == "," and norms[begin] in _BREATHS)
        if begin > last or not ("s" in borne[begin] or is_hidden(reading, begin) or norms[begin] in _SYLLABLES):
            continue
        if not _is_part(reading, begin):
            continue
        is_kin = norms[at] in _KIN or norms[at] in _TITLES or norms[at] == "patient"
        if not _announces(norms, at):
            continue
        limit = begin
        while limit < len(units) and limit - begin < _LONGEST and _is_part(reading, limit):
            limit += 1
        for end in range(limit, begin, -1):
            if _closes(reading, begin, end, is_kin=is_kin) and _is_name(reading, begin, end, is_kin=is_kin):
                yield begin, end - 1, Category.NAME
                break


def _begun(reading: Reading) -> Iterator[Span]:
    """`you na calling about my refill`."""
    end, norms = 0, reading.norms
    while end < min(_LONGEST, len(norms)) and _is_part(reading, end):
        end += 1
    called = end < len(norms) and (
        norms[end] in ("calling", "speaking") or norms[end : end + 3] == ["is", "my", "name"]
    )
    if end > 1 and called and _is_name(reading, 0, end, is_kin=False):
        yield 0, end - 1, Category.NAME


def _announces(norms: Sequence[str], at: int) -> bool:
    """Return whether a name may follow this word, by the one before it."""
    norm, before = norms[at], norms[at - 1] if at else ""
    if norm in _KIN:
        return before in _WHOSE
    if norm in _NAMED or norm in ("i'm", "it's", "patient", "that's", "this's"):
        return True
    if norm == "am":
        return before == "i"
    if norm in _BE:
        return before in _BEFORE_BE
    if norm == "of":
        return before == "name"
    if norm in _BEFORE_TELLING:
        return before in _BEFORE_TELLING[norm]
    if norm in _TELLING or norm == "hello":
        return norm != "called" or before in ("am", "is", "named")
    if norm == "under":
        return True
    return before in (_OF_TALK if norm != "for" else _BEFORE_FOR)


def _is_part(reading: Reading, at: int) -> bool:
    """Return whether a unit may be a part of a name: hidden, or a small word that somebody is called."""
    unit = reading.units[at]
    if unit.kind not in (WORD, LETTER) and not reading.gone[at]:
        return False
    if unit.kind == LETTER:
        return False
    return is_hidden(reading, at) or unit.norm in _SYLLABLES or ("s" in reading.borne[at] and unit.norm not in _NEVER)


def _closes(reading: Reading, begin: int, end: int, *, is_kin: bool) -> bool:
    """Return whether a name may end here: the sentence does, begins anew, or a person does something."""
    units, norms = reading.units, reading.norms
    if end >= len(units):
        return True
    norm = norms[end]
    if units[end].kind == SIGN:
        return norm in _ENDS
    if norms[_cue_before(norms, begin)] == "hello":
        return norm in _SPEAKING
    if is_kin:
        return norm in _VERBS
    if norm in _I:
        return norms[end - 1] not in _JOINS or end - begin == 1
    if norm in _ASKS and reading.norm(end + 1) in ("i", "you"):
        return True
    if norm == "and":
        return reading.norm(end + 1) in _AND_RESTARTS
    return norm in _RESTARTS


def _is_name(reading: Reading, begin: int, end: int, *, is_kin: bool) -> bool:
    """Return whether small words are no part of a sentence for themselves."""
    said = reading.norms[begin:end]
    hidden = [is_hidden(reading, at) for at in range(begin, end)]
    if all(hidden):
        return False
    if len(said) == 1:
        asks = end < len(reading.norms) and reading.norms[end] in _ASKS
        return (
            asks and said[0] in ("my", "be", "in", "her") and reading.norms[_cue_before(reading.norms, begin)] in _I_AM
        )
    if any(hidden):
        before = reading.norms[_cue_before(reading.norms, begin)] if begin else ""
        if said[0] in _OBJECTS and not hidden[0] and (before in _TELLING or before in _TAKING):
            return False
        goes_on = before in _TELLING or (end < len(reading.units) and reading.units[end].kind == WORD)
        if goes_on and said[-1] in _TAKING_SMALL and not hidden[-1]:
            return False
        return not (is_kin and said[-1] in ("he", "you", "can", "do")) and _is_name_beside_hidden(said, hidden)
    if len(set(said)) == 1 or "or" in said[1:-1]:
        return False
    if is_kin and (said[0] in _DOES or said[0] == "to" or (said[-1] in ("he", "you") and said[0] in _JOINS)):
        return False
    if is_kin and end >= len(reading.units) and (said[0] in ("in", "on", "so", "or") or said[-1] in _JOINS):
        return False
    if (
        len(said) == 2
        and said[0] in ("in", "on")
        and said[1] in _OBJECTS
        and reading.norms[_cue_before(reading.norms, begin)] not in ("under", "name")
    ):
        return False
    ends = end >= len(reading.units) or reading.units[end].kind == SIGN
    if ends and _is_named(reading.norms, begin) and said[0] not in _OBJECTS and said[0] not in _OWNERS:
        return not (said[0] in ("to", "in", "on") and said[1] in _OBJECTS)
    ordinary = sum(pair in _NO_NAME_PAIRS for pair in pairwise(said))
    if len(said) == 2 and said[0] in _INTERJECTIONS and said[1] in _INTERJECTIONS:
        return False
    if len(said) == 2 and (said[0] in ("he", "you") and said[1] in _DOES):
        return False
    return ordinary == 0


def _cue_before(norms: Sequence[str], begin: int) -> int:
    """Return where the last word before a name is that is no breath."""
    at = begin - 1
    while at > 0 and (norms[at] in _BREATHS or norms[at] == ","):
        at -= 1
    return at


def _is_named(norms: Sequence[str], begin: int) -> bool:
    """Return whether only a name can follow: behind `under`, `name is`, `speaking with`."""
    begin = _cue_before(norms, begin) + 1
    before = norms[begin - 1]
    if before in _BE:
        return begin > 1 and norms[begin - 2] in ("name", "patient", "caller", "surname")
    if before in ("with", "to"):
        return begin > 1 and norms[begin - 2] in _TALK
    return before == "under" or before in _NAMED


def _is_name_beside_hidden(said: Sequence[str], hidden: Sequence[bool]) -> bool:
    """Return whether small words beside a hidden one belong to it: all but a possessive or a clause before it."""
    first = hidden.index(True)
    if said[0] in _OWNERS and first == 1:
        return False
    if any(pair in _NO_NAME_PAIRS for pair in pairwise(said[:first])):
        return False
    if first and said[first - 1] in ("to", "in", "on", "than", "or", "see", "oh", "ah", "no", "ok", "hi", "so"):
        return False
    return said[-1] not in _JOINS or hidden[-1]


@begins_with(_SURNAME_CUE)
def small_surnames(reading: Reading) -> Iterator[Span]:
    """`last name still first name joan`, `my family name is so`: one small word where nothing else can be."""
    units, norms = reading.units, reading.norms
    for at in reading.cued(_SURNAME_CUE):
        is_surname = norms[at].startswith("surname")
        if not (is_surname or (at and norms[at - 1] in _FAMILY)):
            continue
        begin = at + 1
        joined = norms[at].endswith("'s") or reading.norm(begin) in ("is", "was", ":")
        begin += reading.norm(begin) in ("is", "was", ":")
        begin += reading.norm(begin) == ","
        begin += reading.norm(begin) in _BREATHS
        begin += reading.norm(begin) == ","
        if begin >= len(units) or units[begin].kind != WORD or norms[begin] in _NO_SURNAME or reading.gone[begin]:
            continue
        behind = begin + 1 + (reading.norm(begin + 1) == ",")
        pair = (reading.norm(behind), reading.norm(behind + 1))
        ends = begin + 1 >= len(units) or norms[begin + 1] in _ENDS
        if pair in _BEHIND_SURNAME or (ends and joined and reading.borne[begin]):
            yield begin, begin, Category.NAME
