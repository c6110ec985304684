"""A protocol is read strictly: whoever signs the report signs exactly what stands in the file."""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from pathlib import Path

import pytest

from medagent.audit.protocol import find_protocol, list_protocols, load_protocol
from medagent.audit.run import Order
from medagent.errors import AuditError, PolicyError
from medagent.simulator.scenario import list_scenarios

WEEK5 = Path(__file__).parent.parent.parent / "audits" / "week5.yaml"


def changed(tmp_path: Path, old: str, new: str) -> Path:
    text = WEEK5.read_text()
    assert old in text
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace(old, new))
    return path


def test_the_week_5_protocol_is_what_the_specification_says() -> None:
    """Ten calls of five minutes at the pace of life, every scenario, ten traces, three signatures, fourteen days."""
    protocol, sha256 = load_protocol(WEEK5)
    assert (protocol.calls, protocol.call_seconds, protocol.pace) == (10, 300, 1)
    assert protocol.scenario_names == list_scenarios()
    assert protocol.required_roles == {"reviewer": 2, "sign_off": 1}
    assert (protocol.sample, protocol.launch_delay_days) == (10, 14)
    assert (protocol.thresholds.overhead_p99_us, protocol.thresholds.overhead_trip_us) == (1000, 5000)
    assert sha256 == hashlib.sha256(WEEK5.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("old", "new", "says", "hint"),
    [
        ("calls: 10", "cals: 10", "mine.yaml:8: cals: unknown key", "did you mean calls?"),
        ("  drop: 0.01", "  dorp: 0.01", "thresholds.dorp: unknown key", "did you mean drop?"),
        ("calls: 10", "calls: 0", "mine.yaml:8: calls:", ""),
        ("drop: 0.01 ", "drop: 2 ", "thresholds.drop:", ""),
        ("scenarios: all", "scenarios: [book, boook]", "mine.yaml:11: scenarios: boook is none", "did you mean book?"),
    ],
)
def test_what_is_not_known_is_an_error_that_names_its_line(
    tmp_path: Path, old: str, new: str, says: str, hint: str
) -> None:
    """An unknown key or an impossible value names file, line and key, and the nearest word there is."""
    with pytest.raises(AuditError) as raised:
        load_protocol(changed(tmp_path, old, new))
    assert says in str(raised.value)
    assert raised.value.hint == hint


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("required_roles: {reviewer: 2, sign_off: 1}", "required_roles: {sign_off: 1}", "at least 2 reviewer"),
        ("required_roles: {reviewer: 2, sign_off: 1}", "required_roles: {reviewer: 3}", "at least 1 sign_off"),
        ("overhead_p99_us: 1000", "overhead_p99_us: 1001", "thresholds.overhead_p99_us: weaker than a GO needs"),
        ("overhead_trip_us: 5000", "overhead_trip_us: 9e9", "thresholds.overhead_trip_us: weaker"),
        ("drop: 0.01", "drop: 0.02", "thresholds.drop: weaker"),
        ("switch_ms: 1000", "switch_ms: 1001", "thresholds.switch_ms: weaker"),
        ("reviewer_sensitivity: 0.8", "reviewer_sensitivity: 0.7", "thresholds.reviewer_sensitivity: weaker"),
        ("ttft_p95, tool_failure_rate]", "ttft_p95]", "alerts: weaker"),
        ("launch_delay_days: 14", "launch_delay_days: 13", "launch_delay_days: weaker"),
    ],
)
def test_a_protocol_that_asks_for_less_than_a_go_needs_is_an_error(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    """The minimum is in code: no file can lower it, and the error names the line."""
    with pytest.raises(AuditError, match=re.escape(says)):
        load_protocol(changed(tmp_path, old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [("sample: 10", "sample: 9"), ("planted_copies: 4", "planted_copies: 3"), ("calls: 10", "calls: 9")],
)
def test_a_smaller_run_is_a_rehearsal(tmp_path: Path, old: str, new: str) -> None:
    """Fewer calls, sampled traces or planted copies can be rehearsed, and lead to no GO."""
    protocol, sha256 = load_protocol(changed(tmp_path, f"\n{old}", f"\n{new}"))
    full, _ = load_protocol(WEEK5)
    order = Order(protocol=full, protocol_sha256=sha256, pace=1.0, seed=1, out=tmp_path)
    assert not order.rehearsal
    assert replace(order, protocol=protocol).rehearsal


def test_a_key_that_stands_twice_is_an_error(tmp_path: Path) -> None:
    """Of two values for one key neither counts."""
    with pytest.raises(PolicyError):
        load_protocol(changed(tmp_path, "calls: 10", "calls: 10\ncalls: 2"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A protocol that is not there is an error of ours."""
    with pytest.raises(AuditError, match=r"none\.yaml"):
        load_protocol(tmp_path / "none.yaml")


@pytest.mark.parametrize("name", list_protocols())
def test_packaged_protocol_is_the_one_beside_the_officers(name: str) -> None:
    """One file in two places, found by its name from any directory."""
    packaged = find_protocol(name)
    assert packaged.read_bytes() == WEEK5.with_name(f"{name}.yaml").read_bytes()
    assert load_protocol(packaged)[0].name == name
    assert find_protocol(str(WEEK5)) == WEEK5


def test_protocol_for_an_agent_is_a_rehearsal_with_the_minimum() -> None:
    """Smaller than an audit, and not easier."""
    protocol, sha256 = load_protocol(find_protocol("agent"))
    week5, _ = load_protocol(WEEK5)
    assert protocol.thresholds == week5.thresholds
    assert Order(protocol=protocol, protocol_sha256=sha256, pace=1, seed=1, out=Path()).rehearsal


@pytest.mark.parametrize(
    ("given", "says", "hint"),
    [
        pytest.param("wek5", "protocol wek5: not packaged", "did you mean week5?", id="misspelt"),
        pytest.param("zzz", "protocol zzz: not packaged", "packaged protocols: agent, week5", id="unknown"),
        pytest.param("my/own.yaml", "my/own.yaml: no such file", "packaged protocols: agent, week5", id="no-file"),
    ],
)
def test_protocol_that_is_not_there_names_those_that_are(given: str, says: str, hint: str) -> None:
    """Or the nearest of them."""
    with pytest.raises(AuditError, match=says) as raised:
        find_protocol(given)
    assert raised.value.hint == hint
