"""Compare the cost of free text with another commit: time per text, load time and memory, in alternating processes."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.measure import Row, in_turn, row
from bench.redaction.corpora import spoken, synthetic, talk
from medagent.percentiles import percentile

BOUND = 1.3
"""The largest ratio that is accepted of each cost."""
_ROOT = Path(__file__).parent.parent.parent
_SCRIPT = Path(__file__).parent / "costs.py"
_TEXTS, _SHORTEST = 1_000, 50
_WITHIN_S = 600


def rows(commit: str, data: Path, part: str, rounds: int) -> list[Row]:
    """Return a row for each cost beside that of `commit`: medians of `rounds` pairs of processes, one after the other.

    Args:
        commit: What git can resolve; it is checked out beside this tree and removed again.
        data: The corpora's directory.
        part: `test` or `develop`.
        rounds: Pairs of processes.
    """
    with tempfile.TemporaryDirectory() as made, _checkout(commit, Path(made) / "baseline") as other:
        texts = Path(made) / "texts.json"
        texts.write_text(json.dumps(_texts(data, part)), "utf-8")
        pairs = in_turn(lambda: _costs(_ROOT, texts), lambda: _costs(other, texts), rounds)
        traced = _costs(_ROOT, texts, "--memory")["traced"], _costs(other, texts, "--memory")["traced"]
    found = [
        row(
            f"{mode}, p{share}",
            commit,
            [(percentile(one[mode], share), percentile(two[mode], share)) for one, two in pairs],
            unit="µs/100",
            bound=BOUND,
        )
        for mode in ("vocabulary", "detect")
        for share in (50, 99)
    ]
    load = [(one["load"] * 1e3, two["load"] * 1e3) for one, two in pairs]
    resident = [(one["resident"] / 1e3, two["resident"] / 1e3) for one, two in pairs]
    return [
        *found,
        row("lists and models, load", commit, load, unit="ms", bound=BOUND),
        row("lists and models, allocated", commit, [traced], unit="MB", bound=BOUND),
        row("lists and models, resident", commit, resident, unit="MB", bound=BOUND),
    ]


def _texts(data: Path, part: str) -> Sequence[str]:
    """A third of labelled sentences, of what callers say and of talk, each text long enough to be timed."""
    draw = random.Random(5)  # noqa: S311  # the same sample each time
    sets = (synthetic(data, held_out=False, lower=False), spoken(part, known=False), talk(data, part))
    long = [[sample.text for sample in samples if len(sample.text) >= _SHORTEST] for samples in sets]
    return [text for texts in long for text in draw.sample(texts, min(len(texts), _TEXTS // len(sets)))]


@contextmanager
def _checkout(commit: str, folder: Path) -> Iterator[Path]:
    git = ["git", "-C", str(_ROOT), "worktree"]
    added = subprocess.run([*git, "add", "--detach", str(folder), commit], capture_output=True, text=True, check=False)
    if added.returncode:
        sys.exit(f"{commit}: no checkout, expected a commit of this repository\n{added.stderr[-500:]}")
    try:
        yield folder
    finally:
        subprocess.run([*git, "remove", "--force", str(folder)], capture_output=True, check=True)


def _costs(root: Path, texts: Path, *options: str) -> Any:
    command = [sys.executable, "-P", str(_SCRIPT), str(root), str(texts), *options]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=_WITHIN_S, check=False)
    if ran.returncode:
        sys.exit(f"{root}: exit code {ran.returncode}\n{ran.stderr[-2000:]}")
    return json.loads(ran.stdout.splitlines()[-1])
