"""Requests that hold ids alone, to read back and to delete at a destination; the kill switch does not stop them.

The switch stops what may carry a patient's value. Here each part of a request is a word of the destination's API or an
id that was sent there before, so a deletion stays possible after a leak, while telemetry is off.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias
from urllib.parse import parse_qsl, urlsplit

import requests
from urllib3.exceptions import MaxRetryError

from medagent.errors import DoorError, ExportError, MedagentError, UnansweredError
from medagent.proof import Json
from medagent.telemetry.door.answer import GET_LIMIT, PlainSession, read_answer
from medagent.telemetry.door.wire import strict_json

Method: TypeAlias = Literal["GET", "POST", "DELETE"]
_TIMEOUT_S = (5.0, 30.0)
"""Seconds to connect, and from the first byte of a request to the last of its answer."""
_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_OURS = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "medagent"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP status and a JSON document; None where the body is none."""

    status: int
    document: Json = field(repr=False)


class IdRequests:
    """Sends to one API; `words` are the constants of its paths, queries and bodies. For one thread at a time."""

    def __init__(
        self,
        *,
        name: str,
        base_url: str,
        headers: Mapping[str, str],
        words: Collection[str],
        ca_pem: bytes | None = None,
    ) -> None:
        """`ca_pem` holds certificates (PEM) that are trusted beside the public ones."""
        self._name = name
        self._ca_pem = ca_pem
        self._base = base_url.rstrip("/")
        self._headers = {**headers, **_OURS}
        self._words = frozenset(words)
        self._ids: set[str] = set()

    def allow(self, *ids: str) -> None:
        """Add ids to the allowlist.

        Raises:
            DoorError: One of them has not the shape of a UUID or of 32 hexadecimal digits.
        """
        if not all(_ID.fullmatch(one) for one in ids):
            raise DoorError("id request: not an id, expected a UUID or 32 hexadecimal digits")
        self._ids.update(ids)

    def send(
        self,
        method: Method,
        path: Sequence[str],
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Json] | None = None,
    ) -> Answer:
        """Send one request and return its answer, whatever its status.

        Raises:
            DoorError: A part of the request is neither a word of the API nor an allowed id; nothing was sent.
            UnansweredError: It was sent and no answer came.
            ExportError: It could not be sent, or the answer is too large.
        """
        self._read(list(path), "path")  # also before they are joined: a part must not hold several
        content = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        headers = self._headers if body is None else {**self._headers, "content-type": "application/json"}
        with PlainSession(ca_pem=self._ca_pem) as session:
            session.headers.clear()
            try:
                request = requests.Request(method, "/".join((self._base, *path)), headers, data=content, params=query)
                prepared = session.prepare_request(request)
                self._check(prepared)
                return self._answer(session, prepared)
            except MedagentError:
                raise
            except Exception as error:  # noqa: BLE001  # the library may quote a header
                never = isinstance(error, requests.ConnectionError) and isinstance(
                    next(iter(error.args), None), MaxRetryError
                )
                kind, says = (ExportError, "not reachable") if never else (UnansweredError, "no answer")
                raise kind(f"{self._name}: {says} ({type(error).__name__})") from None

    def _answer(self, session: PlainSession, prepared: requests.PreparedRequest) -> Answer:
        session.deadline.begin(_TIMEOUT_S[1])
        response = session.send(prepared, timeout=_TIMEOUT_S, allow_redirects=False, proxies={}, stream=True)
        answer = read_answer(response, limit=GET_LIMIT)
        if answer.is_too_large:
            raise ExportError(f"{self._name}: answer over 2 MB", status=answer.status_code)
        try:
            document = json.loads(answer.body or b"") if answer.media_type == "application/json" else None
        except (ValueError, RecursionError):
            document = None
        return Answer(status=answer.status_code, document=document)

    def _check(self, request: requests.PreparedRequest) -> None:
        """Compare the request as it will be sent with the allowlist."""
        url, base = urlsplit(request.url or ""), urlsplit(self._base)
        where = (url.scheme, url.netloc, url.fragment)
        if where != (base.scheme, base.netloc, "") or not url.path.startswith(f"{base.path}/"):
            raise DoorError("id request: unexpected address, expected the configured one")
        self._read(url.path.removeprefix(f"{base.path}/").split("/"), "path")
        self._read([part for pair in parse_qsl(url.query, keep_blank_values=True) for part in pair], "query")
        expected = {name.lower(): value for name, value in self._headers.items()}
        for name, value in request.headers.items():
            is_length = name.lower() == "content-length" and value == str(len(request.body or b""))
            is_json = name.lower() == "content-type" and value == "application/json"
            if not (is_length or is_json or expected.get(name.lower()) == value):
                raise DoorError(f"id request: header '{name.lower()}': unexpected value")
        if request.body:
            body = request.body.encode() if isinstance(request.body, str) else bytes(request.body)
            self._read(strict_json(body, "body"), "body")

    def _read(self, value: Any, where: str) -> None:
        pending: list[Any] = [value]
        while pending:
            one = pending.pop()
            if isinstance(one, Mapping):
                pending += [*one.keys(), *one.values()]
            elif isinstance(one, list):
                pending += one
            elif not isinstance(one, str) or (one not in self._words and one not in self._ids):
                raise DoorError(f"id request: {where}: unexpected value, expected a word of the API or an allowed id")
