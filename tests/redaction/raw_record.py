"""The simplest record there may be, and the packaged policy with the rosters and the key of an invented clinic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from medagent.proof import PseudonymKey
from medagent.redaction import KnownValues, Redacted, Redactor
from packaged import packaged_policy

DOCTOR = "Dr. Amara Okafor"
PLACE = "Lakeside Main Street"
SLOT = "2026-05-04T09:30:00-05:00"
KEY = PseudonymKey(secret=b"k" * 32)
POLICY = packaged_policy()
REDACTOR = Redactor(POLICY, keys=KEY, rosters={"doctors": [DOCTOR], "locations": [PLACE]})


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRecord:
    name: str
    fields: Mapping[str, object] = field(repr=False)


def treat(
    name: str, fields: Mapping[str, object], *, at_us: int | None = None, withhold_text: bool = False
) -> Redacted:
    record = RawRecord(name=name, fields=fields)
    known = KnownValues()
    known.learn(REDACTOR.identifiers(record))
    return REDACTOR.redact(record, known, at_us=at_us, withhold_text=withhold_text)


def booking(**arguments: object) -> Redacted:
    return treat("tool.book_appointment", {"arguments": arguments})
