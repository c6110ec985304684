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
_LIMIT_S = 3600
_TEST_S = 180
_NEEDS_MORE = frozenset({"tests/test_ipc.py"})
"""Modules that name a session and test the processes of a worker, which start none here."""


class SuiteError(Exception):
    """LiveKit's tests could not be run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteRun:
    """Results of one run of LiveKit's tests."""

    tests: dict[str, str]
    sessions: list[dict[str, Any]]
    remaining: list[dict[str, Any]]
    end: dict[str, Any]
    log: str


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
        if _STARTS.search(text := path.read_text())
        and _UNIT.search(text)
        and str(path.relative_to(checkout)) not in _NEEDS_MORE
    ]


def run(checkout: Path, *, trace: bool, only: Sequence[str] = ()) -> SuiteRun:
    """Run the modules once; with `trace` every session is traced and compared."""
    with tempfile.TemporaryDirectory() as scratch:
        report, log = Path(scratch) / "report.json", Path(scratch) / "log"
        command = [
            *(
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "--unit",
                "--no-concurrent",
                "--tb=native",
                "-p",
                "no:cacheprovider",
            ),
            *("--continue-on-collection-errors", f"--timeout={_TEST_S}", "--timeout-method=signal"),
            *("-p", "bench.livekit_suite.tracing_plugin", *(only or modules(checkout))),
        ]
        with log.open("wb") as output:
            subprocess.run(
                command,
                cwd=checkout,
                env=environment(Path(scratch), report=report, trace=trace),
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=_LIMIT_S,
                check=False,
            )
        text = log.read_text(errors="replace")
        if not report.is_file() or "INTERNALERROR" in text:
            raise SuiteError(f"{checkout}: its tests did not run:\n{text[-5000:]}")
        return SuiteRun(**json.loads(report.read_text()), log=text)


def environment(scratch: Path, *, report: Path, trace: bool) -> dict[str, str]:
    """Return the environment of a run: nothing of this installation's, nothing that is sent anywhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MEDAGENT_", "LANGSMITH_"))}
    return kept | {
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "MEDAGENT_EXPORT_SERVICE": "in_process",
        "MEDAGENT_HOME": str(scratch / "home"),
        "MEDAGENT_SUITE_REPORT": str(report),
        "MEDAGENT_SUITE_TRACE": "1" if trace else "0",
    }
