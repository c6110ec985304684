"""What a reviewer reads: a call's spans as they left, on one sheet, in some of them a leak put there on purpose.

Which ones have a leak cannot be told from the sheet, nor from the run's seed: they are drawn from the operating
system's randomness. The report commits to it by a salted hash for each sheet; the salts are sealed to the officers who
sign off, who open them after the reviews. So a reviewer cannot know, and a stranger can check afterwards.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from medagent.attestation.officers import REVIEWER, Officer
from medagent.attestation.report import Annex, SampledTrace
from medagent.attestation.statements import Opening
from medagent.audit.annex import open_with, seal_for
from medagent.errors import AttestationError
from medagent.proof import Json, canonical
from medagent.telemetry.span import SafeSpan

_MARK = "<REDACTED>"
_RANDOM = secrets.SystemRandom()
_OPENINGS = TypeAdapter(tuple[Opening, ...])


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SheetText(_Part):
    """One text value of a span, under its path in the sheet."""

    path: str
    text: str


class SheetSpan(_Part):
    """One line of the waterfall: depth in the tree, milliseconds from the call's start, and every text in it."""

    name: str
    depth: int = Field(ge=0)
    start_ms: float
    duration_ms: float
    status: Literal["ok", "error"]
    texts: tuple[SheetText, ...]


class Worksheet(_Part):
    """One call for a reviewer."""

    format: Literal["medagent-worksheet/1"] = "medagent-worksheet/1"
    trace_id: str
    spans: tuple[SheetSpan, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        """Where its texts stand, in the order of the sheet."""
        return tuple(text.path for span in self.spans for text in span.texts)

    def document(self) -> bytes:
        """The file's bytes."""
        return canonical(self.model_dump(mode="json"))

    @classmethod
    def parse(cls, content: bytes) -> Worksheet:
        """Read a file; raises `AttestationError` where it is not a worksheet."""
        try:
            return cls.model_validate_json(content)
        except ValidationError:
            raise AttestationError("an annex is not the worksheet that it should be") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """The sample as the report holds it, the annexes to lay beside it, and what the report commits to."""

    traces: tuple[SampledTrace, ...]
    planted_copies: int
    files: Mapping[str, bytes]
    annexes: tuple[Annex, ...]
    openings: tuple[Opening, ...]


def worksheet(spans: Sequence[SafeSpan]) -> Worksheet:
    """A call's sheet: its spans in the order in which they began."""
    ordered = sorted(
        spans, key=lambda span: (span.start_us, len(span.ancestors), span.seal.sequence if span.seal else 0)
    )
    began = ordered[0].start_us
    return Worksheet(
        trace_id=ordered[0].trace_id,
        spans=tuple(
            SheetSpan(
                name=span.name,
                depth=len(span.ancestors),
                start_ms=(span.start_us - began) / 1000,
                duration_ms=(span.end_us - span.start_us) / 1000,
                status=span.status,
                texts=tuple(_texts(dict(span.fields), f"{number}.{span.name}")),
            )
            for number, span in enumerate(ordered, 1)
        ),
    )


def sample(
    calls: Sequence[Sequence[SafeSpan]],
    *,
    leaks: Sequence[str],
    planted_copies: int,
    officers: Sequence[Officer],
    folder: str = "annex",
) -> Sampled:
    """The sheets of the sampled calls, a different one of `leaks` written into each of `planted_copies` of them.

    Raises `AttestationError` where there are fewer leaks to plant, or fewer sheets with a text, than copies asked for.
    """
    sheets = [worksheet(spans) for spans in calls]
    able = [number for number, sheet in enumerate(sheets) if sheet.paths]
    if planted_copies > min(len(leaks), len(able)):
        raise AttestationError(f"{planted_copies} copies cannot be planted: too few sheets with a text, or leaks")
    chosen = dict(zip(_RANDOM.sample(able, planted_copies), _RANDOM.sample(list(leaks), planted_copies), strict=True))
    files: dict[str, bytes] = {}
    traces: list[SampledTrace] = []
    openings: list[Opening] = []
    for number, clean in enumerate(sheets):
        sheet, planted = _planted(clean, chosen[number]) if number in chosen else (clean, ())
        opening = Opening(trace_id=sheet.trace_id, salt=secrets.token_hex(32), planted=planted)
        content = files[f"{folder}/worksheet-{number + 1:02}.json"] = sheet.document()
        openings.append(opening)
        traces.append(
            SampledTrace(
                trace_id=sheet.trace_id, sha256=hashlib.sha256(content).hexdigest(), commitment=opening.commitment
            )
        )
    sheets_alone = tuple(files)
    secret = canonical([one.model_dump(mode="json") for one in openings])
    for officer in officers:
        if officer.annex_key is not None and set(officer.roles) - {REVIEWER}:
            files[f"{folder}/{openings_name(officer)}"] = seal_for(officer.annex_key, secret)
    return Sampled(
        traces=tuple(traces),
        planted_copies=planted_copies,
        files=files,
        annexes=tuple(
            Annex(name=name, sha256=hashlib.sha256(content).hexdigest(), encrypted=name not in sheets_alone)
            for name, content in files.items()
        ),
        openings=tuple(openings),
    )


def openings_name(officer: Officer) -> str:
    """The file in which an officer finds what was planted."""
    return f"openings-{officer.key.key_id}.sealed"


def opened(blob: bytes, private: X25519PrivateKey) -> tuple[Opening, ...]:
    """What was planted, as an officer reads it; raises `AnnexError` where this key does not open it."""
    try:
        return _OPENINGS.validate_json(open_with(private, blob))
    except ValidationError:
        raise AttestationError("the sealed annex does not hold what was planted") from None


def _planted(sheet: Worksheet, leak: str) -> tuple[Worksheet, tuple[str, ...]]:
    """The sheet with a leak in one of its texts: for a mark of the redactor if there is one, else behind the text.

    Nothing of the call's own text is taken away, so a sheet with a leak is read as a sheet without one is.
    """
    texts = [text for span in sheet.spans for text in span.texts]
    at = _RANDOM.choice(
        [text for text in texts if _MARK in text.text] or [text for text in texts if " " in text.text] or texts
    )
    said = at.text.replace(_MARK, leak, 1) if _MARK in at.text else f"{at.text} {leak}"
    spans = [
        span.model_copy(
            update={
                "texts": tuple(
                    SheetText(path=text.path, text=said) if text.path == at.path else text for text in span.texts
                )
            }
        )
        for span in sheet.spans
    ]
    return sheet.model_copy(update={"spans": tuple(spans)}), (at.path,)


def _texts(value: Json, path: str) -> Iterator[SheetText]:
    """Every text below a value: strings, and numbers too, since a number can be somebody's."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, f"{path}.{key}")
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for number, inner in enumerate(value):
            yield from _texts(inner, f"{path}[{number}]")
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield SheetText(path=path, text=value if isinstance(value, str) else json.dumps(value))
