from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from made_scenario import line, says, scenario_document, speech, written

from medagent.simulator.process import SimulatorProcess

pytestmark = pytest.mark.timing

Connect = Callable[..., AbstractAsyncContextManager[Any]]

PACE = 5.0
_TOOL = {"tool": "look", "arguments": {"day": "today"}}


def _one(name: str, step: dict[str, Any], **settings: Any) -> dict[str, Any]:
    turns = [{"caller": line(), "model": [step, says("Then this.")]}, {"caller": line(), "model": [says("And that.")]}]
    return scenario_document(name, *turns, **settings)


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    """A server with one scenario for each kind of fault."""
    kinds: dict[str, dict[str, Any]] = {
        "plain": {},
        "slow": {"kind": "slow", "seconds": 2},
        "missing": {"kind": "missing"},
        "failed": {"kind": "failed"},
        "error": {"kind": "error"},
        "fatal": {"kind": "error", "code": "insufficient_quota"},
        "incomplete": {"kind": "incomplete", "seconds": 1},
        "dropped": {"kind": "reconnect", "seconds": 1},
        "hung-up": {"kind": "reconnect"},
    }
    documents = [
        _one(name, {"says": "First this, and at length.", "seconds": 3, **({"fault": fault} if fault else {})})
        for name, fault in kinds.items()
    ]
    documents.append(_one("tool-dropped", {**_TOOL, "fault": {"kind": "reconnect"}}))
    documents.append(_one("recycled", says("First this."), recycle_after_s=2))
    late = [
        {"caller": line("Early words.", transcription={"late_s": 30}), "model": [says("One.")]},
        {"caller": line("Later words."), "model": [says("Two.")]},
        {"caller": line("Lost words.", transcription={"fails": True}), "model": [says("Three.")]},
    ]
    documents.append(scenario_document("late", *late))
    paths = written(tmp_path_factory.mktemp("faulty"), *documents)
    with SimulatorProcess(paths, pace=PACE, environment=dict(os.environ)) as process:
        yield process


async def _answer(client: Any) -> dict[str, Any]:
    await client.audio(speech())
    done: dict[str, Any] = (await client.until("response.done"))["response"]
    return done


def _transcript(response: dict[str, Any]) -> str:
    return str(response["output"][0]["content"][0]["transcript"])


async def test_a_slow_answer_takes_its_seconds(faulty: SimulatorProcess, connect: Connect) -> None:
    """A slow step's first audio comes no sooner than that, by the server's own record, and is the same."""
    async with connect(faulty, "slow") as client:
        session_id = client.all("session.created")[0]["session"]["id"]
        assert _transcript(await _answer(client)) == "First this, and at length."
    [kept] = [each for each in faulty.record()["responses"] if each["session_id"] == session_id]
    assert kept["ttft_ms"] >= 2000 / PACE


async def test_a_missing_answer_is_no_response(faulty: SimulatorProcess, connect: Connect) -> None:
    """After the utterance nothing comes, and who asks again gets the step that was due."""
    async with connect(faulty, "missing") as client:
        await client.audio(speech())
        assert "response.created" not in await client.settled()
        await client.send("response.create")
        assert _transcript((await client.until("response.done"))["response"]) == "First this, and at length."


async def test_a_failed_response_says_why_and_counts_nothing(faulty: SimulatorProcess, connect: Connect) -> None:
    """It ends as failed with the code and without usage, and who asks again gets the step that was due."""
    async with connect(faulty, "failed") as client:
        failed = await _answer(client)
        assert (failed["status"], failed["output"], failed["usage"]) == ("failed", [], None)
        assert failed["status_details"]["error"]["code"] == "rate_limit_exceeded"
        await client.send("response.create")
        assert _transcript((await client.until("response.done"))["response"]) == "First this, and at length."


async def test_an_error_need_not_be_the_end(faulty: SimulatorProcess, connect: Connect) -> None:
    """An error of the service's own is told, and the answer comes all the same."""
    async with connect(faulty, "error") as client:
        assert (await _answer(client))["status"] == "completed"
        assert [event["error"]["code"] for event in client.all("error")] == ["server_error"]


async def test_a_fatal_error_is_the_end(faulty: SimulatorProcess, connect: Connect) -> None:
    """An error that no retry helps is the last word before the server hangs up."""
    async with connect(faulty, "fatal") as client:
        await client.audio(speech())
        await client.hangs_up()
        assert client.kinds()[-1] == "error"
        assert client.all("error")[0]["error"]["type"] == "insufficient_quota"


async def test_an_incomplete_response_stops_early(faulty: SimulatorProcess, connect: Connect) -> None:
    """It stops after its seconds, says for want of what, and its item is incomplete."""
    async with connect(faulty, "incomplete") as client:
        done = await _answer(client)
    assert (done["status"], done["status_details"]["reason"]) == ("incomplete", "max_output_tokens")
    assert done["output"][0]["status"] == "incomplete"
    assert done["usage"]["output_token_details"]["audio_tokens"] == 20


@pytest.mark.parametrize(("name", "is_whole"), [("dropped", False), ("hung-up", True)])
async def test_the_server_hangs_up_where_it_is_told(
    faulty: SimulatorProcess, connect: Connect, name: str, is_whole: bool
) -> None:
    """In the middle of a sentence there is no end of the response; after it there is."""
    async with connect(faulty, name) as client:
        await client.audio(speech())
        await client.hangs_up()
    assert ("response.done" in client.kinds()) == is_whole
    assert len(client.all("response.output_audio.delta")) == (30 if is_whole else 10)


async def test_a_session_expires(faulty: SimulatorProcess, connect: Connect) -> None:
    """A server that recycles its connections says so and hangs up, in the middle of nothing."""
    async with connect(faulty, "recycled") as client:
        await client.hangs_up()
        assert client.events[-1][1]["error"]["code"] == "session_expired"


async def test_the_call_goes_on_where_it_was(faulty: SimulatorProcess, connect: Connect) -> None:
    """Who replays a call's items on a new connection gets the next step, with the tool's result, not the first one."""
    async with connect(faulty, "tool-dropped") as client:
        await client.audio(speech())
        await client.hangs_up()
        replayed = [event["item"] for event in client.all("conversation.item.done")]
    heard, call = replayed
    message = {"id": heard["id"], "type": "message", "role": "user"}
    message["content"] = [{"type": "input_text", "text": "Yes?"}]
    async with connect(faulty, "tool-dropped") as client:
        await client.send("conversation.item.create", item=message, previous_item_id="root")
        wanted = ("id", "type", "call_id", "name", "arguments")
        await client.send("conversation.item.create", item={name: call[name] for name in wanted})
        output = {"type": "function_call_output", "call_id": call["call_id"], "output": '{"outcome": "ok"}'}
        await client.send("conversation.item.create", item=output)
        await client.send("response.create")
        assert _transcript((await client.until("response.done"))["response"]) == "Then this."
        assert _transcript(await _answer(client)) == "And that."


async def test_who_replays_nothing_begins_anew(faulty: SimulatorProcess, connect: Connect) -> None:
    """A new caller of the same scenario does not land in another's call, even with an item of a known shape."""
    async with connect(faulty, "plain") as client:
        await _answer(client)
    async with connect(faulty, "plain") as client:
        made_up = {"id": "item_1", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
        await client.send("conversation.item.create", item=made_up)
        assert _transcript(await _answer(client)) == "First this, and at length."


async def test_transcripts_come_late_out_of_order_or_not_at_all(faulty: SimulatorProcess, connect: Connect) -> None:
    """An utterance's transcript can come after the next one's; one that fails is told as failed, with its item."""
    kind = "conversation.item.input_audio_transcription"
    async with connect(faulty, "late") as client:
        audio = {"input": {"transcription": {"model": "gpt-4o-mini-transcribe"}}}
        await client.send("session.update", session={"type": "realtime", "audio": audio})
        for _ in range(3):
            await _answer(client)
        if not client.all(f"{kind}.failed"):
            await client.until(f"{kind}.failed")
        if len(client.all(f"{kind}.completed")) < 2:
            await client.until(f"{kind}.completed")
        items = [event["item_id"] for event in client.all("input_audio_buffer.committed")]
        written_down = {event["item_id"]: event["transcript"] for event in client.all(f"{kind}.completed")}
    assert list(written_down) == [items[1], items[0]]
    assert list(written_down.values()) == ["Later words.", "Early words."]
    assert [event["item_id"] for event in client.all(f"{kind}.failed")] == [items[2]]


async def test_rate_limits_are_told_with_each_response(faulty: SimulatorProcess, connect: Connect) -> None:
    """Every response is followed by what is left of requests and tokens, ever less in a growing call."""
    async with connect(faulty, "plain") as client:
        await _answer(client)
        await _answer(client)
        told = client.all("rate_limits.updated")
    left = [{limit["name"]: limit["remaining"] for limit in event["rate_limits"]} for event in told]
    assert len(left) == 2
    assert left[1]["requests"] < left[0]["requests"]
    assert left[1]["tokens"] < left[0]["tokens"]


async def test_a_text_session_gets_text(faulty: SimulatorProcess, connect: Connect) -> None:
    """With `output_modalities` of text alone the words come as text, and no audio is made or counted."""
    async with connect(faulty, "plain") as client:
        await client.send("session.update", session={"type": "realtime", "output_modalities": ["text"]})
        done = await _answer(client)
        pieces = client.all("response.output_text.delta")
    assert done["output"][0]["content"] == [{"type": "output_text", "text": "First this, and at length."}]
    assert "".join(piece["delta"] for piece in pieces) == "First this, and at length."
    assert done["usage"]["output_token_details"]["audio_tokens"] == 0
    assert "response.output_audio.delta" not in client.kinds()


async def test_a_silence_is_broken_once(faulty: SimulatorProcess, connect: Connect) -> None:
    """With `idle_timeout_ms` the model speaks into the silence after its answer, in the audio's clock, once."""
    async with connect(faulty, "plain", idle_timeout_ms=5_000) as client:
        await client.audio(bytes(48_000 * 6))
        assert "input_audio_buffer.timeout_triggered" not in await client.settled()
        await _answer(client)
        await client.audio(bytes(48_000 * 20))
        idle = (await client.until("response.done"))["response"]
        triggered = client.all("input_audio_buffer.timeout_triggered")
    assert _transcript(idle) == "Are you still there?"
    assert len(triggered) == 1
    assert triggered[0]["audio_end_ms"] - triggered[0]["audio_start_ms"] == pytest.approx(5_000, abs=40)  # no clock
