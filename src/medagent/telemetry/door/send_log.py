"""Record for each span whether it was sent, and how the destination answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum

from medagent.telemetry.span import SafeSpan

_SERVER_ERROR = 500
_CONFLICT = 409
_TAKEN = range(200, 300)


class Sent(IntEnum):
    """How sure it is that a destination has a span; a higher value outweighs a lower one."""

    REFUSED = 1
    """The destination received it and answered that it did not take it."""
    UNKNOWN = 2
    """It was sent, and no answer proves that the destination has it or not."""
    DELIVERED = 3
    """The destination answered that it has it."""


class SendLog:
    """The requests of one exporter since the last `take`; for one thread, its export worker's."""

    def __init__(self) -> None:
        self._sent: dict[str, Sent] = {}
        self._open: tuple[str, ...] = ()

    def begin(self, batch: Iterable[SafeSpan]) -> None:
        """Note that a request is about to be sent; until it is answered, its spans count as sent."""
        self._open = tuple(span.span_id for span in batch)

    def answered(self, status: int) -> None:
        """Note the HTTP status of the answer."""
        proves_nothing = status in _TAKEN or status == _CONFLICT or status >= _SERVER_ERROR
        self._close(Sent.UNKNOWN if proves_nothing else Sent.REFUSED)

    def never_sent(self) -> None:
        """Forget the request: no byte of it was sent."""
        self._open = ()

    def take(self) -> dict[str, Sent]:
        """Return what was sent since the last look, by span id, and begin anew."""
        self._close(Sent.UNKNOWN)
        sent, self._sent = self._sent, {}
        return sent

    def _close(self, outcome: Sent) -> None:
        merge(self._sent, dict.fromkeys(self._open, outcome))
        self._open = ()


def merge(sent: dict[str, Sent], more: Mapping[str, Sent]) -> None:
    """Add outcomes to others; of two for one span the surer one stays."""
    for span_id, outcome in more.items():
        sent[span_id] = max(outcome, sent.get(span_id, outcome))
