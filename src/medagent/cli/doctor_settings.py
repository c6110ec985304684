"""The checks of `medagent doctor` that look at one setting: its name, its value, the file or address that it names."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

from medagent.alerts.post import checked_address
from medagent.alerts.rules import load_alerts
from medagent.attestation.bound import agent_digest
from medagent.audit.legal import load_processors
from medagent.cli.finding import Finding, missing
from medagent.errors import MedagentError, SettingsError
from medagent.runtime.host import key_ring
from medagent.runtime.kill_switch import officers
from medagent.setting_checks import PREFIX, check_address
from medagent.settings import Settings
from medagent.telemetry.ledger.anchors import second_place

_OWNERS = {
    "LANGSMITH_ENDPOINT": "langsmith",
    "MEDAGENT_OTLP_ENDPOINT": "otlp",
    "LANGFUSE_BASE_URL": "langfuse",
    "LANGFUSE_HOST": "langfuse",
    "MEDAGENT_SLACK_WEBHOOK_URL": "slack",
    "MEDAGENT_PAGERDUTY_URL": "pagerduty",
    "AZURE_OPENAI_ENDPOINT": "model",
    "LIVEKIT_URL": "livekit",
}
_SCHEMES: Mapping[str, tuple[str, ...]] = {"LIVEKIT_URL": ("wss", "ws", "https", "http")}
_GRPC_PORT = 4317
_ROUTING_KEY = re.compile(r"[A-Za-z0-9]{32}")
_LOOKS_LIKE_A_FILE = re.compile(r"\S+\.(txt|md|text)|\S*[/\\]\S*")
_TESTED_LIVEKIT = "1.8."


def names(_settings: Settings | None = None) -> Iterator[Finding]:
    """Yield variables that are no setting and were meant as one, and values that were not meant as they are."""
    for name, similar in Settings.unknown_variables().items():
        is_ours = name.upper().startswith(PREFIX) or (similar or "").startswith(PREFIX)
        says = f"{name}: unknown setting" + (f", did you mean {similar}?" if similar else "")
        hint = f"rename it to {similar}, or unset {name}" if similar else f"unset {name}; README lists the settings"
        yield Finding(what="settings", state="missing" if is_ours else "note", says=says, hint=hint)
    for name, wrong in Settings.odd_variables().items():
        yield Finding(what="settings", state="missing", says=f"{name}: {wrong}", hint=f"change or unset {name}")


def addresses(settings: Settings) -> Iterator[Finding]:
    """Yield each address that no request can be sent to, or that is not encrypted in prod."""
    for variable, url in settings.addresses().items():
        what = _OWNERS[variable]
        try:
            check_address(variable, url, schemes=_SCHEMES.get(variable, ("https", "http")))
            settings.check_encrypted(variable, url)
            if variable == "MEDAGENT_SLACK_WEBHOOK_URL" or (
                variable == "MEDAGENT_PAGERDUTY_URL" and settings.pagerduty_routing_key is not None
            ):
                checked_address(url, variable)
        except SettingsError as error:
            yield missing(what, error)
            continue
        if variable == "MEDAGENT_OTLP_ENDPOINT" and urlsplit(url).port == _GRPC_PORT:
            says = f"{variable}: port {_GRPC_PORT} is a collector's gRPC port, expected its HTTP port"
            yield Finding(what=what, state="note", says=says, hint="the HTTP port is 4318 by default")
        if variable == "AZURE_OPENAI_ENDPOINT" and urlsplit(url).path.strip("/"):
            says = f"{variable}: a path after the host, which is added to the model's own"
            yield Finding(what=what, state="note", says=says, hint="set it to https://NAME.openai.azure.com alone")


def ca_file(settings: Settings) -> Iterator[Finding]:
    """Yield whether the certificates of `MEDAGENT_CA_FILE` can be read."""
    if settings.ca_file is not None:
        settings.ca_pem()
        yield Finding(what="ca file", state="ok", says=f"certificates of {settings.ca_file} are trusted too")


def proxies(settings: Settings) -> Iterator[Finding]:
    """Yield the proxies of the environment: LiveKit's worker uses one, the deliveries do not."""
    found = settings.proxies()
    for name, url in found.items():
        try:
            check_address(name, url, schemes=("http", "https"), is_user_allowed=True)
        except SettingsError as error:
            yield missing("proxy", error)
    if found:
        says = f"{next(iter(found))}: used by LiveKit's worker only; destinations and alerts are reached directly"
        hint = "let this host reach its destinations directly, or send to a collector (MEDAGENT_OTLP_ENDPOINT)"
        yield Finding(what="proxy", state="note", says=says, hint=hint)


def consent_script(settings: Settings) -> Iterator[Finding]:
    """Yield a script of consent that is probably the name of a file, and a script that is not used."""
    script = settings.consent_script or ""
    if _LOOKS_LIKE_A_FILE.fullmatch(script) and not script.startswith(("/", "~/", "./")):
        says = "MEDAGENT_CONSENT_SCRIPT: one word like a file's name, expected the words, or a path (/…, ~/…, ./…)"
        yield Finding(what="consent", state="missing", says=says, hint="put ./ before a file's name")
    if script and settings.consent != "ask":
        says = "MEDAGENT_CONSENT_SCRIPT is set and not used: MEDAGENT_CONSENT is not ask"
        yield Finding(what="consent", state="note", says=says, hint="set MEDAGENT_CONSENT=ask, or unset the script")


def officers_folder(settings: Settings) -> Iterator[Finding]:
    """Yield how many officers may sign an audit."""
    count = len(officers(settings).all)
    if count or settings.officers_path is None:
        yield Finding(
            what="officers", state="ok", says=f"{count} on the list" + ("" if count else ", the packaged one")
        )
    else:
        says, hint = "MEDAGENT_OFFICERS: no officer in the directory", "medagent audit key new makes an officer's file"
        yield Finding(what="officers", state="note", says=says, hint=hint)


def processors(settings: Settings) -> Iterator[Finding]:
    """Yield whether the list of processors can be read."""
    if settings.processors_path is not None:
        found, _ = load_processors(settings.processors_path)
        yield Finding(what="processors", state="ok", says=f"{len(found)} listed in {settings.processors_path}")


def agent_file(settings: Settings) -> Iterator[Finding]:
    """Yield whether the agent's own module is there."""
    if settings.agent_path is not None:
        agent_digest(settings.agent_path)
        yield Finding(what="agent", state="ok", says=f"a GO is bound to {settings.agent_path}")


def alerts(settings: Settings) -> Iterator[Finding]:
    """Yield which alerts are evaluated, and where their notifications go."""
    found = load_alerts(settings.alerts_path)
    given = {"slack": settings.slack_webhook_url, "pagerduty": settings.pagerduty_routing_key}
    told = [name for name, secret in given.items() if secret is not None]
    sent = f"sent to {' and '.join(told)}" if told else "no notification is sent"
    says = f"{len(found.rules)} rules, {sent}"
    hint = "" if told else "set MEDAGENT_SLACK_WEBHOOK_URL or MEDAGENT_PAGERDUTY_ROUTING_KEY"
    yield Finding(what="alerts", state="ok" if told else "note", says=says, hint=hint)
    if settings.pagerduty_routing_key is not None and not _ROUTING_KEY.fullmatch(
        settings.pagerduty_routing_key.get_secret_value()
    ):
        says = "MEDAGENT_PAGERDUTY_ROUTING_KEY: unexpected form, expected 32 letters and digits"
        hint = "use the integration key of a service's Events API v2"
        yield Finding(what="pagerduty", state="note", says=says, hint=hint)


def ledger(settings: Settings) -> Iterator[Finding]:
    """Yield whether the ledger can be signed, and its head be kept in a second place."""
    is_made = settings.signing_key is not None or (settings.home / "keys" / "signing.key").exists()
    if is_made or settings.env == "prod":
        says = f"signed with key {key_ring(settings).signing_key().public.key_id}"
    else:
        says = "its key is made with the first entry"
    if settings.ledger_anchor is None:
        yield Finding(what="ledger", state="ok", says=says)
        return
    place = second_place(settings.ledger_anchor)
    path = Path(settings.ledger_anchor.partition(":")[2])
    if path.is_absolute() and not (
        path.exists() or (settings.ledger_anchor.startswith("file:") and path.parent.is_dir())
    ):
        error = SettingsError(
            "MEDAGENT_LEDGER_ANCHOR: no such file, expected one that can be appended to, or a socket",
            hint="make the file's directory, or change MEDAGENT_LEDGER_ANCHOR",
        )
        yield missing("ledger", error)
    else:
        yield Finding(what="ledger", state="ok", says=f"{says}; its head is kept in the {place.name} too")


def log_file(settings: Settings) -> Iterator[Finding]:
    """Yield whether the file of the JSON log can be written, and whether it is used."""
    target = settings.jsonlog
    if "jsonlog" not in settings.destinations:
        if "jsonlog" in settings.model_fields_set:
            says, hint = "MEDAGENT_JSONLOG is set and off", "add jsonlog to MEDAGENT_DESTINATIONS"
            yield Finding(what="jsonlog", state="note", says=says, hint=hint)
        return
    path = Path(target).expanduser()
    if target == "stdout":
        return
    wrong = None
    if not path.parent.is_dir():
        wrong = "the directory does not exist"
    elif path.is_dir():
        wrong = "a directory"
    elif path.exists() and not path.is_file():
        wrong = "not a regular file"
    elif path.is_symlink():
        wrong = "a symbolic link"
    elif not os.access(path if path.exists() else path.parent, os.W_OK):
        wrong = "not writable for this user"
    if wrong is not None:
        error = SettingsError(
            f"MEDAGENT_JSONLOG: {wrong}, expected stdout or a file that can be written", hint="change MEDAGENT_JSONLOG"
        )
        yield missing("jsonlog", error)


def model(settings: Settings) -> Iterator[Finding]:
    """Yield the model that answers real calls."""
    endpoint, key = settings.azure_endpoint, settings.azure_api_key
    if endpoint and key is not None:
        says = f"{_shown(endpoint)}, deployment {settings.azure_deployment}, priced as {settings.model}"
        yield Finding(what="model", state="ok", says=says)
    elif endpoint or key is not None:
        unset = "AZURE_OPENAI_API_KEY" if endpoint else "AZURE_OPENAI_ENDPOINT"
        yield Finding(what="model", state="missing", says=f"{unset}: not set, expected both", hint=f"set {unset}")
    else:
        hint = "set AZURE_OPENAI_ENDPOINT and AZURE_OPENAI_API_KEY to answer real calls"
        yield Finding(what="model", state="note", says="none: simulated calls only", hint=hint)


def livekit(settings: Settings) -> Iterator[Finding]:
    """Yield the server that hands out the calls, and whether LiveKit's version is one that was tested."""
    given = {
        "LIVEKIT_URL": settings.livekit_url,
        "LIVEKIT_API_KEY": settings.livekit_api_key,
        "LIVEKIT_API_SECRET": settings.livekit_api_secret,
    }
    unset = [name for name, value in given.items() if value is None]
    if not unset:
        yield Finding(what="livekit", state="ok", says=f"calls come from {_shown(settings.livekit_url or '')}")
    elif len(unset) < len(given):
        says = f"{' and '.join(unset)}: not set, expected all three"
        yield Finding(what="livekit", state="missing", says=says, hint=f"set {' and '.join(unset)}")
    installed = version("livekit-agents")
    if not installed.startswith(_TESTED_LIVEKIT):
        says = f"livekit-agents {installed}: not tested with this version, expected {_TESTED_LIVEKIT}x"
        yield Finding(what="livekit", state="note", says=says, hint="pip install 'livekit-agents>=1.8.9,<1.9'")


def _shown(url: str) -> str:
    """The address without a password that somebody put into it."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an unusable address"
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def all_of(settings: Settings) -> Iterator[Finding]:
    """Yield the findings of every check here; one that fails does not stop the others."""
    for what, (check, variable) in _CHECKS.items():
        try:
            yield from check(settings)
        except MedagentError as error:
            yield missing(what, error, variable=variable)


_CHECKS: Mapping[str, tuple[Callable[[Settings], Iterator[Finding]], str | None]] = {
    "settings": (names, None),
    "addresses": (addresses, None),
    "ca file": (ca_file, "MEDAGENT_CA_FILE"),
    "proxy": (proxies, None),
    "consent": (consent_script, "MEDAGENT_CONSENT_SCRIPT"),
    "officers": (officers_folder, "MEDAGENT_OFFICERS"),
    "processors": (processors, "MEDAGENT_PROCESSORS"),
    "agent": (agent_file, "MEDAGENT_AGENT"),
    "alerts": (alerts, "MEDAGENT_ALERTS"),
    "ledger": (ledger, None),
    "jsonlog": (log_file, "MEDAGENT_JSONLOG"),
    "model": (model, None),
    "livekit": (livekit, None),
}
