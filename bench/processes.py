"""Job processes that replay calls, beside one process with the same calls; or jobs and services that are killed.

Each job is forked as LiveKit forks it and plays recorded events through `trace_call`, one call after another; one
export service of the host seals and sends. All runs have a home of their own and a destination that counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import pickle
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import altair

from bench.host_check import check_host, check_langsmith
from bench.recorded import record
from bench.replay_job import steps_of
from medagent.percentiles import percentile
from medagent.runtime.service_lock import ServiceLocks
from medagent.settings import Settings, load_settings
from sink import Sink

_SCENARIO = "opening_hours"
_PRELOAD = ("medagent.preload",)
_BUSY = re.compile(r"SQLITE_BUSY|database is locked")
_ROOT = Path(__file__).parent.parent
_WITHIN_S = 900
_CALCULATED = "job processes on several hosts, calculated"
MOST_CALLS = 1_000
"""Calls at once up to which figures are calculated."""
MOST_DELAY_MS, MOST_CPU, MOST_MB, MOST_THREADS = 1_000.0, 1.5, 15.0, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Figures of a number of job processes, or of one process with as many calls at once.

    Attributes:
        at_once: Calls at the same time: job processes, or calls in one process.
        is_one_process: Whether one process had them all.
        calls: Calls that were played.
        p50_ms: Delay from a call's end to sealed and in the ledger, median.
        p99_ms: The same, 99th percentile.
        cpu_ms: Processor time a call, of the jobs and of the export service, without their start.
        job_cpu_ms: Share of the jobs.
        start_cpu_ms: Processor time until a job could trace, median.
        private_mb: Private memory of a job beyond that of a job without `trace_call`, the most of all.
        threads: Threads of a job beyond that job's, the most of all.
        connections: Connections to the destination.
        busy: Lines in logs that say that SQLite was busy.
        repeats: Spans that the destination got more than once.
        problems: What is lost, twice or broken.
    """

    at_once: int
    is_one_process: bool
    calls: int
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    job_cpu_ms: float
    start_cpu_ms: float
    private_mb: float
    threads: int
    connections: int
    busy: int
    repeats: int
    problems: list[str]


class Bench:
    """Runs of job processes with the same recorded call, each in a home of its own."""

    def __init__(self, root: Path, *, seconds: float, pace: float) -> None:
        """Record the call, and measure a job that traces nothing."""
        self._root = root
        self._count = 0
        recording = asyncio.run(record(root / "recorded", [_SCENARIO], pace=pace))[0]
        events = recording.events
        self.recorded_s = (events[-1].at_ns - events[0].at_ns) / 1e9 * pace
        self.seconds = seconds
        self._steps = root / "steps.pickle"
        self._steps.write_bytes(pickle.dumps(steps_of(events, seconds=seconds)))
        bare = self._child(root, {"jobs": 3, "traced": False, "preload": ()}, {})["bare"]
        self._bare_mb = median(one["private_mb"] for one in bare)
        self._bare_threads = median(one["threads"] for one in bare)

    def measure(
        self, at_once: int, *, calls: int, is_one_process: bool = False, preload: Sequence[str] = _PRELOAD
    ) -> Figures:
        """Play so many calls at once, each followed by others, in processes of their own or in one."""
        with self._home(is_one_process=is_one_process) as (home, settings, sink, environment):
            jobs, slots = (1, at_once) if is_one_process else (at_once, 1)
            plan = {"jobs": jobs, "slots": slots, "calls": calls, "spread_s": self.seconds / 2 if at_once > 1 else 0.0}
            given = self._child(home, {**plan, "traced": True, "preload": preload}, environment)
            ready, done, delays = given["ready"], given["done"], given["delays_ms"]
            checked = check_host(settings, given["trace_ids"])
            delivered = check_langsmith(sink, settings, given["trace_ids"])
            problems, played = list(checked.problems), len(given["trace_ids"])
            if played != at_once * calls or len(delays) != played:
                problems.append(f"calls: {played} ended and {len(delays)} sealed, expected {at_once * calls}")
            if len(checked.sizes) > 1:
                problems.append(f"calls: {sorted(checked.sizes)} spans each, expected the same number")
            if lost := sum(one["lost"] for one in done):
                problems.append(f"jobs: {lost} events or changes lost")
            if delivered.missing:
                problems.append(f"destination: {delivered.missing} spans missing")
            own = sum(end["cpu_s"] - begin["cpu_s"] for begin, end in zip(ready, done, strict=True))
            return Figures(
                at_once=at_once,
                is_one_process=is_one_process,
                calls=played,
                p50_ms=percentile(delays, 50),
                p99_ms=percentile(delays, 99),
                cpu_ms=(own + given["service_cpu_s"]) / played * 1e3,
                job_cpu_ms=own / played * 1e3,
                start_cpu_ms=median(one["cpu_s"] for one in ready) * 1e3,
                private_mb=max(one["private_mb"] for one in done) - self._bare_mb,
                threads=int(max(one["threads"] for one in done) - self._bare_threads),
                connections=delivered.connections,
                busy=given["busy"],
                repeats=delivered.repeats,
                problems=problems,
            )

    def kill(self, *, seconds: float, jobs: int, seed: int) -> dict[str, Any]:
        """Kill jobs, the service and both at random, then read back what was accepted."""
        with self._home() as (home, settings, sink, environment):
            (accepted := home.parent / "accepted").mkdir()
            plan = {"jobs": jobs, "seconds": seconds, "seed": seed, "accepted": str(accepted), "preload": _PRELOAD}
            given = self._child(home, plan, environment, within_s=seconds + _WITHIN_S)
            on_disk: dict[str, set[str]] = {}
            for file in accepted.iterdir():
                for line in file.read_text().splitlines():
                    trace_id, span_id = json.loads(line)
                    on_disk.setdefault(trace_id, set()).add(span_id)
            checked = check_host(settings, given["trace_ids"], accepted=on_disk, is_complete=False)
            calls = {*given["trace_ids"], *on_disk}
            delivered = check_langsmith(sink, settings, calls)
            problems = list(checked.problems)
            if delivered.missing:
                problems.append(f"destination: {delivered.missing} spans missing")
            return {
                "seconds": seconds,
                "seed": seed,
                "killed": given["killed"],
                "jobs": given["jobs"],
                "calls": checked.calls,
                "accepted": sum(map(len, on_disk.values())),
                "spans": checked.spans,
                "repeats": delivered.repeats,
                "busy": given["busy"],
                "problems": problems,
            }

    @contextmanager
    def _home(self, *, is_one_process: bool = False) -> Iterator[tuple[Path, Settings, Sink, dict[str, str]]]:
        """Make a home and its destination; at the end its export service is stopped."""
        self._count += 1
        root = self._root / str(self._count)
        root.mkdir()
        home = root / "home"
        with Sink(root) as sink:
            environment = {
                "MEDAGENT_HOME": str(home),
                "MEDAGENT_EXPORT_SERVICE": "in_process" if is_one_process else "auto",
                "LANGSMITH_API_KEY": "bench",
                "LANGSMITH_ENDPOINT": sink.url,
            }
            was = dict(os.environ)
            os.environ.update(environment)
            try:
                yield home, load_settings(), sink, environment
            finally:
                os.environ.clear()
                os.environ.update(was)
                _stop_service(home)

    def _child(
        self, home: Path, plan: dict[str, Any], environment: Mapping[str, str], *, within_s: float = _WITHIN_S
    ) -> dict[str, Any]:
        """Carry out a plan in a process of its own; return its figures, and how often a log says busy."""
        whole = {"home": str(home), "steps": str(self._steps), **plan}
        given = {name: value for name, value in os.environ.items() if not name.startswith(("LANG", "MEDAGENT"))}
        ran = subprocess.run(
            [sys.executable, "-m", "bench.job_processes", json.dumps(whole)],
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
            env={**given, **environment},
            cwd=_ROOT,
        )
        if ran.returncode:
            sys.exit(f"job processes: exit code {ran.returncode}\n{ran.stderr[-2000:]}")
        logs = [ran.stderr, *(log.read_text() for log in home.glob("export-service.log*"))]
        return {**json.loads(ran.stdout.splitlines()[-1]), "busy": sum(len(_BUSY.findall(text)) for text in logs)}


def _stop_service(home: Path) -> None:
    locks = ServiceLocks(home / "spool")
    if (process := locks.active_process()) is not None:
        os.kill(process, 15)
        deadline = time.monotonic() + 30
        while locks.active_process() == process and time.monotonic() < deadline:
            time.sleep(0.05)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calculated:
    """Figures of many calls on several hosts, calculated from the largest number measured that keeps the delay."""

    at_once: int
    hosts: int
    p99_ms: float
    cpu_ms: float
    cores: float
    private_mb: float


def calculated(measured: Sequence[Figures], *, seconds: float) -> list[Calculated]:
    """Return figures up to `MOST_CALLS` calls: hosts share nothing, each has as many calls as were measured on one."""
    of_jobs = [one for one in measured if not one.is_one_process]
    fits = [one for one in of_jobs if one.p99_ms <= MOST_DELAY_MS] or of_jobs[:1]
    host = max(fits, key=lambda one: one.at_once)
    return [
        Calculated(
            at_once=at_once,
            hosts=-(-at_once // host.at_once),
            p99_ms=host.p99_ms,
            cpu_ms=host.cpu_ms,
            cores=at_once / seconds * host.cpu_ms / 1e3,
            private_mb=at_once * host.private_mb,
        )
        for at_once in (host.at_once, 200, 500, MOST_CALLS)
        if at_once >= host.at_once
    ]


def table(measured: Sequence[Figures], more: Sequence[Calculated]) -> str:
    """Return the figures as a table, a line each; what is calculated is named so."""
    head = (
        f"{'calls at once':28} {'calls':>5} {'sealed p50':>10} {'p99 ms':>8} {'CPU a call':>11} {'jobs':>7} "
        f"{'start':>7} {'private':>8} {'threads':>7} {'connections':>11} {'busy':>5} {'again':>5} problems"
    )
    lines = [
        f"{_name(one):28} {one.calls:5} {one.p50_ms:10.0f} {one.p99_ms:8.0f} {one.cpu_ms:8.0f} ms {one.job_cpu_ms:7.0f}"
        f" {one.start_cpu_ms:7.0f} {one.private_mb:5.1f} MB {one.threads:7} {one.connections:11} {one.busy:5} "
        f"{one.repeats:5} {len(one.problems)}"
        for one in measured
    ]
    lines += [
        f"{one.at_once} calls on {one.hosts} hosts, calculated: p99 {one.p99_ms:.0f} ms (hosts share nothing), "
        f"{one.cores:.1f} cores busy, {one.private_mb:.0f} MB private"
        for one in more
    ]
    return "\n".join([head, *lines])


def _name(one: Figures) -> str:
    return f"{one.at_once} in one process" if one.is_one_process else f"{one.at_once} job processes"


def missed(measured: Sequence[Figures]) -> list[str]:
    """Return each figure that misses its bound."""
    found = [f"{_name(one)}: {problem}" for one in measured for problem in one.problems]
    peers = {one.at_once: one for one in measured if one.is_one_process}
    for one in measured:
        if one.is_one_process:
            continue
        ratio = one.cpu_ms / peers[one.at_once].cpu_ms if one.at_once in peers else 0.0
        bounds = {
            "delay to sealed, p99 (ms)": (one.p99_ms, MOST_DELAY_MS if one.at_once <= 50 else float("inf")),
            "CPU a call beside one process": (ratio, MOST_CPU),
            "private memory of a job (MB)": (one.private_mb, MOST_MB),
            "threads of a job": (one.threads, MOST_THREADS),
            "lines that say SQLite was busy": (one.busy, 0),
        }
        found += [
            f"{_name(one)}: {name} {value:.3g}, expected at most {most:g}"
            for name, (value, most) in bounds.items()
            if value > most
        ]
    return found


def picture(measured: Sequence[Figures], more: Sequence[Calculated], path: Path) -> None:
    """Draw delay, processor time and memory by calls at once; calculated lines are dashed and named so."""
    rows = [
        {"n": one.at_once, "of": "one process" if one.is_one_process else "job processes", "what": what, "value": value}
        for one in measured
        for what, value in (
            ("p50", one.p50_ms),
            ("p99", one.p99_ms),
            ("cpu", one.cpu_ms),
            ("memory", one.private_mb * (1 if one.is_one_process else one.at_once)),
        )
    ]
    rows += [
        {"n": one.at_once, "of": _CALCULATED, "what": what, "value": value}
        for one in more
        for what, value in (("p99", one.p99_ms), ("cpu", one.cpu_ms), ("memory", one.private_mb))
    ]
    charts = [
        _chart([row for row in rows if row["what"] in kinds], title, unit)
        for kinds, title, unit in (
            (("p50", "p99"), "From a call's end to sealed and in the ledger: p50 and p99 (ms)", "ms"),
            (("cpu",), "Processor time a call, jobs and export service (ms)", "ms"),
            (("memory",), "Private memory of telemetry, all jobs together (MB)", "MB"),
        )
    ]
    altair.vconcat(*charts).save(path)


def _chart(rows: list[dict[str, Any]], title: str, unit: str) -> Any:
    chart = altair.Chart(altair.Data(values=rows), title=title, width=760, height=220)
    return chart.mark_line(point=True).encode(
        x=altair.X("n:Q", title="calls at once", scale=altair.Scale(type="log")),
        y=altair.Y("value:Q", title=unit, scale=altair.Scale(type="symlog")),
        color=altair.Color("of:N", title=None),
        detail="what:N",
        strokeDash=altair.StrokeDash(
            "of:N",
            legend=None,
            scale=altair.Scale(
                domain=["job processes", "one process", _CALCULATED],
                range=[[1, 0], [1, 0], [4, 4]],
            ),
        ),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and draw, or kill; exit code 1 where a bound is missed or something is lost."""
    parser = argparse.ArgumentParser(prog="make bench-processes", description=__doc__)
    parser.add_argument("--processes", default="1,10,50,100", help="numbers of job processes")
    parser.add_argument("--calls", type=int, default=2, help="calls of a process, one after another")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of a call")
    parser.add_argument("--short", action="store_true", help="about a minute: 1 and 8 processes, a call of 8 s each")
    parser.add_argument("--kill", type=float, metavar="SECONDS", help="kill jobs and services at random instead")
    parser.add_argument("--jobs", type=int, default=6, help="job processes with --kill")
    parser.add_argument("--seed", type=int, default=20, help="of what is killed when")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--picture", type=Path, default=Path("processes.svg"))
    given = parser.parse_args(arguments)
    numbers = [1, 8] if given.short else [int(number) for number in given.processes.split(",")]
    seconds, calls = (8.0, 1) if given.short else (given.seconds, given.calls)
    with tempfile.TemporaryDirectory() as directory:
        if given.kill is not None:
            return _killed(Bench(Path(directory), seconds=min(seconds, 5.0), pace=20.0), given)
        bench = Bench(Path(directory), seconds=seconds, pace=20.0 if given.short else 5.0)
        print(f"a call: {_SCENARIO}, {bench.recorded_s:.0f} s as recorded, {seconds:g} s here", file=sys.stderr)
        measured: list[Figures] = []
        for number in numbers:
            for is_one_process in (True, False):
                measured.append(bench.measure(number, calls=calls, is_one_process=is_one_process))
                print(f"{_name(measured[-1])}: {measured[-1].p99_ms:.0f} ms", file=sys.stderr, flush=True)
        alone = bench.measure(3, calls=1, preload=())
    more = calculated(measured, seconds=seconds)
    picture(measured, more, given.picture)
    misses = missed(measured)
    if given.json:
        rows = {"measured": measured, "calculated": more}
        whole = {name: [asdict(row) for row in listed] for name, listed in rows.items()}  # type: ignore[call-overload,attr-defined]
        print(json.dumps({**whole, "private_mb_without_preload": alone.private_mb, "missed": misses}, indent=2))
    else:
        print(table(measured, more))
        print(f"private memory of a job without `medagent.preload`: {alone.private_mb:.1f} MB")
        print(*misses, f"picture: {given.picture}", sep="\n")
    return int(bool(misses))


def _killed(bench: Bench, given: argparse.Namespace) -> int:
    found = bench.kill(seconds=given.kill, jobs=given.jobs, seed=given.seed)
    if given.json:
        print(json.dumps(found, indent=2))
    else:
        killed = ", ".join(f"{name} {times} times" for name, times in found["killed"].items())
        print(f"{given.kill:g} s, seed {given.seed}: {killed}; {found['jobs']} job processes, {found['calls']} calls")
        print(f"  {found['accepted']} spans accepted, {found['spans']} in the archive, {found['repeats']} sent again")
        print(f"  lines that say SQLite was busy: {found['busy']}")
        print(*found["problems"], f"  problems: {len(found['problems'])}, expected 0", sep="\n")
    return int(bool(found["problems"]))


if __name__ == "__main__":
    sys.exit(main())
