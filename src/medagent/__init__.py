"""A clinic's phone agent whose telemetry a policy limits field by field, and the audit of what is sent."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    __version__: str
    from medagent.agent.factory import AgentContext as AgentContext
    from medagent.outcomes import ToolOutcome as ToolOutcome
    from medagent.redaction import Redactor as Redactor
    from medagent.redaction import load_policy as load_policy
    from medagent.tracing import trace_call as trace_call

__all__ = ["__version__", "AgentContext", "Redactor", "ToolOutcome", "load_policy", "trace_call"]

_LAZY = {
    "AgentContext": "medagent.agent.factory",
    "Redactor": "medagent.redaction",
    "ToolOutcome": "medagent.outcomes",
    "load_policy": "medagent.redaction",
    "trace_call": "medagent.tracing",
}


def __getattr__(name: str) -> Any:
    """Load an API only when it is used: importing livekit costs seconds that a script should not pay."""
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415  # it loads `email`: a seventh of the time of `--help`

        return version("medagent")
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
