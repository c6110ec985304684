"""A call is broken where its trace misses another part than the simulator's own record lets expect."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from medagent.audit.evidence import Evidence
from medagent.simulator.scenario import load_scenario
from medagent.telemetry.span import SafeSpan
from spans import alone, call

LOST = "the trace misses usage, expected nothing"
WHOLE = "the trace misses nothing, expected usage"


def broken(scenario: str, status: str, missing: Any, *more: SafeSpan) -> tuple[str, ...]:
    """Return what is broken of one call that ended as it had to."""
    spans = [
        alone(span, fields={**span.fields, "missing": missing, "complete": not missing})
        if span.name == "session.end"
        else span
        for span in call()
        if span.name != "policy.guardrail"
    ]
    done = SimpleNamespace(name=scenario, trace_id="t", error=None, ended="done", expected="done")
    response = {"scenario": scenario, "kind": "speech", "status": status, "tool": None}
    found: Any = SimpleNamespace(
        record={"responses": [response]},
        roles=[SimpleNamespace(scenario=load_scenario(scenario))],
        chains={"t": [*spans, *more]},
        line=SimpleNamespace(done=SimpleNamespace(calls=[done])),
    )
    return Evidence.broken_calls(cast(Evidence, found))


@pytest.mark.parametrize(
    ("scenario", "status", "missing", "expected"),
    [
        ("reconnect", "disconnected", ["usage"], None),
        ("reconnect", "disconnected", [], WHOLE),
        ("reconnect", "completed", [], None),
        ("reconnect", "completed", ["usage"], LOST),
        ("book", "completed", [], None),
        ("book", "disconnected", ["usage"], LOST),
    ],
)
def test_hole_is_expected_where_the_server_cut_a_response(
    scenario: str, status: str, missing: list[str], expected: str | None
) -> None:
    """A scenario that cuts a sentence may not come to it: the booking before it was refused. The record shows it."""
    assert broken(scenario, status, missing) == (() if expected is None else (f"{scenario}: {expected}",))


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (["Maren Oldfield", "usage"], "unknown part, usage"),
        ([{"phone": "+14155550137"}], "unknown part"),
        ("Maren Oldfield", "no list"),
        (None, "no list"),
    ],
    ids=["name", "object", "text", "null"],
)
def test_report_quotes_no_other_word_of_a_trace(missing: Any, said: str) -> None:
    """A system that is broken may put a value of a patient where its trace names missing parts."""
    assert broken("book", "completed", missing) == (f"book: the trace misses {said}, expected nothing",)


def test_report_quotes_no_count_that_is_not_a_number() -> None:
    """The same holds for the counts of a guardrail."""
    guardrail = replace(call()[0], name="policy.guardrail", fields={"actions": {"redact": "Maren Oldfield"}})
    [problem] = broken("book", "completed", [], guardrail)
    assert problem.startswith("book: its guardrail counts no values as redacted, its spans show ")
