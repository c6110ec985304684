"""Slack: a notice becomes one line in a channel, through an incoming webhook."""

from __future__ import annotations

from medagent.alerts.notice import Notice
from medagent.alerts.post import Post, checked_address
from medagent.telemetry.door.admission import refuse_identifiers
from medagent.telemetry.door.answer import Answer

_SUCCESS = 200


class Slack:
    """Sends to the channel of a webhook; `channel` counts for webhooks that can post to any."""

    name = "slack"

    def __init__(self, webhook_url: str, *, channel: str, post: Post) -> None:
        """`post` is the way out; raises `SettingsError` where the webhook's address is none."""
        self._url = checked_address(webhook_url, "MEDAGENT_SLACK_WEBHOOK_URL")
        self._channel = channel
        self._post = post

    def send(self, notice: Notice) -> None:
        """Deliver a notice; raises as every `Sender`."""
        refuse_identifiers(self._channel, "alerts: slack_channel")
        self._post(self._url, {"channel": self._channel, "text": notice.text(with_calls=True)}, is_taken=is_taken)


def is_taken(answer: Answer) -> bool:
    """Return whether an answer is the one of an incoming webhook: status 200 with the text `ok`."""
    return answer.status_code == _SUCCESS and (answer.body or b"").strip() == b"ok"
