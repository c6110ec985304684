"""`medagent ship`, `outbox`, `archive`, `telemetry purge` as a person runs them, against a real destination."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from command import MEDAGENT, medagent
from databases import postgresql_server, postgresql_url
from medagent.runtime.exports import archive, exporters, outbox
from medagent.settings import Settings, load_settings
from medagent.telemetry.door.admission import Admitted
from medagent.telemetry.outbox import Outbox
from medagent.telemetry.span import SafeSpan
from sink import Sink
from spans import call

pytestmark = pytest.mark.timing

__all__ = ["postgresql_server", "postgresql_url"]


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    with Sink(tmp_path) as running:
        yield running


@pytest.fixture
def settings(sink: Sink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in {
        "MEDAGENT_HOME": str(tmp_path / "home"),
        "LANGSMITH_API_KEY": "lsv2_test",
        "LANGSMITH_ENDPOINT": sink.url,
    }.items():
        monkeypatch.setenv(name, value)
    return load_settings()


@pytest.fixture
def box(settings: Settings) -> Iterator[Outbox]:
    opened = outbox(settings, exporters(settings))
    yield opened
    opened.close()


def fill(box: Outbox, *, days_ago: int = 0) -> list[SafeSpan]:
    """Put a call into the outbox; the archive prunes it once it is 90 days old."""
    spans = call(start_us=time.time_ns() // 1000 - (days_ago * 86_400 + 60) * 1_000_000)
    with box.transaction() as transaction:
        transaction.open_call(spans[0].trace_id, release="released")
        for span in spans:
            transaction.put(Admitted.of(span), final=True)
        transaction.close_call(spans[0].trace_id)
    return spans


def test_what_waits_is_delivered_and_said(box: Outbox, settings: Settings, sink: Sink) -> None:
    """What a dead process left arrives everywhere; the counts are a line each; a second run has nothing to do."""
    spans = fill(box)
    done = medagent("ship", "--json", home=settings.home)
    last = {line["destination"]: line for line in map(json.loads, done.out.splitlines())}
    assert done.code == 0
    counts = {"delivered": 6, "due": 0, "set_aside": 0, "last_error": None}
    assert last == {name: {"destination": name, **counts} for name in ("archive", "langsmith")}
    assert set(sink.runs()) == {span.span_id for span in spans}
    assert len(archive(settings).spans(spans[0].trace_id)) == 6
    again = medagent("ship", home=settings.home)
    assert (again.code, len(sink.requests())) == (0, 1)


def test_what_does_not_go_through_is_an_exit_code(box: Outbox, settings: Settings, sink: Sink) -> None:
    """A destination that is down, and then one bad span: `ship` and `outbox status` say so and end with 1."""
    bad = fill(box)[3]
    sink.mode(status=503)
    down = medagent("ship", "--wait", "1", "--json", home=settings.home)
    last = {line["destination"]: line["due"] for line in map(json.loads, down.out.splitlines())}
    assert (down.code, last["langsmith"]) == (1, 6)
    assert medagent("outbox", "status", home=settings.home).code == 0
    sink.mode(status=202, poison=bad.span_id.encode().hex())
    assert medagent("ship", home=settings.home).code == 1
    status = medagent("outbox", "status", "--json", home=settings.home)
    said = json.loads(status.out)
    assert (status.code, said["set_aside"], said["due"]) == (1, {"langsmith": 1}, {"archive": 0, "langsmith": 0})
    assert [one["span_id"] for one in said["set_aside_spans"]] == [bad.span_id]
    shown = medagent("outbox", "status", home=settings.home).out
    assert bad.span_id in shown
    sink.mode(status=202)
    assert medagent("outbox", "retry", "langsmith", home=settings.home).out.startswith("1 ")
    assert medagent("ship", home=settings.home).code == 0
    assert bad.span_id in sink.runs()


def test_it_follows_until_it_is_stopped_and_obeys_the_switch(box: Outbox, settings: Settings, sink: Sink) -> None:
    """What comes later goes too; after an off nothing does; SIGTERM ends it at once and well."""
    following = subprocess.Popen([MEDAGENT, "ship", "--follow"], env=dict(os.environ), stdout=subprocess.DEVNULL)
    try:
        time.sleep(1)
        spans = fill(box)
        deadline = time.monotonic() + 60
        while len(sink.runs()) < len(spans):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert medagent("telemetry", "off", "--reason", "drill", home=settings.home).code == 0
        time.sleep(1)
        with box.transaction() as transaction:
            later = call("6f0c3b1e-0c1d-4f6a-9a55-1f2e3d4c5b6a")
            transaction.open_call(later[0].trace_id, release="released")
            transaction.put(Admitted.of(later[0]), final=True)
        time.sleep(1.5)
        assert len(sink.runs()) == len(spans)
        assert box.status().due == {"archive": 1, "langsmith": 1}
        following.send_signal(signal.SIGTERM)
        assert following.wait(60) == 0
    finally:
        following.kill()
        following.wait()
    off = medagent("ship", "--wait", "1", home=settings.home)
    assert off.code == 1
    assert "telemetry is off" in off.err


def test_a_purge_needs_a_reason_that_may_be_kept(box: Outbox, settings: Settings) -> None:
    """The ledger keeps it for six years; then what waited is gone, and `trace check` reads the tombstones."""
    spans = fill(box)
    refused = medagent("telemetry", "purge", "--reason", "call back 555 010 0142", home=settings.home)
    assert (refused.code, box.status().due["archive"]) == (2, 6)
    done = medagent("telemetry", "purge", "--reason", "ticket OPS-4711", home=settings.home)
    assert (done.code, done.out) == (0, "what waited is deleted, of 1 calls\n")
    assert box.status().due == {"archive": 0, "langsmith": 0}
    checked = medagent("trace", "check", spans[0].trace_id, "--json", home=settings.home)
    said = json.loads(checked.out)
    assert (checked.code, said["deleted"], said["chain"]) == (0, {"purge": 6}, "ok")
    assert medagent("ledger", "verify", home=settings.home).code == 0


def test_the_archive_is_pruned_by_command(box: Outbox, settings: Settings) -> None:
    """Old spans go and leave their places; `trace check` reads them, and a second run has nothing to do."""
    spans = fill(box, days_ago=2)
    archive(settings).export(box.due("archive", 99))
    home = settings.home
    pruned = medagent("archive", "prune", home=home, MEDAGENT_ARCHIVE_DAYS="1")
    assert (pruned.code, pruned.out[:15]) == (0, "6 spans deleted")
    checked = medagent("trace", "check", spans[0].trace_id[:8], home=home)
    assert checked.code == 0
    assert "deleted by retention: 6 spans" in checked.out
    assert medagent("archive", "prune", home=home, MEDAGENT_ARCHIVE_DAYS="1").out.startswith("0 ")


def test_the_outbox_may_be_a_postgresql(settings: Settings, sink: Sink, postgresql_url: str) -> None:
    """A call is played into it and arrives; a file for it is never made."""
    played = medagent("call", "--pace", "20", home=settings.home, MEDAGENT_OUTBOX_URL=postgresql_url)
    assert played.code == 0, played.err
    done = medagent("ship", home=settings.home, MEDAGENT_OUTBOX_URL=postgresql_url)
    assert (done.code, not sink.runs()) == (0, False)
    assert medagent("trace", "check", home=settings.home).code == 0
    assert not (settings.home / "outbox" / "outbox.db").exists()


def test_retry_of_an_unknown_destination_is_an_error(settings: Settings, box: Outbox) -> None:
    """A name that is neither set up nor waited for is refused, with the names that are; nothing is offered."""
    fill(box)
    done = medagent("outbox", "retry", "langsmth", home=settings.home)
    said = " ".join(done.err.replace("│", " ").split())
    assert (done.code, done.out) == (2, "")
    assert "unknown destination, expected one of archive, langsmith" in said
    assert "langsmth" not in said
