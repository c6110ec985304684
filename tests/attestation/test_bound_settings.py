"""A GO is bound to all that decides what leaves and where: any change turns telemetry off and names what changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import certifi
import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.audits import HOST, SECRET, audit, bound_to, pin
from medagent import tracing
from medagent.attestation.agent_files import agent_files
from medagent.attestation.bound import agent_digest, bound_address, bound_settings
from medagent.errors import AttestationError, KeyFileError, SettingsError
from medagent.proof import KeyRing, PseudonymKey
from medagent.runtime.kill_switch import audits, switch
from medagent.settings import load_settings

KEY = PseudonymKey(secret=b"k" * 32)
CONFIGURED = SECRET | {
    "MEDAGENT_ENV": "prod",
    "MEDAGENT_CONSENT": "not_asked",
    "MEDAGENT_CONSENT_BASIS": "treatment operations",
    "MEDAGENT_DESTINATIONS": "otlp,langfuse,jsonlog",
    "MEDAGENT_OTLP_ENDPOINT": "https://collector.clinic.example:4318/tenant-a",
    "MEDAGENT_OTLP_HEADERS": "x-scope-orgid=clinic",
    "LANGSMITH_API_KEY": "lsv2_clinic",
    "LANGFUSE_PUBLIC_KEY": "pk-clinic",
    "LANGFUSE_SECRET_KEY": "sk-clinic",
    "LANGFUSE_BASE_URL": "https://hipaa.cloud.langfuse.com",
    "MEDAGENT_JSONLOG": "/var/log/medagent.jsonl",
    "MEDAGENT_SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T1/B1/clinic",
    "MEDAGENT_PAGERDUTY_ROUTING_KEY": "k",
}
CHANGES: dict[str, tuple[dict[str, str], str]] = {
    "scheme": (
        {"MEDAGENT_OTLP_ENDPOINT": "http://collector.clinic.example:4318/tenant-a"},
        "MEDAGENT_OTLP_ENDPOINT: http to another host",
    ),
    "host": ({"MEDAGENT_OTLP_ENDPOINT": "https://evil.example:4318/tenant-a"}, "otlp: host"),
    "port": ({"MEDAGENT_OTLP_ENDPOINT": "https://collector.clinic.example:4319/tenant-a"}, "otlp: address"),
    "path": ({"MEDAGENT_OTLP_ENDPOINT": "https://collector.clinic.example:4318/tenant-b"}, "otlp: address"),
    "tenant header": ({"MEDAGENT_OTLP_HEADERS": "x-scope-orgid=other"}, "otlp: account (MEDAGENT_OTLP_HEADERS)"),
    "another header": ({"MEDAGENT_OTLP_HEADERS": "x-scope-orgid=clinic,x-more=1"}, "otlp: account"),
    "no header": ({"MEDAGENT_OTLP_HEADERS": ""}, "otlp: account"),
    "LangSmith's scheme": (
        {"LANGSMITH_ENDPOINT": "http://api.smith.langchain.com"},
        "LANGSMITH_ENDPOINT: http to another host",
    ),
    "LangSmith's account": ({"LANGSMITH_API_KEY": "lsv2_other"}, "langsmith: account (LANGSMITH_API_KEY)"),
    "LangSmith's project": ({"LANGSMITH_PROJECT": "other"}, "langsmith: project"),
    "Langfuse's scheme": (
        {"LANGFUSE_BASE_URL": "http://hipaa.cloud.langfuse.com"},
        "LANGFUSE_BASE_URL: http to another host",
    ),
    "Langfuse's public key": ({"LANGFUSE_PUBLIC_KEY": "pk-other"}, "langfuse: account"),
    "Langfuse's secret key": ({"LANGFUSE_SECRET_KEY": "sk-other"}, "langfuse: account"),
    "log file": ({"MEDAGENT_JSONLOG": "/mnt/share/x.jsonl"}, "jsonlog: address (MEDAGENT_JSONLOG)"),
    "log format": ({"MEDAGENT_JSONLOG_EMF": "true"}, "jsonlog: address"),
    "Slack's webhook": (
        {"MEDAGENT_SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T9/B9/other"},
        "slack: address (MEDAGENT_SLACK_WEBHOOK_URL)",
    ),
    "PagerDuty's address": ({"MEDAGENT_PAGERDUTY_URL": "https://evil.example/collect"}, "pagerduty: host"),
    "PagerDuty's path": ({"MEDAGENT_PAGERDUTY_URL": "https://events.pagerduty.com/v3"}, "pagerduty: address"),
    "PagerDuty's account": ({"MEDAGENT_PAGERDUTY_ROUTING_KEY": "other"}, "pagerduty: account"),
    "a destination less": ({"MEDAGENT_DESTINATIONS": "otlp,langfuse"}, "jsonlog is not configured"),
    "legal basis": ({"MEDAGENT_CONSENT_BASIS": "other"}, "MEDAGENT_CONSENT_BASIS"),
    "consent": (
        {"MEDAGENT_CONSENT": "ask", "MEDAGENT_CONSENT_SCRIPT": "May we?", "MEDAGENT_CONSENT_SCRIPT_VERSION": "1.0"},
        "MEDAGENT_CONSENT, MEDAGENT_CONSENT_SCRIPT, MEDAGENT_CONSENT_SCRIPT_VERSION",
    ),
    "trusted certificates": ({"MEDAGENT_CA_FILE": certifi.where()}, "MEDAGENT_CA_FILE"),
    "contracts": ({"MEDAGENT_PROCESSORS": __file__}, "MEDAGENT_PROCESSORS"),
    "contracts that cannot be read": ({"MEDAGENT_PROCESSORS": "/nowhere.yaml"}, "MEDAGENT_PROCESSORS: cannot be read"),
    "tenant of a collector": ({"MEDAGENT_OTLP_HEADERS": "x-scope-orgid=b"}, "otlp: workspace (MEDAGENT_OTLP_HEADERS)"),
    "workspace of Slack": (
        {"MEDAGENT_SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T9/B1/clinic"},
        "slack: workspace (MEDAGENT_SLACK_WEBHOOK_URL)",
    ),
    "pseudonym key": ({"MEDAGENT_PSEUDONYM_KEY": "ef" * 32}, "): MEDAGENT_PSEUDONYM_KEY"),
    "metrics over OTLP": ({"MEDAGENT_OTLP_METRICS": "0"}, "): MEDAGENT_OTLP_METRICS"),
    "sampling": ({"MEDAGENT_SAMPLING": "0.5"}, "MEDAGENT_SAMPLING"),
    "outbox": ({"MEDAGENT_OUTBOX_DAYS": "4000"}, "MEDAGENT_OUTBOX_DAYS"),
    "archive": ({"MEDAGENT_ARCHIVE_DAYS": "4000"}, "archive: retention_days (MEDAGENT_ARCHIVE_DAYS)"),
    "voice drafts": ({"MEDAGENT_OTLP_VOICE_DRAFTS": "true"}, "MEDAGENT_OTLP_VOICE_DRAFTS"),
    "another library's exit": ({"LANGSMITH_TRACING": "true"}, "variables of other libraries"),
    "policy": ({"MEDAGENT_POLICY": "safe-harbor"}, "the policy here"),
}


@pytest.fixture
def agent(tmp_path: Path) -> Path:
    """Somebody's agent, whose tools are in a file beside it."""
    place = tmp_path / "agent"
    place.mkdir()
    (place / "agent.py").write_text("import tools\n")
    (place / "tools.py").write_text("def book(): ...\n")
    return place / "agent.py"


@pytest.fixture
def on_in_prod(tmp_path: Path, agent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host with every destination on which a GO switched telemetry on."""
    for name, value in (CONFIGURED | {"MEDAGENT_AGENT": str(agent)}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MEDAGENT_OFFICERS", str(pin(tmp_path / "officers")))
    settings = load_settings()
    here = bound_to(settings)

    def for_prod(report: Any) -> Any:
        return here(report.model_copy(update={"run": report.run.model_copy(update={"env": "prod"})}))

    whole = audit(for_prod, key=HOST).complete()
    whole.written(audits(settings) / whole.bundle.report_sha256)
    switch(settings).turn_on(report=whole.bundle.report_sha256, by="officer")
    assert switch(load_settings()).state().on


@pytest.mark.usefixtures("on_in_prod")
@pytest.mark.parametrize("what", CHANGES)
def test_a_changed_setting_turns_telemetry_off_and_is_named(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the next start in prod, and no secret is in the reason."""
    changes, named = CHANGES[what]
    for name, value in changes.items():
        monkeypatch.setenv(name, value)
    state = switch(load_settings()).state()
    assert (state.on, state.source) == (False, "audit_missing")
    assert named in str(state.reason)
    secrets = {"clinic.example", "pk-clinic", "sk-clinic", "lsv2", "T1", "T9", "treatment"}
    assert not any(secret in str(state.reason) for secret in secrets)


def test_contracts_are_bound_by_their_content(tmp_path: Path) -> None:
    """Every byte of `processors.yaml`, a changed date of a contract too; the packaged one goes with the code."""

    def bound(**given: str) -> str:
        settings = load_settings(MEDAGENT_HOME=tmp_path, **given)
        return next(one.value for one in bound_settings(settings, KEY) if one.name == "MEDAGENT_PROCESSORS")

    file = tmp_path / "processors.yaml"
    file.write_text("date: 2026-03-02\n")
    given = {"MEDAGENT_PROCESSORS": str(file)}
    was = bound(**given)
    (tmp_path / "link.yaml").symlink_to(file)
    assert (bound(), bound(MEDAGENT_PROCESSORS=str(tmp_path / "link.yaml"))) == ("medagent", was)
    file.write_text("date: 2026-03-03\n")
    assert bound(**given) != was


@pytest.mark.usefixtures("on_in_prod")
@pytest.mark.parametrize("file", ["agent.py", "tools.py"])
def test_a_changed_agent_turns_telemetry_off(file: str, agent: Path) -> None:
    """Its own module, and a tool beside it."""
    agent.with_name(file).write_text("changed = True\n")
    assert "MEDAGENT_AGENT" in str(switch(load_settings()).state().reason)
    agent.unlink()
    assert "MEDAGENT_AGENT" in str(switch(load_settings()).state().reason)


@pytest.mark.usefixtures("on_in_prod")
@pytest.mark.parametrize("name", ["MEDAGENT_MODEL", "MEDAGENT_CLINIC_NAME", "MEDAGENT_PRICING"])
def test_a_setting_that_decides_nothing_of_it_is_not_bound(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What says neither which data leave nor where."""
    monkeypatch.setenv(name, "other")
    assert switch(load_settings()).state().on


@pytest.mark.parametrize("name", ["MEDAGENT_LIVEKIT_OPEN", "MEDAGENT_LOGS_IN_CLEAR"])
def test_an_open_exit_is_refused_in_prod(name: str) -> None:
    """Each lets out what was said past redaction: in dev a choice, in prod an error that names it."""
    value = {name: "text"}
    load_settings(MEDAGENT_ENV="dev", **value)
    with pytest.raises(SettingsError, match=f"{name} is set, expected unset"):
        load_settings(MEDAGENT_ENV="prod", **value)


@pytest.mark.parametrize("text", ["00" * 32, "00" * 64, "ab" * 31, ""])
def test_a_key_of_zeros_or_too_few_digits_is_refused(text: str, tmp_path: Path) -> None:
    """Both as pseudonym and as signing key."""
    keys = KeyRing(tmp_path, env="prod", pseudonym_hex=text, signing_hex=text)
    for made in (keys.pseudonym_key, keys.signing_key):
        with pytest.raises(KeyFileError):
            made()


def test_the_module_that_traces_is_the_bound_agent(agent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever `MEDAGENT_AGENT` names, a process is held to the file that called `trace_call` first."""
    seen: list[Path | None] = []

    class Kept:
        def __init__(self, settings: Any) -> None:
            seen.append(settings.agent_path)

        def watch(self, *_: Any, **__: Any) -> None:
            return None

    monkeypatch.setattr(tracing, "Tracing", Kept)
    monkeypatch.setattr(tracing, "_AGENT", [])
    tracing.tracing.cache_clear()
    exec(compile("trace_call(None)", str(agent), "exec"), {"trace_call": tracing.trace_call})
    tracing.tracing.cache_clear()
    assert seen == [agent]


def test_an_agent_in_a_package_is_its_whole_package(tmp_path: Path) -> None:
    """A file anywhere in it changes the digest; a file outside does not; None is the packaged receptionist."""
    package = tmp_path / "ours" / "inner"
    package.mkdir(parents=True)
    for place in (package, package.parent):
        (place / "__init__.py").write_text("")
    (package / "agent.py").write_text("x = 1\n")
    was = agent_digest(package / "agent.py")
    (tmp_path / "beside.py").write_text("")
    assert agent_digest(package / "agent.py") == was
    (package.parent / "tools.py").write_text("")
    assert agent_digest(package / "agent.py") != was
    assert agent_digest(None) == "medagent"
    with pytest.raises(AttestationError, match="MEDAGENT_AGENT"):
        agent_digest(tmp_path / "nowhere.py")


def test_an_agent_in_a_directory_is_what_it_imports_from_there(tmp_path: Path) -> None:
    """A directory whose name a file imports is bound whole, one that none imports is not; so is which file it is."""
    for name in ("desk", "tools", "deep", "notes"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "one.py").write_text("")
    agent = tmp_path / "agent.py"
    agent.write_text("from tools import one\nimport agents.desk.one\n")
    (tmp_path / "tools" / "one.py").write_text("from deep.one import *\n")
    (tmp_path / "other.py").write_text("")
    was = agent_digest(agent)
    assert {one.parent.name for one in agent_files(agent)} == {tmp_path.name, "tools", "deep", "desk"}
    (tmp_path / "notes" / "one.py").write_text("changed = True\n")
    assert agent_digest(agent) == was
    assert agent_digest(tmp_path / "other.py") != was
    (tmp_path / "deep" / "one.py").write_text("changed = True\n")
    assert agent_digest(agent) != was


PARTS = st.tuples(
    st.sampled_from(["http", "https"]),
    st.sampled_from(["a.example", "b.example"]),
    st.sampled_from(["", ":1", ":2"]),
    st.sampled_from(["", "/x", "/y"]),
    st.sampled_from(["", "?q=1", "?q=2"]),
    st.sampled_from(["", "u@", "u:p@"]),
)


@given(one=PARTS, other=PARTS)
def test_two_addresses_are_bound_alike_only_if_they_are_the_same(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    """Each part tells them apart, and path, account and query are not readable."""

    def bound(parts: tuple[str, ...]) -> str:
        scheme, host, port, path, query, user = parts
        return bound_address(f"{scheme}://{user}{host}{port}{path}{query}", KEY)

    assert (bound(one) == bound(other)) is (one == other)
    assert not any(text in bound(one) for text in ("q=", "u:p", "u@", "/x", "/y"))
