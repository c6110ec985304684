"""How much later a loop with ten live calls runs when they are traced and shipped; with and without, in turn."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from bench.measure import Row, row
from load.live import Felt, line
from medagent.percentiles import percentile
from medagent.settings import load_settings
from medagent.tracing import Tracing
from sink import Sink


async def measure(url: str, home: Path, *, calls: int, seconds: float, rounds: int) -> tuple[list[Felt], list[Felt]]:
    """What the loop felt without and with telemetry, round by round; the first round of each only warms up."""
    settings = load_settings(
        MEDAGENT_EXPORT_SERVICE="in_process",
        MEDAGENT_HOME=home,
        LANGSMITH_API_KEY="bench",
        LANGSMITH_ENDPOINT=url,
        MEDAGENT_DESTINATIONS="otlp",
        MEDAGENT_OTLP_ENDPOINT=url,
    )
    tracing = Tracing(settings)
    if await asyncio.to_thread(tracing.loaded, 30) is None:
        sys.exit("telemetry did not start")
    without, traced = list[Felt](), list[Felt]()
    try:
        async with line(settings, seconds=seconds) as on:
            for number in range(rounds + 1):
                arms = [(without, None), (traced, tracing)]
                for kept, one in arms if number % 2 else reversed(arms):
                    felt, _ = await on.calls(calls, one)
                    kept.append(felt)
    finally:
        await asyncio.to_thread(tracing.close)
    return without[1:], traced[1:]


def rows(calls: int = 10, seconds: float = 20.0, rounds: int = 3) -> list[Row]:
    """Compare how late the loop was in rounds with and without, played in turn at pace 1."""
    with tempfile.TemporaryDirectory() as directory, Sink(Path(directory)) as sink:
        home = Path(directory) / "home"
        without, traced = asyncio.run(measure(sink.url, home, calls=calls, seconds=seconds, rounds=rounds))
    found = []
    for percent, bound in ((50, 1.5), (99, 1.5)):
        pairs = [
            (percentile(ours.lag_ms, percent), percentile(theirs.lag_ms, percent))
            for ours, theirs in zip(traced, without, strict=True)
        ]
        name = f"loop of {calls} calls, late by, p{percent}"
        found.append(row(name, "the same loop without telemetry", pairs, unit="ms", bound=bound))
    return found
