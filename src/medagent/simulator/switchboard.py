"""Which script a connection follows: a new one by its deployment, the old one where a client comes back."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence

from medagent.simulator.scenario import Scenario
from medagent.simulator.script import Script


class Switchboard:
    """The scenarios of one server, and the calls that it has had."""

    def __init__(self, scenarios: Sequence[Scenario]) -> None:
        self._scenarios = {scenario.name: scenario for scenario in scenarios}
        self._first = scenarios[0]
        self._expected: dict[str, Script] = {}
        self._calls: dict[str, Script] = {}

    def expect(self, scenario: str, given: Sequence[Mapping[str, str]]) -> str:
        """Prepare for a call of this scenario with what stood before it: the deployment that leads there.

        Raises `KeyError` where there is no such scenario.
        """
        deployment = f"{scenario}~{secrets.token_hex(4)}"
        self._expected[deployment] = Script(self._scenarios[scenario], given=given)
        return deployment

    def script(self, deployment: str) -> Script:
        """The script of a connection: expected, of the scenario of that name, or of the first scenario."""
        expected = self._expected.get(deployment)
        return expected or Script(self._scenarios.get(deployment, self._first))

    def remember(self, item_id: str, script: Script) -> None:
        """An id of ours names its call from now on."""
        self._calls[item_id] = script

    def resumed(self, item_id: str) -> Script | None:
        """The script of the call in which this id was given, for a client that replays it on a new connection."""
        return self._calls.get(item_id)
