"""Totals for metrics: each span once, whatever is delivered twice; one sender at a time; a failure holds no span."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from medagent.telemetry.door.admission import Admitted
from medagent.telemetry.metric_totals import Amount, Amounts, Series, SpanCounter
from medagent.telemetry.outbox import Outbox, totals
from medagent.telemetry.span import SafeSpan
from outboxes import MakeOutbox
from spans import call

pytestmark = pytest.mark.timing

STREAM = "otlp ab12"
SPANS = call()


def series(name: str) -> Series:
    return Series(instrument="spans", env="dev", attributes=(("name", name),))


def by_name(spans: Sequence[SafeSpan]) -> Amounts:
    """Count spans by name, each with its length in seconds."""
    counted = Counter(span.name for span in spans)
    return {(series(name), 0): Amount(count=count, sum=count * 0.25) for name, count in counted.items()}


COUNTERS = {"elsewhere": SpanCounter(stream=STREAM, count=by_name)}


def filled(outbox: Outbox, spans: Sequence[SafeSpan] = SPANS) -> None:
    with outbox.transaction() as transaction:
        transaction.open_call(spans[0].trace_id, release="released")
        for span in spans:
            transaction.put(Admitted.of(span), final=True)


def counts(outbox: Outbox) -> dict[str, tuple[int, float]]:
    """The totals by name of the span; claimed and given back."""
    found = outbox.claim_totals(STREAM, at_once=True)
    assert found is not None
    outbox.release_totals(STREAM)
    return {dict(one.series.attributes)["name"]: (one.count, one.sum) for one in found.totals}


def test_span_counts_once_however_often_it_is_delivered(make_outbox: MakeOutbox) -> None:
    """By a worker that repeats, by another process, after a restart; a set-aside span counts when it is taken."""
    first = make_outbox("one", destinations=("elsewhere",), counters=COUNTERS)
    filled(first)
    first.set_aside("elsewhere", SPANS[:1], error="content_refused 400")
    first.delivered("elsewhere", SPANS[1:4])
    first.delivered("elsewhere", SPANS[1:4])  # as after a crash between the answer and the commit
    other = make_outbox("two", destinations=("elsewhere",), counters=COUNTERS)
    other.delivered("elsewhere", SPANS[2:])
    once = {span.name: (1, 0.25) for span in SPANS[1:]}
    assert counts(other) == once
    other.offer_again("elsewhere")
    other.delivered("elsewhere", SPANS[:1])
    assert counts(first) == once | {SPANS[0].name: (1, 0.25)}


def test_totals_outlive_the_spans_and_the_process(make_outbox: MakeOutbox) -> None:
    """Start time and id of a stream stay, versions go up; another destination's spans do not count."""
    outbox = make_outbox("one", destinations=("elsewhere", "archive"), counters=COUNTERS)
    filled(outbox)
    outbox.delivered("archive", SPANS)
    assert outbox.claim_totals(STREAM, at_once=True) is None
    outbox.delivered("elsewhere", SPANS[:2])
    before = outbox.claim_totals(STREAM)
    assert before is not None
    outbox.totals_sent(STREAM, before.version)
    outbox.close()
    again = make_outbox("two", destinations=("elsewhere", "archive"), counters=COUNTERS)
    assert not again.has_unsent_totals(STREAM)
    again.delivered("elsewhere", SPANS[2:])
    assert again.has_unsent_totals(STREAM)
    after = again.claim_totals(STREAM, at_once=True)
    assert after is not None
    assert (after.instance_id, after.started_ms) == (before.instance_id, before.started_ms)
    assert after.version > before.version
    assert sum(one.count for one in after.totals) == len(SPANS)


def test_one_process_at_a_time_sends_and_not_too_often(
    make_outbox: MakeOutbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lease ends by itself; after a request changes wait 5 s, and without a change a minute."""
    now = [1_767_225_600_000]
    monkeypatch.setattr(totals, "now_ms", lambda _connection: now[0])
    one, two = (make_outbox(name, destinations=("elsewhere",), counters=COUNTERS) for name in ("one", "two"))
    filled(one)
    one.delivered("elsewhere", SPANS[:3])
    held = one.claim_totals(STREAM)
    assert held is not None
    assert two.claim_totals(STREAM, at_once=True) is None
    now[0] += totals.LEASE_MS + 1
    assert two.claim_totals(STREAM) is not None  # the first died
    two.totals_sent(STREAM, held.version)
    two.delivered("elsewhere", SPANS[3:])
    assert two.claim_totals(STREAM) is None
    now[0] += totals.SEND_EVERY_MS
    changed = two.claim_totals(STREAM)
    assert changed is not None
    two.totals_sent(STREAM, changed.version)
    now[0] += totals.REPEAT_EVERY_MS - 1
    assert one.claim_totals(STREAM, at_once=True) is None
    now[0] += 1
    assert one.claim_totals(STREAM) is not None
    one.release_totals(STREAM)
    now[0] -= 10 * totals.REPEAT_EVERY_MS  # the clock goes back
    assert one.claim_totals(STREAM) is not None


def _raises(_spans: Sequence[SafeSpan]) -> Amounts:
    raise ValueError("Jane Q. Roe")


def _too_long(_spans: Sequence[SafeSpan]) -> Amounts:
    return {(Series(instrument="x" * 5000, env="dev", attributes=()), 0): Amount(count=2**70, sum=0.0)}


@pytest.mark.parametrize("count", [_raises, _too_long], ids=["the counter raises", "the database refuses"])
def test_counting_that_fails_holds_back_no_span(
    make_outbox: MakeOutbox, caplog: pytest.LogCaptureFixture, count: object
) -> None:
    """The spans are off the list, with their receipts; the log names the class and nothing else."""
    counters = {"elsewhere": SpanCounter(stream=STREAM, count=count)}  # type: ignore[arg-type]
    outbox = make_outbox("one", destinations=("elsewhere",), counters=counters)
    filled(outbox)
    with caplog.at_level(logging.ERROR):
        outbox.delivered("elsewhere", SPANS)
    assert not outbox.waits("elsewhere")
    assert outbox.deliveries_of(SPANS[0].trace_id).receipts
    [line] = [one.getMessage() for one in caplog.records]
    assert line.startswith(f"metrics: {len(SPANS)} spans were delivered and not counted (")
    assert "Jane" not in caplog.text
    assert outbox.claim_totals(STREAM, at_once=True) is None


def test_stored_series_that_is_none_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A row that somebody wrote by hand is named in no line and sent nowhere."""
    path = tmp_path / "outbox.db"
    outbox = Outbox(path, destinations=("elsewhere",), owner="o", counters=COUNTERS)
    filled(outbox)
    outbox.delivered("elsewhere", SPANS)
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        for text in ('["Jane Q. Roe"', '[1,"dev",[]]', '["a","dev",[["k",4155550137]]]'):
            row = {"stream": STREAM, "series": text, "bucket": 0, "count": 1, "sum": 1.0}
            connection.execute(sa.insert(totals.metric_totals).values(row))
    engine.dispose()
    assert set(counts(outbox)) == {span.name for span in SPANS}
    assert caplog.text.count("a stored series cannot be read") == 3
    assert "Jane" not in caplog.text
    outbox.close()


@settings(max_examples=10)
@given(parts=st.lists(st.lists(st.integers(0, len(SPANS) - 1), min_size=1, max_size=4), max_size=8))
def test_totals_are_those_of_the_spans_that_were_taken(
    tmp_path_factory: pytest.TempPathFactory, parts: list[list[int]]
) -> None:
    """Whatever batches overlap or come again, a total is the number of different spans that were delivered."""
    outbox = Outbox(tmp_path_factory.mktemp("o") / "o.db", destinations=("elsewhere",), owner="o", counters=COUNTERS)
    filled(outbox)
    for part in parts:
        outbox.delivered("elsewhere", [SPANS[number] for number in dict.fromkeys(part)])
    taken = Counter(SPANS[number].name for number in {number for part in parts for number in part})
    found = outbox.claim_totals(STREAM, at_once=True)
    told = {} if found is None else {dict(one.series.attributes)["name"]: one.count for one in found.totals}
    assert told == dict(taken)
    outbox.close()


@given(
    instrument=st.text(max_size=20),
    env=st.text(max_size=8),
    attributes=st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=4),
)
def test_series_reads_back_what_it_wrote(instrument: str, env: str, attributes: dict[str, str]) -> None:
    """The stored text is the series."""
    made = Series(instrument=instrument, env=env, attributes=tuple(sorted(attributes.items())))
    assert Series.read(made.text()) == made
