"""Spans stored in the spool and sealed from it are those that the outbox would have taken directly, once each."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from medagent.errors import OutboxError
from medagent.telemetry.outbox import Outbox
from medagent.telemetry.span_store import CallChanges, EndOfCall, Release
from medagent.telemetry.spool.records import SpoolRecord
from medagent.telemetry.spool.spool import Spool
from outboxes import CALLS, admitted
from spools import IDENTITY, SpoolHost

pytestmark = pytest.mark.timing
NOTE = "somebody said this"
FRAME = ("voice_session", "policy.guardrail")


@dataclass(frozen=True)
class Step:
    """One change of one call."""

    call: int
    what: str
    name: str = ""
    number: int = 0
    final: bool = True

    def carry_out(self, changes: CallChanges, release: Release) -> None:
        trace_id = CALLS[self.call]
        match self.what:
            case "open":
                changes.open_call(trace_id, release=release)
            case "put":
                changes.put(admitted(trace_id, self.name, self.number, NOTE), final=self.final)
            case "release":
                changes.release(trace_id)
            case "withdraw":
                changes.withdraw(trace_id)
            case "end":
                about = {"policy": "ab" * 32, "actions": {}, "categories": {}}
                changes.end_call(EndOfCall(trace_id=trace_id, is_open=True, is_sealed=True, is_whole=True, about=about))


releases = st.sampled_from(["held", "released", "withdrawn"])
puts = st.builds(
    Step,
    st.integers(0, 2),
    st.just("put"),
    st.sampled_from(["user_turn", "agent_turn", *FRAME]),
    st.integers(0, 4),
    st.booleans(),
)
others = st.builds(Step, st.integers(0, 2), st.sampled_from(["release", "withdraw", "end"]))
slices = st.lists(st.lists(st.one_of(puts, puts, puts, others), min_size=1, max_size=5), max_size=8)


def orderly(work: Sequence[Sequence[Step]], release: Release) -> list[list[Step]]:
    """Return the steps as a call has them: consent is settled once and before the end, nothing follows that."""
    state: dict[int, str] = {}
    kept: list[list[Step]] = []
    for one in work:
        kept.append([])
        for step in one:
            now = state.setdefault(step.call, release)
            if now == "over" or (step.what == "withdraw" and now != "held"):
                continue
            if step.what == "end" and now == "held":
                kept[-1].append(Step(step.call, "withdraw"))
            kept[-1].append(step)
            state[step.call] = {"end": "over", "withdraw": "withdrawn", "release": "released"}.get(step.what, now)
            if step.what == "release" and now != "held":
                state[step.call] = now
    return [one for one in kept if one]


def run(store: Spool | Outbox, work: Sequence[Sequence[Step]], release: Release, after: Any = None) -> None:
    """Carry out slices of work; a change that a store refuses is refused alone."""
    opened: set[int] = set()
    for one in work:
        with store.transaction() as changes:
            for step in one:
                if step.call not in opened:
                    opened.add(step.call)
                    Step(step.call, "open").carry_out(changes, release)
                with suppress(OutboxError):
                    step.carry_out(changes, release)
        if after is not None:
            after()


def content(outbox: Outbox) -> dict[str, Any]:
    """Return what an outbox holds of each call, without what differs from run to run."""
    found: dict[str, Any] = {}
    with closing(outbox), outbox._database.reading() as connection:
        for row in connection.execute(sa.text("select trace_id, state, release, next_sequence, head from calls")):
            found[row.trace_id] = [row.state, row.release, row.next_sequence, row.head]
        query = (
            "select span_id, trace_id, name, state, digest, sequence, previous, hash, body from spans order by span_id"
        )
        found["spans"] = [tuple(row) for row in connection.execute(sa.text(query))]
        found["marks"] = sorted(row.content for row in connection.execute(sa.text("select content from marks")))
        found["due"] = sorted(row.span_id for row in connection.execute(sa.text("select span_id from deliveries")))
    return found


@given(work=slices, release=releases, looks=st.lists(st.booleans(), min_size=8, max_size=8))
def test_import_seals_what_the_outbox_seals_directly(
    work: list[list[Step]], release: Release, looks: list[bool]
) -> None:
    """Whenever the service looks: the same chains, in the same order, with the same ends."""
    work = orderly(work, release)
    with TemporaryDirectory() as directory:
        host, direct = SpoolHost(home=Path(directory)), Path(directory) / "direct"
        direct.mkdir()
        job, box = host.job(), host.outbox()
        importer = host.service(box)
        turns = iter(looks)
        run(job, work, release, lambda: next(turns, True) and importer.look())
        importer.look()
        one = Outbox(f"sqlite:///{direct / 'outbox.db'}", destinations=["archive"], owner="service")
        run(one, work, release)
        ours, theirs = content(box), content(one)
        job.close()
    for trace_id in CALLS:
        if theirs.get(trace_id, ["open"])[0] == "closed":
            assert ours[trace_id] == theirs[trace_id]
    assert sealed(ours) == sealed(theirs)
    assert ours["marks"] == theirs["marks"]
    assert ours["due"] == theirs["due"]


def sealed(found: dict[str, Any]) -> list[Any]:
    """Return the spans that have a place in a chain and a body."""
    return [span for span in found["spans"] if span[3] == "sealed"]


@given(work=slices, answer=st.sampled_from(["withdraw", "release", None]))
def test_spool_of_a_held_call_holds_its_session_and_guardrail_alone(work: list[list[Step]], answer: str | None) -> None:
    """While consent is open, and after a refusal, no other span of a call is on the disk."""
    with TemporaryDirectory() as directory:
        host = SpoolHost(home=Path(directory))
        job = host.job()
        held = [[step for step in one if step.what == "put"] for one in work]
        seen: list[bytes] = []
        run(job, [one for one in held if one], "held", lambda: seen.append(host.on_disk()))
        if answer is not None:
            for call in range(3):
                with suppress(OutboxError), job.transaction() as changes:
                    Step(call, answer).carry_out(changes, "held")
        if answer != "release":
            seen.append(host.on_disk())
        job.close()
    assert not any(name in found for found in seen for name in (b"user_turn", b"agent_turn"))


@given(work=slices)
def test_refusal_after_a_yes_deletes_what_was_written(work: list[list[Step]]) -> None:
    """In the folder and in the outbox, however much the service had read."""
    with TemporaryDirectory() as directory:
        host = SpoolHost(home=Path(directory))
        job, box = host.job(), host.outbox()
        importer = host.service(box)
        puts_alone = [[step for step in one if step.what == "put"] for one in work]
        run(job, [one for one in puts_alone if one], "released", importer.look)
        calls = {step.call for one in puts_alone for step in one}
        for call in calls:
            with job.transaction() as changes:
                Step(call, "withdraw").carry_out(changes, "released")
        assert not any(name in host.on_disk() for name in (b"user_turn", b"agent_turn"))
        assert len(host.names()) == len(calls)
        importer.look()
        found = content(box)
        job.close()
    assert {span[2] for span in found["spans"] if span[8]} <= set(FRAME)


def test_service_that_dies_between_the_commit_and_the_deletion_repeats_nothing(tmp_path: Path) -> None:
    """The next one finds how far the file is stored, and deletes it."""
    host = SpoolHost(home=tmp_path)
    job, box = host.job(), host.outbox()
    run(job, [[Step(0, "put", "user_turn", n) for n in range(3)], [Step(0, "end")]], "released")
    path = host.folder / host.names()[0]
    kept = path.read_bytes()
    host.service(box).look()
    assert host.names() == []
    path.write_bytes(kept)
    with box._database.writing() as connection:  # as the first service had it before it deleted the file
        connection.execute(sa.text("insert into spools values (:n, :s, 1)"), {"n": path.name, "s": len(kept)})
    before = content(host.outbox())
    assert host.service(host.outbox()).look().records == 0
    assert host.names() == []
    assert content(host.outbox()) == before
    assert host.ended == [CALLS[0], CALLS[0]]


def test_call_of_a_dead_job_is_ended_after_its_last_whole_record(tmp_path: Path) -> None:
    """A record that the process was writing when it died is dropped."""
    host = SpoolHost(home=tmp_path)
    job, box = host.job(), host.outbox()
    run(job, [[Step(0, "put", "user_turn", n) for n in range(3)]], "released")
    importer = host.service(box)
    importer.look()
    assert (host.dead, len(host.names())) == ([], 1)
    path = host.folder / host.names()[0]
    with path.open("ab") as file:
        file.write(SpoolRecord("span", {"final": True}, b"x" * 50).encoded()[:-7])
    importer.look()
    assert host.dead == []
    job.close()
    importer.look()
    assert (host.dead, host.names()) == ([CALLS[0]], [])
    assert len(sealed(content(box))) == 3


def test_living_job_of_other_digests_is_left_alone(tmp_path: Path) -> None:
    """And so is a dead one: a service of its digests reads both."""
    host = SpoolHost(home=tmp_path)
    other = type(IDENTITY)(code="other", policy="p0", settings="5e")
    job, box = host.job(identity=other), host.outbox()
    run(job, [[Step(0, "put", "user_turn")], [Step(0, "end")]], "released")
    importer = host.service(box)
    assert (importer.look().records, importer.others) == (0, frozenset(host.names()))
    job.close()
    assert importer.look().records == 0
    assert host.service(host.outbox(), identity=other).look().calls == 1
    assert host.names() == []


def test_process_with_a_service_of_its_own_reads_its_own_and_the_dead(tmp_path: Path) -> None:
    """Two such processes side by side do not read each other's files; when one dies the other ends its call."""
    host = SpoolHost(home=tmp_path)
    one, two = (host.job(identity=type(IDENTITY)(code="c0de", policy="p0", settings="5e", service=s)) for s in "ab")
    run(one, [[Step(0, "put", "user_turn")]], "released")
    run(two, [[Step(1, "put", "user_turn")]], "released")
    box = host.outbox()
    ours = host.service(box, service="a", reads_living=False)
    ours.look()
    assert [span[1] for span in content(box)["spans"]] == [CALLS[0]]
    two.close()
    ours.look()
    ours.look()
    assert (host.dead, len(host.names())) == ([CALLS[1]], 1)
    one.close()


def test_two_services_end_a_dead_call_once(tmp_path: Path) -> None:
    """The first locks the file."""
    host = SpoolHost(home=tmp_path)
    job = host.job()
    run(job, [[Step(0, "put", "user_turn")]], "released")
    job.close()
    one, two = (host.service(host.outbox(), service=s, reads_living=False) for s in "ab")
    one.look()
    two.look()
    one.look()
    two.look()
    assert host.dead == [CALLS[0]]
    assert len(content(host.outbox())["spans"]) == 1


def test_nothing_is_sealed_while_the_switch_is_off(tmp_path: Path) -> None:
    """The spool waits."""
    host = SpoolHost(home=tmp_path)
    job, box = host.job(), host.outbox()
    run(job, [[Step(0, "put", "user_turn")], [Step(0, "end")]], "released")
    host.forced = "off"
    assert host.service(box).look().records == 0
    assert len(host.names()) == 1
    host.forced = None
    assert host.service(box).look().calls == 1


def test_full_outbox_keeps_the_spool_waiting(tmp_path: Path) -> None:
    """Nothing of a call is dropped; it is sealed when there is room."""
    host = SpoolHost(home=tmp_path)
    job = host.job()
    run(job, [[Step(0, "put", "user_turn")], [Step(0, "end")]], "released")
    run(job, [[Step(1, "put", "user_turn")], [Step(1, "end")]], "released")
    with closing(host.outbox(max_bytes=1)) as small:
        first = host.service(small)
        assert first.look().calls == 2  # empty before
        run(job, [[Step(2, "put", "user_turn")], [Step(2, "end")]], "released")
        assert first.look().records == 0
    assert len(host.names()) == 1
    assert host.service(host.outbox()).look().calls == 1


def test_span_that_was_changed_in_its_file_is_not_sealed(tmp_path: Path) -> None:
    """Its digest is that of the span which was admitted."""
    host = SpoolHost(home=tmp_path)
    job, box = host.job(), host.outbox()
    run(job, [[Step(0, "put", "user_turn")]], "released")
    path = host.folder / host.names()[0]
    forged = admitted(CALLS[0], "agent_turn", 7, "not admitted")
    with path.open("ab") as file:
        file.write(SpoolRecord("span", {"final": True, "digest": "00" * 32}, forged.body).encoded())
        other = admitted(CALLS[1], "agent_turn", 7, "another call's")
        file.write(SpoolRecord("span", {"final": True, "digest": other.digest}, other.body).encoded())
    host.service(box).look()
    assert [span[2] for span in content(box)["spans"]] == ["user_turn"]
    job.close()


# ---- the disk -------------------------------------------------------------------------------------------------------


def test_files_are_private(tmp_path: Path) -> None:
    """Folder and files belong to their user alone."""
    host = SpoolHost(home=tmp_path)
    job = host.job()
    run(job, [[Step(0, "put", "user_turn")]], "released")
    assert host.folder.stat().st_mode & 0o077 == 0
    assert [path.stat().st_mode & 0o777 for path in host.folder.iterdir()] == [0o600]
    job.close()


def test_folder_that_is_gone_is_made_again(tmp_path: Path) -> None:
    """The call goes on with a hole: its end says that it is not whole."""
    host = SpoolHost(home=tmp_path)
    job, box = host.job(), host.outbox()
    run(job, [[Step(0, "put", "voice_session", 0, final=False), Step(0, "put", "user_turn", 1)]], "released")
    for path in host.folder.iterdir():
        path.unlink()
    host.folder.rmdir()
    with job.transaction() as changes:
        assert not changes.put(admitted(CALLS[0], "user_turn", 2), final=True)
        assert changes.put(admitted(CALLS[0], "user_turn", 3), final=True)
    with job.transaction() as changes:
        Step(0, "end").carry_out(changes, "released")
    host.service(box).look()
    found = content(box)
    assert [span[2] for span in sealed(found)] == ["user_turn", "user_turn"]
    assert '"complete":false' in found["marks"][0]


def test_full_disk_takes_nothing_of_a_slice_and_all_of_it_later(tmp_path: Path) -> None:
    """A real limit of the file's size, in a process of its own: what was accepted stays, what was not comes again."""
    script = f"""
import resource, signal, sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from pathlib import Path
from medagent.errors import OutboxUnavailableError
from outboxes import CALLS, admitted
from spools import SpoolHost
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
job = SpoolHost(home=Path({str(tmp_path)!r})).job()
with job.transaction() as changes:
    changes.open_call(CALLS[0], release="released")
    changes.put(admitted(CALLS[0], "user_turn", 0), final=True)
size = sum(path.stat().st_size for path in job.directory.path.iterdir())
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 200, resource.RLIM_INFINITY))
def more():
    with job.transaction() as changes:
        for number in (1, 2, 3):
            changes.put(admitted(CALLS[0], "user_turn", number), final=True)
try:
    more()
except OutboxUnavailableError as error:
    print(error)
print(sum(path.stat().st_size for path in job.directory.path.iterdir()) == size)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
more()
"""

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["the spool cannot be written: OSError", "True"]
    host = SpoolHost(home=tmp_path)
    with closing(host.outbox()) as box:
        host.service(box).look()
        spans = [one.fields["index"] for one in box.due("archive", 100)]
    assert spans == [0, 1, 2, 3]
