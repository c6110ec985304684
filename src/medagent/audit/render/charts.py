"""The report's charts as SVG: made from its figures alone, without a browser or a network, the same bytes each time.

Two inks and words beside the lines, so that a grey print says the same. A page in dark colours restyles them by these
inks: they are the only colours in the SVG.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import vl_convert

from medagent.attestation.report import Latency, SecondReader
from medagent.audit.render.wording import count

INK = "#14181f"
QUIET = "#5b6470"
RULE = "#c9ced6"
BAR = "#3d5a80"
ALARM = "#a3161a"

_WIDTH = 540
_FONT = "Libertinus Serif"


@functools.lru_cache(maxsize=4)  # `audit verify` renders one report several times: signed, unsigned, as an example
def overhead(latency: Latency) -> str:
    """How many operations took how long on the thread, on a logarithmic axis with the lines of 1 ms and 5 ms."""
    uppers = [upper for upper, _ in latency.thread_histogram]
    lowers = [upper / 2 for upper in uppers[:1]] + uppers[:-1]
    rows: list[dict[str, float]] = [
        {"from": max(lower, 0.1), "to": upper, "operations": n}
        for lower, (upper, n) in zip(lowers, latency.thread_histogram, strict=True)
        if n
    ]
    top = 1.25 * max((n for _, n in latency.thread_histogram), default=1)
    left = min((row["from"] for row in rows), default=1.0)
    right = max(60_000.0, max((row["to"] for row in rows), default=1.0))
    scale = alt.Scale(type="log", domain=[left, right], nice=False)
    height = alt.Scale(domain=[0, top], nice=False)
    ticks = [v for v in (0.1, 1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000) if left <= v <= right]
    axis = alt.Axis(
        title="time of one operation on the thread",
        values=ticks,
        labelExpr="datum.value >= 1000000 ? datum.value / 1000000 + ' s'"
        " : datum.value >= 1000 ? datum.value / 1000 + ' ms' : datum.value + ' µs'",
    )
    bars = (
        _chart(rows)
        .mark_bar(color=BAR)
        .encode(
            x=alt.X("from:Q", scale=scale, axis=axis),
            x2="to:Q",
            y2=alt.datum(0),
            y=alt.Y("operations:Q", title="operations", scale=height, axis=alt.Axis(tickCount=4)),
        )
    )
    limits: list[dict[str, float | str]] = [
        {"at": 1_000, "says": "1 ms: limit for a GO", "y": top},
        {"at": 5_000, "says": "5 ms: switch trips", "y": top},
    ]
    base = _chart(limits).encode(x=alt.X("at:Q", scale=scale))
    lines = base.mark_rule(color=ALARM, strokeWidth=1.2, strokeDash=[4, 2])
    place = {"x": alt.X("at:Q", scale=scale), "y": alt.Y("y:Q", scale=height), "text": alt.Text("says:N")}
    left_of = _chart(limits[:1]).mark_text(align="right", dx=-4, dy=5, color=ALARM, fontWeight=600).encode(**place)
    right_of = _chart(limits[1:]).mark_text(align="left", dx=4, dy=5, color=ALARM, fontWeight=600).encode(**place)
    return _svg(alt.layer(bars, lines, left_of, right_of), height=170)


@functools.lru_cache(maxsize=4)
def answers(latency: Latency) -> str:
    """TTFT-A of every turn, a row for each call, with the median of each call as an upright stroke."""
    rows = [
        {"call": number, "ms": value} for number, call in enumerate(latency.ttft_by_call, start=1) for value in call
    ]
    x = alt.X("ms:Q", title="TTFT-A, milliseconds", scale=alt.Scale(zero=True, nice=True))
    y = alt.Y("call:O", title="call", axis=alt.Axis(grid=False))
    base = _chart(rows)
    dots = base.mark_circle(color=BAR, opacity=0.55, size=26).encode(x=x, y=y)
    medians = base.mark_tick(color=INK, thickness=2.2, size=13).encode(
        x=alt.X("median(ms):Q", title="TTFT-A, milliseconds"), y=y
    )
    return _svg(alt.layer(dots, medians), height=18 * max(1, len(latency.ttft_by_call)))


def sensitivity(reader: SecondReader) -> str:
    """The share of planted forms of each kind that the second reader marked, lowest last, with the counts beside."""
    rows = [
        {
            "kind": kind,
            "share": marked / shown if shown else 0,
            "says": f"{count(marked)} of {count(shown)}",
        }
        for kind, (marked, shown) in reader.sensitivity.items()
    ]
    y = alt.Y("kind:N", title=None, sort=alt.EncodingSortField("share", order="descending"))
    base = _chart(rows)
    bars = base.mark_bar(color=BAR, height=11).encode(
        x=alt.X(
            "share:Q",
            title="planted forms that it marked",
            scale=alt.Scale(domain=[0, 1]),
            axis=alt.Axis(labelExpr="datum.value * 100 + ' %'", values=[0, 0.25, 0.5, 0.75, 1]),
        ),
        y=y,
    )
    frames = base.mark_bar(filled=False, stroke=RULE, strokeWidth=0.7, height=11).encode(x=alt.datum(1), y=y)
    says = base.mark_text(align="left", dx=6, color=INK).encode(x=alt.datum(1), y=y, text="says:N")
    return _svg(alt.layer(frames, bars, says), height=19 * max(1, len(rows)), width=_WIDTH - 190)


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Least, median and greatest; raises `ValueError` on nothing."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return ordered[0], median, ordered[-1]


def _chart(rows: Sequence[Mapping[str, float | str]]) -> alt.Chart:
    data = alt.Data(values=rows)  # type: ignore[no-untyped-call]  # Altair gives its schema's classes no types
    return alt.Chart(data)


def _svg(chart: alt.LayerChart | alt.FacetChart, *, height: int, width: int = _WIDTH) -> str:
    styled: Any = (
        chart.properties(width=width, height=height)
        .configure(background="transparent", font=_FONT, padding=2)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=QUIET,
            titleColor=QUIET,
            titleFontWeight="normal",
            titleFontSize=12,
            labelFontSize=12,
            gridColor=RULE,
            gridOpacity=0.5,
            domainColor=RULE,
            tickColor=RULE,
            labelLimit=220,
        )
        .configure_text(fontSize=12)
    )
    return vl_convert.vegalite_to_svg(styled.to_dict(), show_warnings=False, allowed_base_urls=[])
