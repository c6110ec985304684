"""Delivered means the destination's own answer (docs/destinations.md); any other is a failure with its cause."""

from __future__ import annotations

import gzip
import itertools
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from medagent.alerts.notice import trial_notice
from medagent.alerts.pagerduty import PagerDuty
from medagent.alerts.post import Post
from medagent.alerts.slack import Slack
from medagent.errors import ExportError, PartlyRefusedError, RefusedError, UnansweredError
from medagent.telemetry.door.answer import GET_LIMIT, POST_LIMIT
from medagent.telemetry.exporters.exporter import Exporter, always_open
from medagent.telemetry.exporters.langsmith import LangSmithExporter
from medagent.telemetry.exporters.otlp import LangfuseExporter, OtlpExporter
from medagent.telemetry.failures import Failure
from scripted_answers import Reply, ScriptedAnswers, reply
from sink import success
from spans import call

pytestmark = pytest.mark.timing  # the server is a thread
JSON, PROTOBUF, HTML, TEXT = "application/json", "application/x-protobuf", "text/html", "text/plain"
PAGE = b"<!DOCTYPE html><html><title>Sign in</title></html>"
SPAN = call()[2]
SECRET = b"Jane Q. Roe"


def exporter_of(name: str, url: str) -> Exporter:
    if name == "langsmith":
        return LangSmithExporter(api_key="lsv2_test", endpoint=url, project="p", gate=always_open)
    if name == "langfuse":
        return LangfuseExporter(public_key="pk", secret_key="sk", base_url=url, gate=always_open)
    return OtlpExporter(url=f"{url}/v1/traces", headers={}, gate=always_open)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How something is sent to a destination, and the path that its success is looked up by."""

    send: Callable[[str], None]
    path: str


def _exports(name: str) -> Callable[[str], None]:
    def send(url: str) -> None:
        exporter = exporter_of(name, url)
        try:
            exporter.export([SPAN])
        finally:
            exporter.close()

    return send


NOTICE = trial_notice(env="dev", at_us=1_767_268_800_000_000)
WAYS = {
    "langsmith": Way(send=_exports("langsmith"), path="/runs/multipart"),
    "otlp": Way(send=_exports("otlp"), path="/v1/traces"),
    "langfuse": Way(send=_exports("langfuse"), path="/api/public/otel/v1/traces"),
    "slack": Way(
        send=lambda url: Slack(
            f"{url}/services/x", channel="#agent-ops", post=Post(name="slack", gate=always_open)
        ).send(NOTICE),
        path="/services/x",
    ),
    "pagerduty": Way(
        send=lambda url: PagerDuty(
            "key", events_url=f"{url}/v2/enqueue", post=Post(name="pagerduty", gate=always_open)
        ).send(NOTICE),
        path="/v2/enqueue",
    ),
}


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedAnswers]:
    with ScriptedAnswers() as running:
        yield running


def meet(server: ScriptedAnswers, name: str, answer: Reply) -> ExportError | None:
    """Send to a destination that answers so; returns the error, None after a delivery."""
    server.reply = answer
    try:
        WAYS[name].send(server.url)
    except ExportError as error:
        return error
    return None


def failed(server: ScriptedAnswers, name: str, answer: Reply) -> str:
    """Return the code under which a failed delivery is stored."""
    error = meet(server, name, answer)
    assert error is not None, f"{name} counts as delivered"
    assert SECRET.decode() not in error.diagnostics()
    return Failure.of(error).stored()


@pytest.mark.parametrize("name", WAYS)
def test_each_destinations_own_success_is_a_delivery(server: ScriptedAnswers, name: str) -> None:
    """The answers with which the tests' servers take requests are the ones that count."""
    assert meet(server, name, reply(*success(WAYS[name].path))) is None


@pytest.mark.parametrize("name", WAYS)
def test_a_web_page_is_a_failure_that_asks_which_service_answers(server: ScriptedAnswers, name: str) -> None:
    """A login page with a success status, under any media type or none, delivers nothing."""
    status, *_ = success(WAYS[name].path)
    for media_type in (HTML, "text/html; charset=utf-8", "application/xhtml+xml", None):
        assert failed(server, name, reply(status, media_type, PAGE)) == f"web_page {status}"
    assert failed(server, name, reply(200, HTML, PAGE)) == "web_page 200"


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("status", [200, 201, 202, 203, 204, 206, 207])
def test_only_one_success_status_counts(server: ScriptedAnswers, name: str, status: int) -> None:
    """The destination's own body under another success status, 204 among them, is a failure."""
    own, media_type, body = success(WAYS[name].path)
    answer = reply(status, media_type, b"" if status == 204 else body)
    if status == own:
        assert meet(server, name, answer) is None
    else:
        shape = "web_page" if media_type.startswith(HTML) else "answer_shape"  # Slack's own type is a page's
        assert failed(server, name, answer) == f"{shape} {status}"


@pytest.mark.parametrize("name", ["langsmith", "otlp", "langfuse", "pagerduty"])
@pytest.mark.parametrize("media_type", [None, "", TEXT, "application/octet-stream", "application/problem+json", "json"])
def test_no_or_another_media_type_is_a_failure(server: ScriptedAnswers, name: str, media_type: str | None) -> None:
    """The right bytes under no Content-Type, or another one, deliver nothing."""
    status, _, body = success(WAYS[name].path)
    assert failed(server, name, reply(status, media_type, body)) == f"answer_shape {status}"


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_failure_and_is_not_followed(server: ScriptedAnswers, name: str, status: int) -> None:
    """One request is made, none to the new address."""
    before = server.requests
    answer = reply(status, *success(WAYS[name].path)[1:], Location=f"{server.url}/elsewhere")
    assert failed(server, name, answer) == f"redirected {status}"
    assert server.requests == before + 1


BAD_JSON = [b"", b"null", b"[]", b'"ok"', b"1", b"{", b'{"a":1}x', b"[" * 60_000, b'{"error":"x"}', b'{"errors":[1]}']


@pytest.mark.parametrize("name", ["langsmith", "otlp", "langfuse", "pagerduty"])
@pytest.mark.parametrize("body", BAD_JSON)
def test_json_that_is_no_object_is_a_failure(server: ScriptedAnswers, name: str, body: bytes) -> None:
    """Neither an empty body, nor another value, nor an object that names an error delivers anything."""
    status, *_ = success(WAYS[name].path)
    assert failed(server, name, reply(status, JSON, body)) == f"answer_shape {status}"


@pytest.mark.parametrize("body", [b"", b"OK!", b"no_service", b"invalid_token", b'{"ok":true}'])
def test_slack_takes_a_message_only_with_the_text_ok(server: ScriptedAnswers, body: bytes) -> None:
    """Any other text with 200 is a failure."""
    assert failed(server, "slack", reply(200, TEXT, body)) == "answer_shape 200"


@pytest.mark.parametrize("body", [b"{}", b'{"status":"invalid event"}', b'{"status":null}'])
def test_pagerduty_takes_an_event_only_with_its_status(server: ScriptedAnswers, body: bytes) -> None:
    """202 with an object that does not say `success` is a failure."""
    assert failed(server, "pagerduty", reply(202, JSON, body)) == "answer_shape 202"


def _own(message: bytes) -> bool:
    """Whether bytes are an `ExportTraceServiceResponse` and nothing else, by writing it again."""
    try:
        read = ExportTraceServiceResponse.FromString(message)
    except Exception:  # noqa: BLE001  # whatever protobuf raises
        return False
    known = ExportTraceServiceResponse()
    if read.HasField("partial_success"):
        known.partial_success.rejected_spans = read.partial_success.rejected_spans
        known.partial_success.error_message = read.partial_success.error_message
    return read == known


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(body=st.binary(min_size=1, max_size=40))
@example(body=b"error")
@example(body=b"8888")
@example(body=b"{}")
def test_bytes_that_are_no_protobuf_message_are_a_failure(server: ScriptedAnswers, body: bytes) -> None:
    """Whatever stands under the media type of protobuf delivers only as an `ExportTraceServiceResponse`."""
    error = meet(server, "otlp", reply(200, PROTOBUF, body))
    if not _own(body):
        assert error is not None
        assert Failure.of(error).stored() in ("answer_shape 200", "web_page 200")


@pytest.mark.parametrize("count", [b"-1", b"true", b"1.5", b'"x"', b"[]", b'"-2"', b"null"])
def test_a_count_of_rejected_spans_that_is_none_is_a_failure(server: ScriptedAnswers, count: bytes) -> None:
    """A partial success whose number cannot be read is no success."""
    body = b'{"partialSuccess":{"rejectedSpans":' + count + b"}}"
    assert failed(server, "otlp", reply(200, JSON, body)) == "answer_shape 200"
    for partial in (b"[1]", b'"x"', b"7"):
        assert failed(server, "otlp", reply(200, JSON, b'{"partialSuccess":' + partial + b"}")) == "answer_shape 200"


def test_rejected_spans_are_a_partial_failure(server: ScriptedAnswers) -> None:
    """The number is kept, the reason is not."""
    body = b'{"partialSuccess":{"rejectedSpans":"1","errorMessage":"' + SECRET + b'"}}'
    error = meet(server, "otlp", reply(200, JSON, body))
    assert isinstance(error, PartlyRefusedError)
    assert (error.rejected, Failure.of(error).stored()) == (1, "spans_rejected 200")
    assert SECRET.decode() not in error.diagnostics()


STATUSES = {
    400: "content_refused",
    401: "key_rejected",
    403: "key_forbidden",
    404: "path_not_found",
    413: "request_too_large",
    415: "media_type_refused",
    418: "unexpected_status",
    422: "content_refused",
    429: "throttled",
    500: "server_error",
    503: "server_error",
}


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("status", STATUSES)
def test_a_status_names_its_cause_and_never_its_body(server: ScriptedAnswers, name: str, status: int) -> None:
    """400, 413 and 422 are about what was sent, all others are not; a page or a bomb in the body changes nothing."""
    for body in (SECRET, PAGE + SECRET, SECRET * 20_000):
        error = meet(server, name, reply(status, HTML, body))
        assert error is not None
        assert Failure.of(error).stored() == f"{STATUSES[status]} {status}"
        assert isinstance(error, RefusedError) is (status in (400, 413, 422))
        assert SECRET.decode() not in error.diagnostics()
        assert error.hint


def test_a_key_of_several_workspaces_names_its_setting(server: ScriptedAnswers) -> None:
    """LangSmith's own code is told from other 403s; each of both remedies names LANGSMITH_WORKSPACE_ID."""
    own = reply(403, JSON, b'{"error":"org_scoped_key_requires_workspace"}')
    for answer, code in ((own, "workspace_missing 403"), (reply(403, JSON, b"{}"), "key_forbidden 403")):
        error = meet(server, "langsmith", answer)
        assert error is not None
        assert (Failure.of(error).stored(), "LANGSMITH_WORKSPACE_ID" in error.hint) == (code, True)


def test_a_conflict_counts_only_as_langsmiths_own(server: ScriptedAnswers) -> None:
    """409 with a JSON object says that the run is there; 409 of a proxy delivers nothing."""
    assert meet(server, "langsmith", reply(409, JSON, b'{"error":"conflict"}')) is None
    assert failed(server, "langsmith", reply(409, HTML, PAGE)) == "unexpected_status 409"


# ---- bounds --------------------------------------------------------------------------------------------------------


def _flood(head: bytes, part: bytes) -> Callable[[], Iterator[bytes]]:
    return lambda: itertools.chain([head], itertools.repeat(part, 4096))


CHUNKED = b"HTTP/1.1 %d X\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n%s\r\n"


@pytest.mark.parametrize("name", WAYS)
@pytest.mark.parametrize("status", [None, 302, 500])
def test_an_endless_answer_is_cut(server: ScriptedAnswers, name: str, status: int | None) -> None:
    """Of 256 MB in chunks the client takes less than one MB beyond what sockets hold; a redirect is no way around."""
    own, media_type, _ = success(WAYS[name].path)
    extra = b"Location: /elsewhere\r\n"
    head = CHUNKED % (status or own, media_type.encode(), extra)
    server.sent = 0
    code = failed(server, name, _flood(head, b"10000\r\n" + b" " * 65536 + b"\r\n"))
    expected = {None: f"answer_too_large {own}", 302: "redirected 302", 500: "server_error 500"}
    assert code == expected[status]
    assert server.sent < 32 * 2**20


def _packed_zeros(encoding: str) -> bytes:
    """Return 1 GiB of zeros as 1 MB, packed as a piece that repeats; no reader comes to the check sum at its end."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31 if encoding == "gzip" else 15)
    zeros = b"\0" * 2**20
    first, again = (packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + again * 1023 + packer.flush()


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("status", [200, 302, 500])
def test_a_bomb_is_not_inflated(server: ScriptedAnswers, encoding: str, status: int) -> None:
    """1 GiB that comes as 1 MB takes less memory than it comes in."""
    packed = _packed_zeros(encoding)
    for body in (packed, packed[: POST_LIMIT - 100]):  # the second is read to its end
        answer = reply(status, PROTOBUF, body, Content_Encoding=encoding, Location="/elsewhere")
        expected = {200: "answer_too_large 200", 302: "redirected 302", 500: "server_error 500"}
        tracemalloc.start()
        try:
            assert failed(server, "otlp", answer) == expected[status]
            assert tracemalloc.get_traced_memory()[1] < 16 * POST_LIMIT
        finally:
            tracemalloc.stop()


def test_an_answer_at_the_limit_is_read_and_one_over_it_is_not(server: ScriptedAnswers) -> None:
    """The limit counts bytes after decompression."""
    for size, code in ((POST_LIMIT, None), (POST_LIMIT + 1, "answer_too_large 200")):
        body = b'{"message":"%s"}' % (b"x" * (size - 14))
        for answer in (reply(200, JSON, body), reply(200, JSON, gzip.compress(body), Content_Encoding="gzip")):
            error = meet(server, "otlp", answer)
            assert (None if error is None else Failure.of(error).stored()) == code


def test_what_cannot_be_decompressed_is_a_failure(server: ScriptedAnswers) -> None:
    """A body that is not what its Content-Encoding says delivers nothing."""
    for encoding in ("gzip", "deflate", "zstd"):
        answer = reply(200, JSON, b"\x01\x02 not compressed", Content_Encoding=encoding)
        assert failed(server, "otlp", answer) == "answer_shape 200"


@pytest.mark.parametrize("name", WAYS)
def test_an_answer_that_is_cut_may_be_a_delivery(server: ScriptedAnswers, name: str) -> None:
    """A success whose body ends early, and bytes that are no HTTP, leave open whether the request was taken."""
    status, media_type, _ = success(WAYS[name].path)
    head = b"HTTP/1.1 %d X\r\nContent-Type: %s\r\nContent-Length: 4096\r\n\r\n{" % (status, media_type.encode())
    cut = meet(server, name, head)
    assert isinstance(cut, UnansweredError)
    assert Failure.of(cut).stored() == "connection_broken"
    garbage = meet(server, name, b"\x00\xff\x13 this is no protocol\r\n\r\n")
    assert isinstance(garbage, UnansweredError)
    assert Failure.of(garbage).stored() == "answer_shape"


# ---- read-backs ----------------------------------------------------------------------------------------------------

SHOWN = {
    "langsmith": b'{"name":"%s"}' % SPAN.name.encode(),
    "langfuse": b'{"traceId":"%s"}' % SPAN.trace_id.replace("-", "").encode(),
}


def ask(server: ScriptedAnswers, name: str, answer: Reply) -> bool | str:
    """Whether a destination that answers so shows the span, or the code of the failure."""
    server.reply = answer
    exporter = exporter_of(name, server.url)
    try:
        return exporter.holds(SPAN)
    except ExportError as error:
        failure = error
    finally:
        exporter.close()
    assert SECRET.decode() not in failure.diagnostics()
    return Failure.of(failure).stored()


@pytest.mark.parametrize("name", SHOWN)
def test_a_read_back_shows_a_span_only_in_the_destinations_own_shape(server: ScriptedAnswers, name: str) -> None:
    """200 and 404 with a JSON object are answers to the question, all others are failures with their cause."""
    cases: list[tuple[bytes, bool | str]] = [
        (reply(200, JSON, SHOWN[name]), True),
        (reply(200, "application/json; charset=utf-8", SHOWN[name]), True),
        (reply(200, JSON, b'{"name":"another","traceId":"another"}'), False),
        (reply(404, JSON, b'{"detail":"not found"}'), False),
        (reply(404, HTML, PAGE), "path_not_found 404"),
        (reply(200, HTML, PAGE), "web_page 200"),
        (reply(200, None, SHOWN[name]), "answer_shape 200"),
        (reply(200, JSON, b"[]"), "answer_shape 200"),
        (reply(202, JSON, SHOWN[name]), "answer_shape 202"),
        (reply(204, JSON, b""), "answer_shape 204"),
        (reply(302, HTML, PAGE, Location=server.url), "redirected 302"),
        (reply(401, JSON, SECRET), "key_rejected 401"),
        (reply(403, JSON, SECRET), "key_forbidden 403"),
        (reply(500, JSON, SECRET), "server_error 500"),
    ]
    for answer, expected in cases:
        assert ask(server, name, answer) == expected


@pytest.mark.parametrize("name", SHOWN)
def test_a_read_back_reads_two_megabytes_at_most(server: ScriptedAnswers, name: str) -> None:
    """A run of 2 MB is read; one byte more, an endless answer and a bomb are cut."""
    filler = b'{"x":"%s",' % (b"x" * (GET_LIMIT - len(SHOWN[name]) - 7))
    whole = filler + SHOWN[name][1:]
    assert len(whole) == GET_LIMIT
    assert ask(server, name, reply(200, JSON, whole)) is True
    assert ask(server, name, reply(200, JSON, whole + b" ")) == "answer_too_large 200"
    bomb = gzip.compress(b" " * 2**26)
    assert ask(server, name, reply(200, JSON, bomb, Content_Encoding="gzip")) == "answer_too_large 200"
    server.sent = 0
    head = CHUNKED % (200, JSON.encode(), b"")
    assert ask(server, name, _flood(head, b"10000\r\n" + b" " * 65536 + b"\r\n")) == "answer_too_large 200"
    assert server.sent < 32 * 2**20
