"""Bound settings: what decides which data leave and where, as a report holds it; secrets are keyed digests.

The key of those digests is the pseudonym key, whose id is bound too: a low-entropy secret cannot be found by trying.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from medagent.attestation.agent_files import agent_entry, agent_files, agent_root
from medagent.attestation.code_digest import code_digest
from medagent.attestation.report import BoundSetting
from medagent.errors import AttestationError
from medagent.file_access import read_file
from medagent.proof import PseudonymKey, digest
from medagent.settings import Settings

_CREDENTIAL = re.compile(
    r"(proxy-)?authorization|x-honeycomb-team|.*(api-?key|-key|token|secret|password|credential).*", re.IGNORECASE
)
"""Names of headers whose value is a credential; any other header may select a tenant."""
_SLACK_PATH = re.compile(r"/(?:services|workflows|triggers)/([A-Z0-9]+)/.+")


def bound_address(url: str, key: PseudonymKey) -> str:
    """Return scheme, host and port of an address; path, account and query, which may be secret, as a keyed digest."""
    parts = urlsplit(url)
    host = (parts.hostname or "") + (f":{parts.port}" if parts.port else "")
    rest = [text or "" for text in (parts.path, parts.query, parts.fragment, parts.username, parts.password)]
    return f"{parts.scheme}://{host}" + (f"/{key.keyed_digest('address', *rest)}" if any(rest) else "")


def bound_tenant(headers: Mapping[str, str], key: PseudonymKey) -> str | None:
    """Return a keyed digest of all headers except credentials, or None if there are none."""
    pairs = sorted((name, value) for name, value in headers.items() if not _CREDENTIAL.fullmatch(name))
    return key.keyed_digest("tenant", *(text for pair in pairs for text in pair)) if pairs else None


def bound_webhook_workspace(url: str, key: PseudonymKey) -> str | None:
    """Return a keyed digest of the workspace in a Slack webhook's path, or None for another address."""
    match = _SLACK_PATH.fullmatch(urlsplit(url).path)
    return None if match is None else key.keyed_digest("slack workspace", match[1])


def bound_file(path: str) -> str:
    """Return the place of a file that is written to, its links resolved; `stdout` is itself."""
    return path if path == "stdout" else str(Path(path).expanduser().resolve())


def bound_settings(settings: Settings, key: PseudonymKey) -> tuple[BoundSetting, ...]:
    """Return the settings that decide what leaves, beside the policy and the destinations."""
    return tuple(BoundSetting(name=name, value=value) for name, value in _bound(settings, key))


def _bound(settings: Settings, key: PseudonymKey) -> Iterator[tuple[str, str]]:
    script = None if settings.asks_in_own_words else settings.asks()
    yield "MEDAGENT_PSEUDONYM_KEY", key.key_id
    yield "MEDAGENT_CONSENT", settings.consent or "unset"
    yield "MEDAGENT_CONSENT_BASIS", _keyed(key, "basis", settings.consent_basis)
    yield "MEDAGENT_CONSENT_SCRIPT", _keyed(key, "script", script.words if script else None)
    yield "MEDAGENT_CONSENT_SCRIPT_VERSION", script.version if script else "unset"
    yield "MEDAGENT_LIVEKIT_OPEN", ",".join(sorted(settings.livekit_open)) or "none"
    yield "MEDAGENT_LOGS_IN_CLEAR", ",".join(sorted(settings.logs_in_clear)) or "none"
    yield "MEDAGENT_CA_FILE", settings.ca_sha256() or "unset"
    yield "MEDAGENT_SAMPLING", f"{settings.sampling:g}"
    yield "MEDAGENT_OUTBOX_DAYS", str(settings.outbox_days)
    given = settings.outbox_url
    yield "MEDAGENT_OUTBOX_URL", "unset" if given is None else bound_address(given.get_secret_value(), key)
    yield "MEDAGENT_OTLP_VOICE_DRAFTS", "on" if settings.otlp_voice_drafts else "off"
    yield "MEDAGENT_PROCESSORS", _processors(settings.processors_path)
    yield "MEDAGENT_OTLP_METRICS", "on" if settings.otlp_metrics and "otlp" in settings.destinations else "off"
    yield "MEDAGENT_AGENT", agent_digest(settings.agent_path)
    yield "variables of other libraries", ",".join(sorted(settings.ways_past_the_door())) or "none"


def agent_digest(path: Path | None) -> str:
    """Return the digest of an agent's own module, by its name, and of what lies beside it.

    The whole package where the file is in one, else the Python files of its directory and of what they import from
    there: its tools are among them. Another file of the same package is another agent. None is the packaged
    receptionist, which the digest of the code covers.

    Raises:
        AttestationError: There is no such file.
    """
    if path is None:
        return "medagent"
    if not path.is_file():
        raise AttestationError(f"MEDAGENT_AGENT: {path} is no file", hint="name the file in which your agent calls us")
    root, entry = agent_root(path), agent_entry(path)
    if (root / "__init__.py").exists():
        return digest({"agent": entry, "package": code_digest(root)})
    return digest({"agent": entry, "files": file_digests(path)})


def file_digests(path: Path) -> dict[str, str]:
    """Return the SHA-256 of each Python file of an agent, by its name below the agent's root."""
    root = agent_root(path)
    return {one.relative_to(root).as_posix(): hashlib.sha256(one.read_bytes()).hexdigest() for one in agent_files(path)}


def _processors(path: Path | None) -> str:
    """Return the digest of the clinic's `processors.yaml`; the code's digest covers the packaged one."""
    if path is None:
        return "medagent"
    try:
        return hashlib.sha256(read_file(path.expanduser())).hexdigest()
    except OSError as error:
        raise AttestationError(
            f"MEDAGENT_PROCESSORS: cannot be read ({type(error).__name__}), expected a YAML file",
            hint="change or unset MEDAGENT_PROCESSORS",
        ) from None


def _keyed(key: PseudonymKey, name: str, value: str | None) -> str:
    return "unset" if value is None else key.keyed_digest(name, value)
