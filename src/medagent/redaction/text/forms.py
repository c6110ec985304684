"""Every way to say one identifier, as it reads when its units are joined."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import permutations

from medagent.redaction.policy import Category
from medagent.redaction.text.cues import FILLERS, MAIL_HOSTS, MONTH_OF, MONTHS, STREETS_WITH_NUMBER, TOP_LEVEL, words
from medagent.redaction.text.spoken import units
from medagent.redaction.text.units import GONE, NUMBER, SIGN, WORD, Unit, plain_word

DIGITS_THAT_TELL = 4
"""So many digits of a known number are removed wherever they stand: the last four, a group, what was heard of it."""
BREAK = "\0"
"""Stands for a placeholder: nothing matches across it."""
_SILENT = FILLERS | words("dot point at underscore dash hyphen minus slash plus space comma period and the of is")
_TITLES = words("mr mrs ms miss mx dr doctor prof professor sir madam jr sr md")
_GENERIC = STREETS_WITH_NUMBER | words("apartment suite floor unit flat building north south east west")
_NAME_GAP = re.compile(r"[^\w'’\u0300-\u036f]+|[\d_]+")
_MAIL_PARTS = re.compile(r"[^\W\d_]+|\d+")
_WRITTEN_DATES = ("%m/%d/%Y", "%d.%m.%Y", "%B %d, %Y", "%d %B %Y", "%b %d, %Y", "%m-%d-%Y", "%Y/%m/%d", "%m/%d/%y")
_MOST_PARTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """A raw value that must not leave, and what it is."""

    category: Category
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forms:
    """What to look for: joined forms, letters of initials, and the parts of names for near misses."""

    joined: frozenset[str] = field(repr=False)
    initials: frozenset[str] = field(repr=False)
    names: frozenset[str] = field(repr=False)


class Stream:
    """A text as one string without gaps, with the unit of each sign and where units begin and end."""

    def __init__(self, read: Sequence[Unit], *, hear_all: bool = False) -> None:
        joined: list[str] = []
        self.unit: list[int] = []
        self.begins: set[int] = set()
        self.ends: set[int] = set()
        for at, unit in enumerate(read):
            kind, norm = unit.kind, unit.norm
            if kind == SIGN or (kind == WORD and norm in _SILENT and not hear_all):
                continue
            if kind == WORD:
                norm = MONTH_OF.get(norm) or (plain_word(norm) if "'" in norm else norm)
            elif kind == GONE:
                norm = BREAK
            if not norm:
                continue
            begin = len(self.unit)
            joined.append(norm)
            self.unit += [at] * len(norm)
            if kind == NUMBER:
                self.begins.update(range(begin, len(self.unit)))
                self.ends.update(range(begin + 1, len(self.unit) + 1))
            else:
                self.begins.add(begin)
                self.ends.add(len(self.unit))
        self.text = "".join(joined)


def forms_of(identifier: Identifier) -> Forms:
    """Everything by which a value can be told."""
    value = identifier.value
    joined = {_joined(value), _joined(value, hear_all=True)}
    initials: set[str] = set()
    names: set[str] = set()
    match identifier.category:
        case Category.NAME | Category.STAFF:
            names |= set(_name_parts(value))
            joined |= names | {f"{name}s" for name in names} | {_joined(part) for part in _NAME_GAP.split(value)}
            initials |= set(_initials(value))
        case Category.EMAIL:
            names |= set(_mail_words(value))
            joined |= {_joined(value.partition("@")[0]), *names}
            joined |= set(_windows(_digits(value)))
        case Category.DATE_OF_BIRTH:
            joined |= set(_date_forms(value))
        case Category.ADDRESS | Category.PLACE:
            joined |= {_joined(part) for part in value.split(",") if len(_joined(part)) >= 3}
            names |= {word for word in map(plain_word, re.findall(r"[^\W\d_]{4,}", value)) if word not in _GENERIC}
            joined |= names | set(_windows(_digits(value)))
        case _:
            joined |= set(_windows(_digits(value)))
    return Forms(
        joined=frozenset(form for form in joined if len(form) >= 2 or form.isdigit()),
        initials=frozenset(initials),
        names=frozenset(names),
    )


def _joined(value: str, *, hear_all: bool = False) -> str:
    return Stream(units(value), hear_all=hear_all).text


def _digits(value: str) -> str:
    return "".join(unit.norm for unit in units(value) if unit.kind == NUMBER)


def _windows(digits: str) -> Iterator[str]:
    return (digits[at : at + DIGITS_THAT_TELL] for at in range(len(digits) - DIGITS_THAT_TELL + 1))


def _name_parts(value: str) -> Iterator[str]:
    """Each part of a name as one plain word, and double names also as one."""
    for part in _NAME_GAP.split(value):
        norm = plain_word(part)
        if len(norm) >= 2 and norm not in _TITLES:
            yield norm
            yield from (piece for piece in map(plain_word, re.split(r"['’]", part)) if len(piece) >= 3)


def _initials(value: str) -> Iterator[str]:
    """`J. D.`, in any order, as letters that are said one by one."""
    firsts = [part[0] for part in map(plain_word, _NAME_GAP.split(value)) if part and part not in _TITLES]
    if 2 <= len(firsts) <= _MOST_PARTS:
        yield from ("".join(order) for size in range(2, len(firsts) + 1) for order in permutations(firsts, size))


def _mail_words(value: str) -> Iterator[str]:
    """The words before the @, and those of a domain that is not everybody's."""
    local, _, domain = value.partition("@")
    for word in map(plain_word, _MAIL_PARTS.findall(local)):
        if len(word) >= 3:
            yield word
    for word in map(plain_word, domain.split(".")[:-1]):
        if len(word) >= 4 and word not in MAIL_HOSTS and word not in TOP_LEVEL:
            yield word


def _date_forms(value: str) -> Iterator[str]:
    """A date in the orders of any country, month as number or name, year whole, short or left out."""
    day = _as_date(value.strip())
    if day is None:
        yield from _windows(_digits(value))
        return
    name = MONTHS[day.month - 1]
    years = (f"{day.year}", f"{day.year % 100:02}", *((f"{day.year % 100}",) if day.year % 100 < 10 else ()))
    days, months = _one_or_two(day.day), _one_or_two(day.month)
    yield f"{day.year}"
    for year in years:
        yield from (f"{name}{year}", f"{year}{name}")
    for d in days:
        yield from (f"{name}{d}", f"{d}{name}", *(f"{d}{m}" for m in months if len(d) + len(m) == 4))
        for year in years:
            yield from (f"{name}{d}{year}", f"{d}{name}{year}", f"{year}{name}{d}")
            for m in months:
                yield from (f"{m}{d}{year}", f"{d}{m}{year}", f"{year}{m}{d}")


def _one_or_two(number: int) -> Iterable[str]:
    return (f"{number}", f"{number:02}") if number < 10 else (f"{number}",)


def _as_date(value: str) -> date | None:
    try:
        return date.fromisoformat(value[:10])
    except ValueError:
        pass
    for written in _WRITTEN_DATES:
        try:
            return datetime.strptime(value, written).date()  # noqa: DTZ007  # a day of birth has no time zone
        except ValueError:
            continue
    return None
