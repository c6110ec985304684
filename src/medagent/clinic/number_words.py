"""Digits as they are said: words of many languages, in pairs and hundreds, "double five", "oh"; pure."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

_DIGITS: Mapping[str, str] = {
    "ar": "صفر واحد اثنان ثلاثة أربعة خمسة ستة سبعة ثمانية تسعة",
    "cs": "nula jedna dva tři čtyři pět šest sedm osm devět",
    "da": "nul en to tre fire fem seks syv otte ni",
    "el": "μηδέν ένα δύο τρία τέσσερα πέντε έξι επτά οκτώ εννέα",
    "fa": "صفر یک دو سه چهار پنج شش هفت هشت نه",
    "fi": "nolla yksi kaksi kolme neljä viisi kuusi seitsemän kahdeksan yhdeksän",
    "he": "אפס אחת שתיים שלוש ארבע חמש שש שבע שמונה תשע",
    "hi": "शून्य एक दो तीन चार पांच छह सात आठ नौ",
    "hu": "nulla egy kettő három négy öt hat hét nyolc kilenc",
    "id": "nol satu dua tiga empat lima enam tujuh delapan sembilan",
    "ja": "ゼロ いち に さん よん ご ろく なな はち きゅう",
    "ko": "영 일 이 삼 사 오 육 칠 팔 구",
    "nb": "null en to tre fire fem seks sju åtte ni",
    "pl": "zero jeden dwa trzy cztery pięć sześć siedem osiem dziewięć",
    "ro": "zero unu doi trei patru cinci șase șapte opt nouă",
    "ru": "ноль один два три четыре пять шесть семь восемь девять",
    "sv": "noll ett två tre fyra fem sex sju åtta nio",
    "tl": "sero isa dalawa tatlo apat lima anim pito walo siyam",
    "tr": "sıfır bir iki üç dört beş altı yedi sekiz dokuz",
    "uk": "нуль один два три чотири п'ять шість сім вісім дев'ять",
    "vi": "không một hai ba bốn năm sáu bảy tám chín",
    "zh": "零 一 二 三 四 五 六 七 八 九",
    "zh-latn": "ling yi er san si wu liu qi ba jiu",
}
_FURTHER: Mapping[str, str] = {
    "oh": "0", "o": "0", "nought": "0", "naught": "0", "nil": "0", "aught": "0", "niner": "9", "zwo": "2", "meia": "6",
    "uma": "1", "une": "1", "una": "1", "un": "1", "duas": "2", "〇": "0", "幺": "1", "两": "2", "공": "0", "yao": "1",
    "bay": "7", "jedynka": "1", "ena": "1", "ноля": "0", "нуль": "0", "эдин": "1",
}  # fmt: skip
_TIMES: Mapping[str, int] = {
    "double": 2, "doble": 2, "doppel": 2, "doppelt": 2, "doppio": 2, "doppia": 2, "duplo": 2, "dubbel": 2, "twice": 2,
    "triple": 3, "treble": 3, "triplo": 3, "tripla": 3, "dreifach": 3, "driedubbel": 3, "quadruple": 4,
}  # fmt: skip
_EN_TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_EN_ONES = "zero one two three four five six seven eight nine"
_EN_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_ES_SMALL = (
    "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciseis diecisiete "
    "dieciocho diecinueve veinte veintiuno veintidos veintitres veinticuatro veinticinco veintiseis veintisiete "
    "veintiocho veintinueve"
)
_ES_TENS = "treinta cuarenta cincuenta sesenta setenta ochenta noventa"
_ES_HUNDREDS = "ciento doscientos trescientos cuatrocientos quinientos seiscientos setecientos ochocientos novecientos"
_FR_SMALL = (
    "zero un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix|sept dix|huit "
    "dix|neuf"
)
_FR_TENS = "vingt trente quarante cinquante soixante"
_DE_SMALL = (
    "null eins zwei drei vier funf sechs sieben acht neun zehn elf zwolf dreizehn vierzehn funfzehn sechzehn siebzehn "
    "achtzehn neunzehn"
)
_DE_TENS = "zwanzig dreissig vierzig funfzig sechzig siebzig achtzig neunzig"
_NL_SMALL = (
    "nul een twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien vijftien zestien zeventien "
    "achttien negentien"
)
_NL_TENS = "twintig dertig veertig vijftig zestig zeventig tachtig negentig"
_IT_SMALL = (
    "zero uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici sedici "
    "diciassette diciotto diciannove"
)
_IT_TENS = "venti trenta quaranta cinquanta sessanta settanta ottanta novanta"
_PT_SMALL = (
    "zero um dois tres quatro cinco seis sete oito nove dez onze doze treze quatorze quinze dezesseis dezessete "
    "dezoito dezenove"
)
_PT_TENS = "vinte trinta quarenta cinquenta sessenta setenta oitenta noventa"
_LONGEST_PHRASE = 5


def plain(text: str) -> str:
    """Return a text in lower case without accents, invisible signs and compatibility forms."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return "".join(sign for sign in folded if not unicodedata.combining(sign) and unicodedata.category(sign) != "Cf")


def digits_said(words: Sequence[str]) -> str | None:
    """Return the digits of number words; None if a word is not a number.

    Args:
        words: Words as `plain` makes them, and digits of any script.

    Returns:
        Digits 0 to 9: `twenty one` is 21, `double five` is 55, `five hundred` is 500.
    """
    said, at, times = "", 0, 1
    while at < len(words):
        if words[at] in _TIMES and times == 1:
            times, at = _TIMES[words[at]], at + 1
            continue
        length, found = _next_number(words, at)
        if found is None or (times > 1 and len(found) != 1):
            return None
        said += found * times
        at, times = at + length, 1
    return said if times == 1 else None


def _next_number(words: Sequence[str], at: int) -> tuple[int, str | None]:
    word = words[at]
    if word.isdigit():
        return 1, "".join(str(unicodedata.digit(sign)) for sign in word)
    for length in range(min(_LONGEST_PHRASE, len(words) - at), 0, -1):
        if (found := _phrases().get(tuple(words[at : at + length]))) is not None:
            return length, found
    signs = [_phrases().get((sign,)) for sign in word]
    if len(word) > 1 and not word.isascii() and all(sign is not None for sign in signs):
        return 1, "".join(str(sign) for sign in signs)
    return 1, None


@functools.cache
def _phrases() -> Mapping[tuple[str, ...], str]:
    """Every phrase for a number, as words; a later language does not change what an earlier one says."""
    found: dict[tuple[str, ...], str] = {}
    for said, digits in (*_english(), *_spanish(), *_french(), *_german(), *_dutch(), *_italian(), *_portuguese()):
        found.setdefault(tuple(re.findall(r"\w+", plain(said))), digits)
    for words in _DIGITS.values():
        for digit, word in enumerate(words.split()):
            found.setdefault((_one_word(word),), str(digit))
    found.update({(_one_word(word),): digit for word, digit in _FURTHER.items()})
    return found


def _one_word(word: str) -> str:
    return plain(word).replace("'", "")


def _tens(small: str, tens: str, join: str, first: int) -> Iterator[tuple[int, str]]:
    """Numbers under 100; `join` has `{tens}` and `{one}`."""
    ones = [word.replace("|", " ") for word in small.split()]
    yield from enumerate(ones)
    for at, ten in enumerate(tens.split(), start=first):
        yield at * 10, ten
        for one in range(1, 10):
            yield at * 10 + one, join.format(tens=ten, one=ones[one])


def _english() -> Iterator[tuple[str, str]]:
    below = list(_tens(f"{_EN_ONES} {_EN_TEENS}", _EN_TENS, "{tens} {one}", 2))
    for number, said in below:
        yield said, str(number)
    for number, hundred in below[1:100]:
        if number % 10:
            yield f"{hundred} hundred", f"{number}00"
            yield f"{hundred} thousand", f"{number}000"
    for number, hundred in below[1:10]:
        for rest, said in below[1:]:
            yield f"{hundred} hundred and {said}", f"{number}{rest:02d}"


def _spanish() -> Iterator[tuple[str, str]]:
    below = list(_tens(_ES_SMALL, _ES_TENS, "{tens} y {one}", 3))
    for number, said in below:
        yield said, str(number)
        if said.endswith("uno"):
            yield said[:-1], str(number)
    yield "cien", "100"
    for number, hundred in enumerate(_ES_HUNDREDS.split(), start=1):
        if number > 1:
            yield hundred, f"{number}00"
        for rest, said in below[1:]:
            yield f"{hundred} {said}", f"{number}{rest:02d}"
    for number, said in below[2:10]:
        yield f"{said} mil", f"{number}000"


def _french() -> Iterator[tuple[str, str]]:
    ones = [word.replace("|", " ") for word in _FR_SMALL.split()]
    for number, said in _tens(_FR_SMALL, _FR_TENS, "{tens} {one}", 2):
        yield said, str(number)
        if number > 20 and number % 10 == 1:
            yield said.replace(" un", " et un"), str(number)
    for rest in range(10, 20):
        yield f"soixante {ones[rest]}", f"{60 + rest}"
        yield f"soixante et {ones[rest]}", f"{60 + rest}"
    yield "quatre vingts", "80"
    yield "quatre vingt", "80"
    for rest in range(1, 20):
        yield f"quatre vingt {ones[rest]}", f"{80 + rest}"
    for number, ten in ((70, "septante"), (80, "huitante"), (80, "octante"), (90, "nonante")):
        yield ten, str(number)
        for one in range(1, 10):
            yield f"{ten} {ones[one]}", str(number + one)
            yield f"{ten} et {ones[one]}", str(number + one)


def _german() -> Iterator[tuple[str, str]]:
    for number, said in _tens(_DE_SMALL, _DE_TENS, "{one}und{tens}", 2):
        yield said.replace("einsund", "einund"), str(number)
        yield said.replace("einsund", "einund").replace("funf", "fuenf").replace("zwolf", "zwoelf"), str(number)
    yield "ein", "1"


def _dutch() -> Iterator[tuple[str, str]]:
    for number, said in _tens(_NL_SMALL, _NL_TENS, "{one}en{tens}", 2):
        yield said, str(number)


def _italian() -> Iterator[tuple[str, str]]:
    for number, said in _tens(_IT_SMALL, _IT_TENS, "{tens}{one}", 2):
        yield re.sub(r"[ai](uno|otto)$", r"\1", said) if number > 20 else said, str(number)


def _portuguese() -> Iterator[tuple[str, str]]:
    for number, said in _tens(_PT_SMALL, _PT_TENS, "{tens} e {one}", 2):
        yield said, str(number)
    for number, said in ((14, "catorze"), (16, "dezasseis"), (17, "dezassete"), (19, "dezanove")):
        yield said, str(number)
