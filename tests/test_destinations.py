"""Which destinations are on: LangSmith by its key, all others by being listed, and none that is half configured."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from medagent.cli import app
from medagent.errors import SettingsError
from medagent.runtime.destinations import destinations
from medagent.runtime.exports import archive, exporters
from medagent.runtime.telemetry import Telemetry
from medagent.settings import Settings, load_settings
from sink import Sink

Configure = Callable[..., Settings]
KEYS = {"LANGFUSE_PUBLIC_KEY": "pk-lf-1", "LANGFUSE_SECRET_KEY": "sk-lf-2"}
SECRET = "sk-lf-2"


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configure:
    for name in ("LANGSMITH_API_KEY", "LANGFUSE_BASE_URL", "LANGFUSE_HOST", "MEDAGENT_DESTINATIONS", *KEYS):
        monkeypatch.delenv(name, raising=False)

    def settings(**environment: str) -> Settings:
        for name, value in {"MEDAGENT_HOME": str(tmp_path / "home"), **environment}.items():
            monkeypatch.setenv(name, value)
        return load_settings()

    return settings


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    with Sink(tmp_path) as sink:
        yield sink


def _names(settings: Settings) -> list[str]:
    found = exporters(settings)
    for one in found:
        one.close()
    return [one.name for one in found]


def test_what_is_not_listed_is_off(configure: Configure) -> None:
    """Keys alone turn nothing on but LangSmith: a destination needs its entry."""
    settings = configure(**KEYS, MEDAGENT_OTLP_ENDPOINT="http://collector:4318", MEDAGENT_JSONLOG="/nowhere/x")
    assert _names(settings) == ["archive"]
    assert settings.unusable_destinations() == {
        "otlp": "add otlp to MEDAGENT_DESTINATIONS",
        "langfuse": "add langfuse to MEDAGENT_DESTINATIONS",
    }


def test_what_is_listed_and_whole_is_on(configure: Configure) -> None:
    """Each listed destination is there once, however often it is listed."""
    settings = configure(
        **KEYS, MEDAGENT_OTLP_ENDPOINT="http://collector:4318", MEDAGENT_DESTINATIONS="otlp, langfuse,jsonlog,otlp,"
    )
    assert _names(settings) == ["archive", "otlp", "langfuse", "jsonlog"]
    assert settings.unusable_destinations() == {}


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"LANGSMITH_API_KEY": "lsv2-x", "LANGSMITH_ENDPOINT": "https://eu.api.smith.langchain.com"},
        {"LANGSMITH_API_KEY": "lsv2-x", "LANGSMITH_ENDPOINT": "https://smith.local/api"},
        {"MEDAGENT_DESTINATIONS": "otlp,jsonlog", "MEDAGENT_OTLP_ENDPOINT": "http://collector:4318"},
        {"MEDAGENT_DESTINATIONS": "langfuse", "LANGFUSE_BASE_URL": "https://us.cloud.langfuse.com", **KEYS},
        {"MEDAGENT_DESTINATIONS": "otlp,langfuse", "MEDAGENT_LANGFUSE_RETENTION_DAYS": "30", **KEYS},
    ],
    ids=["archive", "langsmith_eu", "langsmith_own", "otlp_jsonlog", "langfuse_us", "langfuse_alone_is_usable"],
)
def test_facts_of_destinations_are_those_of_their_exporters(configure: Configure, environment: dict[str, str]) -> None:
    """A job reads them from the settings, since it loads no exporter."""
    settings = configure(**environment, MEDAGENT_ARCHIVE_DAYS="45", MEDAGENT_OTLP_RETENTION_DAYS="7")
    made = exporters(settings)
    for one in made:
        one.close()
    assert [(one.name, one.region, one.retention_days) for one in destinations(settings)] == [
        (one.name, one.region, one.retention_days) for one in made
    ]


@pytest.mark.timing
@pytest.mark.parametrize(
    ("environment", "remedy"),
    [
        ({"LANGFUSE_PUBLIC_KEY": "pk-lf-1"}, "set LANGFUSE_SECRET_KEY"),
        ({"LANGFUSE_SECRET_KEY": SECRET}, "set LANGFUSE_PUBLIC_KEY"),
        ({}, "set LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY"),
    ],
)
def test_half_configured_is_off_and_said_once(
    configure: Configure, caplog: pytest.LogCaptureFixture, environment: dict[str, str], remedy: str
) -> None:
    """A listed destination without all that it needs stays off, the others stay on, and one line says what to set."""
    settings = configure(**environment, MEDAGENT_DESTINATIONS="langfuse,jsonlog")
    assert _names(settings) == ["archive", "jsonlog"]
    Telemetry(settings).close()
    assert [record.getMessage() for record in caplog.records] == [f"destination langfuse is off: {remedy}"]
    assert SECRET not in caplog.text


@pytest.mark.parametrize(
    ("environment", "variable"),
    [
        ({"MEDAGENT_DESTINATIONS": "otlp,sk-lf-2"}, "MEDAGENT_DESTINATIONS"),
        ({"MEDAGENT_OTLP_REGION": "SK-LF-2"}, "MEDAGENT_OTLP_REGION"),
        ({"MEDAGENT_OTLP_RETENTION_DAYS": "0"}, "MEDAGENT_OTLP_RETENTION_DAYS"),
        ({"MEDAGENT_LANGFUSE_RETENTION_DAYS": "sk-lf-2"}, "MEDAGENT_LANGFUSE_RETENTION_DAYS"),
        ({"MEDAGENT_JSONLOG_EMF": "sk-lf-2"}, "MEDAGENT_JSONLOG_EMF"),
        ({"MEDAGENT_DESTINATIONS": "otlp", "MEDAGENT_OTLP_ENDPOINT": "sk-lf-2"}, "MEDAGENT_OTLP_ENDPOINT"),
        (
            {
                "MEDAGENT_DESTINATIONS": "otlp",
                "MEDAGENT_OTLP_ENDPOINT": "http://collector:4318",
                "MEDAGENT_OTLP_HEADERS": "sk-lf-2",
            },
            "MEDAGENT_OTLP_HEADERS",
        ),
        ({"MEDAGENT_DESTINATIONS": "langfuse", **KEYS, "LANGFUSE_HOST": "sk-lf-2"}, "LANGFUSE_BASE_URL"),
    ],
)
def test_a_wrong_value_does_not_start(configure: Configure, environment: dict[str, str], variable: str) -> None:
    """What is wrong, not missing, is a start-up error that names the variable and never its value."""
    with pytest.raises(SettingsError) as caught:
        exporters(configure(**environment))
    assert variable in str(caught.value)
    assert SECRET not in caught.value.diagnostics().lower()


def test_langfuse_is_where_either_variable_says(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    """`LANGFUSE_BASE_URL` is asked first, then the older `LANGFUSE_HOST`; its own cloud is where neither is set."""
    listed = {**KEYS, "MEDAGENT_DESTINATIONS": "langfuse", "MEDAGENT_LANGFUSE_RETENTION_DAYS": "30"}

    def region(**environment: str) -> tuple[str, int | None]:
        _, langfuse = exporters(configure(**listed, **environment))
        return langfuse.region, langfuse.retention_days

    assert region() == ("eu", 30)
    assert region(LANGFUSE_HOST="https://hipaa.cloud.langfuse.com") == ("us-hipaa", 30)
    assert region(LANGFUSE_BASE_URL="https://us.cloud.langfuse.com") == ("us", 30)


@pytest.mark.timing
def test_the_guardrail_names_them_and_each_gets_the_call(configure: Configure, sink: Sink, tmp_path: Path) -> None:
    """A call's guardrail lists every destination with region and retention, and each destination has the whole call."""
    settings = configure(
        **KEYS,
        LANGFUSE_BASE_URL=sink.url,
        MEDAGENT_OTLP_ENDPOINT=sink.url,
        MEDAGENT_OTLP_REGION="us-east-1",
        MEDAGENT_OTLP_RETENTION_DAYS="60",
        MEDAGENT_JSONLOG=str(tmp_path / "calls.jsonl"),
        MEDAGENT_DESTINATIONS="otlp,langfuse,jsonlog",
    )
    telemetry = Telemetry(settings).start()
    trace_id = telemetry.hello()
    assert list(telemetry.flush(60)) == []
    telemetry.close()
    spans = archive(settings).spans(trace_id)
    [guardrail] = [span for span in spans if span.name == "policy.guardrail"]
    assert guardrail.fields["destinations"] == [
        {"name": "archive", "region": "local", "retention_days": 90},
        {"name": "otlp", "region": "us-east-1", "retention_days": 60},
        {"name": "langfuse", "region": "self-hosted", "retention_days": None},
        {"name": "jsonlog", "region": "local", "retention_days": None},
    ]
    names = {request.path for request in sink.requests()}
    assert names == {"/v1/traces", "/api/public/otel/v1/traces"}
    assert sink.spans().keys() == {span.span_id.replace("-", "")[:16] for span in spans}
    events = [json.loads(line)["_event_type"] for line in (tmp_path / "calls.jsonl").read_text().splitlines()]
    assert sorted(events) == ["session_analytics", "voice_metrics"]


@pytest.mark.timing
def test_the_doctor_sees_what_is_on_and_what_is_not(configure: Configure, sink: Sink, tmp_path: Path) -> None:
    """It sends to each, reads back where that is possible, says where it is not, and notes keys without an entry."""
    configure(
        **KEYS,
        MEDAGENT_OTLP_ENDPOINT=sink.url,
        MEDAGENT_JSONLOG=str(tmp_path / "calls.jsonl"),
        MEDAGENT_DESTINATIONS="otlp,jsonlog",
    )
    said = CliRunner().invoke(app, ["doctor", "--send", "--json"])
    assert said.exit_code == 0, said.output
    findings = [json.loads(line) for line in said.output.splitlines() if line.startswith("{")]
    sent = {one["what"]: one["says"] for one in findings if "sent" in one["says"]}
    assert sent["otlp"].endswith("taken; it has no way to read back")
    assert sent["jsonlog"].endswith("read back")
    notes = {one["what"]: one["hint"] for one in findings if one["state"] == "note"}
    assert notes["langfuse"] == "add langfuse to MEDAGENT_DESTINATIONS"
