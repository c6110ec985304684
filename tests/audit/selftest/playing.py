"""One run of the unmodified `medagent audit run` over a system that is broken, or over one that is not."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.audit.selftest.hook import SITE
from tests.audit.selftest.sabotage import Sabotage

from medagent.settings import load_settings

_ROOT = Path(__file__).resolve().parents[3]
_WEEK5 = _ROOT / "audits" / "week5.yaml"
_AGENT = _ROOT / "audits" / "agent.yaml"
_CLINIC = _ROOT / "policies" / "clinic.yaml"
_REFILL_LINE = _ROOT / "examples" / "refill-line.yaml"
_AUDIT = "from medagent.cli import main; main()"
_LONGEST_S = {False: 400.0, True: 900.0}  # those at the pace of life last longer
_LONGEST_OF_AGENT_S = 600.0
_PACE = 20
_SHARED = Path("/dev/shm")  # where one of the sabotages leaves something
_SHORT = {
    "name: week5": "name: selftest",
    "calls: 10": "calls: {calls}",
    "call_seconds: 300": "call_seconds: {seconds}",
    "pace: 1": "pace: {pace}",
    "scenarios: all": "scenarios: [{scenarios}]",
    "sample: 10": "sample: 1",
    "planted_copies: 4": "planted_copies: 0",
}
"""The week-5 protocol, made short; its thresholds are the same."""
CONTROL = Sabotage(name="control", breaks="nothing is broken", causes=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What the audit said of it: its verdict (None: it came to none), its causes, and how long it took in seconds."""

    sabotage: Sabotage
    verdict: str | None
    causes: tuple[str, ...]
    seconds: float
    seed: int | None = None
    """The one that it was played with: what a run found is found again with it."""
    trouble: str = ""
    """Why the run itself proves nothing, if so."""

    @property
    def cause(self) -> str | None:
        """The cause of the verdict that matches the sabotage."""
        return next((one for one in self.causes for pattern in self.sabotage.causes if re.match(pattern, one)), None)

    @property
    def is_right(self) -> bool:
        """Whether the sabotage was found and named; of the control, whether nothing was."""
        if self.trouble:
            return False
        if self.sabotage is CONTROL:
            return self.verdict == "CLEAN"
        return self.verdict in ("NOT CLEAN", "NO-GO") and self.cause is not None

    def told(self) -> str:
        """One line: the sabotage and what was said of it."""
        if self.trouble:
            return f"{self.sabotage.name}: {self.trouble}"
        causes = "; ".join(self.causes) or "no cause"
        if self.sabotage is CONTROL:
            return f"{self.verdict} {self.sabotage.name}" + ("" if self.is_right else f" (seed {self.seed}): {causes}")
        if self.verdict in ("NOT CLEAN", "NO-GO"):
            return f"NO-GO {self.sabotage.name}: {self.cause or f'not named; said was {causes}'}"
        return f"{self.verdict} {self.sabotage.name}: it was not found (seed {self.seed})"


def play(sabotage: Sabotage, room: Path, *, seed: int) -> Played:
    """Run the audit once in `room`, an empty directory, beneath an interpreter that breaks the audited processes."""
    site, out, witness = room / "site", room / "out", room / "witness"
    for path in (site, room / "tmp", room / "home"):
        path.mkdir()
    is_control, longest = (
        sabotage is CONTROL,
        _LONGEST_S[sabotage.timed] if sabotage.agent is None else _LONGEST_OF_AGENT_S,
    )
    if not is_control and sabotage.alterations:
        text = SITE.format(root=str(_ROOT), name=sabotage.name, witness=str(witness))
        (site / "sitecustomize.py").write_text(text)
    began = time.monotonic()
    try:
        arguments = [str(_protocol(sabotage, room)), "--json", "--seed", str(seed), "--out", str(out)]
        arguments += ["--agent", sabotage.agent] if sabotage.agent else []
        auditor = subprocess.Popen(
            [sys.executable, "-c", _AUDIT, "audit", "run", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=room,
            env=_environment(sabotage, room, site),
        )
        printed, complained = auditor.communicate(timeout=longest)
    except subprocess.TimeoutExpired:
        auditor.kill()
        auditor.communicate()
        return Played(sabotage=sabotage, verdict=None, causes=(), seconds=longest, trouble="it took too long")
    finally:
        for path in _SHARED.glob("medagent-selftest-*"):
            path.unlink(missing_ok=True)
    seconds = time.monotonic() - began
    try:
        said = json.loads(printed.splitlines()[-1])
    except (IndexError, ValueError):
        last = (complained.strip().splitlines() or ["it said nothing"])[-1]
        return Played(sabotage=sabotage, verdict=None, causes=(), seconds=seconds, trouble=f"no verdict: {last}")
    altered = [line.split() for line in witness.read_text().splitlines()] if witness.exists() else []
    return Played(
        sabotage=sabotage,
        verdict=said["verdict"],
        causes=tuple(said["causes"]),
        seconds=seconds,
        seed=seed,
        trouble=_trouble(sabotage, altered, auditor.pid, auditor.returncode, said["verdict"]),
    )


def _trouble(sabotage: Sabotage, altered: Sequence[Sequence[str]], auditor: int, code: int, verdict: str) -> str:
    missing = set(sabotage.alterations) - {module for _, module in altered}
    if missing:
        return f"{', '.join(sorted(missing))} was not altered: this sabotage breaks nothing any more"
    if any(int(pid) == auditor for pid, _ in altered):
        return "the auditor's own process was altered"
    if (code == 0) != (verdict in ("CLEAN", "GO")):
        return f"{verdict} and exit code {code} do not fit"
    return ""


def _protocol(sabotage: Sabotage, room: Path) -> Path:
    if sabotage.agent:
        return _AGENT
    text = _WEEK5.read_text()
    values = {
        "calls": 2 if sabotage.timed else 1,
        "seconds": 10 if sabotage.timed else 30,
        "pace": 1 if sabotage.timed else _PACE,
        "scenarios": ", ".join(sabotage.scenarios),
    }
    for old, new in _SHORT.items():
        assert f"\n{old}" in text, old
        text = text.replace(f"\n{old}", "\n" + new.format(**values))
    path = room / "protocol.yaml"
    path.write_text(text)
    return path


def _environment(sabotage: Sabotage, room: Path, site: Path) -> dict[str, str]:
    own = {"MEDAGENT_HOME": str(room / "home"), "TMPDIR": str(room / "tmp"), "PYTHONPATH": str(site)}
    theirs = _CLINIC
    if sabotage.agent:
        theirs = _REFILL_LINE
        own |= {"PYTHONPATH": f"{site}{os.pathsep}{_ROOT}", "MEDAGENT_POLICY": str(theirs)}
    if sabotage.policy is not None:
        policy = room / "policy.yaml"
        policy.write_text(sabotage.policy(theirs.read_text()))
        own["MEDAGENT_POLICY"] = str(policy)
    return load_settings().child_environment(**own)


def play_in(directory: Path, sabotage: Sabotage, *, seed: int) -> Played:
    """The same in a room of its own below a directory, which is emptied afterwards."""
    room = directory / sabotage.name
    room.mkdir()
    try:
        return play(sabotage, room, seed=seed)
    finally:
        shutil.rmtree(room, ignore_errors=True)


def wrong(played: Iterable[Played]) -> list[Played]:
    """Those that prove that the audit cannot fail as it should."""
    return [one for one in played if not one.is_right]
