"""What the first traced call of a process pays: on its own thread, on the one that loads, and in memory."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench import job_start
from bench.measure import verdict

_ROUNDS = 5
_PAGE = 4096


def child(home: Path) -> dict[str, float]:
    """Milliseconds of processor time and megabytes, in a process that has LiveKit loaded and nothing of ours."""
    import livekit.agents
    import livekit.plugins.openai

    session = livekit.agents.AgentSession(
        llm=livekit.plugins.openai.realtime.RealtimeModel.with_azure(
            azure_deployment="bench", azure_endpoint="http://127.0.0.1:9", api_key="bench"
        ),
        vad=None,
    )
    before, all_ns, own_ns, begun = _rss_mb(), time.process_time_ns(), time.thread_time_ns(), time.perf_counter()
    from medagent.settings import load_settings
    from medagent.tracing import Tracing

    tracing = Tracing(load_settings(MEDAGENT_HOME=home))
    tracing.watch(session)
    wall, own = time.perf_counter() - begun, time.thread_time_ns() - own_ns
    if tracing.loaded(30) is None:
        sys.exit("telemetry did not start")
    elsewhere = time.process_time_ns() - all_ns - (time.thread_time_ns() - own_ns)
    grown = _rss_mb() - before
    tracing.close()
    return {"own": own / 1e6, "wall": wall * 1e3, "elsewhere": elsewhere / 1e6, "mb": grown}


def _rss_mb() -> float:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE / 1e6


def main() -> int:
    """Measure in fresh processes and print the medians; exit code 1 where a target is missed."""
    if len(sys.argv) > 1:
        print(json.dumps(child(Path(sys.argv[1]))))
        return 0
    found: list[dict[str, float]] = []
    for _ in range(_ROUNDS):
        with tempfile.TemporaryDirectory() as home:
            command = [sys.executable, "-m", "bench.start", home]
            ran = subprocess.run(command, capture_output=True, text=True, check=True)
            found.append(json.loads(ran.stdout.splitlines()[-1]))
    own, wall, elsewhere, mb = (sorted(f[k] for f in found)[_ROUNDS // 2] for k in ("own", "wall", "elsewhere", "mb"))
    print(f"the first traced call of a process, medians of {_ROUNDS} ({wall:.0f} ms of wall time on the call's thread)")
    met = [
        verdict("processor time on the call's thread", own, 150, "ms"),
        verdict("processor time elsewhere", elsewhere, 400, "ms"),
        verdict("memory", mb, 60, "MB"),
    ]
    met.append(job_start.measured())
    return int(not all(met))


if __name__ == "__main__":
    sys.exit(main())
