"""`medagent incident`: sent spans by destination and id; a deletion requested, read back and recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from medagent.alerts.notice import Notice, WorstCall
from medagent.cli import app
from medagent.errors import DoorError
from medagent.redaction import REDACTED
from medagent.runtime.exports import archive, exporters, outbox
from medagent.runtime.host import ledger_path
from medagent.runtime.maintenance import investigation
from medagent.runtime.telemetry import Telemetry
from medagent.settings import load_settings
from medagent.telemetry.chain import verify_chain
from medagent.telemetry.door.admission import Admitted
from medagent.telemetry.door.send_log import Sent
from medagent.telemetry.ledger import entries
from medagent.telemetry.span import SafeSpan
from sink import Sink
from spans import call

TRACE = "5f0c3b1e-0c1d-4f6a-9a55-1f2e3d4c5b6a"
PATIENT = "Maren Oldfield"
REASON = ("--reason", "suspected leak, ticket OPS-4711")


@pytest.fixture
def langsmith(tmp_path: Path) -> Iterator[Sink]:
    (tmp_path / "langsmith").mkdir()
    with Sink(tmp_path / "langsmith") as sink:
        yield sink


@pytest.fixture
def langfuse(tmp_path: Path) -> Iterator[Sink]:
    (tmp_path / "langfuse").mkdir()
    with Sink(tmp_path / "langfuse") as sink:
        yield sink


@pytest.fixture(params=["sqlite", "postgresql"])
def leaked(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    langsmith: Sink,
    langfuse: Sink,
) -> list[SafeSpan]:
    """A call with a patient's name in a field that the policy keeps, delivered everywhere."""
    environment = {
        "LANGSMITH_API_KEY": "lsv2_test",
        "LANGSMITH_ENDPOINT": langsmith.url,
        "LANGFUSE_PUBLIC_KEY": "pk-lf-1",
        "LANGFUSE_SECRET_KEY": "sk-lf-2",
        "LANGFUSE_BASE_URL": langfuse.url,
        "MEDAGENT_OTLP_ENDPOINT": langfuse.url,
        "MEDAGENT_JSONLOG": str(tmp_path / "calls.jsonl"),
        "MEDAGENT_DESTINATIONS": "otlp,langfuse,jsonlog",
    }
    if request.param == "postgresql":
        environment["MEDAGENT_OUTBOX_URL"] = request.getfixturevalue("postgresql_url")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    spans = call(TRACE)
    arguments: dict[str, Any] = {**spans[3].fields["arguments"], "doctor_name": PATIENT}  # type: ignore[dict-item]
    leak = {**spans[3].fields, "arguments": {**arguments, PATIENT: "x"}}
    spans = [_with(span, leak) if number == 3 else span for number, span in enumerate(spans)]
    _store(spans)
    telemetry = Telemetry(load_settings()).start()
    assert list(telemetry.flush(60)) == []
    telemetry.close()
    return spans


def _with(span: SafeSpan, fields: dict[str, Any]) -> SafeSpan:
    return SafeSpan.from_document({**span.body(), "fields": fields})


def _store(spans: list[SafeSpan], *, close: bool = True) -> None:
    settings = load_settings()
    destinations = exporters(settings)
    box = outbox(settings, destinations)
    with box.transaction() as transaction:
        transaction.open_call(spans[0].trace_id, release="released")
        for span in spans:
            transaction.put(Admitted.of(span), final=True)
        if close:
            transaction.close_call(spans[0].trace_id)
    box.close()
    for one in destinations:
        one.close()


def _run(*words: str, given: str = "", code: int = 0) -> str:
    done = CliRunner().invoke(app, ["incident", *words], input=given)
    assert done.exit_code == code, done.output
    assert PATIENT not in done.output
    return done.output


def _report(*words: str, code: int = 0) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(_run(TRACE[:9], *words, "--json", code=code).splitlines()[-1])
    return report


def _at(report: dict[str, Any]) -> dict[str, Any]:
    return {each["name"]: each for each in report["destinations"]}


def _deletions(report: dict[str, Any]) -> dict[str, str]:
    return {name: each["deletion"]["status"] for name, each in _at(report).items() if each["deletion"]}


def _ledger(*kinds: str) -> list[dict[str, Any]]:
    return [dict(one.content) for one in entries(ledger_path(load_settings())) if one.kind in kinds]


def _off() -> None:
    assert CliRunner().invoke(app, ["telemetry", "off", *REASON]).exit_code == 0


@pytest.mark.timing
def test_incident_after_a_leak_deletes_reads_back_and_records(
    leaked: list[SafeSpan], langsmith: Sink, langfuse: Sink, tmp_path: Path
) -> None:
    """Sent spans are listed by destination; with telemetry off a deletion is requested, confirmed and recorded."""
    _off()
    before = len(langsmith.requests()) + len(langfuse.requests())
    report = _report()
    assert len(langsmith.requests()) + len(langfuse.requests()) == before, "a report sends nothing"
    at, ids = _at(report), {span.span_id for span in leaked}
    assert {name: {span["span_id"] for span in each["spans"]} for name, each in at.items()} == {
        "langsmith": ids,
        "otlp": ids,
        "langfuse": ids,
        "jsonlog": {span.span_id for span in leaked if span.name in ("agent_turn", "session.end")}
        | {span.span_id for span in leaked if span.name.startswith("tool.")},
    }
    assert {span["ids"]["run_id"] for span in at["langsmith"]["spans"]} == set(langsmith.runs())
    assert {span["ids"]["observation"] for span in at["langfuse"]["spans"]} == set(langfuse.spans())
    assert all(span["outcome"] == "delivered" for each in at.values() for span in each["spans"])
    fields = {(each["span"], each["path"]): each["action"] for each in report["fields"]}
    assert fields["tool.book_appointment", "arguments.doctor_name"] == "KEEP"
    assert fields["tool.book_appointment", "arguments.?"] is None, "a key may be a value"

    report = _report("--delete", *REASON, "--yes", "--wait", "60", code=1)
    assert _deletions(report) == {
        "langsmith": "confirmed_deleted",
        "langfuse": "confirmed_deleted",
        "otlp": "not_supported",
        "jsonlog": "not_supported",
    }
    for sink, path in ((langsmith, "/api/v1/runs/"), (langfuse, "/api/public/traces/")):
        sent = [one for one in sink.requests() if one.path.startswith(path)]
        assert sent
        assert all(PATIENT.encode() not in one.everything() for one in sent)
    requested = {each["destination"]: each for each in _ledger("deletion_requested")}
    assert requested.keys() == {"langsmith", "langfuse"}
    assert all(each["reason"] == REASON[1] and each["spans"] == len(ids) for each in requested.values())
    final = {each["destination"]: each["status"] for each in _ledger("deletion_status")}
    assert final == _deletions(report)
    assert PATIENT.encode() not in ledger_path(load_settings()).read_bytes()
    assert len(archive(load_settings()).spans(TRACE)) == len(leaked), "the archive keeps it for the assessment"
    text = _run(TRACE)
    assert "no longer shown there" in text
    assert TRACE.replace("-", "") in text, "what must be done by hand is shown with the id"


@pytest.mark.timing
@pytest.mark.parametrize("leaked", ["sqlite"], indirect=True)
def test_incident_deletion_that_takes_time_is_confirmed_later(leaked: list[SafeSpan], langsmith: Sink) -> None:
    """A call that is still shown is not confirmed; a later look reads back, confirms and records it."""
    del leaked
    langsmith.mode(status=202, slow_deletion=True)
    report = _report("--delete", "--destination", "langsmith", *REASON, "--yes", "--wait", "0", code=1)
    assert _deletions(report) == {"langsmith": "not_confirmed"}
    assert _at(report)["langsmith"]["deletion"]["cause"] == "still_shown"
    assert _deletions(_report()) == {"langsmith": "not_confirmed"}
    langsmith.mode(status=202)
    assert _deletions(_report()) == {"langsmith": "confirmed_deleted"}
    asked = len(langsmith.requests())
    assert _deletions(_report()) == {"langsmith": "confirmed_deleted"}
    assert len(langsmith.requests()) == asked, "what is confirmed is not asked again"
    assert [each["status"] for each in _ledger("deletion_status")] == [
        "requested",
        "not_confirmed",
        "confirmed_deleted",
    ]


@pytest.mark.timing
@pytest.mark.parametrize("leaked", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("mode", "cause"), [({"status": 401}, "http_401"), ({"status": 403}, "http_403"), ({"status": 302}, "http_302")]
)
def test_incident_deletion_that_is_refused_names_the_cause(
    leaked: list[SafeSpan], langsmith: Sink, mode: dict[str, Any], cause: str
) -> None:
    """A key that may not delete, a redirect: failed with the status, and the request is in the ledger all the same."""
    del leaked
    langsmith.mode(**mode)
    report = _report("--delete", "--destination", "langsmith", *REASON, "--yes", "--wait", "0", code=1)
    deletion = _at(report)["langsmith"]["deletion"]
    assert (deletion["status"], deletion["cause"]) == ("failed", cause)
    assert len(_ledger("deletion_requested")) == 1


@pytest.mark.timing
@pytest.mark.parametrize("leaked", ["sqlite"], indirect=True)
def test_incident_deletion_in_another_account_is_never_confirmed(
    leaked: list[SafeSpan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An account that never showed the call confirms nothing by not showing it, whatever it answers."""
    del leaked
    (tmp_path / "other").mkdir()
    with Sink(tmp_path / "other") as other:
        monkeypatch.setenv("LANGFUSE_BASE_URL", other.url)
        report = _report("--delete", "--destination", "langfuse", *REASON, "--yes", "--wait", "0", code=1)
    deletion = _at(report)["langfuse"]["deletion"]
    assert (deletion["status"], deletion["cause"]) == ("not_confirmed", "never_shown")


@pytest.mark.timing
@pytest.mark.parametrize("leaked", ["sqlite"], indirect=True)
def test_incident_deletion_without_yes_sends_and_deletes_nothing(leaked: list[SafeSpan], langsmith: Sink) -> None:
    """Anything but yes, and an empty input, changes nothing; a deletion without a reason is not even asked for."""
    del leaked
    before = len(langsmith.requests())
    for answer in ("y\n", "no\n", "\n", ""):
        _run(TRACE, "--delete", *REASON, given=answer, code=1)
    _run(TRACE, "--delete", "--yes", code=2)
    assert len(langsmith.requests()) == before
    assert _ledger("deletion_requested", "deletion_status", "deletion") == []
    assert "no longer shown there" in _run(
        TRACE, "--delete", "--destination", "langsmith", *REASON, "--wait", "60", given="yes\n"
    )


@pytest.mark.timing
@pytest.mark.parametrize("leaked", ["sqlite"], indirect=True)
def test_incident_deletes_the_archive_only_where_it_is_named(leaked: list[SafeSpan]) -> None:
    """The archive's copy becomes tombstones with the cause, the chain holds, and the receipts stay."""
    _run(TRACE, "--delete", "--destination", "archive", *REASON, "--yes")
    chain = archive(load_settings()).chain(TRACE)
    verify_chain(chain)
    assert {getattr(link, "cause", None) for link in chain} == {"incident"}
    [entry] = _ledger("deletion")
    assert (entry["store"], entry["cause"], entry["trace_id"]) == ("archive", "incident", TRACE)
    report = _report()
    assert report["fields"] == []
    assert len(_at(report)["langsmith"]["spans"]) == len(leaked)


@pytest.mark.timing
@pytest.mark.parametrize("leaked", ["sqlite"], indirect=True)
def test_incident_queue_is_deleted_before_a_deletion_is_requested(leaked: list[SafeSpan], langsmith: Sink) -> None:
    """A call that still waits is shown so, and --purge deletes it: it is not sent once telemetry is on again."""
    del leaked
    _off()
    other = "6f0c3b1e-0c1d-4f6a-9a55-1f2e3d4c5b6a"
    _store(call(other), close=False)
    report = json.loads(_run(other, "--json"))
    assert report["call_open"]
    assert _at(report)["langsmith"]["queued"] == {"due": 6, "being_sent": 0, "dead_lettered": 0}
    assert "still wait here" in _run(other)
    _run(other, "--purge", *REASON, "--yes")
    assert _at(json.loads(_run(other, "--json"))) == {}
    assert not any(run["trace_id"] == other for run in langsmith.runs().values())
    assert len(_ledger("deletion")) == 1
    box = outbox(load_settings(), exporters(load_settings()))
    assert len(box.due("archive", 10)) == 6, "the archive still gets it"
    box.close()


@pytest.mark.parametrize("leaked", ["sqlite"], indirect=True)
@pytest.mark.timing
def test_incident_without_an_answer_may_be_there(leaked: list[SafeSpan]) -> None:
    """A span whose request got no answer counts as possibly there."""
    del leaked
    _off()
    other = "6f0c3b1e-0c1d-4f6a-9a55-1f2e3d4c5b6a"
    _store(call(other))
    settings = load_settings()
    box = outbox(settings, exporters(settings))
    batch = box.lease("langsmith", 10)
    box.failed("langsmith", batch, error="UnansweredError", sent=dict.fromkeys([batch[0].span_id], Sent.UNKNOWN))
    box.close()
    report = json.loads(_run(other, "--json"))
    [span] = _at(report)["langsmith"]["spans"]
    assert (span["outcome"], _at(report)["langsmith"]["may_hold"]) == ("unknown", True)


def test_incident_of_an_unknown_call_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """An id that no archive, queue or receipt has is an error that says where it was looked for."""
    done = CliRunner().invoke(app, ["incident", "abcdef"])
    assert done.exit_code != 0
    assert "not found in archive, queue or receipts" in str(done.exception)


def test_incident_alerts_hold_figures_and_the_beginning_of_an_id() -> None:
    """An alert's parts have no room for a span or a whole id, as the report says."""
    assert Notice.model_fields.keys() == {
        *("kind", "env", "title", "metric", "incident", "at_us", "window_us"),
        *("settle_us", "threshold", "value", "sample", "failures", "worst"),
    }
    assert WorstCall.model_fields.keys() == {"call", "offset_s", "value"}
    told = Notice.model_validate(
        dict.fromkeys(("at_us", "window_us", "settle_us", "sample", "failures"), 0)
        | {"kind": "fired", "env": "dev", "title": "Error rate", "metric": "error_rate", "incident": "0" * 12}
        | {"threshold": 0.05, "value": 1.0, "worst": (WorstCall(call=TRACE, offset_s=0, value=1.0),)}
    )
    with pytest.raises(DoorError):
        told.text()


@pytest.mark.parametrize("leaked", ["sqlite"], indirect=True)
@pytest.mark.timing
def test_incident_fields_show_no_value(leaked: list[SafeSpan]) -> None:
    """Every path is the policy's own, or has a ? in the place of a key that the policy does not name."""
    del leaked
    with investigation(load_settings(), by="duty") as found:
        fields = found.report(TRACE).fields
    assert {each.path for each in fields if "?" in each.path} >= {"arguments.?"}
    redacted = {each.path for each in fields if each.redacted}
    assert "arguments.patient_name" in redacted, REDACTED
