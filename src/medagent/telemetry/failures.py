"""Causes for which a destination did not take a request, each with the remedy for that destination.

The outbox stores a cause as its code, with the HTTP status where there was an answer; terminals and logs show the
sentence. Neither holds a word of the answer or the value of a setting.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from medagent.errors import DoorError, ExportError, OversizedError
from medagent.proof import Json

_STORED = re.compile(r"(?P<code>[a-z_]{1,40})(?: (?P<status>[1-5][0-9]{2}))?")
_BEFORE = re.compile(r"[A-Za-z]{1,40}(?: (?P<status>[1-5][0-9]{2}))?")
"""How version 0.1 stored an error: its class, and the status."""


class FailureCause(StrEnum):
    """Code of a cause; a closed list, since it is stored."""

    KEY_REJECTED = "key_rejected"
    KEY_FORBIDDEN = "key_forbidden"
    WORKSPACE_MISSING = "workspace_missing"
    PATH_NOT_FOUND = "path_not_found"
    REQUEST_TOO_LARGE = "request_too_large"
    MEDIA_TYPE_REFUSED = "media_type_refused"
    CONTENT_REFUSED = "content_refused"
    SPANS_REJECTED = "spans_rejected"
    THROTTLED = "throttled"
    SERVER_ERROR = "server_error"
    REDIRECTED = "redirected"
    UNEXPECTED_STATUS = "unexpected_status"
    WEB_PAGE = "web_page"
    ANSWER_SHAPE = "answer_shape"
    ANSWER_TOO_LARGE = "answer_too_large"
    DNS_FAILED = "dns_failed"
    TLS_FAILED = "tls_failed"
    CONNECTION_REFUSED = "connection_refused"
    CONNECTION_TIMEOUT = "connection_timeout"
    UNREACHABLE = "unreachable"
    CONNECTION_BROKEN = "connection_broken"
    ANSWER_TIMEOUT = "answer_timeout"
    CLIENT_FAILED = "client_failed"
    SPAN_NOT_MAPPED = "span_not_mapped"
    SPAN_ALTERED = "span_altered"
    BLOCKED = "blocked"
    NOT_WRITTEN = "not_written"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Service:
    """How a destination is called, and the settings that hold its key and its address."""

    title: str
    key: str
    address: str


_SERVICES: Mapping[str, _Service] = {
    "archive": _Service(title="the archive", key="MEDAGENT_HOME", address="MEDAGENT_HOME"),
    "jsonlog": _Service(title="the log", key="MEDAGENT_JSONLOG", address="MEDAGENT_JSONLOG"),
    "langsmith": _Service(title="LangSmith", key="LANGSMITH_API_KEY", address="LANGSMITH_ENDPOINT"),
    "langfuse": _Service(
        title="Langfuse", key="LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY", address="LANGFUSE_BASE_URL"
    ),
    "otlp": _Service(title="an OTLP collector", key="MEDAGENT_OTLP_HEADERS", address="MEDAGENT_OTLP_ENDPOINT"),
    "pagerduty": _Service(title="PagerDuty", key="MEDAGENT_PAGERDUTY_ROUTING_KEY", address="MEDAGENT_PAGERDUTY_URL"),
    "slack": _Service(title="Slack", key="MEDAGENT_SLACK_WEBHOOK_URL", address="MEDAGENT_SLACK_WEBHOOK_URL"),
}
_RETRY = "then run `medagent outbox retry {name}`"
_TEXTS: Mapping[FailureCause, tuple[str, str]] = {
    FailureCause.KEY_REJECTED: ("key rejected", "set {key} to a valid key"),
    FailureCause.KEY_FORBIDDEN: (
        "access forbidden: the key is of another region, was revoked, or has no right to write",
        "check that {key} is active, and that {address} is the address of its region",
    ),
    FailureCause.WORKSPACE_MISSING: (
        "workspace missing: the key is of several workspaces",
        "set LANGSMITH_WORKSPACE_ID",
    ),
    FailureCause.PATH_NOT_FOUND: ("path not found", "check host and path of {address}"),
    FailureCause.REQUEST_TOO_LARGE: (
        "request too large",
        f"raise the size limit of the destination, or of a proxy in front of it; {_RETRY}",
    ),
    FailureCause.MEDIA_TYPE_REFUSED: ("media type refused", "check that {address} is the address of {title}"),
    FailureCause.CONTENT_REFUSED: ("content refused", f"read the reason in the destination's own log; {_RETRY}"),
    FailureCause.SPANS_REJECTED: (
        "spans rejected (partial success)",
        f"read the reason in the destination's own log; {_RETRY}",
    ),
    FailureCause.THROTTLED: ("too many requests", "raise the destination's rate limit, or lower MEDAGENT_SAMPLING"),
    FailureCause.SERVER_ERROR: (
        "server error at the destination",
        "check the status page of the destination; what it lacks stays in the outbox",
    ),
    FailureCause.REDIRECTED: ("redirected, and no redirect is followed", "set {address} to the final address"),
    FailureCause.UNEXPECTED_STATUS: ("unexpected status", "check that {address} is the address of {title}"),
    FailureCause.WEB_PAGE: (
        "a web page answered, for example a login page; is this {title}?",
        "set {address} to the address of the API, and check any proxy in front of it",
    ),
    FailureCause.ANSWER_SHAPE: (
        "the answer has another shape; is this {title}?",
        "check {address} and any proxy in front of it; docs/destinations.md lists the expected answers",
    ),
    FailureCause.ANSWER_TOO_LARGE: (
        "the answer is too large; is this {title}?",
        "check {address} and any proxy in front of it; docs/destinations.md lists the expected answers",
    ),
    FailureCause.DNS_FAILED: ("host name not found (DNS)", "check the host in {address}, and the DNS of this machine"),
    FailureCause.TLS_FAILED: (
        "TLS failed: certificate not trusted, or no TLS at this port",
        "check scheme, port and certificate of {address}; certificates of public authorities are trusted, no others",
    ),
    FailureCause.CONNECTION_REFUSED: (
        "connection refused",
        "start the destination, or check host and port of {address}",
    ),
    FailureCause.CONNECTION_TIMEOUT: ("connection timed out", "check host and port of {address}, and the firewall"),
    FailureCause.UNREACHABLE: ("host unreachable", "check the network of this machine, and the host in {address}"),
    FailureCause.CONNECTION_BROKEN: (
        "connection closed before the answer was complete",
        "check the destination and any proxy in front of it; delivery is tried again",
    ),
    FailureCause.ANSWER_TIMEOUT: (
        "timed out waiting for the answer",
        "check the load of the destination; delivery is tried again",
    ),
    FailureCause.CLIENT_FAILED: ("the client library failed", "run `medagent doctor`, and report this as a bug"),
    FailureCause.SPAN_NOT_MAPPED: ("the span cannot be written in the destination's format", "report this as a bug"),
    FailureCause.SPAN_ALTERED: (
        "stored span: digest mismatch",
        "the outbox was changed by another program; the span is not sent",
    ),
    FailureCause.BLOCKED: ("blocked by the egress filter", "`medagent telemetry status` shows the rule and the path"),
    FailureCause.NOT_WRITTEN: ("cannot be written", "check free space and permissions at {address}"),
    FailureCause.UNKNOWN: ("not delivered", "run `medagent doctor --send`"),
}
_OF_ONE: Mapping[tuple[str, FailureCause], tuple[str, str]] = {
    ("langsmith", FailureCause.KEY_FORBIDDEN): (
        "access forbidden: the key is of another region, was revoked, or is of several workspaces",
        "check that LANGSMITH_API_KEY is active, and that LANGSMITH_ENDPOINT is the address of its region; "
        "for a key of several workspaces set LANGSMITH_WORKSPACE_ID",
    ),
    ("langfuse", FailureCause.KEY_FORBIDDEN): (
        "access forbidden: the key is of another region or was revoked, or the project's usage limit is reached",
        "check the keys, the region in LANGFUSE_BASE_URL, and the usage limit of the project",
    ),
    ("otlp", FailureCause.KEY_FORBIDDEN): (
        "access forbidden",
        "check the key in MEDAGENT_OTLP_HEADERS, and that MEDAGENT_OTLP_ENDPOINT is of the same region",
    ),
    ("slack", FailureCause.KEY_FORBIDDEN): (
        "posting forbidden: the webhook was revoked, or may not post to this channel",
        "create a new webhook and set MEDAGENT_SLACK_WEBHOOK_URL to it",
    ),
    ("slack", FailureCause.PATH_NOT_FOUND): (
        "webhook or channel not found",
        "create a new webhook and set MEDAGENT_SLACK_WEBHOOK_URL to it",
    ),
    ("slack", FailureCause.CONTENT_REFUSED): ("message refused", "check slack_channel in the alerts file"),
    ("pagerduty", FailureCause.CONTENT_REFUSED): (
        "event refused: the routing key is not valid",
        "set MEDAGENT_PAGERDUTY_ROUTING_KEY to the integration key of an Events API v2 integration",
    ),
}
_BY_STATUS: Mapping[int, FailureCause] = {
    400: FailureCause.CONTENT_REFUSED,
    401: FailureCause.KEY_REJECTED,
    403: FailureCause.KEY_FORBIDDEN,
    404: FailureCause.PATH_NOT_FOUND,
    405: FailureCause.PATH_NOT_FOUND,
    406: FailureCause.MEDIA_TYPE_REFUSED,
    410: FailureCause.PATH_NOT_FOUND,
    413: FailureCause.REQUEST_TOO_LARGE,
    415: FailureCause.MEDIA_TYPE_REFUSED,
    422: FailureCause.CONTENT_REFUSED,
    429: FailureCause.THROTTLED,
}


def cause_of_status(status: int) -> FailureCause:
    """Return the cause that an HTTP status names; a success names an answer of another shape."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    by_class = {2: FailureCause.ANSWER_SHAPE, 3: FailureCause.REDIRECTED, 5: FailureCause.SERVER_ERROR}
    return by_class.get(status // 100, FailureCause.UNEXPECTED_STATUS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A cause, with the HTTP status where the destination answered."""

    cause: FailureCause
    status: int | None = None

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """Return the failure that an exception stands for, from its class and its code, never from its message."""
        if isinstance(error, ExportError):
            by_status = FailureCause.UNKNOWN if error.status is None else cause_of_status(error.status)
            return cls(cause=by_status if error.cause is None else FailureCause(error.cause), status=error.status)
        if isinstance(error, OversizedError):
            return cls(cause=FailureCause.REQUEST_TOO_LARGE)
        if isinstance(error, DoorError):
            return cls(cause=FailureCause.BLOCKED)
        return cls(cause=FailureCause.SPAN_NOT_MAPPED)

    @classmethod
    def read(cls, stored: str) -> Failure:
        """Return the failure that an outbox stored, of this version or an earlier one."""
        found = _STORED.fullmatch(stored)
        if found is not None and found["code"] in set(FailureCause):
            return cls(cause=FailureCause(found["code"]), status=int(found["status"]) if found["status"] else None)
        before = _BEFORE.fullmatch(stored)
        if before is not None and before["status"]:
            status = int(before["status"])
            return cls(cause=cause_of_status(status), status=status)
        return cls(cause=FailureCause.UNKNOWN)

    def stored(self) -> str:
        """Return the short form that the outbox keeps."""
        return self.cause.value if self.status is None else f"{self.cause} {self.status}"

    def explain(self, destination: str) -> Explanation:
        """Return cause and remedy as sentences, with the settings of this destination."""
        unnamed = _Service(title=destination, key=f"the key of {destination}", address=f"the address of {destination}")
        service = _SERVICES.get(destination, unnamed)
        cause, remedy = _OF_ONE.get((destination, self.cause), _TEXTS[self.cause])
        words = {"name": destination, "title": service.title, "key": service.key, "address": service.address}
        said = cause.format(**words)
        return Explanation(
            code=self.cause.value,
            status=self.status,
            cause=said if self.status is None else f"{said} (HTTP {self.status})",
            remedy=remedy.format(**words),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A failure in words: `cause` and `remedy` are sentences without the destination's name."""

    code: str
    status: int | None
    cause: str
    remedy: str

    def document(self) -> dict[str, Json]:
        """Return the fields of a JSON line."""
        return {"code": self.code, "status": self.status, "cause": self.cause, "remedy": self.remedy}
