"""Write the model card's tables of the public sets."""

from __future__ import annotations

from collections.abc import Iterator

from bench.redaction.public.cases import PROMISED, WEEKDAY
from bench.redaction.public.judge import TOGETHER, Tallies, Tally

_FULL = 1.0


def card(tallies: Tallies) -> str:
    """Return Markdown tables by set, by kind and by origin, `vocabulary` beside `detect`."""
    return "\n".join((*_sets(tallies), "", *_kinds(tallies), "", *_origins(tallies)))


def _sets(tallies: Tallies) -> Iterator[str]:
    yield (
        "| set | texts | identifiers | removed, vocabulary / detect | words | kept, vocabulary / detect "
        "| withheld | exposed |"
    )
    yield "| --- " * 8 + "|"
    for name, ours, detect in _modes(tallies):
        if not ours.texts:
            continue
        kept = f"{_share(ours.kept)} / {_share(detect.kept)}" if ours.words else "not scored"
        yield (
            f"| {name} | {ours.texts:,} | {ours.identifiers:,} | {_share(ours.removed)} / {_share(detect.removed)} "
            f"| {ours.words:,} | {kept} | {_withheld(ours)} | {ours.exposed:,} |"
        )


def _kinds(tallies: Tallies) -> Iterator[str]:
    if not tallies[TOGETHER, "vocabulary"].texts:
        return
    yield f"| kind, {TOGETHER} | identifiers | removed, vocabulary / detect |"
    yield "| --- " * 3 + "|"
    ours, detect = tallies[TOGETHER, "vocabulary"], tallies[TOGETHER, "detect"]
    for kind in (*PROMISED, WEEKDAY):
        if count := ours.parts[kind]:
            shares = (_share(1 - tally.left[kind] / count) for tally in (ours, detect))
            yield f"| {kind} | {count:,} | {' / '.join(shares)} |"


def _origins(tallies: Tallies) -> Iterator[str]:
    """Yield origins by their share; those of which every name is removed are counted."""
    for name, ours, _ in _modes(tallies):
        shares: dict[str, list[str]] = {}
        for origin, count in sorted(ours.origins.items()):
            if count:
                shares.setdefault(_share(1 - ours.origins_left[origin] / count), []).append(origin)
        if shares:
            yield f"| {name}, removed | origins and form |"
            yield "| --- | --- |"
            whole = shares.pop(_share(_FULL), [])
            yield from (f"| {share} | {', '.join(shares[share])} |" for share in sorted(shares, key=float))
            yield f"| {_share(_FULL)} | the {len(whole)} others |"


def _modes(tallies: Tallies) -> Iterator[tuple[str, Tally, Tally]]:
    yield from ((name, ours, tallies[name, "detect"]) for (name, mode), ours in tallies.items() if mode == "vocabulary")


def _withheld(tally: Tally) -> str:
    """Return how many texts were withheld whole, and texts and sentences by language."""
    languages = ", ".join(f"{language} {count:,}" for language, count in tally.languages.most_common())
    return f"{tally.withheld:,} ({languages})" if languages else f"{tally.withheld:,}"


def _share(share: float) -> str:
    """Return a share to four places, never rounded up to one."""
    return "1.0000" if share == _FULL else f"{min(share, 0.9999):.4f}".removeprefix("0")
