"""Run tests with each CPU held to a fifth: `python -m scripts.slow_cpu [--shard K/N] [arguments of pytest]`.

With a cgroup CPU quota where one can be set (v1 or v2): each worker of pytest, with the processes that it starts, gets
20 % of one CPU once it has imported its tests. Else with four busy loops on each CPU, at the priority of the tests.
Groups and loops end with the run, also when it fails or is interrupted.

The module is also the pytest plugin that puts a worker into its group and selects the tests of a shard.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

SHARE = 0.2
LOOPS_PER_CPU = 4
PERIOD_US = 100_000
LONGEST_S = 4 * 3600.0
HANGS_S = 6000  # five times the limit of one test at full speed (pyproject.toml)
GROUPS = "SLOW_CPU_GROUPS"
SHARD = "SLOW_CPU_SHARD"
MOUNTS = Path("/sys/fs/cgroup")
_PR_SET_PDEATHSIG = 1


# the groups


def parents() -> list[Path]:
    """Return the folders under which a group with a CPU quota may be made, this process's own group first."""
    found = []
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "cpu" in controllers.split(","):
            found += [mount / path.lstrip("/") for mount in (MOUNTS / "cpu", MOUNTS / "cpu,cpuacct")]
        elif not controllers:
            found.append(MOUNTS / path.lstrip("/"))
    return [folder for folder in found if folder.is_dir()]


def set_quota(group: Path, share: float) -> None:
    """Hold a group to a share of one CPU.

    Raises:
        OSError: the kernel offers no quota for this group.
    """
    quota = int(PERIOD_US * share)
    if (group / "cpu.cfs_quota_us").exists():
        (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
        (group / "cpu.cfs_quota_us").write_text(str(quota))
    else:
        (group / "cpu.max").write_text(f"{quota} {PERIOD_US}")


def make_group(parent: Path, workers: int) -> Path:
    """Make a group with one held group per worker.

    Raises:
        OSError: no such group can be made here.
    """
    root = parent / f"slow-cpu-{os.getpid()}"
    root.mkdir()
    try:
        if (root / "cgroup.subtree_control").exists():
            if "cpu" not in (root / "cgroup.controllers").read_text().split():
                (parent / "cgroup.subtree_control").write_text("+cpu")
            (root / "cgroup.subtree_control").write_text("+cpu")
        for number in range(workers):
            (root / f"gw{number}").mkdir()
            set_quota(root / f"gw{number}", SHARE)
    except OSError:
        remove_group(root)
        raise
    return root


def remove_group(root: Path) -> None:
    """Kill what is left in a group and remove it."""
    for group in [*(child for child in root.iterdir() if child.is_dir()), root]:
        for _ in range(500):
            for pid in (group / "cgroup.procs").read_text().split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            with contextlib.suppress(OSError):
                group.rmdir()
                break
            time.sleep(0.02)


@contextlib.contextmanager
def groups(workers: int) -> Iterator[Path | None]:
    """Yield a folder of held groups, or `None` where the kernel lets none be made."""
    for parent in parents():
        with contextlib.suppress(OSError):
            root = make_group(parent, workers)
            break
    else:
        yield None
        return
    try:
        yield root
    finally:
        remove_group(root)


# the busy loops


def spin(cpu: int, parent: int) -> None:
    """Use one CPU until the parent process ends, at most `LONGEST_S`."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # the parent ended before the line above, so no signal will come
        return
    os.sched_setaffinity(0, {cpu})
    until = time.monotonic() + LONGEST_S
    while time.monotonic() < until:
        pass


@contextlib.contextmanager
def busy_loops() -> Iterator[None]:
    """Keep four processes busy on each CPU."""
    context = multiprocessing.get_context("fork")
    cpus = [cpu for cpu in sorted(os.sched_getaffinity(0)) for _ in range(LOOPS_PER_CPU)]
    loops = [context.Process(target=spin, args=(cpu, os.getpid()), daemon=True) for cpu in cpus]
    try:
        for loop in loops:
            loop.start()
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.join()


# the plugin, in each worker of pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the tests of this shard: a test's shard is a hash of its file, whose fixtures are made once."""
    if not os.environ.get(SHARD):
        return
    shard, of = map(int, os.environ[SHARD].split("/"))
    kept = [item for item in items if zlib.crc32(item.nodeid.partition("::")[0].encode()) % of == shard - 1]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
    items[:] = kept


def pytest_collection_finish(session: pytest.Session) -> None:
    """Put this worker into its group: from here on it is slow."""
    worker = getattr(session.config, "workerinput", None)
    if worker is not None and os.environ.get(GROUPS):
        (Path(os.environ[GROUPS]) / str(worker["workerid"]) / "cgroup.procs").write_text(str(os.getpid()))


# the command


def shard_of(given: str) -> str:
    """Return a shard as K/N; `auto/N` takes K from the hash of the commit."""
    which, _, of = given.partition("/")
    if which == "auto" and of.isdecimal() and int(of):
        done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)  # noqa: S607
        which = str(int(done.stdout.strip() or "0", 16) % int(of) + 1)
    if not (which.isdecimal() and of.isdecimal() and 1 <= int(which) <= int(of)):
        raise argparse.ArgumentTypeError("shard: not one of its parts, expected K/N with 1 <= K <= N, or auto/N")
    return f"{int(which)}/{int(of)}"


def say(text: str) -> None:
    """Print a line in front of what pytest prints."""
    sys.stdout.write(f"slow CPU: {text}\n")
    sys.stdout.flush()


def main() -> int:
    """Run pytest slowly and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m scripts.slow_cpu", description=__doc__.partition("\n")[0])
    parser.add_argument("--shard", type=shard_of, metavar="K/N", help="one of N parts (auto/N: by the commit)")
    given, arguments = parser.parse_known_args()
    workers = len(os.sched_getaffinity(0))
    environment = dict(os.environ) | ({SHARD: given.shard} if given.shard else {})
    command = [sys.executable, "-m", "pytest", "-q", "-n", str(workers), "--dist", "loadfile", "--no-loadscope-reorder"]
    command += ["-p", "scripts.slow_cpu", "-o", f"timeout={HANGS_S}", *arguments]
    with contextlib.ExitStack() as stack:
        root = stack.enter_context(groups(workers))
        if root is not None:
            say(f"a cgroup quota, {SHARE:.0%} of one CPU for each of {workers} workers (under {root.parent})")
            environment[GROUPS] = str(root)
        else:
            stack.enter_context(busy_loops())
            say(f"{LOOPS_PER_CPU} busy loops on each of {workers} CPUs (no cgroup quota can be set here)")
        if given.shard:
            say(f"shard {given.shard}: one file in {given.shard.partition('/')[2]}, the others are left out")
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
        tests = subprocess.Popen(command, env=environment)  # noqa: S603  # pytest, with the arguments of the caller
        signal.signal(signal.SIGTERM, lambda *_: tests.send_signal(signal.SIGINT))
        while True:
            with contextlib.suppress(KeyboardInterrupt):  # pytest has it too: it ends and prints its summary
                return tests.wait()


if __name__ == "__main__":
    sys.exit(main())
