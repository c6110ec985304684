"""LangSmith as it is really spoken to: by its own client, over a socket, in an environment that means no good."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from langsmith.run_trees import RunTree

from calls import KINDS, real_calls
from medagent.errors import ExportError
from medagent.telemetry.exporters.exporter import Service, always_open
from medagent.telemetry.exporters.langsmith import LangSmithExporter, run_of
from medagent.telemetry.span import SafeSpan, SpanKind
from sink import Sink
from spans import AGENT_TURN, CALLER, START_US, TOOL, alone, call, exchange, safe_spans

pytestmark = pytest.mark.timing

PROJECT = "medical-voice-agent-dev"
SESSION, START, TURN, TOOLED, FAILED, END = call()


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    with Sink(tmp_path) as sink:
        yield sink


@pytest.fixture
def exporter(sink: Sink) -> Iterator[LangSmithExporter]:
    exporter = LangSmithExporter(api_key="lsv2_test", endpoint=sink.url, project=PROJECT, gate=always_open)
    yield exporter
    exporter.close()


def _metadata(span: SafeSpan) -> dict[str, Any]:
    metadata: dict[str, Any] = run_of(span, PROJECT)["extra"]["metadata"]
    return metadata


def test_a_call_is_one_tree(sink: Sink, exporter: LangSmithExporter) -> None:
    """Each run names its parent and stands under it in the dotted order, root first, in one project and one thread."""
    exporter.export(call())
    runs = sink.runs()
    assert "parent_run_id" not in runs[SESSION.span_id]
    for span in call()[1:]:
        run = runs[span.span_id]
        assert run["parent_run_id"] == span.parent_id
        assert run["dotted_order"].startswith(runs[span.parent_id or ""]["dotted_order"] + ".")
    for run in runs.values():
        assert run["session_name"] == PROJECT
        assert run["extra"]["metadata"]["thread_id"] == run["extra"]["metadata"]["session_id"] == SESSION.trace_id
    assert [runs[span.span_id]["run_type"] for span in call()] == ["chain", "chain", "llm", "tool", "tool", "chain"]


@given(safe_spans())
def test_the_dotted_order_is_the_clients_own(span: SafeSpan) -> None:
    """Our segment is the one that LangSmith's own run tree makes of the same start and id."""
    root = alone(span, ancestors=(), span_id=span.trace_id)
    moment = datetime.fromtimestamp(root.start_us // 10**6, UTC).replace(microsecond=root.start_us % 10**6)
    theirs = RunTree(name="x", id=root.span_id, start_time=moment, trace_id=root.trace_id, extra={"metadata": {}})
    assert run_of(root, PROJECT)["dotted_order"] == theirs.dotted_order


def test_version_and_environment_are_those_of_the_settings(sink: Sink) -> None:
    """The revision and the environment of a run are the operator's, and pass the request filter."""
    named = Service(version="2.1.0", environment="staging")
    exporter = LangSmithExporter(
        api_key="lsv2_test", endpoint=sink.url, project=PROJECT, gate=always_open, service=named
    )
    exporter.export([TURN])
    exporter.close()
    metadata = sink.runs()[TURN.span_id]["extra"]["metadata"]
    assert (metadata["revision_id"], metadata["environment"], metadata["env"]) == ("2.1.0", "staging", "dev")


def test_usage_has_langsmiths_names_and_no_invented_zero() -> None:
    """Tokens and cost stand where LangSmith computes with them; what the turn does not know is not there at all."""
    assert run_of(TURN, PROJECT)["outputs"]["usage_metadata"] == {
        "input_tokens": 311,
        "output_tokens": 97,
        "total_tokens": 408,
        "total_cost": 0.01234,
        "input_token_details": {"text": 211, "audio": 100, "cache_read": 64},
        "output_token_details": {"text": 22, "audio": 75},
    }
    unknown = alone(TURN, fields={**AGENT_TURN, "cost_usd": None, "input_cached_tokens": None, "input_tokens": 0})
    usage = run_of(unknown, PROJECT)["outputs"]["usage_metadata"]
    assert "total_cost" not in usage
    assert "cache_read" not in usage["input_token_details"]
    assert usage["input_tokens"] == 0
    assert run_of(alone(TURN, fields={}), PROJECT)["outputs"] == {"usage_metadata": {}}


def test_a_turn_names_its_model_in_both_languages() -> None:
    """LangSmith's own metadata and the field's standard names say the same of a turn."""
    assert (
        _metadata(TURN).items()
        >= {
            "ls_provider": "azure",
            "ls_model_type": "chat",
            "ls_model_name": "gpt-realtime",
            "gen_ai.provider.name": "azure.ai.openai",
            "gen_ai.operation.name": "chat",
            "gen_ai.request.model": "gpt-realtime",
            "gen_ai.response.model": "gpt-realtime",
            "gen_ai.usage.input_tokens": 311,
            "gen_ai.usage.output_tokens": 97,
            "gen_ai.conversation.id": TURN.trace_id,
            "ttft_ms": 812.5,
            "perceived_ms": None,
        }.items()
    )


def test_every_run_says_whose_and_which() -> None:
    """Session, caller, environment, release and tags are on every run, also on those of a pipeline's stages."""
    for span in exchange():
        assert run_of(span, PROJECT)["tags"] == ["medagent", "dev"]
        assert (
            _metadata(span).items()
            >= {
                "session_id": span.trace_id,
                "thread_id": span.trace_id,
                "user_id": CALLER,
                "environment": "dev",
                "revision_id": version("medagent"),
            }.items()
        )
    assert "user_id" not in _metadata(alone(TURN, fields={"participant_id": "<REDACTED>"}))


def test_a_pipelines_generation_is_an_llm_run() -> None:
    """Of a pipeline the LLM's request is the run that LangSmith computes with; the turns around it are chains."""
    runs = {span.name: run_of(span, PROJECT) for span in exchange()}
    kinds = {name: run["run_type"] for name, run in runs.items()}
    assert kinds == dict.fromkeys(kinds, "chain") | {"llm_generation": "llm", "tool.book_appointment": "tool"}
    llm = runs["llm_generation"]
    assert llm["outputs"]["usage_metadata"] == {
        "input_tokens": 211,
        "output_tokens": 26,
        "total_tokens": 237,
        "total_cost": 0.0000472,
        "input_token_details": {"cache_read": 0},
    }
    assert (llm["extra"]["metadata"]["ls_provider"], llm["extra"]["metadata"]["ls_model_name"]) == (
        "openai",
        "gpt-4o-mini",
    )


def test_a_tools_arguments_are_inputs_and_its_result_outputs() -> None:
    """A tool reads in LangSmith as a tool: arguments in, result out, the rest beside."""
    run = run_of(TOOLED, PROJECT)
    assert (run["inputs"], run["outputs"]) == (TOOL["arguments"], TOOL["result"])
    assert _metadata(TOOLED)["gen_ai.tool.name"] == "book_appointment"
    assert _metadata(TOOLED)["outcome"] == "booked"
    assert "arguments" not in _metadata(TOOLED)
    assert "error" not in run
    failed = run_of(FAILED, PROJECT)
    assert failed["error"] == "TimeoutError"
    assert failed["outputs"] == {"result": None}


@pytest.mark.parametrize("kind", KINDS)
def test_a_real_calls_root_shows_inputs_and_outputs(kind: str) -> None:
    """A root run has what LangSmith's list shows, of its own fields, without null; the others keep theirs."""
    spans = real_calls()[kind]
    for span in spans:
        run = run_of(span, PROJECT)
        if span.ancestors:
            assert set(run["inputs"]) <= set(span.fields.get("arguments") or {})
            continue
        assert (run["id"], run["trace_id"]) == (span.span_id, span.span_id)
        assert run["inputs"]
        assert run["outputs"]
        for name, shown in {**run["inputs"], **run["outputs"]}.items():
            assert shown == without_null(span.fields[name])
            assert shown is not None


def without_null(value: Any) -> Any:
    return {k: without_null(v) for k, v in value.items() if v is not None} if isinstance(value, dict) else value


def test_the_root_run_of_each_kind_names_mode_outcome_and_sampling() -> None:
    """A call shows mode, agent, outcome, duration, turns; a killed one no outcome; one not sampled its policy."""
    roots = {kind: run_of(next(s for s in spans if not s.ancestors), PROJECT) for kind, spans in real_calls().items()}
    whole = roots["realtime"]
    [end] = [span.fields for span in real_calls()["realtime"] if span.name == "session.end"]
    assert whole["inputs"].items() >= {"mode": "realtime", "agent_version": version("medagent")}.items()
    assert whole["outputs"]["outcome"] == "booked"
    for name in ("outcome", "duration_ms", "user_turns", "agent_turns", "complete"):
        assert whole["outputs"][name] == end[name]
    assert roots["pipeline"]["inputs"]["mode"] == "pipeline"
    assert roots["recovered"]["outputs"].keys() == {"reason", "duration_ms", "complete"}
    assert roots["not_sampled"]["inputs"]["sampling"]["sampled"] is False
    assert roots["not_sampled"]["inputs"]["policy"]["name"] == "clinic"
    assert roots["not_sampled"]["outputs"]["complete"] is True


def _first_token(span: SafeSpan) -> float | None:
    """Seconds from the run's start to the event that LangSmith takes for its first token."""
    run = run_of(span, PROJECT)
    if "events" not in run:
        return None
    [event] = run["events"]
    assert event.keys() == {"name", "time"}
    assert event["name"] == "new_token"
    return (datetime.fromisoformat(event["time"]) - datetime.fromisoformat(run["start_time"])).total_seconds()


@pytest.mark.parametrize("kind", ["realtime", "pipeline"])
def test_a_real_calls_first_token_is_its_ttft(kind: str) -> None:
    """What LangSmith shows is a turn's TTFT-A and a generation's TTFT; where that is null there is no event."""
    seen = 0
    for span in real_calls()[kind]:
        stage, turn_ms = span.fields.get("llm"), span.fields.get("ttft_ms")
        expected = turn_ms / 1000 if isinstance(turn_ms, float) else None
        if span.kind is SpanKind.LLM and isinstance(stage, dict):
            expected = stage["ttft"]
        if expected is None:
            assert _first_token(span) is None
        else:
            seen += 1
            assert _first_token(span) == pytest.approx(expected, abs=2e-6)
    assert seen >= 1


def test_a_first_token_is_not_after_its_run() -> None:
    """A generation whose start is its exchange's shows no token after its own end; what is no number shows none."""
    late = alone(TURN, fields={"ttft_ms": 1000.0})
    assert _first_token(late) == 0.25
    for unknown in (None, True, -1, "1", 1e12):
        assert _first_token(alone(TURN, fields={"ttft_ms": unknown})) is None


def test_every_run_carries_its_proof() -> None:
    """A run can be checked against the archive: it has its number, both hashes and the policy's digest."""
    for span in call():
        assert span.seal is not None
        assert (
            _metadata(span).items()
            >= {
                "sequence": span.seal.sequence,
                "previous": span.seal.previous,
                "hash": span.seal.hash,
                "policy_digest": span.policy_digest,
                "env": "dev",
            }.items()
        )


def test_fields_cannot_pose_as_machine_fields() -> None:
    """A field that is called like the thread, the hash or the sequence does not take its place."""
    posing = alone(SESSION, fields={"thread_id": "x", "hash": "y", "sequence": "z"})
    metadata = _metadata(posing)
    assert posing.seal is not None
    assert (metadata["thread_id"], metadata["hash"], metadata["sequence"]) == (posing.trace_id, posing.seal.hash, 0)


@pytest.mark.parametrize("status", [300, 307, 400, 401, 404, 413, 422, 429, 500, 503])
def test_every_other_answer_is_an_error_once(
    sink: Sink, exporter: LangSmithExporter, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever is no 2xx is raised with its status after one request: no retry, no other path, nothing logged."""
    sink.mode(status=status, location=sink.url + "/elsewhere", retry_after=30)
    with caplog.at_level(logging.INFO), pytest.raises(ExportError, match=str(status)):
        exporter.export(call())
    assert [request.path for request in sink.requests()] == ["/runs/multipart"]
    assert not [record for record in caplog.records if record.name.startswith("langsmith")]


def test_a_destination_that_is_not_there_is_an_error() -> None:
    """A refused connection is raised at once and says no more than its kind."""
    exporter = LangSmithExporter(api_key="lsv2_test", endpoint="http://127.0.0.1:9", project=PROJECT, gate=always_open)
    with pytest.raises(ExportError, match=r"connection refused \(ConnectionError\)"):
        exporter.export(call())
    exporter.close()


def test_a_key_that_is_no_header_is_an_error_that_does_not_show_it(caplog: pytest.LogCaptureFixture) -> None:
    """A key with a line break inside cannot be sent, and is neither logged nor quoted."""
    exporter = LangSmithExporter(
        api_key="lsv2\nsecret", endpoint="http://127.0.0.1:9", project=PROJECT, gate=always_open
    )
    with pytest.raises(ExportError) as caught:
        exporter.export(call())
    assert "secret" not in caplog.text + repr(caught.value)
    exporter.close()


def test_a_redelivery_that_langsmith_knows_is_delivered(sink: Sink, exporter: LangSmithExporter) -> None:
    """LangSmith answers 409 to a batch of which it has a part: the rest still arrives, and nothing is stuck."""
    sink.mode(conflicts=True)
    exporter.export(call()[:2])
    exporter.export(call())
    assert sink.runs().keys() == {span.span_id for span in call()}
    exporter.export(call())


def test_a_servers_cookie_is_not_sent_back(sink: Sink, exporter: LangSmithExporter) -> None:
    """The server's cookie does not become a header of the next request, which the exit would refuse."""
    exporter.export(call())
    exporter.export(call())
    assert all("Cookie" not in request.headers for request in sink.requests())


def test_only_the_envelope_is_in_the_headers(sink: Sink, exporter: LangSmithExporter) -> None:
    """The headers that arrive are these and no others, and the only request is the one that was asked for."""
    exporter.export(call())
    [request] = sink.requests()
    assert request.headers.keys() == {
        "Host",
        "Accept-Encoding",
        "User-Agent",
        "Accept",
        "x-api-key",
        "Content-Type",
        "Content-Length",
    }
    assert request.headers["User-Agent"] == "medagent"


def test_a_workspace_is_named_in_every_request(sink: Sink) -> None:
    """With a workspace, runs and what is asked back carry its header; nothing else changes."""
    exporter = LangSmithExporter(
        api_key="lsv2_test", endpoint=sink.url, project="reception", workspace_id="ws-1", gate=always_open
    )
    exporter.export(call())
    assert exporter.holds(SESSION)
    exporter.close()
    assert [(request.method, request.headers["X-Tenant-Id"]) for request in sink.requests()] == [
        ("POST", "ws-1"),
        ("GET", "ws-1"),
    ]
    assert {run["session_name"] for run in sink.runs().values()} == {"reception"}


def test_a_root_that_an_older_version_left_is_taken_and_read_back(sink: Sink, exporter: LangSmithExporter) -> None:
    """A root with an id of its own is on the wire under its trace id, and its child under that."""
    other = "0f0c3b1e-0c1d-4f6a-9a55-1f2e3d4c5b6a"
    root = alone(SESSION, span_id=other)
    child = alone(TURN, ancestors=(replace(TURN.ancestors[0], span_id=other),))
    exporter.export([root, child])
    runs = sink.runs()
    assert runs.keys() == {SESSION.trace_id, TURN.span_id}
    assert runs[TURN.span_id]["parent_run_id"] == SESSION.trace_id
    assert exporter.holds(root)


def test_no_thread_is_started(exporter: LangSmithExporter) -> None:
    """The client works on the thread that called it and leaves none behind."""
    before = threading.active_count()
    exporter.export(call())
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("endpoint", "region"),
    [
        ("https://api.smith.langchain.com", "us"),
        ("https://eu.api.smith.langchain.com/", "eu"),
        ("https://langsmith.clinic.example", "self-hosted"),
        ("https://api.smith.langchain.com.example", "self-hosted"),
    ],
)
def test_the_region_is_the_hosts(endpoint: str, region: str) -> None:
    """Where the data goes is told by the address it goes to."""
    exporter = LangSmithExporter(api_key="k", endpoint=endpoint, project=PROJECT, retention_days=400, gate=always_open)
    assert (exporter.region, exporter.retention_days) == (region, 400)


HOSTILE = {
    "LANGSMITH_API_KEY": "hostile-key",
    "LANGSMITH_ENDPOINT": "http://127.0.0.1:9/hostile",
    "LANGCHAIN_ENDPOINT": "http://127.0.0.1:9/hostile",
    "LANGSMITH_PROJECT": "hostile-project",
    "LANGCHAIN_PROJECT": "hostile-project",
    "LANGCHAIN_SESSION": "hostile-session",
    "LANGSMITH_METADATA": '{"hostile-key":"hostile-value"}',
    "LANGCHAIN_METADATA": '{"hostile-key":"hostile-value"}',
    "LANGCHAIN_REVISION_ID": "hostile-revision",
    "LANGSMITH_TAGS": "hostile-tag",
    "LANGSMITH_WORKSPACE_ID": "hostile-workspace",
    "LANGSMITH_AGENT_ID": "hostile-agent",
    "LANGSMITH_AGENT_ENVIRONMENT": "hostile-environment",
    "LANGSMITH_TRACING": "true",
    "LANGSMITH_TRACING_MODE": "otel",
    "LANGSMITH_TRACING_SAMPLING_RATE": "0",
    "LANGSMITH_HIDE_INPUTS": "true",
    "LANGSMITH_HIDE_OUTPUTS": "true",
    "LANGSMITH_HIDE_METADATA": "true",
    "LANGSMITH_USE_PYO3_CLIENT": "1",
    "LANGSMITH_PROFILE": "hostile-profile",
    "LANGSMITH_USE_DAEMON": "true",
    "LANGSMITH_FAILED_TRACES_MAX_MB": "1",
    "LANGSMITH_TRACING_QUEUE_MAX_SIZE": "1",
    "LANGSMITH_OTEL_ENABLED": "true",
    "LANGSMITH_OTEL_ONLY": "true",
    "HTTP_PROXY": "http://hostile-proxy.invalid:9",
    "http_proxy": "http://hostile-proxy.invalid:9",
    "ALL_PROXY": "http://hostile-proxy.invalid:9",
    "HOSTED_LANGSERVE_PROJECT_NAME": "hostile-served",
}
SHIP = """
import logging, sys
logging.basicConfig(level=logging.INFO)
from spans import call
from medagent.errors import ExportError
from medagent.telemetry.exporters.langsmith import LangSmithExporter
assert "langsmith" not in sys.modules, "importing the exporter imported the client"
exporter = LangSmithExporter(
    api_key="lsv2_test", endpoint=sys.argv[1], project="medical-voice-agent-dev", gate=lambda: None
)
assert "langsmith" not in sys.modules, "making the exporter imported the client"
try:
    exporter.export(call())
except ExportError as error:
    print("FAILED", error)
exporter.close()
"""


def _ship(url: str, environment: dict[str, str]) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", SHIP, url],
        env={**os.environ, **environment, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return ran.stdout + ran.stderr


def test_a_hostile_environment_neither_leaves_nor_redirects(sink: Sink, tmp_path: Path) -> None:
    """In a process of its own, with every variable set that the client knows, the batch arrives as it would without."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login hostile password hostile")
    profile = {
        "api_key": "hostile-key",
        "api_url": "http://127.0.0.1:9/hostile",
        "workspace_id": "hostile-workspace",
        "oauth": {"access_token": "hostile-token", "refresh_token": "hostile-token"},
    }
    config = tmp_path / ".langsmith" / "config.json"
    config.parent.mkdir()
    config.write_text(json.dumps({"current_profile": "hostile-profile", "profiles": {"hostile-profile": profile}}))
    files = {
        "LANGSMITH_CONFIG_FILE": str(config),
        "LANGSMITH_FAILED_TRACES_DIR": str(tmp_path / "hostile-traces"),
        "NETRC": str(netrc),
    }
    _ship(sink.url, HOSTILE | files)
    _ship(sink.url, {})
    hostile, plain = sink.requests()
    assert b"hostile" not in hostile.everything().lower()
    boundaries = [request.headers["Content-Type"].partition("boundary=")[2].encode() for request in (hostile, plain)]
    assert hostile.body.replace(boundaries[0], boundaries[1]) == plain.body


def test_a_refused_body_is_written_nowhere(sink: Sink, tmp_path: Path) -> None:
    """A batch that the server did not take is on no disk but the outbox's, and in no line of output."""
    sink.mode(status=500)
    printed = _ship(sink.url, {"LANGSMITH_FAILED_TRACES_DIR": str(tmp_path / "failed")})
    assert not (tmp_path / "failed").exists()
    assert printed == "FAILED langsmith: server error at the destination (HTTP 500)\n"


def test_times_are_aware_and_to_the_microsecond() -> None:
    """A run starts and ends at the microsecond that the span says, in UTC."""
    run = run_of(SESSION, PROJECT)
    start = datetime.fromisoformat(run["start_time"])
    assert start.tzinfo is not None
    assert round(start.timestamp() * 10**6) == START_US
    assert json.dumps(run["end_time"]) == '"2026-01-01T00:00:00.250000+00:00"'
