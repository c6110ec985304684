from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp
import pytest

from medagent.simulator.process import SimulatorProcess
from medagent.simulator.voice import voice

pytestmark = pytest.mark.timing

Connect = Callable[..., AbstractAsyncContextManager[Any]]


def _speech(seconds: float) -> bytes:
    return voice(seconds, pitch_hz=130)


def _silence(seconds: float) -> bytes:
    return bytes(round(seconds * 24_000) * 2)


@pytest.mark.parametrize("headers", [{}, {"api-key": ""}, {"Authorization": "Bearer "}, {"Authorization": "Basic k"}])
async def test_who_has_no_key_gets_401(fast: SimulatorProcess, headers: dict[str, str]) -> None:
    """Without an api-key or a bearer token there is no session."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await session.ws_connect(f"{fast.endpoint}/openai/v1/realtime?model=book", headers=headers)
    assert caught.value.status == 401


async def test_a_bearer_token_opens_a_session(fast: SimulatorProcess) -> None:
    """An Entra token does what an api-key does."""
    headers = {"Authorization": "Bearer t"}
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{fast.endpoint}/openai/v1/realtime?model=any", headers=headers) as socket,
    ):
        assert (await socket.receive_json())["type"] == "session.created"


async def test_silence_is_no_turn(fast: SimulatorProcess, connect: Connect) -> None:
    """Five seconds of silence bring no edge of speech and no response."""
    async with connect(fast) as client:
        await client.audio(_silence(5.0))
        assert await client.settled() == ["session.created", "input_audio_buffer.cleared"]


async def test_the_audio_clock_moves_with_the_speech(fast: SimulatorProcess, connect: Connect) -> None:
    """Speech that comes 300 ms later stops 300 ms later in the audio's clock, and starts as much later."""
    edges = []
    for delay_s in (0.0, 0.3):
        async with connect(fast) as client:
            await client.audio(_silence(0.5 + delay_s) + _speech(0.5) + _silence(0.6))
            stopped = await client.until("input_audio_buffer.speech_stopped")
            started = client.all("input_audio_buffer.speech_started")[0]
            edges.append((started["audio_start_ms"], stopped["audio_end_ms"]))
    assert edges == [(200, 1500), (500, 1800)]


@pytest.mark.deadline
async def test_the_wall_clock_moves_with_the_speech(real_time: SimulatorProcess, connect: Connect) -> None:
    """At the pace of life, speech that comes 300 ms later is answered by a `speech_stopped` 300 ms later."""
    arrivals = []
    for delay_s in (0.0, 0.3):
        async with connect(real_time, silence_duration_ms=200) as client:
            began = client.events[-1][0]
            await client.audio(_silence(0.1 + delay_s) + _speech(0.4) + _silence(0.3), at_pace_of_life=True)
            await client.until("input_audio_buffer.speech_stopped")
            arrivals.append(client.events[-1][0] - began)
    assert arrivals[1] - arrivals[0] == pytest.approx(0.3, abs=0.2)


async def test_a_turn_comes_in_the_service_s_order(fast: SimulatorProcess, connect: Connect) -> None:
    """Edges, item, tool call, its result and the spoken answer follow each other as in the service."""
    async with connect(fast) as client:
        await client.audio(_speech(0.5) + _silence(0.6))
        done = await client.until("response.done")
        call = done["response"]["output"][0]
        assert (call["name"], call["status"]) == ("check_availability", "completed")
        assert json.loads(call["arguments"])["doctor_name"] == "Dr. Amara Okafor"
        output = {
            "type": "function_call_output",
            "call_id": call["call_id"],
            "output": '{"outcome": "ok", "slots": []}',
        }
        await client.send("conversation.item.create", item=output)
        await client.send("response.create", response={"metadata": {"client_event_id": "mine"}})
        done = await client.until("response.done")
    assert done["response"]["metadata"] == {"client_event_id": "mine"}
    assert done["response"]["output"][0]["content"][0]["transcript"].startswith("Doctor Okafor has an opening")
    once = list(dict.fromkeys(client.kinds()))
    assert once == [
        "session.created",
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
        "rate_limits.updated",
        "response.output_item.added",
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.done",
        "response.content_part.added",
        "response.output_audio_transcript.delta",
        "response.output_audio.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
    ]


async def test_a_refused_tool_is_not_talked_over(fast: SimulatorProcess, connect: Connect) -> None:
    """A tool whose outcome is not ok gets the scenario's `otherwise`, and what needs its result is not called."""
    async with connect(fast) as client:
        await client.audio(_speech(0.5) + _silence(0.6))
        call = (await client.until("response.done"))["response"]["output"][0]
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": '{"outcome": "refused"}'}
        await client.send("conversation.item.create", item=output)
        await client.send("response.create")
        said = (await client.until("response.done"))["response"]["output"][0]["content"][0]["transcript"]
        await client.audio(_speech(0.5) + _silence(0.6))
        next_output = (await client.until("response.done"))["response"]["output"][0]
    assert said.startswith("I am sorry, I could not find")
    assert next_output["type"] == "message"
    assert next_output["content"][0]["transcript"].startswith("I am sorry, I could not book")


async def one_turn(fast: SimulatorProcess, connect: Connect) -> tuple[float, list[dict[str, Any]]]:
    """Have a turn with a tool; return the wait that the client saw, in milliseconds, and the server's record."""
    async with connect(fast) as client:
        session_id = client.events[0][1]["session"]["id"]
        await client.audio(_speech(0.5) + _silence(0.6))
        call = (await client.until("response.done"))["response"]["output"][0]
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": json.dumps({"outcome": "ok"})}
        await client.send("conversation.item.create", item=output)
        await client.send("response.create")
        await client.until("response.done")
    at = {kind: [time for time, event in client.events if event["type"] == kind] for kind in client.kinds()}
    seen_ms = (at["response.output_audio.delta"][0] - at["input_audio_buffer.speech_stopped"][0]) * 1000
    return seen_ms, [kept for kept in fast.record()["responses"] if kept["session_id"] == session_id]


async def test_the_record_holds_the_wait_once(fast: SimulatorProcess, connect: Connect) -> None:
    """The turn's wait is on the response that brought its first audio, not on the tool before it."""
    _, (tool, speech) = await one_turn(fast, connect)
    assert (tool["kind"], tool["tool"], tool["turn"], tool["ttft_ms"]) == ("tool", "check_availability", 1, None)
    assert (speech["kind"], speech["turn"], speech["status"]) == ("speech", 1, "completed")
    assert speech["ttft_ms"] > 0


@pytest.mark.deadline
async def test_the_recorded_wait_is_what_the_client_sees(fast: SimulatorProcess, connect: Connect) -> None:
    """From `speech_stopped` to the first audio, the tool in between included, within 25 ms."""
    seen_ms, (_, speech) = await one_turn(fast, connect)
    assert speech["ttft_ms"] == pytest.approx(seen_ms, abs=25)


@pytest.mark.deadline
async def test_audio_comes_at_the_pace_of_speech(real_time: SimulatorProcess, connect: Connect) -> None:
    """At pace 1 two seconds of audio take as many seconds, less the lead of 200 ms, and are not silence."""
    async with connect(real_time) as client:
        await client.send("response.create")
        for _ in range(21):
            await client.until("response.output_audio.delta")
    times = [time for time, event in client.events if event["type"] == "response.output_audio.delta"]
    pieces = [base64.b64decode(event["delta"]) for event in client.all("response.output_audio.delta")]
    assert times[-1] - times[0] == pytest.approx(2.0 - 0.2, abs=0.15)
    assert all(len(piece) == 4800 and max(piece) > 0 for piece in pieces)


async def test_a_barge_in_cancels_the_answer(real_time: SimulatorProcess, connect: Connect) -> None:
    """Speech while the model speaks ends the response as cancelled, with what was said of it, and takes the turn."""
    async with connect(real_time) as client:
        await client.send("response.create")
        await client.until("response.output_audio.delta")
        await client.audio(_speech(0.2))
        done = (await client.until("response.done"))["response"]
    assert done["status"] == "cancelled"
    assert done["status_details"] == {"type": "cancelled", "reason": "turn_detected"}
    assert done["output"][0]["status"] == "incomplete"
    assert done["usage"]["output_token_details"]["audio_tokens"] > 0
    assert "input_audio_buffer.speech_started" in client.kinds()


async def test_without_interrupt_response_the_answer_goes_on(fast: SimulatorProcess, connect: Connect) -> None:
    """A session that wants no interruption gets its answer to the end."""
    async with connect(fast, interrupt_response=False, create_response=False) as client:
        await client.send("response.create")
        await client.until("response.output_audio.delta")
        await client.audio(_speech(0.2))
        assert (await client.until("response.done"))["response"]["status"] == "completed"


async def test_cancel_truncate_and_delete_are_answered(real_time: SimulatorProcess, connect: Connect) -> None:
    """A client can stop the answer, cut it to what was heard and take it out; a second time each is an error."""
    async with connect(real_time) as client:
        await client.send("response.create")
        await client.until("response.output_audio.delta")
        await client.send("response.cancel")
        done = (await client.until("response.done"))["response"]
        assert done["status_details"]["reason"] == "client_cancelled"
        item_id = done["output"][0]["id"]
        await client.send("conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=50)
        assert (await client.until("conversation.item.truncated"))["audio_end_ms"] == 50
        await client.send("conversation.item.delete", item_id=item_id)
        assert (await client.until("conversation.item.deleted"))["item_id"] == item_id
        await client.send("conversation.item.delete", item_id=item_id, event_id="mine")
        error = (await client.until("error"))["error"]
        assert (error["code"], error["event_id"]) == ("item_not_found", "mine")
        await client.send("response.cancel")
        error = (await client.until("error"))["error"]
        assert error["message"].startswith("Cancellation failed")


async def test_without_turn_detection_the_client_commits(fast: SimulatorProcess, connect: Connect) -> None:
    """With no turn detection speech alone does nothing; a commit makes the turn, an empty one is an error."""
    async with connect(fast, off=True) as client:
        await client.send("input_audio_buffer.commit")
        assert (await client.until("error"))["error"]["code"] == "input_audio_buffer_commit_empty"
        await client.audio(_speech(0.5) + _silence(1.0))
        await client.send("input_audio_buffer.commit")
        await client.until("conversation.item.done")
        await client.send("response.create")
        done = await client.until("response.done")
    assert "input_audio_buffer.speech_started" not in client.kinds()
    assert done["response"]["output"][0]["name"] == "check_availability"
    # 1.5 s of the caller at 10 tokens a second
    assert done["response"]["usage"]["input_token_details"]["audio_tokens"] == 15


async def test_a_transcript_comes_after_the_response_began(fast: SimulatorProcess, connect: Connect) -> None:
    """What the caller said arrives late, in pieces and whole, with its usage, if the session asked for it."""
    async with connect(fast) as client:
        audio = {"input": {"transcription": {"model": "whisper-1"}}}
        await client.send("session.update", session={"type": "realtime", "audio": audio})
        await client.audio(_speech(0.5) + _silence(0.6))
        completed = await client.until("conversation.item.input_audio_transcription.completed")
    kinds = client.kinds()
    pieces = client.all("conversation.item.input_audio_transcription.delta")
    assert completed["transcript"].startswith("Hello, I would like to see Doctor Okafor")
    assert "".join(piece["delta"] for piece in pieces).strip() == completed["transcript"]
    assert completed["usage"] == {"type": "duration", "seconds": 1.0}
    assert kinds.index("response.created") < kinds.index(pieces[0]["type"])


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"type": "made.up"}, "invalid_event"),
        ({"type": "output_audio_buffer.clear"}, "invalid_event"),
        ({"type": "input_audio_buffer.append", "audio": "%"}, "invalid_value"),
        ({"type": "session.update", "session": {"type": "realtime", "surprise": 1}}, "unknown_parameter"),
    ],
)
async def test_what_the_service_does_not_know_is_an_error(
    fast: SimulatorProcess, connect: Connect, event: dict[str, Any], code: str
) -> None:
    """A wrong event is answered with an `error` of the right code, and the session lives on."""
    async with connect(fast) as client:
        await client.send(event.pop("type"), **event)
        assert (await client.until("error"))["error"]["code"] == code
        await client.settled()


async def test_calls_do_not_mix(fast: SimulatorProcess, connect: Connect) -> None:
    """Two callers at once have a session, a script and a conversation each."""
    async with connect(fast) as one, connect(fast) as other:
        await one.audio(_speech(0.5) + _silence(0.6))
        await other.send("response.create")
        first = (await one.until("response.done"))["response"]["output"][0]
        second = (await other.until("response.done"))["response"]["output"][0]
        assert (first["type"], second["type"]) == ("function_call", "message")
        assert one.events[0][1]["session"]["id"] != other.events[0][1]["session"]["id"]
