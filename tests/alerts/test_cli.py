"""`medagent alerts`, as a person or a scheduler runs it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from fleet import NOON_US, store, turns

from command import Done, run
from sink import Sink

pytestmark = pytest.mark.timing
SLOW = turns(20, NOON_US, ttft_ms=4000.0)


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    (tmp_path / "sink").mkdir()
    with Sink(tmp_path / "sink") as sink:
        yield sink


def alerts(home: Path, *arguments: str, **environment: str) -> Done:
    kept = {"MEDAGENT_HOME": str(home), "PATH": "", "LANG": "C.UTF-8"}
    return run("alerts", *arguments, environment=kept | environment, directory=home.parent)


def test_check_says_how_each_stands(tmp_path: Path) -> None:
    """Value, sample, threshold and state of every alert at a moment; exit code 1 where one fires, 0 where none does."""
    home = tmp_path / "home"
    store(home, SLOW)
    told = alerts(home, "check", "--at", "2026-01-01T12:00:00", "--json")
    assert told.code == 1
    by_id = {line["id"]: line for line in map(json.loads, told.out.splitlines())}
    slow = by_id["ttft_p95"]
    assert (slow["state"], slow["value"], slow["sample"], slow["threshold"]) == ("firing", 4.0, 20, 3.0)
    assert by_id["ttft_p95_page"]["state"] == "off"
    assert by_id["error_rate"]["value"] is None
    before = alerts(home, "check", "--at", "2026-01-01T05:59:00-05:00", "--json")
    assert before.code == 0
    words = alerts(home, "check", "--at", "2026-01-01T12:00:00Z")
    assert words.code == 1
    assert re.search(r"TTFT-A p95 +4 s +3 s +20 turns in 15 min +20 +fires", words.out)


def test_check_writes_gauges(tmp_path: Path) -> None:
    """For Prometheus the gauges are written and the exit code is 0: who fires is said in them."""
    store(tmp_path / "home", SLOW)
    told = alerts(tmp_path / "home", "check", "--at", "2026-01-01T12:00:00", "--prometheus")
    assert told.code == 0
    assert 'medagent_alert_value{alert="ttft_p95",env="dev"} 4.0' in told.out
    assert 'medagent_alert_firing{alert="ttft_p95",env="dev"} 1.0' in told.out


def test_a_moment_that_is_none(tmp_path: Path) -> None:
    """What is no moment is an error of usage."""
    assert alerts(tmp_path / "home", "check", "--at", "yesterday").code == 2


@pytest.mark.timing
def test_watch_tells_slack(tmp_path: Path, sink: Sink) -> None:
    """One look of a scheduler tells what fires now; the next look tells it not again."""
    home = tmp_path / "home"
    store(home, turns(20, time.time_ns() // 1000, ttft_ms=4000.0))
    for _ in range(2):
        done = alerts(home, "watch", "--once", MEDAGENT_SLACK_WEBHOOK_URL=f"{sink.url}/x", MEDAGENT_ENV="dev")
        assert done.code == 0, done.err
    [request] = sink.requests()
    assert json.loads(request.body)["text"].startswith("[DEV][OBS] TTFT-A p95: 4 s, over 3 s")


def test_watch_says_who_is_not_told(tmp_path: Path) -> None:
    """Without a webhook the watch says so, and keeps no message that would arrive weeks later."""
    home = tmp_path / "home"
    store(home, turns(20, time.time_ns() // 1000, ttft_ms=4000.0))
    done = alerts(home, "watch", "--once")
    assert "MEDAGENT_SLACK_WEBHOOK_URL is not set" in done.err
    assert "fired  TTFT-A p95: 4 s" in done.out


@pytest.mark.timing
def test_a_test_message(tmp_path: Path, sink: Sink) -> None:
    """`test` sends a message that says what it is, and says whether it arrived, never where to."""
    home = tmp_path / "home"
    address = {"MEDAGENT_SLACK_WEBHOOK_URL": f"{sink.url}/services/T0/B0/secret"}
    arrived = alerts(home, "test", **address)
    assert (arrived.code, arrived.out) == (0, "slack: the test message arrived\n")
    assert "[DEV][OBS] Test of the alerts, no incident" in json.loads(sink.requests()[0].body)["text"]
    sink.mode(status=404)
    failed = alerts(home, "test", **address)
    assert failed.code == 1
    assert "did not arrive: slack: webhook or channel not found (HTTP 404)" in failed.out
    assert "secret" not in failed.out + failed.err
    unset = alerts(home, "test")
    assert unset.code == 1
    assert "set MEDAGENT_SLACK_WEBHOOK_URL" in unset.out


@pytest.mark.timing
def test_nothing_leaves_in_prod_without_an_audit(tmp_path: Path, sink: Sink) -> None:
    """Where telemetry is off, the test message stays too, and says why."""
    done = alerts(tmp_path / "home", "test", MEDAGENT_ENV="prod", MEDAGENT_SLACK_WEBHOOK_URL=f"{sink.url}/x")
    assert done.code == 1
    assert "telemetry is off" in done.out
    assert sink.requests() == []


def test_render(tmp_path: Path) -> None:
    """Each rendering is printed whole, and twice the same."""
    for what, read in (("cloudformation", json.loads), ("grafana", json.loads), ("prometheus", yaml.safe_load)):
        once, again = alerts(tmp_path / "home", "render", what), alerts(tmp_path / "home", "render", what)
        assert once.code == 0
        assert once.out == again.out
        assert read(once.out)


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    """MEDAGENT_ALERTS names another file; a wrong word in it is two lines on stderr and exit code 2."""
    mine = tmp_path / "mine.yaml"
    mine.write_text("version: 1\nsettle: 10m\nalarms: []\n")
    done = alerts(tmp_path / "home", "check", MEDAGENT_ALERTS=str(mine))
    assert done.code == 2
    assert done.err.startswith("medagent: mine.yaml:")
