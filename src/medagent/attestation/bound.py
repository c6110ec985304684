"""Bound settings: what decides which data leave and where, as a report holds it; secrets are keyed digests.

The key of those digests is the pseudonym key, whose id is bound too: a low-entropy secret cannot be found by trying.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from medagent.attestation.binding import code_digest
from medagent.attestation.report import BoundSetting
from medagent.errors import AttestationError
from medagent.proof import PseudonymKey, digest
from medagent.settings import Settings


def bound_address(url: str, key: PseudonymKey) -> str:
    """Return scheme, host and port of an address; path, account and query, which may be secret, as a keyed digest."""
    parts = urlsplit(url)
    host = (parts.hostname or "") + (f":{parts.port}" if parts.port else "")
    rest = [text or "" for text in (parts.path, parts.query, parts.fragment, parts.username, parts.password)]
    return f"{parts.scheme}://{host}" + (f"/{key.keyed_digest('address', *rest)}" if any(rest) else "")


def bound_file(path: str) -> str:
    """Return the place of a file that is written to, its links resolved; `stdout` is itself."""
    return path if path == "stdout" else str(Path(path).expanduser().resolve())


def bound_settings(settings: Settings, key: PseudonymKey) -> tuple[BoundSetting, ...]:
    """Return the settings that decide what leaves, beside the policy and the destinations."""
    return tuple(BoundSetting(name=name, value=value) for name, value in _bound(settings, key))


def _bound(settings: Settings, key: PseudonymKey) -> Iterator[tuple[str, str]]:
    script = settings.asks()
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
    yield "MEDAGENT_AGENT", agent_digest(settings.agent_path)
    yield "variables of other libraries", ",".join(sorted(settings.ways_past_the_door())) or "none"


def agent_digest(path: Path | None) -> str:
    """Return the digest of an agent's own module and what lies beside it; raises `AttestationError` without a file.

    The whole package where the file is in one, else the Python files of its directory: its tools are among them. None
    is the packaged receptionist, which the digest of the code covers.
    """
    if path is None:
        return "medagent"
    if not path.is_file():
        raise AttestationError(f"MEDAGENT_AGENT: {path} is no file", hint="name the file in which your agent calls us")
    package = path.parent
    if (package / "__init__.py").exists():
        while (package.parent / "__init__.py").exists():
            package = package.parent
        return code_digest(package)
    return digest({one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in sorted(package.glob("*.py"))})


def _keyed(key: PseudonymKey, name: str, value: str | None) -> str:
    return "unset" if value is None else key.keyed_digest(name, value)
