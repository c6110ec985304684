"""The installed code of this host, as a process of these settings sees it."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from medagent.settings import Settings, make_home

if TYPE_CHECKING:
    from medagent.attestation.installed import Places
    from medagent.attestation.installed_code import InstalledCode

from medagent.runtime.host import key_ring, machine_keys


def installed_code(settings: Settings) -> InstalledCode:
    """Return the installed code of this host, one object for all uses in this process."""
    from medagent.attestation.agent_files import agent_files  # noqa: PLC0415  # the same
    from medagent.attestation.installed_code import InstalledCode  # noqa: PLC0415  # only prod and the audit need it

    case = (settings.home, settings.agent_path)
    if case not in _INSTALLED:
        _INSTALLED[case] = InstalledCode(
            home=make_home(settings.home),
            places=functools.partial(_places, settings),
            environment=settings.child_environment(),
            trusted=functools.partial(machine_keys, settings),
            key=key_ring(settings).signing_key,
            agent=agent_files(settings.agent_path),
        )
    return _INSTALLED[case]


_INSTALLED: dict[tuple[Path, Path | None], InstalledCode] = {}


def _places(settings: Settings) -> Places:
    from medagent.attestation.agent_files import agent_files  # noqa: PLC0415  # the same
    from medagent.attestation.binding import PACKAGE  # noqa: PLC0415  # only a check needs it
    from medagent.attestation.installed_check import places_here  # noqa: PLC0415  # the same

    return places_here([PACKAGE], agent_files(settings.agent_path))
