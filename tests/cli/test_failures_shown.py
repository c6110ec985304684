"""What a person sees of a destination that does not take what it is sent: cause, remedy, and no word of its answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from command import Done, medagent
from medagent.runtime.exports import archive, exporters, outbox
from medagent.settings import load_settings
from medagent.telemetry.door.admission import Admitted
from scripted_answers import ScriptedAnswers, reply
from sink import Sink
from spans import call

pytestmark = pytest.mark.timing
SECRET = b"Jane Q. Roe"
PAGE = b"<!DOCTYPE html><html>Sign in, Jane Q. Roe</html>"


@pytest.fixture
def server() -> Iterator[ScriptedAnswers]:
    with ScriptedAnswers() as running:
        yield running


def langsmith(url: str) -> dict[str, str]:
    return {"LANGSMITH_API_KEY": "lsv2_secret", "LANGSMITH_ENDPOINT": url}


def objects(done: Done) -> list[dict[str, object]]:
    return [json.loads(line) for line in done.out.splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        (reply(401, "application/json", SECRET), "key_rejected", ("key rejected (HTTP 401)", "LANGSMITH_API_KEY")),
        (reply(403, "application/json", SECRET), "key_forbidden", ("several workspaces", "LANGSMITH_WORKSPACE_ID")),
        (reply(200, "text/html", PAGE), "web_page", ("is this LangSmith?", "LANGSMITH_ENDPOINT")),
    ],
)
def test_a_failure_names_cause_and_remedy_everywhere(
    server: ScriptedAnswers, tmp_path: Path, answer: bytes, code: str, words: tuple[str, ...]
) -> None:
    """`doctor --send`, `outbox status`, `trace check` and `telemetry status`, each as text and as JSON."""
    server.reply = answer
    environment = langsmith(server.url)
    doctor = medagent("doctor", "--send", "--json", home=tmp_path, **environment)
    found = [one for one in objects(doctor) if one["what"] == "langsmith" and one["state"] == "missing"]
    assert (doctor.code, [one["code"] for one in found]) == (1, [code])
    shown = {
        "doctor": f"{found[0]['says']} {found[0]['hint']}",
        "status": medagent("outbox", "status", home=tmp_path, **environment).out,
        "check": medagent("trace", "check", home=tmp_path, **environment).out,
        "telemetry": medagent("telemetry", "status", home=tmp_path, **environment).out,
    }
    for where, text in shown.items():
        for word in words:
            assert word in " ".join(text.split()), where
        assert "Roe" not in text
        assert "lsv2_secret" not in text
    status = objects(medagent("outbox", "status", "--json", home=tmp_path, **environment))[0]
    assert isinstance(status["last_errors"], dict)
    assert {"code": code, "status": found[0]["status"]}.items() <= status["last_errors"]["langsmith"].items()
    [waits] = objects(medagent("trace", "check", "--json", home=tmp_path, **environment))[0]["undelivered"]  # type: ignore[misc]
    assert (waits["destination"], waits["spans"], waits["code"]) == ("langsmith", 5, code)
    assert "shipping to" not in doctor.err


@pytest.mark.slow
def test_a_span_that_is_set_aside_is_shown_with_its_cause(tmp_path: Path) -> None:
    """`outbox status` and `trace check` name the span, why it was not taken, and what to do."""
    with Sink(tmp_path) as sink:
        environment = langsmith(sink.url)
        assert medagent("doctor", "--send", home=tmp_path / "home", **environment).code == 0
        sink.mode(poison=b"session.start".hex())
        assert medagent("doctor", "--send", home=tmp_path / "home", **environment).code == 1
        status = medagent("outbox", "status", home=tmp_path / "home", **environment)
        assert (status.code, "content refused (HTTP 400)" in " ".join(status.out.split())) == (1, True)
        assert "medagent outbox retry langsmith" in " ".join(status.out.split())
        checked = medagent("trace", "check", home=tmp_path / "home", **environment)
        assert "not at langsmith: 1 spans, 1 set aside: content refused (HTTP 400)" in " ".join(checked.out.split())


def test_a_read_back_that_fails_says_so(server: ScriptedAnswers, tmp_path: Path) -> None:
    """A destination that accepts, and whose read-back answers with a page, is not counted as one that shows it."""
    server.reply = reply(202, "application/json", b"{}")
    done = medagent("doctor", "--send", "--json", home=tmp_path, **langsmith(server.url))
    [found] = [one for one in objects(done) if one["what"] == "langsmith" and one["state"] == "missing"]
    assert "not read back: the answer has another shape; is this LangSmith? (HTTP 202)" in str(found["says"])
    assert (done.code, found["code"]) == (1, "answer_shape")


@pytest.mark.slow
def test_doctors_trace_counts_nowhere(tmp_path: Path) -> None:
    """Alerts, the sampling count and the gate's calls are as before; each destination can tell the call from others."""
    home, log = tmp_path / "home", tmp_path / "calls.jsonl"
    with Sink(tmp_path) as sink:
        environment = langsmith(sink.url) | {
            "MEDAGENT_DESTINATIONS": "otlp,jsonlog",
            "MEDAGENT_OTLP_ENDPOINT": sink.url,
            "MEDAGENT_JSONLOG": str(log),
            "MEDAGENT_JSONLOG_EMF": "true",
        }

        def counted() -> tuple[object, ...]:
            alerts = [one | {"at_us": None} for one in objects(medagent("alerts", "check", "--json", home=home))]
            doctor = objects(medagent("doctor", "--json", home=home))
            gate = objects(medagent("gate", "2", "--json", home=home))[0]["seen"]
            return alerts, [one["says"] for one in doctor if one["what"] == "sampling"], gate

        assert medagent("call", "opening_hours", "--pace", "20", home=home).code == 0
        before = counted()
        for _ in range(3):
            assert medagent("doctor", "--send", home=home, **environment).code == 0
        assert counted() == before
        calls = objects(medagent("trace", "list", "--json", home=home))
        assert [one["synthetic"] for one in calls] == [True, True, True, False]
        assert all(run["extra"]["metadata"]["synthetic"] is True for run in sink.runs().values())
        for span in sink.spans().values():
            assert any(one.key == "medagent.synthetic" and one.value.bool_value for one in span.attributes)
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        assert lines
        assert all(line["synthetic"] is True and "_aws" not in line for line in lines)


def test_what_a_call_lacks_is_found_by_destination(tmp_path: Path) -> None:
    """A call that nothing was sent of is shown as not tried yet; a delivered one lacks nothing."""
    settings = load_settings(LANGSMITH_API_KEY="k", MEDAGENT_HOME=str(tmp_path))
    box = outbox(settings, exporters(settings))
    spans = call()
    with box.transaction() as transaction:
        transaction.open_call(spans[0].trace_id, release="released")
        for span in spans:
            transaction.put(Admitted.of(span), final=True)
    assert [(one.destination, one.spans, one.error) for one in box.lacking(spans[0].trace_id)] == [
        ("archive", 6, None),
        ("langsmith", 6, None),
    ]
    box.delivered("archive", box.due("archive", 9))
    due = box.due("langsmith", 9)
    box.failed("langsmith", due[1:3], error="key_rejected 401")
    box.set_aside("langsmith", due[:1], error="content_refused 400")
    [lacking] = box.lacking(spans[0].trace_id)
    assert (lacking.spans, lacking.set_aside, lacking.error) == (6, 1, "content_refused 400")
    assert box.lacking("another") == []
    box.close()


def test_a_trace_is_checked_without_its_outbox(tmp_path: Path) -> None:
    """An outbox that cannot be opened hides the deliveries, and nothing else of the check."""
    store = archive(load_settings(MEDAGENT_HOME=str(tmp_path)))
    store.export(call())
    store.close()
    (tmp_path / "outbox").mkdir()
    (tmp_path / "outbox" / "outbox.db").mkdir()
    checked = medagent("trace", "check", home=tmp_path)
    assert "chain whole" in checked.out
    assert "deliveries are not known" in checked.out
    assert objects(medagent("trace", "check", "--json", home=tmp_path))[0]["undelivered"] is None
