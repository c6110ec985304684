from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from medagent.clinic import Clinic, seed_demo

NOW = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'clinic' / 'clinic.db'}"


@pytest.fixture
def clinic(url: str) -> Iterator[Clinic]:
    opened = Clinic.open(url)
    seed_demo(opened, now=NOW)
    yield opened
    opened.close()


@pytest.fixture
def now() -> datetime:
    return NOW
