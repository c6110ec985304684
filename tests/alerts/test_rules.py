"""The alerts' file: what ships, and what is refused with file, line and entry."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from medagent.alerts.rules import load_alerts, parse_alerts
from medagent.errors import PolicyError

SHIPPED = (resources.files("medagent.policies") / "alerts.yaml").read_text(encoding="utf-8")
MINUTE_US = 60_000_000


def test_three_alerts_are_on() -> None:
    """By default exactly error rate, TTFT-A and tool failures may wake somebody, as they were agreed."""
    told = {
        rule.id: (rule.metric, rule.threshold, rule.window_us // MINUTE_US, rule.destination)
        for rule in load_alerts().enabled
    }
    assert told == {
        "error_rate": ("error_rate", 0.05, 60, "slack"),
        "ttft_p95": ("ttft_p95", 3.0, 15, "slack"),
        "tool_failure_rate": ("tool_failure_rate", 0.1, 30, "slack"),
    }


def test_the_others_are_off() -> None:
    """Paging at 2 s, total latency at 1.5 s and the budget of 50 dollars are there for whoever wants them."""
    off = {(r.metric, r.threshold, r.destination) for r in load_alerts().rules if not r.enabled}
    assert off == {
        ("ttft_p95", 2.0, "pagerduty"),
        ("total_latency_p95", 1.5, "slack"),
        ("cost_usd", 1.67, "slack"),
        ("cost_usd", 50.0, "slack"),
    }


def test_every_alert_says_why_and_has_a_minimum() -> None:
    """No shipped alert fires on a single call of a clinic that has fewer than ten a day, but for what it costs."""
    for rule in load_alerts().rules:
        assert len(rule.why) > 60
        assert rule.minimum_sample >= 10 or rule.metric == "cost_usd"
        assert rule.or_failures is None or rule.or_failures >= 3


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("    threshold: 0.05", "    threshold_: 0.05", "alerts.error_rate.threshold_: unknown key"),
        (
            "    why: The target",
            "    reason: x\n    why: The target",
            "alerts.total_latency_p95.reason: unknown key",
        ),
        ("    metric: error_rate", "    metric: eror_rate", "alerts.error_rate.metric: is none of error_rate,"),
        ("destination: pagerduty", "destination: pager", "alerts.ttft_p95_page.destination: is none of slack, page"),
        ("window: 1h", "window: 1w", "alerts.error_rate.window: not a length of time"),
        ("window: 30d", "window: 32d", "alerts.cost_month.window: not a length of time"),
        ("threshold: 0.05", "threshold: 5", "alerts.error_rate.threshold: a share of 1 or more"),
        ("threshold: 3.0", "threshold: true", "alerts.ttft_p95.threshold: Input should be a valid number"),
        ("threshold: 3.0", "threshold: -3.0", "alerts.ttft_p95.threshold: Input should be greater than 0"),
        ("minimum_sample: 20", "minimum_sample: 0", "alerts.ttft_p95.minimum_sample: Input should be greater"),
        ("minimum_sample: 20", "minimum_sample: 20\n    or_failures: 3", "ttft_p95 counts no failures"),
        ("enabled: true", "enabled: yes", "alerts.error_rate.enabled: Input should be a valid boolean"),
        ("id: ttft_p95\n", "id: error_rate\n", "alerts.error_rate: stands twice"),
        ("title: Error rate", "title: Maren Oldfield", "alerts.error_rate.title: holds a word"),
        ("title: Error rate", "title: Error rate 5550100142", "alerts.error_rate.title: holds a word"),
        ("title: Error rate", "title: Error <!channel>", "alerts.error_rate.title: holds a word"),
        ('"#agent-ops"', '"#ops-5550100"', "slack_channel: String should match"),
        ("settle: 10m", "settle: 10m\nsettle: 20m", "the key 'settle' stands twice"),
        ("version: 1", "version: 2", "version: Input should be 1"),
        ("settle: 10m\n", "", "settle: Field required"),
    ],
)
def test_what_is_not_meant_is_refused(old: str, new: str, says: str) -> None:
    """A word out of place is an error that names file, line and entry."""
    assert old in SHIPPED
    text = SHIPPED.replace(old, new, 1)
    with pytest.raises(PolicyError) as caught:
        parse_alerts(text, file="alerts.yaml")
    assert says in str(caught.value)
    assert str(caught.value).startswith("alerts.yaml:")


@pytest.mark.parametrize(
    ("old", "new", "nearest"),
    [
        ("or_failures: 3", "or_failure: 3", "or_failures"),
        ("threshold: 0.05", "treshold: 0.05", "threshold"),
        ("metric: ttft_p95", "metric: ttft_p59", "ttft_p95"),
        ("settle: 10m", "settle: 10m\nslack_chanel: x", "slack_channel"),
    ],
)
def test_the_nearest_word_is_told(old: str, new: str, nearest: str) -> None:
    """A slip of the pen is told what it may have meant, at the line where it stands."""
    text = SHIPPED.replace(old, new, 1)
    with pytest.raises(PolicyError) as caught:
        parse_alerts(text, file="alerts.yaml")
    assert caught.value.hint == f"did you mean {nearest!r}?"
    wrong = new.splitlines()[-1]
    assert f"alerts.yaml:{text[: text.index(wrong)].count(chr(10)) + 1}:" in str(caught.value)


def test_a_title_that_is_refused_is_not_quoted() -> None:
    """The error names the entry, never the words that must not leave."""
    with pytest.raises(PolicyError) as caught:
        parse_alerts(SHIPPED.replace("title: Error rate", "title: Maren Oldfield"), file="alerts.yaml")
    assert "Maren" not in caught.value.diagnostics()


def test_a_file_that_is_none(tmp_path: Path) -> None:
    """A missing file, an empty one and one that is no YAML are errors that name it."""
    for content in (None, "", "{", "- a"):
        path = tmp_path / "mine.yaml"
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_text(content)
        with pytest.raises(PolicyError, match=r"mine\.yaml"):
            load_alerts(path)
