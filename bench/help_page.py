"""Time of `medagent --help` beside the imports that every command line of Typer and Rich needs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from bench.measure import verdict
from medagent.percentiles import percentile

_ROUNDS = 15
_LIMIT = 1.5


def measured(*command: str) -> tuple[float, float]:
    """Run a process to its end; return its seconds of wall time and of processor time."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{command[0]}: exit code {process.returncode}")
    return wall, used.ru_utime + used.ru_stime


def main() -> int:
    """Measure both in turn, so that the machine's noise meets both; exit code 1 where the target is missed."""
    ours = (str(Path(sys.executable).with_name("medagent")), "--help")
    beside = (sys.executable, "-c", "import typer, rich")
    measured(*ours), measured(*beside)  # byte code is written, files are in memory
    pairs = [(measured(*ours), measured(*beside)) for _ in range(_ROUNDS)]
    print(f"medagent --help beside python -c 'import typer, rich', whole processes in turn, {_ROUNDS} times")
    ratios = []
    # Another load only adds to wall time: the fastest run has least of it.
    for name, column, figure in (("wall time", 0, min), ("processor time", 1, partial(percentile, percent=50))):
        a, b = (figure([pair[one][column] for pair in pairs]) for one in (0, 1))
        print(f"  {name}: {a * 1e3:.0f} ms beside {b * 1e3:.0f} ms")
        ratios.append(verdict(f"ratio of {name}", a / b, _LIMIT, "×"))
    return int(not all(ratios))


if __name__ == "__main__":
    sys.exit(main())
