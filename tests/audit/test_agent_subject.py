"""An agent that is audited is read in a process of its own; what cannot be audited is refused before any call."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from medagent.audit.agent_subject import AgentSubject, bound_agent, check_no_agent, read_subject
from medagent.errors import AgentModuleError, AuditError
from medagent.settings import load_settings

ROOT = Path(__file__).parent.parent.parent
DESK = '''
import os, socket, sys
from livekit.agents import Agent, AgentSession, function_tool
from medagent import AgentContext

print("imported in", os.getpid())
try:
    socket.create_connection(("203.0.113.1", 443), timeout=1)
except ConnectionRefusedError:
    pass


class Desk(Agent):
    def __init__(self):
        super().__init__(instructions="x")

    @function_tool
    async def takeNote(self, note: str) -> dict[str, str]:
        """Take a note."""
        return {}


def factory(ctx: AgentContext):
    return AgentSession(llm=ctx.realtime), Desk()
'''


@pytest.mark.timing
def test_agent_is_read_in_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its module prints, with the declared names; this process has none of its code."""
    (tmp_path / "desk_of_mine.py").write_text(DESK)
    monkeypatch.chdir(tmp_path)
    subject = read_subject("desk_of_mine.py:factory", load_settings(MEDAGENT_HOME=tmp_path))
    assert [(tool.name, tool.span) for tool in subject.tools] == [("takeNote", "tool.take_note")]
    assert subject.file == tmp_path / "desk_of_mine.py"
    assert subject.factory == f"{tmp_path}/desk_of_mine.py:factory"
    assert len(subject.unseen) == 1
    assert "desk_of_mine" not in sys.modules


@pytest.mark.timing
def test_module_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """As every other command names it."""
    with pytest.raises(AgentModuleError, match=r"no_such\.desk"):
        read_subject("no_such.desk:factory", load_settings(MEDAGENT_HOME=tmp_path))


def subject(tmp_path: Path) -> AgentSubject:
    (tmp_path / "desk").mkdir()
    (tmp_path / "desk" / "line.py").write_text("")
    file = tmp_path / "desk" / "line.py"
    return AgentSubject(text="x:y", factory="x:y", directory=tmp_path, file=file, tools=(), unseen=())


def test_report_is_bound_to_the_factorys_file_or_to_the_one_that_traces_beside_it(tmp_path: Path) -> None:
    """One of another directory is another agent."""
    one = subject(tmp_path)
    assert bound_agent(one, load_settings(MEDAGENT_HOME=tmp_path)).agent_path == one.file
    beside = one.file.with_name("main.py")
    assert bound_agent(one, load_settings(MEDAGENT_HOME=tmp_path, MEDAGENT_AGENT=str(beside))).agent_path == beside
    with pytest.raises(AuditError, match="MEDAGENT_AGENT: of another directory"):
        bound_agent(one, load_settings(MEDAGENT_HOME=tmp_path, MEDAGENT_AGENT=str(tmp_path / "main.py")))


def test_receptionist_is_not_played_for_another_agent(tmp_path: Path) -> None:
    """Its GO would allow telemetry of an agent that was never heard."""
    check_no_agent(load_settings(MEDAGENT_HOME=tmp_path))
    with pytest.raises(AuditError, match="expected --agent"):
        check_no_agent(load_settings(MEDAGENT_HOME=tmp_path, MEDAGENT_AGENT=__file__))


BLOCKED = """
import sys
sys.modules[sys.argv.pop(1)] = None
from medagent.cli import main
main()
"""


@pytest.mark.parametrize("module", ["jinja2", "typst"])
def test_missing_part_of_the_extra_is_named_before_the_calls(module: str, tmp_path: Path) -> None:
    """In two lines that say what to install, in any directory."""
    command = [sys.executable, "-c", BLOCKED, module, "audit", "run"]
    ran = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "MEDAGENT_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert ran.stderr.splitlines() == [
        f"medagent: {module}: not installed, expected the extra 'audit'",
        "pip install 'medagent[audit]'",
    ]
    assert list(tmp_path.iterdir()) == []
