"""The identifiers that this call has met, and how they are found again in a text, however they are said."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from medagent.redaction.policy import Category
from medagent.redaction.text.age_words import OLDEST_HUMAN, OLDEST_KEPT
from medagent.redaction.text.ages import known_ages
from medagent.redaction.text.forms import Forms, Identifier, Stream, forms_of
from medagent.redaction.text.found import Span
from medagent.redaction.text.lexicon import Kind, lexicon
from medagent.redaction.text.near import is_near, sound
from medagent.redaction.text.parts import Parts, days_in
from medagent.redaction.text.spoken import units
from medagent.redaction.text.units import LETTER, SIGN, WORD, Unit, blank_out, plain_word

_WHOLE_DIGITS = 7
_WHOLE_JOINED = 7
_SHORTEST_NUMBER = 5
_MOST_JUDGED = 1_000
_WORD = re.compile(r"[^\W_]+")
_DIGITS = re.compile(r"[0-9]+")


class KnownValues:
    """What a call has learned of its caller: grows only, lives in memory, is dropped with the call.

    A birth date teaches an age as well, where that may be over 89: the age on `today`, one year less and one more, for
    people round it. `today` is by default the day on which the date is learned.
    """

    def __init__(self, *, today: date | None = None) -> None:
        self._today = today
        self._ages: set[int] = set()
        self._values: dict[tuple[Category, str], None] = {}
        self._wholes: list[_Whole] = []
        self._joined: dict[str, tuple[tuple[str, Category], ...]] = {}
        self._initials: dict[str, Category] = {}
        self._names: dict[str, tuple[Category, str]] = {}
        self._answered: set[tuple[Category, str]] = set()
        self._judged: dict[tuple[str, bool], bool] = {}
        self.parts = Parts()
        """The parts of all of it, which no kept value may hold."""

    def __repr__(self) -> str:
        return f"KnownValues(learned={len(self._values)})"

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[tuple[Category, str]]:
        """Category and value of everything learned, in the order it came."""
        return iter(tuple(self._values))

    def learn(self, identifiers: Iterable[Identifier]) -> None:
        """Take in identifiers; what is known already changes nothing."""
        for identifier in identifiers:
            key = (identifier.category, identifier.value)
            if identifier.value.strip() and key not in self._values:
                forms = forms_of(identifier)
                self._wholes.append(_Whole.of(identifier.value))
                self._index(forms, identifier.category)
                self.parts.learn(identifier, forms.names)
                if identifier.category is Category.DATE_OF_BIRTH:
                    self._learn_ages(identifier.value)
                self._values[key] = None
                self._judged.clear()

    def learn_answers(self, answers: Iterable[Identifier]) -> None:
        """Take in values that a tool's result named: its arguments may name them too."""
        self._answered.update((answer.category, answer.value) for answer in answers)

    def is_answered(self, category: Category, value: str) -> bool:
        """Tell whether a tool's result in this call has named a value."""
        return (category, value) in self._answered

    def scrub(self, text: str) -> tuple[str, int]:
        """The text with `<REDACTED>` for every known value in any form, and how many places that were."""
        read = units(text)
        return blank_out(text, ((read[first].start, read[last].end) for first, last, _ in self.spans(read)))

    def spans(self, read: Sequence[Unit]) -> Iterator[Span]:
        """Return where known values are in a text that was cut into units."""
        if not self._values:
            return
        found: set[int] = set()
        for hear_all in (False, True):
            stream = Stream(read, hear_all=hear_all)
            for first, last, category in self._matches(stream):
                found.update(range(first, last + 1))
                yield first, last, category
        yield from self._letters(read)
        yield from self._near_misses(read, found)
        if self._ages:
            yield from known_ages(read, self._ages)

    def stands_in(self, kept: str, *, shortest_number: int = 1) -> bool:
        """Return whether a known value is whole in a value that would be kept, as words, joined, or as its digits.

        A known number of fewer digits than `shortest_number` is not looked for as a word.
        """
        if not self._wholes:
            return False
        value = _Whole.of(kept)
        return any(
            whole.is_part_of(value)
            for whole in self._wholes
            if not (len(whole.joined) < shortest_number and whole.joined.isdigit())
        )

    def is_in(self, kept: str, *, parts: bool) -> bool:
        """Tell whether a known value is whole in a value that would be kept, or a known day; with `parts` any part.

        Names of models and versions come again with every turn: what was judged is remembered until more is known.
        """
        asked = (kept, parts)
        if asked not in self._judged:
            if len(self._judged) >= _MOST_JUDGED:
                self._judged.clear()
            self._judged[asked] = (
                self.stands_in(kept) or self.parts.stand_in(kept)
                if parts
                else self.stands_in(kept, shortest_number=_SHORTEST_NUMBER) or self.parts.have_day_in(kept)
            )
        return self._judged[asked]

    def _learn_ages(self, birth_date: str) -> None:
        """Add the ages over 89 that a birth date may be told by."""
        today = self._today or datetime.now(UTC).date()
        for born in days_in(units(birth_date)):
            age = today.year - born.year - ((today.month, today.day) < (born.month, born.day))
            self._ages |= {each for each in (age - 1, age, age + 1) if OLDEST_KEPT < each <= OLDEST_HUMAN}

    def _index(self, forms: Forms, category: Category) -> None:
        for form in forms.joined:
            here = self._joined.get(form[:2], ())
            if not any(form == other for other, _ in here):
                self._joined[form[:2]] = (*here, (form, category))
        self._initials |= dict.fromkeys(forms.initials, category)
        self._names |= {name: (category, sound(name)) for name in forms.names if len(name) >= 3}

    def _matches(self, stream: Stream) -> Iterator[Span]:
        """Return where a form is as a run of whole units, whatever was between them."""
        text = stream.text
        for begin in stream.begins:
            for form, category in (*self._joined.get(text[begin : begin + 2], ()), *self._joined.get(text[begin], ())):
                end = begin + len(form)
                if end in stream.ends and text.startswith(form, begin):
                    yield stream.unit[begin], stream.unit[end - 1], category

    def _letters(self, read: Sequence[Unit]) -> Iterator[Span]:
        """Initials: letters that are one by one."""
        if not self._initials:
            return
        run: list[int] = []
        for at in range(len(read) + 1):
            unit = read[at] if at < len(read) else None
            if unit is not None and unit.kind == LETTER:
                run.append(at)
            elif unit is None or unit.kind != SIGN or unit.norm not in ".-,":
                for first, last in _parts(run):
                    if category := self._initials.get("".join(read[i].norm for i in run[first : last + 1])):
                        yield run[first], run[last], category
                run = []

    def _near_misses(self, read: Sequence[Unit], found: set[int]) -> Iterator[Span]:
        """A word that is nearly a known name: one nobody knows, or any word beside a name that was found."""
        lists = lexicon()
        for at, unit in enumerate(read):
            if unit.kind != WORD or at in found:
                continue
            beside = at - 1 in found or at + 1 in found
            if not beside and lists.kind_of(unit) is not Kind.UNKNOWN:
                continue
            norm = plain_word(unit.norm)
            heard = sound(norm)
            for name, (category, name_sound) in self._names.items():
                if is_near(norm, name, is_same_sound=heard == name_sound):
                    yield at, at, category
                    break


def _parts(run: list[int]) -> Iterator[tuple[int, int]]:
    """Every stretch of two to four letters of a run."""
    return ((first, first + size - 1) for size in (2, 3, 4) for first in range(len(run) - size + 1))


@dataclass(frozen=True, slots=True)
class _Whole:
    """A value as its plain words and its digits: what is left when writing is not looked at."""

    words: str = field(repr=False)
    """Parted and enclosed by single spaces; empty where there are none."""
    joined: str = field(repr=False)
    digits: str = field(repr=False)

    @classmethod
    def of(cls, text: str) -> _Whole:
        bare, digits = text, "".join(_DIGITS.findall(text))
        if not text.isascii():
            bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
            digits = "".join(c for c in text if c.isdigit())
        words = _WORD.findall(bare.casefold())
        return cls(f" {' '.join(words)} " if words else "", "".join(words), digits)

    def is_part_of(self, other: _Whole) -> bool:
        if self.words and self.words in other.words:
            return True
        if len(self.joined) >= _WHOLE_JOINED and self.joined in other.joined:
            return True
        return len(self.digits) >= _WHOLE_DIGITS and self.digits[-10:] in other.digits
