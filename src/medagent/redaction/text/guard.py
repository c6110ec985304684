"""What is not read does not leave: signs that hide, letters of another alphabet, more text than is looked at."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

LONGEST_TEXT = 20_000
"""Code points of one field that are looked at; the rest does not leave."""
_MARGIN = 400
_SIGNS = frozenset("\t\n\r\u00a0–—‘’“”„‚•·…°±×÷µ§©®™€£¥¢«»¿¡½¼¾²³´`¨¬¹ºª′″‑→")
_FOLDS = frozenset("ßæœøłđðþıŋħŧĸſ")


def is_readable(text: str) -> bool:
    """Whether every sign is one that the layers judge: Latin letters, plain digits, usual signs, nothing invisible."""
    if text.isascii():
        return text.isprintable() or text.translate(_BLANKS).isprintable()
    return all(map(_is_judged, text)) and not _is_stacked(text)


def readable_length(text: str) -> int:
    """How many code points may be let out: all, or up to a gap well before the longest that is looked at."""
    if len(text) <= LONGEST_TEXT:
        return len(text)
    end = LONGEST_TEXT - _MARGIN
    while end > 0 and not text[end - 1].isspace():
        end -= 1
    return end


_BLANKS = {ord("\t"): " ", ord("\n"): " ", ord("\r"): " "}


@lru_cache(maxsize=4096)
def _is_judged(sign: str) -> bool:
    if sign.isascii():
        return sign.isprintable() or sign in "\t\n\r"
    if sign in _SIGNS or "\u0300" <= sign <= "\u036f":
        return True
    if not unicodedata.category(sign).startswith("L") or not unicodedata.name(sign, "").startswith("LATIN "):
        return False
    base = unicodedata.normalize("NFKD", sign.casefold())
    return sign < "\u1f00" and all(part.isascii() or unicodedata.combining(part) or part in _FOLDS for part in base)


def _is_stacked(text: str) -> bool:
    """Whether marks are piled up, or stand where no letter is."""
    before = ""
    for sign in text:
        if "\u0300" <= sign <= "\u036f" and not (before.isalpha() and before):
            return True
        before = sign
    return False
