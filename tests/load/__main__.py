"""Ten calls of five minutes at once, traced and shipped: nothing may be dropped; lag and memory go into a picture."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import altair

from load.live import Felt, line
from medagent.percentiles import percentile
from medagent.runtime.exports import archive
from medagent.settings import load_settings
from medagent.tracing import Tracing
from sink import Sink

_DELIVERED_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What came of it: what the loop felt, spans in the archive, those that LangSmith's place holds, events lost."""

    felt: Felt
    calls: int
    complete: int
    spans: set[str]
    arrived: set[str]
    repeats: int
    events_lost: int

    @property
    def dropped(self) -> int:
        """Spans that were sealed and did not arrive, events that no queue took, calls without an end."""
        return len(self.spans - self.arrived) + self.events_lost + self.calls - self.complete


async def load(sink: Sink, home: Path, *, calls: int, seconds: float) -> Loaded:
    """Play so many calls of so many seconds at once and count at both ends."""
    settings = load_settings(
        MEDAGENT_EXPORT_SERVICE="in_process", MEDAGENT_HOME=home, LANGSMITH_API_KEY="load", LANGSMITH_ENDPOINT=sink.url
    )
    tracing = Tracing(settings)
    try:
        async with line(settings, seconds=seconds) as on:
            felt, traces = await on.calls(calls, tracing)
        await asyncio.to_thread(tracing.flush, _DELIVERED_WITHIN_S)
        telemetry = tracing.loaded(0)
    finally:
        await asyncio.to_thread(tracing.close)
    if telemetry is None:
        sys.exit("telemetry did not start")
    counts = telemetry.pipeline.counts
    store = archive(settings)
    spans = [span for trace_id in traces for span in store.spans(trace_id)]
    store.close()
    posted = [name for request in sink.requests() if request.path == "/runs/multipart" for name, _ in request.parts()]
    ids = [name.removeprefix("post.") for name in posted if name.count(".") == 1]
    return Loaded(
        felt=felt,
        calls=calls,
        complete=sum(bool(s.fields.get("complete")) for s in spans if s.name == "session.end"),
        spans={span.span_id for span in spans},
        arrived=set(sink.runs()),
        repeats=len(ids) - len(set(ids)),
        events_lost=counts.events_lost + counts.spans_lost + counts.spans_suppressed,
    )


def picture(felt: Felt, path: Path) -> None:
    """Draw how late the loop was, second by second, and how much memory was resident."""
    seconds: dict[int, list[float]] = {}
    for at, late in zip(felt.lag_at_s, felt.lag_ms, strict=True):
        seconds.setdefault(int(at), []).append(late)
    rows = [{"s": second, "ms": max(late)} for second, late in seconds.items()]
    lag = altair.Chart(altair.Data(values=rows), title="The loop's longest wait in each second (ms)", width=760)
    rss = [{"s": second, "mb": mb} for second, mb in enumerate(felt.rss_mb)]
    memory = altair.Chart(altair.Data(values=rss), title="Resident memory (MB)", width=760)
    time = altair.X("s:Q", title="seconds")
    (
        lag.mark_line(strokeWidth=1).encode(x=time, y=altair.Y("ms:Q", title="ms"))
        & memory.mark_line().encode(x=time, y=altair.Y("mb:Q", title="MB", scale=altair.Scale(zero=False)))
    ).save(path)


def main(arguments: Sequence[str] | None = None) -> int:
    """Play, count, draw; exit code 1 where something was dropped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--picture", type=Path, default=Path("load.svg"))
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as directory, Sink(Path(directory)) as sink:
        loaded = asyncio.run(load(sink, Path(directory) / "home", calls=given.calls, seconds=given.seconds))
    picture(loaded.felt, given.picture)
    lasted, late, rss = loaded.felt.lag_at_s[-1], loaded.felt.lag_ms, loaded.felt.rss_mb
    p50, p99 = percentile(late, 50), percentile(late, 99)
    print(f"{given.calls} calls at once, {lasted:.0f} s: {loaded.complete} complete, {len(loaded.spans)} spans sealed")
    print(f"  arrived {len(loaded.arrived)}, repeats {loaded.repeats}, events lost {loaded.events_lost}")
    print(f"  the loop was late by p50 {p50:.2f}, p99 {p99:.2f}, max {max(late):.1f} ms")
    print(f"  resident memory {rss[0]:.0f} MB at the start, {max(rss):.0f} at most, {rss[-1]:.0f} at the end")
    print(f"  picture: {given.picture}")
    print(f"  dropped {loaded.dropped}, expected 0")
    return int(loaded.dropped > 0)


if __name__ == "__main__":
    sys.exit(main())
