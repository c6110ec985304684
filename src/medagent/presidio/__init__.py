"""Presidio and we: its recognisers in a policy of ours, our detectors and actions in an engine of its. Loaded late."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from medagent.errors import PolicyError
from medagent.redaction import Policy, Recogniser

if TYPE_CHECKING:
    from medagent.presidio.detectors import MedagentRecognizer as MedagentRecognizer
    from medagent.presidio.operators import OPERATORS as OPERATORS

__all__ = ["MedagentRecognizer", "OPERATORS", "recognisers_of"]


def recognisers_of(policy: Policy) -> tuple[Recogniser, ...]:
    """The recognisers that a policy names; Presidio is loaded only then, and a `PolicyError` where it is missing."""
    if not policy.recognisers:
        return ()
    try:
        from medagent.presidio.named import NamedRecogniser  # noqa: PLC0415  # seconds and 100 MB, for who asks for it
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("presidio"):
            raise
        raise PolicyError(
            f"{policy.name}: recognisers: Presidio is not installed", hint="pip install 'medagent[presidio]'"
        ) from None
    return tuple(NamedRecogniser(name) for name in policy.recognisers)


def __getattr__(name: str) -> Any:
    """What needs Presidio is loaded when it is used."""
    if name == "MedagentRecognizer":
        from medagent.presidio.detectors import MedagentRecognizer  # noqa: PLC0415  # needs Presidio

        return MedagentRecognizer
    if name == "OPERATORS":
        from medagent.presidio.operators import OPERATORS  # noqa: PLC0415  # needs Presidio

        return OPERATORS
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
