"""The vendor's own client reads what we send: no type of ours stands between the wire and these assertions."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest
from made_scenario import speech
from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from openai.types import realtime
from openai.types.realtime import RealtimeServerEvent, RealtimeSessionCreateRequestParam

from medagent.simulator.process import SimulatorProcess

pytestmark = pytest.mark.timing


async def _until(connection: AsyncRealtimeConnection, kind: str) -> list[RealtimeServerEvent]:
    seen: list[RealtimeServerEvent] = []
    async with asyncio.timeout(60):
        async for event in connection:
            seen.append(event)
            if event.type == kind:
                return seen
    raise AssertionError(f"the server hung up before {kind}")


def _client(process: SimulatorProcess) -> AsyncOpenAI:
    return AsyncOpenAI(api_key="k", base_url=f"{process.endpoint}/openai/v1")


async def test_speech_a_tool_and_its_result(real_time: SimulatorProcess) -> None:
    """Real sound through the vendor's client is a turn, a function call, and with its result a spoken answer."""
    client = _client(real_time)
    async with client, client.realtime.connect(model="book") as connection:
        created = await connection.recv()
        assert isinstance(created, realtime.SessionCreatedEvent)
        assert isinstance(created.session, realtime.RealtimeSessionCreateRequest)
        assert created.session.model == "book"
        session: RealtimeSessionCreateRequestParam = {
            "type": "realtime",
            "audio": {"input": {"turn_detection": {"type": "server_vad", "silence_duration_ms": 400}}},
        }
        await connection.session.update(session=session)
        pcm = speech(1.0)
        for at in range(0, len(pcm), 4_800):
            await connection.input_audio_buffer.append(audio=base64.b64encode(pcm[at : at + 4_800]).decode())
        events = await _until(connection, "response.done")
        stopped = next(e for e in events if isinstance(e, realtime.InputAudioBufferSpeechStoppedEvent))
        assert stopped.audio_end_ms == 1_400
        committed = next(e for e in events if isinstance(e, realtime.InputAudioBufferCommittedEvent))
        assert committed.item_id == stopped.item_id
        done = events[-1]
        assert isinstance(done, realtime.ResponseDoneEvent)
        assert done.response.output is not None
        call = done.response.output[0]
        assert isinstance(call, realtime.RealtimeConversationItemFunctionCall)
        assert (call.name, call.status) == ("check_availability", "completed")
        assert json.loads(call.arguments)["doctor_name"] == "Dr. Amara Okafor"
        await connection.conversation.item.create(
            item={"type": "function_call_output", "call_id": str(call.call_id), "output": '{"outcome": "ok"}'}
        )
        await connection.response.create(response={"metadata": {"asked": "by a test"}})
        events = await _until(connection, "response.output_audio.delta")
        begun = next(e for e in events if isinstance(e, realtime.ResponseCreatedEvent))
        assert begun.response.metadata == {"asked": "by a test"}
        sound = events[-1]
        assert isinstance(sound, realtime.ResponseAudioDeltaEvent)
        assert len(base64.b64decode(sound.delta)) == 4_800


async def test_a_cancelled_answer_is_cut_to_what_was_heard(real_time: SimulatorProcess) -> None:
    """A cancel ends the answer with its reason and usage, a truncation is confirmed, a second cancel is refused."""
    client = _client(real_time)
    async with client, client.realtime.connect(model="book") as connection:
        await connection.response.create()
        await _until(connection, "response.output_audio.delta")
        await connection.response.cancel()
        done = (await _until(connection, "response.done"))[-1]
        assert isinstance(done, realtime.ResponseDoneEvent)
        response = done.response
        assert response.status == "cancelled"
        assert response.status_details is not None
        assert response.status_details.reason == "client_cancelled"
        assert response.usage is not None
        assert response.usage.input_token_details is not None
        assert response.usage.output_token_details is not None
        read = response.usage.input_token_details
        assert (read.text_tokens or 0) + (read.audio_tokens or 0) == response.usage.input_tokens
        assert response.usage.output_token_details.audio_tokens
        assert response.output is not None
        item = response.output[0]
        assert isinstance(item, realtime.RealtimeConversationItemAssistantMessage)
        assert item.status == "incomplete"
        await connection.conversation.item.truncate(item_id=str(item.id), content_index=0, audio_end_ms=80)
        truncated = (await _until(connection, "conversation.item.truncated"))[-1]
        assert isinstance(truncated, realtime.ConversationItemTruncatedEvent)
        assert (truncated.item_id, truncated.audio_end_ms) == (item.id, 80)
        await connection.response.cancel()
        error = (await _until(connection, "error"))[-1]
        assert isinstance(error, realtime.RealtimeErrorEvent)
        assert error.error.code == "response_cancel_not_active"


@pytest.mark.parametrize("model", ["book", "any-deployment"])
async def test_the_session_is_named_as_it_was_asked_for(fast: SimulatorProcess, model: str) -> None:
    """The deployment asked for is the session's model, whatever scenario it leads to."""
    client = _client(fast)
    async with client, client.realtime.connect(model=model) as connection:
        created = await connection.recv()
        assert isinstance(created, realtime.SessionCreatedEvent)
        assert isinstance(created.session, realtime.RealtimeSessionCreateRequest)
        assert created.session.model == model
