from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medagent.simulator.conversation import Conversation, Item
from medagent.simulator.protocol import RefusedError


def _item(number: int, role: str, text: str, audio_s: float) -> Item:
    kind = "output_audio" if role == "assistant" else "input_text"
    content = [{"type": kind, "transcript" if role == "assistant" else "text": text}]
    wire = {"id": f"item_{number}", "type": "message", "role": role, "content": content}
    return Item(wire=wire, audio_s=audio_s)


_TURNS = st.lists(st.tuples(st.text(max_size=300), st.floats(0, 60), st.floats(0, 60)), min_size=1, max_size=8)


@given(turns=_TURNS)
def test_usage_adds_up(turns: list[tuple[str, float, float]]) -> None:
    """Modalities add up to totals, cached tokens are a part of the input, and a growing call reads ever more."""
    conversation, before = Conversation(), 0
    for number, (text, heard_s, said_s) in enumerate(turns):
        conversation.add(_item(2 * number, "user", text, heard_s))
        context = conversation.context("instructions")
        said = _item(2 * number + 1, "assistant", text, said_s)
        conversation.add(said)
        usage = conversation.usage(context, [said])
        taken, given_ = usage["input_token_details"], usage["output_token_details"]
        cached = taken["cached_tokens_details"]
        assert usage["input_tokens"] == taken["text_tokens"] + taken["audio_tokens"]
        assert usage["output_tokens"] == given_["text_tokens"] + given_["audio_tokens"]
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
        assert taken["cached_tokens"] == cached["text_tokens"] + cached["audio_tokens"]
        assert cached["text_tokens"] <= taken["text_tokens"]
        assert cached["audio_tokens"] <= taken["audio_tokens"]
        assert usage["input_tokens"] >= before
        before = usage["input_tokens"]


def test_later_turns_are_cached() -> None:
    """What the response before has read counts as cached, in whole blocks; what was changed since does not."""
    conversation = Conversation()
    conversation.add(_item(0, "user", "a" * 800, 0))
    first = conversation.usage(conversation.context("b" * 400), [])
    conversation.add(_item(1, "user", "c" * 40, 0))
    second = conversation.usage(conversation.context("b" * 400), [])
    changed = conversation.usage(conversation.context("other"), [])
    cached = [usage["input_token_details"]["cached_tokens"] for usage in (first, second, changed)]
    assert cached == [0, 256, 0]


def test_truncation_takes_the_audio_and_the_text() -> None:
    """After a truncation the model reads the heard audio and no text; more than there was is refused."""
    conversation = Conversation()
    conversation.add(_item(0, "assistant", "a long answer", 3.0))
    with pytest.raises(RefusedError):
        conversation.truncate("item_0", audio_end_ms=3001)
    conversation.truncate("item_0", audio_end_ms=1500)
    assert (conversation["item_0"].audio_s, conversation["item_0"].text()) == (1.5, "")


def test_items_stand_where_they_were_put() -> None:
    """An item goes to the front, behind another or to the end; the same id twice and an unknown place are refused."""
    conversation = Conversation()
    assert conversation.add(_item(0, "user", "x", 0)) is None
    assert conversation.add(_item(1, "user", "x", 0), after="root") is None
    assert conversation.add(_item(2, "user", "x", 0), after="item_1") == "item_1"
    assert conversation.last_id == "item_0"
    for after in (None, "item_9"):
        with pytest.raises(RefusedError):
            conversation.add(_item(0 if after is None else 3, "user", "x", 0), after=after)
    conversation.delete("item_2")
    assert conversation.before("item_0") == "item_1"
