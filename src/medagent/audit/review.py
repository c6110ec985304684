"""What a reviewer reads: a call's spans as they left, on one sheet, in some of them a leak put there on purpose.

A leak keeps the shape of its field (`shaped_leaks.py`), so that who only looks for shapes finds none.

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
from medagent.audit.shaped_leaks import Leaks, Place, leak_in, place_of
from medagent.errors import AttestationError
from medagent.proof import Json, canonical
from medagent.redaction import Policy, Rule
from medagent.telemetry.span import SafeSpan

_RANDOM = secrets.SystemRandom()
_OPENINGS = TypeAdapter(tuple[Opening, ...])


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SheetText(_Part):
    """One text value of a span, under its path in the sheet; `free` is a text whose words somebody chose."""

    path: str
    text: str
    free: bool = False


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

    def count(self, *, free: bool) -> int:
        """How many texts are free, or are not."""
        return sum(text.free is free for span in self.spans for text in span.texts)

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


def worksheet(spans: Sequence[SafeSpan], policy: Policy) -> Worksheet:
    """A call's sheet: its spans in the order in which they began, each text marked free where the policy says so."""
    ordered = _ordered(spans)
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
                texts=tuple(
                    SheetText(path=f"{number}.{span.name}{shown}", text=text, free=rule is not None and rule.free_text)
                    for shown, rule, text in _texts(span, policy)
                ),
            )
            for number, span in enumerate(ordered, 1)
        ),
    )


def sample(
    calls: Sequence[Sequence[SafeSpan]],
    *,
    policy: Policy,
    leaks: Leaks,
    planted_copies: int,
    officers: Sequence[Officer],
    folder: str = "annex",
) -> Sampled:
    """The sheets of the sampled calls, in `planted_copies` of them one text with a leak of the text's own shape.

    Raises `AttestationError` where fewer sheets than that have a text which can hold one of `leaks`.
    """
    sheets = [worksheet(spans, policy) for spans in calls]
    able = {number: sites for number, spans in enumerate(calls) if (sites := _sites(spans, policy, leaks))}
    if planted_copies > len(able):
        raise AttestationError(f"{planted_copies} copies cannot be planted: too few sheets with a text for a leak")
    chosen = {number: able[number] for number in _RANDOM.sample(sorted(able), planted_copies)}
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
                trace_id=sheet.trace_id,
                sha256=hashlib.sha256(content).hexdigest(),
                commitment=opening.commitment,
                free_texts=sheet.count(free=True),
                other_texts=sheet.count(free=False),
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


def can_hold_leak(spans: Sequence[SafeSpan], policy: Policy, leaks: Leaks) -> bool:
    """Whether a call has a text in whose place one of the leaks keeps its shape."""
    return bool(_sites(spans, policy, leaks))


def openings_name(officer: Officer) -> str:
    """The file in which an officer finds what was planted."""
    return f"openings-{officer.key.key_id}.sealed"


def opened(blob: bytes, private: X25519PrivateKey) -> tuple[Opening, ...]:
    """What was planted, as an officer reads it; raises `AnnexError` where this key does not open it."""
    try:
        return _OPENINGS.validate_json(open_with(private, blob))
    except ValidationError:
        raise AttestationError("the sealed annex does not hold what was planted") from None


def _sites(spans: Sequence[SafeSpan], policy: Policy, leaks: Leaks) -> dict[Place, list[tuple[str, str]]]:
    """By kind of place, the paths of a call's sheet that can hold a leak, each with its text as it would be planted."""
    found: dict[Place, list[tuple[str, str]]] = {}
    for number, span in enumerate(_ordered(spans), 1):
        for shown, rule, text in _texts(span, policy):
            place = place_of(rule, text)
            if place is not None and rule is not None and (made := leak_in(text, place, rule, leaks)) is not None:
                found.setdefault(place, []).append((f"{number}.{span.name}{shown}", made))
    return found


def _planted(sheet: Worksheet, sites: Mapping[Place, Sequence[tuple[str, str]]]) -> tuple[Worksheet, tuple[str, ...]]:
    """The sheet with a leak in the place of one of its texts; each kind of place is as likely as the others."""
    at, planted = _RANDOM.choice(sites[_RANDOM.choice(list(sites))])
    spans = [
        span.model_copy(
            update={
                "texts": tuple(
                    text.model_copy(update={"text": planted}) if text.path == at else text for text in span.texts
                )
            }
        )
        for span in sheet.spans
    ]
    return sheet.model_copy(update={"spans": tuple(spans)}), (at,)


def _ordered(spans: Sequence[SafeSpan]) -> list[SafeSpan]:
    """In the order in which they began."""
    return sorted(spans, key=lambda span: (span.start_us, len(span.ancestors), span.seal.sequence if span.seal else 0))


def _texts(span: SafeSpan, policy: Policy) -> Iterator[tuple[str, Rule | None, str]]:
    """Every text of a span with its path and its rule: strings, and numbers too, since a number can be somebody's."""
    for steps, value in _leaves(dict(span.fields), ()):
        shown = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
        yield shown, policy.rule_for(span.name, steps), value if isinstance(value, str) else json.dumps(value)


def _leaves(value: Json, steps: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str | int | float]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, (*steps, key))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for number, inner in enumerate(value):
            yield from _leaves(inner, (*steps, number))
    elif isinstance(value, str | int | float) and not isinstance(value, bool):
        yield steps, value
