"""Every byte that a call leaves, on streams, in files, by sockets: only the clinic's own database is not read."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from medagent.simulator.scenario import load_scenario
from sink import Sink

pytestmark = [pytest.mark.timing, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
SCENARIOS = ("book", "adversary", "tool_raises", "guidelines_red_flag")
"""A call that goes well, one whose model swaps arguments, one whose database quotes the row, one that tells a story."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """All that a call's process left, by the place where it was found, and where it went."""

    places: dict[str, bytes]
    told: dict[str, Any]
    destination: str


@pytest.fixture(scope="module", params=SCENARIOS)
def scenario(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def loud_call(scenario: str, directory: Path, *words: str) -> Left:
    """A loud call with every destination on, and what is on the disk, on the streams and in the sink after it."""
    work, home, told = directory / "work", directory / "work" / "home", directory / "told.json"
    work.mkdir()
    with Sink(directory) as sink:
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("MEDAGENT", "LANG", "AZURE"))},
            "HOME": str(work),
            "TMPDIR": str(work),
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "MEDAGENT_HOME": str(home),
            "MEDAGENT_DESTINATIONS": "otlp,langfuse,jsonlog",
            "MEDAGENT_OTLP_ENDPOINT": sink.url,
            "LANGFUSE_PUBLIC_KEY": "pk-lf-1",
            "LANGFUSE_SECRET_KEY": "sk-lf-1",
            "LANGFUSE_BASE_URL": sink.url,
            "LANGSMITH_API_KEY": "lsv2_test",
            "LANGSMITH_ENDPOINT": sink.url,
            "OPENAI_LOG": "debug",
            "LK_OPENAI_DEBUG": "1",
        }
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("loud_call.py")), str(told), scenario, str(home), *words],
            cwd=work,
            env=environment,
            capture_output=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        places = {"stdout": done.stdout, "stderr": done.stderr}
        places |= {
            str(path.relative_to(work)): path.read_bytes()
            for path in work.rglob("*")
            if path.is_file() and path.parent != home / "clinic"
        }
        for number, request in enumerate(sink.requests()):
            places[f"request {number}"] = f"{request.path} {request.headers}".encode() + request.body
        return Left(places=places, told=json.loads(told.read_text()), destination=urlsplit(sink.url).netloc)


@pytest.fixture(scope="module")
def left(scenario: str, tmp_path_factory: pytest.TempPathFactory) -> Left:
    return loud_call(scenario, tmp_path_factory.mktemp(scenario))


def canaries(scenario: str) -> Iterator[tuple[str, re.Pattern[bytes]]]:
    """How the caller's values could stand in bytes: whole, in parts, as digits in any grouping, spoken."""
    for field, value in load_scenario(scenario).person.items():
        yield field, re.compile(re.escape(value.encode()), re.IGNORECASE)
        digits = re.sub(r"\D", "", value)
        if len(digits) >= 7:
            yield f"{field}, digits", re.compile(rb"[^0-9a-z]{0,2}".join(digit.encode() for digit in digits[-7:]))
            words = [b"(zero|oh)" if d == "0" else _SPOKEN[int(d)] for d in digits[-7:]]
            yield f"{field}, spoken", re.compile(rb"\W+".join(words), re.IGNORECASE)
        if field in ("patient_name", "email", "address"):
            for part in re.findall(r"[A-Za-z]{5,}", value):
                if part.lower() not in ("example", "springfield"):
                    yield f"{field}, {part}", re.compile(re.escape(part.encode()), re.IGNORECASE)


_SPOKEN = [b"zero", b"one", b"two", b"three", b"four", b"five", b"six", b"seven", b"eight", b"nine"]


def found(scenario: str, left: Left) -> list[tuple[str, str]]:
    return [
        (place, what)
        for what, canary in canaries(scenario)
        for place, content in left.places.items()
        if canary.search(content)
    ]


def test_no_byte_anywhere_is_the_caller_s(scenario: str, left: Left) -> None:
    """At DEBUG, with handlers of all kinds: nothing of the person on any stream, in any file, in any request."""
    assert found(scenario, left) == []


def test_without_the_log_s_door_the_same_search_finds_them(tmp_path: Path) -> None:
    """On stderr, and in the handlers that came late: so the search can see, and the door is why there is nothing."""
    seen = {place for place, _ in found("book", loud_call("book", tmp_path, "unguarded"))}
    assert seen >= {"stderr", "late.log", "lone.log"}


def test_the_canaries_were_there(scenario: str, left: Left) -> None:
    """The call took place, every exit was used, and the clinic's own database has what the others have not."""
    assert left.told["ended"] == "done"
    assert left.told["lacking"] == []
    requests = [content for place, content in left.places.items() if place.startswith("request")]
    for path in (b"/runs/multipart", b"/v1/traces", b"/api/public/otel/v1/traces"):
        assert any(content.startswith(path) for content in requests)
    assert b"voice_metrics" in left.places["stdout"]
    assert b"DEBUG livekit" in left.places["stderr"]
    for name in ("late.log", "lone.log", "home/archive/archive.db", "home/ledger/ledger.jsonl"):
        assert left.places[name]
    assert any(name.startswith("home/outbox/outbox.db") for name in left.places)


def test_it_goes_nowhere_else(left: Left) -> None:
    """It connects to its model and its destinations, by exact host and port, and runs nothing but the simulator."""
    allowed = {_address(left.told["model"]), _address(left.destination)}
    for event, address in left.told["went"]:
        if event == "subprocess.Popen":
            assert address == repr(sys.executable)
        elif event == "socket.getaddrinfo":
            assert address == repr("127.0.0.1")
        else:
            assert (event, address) in {("socket.connect", one) for one in allowed}


def _address(place: str) -> str:
    host, _, port = place.partition(":")
    return repr((host, int(port)))
