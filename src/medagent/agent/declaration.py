"""Declarations of a host about its agent and one call: names, outcomes of its tools, rosters."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from medagent.errors import OutcomeError
from medagent.outcomes import Outcomes, read_outcomes
from medagent.settings import AGENT_NAME, AGENT_VERSION, Settings

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """Name and version of the agent, outcomes of tools and rosters; None where nothing is declared."""

    agent_name: str | None = None
    agent_version: str | None = None
    outcomes: Outcomes | None = None
    rosters: Mapping[str, Collection[str]] | None = field(default=None, repr=False)

    def fields(self) -> dict[str, Any]:
        """Return the fields of `CallStarted` that are declared."""
        return {
            "agent_name": self.agent_name,
            "agent_version": self.agent_version,
            "outcomes": self.outcomes,
            "rosters": self.rosters,
        }


def declare(
    settings: Settings,
    *,
    agent_name: object = None,
    agent_version: object = None,
    outcomes: object = None,
    rosters: object = None,
) -> Declaration:
    """Return what holds for a call: the arguments, and the settings where there is none.

    An argument that is not usable is logged and counts as not given: a call is traced without it.
    """
    return Declaration(
        agent_name=_text("agent_name", agent_name, AGENT_NAME) or settings.agent_name,
        agent_version=_text("agent_version", agent_version, AGENT_VERSION) or settings.agent_version,
        outcomes=_outcomes(outcomes),
        rosters=_rosters(rosters),
    )


def _text(name: str, given: object, form: str) -> str | None:
    if given is None:
        return None
    if isinstance(given, str) and re.fullmatch(form, given):
        return given
    _log.error("%s of trace_call: not usable, expected a text that matches %s", name, form)
    return None


def _outcomes(given: object) -> Outcomes | None:
    if given is None:
        return None
    try:
        if isinstance(given, Mapping):
            return read_outcomes(given)
        _log.error("outcomes of trace_call: not usable, expected a mapping by the tool's name")
    except OutcomeError as error:
        _log.error("outcomes of trace_call: %s", error)
    return None


def _rosters(given: object) -> dict[str, frozenset[str]] | None:
    if given is None:
        return None
    if isinstance(given, Mapping) and all(map(_is_roster, given.items())):
        return {name: frozenset(members) for name, members in given.items()}
    _log.error("rosters of trace_call: not usable, expected lists of texts by name")
    return None


def _is_roster(item: tuple[object, object]) -> bool:
    name, members = item
    if not isinstance(members, Collection) or isinstance(members, str | bytes | Mapping):
        return False
    return isinstance(name, str) and all(isinstance(member, str) for member in members)
