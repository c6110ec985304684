"""Hosts that share an outbox in PostgreSQL share their switch: services, jobs and the server are real processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from databases import PostgresServer, postgres
from home_of_a_host import Host, until_serving
from medagent.errors import TraceNotFoundError
from medagent.runtime.exports import archive
from medagent.telemetry.spool.directory import SpoolDirectory
from test_export_service import until

__all__ = ["postgres"]

pytestmark = pytest.mark.timing
MakeHost = Callable[..., Host]


@pytest.fixture
def make_host(tmp_path: Path, postgres: PostgresServer) -> Iterator[MakeHost]:
    made: list[Host] = []

    def make(name: str, **environment: str) -> Host:
        made.append(Host(tmp_path / name, postgres.url, **environment))
        return made[-1]

    yield make
    for one in made:
        one.kill()


def is_archived(trace_id: str, *hosts: Host) -> bool:
    """Return whether the archive of one of these hosts has the end of a call."""
    for host in hosts:
        store = archive(host.settings)
        try:
            if "session.end" in [span.name for span in store.spans(trace_id)]:
                return True
        except TraceNotFoundError:
            pass
        finally:
            store.close()
    return False


def spooled(host: Host) -> list[str]:
    """Return the calls of which a host's spool has spans; a call that met an off has an end for the ledger alone."""
    files = SpoolDirectory(host.home / "spool").files()
    return [file.trace_id for file in files if b'"operation":"span"' in file.path.read_bytes()]


def test_off_on_one_host_is_off_on_each(make_host: MakeHost) -> None:
    """The command ends when the other host has written its own file; its job stores nothing, its ledger says why."""
    one, two = make_host("one"), make_host("two")
    one.serve()
    two.serve()
    until_serving(one, two)
    job = two.job()
    before = job("hello")
    until(lambda: is_archived(before, one, two))
    done = one.run("telemetry", "off", "--reason", "drill")
    assert (done.code, "host" in done.out) == (0, False), done.out + done.err
    assert two.is_off()
    assert two.changes() == [("off", "shared")]
    until(lambda: "off" in two.run("telemetry", "status").out)
    time.sleep(0.5)  # the job's look at the file is at most 0.2 s old
    during = job("hello")
    job("flush")
    assert during not in spooled(two)
    done = two.run("telemetry", "on", "--reason", "drill over")
    assert done.code == 0, done.out + done.err
    assert not one.is_off()
    assert one.changes() == [("off", "command"), ("on", "command")]
    time.sleep(0.5)
    after = job("hello")
    until(lambda: is_archived(after, one, two))
    assert not is_archived(during, one, two)


@pytest.mark.slow
def test_trip_in_a_job_is_off_on_each_host_until_it_is_lifted_on_one(make_host: MakeHost) -> None:
    """A job writes file and ledger; its host's service shares the trip, and `on --override` elsewhere lifts it."""
    one, two = make_host("one"), make_host("two")
    one.serve()
    two.serve()
    until_serving(one, two)
    two.trip()
    until(one.is_off)
    assert one.switch_file()["source"] == "trip"
    assert one.run("telemetry", "on", "--reason", "drill").code != 0
    done = one.run("telemetry", "on", "--override", "--reason", "the leak is mended")
    assert done.code == 0, done.out + done.err
    assert not two.is_off()
    assert not one.is_off()
    time.sleep(2)  # nobody shares the same trip again
    assert not one.is_off()
    assert not two.is_off()
    assert one.changes() == [("off", "shared"), ("on", "override")]
    assert two.changes() == [("off", "trip"), ("on", "override")]
    job = two.job()
    trace_id = job("hello")
    until(lambda: is_archived(trace_id, one, two))


@pytest.mark.slow
def test_off_names_the_hosts_that_did_not_apply_it(make_host: MakeHost) -> None:
    """A killed service did not answer (exit code 1); an ended one stores and sends nothing, and applies it later."""
    one, two, three = make_host("one"), make_host("two"), make_host("three")
    one.serve()
    two.serve()
    ended = three.serve()
    until_serving(one, two, three)
    ended.terminate()
    two.kill()
    until(lambda: "sends nothing" in one.run("outbox", "status").out)
    done = one.run("telemetry", "off", "--reason", "drill")
    assert done.code == 1
    assert done.out.count("did not answer") == 1
    assert done.out.count("its export service does not run: it stores, sends nothing") == 1
    waiting = three.job()("hello")
    until(lambda: spooled(three))
    three.serve()
    until(three.is_off)
    time.sleep(1)
    assert not is_archived(waiting, one, three)
    assert one.run("telemetry", "on", "--reason", "drill over").code == 1
    until(lambda: is_archived(waiting, one, three))


@pytest.mark.slow
def test_jobs_store_while_the_shared_switch_cannot_be_read(make_host: MakeHost, postgres: PostgresServer) -> None:
    """Nothing leaves until it is read and says on: an off of meanwhile, on another host, holds the spans back."""
    one, two = make_host("one"), make_host("two")
    one.serve()
    two.serve()
    until_serving(one, two)
    job = two.job()
    postgres.stop()
    waiting = job("hello")
    job("flush")
    assert waiting in spooled(two)
    done = one.run("telemetry", "off", "--reason", "drill")
    assert done.code != 0
    assert "the others do not know it" in done.out + done.err
    assert one.is_off()
    also = job("hello")
    job("flush")
    assert sorted(spooled(two)) == sorted((waiting, also))
    assert not two.is_off()
    postgres.start()
    until(two.is_off)
    time.sleep(1)
    assert sorted(spooled(two)) == sorted((waiting, also))
    assert not is_archived(waiting, one, two)
    assert one.run("telemetry", "on", "--reason", "drill over").code == 0
    until(lambda: is_archived(waiting, one, two) and is_archived(also, one, two))


@pytest.mark.deadline
def test_off_reaches_each_host_within_two_seconds(make_host: MakeHost) -> None:
    """From the first host's file to the last one's, by the times at which they were written."""
    hosts = [make_host(name) for name in ("one", "two", "three")]
    for host in hosts:
        host.serve()
    until_serving(*hosts)
    for round_ in range(5):
        first, *others = hosts[round_ % 3 :] + hosts[: round_ % 3]
        done = first.run("telemetry", "off", "--reason", "drill")
        assert done.code == 0, done.out + done.err
        began = datetime.fromisoformat(first.switch_file()["at"]).timestamp()
        assert max((host.home / "switch.json").stat().st_mtime - began for host in others) <= 2
        assert others[0].run("telemetry", "on", "--reason", "drill over").code == 0
