"""Stands where every destination would: keeps each request byte for byte, with the moment at which it came."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

import orjson
import zstandard
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from medagent.audit.langsmith_intake import LangSmithIntake
from medagent.audit.priority import lower_priority

_LANGSMITH_PART = re.compile(rb'name="post\.([0-9a-f-]{36})"')
_ANSWERS: Mapping[str, tuple[int, str, bytes]] = {
    "langsmith": (404, "application/json", b'{"detail":"Not Found"}'),
    "otlp": (200, "application/x-protobuf", b""),
    "langfuse": (200, "application/json", b"{}"),
    "slack": (200, "text/plain", b"ok"),
    "pagerduty": (202, "application/json", b'{"status":"success"}'),
}
_LANGSMITH_INFO = b'{"version":"0.18.0","batch_ingest_config":{"use_multipart_endpoint":true}}'
METRICS_BODY = " metrics body"
_METRICS = "/v1/metrics"
_MOST_BYTES = 1 << 28
_ALONE_S = 1.0
_HELD_S = 20.0
"""Shorter than what an exporter waits for an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One thing that left: by which way, where in it, its bytes as they were, and when (Unix seconds; 0: unknown)."""

    channel: str
    path: str
    raw: bytes = field(repr=False)
    at: float = 0.0
    taken: bool = True
    """Whether its destination answered that it took it."""

    @property
    def is_metrics(self) -> bool:
        """Whether it is the body of a request with OTLP metrics, which holds no span."""
        return self.path.endswith(METRICS_BODY)


class Capture:
    """An HTTP server on 127.0.0.1 in a thread of its own; the first step of a path names the destination."""

    def __init__(self, *, batch_status: int | None = None) -> None:
        """`batch_status` answers every request of two or more spans; one span alone takes a second then.

        Until `go_on` it takes longer, so that a slow machine is still in the middle of it when the switch is thrown.
        """
        self._goes_on = threading.Event()
        self._documents: list[Document] = []
        self._lock = threading.Lock()
        self.refuses = False
        """Whether every request is answered 503, as by a destination that is down; what came is kept all the same."""
        self._intake = LangSmithIntake()
        capture = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def _take(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(min(length, _MOST_BYTES))
                channel = self.path.split("/")[1].split("?")[0] or "unknown"
                is_metrics = self.path.endswith(_METRICS)
                head, at = f"{self.requestline}\n{self.headers}".encode(), time.time()
                status, media_type, answer = _ANSWERS.get(channel, (404, "text/plain", b""))
                if channel == "langsmith" and self.path.endswith("/info"):
                    status, answer = 200, _LANGSMITH_INFO
                elif self.requestline.startswith("POST /langsmith/runs/multipart ") and not capture.refuses:
                    status, answer = capture._intake.answer(
                        body,
                        content_type=self.headers.get("Content-Type") or "",
                        content_encoding=self.headers.get("Content-Encoding"),
                    )
                is_held = False
                if capture.refuses:
                    status, answer = 503, b""
                elif batch_status is not None and not is_metrics and (spans := span_count(channel, body)):
                    if spans > 1:
                        status, media_type, answer = (
                            batch_status,
                            "application/json",
                            b'{"error":"refused by the drill"}',
                        )
                    else:
                        is_held = True
                kind = METRICS_BODY if is_metrics else " body"
                capture._keep(channel, {" head": head, kind: body}, at=at, taken=200 <= status < 300)
                if is_held:  # kept before: a drill sees the request while it waits for its answer
                    capture._goes_on.wait(_HELD_S)
                    time.sleep(_ALONE_S)
                self.send_response(status)
                self.send_header("Content-Type", media_type)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _take  # noqa: N815  # the base class looks for these

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class names it so
                """The server's own account is what it keeps, not lines on stderr."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._serve, name="medagent-capture", daemon=True)

    def __enter__(self) -> Capture:
        """Listen."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening; what was kept stays."""
        self._server.shutdown()
        self._server.server_close()

    def _serve(self) -> None:
        lower_priority()
        self._server.serve_forever()

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1."""
        return int(self._server.server_address[1])

    def url(self, destination: str) -> str:
        """What a destination's address is set to."""
        return f"http://127.0.0.1:{self.port}/{destination}"

    def go_on(self) -> None:
        """Answer spans that come alone after a second from here on."""
        self._goes_on.set()

    def documents(self) -> list[Document]:
        """All requests so far, head and body apart, in the order in which they came."""
        with self._lock:
            return list(self._documents)

    def _keep(self, channel: str, parts: Mapping[str, bytes], *, at: float, taken: bool) -> None:
        with self._lock:
            number = len(self._documents) // 2
            for part, raw in parts.items():
                path = f"request {number}{part}"
                self._documents.append(Document(channel=channel, path=path, raw=raw, at=at, taken=taken))


def span_count(channel: str, body: bytes) -> int:
    """Return how many spans a captured body holds, 0 where the channel takes no spans."""
    if channel == "langsmith":
        return len(set(_LANGSMITH_PART.findall(inflated(body))))
    return sum(1 for _ in _otlp_ids(body)) if channel in ("otlp", "langfuse") else 0


def inflated(raw: bytes) -> bytes:
    """The body as its sender made it; what is not zstd is as it came."""
    if raw[:4] != b"\x28\xb5\x2f\xfd":
        return raw
    with zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True) as reader:
        return reader.read(_MOST_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """Which spans came to a destination, and how often each; `shown` where a repeat would be seen there."""

    seen: Counter[str]
    shown: bool

    @property
    def repeats(self) -> int:
        """How many copies beyond the first came."""
        return sum(count - 1 for count in self.seen.values())


def arrivals(documents: Sequence[Document], span_ids: Iterable[str]) -> dict[str, Arrivals]:
    """Count the spans that each destination took, from the captured bodies; `span_ids` resolve OTLP's short ids."""
    spans = {UUID(span_id).hex[:16]: span_id for span_id in span_ids}
    found: dict[str, Counter[str]] = {"langsmith": Counter(), "otlp": Counter(), "langfuse": Counter()}
    for document in documents:
        is_body = document.path.endswith(" body") and document.raw and document.taken and not document.is_metrics
        if document.channel not in found or not is_body:
            continue
        if document.channel == "langsmith":
            ids = {match.decode() for match in _LANGSMITH_PART.findall(inflated(document.raw))}
        else:
            ids = {spans.get(short, short) for short in _otlp_ids(document.raw)}
        found[document.channel].update(ids)
    return {name: Arrivals(seen=seen, shown=name == "otlp") for name, seen in found.items()}


def log_arrivals(lines: bytes) -> Arrivals:
    """The spans of which a log stream has lines; a line that came twice is seen there."""
    ids: Counter[str] = Counter()
    for line in lines.splitlines():
        if b'"_event_type"' in line:
            try:
                ids[str(orjson.loads(line)["_id"])] += 1
            except (ValueError, KeyError, TypeError):
                continue
    return Arrivals(seen=ids, shown=True)


def _otlp_ids(body: bytes) -> Iterator[str]:
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        return
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield span.span_id.hex()
