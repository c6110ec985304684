"""From an event to the disk: nothing is lost in silence, nothing raw is stored, nothing comes back to the call."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledgers import KEY
from medagent.errors import LedgerError
from medagent.pricing import Usage, load_prices
from medagent.proof import PseudonymKey
from medagent.redaction import KnownValues, Redacted, Redactor
from medagent.telemetry import events as ev
from medagent.telemetry import pipeline as module
from medagent.telemetry.chain import Tombstone, verify_chain
from medagent.telemetry.ledger import Ledger, entries
from medagent.telemetry.line import Line
from medagent.telemetry.outbox import Outbox
from medagent.telemetry.pipeline import Pipeline
from medagent.telemetry.recovery import GuardrailEntries
from medagent.telemetry.session import Destination, SessionMaker
from medagent.telemetry.span import SafeSpan
from medagent.telemetry.switch import Switch
from packaged import packaged_policy
from spans import assert_one_tree
from strategies import WALL_US, event_streams
from switches import GO, audited

pytestmark = pytest.mark.timing

NAME, PHONE, MRN = "Ottoline Quist", "+1 555 010 0142", "00412877"
RAW = ("Ottoline", "OTTOLINE", "ottoline", "Quist", "5550100142", "555 010 0142", MRN)
POLICY = packaged_policy()
KEYS = PseudonymKey(secret=b"k" * 32)
USAGE = Usage(
    input_text_tokens=200,
    input_audio_tokens=100,
    input_cached_text_tokens=0,
    input_cached_audio_tokens=0,
    output_text_tokens=20,
    output_audio_tokens=80,
)


@dataclass(slots=True, kw_only=True)
class House:
    """A pipeline with its outbox on disk, and what is in it."""

    home: Path
    switch: Switch
    outbox: Outbox
    pipeline: Pipeline
    sessions: SessionMaker
    told: list[SafeSpan] = field(default_factory=list)

    def begin(self, **about: Any) -> Line:
        line = self.pipeline.line()
        line.send(
            ev.CallStarted,
            wall_us=WALL_US,
            model="gpt-realtime",
            provider="azure.ai.openai",
            mode="realtime",
            agent_version="0.1.0",
            **{"room": f"clinic_{PHONE}", "participant": "sip_15550100142", "caller_number": PHONE} | about,
        )
        return line

    def settle(self) -> None:
        assert self.pipeline.flush(60)

    def sealed(self) -> list[SafeSpan]:
        return self.outbox.due("archive", 1000)

    def names(self) -> list[str]:
        return [span.name for span in self.sealed()]

    def one(self, name: str) -> dict[str, Any]:
        [span] = [span for span in self.sealed() if span.name == name]
        return dict(span.fields)

    def stored(self, name: str) -> tuple[str, dict[str, Any]]:
        """State and fields of a span as it stands on disk, provisional or not."""
        with closing(sqlite3.connect(self.home / "outbox.db")) as raw:
            [(state, body)] = raw.execute("SELECT state, body FROM spans WHERE name = ?", (name,)).fetchall()
        return state, json.loads(body)["fields"]

    def on_disk(self) -> bytes:
        return b"".join(path.read_bytes() for path in self.home.rglob("*") if path.is_file())


Make = Callable[..., House]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[House] = []

    def build(*, legal_basis: str | None = "synthetic callers", started: bool = True, **changes: Any) -> House:
        home = tmp_path / f"home_{len(made)}"
        home.mkdir()
        switch = Switch(home, forced=None, env="dev", audited=audited)
        sessions = SessionMaker(
            redactor=Redactor(POLICY, keys=KEYS, rosters={"doctors": ["Dr. Amara Okafor"]}),
            prices=load_prices(),
            switch=switch,
            env="dev",
            destinations=[Destination(name="archive", region="local", retention_days=90)],
            legal_basis=legal_basis,
        )
        sessions = replace(sessions, **{k: v for k, v in changes.items() if k != "on_span"})
        outbox = Outbox(f"sqlite:///{home / 'outbox.db'}", destinations=["archive"], owner="o")
        told: list[SafeSpan] = []
        pipeline = Pipeline(
            sessions=sessions, store=outbox, on_span=changes.get("on_span", told.append), on_due=lambda: None
        )
        made.append(House(home=home, switch=switch, outbox=outbox, pipeline=pipeline, sessions=sessions, told=told))
        if started:
            pipeline.start()
        return made[-1]

    yield build
    for house in made:
        house.pipeline.stop(60)
        house.outbox.close()


@pytest.fixture
def house(make: Make) -> House:
    return make()


def speak(line: Line, number: int) -> None:
    line.send(ev.SpeechStarted, item_id=f"i{number}")
    line.send(ev.SpeechStopped, item_id=f"i{number}")
    line.send(ev.ResponseStarted, response_id=f"r{number}")
    line.send(ev.AudioStarted, response_id=f"r{number}")
    line.send(ev.ResponseFinished, response_id=f"r{number}", status="completed", usage=USAGE)


def book(line: Line, number: int = 0, *, notes: str = "a cough", **arguments: Any) -> None:
    call_id = f"t{number}"
    raw = json.dumps({"notes": notes, "doctor_name": "Dr. Amara Okafor", **arguments})
    line.send(ev.ToolStarted, call_id=call_id, name="book_appointment", arguments=raw)
    line.send(ev.ToolEnded, call_id=call_id, status="done", output='{"outcome": "ok"}')


def hang_up(line: Line) -> None:
    line.send(ev.CallEnded, reason="caller_hung_up")


# ---- a whole call ----------------------------------------------------------------------------------------------------


def test_a_call_is_sealed_whole(house: House) -> None:
    """Every span is there once, in one chain; session and guardrail come last and say what happened."""
    line = house.begin()
    speak(line, 0)
    book(line, patient_name=NAME)
    hang_up(line)
    house.settle()
    assert house.names() == [
        "session.start",
        "user_turn",
        "tool.book_appointment",
        "agent_turn",
        "session.end",
        "voice_session",
        "policy.guardrail",
    ]
    verify_chain(house.sealed())
    assert house.one("session.end")["complete"] is True
    guardrail = house.one("policy.guardrail")
    assert guardrail["policy"] == {"name": POLICY.name, "version": POLICY.version, "sha256": POLICY.digest}
    assert guardrail["consent"]["state"] == "not_asked"
    assert guardrail["consent"]["basis"] == "synthetic callers"
    assert guardrail["switch"] == {"state": "on", "source": "none"}
    assert guardrail["destinations"] == [{"name": "archive", "region": "local", "retention_days": 90}]
    assert guardrail["actions"]["redact"] == 1
    assert guardrail["actions"]["pseudonym"] == 7
    assert guardrail["complete"] is True
    assert [span.span_id for span in house.told] == [span.span_id for span in house.sealed()]
    assert house.outbox.status().provisional == 0
    root = next(span for span in house.sealed() if span.name == "voice_session")
    assert all(span.ancestors[:1] == () or span.ancestors[0].span_id == root.span_id for span in house.sealed())


def test_a_call_that_is_killed_has_its_session_and_guardrail(house: House) -> None:
    """Both are on disk from the first moment, provisional and incomplete."""
    house.begin()
    house.settle()
    assert house.names() == ["session.start"]
    assert house.stored("voice_session")[0] == "provisional"
    state, guardrail = house.stored("policy.guardrail")
    assert (state, guardrail["complete"]) == ("provisional", False)


def test_many_events_of_many_calls_keep_their_order(house: House) -> None:
    """Interleaved, from several threads: no event is lost, each call's turns are in its own order."""

    def one_call() -> None:
        line = house.begin()
        for number in range(30):
            speak(line, number)
        hang_up(line)

    threads = [threading.Thread(target=one_call) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    house.settle()
    spans = house.sealed()
    for trace_id in {span.trace_id for span in spans}:
        mine = [span for span in spans if span.trace_id == trace_id]
        verify_chain(mine)
        assert [span.fields["index"] for span in mine if span.name == "user_turn"] == list(range(30))
        [end] = [span.fields for span in mine if span.name == "session.end"]
        assert (end["complete"], end["events_lost"], end["usage"]["output_audio_tokens"]) == (True, 0, 2400)
    assert house.pipeline.counts.events_lost == house.pipeline.counts.failures == 0


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(streams=st.lists(event_streams(), min_size=1, max_size=3))
def test_whatever_happens_the_chain_is_whole_and_the_switch_on(make: Make, streams: list[list[ev.CallEvent]]) -> None:
    """Any stream of events becomes sealed spans with one session, one end and one guardrail, and trips nothing."""
    house = make()
    for stream in streams:
        line = house.begin()
        for event in stream:
            fields = {name: getattr(event, name) for name in event.__slots__ if name not in ("seq", "at_ns")}
            line.send(type(event), **fields)
    house.settle()
    spans = house.sealed()
    assert house.switch.is_on()
    assert house.pipeline.counts.failures == 0
    assert house.outbox.status().provisional == house.outbox.status().ready == 0
    calls = {span.trace_id for span in spans}
    assert len(calls) == len(streams)
    for trace_id in calls:
        mine = [span for span in spans if span.trace_id == trace_id]
        verify_chain(mine)
        assert_one_tree(mine)
        for name in ("session.start", "session.end", "voice_session", "policy.guardrail"):
            assert [span.name for span in mine].count(name) == 1
    house.pipeline.stop(60)
    house.outbox.close()


# ---- free text -------------------------------------------------------------------------------------------------------


def test_a_text_waits_for_what_the_call_still_tells(house: House) -> None:
    """Stored with the text withheld, sealed at the end without the name that came up only later."""
    line = house.begin()
    book(line, 0, notes="Hope has a cough")
    house.settle()
    state, fields = house.stored("tool.book_appointment")
    assert (state, fields["arguments"]["notes"]) == ("provisional", "<WITHHELD>")
    assert b"cough" not in house.on_disk()
    line.send(ev.ToolStarted, call_id="t9", name="check_availability", arguments='{"patient_name": "Hope Quist"}')
    line.send(ev.ToolEnded, call_id="t9", status="done", output='{"outcome": "ok"}')
    hang_up(line)
    house.settle()
    assert house.one("tool.book_appointment")["arguments"] == {
        "notes": "<REDACTED> has a cough",
        "doctor_name": "Dr. Amara Okafor",
    }


def test_no_known_value_is_anywhere(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """Not in the outbox's bytes, provisional or sealed, not in a log at its loudest, not in a repr."""
    caplog.set_level(logging.DEBUG)
    line = house.begin(room=f"call-{NAME}")
    for number in range(3):
        speak(line, number)
        book(line, number, patient_name=NAME, phone=PHONE, mrn=MRN, notes=f"{NAME} has a cough", **{NAME: 1})
    line.send(ev.ErrorRaised, source="tool", error_type=NAME, message=f"no {NAME} at {PHONE}", recoverable=True)
    line.send(ev.ToolStarted, call_id="x", name=NAME, arguments=NAME)
    house.settle()
    during = house.on_disk()
    session = house.pipeline._sessions[line.trace_id]
    shown = f"{session!r} {session._known!r} {session._waiting!r} {session._call!r} {line!r} {house.pipeline!r}"
    hang_up(line)
    house.settle()
    after = house.on_disk()
    shown += f"{house.told!r} {house.pipeline.counts!r} {house.outbox.status()!r} {caplog.text}"
    assert len(house.names()) > 10
    assert house.switch.is_on()
    for raw in RAW:
        assert raw.encode() not in during + after
        assert raw not in shown


# ---- consent ---------------------------------------------------------------------------------------------------------


def test_pending_consent_holds_and_a_yes_releases(make: Make) -> None:
    """Nothing is due until the caller said yes; then everything is, in order, with when and how in the guardrail."""
    house = make(legal_basis=None)
    line = house.begin()
    speak(line, 0)
    house.settle()
    assert house.names() == []
    assert house.stored("session.start")[0] == "ready"
    line.send(ev.ConsentSettled, state="granted", method="spoken", script_version="1.0")
    house.settle()
    assert house.names() == ["session.start", "user_turn"]
    hang_up(line)
    house.settle()
    verify_chain(house.sealed())
    consent = house.one("policy.guardrail")["consent"]
    assert (consent["state"], consent["method"], consent["script_version"]) == ("granted", "spoken", "1.0")
    assert consent["at"].startswith("2026-01-01T00:00:0")


@pytest.mark.parametrize("answer", ["refused", "pending", "not_asked", None])
def test_without_a_yes_two_spans_are_left(make: Make, answer: str | None) -> None:
    """A no, no answer, and an answer that is none: only the session and its guardrail leave, and it says refused."""
    house = make(legal_basis=None)
    line = house.begin()
    speak(line, 0)
    if answer is not None:
        line.send(ev.ConsentSettled, state=answer, method="keypad")
    book(line, patient_name=NAME)
    house.settle()
    assert house.names() == []
    hang_up(line)
    house.settle()
    assert house.names() == ["voice_session", "policy.guardrail"]
    verify_chain(house.sealed())
    assert house.outbox.status().provisional == house.outbox.status().ready == 0
    guardrail = house.one("policy.guardrail")
    assert guardrail["consent"]["state"] == "refused"
    assert guardrail["consent"]["method"] == ("keypad" if answer == "refused" else "none")
    assert [span.name for span in house.told] == ["voice_session", "policy.guardrail"]


@pytest.mark.parametrize("legal_basis", [None, "synthetic callers"])
def test_a_no_holds_for_the_rest_of_the_call(make: Make, legal_basis: str | None) -> None:
    """After it nothing but the two is sealed, not even where the call was released before, nor by a later yes."""
    house = make(legal_basis=legal_basis)
    line = house.begin()
    house.settle()
    line.send(ev.ConsentSettled, state="refused", method="spoken")
    line.send(ev.ConsentSettled, state="granted", method="spoken")
    speak(line, 0)
    hang_up(line)
    house.settle()
    assert house.names() == ["voice_session", "policy.guardrail"]
    assert house.one("policy.guardrail")["consent"]["state"] == "refused"
    refused = [
        Tombstone(trace_id=trace_id, seal=seal, cause="refusal")
        for trace_id, seals in house.outbox.to_be_buried()
        for seal in seals
    ]
    assert len(refused) == (0 if legal_basis is None else 1)
    verify_chain([*refused, *house.sealed()])


# ---- the switch ------------------------------------------------------------------------------------------------------


def test_off_in_the_middle_stores_nothing_more(house: House) -> None:
    """From then on no span; a call that ends while it is off leaves no provisional span and no end."""
    line = house.begin()
    speak(line, 0)
    house.settle()
    before = house.names()
    house.switch.turn_off(reason="drill", by="duty")
    speak(line, 1)
    book(line, patient_name=NAME)
    hang_up(line)
    house.settle()
    assert house.names() == before
    assert house.outbox.status().provisional == 0
    assert house.pipeline.counts.spans_suppressed > 0


@pytest.mark.parametrize("speaks", [True, False])
def test_a_call_that_met_an_off_period_says_so(house: House, speaks: bool) -> None:
    """On again, the call goes on and ends incomplete, and its guardrail names the hole."""
    line = house.begin()
    speak(line, 0)
    house.settle()
    house.switch.turn_off(reason="drill", by="duty")
    line.send(ev.QualitySampled, rtt_ms=1.0, jitter_ms=None, packet_loss=None)
    if speaks:
        speak(line, 1)
    house.settle()
    house.switch.turn_on(report=GO, by="duty")
    speak(line, 2)
    hang_up(line)
    house.settle()
    end, guardrail = house.one("session.end"), house.one("policy.guardrail")
    assert (end["complete"], "events" in end["missing"]) == (False, True)
    assert (guardrail["switch"]["state"], guardrail["complete"]) == ("partly_off", False)
    verify_chain(house.sealed())


def test_off_from_the_start_leaves_nothing(make: Make) -> None:
    """A call under a switch that is off has no row, no span and no count but in memory."""
    house = make()
    house.switch.turn_off(reason="drill", by="duty")
    line = house.begin()
    speak(line, 0)
    hang_up(line)
    house.settle()
    with closing(sqlite3.connect(house.home / "outbox.db")) as raw:
        assert raw.execute("SELECT (SELECT count(*) FROM calls) + (SELECT count(*) FROM spans)").fetchone() == (0,)
    assert house.pipeline.counts.spans_suppressed >= 4


def test_a_leak_at_admission_trips_the_switch(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """A redactor that forgets is found out before anything is stored; no call goes on."""

    class Forgetful(Redactor):
        def redact(self, record: Any, known: KnownValues, **options: Any) -> Redacted:
            redacted = super().redact(record, known, **options)
            if record.name == "tool.book_appointment":
                redacted.fields["arguments"] = {"notes": NAME}
            return redacted

    house = make(redactor=Forgetful(POLICY, keys=KEYS))
    other, line = house.begin(), house.begin()
    house.settle()
    book(line, patient_name=NAME)
    house.settle()
    assert house.switch.state().source == "trip"
    assert "arguments.notes" in str(house.switch.state().reason)
    speak(other, 0)
    hang_up(other)
    hang_up(line)
    house.settle()
    assert house.names() == ["session.start", "session.start"]
    assert house.outbox.status().provisional == 0
    assert NAME.encode() not in house.on_disk()
    assert NAME not in caplog.text


# ---- when something breaks -------------------------------------------------------------------------------------------


def test_a_full_queue_loses_events_and_says_so(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit is counted and leaves the call incomplete; its beginning and its end always fit."""
    house = make(started=False)
    monkeypatch.setattr(house.pipeline._inlet, "_limit", 10)
    line = house.begin()
    for number in range(5):
        speak(line, number)
    hang_up(line)
    assert house.pipeline.counts.events_lost == 25 - 9
    late = house.begin()
    hang_up(late)
    house.pipeline.start()
    house.settle()
    ends = [span.fields for span in house.sealed() if span.name == "session.end"]
    assert [end["events_lost"] for end in ends] == [16, 0]
    assert "events" in ends[0]["missing"]
    assert ends[0]["reason"] == ends[1]["reason"] == "caller_hung_up"


def test_a_redactor_that_raises_costs_its_span_alone(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """The call ends, incomplete; nothing is raised into it, and the log has the class of the error alone."""

    class Broken(Redactor):
        def redact(self, record: Any, known: KnownValues, **options: Any) -> Redacted:
            if record.name == "tool.book_appointment":
                raise RuntimeError(NAME)
            return super().redact(record, known, **options)

    house = make(redactor=Broken(POLICY, keys=KEYS))
    line = house.begin()
    book(line, patient_name=NAME)
    speak(line, 0)
    hang_up(line)
    house.settle()
    assert "tool.book_appointment" not in house.names()
    assert house.one("session.end")["missing"] == ["events"]
    assert house.one("policy.guardrail")["complete"] is False
    assert house.switch.is_on()
    assert "RuntimeError" in caplog.text
    assert NAME not in caplog.text


def test_whatever_raises_the_worker_lives_on(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """A redactor that always fails, an event that is none, a listener that fails: the next call is traced."""

    class Broken(Redactor):
        broken = True

        def redact(self, record: Any, known: KnownValues, **options: Any) -> Redacted:
            if self.broken:
                raise RuntimeError(NAME)
            return super().redact(record, known, **options)

    def on_span(_span: SafeSpan) -> None:
        raise RuntimeError(NAME)

    redactor = Broken(POLICY, keys=KEYS)
    house = make(redactor=redactor, on_span=on_span)
    line = house.begin()
    hang_up(line)
    house.settle()
    assert house.names() == []
    redactor.broken = False
    line = house.begin()
    line.send(ev.ToolStarted, call_id="t0", name=None, arguments="{}")
    line.send(ev.ToolEnded, call_id="t0", status="done", output="{}")
    line.send(ev.ResponseFinished, response_id="r0", status="completed", usage="none")
    speak(line, 1)
    hang_up(line)
    house.settle()
    assert house.names()[-1] == "policy.guardrail"
    assert house.pipeline.counts.failures > 2
    assert house.pipeline._sessions == {}
    assert NAME not in caplog.text


def test_an_outbox_that_is_away_for_a_while_gets_everything_later(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is lost, all is written in order once it can be; until then a flush says that it is not."""
    monkeypatch.setattr(module, "_RETRY_EVERY_S", 0.05)
    line = house.begin()
    house.settle()
    house.outbox.close()
    for path in house.home.glob("outbox.db*"):
        path.rename(path.with_name("away" + path.name))
    (house.home / "outbox.db").mkdir()
    for number in range(5):
        speak(line, number)
        time.sleep(0.02)
    assert not house.pipeline.flush(0.3)
    assert "telemetry waits" in caplog.text
    (house.home / "outbox.db").rmdir()
    for path in house.home.glob("awayoutbox.db*"):
        path.rename(path.with_name(path.name.removeprefix("away")))
    hang_up(line)
    house.settle()
    verify_chain(house.sealed())
    turns = [span.fields["index"] for span in house.sealed() if span.name == "user_turn"]
    assert turns == list(range(5))
    assert house.one("session.end")["complete"] is True
    assert house.pipeline.counts.spans_lost == 0


def test_a_slice_that_can_never_be_written_does_not_end_the_worker(house: House) -> None:
    """It is counted as lost, and the next call is stored."""

    class Stumbling(Outbox):
        stumbles = True

        def transaction(self) -> Any:
            if self.stumbles:
                raise ValueError(NAME)
            return super().transaction()

    outbox = Stumbling(f"sqlite:///{house.home / 'outbox.db'}", destinations=["archive"], owner="o")
    pipeline = Pipeline(sessions=house.sessions, store=outbox)
    pipeline.start()
    lost = replace(house, pipeline=pipeline)
    hang_up(lost.begin())
    lost.settle()
    assert pipeline.counts.spans_lost > 0
    outbox.stumbles = False
    hang_up(lost.begin())
    lost.settle()
    pipeline.stop(60)
    outbox.close()
    assert house.names()[-1] == "policy.guardrail"


# ---- the end ---------------------------------------------------------------------------------------------------------


def test_stopping_ends_the_calls_that_are_open(make: Make) -> None:
    """Each gets its one end with the reason shutdown, also one that began at the last moment."""
    house = make()
    speak(house.begin(), 0)
    house.settle()
    speak(house.begin(), 0)
    house.pipeline.stop(60)
    ends = [span.fields for span in house.sealed() if span.name == "session.end"]
    assert [end["reason"] for end in ends] == ["shutdown", "shutdown"]
    assert house.names().count("policy.guardrail") == 2
    assert house.pipeline._sessions == {}
    assert not house.pipeline.flush(0.1)


def test_a_flush_waits_for_what_was_sent_before_it(house: House) -> None:
    """What is there after it is all that was sent, every time."""
    for _ in range(30):
        line = house.begin()
        hang_up(line)
        assert house.pipeline.flush(60)
        assert len([span for span in house.sealed() if span.trace_id == line.trace_id]) == 4


def test_events_of_a_call_that_has_ended_are_ignored(house: House) -> None:
    """Nothing after the end, not even a second end."""
    line = house.begin()
    hang_up(line)
    speak(line, 0)
    hang_up(line)
    house.settle()
    assert house.names().count("session.end") == 1
    assert house.one("session.end")["user_turns"] == 0


def test_under_a_shifted_clock_every_time_is_moved_by_the_same_days(make: Make) -> None:
    """Starts, ends and ancestors leave moved by one whole number of days, durations and order intact."""
    strict = make(redactor=Redactor(packaged_policy("safe-harbor"), keys=KEYS), key=KEYS)
    line = strict.begin()
    speak(line, 0)
    book(line)
    hang_up(line)
    strict.settle()
    spans = strict.sealed()
    root = next(span for span in spans if span.name == "voice_session")
    moved_us = WALL_US - root.start_us
    assert moved_us > 0
    assert moved_us % 86_400_000_000 == 0
    assert all(span.start_us >= root.start_us and span.end_us < WALL_US for span in spans)  # no clock
    assert all(span.ancestors[0].start_us == root.start_us for span in spans if span.ancestors)
    session = strict.one("voice_session")
    assert root.end_us - root.start_us == pytest.approx(session["duration_ms"] * 1000, abs=2000)  # no clock


def test_a_closed_call_is_marked_for_the_ledger(make: Make) -> None:
    """Once, in the transaction of its end, with the head of its chain; of a call that was off all along without one."""
    house = make()
    line = house.begin()
    speak(line, 0)
    assert house.outbox.marks() == []
    hang_up(line)
    house.settle()
    last = house.sealed()[-1]
    assert last.seal is not None
    marked = [mark.content for mark in house.outbox.marks()]
    assert [(each["trace_id"], each["head"], each["complete"]) for each in marked] == [
        (line.trace_id, last.seal.hash, True)
    ]
    house.switch.turn_off(reason="drill", by="duty")
    time.sleep(0.3)
    hang_up(house.begin())
    house.settle()
    assert [(m.content["head"], m.content["complete"]) for m in house.outbox.marks()[1:]] == [(None, False)]


def test_the_ledger_is_told_of_each_call_once(make: Make, tmp_path: Path) -> None:
    """The mark goes once the ledger has the entry."""
    ledger = Ledger(tmp_path / "ledger.jsonl", KEY)
    told: list[str] = []

    def closed(trace_id: str) -> None:
        GuardrailEntries(lined.outbox, ledger).tell(trace_id)
        told.append(trace_id)

    lined = make(closed=closed)
    for _ in range(3):
        hang_up(lined.begin())
    lined.settle()
    recorded = [entry.content["trace_id"] for entry in entries(tmp_path / "ledger.jsonl") if entry.kind == "guardrail"]
    assert recorded == told
    assert len(set(told)) == 3
    assert lined.outbox.marks() == []


def test_a_ledger_that_cannot_be_written_costs_no_span(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    """What is sealed is sealed; the failure is counted and said, and what the ledger lacks stays marked."""

    def full(_trace_id: str) -> None:
        raise LedgerError("the ledger cannot be written")

    house = make(closed=full)
    hang_up(house.begin())
    house.settle()
    assert "policy.guardrail" in house.names()
    assert house.pipeline.counts.failures == 1
    assert "LedgerError" in caplog.text
    assert len(house.outbox.marks()) == 1


def test_a_policy_that_fails_its_own_examples_trips_the_switch(make: Make) -> None:
    """The self-test runs at the start of each call: rules that no longer do what their examples say stop telemetry."""
    example = next(each for each in POLICY.examples if each.expect)
    broken = replace(POLICY, examples=(replace(example, expect={"nothing": "like this"}),))
    house = make(redactor=Redactor(broken, keys=KEYS))
    hang_up(house.begin())
    house.settle()
    assert house.switch.state().source == "trip"
    assert house.sealed() == []
