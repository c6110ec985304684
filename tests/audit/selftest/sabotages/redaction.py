"""What the redactor does not do any more."""

from __future__ import annotations

import hashlib
import re
from types import ModuleType
from typing import Any

from tests.audit.selftest.sabotage import ALL, Sabotage, sabotage

_TEXT = "medagent.redaction.text"
_FREE = "reason_for_visit: {action: TRUNCATE, category: health_text, max: 50}"
_SHAPE = '{pattern: "[A-Za-z][^<>]{3,200}"}'
_KEPT = f"reason_for_visit: {{action: KEEP, category: health_text, shape: {_SHAPE}, why: The doctor reads it.}}"


def _kept(policy: str) -> str:
    """The clinic's policy with the reason for a visit kept, and without the examples that would forbid it."""
    head, _, _ = policy.partition("\nexamples:")
    assert _FREE in head
    return head.replace(_FREE, _KEPT).replace("name: clinic\n", "name: clinic-kept\n") + "\n"


def _blind(trial: ModuleType) -> None:
    """The policy's own examples, which would keep such a process from starting, all pass."""
    trial.Outcome.passed = property(lambda _self: True)


_BLIND = {"medagent.redaction.trial": _blind}
ALL["field_kept"] = Sabotage(
    name="field_kept",
    breaks="the policy keeps a field of free text",
    # what a call knows of its caller is stopped in a kept field too; that the text layers are not there the drills show
    causes=("leaks: ", "door: ", "safeguards: idle: names, patterns, spoken numbers, vocabulary"),
    policy=_kept,
)


@sabotage(
    "known_values_off",
    breaks="no text is compared with the call's known values",
    causes="safeguards: .*known values",
    of=f"{_TEXT}.known",
)
def known_values_off(known: ModuleType) -> None:
    known.KnownValues.spans = lambda _self, _read: iter(())


@sabotage(
    "spoken_numbers_off",
    breaks="numbers in words are not read as numbers",
    causes="safeguards: .*spoken numbers",
    of=f"{_TEXT}.spoken",
)
def spoken_numbers_off(spoken: ModuleType) -> None:
    spoken._DIGIT, spoken._TEEN, spoken._TENS, spoken._PLAIN = {}, {}, {}, {}


@sabotage("patterns_off", breaks="no pattern is looked for", causes="safeguards: .*patterns", of=f"{_TEXT}.scrubbing")
def patterns_off(scrubbing: ModuleType) -> None:
    scrubbing._BEGINNINGS = ()


@sabotage(
    "names_off", breaks="no name is told by its place or a list", causes="safeguards: .*names", of=f"{_TEXT}.scrubbing"
)
def names_off(scrubbing: ModuleType) -> None:
    scrubbing.listed_names = lambda _reading: ()
    scrubbing.mark_names = lambda _reading, **_options: None


@sabotage(
    "vocabulary_off",
    breaks="a word that nobody knows leaves",
    causes="safeguards: .*vocabulary",
    of=f"{_TEXT}.scrubbing",
    also=_BLIND,
)
def vocabulary_off(scrubbing: ModuleType) -> None:
    scrubbing.mark_unknown = lambda _reading, _abbreviated: None


@sabotage(
    "text_layers_off",
    breaks="free text leaves as it is",
    causes=("leaks: ", "door: [1-9]"),
    of="medagent.redaction.engine",
    also=_BLIND,
)
def text_layers_off(engine: ModuleType) -> None:
    engine._Walk._text = lambda _self, leaf, value: value[: leaf.rule.max]


@sabotage(
    "truncated_before_scrubbing",
    breaks="a text is cut before it is scrubbed, so that half a name is nobody's",
    causes="safeguards: .*scrubbing before truncation",
    of="medagent.redaction.engine",
)
def truncated_before_scrubbing(engine: ModuleType) -> None:
    text = engine._Walk._text
    engine._Walk._text = lambda self, leaf, value: text(self, leaf, value[: leaf.rule.max])


@sabotage(
    "keys_not_walked",
    breaks="a key that no rule names stays",
    causes=("safeguards: .*field rules", "door: [1-9]"),
    of="medagent.redaction.engine",
    also=_BLIND,
)
def keys_not_walked(engine: ModuleType) -> None:
    walked = engine._Walk._object

    def all_keys(self: Any, node: Any, value: Any) -> Any:
        return {str(key): engine.REDACTED for key in value} | walked(self, node, value)

    engine._Walk._object = all_keys


@sabotage(
    "numbers_not_walked",
    breaks="numbers are no known values",
    causes="safeguards: .*learning",
    of="medagent.redaction.raw",
)
def numbers_not_walked(raw: ModuleType) -> None:
    placed = raw.placed_members
    raw.scalars = lambda value: (item for _, item in raw.members(value) if isinstance(item, str))
    raw.placed_members = lambda value: (each for each in placed(value) if not isinstance(each[2], int | float))


@sabotage(
    "lists_not_walked",
    breaks="what stands in a list within a list is no known value",
    causes="safeguards: .*learning",
    of="medagent.redaction.raw",
)
def lists_not_walked(raw: ModuleType) -> None:
    members = raw.members

    def flat(value: object) -> Any:
        return ((key, item) for key, item in members(_without_lists(value)))

    placed = raw.placed_members
    raw.members = flat
    raw.placed_members = lambda value: placed(_without_lists(value))


def _without_lists(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_lists(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [item for item in value if not isinstance(item, list | tuple)]
    return value


@sabotage(
    "pseudonym_without_key",
    breaks="a pseudonym is the plain hash of what it stands for",
    causes="safeguards: .*keyed pseudonyms",
    of="medagent.proof.keys",
)
def pseudonym_without_key(keys: ModuleType) -> None:
    def plain(self: Any, category: str, value: str) -> str:
        return f"psn_{self.key_id}_{hashlib.sha256(value.encode()).hexdigest()[:32]}"

    keys.PseudonymKey.pseudonym = plain


@sabotage(
    "room_name_raw",
    breaks="the room's name leaves as it is",
    causes=("leaks: ", "door: [1-9].*(room_id|participant_id)"),
    of="medagent.redaction.actions",
    also=_BLIND,
)
def room_name_raw(actions: ModuleType) -> None:
    actions.pseudonym = lambda value, _category, _keys: str(value)


@sabotage(
    "error_message_unscrubbed",
    breaks="an error's message leaves as it is",
    causes=("leaks: ", "door: [1-9].*error_message", "safeguards: idle: .*error messages"),
    of="medagent.redaction.engine",
)
def error_message_unscrubbed(engine: ModuleType) -> None:
    text = engine._Walk._text

    def unscrubbed(self: Any, leaf: Any, value: str) -> Any:
        return value[: leaf.rule.max] if leaf.path.endswith("error_message") else text(self, leaf, value)

    engine._Walk._text = unscrubbed


@sabotage(
    "span_name_with_a_name",
    breaks="a tool's span is named after the patient",
    causes=("leaks: ", "door: [1-9].*(name of a tool|of no declared name)"),
    of="medagent.redaction.engine",
)
def span_name_with_a_name(engine: ModuleType) -> None:
    from dataclasses import replace  # the interpreter is only just starting

    redact = engine.Redactor.redact

    def named(self: Any, record: Any, known: Any, **options: Any) -> Any:
        redacted = redact(self, record, known, **options)
        names = [value for category, value in known if str(category) == "name"]
        is_tool = record.name.startswith("tool.") and names
        return replace(redacted, name=f"tool.{re.sub('[^a-z]+', '_', names[0].lower())}") if is_tool else redacted

    engine.Redactor.redact = named


@sabotage(
    "counts_falsified",
    breaks="the guardrail says that nothing had to be redacted",
    causes="calls: .*guardrail counts",
    of="medagent.redaction.records",
)
def counts_falsified(records: ModuleType) -> None:
    document = records.Counts.document
    records.Counts.document = lambda self: {part: dict.fromkeys(counts, 0) for part, counts in document(self).items()}


@sabotage(
    "parts_off",
    breaks="a kept id may hold a part of what the call knows",
    causes=("safeguards: .*parts of known values", "door: [1-9]"),
    of=f"{_TEXT}.parts",
    also=_BLIND,
)
def parts_off(parts: ModuleType) -> None:
    parts.Parts.stand_in = lambda _self, _text: False
