"""TTFT-A as the trace tells it, against the server's own record of when it heard silence and sent the first audio."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from livekit.agents import AgentSession

from bench.line import ring
from bench.measure import Row, row
from medagent.agent.bridge import Bridge
from medagent.percentiles import percentile


def scenario(turns: int) -> dict[str, object]:
    """A call of so many short exchanges, every third of them with a tool in between."""
    tool = {"tool": "check_availability", "arguments": {"doctor_name": "Dr. Priya Raman"}}
    speech = {"says": "Certainly, one moment.", "seconds": 0.6}
    exchanges = [
        {
            "caller": {"says": "And then?", "seconds": 0.5, "after_agent_s": 0.3},
            "model": [tool, speech] if turn % 3 == 2 else [speech],
        }
        for turn in range(turns)
    ]
    return {
        "name": "ttft",
        "description": "Short exchanges for a measurement.",
        "seed": 11,
        "person": {"patient_name": "Nobody Particular"},
        "latency": {"think_ms": {"median": 220, "jitter": 120}, "tool_call_ms": {"median": 80, "jitter": 40}},
        "turns": [{"model": [{"says": "Good day.", "seconds": 0.5}]}, *exchanges],
        "expects": {"outcome": "informed"},
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """TTFT-A of one answered turn in ms: the trace's, a bare listener's beside it, and the server's own record."""

    traced: float
    listened: float
    served: float


class _Listener:
    """Reads a clock at the provider's own events of a session, and does nothing else."""

    def __init__(self) -> None:
        self.ms: list[float] = []
        self._stopped_ns: int | None = None

    def attach(self, session: AgentSession[Any], _bridge: Bridge) -> None:
        self._task = asyncio.create_task(self._listen(session))

    async def _listen(self, session: AgentSession[Any]) -> None:
        while (made := getattr(session._activity, "realtime_llm_session", None)) is None:  # noqa: ASYNC110  # no event
            await asyncio.sleep(0.02)
        made.on("openai_server_event_received", self._heard)

    def _heard(self, event: Mapping[str, Any]) -> None:
        if event["type"] == "input_audio_buffer.speech_stopped":
            self._stopped_ns = time.perf_counter_ns()
        elif event["type"].endswith("audio.delta") and self._stopped_ns is not None:
            self.ms.append((time.perf_counter_ns() - self._stopped_ns) / 1e6)
            self._stopped_ns = None


async def measure(turns: int, directory: Path) -> list[Turn]:
    """Play a call of so many answered turns in real time."""
    path, listener = directory / "ttft.yaml", _Listener()
    path.write_text(yaml.safe_dump(scenario(turns)), encoding="utf-8")
    outcome = await ring(path, home=directory / "home", pace=1.0, before=listener.attach)
    ours = [span.fields["ttft_ms"] for span in outcome.spans if span.name == "agent_turn"]
    theirs = [response["ttft_ms"] for response in outcome.server["responses"]]
    traced = [float(value) for value in ours if isinstance(value, int | float)]
    served = [float(value) for value in theirs if value is not None]
    if not len(traced) == len(served) == len(listener.ms) == turns:
        raise SystemExit(
            f"{len(traced)} turns traced, {len(listener.ms)} heard, {len(served)} served, expected {turns}"
        )
    return [
        Turn(traced=one, listened=other, served=third)
        for one, other, third in zip(traced, listener.ms, served, strict=True)
    ]


def rows(turns: int = 50) -> list[Row]:
    """Compare how far trace and listener are from the server's record, turn by turn."""
    with tempfile.TemporaryDirectory() as directory:
        measured = asyncio.run(measure(turns, Path(directory)))
    ours, theirs = ([abs(getattr(turn, name) - turn.served) for turn in measured] for name in ("traced", "listened"))
    return [
        row(
            f"TTFT-A minus the server's record, p{percent}",
            "a bare listener minus it",
            [(percentile(ours, percent), percentile(theirs, percent))],
            unit="ms",
            bound=1.5,
        )
        for percent in (50, 95)
    ]
