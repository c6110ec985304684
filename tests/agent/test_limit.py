"""A call has an end, in length and in cost, with telemetry on or off."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.line import Outcome, ring

from medagent.agent.limit import check_cost_limit
from medagent.errors import SettingsError
from medagent.pricing import load_prices
from medagent.settings import load_settings

pytestmark = pytest.mark.timing

PACE = 10.0
WAITS = """
{name: waits, description: A caller is silent for ten minutes., seed: 3, person: {patient_name: Tamsin Quillfeather},
 turns: [{model: [{says: Good day.}]}, {caller: {says: Hello., pause_s: 600}, model: [{says: Hello.}]}],
 expects: {outcome: informed}}
"""


def reason(outcome: Outcome) -> object:
    return next(span.fields["reason"] for span in outcome.spans if span.name == "session.end")


async def test_a_call_that_takes_too_long_is_closed(tmp_path: Path) -> None:
    """At its length the call ends with reason `limit`, and before that the agent has said goodbye."""
    scenario = tmp_path / "waits.yaml"
    scenario.write_text(WAITS)
    outcome = await ring(scenario, home=tmp_path / "home", pace=PACE, MEDAGENT_CALL_MAX_MINUTES=1.0)
    assert outcome.ended in ("cut off", "gave up")
    assert reason(outcome) == "limit"
    assert len(outcome.server["responses"]) == 2, "after the greeting the goodbye at 90 % is a response of its own"


async def test_a_call_that_costs_too_much_is_closed(tmp_path: Path) -> None:
    """At its cost the call ends with reason `limit`; the trace's cost is at or over it."""
    outcome = await ring("book", home=tmp_path, pace=PACE, MEDAGENT_CALL_MAX_COST_USD=0.03)
    ends = next(span.fields for span in outcome.spans if span.name == "session.end")
    assert (ends["reason"], ends["outcome"]) == ("limit", "informed")
    assert float(str(ends["cost_usd"])) >= 0.03


@pytest.mark.parametrize(
    ("model", "cost_usd", "is_refused"),
    [("gpt-realtime", 2.0, False), ("gpt-of-ours", 2.0, True), ("gpt-of-ours", "off", False), ("half", 2.0, True)],
)
def test_a_limit_of_the_cost_needs_every_price(model: str, cost_usd: object, is_refused: bool) -> None:
    """Without a price for each kind of token the cost of a call cannot be counted, unless it is not limited."""
    prices = load_prices()
    known = prices.realtime["gpt-realtime"]
    half = known.model_copy(update={"audio": known.audio.model_copy(update={"cached": None})})
    prices = prices.model_copy(update={"realtime": {**prices.realtime, "half": half}})
    settings = load_settings(MEDAGENT_MODEL=model, MEDAGENT_CALL_MAX_COST_USD=cost_usd)
    if not is_refused:
        check_cost_limit(settings, prices)
        return
    with pytest.raises(SettingsError, match=model) as refused:
        check_cost_limit(settings, prices)
    assert "MEDAGENT_PRICING" in refused.value.hint
    assert "MEDAGENT_CALL_MAX_COST_USD=off" in refused.value.hint


async def test_without_a_limit_of_the_cost_its_length_is_limited_all_the_same(tmp_path: Path) -> None:
    """A model without a price is traced with a null cost; the call ends at its length."""
    scenario = tmp_path / "waits.yaml"
    scenario.write_text(WAITS)
    settings = {"MEDAGENT_CALL_MAX_MINUTES": 1.0, "MEDAGENT_CALL_MAX_COST_USD": "off", "MEDAGENT_MODEL": "gpt-of-ours"}
    outcome = await ring(scenario, home=tmp_path / "home", pace=PACE, **settings)
    assert reason(outcome) == "limit"
    assert next(span.fields["cost_usd"] for span in outcome.spans if span.name == "session.end") is None


async def test_the_limit_holds_with_telemetry_off(tmp_path: Path) -> None:
    """The agent counts for itself: with telemetry off the call is cut all the same."""
    outcome = await ring("book", home=tmp_path, pace=PACE, MEDAGENT_CALL_MAX_COST_USD=0.03, MEDAGENT_TELEMETRY="off")
    assert outcome.ended in ("cut off", "gave up")
