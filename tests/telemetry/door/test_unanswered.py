"""Without an answer it is told whether the destination may have what was for it."""

from __future__ import annotations

import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from medagent.errors import DoorError, ExportError, UnansweredError
from medagent.telemetry.door import id_requests
from medagent.telemetry.door.admission import refuse_identifiers
from medagent.telemetry.door.exit import ExitSession
from medagent.telemetry.exporters import exporter
from medagent.telemetry.exporters.exporter import Envelope, always_open
from scripted_answers import ScriptedAnswers, self_signed
from sink import Sink

pytestmark = pytest.mark.timing


def deliver(url: str, *, ca_pem: bytes | None = None) -> int:
    envelope = Envelope(
        method="POST",
        url=url,
        media_type="application/json",
        headers={"accept-encoding": "identity", "user-agent": "medagent"},
        keys=frozenset(),
        constants={"text": frozenset({"hello"})},
    )
    headers = {"content-type": "application/json", "user-agent": "medagent"}
    with ExitSession(envelope, gate=always_open, timeout_s=(1.0, 0.5), ca_pem=ca_pem) as session:

        def post() -> None:
            session.post(url, data=b'{"text":"hello"}', headers=headers)

        return session.deliver((), post)


def test_a_late_answer_is_none(tmp_path: Path) -> None:
    """A destination that took the request and does not answer in time may have it."""
    with Sink(tmp_path) as sink:
        assert deliver(f"{sink.url}/x") == 200
        sink.mode(delay=3)
        with pytest.raises(UnansweredError):
            deliver(f"{sink.url}/x")
        assert len(sink.requests()) == 2


@pytest.mark.timing
def test_an_answer_that_drips_is_none() -> None:
    """An answer of which a byte comes now and then has a time limit of its own, beyond that of each read."""
    with ScriptedAnswers() as server:

        def drip() -> Iterator[bytes]:
            yield b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 4096\r\n\r\n"
            while not server.ended.wait(0.05):
                yield b"x"

        server.reply = drip
        with pytest.raises(UnansweredError, match="timed out waiting for the answer"):
            deliver(f"{server.url}/x")


def _forever(server: ScriptedAnswers, first: bytes, part: bytes, every_s: float) -> Callable[[], Iterator[bytes]]:
    def answer() -> Iterator[bytes]:
        yield first
        while not server.ended.wait(every_s):
            yield part

    return answer


OK = b"HTTP/1.1 200 OK\r\n"
ENDLESS = {
    "status line": (b"HTTP/1.1 20", b"0", 0.1),
    "headers": (OK, b"A: b\r\n", 0.1),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.0),
    "interim answers, slowly": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.1),
    "chunk size": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0", 0.1),
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", 0.1),
    "trailers": (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"A: b\r\n", 0.0),
    "trailers, slowly": (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"A: b\r\n", 0.1),
}
"""What comes first, what comes again and again, and the seconds between: each read by itself is in time."""


@pytest.mark.timing
@pytest.mark.parametrize("part", ENDLESS)
def test_exit_session_of_an_endless_answer_ends_at_one_deadline(part: str) -> None:
    """Whatever part of an answer has no end, the request ends, and its destination may have it."""
    first, again, every_s = ENDLESS[part]
    with ScriptedAnswers() as server:
        server.reply = _forever(server, first, again, every_s)
        with pytest.raises(UnansweredError) as caught:
            deliver(f"{server.url}/x")
    assert caught.value.cause == "answer_timeout"


@pytest.mark.timing
def test_exit_session_over_tls_ends_at_one_deadline(tmp_path: Path) -> None:
    """The same inside of TLS, with a certificate that MEDAGENT_CA_FILE would name."""
    pem, context = self_signed(tmp_path)
    with ScriptedAnswers(tls=context) as server:
        server.reply = OK + b"Content-Length: 0\r\n\r\n"
        assert deliver(f"{server.url}/x", ca_pem=pem) == 200
        server.reply = _forever(server, OK, b"A: b\r\n", 0.1)
        with pytest.raises(UnansweredError) as caught:
            deliver(f"{server.url}/x", ca_pem=pem)
        assert caught.value.cause == "answer_timeout"
        server.reply = OK + b"Content-Length: 0\r\n\r\n"
        with pytest.raises(ExportError) as untrusted:
            deliver(f"{server.url}/x")
    assert untrusted.value.cause == "tls_failed"


@pytest.mark.timing
def test_exit_session_writes_no_tls_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SSLKEYLOGFILE would let whoever reads that file decrypt what left."""
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys.txt"))
    pem, context = self_signed(tmp_path)
    with ScriptedAnswers(tls=context) as server:
        server.reply = OK + b"Content-Length: 0\r\n\r\n"
        assert deliver(f"{server.url}/x", ca_pem=pem) == 200
    assert not (tmp_path / "keys.txt").exists()


@pytest.mark.timing
def test_read_back_of_an_endless_answer_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other two kinds of request have the same deadline."""
    monkeypatch.setattr(exporter, "_ASK_WITHIN_S", 0.5)
    monkeypatch.setattr(id_requests, "_TIMEOUT_S", (1.0, 0.5))
    with ScriptedAnswers() as server:
        server.reply = _forever(server, OK, b"A: b\r\n", 0.1)
        with pytest.raises(ExportError) as caught:
            exporter.ask(f"{server.url}/x", {}, of="langsmith", gate=always_open)
        assert caught.value.cause == "answer_timeout"
        asking = id_requests.IdRequests(name="x", base_url=server.url, headers={}, words={"runs"})
        with pytest.raises(UnansweredError):
            asking.send("GET", ("runs",))


@pytest.mark.timing
def test_compressed_answer_that_yields_nothing_is_cut() -> None:
    """Empty blocks without end inflate to nothing: what comes over the wire is bounded too."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    blocks = b"\0\0\0\xff\xff" * 4096
    with ScriptedAnswers() as server:
        server.reply = _forever(server, OK + b"Content-Encoding: gzip\r\n\r\n" + packed, blocks, 0.0)
        assert deliver(f"{server.url}/x") == 200
        assert server.sent < 32 * 2**20


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("http://127.0.0.1:1/x", "connection_refused"),
        ("http://clinic.invalid/x", "dns_failed"),
    ],
)
def test_an_address_that_is_not_reached_names_its_cause(url: str, cause: str) -> None:
    """DNS and a closed port are told apart."""
    with pytest.raises(ExportError) as caught:
        deliver(url)
    assert caught.value.cause == cause


def test_no_tls_where_tls_is_expected_names_its_cause(tmp_path: Path) -> None:
    """An https address at which plain HTTP is spoken fails before anything was sent."""
    with Sink(tmp_path) as sink, pytest.raises(ExportError) as caught:
        deliver(f"{sink.url.replace('http:', 'https:')}/x")
    assert (caught.value.cause, isinstance(caught.value, UnansweredError)) == ("tls_failed", False)


def test_a_connection_that_breaks_after_the_request(tmp_path: Path) -> None:
    """A destination that closes without an answer may have it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            connection, _ = listener.accept()
            connection.recv(65536)
            connection.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(UnansweredError):
            deliver(f"http://127.0.0.1:{listener.getsockname()[1]}/x")
        thread.join()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/x", "http://clinic.invalid/x", "https://127.0.0.1:1/x"])
def test_who_was_never_reached_has_nothing(url: str) -> None:
    """Where no connection came about, the destination has it for certain not."""
    with pytest.raises(ExportError) as caught:
        deliver(url)
    assert not isinstance(caught.value, UnansweredError)


@pytest.mark.parametrize(
    "text",
    ["call 555-010-0142", "mail jane.doe@example.com", "ssn 123-45-6789", "born 3/14/1982", "mrn 0048213", "1 2 3 4 5"],
)
def test_a_text_of_no_call_is_held_to_shapes(text: str) -> None:
    """Where no known value can judge, what looks like an identifier is refused without being quoted."""
    with pytest.raises(DoorError) as caught:
        refuse_identifiers(text, "a message")
    assert text not in caught.value.diagnostics()
    refuse_identifiers("TTFT-A p95 over 3 s, 20 turns in 15 min", "a message")
