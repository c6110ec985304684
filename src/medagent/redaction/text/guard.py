"""What cannot be read does not leave: hidden signs, letters of another alphabet, text beyond the longest length.

A strange sign is taken out, and with it the word that it cuts or hides in; the rest of the text stays. Signs that turn
the order of a text around make it say something else than it shows: such a text does not leave at all.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from functools import lru_cache

LONGEST_TEXT = 20_000
"""Code points of one field that are looked at; the rest does not leave."""
_MARGIN = 400
_SIGNS = frozenset(
    "–—‘’“”„‚•·…°±×÷µ§©®™€£¥¢«»¿¡½¼¾⅓⅔⅛⅜⅝⅞`¨¬´ºª′″‐‑‒―‹›‣⁃◦▪■□●○→←↑↓↔⇒⇑⇓≤≥≠≈≡∼√∞∆−∙⋅†‡‰№℅℃℉✓✔✗✘☐☑☒♀♂˚⁄∅▶►★☆✦⟶➔➜⁓∶"
)
_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹₀₁₂₃₄₅₆₇₈₉"
_SUPERS = frozenset(f"{_RAISED}⁺⁻₊₋")
_HIDDEN_DIGITS = re.compile(rf"[{_RAISED}]{{3}}|[{_RAISED}](?=[0-9])|[{_RAISED}](?![A-Z])(?=[^\W\d_])")
"""Raised digits that are no exponent, index or footnote: the digits of a number written small."""
_FOLDS = frozenset("ßæœøłđðþıŋħŧĸſ")
_GREEK = frozenset("αβγδεκλμωΔΩ")
_GREEK_ALONE = _GREEK | frozenset("ζηθνξπρστφχψΣΦΨΘΛΠ")
_MICRO = re.compile(r"μ(?=(?:g|l|L|m|M|mol|U)(?![^\W\d_]))")
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Signs that turn the order in which a text is shown."""
_MARK = re.compile("[\u0300-\u036f]")
_ASCII = frozenset(map(chr, range(128)))
_ASCII_JUDGED = frozenset(sign for sign in _ASCII if sign.isprintable() or sign in "\t\n\r\v\f")
_CHUNK = re.compile(r"[\S\x1c-\x1f\x85]+")
_WORD = re.compile(r"\w+")
_PRESENTATION = "\ufe0e\ufe0f"


def is_plain_text(text: str) -> bool:
    """Whether every sign is one that the layers judge: Latin letters, plain digits, usual signs, nothing invisible."""
    if text.isascii():
        return text.isprintable() or text.translate(_BLANKS).isprintable()
    if not all(map(_is_judged, set(text) - _ASCII_JUDGED)):
        return False
    return not _is_stacked(text) and _HIDDEN_DIGITS.search(text) is None


def is_turned(text: str) -> bool:
    """Return whether a text holds a sign that makes it show another order than it has."""
    return not text.isascii() and _TURNING.search(text) is not None


def has_foreign_letters(text: str) -> bool:
    """Return whether a text holds letters that are no Latin ones: what is beside them is then no English either."""
    if text.isascii():
        return False
    return any(sign.isalpha() and not _is_judged(sign) and sign not in _GREEK for sign in set(text) - _ASCII)


def strange_signs(text: str, is_plain: Callable[[list[str]], bool]) -> Iterator[tuple[int, int]]:
    """Yield start and end (code points) of what cannot be read.

    `is_plain` tells of the parts of a word that a strange sign cuts whether they are ordinary words, also together.
    """
    for chunk in _CHUNK.finditer(text):
        word, start = chunk.group(), chunk.start()
        strange = [at for at, sign in enumerate(word) if _is_strange(word, at, sign)]
        if not strange and not _HIDDEN_DIGITS.search(word):
            continue
        cut = "".join(" " if at in strange else sign for at, sign in enumerate(word))
        if (
            not strange
            or any(word[at].isalnum() and word[at] not in _GREEK for at in strange)
            or any(unicodedata.category(word[at]).startswith("M") and not _is_presentation(word, at) for at in strange)
            or (_are_around(word, strange) and not is_plain(_WORD.findall(cut)))
        ):
            yield start, chunk.end()
        else:
            yield from ((start + at, start + at + 1) for at in strange)


def readable_length(text: str) -> int:
    """Return how many code points may be let out: all, or up to a gap well before the longest that is looked at."""
    if len(text) <= LONGEST_TEXT:
        return len(text)
    end = LONGEST_TEXT - _MARGIN
    while end > 0 and not text[end - 1].isspace():
        end -= 1
    return end


_BLANKS = {ord(blank): " " for blank in "\t\n\r\v\f"}


def _is_strange(word: str, at: int, sign: str) -> bool:
    if "\u0300" <= sign <= "\u036f":
        return at == 0 or not word[at - 1].isalpha()
    if sign in _GREEK_ALONE and not word[at - 1 : at].isalnum() and not word[at + 1 : at + 2].isalnum():
        return False
    return not _is_judged(sign) and not (sign == "μ" and _MICRO.match(word, at))


def _is_presentation(word: str, at: int) -> bool:
    """Return whether a sign only says how the symbol before it is shown."""
    return word[at] in _PRESENTATION and at > 0


def _are_around(word: str, strange: list[int]) -> bool:
    """Return whether letters or digits are on both sides of a strange sign."""
    return any(any(map(str.isalnum, word[:at])) and any(map(str.isalnum, word[at + 1 :])) for at in strange)


@lru_cache(maxsize=4096)
def _is_judged(sign: str) -> bool:
    if sign.isascii():
        return sign in _ASCII_JUDGED
    if sign in _SIGNS or sign in _SUPERS or "\u0300" <= sign <= "\u036f" or unicodedata.category(sign) == "Zs":
        return True
    if not unicodedata.category(sign).startswith("L") or not unicodedata.name(sign, "").startswith("LATIN "):
        return False
    base = unicodedata.normalize("NFKD", sign.casefold())
    return sign < "\u1f00" and all(part.isascii() or unicodedata.combining(part) or part in _FOLDS for part in base)


def _is_stacked(text: str) -> bool:
    """Return whether marks are piled up, or are where no letter is."""
    return any(not text[match.start() - 1 : match.start()].isalpha() for match in _MARK.finditer(text))
