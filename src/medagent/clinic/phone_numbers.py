"""Phone numbers of any country, written or said, as E.164 with the extension apart.

A number is where somebody can be called. It identifies nobody: families share one, and a caller can send any.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import phonenumbers
from phonenumbers import PhoneNumberType

from medagent.calling_number import calling_number
from medagent.clinic.number_words import digits_said, plain

_NOT_OF_A_PERSON = frozenset(
    {
        PhoneNumberType.TOLL_FREE,
        PhoneNumberType.PREMIUM_RATE,
        PhoneNumberType.SHARED_COST,
        PhoneNumberType.VOICEMAIL,
    }
)
"""Types of numbers at which no caller can be reached."""

_URI = re.compile(r"(?:tel|sips?|callto):", re.IGNORECASE)
_EXTENSION = re.compile(
    r";\s*(?:ext|isub)\s*=|#|(?<![^\W\d_])(?:extension|extn|ext|xtn|x|extension number|poste|anexo|interno|int|interne|"
    r"durchwahl|apparat|toestel|ramal|ekstensi|klapka|wewnetrzny|wew|доб|добавочный|внутренний|内线|內線|分机|分機)"
    r"(?![^\W\d_])\.?",
    re.IGNORECASE,
)
_FILLER_WORDS = """
a area at bracket call called can cell cellphone close code country dash dot from home hyphen i im is it its landline
line me mine minus mobile my number numbers ok okay on open parenthesis period phone please point reach s slash space
tel telephone text thats the then this uh well whatsapp work you
barra celular coma el es espacio guion lada mi movil numero por favor prefijo punto telefono
bindestrich die ist leerzeichen meine nummer punkt vorwahl
cest est le mon espace tiret meu mio trattino spazio
"""
_FILLERS = frozenset(_FILLER_WORDS.split())
_PLUS = frozenset({"+", "plus", "mas", "piu", "mais"})
_TRUNK = re.compile(r"\(\s*0\s*\)")
_LONGEST_EXTENSION = 7
_NORTH_AMERICA = 1
_FORMER_MOBILE = re.compile(r"\+521(?=\d{10}$)")
"""Until 2019 Mexican mobile numbers had a 1 behind the country code; many are still said so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneNumber:
    """A number in E.164, and the extension behind it.

    Attributes:
        e164: `+` and digits.
        extension: Digits; None if the number has no extension.
    """

    e164: str
    extension: str | None = None

    def __repr__(self) -> str:
        return "PhoneNumber(…)"


def phone_number(said: str, country: str) -> PhoneNumber:
    """Return the number that was written or said.

    Args:
        said: A number in national or international form, in digits of any script, in words, or as a `tel:` URI.
        country: Country whose form a number without a country code has, as ISO 3166 alpha-2.

    Returns:
        A valid number of a person's line.

    Raises:
        ValueError: Not a valid number, or one of a short, toll-free or premium service, or a withheld one. The text
            does not quote it.
    """
    text = _URI.sub("", said.strip(), count=1)
    if text != said.strip():
        text = text.partition("@")[0]
    number, extension = _apart(text)
    if calling_number(said) is None and not number:
        raise _refused()
    found = {each for digits in _digits(number) if (each := _e164(digits, country)) is not None}
    if len(found) != 1:
        raise _refused()
    return PhoneNumber(e164=found.pop(), extension=extension)


def _e164(digits: str, country: str) -> str | None:
    for candidate, region in _candidates(_FORMER_MOBILE.sub("+52", digits), country):
        try:
            found = phonenumbers.parse(candidate, region)
        except phonenumbers.NumberParseException:
            continue
        if _is_of_a_person(found, is_abroad=region is None):
            return phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164)
    return None


def number_of_line(sent: str | None, country: str) -> str | None:
    """Return the number that a line sent, in E.164 where it has that form.

    Args:
        sent: What the line sent, or None.
        country: Country whose form a number without a country code has.

    Returns:
        The number; as it was sent where it is valid nowhere; None for a caller who withholds it.
    """
    if (number := calling_number(sent)) is None:
        return None
    try:
        return phone_number(number, country).e164
    except ValueError:
        return plain(number)


def _is_of_a_person(number: phonenumbers.PhoneNumber, *, is_abroad: bool) -> bool:
    """Return whether a line of a person may have the number.

    Countries assign new ranges before the metadata has them: of a number with its country code the length must be
    right, and in North America, where each range is known, the range too.
    """
    if phonenumbers.is_valid_number(number):
        return phonenumbers.number_type(number) not in _NOT_OF_A_PERSON
    reason = phonenumbers.is_possible_number_with_reason(number)
    return is_abroad and number.country_code != _NORTH_AMERICA and reason == phonenumbers.ValidationResult.IS_POSSIBLE


def _refused() -> ValueError:
    return ValueError("not a phone number")


def _apart(text: str) -> tuple[str, str | None]:
    """The number's part, and the digits of the extension."""
    text = text.partition(";phone-context=")[0]
    parts = _EXTENSION.split(text)
    if len(parts) == 1:
        return text, None
    behind = digits_said([word for part in parts[1:] for word in _words(part)])
    if len(parts) > 3 or not behind or len(behind) > _LONGEST_EXTENSION:
        raise _refused()
    return parts[0], behind


def _words(text: str) -> list[str]:
    """Words, digits and the plus; a vowel sign is part of its word, which a pattern of letters does not know."""
    kinds = {"L": "word", "M": "word", "N": "digit"}
    found: list[str] = []
    before = ""
    for sign in plain(text).replace("'", ""):
        kind = "plus" if sign == "+" else kinds.get(unicodedata.category(sign)[0], "")
        if kind and kind == before != "plus":
            found[-1] += sign
        elif kind:
            found.append(sign)
        before = kind
    return [word for word in found if word not in _FILLERS]


def _digits(text: str) -> set[str]:
    """The digits, behind a plus where there was one; "four hundred fifteen" has two readings, of which one is valid."""
    words = _words(text)
    is_abroad = bool(words) and words[0] in _PLUS
    if is_abroad:
        words = _words(_TRUNK.sub("", plain(text)))[1:]
    joined = [part for word in words for part in ((word, "and") if word == "hundred" else (word,))]
    said = {digits for each in (words, joined) if (digits := digits_said(each))}
    if not said:
        raise _refused()
    return {f"+{digits}" for digits in said} if is_abroad else said


def _candidates(digits: str, country: str) -> list[tuple[str, str | None]]:
    """The readings of a number, the national one first; 00 and 011 lead abroad where they are not national."""
    if digits.startswith("+"):
        return [(digits, None)]
    readings: list[tuple[str, str | None]] = [(digits, country)]
    readings += [(f"+{digits.removeprefix(prefix)}", None) for prefix in ("00", "011") if digits.startswith(prefix)]
    return readings
