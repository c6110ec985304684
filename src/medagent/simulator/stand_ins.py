"""LiveKit's own plugins, led to the simulator: the models that a factory gets in a simulated call."""

from __future__ import annotations

from livekit.plugins import openai

from medagent.agent.caller import Caller
from medagent.agent.factory import AgentContext

KEY = "simulator"
"""Any key is right."""
STT_MODEL = "gpt-4o-mini-transcribe"
LLM_MODEL = "gpt-4.1-mini"
TTS_MODEL = "gpt-4o-mini-tts"


def context_of(endpoint: str, deployment: str, *, caller: Caller | None = None) -> AgentContext:
    """Return the context of one simulated call.

    Args:
        endpoint: Address of the simulator, `http://127.0.0.1:N`.
        deployment: Deployment that leads to the call, from `expect_call`.
        caller: Room, participant and number of the caller.

    Returns:
        A context whose models are LiveKit's plugins for OpenAI: realtime over Azure's protocol, a transcriber that
        streams, a language model and a voice. Each is made when a factory uses it.
    """
    base_url = f"{endpoint}/calls/{deployment}/v1"
    return AgentContext(
        make_realtime=lambda: openai.realtime.RealtimeModel.with_azure(
            azure_deployment=deployment, azure_endpoint=endpoint, api_key=KEY
        ),
        make_stt=lambda: openai.STT(model=STT_MODEL, base_url=base_url, api_key=KEY, use_realtime=True),
        make_llm=lambda: openai.LLM(model=LLM_MODEL, base_url=base_url, api_key=KEY),
        make_tts=lambda: openai.TTS(model=TTS_MODEL, base_url=base_url, api_key=KEY, response_format="pcm"),
        simulated=True,
        base_url=base_url,
        caller=caller,
    )
