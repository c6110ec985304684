"""Time of `medagent --help` and `medagent redact` beside the imports that every such command line needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from bench.measure import Row, in_turn, row

_ROUNDS = 11
_REDACT = "import sys; sys.argv = ['medagent', 'redact', '--jsonl']; from medagent.cli import main; main()"
_LIBRARIES = "import pydantic, pydantic_settings, yaml, typer, rich.console"


def processor_ms(*command: str, given: bytes = b"") -> float:
    """Run a process to its end; return its milliseconds of processor time."""
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert process.stdin is not None  # noqa: S101  # a pipe
    process.stdin.write(given)
    process.stdin.close()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{command[0]}: exit code {process.returncode}")
    return (used.ru_utime + used.ru_stime) * 1e3


def rows() -> list[Row]:
    """Measure whole processes in turn; the first of each only warms up."""
    help_page = (str(Path(sys.executable).with_name("medagent")), "--help")
    cases = {
        "`medagent --help`": (help_page, b"", "typer, rich", "import typer, rich", 1.5),
        "`medagent redact`, one line": (
            (sys.executable, "-c", _REDACT),
            b'{"id":1,"text":"a"}\n',
            "its libraries",
            _LIBRARIES,
            3.5,
        ),
    }
    found = []
    for name, (ours, given, peer, imports, bound) in cases.items():
        pairs = in_turn(
            lambda ours=ours, given=given: processor_ms(*ours, given=given),  # type: ignore[misc]
            lambda imports=imports: processor_ms(sys.executable, "-c", imports),  # type: ignore[misc]
            _ROUNDS + 1,
        )
        found.append(row(f"{name}, CPU", f"python -c, importing {peer}", pairs[1:], unit="ms", bound=bound))
    return found
