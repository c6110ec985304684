"""Failed identity checks that reached the limit, on their way to a person: the words alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medagent.alerts.identity_checks import IdentityCheckAlert
from medagent.alerts.pagerduty import PagerDuty
from medagent.alerts.post import Post
from medagent.alerts.slack import Slack
from medagent.alerts.state import AlertState
from medagent.errors import LedgerError
from medagent.telemetry.exporters.exporter import always_open
from sink import Sink

pytestmark = pytest.mark.timing


def alert(home: Path, recorded: list[tuple[str, object]], *, fails: bool = False) -> IdentityCheckAlert:
    def append(kind: str, content: object) -> None:
        if fails:
            raise LedgerError("the ledger cannot be written")
        recorded.append((kind, content))

    return IdentityCheckAlert(
        append=append,
        state=lambda: AlertState(home / "alerts"),
        destinations=("slack", "pagerduty"),
        env="prod",
        failures=5,
        hours=24,
    )


def test_both_destinations_are_told_in_ordinary_words(tmp_path: Path) -> None:
    """The message passes the exit, opens an incident at PagerDuty, and is one line in Slack."""
    recorded: list[tuple[str, object]] = []
    told = alert(tmp_path, recorded)
    told.reached("calling_number")
    told.wait(60)
    assert recorded == [("identity_checks_failed", {"scope": "calling_number", "failures": 5, "hours": 24})]
    state = AlertState(tmp_path / "alerts")
    with Sink(tmp_path) as sink:
        slack_post, pager_post = (Post(name=name, gate=always_open) for name in ("slack", "pagerduty"))
        slack = Slack(f"{sink.url}/hook", channel="#agent-ops", post=slack_post)
        pager = PagerDuty("R0UT1NGKEY", events_url=f"{sink.url}/v2/enqueue", post=pager_post)
        for sender in (slack, pager):
            message = state.claim(sender.name)
            assert message is not None
            sender.send(message.notice)
        line, event = (json.loads(request.body) for request in sink.requests())
    state.close()
    assert line["text"].startswith("[PROD][OBS] Identity checks of one number: 5 failed within 1 d, at ")
    assert event["event_action"] == "trigger"
    assert event["payload"]["summary"].startswith("[PROD][OBS] Identity checks of one number")


def test_a_ledger_that_cannot_be_written_keeps_no_message_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The two do not wait for each other, and the log says what is missing."""
    told = alert(tmp_path, [], fails=True)
    told.reached("record")
    told.wait(60)
    state = AlertState(tmp_path / "alerts")
    assert state.claim("slack") is not None
    state.close()
    assert "the ledger does not record failed identity checks" in caplog.text
