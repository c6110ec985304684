"""A process that dies leaves calls without an end: the next one gives each exactly one, and no word of it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy.pool import NullPool

from databases import postgresql_server, postgresql_url
from ledgers import KEY, TRUSTED
from medagent.errors import LedgerError
from medagent.pricing import load_prices
from medagent.proof import PseudonymKey
from medagent.redaction import Redactor
from medagent.telemetry import events as ev
from medagent.telemetry.chain import verify_chain
from medagent.telemetry.ledger import Ledger, entries, verify
from medagent.telemetry.outbox import Outbox, Transaction
from medagent.telemetry.owners import Owner, Owners
from medagent.telemetry.recovery import GuardrailEntries, Recovered, recover
from medagent.telemetry.session import Destination, Session, SessionMaker
from medagent.telemetry.span import SafeSpan
from medagent.telemetry.switch import Switch
from packaged import packaged_policy
from spans import assert_one_tree
from strategies import START_NS, event_streams, started
from switches import GO, audited

pytestmark = pytest.mark.timing

__all__ = ["postgresql_server", "postgresql_url"]  # fixtures

POLICY = packaged_policy()
KEYS = PseudonymKey(secret=b"k" * 32)
PRICES = load_prices()
WORDS = ("cough", "line was busy", "Quillon", "5550100142")
WHOLE = ["session.start", "session.end", "voice_session", "policy.guardrail"]


@dataclass(slots=True, kw_only=True)
class Host:
    """One state directory, in which processes come and go; each has an outbox of its own over the same file."""

    home: Path
    switch: Switch
    owners: Owners
    redactor: Redactor = field(default_factory=lambda: Redactor(POLICY, keys=KEYS))
    legal_basis: str | None = "synthetic callers"
    sampling: float = 1.0
    url: str | None = None

    @property
    def ledger_path(self) -> Path:
        return self.home / "ledger.jsonl"

    def outbox(self, owner: str) -> Outbox:
        url = self.url or f"sqlite:///{self.home / 'outbox.db'}"
        return Outbox(url, destinations=["archive"], owner=owner)

    def process(self) -> Process:
        owner = self.owners.claim()
        return Process(host=self, owner=owner, outbox=self.outbox(owner.name))

    def next_process(self) -> Recovered:
        process = self.process()
        try:
            return process.recover()
        finally:
            process.outbox.close()
            process.owner.release()

    def sealed(self) -> list[SafeSpan]:
        outbox = self.outbox("reader")
        try:
            return outbox.due("archive", 1000)
        finally:
            outbox.close()

    def names(self) -> list[str]:
        return [span.name for span in self.sealed()]

    def one(self, name: str) -> dict[str, Any]:
        [span] = [span for span in self.sealed() if span.name == name]
        return dict(span.fields)

    def guardrails(self) -> list[str]:
        if not self.ledger_path.exists():
            return []
        verify(self.ledger_path, TRUSTED)
        return [str(e.content["trace_id"]) for e in entries(self.ledger_path) if e.kind == "guardrail"]

    def on_disk(self) -> bytes:
        return b"".join(path.read_bytes() for path in self.home.glob("outbox.db*"))


@dataclass(slots=True, kw_only=True)
class Process:
    """One process: what it has of the outbox, and how it dies; a slice of work is one transaction, as in the worker."""

    host: Host
    owner: Owner
    outbox: Outbox

    @property
    def entries(self) -> GuardrailEntries:
        return GuardrailEntries(self.outbox, Ledger(self.host.ledger_path, KEY))

    def session(self, **about: Any) -> tuple[Session, ev.CallStarted]:
        shared = SessionMaker(
            redactor=self.host.redactor,
            prices=PRICES,
            switch=self.host.switch,
            env="dev",
            destinations=[Destination(name="archive", region="local", retention_days=90)],
            legal_basis=self.host.legal_basis,
            sampling=self.host.sampling,
            key=KEYS,
        )
        event = started(**about)
        return shared(str(uuid4()), event), event

    def work(self, session: Session, events: Sequence[ev.CallEvent]) -> None:
        writes = [write for event in events for write in session.take(event)]
        with self.outbox.transaction() as transaction:
            for write in writes:
                write.apply(transaction)

    def recover(self) -> Recovered:
        host = self.host
        return recover(
            self.outbox,
            owner=self.owner.name,
            owners=host.owners,
            redactor=host.redactor,
            switch=host.switch,
            entries=self.entries,
        )

    def dies(self) -> None:
        """As a kill does: the lock goes, the file of the owner stays."""
        self.outbox.close()
        self.owner._let_go()


Make = Callable[..., Host]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def build(**changes: Any) -> Host:
        home = tmp_path / str(uuid4())
        home.mkdir()
        host = Host(
            home=home, switch=Switch(home, forced=None, env="dev", audited=audited), owners=Owners(home / "owners")
        )
        return replace(host, **changes)

    return build


@pytest.fixture
def host(make: Make) -> Host:
    return make()


def happenings() -> list[ev.CallEvent]:
    """A turn, a tool with a name and free text, an error that quotes, another turn."""
    at = iter(range(START_NS, START_NS + 10**12, 10**8))
    arguments = '{"patient_name": "Una Quillon", "phone": "555 010 0142", "notes": "Una Quillon has a cough"}'
    makes: list[Callable[..., ev.CallEvent]] = [
        lambda **n: ev.SpeechStarted(item_id="i", **n),
        lambda **n: ev.SpeechStopped(item_id="i", **n),
        lambda **n: ev.ResponseStarted(response_id="r", **n),
        lambda **n: ev.ToolRequested(response_id="r", call_id="t", **n),
        lambda **n: ev.ToolStarted(call_id="t", name="book_appointment", arguments=arguments, **n),
        lambda **n: ev.ToolEnded(call_id="t", status="done", output='{"outcome": "ok", "notes": "a cough"}', **n),
        lambda **n: ev.ErrorRaised(
            source="tool", error_type="TimeoutError", message="no Quillon here", recoverable=True, **n
        ),
        lambda **n: ev.ResponseFinished(response_id="r", status="completed", usage=None, **n),
        lambda **n: ev.SpeechStarted(item_id="j", **n),
        lambda **n: ev.SpeechStopped(item_id="j", **n),
        lambda **n: ev.ResponseStarted(response_id="s", **n),
    ]
    return [make_one(seq=seq, at_ns=next(at)) for seq, make_one in enumerate(makes, start=1)]


def ended() -> ev.CallEnded:
    return ev.CallEnded(seq=99, at_ns=START_NS + 10**11, reason="caller_hung_up")


# ---- a call whose process was killed ---------------------------------------------------------------------------------


def test_a_killed_call_gets_its_end(host: Host) -> None:
    """What was sealed, what was provisional with its text withheld, then `session.end`, session and guardrail."""
    process = host.process()
    session, begun = process.session(room="clinic_5550100142", caller_number="555 010 0142")
    process.work(session, [begun])
    process.work(session, happenings())
    process.dies()
    assert host.names() == ["session.start", "user_turn", "user_turn"]
    assert host.next_process() == Recovered(calls=1, entries=1)
    spans = host.sealed()
    verify_chain(spans)
    assert [span.name for span in spans[3:]] == ["agent_turn", "tool.book_appointment", *WHOLE[1:]]
    assert host.one("tool.book_appointment")["arguments"]["notes"] == "<WITHHELD>"
    assert host.one("agent_turn")["error_message"] == "<WITHHELD>"
    for name in ("session.end", "voice_session"):
        end = host.one(name)
        assert (end["reason"], end["complete"], end["missing"]) == ("process_lost", False, ["process"])
        assert end["outcome"] is None
        assert end["duration_ms"] == pytest.approx(900)
    guardrail = host.one("policy.guardrail")
    assert (guardrail["complete"], guardrail["consent"]["state"]) == (False, "not_asked")
    assert not [word for word in WORDS if word.encode() in host.on_disk()]
    [entry] = [e for e in entries(host.ledger_path) if e.kind == "guardrail"]
    last = spans[-1].seal
    assert last is not None
    assert (entry.content["head"], entry.content["complete"]) == (last.hash, False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """A call, how its events came to be committed, and the event before which its process was killed."""

    stream: list[ev.CallEvent]
    cut: int
    slices: list[int]
    legal_basis: str | None
    sampling: float
    ledger_told: bool


stories = st.builds(
    Story,
    stream=event_streams(),
    cut=st.integers(0, 60),
    slices=st.lists(st.integers(1, 12), min_size=1, max_size=8),
    legal_basis=st.sampled_from([None, "synthetic callers"]),
    sampling=st.sampled_from([1.0, 1.0, 1e-12]),
    ledger_told=st.booleans(),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@example(
    story=Story(
        stream=[
            ev.ResponseStarted(seq=1, at_ns=7_000_000_000, response_id="resp_1", speech_id=None),
            ev.ToolAnswered(
                seq=2, at_ns=7_000_000_000, call_id="call_1", name="book_appointment", arguments="{}", output=None,
                is_error=False, reply_required=False,
            ),
            ev.CallEnded(seq=3, at_ns=7_000_000_000, reason="caller_hung_up"),
        ],
        cut=2,
        slices=[1],
        legal_basis="synthetic callers",
        sampling=1.0,
        ledger_told=False,
    )
)  # fmt: skip
@given(story=stories)
def test_wherever_it_is_killed_there_is_one_end(make: Make, story: Story) -> None:
    """After any committed slice of any call: one end, a chain that holds, no text, one entry; once is enough."""
    sampling = story.sampling
    host = make(legal_basis=story.legal_basis, sampling=sampling)
    process = host.process()
    session, begun = process.session()
    events: list[ev.CallEvent] = [begun, *story.stream][: story.cut + 1]
    done = 0
    for size in story.slices * len(events):
        process.work(session, events[done : done + size])
        done += size
    if story.ledger_told and (marks := process.outbox.marks()):  # killed between the ledger and the mark
        Ledger(host.ledger_path, KEY).append("guardrail", marks[0].content)
    process.dies()
    is_over = isinstance(events[-1], ev.CallEnded)
    assert host.next_process() == Recovered(calls=not is_over, entries=not (is_over and story.ledger_told))
    spans = host.sealed()
    verify_chain(spans)
    assert_one_tree(spans)
    names = [span.name for span in spans]
    state = host.one("policy.guardrail")["consent"]["state"]
    kept = WHOLE if state != "refused" else WHOLE[2:]
    assert [names.count(name) for name in WHOLE] == [int(name in kept and sampling == 1.0) for name in WHOLE[:3]] + [1]
    assert len(host.guardrails()) == 1
    assert not [word for word in WORDS if not is_over and word.encode() in host.on_disk()]
    assert host.next_process() == Recovered(calls=0, entries=0)
    assert host.sealed() == spans
    assert len(host.guardrails()) == 1
    assert host.switch.is_on()


def test_a_recovery_that_dies_on_its_way_leaves_the_call_as_it_was(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it is one transaction: the next one does it once."""
    process = host.process()
    session, begun = process.session()
    process.work(session, [begun, *happenings()])
    process.dies()
    before = host.sealed()

    class KilledError(BaseException):
        pass

    def die(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(Transaction, "close_call", die)
        with suppress(KilledError):
            host.next_process()
    assert host.sealed() == before
    assert host.next_process() == Recovered(calls=1, entries=1)
    assert host.names().count("session.end") == 1


def test_a_call_that_waited_for_a_yes_is_refused(make: Make) -> None:
    """It leaves the session, its guardrail, and nothing that was held."""
    host = make(legal_basis=None)
    process = host.process()
    session, begun = process.session()
    process.work(session, [begun, *happenings()])
    process.dies()
    host.next_process()
    verify_chain(host.sealed())
    assert host.names() == WHOLE[2:]
    assert host.one("policy.guardrail")["consent"]["state"] == "refused"


@pytest.mark.parametrize("answer", ["granted", "refused"])
def test_a_settled_consent_outlives_its_process(make: Make, answer: Any) -> None:
    """The guardrail of a killed call tells the answer that was given, when, and how."""
    host = make(legal_basis=None)
    process = host.process()
    session, begun = process.session()
    said = ev.ConsentSettled(seq=50, at_ns=START_NS + 10**9, state=answer, method="spoken", script_version="1.2")
    process.work(session, [begun, said])
    process.dies()
    host.next_process()
    consent = host.one("policy.guardrail")["consent"]
    assert (consent["state"], consent["method"], consent["script_version"]) == (answer, "spoken", "1.2")
    assert host.names() == (WHOLE if answer == "granted" else WHOLE[2:])


def test_a_shifted_clock_stays_shifted(make: Make) -> None:
    """The end of a killed call is told in the call's own days, under the policy that shifts them."""
    host = make(redactor=Redactor(packaged_policy("safe-harbor"), keys=KEYS))
    process = host.process()
    session, begun = process.session()
    process.work(session, [begun, *happenings()])
    process.dies()
    host.next_process()
    days = {span.end_us // 86_400_000_000 for span in host.sealed()}
    assert len(days) == 1
    assert max(days) < begun.wall_us // 86_400_000_000


def test_a_policy_that_changed_meanwhile_does_not_keep_a_call_open(make: Make) -> None:
    """The next process may run under other rules: what was admitted under the old ones stays, the end is of the new."""
    host = make(redactor=Redactor(packaged_policy("safe-harbor"), keys=KEYS))
    process = host.process()
    session, begun = process.session()
    process.work(session, [begun, *happenings()])
    process.dies()
    host.redactor = Redactor(POLICY, keys=KEYS)
    assert host.next_process().calls == 1
    verify_chain(host.sealed())
    assert host.one("session.end")["reason"] == "process_lost"


# ---- who is alive, and who recovers ----------------------------------------------------------------------------------


def test_the_calls_of_the_living_are_left_alone(host: Host) -> None:
    """Of two processes one dies: its call is ended, the other's goes on."""
    living, dying = host.process(), host.process()
    session, begun = living.session()
    living.work(session, [begun])
    other, other_begun = dying.session()
    dying.work(other, [other_begun])
    dying.dies()
    assert host.next_process() == Recovered(calls=1, entries=1)
    assert living.recover() == Recovered(calls=0, entries=0)
    living.work(session, [*happenings(), ended()])
    assert sorted(str(span.fields["reason"]) for span in host.sealed() if span.name == "session.end") == [
        "caller_hung_up",
        "process_lost",
    ]


def test_while_the_switch_is_off_a_dead_call_waits(host: Host) -> None:
    """Off, nothing is stored; on again, it gets its end."""
    process = host.process()
    session, begun = process.session()
    process.work(session, [begun])
    process.dies()
    host.switch.turn_off(reason="drill", by="duty")
    assert host.next_process().calls == 0
    host.switch.turn_on(report=GO, by="duty")
    assert host.next_process().calls == 1


def test_two_that_recover_at_once_do_it_once(host: Host) -> None:
    """Many calls, many threads with outboxes of their own: each call has one end, the ledger one entry."""
    process = host.process()
    for _ in range(12):
        session, begun = process.session()
        process.work(session, [begun, *happenings()])
    process.dies()
    barrier, found = threading.Barrier(4), list[Recovered]()

    def run() -> None:
        barrier.wait()
        found.append(host.next_process())

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    host.next_process()
    assert sum(each.calls for each in found) == 12
    assert host.names().count("session.end") == 12
    assert len(host.guardrails()) == len(set(host.guardrails())) == 12
    spans = host.sealed()
    for trace_id in {span.trace_id for span in spans}:
        verify_chain([span for span in spans if span.trace_id == trace_id])


def test_hosts_that_share_a_server_wait_for_silence(make: Make, postgresql_url: str) -> None:
    """A call of another host is ended once its owner was silent for ten minutes, by one of those who look."""
    here, there = make(url=postgresql_url), make(url=postgresql_url)
    process = there.process()
    for _ in range(6):
        session, begun = process.session()
        process.work(session, [begun, *happenings()])
    process.dies()
    assert here.next_process() == Recovered(calls=0, entries=0)
    with sa.create_engine(postgresql_url, poolclass=NullPool).begin() as connection:
        connection.execute(sa.text("UPDATE owners SET seen_s = seen_s - 700"))
    found = [0, 0, 0]

    def run(number: int) -> None:
        found[number] = make(url=postgresql_url).next_process().calls

    threads = [threading.Thread(target=run, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(found) == 6
    spans = here.sealed()
    assert [span.name for span in spans].count("session.end") == 6
    for trace_id in {span.trace_id for span in spans}:
        verify_chain([span for span in spans if span.trace_id == trace_id])


def test_a_lock_tells_the_living(tmp_path: Path) -> None:
    """A process counts as alive until it dies, whatever number it had; its file goes once nothing is left to do."""
    owners = Owners(tmp_path)
    program = (
        "import sys, time; from pathlib import Path; from medagent.telemetry.owners import Owners;"
        "print(Owners(Path(sys.argv[1])).claim().name, flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    name = child.stdout.readline().strip()
    assert owners.alive(name, silent_s=None)
    owners.sweep(())
    assert owners.alive(name, silent_s=None)
    child.kill()
    child.wait()
    assert not owners.alive(name, silent_s=0)
    owners.sweep({name})
    assert len(list(tmp_path.iterdir())) == 2
    owners.sweep(())
    assert [path.name for path in tmp_path.iterdir()] == ["place"]


def test_a_fork_does_not_keep_its_parent_alive(tmp_path: Path) -> None:
    """A child that outlives its parent holds no lock of it."""
    owner = Owners(tmp_path).claim()
    going, told = os.pipe()
    is_there, says = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(told)
        os.write(says, b".")
        os.read(going, 1)
        os._exit(0)
    os.read(is_there, 1)
    owner._let_go()
    assert not Owners(tmp_path).alive(owner.name, silent_s=0)
    for descriptor in (going, told, is_there, says):
        os.close(descriptor)
    os.waitpid(child, 0)


@pytest.mark.parametrize(("silent_s", "alive"), [(None, False), (0, True), (599, True), (600, False)])
def test_elsewhere_silence_tells(tmp_path: Path, silent_s: int | None, alive: bool) -> None:
    """A process of another state directory counts as alive until it has been silent for ten minutes."""
    elsewhere = Owners(tmp_path / "there").claim()
    assert Owners(tmp_path / "here").alive(elsewhere.name, silent_s=silent_s) is alive


def test_a_beat_breaks_the_silence(host: Host) -> None:
    """By the database's clock: how long an owner has been silent is known to all who share it."""
    process = host.process()
    session, begun = process.session()
    process.work(session, [begun])
    other = host.process()
    assert [call.silent_s for call in other.outbox.open_calls()] == [0]
    with closing(sqlite3.connect(host.home / "outbox.db")) as raw, raw:
        raw.execute("UPDATE owners SET seen_s = seen_s - 700")
    assert other.outbox.open_calls()[0].silent_s in (700, 701)
    process.outbox.beat()
    assert other.outbox.open_calls()[0].silent_s in (0, 1)


# ---- what the ledger is still to be told -----------------------------------------------------------------------------


@pytest.fixture
def closed(host: Host) -> Iterator[Process]:
    """A process that has just closed a call and has not told the ledger."""
    process = host.process()
    session, begun = process.session()
    process.work(session, [begun, *happenings(), ended()])
    yield process
    process.outbox.close()


def test_a_crash_before_the_ledger_loses_no_entry(host: Host, closed: Process) -> None:
    """The mark was committed with the call's end, so the next process tells the ledger."""
    closed.dies()
    assert host.guardrails() == []
    assert host.next_process() == Recovered(calls=0, entries=1)
    assert len(host.guardrails()) == 1


def test_a_crash_between_ledger_and_mark_tells_it_once(host: Host, closed: Process) -> None:
    """The ledger has it already: the mark goes, and no second entry comes."""
    [mark] = closed.outbox.marks()
    Ledger(host.ledger_path, KEY).append("guardrail", mark.content)
    closed.dies()
    assert host.next_process() == Recovered(calls=0, entries=0)
    assert len(host.guardrails()) == 1
    assert host.next_process() == Recovered(calls=0, entries=0)


def test_a_ledger_that_was_full_is_told_later(host: Host, closed: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the same process, at its next look."""

    def full(*_: object, **__: object) -> None:
        raise LedgerError("the ledger cannot be written (ENOSPC)")

    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "append_once", full)
        assert closed.recover() == Recovered(calls=0, entries=0)
    assert closed.recover() == Recovered(calls=0, entries=1)
    assert len(host.guardrails()) == 1


def test_a_living_process_tells_its_own(host: Host, closed: Process) -> None:
    """Another does not tell what a living one is about to."""
    assert host.next_process() == Recovered(calls=0, entries=0)
    [mark] = closed.outbox.marks()
    closed.entries.tell(mark.trace_id)
    closed.entries.tell(mark.trace_id)
    assert len(host.guardrails()) == 1
