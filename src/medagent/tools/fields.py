"""The kinds of argument that tools share: strict in form, since a model guesses, and kind to what people say."""

from __future__ import annotations

import re
import unicodedata
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, StringConstraints, ValidationInfo, WithJsonSchema

from medagent.clinic import WRITTEN_ID, PhoneNumber, as_said, display_name, phone_number

_LONGEST_NUMBER = 200
_JOINERS = "\u200c\u200d"


def e164(said: str, country: str = "US") -> str:
    """Return a phone number in E.164, without its extension.

    Args:
        said: A number as it was written or said.
        country: Country whose form a number without a country code has, as ISO 3166 alpha-2.

    Returns:
        `+` and digits.

    Raises:
        ValueError: Not a number of a person's line; the text does not quote it.
    """
    return phone_number(said, country).e164


def confirmation(said: str) -> str:
    """A confirmation id as it was given, whatever came of it on the line: case, spaces, O for 0, I and L for 1.

    Raises `ValueError`, without the id, where it has not the form of one.
    """
    body = re.sub(r"[^0-9A-Z]", "", said.upper())
    body = body.removeprefix("LC") if len(body) > 6 else body
    made = "LC-" + body.replace("O", "0").replace("I", "1").replace("L", "1")
    if not re.fullmatch(WRITTEN_ID, made):
        raise ValueError("not a confirmation id")
    return made


def _one_line(text: str) -> str:
    # Joiners are part of Persian, of Indic scripts and of emoji; other invisible signs are not needed by anybody.
    kept = "".join(sign for sign in text if sign in _JOINERS or unicodedata.category(sign) != "Cf")
    line = " ".join(kept.split())
    shown = line.translate(dict.fromkeys(map(ord, _JOINERS)))
    if not shown or not shown.isprintable():
        raise ValueError("not a line of text")
    return line


def _number(value: Any, info: ValidationInfo) -> PhoneNumber:
    if not isinstance(value, str) or len(value) > _LONGEST_NUMBER:
        raise ValueError("not a phone number")
    country = (info.context or {}).get("country")
    return phone_number(value, "US" if country is None else country())


def _whole(value: Any) -> Any:
    # Half a surrogate pair is what a cut-off stream leaves; the rest of the text still has to be read.
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value


def _iso(form: str) -> BeforeValidator:
    # Pydantic alone would read a number as a time, and a bare date as its midnight.
    shape = re.compile(form, re.ASCII)

    def check(value: Any) -> Any:
        if isinstance(value, str) and shape.fullmatch(value):
            return value
        raise ValueError("not ISO 8601")

    return BeforeValidator(check)


Line = Annotated[str, StringConstraints(max_length=200), AfterValidator(_one_line)]
"""A short text without control characters; spaces and line breaks are made one space."""
Name = Annotated[str, StringConstraints(max_length=200), AfterValidator(display_name)]
"""A person's name in any script, as it was said, without invisible signs."""
Text = Annotated[str, StringConstraints(max_length=1_000), AfterValidator(_one_line)]
"""A longer `Line`."""
Question = Annotated[str, StringConstraints(max_length=10_000), BeforeValidator(_whole)]
"""Whatever a caller says, in any form: nobody in distress is told that the form is wrong."""
Email = Annotated[
    str, StringConstraints(max_length=254, strip_whitespace=True, pattern=r"^[!-?A-~]+@[!-?A-~]+\.[!-?A-~]+$")
]
Phone = Annotated[
    PhoneNumber, BeforeValidator(_number), WithJsonSchema({"type": "string", "maxLength": _LONGEST_NUMBER})
]
"""A phone number of any country; without a country code it is one of the clinic's, which the context names."""
Confirmation = Annotated[str, StringConstraints(max_length=40), AfterValidator(confirmation)]
"""A confirmation id, in the form in which the clinic keeps it."""
Day = Annotated[date, _iso(r"(19|20)\d\d-\d\d-\d\d")]
Moment = Annotated[datetime, _iso(r"20\d\d-\d\d-\d\d[T ]\d\d:\d\d.*"), AfterValidator(as_said)]
"""A date with a time; without an offset it is meant in the place's own zone."""
