"""A caller who said yes may say no later: what was sealed until then goes, and its place in the chain stays."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from command import medagent
from medagent.runtime.exports import archive
from medagent.runtime.host import ledger_path
from medagent.runtime.telemetry import Telemetry
from medagent.settings import Settings, load_settings
from medagent.telemetry import events as ev
from medagent.telemetry.chain import Tombstone, verify_chain
from medagent.telemetry.ledger import entries
from medagent.telemetry.pipeline import Line
from medagent.telemetry.span import SafeSpan

pytestmark = pytest.mark.timing

WITHIN_S = 60.0


def begin(telemetry: Telemetry) -> Line:
    line = telemetry.pipeline.line()
    about: dict[str, Any] = {"mode": "realtime", "model": "gpt-realtime", "provider": "azure.ai.openai"}
    line.send(ev.CallStarted, wall_us=time.time_ns() // 1000, agent_version="0.1.0", **about)
    line.send(ev.ConsentSettled, state="granted", method="spoken", script_version="1.0")
    speak(line, 0)
    return line


def speak(line: Line, number: int) -> None:
    line.send(ev.SpeechStarted, item_id=f"i{number}")
    line.send(ev.SpeechStopped, item_id=f"i{number}")


def wait(until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def chain_of(settings: Settings, trace_id: str) -> list[SafeSpan | Tombstone]:
    store = archive(settings)
    try:
        return store.chain(trace_id)
    finally:
        store.close()


@pytest.fixture
def hole() -> Any:
    """A destination that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_a_late_no_leaves_tombstones(hole: str, tmp_path: Path) -> None:
    """In the archive only the session and its guardrail are left, elsewhere nothing waits; the chain still verifies."""
    settings = load_settings(LANGSMITH_API_KEY="lsv2_pt_test", LANGSMITH_ENDPOINT=hole)
    telemetry = Telemetry(settings).start()
    try:
        line = begin(telemetry)
        assert telemetry.pipeline.flush(60)
        wait(lambda: not telemetry._delivery.outbox.waits("archive"))
        line.send(ev.ConsentSettled, state="refused", method="spoken", script_version="1.0")
        speak(line, 1)
        line.send(ev.CallEnded, reason="caller_hung_up")
        assert telemetry.pipeline.flush(60)
        outbox = telemetry._delivery.outbox
        wait(lambda: not outbox.to_be_buried() and not outbox.waits("archive"))
        chain = chain_of(settings, line.trace_id)
        waits = {span.name for span in outbox.due("langsmith", 100)}
    finally:
        telemetry.close(0.5)  # meant to expire
    verify_chain(chain)
    assert [link.cause if isinstance(link, Tombstone) else link.name for link in chain] == [
        "refusal",
        "refusal",
        "voice_session",
        "policy.guardrail",
    ]
    assert waits == {"voice_session", "policy.guardrail"}
    deleted = [entry.content for entry in entries(ledger_path(settings)) if entry.kind == "deletion"]
    assert [(d["cause"], d["trace_id"], d["first"], d["last"]) for d in deleted] == [("refusal", line.trace_id, 0, 1)]
    checked = medagent("trace", "check", line.trace_id, home=settings.home)
    assert (checked.code, "deleted by refusal: 2 spans" in checked.out) == (0, True)


def test_a_process_that_dies_before_the_burial_leaves_it_to_the_next() -> None:
    """What was refused is in no list of the outbox any more; the tombstones come with the next process."""
    settings = load_settings()
    telemetry = Telemetry(settings)
    telemetry.pipeline.start()
    line = begin(telemetry)
    assert telemetry.pipeline.flush(60)  # sealed before the refusal
    line.send(ev.ConsentSettled, state="refused", method="spoken", script_version="1.0")
    line.send(ev.CallEnded, reason="caller_hung_up")
    assert telemetry.pipeline.flush(60)
    telemetry.pipeline.stop(60)
    telemetry._delivery.owner.release()
    assert not telemetry._delivery.outbox.due("archive", 100)[0].name.startswith("session")
    following = Telemetry(settings).start()
    outbox = following._delivery.outbox
    try:
        wait(lambda: not outbox.to_be_buried() and not outbox.waits("archive"))
    finally:
        following.close()
    chain = chain_of(settings, line.trace_id)
    verify_chain(chain)
    assert [isinstance(link, Tombstone) for link in chain] == [True, True, False, False]
