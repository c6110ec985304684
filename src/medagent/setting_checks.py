"""Checks of the environment's names and values that need no other part: misspelt names, quoted values, addresses.

No message quotes a value: what is in a variable may be a secret in the wrong place.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import urlsplit

from medagent.errors import SettingsError

PREFIX = "MEDAGENT_"
_ALIKE = 0.6
_ALMOST_EQUAL = 0.88
_QUOTES = {'"': '"', "'": "'", "`": "`", "“": "”", "‘": "’"}
_UNEXPANDED = re.compile(r"\$\{\w+\}|\$[A-Za-z_]\w*|%[A-Za-z_]\w*%|\{\{.*\}\}")
_PLACEHOLDER = re.compile(r"<[^<>]*>|your[-_ ].*|change[-_ ]?me|todo|x{3,}|\.{3}|…", re.IGNORECASE)
_FORMS = {
    "MEDAGENT_OTLP_REGION": "lower-case letters, digits and hyphens, like eu-west-1",
    "MEDAGENT_CONSENT_SCRIPT_VERSION": "a number like 1.0",
    "LANGSMITH_PROJECT": "at most 200 characters, no line break, no space at an end",
    "LANGSMITH_WORKSPACE_ID": "at most 64 letters, digits, hyphens and underscores",
}
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")


def unknown_names(environment: Collection[str], known: Collection[str]) -> dict[str, str | None]:
    """Return each name that is probably meant as a setting and is none, with the most similar setting.

    Args:
        environment: Names of the variables that are set.
        known: Names of all settings, in capitals.

    Returns:
        Every unknown `MEDAGENT_*` name, None where no setting is similar; of other names those that are nearly a
        setting's, and whose setting is not set itself.
    """
    present = {name.upper() for name in environment}
    found: dict[str, str | None] = {}
    for name in sorted(environment):
        upper = name.upper()
        if upper in known:
            continue
        if upper.startswith(PREFIX):
            found[name] = _similar(upper, known)
            continue
        close = difflib.get_close_matches(upper, known, n=1, cutoff=_ALMOST_EQUAL)
        if close and close[0] not in present:
            found[name] = close[0]
    return found


def _similar(name: str, known: Collection[str]) -> str | None:
    bare = name.removeprefix(PREFIX)
    if bare in known:
        return bare
    by_end = {one.removeprefix(PREFIX): one for one in known}
    longest_start = sorted((end for end in by_end if bare.startswith(end)), key=len)[-1:]
    close = (
        difflib.get_close_matches(bare, by_end, n=1, cutoff=_ALMOST_EQUAL)
        or longest_start
        or difflib.get_close_matches(bare, by_end, n=1, cutoff=_ALIKE)
        or [end for end in by_end if bare in end]
    )
    return by_end[close[0]] if close else None


def odd_values(environment: Mapping[str, str], known: Collection[str]) -> dict[str, str]:
    """Return the settings whose value was not meant as it is: in quotes, padded, unexpanded, or a placeholder.

    Returns:
        What is wrong, and what is expected, by variable.
    """
    found: dict[str, str] = {}
    for name, value in environment.items():
        text = value.strip()
        if name.upper() not in known or not text:
            continue
        if len(text) > 1 and _QUOTES.get(text[0]) == text[-1]:
            found[name] = "the value is in quotes, expected none (`docker --env-file` keeps them)"
        elif text != value:
            found[name] = "white space around the value, expected none (a file with CRLF line ends?)"
        elif _UNEXPANDED.fullmatch(text):
            found[name] = "a reference to another variable that was not expanded, expected its value"
        elif _PLACEHOLDER.fullmatch(text):
            found[name] = "a placeholder, expected a value"
    return found


def check_address(
    variable: str, url: str, *, schemes: Collection[str] = ("https", "http"), is_user_allowed: bool = False
) -> None:
    """Raise `SettingsError` where a setting is no address that a request can be sent to.

    Args:
        variable: Name of the setting, for the message.
        url: Its value.
        schemes: Schemes that are allowed, the recommended one first.
        is_user_allowed: Whether the address may hold a user and a password, as that of a proxy.
    """
    wrong = _wrong_address(url, schemes)
    if wrong is None and not is_user_allowed and "@" in urlsplit(url).netloc:
        wrong = "a user in the address"
    if wrong is not None:
        recommended = next(iter(schemes))
        hint = f"set {variable} to an address like {recommended}://HOST"
        raise SettingsError(f"{variable}: {wrong}, expected {recommended}://HOST", hint=hint)


def _wrong_address(url: str, schemes: Collection[str]) -> str | None:
    if any(character.isspace() or not character.isprintable() for character in url):
        return "white space in the address"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "not an address (host or port)"
    if "://" not in url:
        return "no scheme in the address"
    if parts.scheme.lower() not in schemes:
        return f"scheme {parts.scheme}" if re.fullmatch(r"[a-z][a-z+]{0,15}", parts.scheme) else "unknown scheme"
    host = parts.hostname
    if not host:
        return "no host in the address"
    if port == 0:
        return "port 0 in the address"
    if parts.query or parts.fragment:
        return "a query in the address"
    if any(mark in url for mark in "<>{}$") or not _is_host(host):
        return "not a host name in the address"
    return None


def _is_host(host: str) -> bool:
    if ":" in host:  # an IPv6 address, which `urlsplit` has checked
        return True
    try:
        ascii_host = host.encode("idna").decode("ascii") if not host.isascii() else host
    except UnicodeError:
        return False
    labels = ascii_host.rstrip(".").split(".")
    return len(ascii_host) <= 253 and all(map(_LABEL.fullmatch, labels))


def expectation(error: Mapping[str, Any]) -> str:
    """Return what one of pydantic's errors expected, in the words of a settings error; it quotes no value."""
    kind, context = str(error["type"]), error.get("ctx") or {}
    match kind:
        case "literal_error":
            return f"unknown value, expected {context['expected']}"
        case "int_parsing" | "int_type" | "int_from_float":
            return "not a number, expected a whole number"
        case "float_parsing" | "float_type":
            return "not a number, expected a number"
        case "bool_parsing" | "bool_type":
            return "unknown value, expected 1 or 0"
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            limit = next(iter(context.values()))
            words = {"greater_than": "more than", "greater_than_equal": "at least", "less_than": "less than"}
            return f"out of range, expected {words.get(kind, 'at most')} {limit:g}"
        case "string_pattern_mismatch":
            name = str(error["loc"][0]) if error.get("loc") else ""
            return f"unexpected form, expected {_FORMS.get(name, context['pattern'])}"
        case "value_error":
            return f"unknown value, expected {str(error['msg']).removeprefix('Value error, ')}"
    return str(error["msg"])
