"""What one tool span costs the thread that makes it: medagent beside LangSmith, OpenTelemetry and Langfuse.

Each way has a process of its own, so that nobody's threads disturb another, and takes its turn several times in one
run. All ship over real HTTP to a destination in yet another process. Figures are wall time on the calling thread.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.measure import Row, child, row
from medagent.percentiles import percentile
from sink import Sink

ARGUMENTS = {
    "doctor_name": "Dr. Amara Okafor",
    "appointment_datetime": "2026-11-23T08:30:00-06:00",
    "patient_name": "Maren Oldfield",
    "phone": "+14155550137",
    "dob": "1982-03-03",
    "reason_for_visit": "Sore knee, it hurts when walking and gets worse in the evening.",
}
RESULT = {"outcome": "ok", "confirmation_id": "LC-KEBF6K", "clinic_location": "Lakeside Main Street"}
PERIOD_S = 0.001
WARM_UP = 500
Operation = Callable[[int], Callable[[], object]]
"""Makes what the host makes anyway; what it returns is measured."""


@contextmanager
def medagent(url: str, home: Path) -> Iterator[Operation]:
    """The bridge's own handlers, given LiveKit's own events: a tool begins and ends."""
    from livekit.agents import AgentSession, llm  # each way pays for its own imports
    from livekit.agents.voice import events as lk

    from medagent.agent.clinic_agent import azure_model
    from medagent.runtime.telemetry import Telemetry
    from medagent.settings import load_settings

    settings = load_settings(
        MEDAGENT_HOME=home,
        LANGSMITH_API_KEY="bench",
        LANGSMITH_ENDPOINT=url,
        AZURE_OPENAI_ENDPOINT=url,
        AZURE_OPENAI_API_KEY="bench",
    )
    telemetry = Telemetry(settings).start()
    session: AgentSession[Any] = AgentSession(llm=azure_model(settings), vad=None)
    bridge = telemetry.watch(session)
    [handler] = session._events["tool_execution_updated"]
    arguments, result = json.dumps(ARGUMENTS), json.dumps(RESULT)

    def one(number: int) -> Callable[[], object]:
        call = llm.FunctionCall(call_id=f"call_{number}", name="book_appointment", arguments=arguments)
        ended = lk.ToolCallEnded(id=call.id, call_id=call.call_id, status="done", message=result)
        events = [
            lk.ToolExecutionUpdatedEvent(update=update) for update in (lk.ToolCallStarted(function_call=call), ended)
        ]

        def emit() -> None:
            for event in events:
                handler(event)

        return emit

    yield one
    bridge.end("agent_ended")
    telemetry.flush(60)
    telemetry.close()


@contextmanager
def langsmith_run_tree(url: str, _home: Path) -> Iterator[Operation]:
    """A child of a run tree, posted, ended and patched, as the documentation shows it."""
    from langsmith import Client, RunTree

    client = Client(url, api_key="bench")
    parent = RunTree(name="call", run_type="chain", project_name="bench", client=client)
    parent.post()

    def one() -> None:
        child = parent.create_child(name="tool.book_appointment", run_type="tool", inputs=ARGUMENTS)
        child.post()
        child.end(outputs=RESULT)
        child.patch()

    yield lambda _number: one


@contextmanager
def langsmith_trace(url: str, _home: Path) -> Iterator[Operation]:
    """The context manager."""
    import langsmith

    client = langsmith.Client(url, api_key="bench")

    def one() -> None:
        with langsmith.trace(
            "tool.book_appointment", "tool", inputs=ARGUMENTS, project_name="bench", client=client
        ) as run:
            run.end(outputs=RESULT)

    with langsmith.tracing_context(enabled=True):
        yield lambda _number: one


@contextmanager
def opentelemetry(url: str, _home: Path) -> Iterator[Operation]:
    """The SDK with its batch processor and its own OTLP exporter."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{url}/v1/traces")))
    tracer = provider.get_tracer("bench")

    def one() -> None:
        span = tracer.start_span("tool.book_appointment", attributes=ARGUMENTS)
        span.set_attributes(RESULT)
        span.end()

    yield lambda _number: one


@contextmanager
def langfuse(url: str, _home: Path) -> Iterator[Operation]:
    """The SDK's own observation."""
    from langfuse import Langfuse

    client = Langfuse(public_key="pk-bench", secret_key="sk-bench", base_url=url)  # no secret

    def one() -> None:
        span = client.start_observation(name="tool.book_appointment", as_type="tool", input=ARGUMENTS)
        span.update(output=RESULT)
        span.end()

    yield lambda _number: one


WAYS = {
    "medagent": medagent,
    "LangSmith RunTree": langsmith_run_tree,
    "langsmith.trace": langsmith_trace,
    "OpenTelemetry": opentelemetry,
    "Langfuse SDK": langfuse,
}


async def operate(one: Operation, count: int) -> list[float]:
    """Microseconds of wall time of each operation, on a loop, at a thousand a second."""
    taken: list[float] = []
    due = time.perf_counter()
    for number in range(WARM_UP + count):
        operation = one(number)
        begun = time.perf_counter_ns()
        operation()
        taken.append((time.perf_counter_ns() - begun) / 1000)
        due += PERIOD_S
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
    return taken[WARM_UP:]


def measured(way: str, url: str, count: int) -> None:
    """Measure one way in this process and print its figures."""

    async def run() -> list[float]:
        with tempfile.TemporaryDirectory() as home, WAYS[way](url, Path(home)) as one:
            return await operate(one, count)

    print(json.dumps(asyncio.run(run())), flush=True)
    os._exit(0)  # what a client's own exit may hang on is not what is measured


def rows(count: int = 3000, rounds: int = 5) -> list[Row]:
    """Measure all ways in turn, and compare the percentiles of each round."""
    p50, p99 = ({way: list[float]() for way in WAYS} for _ in range(2))
    with tempfile.TemporaryDirectory() as directory, Sink(Path(directory)) as sink:
        for number in range(rounds):
            for way in WAYS if number % 2 else reversed(WAYS):
                taken = child("bench.cost", way, sink.url, str(count))
                p50[way].append(percentile(taken, 50))
                p99[way].append(percentile(taken, 99))
    found = []
    for name, by_way, bound in (("p50", p50, 1 / 10), ("p99", p99, 1 / 20)):
        others = [values for way, values in by_way.items() if way != "medagent"]
        cheapest = [min(values[number] for values in others) for number in range(rounds)]
        tree, ours = by_way["LangSmith RunTree"], by_way["medagent"]
        said = f"a tool span on the call's thread, {name}"
        found.append(row(said, "LangSmith RunTree", list(zip(ours, tree, strict=True)), unit="µs", bound=bound))
        found.append(row(said, "the cheapest other", list(zip(ours, cheapest, strict=True)), unit="µs", bound=1))
    return found


if __name__ == "__main__":
    measured(sys.argv[1], sys.argv[2], int(sys.argv[3]))
