"""The packaged policies, each read once in a process."""

from __future__ import annotations

import functools

from medagent.redaction.loading import find_policy, load_policy
from medagent.redaction.policy import Policy


@functools.cache
def packaged_policy(name: str = "clinic") -> Policy:
    """Return a packaged policy, its own examples run."""
    return load_policy(find_policy(name))
