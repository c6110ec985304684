"""What Presidio without a model cannot see, in detectors of the audit's own: speech, names, streets, codes, ages."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from medagent.audit.english import ALPHABET, DIGITS, MONTHS, ORDINALS, TEENS, TENS, words
from medagent.audit.second_names import Names


def _any(texts: tuple[str, ...]) -> str:
    return "(?:" + "|".join(sorted(texts, key=len, reverse=True)) + ")"


_GAP = r"[\s,.\-]{1,3}"
_DIGIT = rf"(?:(?:double|triple){_GAP})?(?:{_any((*DIGITS, 'oh', 'nought'))}|\d)"
_NUMBER = _any(
    (*DIGITS, "oh", "nought", "hundred", "thousand", "double", "triple", *TEENS, *TENS, *ORDINALS, "thirtieth")
)
_MONTH = _any((*MONTHS, *(month[:3] for month in MONTHS), "sept"))
_DAY = rf"(?:\d{{1,2}}(?:st|nd|rd|th)?|(?:{_any(TENS)}{_GAP})?{_any((*ORDINALS, 'thirtieth'))})"
_SPOKEN_YEAR = rf"(?:nineteen|twenty){_GAP}{_NUMBER}"
_STREET = (
    r"(?:street|avenue|road|drive|lane|court|boulevard|terrace|parkway|highway|ridge|alley|crescent|square|trail|"
    r"way|place|st|ave|rd|blvd|ln|dr|ct)"
)
_PLACE = r"(?:county|precinct|township|parish|borough|falls|heights|village|district)"
_TOKEN = re.compile(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*")
_AFTER = re.compile(
    r"(?:\b(?:mr|mrs|ms|miss|mister|missus|madam|sir|patient|caller)\.?|\bname(?:'s| is| was)?|\bthis is|\bcalled|"
    r"\bsurname|\bi am|\bi'm|\b(?:husband|wife|son|daughter|mother|father|brother|sister)(?:'s)?|\bborn)[\s:,\"]+$",
    re.IGNORECASE,
)
_SENTENCE = re.compile(r"(?:^|[.!?:;\n\"“]\s*|[-–—]\s+)$")
_NO_NAMES = frozenset(
    (
        *words("monday tuesday wednesday thursday friday saturday sunday the a an and or of in on at to for with i"),
        *words("doctor dr nurse mr mrs ms miss mister mrn ssn dob"),
        *(month.lower() for month in MONTHS),
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """A pattern and what it stands for; it is sought without regard to case unless `cased`."""

    kind: str
    score: float
    pattern: str
    cased: bool = False

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Start and end (code points) of each match."""
        for match in re.finditer(self.pattern, text, 0 if self.cased else re.IGNORECASE):
            yield match.span()


DETECTORS = (
    Detector(kind="OWN_SPOKEN_DIGITS", score=0.8, pattern=rf"\b{_DIGIT}(?:{_GAP}{_DIGIT}){{3,}}\b"),
    Detector(kind="OWN_SPOKEN_NUMBER", score=0.6, pattern=rf"\b{_NUMBER}(?:{_GAP}{_NUMBER}){{4,}}\b"),
    Detector(
        kind="OWN_SPELLED",
        score=0.7,
        pattern=(
            rf"\b[a-z]{_GAP}(?:as in|for|like|as){_GAP}[a-z]+\b|\b(?:{_any(ALPHABET)}{_GAP}){{2,}}{_any(ALPHABET)}\b"
            r"|\b(?:[a-z0-9][\s.\-]{1,2}){4,}[a-z0-9]\b"
        ),
    ),
    Detector(
        kind="OWN_DATE",
        score=0.8,
        pattern=(
            rf"\b{_MONTH}\.?{_GAP}(?:the{_GAP})?{_DAY}\b|\b(?:the{_GAP})?{_DAY}{_GAP}(?:of{_GAP})?{_MONTH}\b"
            r"|\b(?:19|20)\d\d[\-/.]\d{1,2}[\-/.]\d{1,2}|\b\d{1,2}[\-/.]\d{1,2}[\-/.](?:19|20)?\d\d\b"
            rf"|\b{_NUMBER}{_GAP}(?:{_NUMBER}{_GAP}){{1,3}}{_SPOKEN_YEAR}\b|\b{_MONTH}{_GAP}{_SPOKEN_YEAR}\b"
        ),
    ),
    Detector(
        kind="OWN_AGE_OVER_89",
        score=0.8,
        pattern=(
            rf"\b(?:9\d|1[0-3]\d|ninety(?:{_GAP}{_any(DIGITS)})?|(?:one|a){_GAP}hundred(?:{_GAP}(?:and{_GAP})?{_NUMBER}"
            rf"(?:{_GAP}{_NUMBER})?)?)[\s\-]*(?:years?|yrs?|yo\b|y/o)|\bage[sd]?\W{{1,4}}(?:9\d|1[0-3]\d)\b"
        ),
    ),
    Detector(
        kind="OWN_STREET",
        score=0.8,
        pattern=(
            rf"\b(?:\d{{1,5}}|{_NUMBER})[\s,]+(?:[^\W\d_][\w'’.\-]*\s+){{1,3}}{_STREET}\b"
            r"|\bp\.?\s?o\.?\s+box\s+\w+|\b(?:apt|apartment|suite|unit|flat)\.?\s+#?\w*\d\w*"
        ),
    ),
    Detector(
        kind="OWN_PLACE",
        score=0.5,
        cased=True,
        pattern=rf"\b[A-ZÀ-Þ][\w'’\-]+\s+(?:{_STREET.title()}|{_PLACE.title()}|{_STREET.upper()}|{_PLACE.upper()})\b",
    ),
    Detector(kind="OWN_ZIP", score=0.5, pattern=r"\b\d{5}-\d{4}\b|\b(?:zip(?: code)?|[A-Z]{2})[\s:]+\d{5}\b"),
    Detector(kind="OWN_MRN", score=0.8, pattern=r"\bmrn\b\W{0,3}(?:is\s)?\w*\d[\w\-]*|\b[A-Z]{2,4}-?\d{6,}\b"),
    Detector(
        kind="OWN_CODE",
        score=0.5,
        pattern=r"(?<![\w\-])(?=[\w\-.:]*\d[\w\-.:]*\d)(?=[\w\-.:]*[a-z])(?=(?:[\-.:_]*[^\W_]){6})[\w\-.:]+(?![\w\-])",
    ),
    Detector(kind="OWN_DIGITS", score=0.5, pattern=r"(?<!\d)(?:\d[\s\-.()]{0,2}){6,}\d(?!\d)"),
    Detector(
        kind="OWN_CONTACT",
        score=0.8,
        pattern=(
            r"\S+@\S+|\b\w+(?:\s+(?:dot|underscore|dash)\s+\w+)*\s+at\s+\w+(?:\s+dot\s+\w+)+|\bcolon\s+slash|https?:\S+"
            r"|\b\w+\s+dot\s+(?:com|org|net|edu|example)\b"
        ),
    ),
    Detector(
        kind="OWN_CAPITALISED_NAME",
        score=0.4,
        cased=True,
        pattern=r"\b[A-ZÀ-Þ][a-zß-ÿ'’]+,?\s+(?:[A-Z]\.\s+)?[A-ZÀ-Þ][a-zß-ÿ'’]+(?:-[A-ZÀ-Þ][a-zß-ÿ]+)?\b",
    ),
)
"""All that are patterns."""


class NameDetector:
    """Names of a list: certain ones anywhere, those that are words where a capital, a name or a title says so."""

    kind = "OWN_NAME"
    score = 0.7

    def __init__(self, names: Names) -> None:
        self._names = names

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Start and end (code points) of each name."""
        tokens = list(_TOKEN.finditer(text))
        certain = [self._is(token.group(), self._names.certain) for token in tokens]
        for number, token in enumerate(tokens):
            beside = any(certain[max(number - 1, 0) : number + 2])
            if certain[number] or self._is_one_here(token.group(), text[: token.start()], beside=beside):
                yield token.span()

    def _is_one_here(self, word: str, before: str, *, beside: bool) -> bool:
        """Whether a word is a name in this place: by a name beside it, by a title, by a capital nothing else gives."""
        listed, capital = self._is(word, self._names.words), word[:1].isupper() and word.lower() not in _NO_NAMES
        if listed and beside:
            return True
        if not capital:
            return False
        return bool(_AFTER.search(before)) or (listed and not word.isupper() and not _SENTENCE.search(before))

    @staticmethod
    def _is(word: str, names: frozenset[str]) -> bool:
        lower = word.lower().replace("’", "'").removesuffix("'s")
        return lower in names or any(part in names for part in lower.split("-") if len(part) > 2 and "-" in lower)
