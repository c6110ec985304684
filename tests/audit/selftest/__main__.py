"""`python -m tests.audit.selftest`: the control first, then every sabotage; exit code 1 where one is not found."""

from __future__ import annotations

import argparse
import json
import secrets
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from tests.audit.selftest.after_report import AFTER_REPORT
from tests.audit.selftest.playing import CONTROL, Played, play_in, wrong
from tests.audit.selftest.sabotage import Sabotage
from tests.audit.selftest.sabotages import load


def main() -> int:
    """Play them and say what the audit said of each."""
    sabotages = load()
    parser = argparse.ArgumentParser(prog="python -m tests.audit.selftest", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=sorted(sabotages), help="these alone")
    parser.add_argument("--list", action="store_true", help="name them, play nothing")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--seed", type=int, help="play all with this one; else each with its own")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time; those that are timed run alone")
    arguments = parser.parse_args()
    chosen = [sabotages[name] for name in arguments.only or sabotages]
    if arguments.list:
        after = AFTER_REPORT.values() if not arguments.only else ()
        for name, breaks in [(one.name, one.breaks) for one in (*chosen, *after)]:
            sys.stdout.write(f"{name}: {breaks}\n")
        return 0
    played = _play([CONTROL, *chosen], jobs=arguments.jobs, as_json=arguments.json, seed=arguments.seed)
    if not arguments.json:
        _table(played)
    return 1 if wrong(played) else 0


def _play(chosen: Sequence[Sabotage], *, jobs: int, as_json: bool, seed: int | None) -> list[Played]:
    """Those at pace 1 one at a time, so that what they are late by is their own; then the others."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    played: list[Played] = []
    with (
        tempfile.TemporaryDirectory(prefix="medagent-selftest-") as directory,
        Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress,
    ):
        task = progress.add_task("sabotages", total=len(chosen))

        def one(sabotage: Sabotage) -> Played:
            return play_in(Path(directory), sabotage, seed=secrets.randbits(31) if seed is None else seed)

        def told(result: Played) -> None:
            played.append(result)
            progress.advance(task)
            about = {
                "sabotage": result.sabotage.name,
                "found": result.is_right,
                "verdict": result.verdict,
                "cause": result.cause,
                "causes": list(result.causes),
                "trouble": result.trouble,
                "seconds": round(result.seconds, 1),
                "seed": result.seed,
            }
            progress.console.file.flush()
            line = json.dumps(about) if as_json else f"{'' if result.is_right else 'WRONG: '}{result.told()}"
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

        for sabotage in (each for each in chosen if each.timed):
            told(one(sabotage))
        with ThreadPoolExecutor(max_workers=jobs) as pool:
            for done in as_completed([pool.submit(one, each) for each in chosen if not each.timed]):
                told(done.result())
    return played


def _table(played: Sequence[Played]) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("", "sabotage", "what is broken", "what the audit says", "s"):
        table.add_column(name, overflow="fold")
    order = {name: number for number, name in enumerate(("control", *load()))}
    for one in sorted(played, key=lambda each: order[each.sabotage.name]):
        said = one.trouble or one.cause or "; ".join(one.causes) or str(one.verdict)
        mark = "found" if one.is_right else "WRONG"
        mark = "clean" if one.is_right and one.sabotage is CONTROL else mark
        table.add_row(mark, one.sabotage.name, one.sabotage.breaks, said[:160], f"{one.seconds:.0f}")
    console = Console()
    console.print(table)
    missed = [one.sabotage.name for one in wrong(played)]
    count = len(played) - 1
    verdict = "every one was found and named" if not missed else f"wrong: {', '.join(missed)}"
    console.print(f"\n{count} sabotages and a control: {verdict}")


if __name__ == "__main__":
    sys.exit(main())
