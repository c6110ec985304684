"""`python -m bench.redaction.public --data DIR`: what the layers remove and keep of public sets."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench.redaction.public.card import card
from bench.redaction.public.cases import PROMISED, WEEKDAY, Case, MissingSetError, PublicSet, cases, half_of
from bench.redaction.public.eva import EVA
from bench.redaction.public.judge import TOGETHER, Tallies, Tally, judge
from bench.redaction.public.meddocan import MEDDOCAN
from bench.redaction.public.names import NAMES
from bench.redaction.public.presidio import ROWS, SENTENCES
from bench.redaction.public.primock57 import PRIMOCK57
from bench.redaction.public.sgd import SGD
from bench.redaction.public.slurp import SLURP
from medagent.redaction import REDACTED, KnownValues
from medagent.redaction.policy import TextMode
from medagent.redaction.text import scrub

SETS = (SGD, SLURP, PRIMOCK57, EVA, SENTENCES, ROWS, MEDDOCAN, NAMES)
_MOST_TEXTS = 10_000
_FEWEST_WORDS = 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure the sets that have a local copy and print one table.

    Args:
        arguments: The command's arguments, those of the process by default.

    Returns:
        0, or 2 where a set has no local copy.
    """
    options = _options(arguments)
    chosen = [each for each in SETS if not options.sets or each.name in options.sets]
    try:
        texts = {each: _chosen(cases(each, options.data), options) for each in chosen}
    except MissingSetError:
        for each in chosen:
            _name_missing(each, options.data)
        return 2
    tallies: Tallies = {}
    with Progress(console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        for mode in (TextMode.VOCABULARY, TextMode.DETECT):
            together = Tally()
            for each in chosen:
                task = progress.add_task(f"{each.name}, {mode.value.lower()}", total=len(texts[each]))
                tally = tallies[each.name, mode.value] = Tally()
                for one in texts[each]:
                    _measure(tally, one, mode)
                    progress.advance(task)
                if each.language == "en" and each.is_dialogue:
                    together.add(tally)
            tallies[TOGETHER, mode.value] = together
    if options.json:
        print(json.dumps([{"set": n, "mode": m, **tally.document()} for (n, m), tally in tallies.items()], indent=1))
        return 0
    if options.markdown:
        print(card(tallies))
    else:
        _print(tallies, options.misses)
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.redaction.public")
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        help="the directory of the local copies, each as `git clone` names it",
    )
    parser.add_argument("--sets", nargs="+", choices=[each.name for each in SETS], help="only these sets")
    parser.add_argument("--half", choices=["a", "b"], help="one half of the dialogues, by the hash of their ids")
    parser.add_argument("--texts", type=int, default=_MOST_TEXTS, help="at most so many texts of each set")
    parser.add_argument("--misses", type=int, default=0, help="show so many misses and losses of each set")
    parser.add_argument("--markdown", action="store_true", help="print the model card's tables")
    parser.add_argument("--json", action="store_true", help="print JSON, no table")
    return parser.parse_args(arguments)


def _name_missing(each: PublicSet, data: Path) -> None:
    try:
        cases(each, data)
    except MissingSetError as error:
        print(error, file=sys.stderr)


def _chosen(texts: Sequence[Case], options: argparse.Namespace) -> list[Case]:
    """Return the half that is asked for, and of a large set the texts with the smallest hashes."""
    half = [one for one in texts if options.half in (None, half_of(one.dialogue))]
    if len(half) <= options.texts:
        return half
    return sorted(half, key=lambda one: hashlib.sha256(f"{one.dialogue}\n{one.text}".encode()).digest())[
        : options.texts
    ]


def _measure(tally: Tally, one: Case, mode: TextMode) -> None:
    scrubbed = scrub(one.text, KnownValues(), mode=mode)
    tally.languages.update(scrubbed.withheld)
    judge(
        tally,
        one,
        [(each.start, each.end) for each in scrubbed.findings],
        withheld=scrubbed.text == REDACTED and len(one.text.split()) >= _FEWEST_WORDS,
    )


def _print(tallies: Tallies, misses: int) -> None:
    out = Console(width=150)
    table = Table(title="public sets: identifiers removed, words kept, texts withheld whole")
    for column in ("set", "mode", "texts", "identifiers", "removed", "words", "kept", "withheld", "removed by kind"):
        table.add_column(column)
    for (name, mode), tally in tallies.items():
        kinds = " ".join(
            f"{kind} {1 - tally.left[kind] / tally.parts[kind]:.3f} of {tally.parts[kind]}"
            for kind in (*PROMISED, WEEKDAY)
            if tally.parts[kind]
        )
        table.add_row(
            name,
            mode.lower(),
            f"{tally.texts:,}",
            f"{tally.identifiers:,}",
            f"{tally.removed:.4f}",
            f"{tally.words:,}",
            f"{tally.kept:.4f}",
            f"{tally.withheld / max(1, tally.texts):.4f}",
            kinds,
        )
    out.print(table)
    for (name, mode), tally in tallies.items():
        worst = sorted(
            (1 - tally.origins_left[origin] / count, origin) for origin, count in tally.origins.items() if count
        )
        if worst:
            shown = ", ".join(f"{origin} {share:.3f}" for share, origin in worst)
            out.print(f"{name}, {mode.lower()}, by origin: {shown}", markup=False, highlight=False)
    for (name, mode), tally in tallies.items():
        for label, examples in (("left", tally.examples_left), ("lost", tally.examples_lost)):
            for example in examples[:misses]:
                out.print(f"{name}, {mode.lower()}, {label}: {example}", markup=False, highlight=False)


if __name__ == "__main__":
    sys.exit(main())
