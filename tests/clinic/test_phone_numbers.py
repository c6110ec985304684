import random
from contextlib import suppress

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from medagent.calling_number import calling_number
from medagent.clinic.number_words import digits_said
from medagent.clinic.phone_numbers import PhoneNumber, number_of_line, phone_number

REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)
PEOPLE = (PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE)
SERVICES = (PhoneNumberType.TOLL_FREE, PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST)
ENGLISH = "zero one two three four five six seven eight nine".split()  # noqa: SIM905
SPANISH = "cero uno dos tres cuatro cinco seis siete ocho nueve".split()  # noqa: SIM905
ZEROS = (0xFF10, 0x0660, 0x06F0, 0x0966, 0x09E6, 0x0E50)
"""The zero of full-width, Arabic, Persian, Devanagari, Bengali and Thai digits."""


def of_people() -> list[tuple[str, phonenumbers.PhoneNumber]]:
    """An example of each type that a person has, of every region that the metadata knows."""
    found = []
    for region in REGIONS:
        for kind in PEOPLE:
            if (example := phonenumbers.example_number_for_type(region, kind)) is not None:
                found.append((region, example))
    return found


def neighbours(number: phonenumbers.PhoneNumber, count: int, dice: random.Random) -> list[phonenumbers.PhoneNumber]:
    """Other valid numbers of a region: an example with its last digits changed."""
    found = []
    national = phonenumbers.national_significant_number(number)
    for _ in range(count * 10):
        tail = "".join(dice.choice("0123456789") for _ in range(4))
        other = phonenumbers.parse(f"+{number.country_code}{national[:-4]}{tail}")
        if phonenumbers.is_valid_number(other) and phonenumbers.number_type(other) in PEOPLE:
            found.append(other)
        if len(found) == count:
            break
    return found


def e164(number: phonenumbers.PhoneNumber) -> str:
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def forms(number: phonenumbers.PhoneNumber) -> list[str]:
    """A number with its country code, as it is written and said in many ways."""
    digits = e164(number)[1:]
    english = " ".join(ENGLISH[int(digit)] for digit in digits)
    spanish = " ".join(SPANISH[int(digit)] for digit in digits)
    written = [
        phonenumbers.format_number(number, style)
        for style in (PhoneNumberFormat.E164, PhoneNumberFormat.INTERNATIONAL, PhoneNumberFormat.RFC3966)
    ]
    scripts = ["+" + "".join(chr(zero + int(digit)) for digit in digits) for zero in ZEROS]
    return [
        *written,
        *scripts,
        f"plus {english}",
        f"plus {english.replace('zero', 'oh')}",
        f"más {spanish}",
        f"+{'-'.join(digits)}",
        f"\u202a+{digits}\u202c",
        f"sip:+{digits}@trunk.example",
        f"+{_doubled(digits)}",
    ]


def _doubled(digits: str) -> str:
    """Equal neighbours as "double five"."""
    said, at = [], 0
    while at < len(digits):
        if digits[at : at + 2] == digits[at] * 2:
            said.append(f"double {ENGLISH[int(digits[at])]}")
            at += 2
        else:
            said.append(digits[at])
            at += 1
    return " ".join(said)


def test_numbers_of_every_region_are_read_in_every_form() -> None:
    """Examples and valid neighbours of over 200 regions: one number however it is written or said."""
    dice = random.Random(19)
    regions = set()
    for region, example in of_people():
        for number in (example, *neighbours(example, 1, dice)):
            regions.add(region)
            for form in forms(number):
                assert phone_number(form, "US") == PhoneNumber(e164=e164(number)), form
    assert len(regions) > 200


def test_a_number_of_the_clinics_country_needs_no_country_code() -> None:
    """As people of each region write it for each other: the clinic's country is the default."""
    for region, example in of_people():
        national = phonenumbers.format_number(example, PhoneNumberFormat.NATIONAL)
        assert phone_number(national, region).e164 == e164(example), region


def test_an_extension_is_kept_apart() -> None:
    """Behind a number of any region, in any of its words; the number is the same as without."""
    marks = ("ext. {}", "x{}", "extension {}", "#{}", ";ext={}", "anexo {}", "int. {}", "доб. {}", "durchwahl {}")
    for number, (_region, example) in enumerate(of_people()):
        mark = marks[number % len(marks)].format(number)
        found = phone_number(f"{e164(example)} {mark}", "US")
        assert (found.e164, found.extension) == (e164(example), str(number)), mark


def test_services_and_short_numbers_are_no_numbers_of_people() -> None:
    """Toll-free, premium and shared-cost examples of every region, and emergency and other short numbers."""
    count = 0
    for region in REGIONS:
        for kind in SERVICES:
            example = phonenumbers.example_number_for_type(region, kind)
            if example is None or phonenumbers.number_type(example) not in SERVICES:
                continue
            count += 1
            with pytest.raises(ValueError, match=r"^not a phone number$"):
                phone_number(e164(example), region)
    assert count > 200
    for short in ("911", "112", "999", "0800", "411", "nine one one", "*67"):
        for region in ("US", "MX", "GB", "DE", "IN"):
            with pytest.raises(ValueError, match=r"^not a phone number$"):
                phone_number(short, region)


SAID = {
    "double": ("four one five, double five five, oh one three seven", "US", "+14155550137"),
    "triple": ("my number is 415 triple five 0137", "US", "+14155550137"),
    "fifty-five": ("eight one two, five fifty-five, oh one four two", "US", "+18125550142"),
    "spanish-pairs": (
        "más cincuenta y dos cincuenta y cinco doce treinta y cuatro cincuenta y seis setenta y ocho",
        "US",
        "+525512345678",
    ),
    "spanish-hundreds": ("seiscientos doce treinta y cuatro cincuenta y seis setenta y ocho", "ES", "+34612345678"),
    "hundred-and-fifteen": ("four hundred fifteen, five five five, oh one three seven", "US", "+14155550137"),
    "eight-hundred-twelve": ("it's eight hundred and twelve 555 0142, please", "US", "+18125550142"),
    "in-a-sentence": ("You can reach me at (415) 555-0137", "US", "+14155550137"),
    "somebody": ("ask Testa Plantedname, 415 555 0137", "US", None),
    "french-pairs": ("zéro six douze trente-quatre cinquante-six soixante-dix-huit", "FR", "+33612345678"),
    "german-pairs": (
        "null eins fünf eins, dreiundzwanzig vierundfünfzig sechs sieben 89",
        "DE",
        "+4915123546789",
    ),
    "portuguese-pairs": ("nove um dois trinta e quatro cinquenta e seis sete oito", "PT", "+351912345678"),
    "too-short": ("nove um dois, trinta e quatro", "PT", None),
    "hindi": ("नौ आठ सात छह पांच चार तीन दो एक शून्य", "IN", "+919876543210"),
    "russian": ("восемь девять один два три четыре пять шесть семь восемь девять", "RU", "+79123456789"),
    "chinese": ("三一二五五五零一四二", "US", "+13125550142"),
    "former-mexican-mobile": ("+52 1 55 1234 5678", "US", "+525512345678"),
    "not-in-the-metadata-yet": ("+972 50 123 4567", "US", "+972501234567"),
    "no-country-code": ("52 55 1234 5678", "US", None),
}


@pytest.mark.parametrize(("said", "country", "number"), SAID.values(), ids=SAID)
def test_what_people_say_is_read(said: str, country: str, number: str | None) -> None:
    """Pairs, hundreds and doubles of several languages; what is too short is asked again."""
    if number is None:
        with pytest.raises(ValueError, match=r"^not a phone number$"):
            phone_number(said, country)
        return
    assert phone_number(said, country).e164 == number


@given(digits=st.text(alphabet="0123456789", min_size=1, max_size=12), spanish=st.booleans())
def test_digits_said_one_by_one_are_those_digits(digits: str, spanish: bool) -> None:
    """Whatever the digits, word by word, they come back; a word that is no number makes it none."""
    words = [(SPANISH if spanish else ENGLISH)[int(digit)] for digit in digits]
    assert digits_said(words) == digits
    assert digits_said([*words, "plantedname"]) is None


@given(st.text(max_size=40))
def test_any_text_is_a_number_or_an_error_that_does_not_quote_it(text: str) -> None:
    """No other exception, and what is read once is read again as itself."""
    with suppress(ValueError):
        found = phone_number(text, "US")
        assert phone_number(found.e164, "MX").e164 == found.e164
    if text and not any(sign.isalnum() for sign in text):
        with pytest.raises(ValueError, match=r"^not a phone number$"):
            phone_number(text, "US")


@pytest.mark.parametrize(
    "sent",
    ["+266696687", "266696687", "sip_anonymous", "anonymous", "Anonymous@anonymous.invalid", "sip:anonymous@x.example",
     "Restricted", "unavailable", "private", "Unknown", "", " ", None],
    ids=repr,
)  # fmt: skip
def test_a_withheld_number_is_none(sent: str | None) -> None:
    """What lines send in place of a number, the keypad's "anonymous" among it."""
    assert calling_number(sent) is None
    assert number_of_line(sent, "US") is None


def test_a_line_has_one_number_in_every_form() -> None:
    """The number that counts failed checks is the same however the trunk writes it; an odd one is kept as it is."""
    assert {number_of_line(sent, "MX") for sent in ("55 1234 5678", "+525512345678", "tel:+52-55-1234-5678")} == {
        "+525512345678"
    }
    assert number_of_line("1001", "US") == "1001"
