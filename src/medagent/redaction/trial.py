"""Runs an invented record under a policy, as a whole call of its own: what examples and replays rest on."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from medagent.proof import Json, JsonObject, PseudonymKey, canonical
from medagent.proof.keys import PSEUDONYM_SHAPE
from medagent.redaction.engine import Redactor
from medagent.redaction.policy import Example, Policy
from medagent.redaction.records import Redacted
from medagent.redaction.text import KnownValues

PSEUDONYM = "<PSEUDONYM>"
"""Stands in an expectation for any pseudonym: it is another one under every key."""
_KEY = PseudonymKey(secret=b"a key of nobody, for examples")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """An invented record; its fields may be shown."""

    name: str
    fields: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of an example."""

    example: Example
    left: JsonObject

    @property
    def passed(self) -> bool:
        """Whether it is exactly what the example expects."""
        return canonical(self.left) == canonical(self.example.expect)


def treat(
    policy: Policy, name: str, fields: Mapping[str, object], *, rosters: Mapping[str, Collection[str]] | None = None
) -> Redacted:
    """A record on its own: its identifiers learned, then redacted with a key that is no secret, without recognisers."""
    record = TrialRecord(name=name, fields=fields)
    bare = replace(policy, recognisers=()) if policy.recognisers else policy
    redactor = Redactor(bare, keys=_KEY, rosters=rosters)
    known = KnownValues()
    known.learn(redactor.identifiers(record))
    return redactor.redact(record, known)


def run(example: Example, policy: Policy) -> Outcome:
    """One example of a policy, pseudonyms as `<PSEUDONYM>`."""
    left = treat(policy, example.span, example.fields, rosters=example.rosters).fields
    return Outcome(example=example, left=without_pseudonyms(left))


def without_pseudonyms(fields: JsonObject) -> dict[str, Json]:
    """The fields with `<PSEUDONYM>` for each of theirs."""
    return {key: _plain(value) for key, value in fields.items()}


def _plain(value: Json) -> Json:
    match value:
        case str():
            return PSEUDONYM if PSEUDONYM_SHAPE.fullmatch(value) else value
        case Mapping():
            return without_pseudonyms(value)
        case list():
            return [_plain(item) for item in value]
        case _:
            return value
