"""Facts, addresses and headers of destinations, read from settings without loading an exporter."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from medagent.errors import SettingsError

TRACES_PATH = "/v1/traces"
OWN_HEADERS = {"accept-encoding": "identity", "user-agent": "medagent"}
"""Headers of every request to a collector; settings may not give them another value."""
_NOT_THEIRS = {"host", "connection", "content-type", "content-length", "content-encoding", "transfer-encoding"}
_HEADER = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
_SELF_HOSTED = "self-hosted"
_LANGSMITH_REGIONS = {
    "api.smith.langchain.com": "us",
    "eu.api.smith.langchain.com": "eu",
    "apac.api.smith.langchain.com": "apac",
    "aws.api.smith.langchain.com": "us-aws",
}
_LANGFUSE_REGIONS = {
    "cloud.langfuse.com": "eu",
    "us.cloud.langfuse.com": "us",
    "jp.cloud.langfuse.com": "jp",
    "hipaa.cloud.langfuse.com": "us-hipaa",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Name and region of a destination, and days that it keeps spans (None: not known)."""

    name: str
    region: str
    retention_days: int | None


def langsmith_region(endpoint: str) -> str:
    """Return the region of a LangSmith address."""
    return _LANGSMITH_REGIONS.get(urlsplit(endpoint).hostname or "", _SELF_HOSTED)


def langfuse_region(base_url: str) -> str:
    """Return the region of a Langfuse address."""
    return _LANGFUSE_REGIONS.get(urlsplit(base_url).hostname or "", _SELF_HOSTED)


def traces_url(endpoint: str, *, variable: str) -> str:
    """Return the URL for traces of a collector's endpoint.

    Raises `SettingsError`, which names the variable and not its value.
    """
    try:
        parts = urlsplit(endpoint)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise SettingsError(f"{variable}: unusable address, expected http(s)", hint=f"change or unset {variable}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise SettingsError(f"{variable} holds more than an address", hint="a key belongs into a header")
    base = endpoint.rstrip("/")
    return base if base.endswith(TRACES_PATH) else base + TRACES_PATH


def parse_headers(text: str, *, variable: str) -> dict[str, str]:
    """Return the headers of `k=v,k=v`, values percent-decoded.

    Raises `SettingsError`, which names the variable and no value.
    """
    headers: dict[str, str] = {}
    for pair in filter(None, (one.strip() for one in text.split(","))):
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or not _HEADER.fullmatch(name.lower()) or name.lower() in {*_NOT_THEIRS, *OWN_HEADERS, *headers}:
            raise SettingsError(
                f"{variable}: a header is malformed, reserved or repeated",
                hint=f"write {variable}=name=value,name=value; a comma in a value is %2C",
            )
        headers[name.lower()] = unquote(value)
    return headers
