"""Each safeguard by itself: the drill finds all of them awake, and names the one that is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.audit.selftest.sabotages import load

from medagent.audit.safeguards import idle
from medagent.runtime.host import redactor
from medagent.settings import load_settings

_ROOT = Path(__file__).resolve().parents[2]
_DRILL = """
import sys
from tests.audit.selftest import hook
hook.is_process = lambda *_arguments: True
hook.arm(sys.argv[1], sys.argv[2])
from medagent.audit.safeguards import idle
from medagent.runtime.host import redactor
from medagent.settings import load_settings
settings = load_settings(MEDAGENT_HOME=sys.argv[3])
print(", ".join(idle(settings, redactor(settings))))
"""
_NAMED = {name: one.causes[0] for name, one in load().items() if one.causes[0].startswith("safeguards: .*")}


def test_every_safeguard_stops_what_is_shown_to_it_alone(tmp_path: Path) -> None:
    """Nothing is idle in the system as it is."""
    settings = load_settings(MEDAGENT_HOME=tmp_path)
    assert idle(settings, redactor(settings)) == ()


@pytest.mark.slow
@pytest.mark.parametrize("name", _NAMED)
def test_a_safeguard_that_is_taken_away_is_named(name: str, tmp_path: Path) -> None:
    """Without it what was shown leaves, although all others stand."""
    ran = subprocess.run(
        [sys.executable, "-c", _DRILL, name, str(tmp_path / "witness"), str(tmp_path / "home")],
        capture_output=True,
        text=True,
        check=True,
        cwd=_ROOT,
    )
    assert _NAMED[name].removeprefix("safeguards: .*") in ran.stdout
