"""Requests of the real client, sabotaged in every way that came to mind: none of them may reach the destination."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
import requests
import zstandard
from hypothesis import assume, example, given
from hypothesis import strategies as st
from langsmith import Client
from urllib3.util import Retry

from medagent.errors import DoorError
from medagent.telemetry.door.exit import Exit, ExitSession
from medagent.telemetry.exporters.exporter import Envelope, always_open
from medagent.telemetry.exporters.langsmith import envelope, make_client, run_of
from medagent.telemetry.span import SafeSpan
from sink import Sink
from spans import call, safe_spans

KEY, PROJECT = "lsv2_test", "medical-voice-agent-dev"
NAME = "Jane Q. Roe"
PLAN = call()
TURN, TOOL = PLAN[2], PLAN[3]

Sabotage = Callable[[requests.PreparedRequest], None]
Run = dict[str, dict[str, Any]]


class Saboteur(ExitSession):
    """The real session, with somebody between the client and the exit."""

    def __init__(self, sealed: Envelope, sabotage: Sabotage) -> None:
        super().__init__(sealed, gate=always_open)
        self._sabotage = sabotage

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        self._sabotage(request)
        return super().send(request, **options)


class Captured(ExitSession):
    """Keeps what the client made instead of sending it."""

    def __init__(self, sealed: Envelope) -> None:
        super().__init__(sealed, gate=always_open)
        self.made = requests.PreparedRequest()

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        self.made = request
        self._outcomes.append(202)
        answer = requests.Response()
        answer.status_code = 202
        return answer


ENVELOPE = envelope(api_key=KEY, endpoint="http://127.0.0.1:9", project=PROJECT)


@pytest.fixture(scope="module")
def sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sink]:
    with Sink(tmp_path_factory.mktemp("sink")) as sink:
        yield sink


def _ingest(session: ExitSession, endpoint: str, batch: list[SafeSpan]) -> int:
    client = make_client(session, api_key=KEY, endpoint=endpoint)
    runs = [run_of(span, PROJECT) for span in batch]
    try:
        return session.deliver(batch, lambda: client.multipart_ingest(create=runs))
    finally:
        client.close(timeout=0)


def _attempt(sink: Sink, sabotage: Sabotage) -> int:
    sealed = envelope(api_key=KEY, endpoint=sink.url, project=PROJECT)
    return _ingest(Saboteur(sealed, sabotage), sink.url, PLAN)


def _parts(body: bytes, boundary: bytes) -> list[tuple[str, Any]]:
    found = []
    for part in body.split(b"--" + boundary)[1:-1]:
        head, _, data = part.partition(b"\r\n\r\n")
        found.append((head.split(b'"')[1].decode(), orjson.loads(data)))
    return found


def _body(parts: list[tuple[str, Any]], boundary: bytes) -> bytes:
    body = b""
    for name, value in parts:
        data = orjson.dumps(value)
        body += b'--%b\r\nContent-Disposition: form-data; name="%b"\r\n' % (boundary, name.encode())
        body += b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b\r\n" % (len(data), data)
    return body + b"--" + boundary + b"--\r\n"


def _boundary(request: requests.PreparedRequest) -> bytes:
    return request.headers["Content-Type"].partition("boundary=")[2].encode()


def _replace(request: requests.PreparedRequest, body: bytes) -> None:
    request.body = body
    request.headers["Content-Length"] = str(len(body))


def in_parts(change: Callable[[dict[str, Any]], None]) -> Sabotage:
    """Change the body's parts, by their names, and write it again as a careful liar would: lengths and all."""

    def sabotage(request: requests.PreparedRequest) -> None:
        assert isinstance(request.body, bytes)
        parts = dict(_parts(request.body, _boundary(request)))
        change(parts)
        _replace(request, _body(list(parts.items()), _boundary(request)))

    return sabotage


def in_body(change: Callable[[bytes], bytes]) -> Sabotage:
    def sabotage(request: requests.PreparedRequest) -> None:
        assert isinstance(request.body, bytes)
        _replace(request, change(request.body))

    return sabotage


def in_data(old: bytes, new: bytes) -> Sabotage:
    """Change the bytes of one part's JSON, its length with them."""

    def change(body: bytes) -> bytes:
        head, data, rest = body.partition(old)
        assert data
        before, mark, length = head.rpartition(b"Content-Length: ")
        size, end, start = length.partition(b"\r\n\r\n")
        return before + mark + b"%d" % (int(size) + len(new) - len(old)) + end + start + new + rest

    return in_body(change)


def in_header(name: str, value: str) -> Sabotage:
    return lambda request: request.headers.__setitem__(name, value)


def in_url(change: Callable[[str], str]) -> Sabotage:
    def sabotage(request: requests.PreparedRequest) -> None:
        request.url = change(str(request.url))

    return sabotage


def metadata(parts: dict[str, Any], span: SafeSpan = TURN) -> dict[str, Any]:
    held: dict[str, Any] = parts[f"post.{span.span_id}.extra"]["metadata"]
    return held


def main(parts: dict[str, Any], span: SafeSpan = TURN) -> dict[str, Any]:
    held: dict[str, Any] = parts[f"post.{span.span_id}"]
    return held


def compressed(encoding: str, pack: Callable[[bytes], bytes]) -> Sabotage:
    def sabotage(request: requests.PreparedRequest) -> None:
        in_body(pack)(request)
        request.headers["Content-Encoding"] = encoding

    return sabotage


def _move_arguments(parts: dict[str, Any]) -> None:
    parts[f"post.{TURN.span_id}.inputs"] = parts[f"post.{TOOL.span_id}.inputs"]


SABOTAGES: dict[str, Sabotage] = {
    "extra key": in_parts(lambda parts: main(parts).update({"manifest": "x"})),
    "a key that is a name": in_parts(lambda parts: metadata(parts).update({NAME: None})),
    "extra metadata": in_parts(lambda parts: metadata(parts).update({"revision_id": "abc"})),
    "extra metadata under an admitted key": in_parts(lambda parts: metadata(parts).update({"model": NAME})),
    "a tag": in_parts(lambda parts: main(parts).update({"tags": [NAME]})),
    "an event": in_parts(lambda parts: parts.update({f"post.{TURN.span_id}.events": [{"name": "x"}]})),
    "content in the first token's event": in_parts(
        lambda parts: parts[f"post.{TURN.span_id}.events"][0].update({"kwargs": {"token": NAME}})
    ),
    "an event of another name": in_parts(lambda parts: parts[f"post.{TURN.span_id}.events"][0].update({"name": NAME})),
    "another time of the first token": in_parts(
        lambda parts: parts[f"post.{TURN.span_id}.events"][0].update({"time": "2026-01-01T00:00:02.555010+00:00"})
    ),
    "a workspace that is not set": in_header("X-Tenant-Id", "5550101"),
    "a changed value": in_parts(lambda parts: parts[f"post.{TOOL.span_id}.inputs"].update({"patient_name": NAME})),
    "a value one letter longer": in_parts(lambda parts: metadata(parts).update({"model": "gpt-realtime "})),
    "a value of another run": in_parts(_move_arguments),
    "a value under another key": in_parts(lambda parts: metadata(parts).update({"kind": "gpt-realtime"})),
    "a changed number": in_parts(lambda parts: metadata(parts).update({"ttft_ms": 812.25})),
    "a number as a string": in_parts(lambda parts: metadata(parts).update({"ttft_ms": "812.5"})),
    "a flag as a number": in_parts(lambda parts: metadata(parts).update({"interrupted": 1})),
    "a number as a flag": in_parts(lambda parts: metadata(parts).update({"tool_calls": True})),
    "a changed count": in_parts(
        lambda parts: parts[f"post.{TURN.span_id}.outputs"]["usage_metadata"].update({"input_tokens": 5550101})
    ),
    "a string in an id": in_parts(lambda parts: main(parts).update({"id": NAME})),
    "a string behind an id": in_parts(lambda parts: main(parts).update({"id": TURN.span_id + NAME})),
    "a name in the dotted order": in_parts(
        lambda parts: main(parts).update({"dotted_order": main(parts)["dotted_order"] + "." + NAME})
    ),
    "a time that is none": in_parts(lambda parts: main(parts).update({"start_time": "1982-03-19"})),
    "a name": in_parts(lambda parts: main(parts).update({"name": NAME})),
    "another project": in_parts(lambda parts: main(parts).update({"session_name": NAME})),
    "another run type": in_parts(lambda parts: main(parts).update({"run_type": "retriever"})),
    "an error": in_parts(lambda parts: parts.update({f"post.{TURN.span_id}.error": NAME})),
    "a nested JSON string": in_parts(lambda parts: metadata(parts).update({"model": f'{{"model":"{NAME}"}}'})),
    "a doubly nested JSON string": in_parts(
        lambda parts: metadata(parts).update({"model": orjson.dumps([orjson.dumps([NAME]).decode()]).decode()})
    ),
    "an extra part": in_parts(lambda parts: parts.update({"feedback." + TURN.span_id: {}})),
    "a part of a run that is not in the batch": in_parts(lambda parts: parts.update({"post." + "0" * 8: {}})),
    "a part of an unknown run": in_parts(
        lambda parts: parts.update({"post.11111111-1111-4111-8111-111111111111.inputs": {}})
    ),
    "a part's name that is a name": in_parts(lambda parts: parts.update({"jane_roe": {}})),
    "a patch": in_parts(lambda parts: parts.update({f"patch.{TURN.span_id}": {}})),
    "an attachment": in_parts(lambda parts: parts.update({f"attachment.{TURN.span_id}.audio": "x"})),
    "a file name": in_body(lambda body: body.replace(b'.inputs"', b'.inputs"; filename="jane.wav"', 1)),
    "a part header": in_body(lambda body: body.replace(b"Content-Length", b"X-Name: Jane\r\nContent-Length", 1)),
    "a part's other type": in_body(lambda body: body.replace(b"application/json", b"text/plain", 1)),
    "a part's wrong length": in_body(lambda body: body.replace(b"Content-Length: 2\r", b"Content-Length: 3\r", 1)),
    "a part twice": in_body(lambda body: body[: body.index(b"--", 2)] + body),
    "a doubled key": in_data(b'"n":3', b'"n":"%b","n":3' % NAME.encode()),
    "a spare digit": in_data(b'"ttft_ms":812.5', b'"ttft_ms":812.50000000005550101'),
    "a spare space": in_data(b'"n":3', b'"n": 3'),
    "trailing bytes": in_body(lambda body: body + NAME.encode()),
    "leading bytes": in_body(lambda body: NAME.encode() + body),
    "no body": in_body(lambda _: b""),
    "another length": in_header("Content-Length", "5550101"),
    "an extra header": in_header("X-Patient", "x"),
    "an authorisation": in_header("Authorization", "Basic amFuZTpyb2U="),
    "a cookie": in_header("Cookie", "name=jane"),
    "another key": in_header("x-api-key", "lsv2_other"),
    "another agent": in_header("User-Agent", NAME),
    "another content type": in_header("Content-Type", "application/octet-stream"),
    "a boundary that is a name": in_header("Content-Type", "multipart/form-data; boundary=JaneRoe"),
    "a content type with more": lambda request: request.headers.update(
        {"Content-Type": request.headers["Content-Type"] + "; charset=jane"}
    ),
    "a wrong encoding": in_header("Content-Encoding", "zstd"),
    "an unknown encoding": in_header("Content-Encoding", "br"),
    "an encoding that the envelope has not": compressed("gzip", gzip.compress),
    "another host": in_url(lambda url: url.replace("127.0.0.1", "localhost")),
    "another port": in_url(lambda url: url.replace("/runs", "1/runs", 1)),
    "another scheme": in_url(lambda url: url.replace("http:", "https:")),
    "another path": in_url(lambda url: url.replace("/multipart", "/batch")),
    "a query": in_url(lambda url: url + "?name=jane"),
    "a fragment": in_url(lambda url: url + "#jane"),
    "a user": in_url(lambda url: url.replace("//", "//jane@")),
    "another method": lambda request: setattr(request, "method", "PUT"),
}


@pytest.mark.timing
@pytest.mark.parametrize("sabotage", SABOTAGES.values(), ids=SABOTAGES.keys())
def test_what_was_sabotaged_is_refused(sink: Sink, sabotage: Sabotage) -> None:
    """A request that holds anything but its spans does not reach the destination, and the refusal quotes nothing."""
    before = len(sink.requests())
    with pytest.raises(DoorError) as caught:
        _attempt(sink, sabotage)
    assert len(sink.requests()) == before
    for word in (NAME, "jane", "Jane", "5550101", KEY):
        assert word not in caught.value.diagnostics() + repr(caught.value)


@pytest.mark.timing
def test_what_was_not_sabotaged_passes(sink: Sink) -> None:
    """The same request untouched arrives, so that the refusals above prove something."""
    assert _attempt(sink, lambda _: None) == 202
    assert sink.runs().keys() >= {span.span_id for span in PLAN}


@pytest.mark.timing
def test_a_body_that_is_a_file_is_read_once_and_sent_whole(sink: Sink) -> None:
    """What a client hands over as a file is sent as the very bytes that were checked."""
    before = len(sink.requests())

    def as_file(request: requests.PreparedRequest) -> None:
        assert isinstance(request.body, bytes)
        request.body = io.BytesIO(request.body)  # type: ignore[assignment]  # as the client does over 20 MB

    assert _attempt(sink, as_file) == 202
    [arrived] = sink.requests()[before:]
    assert len(arrived.raw) == int(arrived.headers["Content-Length"])
    assert len(arrived.parts()) > len(PLAN)


@pytest.mark.timing
def test_rewriting_alone_is_no_sabotage(sink: Sink) -> None:
    """The tool that the sabotages use leaves a request that passes, so that it is not what is refused."""
    assert _attempt(sink, in_parts(lambda _: None)) == 202
    assert _attempt(sink, in_data(b'"n":3', b'"n":3')) == 202


@pytest.mark.timing
def test_what_the_client_adds_of_the_machine_is_refused(sink: Sink) -> None:
    """A client that was made without `omit_traced_runtime_info` adds the platform; none of it leaves."""
    session = ExitSession(envelope(api_key=KEY, endpoint=sink.url, project=PROJECT), gate=always_open)
    client = Client(
        sink.url,
        api_key=KEY,
        session=session,
        info={},
        auto_batch_tracing=False,
        retry_config=Retry(0),
        headers={"User-Agent": "medagent"},
    )
    before = len(sink.requests())
    with pytest.raises(DoorError, match="a key that was not admitted in post"):
        session.deliver(PLAN, lambda: client.multipart_ingest(create=[run_of(span, PROJECT) for span in PLAN]))
    assert len(sink.requests()) == before
    client.close(timeout=0)


@pytest.mark.timing
def test_a_request_that_nobody_asked_for_is_refused(sink: Sink) -> None:
    """The client's own question to the server, `GET /info`, does not leave either."""
    session = ExitSession(envelope(api_key=KEY, endpoint=sink.url, project=PROJECT), gate=always_open)
    before = len(sink.requests())
    with pytest.raises(DoorError, match="configured address"):
        session.deliver(PLAN, lambda: session.get(sink.url + "/info") and None)
    assert len(sink.requests()) == before


def _prepared(batch: list[SafeSpan]) -> requests.PreparedRequest:
    session = Captured(ENVELOPE)
    _ingest(session, "http://127.0.0.1:9", batch)
    return session.made


def _check(request: requests.PreparedRequest, batch: list[SafeSpan], sealed: Envelope = ENVELOPE) -> None:
    assert isinstance(request.body, bytes)
    Exit(sealed).check(
        method=str(request.method), url=str(request.url), headers=request.headers, body=request.body, batch=batch
    )


@given(st.lists(safe_spans(), min_size=1, max_size=3, unique_by=lambda span: span.span_id))
def test_whatever_a_span_may_be_passes(batch: list[SafeSpan]) -> None:
    """No span that there may be trips the exit, be it the only one or one of several."""
    _check(_prepared(batch), batch)


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _leaves(inner, (*path, index))
    else:
        yield path


def _set(value: Any, path: tuple[Any, ...], leaf: Any) -> Any:
    if not path:
        return leaf
    value[path[0]] = _set(value[path[0]], path[1:], leaf)
    return value


@given(safe_spans(), st.data())
@example(TOOL, None)
def test_any_leaf_that_is_changed_is_refused(span: SafeSpan, data: st.DataObject | None) -> None:
    """Whichever one value of a request becomes one that its span does not hold, the request is refused."""
    request = _prepared([span])
    assert isinstance(request.body, bytes)
    parts = _parts(request.body, _boundary(request))
    paths = list(_leaves([value for _, value in parts]))
    for path in paths if data is None else [data.draw(st.sampled_from(paths))]:
        fresh = NAME if data is None else data.draw(st.text(st.characters(codec="utf-8")) | st.integers(0, 2**53))
        assume(orjson.dumps(fresh) not in orjson.dumps(span.document()))
        assume(str(fresh) not in request.body.decode())
        values = _set([value for _, value in _parts(request.body, _boundary(request))], path, fresh)
        forged = request.copy()
        _replace(
            forged, _body([(name, value) for (name, _), value in zip(parts, values, strict=True)], _boundary(request))
        )
        with pytest.raises(DoorError):
            _check(forged, [span])


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("zstd", zstandard.compress)],
)
def test_a_compressed_body_is_read_inflated(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    """An envelope may allow a compression: what is inside is then what counts, and nothing may stand behind its end."""
    sealed = _with_header("content-encoding", encoding)
    request = _prepared(PLAN)
    assert isinstance(request.body, bytes)
    plain = request.body
    request.headers["Content-Encoding"] = encoding
    _replace(request, pack(plain))
    _check(request, PLAN, sealed)
    sabotaged = {
        "inside": pack(plain.replace(b"gpt-realtime", b"Jane Q. Roe ")),
        "behind": pack(plain) + b"Jane",
        "behind, compressed": pack(plain) + pack(b"Jane"),
        "cut": pack(plain)[:-9],
        "not at all": plain,
    }
    for body in sabotaged.values():
        _replace(request, body)
        with pytest.raises(DoorError):
            _check(request, PLAN, sealed)


def test_a_bomb_is_refused() -> None:
    """A body that inflates beyond the destination's limit is refused before it fills the memory."""
    for encoding, body in (("gzip", gzip.compress(bytes(64 * 2**20))), ("zstd", zstandard.compress(bytes(64 * 2**20)))):
        request = _prepared(PLAN)
        request.headers["Content-Encoding"] = encoding
        _replace(request, body)
        with pytest.raises(DoorError, match="larger"):
            _check(request, PLAN, _with_header("content-encoding", encoding))


def test_a_file_name_in_a_gzip_header_is_refused() -> None:
    """What stands in the wrapping and not in the content leaves as well, so it may not stand there."""
    request = _prepared(PLAN)
    assert isinstance(request.body, bytes)
    packed = gzip.compress(request.body)
    request.headers["Content-Encoding"] = "gzip"
    _replace(request, packed[:3] + b"\x08" + packed[4:10] + b"jane.wav\0" + packed[10:])
    with pytest.raises(DoorError, match="header"):
        _check(request, PLAN, _with_header("content-encoding", "gzip"))


def test_nested_json_is_read_too() -> None:
    """A string that is a JSON text passes if all in it is admitted, as some destinations want their numbers so."""
    sealed = Envelope(
        method="POST",
        url="http://127.0.0.1:9/log",
        media_type="application/json",
        headers={},
        keys=frozenset({"usage"}),
        constants={},
    )
    headers = {"Content-Type": "application/json"}

    def check(value: Any) -> None:
        body = orjson.dumps({"usage": orjson.dumps({"input_tokens": value}).decode()})
        Exit(sealed).check(method="POST", url=sealed.url, headers=headers, body=body, batch=[TURN])

    check(TURN.fields["input_tokens"])
    with pytest.raises(DoorError, match=r"at part 0\.usage\.input_tokens"):
        check(5550101)


def test_an_envelope_does_not_show_its_key() -> None:
    """The key is compared, never printed."""
    assert KEY not in repr(ENVELOPE)


def _with_header(name: str, value: str) -> Envelope:
    sealed = ENVELOPE
    return Envelope(
        method=sealed.method,
        url=sealed.url,
        media_type=sealed.media_type,
        headers={**sealed.headers, name: value},
        keys=sealed.keys,
        constants=sealed.constants,
        part=sealed.part,
    )
