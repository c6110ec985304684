"""Letters that belong to a word or to the notation of clinical notes: `x-ray`, `s/p`, `T 98.6`, `w-what`, `I I I`.

A letter alone is otherwise a part of a name that is spelled, or of a code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from medagent.redaction.text.cues import QUANTITIES, TITLES, words
from medagent.redaction.text.found import is_sign
from medagent.redaction.text.lexicon import Kind
from medagent.redaction.text.reading import LIST_LETTERS, Reading, cue
from medagent.redaction.text.units import LETTER, MIXED, NUMBER, SIGN, SPOKEN, WORD, Unit

_WITH_SLASH = words(
    """s/p h/o c/o r/o w/o f/u y/o n/v v/d n/v/d d/c d/c'd d/c'ed b/l b/p b/c i/o h/a p/w a/w a/p r/t d/t s/s l/r u/a
    u/s r/v e/o o/e k/c/o w/u g/c m/r/g r/r/w c/c/e h/h a/o t/c n/a i/e c/w s/b d/w l/s f/c f/c/n/v r/s n/c o/p t/o
    v/s f/c/s p/u r/l m/f c/f v/o t/e a/v p/o y/r c/d/i a/ox c/g i/s"""
)
_WITH_AND = words("a&e a&o a&p b&c c&s d&c d&e e&m h&h h&p i&d i&o i&i l&d m&m o&p p&c p&p q&a r&r s&s t&a t&c t&s v&v")
_DEGREES = frozenset(("°", "˚", "º", "degree", "degrees"))
_BEFORE_WORD = {
    "a": words("fib flutter line lines"),
    "b": words("cell cells symptoms lines lymphocytes"),
    "c": words("section sections diff spine pap reactive peptide collar arm difficile clamp scope"),
    "d": words("dimer dimers mannose"),
    "e": words("mail mails mailed mailing coli cig cigs cigarette cigarettes visit visits consult script prescribe"),
    "g": words("tube tubes spot force"),
    "h": words("pylori flu influenza"),
    "j": words("tube pouch"),
    "k": words("wire wires tape"),
    "l": words("spine arginine carnitine"),
    "n": words("acetylcysteine"),
    "o": words("ring rings"),
    "p": words("value values wave waves anca"),
    "q": words("tip tips wave waves fever"),
    "s": words("aureus"),
    "t": words("shirt shirts cell cells wave waves score scores spine zone tube bar helper"),
    "u": words("turn turns"),
    "v": words("fib tach"),
    "x": words("ray rays rayed raying linked axis chromosome"),
    "y": words("chromosome"),
    "z": words("pack pak score scores plasty"),
}
"""Words with a letter before them, also where no hyphen ties the two."""
_MEASURED = frozenset("tprkfwbh")
"""Letters before a measured number: temperature, pulse, respirations, potassium, weight, height."""
_LATIN = frozenset("cspqx")
"""With, without, after, every, times in notes."""
_PER = words("l dl ml min m h hr d day kg w wk week sec")
_MAY = cue(("may",))
_MARCH = cue(("march",))
_DIAL = cue(("dial", "press", "push"))
_COUNTED = cue(("mo", "mos", "ga", "fr", "min"))
"""Short units that are also names."""
NOTATION = (_MAY, _MARCH, _DIAL, _COUNTED)
"""Cues with which notation begins, apart from letters."""
_SUBJECTS = words(
    "pt pts i you he she they we it this that these those which who there what 1 symptoms patient patients"
)
_BASE_VERBS = words(
    """be have not also never still or cause make take help want need include require come get go increase decrease
    return repeat shower bathe wash walk drive eat drink shave bend lift swim fly travel discharge advance proceed
    bleed swell itch call know ask tell send give say see keep order prescribe crush chew dissolve split mix
    substitute refill apply remove leave feel notice see taste weigh bear wear sit stand sleep lie work play
    exercise run stretch ice elevate switch increase taper wean leak drain lead result occur experience feel benefit
    use continue consider stop start resume last become contain interact"""
)
_BEFORE_NOUN = words("the a an my your his her our their this that every another")
"""Before a noun, which is then no title."""
_ASKERS = words("i we he she they")
_SUBJECTS_OR_IS = _SUBJECTS | {"is", "it's"}
_MARCHED = words("on up down around in out through past along back together over across with into about forward like")
_MARCHERS = words(
    "i you we they he she us them can could will must would should let's kids people did did didn't don't"
)
_TO_MARCH = words(
    "had have has need needs want wants like likes love loves used going trying try able us them me him her"
)
_ON_THE_SPOT = frozenset((("on", "the"), ("on", "your"), ("in", "place"), ("in", "step"), ("in", "time")))
"""Around `march` where people do it."""
_SHARES = frozenset(("7", "12", "52"))
"""Denominators of days, months and weeks in British notes: `x 6/52`."""
_LONGEST_SLASHED = 4
_MOST_SINGLE = 3
"""Single letters that slashes tie and that are notation though no list has them; more may spell a name."""
_LONGEST_STUTTER, _LONGEST_START = 16, 3
_DURATION = re.compile(r"\d{1,2}(?:s|min|h|hr|hrs|d|day|days|w|wk|wks|m|mo|mos|y|yr|yrs)")
_TIES = "-–…,."


def notation(reading: Reading) -> set[int]:
    """Return the units that are no letters of a name or code, and make the words among them words of the clinic."""
    fine: set[int] = set()
    units = reading.units
    for at in reading.of_kind(LETTER):
        if at in fine or _is_word(units, at):
            continue
        fine.update(
            _slashed(units, at)
            or _before_word(reading, at)
            or _stutter(reading, at)
            or _measured(units, at)
            or _of_unit(units, at)
            or _times(units, at)
            or _degrees(units, at)
            or _joined(units, at)
            or _counted(reading, at)
            or _among_abbreviations(reading, at)
            or ()
        )
    for at in fine:
        if units[at].kind == WORD:
            reading.kinds[at] = Kind.CLINICAL
            reading.terms.add(at)
    for at in reading.cued(_DIAL):
        if at + 1 < len(units) and units[at + 1].kind == NUMBER:
            reading.kinds[at] = Kind.CLINICAL
            reading.terms.add(at)
    verbs = [at for at in reading.cued(_MAY) if _is_verb(units, at)]
    verbs += [at for at in reading.cued(_MARCH) if is_marched(units, at)]
    verbs += [at for at in reading.cued(_COUNTED) if at and units[at - 1].kind == NUMBER and not reading.gone[at - 1]]
    for at in verbs:
        reading.kinds[at] = Kind.CLINICAL
        reading.terms.add(at)
    return fine


def is_marched(units: Sequence[Unit], at: int) -> bool:
    """Return whether `march` is the verb: `we march up the hill`, `march on the spot`."""
    before, after, behind = (units[one].norm if 0 <= one < len(units) else "" for one in (at - 1, at + 1, at + 2))
    if after not in _MARCHED or (at + 2 < len(units) and units[at + 2].kind == NUMBER):
        return False
    if before in ("", ".", ",", "then", "and", "please", "now"):
        return after not in ("on", "in") or (after, behind) in _ON_THE_SPOT
    if before == "to":
        return at > 1 and units[at - 2].norm in _TO_MARCH
    return before in _MARCHERS


def _is_word(units: Sequence[Unit], at: int) -> bool:
    """Return whether a letter is `a` or `I` before an ordinary word, and so no notation, which is quickly seen."""
    if units[at].norm not in ("a", "i"):
        return False
    return at + 1 == len(units) or (units[at + 1].kind == WORD and units[at + 1].norm not in _BEFORE_WORD["a"])


def _is_verb(units: Sequence[Unit], at: int) -> bool:
    """Return whether `may` is the verb: `they may call`, `May I`, `the pills may not help`."""
    before, after = (units[at - 1].norm if at else ""), (units[at + 1].norm if at + 1 < len(units) else "")
    if before in TITLES and not (at > 1 and units[at - 2].norm in _BEFORE_NOUN):
        return False
    return before in _SUBJECTS or after in _BASE_VERBS or (after in _ASKERS and before not in _SUBJECTS_OR_IS)


def _slashed(units: Sequence[Unit], at: int) -> range | None:
    """`s/p`, `n/v/d`, `w/`: letters with slashes and no space between them."""
    last = at
    while (
        last + 2 < len(units)
        and last - at < 2 * _LONGEST_SLASHED
        and units[last + 1].norm == "/"
        and _touches(units, last, last + 2)
        and units[last + 2].kind in (LETTER, WORD)
    ):
        last += 2
    if last > at:
        joined = "".join(unit.norm for unit in units[at : last + 1])
        return range(at, last + 1) if joined in _WITH_SLASH or _are_single(units, at, last) else None
    if units[at].norm == "w" and at + 1 < len(units) and units[at + 1].norm == "/":
        return range(at, at + 1) if units[at + 1].start == units[at].end else None
    return None


def _are_single(units: Sequence[Unit], first: int, last: int) -> bool:
    """Return whether two or three single letters are tied by slashes and by nothing else: `c/s`, `w/r/r`."""
    if any(units[at].kind != LETTER for at in range(first, last + 1, 2)) or last - first > 2 * (_MOST_SINGLE - 1):
        return False
    is_tied = first > 0 and units[first - 1].end == units[first].start and is_sign(units[first - 1], "-/#")
    is_tied = is_tied or (first > 0 and units[first - 1].kind == LETTER)
    after = units[last + 1] if last + 1 < len(units) else None
    return not is_tied and (after is None or after.start > units[last].end or is_sign(after, ".,;:?!)"))


def _before_word(reading: Reading, at: int) -> tuple[int, ...] | None:
    """`x-ray`, `e mail`, `d-dimer`, and any ordinary word that a hyphen ties to one letter."""
    units = reading.units
    tied = at + 2 < len(units) and units[at + 1].norm == "-" and _touches(units, at, at + 2)
    last = at + 2 if tied else at + 1
    if last >= len(units) or units[last].kind != WORD or (at and _is_tied_back(units, at)):
        return None
    word = units[last].norm
    if word in _BEFORE_WORD.get(units[at].norm, ()):
        return at, last
    return (at,) if tied and reading.kinds[last] in (Kind.ORDINARY, Kind.CLINICAL) else None


def _is_tied_back(units: Sequence[Unit], at: int) -> bool:
    """Return whether another letter is before this one, as in a name that is spelled."""
    back = at - 1
    if is_sign(units[back], "-–") and back and units[back].end == units[at].start:
        back -= 1
    return units[back].kind == LETTER and units[back].norm not in ("a", "i")


def _stutter(reading: Reading, at: int) -> range | None:
    """`I, I, I guess`, `w-w-what`, `b b but`: one letter said again, before a word that begins with it."""
    units, letter = reading.units, reading.units[at].norm
    if at and units[at - 1].kind == LETTER and units[at - 1].norm != letter:
        return None
    last, ahead = at, at + 1
    end = min(at + _LONGEST_STUTTER, len(units))
    while ahead < end and (units[ahead].norm == letter or is_sign(units[ahead], _TIES)):
        if units[ahead].norm == letter:
            last = ahead
        ahead += 1
    if letter in "ai" and last > at and not (ahead < len(units) and units[ahead].kind == LETTER):
        return range(at, last + 1)
    if ahead >= len(units) or (ahead == at + 1 and last == at):
        return None
    plain = units[ahead].kind == WORD and reading.kinds[ahead] in (Kind.ORDINARY, Kind.CLINICAL)
    return range(at, last + 1) if plain and units[ahead].norm.startswith(letter) else None


_CODE = re.compile(r"([a-z]{2,6}?)(x?[1-9])([a-c]?)")
_AMOUNT = re.compile(r"\d{1,3}(?:d|u|mo|mos|wk|wks|mls|kgs|fr|mmol|mins|hrs|mg|u/h)")
_CODES = words(
    """g6pd y90 i131 p16 p53 tp53 p24 b2m c1q ft3 ft4 cyp2d6 cyp2c19 cyp2c9 cyp3a4 h2o2 n2o hla2 e2 p4 f2 d10 d50
    nt5 ki67 ca199 ca153 ca2729 wt1 mpn1"""
)
"""Names of tests and substances with digits inside."""
_NO_CODE = words("id no pin rm apt apts bed unit room hc rr po box mrn ssn dob acct ext tel ph fax ste fl lot")


def is_clinical_code(reading: Reading, norm: str) -> bool:
    """Return whether letters with one digit are an abbreviation and its grade: `ckd3`, `jak2`, `aaox3`."""
    if norm in _CODES or _AMOUNT.fullmatch(norm):
        return True
    match = _CODE.fullmatch(norm)
    if match is None or match[1] in _NO_CODE:
        return False
    lists = reading.lists
    return (
        match[1] in lists.capitals or match[1] in lists.abbreviations or lists.clinical.kind(match[1]) is Kind.CLINICAL
    )


def mark_starts(reading: Reading) -> None:
    """Make ordinary words of the starts of words that are said again behind them."""
    for at in reading.unknown():
        if len(reading.norms[at]) <= _LONGEST_START and not reading.borne[at]:
            for start in _starts(reading, at):
                reading.kinds[start] = Kind.ORDINARY
                reading.terms.add(start)


def _starts(reading: Reading, at: int) -> list[int]:
    """Return the starts of the ordinary word behind them, of two or three letters: `th- the`, `wha wha what`."""
    units, start, ahead = reading.units, reading.norms[at], at + 1
    while ahead < min(at + _LONGEST_STUTTER, len(units)) and (
        units[ahead].norm == start or is_sign(units[ahead], _TIES)
    ):
        ahead += 1
    if ahead >= len(units) or units[ahead].kind != WORD or ahead == at + 1:
        return []
    ordinary = reading.kinds[ahead] in (Kind.ORDINARY, Kind.CLINICAL) and units[ahead].norm.startswith(start)
    return [one for one in range(at, ahead) if units[one].norm == start] if ordinary else []


def _measured(units: Sequence[Unit], at: int) -> range | None:
    """`T 98.6, P 72, R 16, K 4.1` as notes write them: a letter before one number, behind a sign or at the start."""
    if units[at].norm not in _MEASURED or (at and units[at - 1].kind not in (SIGN, NUMBER)):
        return None
    if at and is_sign(units[at - 1], "-#'’"):
        return None
    said = list(_numbers(units, at + 1 + (at + 1 < len(units) and units[at + 1].norm in (":", "="))))
    if not said or len(said) > 2 or any(unit.how == SPOKEN or len(unit.norm) > 3 for unit in said):
        return None
    return range(at, at + 1)


def _of_unit(units: Sequence[Unit], at: int) -> tuple[int, ...] | None:
    """`g/L`, `L/min`: a unit of two letters behind its number."""
    if not at or units[at - 1].kind != NUMBER or units[at].norm not in "glkm" or at + 2 >= len(units):
        return None
    if units[at + 1].norm != "/" or units[at + 2].norm not in _PER or not _touches(units, at, at + 2):
        return None
    return at, at + 2


def _degrees(units: Sequence[Unit], at: int) -> range | None:
    """`20°C`, `101 ° F`."""
    behind = at > 1 and units[at].norm in "cf" and units[at - 1].norm in _DEGREES and units[at - 2].kind == NUMBER
    return range(at, at + 1) if behind else None


def _counted(reading: Reading, at: int) -> range | None:
    """`a.`, `b)` at the beginning of a line, before a word."""
    units, unit = reading.units, reading.units[at]
    if at + 2 >= len(units) or units[at + 1].norm not in (".", ")") or unit.norm not in LIST_LETTERS:
        return None
    is_alone = units[at + 1].start == unit.end and units[at + 2].start > units[at + 1].end
    begins = at == 0 or "\n" in reading.text[units[at - 1].end : unit.start]
    return range(at, at + 1) if is_alone and begins and reading.text[unit.start].islower() else None


def _joined(units: Sequence[Unit], at: int) -> tuple[int, ...] | None:
    """`I&D`, `A&O`, `A and E`: two letters that `and` joins."""
    if at > 1 and units[at - 1].norm in ("&", "and") and units[at - 2].norm in ("a", "i"):
        at -= 2
    last = at + 2
    if last >= len(units) or units[at + 1].norm not in ("&", "and") or units[last].kind != LETTER:
        return None
    joined = f"{units[at].norm}&{units[last].norm}"
    return (at, last) if joined in _WITH_AND else None


def _times(units: Sequence[Unit], at: int) -> range | None:
    """`x 3 days`, `x 6/52`: the sign of times before a duration."""
    if units[at].norm == "x" and at + 1 < len(units) and units[at + 1].kind == MIXED:
        return range(at, at + 1) if _DURATION.fullmatch(units[at + 1].norm) else None
    if units[at].norm != "x" or at + 2 >= len(units) or units[at + 1].kind != NUMBER:
        return None
    last = at + 3 if units[at + 2].norm == "/" and at + 3 < len(units) else at + 2
    timed = units[last].norm in (_SHARES if last == at + 3 else QUANTITIES)
    return range(at, at + 1) if timed else None


def _among_abbreviations(reading: Reading, at: int) -> tuple[int, ...] | None:
    """`ST-T`, `NPO p MN`, `right-o`: a letter tied to an abbreviation, or between two."""
    units, kinds, norm = reading.units, reading.kinds, reading.units[at].norm
    if not at or norm in ("a", "i"):
        return None
    if at > 1 and units[at - 1].norm == "-" and _touches(units, at - 2, at) and units[at - 2].kind == WORD:
        short = len(units[at - 2].norm) <= _LONGEST_START and kinds[at - 2] is Kind.CLINICAL
        alone = at + 1 >= len(units) or units[at + 1].start > units[at].end or units[at + 1].norm in ",.;:!?"
        if alone and (short or (norm == "o" and units[at - 2].norm in ("right", "cheeri", "daddy", "whoops"))):
            return (at,)
    if norm in "lr" and reading.capitals[at] and units[at - 1].norm in ("on", "of"):
        behind = units[at + 1] if at + 1 < len(units) else None
        return (at,) if behind is None or behind.kind == SIGN or kinds[at + 1] is Kind.CLINICAL else None
    if norm not in _LATIN or reading.capitals[at] or at + 1 >= len(units):
        return None
    beside = (at - 1, at + 1)
    return (at,) if all(kinds[one] is Kind.CLINICAL and not reading.borne[one] for one in beside) else None


def _numbers(units: Sequence[Unit], at: int) -> Iterator[Unit]:
    """Yield the number that begins here and, behind its point, its fraction."""
    while at < len(units) and units[at].kind == NUMBER:
        yield units[at]
        if at + 1 < len(units) and units[at + 1].norm == "." and units[at + 1].start == units[at].end:
            at += 1
        at += 1
    is_next = at + 1 < len(units) and units[at].norm in _MEASURED and units[at + 1].kind == NUMBER
    if at < len(units) and units[at].kind == LETTER and units[at].norm not in "aifc" and not is_next:
        yield from (units[at],) * 3


def _touches(units: Sequence[Unit], first: int, last: int) -> bool:
    """Return whether two units have nothing between them but the sign that joins them."""
    return units[first].end == units[first + 1].start and units[last].start == units[last - 1].end
