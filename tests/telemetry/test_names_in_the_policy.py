"""A word that a trace says of a call by a closed list is in the policy's list too: else it leaves as `<REDACTED>`."""

from __future__ import annotations

from typing import get_args

import pytest

from medagent.telemetry import events as ev
from redaction.raw_record import treat

_MISSING = (*get_args(ev.MissingPart), *get_args(ev.LostPart), "process")
_LISTS: dict[tuple[str, str], tuple[str, ...]] = {
    ("session.start", "mode"): (*get_args(ev.Mode), "mixed"),
    ("session.end", "reason"): get_args(ev.EndReason),
    ("session.end", "missing"): _MISSING,
    ("voice_session", "missing"): _MISSING,
    ("session.end", "cost_missing"): get_args(ev.CostPart),
    ("session.end", "models.part"): get_args(ev.CostPart),
    ("session.end", "errors.error_source"): get_args(ev.ErrorSource),
    ("user_turn", "ended_by"): get_args(ev.TurnEnd),
    ("agent_turn", "ended_by"): get_args(ev.TurnEnd),
    ("agent_turn", "ttft_start"): get_args(ev.TtftStart),
    ("agent_turn", "kind"): get_args(ev.SpeechKind),
    ("agent_turn", "error_source"): get_args(ev.ErrorSource),
}


@pytest.mark.parametrize(
    ("span", "field", "word"), [(*place, word) for place, words in _LISTS.items() for word in words]
)
def test_each_word_of_a_closed_list_leaves_as_it_is(span: str, field: str, word: str) -> None:
    """A list of the trace that grows without the policy's would say less than the trace knows."""
    name, _, inner = field.partition(".")
    value: object = [{inner: word}] if inner else [word] if name in ("missing", "cost_missing") else word
    assert treat(span, {name: value}).fields[name] == value
