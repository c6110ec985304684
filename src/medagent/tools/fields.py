"""The kinds of argument that tools share: strict in form, since a model guesses, and kind to what people say."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, StringConstraints

from medagent.clinic import WRITTEN_ID

_WRITTEN = re.compile(r"\+?[0-9 ().\-/\u2011\u2013]+")
_ABROAD = re.compile(r"\+|00|011")
_PLANS = re.compile(
    r"1[2-9][0-9]{2}[2-9][0-9]{6}"  # United States, Canada
    r"|44[1-9][0-9]{8,9}"  # United Kingdom
    r"|41[1-9][0-9]{8}"  # Switzerland
    r"|49[1-9][0-9]{5,10}"  # Germany
    r"|33[1-9][0-9]{8}"  # France
)


def e164(written: str) -> str:
    """A phone number as `+` and digits; without a country code it is a North American one.

    Raises `ValueError`, without the number, where it fits no plan.
    """
    digits = ""
    if _WRITTEN.fullmatch(written):
        abroad = _ABROAD.match(written)
        # "+44 (0)20 …": the zero in brackets is for those who call from within.
        rest = written[abroad.end() :].replace("(0)", "") if abroad else written
        digits = re.sub(r"[^0-9]", "", rest)
        if not abroad and len(digits) == 10:
            digits = f"1{digits}"
        elif not abroad and not digits.startswith("1"):
            digits = ""
    if not _PLANS.fullmatch(digits):
        raise ValueError("not a phone number")
    return f"+{digits}"


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
    line = " ".join(text.split())
    if not line or not line.isprintable():
        raise ValueError("not a line of text")
    return line


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
Text = Annotated[str, StringConstraints(max_length=1_000), AfterValidator(_one_line)]
"""A longer `Line`."""
Question = Annotated[str, StringConstraints(max_length=10_000), BeforeValidator(_whole)]
"""Whatever a caller says, in any form: nobody in distress is told that the form is wrong."""
Email = Annotated[
    str, StringConstraints(max_length=254, strip_whitespace=True, pattern=r"^[!-?A-~]+@[!-?A-~]+\.[!-?A-~]+$")
]
Phone = Annotated[str, StringConstraints(max_length=40, strip_whitespace=True), AfterValidator(e164)]
"""A phone number, in E.164 once it is read."""
Confirmation = Annotated[str, StringConstraints(max_length=40), AfterValidator(confirmation)]
"""A confirmation id, in the form in which the clinic keeps it."""
Day = Annotated[date, _iso(r"(19|20)\d\d-\d\d-\d\d")]
Moment = Annotated[datetime, _iso(r"20\d\d-\d\d-\d\d[T ]\d\d:\d\d.*")]
"""A date with a time; without an offset it is meant in the clinic's own zone."""
