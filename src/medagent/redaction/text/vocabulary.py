"""Which words anybody may know: a text with any other does not leave."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib import resources

from medagent.redaction.policy import REDACTED

LONGEST_TEXT = 2_000
_WORD = re.compile(r"[A-Za-z]+(?:'[a-z]+)?")
_PLAIN = re.compile(r"[A-Za-z .,;:!?'\"()\-]*")
_SPELLED = re.compile(r"\b[A-Za-z]\b(?!')\W*\b[A-Za-z]\b(?!')")
_SENTENCE_START = re.compile(r"(?:^|[.!?])[\s\"'(]*$")


def is_readable(text: str) -> bool:
    """Whether every sign is one that we judge: no control, bidi or invisible ones, Latin letters, 2,000 at most."""
    return len(text) <= LONGEST_TEXT and (text.isascii() or all(map(_is_ordinary, text))) and text.isprintable()


def is_vouched_for(text: str) -> bool:
    """Whether all that stands beside `<REDACTED>` are ordinary words: no digit, no name, nothing spelled."""
    rest = text.replace("’", "'").replace("–", "-").replace("…", ".").replace(REDACTED, " ; ")
    if not _PLAIN.fullmatch(rest) or _SPELLED.search(rest):
        return False
    return all(_is_vouched_word(match, rest) for match in _WORD.finditer(rest))


@cache
def ordinary_words() -> frozenset[str]:
    """The list: lower-case words that are neither common names nor months, weekdays or numbers."""
    source = resources.files("medagent.redaction.text") / "ordinary_words.txt"
    return frozenset(source.read_text("utf-8").split())


def _is_vouched_word(match: re.Match[str], text: str) -> bool:
    word = match.group()
    if word == "I" or word.startswith("I'"):
        word = word.lower()
    if word[0].isupper() and _SENTENCE_START.search(text[: match.start()]):
        word = word[0].lower() + word[1:]
    return word in ordinary_words() or word.removesuffix("'s") in ordinary_words()


def _is_ordinary(sign: str) -> bool:
    category = unicodedata.category(sign)
    if category.startswith("L"):
        return unicodedata.name(sign, "").startswith("LATIN ")
    return category not in ("Mn", "Me", "Mc", "Nl", "No") and (category != "Nd" or sign.isascii())
