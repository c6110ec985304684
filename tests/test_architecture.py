"""The architecture is a failing test."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "medagent"
MODULES = sorted(SOURCE.rglob("*.py"))
SAYS_NOTHING = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}


def test_the_contracts_hold() -> None:
    """Every room imports only what its floor allows."""
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_says_what_it_is(module: Path) -> None:
    """No module is named utils, helpers, common or manager."""
    assert not SAYS_NOTHING & set(module.relative_to(SOURCE).with_suffix("").parts)


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_only_the_settings_read_the_environment(module: Path) -> None:
    """`os.environ` and `os.getenv` stand in settings.py alone."""
    names = {node.attr for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Attribute)}
    assert module.name == "settings.py" or not names & {"environ", "getenv", "environb"}


def loaded_by(statement: str) -> set[str]:
    """The top-level packages in a fresh interpreter after a statement."""
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_medagent_costs_nothing() -> None:
    """`import medagent` loads neither LiveKit nor LangSmith nor a database."""
    assert not loaded_by("import medagent") & {"livekit", "langsmith", "sqlalchemy", "openai", "aiohttp"}


def test_the_telemetry_of_an_agent_starts_without_langsmith() -> None:
    """LangSmith's client is loaded at the first shipment, OpenTelemetry's messages where OTLP is on: never at start."""
    assert not loaded_by("import medagent.runtime.telemetry") & {"langsmith", "opentelemetry"}


def test_the_agent_process_never_loads_presidio() -> None:
    """Presidio and spaCy are for the audit and for policies that ask for them."""
    loaded = loaded_by("import medagent.runtime.telemetry, medagent.agent.clinic_agent, medagent.simulator.caller")
    assert "livekit" in loaded
    assert not loaded & {"presidio_analyzer", "presidio_anonymizer", "spacy"}
