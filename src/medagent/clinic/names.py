"""Names as they are compared: one person under many spellings, two persons never under one.

A name has keys; two names are equal where a key of one is a key of the other. Keys are made within one script: case,
accents, width, apostrophes, dashes, invisible signs and order do not count. A name in another script is compared by its
transliteration, which counts only against a name that is stored in Latin letters: many names have one transliteration.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import Literal, TypeAlias

from anyascii import anyascii

from medagent.clinic.short_forms import SHORT_FORMS

Match: TypeAlias = Literal["equal", "partial", "alike", "similar", "different"]

_APOSTROPHES = dict.fromkeys(map(ord, "'’‘‛`´ʼʻʽʾʿˈʹ′＇｀ꞌ՚׳᾽᾿΄"), "'")
_DASHES = dict.fromkeys(map(ord, "-‐‑‒–—―−⁃֊־﹘﹣－·・･゠.．。،"), "-")
"""Signs between or behind the parts of a name: dashes, the dots of Catalan and Japanese, that of an abbreviation."""
_INVISIBLE = frozenset(map(chr, (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, 0x0640))) | frozenset(
    map(chr, (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
)
"""Signs without a shape that are no format characters, and the stretch of Arabic letters."""
_JOINERS = "\u200c\u200d"
"""They change the shape of letters, in Persian and in Indic scripts, and stay in a name that is shown."""
_SAME_LETTERS = str.maketrans({"ي": "ی", "ى": "ی", "ك": "ک", "ہ": "ه", "ھ": "ه"})
"""Letters that the keyboards of Arabic, Persian and Urdu write as different characters."""
_ACCENTED_SCRIPTS = frozenset({"LATIN", "GREEK", "ARABIC", "HEBREW"})
"""Scripts in which a mark above or below is an accent; in others it can be a vowel or another consonant."""
_CYRILLIC_ACCENTS = {"\u0300": None, "\u0301": None, "\u0308": "е"}
_UNSPACED = frozenset({"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN"})
_WRITTEN_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe", "đ": "dj", "æ": "ae", "œ": "oe"})
"""Letters that are also written as two, where a keyboard or a passport has not the letter."""
_SUFFIX_WORDS = "jr sr jnr snr jun sen junior senior ii iii iv fils filho neto hijo padre 2nd 3rd"
_PARTICLE_WORDS = """
a af al ap av ben bin bint d da das de degli dei del dela della delle den der des di do dos du e el fitz i ibn in la las
le les lo los mac mc na o of op san santa st t te ten ter the thi tot un van vande vanden vander vom von y z zu zum zur
mr mrs ms miss dr doctor sr sra srta senor senora don dona herr frau madame monsieur
"""
_SUFFIXES, _PARTICLES = frozenset(_SUFFIX_WORDS.split()), frozenset(_PARTICLE_WORDS.split())
_MOST_ORDERS = 4
_MOST_TOGETHER = 5
_MOST_SIGNS = 5
_NEAR = 0.8


def display_name(said: str) -> str:
    """Return a name as it is kept and shown: as it was said, with one space between parts and no invisible signs.

    Args:
        said: A name.

    Returns:
        The name; joiners between letters stay.

    Raises:
        ValueError: The name has no letter, or has a control character; the message does not quote it.
    """
    kept = "".join(sign for sign in said if sign in _JOINERS or not _is_invisible(sign, stretches=False))
    name = unicodedata.normalize("NFC", " ".join(kept.split())).strip(_JOINERS)
    shown = name.translate(dict.fromkeys(map(ord, _JOINERS)))
    if not shown.isprintable() or not any(sign.isalpha() for sign in shown):
        raise ValueError("not a name")
    return name


def name_key(name: str) -> str:
    """Return the key under which a name is stored, the same for nearly all of its spellings."""
    return _sorted(_parts(_folded(name), "", " "))


def name_keys(name: str) -> frozenset[str]:
    """Return every key of a name; names with a key in common are equal."""
    keys: set[str] = set()
    for text in {_folded(name), _folded(name, written_out=True)}:
        for parts in _each_split(text):
            keys.add(_sorted(parts))
            if scripts_of(text) <= _UNSPACED:
                keys.add("".join(parts))
    return frozenset(keys)


def _each_split(folded: str) -> Iterable[list[str]]:
    """The words of a name with each apostrophe and dash as a space or as nothing; many of them all in one way."""
    pieces = re.split(r"(['-]+)", folded)
    count = len(pieces) // 2
    ways = itertools.product(("", " "), repeat=count) if count <= _MOST_SIGNS else ([""] * count, [" "] * count)
    for way in ways:
        yield "".join(itertools.chain(*zip(pieces[::2], [*way, ""], strict=True))).split()


def scripts_of(text: str) -> frozenset[str]:
    """Return the scripts of a text's letters, by their names in Unicode."""
    return frozenset(_script(sign) for sign in text if sign.isalpha())


def compare_names(claimed: str, stored: str) -> Match:
    """Compare a name that somebody says with one that the clinic has.

    Args:
        claimed: Name that was said.
        stored: Name as the clinic has it.

    Returns:
        `equal` where it is the same name; `partial` where a part is missing (a surname, a particle, Jr.) or it is
        stored in another script; `alike` where the given name is a short form of the other; `similar`
        where a word is the same or two sound alike, as with twins and after a marriage; else `different`. Only a
        question can tell whether a partial or alike name is the same person's.
    """
    in_latin = scripts_of(_folded(claimed)) <= {"LATIN"}, scripts_of(_folded(stored)) <= {"LATIN"}
    is_one_script = scripts_of(_folded(claimed)) == scripts_of(_folded(stored))
    keys = name_keys(claimed) & name_keys(stored)
    if keys and is_one_script:
        return "equal"
    if not is_one_script and in_latin[1] and _latin_forms(claimed) & _latin_forms(stored):
        return "equal"
    one, other = core_tokens(claimed), core_tokens(stored)
    all_of_one, all_of_other = (set(_parts(_folded(latin(name)), "", "")) for name in (claimed, stored))
    is_part = one <= other or other <= one or all_of_one <= all_of_other or all_of_other <= all_of_one
    if is_part or _latin_forms(claimed) & _latin_forms(stored):
        return "partial"
    if _is_alike(claimed, stored):
        return "alike"
    return "similar" if _is_similar(claimed, stored) else "different"


def search_words(name: str) -> frozenset[str]:
    """Return the words under which a name is stored for the search: each word, and each two or more of them together.

    All are in Latin letters, without accents, particles and suffixes.
    """
    core, whole = _core(name, " "), _core(name, "")
    return frozenset({*core, *whole, *_together(core), *_together(whole), _whole(core), _whole(whole)})


def lookup_words(name: str) -> frozenset[str]:
    """Return the words that find each name that can be equal, or that lacks a part of this one or has one more."""
    core, whole = _core(name, " "), _core(name, "")
    return frozenset({*_together(core), *_together(whole), _whole(core), _whole(whole)})


def core_tokens(name: str) -> frozenset[str]:
    """Return the words of a name that tell one person from another, in Latin letters."""
    return frozenset(_core(name, ""))


def latin(name: str) -> str:
    """Return a name in Latin letters; one that is in them already as it is."""
    prepared = unicodedata.normalize("NFKC", name.translate(_APOSTROPHES).translate(_DASHES))
    return "".join(
        sign if sign.isascii() or _script(sign) == "LATIN" or unicodedata.combining(sign) else anyascii(sign)
        for sign in unicodedata.normalize("NFC", prepared)
        if not _is_invisible(sign, stretches=True)
    )


def _is_alike(claimed: str, stored: str) -> bool:
    one, other = _given_first(claimed), _given_first(stored)
    first, second = one[0], other[0]
    is_initial = min(len(first), len(second)) == 1 and first[:1] == second[:1]
    is_short = is_initial or any(first in group and second in group for group in SHORT_FORMS)
    return is_short and bool(set(one[1:]) & set(other[1:]))


def _given_first(name: str) -> list[str]:
    """The words of a name as they are said, "Smith, John" as "John Smith"."""
    surname, comma, given = name.partition(",")
    said = f"{given} {surname}" if comma and set(given.split()) - {"Jr.", "Sr.", "Jr", "Sr"} else name
    return _core(said, "") or [""]


def _is_similar(claimed: str, stored: str) -> bool:
    one, other = search_words(claimed), search_words(stored)
    if one & other:
        return True
    return any(SequenceMatcher(None, a, b).ratio() >= _NEAR for a in one for b in other if min(len(a), len(b)) > 2)


def _latin_forms(name: str) -> frozenset[str]:
    """A name's keys in Latin letters; written without spaces where its own script has none, in any order."""
    text = latin(name)
    return name_keys(text) | _joined(_parts(_folded(text), "", " "))


def _joined(parts: list[str]) -> frozenset[str]:
    if not 1 < len(parts) <= _MOST_ORDERS:
        return frozenset(parts)
    return frozenset("".join(order) for order in itertools.permutations(parts))


def _together(core: list[str]) -> frozenset[str]:
    """Two or more words in one, in the order of the alphabet; all of them in their own order too."""
    some = sorted(set(core))[:_MOST_TOGETHER]
    found = {"".join(each) for count in range(2, len(some) + 1) for each in itertools.combinations(some, count)}
    return frozenset(found | {"".join(core), "".join(reversed(core))} if len(core) > 1 else found)


def _whole(core: list[str]) -> str:
    """A name of one word: such a name alone, not everybody who has the word."""
    return "=" + "".join(core)


def _core(name: str, dash: str) -> list[str]:
    """A name's words in Latin letters, without particles and suffixes; a syllable of another script is neither."""
    every = _parts(_folded(latin(name)), "", dash)
    if not scripts_of(name) <= {"LATIN"}:
        return every
    return [part for part in every if part not in _PARTICLES | _SUFFIXES] or every


def _sorted(parts: Iterable[str]) -> str:
    return " ".join(sorted(parts))


def _parts(folded: str, apostrophe: str, dash: str) -> list[str]:
    return folded.replace("'", apostrophe).replace("-", dash).split()


def _folded(name: str, *, written_out: bool = False) -> str:
    """A name in lower case without accents and invisible signs; its apostrophes and dashes are `'` and `-`."""
    text = unicodedata.normalize("NFKC", name.translate(_APOSTROPHES).translate(_DASHES))
    text = "".join(sign for sign in text if not _is_invisible(sign, stretches=True))
    text = unicodedata.normalize("NFC", text.casefold()).translate(_SAME_LETTERS)
    if written_out:
        text = text.translate(_WRITTEN_OUT)
    plain = unicodedata.normalize("NFC", "".join(_without_accents(unicodedata.normalize("NFD", text))))
    plain = plain.translate(_SAME_LETTERS)
    return "".join(_letter(sign) for sign in plain)


def _without_accents(text: str) -> Iterable[str]:
    base = ""
    for sign in text:
        if unicodedata.category(sign) != "Mn":
            base = sign
            yield sign
        elif _script(base) == "CYRILLIC":
            if sign not in _CYRILLIC_ACCENTS or _CYRILLIC_ACCENTS[sign] not in (None, base):
                yield sign
        elif _script(base) not in _ACCENTED_SCRIPTS:
            yield sign


def _letter(sign: str) -> str:
    if sign in "'-":
        return sign
    if not sign.isascii() and sign.isalpha() and _script(sign) == "LATIN":
        return anyascii(sign).casefold()
    if sign.isalnum() or unicodedata.category(sign).startswith("M"):
        return sign
    return " "


def _script(sign: str) -> str:
    """The script of a letter, the first word of its name in Unicode; half-width and other forms are of their script."""
    if sign.isascii():
        return "LATIN" if sign.isalpha() else ""
    words = unicodedata.name(sign, "").split(" ")
    return words[1] if words[0] in ("HALFWIDTH", "FULLWIDTH", "MODIFIER") and len(words) > 1 else words[0]


def _is_invisible(sign: str, *, stretches: bool) -> bool:
    if sign in _INVISIBLE:
        return stretches or (sign not in "\u0640\ufe0f" and not "\U000e0100" <= sign <= "\U000e01ef")
    return unicodedata.category(sign) == "Cf"
