"""What holds the CPUs to a fifth: a quota or busy loops, shards that miss no test, and nothing left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from scripts.slow_cpu import GROUPS, LOOPS_PER_CPU, SHARD, busy_loops, groups, shard_of, spin

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.timing

BURNER = "import sys\nprint(flush=True)\nsys.stdin.read(1)\nwhile True: pass"


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until_gone(pid: int) -> None:
    deadline = time.monotonic() + 60
    while runs(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def throttled(group: Path) -> int:
    """How many periods the processes of a group were held back, on either version of cgroups."""
    lines = (group / "cpu.stat").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("nr_throttled"))


def test_a_group_is_throttled_and_goes_with_what_runs_in_it() -> None:
    """A busy process is held back by its quota; where the block fails it is killed and the group removed."""
    burner = subprocess.Popen([sys.executable, "-c", BURNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert burner.stdin is not None
    try:
        with suppress(KeyError), groups(1) as root:
            if root is None:
                pytest.skip("no cgroup quota can be set here")
            (root / "gw0" / "cgroup.procs").write_text(str(burner.pid))
            burner.stdin.write(b"x")
            burner.stdin.flush()
            deadline = time.monotonic() + 60
            while throttled(root / "gw0") < 3:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            raise KeyError  # as a run that fails
        assert burner.wait(60) == -signal.SIGKILL
        assert not root.exists()
    finally:
        burner.kill()
        burner.communicate()


def test_busy_loops_end_with_their_block() -> None:
    """Four on each CPU, as long as the block lasts and no longer."""
    before = children()
    with busy_loops():
        assert len(children() - before) == LOOPS_PER_CPU * len(os.sched_getaffinity(0))
    assert children() <= before


def test_busy_loops_end_with_a_parent_that_is_killed() -> None:
    """`kill -9` leaves none of them behind."""
    code = (
        "import os, time\nfrom scripts.slow_cpu import busy_loops\nfrom tests.test_slow_cpu import children\n"
        "with busy_loops():\n    print(*children(), flush=True)\n    time.sleep(60)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment)
    assert parent.stdout is not None
    loops = [int(pid) for pid in parent.stdout.readline().split()]
    assert loops
    parent.kill()
    parent.wait(60)
    parent.stdout.close()  # no read to its end: a loop that is left would keep it open
    for pid in loops:
        until_gone(pid)


def test_busy_loop_without_its_parent_ends_at_once() -> None:
    """A loop that starts after its parent was killed ends by itself."""
    another = os.getppid()
    loop = multiprocessing.get_context("fork").Process(target=spin, args=(0, another), daemon=True)
    loop.start()
    loop.join(60)
    assert loop.exitcode == 0


def children() -> set[int]:
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        found |= set(map(int, (task / "children").read_text().split()))
    return found


def test_the_shards_are_all_tests_and_each_once(tmp_path: Path) -> None:
    """Three shards of many files: together every test, none twice; the tests of a file stay together."""
    for number in range(20):
        (tmp_path / f"test_{number}.py").write_text("def test_one(): pass\ndef test_two(): pass\n")
    found: list[str] = []
    for number in (1, 2, 3):
        command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "scripts.slow_cpu", str(tmp_path)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        environment |= {SHARD: f"{number}/3", GROUPS: ""}
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
        shard = [line for line in done.stdout.splitlines() if "::" in line]
        assert shard
        assert len(shard) == 2 * len({line.partition("::")[0] for line in shard})
        found += shard
    assert len(found) == len(set(found)) == 40


@pytest.mark.parametrize("given", ["0/3", "4/3", "x/3", "1", "auto/0", "auto/", "-1/3"])
def test_a_shard_that_is_none_is_refused(given: str) -> None:
    """The command ends with its usage, not with all tests or none."""
    done = subprocess.run(
        [sys.executable, "-m", "scripts.slow_cpu", f"--shard={given}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "expected K/N" in done.stderr


def test_auto_takes_a_shard_by_the_commit() -> None:
    """The same commit takes the same one, which is one of them."""
    which, of = map(int, shard_of("auto/8").split("/"))
    assert 1 <= which <= of == 8
    assert shard_of("auto/8") == f"{which}/8"
