"""`medagent simulate`: the simulated models of a realtime agent and of a pipeline, to point any agent at."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from medagent.cli.output import console, print_json
from medagent.simulator.process import serve
from medagent.simulator.scenario import load_scenario

_KEY = "simulator"


def simulate(
    scenario: Annotated[list[str] | None, typer.Option(help="A packaged scenario or a YAML file; repeatable.")] = None,
    pace: Annotated[float, typer.Option(min=0.1, help="How many times as fast as life.")] = 1.0,
    port: Annotated[int, typer.Option(min=0, help="0 takes any free port.")] = 0,
    record: Annotated[Path | None, typer.Option(help="Append the server's own account to this JSONL file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print addresses and variables as one JSON object.")] = False,
) -> None:
    """Serve simulated models on 127.0.0.1 until Ctrl-C, and print the variables that lead an agent to them.

    Azure's realtime protocol, and OpenAI's chat completions, transcriptions, speech and realtime; any key is right.
    """
    given = scenario or ["book"]
    names = [load_scenario(one).name for one in given]

    def announce(at: int) -> None:
        endpoint = f"http://127.0.0.1:{at}"
        realtime = {"AZURE_OPENAI_ENDPOINT": endpoint, "AZURE_OPENAI_API_KEY": _KEY}
        pipeline = {"OPENAI_BASE_URL": f"{endpoint}/v1", "OPENAI_API_KEY": _KEY}
        if as_json:
            print_json([{"port": at, "scenarios": names, "realtime": realtime, "pipeline": pipeline}])
            return
        out = console()
        out.print(Text(f"Simulated models on {endpoint}, until Ctrl-C.", style="bold"))
        shown = {
            "Realtime model (Azure OpenAI):": realtime,
            "Pipeline (OpenAI: transcriptions, chat completions, speech), and OpenAI's realtime model:": pipeline,
        }
        for title, variables in shown.items():
            out.print(title)
            for name, value in variables.items():
                out.print(Text(f"  export {name}={value}", style="green"), soft_wrap=True)
        if len(names) > 1:
            out.print(f"{names[0]} is played, unless the deployment is {' or '.join(names[1:])}.")
            out.print(Text(f"A pipeline of it: OPENAI_BASE_URL={endpoint}/calls/{names[1]}/v1"), soft_wrap=True)
        else:
            out.print(f"Scenario: {names[0]}.")

    with suppress(KeyboardInterrupt):
        asyncio.run(serve(given, pace=pace, port=port, record=record, announce=announce))
