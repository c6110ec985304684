"""The models of a call: what each cost, which part lacks, and what could not be observed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from medagent.pricing import Usage, load_prices
from medagent.telemetry import events as ev
from medagent.telemetry.call import Call
from medagent.telemetry.costs import PARTS, Costs
from strategies import START_NS, started

TEXT = Usage(
    input_tokens=100,
    output_tokens=10,
    total_tokens=110,
    input_text_tokens=100,
    input_audio_tokens=0,
    input_cached_tokens=0,
    input_cached_text_tokens=0,
    input_cached_audio_tokens=0,
    output_text_tokens=10,
    output_audio_tokens=0,
)


def ended(*happened: tuple[type[Any], dict[str, Any]], **begun: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of `session.end` and of the final `voice_session`."""
    first = started(**begun)
    call = Call(first, prices=load_prices(), policy_name="clinic", policy_version="1.0.0")
    records = call.feed(first)
    for seq, (kind, fields) in enumerate([*happened, (ev.CallEnded, {"reason": "agent_ended"})], start=1):
        records += call.feed(kind(seq=seq, at_ns=START_NS + seq * 1_000_000, **fields))
    by_name = {record.name: dict(record.fields) for record in records}
    return by_name["session.end"], by_name["voice_session"]


def response(number: int, **fields: Any) -> list[tuple[type[Any], dict[str, Any]]]:
    identity = f"r{number}"
    finished = {"response_id": identity, "status": "completed", "usage": TEXT, **fields}
    return [(ev.ResponseStarted, {"response_id": identity}), (ev.ResponseFinished, finished)]


def test_price_is_that_of_the_response_s_own_model() -> None:
    """Two models in one call have each its price, and stand in the list with what they used."""
    ends, _ = ended(*response(1), *response(2, model="gpt-realtime-mini", provider="openai"))
    prices = load_prices()
    costs = [prices.realtime_cost(model, TEXT) for model in ("gpt-realtime", "gpt-realtime-mini")]
    assert [use["cost_usd"] for use in ends["models"]] == costs
    assert ends["cost_usd"] == ends["cost_parts"]["realtime"] == pytest.approx(sum(cost or 0.0 for cost in costs))
    assert ends["cost_missing"] == []


def test_part_without_a_price_is_named_and_the_others_are_known() -> None:
    """The sum is null, the model of the transcription is named, and what the answers cost stands beside it."""
    heard = {"stage": "stt", "key": "1", "model": "no-such-model", "audio_duration": 2.0}
    ends, _ = ended(*response(1), (ev.StageMeasured, heard))
    assert (ends["cost_usd"], ends["cost_missing"], ends["cost_parts"]["stt"]) == (None, ["stt"], None)
    assert ends["cost_parts"]["realtime"] == load_prices().realtime_cost("gpt-realtime", TEXT)
    assert [(use["part"], use["model"], use["cost_usd"] is None) for use in ends["models"]] == [
        ("realtime", "gpt-realtime", False),
        ("stt", "no-such-model", True),
    ]


def test_part_that_could_not_be_observed_is_missing() -> None:
    """It is named once, the trace is not complete, and a cost that needs it is null."""
    ends, session = ended(*response(1), *[(ev.PartMissing, {"part": "tts"})] * 2)
    assert (ends["complete"], ends["missing"], session["missing"]) == (False, ["tts"], ["tts"])
    assert (ends["cost_usd"], ends["cost_missing"]) == (None, ["tts"])


def test_call_with_models_of_both_kinds_is_mixed() -> None:
    """The first model is the call's, the mode says that there were others, and none is null again."""
    pipeline = {"mode": "pipeline", "model": "gpt-4o-mini", "provider": "openai"}
    nothing = dict.fromkeys(("mode", "model", "provider"))
    _, session = ended((ev.ModelChanged, pipeline), (ev.ModelChanged, nothing))
    assert (session["mode"], session["model"], session["provider"]) == ("mixed", "gpt-realtime", "azure.ai.openai")


def test_model_that_is_known_later_is_the_call_s() -> None:
    """A call that began without a model, and one whose server corrects its object's name."""
    later = {"mode": "realtime", "model": "gpt-realtime-mini", "provider": "openai"}
    _, session = ended((ev.ModelChanged, later), mode=None, model=None, provider=None)
    assert (session["mode"], session["model"], session["provider"]) == tuple(later.values())
    _, session = ended((ev.ModelChanged, {**later, "is_correction": True}))
    assert session["model"] == "gpt-realtime-mini"


def test_call_without_a_model_lacks_no_answer() -> None:
    """A transcriber has nobody who could answer; a call with a model that did not answer lacks that."""
    assert ended(mode=None, model=None, provider=None)[0]["missing"] == []
    assert ended()[0]["missing"] == ["agent_turn"]


# A sum is rounded to 8 decimals: of each of the parts, and of the whole.
ROUNDING_USD = 0.5e-8 * (len(PARTS) + 1)

_uses = st.tuples(st.sampled_from(PARTS), st.sampled_from(["a", "b", None]), st.none() | st.floats(0, 10))


@example([("realtime", "a", 0.001953125)])
@given(st.lists(_uses, max_size=12))
def test_sum_is_that_of_its_parts_or_null(uses: list[tuple[Any, str | None, float | None]]) -> None:
    """A sum is there where each part is known; a part with one unknown cost is named and null."""
    costs = Costs()
    for part, model, cost_usd in uses:
        costs.add(part, model=model, provider=None, usage=None, cost_usd=cost_usd)
    lacking = {part for part, _, cost_usd in uses if cost_usd is None}
    assert set(costs.missing()) == lacking
    assert all(costs.parts()[part] is None for part in lacking)
    known = [cost for cost in costs.parts().values() if cost is not None]
    assert costs.total_usd == (None if lacking or not uses else pytest.approx(sum(known), abs=ROUNDING_USD))
    exact = sum(cost for part, _, cost in uses if cost is not None and part not in lacking)
    assert sum(known) == pytest.approx(exact, abs=ROUNDING_USD)
