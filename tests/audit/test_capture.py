"""The capture keeps every byte that comes and counts arrivals from the bytes alone."""

from __future__ import annotations

import urllib.error
import urllib.request

import orjson
import pytest
import zstandard

from medagent.audit.capture import Capture, arrivals, inflated, log_arrivals
from medagent.errors import ExportError
from medagent.telemetry.exporters.exporter import always_open
from medagent.telemetry.exporters.jsonlog import lines_of
from medagent.telemetry.exporters.langsmith import LangSmithExporter
from medagent.telemetry.exporters.otlp import LangfuseExporter, OtlpExporter
from spans import call

pytestmark = pytest.mark.timing

SPANS = call()
IDS = [span.span_id for span in SPANS]


def test_what_real_exporters_send_arrives_whole_and_once() -> None:
    """LangSmith's multipart, a collector's and Langfuse's protobuf: every span is counted from the captured body."""
    with Capture() as capture:
        langsmith = LangSmithExporter(api_key="k", endpoint=capture.url("langsmith"), project="p", gate=always_open)
        otlp = OtlpExporter(url=capture.url("otlp") + "/v1/traces", headers={}, gate=always_open)
        langfuse = LangfuseExporter(public_key="p", secret_key="s", base_url=capture.url("langfuse"), gate=always_open)
        for exporter in (langsmith, otlp, langfuse):
            exporter.export(SPANS)
            exporter.close()
        arrived = arrivals(capture.documents(), IDS)
    assert {name: set(one.seen) for name, one in arrived.items()} == {name: set(IDS) for name in arrived}
    assert [one.repeats for one in arrived.values()] == [0, 0, 0]


def test_a_second_delivery_is_seen() -> None:
    """A span that comes twice is counted twice, and shown where a collector would show it."""
    with Capture() as capture:
        otlp = OtlpExporter(url=capture.url("otlp") + "/v1/traces", headers={}, gate=always_open)
        otlp.export(SPANS)
        otlp.export(SPANS)
        otlp.close()
        one = arrivals(capture.documents(), IDS)["otlp"]
    assert (one.repeats, one.shown) == (len(SPANS), True)


def test_a_line_that_came_twice_is_seen() -> None:
    """Lines are told apart by their ids; one that comes again counts as shown twice."""
    lines = [orjson.dumps(line) for span in SPANS for line in lines_of(span)]
    assert log_arrivals(b"\n".join(lines)).repeats == 0
    assert log_arrivals(b"\n".join([*lines, b"not a line", lines[0]])).repeats == 1


def test_what_is_refused_is_kept_all_the_same() -> None:
    """While destinations refuse, a body still left: it is kept with its moment."""
    with Capture() as capture:
        capture.refuses = True
        otlp = OtlpExporter(url=capture.url("otlp") + "/v1/traces", headers={}, gate=always_open)
        with pytest.raises(ExportError, match="503"):
            otlp.export(SPANS)
        otlp.close()
        bodies = [one for one in capture.documents() if one.path.endswith("body")]
    assert len(bodies) == 1
    assert bodies[0].raw
    assert bodies[0].at > 0


def test_head_and_address_are_kept_too() -> None:
    """A value in the address or in a header is a value that left."""
    with Capture() as capture:
        request = urllib.request.Request(capture.url("nobody") + "/x?q=canary", headers={"X-Also": "canary-2"})
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60)
        everything = b"".join(one.raw for one in capture.documents())
    assert b"canary" in everything
    assert b"canary-2" in everything


def test_only_zstd_is_inflated() -> None:
    """A body of the client's own compression is read as its sender made it, any other as it came."""
    assert inflated(zstandard.compress(b"words")) == b"words"
    assert inflated(b"plain") == b"plain"
