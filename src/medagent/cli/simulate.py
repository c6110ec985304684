"""`medagent simulate`: the Azure OpenAI Realtime simulator, to point any agent at."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from medagent.simulator.process import serve


def simulate(
    scenario: Annotated[list[str] | None, typer.Option(help="A packaged scenario or a YAML file; repeatable.")] = None,
    pace: Annotated[float, typer.Option(min=0.1, help="How many times as fast as life.")] = 1.0,
    port: Annotated[int, typer.Option(min=0, help="0 takes any free port.")] = 0,
    record: Annotated[Path | None, typer.Option(help="Append the server's own account to this JSONL file.")] = None,
) -> None:
    """Serve the Realtime protocol on 127.0.0.1; prints {"port": N} once it listens, until Ctrl-C.

    Then AZURE_OPENAI_ENDPOINT=http://127.0.0.1:N and any AZURE_OPENAI_API_KEY lead an agent here.
    """
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(scenario or ["book"], pace=pace, port=port, record=record))
