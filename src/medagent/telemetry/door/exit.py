"""The last look: what is about to leave is read again, and every key and value in it must be one that was admitted."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import requests

from medagent.errors import DoorError, EgressOffError, ExportError, MedagentError, RefusedError, UnansweredError
from medagent.proof import Json
from medagent.telemetry.door.answer import POST_LIMIT, Answer, PlainSession, read_answer, unanswered
from medagent.telemetry.door.derived import derived, short_id
from medagent.telemetry.door.send_log import SendLog
from medagent.telemetry.door.wire import decode, strict_json
from medagent.telemetry.exporters.exporter import Envelope
from medagent.telemetry.failures import FailureCause
from medagent.telemetry.gates import Gate
from medagent.telemetry.interpreter import give_way
from medagent.telemetry.span import SafeSpan

_Scalar: TypeAlias = tuple[type, str | float]
_PORTS = {"http": 80, "https": 443}
_TIMEOUT_S = (5.0, 30.0)
"""Seconds to connect, and from the first byte of a request to the last of its answer."""


class Exit:
    """Compares a request with the envelope of its destination and with the spans that it was made of."""

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self._place = _place(envelope.url)

    def check(
        self, *, method: str, url: str, headers: Mapping[str, str], body: bytes, batch: Sequence[SafeSpan]
    ) -> None:
        """Raises `DoorError`, naming rule and path, unless all of the request is admitted or on the envelope."""
        content_type, content_encoding = self._addressed(method=method, url=url, headers=headers, length=len(body))
        documents = decode(
            body, content_type=content_type, content_encoding=content_encoding, limit=self._envelope.max_bytes
        )
        names = [document.name for document in documents]
        if len(set(names)) != len(names):
            raise DoorError("exit: a part comes twice")
        if self._envelope.part is None:
            everything = _Admitted(batch, self._envelope.prefix)
            for number, document in enumerate(documents):
                self._read(document.value, f"part {number}", everything)
            return
        admitted: dict[str | None, _Admitted] = {None: _Admitted([])}  # what is no span's is a constant
        for span in batch:
            admitted[span.span_id] = admitted[short_id(span.span_id)] = _Admitted([span], self._envelope.prefix)
            if not span.ancestors:  # a root that version 0.1 left in an outbox has another id than its trace
                admitted[span.trace_id] = admitted[span.span_id]
        for number, document in enumerate(documents):
            owner = self._owner(document.name or "", f"part {number}", self._envelope.part, admitted)
            self._read(document.value, document.name or "", owner)

    def _addressed(self, *, method: str, url: str, headers: Mapping[str, str], length: int) -> tuple[str, str | None]:
        """Check address and headers; returns content type and content encoding."""
        if method != self._envelope.method or _place(url) != self._place:
            raise DoorError("exit: the request does not go to the configured address")
        return self._headers(headers, length)

    def _headers(self, headers: Mapping[str, str], length: int) -> tuple[str, str | None]:
        content_type, content_encoding = "", None
        for name, value in headers.items():
            match name.lower():
                case "content-length":
                    sound = value == str(length)
                case "content-type":
                    content_type = value
                    sound = value.split(";")[0] == self._envelope.media_type
                case known if known in self._envelope.headers:
                    sound = hmac.compare_digest(value.encode(), self._envelope.headers[known].encode())
                    content_encoding = value if known == "content-encoding" else content_encoding
                case _:
                    raise DoorError("exit: a header is not on the envelope's list")
            if not sound:
                raise DoorError(f"exit: the header {name.lower()} has not its one value")
        return content_type, content_encoding

    def _owner(
        self, name: str, where: str, pattern: re.Pattern[str], admitted: Mapping[str | None, _Admitted]
    ) -> _Admitted:
        match = pattern.fullmatch(name)
        if match is None:
            raise DoorError(f"exit: {where} has a name that the envelope does not know")
        if match["span"] not in admitted:
            raise DoorError(f"exit: {where} belongs to no span of the batch")
        return admitted[match["span"]]

    def _read(self, document: Json, where: str, admitted: _Admitted) -> None:
        give_way()
        keys, constants = self._envelope.keys, self._envelope.constants
        pending: list[tuple[Json, str, str]] = [(document, "", where)]
        while pending:
            value, key, path = pending.pop()
            if isinstance(value, Mapping):
                for name, inner in value.items():
                    if name not in keys and name not in constants and name not in admitted.under:
                        raise DoorError(f"exit: a key that was not admitted in {path}")
                    pending.append((inner, name, f"{path}.{name}"))
            elif isinstance(value, list):
                pending.extend((inner, key, f"{path}[{index}]") for index, inner in enumerate(value))
            elif value is not None and not self._passes(value, key, admitted):
                if not (isinstance(value, str) and value[:1] in ("{", "[")):
                    raise DoorError(f"exit: a value that was not admitted at {path}")
                pending.append((strict_json(value, path), key, path))

    def _passes(self, value: Any, key: str, admitted: _Admitted) -> bool:
        scalar = _scalar(value)
        return (
            scalar in admitted.under.get(key, ())
            or ((not key or key in self._envelope.keys) and scalar in admitted.values)
            or (isinstance(value, str) and value in self._envelope.constants.get(key, ()))
        )


class ExitSession(PlainSession):
    """A `requests` session that sends nothing but what its exit let pass, to one address, adding nothing.

    The library above it always hears 202: it neither retries, logs, falls back nor writes a refused body to disk.
    What really happened is raised by `deliver`. For one thread at a time.
    """

    def __init__(
        self,
        envelope: Envelope,
        *,
        gate: Gate,
        timeout_s: tuple[float, float] = _TIMEOUT_S,
        ca_pem: bytes | None = None,
        exit: Exit | None = None,  # noqa: A002  # what it is called here
    ) -> None:
        """`gate` is called before every request; `timeout_s`: to connect, and for all of a request and its answer.

        `ca_pem` as in `PlainSession`; `exit` takes the place of one that compares with spans.
        """
        super().__init__(ca_pem=ca_pem)
        self._gate = gate
        self._timeout_s = timeout_s
        self._exit = exit or Exit(envelope)
        self.send_log = SendLog()
        """Which spans left in a request, and how it was answered."""
        self._batch: Sequence[SafeSpan] = ()
        self._outcomes: list[int | MedagentError] = []
        self.answer = Answer(status_code=0)
        """The last answer; each destination's exporter decides whether it is a success."""
        self.headers.clear()
        self.headers["Accept-Encoding"] = "identity"

    def deliver(self, batch: Sequence[SafeSpan], work: Callable[[], object]) -> int:
        """Run a library's `work` on a batch and return the HTTP status that it ended with.

        Raises `DoorError` where the exit refused, `EgressOffError` where the switch is off, `ExportError` where
        nothing was sent, `UnansweredError` where something was and no answer came.
        """
        self._batch, self._outcomes, self.answer = batch, [], Answer(status_code=0)
        try:
            work()
        except Exception as error:  # noqa: BLE001 - whatever a library raises may quote what it was given
            kind = RefusedError if isinstance(error, ValueError | TypeError | LookupError) else ExportError
            message = f"the client library failed ({type(error).__name__})"
            raise kind(message, cause=FailureCause.CLIENT_FAILED) from None
        finally:
            outcomes, self._batch, self._outcomes = self._outcomes, (), []
        for outcome in outcomes:
            if isinstance(outcome, MedagentError):
                raise outcome
        if len(outcomes) != 1 or not isinstance(outcomes[0], int):
            raise ExportError(
                f"the client made {len(outcomes)} requests of one batch", cause=FailureCause.CLIENT_FAILED
            )
        return outcomes[0]

    def request(self, *arguments: Any, **options: Any) -> requests.Response:
        """Prepare and send; what cannot even be prepared is an outcome too."""
        try:
            return super().request(*arguments, **options)
        except Exception as error:  # noqa: BLE001 - the library above would log it, and it may quote a header
            message = f"the request could not be made ({type(error).__name__})"
            self._outcomes.append(ExportError(message, cause=FailureCause.CLIENT_FAILED))
            return _accepted()

    def send(self, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        """Check the prepared request and send exactly the bytes that were checked."""
        try:
            request.body = body = _bytes(request.body)
            self._check(request, body)
            self._gate()  # the last thing before the wire
            self.send_log.begin(self._batch)
            self.deadline.begin(self._timeout_s[1])
            response = super().send(request, timeout=self._timeout_s, allow_redirects=False, proxies={}, stream=True)
            self.answer = read_answer(response, limit=POST_LIMIT)
            self._outcomes.append(self.answer.status_code)
            self.send_log.answered(self.answer.status_code)
        except (DoorError, EgressOffError) as error:
            self._outcomes.append(error)
        except Exception as error:  # noqa: BLE001 - the library above would log it, with what it quotes
            lost = unanswered(error)
            if not isinstance(lost, UnansweredError):
                self.send_log.never_sent()
            self._outcomes.append(lost)
        return _accepted()

    def _check(self, request: requests.PreparedRequest, body: bytes) -> None:
        headers = {name: str(value) for name, value in request.headers.items()}
        try:
            self._exit.check(
                method=request.method or "", url=request.url or "", headers=headers, body=body, batch=self._batch
            )
        except DoorError:
            raise
        except Exception as error:  # noqa: BLE001 - what the exit cannot read does not leave
            raise DoorError(f"exit: the request cannot be read ({type(error).__name__})") from None


class _Admitted:
    """What spans hold, typed, by the key that it stands under; and all of it with what the door derives from them."""

    __slots__ = ("under", "values")

    def __init__(self, spans: Iterable[SafeSpan], prefix: str | None = None) -> None:
        self.under: dict[str, set[_Scalar]] = {}
        self.values: set[_Scalar] = set()
        for span in spans:
            self._collect(span.document())
            if prefix is not None:
                self._collect(span.fields, path=prefix)
            self.values.update(_scalar(form) for form in derived(span))

    def _collect(self, document: Json, *, path: str = "") -> None:
        """Note each value under its key, or under its path where one is begun."""
        pending: list[tuple[Json, str]] = [(document, path)]
        while pending:
            value, key = pending.pop()
            if isinstance(value, Mapping):
                for step, inner in value.items():
                    name = f"{key}.{step}" if path else step
                    self.under.setdefault(name, set())
                    pending.append((inner, name))
            elif isinstance(value, (list, tuple)):
                pending.extend((inner, key) for inner in value)
            elif value is not None:
                scalar = _scalar(value)
                self.under[key].add(scalar)
                self.values.add(scalar)


def _scalar(value: Any) -> _Scalar:
    # A bool is no number here, and 1 equals 1.0, as both are one number on the wire.
    if isinstance(value, bool):
        return bool, value
    return (str, value) if isinstance(value, str) else (float, value)


def _accepted() -> requests.Response:
    answer = requests.Response()
    answer.status_code = 202
    return answer


def _bytes(body: Any) -> bytes:
    # A client hands over bytes or a file of its own; sent is what was read here.
    return body if isinstance(body, bytes) else bytes(body.read()) if hasattr(body, "read") else b""


def _place(url: str) -> tuple[object, ...]:
    # A user in front of the host, a query and a fragment are compared too: a configured address has none.
    parts = urlsplit(url)
    port = parts.port or _PORTS.get(parts.scheme)
    return parts.scheme, parts.username, parts.password, parts.hostname, port, parts.path, parts.query, parts.fragment
