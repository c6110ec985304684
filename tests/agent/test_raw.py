"""What the provider counts, as it is read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medagent.agent.raw import usage_of

COMPLETE: dict[str, Any] = {
    "usage": {
        "total_tokens": 300,
        "input_tokens": 200,
        "output_tokens": 100,
        "input_token_details": {
            "text_tokens": 120,
            "audio_tokens": 80,
            "image_tokens": 0,
            "cached_tokens": 64,
            "cached_tokens_details": {"text_tokens": 60, "audio_tokens": 4, "image_tokens": 0},
        },
        "output_token_details": {"text_tokens": 20, "audio_tokens": 80},
    }
}


def test_all_modalities_are_read() -> None:
    """Text, audio, cached and output tokens each have their own place."""
    usage = usage_of(COMPLETE)
    assert usage is not None
    assert usage.fields() == {
        "input_tokens": 200,
        "output_tokens": 100,
        "total_tokens": 300,
        "input_text_tokens": 120,
        "input_audio_tokens": 80,
        "input_cached_tokens": 64,
        "input_cached_text_tokens": 60,
        "input_cached_audio_tokens": 4,
        "output_text_tokens": 20,
        "output_audio_tokens": 80,
    }


KINDS = ("text", "audio", "image")


@pytest.mark.parametrize(
    ("read", "cached", "by_kind"),
    [
        ({"text_tokens": 120, "audio_tokens": 80}, 0, (0, 0, 0)),  # zero is zero of each
        ({}, 0, (0, 0, 0)),
        ({"text_tokens": 120, "audio_tokens": 0}, 64, (64, 0, 0)),  # one kind was read, and has them all
        ({"text_tokens": 0, "audio_tokens": 80}, 64, (0, 64, 0)),
        ({"text_tokens": 120, "audio_tokens": 80}, 64, (None, None, None)),  # of which kind is not known
        ({"text_tokens": 120}, 64, (None, None, None)),
        ({"text_tokens": 120, "audio_tokens": 80}, None, (None, None, None)),
    ],
)
def test_cached_tokens_without_details(
    read: dict[str, int], cached: int | None, by_kind: tuple[int | None, ...]
) -> None:
    """What the sum alone decides is known, the rest is null."""
    usage = usage_of({"usage": {"input_tokens": 200, "input_token_details": {**read, "cached_tokens": cached}}})
    assert tuple(getattr(usage, f"input_cached_{kind}_tokens") for kind in KINDS) == by_kind


@pytest.mark.parametrize("response", [{}, {"usage": None}, {"usage": {}}])
def test_no_usage_is_unknown(response: dict[str, Any]) -> None:
    """A cancelled response without a count has no usage, not a zero."""
    assert usage_of(response) is None


@pytest.mark.parametrize("odd", [-1, None, "200", 2.5, True])
def test_an_odd_count_is_unknown(odd: object) -> None:
    """Minus one, words and missing numbers are null, never 0."""
    usage = usage_of({"usage": {"input_tokens": odd, "output_tokens": 1}})
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (None, 1)


@given(
    st.dictionaries(st.sampled_from([*COMPLETE["usage"], "other"]), st.none() | st.integers() | st.just({}), min_size=1)
)
def test_whatever_part_is_missing_it_reads_the_rest(raw: dict[str, Any]) -> None:
    """A provider that leaves details out is read as far as it goes."""
    details = {key: value for key, value in raw.items() if key.endswith("details")}
    usage = usage_of(
        {"usage": raw | {key: value if isinstance(value, dict) else None for key, value in details.items()}}
    )
    assert usage is not None
    assert all(value is None or value >= 0 for value in usage.fields().values())
