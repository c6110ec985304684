"""A provider's refusal, limit, missing host and shut port: real errors of real clients, told apart in the trace."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from livekit import rtc
from livekit.agents import (
    Agent,
    AgentSession,
    APIConnectOptions,
    APIError,
    APIStatusError,
    APITimeoutError,
    function_tool,
    llm,
    tts,
)
from livekit.agents.utils import http_context
from livekit.agents.voice.events import ErrorEvent
from livekit.plugins import openai

from medagent.agent.bridge import Bridge
from medagent.pricing import load_prices
from medagent.redaction import KnownValues, Redactor
from medagent.redaction.error_cause import ErrorCause, cause_of
from medagent.telemetry import events as ev
from medagent.telemetry.call import Call
from medagent.telemetry.line import Arrival, Line
from medagent.telemetry.overhead import Overhead
from packaged import packaged_policy
from scripted import Mind

ONCE = APIConnectOptions(max_retry=0, timeout=60.0)
KEY = "not-a-key"
SHUT = "http://127.0.0.1:9/v1"
NOWHERE = "http://provider.invalid/v1"


@asynccontextmanager
async def answering(status: int) -> AsyncIterator[str]:
    """A server whose every answer has one status."""

    async def answer(_request: web.Request) -> web.Response:
        return web.json_response({"error": {"message": "no", "type": "x", "code": None}}, status=status)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


async def of_llm(url: str) -> tuple[Any, Any]:
    model, found = openai.LLM(model="gpt-4o", api_key=KEY, base_url=url), list[Any]()
    model.on("error", found.append)
    with contextlib.suppress(APIError):
        async with model.chat(chat_ctx=llm.ChatContext.empty(), conn_options=ONCE) as stream:
            async for _ in stream:
                pass
    return model, found[0]


async def of_stt(url: str) -> tuple[Any, Any]:
    heard, found = openai.STT(api_key=KEY, base_url=url), list[Any]()
    heard.on("error", found.append)
    with pytest.raises(APIError):
        await heard.recognize([rtc.AudioFrame(b"\0" * 9600, 24000, 1, 4800)], conn_options=ONCE)
    return heard, found[0]


async def of_tts(url: str) -> tuple[Any, Any]:
    mouth, found = openai.TTS(api_key=KEY, base_url=url), list[Any]()
    mouth.on("error", found.append)
    assert isinstance(mouth, tts.TTS)
    with contextlib.suppress(APIError):
        async with mouth.synthesize("hello", conn_options=ONCE) as stream:
            async for _ in stream:
                pass
    return mouth, found[0]


async def of_realtime(url: str) -> tuple[Any, Any]:
    model = openai.realtime.RealtimeModel(api_key=KEY, base_url=url, conn_options=ONCE)
    session, told = model.session(), asyncio.get_running_loop().create_future()
    session.on("error", lambda error: told.done() or told.set_result(error))
    try:
        return model, await asyncio.wait_for(told, 60)
    finally:
        with contextlib.suppress(APIError):  # closing raises again what ended the session
            await session.aclose()
        await model.aclose()


SOURCES: dict[str, Callable[[str], Any]] = {"llm": of_llm, "stt": of_stt, "tts": of_tts, "realtime": of_realtime}


def traced(model: Any, error: Any) -> dict[str, Any]:
    """The error as `session.end` tells it: through bridge, call and the clinic's policy."""
    sent: list[Arrival] = []
    line = Line("5f0c3b1e-0c1d-4f6a-9a55-1f2e3d4c5b6a", sent.append)
    bridge = Bridge(line, agent_version="0.1.0", overhead=Overhead())
    bridge._guard(bridge._errors.raised)(ErrorEvent(error=error, source=model))
    assert bridge.failures == 0
    about: dict[str, Any] = {"wall_us": 1_772_000_000_000_000, "model": "gpt-realtime", "provider": "openai"}
    started = ev.CallStarted(seq=100, at_ns=0, mode="realtime", agent_version="0.1.0", **about)
    call = Call(started, prices=load_prices(None), policy_name="clinic", policy_version="1.0.0")
    records = [record for arrival in sent for record in call.feed(arrival.event())]
    records += call.feed(ev.CallEnded(seq=200, at_ns=10**15, reason="error"))
    end = next(record for record in records if record.name == "session.end")
    fields: Any = Redactor(packaged_policy()).redact(end, KnownValues()).fields
    found: dict[str, Any] = fields["errors"][0]
    return found


@pytest.fixture
async def opened() -> AsyncIterator[None]:
    async with http_context.open():
        yield


@pytest.mark.timing
@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize("source", SOURCES)
async def test_error_of_a_provider_has_its_class_and_status(source: str) -> None:
    """A refused key, a limit, a host that is not found and a port that is shut are four different errors."""
    found: dict[str, tuple[object, object]] = {}
    for status in (401, 429):
        async with answering(status) as url:
            told = traced(*await SOURCES[source](url))
        assert told["error_source"] == source
        found[str(status)] = (told["error_type"], told["error_status"])
        assert told["error_status"] == status
    for name, url in (("host", NOWHERE), ("port", SHUT)):
        told = traced(*await SOURCES[source](url))
        found[name] = (told["error_type"], told.get("error_status"))
        assert told.get("error_status") is None
    assert len(set(found.values())) == 4
    assert found["401"][0] in ("APIStatusError", "WSServerHandshakeError")
    assert found["host"][0] == "gaierror"
    assert "<REDACTED>" not in {kind for kind, _ in found.values()}


# ---- an exception and what it was raised from ------------------------------------------------------------------------


class StrangeError(Exception):
    """A class that is on no list."""

    @property
    def status_code(self) -> int:
        raise RuntimeError("not to be read")


def raised(*errors: BaseException) -> BaseException:
    """The first error, raised from the second, and so on."""
    for error, cause in pairwise(errors):
        error.__cause__ = cause
    return errors[0]


def circle() -> BaseException:
    first, second = ValueError("a"), KeyError("b")
    return raised(first, second, first)


CAUSES: list[tuple[BaseException, str, int | None]] = [
    (APIStatusError("x", status_code=503), "APIStatusError", 503),
    (APIStatusError("x", status_code=-1), "APIStatusError", None),
    (raised(APIError("x"), APIStatusError("y", status_code=429)), "APIStatusError", 429),
    (raised(APITimeoutError(), OSError("x")), "APITimeoutError", None),
    (raised(ValueError("Tess"), StrangeError("Barker")), "ValueError", None),
    (StrangeError("x"), "StrangeError", None),
    (APIError("x", body={"code": "insufficient_quota"}), "insufficient_quota", None),
    (APIError("x", body={"code": "tess_barker"}), "APIError", None),
    (ExceptionGroup("x", [ConnectionResetError("y")]), "ConnectionResetError", None),
    (circle(), "KeyError", None),
]


@pytest.mark.parametrize(("error", "kind", "status"), CAUSES, ids=[str(number) for number in range(len(CAUSES))])
def test_cause_of_an_error_is_the_one_that_says_most(error: BaseException, kind: str, status: int | None) -> None:
    """A status first, else the deepest class on the list; a code only from the list, and no message is read."""
    assert cause_of(error) == ErrorCause(error_type=kind, error_status=status)


# ---- a tool of a stranger's ------------------------------------------------------------------------------------------


@pytest.mark.timing
async def test_tool_that_raises_is_told_by_its_class_and_status() -> None:
    """LiveKit's event has the message alone: the class comes from the task of the tool."""
    async with answering(429) as url:

        class Lab(Agent):
            @function_tool
            async def get_opening_hours(self, date: str) -> str:
                """The hours of a day."""
                async with aiohttp.ClientSession(raise_for_status=True) as client:
                    await client.get(url)
                return json.dumps({"outcome": "ok"})

        sent: list[Arrival] = []
        bridge = Bridge(Line("t", sent.append), agent_version="0.1.0", overhead=Overhead())
        mind = Mind([("get_opening_hours", '{"date": "2026-11-30"}'), "I cannot say."])
        async with AgentSession(llm=mind) as session:
            bridge.attach(session)
            await session.start(Lab(instructions="You tell the hours."))
            await asyncio.wait_for(session.run(user_input="when are you open?"), 60)
    (ended,) = (arrival.event() for arrival in sent if arrival.kind is ev.ToolEnded)
    assert isinstance(ended, ev.ToolEnded)
    assert (ended.status, ended.error_type, ended.error_status) == ("error", "ClientResponseError", 429)
