"""PagerDuty: a notice becomes an event that opens or resolves an incident there, under our incident's id."""

from __future__ import annotations

from medagent.alerts.notice import Notice
from medagent.alerts.post import Post, checked_address
from medagent.telemetry.door.answer import Answer

_ACCEPTED = 202
_EVENTS_URL = "https://events.pagerduty.com/v2/enqueue"


class PagerDuty:
    """Sends to one service's integration of the Events API v2."""

    name = "pagerduty"

    def __init__(self, routing_key: str, *, post: Post, events_url: str = _EVENTS_URL) -> None:
        self._key = routing_key
        self._url = checked_address(events_url, "MEDAGENT_PAGERDUTY_URL")
        self._post = post

    def send(self, notice: Notice) -> None:
        """Deliver a notice; raises as every `Sender`. A test opens an incident there and resolves it at once."""
        text = notice.text()
        actions = {
            "fired": ["trigger"],
            "identity_checks": ["trigger"],
            "test": ["trigger", "resolve"],
        }.get(notice.kind, ["resolve"])
        for action in actions:
            self._post(
                self._url,
                {
                    "routing_key": self._key,
                    "event_action": action,
                    "dedup_key": notice.incident,
                    "payload": {"summary": text, "source": "medagent", "severity": "critical"},
                },
                is_taken=is_taken,
            )


def is_taken(answer: Answer) -> bool:
    """Return whether an answer is the Events API's: status 202 with a JSON object whose `status` is `success`."""
    found = answer.record()
    return answer.status_code == _ACCEPTED and found is not None and found.get("status") == "success"
