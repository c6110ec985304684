"""How much later a loop with ten live calls runs when they are traced and shipped; with and without, in turn."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from tests.load.live import Felt, line
from tests.sink import Sink

from bench.measure import HEAD, Figures, verdict
from medagent.settings import load_settings
from medagent.tracing import Tracing

LIMIT_MS = 0.5


async def measure(url: str, home: Path, *, calls: int, seconds: float, rounds: int) -> tuple[list[Felt], list[Felt]]:
    """What the loop felt without and with telemetry, round by round; the first round of each only warms up."""
    settings = load_settings(
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


def main() -> int:
    """Measure and print; exit code 1 where the limit is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory, Sink(Path(directory)) as sink:
        without, traced = asyncio.run(
            measure(sink.url, Path(directory) / "home", calls=given.calls, seconds=given.seconds, rounds=given.rounds)
        )
    print(f"{given.calls} calls at once at pace 1, ms that the loop was late")
    print(f"  {'':20}{HEAD}")
    found = []
    for name, arms in (("no telemetry", without), ("traced and shipped", traced)):
        for arm in arms:
            print(f"    {name:18}{Figures.of(arm.lag_ms):.2f}")
        found.append(Figures.of([value for arm in arms for value in arm.lag_ms]))
        print(f"  {name:20}{found[-1]:.2f}")
    return int(not verdict("p99 added", found[1].p99 - found[0].p99, LIMIT_MS, "ms"))


if __name__ == "__main__":
    sys.exit(main())
