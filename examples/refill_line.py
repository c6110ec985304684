"""Somebody else's LiveKit agent – a pharmacy's refill line – with medagent's telemetry on it: three lines.

Run it as any LiveKit worker (`python examples/refill_line.py dev`) with MEDAGENT_POLICY=examples/refill-line.yaml, or
play a simulated call: `medagent call examples/refill-call.yaml --agent examples/refill_line.py:factory`, and
`…:pipeline` for the same agent on a pipeline of STT, LLM and TTS.
"""

from __future__ import annotations

from typing import TypedDict

from livekit.agents import Agent, AgentSession, JobContext, TurnHandlingOptions, WorkerOptions, cli, function_tool
from livekit.plugins import openai

from medagent import AgentContext, trace_call  # 1


class Prescription(TypedDict):
    """What the pharmacy knows of a prescription."""

    found: bool
    patient_name: str
    refills_left: int
    shelf: str


class Order(TypedDict):
    """An order for a refill."""

    ordered: bool
    pickup_code: str
    note: str


class RefillDesk(Agent):
    """Takes refills by phone; its tools are its own and know nothing of medagent."""

    def __init__(self) -> None:
        super().__init__(instructions="You take prescription refills by phone for Harbor Pharmacy.")

    async def on_enter(self) -> None:
        """Speak first."""
        self.session.generate_reply(instructions="Greet the caller.")

    @function_tool
    async def find_prescription(self, patient_name: str, dob: str, rx_number: str) -> Prescription:
        """Find a prescription by the patient's name, date of birth and prescription number."""
        return {"found": True, "patient_name": patient_name, "refills_left": 2, "shelf": "B-14"}

    @function_tool
    async def order_refill(self, rx_number: str, deliver_to: str, note: str = "") -> Order:
        """Order a refill and say where it is to be delivered."""
        return {"ordered": True, "pickup_code": "HP-7731", "note": note}


def factory(ctx: AgentContext) -> tuple[AgentSession[None], RefillDesk]:
    """Make session and agent of one call, on a realtime model."""
    return AgentSession(llm=ctx.realtime), RefillDesk()


def pipeline(ctx: AgentContext) -> tuple[AgentSession[None], RefillDesk]:
    """Make session and agent of one call, on a pipeline whose transcriber ends the caller's turns."""
    turns = TurnHandlingOptions(turn_detection="stt")
    return AgentSession(stt=ctx.stt, llm=ctx.llm, tts=ctx.tts, vad=None, turn_handling=turns), RefillDesk()


def azure_model() -> openai.realtime.RealtimeModel:
    """Make the model of a real call; AZURE_OPENAI_* say where it is."""
    return openai.realtime.RealtimeModel.with_azure(azure_deployment="gpt-realtime")


async def entrypoint(ctx: JobContext) -> None:
    """Answer one call."""
    await ctx.connect()
    session, agent = factory(AgentContext(make_realtime=azure_model))
    trace_call(session)  # 2
    await session.start(agent, room=ctx.room, record=False)  # 3: LiveKit's own recording stays off


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint))
