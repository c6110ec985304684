"""The simulator as a process of its own, so that its clock and its load are not those of what it tests."""

from __future__ import annotations

import argparse
import asyncio
import http.client
import json
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from medagent.errors import MedagentError, SimulatorError
from medagent.simulator.scenario import load_scenario

_TAIL_CHARACTERS = 2_000
_GRACE_S = 3.0


def _announce(port: int) -> None:
    sys.stdout.write(json.dumps({"port": port}) + "\n")
    sys.stdout.flush()


async def serve(
    scenarios: Sequence[str | Path],
    *,
    pace: float = 1.0,
    port: int = 0,
    record: Path | None = None,
    announce: Callable[[int], None] = _announce,
) -> None:
    """Serve on 127.0.0.1 (port 0: any free one) until cancelled; raises `ScenarioError`, `SimulatorError`.

    By default one JSON line, `{"port": N}`, goes to stdout once it listens.
    """
    if pace <= 0 or not scenarios:
        raise SimulatorError("the simulator needs a pace over 0 and a scenario")
    from aiohttp import web  # noqa: PLC0415  # a second that the process which only starts the simulator need not pay

    from medagent.simulator.app import build_app  # noqa: PLC0415  # the same
    from medagent.simulator.protocol import load_dialect  # noqa: PLC0415  # the same
    from medagent.simulator.record import Record  # noqa: PLC0415  # the same

    loaded = [load_scenario(name) for name in scenarios]
    load_dialect("current")  # before a client waits for an answer
    if any(scenario.events == "legacy" for scenario in loaded):
        load_dialect("legacy")
    app = build_app(loaded, pace=pace, record=Record(record))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
        except OSError as error:
            raise SimulatorError(f"cannot listen on port {port} ({type(error).__name__})") from None
        announce(runner.addresses[0][1])
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


class SimulatorProcess:
    """A child process that serves scenarios while the block lasts; it ends with its parent, whatever ends that."""

    def __init__(
        self,
        scenarios: Sequence[str | Path] = ("book",),
        *,
        pace: float = 1.0,
        environment: Mapping[str, str] | None = None,
        record: Path | None = None,
        start_timeout_s: float = 120.0,
    ) -> None:
        names = [part for name in scenarios for part in ("--scenario", str(name))]
        kept = [] if record is None else ["--record", str(record)]
        self._command = [sys.executable, "-m", "medagent.simulator.process", "--pace", str(pace), "--leashed"]
        self._command += names + kept
        self._environment = environment
        self._start_timeout_s = start_timeout_s
        self._process: subprocess.Popen[str] | None = None
        self._errors: IO[str] | None = None
        self._port = 0

    @property
    def endpoint(self) -> str:
        """What an Azure client takes as its endpoint."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int | None:
        """The child's process id; None while there is none."""
        return self._process.pid if self._process is not None else None

    def record(self) -> dict[str, Any]:
        """The server's own account so far."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            connection.request("GET", "/_record")
            document: dict[str, Any] = json.loads(connection.getresponse().read())
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise SimulatorError(f"the simulator does not answer ({type(error).__name__})") from None
        finally:
            connection.close()
        return document

    def __enter__(self) -> Self:
        """Start the child; raises `SimulatorError` with the end of its stderr if it does not listen in time."""
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            self._command,
            env=None if self._environment is None else dict(self._environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            start_new_session=True,  # a terminal's Ctrl-C goes to the parent, which ends its call first
        )
        overdue = threading.Timer(self._start_timeout_s, self._process.kill)
        overdue.start()
        try:
            self._port = int(json.loads(self._process.stdout.readline())["port"])  # type: ignore[union-attr]  # a pipe
        except (ValueError, KeyError, TypeError):
            self._stop()
            self._errors.seek(0)
            tail = self._errors.read()[-_TAIL_CHARACTERS:].strip()
            self._errors.close()
            raise SimulatorError("the simulator did not start", hint=tail) from None
        finally:
            overdue.cancel()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the child: terminate, then kill."""
        self._stop()
        if self._errors is not None:
            self._errors.close()

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


async def _until_stdin_closes() -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


async def _run(arguments: argparse.Namespace) -> None:
    work = asyncio.create_task(
        serve(arguments.scenario, pace=arguments.pace, port=arguments.port, record=arguments.record)
    )
    ends = [work, asyncio.create_task(_until_stdin_closes())] if arguments.leashed else [work]
    done, pending = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        task.result()


def main() -> int:
    """Run the server from the command line; with `--leashed` it ends when its stdin closes."""
    parser = argparse.ArgumentParser(prog="python -m medagent.simulator.process")
    parser.add_argument("--scenario", action="append", required=True, help="a packaged name or a file; repeatable")
    parser.add_argument("--pace", type=float, default=1.0, help="how many times as fast as life")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--record", type=Path, help="a JSONL file to which every response is appended")
    parser.add_argument("--leashed", action="store_true", help="end when stdin closes")
    try:
        asyncio.run(_run(parser.parse_args()))
    except MedagentError as error:
        sys.stderr.write(error.diagnostics() + "\n")
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
