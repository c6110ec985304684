"""Run LiveKit's examples with scripted models, each in a process of its own, and compare both accounts.

`python -m bench.livekit_suite.examples CHECKOUT EXAMPLE`, with the environment of `suite.environment`, runs one.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.machinery
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
import traceback
import types
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, MagicMock, PropertyMock

_SESSION = re.compile(r"\bAgentSession(\[[^\]]*\])?\(")
_SKIPPED = re.compile(r"(^|/)tests?(/|_)")
_SAYS = ("Hello, is anybody there?", "Yes please, go ahead.", "What about tomorrow?", "Can you check that again?")
_LIMIT_S = 120
_START_S = 20.0
_QUIET_S = 8.0
_AT_ONCE = 4


def examples(checkout: Path) -> list[str]:
    """Return the examples that start a session."""
    return [
        str(path.relative_to(checkout))
        for path in sorted((checkout / "examples").rglob("*.py"))
        if not _SKIPPED.search(str(path.relative_to(checkout))) and _SESSION.search(path.read_text())
    ]


def run(checkout: Path, *, trace: bool, only: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """Run examples, four at once, and return each one's report: its outcome and its sessions."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        names = list(only) or examples(checkout)
        return dict(zip(names, pool.map(lambda name: _run_one(checkout, name, trace=trace), names), strict=True))


def _run_one(checkout: Path, name: str, *, trace: bool) -> dict[str, Any]:
    from bench.livekit_suite.suite import environment

    with tempfile.TemporaryDirectory() as scratch:
        report = Path(scratch) / "report.json"
        made = environment(Path(scratch), report=report, trace=trace)
        keys = {"LIVEKIT_URL": "ws://localhost:1", "LIVEKIT_API_KEY": "none", "LIVEKIT_API_SECRET": "none"}
        try:
            done = subprocess.run(
                [sys.executable, "-m", "bench.livekit_suite.examples", str(checkout), name],
                cwd=(checkout / name).parent,
                env=made | keys | {"MEDAGENT_ENV": "dev"},
                capture_output=True,
                text=True,
                timeout=_LIMIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {"outcome": "timed out", "sessions": []}
        if not report.is_file():
            return {"outcome": "not run", "sessions": [], "log": (done.stdout + done.stderr)[-1500:]}
        return {**json.loads(report.read_text()), "log": (done.stdout + done.stderr)[-1500:]}


# ---- one example, in its own process ---------------------------------------------------------------------------------


class _StandIns:
    """Finds LiveKit's plugins that are not installed, and packages that an example wants: modules of stand-ins."""

    def __init__(self, offered: dict[str, type]) -> None:
        self._offered = offered

    def find_spec(self, name: str, _path: Any = None, _target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if not name.startswith(("livekit.plugins.", "dotenv", "llama_index", "aiofiles", "tavily")):
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=True)  # type: ignore[arg-type]

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        module = types.ModuleType(spec.name)
        module.__path__ = []
        offered = self._offered

        def attribute(name: str) -> Any:
            if name.startswith("__"):
                raise AttributeError(name)
            if name in ("realtime", "beta"):
                return importlib.import_module(f"{spec.name}.{name}")
            return offered.get(name) or MagicMock(name=f"{spec.name}.{name}")

        module.__getattr__ = attribute  # type: ignore[method-assign]
        return module

    def exec_module(self, _module: types.ModuleType) -> None: ...


def _replace_models() -> None:
    import livekit.plugins
    from livekit.agents import inference
    from livekit.plugins import openai

    from bench.livekit_suite.scripted import ScriptedLLM, ScriptedRealtime, stand_ins

    offered = dict(stand_ins())
    sys.meta_path.append(_StandIns(offered))  # after what is installed
    for module in (inference, openai):
        for name, scripted in offered.items():
            if hasattr(module, name):
                setattr(module, name, scripted)
    openai.realtime.RealtimeModel = ScriptedRealtime
    inference.llm_from_model_string = ScriptedLLM.from_model_string
    livekit.plugins.__getattr__ = lambda name: importlib.import_module(f"livekit.plugins.{name}")


def _replace_media() -> None:
    """Give every session a microphone and a loudspeaker instead of a room, and end turns by the scripted VAD."""
    from livekit.agents import AgentSession

    from bench.livekit_suite.scripted import Loudspeaker, Microphone

    start, init = AgentSession.start, AgentSession.__init__

    def made(session: Any, **options: Any) -> None:
        handling = dict(options.get("turn_handling") or {})
        detection = options.pop("turn_detection", handling.get("turn_detection"))
        if not isinstance(detection, str):
            detection = None
        init(session, **{**options, "turn_handling": {**handling, "turn_detection": detection}})

    async def started(session: Any, agent: Any, **options: Any) -> Any:
        if session.input.audio is None:
            session.input.audio = Microphone()
        if session.output.audio is None:
            session.output.audio = Loudspeaker()
        kept = {name: value for name, value in options.items() if name == "capture_run"}
        return await start(session, agent, **kept)

    AgentSession.start = started  # type: ignore[method-assign, assignment]
    AgentSession.__init__ = made  # type: ignore[method-assign, assignment]


def _job() -> Any:
    from livekit.agents import JobContext, JobProcess
    from livekit.agents.ipc.mock_room import create_mock_room
    from livekit.agents.job import JobExecutorType, RunningJobInfo, _JobContextVar
    from livekit.agents.worker import JobAcceptArguments
    from livekit.protocol import agent as agent_proto

    info = RunningJobInfo(
        accept_arguments=JobAcceptArguments(name="", identity="agent", metadata=""),
        job=agent_proto.Job(id="job-example"),
        url="ws://localhost:1",
        token="",
        worker_id="worker",
        fake_job=True,
    )
    room = create_mock_room()
    process = JobProcess(executor_type=JobExecutorType.PROCESS, user_arguments=None, http_proxy=None)
    job = JobContext(
        proc=process,
        info=info,
        room=room,
        on_connect=lambda: None,
        on_shutdown=lambda _reason: None,
        inference_executor=MagicMock(),
    )
    participant = next(iter(room.remote_participants.values()))
    job.connect = AsyncMock()  # type: ignore[method-assign]
    job.wait_for_participant = AsyncMock(return_value=participant)  # type: ignore[method-assign]
    type(job).api = PropertyMock(return_value=AsyncMock())  # type: ignore[method-assign, assignment]
    _JobContextVar.set(job)
    return job


def _entrypoint(module: types.ModuleType) -> tuple[Any, Any]:
    from livekit.agents import AgentServer

    for value in vars(module).values():
        if isinstance(value, AgentServer) and value._entrypoint_fnc is not None:
            return value._entrypoint_fnc, value._setup_fnc
    return module.entrypoint, getattr(module, "prewarm", None)


async def _play(name: str, sessions: Any) -> str:
    """Run an example's entrypoint and talk to it; returns how it went."""
    from livekit.agents.utils import http_context

    from bench.livekit_suite.scripted import Caller

    sys.path[:0] = [str(Path.cwd()), str(Path.cwd().parent)]
    spec = importlib.util.spec_from_file_location("example", Path(name).name)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["example"] = module
    spec.loader.exec_module(module)
    entrypoint, setup = _entrypoint(module)
    async with http_context.open():
        job = _job()
        if setup is not None:
            setup(job.proc)
        running = asyncio.create_task(entrypoint(job))
        outcome = "passed"
        try:
            async with asyncio.timeout(_START_S):
                while not sessions.started and not running.done():
                    await asyncio.sleep(0.05)
                while sessions.started and not sessions.started[0]._started and not running.done():
                    await asyncio.sleep(0.05)
        except TimeoutError:
            outcome = "no start"
        if running.done() and running.exception() is not None:
            raise running.exception()  # type: ignore[misc]
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(_until_quiet(sessions), _QUIET_S)
        for words in _SAYS:
            if not any(session._started for session in sessions.started):
                break
            await Caller.say(words)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(_until_quiet(sessions), _QUIET_S)
        for session in sessions.started:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(session.aclose(), 20)
        for callback in job._shutdown_callbacks:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(callback("example over"), 10)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return outcome if sessions.started else "no session"


async def _until_quiet(sessions: Any) -> None:
    """Return when no agent has thought or spoken for a second."""
    quiet = 0
    while quiet < 10:
        await asyncio.sleep(0.1)
        busy = any(one._started and one.agent_state in ("thinking", "speaking") for one in sessions.started)
        quiet = 0 if busy else quiet + 1


def main(checkout: str, name: str) -> None:
    """Run one example and write its report."""
    from bench.livekit_suite.sessions import TracedSessions, remaining

    _replace_models()
    _replace_media()
    sessions = TracedSessions(trace=os.environ["MEDAGENT_SUITE_TRACE"] == "1")
    sessions.owner = name
    sessions.install()
    try:
        outcome = asyncio.run(_play(name, sessions))
    except BaseException as error:  # noqa: BLE001  # an example may raise anything, or exit; the report says it
        traceback.print_exc()
        outcome = f"failed: {type(error).__name__}"
    sessions.end()
    left = remaining()
    report = {"outcome": outcome, "sessions": sessions.compare(), "end": left}
    Path(os.environ["MEDAGENT_SUITE_REPORT"]).write_text(json.dumps(report))
    sys.stdout.flush(), sys.stderr.flush()
    os._exit(0)  # threads of an example may never end


def _checkout_of(arguments: Sequence[str]) -> Iterator[str]:
    yield from arguments[1:3]


if __name__ == "__main__":
    main(*_checkout_of(sys.argv))
