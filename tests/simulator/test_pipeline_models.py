"""The simulated models of a pipeline, through OpenAI's own client: the scenario's words, calls side by side, faults."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from made_scenario import line, says, scenario_document, speech, written

from medagent.simulator.app import build_app
from medagent.simulator.scenario import Scenario, load_scenario
from medagent.simulator.script import Script, Speech, ToolCall
from medagent.simulator.voice import SAMPLE_RATE, speech_seconds

pytestmark = pytest.mark.timing

TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "findRefill",
            "parameters": {"type": "object", "properties": {"Patient Name": {"type": "string"}}},
        },
    }
]
TURNS: list[dict[str, Any]] = [
    {"model": [says("Good morning.")]},
    {
        "caller": line("A refill for ${person.patient_name}."),
        "model": [
            {
                "tool": "findRefill",
                "arguments": {"Patient Name": "${person.patient_name}"},
                "otherwise": says("I cannot look."),
            },
            {"tool": "notes.add", "arguments": {"text": "${findRefill.left} left"}, "fails_if": "no paper"},
            says("There are ${findRefill.left}, noted: ${notes.add}."),
        ],
    },
    {"caller": line("Thank you."), "model": [says("Goodbye.")]},
]


@pytest.fixture(scope="module")
def scenarios(tmp_path_factory: pytest.TempPathFactory) -> list[Scenario]:
    faults = ("failed", "error", "incomplete", "slow")
    broken = [
        {"caller": line(f"{kind} {{}}"), "model": [says(" ".join([kind] * 20), fault=fault)]}
        for kind, fault in zip(
            faults,
            (
                {"kind": "failed"},
                {"kind": "error", "code": "invalid_api_key"},
                {"kind": "incomplete", "seconds": 0.2},
                {"kind": "slow", "seconds": 0.1},
            ),
            strict=True,
        )
    ]
    documents = [scenario_document("refill", *TURNS), scenario_document("broken", *broken)]
    return [load_scenario(path) for path in written(tmp_path_factory.mktemp("pipeline"), *documents)]


@pytest.fixture
async def endpoint(scenarios: list[Scenario]) -> AsyncIterator[str]:
    runner = web.AppRunner(build_app(scenarios, pace=50), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


def client(endpoint: str, call: str = "") -> openai.AsyncOpenAI:
    base_url = f"{endpoint}/calls/{call}/v1" if call else f"{endpoint}/v1"
    return openai.AsyncOpenAI(api_key="k", base_url=base_url, max_retries=0)


async def expected(endpoint: str, scenario: str) -> str:
    async with aiohttp.ClientSession(raise_for_status=True) as http:
        answer = await http.post(f"{endpoint}/_expect", json={"scenario": scenario, "given": []})
        return str((await answer.json())["deployment"])


async def requests_of(endpoint: str, call: str) -> dict[str, int]:
    async with aiohttp.ClientSession(raise_for_status=True) as http:
        counts: dict[str, int] = await (await http.get(f"{endpoint}/_calls/{call}")).json()
        return counts


async def answered(models: openai.AsyncOpenAI, messages: list[Any]) -> tuple[dict[str, Any], str | None, Any]:
    """Ask in pieces as LiveKit does; return the message, its finish and its usage."""
    stream = await models.chat.completions.create(
        model="gpt-4.1-mini", messages=messages, tools=TOOLS, stream=True, stream_options={"include_usage": True}
    )
    text, finish, usage = "", None, None
    calls: list[dict[str, Any]] = []
    async for chunk in stream:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
            for piece in choice.delta.tool_calls or ():
                assert piece.function is not None
                if piece.id:
                    function = {"name": piece.function.name, "arguments": ""}
                    calls.append({"id": piece.id, "type": "function", "function": function})
                calls[-1]["function"]["arguments"] += piece.function.arguments or ""
    message: dict[str, Any] = {"role": "assistant", "content": text or None}
    return message | ({"tool_calls": calls} if calls else {}), finish, usage


async def call_through(models: openai.AsyncOpenAI, *, result: str) -> list[str]:
    """Hold the whole call with this result of its first tool; return what was said and called."""
    messages: list[Any] = [{"role": "system", "content": "You take refills."}]
    told: list[str] = []
    for heard in (None, "A refill for Maren Oldfield.", "Thank you."):
        messages += [{"role": "user", "content": heard}] if heard is not None else []
        while True:
            message, _, usage = await answered(models, messages)
            assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > 0
            messages.append(message)
            if "tool_calls" not in message:
                told.append(message["content"])
                break
            [call] = message["tool_calls"]
            told.append(f"{call['function']['name']} {call['function']['arguments']}")
            output = result if call["function"]["name"] == "findRefill" else "in the book"
            messages.append({"role": "tool", "tool_call_id": call["id"], "content": output})
    return told


async def test_chat_follows_the_scenario_with_any_name_and_any_result(endpoint: str) -> None:
    """Tools of any spelling are called; Python's form of a dict and a plain text are results; counts name each part."""
    call = await expected(endpoint, "refill")
    assert await call_through(client(endpoint, call), result="{'left': 2, 'found': True}") == [
        "Good morning.",
        'findRefill {"Patient Name": "Maren Oldfield"}',
        'notes.add {"text": "2 left"}',
        "There are 2, noted: in the book.",
        "Goodbye.",
    ]
    assert await requests_of(endpoint, call) == {"llm": 5}


@pytest.mark.parametrize(
    "result",
    ["An internal error occurred", "{'outcome': 'refused'}", '{"outcome": "timeout"}'],
    ids=["raised", "refused", "timeout"],
)
async def test_a_tool_that_failed_is_answered_with_otherwise(endpoint: str, result: str) -> None:
    """It raised, or its result says so; then the turn's rest is not played."""
    told = await call_through(client(endpoint), result=result)
    assert told[2:] == ["I cannot look.", "Goodbye."]


async def test_a_failure_that_the_player_names_needs_no_sign_in_the_result(endpoint: str) -> None:
    """LiveKit sends the message of a ToolError like any text: the player names the call's id."""
    call = await expected(endpoint, "refill")
    models = client(endpoint, call)
    messages: list[Any] = [{"role": "user", "content": "A refill for Maren Oldfield."}]
    message, finish, _ = await answered(models, messages)
    assert finish == "tool_calls"
    call_id = message["tool_calls"][0]["id"]
    async with aiohttp.ClientSession(raise_for_status=True) as http:
        await http.post(f"{endpoint}/_failed", json={"deployment": call, "call_ids": [call_id]})
    messages += [message, {"role": "tool", "tool_call_id": call_id, "content": "the warehouse is closed"}]
    assert (await answered(models, messages))[0]["content"] == "I cannot look."


async def test_calls_side_by_side_hear_their_own_lines(endpoint: str) -> None:
    """Transcriptions count the utterances of their own call, also where the other says them at the same time."""
    models = [client(endpoint, await expected(endpoint, "refill")) for _ in range(2)]
    sound = wav(speech(0.4))

    async def heard(one: openai.AsyncOpenAI, form: Any) -> list[str]:
        texts = []
        for _ in range(3):
            answer: Any = await one.audio.transcriptions.create(file=("f.wav", sound), model="m", response_format=form)
            texts.append(answer.text)
        return texts

    lines = ["A refill for Maren Oldfield.", "Thank you.", ""]
    first, second = await asyncio.gather(heard(models[0], "json"), heard(models[1], "verbose_json"))
    assert (first, second) == (lines, lines)


def wav(pcm: bytes) -> bytes:
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(pcm)
    return held.getvalue()


async def test_the_transcription_socket_writes_the_lines_of_its_call(endpoint: str) -> None:
    """As LiveKit's plugin uses it: server VAD finds the turn, the call's next line comes word by word, with usage."""
    call = await expected(endpoint, "refill")
    detection = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 600, "silence_duration_ms": 350}
    audio = {"input": {"transcription": {"model": "gpt-4o-mini-transcribe"}, "turn_detection": detection}}
    url = f"{endpoint}/calls/{call}/v1/realtime?intent=transcription&model=gpt-4o-mini-transcribe"
    kinds: list[str] = []
    async with aiohttp.ClientSession() as http, http.ws_connect(url, headers={"api-key": "k"}) as socket:
        await socket.send_json({"type": "session.update", "session": {"type": "transcription", "audio": audio}})
        pcm = base64.b64encode(speech(1.0)).decode()
        await socket.send_json({"type": "input_audio_buffer.append", "audio": pcm})
        async with asyncio.timeout(60):
            while True:
                event = await socket.receive_json()
                kinds.append(event["type"])
                if event["type"].endswith("transcription.completed"):
                    break
        await socket.send_json({"type": "response.create"})
        refused = await socket.receive_json()
    assert event["transcript"] == "A refill for Maren Oldfield."
    assert event["usage"]["total_tokens"] > 0
    assert {"input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped"} <= set(kinds)
    assert refused["error"]["code"] == "invalid_event"
    assert await requests_of(endpoint, call) == {"stt": 1}


@pytest.mark.parametrize("form", ["pcm", "wav", "mp3"])
async def test_speech_is_sound_of_the_text_s_length(endpoint: str, form: Any) -> None:
    """PCM and WAV as asked; what cannot be encoded is PCM that says so, as LiveKit's plugin takes it."""
    text = "There are two refills left of this medicine."
    answer = await client(endpoint).audio.speech.create(input=text, model="tts-1", voice="ash", response_format=form)
    content = answer.content
    assert answer.response.headers["content-type"] == ("audio/wav" if form == "wav" else "audio/pcm")
    if form == "wav":
        with wave.open(io.BytesIO(content)) as file:
            content = file.readframes(file.getnframes())
    assert len(content) == pytest.approx(speech_seconds(text) * SAMPLE_RATE * 2, abs=100)


async def test_streamed_speech_ends_with_its_usage(endpoint: str) -> None:
    """Server-sent events hold the same sound."""
    body = {"input": "Good morning.", "model": "m", "voice": "ash", "response_format": "pcm", "stream_format": "sse"}
    async with aiohttp.ClientSession(headers={"api-key": "k"}) as http:
        text = await (await http.post(f"{endpoint}/v1/audio/speech", json=body)).text()
    events = [json.loads(part.removeprefix("data: ")) for part in text.split("\n\n") if part]
    sound = b"".join(base64.b64decode(event["audio"]) for event in events[:-1])
    assert len(sound) == pytest.approx(speech_seconds("Good morning.") * SAMPLE_RATE * 2, abs=100)
    assert events[-1]["usage"]["output_tokens"] > 0


async def test_a_fault_comes_once(endpoint: str) -> None:
    """A refusal has its status and its code, a text may end early, and the next try is answered."""
    models = client(endpoint, await expected(endpoint, "broken"))

    def saying(kind: str) -> list[Any]:
        return [{"role": "user", "content": f"{kind} {{}}"}]

    with pytest.raises(openai.RateLimitError) as limited:
        await answered(models, saying("failed"))
    with pytest.raises(openai.AuthenticationError) as refused:
        await answered(models, saying("error"))
    assert (limited.value.code, refused.value.code) == ("rate_limit_exceeded", "invalid_api_key")
    message, finish, _ = await answered(models, saying("incomplete"))
    assert finish == "length"
    assert 0 < len(message["content"].split()) < 20
    for kind in ("failed", "error", "incomplete", "slow"):
        message, finish, _ = await answered(models, saying(kind))
        assert (finish, len(message["content"].split())) == ("stop", 20)


async def test_what_is_not_simulated_and_what_has_no_key_is_refused(endpoint: str) -> None:
    """The answer names what there is."""
    async with aiohttp.ClientSession() as http:
        answer = await http.post(f"{endpoint}/v1/responses", json={})
        assert answer.status == 404
        assert "chat/completions" in await answer.text()
        assert (await http.post(f"{endpoint}/v1/chat/completions", json={})).status == 401
    whole = await client(endpoint).chat.completions.create(model="m", messages=[{"role": "system", "content": "x"}])
    assert whole.choices[0].message.content == "Good morning."


@given(data=st.data())
def test_a_chat_leads_to_its_place_whatever_else_is_in_it(scenarios: list[Scenario], data: st.DataObject) -> None:
    """Fillers, other tools, cut answers and a repeated request do not move the scenario."""
    foreign: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
        [
            {"role": "assistant", "content": "One moment please."},
            {"role": "system", "content": "Stay calm."},
            {
                "role": "assistant",
                "tool_calls": [{"id": "x", "type": "function", "function": {"name": "other", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "x", "content": "An internal error occurred"},
        ]
    )
    messages: list[dict[str, Any]] = []
    told: list[str] = []
    lines = iter(["a refill for maren oldfield", "Thank you"])
    for _ in range(6):
        messages += data.draw(st.lists(foreign, max_size=2))
        for _ in range(data.draw(st.integers(1, 2))):
            script = Script(scenarios[0])
            script.replay(messages)
            does = script.next().does
        if isinstance(does, ToolCall):
            told.append(does.name)
            call_id = f"call_{len(told)}"
            function = {"name": does.name, "arguments": does.arguments}
            messages.append({"role": "assistant", "tool_calls": [{"id": call_id, "function": function}]})
            messages += data.draw(st.lists(foreign, max_size=1))
            messages.append({"role": "tool", "tool_call_id": call_id, "content": '{"left": 2}'})
            continue
        assert isinstance(does, Speech)
        told.append(does.text)
        words = does.text.split()
        kept = " ".join(words[: data.draw(st.integers(1, len(words)))])
        messages.append({"role": "assistant", "content": kept})
        if (heard := next(lines, None)) is None:
            break
        messages.append({"role": "user", "content": heard})
    noted = 'There are 2, noted: {"left": 2}.'
    assert told[:3] == ["Good morning.", "findRefill", "notes.add"]
    assert told[-1] == "Goodbye."
    assert noted not in told[:3]


def test_fails_if_names_a_result_that_is_a_failure(tmp_path: Path) -> None:
    """A tool of somebody else's says in its own words that it failed; without them it did not."""
    step = {"tool": "add", "arguments": {}, "fails_if": "no paper", "otherwise": says("Not noted.")}
    [path] = written(tmp_path, scenario_document("noting", {"caller": line(), "model": [step, says("Noted.")]}))
    results = {"There is No Paper left": "Not noted.", "outcome: paper": "Noted.", "": "Noted."}
    for output, expected_text in results.items():
        script = Script(load_scenario(path))
        script.hear()
        script.next()
        script.called("1", "add")
        script.returned("1", output)
        does = script.next().does
        assert isinstance(does, Speech)
        assert does.text == expected_text
