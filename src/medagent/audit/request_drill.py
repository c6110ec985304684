"""The switch thrown while destinations refuse batches: how many requests begin after it, in a process for each answer.

Each round has a process (`refused_delivery`), a state and a capture of its own. The capture answers one status to every
batch and takes a second for each span that comes alone; once every destination is in the middle of that, the switch is
thrown by the real command in another process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from medagent.attestation.report import SwitchRound
from medagent.audit.capture import Capture, Document, span_count
from medagent.audit.child import Rooms, command
from medagent.audit.redirection import redirected
from medagent.settings import Settings

STATUSES = (409, 400, 413)
DESTINATIONS = ("langsmith", "otlp", "langfuse")
_REASON = "switch drill of the audit"
_BUSY_WITHIN_S = 180.0
_AFTER_S = 2.5
"""Seconds after the limit in which requests are counted; a single span takes one second."""
_LOOK_S = 0.02
_END_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DrilledRequests:
    """The rounds, and every byte that left in them or was printed."""

    rounds: tuple[SwitchRound, ...]
    latest_ms: float
    """How long after the switch the last request began; 0 where none did."""
    documents: tuple[Document, ...]


def drill_requests(settings: Settings, *, rooms: Rooms, model: str, limit_ms: float) -> DrilledRequests:
    """Run a round for each status, side by side."""

    def one(status: int) -> DrilledRequests:
        return _round(status, settings, rooms=rooms, model=model, limit_s=limit_ms / 1000)

    with ThreadPoolExecutor(len(STATUSES)) as pool:
        done = list(pool.map(one, STATUSES))
    return DrilledRequests(
        rounds=tuple(each for one in done for each in one.rounds),
        latest_ms=max(one.latest_ms for one in done),
        documents=tuple(each for one in done for each in one.documents),
    )


def _round(status: int, settings: Settings, *, rooms: Rooms, model: str, limit_s: float) -> DrilledRequests:
    own = Rooms(auditor=rooms.auditor, system=rooms.system / f"drill-{status}")
    for path in (own.state, own.home, own.temporary, own.working):
        path.mkdir(mode=0o700, parents=True)
    printed = [own.working / "stdout", own.working / "stderr"]
    with Capture(batch_status=status) as capture, printed[0].open("wb") as out, printed[1].open("wb") as err:
        system = redirected(settings, rooms=own, capture=capture, model=model, jsonlog=str(own.working / "log.jsonl"))
        process = subprocess.Popen(
            [sys.executable, "-m", "medagent.audit.refused_delivery"],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=err,
            cwd=own.working,
            env=own.environment(settings),
        )
        try:
            assert process.stdin is not None  # noqa: S101  # a pipe
            process.stdin.write(json.dumps({"settings": system}).encode() + b"\n")
            process.stdin.flush()
            busy = _until_busy(capture, status, process)
            _, told = command(["telemetry", "off", "--reason", _REASON], rooms=own, settings=settings)
            thrown = _thrown_at(own)
            capture.go_on()
            time.sleep(max(0.0, thrown + limit_s - time.time()) + _AFTER_S)
            requests = capture.documents()
            with suppress(OSError):
                process.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                process.wait(_END_WITHIN_S)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    documents = [*capture.documents(), told]
    documents += [Document(channel=p.name, path=f"drill {status}", raw=p.read_bytes()) for p in printed]
    bodies = [one for one in requests if one.path.endswith(" body")]
    return DrilledRequests(
        rounds=tuple(
            SwitchRound(
                destination=name,
                status=status,
                requests_before=sum(one.channel == name and one.at <= thrown for one in bodies),
                requests_after=sum(one.channel == name and one.at > thrown + limit_s for one in bodies),
                bytes_after=sum(len(o.raw) for o in bodies if o.channel == name and o.at > thrown + limit_s),
                in_the_middle=name in busy,
            )
            for name in DESTINATIONS
        ),
        latest_ms=max([0.0, *((one.at - thrown) * 1000 for one in bodies)]),
        documents=tuple(documents),
    )


def _until_busy(capture: Capture, status: int, process: subprocess.Popen[bytes]) -> set[str]:
    """Wait until every destination is sent spans alone, or its batch again; returns those that are."""
    deadline, busy = time.monotonic() + _BUSY_WITHIN_S, set[str]()
    while len(busy) < len(DESTINATIONS) and time.monotonic() < deadline and process.poll() is None:
        bodies = [one for one in capture.documents() if one.path.endswith(" body") and not one.is_metrics]
        busy = {name for name in DESTINATIONS if _is_busy(name, status, bodies)}
        time.sleep(_LOOK_S)
    return busy


def _is_busy(name: str, status: int, bodies: Sequence[Document]) -> bool:
    counts = [span_count(name, one.raw) for one in bodies if one.channel == name]
    batches, alone = sum(count > 1 for count in counts), counts.count(1)
    # Only LangSmith takes 409 for an answer about single runs; another destination is sent the batch again.
    is_retried = status == STATUSES[0] and name != DESTINATIONS[0]
    return batches > 1 if is_retried else batches > 0 and alone > 0


def _thrown_at(rooms: Rooms) -> float:
    """When the switch went off, in Unix seconds; now where its file does not say so."""
    try:
        entry: Mapping[str, str] = json.loads((rooms.state / "switch.json").read_bytes())
        return datetime.fromisoformat(entry["at"]).timestamp()
    except (OSError, ValueError, KeyError):
        return time.time()
