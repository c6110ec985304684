from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp
import pytest
from made_scenario import line, says, scenario_document, speech, written

from medagent.simulator.process import SimulatorProcess

pytestmark = pytest.mark.timing

Connect = Callable[..., AbstractAsyncContextManager[Any]]

_TURNS = 3


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatorProcess]:
    """One server, two scenarios, twenty times as fast as life."""
    documents = []
    for name in ("red", "blue"):
        turns = [
            {
                "caller": line(f"{name} {turn}", transcription={"late_s": 1}),
                "model": [
                    {"tool": "look", "arguments": {"which": f"{name} {turn}"}},
                    says(f"{name} {turn} is ${{look.answer}}, said ${{given.0.doctor_name}}."),
                ],
            }
            for turn in range(_TURNS)
        ]
        appointment = {"doctor_name": "Dr. Priya Raman", "in_days": 2}
        documents.append(scenario_document(name, *turns, given={"appointments": [appointment]}))
    paths = written(tmp_path_factory.mktemp("several"), *documents)
    with SimulatorProcess(paths, pace=20, environment=dict(os.environ)) as process:
        yield process


async def _expected(process: SimulatorProcess, scenario: str, given: list[dict[str, str]]) -> str:
    async with (
        aiohttp.ClientSession(raise_for_status=True) as http,
        http.post(f"{process.endpoint}/_expect", json={"scenario": scenario, "given": given}) as response,
    ):
        return str((await response.json())["deployment"])


async def _call(process: SimulatorProcess, connect: Connect, name: str, caller: int) -> tuple[list[str], list[str]]:
    """What the model said and what the transcriber wrote in one whole call."""
    deployment = await _expected(process, name, [{"doctor_name": f"doctor {caller}"}])
    async with connect(process, deployment) as client:
        audio = {"input": {"transcription": {"model": "whisper-1"}}}
        await client.send("session.update", session={"type": "realtime", "audio": audio})
        said = []
        for _ in range(_TURNS):
            await client.audio(speech())
            call = (await client.until("response.done"))["response"]["output"][0]
            which = json.loads(call["arguments"])["which"]
            output = json.dumps({"outcome": "ok", "answer": f"{which} for {caller}"})
            item = {"type": "function_call_output", "call_id": call["call_id"], "output": output}
            await client.send("conversation.item.create", item=item)
            await client.send("response.create")
            spoken = (await client.until("response.done"))["response"]["output"][0]
            said.append(spoken["content"][0]["transcript"])
        kind = "conversation.item.input_audio_transcription.completed"
        while len(client.all(kind)) < _TURNS:
            await client.until(kind)
        return said, [event["transcript"] for event in client.all(kind)]


async def test_calls_side_by_side_do_not_mix(several: SimulatorProcess, connect: Connect) -> None:
    """Four calls at once on one server hear their own scenario, their own tools' results and their own past alone."""
    names = ["red", "blue", "red", "blue"]
    heard = await asyncio.gather(*(_call(several, connect, name, caller) for caller, name in enumerate(names)))
    for caller, (name, (said, transcripts)) in enumerate(zip(names, heard, strict=True)):
        turns = [f"{name} {turn}" for turn in range(_TURNS)]
        assert said == [f"{turn} is {turn} for {caller}, said doctor {caller}." for turn in turns]
        assert transcripts == turns


async def test_a_call_that_no_scenario_is_for_is_not_expected(several: SimulatorProcess) -> None:
    """What is asked for and not served is an error at once, not another scenario."""
    with pytest.raises(aiohttp.ClientResponseError) as caught:
        await _expected(several, "green", [])
    assert caught.value.status == 400
