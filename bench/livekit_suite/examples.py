"""Run LiveKit's examples with scripted models, each in a process of its own, and compare both accounts.

`python -m bench.livekit_suite.examples CHECKOUT EXAMPLE...`, with the environment of `suite.environment`, runs some.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.machinery
import importlib.util
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import types
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, MagicMock, PropertyMock

from livekit import agents, api
from livekit.agents import WorkerOptions, cli, llm

from bench.livekit_suite.sessions import TracedSessions, remaining
from bench.livekit_suite.suite import environment

_SESSION = re.compile(r"\bAgentSession(\[[^\]]*\])?\(")
_SKIPPED = re.compile(r"(^|/)tests?(/|_)")
_SAYS = ("Hello, is anybody there?", "Yes please, go ahead.", "What about tomorrow?", "Can you check that again?")
_LIMIT_S = 3600
_EXAMPLE_S = 300.0
_CPU_S = 60
_START_S = 120.0
_QUIET_S = 8.0
_AT_ONCE = 4
_SECRET = "none" * 8
_KEYS = {
    "MEDAGENT_ENV": "dev",
    "LIVEKIT_URL": "ws://localhost:1",
    "LIVEKIT_API_KEY": "none",
    "LIVEKIT_API_SECRET": _SECRET,
    "CARTESIA_API_KEY": "none",
    "OPENAI_API_KEY": "none",
    "LEMONSLICE_IMAGE_URL": "http://localhost:1/image.png",
}


def examples(checkout: Path) -> list[str]:
    """Return the examples that start a session."""
    return [
        str(path.relative_to(checkout))
        for path in sorted((checkout / "examples").rglob("*.py"))
        if not _SKIPPED.search(str(path.relative_to(checkout))) and _SESSION.search(path.read_text())
    ]


def run(checkout: Path, *, trace: bool, only: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """Run examples, four at once, and return each one's report: its outcome, its sessions and its log."""
    names = list(only) or examples(checkout)
    with tempfile.TemporaryDirectory() as scratch:
        made = environment(Path(scratch), report=Path(scratch) / "reports", trace=trace)
        with (Path(scratch) / "log").open("wb") as output:
            subprocess.run(
                [sys.executable, "-m", "bench.livekit_suite.examples", str(checkout), *names],
                env=made | _KEYS,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=_LIMIT_S,
                check=False,
            )
        return {name: _report(Path(scratch) / "reports" / str(number)) for number, name in enumerate(names)}


def _report(folder: Path) -> dict[str, Any]:
    log = (folder / "log").read_text(errors="replace")[-2000:] if (folder / "log").is_file() else ""
    try:
        return {**json.loads((folder / "report.json").read_text()), "log": log}
    except FileNotFoundError:
        return {"outcome": "ended without a report", "sessions": [], "log": log}


# ---- one example, in its own process ---------------------------------------------------------------------------------


class _Anything(MagicMock):
    """Stand in for any other attribute of a package, also awaited."""

    def __await__(self) -> Generator[None, None, Any]:
        yield from ()
        return self


class _StandIns:
    """Finds LiveKit's plugins that are not installed, and packages that an example wants: modules of stand-ins."""

    def __init__(self, offered: dict[str, type]) -> None:
        self._offered = offered

    def find_spec(self, name: str, _path: Any = None, _target: Any = None) -> importlib.machinery.ModuleSpec | None:
        if not name.startswith(("livekit.plugins.", "dotenv", "llama_index", "aiofiles", "aiocsv", "tavily")):
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
            if name.endswith("Search"):  # a tool that the provider runs
                return lambda **_options: llm.ProviderTool(id=f"{spec.name}.{name}")
            return offered.get(name) or _Anything(name=f"{spec.name}.{name}")

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
    inference.AvatarSession = _Anything(name="AvatarSession")
    agents.mcp = types.SimpleNamespace(  # servers of tools, of which none is there
        MCPServerHTTP=_Anything(), MCPToolset=lambda **options: llm.Toolset(id=options["id"])
    )
    livekit.plugins.__getattr__ = lambda name: importlib.import_module(f"livekit.plugins.{name}")


def _replace_media(*, uses_room_io: bool) -> None:
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
        result = await start(session, agent, **kept)
        if uses_room_io:
            session._room_io = _Anything(name="room_io")
        return result

    AgentSession.start = started  # type: ignore[method-assign, assignment]
    AgentSession.__init__ = made  # type: ignore[method-assign, assignment]


def _job() -> Any:
    from livekit.agents import JobContext, JobProcess
    from livekit.agents.ipc.mock_room import create_mock_room
    from livekit.agents.job import JobExecutorType, RunningJobInfo, _JobContextVar
    from livekit.agents.worker import JobAcceptArguments
    from livekit.protocol import agent as agent_proto
    from livekit.protocol import models

    info = RunningJobInfo(
        accept_arguments=JobAcceptArguments(name="", identity="agent", metadata=""),
        job=agent_proto.Job(id="job-example", room=models.Room(sid="RM_example", name="example")),
        url="ws://localhost:1",
        token=api.AccessToken("none", _SECRET).to_jwt(),
        worker_id="worker",
        fake_job=True,
    )
    room = create_mock_room()
    room.get_session_stats = AsyncMock(return_value=MagicMock())  # what the room had in earlier versions
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


def _entrypoint(name: str) -> tuple[Any, Any]:
    """Run an example's file as a program that gives its server to `cli.run_app`."""
    servers: list[Any] = []
    cli.run_app = servers.append  # type: ignore[assignment]
    sys.path[:0] = [str(Path.cwd()), str(Path.cwd().parent)]
    sys.argv = [name]
    spec = importlib.util.spec_from_file_location("__main__", Path(name).name)
    if spec is None or spec.loader is None:
        raise ImportError(name)
    module = importlib.util.module_from_spec(spec)
    sys.modules["__main__"] = module
    spec.loader.exec_module(module)
    (server,) = servers
    if isinstance(server, WorkerOptions):
        return server.entrypoint_fnc, server.prewarm_fnc
    return server._entrypoint_fnc, server._setup_fnc


async def _play(name: str, sessions: Any) -> str:
    """Run an example's entrypoint and talk to it; returns how it went."""
    from livekit.agents.utils import http_context

    from bench.livekit_suite.scripted import Caller

    entrypoint, setup = _entrypoint(name)
    async with http_context.open():
        job = _job()
        if setup is not None:
            setup(job.proc)
        running = asyncio.create_task(entrypoint(job))
        outcome = "passed"
        try:
            async with asyncio.timeout(_START_S):
                while not (running.done() or any(one._started for one in sessions.started)):  # noqa: ASYNC110  # no event
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


def _run_one(checkout: Path, name: str, folder: Path) -> None:
    """Run one example in this process, which is a fork, and write its report."""
    folder.mkdir(parents=True)
    log = os.open(folder / "log", os.O_WRONLY | os.O_CREAT, 0o600)
    os.dup2(log, 1), os.dup2(log, 2)
    os.environ["MEDAGENT_EXPORT_SERVICE"] = "in_process"
    os.environ["MEDAGENT_HOME"] = str(folder / "home")
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))  # an example may loop for ever once its session closes
    os.chdir((checkout / name).parent)
    _replace_models()
    _replace_media(uses_room_io="session.room_io" in (checkout / name).read_text())
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
    (folder / "report.json").write_text(json.dumps(report))
    sys.stdout.flush(), sys.stderr.flush()


def main(checkout: Path, names: Sequence[str], reports: Path) -> None:
    """Run examples, each in a fork of this process, so many at once."""
    import medagent.runtime.telemetry  # noqa: F401  # loaded once, before the forks

    running: dict[int, float] = {}
    for number, name in enumerate(names):
        while len(running) >= _AT_ONCE:
            _wait(running)
        child = os.fork()
        if child == 0:
            try:
                _run_one(checkout, name, reports / str(number))
            finally:
                os._exit(0)  # threads of an example may never end
        running[child] = time.monotonic()
    while running:
        _wait(running)


def _wait(running: dict[int, float]) -> None:
    """Take the children that have ended; end the ones that take too long."""
    for child, since in list(running.items()):
        if os.waitpid(child, os.WNOHANG)[0] == child:
            del running[child]
        elif time.monotonic() - since > _EXAMPLE_S:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            del running[child]
    time.sleep(0.2)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:], Path(os.environ["MEDAGENT_SUITE_REPORT"]))
