"""Benchmarks judge ratios alone: a machine that is slower by any factor changes no verdict."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from bench.__main__ import GROUPS, main
from bench.measure import Row, child, document, in_turn, row, table
from hypothesis import given
from hypothesis import strategies as st

from medagent.percentiles import percentile

BENCH = Path(__file__).parent.parent / "bench"
POSITIVE = st.floats(1e-3, 1e6)
PAIRS = st.lists(st.tuples(POSITIVE, POSITIVE), min_size=1, max_size=9)


def made(pairs: list[tuple[float, float]], *, bound: float = 1.0, at_least: bool = False) -> Row:
    return row("a figure", "a peer", pairs, unit="ms", bound=bound, at_least=at_least)


@given(pairs=PAIRS, load=st.lists(st.sampled_from([0.25, 0.5, 1.0, 2.0, 64.0]), min_size=9, max_size=9))
def test_load_that_meets_both_sides_changes_no_ratio(pairs: list[tuple[float, float]], load: list[float]) -> None:
    """Each pair may meet another load: powers of two scale without rounding."""
    slowed = [(ours * by, theirs * by) for (ours, theirs), by in zip(pairs, load, strict=False)]
    assert made(slowed).ratio == made(pairs).ratio


@given(PAIRS)
def test_row_keeps_its_bound_exactly(pairs: list[tuple[float, float]]) -> None:
    """The median of the pairs' ratios is held against the bound, in the direction that is better."""
    ratio = percentile([ours / theirs for ours, theirs in pairs], 50)
    assert made(pairs, bound=ratio).ok
    assert made(pairs, bound=ratio, at_least=True).ok
    assert not made(pairs, bound=ratio * 0.99).ok
    assert not made(pairs, bound=ratio * 1.01, at_least=True).ok


@given(st.integers(0, 20))
def test_sides_alternate_who_begins(rounds: int) -> None:
    """What warms up or slows down meets both."""
    order: list[str] = []
    pairs = in_turn(lambda: order.append("ours") or 1, lambda: order.append("theirs") or 2, rounds)  # type: ignore[func-returns-value]
    assert pairs == [(1, 2)] * rounds
    assert [order[2 * number] for number in range(rounds)] == [
        ("ours", "theirs")[number % 2] for number in range(rounds)
    ]


def test_table_and_json_tell_the_same() -> None:
    """Row, both figures, ratio, bound and verdict, a line and an object each."""
    found = [made([(1.0, 2.0)]), made([(3.0, 2.0)]), made([(3.0, 2.0)], at_least=True)]
    told = json.loads(document(found))
    assert [one["ok"] for one in told] == [True, False, True]
    assert {"name", "peer", "ours", "theirs", "unit", "ratio", "bound", "at_least", "ok"} == set(told[0])
    head, *lines = table(found).splitlines()
    assert len(lines) == len(found)
    assert [" NO " in line for line in lines] == [False, True, False]
    assert "ratio" in head


@pytest.mark.parametrize("name", GROUPS)
def test_group_of_benchmarks_has_rows(name: str) -> None:
    """`python -m bench` finds each group; a module whose imports broke fails here and not when somebody measures."""
    assert callable(importlib.import_module(f"bench.{name}").rows)


def test_unknown_group_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With the groups that there are."""
    monkeypatch.setattr("sys.argv", ["bench", "nosuch"])
    with pytest.raises(SystemExit):
        main()
    assert "nosuch: no group, expected some of ttft, cost" in capsys.readouterr().err


@pytest.mark.timing
def test_child_that_fails_ends_the_measurement() -> None:
    """A figure that is missing is no verdict."""
    with pytest.raises(SystemExit, match=r"bench\.nosuch"):
        child("bench.nosuch")


def test_no_benchmark_compares_a_time_by_itself() -> None:
    """Outside of `measure.Row.ok` nothing in a group's module is compared with a bound."""
    found = []
    for path in sorted(BENCH.glob("*.py")):
        if path.stem not in GROUPS and path.stem != "job_start":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            is_order = isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.Lt | ast.LtE | ast.Gt | ast.GtE)
            if is_order:
                found.append(f"{path.name}:{node.lineno}")
    assert found == []


def test_costs_of_redaction_are_those_of_the_checkout_that_is_named(tmp_path: Path) -> None:
    """Each mode and text has a cost; a folder without the package is refused, so that no side measures the other."""
    texts = tmp_path / "texts.json"
    texts.write_text(json.dumps(["my name is ottoline brown and i live at 12 mill lane in hart"]))
    script = [sys.executable, "-P", str(BENCH / "redaction" / "costs.py")]
    ran = subprocess.run([*script, str(BENCH.parent), str(texts)], capture_output=True, text=True, check=True)
    told = json.loads(ran.stdout)
    assert told.keys() == {"load", "resident", "vocabulary", "detect"}
    assert min(told["load"], *told["vocabulary"], *told["detect"]) > 0
    other = subprocess.run([*script, str(tmp_path), str(texts)], capture_output=True, text=True, check=False)
    assert "package of another checkout" in other.stderr
