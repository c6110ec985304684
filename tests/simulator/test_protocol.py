from __future__ import annotations

import pytest

from medagent.errors import SimulatorError
from medagent.simulator.protocol import (
    RefusedError,
    check_client_event,
    check_server_event,
    default_session,
    updated_session,
)

_CLEARED = {"type": "input_audio_buffer.cleared", "event_id": "event_1"}


def test_a_made_up_key_is_refused() -> None:
    """An event with a key that the published types do not declare cannot be sent."""
    check_server_event(_CLEARED)
    with pytest.raises(SimulatorError, match="surprise"):
        check_server_event({**_CLEARED, "surprise": 1})


def test_a_made_up_key_deep_inside_is_refused() -> None:
    """The walk reaches the keys of nested models."""
    item = {"id": "i", "type": "message", "role": "user", "content": [{"type": "input_audio", "loudness": 1}]}
    with pytest.raises(SimulatorError, match=r"item\.content\.0\.loudness"):
        check_server_event({"type": "conversation.item.added", "event_id": "e", "item": item})


@pytest.mark.parametrize(
    "event",
    [
        {"type": "made.up", "event_id": "e"},
        {"type": "input_audio_buffer.cleared"},
        {"type": "input_audio_buffer.speech_stopped", "event_id": "e", "item_id": "i", "audio_end_ms": "3"},
        {"type": "response.done", "event_id": "e", "response": {"id": "r", "status": "completed"}},
    ],
)
def test_an_event_that_is_not_one_is_refused(event: dict[str, object]) -> None:
    """Unknown types, missing keys, values of another type and a `response.done` without usage cannot be sent."""
    with pytest.raises(SimulatorError):
        check_server_event(event)


def test_an_error_does_not_repeat_the_value() -> None:
    """What an event holds does not get into the message about it."""
    with pytest.raises(SimulatorError) as caught:
        check_server_event({**_CLEARED, "event_id": ["Maren Oldfield"]})
    assert "Maren" not in str(caught.value)


def test_a_session_update_fills_the_turn_detection() -> None:
    """A turn detection given in part is completed, what is not given at all stays."""
    session = default_session(session_id="s", model="gpt-realtime", expires_at=1)
    given = {"type": "server_vad", "silence_duration_ms": 250, "threshold": None}
    updated = updated_session(session, {"type": "realtime", "audio": {"input": {"turn_detection": given}}})
    detection = updated["audio"]["input"]["turn_detection"]
    assert (detection["silence_duration_ms"], detection["threshold"], detection["prefix_padding_ms"]) == (250, 0.5, 300)
    assert updated["audio"]["output"] == session["audio"]["output"]
    off = updated_session(updated, {"type": "realtime", "audio": {"input": {"turn_detection": None}}})
    assert off["audio"]["input"]["turn_detection"] is None
    check_server_event({"type": "session.updated", "event_id": "e", "session": updated})


@pytest.mark.parametrize("event", ["text", {"type": "made.up"}, {"type": "response.cancel", "surprise": 1}])
def test_a_client_event_that_is_not_one_is_refused(event: object) -> None:
    """What a client makes up is refused with the service's kind of error."""
    with pytest.raises(RefusedError) as caught:
        check_client_event(event)
    assert caught.value.code in {"invalid_json", "invalid_event", "unknown_parameter"}
