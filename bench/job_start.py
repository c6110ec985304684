"""The start of a job's process in prod, with and without the check of what is installed, one after the other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench.measure import Row, in_turn, row

_PAIRS = 5
_JOB = """
import sys, time
import livekit.agents, livekit.plugins.openai
import medagent.agent.clinic_agent, medagent.agent.worker
from medagent.runtime import binding, installed, kill_switch
if sys.argv[1] == "without":
    class Unchecked:
        distributions = ()
        result = lambda self: self
        stamp = problem = check_if_due = lambda self, **_: None
    installed.installed_code = lambda settings: Unchecked()
from medagent.settings import load_settings
from medagent.tracing import Tracing
tracing = Tracing(load_settings(MEDAGENT_EXPORT_SERVICE="in_process"))
running = tracing.loaded(120)
state = running.switch.state()
if not state.on:
    sys.exit(str(state.reason))
cpu = time.process_time()
tracing.close()
print(cpu)
"""


def checked() -> Row:
    """Compare the start of a job's process with the check of what is installed and without, in turn."""
    with tempfile.TemporaryDirectory() as place:
        environment = _in_force(Path(place))
        pairs = in_turn(lambda: _start("with", environment), lambda: _start("without", environment), _PAIRS)
    return row("a job's start with the installed check, CPU", "without the check", pairs, unit="s", bound=1.05)


def _in_force(root: Path) -> dict[str, str]:
    """The environment of a prod host on which a GO for what is installed here is in force."""
    from attestation.audits import HOST, SECRET, audit, pin
    from medagent.runtime import binding, installed, kill_switch
    from medagent.settings import load_settings

    environment = SECRET | {
        "MEDAGENT_ENV": "prod",
        "MEDAGENT_HOME": str(root / "home"),
        "MEDAGENT_CONSENT": "not_asked",
        "MEDAGENT_CONSENT_BASIS": "treatment",
        "MEDAGENT_OFFICERS": str(pin(root / "officers")),
    }
    os.environ.update(environment)
    settings = load_settings()
    code = installed.installed_code(settings)
    code.check()
    again = code.check()
    for finding in again.findings:
        print(finding, file=sys.stderr)

    def bound(report: Any) -> Any:
        here = binding.binding(settings, installed=again.distributions)
        names = ("code", "lock", "policy", "destinations", "installed")
        digests = {f"{name}_sha256": getattr(here, f"{name}_sha256") for name in names}
        lists = {name: getattr(here, name) for name in ("destinations", "settings", "installed")}
        return report.model_copy(
            update={
                "run": report.run.model_copy(update={"env": "prod"}),
                "system": report.system.model_copy(update=digests | lists),
            }
        )

    whole = audit(bound, key=HOST, began=datetime.now(UTC) - timedelta(hours=2)).complete()
    whole.written(kill_switch.audits(settings) / whole.bundle.report_sha256)
    stop = kill_switch.switch(settings)
    stop._code = None  # this process has loaded measuring modules, which nobody checked
    stop.turn_on(report=whole.bundle.report_sha256, by="bench")
    return dict(os.environ)


def _start(kind: str, environment: dict[str, str]) -> float:
    """Return seconds of processor time."""
    ran = subprocess.run(
        [sys.executable, "-c", _JOB, kind], capture_output=True, text=True, check=False, env=environment, cwd="/"
    )
    if ran.returncode != 0:
        sys.exit(f"the job did not start: {ran.stderr[-2000:]}")
    return float(json.loads(ran.stdout.splitlines()[-1]))
