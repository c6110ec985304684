"""One JSON message to one address, through the exit: nothing leaves but the words that were admitted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

import orjson

from medagent.alerts.notice import Notice
from medagent.errors import SettingsError
from medagent.telemetry.door.answer import Answer
from medagent.telemetry.door.exit import ExitSession
from medagent.telemetry.exporters.exporter import Envelope, failure_of
from medagent.telemetry.gates import Gate

_TIMEOUT_S = (5.0, 10.0)
_HEADERS = {"accept-encoding": "identity", "user-agent": "medagent"}
_LOCAL = ("127.0.0.1", "::1", "localhost")
Words = Mapping[str, "str | Mapping[str, str]"]


class Sender(Protocol):
    """One destination of messages."""

    @property
    def name(self) -> str:
        """As rules name it."""

    def send(self, notice: Notice) -> None:
        """Deliver a notice.

        Raises `DoorError` where the door stopped it, `EgressOffError` where the switch is off, `UnansweredError` where
        it may have arrived, any other `ExportError` where it has not.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """Send messages to one destination; `gate` is called before each, `timeout_s` limits connecting and reading."""

    name: str
    gate: Gate
    timeout_s: tuple[float, float] = _TIMEOUT_S
    ca_pem: bytes | None = None
    """Certificates that are trusted beside the public ones."""

    def __call__(self, url: str, words: Words, *, is_taken: Callable[[Answer], bool]) -> None:
        """Send words, each known to the door under its own key; raises as `Sender.send` does.

        `is_taken` says whether an answer is the destination's own success.
        """
        constants: dict[str, frozenset[str]] = {}
        for key, text in _texts(words):
            constants[key] = constants.get(key, frozenset()) | {text}
        envelope = Envelope(
            method="POST",
            url=url,
            media_type="application/json",
            headers=_HEADERS,
            keys=frozenset(key for key, value in words.items() if not isinstance(value, str)),
            constants=constants,
        )
        body = orjson.dumps(words)
        headers = {**_HEADERS, "content-type": "application/json"}
        with ExitSession(envelope, gate=self.gate, timeout_s=self.timeout_s, ca_pem=self.ca_pem) as session:

            def post() -> None:
                session.post(url, data=body, headers=headers)

            session.deliver((), post)
            answer = session.answer
        if not is_taken(answer):
            raise failure_of(self.name, answer)


def checked_address(url: str, variable: str) -> str:
    """An address that a secret may be sent to; raises `SettingsError`, naming the variable, on any other."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOCAL):
        raise SettingsError(f"{variable}: not an https address", hint=f"change or unset {variable}")
    return url


def _texts(words: Words) -> Iterator[tuple[str, str]]:
    for key, value in words.items():
        yield from [(key, value)] if isinstance(value, str) else value.items()
