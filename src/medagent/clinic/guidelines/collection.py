"""The entries of the collection, read from the YAML file beside this one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, StringConstraints, TypeAdapter, model_validator

from medagent.clinic.guidelines.red_flags import Sign, read_sign

_Words = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Guideline:
    """One piece of general advice; one for an emergency has `signs` and `advice`, any other has `asked`.

    `asked` holds the words in which people ask, `source_date` is the day on which the entry was written.
    """

    guideline_id: str
    title: str
    text: str
    source: str
    source_date: date
    asked: str | None
    advice: str | None
    signs: tuple[Sign, ...]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, StringConstraints(pattern=r"^[a-z]+(-[a-z0-9]+)*$")]
    title: _Words
    text: _Words
    source: _Words
    source_date: date
    asked: _Words | None = None
    advice: _Words | None = None
    signs: tuple[_Words, ...] = ()

    @model_validator(mode="after")
    def _is_one_kind(self) -> _Entry:
        if not (self.asked is None) == (self.advice is not None) == bool(self.signs):
            raise ValueError("an entry has either 'asked' or both 'signs' and 'advice'")
        return self


@cache
def collection() -> tuple[Guideline, ...]:
    """All entries, in the order of the file; an entry that is not one raises `ValueError` at the first use."""
    text = (resources.files("medagent.clinic.guidelines") / "guidelines.yaml").read_text(encoding="utf-8")
    entries = TypeAdapter(tuple[_Entry, ...]).validate_python(yaml.safe_load(text))
    return tuple(
        Guideline(
            guideline_id=entry.id,
            title=entry.title,
            text=entry.text,
            source=entry.source,
            source_date=entry.source_date,
            asked=entry.asked,
            advice=entry.advice,
            signs=tuple(map(read_sign, entry.signs)),
        )
        for entry in entries
    )
