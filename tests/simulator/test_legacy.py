from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp
import pytest
from livekit.agents import llm
from livekit.plugins import openai
from made_scenario import speech
from openai.types.beta.realtime.session import TurnDetection

from medagent.simulator.legacy import from_legacy, to_legacy
from medagent.simulator.process import SimulatorProcess
from medagent.simulator.protocol import check_server_event, default_session

pytestmark = pytest.mark.timing

Connect = Callable[..., AbstractAsyncContextManager[Any]]

BETA = "/openai/realtime?api-version=2024-10-01-preview&deployment="


async def test_the_beta_has_its_own_names_and_shapes(fast: SimulatorProcess, connect: Connect) -> None:
    """On the beta's path a turn with a tool comes in the beta's names, its session flat, its parts `audio`."""
    async with connect(fast, path=BETA) as client:
        session = client.all("session.created")[0]["session"]
        assert (session["modalities"], session["input_audio_format"]) == (["audio", "text"], "pcm16")
        detection = {"type": "server_vad", "silence_duration_ms": 300}
        await client.send("session.update", session={"turn_detection": detection, "modalities": ["audio", "text"]})
        updated = (await client.until("session.updated"))["session"]
        assert (updated["turn_detection"]["silence_duration_ms"], updated["voice"]) == (300, "alloy")
        await client.audio(speech())
        call = (await client.until("response.done"))["response"]["output"][0]
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": '{"outcome": "ok"}'}
        await client.send("conversation.item.create", item=output)
        await client.send("response.create", response={"modalities": ["audio", "text"], "metadata": {"a": "b"}})
        done = (await client.until("response.done"))["response"]
        kinds = set(client.kinds())
    assert (done["modalities"], done["metadata"], done["output_audio_format"]) == (
        ["audio", "text"],
        {"a": "b"},
        "pcm16",
    )
    assert done["output"][0]["content"][0]["type"] == "audio"
    assert set(done["usage"]["input_token_details"]) == {"text_tokens", "audio_tokens", "cached_tokens"}
    assert {"response.audio.delta", "response.audio_transcript.done", "conversation.item.created"} <= kinds
    assert not {kind for kind in kinds if "output_audio" in kind or kind.startswith("conversation.item.added")}
    assert "conversation.item.done" not in kinds


async def test_the_beta_does_not_know_the_new_shapes(fast: SimulatorProcess, connect: Connect) -> None:
    """A nested session is refused there, and a path without its version is no path."""
    async with connect(fast, path=BETA) as client:
        await client.send("session.update", session={"type": "realtime", "output_modalities": ["audio"]})
        assert (await client.until("error"))["error"]["code"] == "unknown_parameter"
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await session.ws_connect(f"{fast.endpoint}/openai/realtime?deployment=book", headers={"api-key": "k"})
    assert caught.value.status == 400


async def test_livekit_speaks_the_beta_with_us(fast: SimulatorProcess) -> None:
    """LiveKit's own plugin, told an api_version, opens a session there and gets its answer, without an error."""
    async with aiohttp.ClientSession() as http:
        model = openai.realtime.RealtimeModel.with_azure(
            azure_deployment="book",
            azure_endpoint=fast.endpoint,
            api_key="k",
            api_version="2024-10-01-preview",
            turn_detection=TurnDetection(type="server_vad", silence_duration_ms=500),
            http_session=http,
        )
        session = model.session()
        seen: list[dict[str, Any]] = []
        session.on("openai_server_event_received", seen.append)
        try:
            chat = llm.ChatContext.empty()
            chat.add_message(role="assistant", content="Good day.", id="item_said")
            await session.update_chat_ctx(chat)
            generation = await session.generate_reply(instructions="Greet the caller.")
            message = await anext(aiter(generation.message_stream))
            said = "".join([piece async for piece in message.text_stream])
        finally:
            await session.aclose()
    assert said.startswith("Thank you for calling the clinic")
    kinds = [event["type"] for event in seen]
    assert "error" not in kinds
    assert "response.output_audio.delta" in kinds, "the plugin renames before it emits"


def test_a_session_survives_the_way_to_the_beta() -> None:
    """What a beta client reads of a session it can send back, and it means the same."""
    session = default_session(session_id="s", model="book", expires_at=1)
    told = to_legacy({"type": "session.updated", "event_id": "e", "session": session})
    assert told is not None
    check_server_event(told, "legacy")
    flat = {key: told["session"][key] for key in told["session"] if key not in ("id", "object", "expires_at", "model")}
    heard = from_legacy({"type": "session.update", "session": json.loads(json.dumps(flat))})["session"]
    taken = session["audio"]["input"]["turn_detection"].copy()
    del taken["idle_timeout_ms"]
    assert heard["audio"]["input"]["turn_detection"] == taken
    assert heard["audio"]["output"]["voice"] == session["audio"]["output"]["voice"]
    assert heard["output_modalities"] == session["output_modalities"]
    assert heard["max_output_tokens"] == session["max_output_tokens"]
