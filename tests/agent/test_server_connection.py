"""A worker that cannot reach LiveKit's server names host and cause: real sockets, LiveKit's own worker."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import logging
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from command import medagent
from medagent.agent.server_connection import check_server, server_name, unreachable
from medagent.agent.worker import connection_logged, make_server
from medagent.errors import ServerUnreachableError, SettingsError
from medagent.settings import load_settings

pytestmark = pytest.mark.timing

SECRET = "s3cret" * 6
WORKER = {
    "AZURE_OPENAI_ENDPOINT": "http://127.0.0.1:9",
    "AZURE_OPENAI_API_KEY": "key",
    "LIVEKIT_API_KEY": "key",
    "LIVEKIT_API_SECRET": SECRET,
    "MEDAGENT_SYNTHETIC_CALLERS": "yes",
}


@contextlib.contextmanager
def answering(status: int) -> Iterator[int]:
    """Serve HTTP on a port of this host; each request is answered with one status."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(30)


@contextlib.contextmanager
def silent() -> Iterator[int]:
    """Accept connections on a port of this host and never answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


async def failure(url: str, proxy: str | None = None) -> ServerUnreachableError:
    """Connect as LiveKit's worker does, and return what is said of the failure."""
    async with aiohttp.ClientSession() as session:
        try:
            await asyncio.wait_for(session.ws_connect(url, proxy=proxy), 30)
        except (aiohttp.ClientError, OSError) as error:
            return unreachable(url, error)
    raise AssertionError("the connection succeeded")


@pytest.mark.parametrize(
    ("status", "cause", "hint"),
    [
        (401, "the API key or the API secret is refused (HTTP 401)", "LIVEKIT_API_SECRET"),
        (403, "the API key has no permission for agents (HTTP 403)", "LIVEKIT_API_KEY"),
        (404, "no LiveKit server at this address (HTTP 404)", "LIVEKIT_URL"),
        (200, "no LiveKit server at this address (HTTP 200)", "LIVEKIT_URL"),
    ],
)
async def test_a_lasting_refusal_ends_the_worker(status: int, cause: str, hint: str) -> None:
    """An answer that will be the same again is an error with host, cause and setting."""
    with answering(status) as port, pytest.raises(ServerUnreachableError) as caught:
        await check_server(f"ws://127.0.0.1:{port}", api_key="key", api_secret=SECRET)
    assert str(caught.value) == f"LiveKit server ws://127.0.0.1:{port}: {cause}"
    assert hint in caught.value.hint
    assert SECRET not in caught.value.diagnostics()


async def test_tls_to_a_plain_port_ends_the_worker() -> None:
    """`wss` where no TLS is spoken."""
    with answering(200) as port, pytest.raises(ServerUnreachableError, match="no TLS on this port"):
        await check_server(f"wss://localhost:{port}", api_key="key", api_secret=SECRET)


async def test_a_failure_that_may_pass_is_left_to_livekit(caplog: pytest.LogCaptureFixture) -> None:
    """A closed port, a name that does not resolve and a server that is not ready end nothing: LiveKit tries again."""
    with answering(503) as port:
        for url in (f"ws://127.0.0.1:{port}", f"ws://127.0.0.1:{unused_port()}", "wss://no-such-host.invalid"):
            await check_server(url, api_key="key", api_secret=SECRET)
    assert caplog.records == []


async def test_a_server_that_never_answers_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """It accepts and is silent: LiveKit would wait for minutes without a line."""
    with silent() as port:
        await check_server(f"ws://127.0.0.1:{port}", api_key="key", api_secret=SECRET, answer_s=0.5)
        assert f"LiveKit server ws://127.0.0.1:{port}: no answer within" in caplog.text


async def test_causes_have_words() -> None:
    """Nothing listens, no such name, a proxy that is not there."""
    port = unused_port()
    assert "connection refused" in str(await failure(f"ws://127.0.0.1:{port}"))
    assert "the host's name does not resolve" in str(await failure("wss://no-such-host.invalid"))
    proxied = await failure("ws://calls.invalid", proxy=f"http://127.0.0.1:{port}")
    assert "the proxy cannot be reached (connection refused" in str(proxied)
    assert "HTTPS_PROXY" in proxied.hint


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("wss://user:pw@calls.example/x?token=1", "wss://calls.example:443"),
        ("ws://[::1]:7880", "ws://[::1]:7880"),
        ("http://h", "http://h:80"),
    ],
)
def test_a_server_is_named_without_its_secrets(url: str, shown: str) -> None:
    """Scheme, host and port; no user, no path, no query."""
    assert server_name(url) == shown


def test_livekits_own_attempts_are_logged_with_their_cause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """LiveKit's worker tries as often as it may; each attempt has host and cause, and the end is an error."""
    port = unused_port()
    for name, value in {**WORKER, "LIVEKIT_URL": f"ws://127.0.0.1:{port}", "MEDAGENT_HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    server = make_server(load_settings(), entrypoint=_entrypoint, prewarm=_prewarm)
    server.update_options(max_retry=2)
    refused = pytest.raises(ServerUnreachableError, match=f"LiveKit server ws://127.0.0.1:{port}: connection refused")
    with refused, connection_logged(server, f"ws://127.0.0.1:{port}"), contextlib.suppress(RuntimeError):
        asyncio.run(_served(server))
    ours = [record.getMessage() for record in caplog.records if record.name == "medagent.agent.server_connection"]
    assert [f"attempt {number} of 2" in line for number, line in enumerate(ours, 1)] == [True, True]
    assert not logging.getLogger("livekit.agents").filters


async def _served(server: object) -> None:
    try:
        await server.run(devmode=True)  # type: ignore[attr-defined]
    finally:
        await server.aclose()  # type: ignore[attr-defined]


async def _entrypoint(_context: object) -> None:
    raise NotImplementedError


def _prewarm(_process: object) -> None:
    raise NotImplementedError


def test_the_command_ends_with_host_and_cause(tmp_path: Path) -> None:
    """`medagent worker start` with a wrong key: exit code 2, two lines, no secret."""
    with answering(401) as port:
        done = medagent("worker", "start", home=tmp_path, LIVEKIT_URL=f"ws://127.0.0.1:{port}", **WORKER)
    assert done.code == 2
    assert f"LiveKit server ws://127.0.0.1:{port}: the API key or the API secret is refused (HTTP 401)" in done.err
    assert SECRET not in done.err
    assert "Traceback" not in done.err


def test_an_unusable_address_is_a_settings_error(tmp_path: Path) -> None:
    """A server's address without its scheme, and a proxy without one."""
    done = medagent("worker", "start", home=tmp_path, LIVEKIT_URL="localhost:7880", **WORKER)
    assert done.code == 2
    assert "LIVEKIT_URL: no scheme in the address" in done.err
    with pytest.raises(SettingsError, match="HTTPS_PROXY"):
        asyncio.run(check_server("ws://h", api_key="key", api_secret=SECRET, proxy="proxy:3128"))


def test_the_packaged_agent_asks_with_a_script(tmp_path: Path) -> None:
    """`medagent worker` with `MEDAGENT_CONSENT=ask` and no words does not start."""
    done = medagent("worker", "start", home=tmp_path, LIVEKIT_URL="ws://127.0.0.1:9", MEDAGENT_CONSENT="ask", **WORKER)
    assert done.code == 2
    assert "MEDAGENT_CONSENT_SCRIPT" in done.err
