"""Names of many languages, made from their letters, and the spellings in which one name comes."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from hypothesis import strategies as st

LETTERS = {
    "Arabic": "ابتثجحخدذرزسشصضطظعغفقكلمنهوي",
    "Azerbaijani": "abcçdefğhxıijkqlmnoöprsştuüvyz",
    "Catalan": "aàbcçdeéèfghiíïjlmnoóòpqrstuúüvxyz",
    "Chinese": "王李张刘陈杨赵黄周吴徐孙马朱胡郭何林高罗伟芳娜敏静丽强磊军洋勇艳杰",
    "Croatian": "abcčćdđefghijklmnoprsštuvzž",
    "Czech": "aábcčdďeéěfghiíjklmnňoóprřsštťuúůvyýzž",
    "Danish": "abcdefghijklmnoprstuvyæøå",
    "Dutch": "abcdeëfghiïjklmnoöprstuvwz",
    "English": "abcdefghijklmnopqrstuvwxyz",
    "Filipino": "abcdefghiklmnñoprstuwy",
    "Finnish": "adeghijklmnoprstuvyäö",
    "French": "aàâbcçdeéèêëfghiîïjlmnoôpqrstuùûüvxyÿ",
    "German": "aäbcdefghijklmnoöprstuüvwzß",
    "Greek": "αάβγδεέζηήθιίϊκλμνξοόπρστυύφχψωώ",
    "Hawaiian": "aāeēiīoōuūhklmnpw",
    "Hebrew": "אבגדהוזחטיכלמנסעפצקרשת",
    "Hindi": ("क", "का", "कि", "की", "कु", "के", "रा", "री", "म", "मी", "ता", "ति", "नी", "शा", "सु", "प्र", "वि", "देव"),
    "Hungarian": "aábcdeéfghiíjklmnoóöőprstuúüűvz",
    "Icelandic": "aábdðeéfghiíjklmnoóprstuúvxyýþæö",
    "Irish": "aábcdeéfghiílmnoóprstuú",
    "Italian": "aàbcdeèéfghiìlmnoòpqrstuùvz",
    "Japanese": ("さ", "とう", "や", "ま", "だ", "す", "ず", "き", "たか", "はし", "ゆう", "けん", "じ", "な", "おみ"),
    "Korean": ("김", "이", "박", "최", "정", "민", "수", "지", "은", "현", "우", "서", "연", "영", "호"),
    "Persian": "ابپتجچحخدرزسشعغفقکگلمنوهی",
    "Polish": "aąbcćdeęfghijklłmnńoóprsśtuwyzźż",
    "Portuguese": "aáâãàbcçdeéêfghiíjlmnoóôõpqrstuúvxz",
    "Romanian": "aăâbcdefghiîjlmnopqrsștțuvxz",
    "Russian": "абвгдеёжзийклмнопрстуфхцчшщыэюя",
    "Spanish": "aábcdeéfghiíjlmnñoópqrstuúüvxyz",
    "Swedish": "abcdefghijklmnoprstuvyåäö",
    "Thai": ("สม", "ชาย", "ศรี", "วิ", "ไล", "พร", "นิ", "ดา", "ประ", "เสริฐ", "กิ", "ติ"),
    "Turkish": "abcçdefgğhıiİjklmnoöprsştuüvyz",
    "Ukrainian": "абвгґдеєжзиіїйклмнопрстуфхцчшщюя",
    "Vietnamese": "aăâbcdđeêghiklmnoôơpqrstuưvxyắếộữìảĩ",
}
LATIN = frozenset(LETTERS) - {
    *("Arabic", "Chinese", "Greek", "Hebrew", "Hindi", "Japanese", "Korean", "Persian", "Russian", "Thai", "Ukrainian")
}
TRANSLITERATED = ("Greek", "Russian", "Ukrainian")
"""Languages whose usual Latin form is the transliteration, letter for letter."""


@st.composite
def words(draw: st.DrawFn, language: str) -> str:
    """One word of a name, at least three letters long where the script has letters."""
    letters = LETTERS[language]
    size = (1, 3) if language in ("Chinese", "Japanese", "Korean", "Thai", "Hindi") else (3, 9)
    made = "".join(draw(st.lists(st.sampled_from(letters), min_size=size[0], max_size=size[1])))
    return made[:1].upper() + made[1:]


@st.composite
def names(draw: st.DrawFn, language: str, *, count: int = 3) -> list[str]:
    """The words of a name, no two of them the same."""
    return draw(st.lists(words(language), min_size=2, max_size=count, unique_by=str.casefold))


def _without_accents(name: str) -> str:
    found = unicodedata.normalize("NFD", name)
    return unicodedata.normalize("NFC", "".join(sign for sign in found if not unicodedata.combining(sign)))


def _wide(name: str) -> str:
    return "".join(chr(ord(sign) + 0xFEE0) if "!" <= sign <= "~" else sign for sign in name)


ANY_SCRIPT: dict[str, Callable[[list[str]], str]] = {
    "as it is": " ".join,
    "other order": lambda parts: " ".join(reversed(parts)),
    "surname first": lambda parts: f"{parts[-1]}, {' '.join(parts[:-1])}",
    "decomposed": lambda parts: unicodedata.normalize("NFD", " ".join(parts)),
    "wide spaces": "\u00a0 \u3000".join,
    "soft hyphens": lambda parts: " ".join("\u00ad".join(part) for part in parts),
    "marks of direction": lambda parts: f"\u200f{' '.join(parts)}\u200e",
    "joiners": lambda parts: "\u200c " + "\u200d ".join(parts),
    "zero width": lambda parts: "\ufeff" + "\u200b ".join(parts) + "\u2060",
}
IN_LATIN: dict[str, Callable[[list[str]], str]] = {
    "upper case": lambda parts: " ".join(parts).upper(),
    "lower case": lambda parts: " ".join(parts).lower(),
    "without accents": lambda parts: _without_accents(" ".join(parts)),
    "full width": lambda parts: _wide(_without_accents(" ".join(parts))),
}
