"""`python bench/redaction/costs.py ROOT TEXTS`: JSON of what the redactor of one checkout costs, in this process.

Imports nothing but the checkout's own `medagent`, whose layers another commit may have made otherwise.
"""

from __future__ import annotations

import gc
import json
import sys
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_REPEATS = 3
_WARMED_UP = 100
_FIRST = (
    "Hola amigo, my name is Ottoline Brown, and zorblatt was born on March 3rd 1982 in Hart. so send the bill to rose, "
    "place the card with grace, will hope left the house in may, and mark the record of faith by the lower case policy"
)
"""A text that uses every list."""
_PAGE_KB = 4


def main() -> None:
    """Print the costs; with `--memory` only those of the lists, whose allocations are then traced."""
    root, texts = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    sys.path.insert(0, str(root / "src"))
    print(json.dumps(_memory(root) if "--memory" in sys.argv else _costs(root, json.loads(texts.read_text("utf-8")))))


def _costs(root: Path, texts: Sequence[str]) -> dict[str, Any]:
    scrub, known, modes = _imported(root)
    before = _resident_kb()
    first, second = _seconds(scrub, known), _seconds(scrub, known)
    gc.collect()
    found: dict[str, Any] = {"load": first - second, "resident": _resident_kb() - before}
    for mode in modes:
        for text in texts[:_WARMED_UP]:
            scrub(text, known, mode=mode)
        costs = [min(_cost(scrub, text, known, mode) for _ in range(_REPEATS)) for text in texts]
        found[mode.value] = [cost / len(text) * 100 for cost, text in zip(costs, texts, strict=True)]
    return found


def _memory(root: Path) -> dict[str, float]:
    scrub, known, _ = _imported(root)
    tracemalloc.start()
    scrub(_FIRST, known)
    gc.collect()
    return {"traced": tracemalloc.get_traced_memory()[0] / 1e6}


def _imported(root: Path) -> tuple[Any, Any, tuple[Any, ...]]:
    import medagent.redaction.text as package  # of the checkout that was put before
    from medagent.redaction import KnownValues  # of the checkout that was put before

    if root not in Path(package.__file__).parents:
        sys.exit(f"{package.__file__}: package of another checkout, expected one below {root}")
    return package.scrub, KnownValues(), (package.TextMode.VOCABULARY, package.TextMode.DETECT)


def _seconds(scrub: Any, known: Any) -> float:
    begun = time.thread_time()
    scrub(_FIRST, known)
    return time.thread_time() - begun


def _cost(scrub: Any, text: str, known: Any, mode: Any) -> float:
    """µs of processor time."""
    begun = time.thread_time_ns()
    scrub(text, known, mode=mode)
    return (time.thread_time_ns() - begun) / 1e3


def _resident_kb() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_KB


if __name__ == "__main__":
    main()
