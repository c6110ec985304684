"""Legal status of what is sent, and the processors that receive it, as parts of an audit's report.

It holds names of fields, forms and contracts, no value. The status follows from the policy and the destinations; the
contracts are the clinic's own statement, copied from `processors.yaml`.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

VOICE_PATH = ("azure_openai", "livekit", "sip_carrier")
"""Processors of every real call, whatever the destinations are."""
LOCAL = frozenset({"archive"})
"""Destinations that stay on this host."""
_PLACEHOLDERS = frozenset(
    {"todo", "tbd", "tba", "fixme", "n/a", "na", "none", "null", "unknown", "pending", "example", "x", "xxx", "?", "-"}
)
Text = Annotated[str, Field(max_length=300)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SentField(_Part):
    """One field that is sent in a form that is not Safe Harbor's: its letter, if it has one, and the form."""

    field: str
    category: str
    letter: Annotated[str, Field(pattern=r"^[A-R]$")] | None
    form: str


class Processor(_Part):
    """A destination or processor in use, with the contract that the clinic states for it; None: not stated."""

    name: str
    service: Text | None = None
    receives: Text | None = None
    baa_reference: Text | None = None
    baa_date: date | None = None
    baa_not_needed: Text | None = None
    region: Text | None = None
    retention: Text | None = None
    sub_processors: Annotated[tuple[Text, ...], Field(max_length=100)] | None = None
    not_used: Text | None = None

    def lacking(self, on: date) -> tuple[str, ...]:
        """Return the fields that are not filled in, as of the day of an audit; empty where the entry is complete."""
        if _is_said(self.not_used) and (self.name in VOICE_PATH):
            return ()
        found = [name for name in ("service", "receives", "region", "retention") if not _is_said(getattr(self, name))]
        if not _is_said(self.baa_not_needed):
            if not _is_said(self.baa_reference):
                found.append("baa.reference")
            if self.baa_date is None:
                found.append("baa.date")
            elif self.baa_date > on:
                found.append("a baa.date that is not in the future")
        if self.sub_processors is None or not all(map(_is_said, self.sub_processors)):
            found.append("sub_processors")
        return tuple(found)


class LegalStatus(_Part):
    """What the policy makes of the data that are sent, in the terms of 45 CFR 164.514."""

    status: Literal["phi", "safe_harbor_fields"]
    """`safe_harbor_fields`: each of the 18 fields is removed or coarse enough; free text is not judged by it."""
    sent: tuple[SentField, ...]
    """Fields that make it PHI; of `safe_harbor_fields`, those that are sent and belong to none of the 18."""
    exact_time: bool
    arrival_shows_day: bool
    """The times are shifted, but a remote destination sees the day of the call by the time of arrival."""
    free_text: tuple[str, ...]
    free_text_max: int
    """The most characters of one free text."""
    processors: tuple[Processor, ...]
    processors_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def incomplete_processors(status: LegalStatus | None, destinations: tuple[str, ...], on: date) -> Iterator[str]:
    """Yield what a GO in prod lacks: an entry for each destination and processor, each of them complete."""
    if status is None:
        yield "the report does not state the legal status of what is sent"
        return
    entries = {one.name: one for one in status.processors}
    for name in (*VOICE_PATH, *(one for one in destinations if one not in LOCAL)):
        if name not in entries:
            yield f"processors.yaml: {name} has no entry"
        elif name not in VOICE_PATH and entries[name].not_used is not None:
            yield f"processors.yaml: {name} is in use, and its entry says not_used"
    for one in status.processors:
        if lacking := one.lacking(on):
            yield f"processors.yaml: {one.name} lacks {', '.join(lacking)}"


def _is_said(text: str | None) -> bool:
    return text is not None and text.strip().casefold().strip(".!<>[]{}") not in {"", *_PLACEHOLDERS}
