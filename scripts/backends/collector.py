"""A collector that passes each OTLP request on, byte by byte, to every backend: both get the same stream."""

from __future__ import annotations

from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Self

import requests

_MEDIA_TYPE = "application/x-protobuf"
_WITHIN_S = 25.0


class Collector:
    """Answers with success only where every backend did; `refused` holds what else one of them answered."""

    def __init__(self, destinations: Mapping[str, Mapping[str, str]]) -> None:
        """Take the headers that each backend wants, by its address for traces."""
        self.refused: list[str] = []
        self.requests = 0
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.requests += 1
                status = collector._pass_on(body, destinations)
                self.send_response(status)
                self.send_header("content-type", _MEDIA_TYPE)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        """The endpoint for `MEDAGENT_OTLP_ENDPOINT`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _pass_on(self, body: bytes, destinations: Mapping[str, Mapping[str, str]]) -> int:
        for url, headers in destinations.items():
            try:
                answer = requests.post(
                    url, data=body, headers={"content-type": _MEDIA_TYPE, **headers}, timeout=_WITHIN_S
                )
            except requests.RequestException as error:
                self.refused.append(f"{url}: {type(error).__name__}")
                return 503
            if answer.status_code != 200 or not answer.headers.get("content-type", "").startswith(_MEDIA_TYPE):
                self.refused.append(f"{url}: {answer.status_code} {answer.headers.get('content-type')}")
                return answer.status_code if answer.status_code >= 400 else 502
        return 200
