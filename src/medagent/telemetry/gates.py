"""The two functions that decide by the kill switch; all other code displays its state or acts on what these return."""

from __future__ import annotations

from collections.abc import Callable

from medagent.errors import EgressOffError
from medagent.telemetry.switch import Switch, SwitchState
from medagent.telemetry.switch_message import message_of

Gate = Callable[[], None]
"""Called before every request; raises `EgressOffError` where nothing may be sent."""


class StoreGate:
    """The telemetry worker's decision: whether spans of a call are stored."""

    def __init__(self, switch: Switch) -> None:
        self._switch = switch

    def decide(self) -> SwitchState:
        """Return the state by which spans are stored or not; an outbox that cannot be read now does not matter."""
        return self._switch.state()

    def is_open(self) -> bool:
        """Return whether spans are stored."""
        return self.decide().on


class ExportGate:
    """The export worker's decision: whether a request or a batch leaves. It is called before every one.

    Calling it raises `EgressOffError`, with the remedy in its message, where nothing may leave.
    """

    def __init__(self, switch: Switch) -> None:
        self._switch = switch

    def decide(self) -> SwitchState:
        """Return the state by which a request leaves or not."""
        return self._switch.state()

    def is_open(self) -> bool:
        """Return whether a request may leave."""
        return self.decide().may_export

    def is_off(self) -> bool:
        """Return whether telemetry is off; False also where requests only wait for an outbox that cannot be read."""
        return not self.decide().on

    def __call__(self) -> None:
        """Pass, or raise `EgressOffError`."""
        state = self.decide()
        if not state.may_export:
            raise EgressOffError(f"nothing is sent: {message_of(state, env=self._switch.env)}")
