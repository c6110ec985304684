"""`medagent doctor` fails on each kind of wrong setting, and its JSON carries the same findings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from command import Done, medagent

pytestmark = pytest.mark.timing

OTLP = {"MEDAGENT_DESTINATIONS": "otlp"}
SECRET = "hidden-value-0137"
LIVEKIT = {"LIVEKIT_URL": "wss://calls.example", "LIVEKIT_API_KEY": "key", "LIVEKIT_API_SECRET": "secret"}
PROD = {
    "MEDAGENT_ENV": "prod",
    "MEDAGENT_CONSENT": "not_asked",
    "MEDAGENT_CONSENT_BASIS": "treatment",
    "MEDAGENT_PSEUDONYM_KEY": "ab" * 32,
    "MEDAGENT_SIGNING_KEY": "cd" * 32,
}


def findings(done: Done) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.out.splitlines()]


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"MEDAGENT_DESTINATIONS": "otlp"}, "MEDAGENT_OTLP_ENDPOINT"),
        ({"MEDAGENT_DESTINATIONS": "langfuse", "LANGFUSE_PUBLIC_KEY": SECRET}, "LANGFUSE_SECRET_KEY"),
        ({"MEDAGENT_DESTINATIONS": "langsmith"}, "LANGSMITH_API_KEY"),
        ({"MEDAGENT_DESTINATIONS": "otlp jsonlog"}, "MEDAGENT_DESTINATIONS"),
        ({**OTLP, "MEDAGENT_OTLP_ENDPOINT": f"{SECRET}:4318"}, "MEDAGENT_OTLP_ENDPOINT"),
        ({**OTLP, "MEDAGENT_OTLP_ENDPOINT": "http://h:4318", "MEDAGENT_OTLP_HEADERS": SECRET}, "MEDAGENT_OTLP_HEADERS"),
        ({"LANGSMITH_API_KEY": "k", "LANGSMITH_ENDPOINT": f"htps://{SECRET}"}, "LANGSMITH_ENDPOINT"),
        ({"LANGFUSE_HOST": f"{SECRET}.example"}, "LANGFUSE_HOST"),
        ({"MEDAGENT_SLACK_WEBHOOK_URL": f"hooks.slack.com/services/{SECRET}"}, "MEDAGENT_SLACK_WEBHOOK_URL"),
        ({"MEDAGENT_SLACK_WEBHOOK_URL": f"http://hooks.example/{SECRET}"}, "MEDAGENT_SLACK_WEBHOOK_URL"),
        ({"MEDAGENT_PAGERDUTY_ROUTING_KEY": "k", "MEDAGENT_PAGERDUTY_URL": SECRET}, "MEDAGENT_PAGERDUTY_URL"),
        ({"AZURE_OPENAI_ENDPOINT": f"{SECRET}.openai.azure.com", "AZURE_OPENAI_API_KEY": "k"}, "AZURE_OPENAI_ENDPOINT"),
        ({"AZURE_OPENAI_ENDPOINT": "https://h.example"}, "AZURE_OPENAI_API_KEY"),
        ({**LIVEKIT, "LIVEKIT_URL": f"{SECRET}:7880"}, "LIVEKIT_URL"),
        ({**LIVEKIT, "LIVEKIT_API_SECRET": ""}, "LIVEKIT_API_SECRET"),
        ({"HTTPS_PROXY": f"{SECRET}:3128"}, "HTTPS_PROXY"),
        ({"MEDAGENT_POLICY": "/nowhere/policy.yaml"}, "MEDAGENT_POLICY"),
        ({"MEDAGENT_PRICING": "/nowhere/pricing.yaml"}, "MEDAGENT_PRICING"),
        ({"MEDAGENT_ALERTS": "~/nowhere/alerts.yaml"}, "MEDAGENT_ALERTS"),
        ({"MEDAGENT_OFFICERS": "/nowhere/officers"}, "MEDAGENT_OFFICERS"),
        ({"MEDAGENT_PROCESSORS": "/nowhere/processors.yaml"}, "MEDAGENT_PROCESSORS"),
        ({"MEDAGENT_CA_FILE": "/nowhere/ca.pem"}, "MEDAGENT_CA_FILE"),
        ({"MEDAGENT_AGENT": "/nowhere/agent.py"}, "MEDAGENT_AGENT"),
        ({"MEDAGENT_LEDGER_ANCHOR": "file:/nowhere/heads"}, "MEDAGENT_LEDGER_ANCHOR"),
        ({"MEDAGENT_LEDGER_ANCHOR": "/nowhere/heads"}, "MEDAGENT_LEDGER_ANCHOR"),
        ({"MEDAGENT_DESTINATIONS": "jsonlog", "MEDAGENT_JSONLOG": "/nowhere/calls.jsonl"}, "MEDAGENT_JSONLOG"),
        ({"MEDAGENT_DESTINATIONS": "jsonlog", "MEDAGENT_JSONLOG": "/"}, "MEDAGENT_JSONLOG"),
        ({"MEDAGENT_CLINIC_DATABASE_URL": f"postgres://u:{SECRET}@h/clinic"}, "MEDAGENT_CLINIC_DATABASE_URL"),
        ({"MEDAGENT_CLINIC_DATABASE_URL": f"clinic-{SECRET}.db"}, "MEDAGENT_CLINIC_DATABASE_URL"),
        ({"MEDAGENT_OUTBOX_URL": f"outbox-{SECRET}.db"}, "MEDAGENT_OUTBOX_URL"),
        ({"MEDAGENT_PSEUDONYM_KEY": SECRET}, "MEDAGENT_PSEUDONYM_KEY"),
        ({"MEDAGENT_SIGNING_KEY": SECRET}, "MEDAGENT_SIGNING_KEY"),
        ({"MEDAGENT_CONSENT": "ask", "MEDAGENT_CONSENT_SCRIPT": "/nowhere/words.txt"}, "MEDAGENT_CONSENT_SCRIPT"),
        (
            {"MEDAGENT_CONSENT": "ask", "MEDAGENT_CONSENT_SCRIPT": "w.txt", "MEDAGENT_CONSENT_SCRIPT_VERSION": "1.0"},
            "MEDAGENT_CONSENT_SCRIPT",
        ),
        ({"MEDAGENT_POLCY": SECRET}, "did you mean MEDAGENT_POLICY?"),
        ({"MEDAGNT_POLICY": SECRET}, "did you mean MEDAGENT_POLICY?"),
        ({"MEDAGENT_QQQQ": SECRET}, "MEDAGENT_QQQQ"),
        ({"LANGSMITH_API_KEY": f'"{SECRET}"'}, "LANGSMITH_API_KEY"),
        ({"MEDAGENT_ENV": SECRET}, "MEDAGENT_ENV"),
        ({"MEDAGENT_SAMPLING": "10%"}, "MEDAGENT_SAMPLING"),
        ({**PROD, "MEDAGENT_LOGS_IN_CLEAR": "x"}, "MEDAGENT_LOGS_IN_CLEAR"),
        ({**PROD, "MEDAGENT_SYNTHETIC_CALLERS": "yes"}, "MEDAGENT_SYNTHETIC_CALLERS"),
    ],
)
def test_doctor_names_a_wrong_setting_and_fails(tmp_path: Path, environment: dict[str, str], named: str) -> None:
    """One wrong setting: exit code 1, a finding that names it with what to do, as text too, and never the value."""
    done = medagent("doctor", "--json", home=tmp_path / "home", **environment)
    wrong = [one for one in findings(done) if one["state"] == "missing"]
    assert done.code == 1
    assert any(named in f"{one['says']} {one['hint']}" and one["hint"] for one in wrong)
    text = medagent("doctor", home=tmp_path / "home", **environment)
    assert text.code == 1
    assert all(one["says"] in " ".join(text.out.split()) for one in wrong)
    assert SECRET not in done.out + done.err + text.out + text.err


@pytest.mark.parametrize(
    "variable",
    [
        *("LANGSMITH_ENDPOINT", "MEDAGENT_OTLP_ENDPOINT", "LANGFUSE_BASE_URL", "LANGFUSE_HOST", "LIVEKIT_URL"),
        *("MEDAGENT_SLACK_WEBHOOK_URL", "MEDAGENT_PAGERDUTY_URL", "AZURE_OPENAI_ENDPOINT"),
    ],
)
def test_doctor_fails_on_http_in_prod(tmp_path: Path, variable: str) -> None:
    """Each address that is not encrypted is a finding of its own in prod."""
    scheme = "ws" if variable == "LIVEKIT_URL" else "http"
    keys = {"LANGSMITH_API_KEY": "k", "MEDAGENT_PAGERDUTY_ROUTING_KEY": "k"}
    environment = {**PROD, **keys, "AZURE_OPENAI_API_KEY": "k", variable: f"{scheme}://elsewhere.example"}
    done = medagent("doctor", "--json", home=tmp_path, **environment)
    assert done.code == 1
    assert any(one["says"].startswith(f"{variable}: {scheme} to another host") for one in findings(done))


def test_doctor_names_every_wrong_setting_at_once(tmp_path: Path) -> None:
    """Several mistakes of several kinds are found by one run, each once."""
    environment = {
        "MEDAGENT_POLICY": "/nowhere.yaml",
        "MEDAGENT_DESTINATIONS": "otlp",
        "MEDAGENT_POLCY": "x",
        "LIVEKIT_URL": "h:1",
        "MEDAGENT_ALERTS": "/no/a.yaml",
        "MEDAGENT_PRICING": "/no/a.yaml",
    }
    wrong = [
        one for one in findings(medagent("doctor", "--json", home=tmp_path, **environment)) if one["state"] == "missing"
    ]
    said = [one["says"] for one in wrong]
    assert len(set(said)) == len(said)
    assert [
        sum(name in f"{one['says']} {one['hint']}" for one in wrong) for name in ("MEDAGENT_POLICY: ", "OTLP_ENDPOINT")
    ] == [1, 1]
    assert {one["what"] for one in wrong} >= {"settings", "policy", "otlp", "livekit", "alerts", "prices"}


def test_doctor_reports_values_that_are_not_allowed_together(tmp_path: Path) -> None:
    """All of them in one run; nothing else is looked at, since it could be the wrong environment."""
    environment = {"MEDAGENT_ENV": "staging", "MEDAGENT_SAMPLING": "2", "MEDAGENT_POLCY": "x"}
    done = medagent("doctor", "--json", home=tmp_path / "home", **environment)
    assert [one["says"].partition(":")[0] for one in findings(done)] == [
        *("MEDAGENT_ENV", "MEDAGENT_SAMPLING", "MEDAGENT_POLCY")
    ]
    assert done.code == 1
    assert not (tmp_path / "home").exists()


def test_doctor_passes_where_nothing_is_wrong(tmp_path: Path) -> None:
    """Files, addresses and destinations that can be used: exit code 0, and no finding twice."""
    log, anchor = tmp_path / "calls.jsonl", tmp_path / "heads"
    environment = {
        **LIVEKIT,
        "AZURE_OPENAI_ENDPOINT": "https://h.example",
        "AZURE_OPENAI_API_KEY": "k",
        "MEDAGENT_DESTINATIONS": "otlp,jsonlog",
        "MEDAGENT_OTLP_ENDPOINT": "http://127.0.0.1:4318",
        "MEDAGENT_JSONLOG": str(log),
        "MEDAGENT_LEDGER_ANCHOR": f"file:{anchor}",
        "MEDAGENT_SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T0/B0/x",
        "MEDAGENT_AGENT": __file__,
        "MEDAGENT_CONSENT": "ask",
        "MEDAGENT_ENV": "dev",
    }
    done = medagent("doctor", "--json", home=tmp_path / "home", **environment)
    assert (done.code, [one for one in findings(done) if one["state"] == "missing"]) == (0, [])
    consent = [one for one in findings(done) if one["what"] == "consent"]
    assert [one["state"] for one in consent] == ["note"]
    assert "its own words" in consent[0]["says"]


def test_doctor_fits_a_terminal(tmp_path: Path) -> None:
    """No line over 100 columns, and every hint begins under its finding."""
    done = medagent("doctor", home=tmp_path, COLUMNS="100", MEDAGENT_POLCY="x", HTTPS_PROXY="http://127.0.0.1:9")
    assert max(map(len, done.out.splitlines())) <= 100
    assert all(line == line.rstrip() for line in done.out.splitlines())
