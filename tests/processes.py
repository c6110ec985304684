"""Processes that run a function of a test, forked from one that has done the imports and nothing else."""

from __future__ import annotations

import functools
import multiprocessing
from multiprocessing.context import ForkServerContext

_IMPORTED = ("databases", "hypothesis", "medagent.clinic", "medagent.runtime.exports", "medagent.tools", "pytest")


@functools.cache
def fresh_processes() -> ForkServerContext:
    """Return a context whose processes share nothing with this one but the imports that would take them a second."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_IMPORTED))
    return context
