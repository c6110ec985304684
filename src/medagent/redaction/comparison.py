"""What another policy would do otherwise: rule by rule, and on invented records."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from pydantic import BaseModel, ConfigDict

from medagent.proof import Json
from medagent.redaction.policy import Policy, Rule
from medagent.redaction.safe_harbor import all_rules
from medagent.redaction.trial import treat, without_pseudonyms
from medagent.redaction.yaml_tree import read_yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleChange:
    """A rule, or a setting of the whole policy, that is not the same; None where a policy has it not."""

    where: str
    before: Mapping[str, Json] | None
    after: Mapping[str, Json] | None

    @property
    def differing(self) -> tuple[str, ...]:
        """The keys that differ."""
        before, after = self.before or {}, self.after or {}
        return tuple(key for key in {**before, **after} if before.get(key) != after.get(key))


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueChange:
    """What leaves of one place of a replayed record, as JSON; None where nothing does."""

    record: str
    path: str
    before: str | None
    after: str | None


class SyntheticRecord(BaseModel):
    """A raw record of an invented call, and what it is about; it may be shown."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    about: str
    span: str
    fields: dict[str, Any]


class SyntheticCalls(BaseModel):
    """Records with the rosters of their clinic."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rosters: dict[str, list[str]]
    records: list[SyntheticRecord]


def rule_changes(before: Policy, after: Policy) -> Iterator[RuleChange]:
    """Every rule that is added, gone or decides otherwise; a reason in other words is no change."""
    settings_before, settings_after = _settings(before), _settings(after)
    for name, value in settings_before.items():
        if value != settings_after[name]:
            yield RuleChange(where=name, before={name: value}, after={name: settings_after[name]})
    old, new = dict(all_rules(before)), dict(all_rules(after))
    for where in {**old, **new}:
        told_before, told_after = _document(old.get(where)), _document(new.get(where))
        if told_before != told_after:
            yield RuleChange(where=where, before=told_before, after=told_after)


def value_changes(before: Policy, after: Policy) -> Iterator[ValueChange]:
    """What would leave otherwise of the synthetic records; pseudonyms are all alike."""
    calls = synthetic_records()
    for record in calls.records:
        left_before, left_after = (_left(policy, record, calls.rosters) for policy in (before, after))
        for path in {**left_before, **left_after}:
            old, new = left_before.get(path), left_after.get(path)
            if old != new:
                yield ValueChange(record=record.about, path=path, before=old, after=new)


@cache
def synthetic_records() -> SyntheticCalls:
    """The packaged ones."""
    file = resources.files("medagent.policies") / "synthetic_records.yaml"
    return SyntheticCalls.model_validate(read_yaml(file.read_text("utf-8"), file.name).plain())


def _settings(policy: Policy) -> dict[str, Json]:
    return {
        "clock": policy.clock.value,
        "queued_when_off": policy.queued_when_off.value,
        "recognisers": list(policy.recognisers),
    }


def _document(rule: Rule | None) -> Mapping[str, Json] | None:
    return None if rule is None else rule.document()


def _left(policy: Policy, record: SyntheticRecord, rosters: Mapping[str, Collection[str]]) -> dict[str, str]:
    treated = treat(policy, record.span, record.fields, rosters=rosters)
    return {"span": treated.name, **dict(_leaves("", without_pseudonyms(treated.fields)))}


def _leaves(path: str, value: Json) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(f"{path}.{key}" if path else key, inner)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for number, inner in enumerate(value):
            yield from _leaves(f"{path}[{number}]", inner)
    else:
        yield path, json.dumps(value, ensure_ascii=False)
