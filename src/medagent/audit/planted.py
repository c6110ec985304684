"""The values that an audit plants: all eighteen kinds of Safe Harbor, invented anew by each seed, none of them twice.

A hit must mean a leak, so no value may stand anywhere by chance. Names of people and places are made of consonants that
begin no English word (`Kjeltorvan`), of at least seven letters; every second person has a name that people bear, from a
list of our own that shares nothing with the clinic's roster, so that a reader of names has something to know. Numbers
have nine digits or more, dates lie in years of which no clean trace speaks and on no day of a month that the run's own
clock writes (`21 08:19:54` would be the 21st of August 1954), and numbers that could be somebody's are
from ranges that are given to nobody: 555-01xx, social security numbers from 900 on, 240.0.0.0/4, 2001:db8::/32,
`.example`. What a form must say at least, and what is therefore not looked for, stands in `needles.py`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from ipaddress import IPv6Address
from typing import Final

from medagent.audit.english import words
from medagent.audit.forms import IN_IDS, Forms, age_forms, code_forms, date_forms, id_forms, phone_forms, text_forms

_ONSETS = ("Bj", "Dv", "Dz", "Fj", "Gv", "Kj", "Kv", "Ml", "Mv", "Pv", "Tj", "Tv", "Vr", "Vl", "Zd", "Zhr", "Zv", "Zw")
_VOWELS = ("a", "e", "i", "o", "u", "ai", "eu", "oa")
_MIDDLES = ("ltv", "rzh", "ndr", "kv", "rgv", "lzm", "mb", "rkt", "zd", "nj", "gd", "tz", "rv", "lk")
_CODAS = ("n", "rk", "lm", "ss", "nd", "k", "r", "st", "vik", "nov", "mund", "ric")
_ACCENTED: Final = {"a": "å", "e": "ë", "o": "ö", "u": "ü", "i": "í"}
_FIRST_NAMES = words(
    "Margit Consuelo Thaddeus Ingeborg Rosalind Bartholomew Guillermo Henrietta Octavia Leopold Marisol Clementine "
    "Zacharias Philippa Emmanuel Gwendolyn Anastasia Cornelius Dorothea Ferdinand Isadora Josephine Katarina Lorenzo "
    "Magdalena Nathaniel Ottoline Prudence Reginald Seraphina Theodora Valentina Wilhelmina Yolanda Beatrix Demetrius"
)
_SURNAMES = words(
    "Kowalczyk Haverkamp Oyelaran Brandvold Szymanski Castellanos Featherstonhaugh Gulbrandsen Hadjimichael "
    "Iwanowski Jankowski Kristoffersen Lefebvre Mbekwane Nakashima Oyarzabal Papadakis Quattrocchi Rasmussen "
    "Stojanovic Thorvaldsen Uzunoglu Villanueva Wojciechowski Ximenez Yamaguchi Zimmermann Achterberg Bhattacharya "
    "Cholmondeley Dragomirescu Eriksdottir Fitzwilliam Gunnarsson Hofstadter Ivanishvili"
)
_AREAS = words("205 208 216 225 234 252 269 276 316 318 334 360 385 417 423 435 458 469 478 509 520 534 541 559 563")
"""Of North America, where no scenario's caller lives: theirs are 555-01xx too."""
_STREETS = ("Lane", "Avenue", "Street", "Road", "Drive", "Court")
_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"
_OLDEST_DAY, _DAYS = date(1921, 1, 1), 365 * 75
_ADMITTED, _STAYS = date(2001, 1, 1), 365 * 15
_TRIES = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """One value: its Safe Harbor letter (A to R), the call (from 0) in which it is planted, and its searchable forms.

    The strings of `split` are two halves that belong into two fields or utterances; those of any other form stand each
    for itself. A value of bytes has its mark in every 64 of them: `written` as text, `bytes` as Latin-1 of raw bytes.
    """

    planted_id: str
    letter: str
    kind: str
    call: int
    value: str | bytes = field(repr=False)
    forms: Mapping[str, tuple[str, ...]] = field(repr=False)


def plant(*, seed: int, calls: int, per_kind: int = 1, day: date | None = None) -> tuple[Planted, ...]:
    """Every kind `per_kind` times for each call; `day` is that of the run (UTC).

    Raises `ValueError` where there are not enough different values.
    """
    return tuple(_Garden(seed, day).grow(calls, per_kind))


class _Garden:
    """Draws values and remembers them, with every word that was invented for one."""

    def __init__(self, seed: int, day: date | None) -> None:
        self._dice = random.Random(f"planted {seed}")  # noqa: S311 - an audit repeats by its seed; nothing is secret
        self._used: set[str] = set()
        self._told_by_clock = {(day + timedelta(days=by)).day for by in (-1, 0, 1)} if day else set()
        self._kinds: tuple[tuple[str, str, Callable[[], tuple[str | bytes, Forms]]], ...] = (
            ("A", "name", self._invented_name),
            ("A", "real_name", self._real_name),
            ("B", "street", self._street),
            ("B", "city", lambda: self._place("{} Falls")),
            ("B", "county", lambda: self._place("{} County")),
            ("B", "precinct", lambda: self._place("{} Precinct")),
            ("B", "zip", lambda: self._code("#####-####")),
            ("C", "birth_date", lambda: self._day(_OLDEST_DAY, _DAYS)),
            ("C", "admission_date", lambda: self._day(_ADMITTED, _STAYS)),
            ("C", "age_over_89", self._age),
            ("D", "phone", self._phone),
            ("E", "fax", self._phone),
            ("F", "email", self._email),
            ("G", "ssn", lambda: self._code("9##-7#-####")),
            ("H", "mrn", lambda: self._code("MRN-#########")),
            ("I", "health_plan", lambda: self._code("@@@-###-###-###")),
            ("J", "account", lambda: self._code("####-####-####")),
            ("K", "licence", lambda: self._code("@@-####-####-#")),
            ("L", "vin", lambda: self._code("#@@@@#####@######")),
            ("L", "plate", lambda: self._code("#@@@####")),
            ("M", "device_serial", lambda: self._code("SN-@@##-#@#@#@#")),
            ("N", "url", self._url),
            ("O", "ipv4", self._ipv4),
            ("O", "ipv6", self._ipv6),
            ("P", "voice_print", lambda: self._marked(b"RIFF\x24\x20\x00\x00WAVEfmt ")),
            ("Q", "face_photo", lambda: self._marked(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01")),
            ("R", "unique_code", lambda: self._code("@@-####-@@@@-##")),
        )

    def grow(self, calls: int, per_kind: int) -> Iterator[Planted]:
        for call in range(calls):
            for number in range(per_kind):
                for letter, kind, draw in self._kinds:
                    value, forms = self._new(draw)
                    planted_id = f"{letter}-{kind}-{call}-{number}"
                    yield Planted(planted_id=planted_id, letter=letter, kind=kind, call=call, value=value, forms=forms)

    def _new(self, draw: Callable[[], tuple[str | bytes, Forms]]) -> tuple[str | bytes, Forms]:
        for _ in range(_TRIES):
            value, forms = draw()
            if str(value) not in self._used:
                self._used.add(str(value))
                return value, forms
        raise ValueError("there are not enough different values for so many calls")

    def _word(self) -> str:
        """An invented word of seven letters or more, once in a run."""
        while True:
            dice = self._dice
            word = dice.choice(_ONSETS) + "".join(
                dice.choice(_VOWELS) + dice.choice(ends) for ends in (_MIDDLES, _MIDDLES, _CODAS)
            )
            if word not in self._used:
                self._used.add(word)
                return word

    def _signs(self, shape: str) -> str:
        """`#` is a digit, `@` a letter; the first digit is not 0, so that no number loses it."""
        text = ""
        for sign in shape:
            if sign == "#":
                text += str(self._dice.randint(0 if text[-1:].isdigit() else 1, 9))
            else:
                text += self._dice.choice(_LETTERS) if sign == "@" else sign
        return text

    def _invented_name(self) -> tuple[str, Forms]:
        first, last = self._word(), self._word()
        vowel = next(letter for letter in last if letter in _ACCENTED)
        return self._person(first, last.replace(vowel, _ACCENTED[vowel], 1))

    def _real_name(self) -> tuple[str, Forms]:
        left = [name for name in _SURNAMES if name not in self._used]
        if not left:
            return self._invented_name()
        last = self._dice.choice(left)
        self._used.add(last)
        return self._person(self._dice.choice(_FIRST_NAMES), last)

    def _person(self, first: str, last: str) -> tuple[str, Forms]:
        forms = text_forms(f"{first} {last}", self._dice, parts=(last,))
        forms |= {"reordered": (f"{last}, {first}", f"{last} {first}"), IN_IDS: tuple(id_forms(last, self._dice))}
        return f"{first} {last}", forms

    def _street(self) -> tuple[str, Forms]:
        street = f"{self._word()} {self._dice.choice(_STREETS)}"
        value = f"{self._signs('####')} {street}"
        return value, text_forms(value, self._dice, parts=(street.partition(" ")[0],), street=(street,))

    def _place(self, shape: str) -> tuple[str, Forms]:
        word = self._word()
        return shape.format(word), text_forms(shape.format(word), self._dice, parts=(word,))

    def _day(self, first: date, days: int) -> tuple[str, Forms]:
        day = first + timedelta(days=self._dice.randrange(days))
        while day.day in self._told_by_clock:
            day = first + timedelta(days=self._dice.randrange(days))
        return day.isoformat(), date_forms(day, self._dice)

    def _age(self) -> tuple[str, Forms]:
        age = self._dice.choice([age for age in range(90, 130) if age != 100])
        return f"{age} years old", age_forms(age)

    def _phone(self) -> tuple[str, Forms]:
        area, line = self._dice.choice(_AREAS), f"55501{self._dice.randrange(100):02}"
        return f"+1{area}{line}", phone_forms(area, line, self._dice)

    def _email(self) -> tuple[str, Forms]:
        local = f"{self._word()}.{self._word()}".lower()
        value = f"{local}@{self._word().lower()}.example"
        return value, text_forms(value, self._dice, parts=(local,), split=(local, value.removeprefix(local)))

    def _url(self) -> tuple[str, Forms]:
        path = f"{self._word().lower()}-{self._signs('####')}"
        value = f"https://{self._word().lower()}.example/p/{path}"
        return value, text_forms(value, self._dice, parts=(path,))

    def _code(self, shape: str) -> tuple[str, Forms]:
        value = self._signs(shape)
        return value, code_forms(value, self._dice)

    def _ipv4(self) -> tuple[str, Forms]:
        value = f"{self._dice.randint(240, 254)}.{'.'.join(str(self._dice.randint(100, 255)) for _ in range(3))}"
        return value, code_forms(value, self._dice, split=(value[:8], value[8:]))

    def _ipv6(self) -> tuple[str, Forms]:
        number = 0x20010DB8 << 96 | self._dice.getrandbits(96)
        address = IPv6Address(number)
        return address.compressed, code_forms(address.compressed, self._dice, reordered=(address.exploded,))

    def _marked(self, head: bytes) -> tuple[bytes, Forms]:
        mark = self._signs("@@##@@##@@##@@##")
        raw = bytes(self._dice.randrange(0x80, 0x100) for _ in range(15)) + b"\xff"
        block = mark.encode() + b"\x00" + raw
        return head + block * 64, {"written": (mark,), "bytes": (raw.decode("latin-1"),)}
