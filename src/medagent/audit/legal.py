"""Legal status of what a policy sends, computed from its rules, the destinations and `processors.yaml`."""

from __future__ import annotations

import hashlib
import importlib.resources
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from medagent.attestation.legal import LOCAL, VOICE_PATH, LegalStatus, Processor, SentField, Text
from medagent.attestation.report import Destination
from medagent.errors import AuditError
from medagent.redaction import Policy, Rule
from medagent.redaction.policy import Category, ClockMode
from medagent.redaction.safe_harbor import all_rules, free_text_fields, meets_safe_harbor, sent_form
from medagent.redaction.yaml_tree import Located, read_yaml_file
from medagent.yaml_text import LARGEST_FILE

PACKAGED = "processors.yaml"
_NO_FIELD_OF_A_SPAN = frozenset({"archive", "slack", "pagerduty"})
"""Destinations that receive no field of a span: an alert names calls by a part of their random ids, with figures."""
_NO_PERSON = frozenset({Category.MEASUREMENT, Category.MACHINE})


def _day(value: object) -> object:
    return date.fromisoformat(value) if isinstance(value, str) else value


Day = Annotated[date | None, BeforeValidator(_day)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Baa(_Entry):
    reference: Text | None = None
    date: Day = None
    not_needed: Text | None = None


class _Listed(_Entry):
    service: Text | None = None
    receives: Text | None = None
    baa: _Baa = Field(default_factory=_Baa)
    region: Text | None = None
    retention: Text | None = None
    sub_processors: tuple[Text, ...] | None = None
    not_used: Text | None = None


class _File(_Entry):
    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,40}$")]
    version: Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+){1,2}$")]
    processors: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")], _Listed]


def legal_status(policy: Policy, destinations: Sequence[Destination], processors: Path | None = None) -> LegalStatus:
    """Return what the policy makes of the data that these destinations receive, and the contracts for them.

    Args:
        policy: The policy in force.
        destinations: The configured destinations.
        processors: The clinic's `processors.yaml`; the packaged one, which records no contract, if left out.

    Raises:
        AuditError: The file cannot be read or is not of its form; file, line and key are named.
    """
    rules = [(name, rule) for name, rule in all_rules(policy) if rule.safe_harbor or rule.category not in _NO_PERSON]
    unmet = [(name, rule) for name, rule in rules if not rule.free_text and not meets_safe_harbor(rule)]
    remote = [one for one in destinations if one.name not in _NO_FIELD_OF_A_SPAN]
    exact = policy.clock is ClockMode.EXACT
    shows_day = not exact and any(one.release_delay_days == 0 for one in remote)
    phi = [rule for _, rule in unmet if rule.safe_harbor is not None or rule.category is not Category.STAFF]
    listed, sha256 = load_processors(processors)
    return LegalStatus(
        status="phi" if phi or exact or shows_day else "safe_harbor_fields",
        sent=tuple(_sent(name, rule) for name, rule in unmet),
        exact_time=exact,
        arrival_shows_day=shows_day,
        free_text=free_text_fields(policy),
        free_text_max=max((rule.max or 0 for _, rule in all_rules(policy) if rule.free_text), default=0),
        processors=tuple(_in_use(listed, destinations)),
        processors_sha256=sha256,
    )


def load_processors(path: Path | None = None) -> tuple[Mapping[str, Processor], str]:
    """Return the entries by name, and the SHA-256 of the file; raises `AuditError` naming file, line and key."""
    source = Path(str(importlib.resources.files("medagent.policies") / PACKAGED)) if path is None else path
    try:
        with source.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
        tree = read_yaml_file(source)
    except OSError as error:
        raise AuditError(
            f"{source.name}: cannot be read ({type(error).__name__})", hint="set MEDAGENT_PROCESSORS to a YAML file"
        ) from None
    try:
        found = _File.model_validate(tree.plain())
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        place = first["loc"]
        key = ".".join(str(step) for step in place if step != "[key]") or "the file"
        raise AuditError(f"{source.name}:{_line(tree, place)}: {key}: {first['msg']}") from None
    return {name: _processor(name, one) for name, one in found.processors.items()}, hashlib.sha256(raw).hexdigest()


def _in_use(listed: Mapping[str, Processor], destinations: Sequence[Destination]) -> Iterator[Processor]:
    """The voice path, each destination away from this host, and what the clinic added; an empty entry if unlisted."""
    ours = {*VOICE_PATH, *_packaged()}
    names = [*VOICE_PATH, *(one.name for one in destinations if one.name not in LOCAL)]
    names += [name for name, one in listed.items() if name not in ours and one.not_used is None]
    for name in dict.fromkeys(names):
        yield listed.get(name, Processor(name=name))


def _packaged() -> frozenset[str]:
    return frozenset(load_processors()[0])


def _processor(name: str, entry: _Listed) -> Processor:
    return Processor(
        name=name,
        service=entry.service,
        receives=entry.receives,
        baa_reference=entry.baa.reference,
        baa_date=entry.baa.date,
        baa_not_needed=entry.baa.not_needed,
        region=entry.region,
        retention=entry.retention,
        sub_processors=entry.sub_processors,
        not_used=entry.not_used,
    )


def _sent(name: str, rule: Rule) -> SentField:
    return SentField(field=name, category=rule.category.value, letter=rule.safe_harbor, form=sent_form(rule))


def _line(tree: Located, place: tuple[int | str, ...]) -> int:
    """The line of the deepest part of a place that there is."""
    at = tree
    for step in place:
        inner = at.value
        if isinstance(inner, dict) and step in inner:
            at = inner[str(step)]
        elif isinstance(inner, list) and isinstance(step, int) and step < len(inner):
            at = inner[step]
        else:
            break
    return at.line
