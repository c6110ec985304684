"""Rows of a benchmark: a figure of ours beside its peer's, taken in turn in the same run, and their ratio.

A verdict is a ratio beside its bound. Other load slows both sides, so that a slow machine changes none.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from medagent.percentiles import percentile

T = TypeVar("T")
_CHILD_WITHIN_S = 300
_ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure of ours and its peer's in `unit`; with `at_least` a larger ratio is better."""

    name: str
    peer: str
    ours: float
    theirs: float
    unit: str
    ratio: float
    bound: float
    at_least: bool = False

    @property
    def ok(self) -> bool:
        """Whether the ratio keeps its bound."""
        return self.ratio >= self.bound if self.at_least else self.ratio <= self.bound


def row(
    name: str,
    peer: str,
    pairs: Sequence[tuple[float, float]],
    *,
    unit: str,
    bound: float,
    at_least: bool = False,
) -> Row:
    """Return the medians of both sides, and of the ratios of the pairs.

    Args:
        name: The figure.
        peer: What it stands beside.
        pairs: Ours and theirs, each pair taken one right after the other.
        unit: Unit of both.
        bound: The largest ratio that is accepted; with `at_least` the smallest.
        at_least: Whether more is better.
    """
    ours, theirs = ([pair[side] for pair in pairs] for side in (0, 1))
    return Row(
        name=name,
        peer=peer,
        ours=percentile(ours, 50),
        theirs=percentile(theirs, 50),
        unit=unit,
        ratio=percentile([one / other for one, other in pairs], 50),
        bound=bound,
        at_least=at_least,
    )


def in_turn(ours: Callable[[], T], theirs: Callable[[], T], rounds: int) -> list[tuple[T, T]]:
    """Return what both gave, round by round; the one that begins alternates."""
    pairs = []
    for number in range(rounds):
        if number % 2:
            other = theirs()
            pairs.append((ours(), other))
        else:
            one = ours()
            pairs.append((one, theirs()))
    return pairs


def child(module: str, *arguments: str) -> Any:
    """Run a module in a process of its own and return the JSON of its last line; exit where it fails."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LANG", "MEDAGENT"))}
    command = [sys.executable, "-m", module, *arguments]
    ran = subprocess.run(
        command, capture_output=True, text=True, timeout=_CHILD_WITHIN_S, check=False, env=environment, cwd=_ROOT
    )
    if ran.returncode:
        sys.exit(f"{' '.join([module, *arguments])}: exit code {ran.returncode}\n{ran.stderr[-2000:]}")
    return json.loads(ran.stdout.splitlines()[-1])


def table(rows: Iterable[Row]) -> str:
    """Return the rows as a table, a line each."""
    head = f"{'row':44} {'ours':>10} {'peer':>10} {'unit':8} {'ratio':>7} {'bound':>8}  ok   peer is"
    lines = [
        f"{one.name:44} {one.ours:10.4g} {one.theirs:10.4g} {one.unit:8} {one.ratio:7.3g} "
        f"{'≥' if one.at_least else '≤'} {one.bound:6.3g}  {'yes' if one.ok else 'NO '}  {one.peer}"
        for one in rows
    ]
    return "\n".join([head, *lines])


def document(rows: Iterable[Row]) -> str:
    """Return the rows as JSON, an object each."""
    return json.dumps([{**asdict(one), "ok": one.ok} for one in rows], indent=2)
