"""One call in a process of its own, which says when its first tool has run, when it saw the off, and how it ended.

Its arguments: the home and the pace. Destinations come from the environment.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from medagent.rehearsal import stage
from medagent.runtime.telemetry import Telemetry
from medagent.settings import load_settings
from medagent.simulator.scenario import load_scenario


def say(**what: object) -> None:
    """One line of JSON."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


async def call(home: Path, pace: float) -> None:
    """Play it to its end."""

    def before(_session: Any, bridge: Any) -> None:
        def on_tool(_call_id: str, _name: str | None, status: str | None) -> None:
            if status is not None:
                say(at="mid-call")

        bridge.on_tool = on_tool

    async def see_the_off(telemetry: Telemetry) -> None:
        while telemetry.switch.is_on():  # noqa: ASYNC110  # another process turns it off
            await asyncio.sleep(0.02)
        await asyncio.to_thread(telemetry.pipeline.flush, 60)
        while any(shipper._sending for shipper in telemetry._delivery.shippers):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        say(at="off")

    async with stage(load_settings(MEDAGENT_HOME=home), ["book"], pace=pace) as line:
        seeing = asyncio.create_task(see_the_off(line.telemetry))
        played = await line.play(load_scenario("book"), before=before)
        pipeline = line.telemetry.pipeline
        await asyncio.wait_for(seeing, 180)  # on a slow machine the off comes after the end of a call
    say(at="end", ended=played.ended, suppressed=pipeline.counts.spans_suppressed, problems=played.problems)


if __name__ == "__main__":
    asyncio.run(call(Path(sys.argv[1]), float(sys.argv[2])))
