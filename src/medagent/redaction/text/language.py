"""Recognise a text that is in a language whose lexicon is not shipped.

Evidence is a letter of a script that English does not use, or a word that the English lists do not have while the list
of another language has it. A word of both (`no`, `me`, `die`) counts for the other language only where that language
has more words here than English. Names count as English.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from functools import cache
from importlib import resources
from typing import Final, NamedTuple, TypeAlias

from medagent.redaction.text.cues import FUNCTION, TOP_LEVEL, words
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
_BEGINS = _ENDS | frozenset(":¿¡\"'-–(")
"""Signs behind which a capital does not make a name."""
_SPACELESS = frozenset(("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR"))
_NO_EVIDENCE = frozenset(("LATIN", "GREEK", "MICRO", "MODIFIER", "FEMININE", "MASCULINE", "SUPERSCRIPT", "SUBSCRIPT"))
"""Greek letters and small ones are in units and formulas."""
_LONGER_THAN_A_SYMBOL = 3
_CASED = frozenset(("GREEK", "CYRILLIC", "ARMENIAN"))
"""Scripts in which a capital tells a name."""
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
    """a al ap bin binti bte binte bint da das de degli dei del della den der di do dos du e el ibn la las le les
    lo los san sant santa santo ni nic st te ter van ver vom von y zu zum zur"""
)
"""Small words of names and streets: they count where other words of their language are there."""
_ARTICLES = words("das dei del dell della dem des du la las le les lo los vom zum zur")
"""Those of them that are a language's own before a word that is no name."""
_MOST_PARTICLES = 5
_LONGEST_PLACE = 4
_BEFORE_CAPITALS = words("das dem den der des vom zum zur")
"""Those of German, which gives each noun a capital."""
_HALF = words(
    """ab ai ak als anh ao as ate au aun ay ba ban bang bei bi bis cam can cho chua chung co con cua cung dan dang
    dem dung em en era es est et fe fur gab gi ha hat hay ho hoc im isa ist jest kay ko kong mal mang mas mi mit
    mo moi mong mou muss na nag nam nan nay ne nga nos nou nous ob oft os ou pa pang par para pas pour qua que ra
    rang rat sa sais sera sin sob son su sua sur ta te thi thu tout tu tut um uri vai ve vi vos vous wa war wird
    ya yo yon yung"""
)
"""Small words of other languages that English and names have too, but seldom: two are as good as one of one's own."""
SMALL_WORDS: Final = _NO_NAMES | _PARTICLES | _ARTICLES | _HALF
"""Words that may speak for another language though English or names have them; all others of those never do."""
_ENDINGS: Final = {
    "es": tuple(
        words(
            """ciones cion sion siones idades idad mente ando iendo yendo ados adas idos idas amos emos imos aron ieron
            aban ria rian ible ibles able ables osos osas oso osa ito itos itas erias iento ientos anza anzas encia
            encias ancia ancias arse erse irse arlo erlo irlo arla erla irla arme erme irme icos icas ismo istas ales
            ores oras"""
        )
    ),
    "pt": tuple(
        words(
            """
            cao coes sao soes idade idades mente ando endo indo ados adas idos idas amos emos imos aram eram iram avam
            aria ariam eis avel ivel oso osos osa osas inho inhos inha inhas mento mentos anca ancas encia encias agen
            agens arias icos icas ismo istas ais ores oras ou eiro eiros eira eiras"""
        )
    ),
    "fr": tuple(
        words(
            """
            eront ique iques euse euses eux ements ee ees ites elles ettes ienn ienns ienne iennes ier iers iere ieres
            eurs aire aires oire oires ances ences isme ismes iste istes ables ibles aux ons ez ent ais ait"""
        )
    ),
    "de": tuple(
        words(
            """ungen ung keiten keit heiten heit schaft schaften lich isch ierte ierten ieren chen lein ende enden enes
            enen ens ern ete eten test sten bare barer bares igen iger iges igem lose loser losen stellen stand stend
            stond"""
        )
    ),
    "it": tuple(
        words(
            """
            zione zioni mente ando endo ati ate uti ute iti ite amo avano evano ita abile abili ibile ibili osi ose ismo
            isti iste ezza ezze arsi ersi irsi iche ichi etti ette aggio aggi"""
        )
    ),
}
_INSIDE_GERMAN = ("lich", "isch")
"""Before these endings, and before these with up to two letters behind, two letters or more make such a word."""
_SHAPES: Final[Mapping[str, re.Pattern[str]]] = {
    "tl": re.compile(
        r"(?:nag|mag|pag|nang|mang|pang|naka|maka|paka|ipina|ipinag|pinag|kina|tag|ika|napa|mapa|nakiki|maki|paki|sina)"
        r"\w{3,}|\w{3,}(?:han|hin|ang|ing|ong)"
    ),
    "vi": re.compile(
        r"(?:ngh|ng|nh|tr|kh|ph|th|gi|ch|qu|x|v|l|d|h|m|n|b|c|t|s)(?:[aeiouy]|[iuy][eaou]|oa|ua|ie|uy){1,3}(?:ng|nh|ch|[nmptc])?"
    ),
}
"""Beginnings and shapes of words that are in no list: two such words are as good as one that is."""
_ACCENTS = re.compile("[\u0300-\u036f]")
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
    last, hits = len(reading.units) - 1, _hits(reading)
    judged: dict[int, _Judged] = {}
    if _may_be_foreign(reading, hits, 0, last):
        tally = _tally(reading, 0, last, judged)
        if (whole := tally.language()) and whole not in LEXICONS:
            return (ForeignPart(0, last, whole),)
        if not tally.has_evidence():
            return ()
    return tuple(
        ForeignPart(first, last, language)
        for first, last in _sentences(reading)
        if _may_be_foreign(reading, hits, first, last)
        and (language := _tally(reading, first, last, judged).language())
        and language not in LEXICONS
    )


def _has_hits(reading: Reading) -> bool:
    """Return whether a word is here that is evidence; one look-up for each word that no English list has."""
    norms, unknown = reading.norms, reading.unknown()
    if unknown:
        listed = _words()
        if any(norms[at] in listed or not (norms[at].isalpha() and norms[at].isascii()) for at in unknown):
            return True
    return any(not norms[at].isascii() for at in reading.of_kind(MIXED))


def _hits(reading: Reading) -> list[int]:
    """Return where a word may be that is not English alone, in order."""
    listed, units, borne = _words(), reading.units, reading.borne
    found = {at for at in reading.unknown() if not borne[at]}
    found.update(
        at
        for at, norm in enumerate(reading.norms)
        if norm in listed or norm in SMALL_WORDS or "'" in norm or not norm.isascii()
    )
    return sorted(at for at in found if units[at].kind != SIGN)


def _may_be_foreign(reading: Reading, hits: list[int], first: int, last: int) -> bool:
    """Return whether a hit for another language is among enough words: without one no other word speaks for it."""
    units = reading.units
    here = hits[bisect_left(hits, first) : bisect_right(hits, last)]
    if any(not units[at].norm.isascii() and _script(units[at].norm) for at in here):
        return True
    return last - first + 1 >= _FEWEST and bool(here)


def _tally(reading: Reading, first: int, last: int, judged: dict[int, _Judged]) -> _Tally:
    """Judge the units from `first` to `last`; those that are in `judged` were."""
    tally = _Tally(reading, judged)
    for at in range(first, last + 1):
        if reading.units[at].kind not in (SIGN, GONE):
            tally.add(at)
    return tally


class _Is(IntEnum):
    """What a word is to the lists of other languages."""

    NEUTRAL = 0
    """A name, a number, what is hidden already."""
    ENGLISH = 1
    SMALL_ENGLISH = 2
    SMALL_SHARED = 3
    """A small English word that another language has too."""
    SHARED = 4
    """Another English word or a name that another language has too."""
    HALF = 5
    """One that English has too, but seldom, or that has no more than the shape of another language."""
    SHAPED = 6
    SURE = 7
    """One that English and names do not have."""
    ACCENTED = 8
    """In no list, with an accent and without a capital where there are capitals."""
    UNKNOWN = 9
    """In no list, and no name."""


_Judged: TypeAlias = tuple[_Is, tuple[str, ...]]


class _Tally:
    """Words of one text or sentence."""

    def __init__(self, reading: Reading, judged: dict[int, _Judged]) -> None:
        self._reading = reading
        self._judged = judged
        self._is_cased = 0 < 2 * len(reading.capital_places) <= len(reading.norms)
        self.units = 0
        """Words and numbers, each letter of a script without spaces."""
        self.words = 0
        """The same without numbers in figures."""
        self.signs = 0
        """Letters of a script without spaces."""
        self.letters: Counter[str] = Counter()
        self.found: list[_Judged] = []
        """Each word with the languages that have it."""

    def add(self, at: int) -> None:
        """Count one unit, as English where it is hidden already."""
        reading = self._reading
        unit, norm = reading.units[at], reading.norms[at]
        much = 1
        if reading.gone[at] or unit.kind == NUMBER:
            much = int(unit.kind != NUMBER or unit.how != PLAIN)
            self.units += 1 - much
        elif not norm.isascii() and (script := _script(norm)) and not (script in _CASED and reading.capitals[at]):
            if script in _SPACELESS:
                much = sum(map(str.isalpha, norm))
                self.signs += much
            self.letters[OTHER if _NOT_ARABIC.search(norm) else _SCRIPTS.get(script, OTHER)] += much
        elif len(norm) > 1 or norm in _words():
            judged = self._judged.get(at)
            if judged is None:
                judged = self._judged[at] = _judged(reading, at, is_cased=self._is_cased)
            self.found.append(judged)
        else:
            return
        self.units += much
        self.words += much

    def has_evidence(self) -> bool:
        """Return whether a letter or a word speaks for another language; without one no part of the text is in one."""
        return bool(self.letters) or any(_Is.HALF <= kind <= _Is.ACCENTED for kind, _ in self.found)

    def language(self) -> str | None:
        """Return the language that the words speak for, None for English."""
        if self.units < _FEWEST or not self.has_evidence():
            return None
        letters = self.letters.total()
        if letters * _SHARE >= self.words and (letters > self.signs or letters >= _FEWEST):
            return max(self.letters, key=lambda code: self.letters[code])
        weights: Counter[str] = Counter()
        for kind, languages in self.found:
            for language in languages:
                weights[language] += 1 + (kind is _Is.SURE)
        if not weights:
            return None
        best = max(weights, key=lambda code: (weights[code], -_order(code)))
        share = max(self._share(best), self._share_of_runs(best), self._share_of_own(best))
        return _code(best) if share and share * _SHARE >= self.words else None

    def _share(self, best: str) -> int:
        """Return how many words are of a language, by what the whole is."""
        kinds, every = [0] * len(_Is), [0] * len(_Is)
        for kind, languages in self.found:
            every[kind] += 1
            kinds[kind] += best in languages
        accented = every[_Is.ACCENTED]
        heard = sum(kinds) + accented
        unknown = every[_Is.UNKNOWN] + sum(every[kind] - kinds[kind] for kind in (_Is.SURE, _Is.SHAPED))
        english = every[_Is.ENGLISH] + every[_Is.SMALL_ENGLISH] * 2 + every[_Is.SMALL_SHARED]
        evidence = kinds[_Is.SURE] + accented
        evidence += (kinds[_Is.HALF] + kinds[_Is.SHAPED]) // (2 if evidence or not english else 3)
        if evidence == _EVIDENCE and best in _OF_NAMES and heard * 2 < self.words:
            return 0
        if evidence >= _EVIDENCE:
            if heard * 2 < english:
                return evidence
            return heard + unknown if heard >= english and heard * 4 >= self.words else heard
        if not evidence or english > heard:
            return 0
        if best in _OF_NAMES:
            return heard if heard * 4 >= self.words * 3 else 0
        return heard if heard * 3 >= self.words and (heard + unknown) * 2 >= self.words else 0

    def _share_of_own(self, best: str) -> int:
        """Return how many words are a language's own, wherever they are among English ones."""
        kinds = Counter(kind for kind, languages in self.found if best in languages)
        own = kinds[_Is.SURE] + kinds[_Is.HALF] + kinds[_Is.SHAPED]
        if best in _OF_NAMES or not kinds[_Is.SURE] or own < _EVIDENCE:
            return 0
        return own

    def _share_of_runs(self, best: str) -> int:
        """Return how many words are in rows of a language, beside words of English."""
        share = small = gap = 0
        run: list[tuple[_Is, bool]] = []
        for kind, languages in (*self.found, *_END_OF_RUNS):
            is_best = best in languages
            gap = gap + 1 if kind is _Is.ENGLISH else 0
            if gap > _WIDEST_GAP or kind is _Is.SMALL_ENGLISH or (kind in _IN_BOTH and not is_best):
                small += kind is not _Is.ENGLISH
                share += _length_of_run(run, best)
                run = []
            else:
                run.append((kind, is_best))
        sure = sum(kind is _Is.SURE and best in languages for kind, languages in self.found)
        return share if small or sure >= _EVIDENCE else 0


_WIDEST_GAP = 1
_END_OF_RUNS: Final = ((_Is.ENGLISH, ()),) * (_WIDEST_GAP + 1)
_IN_BOTH = frozenset((_Is.SMALL_SHARED, _Is.SHARED))
_LISTED_KINDS = frozenset((_Is.SHARED, _Is.HALF, _Is.SHAPED, _Is.SURE, _Is.SMALL_SHARED))
_OPENS = frozenset((_Is.HALF, _Is.SHAPED, _Is.SURE, _Is.ACCENTED, _Is.UNKNOWN))
"""Kinds of words with which a row of another language begins and ends, beside small words of it."""
_SPEAKS = {
    _Is.SURE: 4,
    _Is.ACCENTED: 3,
    _Is.HALF: 2,
    _Is.SHAPED: 2,
    _Is.UNKNOWN: 1,
    _Is.SHARED: 1,
    _Is.SMALL_SHARED: 1,
}
"""Weight of a word in a row for its language."""
_ENOUGH = 4


def _length_of_run(run: list[tuple[_Is, bool]], best: str) -> int:
    """Return how many words of a row are of a language, 0 where too few of them are its own."""
    first, last = 0, len(run)
    while first < last and run[first][0] not in _OPENS and not (run[first][1] and run[first][0] is _Is.SHARED):
        first += 1
    while first < last and run[last - 1][0] not in _OPENS:
        last -= 1
    row = run[first:last]
    if len(row) < 2:
        return 0
    own = [kind for kind, is_best in row if is_best]
    said = sum(_SPEAKS.get(kind, 0) if is_best or kind not in _LISTED_KINDS else 1 for kind, is_best in row)
    sure = own.count(_Is.SURE) + sum(kind is _Is.ACCENTED for kind, _ in row)
    if best in _OF_NAMES and sure < _EVIDENCE:
        return 0
    evident = sure or own.count(_Is.HALF) + own.count(_Is.SHAPED) >= _EVIDENCE
    return sum(kind is not _Is.ENGLISH for kind, _ in row) if evident and said >= _ENOUGH else 0


def _judged(reading: Reading, at: int, *, is_cased: bool) -> _Judged:
    """Return what a word is, and in which languages."""
    unit, norm, borne = reading.units[at], reading.norms[at], reading.borne[at]
    units, languages = reading.units, _languages(norm)
    is_english = reading.kinds[at] is not Kind.UNKNOWN or len(norm) == 1
    if is_cased and "de" not in languages and reading.capitals[at] and at and units[at - 1].norm not in _BEGINS:
        return _Is.NEUTRAL, ()
    if norm in _PARTICLES and _is_before_name(reading, at):
        return _Is.NEUTRAL, ()
    if norm in TOP_LEVEL and at and units[at - 1].norm in (".", "dot"):
        return _Is.NEUTRAL, ()
    if (norm in reading.lists.eponyms and norm not in FUNCTION) or (languages and _is_in_place(reading, at)):
        return _Is.NEUTRAL, ()
    if norm in FUNCTION:
        return (_Is.SMALL_SHARED if languages else _Is.SMALL_ENGLISH), languages
    if norm in _ARTICLES or norm in _NO_NAMES or (languages and not (is_english or borne)):
        return _Is.SURE, languages
    if norm in _HALF or norm in _PARTICLES:
        return _Is.HALF, languages
    if is_english:
        return (_Is.SHARED if languages else _Is.ENGLISH), languages
    if languages or borne:
        return (_Is.SHARED if languages else _Is.NEUTRAL), languages
    if shaped := _shaped(norm):
        return _Is.SHAPED, shaped
    is_accented = unit.how == ACCENTED and is_cased and not reading.capitals[at]
    return (_Is.ACCENTED if is_accented else _Is.UNKNOWN), ()


def _is_in_place(reading: Reading, at: int) -> bool:
    """Return whether a word is part of a listed place of several words: `rio de janeiro`."""
    norms, phrases = reading.norms, reading.lists.phrases
    for begin in range(max(0, at - _LONGEST_PLACE + 1), at + 1):
        for parts in phrases.get(norms[begin], {}).get(reading.norm(begin + 1), ()):
            if begin + len(parts) > at and tuple(norms[begin : begin + len(parts)]) == parts:
                return True
    return False


def _is_before_name(reading: Reading, at: int) -> bool:
    """Return whether small words of names lead to a name here, or to an end."""
    units, is_german = reading.units, reading.norms[at] in _BEFORE_CAPITALS
    behind = range(at + 1, min(len(units), at + _MOST_PARTICLES))
    at = next((after for after in behind if reading.norms[after] not in _PARTICLES), len(units))
    if at == len(units) or units[at].kind != WORD:
        return True
    return bool(reading.borne[at]) or (reading.capitals[at] and not is_german)


def _order(code: str) -> int:
    return LANGUAGES.index(_code(code))


def _code(language: str) -> str:
    return language if language in LANGUAGES else OTHER


def _sentences(reading: Reading) -> Iterator[tuple[int, int]]:
    """First and last unit of each sentence or line, where there are several."""
    units, text = reading.units, reading.text
    first = 0
    for at in range(len(units) - 1) if "\n" in text else reading.of_kind(SIGN):
        if at + 1 == len(units):
            break
        gap = text[units[at].end : units[at + 1].start]
        if "\n" in gap or (units[at].kind == SIGN and units[at].norm in _ENDS and (gap or units[at].norm > "\x7f")):
            yield first, at
            first = at + 1
    if first:
        yield first, len(units) - 1


def _languages(norm: str) -> tuple[str, ...]:
    """Return in which languages' lists a word is."""
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


def _shaped(norm: str) -> tuple[str, ...]:
    """Languages of which a word that nobody knows has the shape."""
    if "'" in norm:
        return ()
    plain = norm if norm.isascii() else norm.translate(_FOLDS)
    rest = plain[2:]
    found = [language for language, endings in _ENDINGS.items() if rest.endswith(endings)]
    if "de" not in found and (rest[:-1].endswith(_INSIDE_GERMAN) or rest[:-2].endswith(_INSIDE_GERMAN)):
        found = [language for language in _ENDINGS if language == "de" or language in found]
    return (*found, *[language for language, shape in _SHAPES.items() if shape.fullmatch(plain)])


def _script(norm: str) -> str:
    """The script of a word's first letter, empty for a Latin one and for letters that are in formulas."""
    script = unicodedata.name(norm[0], "").partition(" ")[0].partition("-")[0]
    is_symbol = script in _NO_EVIDENCE and (script != "GREEK" or len(norm) < _LONGER_THAN_A_SYMBOL)
    return "" if is_symbol or not norm[0].isalpha() else script


@cache
def _words() -> Mapping[str, tuple[str, ...]]:
    """Every word of the lists with its languages, accents folded; loaded when the first word is asked for."""
    found: dict[str, tuple[str, ...]] = {}
    joined: dict[tuple[tuple[str, ...], str], tuple[str, ...]] = {}
    for name in _LISTED:
        language = name
        path = resources.files("medagent.redaction.text") / "data" / "languages" / f"{name}.txt"
        for line in _folded(path.read_text("utf-8")).split("\n"):
            if line.startswith("["):
                language = line[1 : line.index("]")]
                continue
            if line.startswith("#"):
                continue
            alone = joined.setdefault(((), language), (language,))
            for word in line.split():
                before = found.setdefault(word, alone)
                if language not in before:
                    found[word] = joined.setdefault((before, language), (*before, language))
    return found


def _folded(text: str) -> str:
    return _ACCENTS.sub("", unicodedata.normalize("NFKD", text.casefold())).translate(_FOLDS)
