"""Metrics on a thread of their own: a failure holds back no span and is logged once; the switch stops them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from medagent.errors import DoorError
from medagent.runtime import exports, kill_switch
from medagent.settings import Settings, load_settings
from medagent.telemetry import metrics_worker as module
from medagent.telemetry.door.admission import Admitted
from medagent.telemetry.gates import ExportGate
from medagent.telemetry.metric_totals import Totals
from medagent.telemetry.metrics_worker import MetricsWorker
from medagent.telemetry.outbox import Outbox
from sink import Sink
from spans import call

pytestmark = pytest.mark.timing
WAIT_S = 60
LATER = "6f0c3b1e-0c1d-4f6a-9a55-1f2e3d4c5b6a"


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LOOK_EVERY_S", 0.02)
    monkeypatch.setattr(module, "_FIRST_PAUSE_S", 0.02)
    monkeypatch.setattr(module, "_LONGEST_PAUSE_S", 0.02)


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    with Sink(tmp_path) as running:
        yield running


def configured(tmp_path: Path, sink: Sink) -> Settings:
    home = str(tmp_path / "home")
    return load_settings(MEDAGENT_HOME=home, MEDAGENT_DESTINATIONS="otlp", MEDAGENT_OTLP_ENDPOINT=sink.url)


@pytest.fixture
def start(tmp_path: Path, sink: Sink) -> Iterator[Callable[[], tuple[MetricsWorker, Outbox]]]:
    """Start the worker of a process on the host's outbox, in which a call was delivered."""
    settings, made = configured(tmp_path, sink), list[tuple[MetricsWorker, Outbox]]()

    def worker() -> tuple[MetricsWorker, Outbox]:
        stop = kill_switch.switch(settings)
        found = exports.metrics(settings, ExportGate(stop))
        assert found is not None
        exporter, counter = found
        destinations = exports.exporters(settings)
        box = exports.outbox(settings, destinations, owner=f"o{len(made)}", counters={"otlp": counter})
        made.append((MetricsWorker(exporter, stream=counter.stream, outbox=box, switch=stop), box))
        made[-1][0].start()
        return made[-1]

    yield worker
    for one, box in made:
        one.stop(WAIT_S)
        box.close()


def deliver(box: Outbox, trace_id: str | None = None) -> None:
    """Have a call taken by the collector, as its export worker does."""
    spans = call() if trace_id is None else call(trace_id)
    with box.transaction() as transaction:
        transaction.open_call(spans[0].trace_id, release="released")
        for span in spans:
            transaction.put(Admitted.of(span), final=True)
    box.delivered("otlp", spans)


def until(is_so: Callable[[], object], seconds: float = WAIT_S) -> bool:
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def turns(sink: Sink) -> list[int]:
    """How many agent turns each request told."""
    return [
        sum(point.count for point in metric.histogram.data_points)
        for request in sink.metrics()
        for metric in request.resource_metrics[0].scope_metrics[0].metrics
        if metric.name == "gen_ai.client.operation.duration"
    ]


def test_totals_go_on_where_the_process_before_ended(
    sink: Sink, start: Callable[[], tuple[MetricsWorker, Outbox]]
) -> None:
    """One stream with one start: the second process tells what the first counted too."""
    one, box = start()
    deliver(box)
    one.flush(WAIT_S)
    one.stop(WAIT_S)
    assert turns(sink) == [1]
    two, again = start()
    deliver(again, LATER)
    two.flush(WAIT_S)
    assert turns(sink) == [1, 2]
    first, second = (
        {point.start_time_unix_nano for point in metric.histogram.data_points}
        | {one.value.string_value for one in of_resource.resource.attributes if one.key == "service.instance.id"}
        for request in sink.metrics()
        for of_resource in request.resource_metrics
        for metric in of_resource.scope_metrics[0].metrics
        if metric.name == "gen_ai.client.operation.duration"
    )
    assert first == second


def test_collector_without_metrics_is_logged_once_and_lacks_no_span(
    sink: Sink, start: Callable[[], tuple[MetricsWorker, Outbox]], caplog: pytest.LogCaptureFixture
) -> None:
    """Each further try is silent; the line names the setting; spans are delivered meanwhile."""
    sink.mode(status=404)
    worker, box = start()
    with caplog.at_level(logging.INFO):
        deliver(box)
        assert until(lambda: len(sink.requests()) >= 3)
        deliver(box, LATER)
        assert not box.waits("otlp")
        worker.flush(WAIT_S)  # one try
    lines = [one.getMessage() for one in caplog.records if "metrics" in one.getMessage()]
    assert lines == [
        "metrics to otlp: path not found (HTTP 404); check host and path of MEDAGENT_OTLP_ENDPOINT, "
        "or set MEDAGENT_OTLP_METRICS=0 if this collector takes no metrics"
    ]
    sink.mode()
    assert until(lambda: turns(sink))
    assert turns(sink)[-1] == 2


def test_switch_that_is_off_lets_no_metrics_leave(
    tmp_path: Path, sink: Sink, start: Callable[[], tuple[MetricsWorker, Outbox]]
) -> None:
    """Off before the first request: none is made, and what was counted is sent once it is on again."""
    stop = kill_switch.switch(configured(tmp_path, sink))
    stop.turn_off(reason="drill", by="duty")
    worker, box = start()
    deliver(box)
    worker.flush(WAIT_S)
    assert not until(sink.requests, seconds=1)
    stop.turn_on_without_audit(reason="INC-7 is over", by="duty")
    assert until(lambda: turns(sink))


class Leaking:
    """Stands for an exporter whose request the egress filter refuses."""

    name = "otlp"

    def export(self, totals: Totals) -> None:
        raise DoorError("exit: a data point is not one of the totals")

    def close(self) -> None:
        pass


def test_blocked_request_trips_the_switch(
    tmp_path: Path, sink: Sink, start: Callable[[], tuple[MetricsWorker, Outbox]]
) -> None:
    """A leak at the filter is one, whatever it is of."""
    worker, box = start()
    stream = worker._stream
    worker.stop(WAIT_S)
    deliver(box)
    stop = kill_switch.switch(configured(tmp_path, sink))
    leaking = MetricsWorker(Leaking(), stream=stream, outbox=box, switch=stop)
    leaking.start()
    assert until(lambda: not stop.state().on)
    assert stop.state().reason == "exit to otlp, metrics: exit: a data point is not one of the totals"
    leaking.stop(WAIT_S)
