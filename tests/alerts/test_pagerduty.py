"""PagerDuty: one incident of ours is one of theirs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fleet import NOON_US

from medagent.alerts.incidents import Edge
from medagent.alerts.notice import notice_of
from medagent.alerts.pagerduty import PagerDuty
from medagent.alerts.post import Post
from medagent.alerts.rules import load_alerts
from medagent.errors import ExportError
from medagent.telemetry.exporters.exporter import always_open
from sink import Sink

RULE = load_alerts().rules[3]


@pytest.mark.timing
def test_it_opens_and_resolves_under_our_id(tmp_path: Path) -> None:
    """Beginning and end carry the same key, the words of the message and nothing else; a failure is told without it."""
    with Sink(tmp_path) as sink:
        pager = PagerDuty(
            "R0UT1NGKEY", events_url=f"{sink.url}/v2/enqueue", post=Post(name="pagerduty", gate=always_open)
        )
        for kind in ("fired", "cleared"):
            edge = Edge(kind=kind, at_us=NOON_US, reading=None)
            pager.send(notice_of(RULE, edge, incident="0123456789ab", env="prod", settle_us=600_000_000))
        opened, resolved = (json.loads(request.body) for request in sink.requests())
        assert (opened["event_action"], resolved["event_action"]) == ("trigger", "resolve")
        assert opened["dedup_key"] == resolved["dedup_key"] == "0123456789ab"
        assert opened["payload"]["summary"].startswith("[PROD][OBS] TTFT-A p95 page")
        assert set(opened) == {"routing_key", "event_action", "dedup_key", "payload"}
        sink.mode(status=400)
        edge = Edge(kind="fired", at_us=NOON_US, reading=None)
        with pytest.raises(
            ExportError, match=r"pagerduty: event refused: the routing key is not valid \(HTTP 400\)"
        ) as caught:
            pager.send(notice_of(RULE, edge, incident="0123456789ab", env="prod", settle_us=600_000_000))
    assert "R0UT1NGKEY" not in caught.value.diagnostics()
