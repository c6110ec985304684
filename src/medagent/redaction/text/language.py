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

from medagent.redaction.text.cues import FUNCTION, words
from medagent.redaction.text.lexicon import Kind, Lexicon, lexicon
from medagent.redaction.text.reading import Reading
from medagent.redaction.text.units import ACCENTED, GONE, MIXED, NUMBER, PLAIN, SIGN, WORD

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
_OF_NAMES = frozenset(("vi",))
"""Languages whose names are words: one of these beside names is no evidence."""
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
    """abend aber adesso ako alles altro andere ang anno ano anos antes ao apa arzt auch aun aus avant ayer ayon
    besser bez bien bisogno bon bonjour bonne bouche braucht cada che chez comer como cote dann das daw deja denn
    deutsch dia dias durante eller esta estes etter ganz haber haga hatten hice hilo hoy im ito ja journee ka kami
    karena kasi kita kung machen maison mang mundo muoi nakita nelle neu nila niya nu perna pero rester sais
    sieben sim tanta testa tete toi un una ver vida viens wann weil welke worden zona"""
)
"""Words of other languages that the lists of names have too, as somebody's rare last name."""
_PARTICLES = words(
    """a al ap bin da das de degli dei del della den der di do dos du e el ibn la las le les lo los san sant santa
    santo st ter van ver vom von y zu zum zur"""
)
"""Small words of names and streets: they count where other words of their language are there."""
_ARTICLES = words("das dei del dell della dem des du la las le les lo los vom zum zur")
"""Those of them that are a language's own before a word that is no name."""
_HALF = words(
    """ab ai ak als anh ao as ate au aun ay ba ban bang bei bi bis cam can cho chua chung co con cua cung dan dang
    dem dung em en era es est et fe fur gab gi ha hat hay ho hoc im isa ist jest kay ko kong mal mang mas mi mit
    mo moi mong mou muss na nag nam nan nay ne nga nos nou nous ob oft os ou pa pang par para pas pour qua que ra
    rang rat sa sais sera sin sob son su sua sur ta te thi thu tout tu tut um uri vai ve vi vos vous wa war wird
    ya yo yon yung"""
)
"""Small words of other languages that English and names have too, but seldom: two are as good as one of one's own."""
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
    """Whether a word stands here that is evidence; one look-up for each word that no English list has."""
    norms, unknown = reading.norms, reading.unknown()
    if unknown:
        listed = _words()
        if any(norms[at] in listed or not (norms[at].isalpha() and norms[at].isascii()) for at in unknown):
            return True
    return any(not norms[at].isascii() for at in reading.of_kind(MIXED))


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
        self.signs = 0
        """Letters of a script without spaces."""
        self.english = 0
        """English words that are in no list of another language; small ones count twice."""
        self.accented = 0
        """Words in lower case with an accent that no list has."""
        self.unknown = 0
        """Other words that are neither English nor names."""
        self.heard: Counter[str] = Counter()
        """Words of each language."""
        self.sure: Counter[str] = Counter()
        """Those of them that are neither English nor names."""
        self.half: Counter[str] = Counter()
        self.letters: Counter[str] = Counter()

    def add(self, reading: Reading, at: int) -> None:
        """Count one unit, as English where it is hidden already."""
        unit, norm = reading.units[at], reading.norms[at]
        much = 1
        if reading.gone[at] or unit.kind == NUMBER:
            much = int(unit.kind != NUMBER or unit.how != PLAIN)
            self.units += 1 - much
        elif not norm.isascii() and (script := _script(norm)):
            if script in _SPACELESS:
                much = sum(map(str.isalpha, norm))
                self.signs += much
            self.letters[OTHER if _NOT_ARABIC.search(norm) else _SCRIPTS.get(script, OTHER)] += much
        elif len(norm) > 1 or norm in _words():
            self._add_word(reading, at)
        else:
            return
        self.units += much
        self.words += much

    def _add_word(self, reading: Reading, at: int) -> None:
        unit, norm, borne = reading.units[at], reading.norms[at], reading.borne[at]
        languages = _languages(norm)
        is_english = reading.kinds[at] is not Kind.UNKNOWN or len(norm) == 1
        if norm in _PARTICLES and _is_before_name(reading, at):
            return
        self.heard.update(languages)
        if norm in FUNCTION:
            self.english += 1 if languages else 2
        elif norm in _ARTICLES or norm in _NO_NAMES or (languages and not (is_english or borne)):
            self.sure.update(languages)
            self.unknown += 1
        elif norm in _HALF or norm in _PARTICLES:
            self.half.update(languages)
        elif is_english:
            self.english += not languages
        elif not languages and not borne:
            accented = unit.how == ACCENTED and not reading.text[unit.start].isupper()
            self.accented += accented
            self.unknown += not accented

    def _is_mostly(self, language: str, share: int, unknown: int) -> bool:
        """Return whether one sure word is enough, by what the others are."""
        if language in _OF_NAMES:
            return share * 4 >= self.words * 3
        return share * 3 >= self.words and (share + unknown) * 2 >= self.words

    def language(self) -> str | None:
        """Return the language that the counts speak for, None for English."""
        if self.units < _FEWEST:
            return None
        letters = self.letters.total()
        if letters * _SHARE >= self.words and (letters > self.signs or letters >= _FEWEST):
            return max(self.letters, key=lambda code: self.letters[code])
        if not self.heard:
            return None
        best = max(self.heard, key=lambda code: (self.heard[code] + self.sure[code], -_order(code)))
        evidence = self.sure[best] + self.accented
        evidence += self.half[best] // 2 if evidence or not self.english else self.half[best] // 3
        share = self.heard[best] + self.accented
        unknown = self.unknown - self.sure[best]
        if evidence >= _EVIDENCE:
            if share * 2 < self.english:
                share = evidence
            elif share >= self.english and share * 4 >= self.words:
                share += unknown
        elif not evidence or self.english > share or not self._is_mostly(best, share, unknown):
            return None
        return _code(best) if share * _SHARE >= self.words else None


def _is_before_name(reading: Reading, at: int) -> bool:
    """Return whether small words of names lead to a name here, or to an end."""
    units = reading.units
    at = next((after for after in range(at + 1, len(units)) if reading.norms[after] not in _PARTICLES), len(units))
    if at == len(units) or units[at].kind != WORD:
        return True
    return bool(reading.borne[at]) or reading.capitals[at]


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
