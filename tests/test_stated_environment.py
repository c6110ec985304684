"""Real calls need a stated environment; prod takes neither plain http nor synthetic callers."""

from __future__ import annotations

import hashlib
import json
import socket
from pathlib import Path

import pytest
from livekit.agents import AgentSession
from livekit.agents.testing import fake_job_context

from command import medagent
from medagent import tracing
from medagent.agent.server_address import check_environment, is_on_this_machine
from medagent.alerts.rules import load_alerts
from medagent.errors import SettingsError
from medagent.runtime.alerting import alert_watch
from medagent.runtime.exports import exporters
from medagent.settings import Settings, is_loopback, load_settings
from medagent.telemetry.ledger import entries
from scripted_answers import self_signed

ELSEWHERE = "wss://203.0.113.7"
WORKER = {
    "AZURE_OPENAI_ENDPOINT": "http://127.0.0.1:9",
    "AZURE_OPENAI_API_KEY": "key",
    "LIVEKIT_API_KEY": "key",
    "LIVEKIT_API_SECRET": "s" * 32,
}
PROD = {
    "MEDAGENT_ENV": "prod",
    "MEDAGENT_CONSENT": "not_asked",
    "MEDAGENT_CONSENT_BASIS": "treatment",
    "MEDAGENT_PSEUDONYM_KEY": "ab" * 32,
    "MEDAGENT_SIGNING_KEY": "cd" * 32,
}


@pytest.mark.timing
@pytest.mark.parametrize("command", [("start",), ("connect", "--room", "r"), ("dev",)])
@pytest.mark.parametrize("stated", [{}, {"MEDAGENT_ENV": ""}])
def test_worker_without_an_environment_refuses_a_server_elsewhere(
    tmp_path: Path, command: tuple[str, ...], stated: dict[str, str]
) -> None:
    """A machine that nobody configured answers no real call."""
    done = medagent("worker", *command, home=tmp_path, **WORKER, LIVEKIT_URL=ELSEWHERE, **stated)
    assert done.code == 2
    assert "MEDAGENT_ENV" in done.err
    assert "203.0.113.7" not in done.err


@pytest.mark.parametrize(
    ("url", "given", "is_refused"),
    [
        (ELSEWHERE, {}, True),
        ("wss://clinic.invalid", {}, True),
        ("not an address", {}, True),
        (ELSEWHERE, {"MEDAGENT_ENV": "dev"}, False),
        (ELSEWHERE, {"MEDAGENT_ENV": "prod"}, False),
        (ELSEWHERE, {"MEDAGENT_SYNTHETIC_CALLERS": "yes"}, False),
        ("ws://localhost:7880", {}, False),
        ("ws://127.8.8.8:7880", {}, False),
        ("ws://[::1]:7880", {}, False),
        ("", {}, False),
    ],
)
def test_environment_is_needed_for_a_server_elsewhere(url: str, given: dict[str, str], is_refused: bool) -> None:
    """A stated environment, or callers declared synthetic, or a server of this machine."""
    settings = Settings(**given)  # type: ignore[arg-type]
    if is_refused:
        with pytest.raises(SettingsError):
            check_environment(settings, url)
    else:
        check_environment(settings, url)


def test_server_address_is_local_by_every_address_of_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with one address elsewhere is elsewhere; an address of an interface is here."""

    def names(*addresses: str) -> None:
        found = [(socket.AF_INET6 if ":" in one else socket.AF_INET, 1, 6, "", (one, 0)) for one in addresses]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("203.0.113.7", 9))
            own = probe.getsockname()[0]
        except OSError:
            own = "127.0.0.1"
    for addresses, is_here in (
        (("127.0.0.1", own), True),
        (("::1", "::ffff:127.0.0.1"), True),
        (("127.0.0.1", "203.0.113.7"), False),
        (("203.0.113.7",), False),
        ((), False),
    ):
        names(*addresses)
        assert is_on_this_machine("wss://livekit.clinic.example") is is_here


@pytest.mark.timing
async def test_trace_call_in_a_job_of_a_server_elsewhere_raises(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call is not answered untraced, and not traced as if it were a developer's."""
    monkeypatch.setenv("MEDAGENT_HOME", str(tmp_path))
    tracing.tracing.cache_clear()
    with fake_job_context() as context:
        context._info.url = ELSEWHERE
        with pytest.raises(SettingsError, match="MEDAGENT_ENV"):
            tracing.trace_call(AgentSession())
    tracing.tracing().close()
    tracing.tracing.cache_clear()


@pytest.mark.timing
def test_synthetic_callers_are_declared_in_log_ledger_and_trace(tmp_path: Path) -> None:
    """Whoever reads a trace, or the record of six years, sees that no caller was real."""
    given = {"MEDAGENT_SYNTHETIC_CALLERS": "yes"}
    played = medagent("call", "opening_hours", "--pace", "20", home=tmp_path, **given)
    assert played.code == 0, played.err
    assert "MEDAGENT_SYNTHETIC_CALLERS" in played.err
    shown = medagent("trace", "show", "--json", home=tmp_path)
    spans = {span["name"]: span for span in map(json.loads, shown.out.splitlines())}
    for name in ("voice_session", "policy.guardrail"):
        assert spans[name]["fields"]["synthetic_callers"] is True
    recorded = [entry for entry in entries(tmp_path / "ledger" / "ledger.jsonl") if entry.kind == "synthetic_callers"]
    assert len(recorded) == 1


@pytest.mark.parametrize("value", ["1", "true", "no", "YES "])
def test_synthetic_callers_is_yes_or_nothing(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """No other word declares it."""
    monkeypatch.setenv("MEDAGENT_SYNTHETIC_CALLERS", value)
    with pytest.raises(SettingsError, match="MEDAGENT_SYNTHETIC_CALLERS"):
        load_settings()


@pytest.mark.parametrize(
    "given",
    [
        {"MEDAGENT_SYNTHETIC_CALLERS": "yes"},
        {"LANGSMITH_API_KEY": "k", "LANGSMITH_ENDPOINT": "http://langsmith.internal"},
        {"MEDAGENT_OTLP_ENDPOINT": "http://10.0.0.4:4318", "MEDAGENT_DESTINATIONS": "otlp"},
        {"LANGFUSE_BASE_URL": "HTTP://langfuse.internal:3000"},
        {"LANGFUSE_HOST": "http://[2001:db8::1]:3000"},
        {"MEDAGENT_SLACK_WEBHOOK_URL": "http://hooks.slack.example/x"},
        {"MEDAGENT_PAGERDUTY_URL": "http://127.0.0.1.nip.example/x"},
        {"AZURE_OPENAI_ENDPOINT": "http://localhost.example"},
        {"AZURE_OPENAI_ENDPOINT": "ws://azure.example"},
        {"LIVEKIT_URL": "ws://livekit.clinic.example"},
        {"LIVEKIT_URL": " WS://10.0.0.4:7880"},
        {"LIVEKIT_URL": "w\ns://127.0.0.1.nip.example"},
        {"LIVEKIT_URL": "http://livekit.clinic.example"},
    ],
)
def test_prod_refuses_plain_http_and_synthetic_callers(tmp_path: Path, given: dict[str, str]) -> None:
    """At the exporters, at the alerts, and at the start of a process that answers calls; dev takes it."""
    settings = load_settings(MEDAGENT_HOME=tmp_path, **PROD, **given)
    name = next(name for name in given if "KEY" not in name and "DESTINATIONS" not in name)
    name = "LANGSMITH_ENDPOINT" if "LANGSMITH_ENDPOINT" in given else name
    for start in (
        exporters,
        lambda each: alert_watch(each, load_alerts(None)),
        tracing.Tracing,
    ):
        with pytest.raises(SettingsError, match=name):
            start(settings)  # type: ignore[operator]
    load_settings(MEDAGENT_HOME=tmp_path, **{**PROD, "MEDAGENT_ENV": "dev"}, **given).check_prod()


@pytest.mark.parametrize("url", ["wss://livekit.example", "ws://localhost:7880", "ws://127.0.0.1:7880", "ws://[::1]"])
def test_prod_takes_wss_and_a_server_on_loopback(tmp_path: Path, url: str) -> None:
    """At the start of a process and inside a job, whose server may be another than the setting's."""
    load_settings(MEDAGENT_HOME=tmp_path, **PROD, LIVEKIT_URL=url).check_prod()
    check_environment(load_settings(MEDAGENT_HOME=tmp_path, **PROD), url)


def test_prod_refuses_a_job_of_an_unencrypted_server(tmp_path: Path) -> None:
    """A job's server address is checked even if it differs from `LIVEKIT_URL`."""
    settings = load_settings(MEDAGENT_HOME=tmp_path, **PROD, LIVEKIT_URL="wss://livekit.example")
    with pytest.raises(SettingsError, match="LIVEKIT_URL: ws to another host"):
        check_environment(settings, "ws://livekit.clinic.example")
    check_environment(load_settings(MEDAGENT_HOME=tmp_path, MEDAGENT_ENV="dev"), "ws://livekit.clinic.example")


@pytest.mark.parametrize(
    "url", ["https://collector.example", "http://localhost:4318", "http://127.0.0.1", "http://[::1]"]
)
def test_prod_takes_https_and_this_machine(tmp_path: Path, url: str) -> None:
    """A collector beside the agent needs no certificate."""
    given = {"MEDAGENT_OTLP_ENDPOINT": url, "MEDAGENT_DESTINATIONS": "otlp"}
    assert [one.name for one in exporters(load_settings(MEDAGENT_HOME=tmp_path, **PROD, **given))] == [
        "archive",
        "otlp",
    ]


@pytest.mark.parametrize(
    "url", ["http://127.1.evil.example", "http://2130706433", "http://localhost@evil.example", "http://"]
)
def test_loopback_is_no_name_that_looks_like_it(url: str) -> None:
    """Only `localhost` and loopback addresses as they are written."""
    assert not is_loopback(url)


def test_ca_file_is_read_through_a_link_and_has_a_digest(tmp_path: Path) -> None:
    """The digest is of the content, which is what the binding of a GO needs."""
    pem, _ = self_signed(tmp_path)
    (tmp_path / "ca.pem").write_bytes(pem)
    (tmp_path / "link.pem").symlink_to(tmp_path / "ca.pem")
    settings = load_settings(MEDAGENT_HOME=tmp_path, MEDAGENT_CA_FILE=tmp_path / "link.pem")
    assert settings.ca_pem() == pem
    assert settings.ca_sha256() == hashlib.sha256(pem).hexdigest()
    assert load_settings(MEDAGENT_HOME=tmp_path).ca_sha256() is None


@pytest.mark.parametrize("content", [b"", b"no certificate", b"\xff\xfe", None])
def test_ca_file_without_a_certificate_is_refused(tmp_path: Path, content: bytes | None) -> None:
    """No exporter starts with fewer trusted certificates than were asked for."""
    if content is not None:
        (tmp_path / "ca.pem").write_bytes(content)
    settings = load_settings(MEDAGENT_HOME=tmp_path, MEDAGENT_CA_FILE=tmp_path / "ca.pem")
    with pytest.raises(SettingsError, match="MEDAGENT_CA_FILE"):
        exporters(settings)
