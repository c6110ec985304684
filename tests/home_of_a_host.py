"""A host as others see it: a MEDAGENT_HOME of its own, an export service and job processes that share an outbox."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from command import Done, medagent
from medagent.runtime.kill_switch import hosts
from medagent.settings import Settings
from medagent.telemetry.hosts import HostStatus
from medagent.telemetry.ledger import entries
from test_export_service import JOB, until

SERVICE = """
import signal
from medagent.runtime.export_service import ExportService
from medagent.settings import load_settings
service = ExportService(load_settings())
signal.signal(signal.SIGTERM, lambda *_: service.stop())
service.run()
"""
TRIP = """
from medagent.runtime.kill_switch import switch
from medagent.settings import load_settings
switch(load_settings(), reads_outbox=False).trip("a leak in a job")
"""


class Host:
    """One host; `within` are words before each of its programs, as for a network namespace."""

    def __init__(self, home: Path, outbox_url: str, *, within: Sequence[str] = (), **environment: str) -> None:
        self.home = home
        self._within = within
        self.environment = {
            "MEDAGENT_HOME": str(home),
            "MEDAGENT_OUTBOX_URL": outbox_url,
            "MEDAGENT_EXPORT_SERVICE": "external",
            **environment,
        }
        self._processes: list[subprocess.Popen[str]] = []

    @property
    def settings(self) -> Settings:
        return Settings.model_validate(self.environment)

    def start(self, program: str, *words: str) -> subprocess.Popen[str]:
        """Start a Python program of this host."""
        process = subprocess.Popen(
            [*self._within, sys.executable, "-c", program, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent), **self.environment},
        )
        self._processes.append(process)
        return process

    def serve(self) -> subprocess.Popen[str]:
        """Start the export service, which is external here."""
        return self.start(SERVICE)

    def job(self) -> Callable[[str], str]:
        """Start a job process; return what sends it a word and reads its answer."""
        process = self.start(JOB)

        def tell(word: str) -> str:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{word}\n")
            process.stdin.flush()
            return process.stdout.readline().strip()

        return tell

    def trip(self) -> None:
        """Trip the switch as a job does, which opens no database."""
        assert self.start(TRIP).wait(120) == 0

    def run(self, *words: str) -> Done:
        """Run a command on this host."""
        given = {name: value for name, value in self.environment.items() if name != "MEDAGENT_HOME"}
        return medagent(*words, home=self.home, **given)

    def switch_file(self) -> dict[str, Any]:
        path = self.home / "switch.json"
        return dict(json.loads(path.read_bytes())) if path.exists() else {}

    def is_off(self) -> bool:
        return self.switch_file().get("state") == "off"

    def changes(self) -> list[tuple[object, object]]:
        """Return state and source of each change in the ledger."""
        found = entries(self.home / "ledger" / "ledger.jsonl")
        return [(one.content["state"], one.content["source"]) for one in found if one.kind == "switch_changed"]

    def kill(self) -> None:
        """Kill each process that was started here, service and jobs."""
        for one in self._processes:
            one.kill()
            one.communicate(timeout=120)
        self._processes.clear()


def known(host: Host) -> dict[str, HostStatus]:
    """Return what the shared database knows of each host, by the last part of its MEDAGENT_HOME."""
    return {one.host: one for one in hosts(host.settings)}


def until_serving(*given: Host) -> None:
    """Wait until each of these export services has told the others that it runs."""
    until(lambda: sum(one.is_serving and one.silent_s < 3 for one in hosts(given[0].settings)) == len(given))
