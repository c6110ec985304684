"""One simulated call from ring to hang-up: the scenario's caller on one side, the clinic's agent on the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import aiohttp

from medagent.agent.clinic_agent import ClinicAgent, azure_model
from medagent.agent.limit import CallLimit
from medagent.agent.local import Watch, answer
from medagent.clinic import Clinic
from medagent.errors import SimulatorError
from medagent.pricing import load_prices
from medagent.settings import Settings
from medagent.simulator.app import EXPECT_PATH
from medagent.simulator.appointments import Before, prepare
from medagent.simulator.caller import Caller, OnEvent
from medagent.simulator.clinic_fault import breaking
from medagent.simulator.scenario import Scenario
from medagent.simulator.steps import Ended
from medagent.tools import TOOLS, Tool


async def play(
    scenario: Scenario,
    *,
    settings: Settings,
    clinic: Clinic,
    clinic_name: str,
    now: Callable[[], datetime],
    watch: Watch,
    pace: float = 1.0,
    on_event: OnEvent | None = None,
    tools: Sequence[Tool[Any]] = TOOLS,
    before: Before | None = None,
    simulated: bool = True,
) -> Ended:
    """Play a call against the model that `settings` name, by default a simulator; says how it ended for the caller.

    Whoever judges the clinic afterwards with `check_clinic` calls `prepare` first and gives its `before`. Raises
    `SimulatorError` where the simulator does not serve the scenario.
    """
    if before is None:
        before = await asyncio.to_thread(prepare, scenario, clinic, now=now())
    ahead = before.ahead
    deployment = await expect_call(settings, scenario, before) if simulated else settings.azure_deployment
    caller = Caller(scenario, given=before.facts, pace=pace, on_event=on_event)
    ended: Ended = "cut off"

    async def talk() -> None:
        nonlocal ended
        ended = await caller.run()

    script = scenario.consent_script or settings.asks()
    with breaking(tools, scenario) as offered:
        agent = ClinicAgent(clinic, name=clinic_name, now=lambda: now() + ahead, tools=offered, consent=script)
        await answer(
            agent,
            model=azure_model(settings.model_copy(update={"azure_deployment": deployment})),
            watch=agent.seen_by(watch),
            audio_in=caller.input,
            audio_out=caller.output,
            caller=talk,
            limit=CallLimit.of(settings, pace=pace),
            prices=load_prices(settings.pricing_path),
            model_name=settings.model,
        )
    return ended


async def expect_call(settings: Settings, scenario: Scenario, before: Before) -> str:
    """Tell the simulator what was before the call, which the model hears from the caller, whose sound has no words.

    Returns the deployment that leads to this call; raises `SimulatorError` where the scenario is not served.
    """
    body = {"scenario": scenario.name, "given": [dict(fact) for fact in before.facts]}
    try:
        async with (
            aiohttp.ClientSession(raise_for_status=True) as http,
            http.post(f"{str(settings.azure_endpoint).rstrip('/')}{EXPECT_PATH}", json=body) as response,
        ):
            return str((await response.json())["deployment"])
    except aiohttp.ClientError as error:
        raise SimulatorError(
            f"the simulator does not serve {scenario.name} ({type(error).__name__})",
            hint="start it with this scenario, and lead AZURE_OPENAI_ENDPOINT there",
        ) from None
