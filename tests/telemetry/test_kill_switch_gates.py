"""The gate is passed before every request: no destination, local or away, gets or is asked anything once it is shut."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from medagent.alerts.notice import trial_notice
from medagent.alerts.pagerduty import PagerDuty
from medagent.alerts.post import Post
from medagent.alerts.rules import load_alerts
from medagent.audit.capture import span_count
from medagent.errors import EgressOffError, NotAskableError
from medagent.runtime.alerting import alert_watch
from medagent.runtime.exports import exporters
from medagent.runtime.kill_switch import export_gate, switch
from medagent.runtime.telemetry import Telemetry
from medagent.settings import Settings, load_settings
from medagent.telemetry import shipper as module
from medagent.telemetry.door.admission import Admitted
from medagent.telemetry.exporters.archive import Archive
from medagent.telemetry.exporters.exporter import Exporter, ask
from medagent.telemetry.exporters.jsonlog import JsonLog
from medagent.telemetry.gates import ExportGate
from medagent.telemetry.outbox import Outbox
from medagent.telemetry.shipper import Shipper
from medagent.telemetry.span import SafeSpan
from spans import call

pytestmark = pytest.mark.timing
OFF = "nothing is sent: telemetry is off, by command: drill"
ANSWERS = {
    "langsmith": (202, "application/json", b"{}"),
    "pagerduty": (202, "application/json", b'{"status":"success"}'),
}
PROTOBUF = (200, "application/x-protobuf", b"")
WAIT_S = 60


class Server:
    """A destination that answers `status` to batches and holds each span that comes alone until it may answer."""

    def __init__(self, status: int) -> None:
        self.begun: list[tuple[str, int]] = []
        self.alone = threading.Event()
        self.twice = threading.Event()
        self.may_answer = threading.Event()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                channel = self.path.split("/")[1]
                count = span_count(channel, body)
                server.begun.append((channel, count))
                answer = ANSWERS.get(channel, PROTOBUF)
                if count > 1:
                    answer = (status, "application/json", b'{"error":"refused by the test"}')
                    if len(server.begun) > 1:
                        server.twice.set()
                else:
                    server.alone.set()
                    server.may_answer.wait(WAIT_S)
                self.send_response(answer[0])
                self.send_header("Content-Type", answer[1])
                self.send_header("Content-Length", str(len(answer[2])))
                self.end_headers()
                self.wfile.write(answer[2])

            do_GET = do_POST  # noqa: N815  # the base class looks for it

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the base class names it so
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @contextmanager
    def listening(self) -> Iterator[Server]:
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.may_answer.set()
            self._server.shutdown()
            self._server.server_close()


def configured(home: Path, url: str) -> Settings:
    return load_settings(
        MEDAGENT_HOME=str(home),
        MEDAGENT_DESTINATIONS="otlp,langfuse,jsonlog",
        MEDAGENT_JSONLOG=str(home / "log.jsonl"),
        LANGSMITH_API_KEY="k",
        LANGSMITH_ENDPOINT=f"{url}/langsmith",
        MEDAGENT_OTLP_ENDPOINT=f"{url}/otlp",
        LANGFUSE_PUBLIC_KEY="p",
        LANGFUSE_SECRET_KEY="s",
        LANGFUSE_BASE_URL=f"{url}/langfuse",
        MEDAGENT_SLACK_WEBHOOK_URL=f"{url}/slack",
        MEDAGENT_PAGERDUTY_ROUTING_KEY="k",
        MEDAGENT_PAGERDUTY_URL=f"{url}/pagerduty",
    )


@pytest.mark.parametrize("name", ["archive", "langsmith", "otlp", "langfuse", "jsonlog"])
def test_no_configured_exporter_goes_around_the_gate(tmp_path: Path, name: str) -> None:
    """Whatever it would do, by the composition's own wiring: no request, no byte in a file."""
    with Server(202).listening() as server:
        settings = configured(tmp_path, server.url)
        by_name: dict[str, Exporter] = {one.name: one for one in exporters(settings)}
        assert set(by_name) == {"archive", "langsmith", "otlp", "langfuse", "jsonlog"}
        switch(settings).turn_off(reason="drill", by="duty")
        spans = call()
        with pytest.raises(EgressOffError, match=OFF):
            by_name[name].export(spans)
        with pytest.raises((EgressOffError, NotAskableError)):
            by_name[name].holds(spans[0])
        assert server.begun == []
        assert not (tmp_path / "log.jsonl").exists() or (tmp_path / "log.jsonl").read_bytes() == b""
        with closing(sqlite3.connect(tmp_path / "archive" / "archive.db")) as archive:
            assert archive.execute("SELECT COUNT(*) FROM span").fetchone() == (0,)
        for one in by_name.values():
            one.close()


def test_read_back_and_alerts_pass_the_gate(tmp_path: Path) -> None:
    """A question about one id, a message to Slack, each of PagerDuty's two events."""
    with Server(202).listening() as server:
        server.may_answer.set()
        settings = configured(tmp_path, server.url)
        gate = export_gate(settings)
        ask(f"{server.url}/langsmith/runs/1", {}, of="langsmith", gate=gate)
        assert len(server.begun) == 1
        switch(settings).turn_off(reason="drill", by="duty")
        time.sleep(0.25)  # what was read of the switch is at most 0.2 s old
        with pytest.raises(EgressOffError, match="telemetry on --reason"):
            ask(f"{server.url}/langsmith/runs/1", {}, of="langsmith", gate=gate)
        watch = alert_watch(settings, load_alerts())
        for name in ("slack", "pagerduty"):
            with pytest.raises(EgressOffError):
                watch._senders[name].send(trial_notice(env="dev", at_us=1_700_000_000_000_000))
        assert len(server.begun) == 1
    del gate


def test_second_event_of_a_message_passes_the_gate_anew(tmp_path: Path) -> None:
    """Off between PagerDuty's trigger and its resolve: one request."""
    left = [1]

    def gate() -> None:
        if not left:
            raise EgressOffError("off")
        left.pop()

    with Server(202).listening() as server:
        server.may_answer.set()
        sender = PagerDuty("k", events_url=f"{server.url}/pagerduty", post=Post(name="pagerduty", gate=gate))
        with pytest.raises(EgressOffError):
            sender.send(trial_notice(env="dev", at_us=1_700_000_000_000_000))
        assert len(server.begun) == 1


def shut_later() -> tuple[Callable[[], None], threading.Event]:
    """A gate that is shut once the event is set."""
    is_off = threading.Event()

    def gate() -> None:
        if is_off.is_set():
            raise EgressOffError("off")

    return gate, is_off


def test_log_that_waits_for_its_lock_is_not_written_after_off(tmp_path: Path) -> None:
    """The gate is passed when the file is locked, not before."""
    path = tmp_path / "log.jsonl"
    gate, is_off = shut_later()
    log = JsonLog(path, gate=gate)
    with ThreadPoolExecutor(1) as pool, path.open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        exported = pool.submit(log.export, call())
        while not exported.running():
            time.sleep(0.01)
        is_off.set()
        fcntl.flock(other, fcntl.LOCK_UN)
        assert isinstance(exported.exception(WAIT_S), EgressOffError)
    assert path.read_bytes() == b""


def test_archive_that_waits_for_its_lock_is_not_written_after_off(tmp_path: Path) -> None:
    """The same for the local archive, which is a destination too."""
    gate, is_off = shut_later()
    archive = Archive(tmp_path, gate=gate)
    with (
        ThreadPoolExecutor(1) as pool,
        closing(sqlite3.connect(tmp_path / "archive.db", isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        exported = pool.submit(archive.export, call())
        while not exported.running():
            time.sleep(0.01)
        is_off.set()
        other.execute("ROLLBACK")
        assert isinstance(exported.exception(WAIT_S), EgressOffError)
        assert other.execute("SELECT COUNT(*) FROM span").fetchone() == (0,)
    archive.close()


def test_lines_on_standard_output_pass_the_gate_one_by_one(capfd: pytest.CaptureFixture[str]) -> None:
    """A reader that is slow does not get the rest of a batch after off."""
    passed: list[int] = []

    def gate() -> None:
        if len(passed) == 2:
            raise EgressOffError("off")
        passed.append(1)

    with pytest.raises(EgressOffError):
        JsonLog("stdout", gate=gate).export(call())
    assert len(capfd.readouterr().out.splitlines()) == 2


def filled(home: Path, name: str) -> tuple[Outbox, list[SafeSpan]]:
    outbox = Outbox(f"sqlite:///{home / 'outbox' / 'outbox.db'}", destinations=[name], owner="o")
    spans = call()
    with outbox.transaction() as transaction:
        transaction.open_call(spans[0].trace_id, release="released")
        for span in spans:
            transaction.put(Admitted.of(span), final=True)
    return outbox, spans


@pytest.mark.parametrize("status", [409, 400, 413])
@pytest.mark.parametrize("name", ["langsmith", "otlp", "langfuse"])
def test_no_request_begins_after_off_while_batches_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, status: int
) -> None:
    """In the middle of single spans, or of repeats of the batch: at most the request in flight; all stays due."""
    monkeypatch.setattr(module, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(module, "_LONGEST_PAUSE_S", 0.01)
    monkeypatch.setattr(module, "_LOOK_EVERY_S", 0.01)
    with Server(status).listening() as server:
        settings = configured(tmp_path, server.url)
        stop = switch(settings)
        exporter = next(one for one in exporters(settings, gate=ExportGate(stop)) if one.name == name)
        outbox, spans = filled(tmp_path, name)
        shipper = Shipper(exporter, outbox=outbox, switch=stop, gather_s=0)
        shipper.start()
        is_repeated = status == 409 and name != "langsmith"
        assert (server.twice if is_repeated else server.alone).wait(WAIT_S)
        stop.turn_off(reason="drill", by="duty")
        begun = len(server.begun) + is_repeated  # a repeat may have passed the gate just before
        server.may_answer.set()
        other = Outbox(f"sqlite:///{tmp_path / 'outbox' / 'outbox.db'}", destinations=[name], owner="other")
        deadline = time.monotonic() + WAIT_S
        due: list[SafeSpan] = []
        while not due and time.monotonic() < deadline:  # another owner gets them: the leases are released
            due = other.lease(name, 100)
            time.sleep(0.01)
        shipper.stop(WAIT_S)
        assert len(server.begun) <= begun
        assert len(due) >= len(spans) - 1
        assert "EgressOffError" not in str(outbox.status().last_errors)
        assert outbox.status().set_aside == {}
        outbox.close()
        other.close()


def test_send_of_the_doctor_is_refused_with_the_remedy(tmp_path: Path) -> None:
    """Nothing is stored and nothing is asked; the error names the command of this environment."""
    from medagent.cli.doctor import sent

    with Server(202).listening() as server:
        settings = configured(tmp_path, server.url)
        switch(settings).turn_off(reason="drill", by="duty")
        with pytest.raises(EgressOffError, match='medagent telemetry on --reason "…"'):
            list(sent(settings))
        assert server.begun == []


def test_every_destination_of_a_process_has_the_gate_of_its_switch(tmp_path: Path) -> None:
    """A trip that cannot be written holds in its process: the exporters of that process see it."""
    settings = load_settings(MEDAGENT_HOME=str(tmp_path), LANGSMITH_API_KEY=SecretStr("k").get_secret_value())
    telemetry = Telemetry(settings)
    try:
        (tmp_path / "switch.json").mkdir()
        telemetry.switch.trip("a leak at the filter")
        for one in telemetry.destinations:
            with pytest.raises(EgressOffError, match="a leak at the filter"):
                one.export(call())
    finally:
        (tmp_path / "switch.json").rmdir()
        telemetry.close(0.1)  # meant to expire
    assert os.listdir(tmp_path)  # noqa: PTH208  # the home is used
