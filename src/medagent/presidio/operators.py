"""Our actions as operators of Presidio's AnonymizerEngine: `for each in OPERATORS: engine.add_anonymizer(each)`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from presidio_anonymizer.entities import InvalidParamError
from presidio_anonymizer.operators import Operator, OperatorType

from medagent.proof import PseudonymKey
from medagent.redaction import REDACTED, Category, KnownValues
from medagent.redaction.actions import bucket, pseudonym, truncate
from medagent.redaction.policy import Bucket
from medagent.redaction.rules import LONGEST_TEXT, SHORTEST_TEXT
from medagent.redaction.text import scrub

_KEY_BYTES = 32


class _Action(Operator):
    """What all of them share; a parameter is checked before a text is touched, and no error quotes one."""

    name = ""

    def validate(self, params: Mapping[str, Any] | None = None) -> None:
        """Raise `InvalidParamError` for parameters that mean nothing here."""

    def operator_name(self) -> str:
        """The name that a configuration uses."""
        return self.name

    def operator_type(self) -> OperatorType:
        """All take away, none gives back."""
        return OperatorType.Anonymize


class Redact(_Action):
    """`medagent_redact`: `<REDACTED>`."""

    name = "medagent_redact"

    def operate(self, text: str, params: Mapping[str, Any] | None = None) -> str:
        """Nothing of the text."""
        return REDACTED


class Truncate(_Action):
    """`medagent_truncate` with `max` code points (12 to 50): scrubbed first, since to cut is not to de-identify."""

    name = "medagent_truncate"

    def operate(self, text: str, params: Mapping[str, Any] | None = None) -> str:
        """What may leave of a free text."""
        return truncate(scrub(text, KnownValues()).text, _limit(params))

    def validate(self, params: Mapping[str, Any] | None = None) -> None:
        """`max` is a length that a policy could ask for."""
        _limit(params)


class Pseudonym(_Action):
    """`medagent_pseudonym` with `key`, 32 bytes or more, and a `category` of ours."""

    name = "medagent_pseudonym"

    def operate(self, text: str, params: Mapping[str, Any] | None = None) -> str:
        """The same `psn_…` for the same text of the same category under the same key."""
        key, category = _key_and_category(params)
        return pseudonym(text, category, PseudonymKey(secret=key))

    def validate(self, params: Mapping[str, Any] | None = None) -> None:
        """A key that is long enough, a category that there is."""
        _key_and_category(params)


class BucketOperator(_Action):
    """`medagent_bucket` with `bucket`: `year` for dates, `age` for ages."""

    name = "medagent_bucket"

    def operate(self, text: str, params: Mapping[str, Any] | None = None) -> str:
        """The year, or the age up to 89 and `90+` above; `<REDACTED>` for what is neither."""
        return str(bucket(text, _size(params)))

    def validate(self, params: Mapping[str, Any] | None = None) -> None:
        """A bucket that there is."""
        _size(params)


OPERATORS: tuple[type[Operator], ...] = (Redact, Truncate, Pseudonym, BucketOperator)


def _limit(params: Mapping[str, Any] | None) -> int:
    limit = (params or {}).get("max", LONGEST_TEXT)
    if type(limit) is not int or not SHORTEST_TEXT <= limit <= LONGEST_TEXT:
        raise InvalidParamError(f"'max' is a number of code points from {SHORTEST_TEXT} to {LONGEST_TEXT}")
    return limit


def _key_and_category(params: Mapping[str, Any] | None) -> tuple[bytes, Category]:
    key, category = (params or {}).get("key"), (params or {}).get("category")
    if not isinstance(key, bytes) or len(key) < _KEY_BYTES:
        raise InvalidParamError(f"'key' is {_KEY_BYTES} bytes or more")
    try:
        return key, Category(str(category))
    except ValueError:
        raise InvalidParamError(f"'category' is one of {', '.join(Category)}") from None


def _size(params: Mapping[str, Any] | None) -> Bucket:
    try:
        return Bucket((params or {}).get("bucket"))
    except ValueError:
        raise InvalidParamError("'bucket' is year or age") from None
