"""`medagent doctor` says by which ways something could leave past the door."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from command import medagent

pytestmark = pytest.mark.timing

VALID = {"OTEL_PYTHON_TRACER_PROVIDER": "sdk_tracer_provider"}
SECRET = "ls__somebodys-key"


def findings(home: Path, **environment: str) -> list[dict[str, Any]]:
    done = medagent("doctor", "--json", home=home, **environment)
    assert SECRET not in done.out + done.err
    return [json.loads(line) for line in done.out.splitlines()]


def test_as_it_should_be(tmp_path: Path) -> None:
    """Where nothing is open it says so in one line."""
    [exits] = [one for one in findings(tmp_path) if one["what"] == "exits"]
    assert exits["state"] == "ok"


@pytest.mark.parametrize(
    "name",
    [
        *("LANGSMITH_TRACING", "LANGSMITH_TRACING_V2", "LANGCHAIN_TRACING_V2", "LANGSMITH_FAILED_TRACES_DIR"),
        *("OTEL_TRACES_EXPORTER", "OTEL_PYTHON_TRACER_PROVIDER", "LIVEKIT_OBSERVABILITY_URL"),
        *("LIVEKIT_TELEMETRY_ALLOW_PII", "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"),
    ],
)
def test_a_library_s_own_way_is_named(tmp_path: Path, name: str) -> None:
    """Each variable that opens one is named with what to do."""
    notes = [one for one in findings(tmp_path, **{name: VALID.get(name, "true")}) if one["what"] == "exits"]
    assert [(one["state"], one["says"].startswith(f"{name} is set: ")) for one in notes] == [("note", True)]
    assert name in notes[0]["hint"]


def test_a_no_opens_nothing(tmp_path: Path) -> None:
    """What is set to `false` is shut."""
    [exits] = [one for one in findings(tmp_path, LANGSMITH_TRACING="false") if one["what"] == "exits"]
    assert exits["state"] == "ok"


@pytest.mark.parametrize("name", ["LANGSMITH_ENDPOINT", "LANGCHAIN_ENDPOINT"])
def test_two_addresses_of_langsmith_are_one_too_many(tmp_path: Path, name: str) -> None:
    """With both LangSmith's client never starts: the doctor says so before a span waits for it."""
    both = {name: "http://127.0.0.1:9", "LANGSMITH_RUNS_ENDPOINTS": json.dumps({"http://127.0.0.1:9": SECRET})}
    [missing] = [one for one in findings(tmp_path, **both) if one["state"] == "missing"]
    assert missing["says"].startswith(f"{name} and LANGSMITH_RUNS_ENDPOINTS are both set")


def test_what_the_settings_leave_open_is_said(tmp_path: Path) -> None:
    """An exit of LiveKit's and a logger in clear are the clinic's decision, and stand in the list."""
    told = findings(tmp_path, MEDAGENT_LIVEKIT_OPEN="text", MEDAGENT_LOGS_IN_CLEAR="pharmacy")
    assert {(one["what"], one["says"].rpartition(": ")[2]) for one in told} >= {
        ("livekit", "text"),
        ("logs", "pharmacy"),
    }


def test_somebody_s_tracer_provider_is_said(tmp_path: Path) -> None:
    """Where a global one is set in the process, as auto-instrumentation does, the doctor says so."""
    code = (
        "from opentelemetry import trace; from opentelemetry.sdk.trace import TracerProvider\n"
        "trace.set_tracer_provider(TracerProvider())\n"
        "import sys; from medagent.cli import main; sys.argv = ['medagent', 'doctor', '--json']; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert any(one["says"].startswith("a global tracer provider is set") for one in told)
