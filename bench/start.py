"""Cost of the first traced call of a process, beside the cost of LiveKit's own start in the same process."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from bench import job_start
from bench.measure import Row, child, row

_ROUNDS = 5
_PAGE = 4096


def measured(home: Path) -> dict[str, float]:
    """Milliseconds of processor time and megabytes, in a process that has LiveKit loaded and nothing of ours."""
    empty = _rss_mb()
    import livekit.agents
    import livekit.plugins.openai

    session = livekit.agents.AgentSession(
        llm=livekit.plugins.openai.realtime.RealtimeModel.with_azure(
            azure_deployment="bench", azure_endpoint="http://127.0.0.1:9", api_key="bench"
        ),
        vad=None,
    )
    before, all_ns, own_ns = _rss_mb(), time.process_time_ns(), time.thread_time_ns()
    from medagent.settings import load_settings
    from medagent.tracing import Tracing

    tracing = Tracing(load_settings(MEDAGENT_HOME=home, MEDAGENT_EXPORT_SERVICE="in_process"))
    tracing.watch(session)
    own = time.thread_time_ns() - own_ns
    if tracing.loaded(60) is None:
        sys.exit("telemetry did not start")
    elsewhere = time.process_time_ns() - all_ns - (time.thread_time_ns() - own_ns)
    grown = _rss_mb() - before
    tracing.close()
    return {
        "own": own / 1e6,
        "elsewhere": elsewhere / 1e6,
        "mb": grown,
        "livekit": all_ns / 1e6,
        "livekit_mb": before - empty,
    }


def _rss_mb() -> float:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE / 1e6


def rows() -> list[Row]:
    """Measure in fresh processes."""
    found: list[dict[str, float]] = []
    for _ in range(_ROUNDS):
        with tempfile.TemporaryDirectory() as home:
            found.append(child("bench.start", home))
    peer = "LiveKit's start, same process"
    cpu = {"own": ("first call, CPU on the call's thread", 0.2), "elsewhere": ("first call, CPU elsewhere", 0.55)}
    return [
        *(
            row(name, peer, [(one[key], one["livekit"]) for one in found], unit="ms", bound=bound)
            for key, (name, bound) in cpu.items()
        ),
        row("first call, memory", peer, [(one["mb"], one["livekit_mb"]) for one in found], unit="MB", bound=0.5),
        job_start.checked(),
    ]


if __name__ == "__main__":
    print(json.dumps(measured(Path(sys.argv[1]))))
