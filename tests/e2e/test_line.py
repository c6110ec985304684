"""A clinic call from the caller's voice to the trace on the wire, every part real."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from bench.line import Outcome, ring
from bench.ttft import measure
from livekit.agents import AgentSession

import medagent
from medagent.agent.bridge import Bridge
from medagent.agent.caller import Caller
from medagent.percentiles import percentile
from medagent.simulator.scenario import load_scenario
from medagent.telemetry.chain import verify_chain
from sink import Sink

pytestmark = pytest.mark.timing

PACE = 10.0
PERSON = load_scenario("book").person
LINE = Caller(room=f"clinic_{PERSON['phone']}_7f3a", participant=f"sip_{PERSON['phone']}", number=PERSON["phone"])


def appointments(outcome: Outcome) -> list[str]:
    """The names of those who hold an appointment, read from the clinic's database and nothing else."""
    engine = sa.create_engine(f"sqlite:///{outcome.settings.clinic_url}")
    query = "SELECT p.name FROM appointments a JOIN patients p ON p.id = a.patient_id WHERE a.status = 'booked'"
    with engine.connect() as connection:
        return [row[0] for row in connection.execute(sa.text(query))]


def identifiers() -> Iterator[tuple[str, re.Pattern[bytes]]]:
    """How the caller's identifiers could stand in raw bytes: as they are, in parts, as digits in any grouping."""
    for field, value in PERSON.items():
        yield field, re.compile(re.escape(value.encode()), re.IGNORECASE)
        digits = re.sub(r"\D", "", value)
        if len(digits) >= 7:
            yield (
                f"{field}, digits",
                re.compile(rb"[^0-9]{0,2}".join(digits[-7:].encode()[i : i + 1] for i in range(7))),
            )
    for part in (*PERSON["patient_name"].split(), "oldfield@", "larkspur", "0048213", "march third", "1982-03"):
        yield part, re.compile(re.escape(part.encode()), re.IGNORECASE)


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Outcome, Sink]]:
    """One call with LangSmith on, in an environment that would add to what leaves if it could."""
    directory = tmp_path_factory.mktemp("traced")
    with pytest.MonkeyPatch.context() as environment, Sink(directory) as sink:
        environment.setenv("LANGSMITH_PROJECT", "reception-line")
        environment.setenv("LANGCHAIN_PROJECT", "canary-project")
        environment.setenv("LANGCHAIN_REVISION_ID", "canary-revision")
        environment.setenv("LANGSMITH_CANARY", "canary-variable")
        outcome = asyncio.run(
            ring(
                "book",
                home=directory / "home",
                pace=PACE,
                caller=LINE,
                LANGSMITH_API_KEY="lsv2_pt_test",
                LANGSMITH_ENDPOINT=sink.url,
            )
        )
        yield outcome, sink


def test_the_call_books(traced: tuple[Outcome, Sink]) -> None:
    """The caller gets to the end of the script, and the clinic's own database has the appointment."""
    outcome, _ = traced
    assert outcome.ended == "done"
    assert appointments(outcome) == [PERSON["patient_name"]]
    assert outcome.bridge.failures == 0


def test_the_trace_is_the_tree(traced: tuple[Outcome, Sink]) -> None:
    """One root, markers, turns and guardrail under it, each tool under the turn that asked for it; whole, chained."""
    outcome, _ = traced
    names = {span.span_id: span.name for span in outcome.spans}
    tree = sorted((names.get(span.parent_id or "", "-"), span.name) for span in outcome.spans)
    assert tree == sorted(
        [
            ("-", "voice_session"),
            ("voice_session", "session.start"),
            ("voice_session", "policy.guardrail"),
            *[("voice_session", "agent_turn")] * 4,
            *[("voice_session", "user_turn")] * 3,
            *[("voice_session", "stt_processing")] * 3,
            ("agent_turn", "tool.check_availability"),
            ("agent_turn", "tool.book_appointment"),
            ("voice_session", "session.end"),
        ]
    )
    verify_chain(outcome.spans)
    end = next(span.fields for span in outcome.spans if span.name == "session.end")
    assert (end["outcome"], end["reason"], end["complete"]) == ("booked", "caller_hung_up", True)


def test_nothing_of_the_caller_is_on_the_wire(traced: tuple[Outcome, Sink]) -> None:
    """No identifier of the scenario stands in any byte that LangSmith was sent, headers included."""
    outcome, sink = traced
    assert not outcome.lacking
    everything = b"\n".join(request.everything() for request in sink.requests())
    assert outcome.trace_id.encode() in everything
    assert [name for name, form in identifiers() if form.search(everything)] == []


def test_nothing_came_along(traced: tuple[Outcome, Sink]) -> None:
    """What the client adds by itself does not leave: only runs are posted, with no runtime, environment or git."""
    _, sink = traced
    everything = b"\n".join(request.everything() for request in sink.requests()).lower()
    assert {(request.method, request.path) for request in sink.requests()} == {("POST", "/runs/multipart")}
    everything = everything.replace(f'"revision_id":"{medagent.__version__}"'.encode(), b"")  # ours, not the client's
    for stowaway in (b"canary", b"runtime", b"sdk_version", b"platform", b"python", b"revision", b"git", b"langchain"):
        assert stowaway not in everything, stowaway


def test_langsmith_sees_run_trees(traced: tuple[Outcome, Sink]) -> None:
    """Parents, dotted order, types, usage and thread are right, and numbers are numbers."""
    outcome, sink = traced
    runs = sink.runs()
    assert set(runs) == {span.span_id for span in outcome.spans}
    types = {"agent_turn": "llm", "tool.check_availability": "tool", "tool.book_appointment": "tool"}
    for span in outcome.spans:
        run: dict[str, Any] = runs[span.span_id]
        assert run["run_type"] == types.get(span.name, "chain")
        assert run["session_name"] == "reception-line"
        assert run["extra"]["metadata"]["thread_id"] == outcome.trace_id
        assert run["trace_id"] == outcome.trace_id
        assert (run["id"] == run["trace_id"]) is (span.parent_id is None)
        assert run.get("parent_run_id") == span.parent_id
        if span.parent_id is not None:
            assert run["dotted_order"].startswith(runs[span.parent_id]["dotted_order"] + ".")
            assert run["start_time"] >= runs[span.parent_id]["start_time"]
        if span.name == "agent_turn":
            usage = run["outputs"]["usage_metadata"]
            assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0
            assert usage["total_cost"] == pytest.approx(span.fields["cost_usd"])


def test_the_totals_are_the_servers(traced: tuple[Outcome, Sink]) -> None:
    """A call's tokens are the sum over its turns, and TTFT-A is null for the greeting and for nothing else."""
    outcome, _ = traced
    turns = [span.fields for span in outcome.spans if span.name == "agent_turn"]
    end: Any = next(span.fields for span in outcome.spans if span.name == "session.end")
    assert end["usage"]["total_tokens"] == sum(int(str(turn["total_tokens"])) for turn in turns)
    heard = [span.fields for span in outcome.spans if span.name == "stt_processing"]
    assert end["cost_usd"] == pytest.approx(sum(float(str(part["cost_usd"])) for part in [*turns, *heard]))
    assert end["usage"]["stt_audio_seconds"] == pytest.approx(sum(part["stt"]["audio_duration"] for part in heard))
    assert [turn["ttft_ms"] is None for turn in turns] == [True, False, False, False]
    assert [turn["kind"] for turn in turns] == ["greeting", "reply", "reply", "reply"]
    assert all(turn["perceived_ms"] == pytest.approx(float(str(turn["ttft_ms"])) + 500) for turn in turns[1:])


def test_the_line_is_a_pseudonym(traced: tuple[Outcome, Sink]) -> None:
    """Room and participant, which hold the caller's number, are keyed pseudonyms."""
    outcome, _ = traced
    session = next(span.fields for span in outcome.spans if span.name == "voice_session")
    assert re.fullmatch(r"psn_[0-9a-f]{8}_[0-9a-f]{32}", str(session["room_id"]))
    assert session["room_id"] != session["participant_id"]


def test_free_text_waits_for_the_end_and_leaves_scrubbed(traced: tuple[Outcome, Sink]) -> None:
    """The caller's name is gone from a note, an ordinary complaint is kept and cut, and the booking is sealed late."""
    outcome, _ = traced
    booking: Any = next(span for span in outcome.spans if span.name == "tool.book_appointment")
    arguments = booking.fields["arguments"]
    assert arguments["notes"] == "<REDACTED> asked for a call back in the morning"
    assert arguments["reason_for_visit"] == "Sore knee, it hurts when walking and gets worse…"
    assert arguments["patient_name"] == arguments["phone"] == arguments["dob"] == "<REDACTED>"
    asked = [s.seal.sequence for s in outcome.spans if s.seal and s.name == "user_turn" and s.fields["index"] == 0]
    assert booking.seal.sequence > asked[0]


def test_nothing_at_rest_but_the_clinic_knows_the_caller(traced: tuple[Outcome, Sink]) -> None:
    """Outside the clinic's own directory no file under MEDAGENT_HOME holds an identifier."""
    outcome, _ = traced
    home = outcome.settings.home
    files = [path for path in home.rglob("*") if path.is_file() and (home / "clinic") not in path.parents]
    assert any("archive" in path.name for path in files)
    found = [(path.name, name) for path in files for name, form in identifiers() if form.search(path.read_bytes())]
    assert found == []


async def test_without_a_key_nothing_tries_the_network(tmp_path: Path) -> None:
    """With no LANGSMITH_API_KEY the process connects to its model and to nobody else."""
    connected: set[object] = set()

    def hear(event: str, arguments: tuple[object, ...]) -> None:
        if event == "socket.connect":
            connected.add(arguments[1])
        elif event == "socket.getaddrinfo":
            connected.add(arguments[0])

    sys.addaudithook(hear)
    outcome = await ring("book", home=tmp_path, pace=PACE)
    model = str(outcome.settings.azure_endpoint).removeprefix("http://").split(":")
    allowed = {("127.0.0.1", int(model[1])), "127.0.0.1"}
    assert outcome.ended == "done"
    assert connected - allowed == set()
    assert not outcome.lacking


async def test_switched_off_the_call_goes_on_and_no_byte_leaves(tmp_path: Path) -> None:
    """MEDAGENT_TELEMETRY=off: the patient is booked, LangSmith hears nothing, nothing is stored."""
    with Sink(tmp_path) as sink:
        outcome = await ring(
            "book",
            home=tmp_path / "home",
            pace=PACE,
            MEDAGENT_TELEMETRY="off",
            LANGSMITH_API_KEY="lsv2_pt_test",
            LANGSMITH_ENDPOINT=sink.url,
        )
        assert outcome.ended == "done"
        assert appointments(outcome) == [PERSON["patient_name"]]
        assert sink.requests() == []
    stored = sqlite_rows(outcome.settings.home / "outbox" / "outbox.db", "spans")
    assert stored + sqlite_rows(outcome.settings.home / "archive" / "archive.db", "span") == 0


@pytest.mark.parametrize("error", [TypeError, ValueError])
async def test_a_handler_that_raises_never_harms_the_call(tmp_path: Path, error: type[Exception]) -> None:
    """LiveKit lets a TypeError in a raw handler end the call; ours are caught, and the patient is booked."""

    def sabotage(_session: AgentSession[Any], bridge: Bridge) -> None:
        def broken(_realtime: object, _event: object) -> None:
            raise error("sabotaged")

        bridge.raw.handlers = dict.fromkeys(bridge.raw.handlers, broken)

    outcome = await ring("book", home=tmp_path, pace=PACE * 2, before=sabotage)
    assert outcome.ended == "done"
    assert appointments(outcome) == [PERSON["patient_name"]]
    assert outcome.bridge.failures > 10


@pytest.mark.deadline
async def test_ttft_is_what_the_server_saw(tmp_path: Path) -> None:
    """At pace 1, through microphone, socket, plugin, bridge and worker, TTFT-A is the server's within 20 ms (p95)."""
    turns = await measure(3, tmp_path)
    assert percentile([abs(turn.traced - turn.served) for turn in turns], 95) < 20


def sqlite_rows(path: Path, table: str) -> int:
    """How many rows a table has."""
    with sa.create_engine(f"sqlite:///{path}").connect() as connection:
        return int(connection.execute(sa.text(f"SELECT COUNT(*) FROM {table}")).scalar_one())
