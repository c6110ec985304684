"""Run LiveKit's tests that start a session, without and with `trace_call`, each run in a process of its own."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_STARTS = re.compile(r"\bAgentSession\b|\bcreate_session\b")
_UNIT = re.compile(r"pytest\.mark\.unit\b")
_LIMIT_S = 1800


class SuiteError(Exception):
    """LiveKit's tests could not be run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteRun:
    """What one run of LiveKit's tests reported."""

    tests: dict[str, str]
    sessions: list[dict[str, Any]]
    remaining: list[dict[str, Any]]
    end: dict[str, Any]


def checkout_version(checkout: Path) -> str:
    """Return the version of LiveKit Agents in a checkout; raises `SuiteError` where it is none."""
    file = checkout / "livekit-agents" / "livekit" / "agents" / "version.py"
    found = re.search(r'__version__ = "([^"]+)"', file.read_text() if file.is_file() else "")
    if found is None:
        raise SuiteError(f"{checkout}: no version of LiveKit Agents, expected a checkout of LiveKit's repository")
    return found.group(1)


def modules(checkout: Path) -> list[str]:
    """Return the test modules that name a session and need no provider."""
    return [
        str(path.relative_to(checkout))
        for path in sorted((checkout / "tests").rglob("test_*.py"))
        if _STARTS.search(text := path.read_text()) and _UNIT.search(text)
    ]


def run(checkout: Path, *, trace: bool, only: Sequence[str] = ()) -> SuiteRun:
    """Run the modules once; with `trace` every session is traced and compared."""
    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.json"
        command = [
            *(sys.executable, "-m", "pytest", "-q", "--unit", "--no-concurrent", "--tb=line", "-p", "no:cacheprovider"),
            "--continue-on-collection-errors",
            *("-p", "bench.livekit_suite.tracing_plugin", *(only or modules(checkout))),
        ]
        done = subprocess.run(
            command,
            cwd=checkout,
            env=environment(Path(scratch), report=report, trace=trace),
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
        if not report.is_file():
            raise SuiteError(f"{checkout}: its tests did not run:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        (Path(os.environ["MEDAGENT_SUITE_LOG"]).write_text(done.stdout + done.stderr)) if "MEDAGENT_SUITE_LOG" in os.environ else None
        return SuiteRun(**json.loads(report.read_text()))


def environment(scratch: Path, *, report: Path, trace: bool) -> dict[str, str]:
    """Return the environment of a run: nothing of this installation's, nothing that is sent anywhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MEDAGENT_", "LANGSMITH_"))}
    return kept | {
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "MEDAGENT_HOME": str(scratch / "home"),
        "MEDAGENT_SUITE_REPORT": str(report),
        "MEDAGENT_SUITE_TRACE": "1" if trace else "0",
    }
