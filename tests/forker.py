"""Run each command in a fork of a process that has imported what commands need: a new process, without the imports.

`command.py` starts it with the descriptor of a listening socket; it ends when the process that started it does.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

import medagent.cli
from installations import check_a_small_installation
from medagent.runtime import host
from medagent.settings import Settings

_LOOK_S = 1.0
"""Seconds between two checks that the parent process is alive."""
_LATE = (
    *("medagent.simulator.play", "medagent.tracing", "psycopg", "sqlalchemy.dialects.sqlite"),
    *("typer.rich_utils", "rich.syntax", "encodings.utf_8_sig", "attr"),
)
"""Modules that commands import when they need them; those of `medagent audit run` would take longer than all."""


def main() -> None:
    """Serve one command for each connection until the parent is gone."""
    for module in pkgutil.iter_modules(medagent.cli.__path__, "medagent.cli."):
        importlib.import_module(module.name)
    for name in _LATE:
        importlib.import_module(name)
    host.policy(Settings.model_construct())  # commands with the packaged policy need not read it again
    check_a_small_installation()
    if (tasks := len(list(Path("/proc/self/task").glob("*")))) > 1:
        raise SystemExit(f"{tasks} threads run after the imports: a fork would lose them")
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel removes ended children
    parent = os.getppid()
    with socket.socket(fileno=int(sys.argv[1])) as server:
        server.settimeout(_LOOK_S)
        while os.getppid() == parent:
            try:
                connection, _ = server.accept()
            except TimeoutError:
                continue
            if os.fork() == 0:
                server.close()
                break
            connection.close()
        else:
            return
    _answer(connection)


def _answer(connection: socket.socket) -> None:
    """Read a command, run it in a child, and send the child's process id and then its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    data, descriptors, _, _ = socket.recv_fds(connection, 1 << 20, 3)
    pid = os.fork()
    if pid == 0:
        connection.close()
        _run(json.loads(data), descriptors)
        return
    connection.sendall(f"{pid}\n".encode())
    _, status = os.waitpid(pid, 0)
    connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _run(request: dict[str, Any], descriptors: list[int]) -> None:
    for target, descriptor in enumerate(descriptors):
        os.dup2(descriptor, target)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    os.chdir(request["directory"])
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  # open as long as the process lives
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  # the same
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115  # the same
    sys.argv = ["medagent", *request["words"]]
    medagent.cli.main()


if __name__ == "__main__":
    main()
