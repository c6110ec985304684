"""What every test stands on: an environment of its own, and how hard Hypothesis tries."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
from hypothesis import settings

import shared
from installations import check_a_small_installation
from medagent.telemetry.storage_log import storage_log

settings.register_profile("fast", deadline=None, max_examples=40)
settings.register_profile("ci", deadline=None, max_examples=400)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))

check_a_small_installation()
_OURS = ("MEDAGENT_", "LANGSMITH_", "LANGCHAIN_", "LANGFUSE_", "PHOENIX_", "AZURE_")


def pytest_xdist_auto_num_workers() -> int:
    """Four workers on two processors: half of the tests' time is waiting, for a clock, a socket or a process."""
    return 2 * (os.cpu_count() or 1)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shared.begin()


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shared.end()


def pytest_collection_finish() -> None:
    gc.freeze()  # a worker holds 12,000 tests and all libraries: no collection in a test need look at them
    gc.set_threshold(20_000, 10, 10)  # a tenth of the time of tests that make much, as those of free text


@pytest.fixture(autouse=True)
def _isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage_log.reset()
    for name in [name for name in os.environ if name.startswith(_OURS)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MEDAGENT_HOME", str(tmp_path / "medagent"))
    monkeypatch.setenv("MEDAGENT_EXPORT_SERVICE", "in_process")  # a test has no process that outlives it
