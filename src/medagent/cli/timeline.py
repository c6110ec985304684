"""A call as it happens: who speaks, which tool works, how long the caller waits."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from medagent.simulator.scenario import Scenario

_WHO = {"line": "bright_black", "agent": "cyan", "caller": "magenta", "tool": "green", "wait": "bright_black"}


class Timeline:
    """Prints a line when something happens and shows what goes on at this moment below it.

    The caller's words come from the scenario's file, never from telemetry; of a tool its name and time are shown.
    """

    def __init__(self, out: Console, script: Scenario, *, pace: float, quiet: bool, is_clinic: bool = True) -> None:
        self.out = out
        self._is_clinic = is_clinic
        self._script = script
        self._pace = pace
        self._quiet = quiet
        self._began = time.monotonic()
        self._stopped: float | None = None
        self._at_work: dict[str, tuple[str, float]] = {}
        self._live = Live(console=out, refresh_per_second=8, transient=True)

    def __enter__(self) -> Self:
        """Begin to show."""
        if not self._quiet:
            self.out.print(Text(f"{self._script.name}: {self._script.description}", style="bold"))
            who = "patient" if self._is_clinic else "caller"
            self.out.print(
                f"The {who} is invented and the model scripted; all else is real. The words are the scenario's own.",
                style="bright_black",
            )
            if self.out.is_terminal:
                self._live.start()
            self._now("setting up the line")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop showing."""
        self._live.stop()

    def rings(self) -> None:
        """The line opens: the clock begins here."""
        self._began = time.monotonic()
        self._say("line", "rings")

    def event(self, kind: str, detail: str) -> None:
        """Something that the caller does or hears."""
        match kind:
            case "caller_speaks":
                self._say("caller", f"“{detail}”")
                self._now("the caller speaks")
            case "caller_stops":
                self._stopped = time.monotonic()
                self._now("the caller waits")
            case "agent_audio_starts":
                waited = "" if self._stopped is None else f", the caller waited {self._waited():.2f} s"
                self._stopped = None
                self._say("agent", f"speaks{waited}")
                self._now("the agent speaks")
            case "agent_audio_stops":
                self._now("the agent is quiet")
            case "hangs_up":
                ended = {"done": "hangs up", "cut off": "is cut off"}
                self._say("caller", ended.get(detail, f"hangs up ({detail})"))
                self._now("sealing and delivering the trace")

    def tool(self, call_id: str, name: str | None, status: str | None) -> None:
        """A tool starts, with its name, or ends, with its status."""
        if name is not None:
            self._at_work[call_id] = (name, time.monotonic())
            self._now(f"the clinic's system: {name}" if self._is_clinic else f"the tool {name}")
        elif call_id in self._at_work:
            name, began = self._at_work.pop(call_id)
            self._say("tool", f"{name}: {status}, {(time.monotonic() - began) * 1000:.0f} ms")

    def _waited(self) -> float:
        return 0.0 if self._stopped is None else (time.monotonic() - self._stopped) * self._pace

    def _say(self, who: str, what: str) -> None:
        if not self._quiet:
            at = (time.monotonic() - self._began) * self._pace
            line = Text.assemble((f"{at:6.1f} s  ", "bright_black"), (f"{who:<7}", _WHO[who]), what)
            self.out.print(line)

    def _now(self, doing: str) -> None:
        if not self._quiet:
            self._live.update(Spinner("dots", Text(doing, style="bright_black")))
