"""Receipts against a destination's own log: what they tell is what is there, whatever the network does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medagent.errors import MedagentError
from medagent.telemetry.door.admission import Admitted
from medagent.telemetry.door.send_log import Sent
from medagent.telemetry.exporters.archive import Archive
from medagent.telemetry.exporters.exporter import Exporter, always_open
from medagent.telemetry.exporters.langsmith import LangSmithExporter
from medagent.telemetry.exporters.otlp import OtlpExporter
from medagent.telemetry.outbox import Outbox
from medagent.telemetry.shipper import Shipper
from medagent.telemetry.span import SafeSpan
from medagent.telemetry.switch import Switch
from sink import Sink
from spans import call

pytestmark = pytest.mark.timing
Make = Callable[[Sink], Exporter]


def _langsmith(sink: Sink) -> Exporter:
    return LangSmithExporter(api_key="k", endpoint=sink.url, project="medical-voice-agent-dev", gate=always_open)


def _otlp(sink: Sink) -> Exporter:
    return OtlpExporter(url=f"{sink.url}/v1/traces", headers={}, gate=always_open)


@pytest.fixture(scope="module", params=[_langsmith, _otlp])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sink, Make]]:
    with Sink(tmp_path_factory.mktemp("sink")) as sink:
        yield sink, request.param


_modes = st.sampled_from(
    [
        {"status": 202},
        {"status": 202, "conflicts": True},
        {"status": 202, "silent": True},
        {"status": 503},
        {"status": 403},
        {"status": 400},
        {"status": 202, "poison": b"tool.check_availability".hex()},
    ]
)


def _held(sink: Sink, ids: set[str]) -> set[str]:
    """Spans that the destination's own log has."""
    shown = {*sink.runs(), *sink.spans()}
    return {span_id for span_id in ids if span_id in shown or UUID(span_id).hex[:16] in shown}


def _outbox(directory: str, spans: list[SafeSpan], name: str) -> Outbox:
    outbox = Outbox(f"sqlite:///{directory}/outbox.db", destinations=[name], owner="o")
    with outbox.transaction() as transaction:
        transaction.open_call(spans[0].trace_id, release="released")
        for span in spans:
            transaction.put(Admitted.of(span), final=True)
    return outbox


@settings(max_examples=12)
@given(modes=st.lists(_modes, min_size=1, max_size=4), is_purged=st.booleans())
def test_receipts_cover_what_the_destination_holds(
    place: tuple[Sink, Make], modes: list[dict[str, Any]], *, is_purged: bool
) -> None:
    """Delivered spans are there, refused and unsent ones are not, and what is there has a receipt."""
    sink, make = place
    exporter, spans = make(sink), call(str(uuid4()))
    with TemporaryDirectory() as directory:
        outbox = _outbox(directory, spans, exporter.name)
        worker = Shipper(exporter, outbox=outbox, switch=Switch(Path(directory), forced=None, env="dev"))
        for mode in modes:
            sink.mode(**{"status": 202, "conflicts": False, **mode})
            with suppress(MedagentError):
                worker._ship()
        if is_purged:
            outbox.purge(record=lambda _: None)
        receipts = outbox.deliveries_of(spans[0].trace_id).receipts
        outbox.close()
    exporter.close()
    surest: dict[str, Sent] = {}
    for receipt in receipts:
        for span_id in receipt.spans:
            surest[span_id] = max(receipt.outcome, surest.get(span_id, receipt.outcome))
    held = _held(sink, {span.span_id for span in spans})
    delivered = {span_id for span_id, outcome in surest.items() if outcome is Sent.DELIVERED}
    unknown = {span_id for span_id, outcome in surest.items() if outcome is Sent.UNKNOWN}
    assert delivered <= held <= delivered | unknown
    assert all(span.span_id in surest for span in spans), "each was in a request by now"


def test_receipts_of_what_never_left_do_not_exist(tmp_path: Path) -> None:
    """No connection, or the archive of this host: no receipt."""
    spans = call()
    dead = OtlpExporter(url="http://127.0.0.1:9/v1/traces", headers={}, gate=always_open)
    archive = Archive(tmp_path / "archive", gate=always_open)
    for exporter in (dead, archive):
        (tmp_path / exporter.name).mkdir(exist_ok=True)
        outbox = _outbox(str(tmp_path / exporter.name), spans, exporter.name)
        worker = Shipper(exporter, outbox=outbox, switch=Switch(tmp_path, forced=None, env="dev"))
        with suppress(MedagentError):
            worker._ship()
        assert outbox.deliveries_of(spans[0].trace_id).receipts == []
        assert outbox.waits(exporter.name) is (exporter is dead)
        outbox.close()
        exporter.close()
