"""Field names that mean an identifier of a person: the floor under every policy.

A value under such a name always teaches the call's known values, and no rule may let it out as it was said. The list is
the only one: the engine learns by it, the loader and `policy lint` refuse by it.

A name is read as words, whatever its spelling (`patientName`, `Patient-Name`, `patientname`), and is an identifier
where it holds one of the phrases below. The words before the phrase say whose it is: the clinic's phone and the
doctor's name are not a patient's. The words behind it may say that the field is only about the value
(`phone_verified`). An unknown word beside a phrase changes nothing: on a doubt the name is an identifier.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence

from medagent.redaction.policy import Category
from medagent.redaction.raw import plain_key


def _phrases(text: str) -> frozenset[tuple[str, ...]]:
    return frozenset(tuple(phrase.split("_")) for phrase in text.split())


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_ANYWHERE: Mapping[Category, frozenset[tuple[str, ...]]] = {
    Category.NAME: _phrases(
        "first_name last_name middle_name full_name given_name family_name maiden_name legal_name preferred_name "
        "birth_name nick_name nickname surname forename emergency_contact next_of_kin vorname nachname prenom "
        "apellido"
    ),
    Category.PHONE: _phrases(
        "phone telephone cellphone mobile_number cell_number mobile_no cell_no fax fax_number msisdn whatsapp pager "
        "tel_no contact_number contact_no callback_number call_back_number caller_number caller_id number_to_call "
        "telefon handynummer telefono"
    ),
    Category.EMAIL: _phrases("email e_mail mail_address email_address correo"),
    Category.DATE_OF_BIRTH: _phrases(
        "dob date_of_birth day_of_birth month_of_birth year_of_birth birth_date birth_day birth_month birth_year "
        "birthdate birthday bday born born_on geburtsdatum"
    ),
    Category.MRN: _phrases(
        "mrn medical_record medical_record_number record_number patient_number patient_no chart_number chart_no "
        "chart_id"
    ),
    Category.ADDRESS: _phrases(
        "address addr street zip_code zipcode postcode post_code postal_code plz adresse direccion residence "
        "birth_place birthplace place_of_birth house_number hometown home_town"
    ),
    Category.IDENTIFIER: _phrases(
        "ssn social_security nhs_number nino national_id national_insurance tax_id tin_number itin ahv aadhaar "
        "patient_id customer_id client_id user_id person_id guest_id member_id member_number member_no subscriber_id "
        "beneficiary_id participant_id participant_identity insurance_id insurance_number insurance_no "
        "insurance_policy policy_number policy_no group_number claim_number health_plan_number medicare_number "
        "medicaid_number account_number account_no account_id iban credit_card card_number card_no license_number "
        "licence_number license_no licence_no license_id licence_id license_plate licence_plate driver_license "
        "driver_licence drivers_license drivers_licence driving_licence plate_number vin passport certificate_number "
        "device_id device_serial serial_number imei imsi mac_address ip_address ipv4 ipv6 voiceprint voice_print "
        "fingerprint finger_print photo_url identity_number id_number id_card id_no room_id"
    ),
}
"""Phrases that mean an identifier at any place of a name."""
_ALONE: Mapping[Category, frozenset[tuple[str, ...]]] = {
    Category.PHONE: _phrases("mobile cell tel handy"),
    Category.EMAIL: _phrases("mail"),
    Category.ADDRESS: _phrases("zip city town county"),
    Category.IDENTIFIER: _phrases("ip photo photograph selfie plate url website homepage username license licence"),
}
"""Phrases that mean one where nothing else stands beside them but whose it is, or which of several."""
_PEOPLE_ALONE = _words("patient caller")
"""A text under such a name is the person's own name; an object under it holds fields of many kinds."""
_PEOPLE = _words(
    "patient caller customer client member user person people contact guest guardian mother father parent child son "
    "daughter baby spouse partner husband wife relative relation kin subscriber insured policyholder beneficiary "
    "holder cardholder recipient attendee applicant tenant resident subject participant sender callee emergency who "
    "their your my his her family household employer payer guarantor proxy caregiver carer human individual"
)
"""Whose identifiers count; `name` alone behind one of them is a person's."""
_OTHERS = _words(
    "doctor dr physician provider nurse staff clinic clinician practitioner surgeon dentist therapist practice "
    "hospital pharmacy office department guideline tool model policy agent assistant bot file host function span "
    "event room location plan product drug medication medicine holiday company organization organisation org "
    "business store branch site school service server system queue voice vendor supplier support desk destination"
)
"""Not a patient: what stands directly behind one of these words is public, or a machine's."""
_WHICH = _words(
    "home work mobile cell primary secondary main other alternate alternative alt old new current previous prior "
    "billing mailing shipping postal residential permanent temporary private personal business daytime evening best "
    "preferred raw normalized normalised formatted clean spoken heard spelled full long short the a of on at number "
    "no num nr id value text string e164 iso digits line line1 line2 1 2 3 4 5 one two three again confirmed"
)
_BARE_NAMES = _words("name names first last given family middle full")
_BESIDE_LONE = _WHICH | _PEOPLE | {"name", "code"}
_ABOUT = _words(
    "type kind country verified unverified valid invalid validity verification validated status state sent count "
    "counts present provided given known unknown missing required exists match matches matched matching confidence "
    "score attempts attempt length format language lang preference preferences template label consent opt optin seen "
    "asked found ok error errors changed changes updated is has was"
)
"""Words behind a phrase that make the field one about a value, not the value."""
_ASKS = _words(
    "is has have was were can may needs need num count ask asks asked verify verifies verified requires show"
)
_COUNTED_IN = _words("categories counts totals")
_ARGUMENTS = _words("arguments args parameters params")
_PLURALS = {"cities": "city", "counties": "county", "addresses": "address", "addrs": "addr"}
_GAP = re.compile(r"[\W_]+")
_CAMEL = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^A-Za-z0-9]+")
_LONGEST_NAME = 120
_HINT = re.compile(
    "name|phon|tel|mobil|cell|fax|msisdn|whatsapp|pager|number|caller|mail|birth|born|dob|bday|mrn|record|patient|ch "
    "art|addr|street|zip|postc|postal|plz|direccion|residen|home|city|town|county|house|ssn|security|nhs|nino|nation "
    "al|tax|tin|ahv|aadhaar|member|subscrib|benefic|participant|insur|policy|group|claim|health|medica|account|iban| "
    "card|licen|driv|plate|vin|passport|certif|device|serial|imei|imsi|mac|ip|voice|finger|photo|selfie|ident|room|v "
    "orn|nachn|apellido|prenom|correo|adresse|geburt|handy|url|website|user|first|last|given|family|middle|maiden|co "
    "ntact|call|id"
)


def identifier_category(name: str, *, within: Sequence[str] = ()) -> Category | None:
    """Return which identifier a field of this name holds; None where its name means none.

    Args:
        name: the field's own name, in any spelling.
        within: the names of the objects that it stands in, outermost first: `name` is a person's within `patient`
            or `arguments`, and whatever stands within `address` is a part of one.
    """
    found = category_of_name(name)
    if found is not None or not within:
        return found
    inherited = next((category for category in map(category_of_name, reversed(within)) if category is not None), None)
    if inherited is not None:
        return inherited if _ABOUT.isdisjoint(_split(name)) else None
    is_bare = plain_key(name) in _BARE_NAMES
    return Category.NAME if is_bare and _is_a_persons_name(name, _split(within[-1])) else None


def category_of_name(name: str) -> Category | None:
    """Return what a name means by itself, wherever it stands; `patient` alone is an object, or a text of no kind."""
    if len(name) > _LONGEST_NAME or not _HINT.search(plain_key(name)):
        return None
    words = _split(name)
    return _of_words(words) or (_of_words(_segmented("".join(words))) if len(words) > 1 else None)


def holds_counts(within: Sequence[str]) -> bool:
    """Return whether the numbers of an object say how many, as in `categories.phone` of a guardrail."""
    return bool(within) and within[-1] in _COUNTED_IN


def is_a_person(name: str) -> bool:
    """Return whether a text under this name is a person's own name, such as under `caller`."""
    return plain_key(name) in _PEOPLE_ALONE


def _is_a_persons_name(bare: str, around: tuple[str, ...]) -> bool:
    """Whether a bare `name`, or a part of one, stands directly within a person, or `name` within a tool's arguments."""
    if around[-1:] and around[-1] in _ARGUMENTS:
        return plain_key(bare) == "name"
    return not _PEOPLE.isdisjoint(around) and _OTHERS.isdisjoint(around)


def _of_words(words: tuple[str, ...]) -> Category | None:
    """The category of the phrase that ends last, the longest of several; else a person's `… name`."""
    if not words or words[0] in _ASKS:
        return None
    for end in range(len(words), 0, -1):
        for begin in range(max(0, end - _LONGEST_PHRASE), end):
            category = _PHRASES.get(words[begin:end])
            if category is not None and _is_a_persons(words, begin, end):
                return category
    return Category.NAME if _names_a_person(words) else None


def _is_a_persons(words: tuple[str, ...], begin: int, end: int) -> bool:
    """Whether the words around a phrase leave it an identifier of a patient."""
    before, behind = words[:begin], words[end:]
    if any(word in _ABOUT for word in behind):
        return False
    owner = next((word for word in reversed(before) if word not in _WHICH), None)
    if owner in _OTHERS:
        return False
    return words[begin:end] not in _LONE or _BESIDE_LONE.issuperset((*before, *behind))


def _names_a_person(words: tuple[str, ...]) -> bool:
    """Whether the words are `… name` of a person, such as `patient_name` or `emergency_contact_name_2`."""
    for at, word in enumerate(words):
        if word == "name" and at and not any(each in _ABOUT for each in words[at + 1 :]):
            owner = next((each for each in reversed(words[:at]) if each not in _WHICH), None)
            if owner in _PEOPLE:
                return True
    return False


def _split(name: str) -> tuple[str, ...]:
    """The words of a name in small letters and in the singular; a word that is several is parted."""
    decomposed = unicodedata.normalize("NFKD", name)
    plain = "".join(c for c in decomposed if not unicodedata.combining(c) and unicodedata.category(c) != "Cf")
    words: list[str] = []
    for part in filter(None, _GAP.split(plain)):
        for word in _CAMEL.findall(part):
            words += _segmented(_singular(word.casefold()))
    return tuple(words)


def _singular(word: str) -> str:
    if word in _PLURALS:
        return _PLURALS[word]
    if word not in _VOCABULARY and word.endswith("s") and word[:-1] in _VOCABULARY:
        return word[:-1]
    return word


def _segmented(word: str) -> tuple[str, ...]:
    """A word as the known words that it is made of without a gap (`dateofbirth`); itself where it is not."""
    if word in _VOCABULARY or not _HINT.search(word):
        return (word,)
    parts: list[tuple[str, ...] | None] = [()] + [None] * len(word)
    for end in range(1, len(word) + 1):
        for begin in range(max(0, end - _LONGEST_WORD), end):
            head = parts[begin]
            if head is not None and end - begin > 1 and word[begin:end] in _VOCABULARY and parts[end] is None:
                parts[end] = (*head, word[begin:end])
    whole = parts[len(word)]
    if whole is None and word.endswith("s"):
        whole = _segmented(word[:-1]) if len(_segmented(word[:-1])) > 1 else None
    return whole or (word,)


_PHRASES: Mapping[tuple[str, ...], Category] = {
    phrase: category for table in (_ALONE, _ANYWHERE) for category, phrases in table.items() for phrase in phrases
}
_LONE = frozenset(phrase for phrases in _ALONE.values() for phrase in phrases)
_VOCABULARY = (
    frozenset(word for phrase in _PHRASES for word in phrase)
    | _PEOPLE
    | _OTHERS
    | _WHICH
    | _ABOUT
    | _ASKS
    | {"name", "number", "date"}
)
_LONGEST_WORD = max(map(len, _VOCABULARY))
_LONGEST_PHRASE = max(map(len, _PHRASES))
