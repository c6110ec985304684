"""Failed identity checks that reached the limit: an entry of the ledger and a message, with nothing of whose they are.

`reached` returns at once: a thread writes, so that a caller who guesses does not hear by the wait that a limit was met.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeAlias
from uuid import uuid4

from medagent.alerts.notice import identity_checks_notice
from medagent.alerts.state import AlertState
from medagent.errors import MedagentError
from medagent.proof import digest
from medagent.settings import Env

Scope: TypeAlias = Literal["record", "calling_number"]
Append: TypeAlias = Callable[[str, Mapping[str, object]], object]
_TITLES: Mapping[Scope, str] = {
    "record": "Identity checks of one patient",
    "calling_number": "Identity checks of one number",
}
_HOUR_US = 3_600_000_000
_log = logging.getLogger(__name__)


class IdentityCheckAlert:
    """Records and announces that a limit of failed identity checks was reached; safe from any thread."""

    def __init__(
        self,
        *,
        append: Append,
        state: Callable[[], AlertState],
        destinations: Sequence[str],
        env: Env,
        failures: int,
        hours: int,
    ) -> None:
        """Nothing is opened before the first limit is reached.

        Args:
            append: Appends an entry of a kind to the ledger.
            state: Opens the state of the alerts, from which `medagent alerts watch` delivers.
            destinations: Names of the destinations that are told.
            env: Environment that a message names.
            failures: Number of failed checks that is the limit.
            hours: Within so many hours.
        """
        self._append = append
        self._state = state
        self._destinations = tuple(destinations)
        self._env = env
        self._failures = failures
        self._hours = hours
        self._threads: list[threading.Thread] = []

    def reached(self, scope: Scope) -> None:
        """Record and announce on a thread that a process's end waits for."""
        thread = threading.Thread(target=self._tell, args=(scope, time.time_ns() // 1000), name="medagent-identity")
        thread.start()
        self._threads = [*(one for one in self._threads if one.is_alive()), thread]

    def wait(self, timeout_s: float) -> None:
        """Wait until what was reached is written."""
        for thread in self._threads:
            thread.join(timeout_s)

    def _tell(self, scope: Scope, at_us: int) -> None:
        try:
            content = {"scope": scope, "failures": self._failures, "hours": self._hours}
            self._append("identity_checks_failed", content)
        except MedagentError as error:
            _log.error("the ledger does not record failed identity checks: %s", type(error).__name__)
        if not self._destinations:
            return
        try:
            state = self._state()
            try:
                self._announce(state, scope, at_us)
            finally:
                state.close()
        except MedagentError as error:
            _log.error("nobody is told of failed identity checks: %s", type(error).__name__)

    def _announce(self, state: AlertState, scope: Scope, at_us: int) -> None:
        for name in self._destinations:
            incident = digest(["identity_checks", str(uuid4()), name])[:12]
            notice = identity_checks_notice(
                env=self._env,
                incident=incident,
                title=_TITLES[scope],
                at_us=at_us,
                failures=self._failures,
                window_us=self._hours * _HOUR_US,
            )
            state.announce(incident, name, notice)
