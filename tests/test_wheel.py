"""What is installed is whole: the policies and lists travel inside the package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from medagent.attestation.binding import lock_digest
from medagent.attestation.code_digest import code_digest
from medagent.simulator.scenario import list_scenarios

ROOT = Path(__file__).parent.parent
LOADS = """
import medagent, sys
from importlib.resources import files
from medagent.alerts.rules import load_alerts
from medagent.pricing import load_prices
from medagent.redaction.loading import find_policy, load_policy
from medagent.simulator.scenario import list_scenarios
pages = {file.name for file in files("medagent.audit.render").joinpath("templates").iterdir()}
assert pages == {"report.css", "report.html.j2", "report.typ"}, pages
from medagent.audit.protocol import find_protocol, list_protocols, load_protocol
assert list_protocols() == ("agent", "week5"), list_protocols()
assert {load_protocol(find_protocol(name))[0].name for name in list_protocols()} == {"agent", "week5"}
assert medagent.__file__.startswith(sys.argv[1]), medagent.__file__
strict = load_policy(find_policy("safe-harbor"))
from medagent.attestation.binding import lock_digest
from medagent.attestation.code_digest import code_digest
from medagent.attestation.officers import Officers
from medagent.audit.legal import load_processors
Officers.load()
assert {"azure_openai", "livekit", "sip_carrier", "langsmith"} <= set(load_processors()[0])
print(load_policy().name, strict.name, len(list_scenarios()), bool(load_prices().realtime), len(load_alerts().rules))
print(code_digest(), lock_digest())
"""


def test_a_wheel_installed_elsewhere_loads_what_it_ships(tmp_path: Path) -> None:
    """Built, installed into an empty folder and run from another, it finds what it ships and is the same code."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", str(tmp_path / "wheel"), str(ROOT)], check=True
    )
    (wheel,) = (tmp_path / "wheel").iterdir()
    target = tmp_path / "elsewhere"
    subprocess.run([*pip, "install", "--no-deps", "--target", str(target), str(wheel)], check=True)
    environment = {**os.environ, "PYTHONPATH": str(target)}
    command = [sys.executable, "-c", LOADS, str(target)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    found = done.stdout.splitlines()
    assert found[0].split() == ["clinic", "safe-harbor", str(len(list_scenarios())), "True", "7"]
    assert found[1].split() == [code_digest(), lock_digest()]
