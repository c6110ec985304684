"""A destination in a process of its own: keeps every request byte for byte, answers as it is told to."""

from __future__ import annotations

import argparse
import asyncio
import base64
import gzip
import json
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import zstandard
from aiohttp import web

from deletion_api import DeletionApi
from medagent.audit.langsmith_intake import LangSmithIntake

if TYPE_CHECKING:
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
        ExportMetricsServiceRequest as OtlpMetricsRequest,
    )
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest as OtlpRequest
    from opentelemetry.proto.trace.v1.trace_pb2 import Span as OtlpSpan

_INFO = {
    "version": "0.18.0",
    "instance_flags": {"zstd_compression_enabled": True},
    "batch_ingest_config": {
        "use_multipart_endpoint": True,
        "size_limit": 100,
        "size_limit_bytes": 20971520,
        "scale_up_qsize_trigger": 1000,
        "scale_up_nthreads_limit": 16,
        "scale_down_nempty_trigger": 4,
    },
}
_NAME = re.compile(rb'name="([^"]+)"')
_JSON, _PROTOBUF, _TEXT = "application/json", "application/x-protobuf", "text/html; charset=utf-8"
_SUCCESS = (
    ("/runs/multipart", 202, _JSON, b'{"message":"Runs batch ingested"}'),
    ("/api/public/otel/v1/traces", 200, _JSON, b"{}"),
    ("/v1/traces", 200, _PROTOBUF, b""),
    ("/v1/metrics", 200, _PROTOBUF, b""),
    ("/v2/enqueue", 202, _JSON, b'{"status":"success","message":"Event processed","dedup_key":"k"}'),
)
"""End of a path → the success of the destination that has it (docs/destinations.md); any other path is Slack's."""
_SLACK = (200, _TEXT, b"ok")


def success(path: str) -> tuple[int, str, bytes]:
    """Return status, media type and body with which the destination at a path takes a request."""
    return next((tuple(answer) for end, *answer in _SUCCESS if path.endswith(end)), _SLACK)  # type: ignore[return-value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request as it came over the wire."""

    method: str
    path: str
    headers: dict[str, str]
    raw: bytes
    answered: int
    peer: int = 0
    """Port of the client: one for each connection."""

    @classmethod
    def read(cls, line: str) -> Received:
        kept = json.loads(line)
        return cls(raw=base64.b64decode(kept.pop("body")), **kept)

    @property
    def body(self) -> bytes:
        match self.headers.get("Content-Encoding"):
            case "zstd":
                return zstandard.ZstdDecompressor().decompressobj().decompress(self.raw)
            case "gzip":
                return gzip.decompress(self.raw)
            case _:
                return self.raw

    def everything(self) -> bytes:
        return f"{self.method} {self.path} {self.headers} ".encode() + self.raw + self.body

    def parts(self) -> list[tuple[str, Any]]:
        boundary = self.headers["Content-Type"].partition("boundary=")[2].encode()
        found = []
        for part in self.body.split(b"--" + boundary)[1:-1]:
            head, _, data = part.partition(b"\r\n\r\n")
            name = _NAME.search(head)
            assert name is not None
            found.append((name[1].decode(), json.loads(data)))
        return found


class Sink:
    """The destination, for a `with` block; `url` is where it listens."""

    def __init__(self, directory: Path) -> None:
        self._log = directory / "requests.jsonl"
        self._log.touch()
        self.url = ""

    def __enter__(self) -> Sink:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--log", str(self._log)],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        assert self.url, "the sink did not start"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(timeout=60)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def mode(self, **mode: Any) -> None:
        """What comes next meets `status`, `delay`, `retry_after` (s), `location`, `conflicts` (409), `answer` (hex).

        Without a status each destination answers with its own success; `media_type` takes the place of its type;
        `encoding` is the answer's Content-Encoding. A body that holds `poison` (hex) meets 400, one that is longer
        than `largest` bytes 413. With `slow_deletion` what is deleted is shown until the mode changes; with `silent`
        the connection ends without an answer.
        """
        request = urllib.request.Request(self.url + "/_mode", json.dumps(mode).encode(), method="POST")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        opener.open(request, timeout=60).close()

    def requests(self) -> list[Received]:
        return [Received.read(line) for line in self._log.read_text().splitlines()]

    def runs(self) -> dict[str, dict[str, Any]]:
        """What LangSmith would hold: runs by id, each part under its field; only requests that it took."""
        return self.held(self.requests())

    @staticmethod
    def held(requests: Iterable[Received]) -> dict[str, dict[str, Any]]:
        held: dict[str, dict[str, Any]] = {}
        for request in requests:
            if request.path == "/runs/multipart" and request.answered == 202:
                for name, value in request.parts():
                    _, run_id, *field = name.split(".")
                    run = held.setdefault(run_id, {})
                    run.update({field[0]: value} if field else value)
        return held

    def traces(self) -> list[OtlpRequest]:
        """What a collector would hold: every request that it took, read by OpenTelemetry's own messages."""
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        return [
            ExportTraceServiceRequest.FromString(request.body)
            for request in self.requests()
            if request.path.endswith("/v1/traces") and 200 <= request.answered < 300
        ]

    def metrics(self) -> list[OtlpMetricsRequest]:
        """Every request with metrics that a collector took, read by OpenTelemetry's own messages."""
        from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

        return [
            ExportMetricsServiceRequest.FromString(request.body)
            for request in self.requests()
            if request.path.endswith("/v1/metrics") and 200 <= request.answered < 300
        ]

    def spans(self) -> dict[str, OtlpSpan]:
        """The latest form of each span by its 16 hex digits."""
        return {
            span.span_id.hex(): span
            for request in self.traces()
            for of_resource in request.resource_spans
            for of_scope in of_resource.scope_spans
            for span in of_scope.spans
        }


def attributes(pairs: Any) -> dict[str, Any]:
    """An OTLP list of attributes as Python's own; JSON texts stay texts."""
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return [_value(one) for one in value.array_value.values] if kind == "array_value" else getattr(value, kind)


class _Server:
    def __init__(self, log: Path) -> None:
        self._log = log
        self._initial: dict[str, Any] = {"delay": 0.0, "conflicts": False}
        self._initial |= dict.fromkeys(("status", "retry_after", "location", "answer", "poison", "largest"))
        self._initial |= dict.fromkeys(("media_type", "encoding"))
        self._mode = dict(self._initial)
        self._seen: set[bytes] = set()
        self._intake = LangSmithIntake()
        self._deletion = DeletionApi(lambda: [Received.read(line) for line in self._log.read_text().splitlines()])

    async def set_mode(self, request: web.Request) -> web.Response:
        self._mode = {**self._initial, **await request.json()}
        self._deletion.is_slow = bool(self._mode.get("slow_deletion"))
        return web.json_response(self._mode)

    def _judge(self, request: web.Request, body: bytes) -> tuple[int, str, bytes, bool]:
        """Status, media type and body of the answer, and whether LangSmith's rules refuse the batch."""
        mode = self._mode
        taken, media_type, answer = success(request.path)
        status = taken if mode["status"] is None else int(mode["status"])
        if status != taken:
            media_type, answer = _JSON, b'{"error":"refused by the test"}'
        ids = set(re.findall(rb'name="post\.([0-9a-f-]{36})"', body))
        if mode["conflicts"] and ids & self._seen:
            return 409, _JSON, b'{"error":"conflict"}', False
        if mode["poison"] is not None and bytes.fromhex(mode["poison"]) in body:
            return 400, media_type, answer, False
        if mode["largest"] is not None and len(body) > mode["largest"]:
            return 413, media_type, answer, False
        if 200 <= status < 300 and request.path == "/runs/multipart":
            judged, says = self._intake.answer(
                body,
                content_type=request.headers.get("Content-Type", ""),
                content_encoding=request.headers.get("Content-Encoding"),
            )
            if judged != taken:
                return judged, _JSON, says, True
            answer = says if status == taken else answer
        if 200 <= status < 300:
            self._seen |= ids
        return status, media_type, answer, False

    async def take(self, request: web.Request) -> web.Response:
        mode = self._mode
        body = await request.read()
        status, media_type, answer, refused = self._judge(request, body)
        deletion = self._deletion.answer(request, body) if 200 <= status < 300 else None
        status = status if deletion is None else deletion.status
        line = {
            "method": request.method,
            "path": request.path_qs,
            "headers": dict(request.headers),
            "answered": status,
            "peer": self._peer(request),
            "body": base64.b64encode(body).decode(),
        }
        with self._log.open("a") as log:
            log.write(json.dumps(line) + "\n")
        if deletion is not None:
            return deletion
        if request.method == "GET" and request.path.startswith("/runs/"):
            return self._run(request.path.removeprefix("/runs/"))
        if mode.get("silent") and request.transport is not None:
            request.transport.abort()  # it took the request, and nobody learns of it
        await asyncio.sleep(float(mode["delay"]))
        headers = {"Set-Cookie": "sink=chocolate; Path=/"}
        if mode["retry_after"] is not None:
            headers["Retry-After"] = str(mode["retry_after"])
        if mode["location"] is not None:
            headers["Location"] = str(mode["location"])
        if request.path == "/info":
            return web.json_response(_INFO)
        if mode["answer"] is not None and not refused:
            answer = bytes.fromhex(mode["answer"])
        if mode["encoding"] is not None:
            headers["Content-Encoding"] = mode["encoding"]
        response = web.Response(body=answer, status=status, headers=headers)
        response.headers["Content-Type"] = media_type if mode["media_type"] is None else mode["media_type"]
        return response

    @staticmethod
    def _peer(request: web.Request) -> int:
        peer = None if request.transport is None else request.transport.get_extra_info("peername")
        return 0 if peer is None else int(peer[1])

    def _run(self, run_id: str) -> web.Response:
        """What LangSmith shows of a run that it took."""
        held = Sink.held(map(Received.read, self._log.read_text().splitlines())).get(run_id)
        return web.json_response(held or {}, status=200 if held else 404)


async def _serve(log: Path) -> None:
    server = _Server(log)
    application = web.Application(client_max_size=1 << 28)
    application.router.add_post("/_mode", server.set_mode)
    application.router.add_route("*", "/{path:.*}", server.take)
    runner = web.AppRunner(application, auto_decompress=False, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print("http://{}:{}".format(*runner.addresses[0]), flush=True)  # noqa: T201 - its parent reads the address
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--log", type=Path, required=True)
    arguments = parser.parse_args()
    asyncio.run(_serve(arguments.log))
