"""The server's own account of what it did, against which what others measured is judged; it holds times, no words."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from medagent.file_access import open_to_write


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseRecord:
    """One response; `*_ns` are CLOCK_MONOTONIC, comparable between processes of one machine.

    `ttft_ms` stands on the response that brought the turn's first audio, and is None without a `speech_stopped`.
    """

    session_id: str
    scenario: str
    response_id: str
    turn: int | None
    kind: Literal["tool", "speech"]
    tool: str | None
    status: str
    speech_stopped_ns: int | None
    created_ns: int
    first_audio_ns: int | None
    ttft_ms: float | None
    audio_s: float


class Record:
    """All responses of this server in the order in which they ended; with a path, each is a line of that file too."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._responses: list[ResponseRecord] = []
        self._offered: dict[str, dict[str, None]] = {}
        self._called: dict[str, list[str]] = {}

    def add(self, response: ResponseRecord) -> None:
        """Keep one response."""
        self._responses.append(response)
        if self._path is not None:
            descriptor = open_to_write(self._path, flags=os.O_WRONLY | os.O_APPEND)
            with os.fdopen(descriptor, "a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(response)) + "\n")

    def offer(self, scenario: str, tools: Iterable[object]) -> None:
        """Keep the names of the tools that a client offered to the model in a call of this scenario."""
        names = self._offered.setdefault(scenario, {})
        names |= {name: None for name in tools if isinstance(name, str)}

    def call(self, scenario: str, tool: str) -> None:
        """Keep that a language model of a pipeline called a tool; a repeated request counts again."""
        self._called.setdefault(scenario, []).append(tool)

    def document(self) -> dict[str, object]:
        """Return what `/_record` serves: every response, and by scenario the tools offered and called in chats."""
        return {
            "responses": [asdict(response) for response in self._responses],
            "offered": {scenario: list(names) for scenario, names in self._offered.items()},
            "called": self._called,
        }
