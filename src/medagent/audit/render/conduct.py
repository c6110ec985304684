"""How telemetry behaves while it watches: its cost, what it loses, its alarms, its switch, its integrity."""

from __future__ import annotations

from collections.abc import Iterator

from medagent.attestation.report import Report, Spread
from medagent.attestation.signed import Signed
from medagent.audit.render import charts
from medagent.audit.render.document import Block, Cell, Column, Facts, Figure, Paragraph, Table
from medagent.audit.render.wording import amount, cell, code, count, many, moment, percent, yes, zero


def latency(report: Report, signed: Signed) -> Iterator[Block]:
    """What telemetry costs a call, and how fast the line answered."""
    del signed
    it = report.latency
    if not it.judged:
        yield Paragraph(text="Measured and not judged: a rehearsal does not run in real time.", tone="quiet")
    yield Table(
        caption="Cost of one operation in the call, delay of the call's loop, and the wait for an answer",
        columns=(
            Column(title="Measure", weight=3),
            Column(title="Count", numeric=True),
            Column(title="p50", numeric=True),
            Column(title="p95", numeric=True),
            Column(title="p99", numeric=True),
            Column(title="Greatest", weight=1.1, numeric=True),
        ),
        rows=(
            _spread("Overhead, time of the thread", it.thread_us, "µs"),
            _spread("Overhead, time on the wall", it.wall_us, "µs"),
            _spread("Delay of the call's loop", it.loop_lag_ms, "ms"),
            _spread("TTFT-A, from the end of speech to the first sound", it.ttft_ms, "ms"),
        ),
    )
    if any(n for _, n in it.thread_histogram):
        over_1, over_5 = (sum(n for upper, n in it.thread_histogram if upper > limit) for limit in (1_000, 5_000))
        yield Figure(
            caption="Overhead of every operation, logarithmic",
            alt=f"Histogram of {count(it.thread_us.count)} operations: p50 {amount(it.thread_us.p50, 'µs')}, p99 "
            f"{amount(it.thread_us.p99, 'µs')}; {count(over_1)} over 1 ms, {count(over_5)} over 5 ms",
            svg=charts.overhead(it),
        )
    calls = [call for call in it.ttft_by_call if call]
    if calls:
        said = "; ".join(
            f"call {number} {amount(charts.quartiles(call)[1])}"
            for number, call in enumerate(it.ttft_by_call, start=1)
            if call
        )
        yield Figure(
            caption="TTFT-A of every turn by call; the upright stroke is the call's median",
            alt=f"TTFT-A by call, medians in milliseconds: {said}",
            svg=charts.answers(it),
        )


def delivery(report: Report, signed: Signed) -> Iterator[Block]:
    """What was accepted, and what arrived."""
    del signed
    it = report.delivery
    yield Facts(
        pairs=(
            ("Events", cell(it.events)),
            ("Events lost", zero(it.events_lost)),
            ("Spans accepted", cell(it.spans_accepted)),
            ("Drop rate", cell(percent(it.drop_rate))),
            ("Visible duplicates", zero(it.duplicates_visible)),
        )
    )
    yield Table(
        caption="What arrived, counted at the capture itself",
        columns=(Column(title="Destination", weight=3), Column(title="Arrived", numeric=True)),
        rows=tuple((cell(name), cell(n)) for name, n in sorted(it.arrived.items())),
    )


def alerts(report: Report, signed: Signed) -> Iterator[Block]:
    """Each alert made to fire and to clear."""
    del signed
    yield Paragraph(
        text="Bad calls were put into an archive of the drill's own. Then the clock that the alerts go by was moved on "
        "until their windows had passed, since nobody waits for those: “cleared” is that clock's time."
    )
    yield Table(
        caption="Alerts made to fire and to clear",
        columns=(
            Column(title="Alert", weight=2),
            Column(title="Fired", weight=2),
            Column(title="Cleared", weight=2),
            Column(title="Messages", numeric=True),
        ),
        rows=tuple((cell(a.name), _when(a.fired_at), _when(a.cleared_at), cell(a.messages)) for a in report.alerts),
    )


def switch(report: Report, signed: Signed) -> Iterator[Block]:
    """The switch thrown in the middle of a call."""
    del signed
    it = report.switch
    yield Facts(
        pairs=(
            ("Thrown", cell(moment(it.thrown_at))),
            ("In effect after", cell(amount(it.effective_after_ms, "ms"))),
            ("The call went on", yes(it.call_went_on)),
            ("The ledger recorded it", yes(it.recorded)),
        )
    )
    yield Table(
        caption="Bytes that left after it took effect",
        columns=(Column(title="Destination", weight=3), Column(title="Bytes", numeric=True)),
        rows=tuple((cell(name), zero(n)) for name, n in sorted(it.bytes_after.items())),
    )
    if it.rounds:
        yield Table(
            caption="The switch thrown while a destination refuses batches and takes a second for each span alone",
            columns=(
                Column(title="Destination", weight=3),
                Column(title="Answer to batches", numeric=True),
                Column(title="Requests before", numeric=True),
                Column(title="Requests after", numeric=True),
                Column(title="Bytes after", numeric=True),
            ),
            rows=tuple(
                (
                    cell(one.destination),
                    cell(one.status),
                    cell(one.requests_before) if one.in_the_middle else cell(one.requests_before, "bad"),
                    zero(one.requests_after),
                    zero(one.bytes_after),
                )
                for one in it.rounds
            ),
        )


def integrity(report: Report, signed: Signed) -> Iterator[Block]:
    """Chains and ledger verified, and copies tampered with."""
    del signed
    it = report.integrity
    yield Facts(
        pairs=(
            (
                "Chains verified",
                yes(it.chains_verified == it.calls, *(f"{count(it.chains_verified)} of {many(it.calls, 'call')}",) * 2),
            ),
            ("Ledger", cell(many(it.ledger_entries, "entry", "entries"))),
            ("Head of the ledger", code(it.ledger_head or "none")),
        )
    )
    yield Table(
        caption="Copies that were tampered with",
        columns=(Column(title="What was done to the copy", weight=4), Column(title="Found out")),
        rows=tuple((cell(t.what), yes(t.rejected, "rejected", "ACCEPTED")) for t in it.tampered),
    )


def _spread(name: str, spread: Spread, unit: str) -> tuple[Cell, ...]:
    figures = (spread.p50, spread.p95, spread.p99, spread.max)
    nothing = spread.count == 0
    return (
        cell(name),
        cell(spread.count),
        *(cell("–" if nothing else amount(figure, unit)) for figure in figures),
    )


def _when(at: str | None) -> Cell:
    return cell("never", "bad") if at is None else cell(moment(at))
