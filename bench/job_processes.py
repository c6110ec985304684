"""Job processes as LiveKit makes them: forked by a server that has loaded LiveKit; nothing of ours is imported here."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

from bench.bare_job import bare_job

_PRELOADED = ("livekit.plugins.openai",)
_FREEZE = ("livekit.agents.ipc._preload", "livekit.agents.ipc._preload_freeze")
_WITHIN_S = 300.0
_TICK = os.sysconf("SC_CLK_TCK")


def set_preload(modules: Sequence[str]) -> None:
    """Have the forkserver load LiveKit, more modules, and freeze them, in the order of LiveKit's own worker."""
    os.environ.setdefault("LIVEKIT_AGENTS_PRELOAD_LOCAL_INFERENCE", "0")
    multiprocessing.get_context("forkserver").set_forkserver_preload([*_PRELOADED, *modules, *_FREEZE])


class JobProcess:
    """A job process and the messages that it sends."""

    def __init__(self, plan: dict[str, Any] | None) -> None:
        """Start one; without a plan it traces nothing."""
        context = multiprocessing.get_context("forkserver")
        self.pipe, theirs = context.Pipe()
        target: Callable[..., None] = bare_job if plan is None else _replay
        arguments: tuple[object, ...] = (theirs,) if plan is None else (theirs, plan)
        self.process: Any = context.Process(target=target, args=arguments, daemon=False)  # type: ignore[attr-defined]
        self.process.start()
        theirs.close()
        self.ended: list[list[Any]] = []

    def until(self, word: str) -> dict[str, Any]:
        """Return what comes with a message; exit where the process ends first."""
        while True:
            if not self.pipe.poll(_WITHIN_S):
                sys.exit(f"a job process: no '{word}' within {_WITHIN_S:.0f} s")
            try:
                said, content = self.pipe.recv()
            except EOFError:
                sys.exit(f"a job process: ended before '{word}'")
            if said == word:
                return dict(content)
            if said == "ended":
                self.ended.append(content)

    def drain(self) -> None:
        """Read the messages that have come."""
        with suppress(EOFError, OSError):
            while self.pipe.poll():
                said, content = self.pipe.recv()
                if said == "ended":
                    self.ended.append(content)

    def go(self) -> None:
        """Have the process go on."""
        self.pipe.send("go")

    def kill(self) -> None:
        """Kill the process at once."""
        if self.process.pid is not None and self.process.is_alive():
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.join()
        self.pipe.close()

    def join(self) -> None:
        """Wait for its end."""
        self.process.join(_WITHIN_S)


def _replay(pipe: Connection, plan: dict[str, Any]) -> None:
    from bench.replay_job import replay_job

    replay_job(pipe, plan)


class SealedWatch:
    """Notes when each call's spool file goes: its end is sealed and in the ledger then."""

    def __init__(self, spool: Path) -> None:
        self._spool = spool
        self._seen: set[str] = set()
        self.gone_ns: dict[str, int] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> SealedWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def is_empty(self) -> bool:
        """Return whether no call has a file."""
        return not self._names()

    def _names(self) -> set[str]:
        try:
            return {path.name.split(".")[0] for path in self._spool.iterdir() if path.suffix == ".spool"}
        except FileNotFoundError:
            return set()

    def _run(self) -> None:
        while not self._stopping.wait(0.01):
            names = self._names()
            now = time.monotonic_ns()
            for gone in self._seen - names:
                self.gone_ns.setdefault(gone, now)
            self._seen = names


def service_process(home: Path) -> int | None:
    """Return the process id of a home's export service; None where none runs."""
    from medagent.runtime.service_lock import ServiceLocks

    return ServiceLocks(home / "spool").active_process()


def kill_service(home: Path) -> None:
    """Kill a home's export service at once."""
    if (process := service_process(home)) is not None:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def wait_until_sent(deadline: float) -> None:
    """Wait until no destination lacks anything of the home of the environment; exit where the time runs out."""
    from medagent.runtime.maintenance import waiting
    from medagent.settings import load_settings

    settings = load_settings()
    while any(waiting(settings).due.values()):
        if time.monotonic() > deadline:
            sys.exit("destinations: not served in time")
        time.sleep(0.2)


def cpu_s(pid: int) -> float:
    """Return the processor time of a process."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / _TICK


def run(plan: dict[str, Any]) -> dict[str, Any]:
    """Start the jobs of a plan, let them play, wait until all is sealed; return the figures of all.

    `plan` has home, steps, jobs, slots (calls at once in a job), calls (one after another), spread_s (the calls begin
    within it), traced, preload.
    """
    set_preload(plan["preload"])
    home, jobs, slots = Path(plan["home"]), plan["jobs"], plan.get("slots", 1)
    is_one_process = os.environ.get("MEDAGENT_EXPORT_SERVICE") == "in_process"
    if not plan["traced"]:
        bare = [JobProcess(None) for _ in range(jobs)]
        for job in bare:
            job.until("ready")
            job.go()
        return {"bare": [job.until("done") for job in bare]}
    total = jobs * slots
    offsets = [plan["spread_s"] * number / total for number in range(total)]
    started: list[JobProcess] = []
    ready: list[dict[str, Any]] = []
    with SealedWatch(home / "spool") as sealed:
        for number in range(jobs):
            starts = offsets[number::jobs]
            own = {"steps": plan["steps"], "calls": plan["calls"], "starts_s": starts}
            started.append(JobProcess(own))
            if number >= 3:  # LiveKit lets at most so many start at once
                ready.append(started[number - 3].until("ready"))
        ready += [job.until("ready") for job in started[-3:]]
        deadline = time.monotonic() + _WITHIN_S + plan["spread_s"]
        while not is_one_process and service_process(home) is None:
            if time.monotonic() > deadline:
                sys.exit("the export service: not started")
            time.sleep(0.05)
        time.sleep(2)  # what the start costs is past
        service = None if is_one_process else service_process(home)
        service_began = 0.0 if service is None else cpu_s(service)
        for job in started:
            job.go()
        done = [job.until("done") for job in started]
        deadline = time.monotonic() + _WITHIN_S
        while not sealed.is_empty():
            if time.monotonic() > deadline:
                sys.exit("the export service: has not sealed all")
            time.sleep(0.05)
        wait_until_sent(deadline)
        service_cpu = 0.0 if service is None else cpu_s(service) - service_began
        for job, end in zip(started, done, strict=True):
            if is_one_process:  # it has sealed and sent meanwhile
                end["cpu_s"] = cpu_s(end["pid"])
            job.go()
        for job in started:
            job.join()
    ends = {trace_id: ended_ns for job in started for trace_id, ended_ns in job.ended}
    return {
        "ready": ready,
        "done": done,
        "service_cpu_s": service_cpu,
        "service": service,
        "delays_ms": [(sealed.gone_ns[one] - ended) / 1e6 for one, ended in ends.items() if one in sealed.gone_ns],
        "trace_ids": list(ends),
    }


def run_killed(plan: dict[str, Any]) -> dict[str, Any]:
    """Kill jobs, the service and both at random for a time; return what was killed, once all that is left is sealed.

    `plan` has home, steps, jobs, seconds, seed, preload, accepted (a folder for what each job had on disk).
    """
    set_preload(plan["preload"])
    home, random = Path(plan["home"]), Random(plan["seed"])  # noqa: S311  # chooses what is killed
    until = time.monotonic() + plan["seconds"]
    killed = {"jobs": 0, "services": 0, "both": 0}
    number = 0

    def started() -> JobProcess:
        nonlocal number
        number += 1
        accepted = str(Path(plan["accepted"]) / f"{number}.jsonl")
        own = {"steps": plan["steps"], "calls": 1_000_000, "starts_s": [0.0], "accepted": accepted}
        job = JobProcess(own)
        job.go()
        return job

    jobs = [started() for _ in range(plan["jobs"])]
    with SealedWatch(home / "spool") as sealed:
        while time.monotonic() < until:
            time.sleep(random.uniform(0.2, 2.0))
            for job in jobs:
                job.drain()
            what = random.choices(("jobs", "services", "both"), weights=(5, 3, 2))[0]
            if what != "jobs" and service_process(home) is None:
                continue
            killed[what] += 1
            if what != "jobs":
                kill_service(home)
            if what != "services":
                victims = random.sample(range(len(jobs)), random.randint(1, len(jobs)))
                for victim in victims:
                    jobs[victim].kill()
                for victim in victims:
                    jobs[victim] = started()
        for job in jobs:
            job.kill()
        kill_service(home)
        last = JobProcess({"steps": plan["steps"], "calls": 1, "starts_s": [0.0]})  # starts a service
        last.go()
        last.until("done")
        last.go()
        last.join()
        deadline = time.monotonic() + _WITHIN_S
        while not sealed.is_empty():
            if time.monotonic() > deadline:
                sys.exit("the export service: has not sealed all")
            time.sleep(0.05)
        wait_until_sent(deadline)
    return {"killed": killed, "jobs": number, "trace_ids": [one[0] for one in last.ended]}


def main() -> None:
    """Carry out the plan that is the first argument; print the figures."""
    plan = json.loads(sys.argv[1])
    print(json.dumps(run_killed(plan) if "seed" in plan else run(plan)), flush=True)


if __name__ == "__main__":
    main()
