"""Bounded reading of a destination's answer: it is streamed, and what is too long or too slow is not kept."""

from __future__ import annotations

import errno
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException, IncompleteRead, RemoteDisconnected
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import BaseAdapter
from urllib3.exceptions import (
    ConnectTimeoutError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
    SSLError,
)

from medagent.errors import ExportError, UnansweredError
from medagent.telemetry.door.deadline import Deadline, DeadlineAdapter
from medagent.telemetry.failures import Failure, FailureCause

POST_LIMIT = 64 * 2**10
"""Largest answer to a POST, in bytes as they come and after decompression."""
GET_LIMIT = 2 * 2**20
"""Largest answer to a read-back, in bytes as they come and after decompression."""
_CHUNK = 16 * 2**10
_WINDOWS = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""Content-Encoding → zlib's window; other encodings are not decompressed."""
_PAGES = ("text/html", "application/xhtml+xml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A status with its bounded body, which has no repr; `body` is None where it is too large or not decodable."""

    status_code: int
    media_type: str = ""
    """Lower case, without parameters; empty where the answer names none."""
    body: bytes | None = field(default=b"", repr=False)
    is_too_large: bool = False
    retry_after: str | None = None

    def record(self) -> Mapping[str, Any] | None:
        """Return the JSON object of an `application/json` answer; None where it is anything else."""
        if self.media_type != "application/json" or not self.body:
            return None
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    def success(self) -> Mapping[str, Any] | None:
        """Return the JSON object of an answer that names no error; None where it is anything else."""
        found = self.record()
        return None if found is None or found.get("error") or found.get("errors") else found

    def is_page(self) -> bool:
        """Return whether a web page answered, by its media type or by its first bytes."""
        return self.media_type in _PAGES or (self.body or b"")[:256].lstrip()[:5].lower() in (b"<!doc", b"<html")


class PlainSession(requests.Session):
    """A session that follows no redirect, keeps no cookie and takes no setting from the environment."""

    def __init__(self, *, ca_pem: bytes | None = None) -> None:
        """`ca_pem` holds certificates (PEM) that are trusted beside the public ones."""
        super().__init__()
        self.deadline = Deadline()
        """Begun before each request; nothing of the exchange goes on after it."""
        self._adapter = DeadlineAdapter(self.deadline, ca_pem=ca_pem)
        self.trust_env = False  # no proxy, no .netrc, no certificate store from the environment
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))

    def get_adapter(self, url: str | bytes) -> BaseAdapter:
        """Return the one adapter, whatever a library mounts."""
        return self._adapter

    def close(self) -> None:
        """Close the connections."""
        self._adapter.close()
        super().close()

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None: to prepare a redirect, `requests` would read all of the answer's body."""


def read_answer(response: requests.Response, *, limit: int) -> Answer:
    """Read a streamed response and close it where it is not read to its end.

    Args:
        response: A response of which only the headers were read, of a session whose deadline is begun.
        limit: Most bytes of the body, as they come and after decompression.

    Returns:
        The answer. Of a body that is too large or cannot be decompressed nothing is kept.

    Raises:
        urllib3.exceptions.HTTPError: The body was not complete in time, or the connection broke.
    """
    kept, is_whole = bytearray(), False
    try:
        while chunk := response.raw.read1(_CHUNK, decode_content=False):
            kept += chunk
            if len(kept) > limit:
                break
        else:
            is_whole = True
    finally:
        if not is_whole:
            response.close()  # else the connection goes back into the pool with the rest of the body
    body = _decompressed(bytes(kept), response.headers.get("Content-Encoding", ""), limit) if is_whole else None
    is_too_large = not is_whole or (body is not None and len(body) > limit)
    return Answer(
        status_code=response.status_code,
        media_type=response.headers.get("Content-Type", "").partition(";")[0].strip().lower(),
        body=None if is_too_large else body,
        is_too_large=is_too_large,
        retry_after=response.headers.get("Retry-After"),
    )


def _decompressed(raw: bytes, encoding: str, limit: int) -> bytes | None:
    """Return up to one byte more than the limit; None for what is not that encoding, or is cut."""
    encoding = encoding.strip().lower()
    if encoding in ("", "identity") or not raw:
        return raw
    if encoding not in _WINDOWS:
        return None
    for window in (_WINDOWS[encoding], -15)[: 2 if encoding == "deflate" else 1]:
        unpacking = zlib.decompressobj(window)
        try:
            made = unpacking.decompress(raw, limit + 1)
        except zlib.error:
            continue
        return made if len(made) > limit or unpacking.eof else None
    return None


def unanswered(error: Exception) -> ExportError:
    """Return the error of a request without an answer.

    Args:
        error: What `requests` or urllib3 raised.

    Returns:
        `UnansweredError` where the destination may have the request; else an `ExportError`. Its message names the cause
        and a class, and quotes nothing.
    """
    inner = next(iter(error.args), None) if isinstance(error, requests.ConnectionError) else None
    reason = inner.reason if isinstance(inner, MaxRetryError) else inner
    is_late = any(isinstance(one, TimeoutError) for one in getattr(inner, "args", ()))
    was_sent = not isinstance(inner, MaxRetryError) and not isinstance(error, requests.exceptions.InvalidURL)
    cause = FailureCause.ANSWER_TIMEOUT if is_late else _cause_of(reason if isinstance(reason, Exception) else error)
    kind = UnansweredError if was_sent else ExportError
    said = Failure(cause=cause).explain("destination").cause
    return kind(f"{said} ({type(error).__name__})", cause=cause)


def _cause_of(reason: Exception) -> FailureCause:
    if isinstance(reason, NewConnectionError):
        number = getattr(reason.__cause__, "errno", None)
        if isinstance(reason, NameResolutionError):
            return FailureCause.DNS_FAILED
        return {
            errno.ECONNREFUSED: FailureCause.CONNECTION_REFUSED,
            errno.ETIMEDOUT: FailureCause.CONNECTION_TIMEOUT,
        }.get(number or 0, FailureCause.UNREACHABLE)
    by_class: tuple[tuple[type[Exception], FailureCause], ...] = (
        (requests.exceptions.InvalidURL, FailureCause.UNREACHABLE),
        (SSLError, FailureCause.TLS_FAILED),
        (requests.exceptions.SSLError, FailureCause.TLS_FAILED),
        (ConnectTimeoutError, FailureCause.CONNECTION_TIMEOUT),
        (ReadTimeoutError, FailureCause.ANSWER_TIMEOUT),
        (requests.ReadTimeout, FailureCause.ANSWER_TIMEOUT),
    )
    for kind, cause in by_class:
        if isinstance(reason, kind):
            return cause
    is_garbage = any(
        isinstance(one, HTTPException) and not isinstance(one, RemoteDisconnected | IncompleteRead)
        for one in (reason, *reason.args)
    )
    return FailureCause.ANSWER_SHAPE if is_garbage else FailureCause.CONNECTION_BROKEN
