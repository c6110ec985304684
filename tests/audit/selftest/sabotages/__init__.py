"""The sabotages, by what they break. Nothing here may import medagent before the module that it alters is imported."""

from __future__ import annotations

from collections.abc import Mapping

from tests.audit.selftest.sabotage import ALL, Sabotage


def load() -> Mapping[str, Sabotage]:
    """All of them by their names."""
    from tests.audit.selftest.sabotages import (  # noqa: F401  # each registers its own
        agent,
        delivery,
        door,
        drills,
        overhead,
        redaction,
        ways_out,
    )

    return ALL
