"""A protocol is read strictly: whoever signs the report signs exactly what stands in the file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from medagent.audit.protocol import load_protocol
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


def test_a_key_that_stands_twice_is_an_error(tmp_path: Path) -> None:
    """Of two values for one key neither counts."""
    with pytest.raises(PolicyError):
        load_protocol(changed(tmp_path, "calls: 10", "calls: 10\ncalls: 2"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A protocol that is not there is an error of ours."""
    with pytest.raises(AuditError, match=r"none\.yaml"):
        load_protocol(tmp_path / "none.yaml")
