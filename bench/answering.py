"""A destination that takes whatever it is sent and keeps none of it: how much came is all that it knows."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import ClassVar, Self

from medagent.audit.langsmith_intake import LangSmithIntake


class _Taker(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    taken: ClassVar[dict[str, int]] = {"requests": 0, "bytes": 0}
    intake: ClassVar[LangSmithIntake] = LangSmithIntake()

    def do_POST(self) -> None:  # its base calls it so
        """Take the body."""
        size = int(self.headers["Content-Length"])
        body = self.rfile.read(size)
        status, media_type, answer = 200, "application/x-protobuf", b""
        if self.path == "/runs/multipart":
            media_type = "application/json"
            status, answer = self.intake.answer(
                body,
                content_type=self.headers.get("Content-Type", ""),
                content_encoding=self.headers.get("Content-Encoding"),
            )
        if status < 300:
            self.taken["requests"] += 1
            self.taken["bytes"] += size
        self._answer(answer, status=status, media_type=media_type)

    def do_GET(self) -> None:  # its base calls it so
        """Say how much came."""
        self._answer(json.dumps(self.taken).encode())

    def _answer(self, body: bytes, *, status: int = 200, media_type: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing of each request."""


class Destination:
    """The destination in a process of its own, while the block lasts."""

    def __enter__(self) -> Self:
        """Start it."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.answering"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None  # noqa: S101  # a pipe
        self._port = int(self._process.stdout.readline())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End it."""
        self._process.communicate()

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._port}"

    def taken(self) -> dict[str, int]:
        """How many requests and bytes came."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        connection.request("GET", "/")
        taken: dict[str, int] = json.loads(connection.getresponse().read())
        connection.close()
        return taken


def main() -> None:
    """Serve until stdin closes."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Taker)
    Thread(target=server.serve_forever, daemon=True).start()
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    main()
