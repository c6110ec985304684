"""`python -m bench.redaction --data DIR`: one table of what is removed, what survives and what it costs."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.measure import table
from bench.redaction import baseline, systems
from bench.redaction.corpora import PATIENT, Sample, spoken, synthetic, talk
from bench.redaction.score import PLACE, left_of
from bench.redaction.systems import Spans, System
from medagent.redaction import KnownValues
from medagent.redaction.policy import TextMode
from medagent.redaction.text import Layer, scrub

_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*|\d+")
_SHORTEST_TIMED = 50
_ROUNDS = 7
_PRINT = Console(width=110)


def main() -> int:
    """Measure everything in one run, or with a baseline its costs alone; 1 where one of these misses its bound."""
    parser = argparse.ArgumentParser()
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("MEDAGENT_BENCH_DATA"), help="the corpora's directory"
    )
    parser.add_argument("--misses", type=int, default=0, help="show so many misses of each row")
    parser.add_argument("--develop", action="store_true", help="the parts that the layers were made with")
    parser.add_argument("--baseline", metavar="COMMIT", help="only time, load time and memory, beside another commit")
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help="pairs of processes beside a baseline")
    options = parser.parse_args()
    if options.data is None:
        parser.error("--data or MEDAGENT_BENCH_DATA is needed")
    data, part = Path(options.data), "develop" if options.develop else "test"
    if options.baseline:
        found = baseline.rows(options.baseline, data, part, options.rounds)
        print(table(found))  # a command's output
        return int(not all(one.ok for one in found))
    ours = {
        "medagent, vocabulary": systems.medagent(TextMode.VOCABULARY),
        "medagent, detect": systems.medagent(TextMode.DETECT),
    }
    others = {
        "presidio, no model": systems.presidio(),
        "scrubadub": systems.scrubadub(),
        "langsmith, 5 regexes": systems.langsmith(),
    }
    sets = {
        "synthetic, all, as written": synthetic(data, held_out=False, lower=False),
        "synthetic, all, lower case": synthetic(data, held_out=False, lower=True),
        "synthetic, held-out templates, as written": synthetic(data, held_out=True, lower=False),
        "synthetic, held-out templates, lower case": synthetic(data, held_out=True, lower=True),
        "spoken": spoken(part, known=False),
        "spoken, known values given": spoken(part, known=True),
    }
    _removed(sets, {**ours, **others}, options.misses)
    _survived({"talk": talk(data, part), "talk, a patient's values given": talk(data, part, known=PATIENT)}, ours)
    _cost([*sets["synthetic, all, as written"], *sets["spoken"], *talk(data, part)], {**ours, **others})
    return 0


def _removed(sets: dict[str, list[Sample]], of: dict[str, System], misses: int) -> None:
    table = Table(title="identifiers removed (places of no street, such as towns, apart)")
    for column in ("texts", "system", "identifiers", "removed", "with places", "by kind"):
        table.add_column(column)
    for name, samples in sets.items():
        for system, run in of.items():
            kinds: Counter[str] = Counter()
            missed: Counter[str] = Counter()
            shown: list[str] = []
            for sample in samples:
                spans = _spans(run, sample.text, sample.known)
                for planted in sample.planted:
                    kinds[planted.kind] += 1
                    if left := left_of(sample.text, planted, spans):
                        missed[planted.kind] += 1
                        shown.append(f"{planted.kind} {left} | {sample.text!r}")
            core = [kind for kind in kinds if kind != PLACE]
            count, lost = sum(kinds[kind] for kind in core), sum(missed[kind] for kind in core)
            by_kind = " ".join(f"{kind} {1 - missed[kind] / kinds[kind]:.3f}" for kind in kinds)
            table.add_row(
                name,
                system,
                f"{count}",
                f"{1 - lost / count:.4f}",
                f"{1 - missed.total() / kinds.total():.4f}",
                by_kind,
            )
            if system == "medagent, vocabulary":
                _guarded(name, samples)
                for line in shown[:misses]:
                    _PRINT.print(f"  missed: {line}", markup=False, highlight=False)
    _PRINT.print(table)


def _guarded(name: str, samples: Iterable[Sample]) -> None:
    """Return how many texts the guard refused whole; they do not show that a layer works."""
    refused = [
        sample
        for sample in samples
        if any(finding.layer is Layer.GUARD for finding in scrub(sample.text, sample.known).findings)
    ]
    _PRINT.print(f"{name}: refused by the guard: {len(refused)} of {len(list(samples))}")


def _survived(sets: dict[str, list[Sample]], of: dict[str, System]) -> None:
    table = Table(title="ordinary words that survive")
    for column in ("texts", "system", "words", "of all words", "of distinct words"):
        table.add_column(column)
    for name, samples in sets.items():
        for system, run in of.items():
            kept: Counter[str] = Counter()
            every: Counter[str] = Counter()
            for sample in samples:
                spans = _spans(run, sample.text, sample.known)
                for match in _WORD.finditer(sample.text):
                    word = match.group().casefold()
                    every[word] += 1
                    kept[word] += not any(start <= match.start() < end for start, end in spans)
            distinct = sum(times > 0 for times in kept.values()) / len(every)
            table.add_row(name, system, f"{every.total()}", f"{kept.total() / every.total():.4f}", f"{distinct:.4f}")
    _PRINT.print(table)


def _cost(samples: Sequence[Sample], of: dict[str, System]) -> None:
    table = Table(title="µs of processor time for 100 characters")
    for column in ("system", "texts", "p50", "p99"):
        table.add_column(column)
    timed = [sample for sample in samples if len(sample.text) >= _SHORTEST_TIMED]
    for system, run in of.items():
        for sample in timed[:50]:
            run(sample.text, sample.known)
        costs: list[float] = []
        for sample in timed:
            begun = time.thread_time_ns()
            run(sample.text, sample.known)
            costs.append((time.thread_time_ns() - begun) / 1e3 / len(sample.text) * 100)
        costs.sort()
        table.add_row(system, f"{len(costs)}", f"{costs[len(costs) // 2]:.0f}", f"{costs[len(costs) * 99 // 100]:.0f}")
    _PRINT.print(table)


def _spans(run: System, text: str, known: KnownValues) -> Spans:
    places = getattr(run, "places", None)
    return places(text) if places else run(text, known)


if __name__ == "__main__":
    sys.exit(main())
