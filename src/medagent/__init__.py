"""A clinic's phone agent whose traces carry no patient's data, and the proof of it."""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from medagent.compose import trace_call as trace_call

__version__ = version("medagent")
__all__ = ["__version__", "trace_call"]


def __getattr__(name: str) -> Any:
    """Load an API only when it is used: importing livekit costs seconds that a script should not pay."""
    if name == "trace_call":
        from medagent.compose import trace_call  # noqa: PLC0415

        return trace_call
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
