"""Makes the spoken set: what callers say with invented identifiers, `python -m bench.redaction.spoken > spoken.jsonl`.

Nothing here comes from medagent: sentences, ways to say a number and names (those of the package Faker, in eleven
languages) are its own, so that no list and no template that the layers were made with can help them.
"""

from __future__ import annotations

import json
import random
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta

from faker import Faker

STRINGS = 1_500
LOCALES = ["en_US", "en_GB", "en_IN", "es_MX", "de_CH", "fr_FR", "it_IT", "pl_PL", "pt_BR", "vi_VN", "tr_TR"]
UNITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
TEENS = ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
TENS = ["_", "_", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
NTH = [
    "_",
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
    "thirteenth",
    "fourteenth",
]
NTH += ["fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth", "twentieth"]
MONTH = [
    "_",
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
TOWNS = [
    "Tulsa",
    "Omaha",
    "Spokane",
    "Fresno",
    "Boise",
    "Toledo",
    "Wichita",
    "Laredo",
    "Yonkers",
    "Modesto",
    "Fontana",
    "Tacoma",
    "Akron",
    "Mobile",
    "Reading",
    "Orlando",
    "Dayton",
    "Eugene",
    "Salem",
    "Peoria",
    "Lansing",
    "Topeka",
    "Waco",
    "Provo",
    "Denton",
    "Roanoke",
    "Duluth",
    "Racine",
    "Fargo",
    "Utica",
    "Bellevue",
    "Napa",
    "Leeds",
    "Bristol",
    "Derby",
    "Luton",
    "York",
    "Bath",
    "Halifax",
    "Regina",
    "Guelph",
    "Basel",
    "Lugano",
    "Geneva",
    "Lyon",
    "Nantes",
    "Kassel",
    "Bremen",
]
TOWNS += ["Salt Lake City", "Long Beach", "Green Bay", "Little Rock", "Grand Rapids", "Baton Rouge", "San Mateo"]
STREETS = [
    "Maple",
    "Willow",
    "Juniper",
    "Sycamore",
    "Chestnut",
    "Harbor",
    "Meadow",
    "Sunset",
    "Jackson",
    "Lincoln",
    "Franklin",
    "Monroe",
    "Delaware",
    "Prospect",
    "Highland",
    "Lakeview",
    "Ridgewood",
    "Fairmount",
    "Brookside",
    "Pinecrest",
    "Eastgate",
    "Orchard",
    "Canal",
    "Mill",
    "Church",
    "Spring",
    "Park",
    "Bridge",
]
KINDS = ["street", "avenue", "road", "lane", "drive", "court", "boulevard", "place"]
HOSTS = ["gmail", "yahoo", "outlook", "hotmail", "icloud", "proton"]
SOUNDS = dict(
    zip(
        "abcdefghijklmnopqrstuvwxyz",
        [
            "apple",
            "boy",
            "cat",
            "dog",
            "elephant",
            "frank",
            "george",
            "house",
            "igloo",
            "john",
            "king",
            "larry",
            "mary",
            "nancy",
            "orange",
            "peter",
            "queen",
            "robert",
            "sam",
            "tom",
            "uncle",
            "victor",
            "water",
            "xylophone",
            "yellow",
            "zebra",
        ],
        strict=True,
    )
)

SENTENCES = {
    "name": """good day it's {} here i was told to ring back
could you look up {} in your system please
the prescription should say {} on it
somebody by the name of {} left me a message
put it down as {} if you would
i am phoning for my grandmother {} she cannot come to the phone
{} that's me
you've got {} down for thursday haven't you
my stepson {} swallowed something
the lady who helped me before was {}
it was {} who drove me to the hospital
i'd rather see {} than somebody new
we share the flat with {} and he has a rash as well
yes speaking this is {}
{} here
and who will be with you {} is coming along
hi there um {} calling from work
the girl at the counter {} i think said to fast before
has {} had her results yet
they mixed me up with {} last time
tell the physio {} that i'll be late
her twin {} has it too
so that's {} and you want the afternoon
may i have your full name {} okay and how do you spell that
thank you for holding {} one moment
morning {} did the swelling go down
my carer {} fills the pill box
{} referred me over to you
the other patient {} was before me in the queue
next of kin would be {}
i lost my uncle {} to the same illness""",
    "spelled": """it is spelled {}
let me spell that {}
that's {} for you
okay so {}
you write it {} i know it's odd
the surname goes {}
yeah {} did you get that""",
    "phone": """best number is {}
ring me on {}
reach me at {} any time
you can text {} if that's easier
um it's {} that's my mobile
my number hasn't changed {} right
callback {} please
{} is the landline
sure that's {} got it
is {} still the one you have
the fax over there is {}""",
    "date": """i was born {}
date of birth {}
she's born on {} she's the younger one
birthday is {}
that would be {}
{} is my date of birth
d o b {}
he turned fifty on {}
the operation was {} i believe
it happened on {} at night
we came in {} and then again
my last scan was {}""",
    "id": """my member number is {}
the card says {}
insurance i d {} if that helps
record number {}
it says m r n {}
reference {} from the letter
social is {}
policy {} with the old company""",
    "email": """write to me at {}
it's {} all lower case
email {} please
send the form to {}
my email's {}
could you use {} instead
the address is {} no spaces""",
    "address": """we live at {}
the house is {}
ship it to {}
send the bill to {} please
i'm at {} now we moved
{} that's the new address
pick her up at {}
my place is {} second door""",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A sentence, the places of what it gives away (code points) and the value as a record would hold it."""

    text: str
    kind: str
    start: int
    end: int
    category: str
    value: str = field(repr=False)


def lines(part: str, strings: int = STRINGS) -> list[Line]:
    """The set of a part, `develop` or `test`: they share no sentence, and the names are drawn anew."""
    seed = len(part)
    draw = random.Random(seed)  # noqa: S311  # for sentences, not for secrets
    fakers = [Faker(locale) for locale in LOCALES]
    for number, faker in enumerate(fakers):
        faker.seed_instance(seed + number)
    return [_line(draw, fakers, part) for _ in range(strings)]


def _line(draw: random.Random, fakers: Sequence[Faker], part: str) -> Line:
    kind = draw.choices(list(SENTENCES), weights=(7, 2, 4, 4, 3, 3, 3))[0]
    said, category, value = {
        "name": _name,
        "spelled": _spelled,
        "phone": _phone,
        "date": _date,
        "id": _id,
        "email": _email,
        "address": _address,
    }[kind](draw, fakers)
    before, _, after = draw.choice(SENTENCES[kind].splitlines()[part == "test" :: 2]).partition("{}")
    told = {"spelled": "name", "email": "e-mail"}.get(kind, kind)
    text = f"{before}{said}{after}"
    if draw.random() < 0.25:
        text = text[0].upper() + text[1:] + "."
    return Line(text=text, kind=told, start=len(before), end=len(before) + len(said), category=category, value=value)


def _plain(name: str) -> str:
    folded = unicodedata.normalize("NFKD", name.replace("ł", "l").replace("ı", "i").replace("Đ", "D").replace("đ", "d"))
    return "".join(sign for sign in folded if not unicodedata.combining(sign))


def _person(draw: random.Random, fakers: Sequence[Faker]) -> tuple[str, str]:
    faker = draw.choice([*fakers[:3], *fakers])
    return _plain(faker.first_name()), _plain(faker.last_name())


def _name(draw: random.Random, fakers: Sequence[Faker]) -> tuple[str, str, str]:
    first, last = _person(draw, fakers)
    said = draw.choice(
        [first, f"{first} {last}", f"{first} {last}", f"{last} {first}", f"mrs {last}", f"doctor {last}"]
    )
    return said.lower() if draw.random() < 0.8 else said, "name", f"{first} {last}"


def _letters(draw: random.Random, word: str) -> str:
    out: list[str] = []
    at = 0
    while at < len(word):
        letter = word[at]
        if at + 1 < len(word) and word[at + 1] == letter and draw.random() < 0.5:
            out.append(f"double {letter}")
            at += 1
        elif draw.random() < 0.15:
            out.append(
                f"{letter} {draw.choice(('as in', 'for', 'like'))} {SOUNDS[letter]}"
                if letter not in "ai"
                else f"{letter} as in {SOUNDS[letter]}"
            )
        else:
            out.append(letter)
        at += 1
    return draw.choice((" ", " ", "-")).join(out) if not any(" " in part for part in out) else " ".join(out)


def _spelled(draw: random.Random, fakers: Sequence[Faker]) -> tuple[str, str, str]:
    first, last = _person(draw, fakers)
    word = "".join(sign for sign in draw.choice((first, last)).lower() if sign.isalpha() and sign.isascii())
    return (
        (_letters(draw, word) if len(word) > 2 else f"{word[:1]} as in {SOUNDS[word[:1]]} u n"),
        "name",
        f"{first} {last}",
    )


def _digits(draw: random.Random, digits: str) -> str:
    """Digits one by one, in pairs, doubled, with an `oh`, a breath or a dash between."""
    out: list[str] = []
    at = 0
    pairs = draw.random() < 0.3
    while at < len(digits):
        run = len(digits[at:]) - len(digits[at:].lstrip(digits[at]))
        if run >= 2 and draw.random() < 0.6:
            times = 3 if run >= 3 and draw.random() < 0.5 else 2
            out.append(f"{'triple' if times == 3 else 'double'} {_unit(draw, digits[at])}")
            at += times
        elif pairs and at + 1 < len(digits) and digits[at] not in "01":
            out.append(_below_hundred(int(digits[at : at + 2])))
            at += 2
        else:
            out.append(_unit(draw, digits[at]))
            at += 1
        if at in (3, 6) and draw.random() < 0.3:
            out.append(draw.choice(("um", "uh", "dash")))
    return " ".join(out)


def _unit(draw: random.Random, digit: str) -> str:
    return draw.choice(("oh", "zero")) if digit == "0" else UNITS[int(digit)]


def _below_hundred(number: int) -> str:
    if number < 10:
        return f"oh {UNITS[number]}"
    if number < 20:
        return TEENS[number - 10]
    return TENS[number // 10] + (f" {UNITS[number % 10]}" if number % 10 else "")


def _phone(draw: random.Random, _: Sequence[Faker]) -> tuple[str, str, str]:
    digits = f"{draw.randint(201, 989)}55501{draw.randint(0, 99):02}"
    said = draw.choice(
        [
            _digits(draw, digits),
            _digits(draw, digits),
            f"{digits[:3]}-{digits[3:6]}-{digits[6:]}",
            f"{digits[:3]} {digits[3:6]} {digits[6:]}",
            f"plus one {_digits(draw, digits)}",
            _digits(draw, digits[3:]),
        ]
    )
    return said, "phone", f"+1{digits}"


def _nth(number: int) -> str:
    if number <= 20:
        return NTH[number]
    return "thirtieth" if number == 30 else f"{TENS[number // 10]} {NTH[number % 10]}"


def _date(draw: random.Random, _: Sequence[Faker]) -> tuple[str, str, str]:
    day = date(1932, 1, 1) + timedelta(days=draw.randrange(30_000))
    short = _below_hundred(day.year % 100)
    year = (
        f"{TEENS[9] if day.year < 2000 else 'twenty'} {short}"
        if not 2000 <= day.year < 2010
        else f"two thousand {UNITS[day.year % 10] if day.year % 10 else ''}".strip()
    )
    month, nth = MONTH[day.month], _nth(day.day)
    numbers = f"{_below_hundred(day.month) if day.month < 10 else TEENS[day.month - 10]} {_below_hundred(day.day)}"
    said = draw.choice(
        [
            f"{month} {nth} {year}",
            f"the {nth} of {month} {short}",
            f"{month} the {nth} {year}",
            f"{nth} of {month} {year}",
            f"{numbers} {short}",
            f"{day.month}/{day.day}/{day.year}",
            f"{day:%m}-{day:%d}-{day:%y}",
            f"{month} {_below_hundred(day.day) if day.day > 9 else UNITS[day.day]} {year}",
            f"{month} {day.day}, {day.year}".title(),
            f"{month} {nth}",
            f"{month[:3]} {day.day} {day.year}",
        ]
    )
    return said, "date_of_birth", day.isoformat()


def _id(draw: random.Random, _: Sequence[Faker]) -> tuple[str, str, str]:
    digits = str(draw.randrange(10**6, 10**9))
    prefix = "".join(draw.choice("bcdghkmnprtwz") for _ in range(draw.choice((0, 0, 2, 3))))
    spoken = " ".join([*prefix, _digits(draw, digits)])
    return draw.choice([spoken, spoken, f"{prefix.upper()}{digits}"]), "mrn", f"{prefix.upper()}{digits}"


def _email(draw: random.Random, fakers: Sequence[Faker]) -> tuple[str, str, str]:
    first, last = ("".join(s for s in name.lower() if s.isalpha() and s.isascii()) for name in _person(draw, fakers))
    number = draw.randint(1, 99)
    host, top = draw.choice(HOSTS), draw.choice(("com", "com", "net", "org"))
    value, said = draw.choice(
        [
            (f"{first}.{last}", f"{first} dot {last}"),
            (f"{first}_{last}", f"{first} underscore {last}"),
            (f"{first}{number}", f"{first} {_below_hundred(number)}"),
            (f"{first[:1]}{last}", f"{first[:1]} {last}"),
            (f"{last}{first[:1]}", " ".join(f"{last}{first[:1]}")),
            (f"{first}{last}", f"{first} {last}"),
        ]
    )
    value = f"{value}@{host}.{top}"
    return (f"{said} at {host} dot {top}" if draw.random() < 0.8 else value), "email", value


def _address(draw: random.Random, _: Sequence[Faker]) -> tuple[str, str, str]:
    number, street, kind = draw.randint(2, 9999), draw.choice(STREETS), draw.choice(KINDS)
    town, code = draw.choice(TOWNS), f"{draw.randint(10_000, 99_999)}"
    house = (
        _digits(draw, str(number)) if draw.random() < 0.4 else str(number) if draw.random() < 0.4 else _house(number)
    )
    said = f"{house} {street} {kind}"
    if draw.random() < 0.4:
        said += f" apartment {_unit(draw, str(draw.randint(1, 9)))} {draw.choice('bcd')}"
    if draw.random() < 0.6:
        said += f" {town}"
        if draw.random() < 0.5:
            said += f" {_digits(draw, code)}" if draw.random() < 0.6 else f" {code}"
    return said.lower(), "address", f"{number} {street} {kind.title()}, {town}, {code}"


def _house(number: int) -> str:
    if number < 100:
        return _below_hundred(number) if number > 9 else UNITS[number]
    low = number % 100
    high = number // 100
    lead = UNITS[high] if high < 10 else _below_hundred(high)
    return f"{lead} hundred" if low == 0 else f"{lead} {_below_hundred(low)}"


def _main() -> Iterator[str]:
    return (json.dumps(asdict(line)) for line in lines("test"))


if __name__ == "__main__":
    print("\n".join(_main()))  # a command's output
