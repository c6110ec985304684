"""LangSmith's intake as tests, audit and benchmarks have it: for one bad run the whole batch is refused."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
import zstandard
from bench.answering import Destination as Benchmarked
from hypothesis import given
from hypothesis import strategies as st

from calls import KINDS, real_calls
from faults.scene import Destination as Faulty
from medagent.audit.capture import Capture, arrivals
from medagent.audit.langsmith_intake import refusal, runs_in
from medagent.telemetry.exporters.exporter import always_open
from medagent.telemetry.exporters.langsmith import LangSmithExporter, run_of
from medagent.telemetry.span import SafeSpan
from sink import Sink
from spans import alone, call, exchange, safe_spans

ROOT = Path(__file__).parents[1]
PROJECT = "medical-voice-agent-dev"
OTHER = "0f0c3b1e-0c1d-4f6a-9a55-1f2e3d4c5b6a"
MAIN = ("inputs", "outputs", "events", "extra", "error")
Run = dict[str, Any]


def runs(spans: list[SafeSpan]) -> list[Run]:
    """The runs of spans as they stand in a request's main parts."""
    return [{name: value for name, value in run_of(span, PROJECT).items() if name not in MAIN} for span in spans]


def _another_time(run: Run) -> None:
    run["dotted_order"] = run["dotted_order"].replace("20260101T", "2026-01-01T")


def _no_such_day(run: Run) -> None:
    run["dotted_order"] = run["dotted_order"].replace("20260101T", "20260231T")


def _milliseconds(run: Run) -> None:
    *above, own = run["dotted_order"].split(".")
    run["dotted_order"] = ".".join([*above, own[:18] + own[21:]])


def _under_no_root(run: Run) -> None:
    run["dotted_order"] = run["dotted_order"].partition(".")[2]


def _own_id_is_another(run: Run) -> None:
    run["dotted_order"] = run["dotted_order"][:-36] + OTHER


def _other_path(run: Run) -> None:
    first, _, rest = run["dotted_order"].partition(".")
    run["dotted_order"] = f"{first[:8]}T000000000009Z{first[-36:]}.{rest}"


BREAKS: dict[str, tuple[Callable[[Run], object], str]] = {
    "a trace id that is not the root's": (lambda run: run.update(trace_id=OTHER), "trace_id"),
    "no trace id": (lambda run: run.pop("trace_id"), "trace_id"),
    "a path that does not begin at the root": (_under_no_root, "trace_id"),
    "an id that is not the last": (_own_id_is_another, "id"),
    "a parent that is not the one before the last": (lambda run: run.update(parent_run_id=OTHER), "parent_run_id"),
    "a path without its parent": (lambda run: run.pop("parent_run_id"), "one for a root"),
    "a path that is not the parent's": (_other_path, "the parent's"),
    "a time in another form": (_another_time, "expected %Y"),
    "a day that there is not": (_no_such_day, "expected %Y"),
    "a time to the millisecond": (_milliseconds, "expected %Y"),
    "no dotted order": (lambda run: run.pop("dotted_order"), "expected %Y"),
    "a project that does not exist": (lambda run: run.update(session_id=OTHER), "no such project"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_refusal_of_a_run_that_breaks_a_rule_names_the_rule(name: str) -> None:
    """Each rule refuses the run that breaks it, wherever in the batch it is, and says what it has against it."""
    change, says = BREAKS[name]
    for number in (2, 3):
        batch = runs(call())
        change(batch[number])
        why = refusal(batch, taken={})
        assert why is not None
        assert says in why


def test_refusal_of_a_root_under_another_id_names_the_trace_id() -> None:
    """The fault of version 0.1: a root run whose id, and so its children's first part, is not the trace id."""
    batch = [
        json.loads(json.dumps(run).replace(f'"id": "{run["trace_id"]}', f'"id": "{OTHER}')) for run in runs(call())
    ]
    for run in batch:
        run["dotted_order"] = run["dotted_order"].replace(run["trace_id"], OTHER)
        if run.get("parent_run_id") == run["trace_id"]:
            run["parent_run_id"] = OTHER
    assert "trace_id" in (refusal(batch, taken={}) or "")


def test_refusal_remembers_the_parent_of_an_earlier_batch() -> None:
    """A child's path is compared with its parent's also where the parent came before."""
    session, *others = runs(call())
    _other_path(others[1])
    assert refusal(others[1:2], taken={}) is None
    assert "the parent's" in (refusal(others[1:2], taken={session["id"]: session["dotted_order"]}) or "")


def test_refusal_of_an_existing_project_is_none() -> None:
    """A project's id is taken where there is such a project."""
    batch = [{**run, "session_id": OTHER} for run in runs(call())]
    assert refusal(batch, taken={}, projects={OTHER}) is None


@given(st.lists(safe_spans(), min_size=1, max_size=3, unique_by=lambda span: span.trace_id))
def test_refusal_of_our_runs_is_none(spans: list[SafeSpan]) -> None:
    """Whatever a span holds, its run breaks no rule."""
    assert refusal(runs(spans), taken={}) is None


@given(safe_spans())
def test_refusal_of_a_root_that_an_older_version_left_is_none(span: SafeSpan) -> None:
    """A root with an id of its own, and its children, have the trace id on the wire."""
    root = alone(span, ancestors=())
    below = alone(span, ancestors=(*span.ancestors, *call()[3].ancestors), span_id=OTHER)
    assert run_of(root, PROJECT)["id"] == span.trace_id
    for batch in ([root], [below]):
        assert refusal(runs(batch), taken={}) is None


# ---- the servers -----------------------------------------------------------------------------------------------------


@contextmanager
def _sink(directory: Path) -> Iterator[str]:
    with Sink(directory) as sink:
        yield sink.url


@contextmanager
def _faulty(directory: Path) -> Iterator[str]:
    destination = Faulty(directory).start()
    yield destination.url
    destination.close()


@contextmanager
def _captured(_directory: Path) -> Iterator[str]:
    with Capture() as capture:
        yield capture.url("langsmith")


@contextmanager
def _benchmarked(_directory: Path) -> Iterator[str]:
    with Benchmarked() as destination:
        yield destination.url


SERVERS = {
    "tests/sink.py": _sink,
    "tests/faults/destination.py": _faulty,
    "src/medagent/audit/capture.py": _captured,
    "bench/answering.py": _benchmarked,
}
OTHERS = {
    "src/medagent/simulator/app.py": "the model's API; no telemetry is sent to it",
    "tests/clinic/test_locks.py": "a database that does not answer",
    "tests/telemetry/door/test_unanswered.py": "answers nothing, or no HTTP",
    "tests/telemetry/test_refusal.py": "never answers",
    "tests/test_process_end.py": "never answers",
    "tests/agent/test_provider_errors.py": "refuses a provider's requests",
    "tests/agent/test_server_connection.py": "refuses LiveKit's connections, or never answers",
    "tests/telemetry/door/test_logs.py": "takes log lines as syslog does",
    "tests/telemetry/test_kill_switch_gates.py": "refuses batches, to see what begins after the switch is off",
    "tests/scripted_answers.py": "answers what a test scripts, to see what counts as delivered",
    "tests/alerts/test_watch.py": "a port that is closed again",
    "tests/simulator/test_network_guard.py": "is connected to, or refused by the guard",
    "scripts/backends/collector.py": "takes OTLP and passes it on to Phoenix and MLflow",
    "scripts/backends/servers.py": "finds a free port",
    "tests/command.py": "gives commands to tests/forker.py",
    "tests/forker.py": "takes commands from tests/command.py",
    "tests/faults/scene.py": "holds the port of tests/faults/destination.py",
    "src/medagent/telemetry/ledger/anchors.py": "sends the ledger's head to syslog",
    "tests/telemetry/ledger/test_ledger_anchors.py": "takes the ledger's head as syslog does",
    "src/medagent/agent/server_address.py": "asks the kernel whether an address is this machine's",
    "tests/test_stated_environment.py": "finds an address of this machine",
}
_LISTENING = {
    "socket",
    "create_server",
    "start_server",
    "Application",
    "HTTPServer",
    "ThreadingHTTPServer",
    "TCPServer",
}


def _listens(path: Path) -> bool:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    calls = [node.func for node in nodes if isinstance(node, ast.Call)]
    return bool({getattr(one, "attr", getattr(one, "id", "")) for one in calls} & _LISTENING)


def test_every_server_is_known_here() -> None:
    """A new server in tests, benchmarks or the audit joins `SERVERS`, or `OTHERS` with why no run is sent to it."""
    files = [path for part in ("tests", "bench", "src", "scripts") for path in (ROOT / part).rglob("*.py")]
    listening = {str(path.relative_to(ROOT)) for path in files if _listens(path)}
    assert listening == {*SERVERS, *OTHERS}


@pytest.fixture(params=SERVERS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with SERVERS[request.param](tmp_path) as url:
        yield url


def test_a_server_answers_as_langsmith(url: str) -> None:
    """Real calls are taken with 202 and LangSmith's JSON; one bad run in a batch is 400 for the batch."""
    body, headers = _request(runs([*call(), *exchange()]))
    bad = runs(call())
    bad[-1]["trace_id"] = OTHER
    for encoding, pack in (("identity", bytes), ("zstd", zstandard.ZstdCompressor().compress)):
        sent = {**headers, "Content-Encoding": encoding}
        with requests.Session() as session:
            session.trust_env = False
            taken = session.post(f"{url}/runs/multipart", data=pack(body), headers=sent, timeout=30)
            refused = session.post(f"{url}/runs/multipart", data=pack(_request(bad)[0]), headers=sent, timeout=30)
            garbled = session.post(f"{url}/runs/multipart", data=b"x", headers=sent, timeout=30)
        assert (taken.status_code, taken.json()) == (202, {"message": "Runs batch ingested"})
        assert taken.headers["Content-Type"].startswith("application/json")
        assert refused.status_code == 400
        assert "trace_id" in refused.json()["error"]
        assert garbled.status_code == 400


@pytest.mark.timing
@pytest.mark.parametrize("kind", KINDS)
def test_a_server_takes_real_calls(url: str, kind: str) -> None:
    """What the exporter makes of a real call is taken, whole and span by span."""
    exporter = LangSmithExporter(api_key="lsv2_test", endpoint=url, project=PROJECT, gate=always_open)
    spans = real_calls()[kind]
    exporter.export(spans)
    for span in spans:
        exporter.export([span])
    exporter.close()


@pytest.mark.timing
def test_the_sink_keeps_no_run_of_a_refused_batch(tmp_path: Path) -> None:
    """What was refused is in no later answer, whichever of the batch's runs was the bad one."""
    with Sink(tmp_path) as sink:
        bad = runs(call())
        bad[3]["parent_run_id"] = OTHER
        body, headers = _request(bad)
        assert requests.post(f"{sink.url}/runs/multipart", data=body, headers=headers, timeout=30).status_code == 400
        assert sink.runs() == {}


@pytest.mark.timing
def test_an_audit_counts_no_run_that_langsmith_refuses() -> None:
    """A refused batch is captured, and none of its runs has arrived."""
    good, bad = runs(call()), runs(exchange())
    bad[3]["trace_id"] = OTHER
    with Capture() as capture:
        for batch in (good, bad):
            body, headers = _request(batch)
            requests.post(f"{capture.url('langsmith')}/runs/multipart", data=body, headers=headers, timeout=30)
        documents = capture.documents()
    assert len(documents) == 4
    seen = arrivals(documents, [span.span_id for span in (*call(), *exchange())])["langsmith"].seen
    assert seen.keys() == {run["id"] for run in good}


@pytest.mark.timing
def test_an_intake_reads_what_the_client_sends(tmp_path: Path) -> None:
    """The runs of a request of LangSmith's own client are all read, with what the rules look at."""
    with Sink(tmp_path) as sink:
        exporter = LangSmithExporter(api_key="lsv2_test", endpoint=sink.url, project=PROJECT, gate=always_open)
        exporter.export(call())
        exporter.close()
        [request] = sink.requests()
    read = runs_in(request.raw, content_type=request.headers["Content-Type"], content_encoding=None)
    assert [run["id"] for run in read] == [span.span_id for span in call()]


def _request(batch: list[Run]) -> tuple[bytes, dict[str, str]]:
    boundary, parts = "0f" * 16, b""
    for run in batch:
        data = json.dumps(run)
        parts += (
            f'--{boundary}\r\nContent-Disposition: form-data; name="post.{run["id"]}"\r\n'
            f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n{data}\r\n"
        ).encode()
    return parts + f"--{boundary}--\r\n".encode(), {"Content-Type": f"multipart/form-data; boundary={boundary}"}
