"""A crash of a process that traces calls leaves no memory on the disk, and its memory can still be measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from command import run
from medagent.cli import doctor
from medagent.core_dumps import is_pattern_piped
from medagent.settings import load_settings

CRASH = """
import ctypes, json, os, resource, sys
resource.setrlimit(resource.RLIMIT_CORE, resource.getrlimit(resource.RLIMIT_CORE)[1:] * 2)
from medagent.settings import load_settings
{start}
libc = ctypes.CDLL(None)
print(json.dumps({{"limit": resource.getrlimit(resource.RLIMIT_CORE), "dumpable": libc.prctl(3, 0, 0, 0, 0),
    "pss": "Pss:" in open("/proc/self/smaps_rollup").read()}}), flush=True)
os.abort()
"""
STARTS = {
    "tracing": "from medagent.tracing import Tracing; Tracing(load_settings())",
    "telemetry": "from medagent.runtime.telemetry import Telemetry; Telemetry(load_settings())",
    "command": "import medagent.cli; medagent.cli.app = lambda: None; medagent.cli.main()",
}


@pytest.mark.timing
@pytest.mark.parametrize("start", STARTS)
def test_process_that_traces_leaves_no_core_dump(tmp_path: Path, start: str) -> None:
    """The limit is 0 for good, and the process stays dumpable: LiveKit's worker reads its memory figures."""
    program = CRASH.format(start=STARTS[start])
    environment = {**os.environ, "MEDAGENT_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    said = json.loads(done.stdout)
    assert done.returncode < 0
    assert (said["limit"], said["dumpable"], said["pss"]) == ([0, 0], 1, True)
    assert not list(tmp_path.glob("core*"))


@pytest.mark.parametrize(("pattern", "is_piped"), [("|/usr/lib/handler %p", True), (" |x", True), ("core", False)])
def test_piped_core_pattern_is_seen(tmp_path: Path, pattern: str, is_piped: bool) -> None:
    """A handler gets the dump whatever the limit is."""
    (tmp_path / "core_pattern").write_text(pattern)
    assert is_pattern_piped(tmp_path / "core_pattern") is is_piped
    assert not is_pattern_piped(tmp_path / "missing")


@pytest.mark.parametrize("is_piped", [True, False])
def test_doctor_warns_of_a_piped_core_pattern(monkeypatch: pytest.MonkeyPatch, is_piped: bool) -> None:
    """With the command that changes it."""
    monkeypatch.setattr(doctor, "is_pattern_piped", lambda: is_piped)
    [finding] = doctor._core_dumps(load_settings())
    assert (finding.state, "core_pattern" in finding.hint) == (("note", True) if is_piped else ("ok", False))


@pytest.mark.timing
def test_doctor_names_an_unstated_environment(tmp_path: Path) -> None:
    """Before the first call is refused."""
    done = run("doctor", "--json", environment={**os.environ, "MEDAGENT_HOME": str(tmp_path)})
    found = {one["what"]: one for one in map(json.loads, done.out.splitlines())}
    assert (found["environment"]["state"], "MEDAGENT_ENV" in found["environment"]["hint"]) == ("note", True)
    assert "core dumps" in found
