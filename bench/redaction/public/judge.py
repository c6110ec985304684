"""Count what is left of the identifiers and what is lost of the other words; shares nothing with the layers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from bench.redaction.public.cases import PROMISED, URL, WEEKDAY, Case, Place, words
from bench.redaction.score import ADDRESS, DATE, ID, NAME, PHONE, PLACE, Planted, left_of

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_CODE = re.compile(r"[^\W_]+")
_YEAR = re.compile(r"(?:19|20)\d\d")
_UNIT = re.compile(r"(?:\b(?:apartment|apt|suite|ste|unit|floor|flat|room|box)\b\W*|#\s*)$", re.IGNORECASE)
_SHORTEST = 4
_DIGIT_WORDS = frozenset(
    words(
        """zero oh one two three four five six seven eight nine double triple ten eleven twelve thirteen fourteen
        fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety"""
    )
)
_REGIONS = frozenset(
    words(
        """alabama alaska arizona arkansas california colorado connecticut delaware florida georgia hawaii idaho
        illinois indiana iowa kansas kentucky louisiana maine maryland massachusetts michigan minnesota
        mississippi missouri montana nebraska nevada hampshire jersey mexico york carolina dakota ohio oklahoma
        oregon pennsylvania rhode island tennessee texas utah vermont virginia washington wisconsin wyoming al
        ak az ar ca co ct de fl ga hi id il in ia ks ky la me md ma mi mn ms mo mt ne nv nh nj nm ny nc nd oh ok
        or pa ri sc sd tn tx ut vt va wa wv wi wy dc ontario quebec columbia alberta manitoba new north south
        west east northern southern central d c usa us america american states united uk britain great england
        scotland wales ireland kingdom canada india china japan russia france germany spain italy australia
        brazil africa asia europe cuba airport international world home downtown city town area station stop
        local location house county state country bus train terminal central park district
        the of and in at to near by"""
    )
)
"""States, countries and words of no place, which may stay."""
_NEUTRAL: dict[str, frozenset[str]] = {
    PLACE: _REGIONS,
    ADDRESS: _REGIONS
    | frozenset(
        words("building no b a usa pkwy parkway hwy trail plaza cir loop alley ne nw se sw nan steps nº calle c avda")
    ),
    DATE: frozenset(
        words("of the this next last month year week day days on in from to until till um uh er and de del el a los")
    ),
    NAME: frozenset(words("mom mum dad mother father psychologist psychiatrist md m d")),
    WEEKDAY: frozenset(
        words("this next last of the week month on and every after before by morning afternoon evening night")
    ),
    URL: frozenset(words("http https www com org net edu co uk de fr be ch es fi se si cz tn nz io dot slash")),
}


TOGETHER = "together, English"
"""The row of all dialogues in English."""


@dataclass(slots=True)
class Tally:
    """Counts of one set or of several together, and examples of what went wrong."""

    texts: int = 0
    withheld: int = 0
    """Texts of five words and more of which nothing is left."""
    languages: Counter[str] = field(default_factory=Counter)
    """Languages as which texts or sentences were withheld."""
    exposed: int = 0
    """Texts in which a part of an identifier is left."""
    words: int = 0
    words_kept: int = 0
    figures: int = 0
    figures_kept: int = 0
    parts: Counter[str] = field(default_factory=Counter)
    left: Counter[str] = field(default_factory=Counter)
    origins: Counter[str] = field(default_factory=Counter)
    origins_left: Counter[str] = field(default_factory=Counter)
    examples_left: list[str] = field(default_factory=list)
    examples_lost: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Add another tally's counts; examples stay with their set."""
        self.texts += other.texts
        self.withheld += other.withheld
        self.languages.update(other.languages)
        self.exposed += other.exposed
        self.words += other.words
        self.words_kept += other.words_kept
        self.figures += other.figures
        self.figures_kept += other.figures_kept
        self.parts.update(other.parts)
        self.left.update(other.left)

    @property
    def identifiers(self) -> int:
        """Return how many identifiers of promised kinds there are."""
        return sum(self.parts[kind] for kind in PROMISED)

    @property
    def kept(self) -> float:
        """Return the share of the other words that are untouched."""
        return self.words_kept / max(1, self.words)

    @property
    def removed(self) -> float:
        """Return the share of identifiers of promised kinds of which nothing is left."""
        return 1 - sum(self.left[kind] for kind in PROMISED) / max(1, self.identifiers)

    def document(self) -> dict[str, object]:
        """Return the counts as JSON values."""
        return {
            "texts": self.texts,
            "withheld": self.withheld,
            "languages": dict(sorted(self.languages.items())),
            "exposed": self.exposed,
            "identifiers": self.identifiers,
            "removed": round(self.removed, 5),
            "words": self.words,
            "words_kept": round(self.kept, 5),
            "figures": self.figures,
            "figures_kept": round(self.figures_kept / max(1, self.figures), 5),
            "kinds": {
                kind: {"count": self.parts[kind], "removed": round(1 - self.left[kind] / self.parts[kind], 5)}
                for kind in (*PROMISED, WEEKDAY)
                if self.parts[kind]
            },
            "origins": {
                origin: {"count": count, "removed": round(1 - self.origins_left[origin] / count, 5)}
                for origin, count in sorted(self.origins.items())
                if count
            },
        }


Tallies: TypeAlias = dict[tuple[str, str], Tally]
"""Counts by set and mode."""


def judge(tally: Tally, case: Case, gone: Sequence[Place], *, withheld: bool) -> None:
    """Count one text.

    Args:
        tally: The counts to add to.
        case: The text with its identifiers.
        gone: Start and end (code points) of what was removed.
        withheld: Whether the text was withheld as a whole.
    """
    tally.texts += 1
    tally.withheld += withheld
    left_before = sum(tally.left[kind] for kind in PROMISED)
    for part in case.parts:
        if not needed(case.text, part, []):
            continue
        tally.parts[part.kind] += 1
        tally.origins[case.origin] += bool(case.origin)
        if left := needed(case.text, part, gone):
            tally.left[part.kind] += 1
            tally.origins_left[case.origin] += bool(case.origin)
            tally.examples_left.append(f"{part.kind} {' '.join(left)!r} | {case.text!r}")
    tally.exposed += sum(tally.left[kind] for kind in PROMISED) > left_before
    scored_elsewhere = [(part.start, part.end) for part in case.parts] + list(case.unscored)
    lost: list[str] = []
    for match in _CODE.finditer(case.text):
        if any(match.start() < end and start < match.end() for start, end in scored_elsewhere):
            continue
        kept = not any(start < match.end() and match.start() < end for start, end in gone)
        if match.group().isalpha():
            tally.words += 1
            tally.words_kept += kept
        else:
            tally.figures += 1
            tally.figures_kept += kept
        if not kept:
            lost.append(match.group())
    if lost:
        tally.examples_lost.append(f"{' '.join(lost)} | {case.text!r}")


def needed(text: str, part: Planted, gone: Sequence[Place]) -> list[str]:
    """Return the words of an identifier that tell something and are not in `gone`."""
    if part.kind in (ID, PHONE):
        return _code_left(text, part, gone)
    if part.kind == ADDRESS:
        gone = [*gone, *_units(text, part)]
    words = left_of(text, part, gone)
    neutral = _NEUTRAL.get(part.kind, frozenset())
    return [word for word in words if word not in neutral and not (part.kind == DATE and _YEAR.fullmatch(word))]


def _code_left(text: str, part: Planted, gone: Sequence[Place]) -> list[str]:
    """Return what is left of a number or a code, where four of its signs or more are."""
    found = [(match.group(), match.span()) for match in _CODE.finditer(text, part.start, part.end)]
    left = [word for word, (start, end) in found if not any(s < end and start < e for s, e in gone)]
    return left if sum(map(_signs, left)) >= _SHORTEST else []


def _signs(word: str) -> int:
    """Count the signs that a word of a spoken or written code gives."""
    if word.casefold() in _DIGIT_WORDS or (word.isalpha() and word.istitle()):
        return 1
    return len(word) if len(word) == 1 or not word.islower() or any(map(str.isdigit, word)) else 0


def _units(text: str, part: Planted) -> list[Place]:
    """Return places of apartment and suite numbers, which tell nothing without their street."""
    return [
        match.span()
        for match in _CODE.finditer(text, part.start, part.end)
        if _UNIT.search(text, part.start, match.start())
    ]
