"""One simulated call from ring to hang-up: the scenario's caller on one side, the clinic's agent on the other."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Literal

from medagent.agent.clinic_agent import ClinicAgent, azure_model
from medagent.agent.limit import CallLimit
from medagent.agent.local import Watch, answer
from medagent.clinic import Clinic
from medagent.pricing import load_prices
from medagent.settings import Settings
from medagent.simulator.caller import Caller, OnEvent
from medagent.simulator.scenario import Scenario


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
) -> Literal["done", "gave up", "cut off"]:
    """Play a call against the model that `settings` name; says how it ended for the caller."""
    caller = Caller(scenario, pace=pace, on_event=on_event)
    ended: Literal["done", "gave up", "cut off"] = "cut off"

    async def talk() -> None:
        nonlocal ended
        ended = await caller.run()

    await answer(
        ClinicAgent(clinic, name=clinic_name, now=now),
        model=azure_model(settings),
        watch=watch,
        audio_in=caller.input,
        audio_out=caller.output,
        caller=talk,
        limit=CallLimit(seconds=settings.call_max_minutes * 60 / pace, cost_usd=settings.call_max_cost_usd),
        prices=load_prices(settings.pricing_path),
        model_name=settings.model,
    )
    return ended
