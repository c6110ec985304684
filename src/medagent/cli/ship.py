"""`medagent ship`: delivers what waits in the outbox, apart from any call's process."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from medagent.cli.output import console, print_json, print_switch
from medagent.errors import OutboxUnavailableError
from medagent.proof import Json
from medagent.runtime.exports import delivery, exporters
from medagent.runtime.host import redactor, spool_path
from medagent.runtime.identity import identity
from medagent.runtime.kill_switch import switch, switch_message
from medagent.runtime.service_lock import ServiceLocks, ServiceRole
from medagent.settings import load_settings
from medagent.telemetry.delivery import Delivery
from medagent.telemetry.failures import Failure
from medagent.telemetry.gates import ExportGate
from medagent.telemetry.outbox import OutboxStatus

_LOOK_EVERY_S = 0.5
_LOOK_FOR_SIGNAL_EVERY_S = 0.05
_STOP_WITHIN_S = 3.0


def ship(
    follow: Annotated[bool, typer.Option("--follow", help="Go on until it is stopped.")] = False,
    wait: Annotated[
        float, typer.Option(min=0, help="How many seconds a destination may take; not with --follow.")
    ] = 60,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, whenever a count changes.")] = False,
) -> None:
    """Deliver what waits, what a dead process left too; exit code 1 where something still waits or was set aside.

    With --follow it is the host's export service, as with MEDAGENT_EXPORT_SERVICE=external.
    """
    settings = load_settings()
    kill_switch = switch(settings)
    role = ServiceRole(ServiceLocks(spool_path(settings)), identity(settings))
    if not role.is_held():
        console(stderr=True).print("an export service runs on this host: what jobs store is read by it", style="dim")
    line = delivery(
        settings,
        exporters(settings, gate=ExportGate(kill_switch)),
        kill_switch,
        redactor(settings),
        reads_living=role.is_held,
    )
    stop = _Stop()
    shown = _Lines() if as_json else _Bars()
    line.start()
    try:
        with shown:
            try:
                line.importer.look()
                line.recovery.look()
            except OutboxUnavailableError as error:
                shown.say(str(error))
            lacking = _until_delivered(line, shown, stop, None if follow else time.monotonic() + wait)
    finally:
        line.stop(_STOP_WITHIN_S)
        role.release()
    print_switch(switch_message(settings), to=console(stderr=True))
    if lacking and not (follow and stop.is_asked):
        raise typer.Exit(1)


class _Stop:
    """Stop request by SIGTERM or SIGINT; the handler takes no lock, since the main thread may hold it."""

    def __init__(self) -> None:
        self.is_asked = False
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self._ask)

    def wait(self, timeout_s: float) -> bool:
        """Wait for a signal and return whether one was received."""
        deadline = time.monotonic() + timeout_s
        while not self.is_asked and time.monotonic() < deadline:
            time.sleep(_LOOK_FOR_SIGNAL_EVERY_S)
        return self.is_asked

    def _ask(self, *_: object) -> None:
        self.is_asked = True


def _until_delivered(line: Delivery, shown: _Lines | _Bars, stop: _Stop, deadline: float | None) -> bool:
    """Show how it goes until it is done; whether something still waits or was set aside."""
    lacking = True
    while True:
        try:
            status = line.outbox.status()
        except OutboxUnavailableError as error:
            shown.say(str(error))
        else:
            shown.update(status, {one.name: one.delivered for one in line.shippers})
            waits = [one.name for one in line.shippers if status.due.get(one.name)]
            lacking = bool(waits or status.set_aside)
            if deadline is not None and not any(_can_go(status, name, deadline) for name in waits):
                return lacking
        if stop.wait(_LOOK_EVERY_S) or (deadline is not None and time.monotonic() > deadline):
            return lacking


def _can_go(status: OutboxStatus, name: str, deadline: float) -> bool:
    """Whether waiting for a destination may still help."""
    return time.monotonic() + status.paused_s.get(name, 0.0) < deadline


class _Bars:
    """A line for each destination on a terminal."""

    def __init__(self) -> None:
        columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, TextColumn("{task.fields[says]}"), console=console())
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> _Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def say(self, words: str) -> None:
        self._progress.console.print(words, style="red")

    def update(self, status: OutboxStatus, delivered: Mapping[str, int]) -> None:
        for name, count in delivered.items():
            if name not in self._tasks:
                self._tasks[name] = self._progress.add_task(name, total=None, says="")
            aside = f"{status.set_aside[name]} set aside" if name in status.set_aside else ""
            stored = status.last_errors.get(name)
            says = aside or ("" if stored is None else Failure.read(stored).explain(name).cause)
            total = count + status.due.get(name, 0)
            self._progress.update(self._tasks[name], completed=count, total=total, says=says)


class _Lines:
    """A JSON line for each destination whenever its counts change."""

    def __init__(self) -> None:
        self._said: dict[str, tuple[int, int, int]] = {}

    def __enter__(self) -> _Lines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def say(self, words: str) -> None:
        print_json([{"error": words}])

    def update(self, status: OutboxStatus, delivered: Mapping[str, int]) -> None:
        for name, count in delivered.items():
            counts = (count, status.due.get(name, 0), status.set_aside.get(name, 0))
            if self._said.get(name) != counts:
                self._said[name] = counts
                about: dict[str, Json] = {
                    "destination": name,
                    "delivered": counts[0],
                    "due": counts[1],
                    "set_aside": counts[2],
                }
                stored = status.last_errors.get(name)
                error = None if stored is None else Failure.read(stored).explain(name).document()
                print_json([{**about, "last_error": error}])
