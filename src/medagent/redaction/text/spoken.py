"""From speech to writing: numbers in words, repeated signs and explained letters, each as one unit."""

from __future__ import annotations

from operator import itemgetter
from string import ascii_lowercase

from medagent.redaction.text.cues import FILLERS, words
from medagent.redaction.text.units import (
    CARDINAL,
    EXPLAINED,
    LETTER,
    NUMBER,
    ORDINAL,
    REPEATED,
    SIGN,
    SPOKEN,
    WORD,
    Unit,
    pieces,
)


def _numbered(line: str, first: int) -> dict[str, int]:
    return {word: n for n, word in enumerate(line.split(), first)}


_DIGIT = _numbered("zero one two three four five six seven eight nine", 0) | {"niner": 9, "fife": 5}
_TEEN = _numbered("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen", 10)
_TENS = {word: n * 10 for word, n in _numbered("twenty thirty forty fifty sixty seventy eighty ninety", 2).items()}
_TENS |= {"fourty": 40, "ninty": 90}
_NTH = _numbered("first second third fourth fifth sixth seventh eighth ninth", 1) | {"nineth": 9}
_TEENTH = _numbered(
    "tenth eleventh twelfth thirteenth fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth", 10
)
_TEENTH |= {"thirtieth": 30, "fourtieth": 40, "fortieth": 40, "fiftieth": 50, "twelveth": 12}
_TEENTH |= {"sixtieth": 60, "seventieth": 70, "eightieth": 80, "ninetieth": 90}
_PLAIN = {word: str(number) for word, number in (_DIGIT | _TEEN).items()}
_ZERO = frozenset(("oh", "o", "nought", "naught", "ought"))
_REPEAT = {"double": 2, "triple": 3, "treble": 3, "quadruple": 4}
_EXPLAINS = (("as", "in"), ("like", "in"), ("for",), ("like",), ("as",), ("is", "for"))
_NOT = words("don doesn didn isn wasn aren weren hasn haven hadn won wouldn couldn shouldn can ain mustn needn")
_NUMBER_WORDS = frozenset((*_DIGIT, *_TEEN, *_TENS, *_NTH, *_TEENTH, *_REPEAT, *_ZERO))
_ALWAYS_TURNS = _NUMBER_WORDS | {"t", "m"}
_TURNS = _ALWAYS_TURNS | frozenset(ascii_lowercase)
_EXPLAIN_WORDS = frozenset(phrase[0] for phrase in _EXPLAINS)


def units(text: str) -> list[Unit]:
    """The text cut into units, numbers in words as digits: `nineteen eighty two` is 19 and 82, `one fifty` 1 and 50."""
    cut = pieces(text)
    turns = _turns(cut, is_ascii=text.isascii())
    if not turns:
        return cut
    read: list[Unit] = []
    at = 0
    for turn in turns:
        if turn < at:
            continue
        read += cut[at:turn]
        at, unit = turn, cut[turn]
        if unit.kind == LETTER and (used := _explained(cut, at)):
            read.append(Unit(unit.norm, LETTER, unit.start, cut[at + used - 1].end, EXPLAINED))
        elif unit.kind == LETTER and read and (whole := _contracted(read[-1], unit, cut[at + 1 : at + 2])):
            read[-1] = whole
            used = 1
        elif unit.norm in _NUMBER_WORDS and (used := _number(cut, at, read)):
            pass
        else:
            read.append(unit)
            used = 1
        at += used
    read += cut[at:]
    return read


def _turns(cut: list[Unit], *, is_ascii: bool) -> list[int]:
    """Return where a number may be said, a letter may be explained, or a letter is the end of a short verb."""
    norms = [*map(itemgetter(0), cut), ""]
    if not is_ascii:
        return [at for at, unit in enumerate(cut) if unit.kind == LETTER or unit.norm in _NUMBER_WORDS]
    if _TURNS.isdisjoint(norms):
        return []
    return [
        at
        for at, norm in enumerate(norms)
        if norm in _TURNS and (norm in _ALWAYS_TURNS or norms[at + 1] in _EXPLAIN_WORDS)
    ]


def _contracted(before: Unit, letter: Unit, after: list[Unit]) -> Unit | None:
    """`don t` and `i m`, as some speech recognition writes them, as one word."""
    if letter.norm == "t" and before.norm in _NOT:
        return Unit(f"{before.norm}'t", WORD, before.start, letter.end)
    if letter.norm == "m" and before.norm == "i" and not (after and after[0].kind == LETTER):
        return Unit("i'm", WORD, before.start, letter.end)
    return None


def _explained(cut: list[Unit], at: int) -> int:
    """Return how many units `s as in sam` takes, 0 where nothing explains the letter."""
    letter = cut[at].norm
    for phrase in _EXPLAINS[: 1 if letter in "ai" else None]:
        last = at + len(phrase) + 1
        if last < len(cut) and tuple(unit.norm for unit in cut[at + 1 : last]) == phrase:
            word = cut[last].norm
            if len(word) > 1 and word.startswith(letter):
                return last + 1 - at
    return 0


def _number(cut: list[Unit], at: int, read: list[Unit]) -> int:
    """Append what is spoken here as digits and say how many units it took; 0 for a word after all."""
    unit = cut[at]
    plain = _PLAIN.get(unit.norm)
    if plain and not (at + 1 < len(cut) and cut[at + 1].norm in ("hundred", "thousand")):
        read.append(tuple.__new__(Unit, (plain, NUMBER, unit.start, unit.end, SPOKEN)))
        return 1
    if unit.norm in _REPEAT:
        return _repeated(cut, at, read)
    if unit.norm in _ZERO:
        after = cut[at + 1] if at + 1 < len(cut) else None
        if not ((_last_said(read) == NUMBER and unit.norm != "ought") or (after and _is_number(after))):
            return 0
        read.append(Unit("0", NUMBER, unit.start, unit.end, SPOKEN))
        return 1
    value, used, ordinal = _below_hundred(cut, at)
    if used == 0:
        return 0
    how = ORDINAL if ordinal else SPOKEN
    if not ordinal and _norm(cut, at + used) in ("hundred", "thousand"):
        value, used = _large(cut, at, value, used)
        how = CARDINAL
    read.append(tuple.__new__(Unit, (str(value), NUMBER, unit.start, cut[at + used - 1].end, how)))
    return used


def _last_said(read: list[Unit]) -> str:
    """The kind of the last unit that was no breath."""
    return next((unit.kind for unit in reversed(read[-3:]) if unit.norm not in FILLERS and unit.kind != SIGN), "")


def _repeated(cut: list[Unit], at: int, read: list[Unit]) -> int:
    if at + 1 == len(cut):
        return 0
    unit, sign = cut[at], cut[at + 1]
    digit = "0" if sign.norm in _ZERO else str(_DIGIT[sign.norm]) if sign.norm in _DIGIT else sign.norm
    if len(digit) != 1 or sign.kind == SIGN:
        return 0
    if digit.isdecimal():
        read.append(Unit(digit * _REPEAT[unit.norm], NUMBER, unit.start, sign.end, REPEATED))
    else:
        read += [Unit(digit, LETTER, unit.start, sign.end)] * _REPEAT[unit.norm]
    return 2


def _below_hundred(cut: list[Unit], at: int) -> tuple[int, int, bool]:
    """The number from 0 to 99 that is spoken here, how many units it takes, and whether it is an ordinal."""
    word = _norm(cut, at)
    for plain, ordinals in ((_DIGIT, _NTH), (_TEEN, _TEENTH)):
        if word in plain:
            return plain[word], 1, False
        if word in ordinals:
            return ordinals[word], 1, True
    if word not in _TENS:
        return 0, 0, False
    skip = 2 if _norm(cut, at + 1) == "-" else 1
    if _norm(cut, at + 1) in FILLERS and _norm(cut, at + 2) in _NTH:
        skip = 2
    unit = _norm(cut, at + skip)
    if unit in _NTH:
        return _TENS[word] + _NTH[unit], skip + 1, True
    if _DIGIT.get(unit):
        return _TENS[word] + _DIGIT[unit], skip + 1, False
    return _TENS[word], 1, False


def _large(cut: list[Unit], at: int, value: int, used: int) -> tuple[int, int]:
    """`two thousand and five`, `twenty three hundred`, `one hundred fifty thousand`."""
    total = 0
    for scale in ("hundred", "thousand", "hundred"):
        if _norm(cut, at + used) != scale:
            continue
        value *= 100 if scale == "hundred" else 1000
        used += 1
        total, value = total + value, 0
        skip = 1 if _norm(cut, at + used) == "and" else 0
        rest, more, ordinal = _below_hundred(cut, at + used + skip)
        if more and not ordinal and (skip or rest >= 10 or not _is_digit(cut, at + used + more)):
            used += skip + more
            value = rest
        if scale == "hundred" and _norm(cut, at + used) == "thousand":
            value, total = total + value, 0
        elif _norm(cut, at + used) != "hundred" or not value:
            break
    return total + value, used


def _norm(cut: list[Unit], at: int) -> str:
    return cut[at].norm if at < len(cut) and (cut[at].kind == WORD or cut[at].norm == "-") else ""


def _is_digit(cut: list[Unit], at: int) -> bool:
    return _norm(cut, at) in _DIGIT


def _is_number(unit: Unit) -> bool:
    return (
        unit.kind == NUMBER
        or unit.norm in _DIGIT
        or unit.norm in _TEEN
        or unit.norm in _TENS
        or unit.norm in _ZERO
        or unit.norm in _REPEAT
    )
