"""Refusal of a LiveKit server on another machine while the environment is not stated."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from livekit.agents import get_job_context

from medagent.errors import SettingsError
from medagent.settings import Settings


def check_environment(settings: Settings, url: str | None) -> None:
    """Raise `SettingsError` where `MEDAGENT_ENV` is unset or empty and calls come from a server on another machine.

    `MEDAGENT_SYNTHETIC_CALLERS=yes` declares that none of them is a real person's. The name of the server is resolved.
    In prod also where the server is on another host and the address is not encrypted.
    """
    if url:
        settings.check_encrypted("LIVEKIT_URL", url)
    if settings.is_env_stated or settings.synthetic_callers is not None or not url or is_on_this_machine(url):
        return
    raise SettingsError(
        "MEDAGENT_ENV: unset, with a LiveKit server that is not on this machine, expected dev or prod",
        hint="set MEDAGENT_ENV=prod for real callers; MEDAGENT_SYNTHETIC_CALLERS=yes where every caller is synthetic",
    )


def check_job_environment(settings: Settings) -> None:
    """Raise as `check_environment` inside a LiveKit job; outside a job and in a fake one there is no server."""
    context = get_job_context(required=False)
    if context is not None:
        check_environment(settings, context._info.url)


def is_on_this_machine(url: str) -> bool:
    """Return whether each address of a URL's host is a loopback address or one of a local interface.

    A name that cannot be resolved is not.
    """
    try:
        host = urlsplit(url if "//" in url else f"//{url}").hostname
        if not host:
            return False
        found = {_address(each[4][0]) for each in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)}
    except (OSError, ValueError):
        return False
    return bool(found) and all(_is_local(address) for address in found)


def _is_local(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if address.is_loopback or address.is_unspecified:
        return True
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(address), 9))  # sends nothing: the system chooses the source address
        except OSError:
            return False
        return _address(probe.getsockname()[0]) == address  # only to an address of its own it is the same


def _address(text: str | int) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    address = ipaddress.ip_address(str(text).partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address
