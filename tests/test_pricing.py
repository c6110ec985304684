"""Prices: what is known is counted to the token, what is not is null and never 0."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medagent.errors import PricingError
from medagent.pricing import Usage, load_prices
from strategies import usages

PRICES = load_prices()
WHOLE = Usage(
    input_text_tokens=1_000_000,
    input_audio_tokens=1_000_000,
    input_cached_text_tokens=500_000,
    input_cached_audio_tokens=0,
    output_text_tokens=1_000_000,
    output_audio_tokens=1_000_000,
)
NEEDED = ["input_text_tokens", "input_audio_tokens", "output_text_tokens", "output_audio_tokens"]
NEEDED += ["input_cached_text_tokens", "input_cached_audio_tokens"]


def test_a_million_of_each_costs_what_the_list_says() -> None:
    """Text 4, cached 0.40, audio 32, output 16 and 64: the shipped price of gpt-realtime, worked out by hand."""
    assert PRICES.realtime_cost("gpt-realtime", WHOLE) == 2.0 + 0.2 + 32.0 + 16.0 + 64.0


@pytest.mark.parametrize("name", NEEDED)
def test_one_unknown_count_makes_the_cost_unknown(name: str) -> None:
    """A cost with a part left out would be too low."""
    assert PRICES.realtime_cost("gpt-realtime", replace(WHOLE, **{name: None})) is None


def test_nothing_costs_nothing_and_nobody_costs_null() -> None:
    """0 is a count; an unknown model, and a response without usage, are not."""
    nothing = Usage(**dict.fromkeys(NEEDED, 0))
    assert PRICES.realtime_cost("gpt-realtime", nothing) == 0.0
    assert PRICES.realtime_cost("nobody-knows", WHOLE) is None
    assert PRICES.realtime_cost("gpt-realtime", None) is None


def test_more_cached_than_read_is_no_count() -> None:
    """A provider that contradicts itself is not billed by."""
    assert PRICES.realtime_cost("gpt-realtime", replace(WHOLE, input_cached_audio_tokens=1_000_001)) is None


def test_images_cost_too() -> None:
    """Where a response has read one it is in the price."""
    with_image = replace(WHOLE, input_image_tokens=1_000_000, input_cached_image_tokens=0)
    assert PRICES.realtime_cost("gpt-realtime", with_image) == pytest.approx(114.2 + 5.0)


@given(left=usages(), right=usages())
def test_usages_add_up(left: Usage, right: Usage) -> None:
    """Part by part, in either order; only what both do not know stays unknown."""
    total = left + right
    assert total == right + left
    assert total + Usage() == total
    for field in fields(Usage):
        one, other, both = (getattr(usage, field.name) for usage in (left, right, total))
        assert both == (None if one is None and other is None else (one or 0) + (other or 0))


@given(usage=usages(), more=st.integers(1, 10_000), name=st.sampled_from(["output_text_tokens", "output_audio_tokens"]))
def test_more_never_costs_less(usage: Usage, more: int, name: str) -> None:
    """Costs are never negative, and grow with every token."""
    cost = PRICES.realtime_cost("gpt-realtime", usage)
    if cost is not None:
        dearer = PRICES.realtime_cost("gpt-realtime", replace(usage, **{name: getattr(usage, name) + more}))
        assert dearer is not None
        assert 0 <= cost < dearer


LIST = """
version: 1
realtime: {m: {text: {input: 1}, audio: {}, source: here, as_of: 2026-01-01}}
llm: {}
stt: {}
tts: {}
line: {}
"""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", ""),
        ("{", ":1: not YAML: "),
        (LIST.replace("version: 1", "version: one"), "version"),
        (LIST.replace("llm: {}", "lm: {}"), "llm"),
        (LIST.replace("input: 1", "input: -1"), "realtime.m.text.input"),
        (LIST.replace("input: 1", "input: .nan"), "realtime.m.text.input"),
        (LIST.replace("input: 1", "inputs: 1"), "realtime.m.text.inputs"),
        (LIST.replace("source: here, ", ""), "realtime.m.source"),
    ],
)
def test_a_wrong_list_names_the_entry(tmp_path: Path, content: str, said: str) -> None:
    """A price that is mistyped, negative or without its source does not load."""
    path = tmp_path / "pricing.yaml"
    path.write_text(content)
    with pytest.raises(PricingError) as caught:
        load_prices(path)
    assert path.name in str(caught.value)
    assert said in str(caught.value)


def test_a_list_of_ones_own_is_read(tmp_path: Path) -> None:
    """A clinic's own prices take the place of the shipped ones; a price that it leaves open is unknown."""
    path = tmp_path / "pricing.yaml"
    path.write_text(LIST)
    prices = load_prices(path)
    only_text = Usage(**{**dict.fromkeys(NEEDED, 0), "input_text_tokens": 2_000_000})
    assert prices.realtime_cost("m", only_text) == 2.0
    assert prices.realtime_cost("m", replace(only_text, output_text_tokens=1)) is None
    assert prices.realtime_cost("gpt-realtime", only_text) is None


def test_a_list_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    """A path that leads nowhere, or to something that is no text."""
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00\x01")
    for path in (tmp_path / "nowhere", tmp_path, tmp_path / "binary"):
        with pytest.raises(PricingError):
            load_prices(path)


def test_every_shipped_price_has_a_source() -> None:
    """And a day on which it was read there."""
    assert PRICES.realtime
    assert all(price.source and price.as_of for price in PRICES.realtime.values())


PIPELINE = """
version: 1
realtime: {}
llm:
  small: {input: 0.15, cached: 0.075, output: 0.60, source: a test, as_of: 2026-11-20}
  uncached: {input: 1.0, output: 2.0, source: a test, as_of: 2026-11-20}
stt: {ears: {per_second: 0.0001, source: a test, as_of: 2026-11-20}}
tts: {mouth: {per_character: 0.00003, source: a test, as_of: 2026-11-20}}
line: {}
"""


def test_a_pipelines_parts_have_prices_of_their_own(tmp_path: Path) -> None:
    """LLM tokens, STT seconds and TTS characters cost what the list says; what it does not say is null."""
    path = tmp_path / "pricing.yaml"
    path.write_text(PIPELINE)
    prices = load_prices(path)
    usage = Usage(input_tokens=1_000_000, input_cached_tokens=400_000, output_tokens=500_000)
    assert prices.llm_cost("small", usage) == pytest.approx(0.6 * 0.15 + 0.4 * 0.075 + 0.5 * 0.60)
    assert prices.llm_cost("uncached", replace(usage, input_cached_tokens=0)) == pytest.approx(1.0 + 1.0)
    assert (prices.stt_cost("ears", 90.0), prices.tts_cost("mouth", 1_000)) == (0.009, 0.03)
    unknown = (
        prices.llm_cost("uncached", usage),  # it has no price for what was cached
        prices.llm_cost("small", replace(usage, output_tokens=None)),
        prices.llm_cost("small", None),
        prices.llm_cost("large", usage),
        prices.stt_cost("ears", None),
        prices.stt_cost(None, 90.0),
        prices.tts_cost("mouth", None),
        prices.tts_cost("beak", 1_000),
    )
    assert set(unknown) == {None}


def test_transcription_is_priced_by_second_or_by_token() -> None:
    """As its provider bills it; a measure of the other kind is no price."""
    read = Usage(input_tokens=1_000_000, output_tokens=1_000_000)
    assert PRICES.stt_cost("whisper-1", 60.0) == pytest.approx(0.006)
    assert PRICES.stt_cost("gpt-4o-mini-transcribe", None, read) == pytest.approx(6.25)
    assert {PRICES.stt_cost("whisper-1", None, read), PRICES.stt_cost("gpt-4o-mini-transcribe", 60.0)} == {None}


def test_snapshot_of_a_model_has_its_price() -> None:
    """A date after the name is the same model; another word is another model."""
    assert PRICES.realtime_cost("gpt-realtime-2025-08-28", WHOLE) == PRICES.realtime_cost("gpt-realtime", WHOLE)
    assert PRICES.realtime_cost("gpt-realtime-next", WHOLE) is None
    assert PRICES.realtime_cost("gpt-realtime-2025-08", WHOLE) is None
