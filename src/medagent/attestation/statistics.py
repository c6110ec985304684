"""What a sample proves, and how far two readers agree."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations

_DOUBT = 0.05
_HALVINGS = 60
FEW = 30
"""Below so many readings, kappa's own uncertainty is about as large as what it measures."""


def upper_95(n: int, found: int) -> float:
    """The rate that `found` in `n` independent units keeps below with 95 % confidence; 1 where there is no unit.

    Exact (Clopper-Pearson, one-sided): without a finding it is 1 - 0.05 ** (1 / n).
    """
    if found >= n:
        return 1.0
    if found == 0:
        return float(1 - _DOUBT ** (1 / n))
    low, high = found / n, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        at_most = math.fsum(_binomial(n, k, middle) for k in range(found + 1))
        low, high = (middle, high) if at_most > _DOUBT else (low, middle)
    return high


def _binomial(n: int, k: int, rate: float) -> float:
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(ways + k * math.log(rate) + (n - k) * math.log1p(-rate))


def kappa(readers: Sequence[Sequence[bool]]) -> tuple[float | None, str]:
    """Cohen's kappa of yes-or-no verdicts on the same units (the mean over pairs), and what it is worth in words.

    None where there are no two readers, or where both said the same of everything: then agreement by chance is whole.
    """
    if len(readers) < 2 or not readers[0]:
        return None, "fewer than two reviewers read the sample: there is no agreement to measure"
    pairs = [_cohen(a, b) for a, b in combinations(readers, 2)]
    known = [value for value in pairs if value is not None]
    if not known:
        return None, "every verdict of the reviewers was the same: kappa says nothing"
    units = len(readers[0])
    note = f"over {units} traces"
    if units < FEW:
        note += f": with fewer than {FEW} it is a rough figure"
    return math.fsum(known) / len(known), note


def _cohen(a: Sequence[bool], b: Sequence[bool]) -> float | None:
    n = len(a)
    observed = sum(x == y for x, y in zip(a, b, strict=True)) / n
    yes, no = sum(a) * sum(b), (n - sum(a)) * (n - sum(b))
    by_chance = (yes + no) / n**2
    return None if by_chance == 1 else (observed - by_chance) / (1 - by_chance)
