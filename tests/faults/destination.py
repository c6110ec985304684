"""A destination that fails as it is told to, in a process of its own: LangSmith's and OTLP's intake on one port.

Every request is on its disk before the answer, with the status that it means: what was taken and then answered badly,
late or never counts as taken, since that is what makes a second delivery visible.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import ssl
import sys
import time
from pathlib import Path
from typing import Any

import zstandard
from aiohttp import web

sys.path.insert(0, str(Path(__file__).parents[1]))
from medagent.audit.langsmith_intake import LangSmithIntake
from sink import success  # this file is run as a program

_PLAIN: dict[str, Any] = {
    "status": None,  # None: the success of the destination at the path
    "retry_after": None,  # seconds, in the answer's header
    "delay": 0.0,  # seconds before the answer
    "hangs": None,  # a path, or "everywhere"; what comes there is taken and never answered
    "limit": None,  # bytes; a longer body is answered 413
    "poison": None,  # a text; a body that holds it is answered 400
    "raw": None,  # hex of what is written in the place of an answer, before the line is cut
    "cuts": False,  # cut the line before the body was read
}


class Server:
    """Keeps what comes, and answers in the mode of the moment."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._mode = _PLAIN
        self._intake = LangSmithIntake()

    async def set_mode(self, request: web.Request) -> web.Response:
        self._mode = {**_PLAIN, **await request.json()}
        return web.json_response({})

    async def take(self, request: web.Request) -> web.Response:
        mode = self._mode
        assert request.transport is not None
        if mode["cuts"]:
            await request.content.readany()
            self._keep(request, b"", 0)
            request.transport.abort()
            return web.Response()
        body = await request.read()
        hangs = mode["hangs"] in (request.path, "everywhere")
        status, answer = (success(request.path)[0] if hangs else self._status(mode, request, body)), None
        if 200 <= status < 300 and request.path == "/runs/multipart":
            taken, answer = self._intake.answer(
                body,
                content_type=request.headers.get("Content-Type", ""),
                content_encoding=request.headers.get("Content-Encoding"),
            )
            status = status if taken == 202 else taken
        self._keep(request, body, status)
        await (asyncio.Event().wait() if hangs else asyncio.sleep(mode["delay"]))
        if mode["raw"] is not None:
            request.transport.write(bytes.fromhex(mode["raw"]))
            request.transport.close()
            return web.Response()
        headers = {} if mode["retry_after"] is None else {"Retry-After": str(mode["retry_after"])}
        taken, media_type, body = success(request.path)
        if status != taken:
            media_type, body = "application/json", b'{"error":"refused by the test"}'
        headers["Content-Type"] = media_type
        return web.Response(status=status, headers=headers, body=body if answer is None else answer)

    def _status(self, mode: dict[str, Any], request: web.Request, body: bytes) -> int:
        if mode["limit"] is not None and len(body) > mode["limit"]:
            return 413
        if mode["poison"] is not None:
            if request.headers.get("Content-Encoding") == "zstd":
                body = zstandard.ZstdDecompressor().decompressobj().decompress(body)
            if mode["poison"].encode() in body:
                return 400
        return success(request.path)[0] if mode["status"] is None else int(mode["status"])

    def _keep(self, request: web.Request, body: bytes, answered: int) -> None:
        about = {"method": request.method, "path": request.path, "headers": dict(request.headers)}
        line = {**about, "answered": answered, "body": base64.b64encode(body).decode(), "at": time.monotonic()}
        with self._log.open("a") as log:
            log.write(json.dumps(line) + "\n")


async def serve(log: Path, *, port: int, certificate: Path | None) -> None:
    """Serve until killed; with a certificate the intake speaks TLS, and the modes are set on a port of their own."""
    server = Server(log)
    application = web.Application(client_max_size=1 << 28)
    application.router.add_post("/_mode", server.set_mode)
    application.router.add_route("*", "/{path:.*}", server.take)
    runner = web.AppRunner(application, auto_decompress=False, access_log=None, handler_cancellation=True)
    await runner.setup()
    tls = None
    if certificate is not None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate)
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=tls, reuse_port=True).start()
    print(runner.addresses[0][1], flush=True)  # noqa: T201  # its parent reads the port
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--certificate", type=Path)
    given = parser.parse_args()
    asyncio.run(serve(given.log, port=given.port, certificate=given.certificate))
