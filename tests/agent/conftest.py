from __future__ import annotations

from collections.abc import Iterator

import pytest

from medagent.tracing import tracing


@pytest.fixture
def traced() -> Iterator[None]:
    """A tracing of its own."""
    tracing.cache_clear()
    yield
    tracing().close()
    tracing.cache_clear()
