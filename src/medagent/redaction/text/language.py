"""Recognise a text that is in a language whose lexicon is not shipped.

Evidence is a letter of a script that English does not use, or a word that the English lists do not have while the list
of another language has it. A word of both (`no`, `me`, `die`) counts for the other language only where that language
has more words here than English. Names count as English.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache, lru_cache
from importlib import resources
from typing import Final, NamedTuple

from medagent.redaction.text.cues import words
from medagent.redaction.text.lexicon import Kind, Lexicon, lexicon
from medagent.redaction.text.reading import Reading
from medagent.redaction.text.units import ACCENTED, GONE, NUMBER, PLAIN, SIGN

LEXICONS: Final[Mapping[str, Callable[[], Lexicon]]] = {"en": lexicon}
"""Languages that the layers can read; a text in any other one is withheld."""
OTHER: Final = "other"
"""The code of every language that has none of its own here."""
_LISTED: Final = ("es", "fr", "de", "pt", "vi", "tl", "it", "ht", "pl", OTHER)
"""Languages with a list of words, the likelier one first where two fit equally well."""
_SCRIPTS: Final[Mapping[str, str]] = {
    "CJK": "zh",
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "HANGUL": "ko",
    "ARABIC": "ar",
    "CYRILLIC": "ru",
    "DEVANAGARI": "hi",
}
"""Languages by the first word of a letter's Unicode name; letters of further scripts are `other`."""
LANGUAGES: Final = tuple(dict.fromkeys((*_LISTED[:-1], *_SCRIPTS.values(), OTHER)))
"""Every code that a text may be withheld for."""

_FEWEST = 5
"""Words, or letters of a script that has no spaces, from which on a text or a sentence is judged."""
_SHARE = 3
"""One word in this many is enough for another language."""
_EVIDENCE = 2
"""Words of another language without which unknown words count for nothing: they may be names."""
_ENDS = frozenset(".!?…;。！？؟")
_SPACELESS = frozenset(("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR"))
_NO_EVIDENCE = frozenset(("LATIN", "GREEK", "MICRO", "MODIFIER", "FEMININE", "MASCULINE", "SUPERSCRIPT", "SUBSCRIPT"))
"""Greek letters and small ones are in units and formulas."""
_NOT_ARABIC = re.compile("[پچژگٹڈڑںےھ]")
"""Letters of Persian and Urdu that Arabic does not have."""
_ELIDED = re.compile(r"(?:[cjmnst]|qu|jusqu|lorsqu|puisqu|quelqu)'[aeiouyh]")
"""French small words that lose a vowel before another one."""
_STEM = re.compile(r"(?:[cdjlmnst]|qu|dell|all|nell|sull|dall|quell|un)'(?=\w\w)")
_NO_NAMES = words(
    """abend aber adesso ako alla alles altro andere ang anno ano anos antes ao apa arzt auch aun aus avant ayer ayon
    besser bez bien bir bisogno bon bonjour bonne bouche braucht cada che chez como comer cote dann das daw deja
    denn deutsch dia dias durante eller esta estes etter ganz haber haga hatten hice hilo hoy im ito ja journee ka
    kami karena kasi kita kung la les lo machen maison mang mundo muoi nakita nella nelle neu nila niya nu perna
    pero pou rester sais sieben sim tanta testa tete toi un una ver vida viens vitale wann weil welke worden yun
    zona"""
)
"""Small words of other languages that the lists of names have too, as somebody's rare last name."""
_FOLDS = str.maketrans({"đ": "d", "ø": "o", "ł": "l", "ı": "i", "æ": "ae", "œ": "oe", "’": "'"})


class ForeignPart(NamedTuple):
    """First and last unit, both inside, of what is in another language, and the code of that language."""

    first: int
    last: int
    language: str


def foreign_parts(reading: Reading) -> tuple[ForeignPart, ...]:
    """Return what is in another language: the whole text, or some sentences of a mixed one.

    Args:
        reading: The text as it came, with the known values marked.

    Returns:
        One part over all units for a text that is to be withheld whole; nothing for an English text.
    """
    if not _has_hits(reading):
        return ()
    last = len(reading.units) - 1
    if whole := _language(reading, 0, last):
        return (ForeignPart(0, last, whole),)
    return tuple(
        ForeignPart(first, last, language)
        for first, last in _sentences(reading)
        if (language := _language(reading, first, last))
    )


def _has_hits(reading: Reading) -> bool:
    """Whether a word stands here that is evidence; two look-ups for each word that no English list has."""
    unknown = reading.unknown()
    if not unknown:
        return False
    norms, listed = reading.norms, _words()
    return any(norms[at] in listed or not (norms[at].isalpha() and norms[at].isascii()) for at in unknown)


def _language(reading: Reading, first: int, last: int) -> str | None:
    """Judge the units from `first` to `last`."""
    tally = _Tally()
    for at in range(first, last + 1):
        if reading.units[at].kind not in (SIGN, GONE):
            tally.add(reading, at)
    return tally.language()


class _Tally:
    """Counts of one text or sentence."""

    def __init__(self) -> None:
        self.units = 0
        """Words and numbers, each letter of a script without spaces."""
        self.words = 0
        """The same without numbers in figures."""
        self.english = 0
        self.accented = 0
        """Words in lower case with an accent that no list has."""
        self.unknown = 0
        """Other words that no list has."""
        self.heard: Counter[str] = Counter()
        """Words of each language."""
        self.sure: Counter[str] = Counter()
        """Those of them that are neither English nor names."""
        self.letters: Counter[str] = Counter()

    def add(self, reading: Reading, at: int) -> None:
        """Count one unit, as English where it is hidden already."""
        unit, norm = reading.units[at], reading.norms[at]
        much = 1
        if reading.gone[at] or unit.kind == NUMBER:
            much = int(unit.kind != NUMBER or unit.how != PLAIN)
            self.units += 1 - much
        elif not norm.isascii() and (script := _script(norm)):
            much = len(norm) if script in _SPACELESS else 1
            self.letters[OTHER if _NOT_ARABIC.search(norm) else _SCRIPTS.get(script, OTHER)] += much
        elif len(norm) > 1 or norm in _words():
            self._add_word(reading, at)
        else:
            return
        self.units += much
        self.words += much

    def _add_word(self, reading: Reading, at: int) -> None:
        unit, borne = reading.units[at], reading.borne[at]
        languages = _languages(unit.norm)
        self.heard.update(languages)
        if reading.kinds[at] is not Kind.UNKNOWN or len(unit.norm) == 1:
            self.english += not languages
        elif languages:
            if not borne or unit.norm in _NO_NAMES:
                self.sure.update(languages)
        elif not borne:
            accented = unit.how == ACCENTED and not reading.text[unit.start].isupper()
            self.accented += accented
            self.unknown += not accented

    def language(self) -> str | None:
        """Return the language that the counts speak for, None for English."""
        if self.units < _FEWEST:
            return None
        if self.letters.total() * _SHARE >= self.words:
            return max(self.letters, key=lambda code: self.letters[code])
        if not self.sure:
            return None
        best = max(self.sure, key=lambda code: (self.heard[code] + self.sure[code], -_order(code)))
        evidence, share = self.sure[best] + self.accented, self.heard[best] + self.accented
        with_unknown = share + self.unknown
        if evidence >= _EVIDENCE:
            if share < self.english:
                share = evidence
            elif share >= self.english * 2 and share * 4 >= self.words:
                share = with_unknown
        elif self.english * 2 > share or share * 3 < self.words or share < 2 or with_unknown * 2 < self.words:
            return None
        return _code(best) if share * _SHARE >= self.words else None


def _order(code: str) -> int:
    return LANGUAGES.index(_code(code))


def _code(language: str) -> str:
    return language if language in LANGUAGES else OTHER


def _sentences(reading: Reading) -> Iterator[tuple[int, int]]:
    """First and last unit of each sentence or line, where there are several."""
    units, text = reading.units, reading.text
    first = 0
    for at in range(len(units) - 1):
        gap = text[units[at].end : units[at + 1].start]
        if "\n" in gap or (units[at].kind == SIGN and units[at].norm in _ENDS and (gap or units[at].norm > "\x7f")):
            yield first, at
            first = at + 1
    if first:
        yield first, len(units) - 1


def _languages(norm: str) -> tuple[str, ...]:
    """In which languages' lists a word stands."""
    listed = _words()
    if found := listed.get(norm):
        return found
    if not norm.isascii():
        norm = norm.translate(_FOLDS)
        if found := listed.get(norm):
            return found
    if "'" in norm:
        if _ELIDED.match(norm):
            return ("fr",)
        return listed.get(_STEM.sub("", norm), ()) if _STEM.match(norm) else ()
    return ()


@lru_cache(maxsize=1024)
def _script(norm: str) -> str:
    """The script of a word's first letter, empty for a Latin one and for letters that stand in formulas."""
    script = unicodedata.name(norm[0], "").partition(" ")[0].partition("-")[0]
    return "" if script in _NO_EVIDENCE or not norm[0].isalpha() else script


@cache
def _words() -> Mapping[str, tuple[str, ...]]:
    """Every word of the lists with its languages, accents folded; loaded when the first word is asked for."""
    found: dict[str, tuple[str, ...]] = {}
    shared: dict[tuple[str, ...], tuple[str, ...]] = {}
    for name in _LISTED:
        language = name
        path = resources.files("medagent.redaction.text") / "data" / "languages" / f"{name}.txt"
        listed = path.read_text("utf-8")
        for line, folded in zip(listed.splitlines(), _folded(listed).splitlines(), strict=True):
            if line.startswith("["):
                language = line[1 : line.index("]")]
            elif not line.startswith("#"):
                for word in folded.split():
                    before = found.get(word, ())
                    if language not in before:
                        languages = (*before, language)
                        found[word] = shared.setdefault(languages, languages)
    return found


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.casefold())
    marks = dict.fromkeys(ord(sign) for sign in set(plain) if unicodedata.combining(sign))
    return plain.translate(marks | _FOLDS)
