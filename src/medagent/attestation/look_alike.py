"""Names that look alike: two officers whose names a reader cannot tell apart, or one written in two scripts; pure."""

from __future__ import annotations

import re
import unicodedata

_LOOKS_LIKE = {
    "a": "аαɑ",
    "b": "вьβ8",
    "c": "сϲ",
    "d": "ԁđ",
    "e": "еёε3",
    "g": "ɡ",
    "h": "нһħ",
    "i": "ilіїӏιıɩł1",
    "j": "јϳ",
    "k": "кκ",
    "m": "м",
    "n": "η",
    "o": "оοø0",
    "p": "рρ",
    "q": "ԛ",
    "r": "г",
    "s": "ѕ5",
    "t": "тτŧ",
    "u": "υμ",
    "v": "νʋ",
    "w": "ԝω",
    "x": "хχ",
    "y": "уγ",
    "z": "ζ",
}
_ALIKE = {ord(letter): latin for latin, letters in _LOOKS_LIKE.items() for letter in letters}
"""Cyrillic, Greek, other Latin letters and digits → the Latin letter that they are taken for; i and l are one."""
_PAIRS = (("rn", "m"), ("vv", "w"))
_TOGETHER = ({"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA"}, {"CJK", "HANGUL"}, {"CJK", "BOPOMOFO"})
"""Scripts that one name is written in."""


def appearance(name: str) -> str:
    """Return what two names have in common that look alike, in any order of their words."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", name).casefold())
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    for pair, letter in _PAIRS:
        plain = plain.replace(pair, letter)
    return " ".join(sorted(re.findall(r"\w+", plain.translate(_ALIKE))))


def mixes_scripts(name: str) -> bool:
    """Return whether the letters of a name are of scripts that no name is written in together."""
    letters = (letter for letter in unicodedata.normalize("NFKC", name) if letter.isalpha())
    scripts = {unicodedata.name(letter, "UNKNOWN").split(" ")[0] for letter in letters} - {"MODIFIER"}
    return len(scripts) > 1 and not any(scripts <= together for together in _TOGETHER)
