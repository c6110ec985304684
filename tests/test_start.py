"""Telemetry that cannot start: the agent answers anyway, the log and the ledger say so, and nothing is raised."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest
from livekit.agents import AgentSession
from pydantic import SecretStr

from medagent.clinic import Clinic, seed_demo
from medagent.errors import MedagentError, SettingsError
from medagent.runtime.exports import archive
from medagent.runtime.host import ledger_path
from medagent.runtime.telemetry import Telemetry
from medagent.settings import load_settings
from medagent.simulator.play import play
from medagent.simulator.process import SimulatorProcess
from medagent.simulator.scenario import load_scenario
from medagent.telemetry.ledger import entries
from medagent.tracing import trace_call, tracing

pytestmark = pytest.mark.timing

PROD = {"MEDAGENT_ENV": "prod", "MEDAGENT_CONSENT": "not_asked", "MEDAGENT_CONSENT_BASIS": "treatment contract"}
SIGNING = "7f" * 32


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    tracing.cache_clear()
    yield
    if tracing.cache_info().currsize:
        tracing().close()
    tracing.cache_clear()


@pytest.fixture
async def session() -> AgentSession[Any]:
    return AgentSession()


def recorded() -> list[dict[str, Any]]:
    path = ledger_path(load_settings())
    return [dict(e.content) for e in entries(path) if e.kind == "not_started"]


@pytest.fixture(params=["missing", "broken", "unknown", "no yaml"])
def bad_policy(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "policy.yaml"
    texts = {"broken": "name: [", "unknown": "name: x\nversion: 1.0.0\nsurprise: yes\n", "no yaml": "\x00\x01"}
    if request.param in texts:
        path.write_text(texts[request.param])
    monkeypatch.setenv("MEDAGENT_POLICY", str(path))
    return path


async def test_a_bad_policy_turns_telemetry_off(
    bad_policy: Path, session: AgentSession[Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The bridge hears nothing, the log has one clear error, the ledger an entry; outside a call it is still raised."""
    bridge = trace_call(session)
    bridge.consent("granted")
    bridge.end("caller_hung_up")
    assert tracing().loaded(60) is None
    assert tracing().flush(60) == ()
    assert "telemetry did not start in this process: PolicyError" in caplog.text
    [entry] = recorded()
    assert entry["error"] == "PolicyError"
    assert not (load_settings().home / "outbox" / "outbox.db").exists()
    with pytest.raises(MedagentError):
        Telemetry(load_settings())


async def test_the_agent_answers_anyway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole call without its policy: the caller is served to the end, and nothing of it is stored."""
    monkeypatch.setenv("MEDAGENT_POLICY", str(tmp_path / "gone.yaml"))
    settings = load_settings()
    clinic = Clinic.open(settings.clinic_url)
    seed_demo(clinic)
    try:
        with SimulatorProcess(["opening_hours"], pace=20.0) as simulator:
            model = {"azure_endpoint": simulator.endpoint, "azure_api_key": SecretStr("simulator")}
            ended = await play(
                load_scenario("opening_hours"),
                settings=settings.model_copy(update=model),
                clinic=clinic,
                clinic_name="Lakeside",
                now=lambda: datetime.now(UTC),
                watch=trace_call,
                pace=20.0,
            )
    finally:
        clinic.close()
    assert ended == "done"
    assert [path.name for path in (settings.home / "archive").iterdir()] == ["ledger-head.json"]


async def test_a_state_directory_that_is_none_turns_telemetry_off(
    tmp_path: Path, session: AgentSession[Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """There is no ledger to write to either: the log alone says so."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MEDAGENT_HOME", str(tmp_path / "file"))
    trace_call(session).end("error")
    assert tracing().loaded(60) is None
    assert "telemetry did not start in this process: SettingsError" in caplog.text
    assert "the ledger does not record that telemetry did not start" in caplog.text
    monkeypatch.setenv("MEDAGENT_HOME", str(tmp_path / "medagent"))


@pytest.mark.parametrize("signing", [True, False])
async def test_in_prod_a_missing_key_turns_telemetry_off(
    session: AgentSession[Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, signing: bool
) -> None:
    """Of the pseudonyms' key or of the ledger's: the call goes on; the ledger says so where it can be signed."""
    for name, value in PROD.items():
        monkeypatch.setenv(name, value)
    if signing:
        monkeypatch.setenv("MEDAGENT_SIGNING_KEY", SIGNING)
    trace_call(session).end("error")
    assert tracing().loaded(60) is None
    assert "KeyFileError" in caplog.text
    assert ledger_path(load_settings()).exists() == signing
    if signing:
        assert [entry["error"] for entry in recorded()] == ["KeyFileError"]


@pytest.mark.parametrize(
    "environment",
    [
        {"MEDAGENT_ENV": "staging"},
        {"MEDAGENT_ENV": "prod"},
        {"MEDAGENT_CONSENT": "ask", "MEDAGENT_CONSENT_SCRIPT_VERSION": "1.0"},
    ],
)
async def test_what_must_not_start_does_not(
    session: AgentSession[Any], monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    """An environment that is none, an unsettled consent in prod, a question without words: a start-up error."""
    with monkeypatch.context() as patched:
        for name, value in environment.items():
            patched.setenv(name, value)
        with pytest.raises(SettingsError):
            trace_call(session)


@pytest.mark.parametrize("answer", ["granted", "refused", None])
async def test_an_agent_with_its_own_words_needs_no_script(
    session: AgentSession[Any], monkeypatch: pytest.MonkeyPatch, answer: Literal["granted", "refused"] | None
) -> None:
    """`MEDAGENT_CONSENT=ask` alone: the spans of a call are stored once `.consent("granted")` is said.

    Otherwise only its root and its guardrail are.
    """
    monkeypatch.setenv("MEDAGENT_CONSENT", "ask")
    bridge = trace_call(session)
    if answer is not None:
        bridge.consent(answer)
    bridge.end("caller_hung_up")
    assert tracing().loaded(60) is not None
    assert list(tracing().flush(60)) == []
    store = archive(load_settings())
    try:
        stored = {span.name: span.fields for call in store.calls() for span in store.spans(call.trace_id)}
    finally:
        store.close()
    consent = stored["policy.guardrail"]["consent"]
    assert isinstance(consent, dict)
    assert consent["script_version"] is None
    if answer == "granted":
        assert consent["state"] == "granted"
        assert {"session.start", "session.end", "voice_session"} <= set(stored)
    else:
        assert consent["state"] != "granted"
        assert set(stored) <= {"voice_session", "policy.guardrail"}


async def test_a_session_that_cannot_be_seen_is_not_ended(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever is handed to `trace_call`, nothing is raised into the call."""
    nothing: Any = object()
    trace_call(nothing).end("error")
    assert "a call cannot be traced: TypeError" in caplog.text


async def test_a_closed_process_holds_no_file_of_its_home(session: AgentSession[Any], tmp_path: Path) -> None:
    """The outbox, the switch's trips and the ledger's heads each had a connection of their own."""
    bridge = trace_call(session)
    bridge.end("caller_hung_up")
    running = tracing().loaded(60)
    assert running is not None
    running.switch.trip("a test")
    assert list(tracing().flush(60)) == []
    assert _open_files(tmp_path)
    tracing().close(60)
    for _ in range(600):  # a thread that looked at the switch at that moment gives its connection back
        if not _open_files(tmp_path):
            break
        await asyncio.sleep(0.1)
    left = _open_files(tmp_path)
    assert not left, (left, [thread.name for thread in threading.enumerate()])


def _open_files(directory: Path) -> list[str]:
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the descriptor that lists them
            found.append(str(link.readlink()))
    return [path for path in found if path.startswith(str(directory))]
