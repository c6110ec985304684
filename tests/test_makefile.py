"""The commands of a developer and of CI are one list: the Makefile's."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
CI = (ROOT / ".ci" / "run").read_text("utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))


def test_help_lists_each_target_with_its_purpose() -> None:
    """`make help` prints one line a target; every target is phony."""
    done = subprocess.run(["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert set(listed) == TARGETS
    [phony] = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    assert set(phony.split()) == TARGETS


def test_ci_runs_the_targets_in_their_order() -> None:
    """Each step has a budget in seconds; together they are under 40 minutes."""
    steps = re.findall(r"^(?:[A-Z_]+=\w+ )?step (\d+) make ([a-z-]+)", CI, re.MULTILINE)
    order = ["postgres", "check", "test", "slow", "deadline", "slow-cpu", "backends", "audit-agent", "audit-selftest"]
    assert [target for _, target in steps] == order
    assert sum(int(budget) for budget, _ in steps) <= 40 * 60


def test_make_test_leaves_out_what_asserts_seconds() -> None:
    """`make test` and `make slow` deselect `deadline`; `make deadline` runs only those, one after another."""
    recipes = dict(re.findall(r"^([a-z-]+):.*\n\t(.*)", MAKEFILE, re.MULTILINE))
    assert '-m "not deadline and not slow"' in recipes["test"]
    assert '-m "slow and not deadline"' in recipes["slow"]
    assert "-m deadline" in recipes["deadline"]
    assert " -n " not in recipes["deadline"]


def test_each_marker_is_explained_where_a_contributor_reads() -> None:
    """CONTRIBUTING has a line for each marker of pyproject."""
    options = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["pytest"]["ini_options"]
    lines = (ROOT / "CONTRIBUTING.md").read_text("utf-8").splitlines()
    for marker in options["markers"]:
        name = marker.partition(":")[0]
        assert any(f"`{name}`" in line for line in lines), name
