"""The command line as a person runs it: a process of its own."""

from __future__ import annotations

import atexit
import functools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MEDAGENT = str(Path(sys.executable).with_name("medagent"))
_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command left behind."""

    code: int
    out: str
    err: str


def medagent(*words: str, home: Path, given: str | bytes = "", **environment: str) -> Done:
    """Run a command to its end with `given` on its stdin, in this process's environment with these changes."""
    return run(*words, environment={**os.environ, "MEDAGENT_HOME": str(home), **environment}, given=given)


def run(*words: str, environment: Mapping[str, str], given: str | bytes = "", directory: Path | None = None) -> Done:
    """Run a command to its end in this environment, forked from a process that has done the imports.

    Raises `TimeoutError` where it takes longer than 300 s; it is killed then.
    """
    request = {"words": words, "environment": dict(environment), "directory": str(directory or Path.cwd())}
    with (
        tempfile.TemporaryFile() as stdin,
        tempfile.TemporaryFile("w+") as stdout,
        tempfile.TemporaryFile("w+") as stderr,
        socket.socket(socket.AF_UNIX) as connection,
    ):
        stdin.write(given.encode() if isinstance(given, str) else given)
        stdin.seek(0)
        connection.settimeout(_TIMEOUT_S)
        connection.connect(_forker())
        descriptors = [stdin.fileno(), stdout.fileno(), stderr.fileno()]
        socket.send_fds(connection, [json.dumps(request).encode()], descriptors)
        with connection.makefile() as answers:
            pid = int(answers.readline())
            try:
                code = int(answers.readline())
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
                raise
        stdout.seek(0)
        stderr.seek(0)
        return Done(code=code, out=stdout.read(), err=stderr.read())


@functools.cache
def _forker() -> str:
    """Start the process that forks; return the address at which it takes commands."""
    directory = tempfile.mkdtemp(prefix="medagent-forker-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    address = str(Path(directory) / "socket")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen(16)
        program = [sys.executable, str(Path(__file__).with_name("forker.py")), str(server.fileno())]
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}  # numpy would start threads, which no fork has
        subprocess.Popen(program, pass_fds=[server.fileno()], stdin=subprocess.DEVNULL, env=environment)
    return address
