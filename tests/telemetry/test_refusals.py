"""What becomes of a batch that a destination does not take: the bad span is found, the rest goes through."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medagent.errors import OversizedError, PartlyRefusedError, RefusedError
from medagent.telemetry import shipper as module
from medagent.telemetry.door.admission import Admitted
from medagent.telemetry.exporters.exporter import Exporter, always_open, failure, pause_asked_s
from medagent.telemetry.exporters.langsmith import LangSmithExporter
from medagent.telemetry.exporters.otlp import OtlpExporter
from medagent.telemetry.failures import FailureCause
from medagent.telemetry.outbox import Outbox
from medagent.telemetry.shipper import Shipper
from medagent.telemetry.span import SafeSpan
from medagent.telemetry.switch import Switch
from sink import Sink
from spans import alone, call

pytestmark = pytest.mark.timing

TRACE = "5f0c3b1e-0c1d-4f6a-9a55-1f2e3d4c5b6a"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(module, "_LONGEST_PAUSE_S", 0.2)
    monkeypatch.setattr(module, "_LOOK_EVERY_S", 0.05)


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    with Sink(tmp_path) as running:
        yield running


@pytest.fixture
def switch(tmp_path: Path) -> Switch:
    return Switch(tmp_path, forced=None, env="dev")


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    outbox = Outbox(f"sqlite:///{tmp_path / 'outbox.db'}", destinations=["langsmith", "otlp", "mapped"], owner="o")
    yield outbox
    outbox.close()


@pytest.fixture
def ship(outbox: Outbox, switch: Switch) -> Iterator[Callable[[Exporter], Shipper]]:
    made: list[Shipper] = []

    def start(exporter: Exporter) -> Shipper:
        made.append(Shipper(exporter, outbox=outbox, switch=switch))
        made[-1].start()
        return made[-1]

    yield start
    for shipper in made:
        shipper.stop(60)


def exporter_of(name: str, url: str) -> Exporter:
    if name == "langsmith":
        return LangSmithExporter(api_key="lsv2_test", endpoint=url, project="medical-voice-agent-dev", gate=always_open)
    return OtlpExporter(url=f"{url}/v1/traces", headers={}, gate=always_open)


def fill(outbox: Outbox, count: int = 40, *, trace_id: str = TRACE, destination: str = "langsmith") -> list[SafeSpan]:
    like = call(trace_id)[2]
    spans = [alone(like, span_id=str(uuid5(UUID(trace_id), str(number)))) for number in range(count)]
    with outbox.transaction() as transaction:
        transaction.open_call(trace_id, release="released")
        for span in spans:
            transaction.put(Admitted.of(span), final=True)
    return outbox.due(destination, 1000)


def on_the_wire(name: str, span: SafeSpan) -> bytes:
    return span.span_id.encode() if name == "langsmith" else UUID(span.span_id).bytes[:8]


def held(name: str, sink: Sink) -> Counter[str]:
    """How often each span arrived in a request that was taken, by the first 16 digits of its id."""
    if name == "langsmith":
        bodies = [r.body for r in sink.requests() if r.answered == 202]
        return Counter(
            i.decode().replace("-", "")[:16] for b in bodies for i in re.findall(rb'"post\.([0-9a-f-]{36})"', b)
        )
    every = [s for t in sink.traces() for r in t.resource_spans for o in r.scope_spans for s in o.spans]
    return Counter(span.span_id.hex() for span in every)


def short(span: SafeSpan) -> str:
    return span.span_id.replace("-", "")[:16]


@pytest.mark.parametrize("name", ["langsmith", "otlp"])
def test_the_one_bad_span_is_set_aside_and_the_rest_arrives_once(
    name: str, outbox: Outbox, sink: Sink, ship: Callable[[Exporter], Shipper], caplog: pytest.LogCaptureFixture
) -> None:
    """A 400 splits the batch until the culprit is alone; it is named by id and name, and no other arrives twice."""
    spans = fill(outbox)
    bad = spans[17]
    sink.mode(poison=on_the_wire(name, bad).hex())
    shipper = ship(exporter_of(name, sink.url))
    assert shipper.flush(30)
    status = outbox.status()
    assert status.set_aside == {name: 1}
    assert [(one.span_id, one.error) for one in status.set_aside_spans] == [(bad.span_id, "content_refused 400")]
    assert held(name, sink) == Counter(short(span) for span in spans if span is not bad)
    assert len(sink.requests()) < 20
    assert f"{name}: span {bad.span_id} ({bad.name}) is set aside: content refused (HTTP 400)" in caplog.text
    sink.mode()
    assert outbox.offer_again(name) == 1
    shipper.wake()
    assert shipper.flush(30)
    assert held(name, sink)[short(bad)] == 1
    assert outbox.status().set_aside == {}


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_destination_that_refuses_everything_loses_nothing(
    status: int, outbox: Outbox, sink: Sink, ship: Callable[[Exporter], Shipper], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no span is taken none is at fault: all stays due, it is not hammered, and later all arrives once."""
    monkeypatch.setattr(module, "_LONGEST_PAUSE_S", 60.0)
    monkeypatch.setattr(module, "_FIRST_PAUSE_S", 1.0)
    spans = fill(outbox, 100)
    sink.mode(status=status)
    shipper = ship(exporter_of("otlp", sink.url))
    deadline = time.monotonic() + 30
    while not outbox.status().last_errors:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert (outbox.status().due["otlp"], outbox.status().set_aside) == (100, {})
    assert len(sink.requests()) <= 32
    sink.mode()
    assert shipper.flush(30)
    assert held("otlp", sink) == Counter(short(span) for span in spans)


class Counting:
    """A destination that decides for each request; counts the spans of each."""

    name, region, retention_days = "otlp", "here", None

    def __init__(self, check: Callable[[Sequence[SafeSpan]], None]) -> None:
        self.check = check
        self.sizes: list[int] = []
        self.taken: list[SafeSpan] = []

    def export(self, batch: Sequence[SafeSpan]) -> None:
        self.sizes.append(len(batch))
        self.check(batch)
        self.taken += batch

    def holds(self, span: SafeSpan) -> bool:
        return span in self.taken

    def close(self) -> None:
        pass


def refuse(batch: Sequence[SafeSpan]) -> None:
    raise RefusedError("refused", status=400)


def reject(batch: Sequence[SafeSpan]) -> None:
    raise PartlyRefusedError("rejected", rejected=len(batch), status=200, cause=FailureCause.SPANS_REJECTED)


def rounds(outbox: Outbox, switch: Switch, destination: Counting, count: int) -> list[float]:
    """Let a new shipper, as of another process, make so many rounds; returns its pauses."""
    shipper = Shipper(destination, outbox=outbox, switch=switch)
    pauses = []
    for _ in range(count):
        with pytest.raises(RefusedError):
            shipper._ship()
        shipper._pause()
        pauses.append(shipper._pause_s)
    return pauses


@pytest.mark.parametrize("check", [refuse, reject])
def test_a_destination_that_refuses_everything_gets_one_span_a_round(
    check: Callable[[Sequence[SafeSpan]], None], outbox: Outbox, switch: Switch
) -> None:
    """After a first round of splitting each round is one request of one span, across processes; nothing is lost."""
    spans = fill(outbox, 250)
    destination = Counting(check)
    pauses = rounds(outbox, switch, destination, 6)
    first = len(destination.sizes) - 5
    assert first <= 32
    assert destination.sizes[first:] == [1] * 5
    assert pauses == sorted(pauses)
    after = rounds(outbox, switch, destination, 4)
    assert destination.sizes[first + 5 :] == [1] * 4
    assert after[0] >= pauses[-1]
    assert (outbox.status().due["otlp"], outbox.status().set_aside) == (250, {})
    destination.check = lambda _batch: None
    shipper = Shipper(destination, outbox=outbox, switch=switch)
    while shipper._ship():
        pass
    assert sorted(s.span_id for s in destination.taken) == sorted(s.span_id for s in spans)
    assert outbox.refused_rounds("otlp") == 0
    assert not outbox.waits("otlp")


def test_a_bad_span_that_waits_alone_keeps_no_other(outbox: Outbox, switch: Switch) -> None:
    """A lone span that is refused again and again is set aside as soon as another one comes, in one round."""
    [bad] = fill(outbox, 1)
    destination = Counting(lambda batch: refuse(batch) if bad in batch else None)
    rounds(outbox, switch, destination, 3)
    assert outbox.status().set_aside == {}
    good = fill(outbox, 30, trace_id="5f0c3b1e-0c1d-4f6a-9a55-1f2e3d4c5b6b")
    Shipper(destination, outbox=outbox, switch=switch)._ship()
    assert outbox.status().set_aside == {"otlp": 1}
    assert len(destination.taken) == len(good) - 1
    assert not outbox.waits("otlp")


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bad=st.sets(st.integers(0, 19), max_size=19), is_partial=st.booleans())
def test_exactly_the_bad_spans_are_set_aside(bad: set[int], is_partial: bool, tmp_path_factory: Any) -> None:
    """Whichever spans a destination does not take, by refusal or by partial success, all others are delivered."""
    directory = tmp_path_factory.mktemp("outbox")
    outbox = Outbox(f"sqlite:///{directory / 'outbox.db'}", destinations=["otlp"], owner="o")
    spans = fill(outbox, 20, destination="otlp")
    ids = {spans[number].span_id for number in bad}
    got: set[str] = set()

    def check(batch: Sequence[SafeSpan]) -> None:
        found = [span for span in batch if span.span_id in ids]
        if found and is_partial:
            got.update(span.span_id for span in batch if span.span_id not in ids)
            raise PartlyRefusedError("some", rejected=len(found), status=200, cause=FailureCause.SPANS_REJECTED)
        if found:
            raise RefusedError("refused", status=400)
        got.update(span.span_id for span in batch)

    shipper = Shipper(Counting(check), outbox=outbox, switch=Switch(directory, forced=None, env="dev"))
    for _ in range(40):
        with suppress(RefusedError):
            shipper._ship()
        if not outbox.waits("otlp"):
            break
    assert {one.span_id for one in outbox.status().set_aside_spans} == ids
    assert got == {span.span_id for span in spans} - ids
    outbox.close()


def test_a_body_that_is_too_large_is_sent_in_parts(
    outbox: Outbox, sink: Sink, ship: Callable[[Exporter], Shipper]
) -> None:
    """A 413 is no fault of a span: the halves fit."""
    spans = fill(outbox)
    sink.mode(largest=20_000)
    assert ship(exporter_of("otlp", sink.url)).flush(30)
    assert held("otlp", sink) == Counter(short(span) for span in spans)
    assert outbox.status().set_aside == {}


class Mapped:
    """A destination whose mapping or door fails on some batches."""

    name, region, retention_days = "mapped", "here", None

    def __init__(self, check: Callable[[Sequence[SafeSpan]], None]) -> None:
        self._check = check
        self.taken: list[SafeSpan] = []

    def export(self, batch: Sequence[SafeSpan]) -> None:
        self._check(batch)
        self.taken += batch

    def holds(self, span: SafeSpan) -> bool:
        return span in self.taken

    def close(self) -> None:
        pass


def test_a_span_that_cannot_be_mapped_is_set_aside(outbox: Outbox, ship: Callable[[Exporter], Shipper]) -> None:
    """A `ValueError` of one span holds no other; its message is not kept."""
    spans = fill(outbox)

    def check(batch: Sequence[SafeSpan]) -> None:
        if spans[3] in batch:
            raise ValueError("Jane Doe")

    destination = Mapped(check)
    assert ship(destination).flush(60)
    assert {s.span_id for s in destination.taken} == {s.span_id for s in spans} - {spans[3].span_id}
    assert [one.error for one in outbox.status().set_aside_spans] == ["span_not_mapped"]


def test_what_is_too_large_for_the_door_is_split_before_it_trips(
    outbox: Outbox, switch: Switch, ship: Callable[[Exporter], Shipper]
) -> None:
    """A batch over the envelope's bytes is no leak; one span over them is a body that is not what was admitted."""
    spans = fill(outbox)
    largest = [10]

    def check(batch: Sequence[SafeSpan]) -> None:
        if len(batch) > largest[0]:
            raise OversizedError("exit: the body is larger than its destination takes")

    destination = Mapped(check)
    shipper = ship(destination)
    assert shipper.flush(60)
    assert len(destination.taken) == len(spans)
    assert switch.is_on()
    largest[0] = 0
    other = Mapped(check)
    other.name = "otlp"
    ship(other)
    deadline = time.monotonic() + 60
    while switch.is_on():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert other.taken == []


@pytest.mark.parametrize("status", [429, 503])
def test_a_retry_after_is_honoured_by_every_process(
    status: int, outbox: Outbox, sink: Sink, ship: Callable[[Exporter], Shipper], tmp_path: Path
) -> None:
    """Nothing is sent before the destination asked for it, by us or by another; then all is."""
    spans = fill(outbox)
    sink.mode(status=status, retry_after=2)
    shipper = ship(exporter_of("otlp", sink.url))
    deadline = time.monotonic() + 60
    while not outbox.status().paused_s:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    asked_at = time.monotonic()
    sink.mode()
    other = Outbox(f"sqlite:///{tmp_path / 'outbox.db'}", destinations=["otlp"], owner="other")
    assert other.lease("otlp", 10) == []
    assert shipper.flush(30)
    assert time.monotonic() - asked_at > 1.5
    assert [request.answered for request in sink.requests()] == [status, 200]
    assert held("otlp", sink) == Counter(short(span) for span in spans)
    other.close()


def test_a_pause_is_a_number_or_a_date_and_at_most_an_hour() -> None:
    """What is neither asks for nothing; a date that is past for no pause."""
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    past = format_datetime(datetime.now(UTC) - timedelta(days=1), usegmt=True)
    assert 80 < (pause_asked_s(soon) or 0) <= 90
    for header, seconds in {"60": 60.0, " 7 ": 7.0, "0": 0.0, "9" * 400: 3600.0, past: 0.0}.items():
        assert pause_asked_s(header) == seconds
    for header in (None, "", "soon", "-1", "1.5", "²", "Mon, 99 Foo 2026 99:99:99 GMT"):
        assert pause_asked_s(header) is None


@pytest.mark.parametrize(("status", "is_refusal"), [(400, True), (413, True), (422, True), (401, False), (403, False)])
def test_only_answers_about_the_content_are_refusals(status: int, is_refusal: bool) -> None:
    """A key, an address or a moment is no span's fault."""
    error = failure("otlp", status, "9")
    assert isinstance(error, RefusedError) is is_refusal
    assert error.status == status
    for later in (404, 408, 409, 429, 500, 502, 503):
        assert failure("otlp", later, "9").retry_after_s == 9.0
        assert not isinstance(failure("otlp", later), RefusedError)
