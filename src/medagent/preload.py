"""Load all that a job process needs; LiveKit's forkserver imports this once, and its jobs share the memory.

`trace_call` registers this module where LiveKit is loaded already, else an agent names it:
`AgentServer(preload_modules=["medagent.preload"])`. It starts no thread and opens no connection.
"""

from __future__ import annotations

import logging
from importlib import import_module

from medagent.errors import MedagentError
from medagent.redaction.trial import run
from medagent.runtime.host import policy
from medagent.settings import load_settings

_log = logging.getLogger(__name__)


def preload() -> None:
    """Import the modules of a traced job, read the policy, and run its examples once."""
    for module in ("medagent.agent.watching", "medagent.agent.server_address", "medagent.runtime.job"):
        import_module(module)
    try:
        in_force = policy(load_settings())
    except MedagentError as error:
        _log.debug("policy: not loaded before the first job: %s", type(error).__name__)  # the job's own log has it
    else:
        for example in in_force.examples:
            run(example, in_force)


preload()
