"""A process with a call in it, for tests that end it: says the trace id once the call is on the disk, and waits."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import Any

from medagent import trace_call
from medagent.telemetry import events as ev
from medagent.telemetry.shutdown import close_at_end
from medagent.tracing import tracing


def ready(trace_id: str) -> None:
    sys.stdout.write(f"{trace_id}\n")
    sys.stdout.flush()


def begin() -> str:
    """A call in mid-air: a turn, a tool with a name and free text."""
    running = tracing().loaded(60)
    assert running is not None
    line = running.pipeline.line()
    about: dict[str, Any] = {"mode": "realtime", "model": "gpt-realtime", "provider": "azure.ai.openai"}
    line.send(ev.CallStarted, wall_us=time.time_ns() // 1000, agent_version="0.1.0", **about)
    line.send(ev.SpeechStarted, item_id="i")
    line.send(ev.SpeechStopped, item_id="i")
    arguments = '{"patient_name": "Una Quillon", "notes": "Una Quillon has a cough"}'
    line.send(ev.ToolStarted, call_id="t", name="book_appointment", arguments=arguments)
    line.send(ev.ToolEnded, call_id="t", status="done", output='{"outcome": "ok"}')
    assert running.pipeline.flush(60)
    return line.trace_id


def hosted() -> None:
    """A program with its own way of ending, as a server has: its handler answers, and it exits by itself."""
    ended: list[int] = []  # an event's own lock may be held where the signal comes

    def stop(number: int, _frame: FrameType | None) -> None:
        ended.append(number)

    signal.signal(signal.SIGTERM, stop)
    ready(begin())
    while not ended:
        time.sleep(0.01)
    sys.exit(7)


def plain() -> None:
    ready(begin())
    time.sleep(60)


def locked() -> None:
    """A program that gets SIGTERM while its main thread holds a lock that `close` needs."""
    lock = threading.Lock()

    def close() -> None:
        with lock:
            ready("closed")

    close_at_end(close)
    ready("begun")
    with lock:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.1)  # Python's handlers run between two of its steps
    time.sleep(60)


def exiting() -> None:
    """A program that gets SIGTERM while its normal exit closes what is open; a second close does nothing."""
    closed: list[int] = []

    def close() -> None:
        if not closed:
            closed.append(1)
            ready("closing")
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(1)
            ready("closed")

    close_at_end(close)
    ready("begun")


def three_lines() -> None:
    """Somebody else's agent in a real session, with nothing of ours but the one line."""
    from examples.refill_line import RefillDesk
    from livekit.plugins import openai

    from medagent.agent.limit import CallLimit
    from medagent.agent.local import answer
    from medagent.pricing import load_prices
    from medagent.simulator.caller import Caller
    from medagent.simulator.scenario import load_scenario

    endpoint, scenario = sys.argv[2:]
    caller = Caller(load_scenario(scenario), pace=1.0)

    def watch(session: Any) -> Any:
        bridge = trace_call(session)
        ready(bridge.trace_id)
        return bridge

    asyncio.run(
        answer(
            RefillDesk(),
            model=openai.realtime.RealtimeModel.with_azure(
                azure_deployment=load_scenario(scenario).name, azure_endpoint=endpoint, api_key="simulator"
            ),
            watch=watch,
            audio_in=caller.input,
            audio_out=caller.output,
            caller=caller.run,
            limit=CallLimit(seconds=60, cost_usd=10),
            prices=load_prices(),
            model_name="gpt-realtime",
        )
    )


if __name__ == "__main__":
    {"plain": plain, "hosted": hosted, "locked": locked, "exiting": exiting, "three_lines": three_lines}[sys.argv[1]]()
