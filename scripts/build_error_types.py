"""Writes `src/medagent/redaction/error_types.txt`: the classes and codes of errors that a trace may name.

The classes are those of the standard library, of this project's framework and of the packages that a call passes
through (LiveKit, OpenAI, aiohttp, httpx, SQLAlchemy, pydantic, requests), as they are installed. An application names
its own under `lists: {error_types: [...]}` in a policy that extends a packaged one.

    python -m scripts.build_error_types [--check]
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from collections.abc import Iterator
from pathlib import Path

TARGET = Path(__file__).parents[1] / "src/medagent/redaction/error_types.txt"

PACKAGES = (
    *("aiohttp", "httpx", "httpcore", "livekit.agents", "livekit.api", "livekit.rtc", "livekit.plugins.openai"),
    *("openai", "pydantic", "pydantic_core", "requests", "sqlalchemy.exc", "sqlalchemy.orm.exc", "urllib3"),
)
OWN = ("medagent.errors",)
"""The framework's errors stand in one module; an error of the application belongs into its own policy."""
_APPLICATION = ("Clinic", "Scenario", "Simulator")
STANDARD = (
    *(
        "asyncio",
        "binascii",
        "concurrent.futures",
        "configparser",
        "csv",
        "ctypes",
        "decimal",
        "email.errors",
        "ftplib",
    ),
    *("getopt", "gzip", "http.client", "http.cookies", "imaplib", "json", "locale", "lzma", "multiprocessing", "netrc"),
    *("pickle", "poplib", "queue", "select", "shutil", "signal", "smtplib", "socket", "sqlite3", "ssl", "statistics"),
    *("struct", "subprocess", "tarfile", "threading", "tomllib", "unicodedata", "urllib.error", "uuid", "weakref"),
    *("xml.etree.ElementTree", "xml.parsers.expat", "xml.sax", "zipfile", "zlib", "zoneinfo"),
)
CODES = {
    "this framework": ("response_failed", "tool_error", "timeout", "cancelled"),
    "OpenAI, errors of a request": (
        *("invalid_request_error", "authentication_error", "permission_error", "not_found_error", "rate_limit_error"),
        *("api_error", "server_error", "service_unavailable", "tokens", "requests", "insufficient_quota"),
        *("invalid_api_key", "model_not_found", "context_length_exceeded", "rate_limit_exceeded", "content_filter"),
        *("invalid_value", "missing_required_parameter", "unknown_parameter", "unsupported_parameter"),
        *("billing_hard_limit_reached", "account_deactivated", "invalid_organization", "engine_overloaded"),
        *(
            "responsible_ai_policy_violation",
            "content_policy_violation",
            "string_above_max_length",
            "unsupported_value",
        ),
    ),
    "OpenAI, errors of a realtime session or response": (
        *("session_expired", "invalid_event", "invalid_event_id", "conversation_already_has_active_response"),
        *("response_cancel_not_active", "input_audio_buffer_commit_empty", "item_truncate_invalid_item_id"),
        *("item_delete_invalid_item_id", "item_retrieve_invalid_item_id", "inference_rate_limit_exceeded"),
        *("audio_unintelligible", "cannot_update_voice", "max_output_tokens", "turn_detected", "client_cancelled"),
        *("invalid_prompt", "vector_store_timeout", "internal_error", "session_rate_limit_exceeded"),
    ),
    "Azure OpenAI": (
        *("DeploymentNotFound", "OperationNotSupported", "InternalServerError", "TooManyRequests", "Unauthorized"),
        *("InvalidRequest", "QuotaExceeded"),
    ),
}
_NAME = re.compile(r"[A-Za-z][A-Za-z]*")


def classes() -> frozenset[str]:
    """Return the public class names of all exceptions of the packages above."""
    for name in (*STANDARD, *PACKAGES, *OWN):
        _load(name)
    roots = {name.partition(".")[0] for name in PACKAGES} | sys.stdlib_module_names | {"builtins"}
    found = set()
    for one in _subclasses(BaseException):
        root = one.__module__.partition(".")[0]
        listed = root in roots or one.__module__ in OWN
        mine = one.__module__ in OWN and one.__name__.startswith(_APPLICATION)
        if listed and not mine and not issubclass(one, Warning) and _NAME.fullmatch(one.__name__):
            found.add(one.__name__)
    return frozenset(found)


def codes() -> frozenset[str]:
    """Return the codes of providers and of the framework."""
    return frozenset(code for each in CODES.values() for code in each)


def main() -> int:
    """Write the file; with `--check` write nothing, and exit with 1 where a class or a code is missing in it."""
    if "--check" in sys.argv[1:]:
        missing = sorted((classes() | codes()) - frozenset(TARGET.read_text("utf-8").splitlines()))
        sys.stdout.write("".join(f"{name}\n" for name in missing))
        return 1 if missing else 0
    lines = [f"# Written by {Path(__file__).name}: a class or a code a line.", *sorted(classes() | codes())]
    TARGET.write_text("\n".join(lines) + "\n", "utf-8")
    return 0


def _load(name: str) -> None:
    try:
        module = importlib.import_module(name)
    except ImportError:
        return
    if name in PACKAGES:
        for each in pkgutil.iter_modules(getattr(module, "__path__", ())):
            if not each.name.startswith("_") or each.name in ("_exceptions", "_errors"):
                try:
                    importlib.import_module(f"{name}.{each.name}")
                except Exception:  # noqa: BLE001, S112  # a module may want what is not installed
                    continue


def _subclasses(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    for one in kind.__subclasses__():
        yield one
        yield from _subclasses(one)


if __name__ == "__main__":
    sys.exit(main())
