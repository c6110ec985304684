"""Start a backend on a free loopback port with storage of its own, and end it with all its processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

_STARTS_WITHIN_S = 300.0
_LOOK_EVERY_S = 0.3
_ENDS_WITHIN_S = 3.0
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE")


class NotStartedError(Exception):
    """A backend did not answer in time, or ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running backend: its address, and the environment that it was installed into."""

    url: str
    directory: Path


@contextmanager
def phoenix(directory: Path, storage: Path) -> Iterator[Server]:
    """Run Phoenix; nothing of it reaches another host."""
    port, grpc = _free_port(), _free_port()
    environment = {
        "PHOENIX_WORKING_DIR": str(storage),
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_PORT": str(port),
        "PHOENIX_GRPC_PORT": str(grpc),
        "PHOENIX_TELEMETRY_ENABLED": "false",
        "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
    }
    with _running("phoenix", [str(directory / "bin" / "phoenix"), "serve"], environment, storage):
        yield _answering(f"http://127.0.0.1:{port}", "/healthz", directory, storage / "log")


@contextmanager
def mlflow(directory: Path, storage: Path, *, catalog: Path) -> Iterator[Server]:
    """Run MLflow's server with a model catalog of ours; nothing of it reaches another host."""
    port = _free_port()
    environment = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "1",
        "MLFLOW_MODEL_CATALOG_URI": catalog.resolve().as_uri(),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    command = [
        *(str(directory / "bin" / "mlflow"), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{storage / 'mlflow.db'}"),
        *("--default-artifact-root", str(storage / "artifacts")),
    ]
    with _running("mlflow", command, environment, storage):
        yield _answering(f"http://127.0.0.1:{port}", "/health", directory, storage / "log")


@contextmanager
def _running(name: str, command: Sequence[str], settings: Mapping[str, str], storage: Path) -> Iterator[None]:
    storage.mkdir(parents=True)
    environment = {each: os.environ[each] for each in _KEPT if each in os.environ}
    bin_directory = str(Path(command[0]).parent)
    environment |= {"HOME": str(storage), "PATH": f"{bin_directory}:{environment.get('PATH', '')}", **settings}
    with (storage / "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=storage,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and its workers, which are in its group."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


def _answering(url: str, path: str, directory: Path, log: Path) -> Server:
    until = time.monotonic() + _STARTS_WITHIN_S
    while time.monotonic() < until:
        try:
            if requests.get(url + path, timeout=5).ok:
                return Server(url=url, directory=directory)
        except requests.RequestException:
            pass
        time.sleep(_LOOK_EVERY_S)
    last = log.read_text(errors="replace").strip().splitlines()[-5:]
    raise NotStartedError(f"{directory.name}: timed out after {_STARTS_WITHIN_S:.0f} s: {' | '.join(last)}")


def _free_port() -> int:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])
