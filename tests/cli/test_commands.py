"""Every command as a person runs it, on a home of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from command import Done, medagent
from medagent.simulator.process import SimulatorProcess
from medagent.simulator.scenario import list_scenarios, load_scenario
from sink import Sink

pytestmark = pytest.mark.timing

NUMBER = load_scenario("book").person["phone"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict[str, Any]]]:
    """A home in which one call was played, and the spans that the command printed of it."""
    directory = tmp_path_factory.mktemp("home")
    done = medagent("call", "--json", "--pace", "10", home=directory)
    assert (done.code, done.err) == (0, "")
    return directory, [json.loads(line) for line in done.out.splitlines()]


def objects(done: Done) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.out.splitlines()]


def test_a_call_prints_one_object_per_span(home: tuple[Path, list[dict[str, Any]]]) -> None:
    """`call --json` prints the sealed spans in order, a line each, and nothing else."""
    _, spans = home
    assert [span["seal"]["sequence"] for span in spans] == list(range(len(spans)))
    assert {"voice_session", "agent_turn", "tool.book_appointment", "policy.guardrail"} <= {s["name"] for s in spans}


def test_trace_shows_the_same(home: tuple[Path, list[dict[str, Any]]]) -> None:
    """`trace show` reads from the archive what the call printed; the beginning of an id is enough."""
    directory, spans = home
    trace_id = spans[0]["trace_id"]
    assert objects(medagent("trace", "show", trace_id[:8], "--json", home=directory)) == spans
    tree = medagent("trace", "show", home=directory).out
    assert "tool.book_appointment" in tree
    assert "<REDACTED>" in tree
    assert max(map(len, tree.splitlines())) <= 100
    assert objects(medagent("trace", "list", "--json", home=directory))[0]["trace_id"] == trace_id


def test_a_call_outside_the_sample_is_as_expected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call outside the sample leaves only its guardrail span, and `call` exits 0."""
    monkeypatch.setenv("MEDAGENT_SAMPLING", "1e-12")
    done = medagent("call", "silent_caller", "--json", "--pace", "20", home=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert [span["name"] for span in objects(done)] == ["policy.guardrail"]


def test_trace_check_tells_a_whole_call_from_a_changed_one(tmp_path: Path) -> None:
    """`trace check` exits 0 on a whole call, 1 on one whose archive was changed or that lacks a span."""
    assert medagent("call", "silent_caller", "--json", "--pace", "5", home=tmp_path).code == 0
    assert medagent("trace", "check", home=tmp_path).code == 0
    with sa.create_engine(f"sqlite:///{tmp_path / 'archive' / 'archive.db'}").begin() as connection:
        connection.execute(sa.text("UPDATE span SET document = replace(document, '\"abandoned\"', '\"informed\"')"))
    changed = medagent("trace", "check", home=tmp_path)
    assert (changed.code, "chain broken" in changed.out) == (1, True)
    with sa.create_engine(f"sqlite:///{tmp_path / 'archive' / 'archive.db'}").begin() as connection:
        connection.execute(sa.text("DELETE FROM span WHERE name = 'session.end'"))
    assert "session.end" in medagent("trace", "check", home=tmp_path).out


@pytest.mark.parametrize(
    ("by", "given"),
    [
        ("--phone", NUMBER),
        ("--phone", f"({NUMBER[2:5]}) {NUMBER[5:8]}-{NUMBER[8:]}"),
        ("--confirmation", "{confirmation_id}"),
    ],
)
def test_a_call_is_found_by_what_nobody_may_keep(home: tuple[Path, list[dict[str, Any]]], by: str, given: str) -> None:
    """`trace find` reads the raw value from stdin, and says it nowhere."""
    directory, spans = home
    booking = next(span for span in spans if span["name"] == "tool.book_appointment")
    raw = given.format(confirmation_id=booking["fields"]["result"]["confirmation_id"])
    done = medagent("trace", "find", by, "--json", home=directory, given=f"{raw}\n")
    assert (done.code, objects(done)) == (0, [{"trace_id": spans[0]["trace_id"]}])
    assert raw not in done.out + done.err


@pytest.mark.parametrize("by", ["--phone", "--room", "--confirmation"])
def test_what_is_not_there_is_not_found(home: tuple[Path, list[dict[str, Any]]], by: str) -> None:
    """An unknown value, and a value of the wrong kind, find nothing: exit code 1."""
    assert medagent("trace", "find", by, home=home[0], given="+14155550100\n").code == 1


def test_doctor_says_what_to_set(tmp_path: Path) -> None:
    """`doctor` names what is off and the variable that turns it on; an unknown price is a line of its own."""
    done = medagent("doctor", "--json", home=tmp_path, MEDAGENT_MODEL="a-model-of-tomorrow")
    looked = {(each["what"], each["state"]): each for each in objects(done)}
    assert done.code == 0
    assert "LANGSMITH_API_KEY" in looked["langsmith", "note"]["hint"]
    assert "AZURE_OPENAI_ENDPOINT" in looked["model", "note"]["hint"]
    prices = [each["says"] for each in objects(done) if each["what"] == "prices"]
    assert any("a-model-of-tomorrow is not in the price list" in each for each in prices)
    assert any("livekit_per_minute" in each for each in prices)


def test_doctor_names_langsmiths_project_and_workspace(tmp_path: Path) -> None:
    """`doctor` shows where in LangSmith the runs go."""
    langsmith = {"LANGSMITH_API_KEY": "k", "LANGSMITH_PROJECT": "reception", "LANGSMITH_WORKSPACE_ID": "ws-1"}
    done = medagent("doctor", "--json", home=tmp_path, **langsmith)
    [says] = [each["says"] for each in objects(done) if each["what"] == "langsmith"]
    assert says.endswith("project reception, workspace ws-1")


def test_doctor_in_prod_wants_what_prod_needs(tmp_path: Path) -> None:
    """In prod a missing key and an unsettled consent are missing, and telemetry is off until there is an audit."""
    done = medagent("doctor", "--json", home=tmp_path, MEDAGENT_ENV="prod")
    missing = " ".join(each["says"] for each in objects(done) if each["state"] == "missing")
    assert done.code == 1
    assert "pseudonym key" in missing
    assert "MEDAGENT_CONSENT" in missing
    assert any(each["what"] == "telemetry" and "no signed audit report" in each["says"] for each in objects(done))


def test_doctor_sends_and_reads_back(tmp_path: Path) -> None:
    """`doctor --send` sends a synthetic trace to every destination, and reads it back from LangSmith."""
    with Sink(tmp_path) as sink:
        langsmith = {"LANGSMITH_API_KEY": "lsv2_pt_test", "LANGSMITH_ENDPOINT": sink.url}
        done = medagent("doctor", "--send", "--json", home=tmp_path / "home", **langsmith)
        says = {each["what"]: each["says"] for each in objects(done) if "trace" in each["says"]}
        assert done.code == 0
        assert set(says) == {"archive", "langsmith"}
        assert all(each.endswith("read back") for each in says.values())
        assert len(sink.runs()) == 5
        [root] = [run for run in sink.runs().values() if "parent_run_id" not in run]
        assert (root["id"], root["name"]) == (root["trace_id"], "voice_session")
        sink.mode(status=500)
        failed = medagent("doctor", "--send", "--json", home=tmp_path / "home", **langsmith)
        assert failed.code == 1
        assert any("did not arrive" in each["says"] for each in objects(failed) if each["what"] == "langsmith")


def test_the_switch_is_thrown_and_no_word_lifts_it(tmp_path: Path) -> None:
    """`telemetry off` says so, a call then stores nothing, `on` needs a report, and the off is in the ledger."""
    assert medagent("telemetry", "off", "--reason", "a drill", home=tmp_path).code == 0
    assert objects(medagent("telemetry", "status", "--json", home=tmp_path))[0]["reason"] == "a drill"
    silent = medagent("call", "silent_caller", "--json", "--pace", "20", home=tmp_path)
    assert (silent.code, silent.out) == (0, "")
    refused = medagent("telemetry", "on", home=tmp_path)
    assert (refused.code, "--audit" in refused.err) == (2, True)
    assert medagent("telemetry", "on", "--override", "the drill is over", home=tmp_path).code == 2
    assert objects(medagent("telemetry", "status", "--json", home=tmp_path))[0]["on"] is False
    [kept] = objects(medagent("ledger", "show", "--kind", "switch_changed", "--json", home=tmp_path))
    assert (kept["content"]["state"], kept["content"]["reason"]) == ("off", "a drill")
    assert medagent("ledger", "verify", home=tmp_path).code == 0


def test_scenarios_are_listed(tmp_path: Path) -> None:
    """`call --list` names every packaged scenario with what happens in it."""
    listed = objects(medagent("call", "--list", "--json", home=tmp_path))
    assert [each["name"] for each in listed] == list(list_scenarios())
    assert len(listed) >= 14
    assert all(each["description"] for each in listed)


def test_several_calls_side_by_side_are_judged(tmp_path: Path) -> None:
    """`call A B --parallel 2 --json` prints one object per call, and exits 0 when each came out as expected."""
    names = ("silent_caller", "opening_hours")
    done = medagent("call", *names, "--pace", "5", "--parallel", "2", "--json", home=tmp_path)
    assert done.code == 0
    assert [(each["scenario"], each["ok"], each["complete"]) for each in objects(done)] == [
        (name, True, True) for name in names
    ]


def test_a_call_that_comes_out_otherwise_fails(tmp_path: Path) -> None:
    """A scenario file whose expectation does not hold exits 1 and says what was expected."""
    text = (Path(__file__).parents[2] / "src/medagent/simulator/scenarios/silent_caller.yaml").read_text()
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("outcome: abandoned", "outcome: booked"))
    done = medagent("call", str(path), "--json", "--pace", "20", home=tmp_path)
    assert (done.code, "outcome is abandoned, not booked" in done.err) == (1, True)


def test_a_call_talks_to_the_model_that_the_settings_name(tmp_path: Path) -> None:
    """`call --azure` starts no simulator of its own: it goes where AZURE_OPENAI_* lead, here to one of ours."""
    with SimulatorProcess(["silent_caller"], pace=20.0) as simulator:
        azure = {"AZURE_OPENAI_ENDPOINT": simulator.endpoint, "AZURE_OPENAI_API_KEY": "a-key"}
        done = medagent("call", "silent_caller", "--azure", "--pace", "20", "--json", home=tmp_path, **azure)
        assert (done.code, done.err) == (0, "")
        assert len(simulator.record()["responses"]) == 1
    assert [span["name"] for span in objects(done)][-1] == "policy.guardrail"


@pytest.mark.parametrize(
    ("words", "environment", "says"),
    [
        (("call", "bok"), {}, "did you mean book?"),
        (("call", "--azure"), {}, "AZURE_OPENAI_ENDPOINT"),
        (("call",), {"MEDAGENT_ENV": "prod"}, "no place in a real clinic"),
        (("call",), {"MEDAGENT_ENV": "staging"}, "MEDAGENT_ENV"),
        (("trace", "show"), {}, "`medagent call` plays one"),
        (("trace", "show", "zzz"), {}, "no id of a call"),
    ],
)
def test_a_mistake_is_two_clear_lines(
    tmp_path: Path, words: tuple[str, ...], environment: dict[str, str], says: str
) -> None:
    """What went wrong and what to do about it, on stderr, with exit code 2 and no traceback."""
    done = medagent(*words, home=tmp_path, **environment)
    assert done.code == 2
    assert says in done.err
    assert "Traceback" not in done.err
    assert len(done.err.splitlines()) <= 2
