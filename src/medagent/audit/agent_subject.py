"""The agent under audit, read in a process of its own: none of its code runs in the auditor's."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from medagent.agent.agent_schema import AgentSchema, ToolSchema, Unseen
from medagent.attestation.agent_files import agent_root
from medagent.errors import AgentModuleError, AuditError
from medagent.settings import Settings

_READ_WITHIN_S = 120.0
_AS_SET = "MEDAGENT_AGENT"


class AgentSubject(BaseModel):
    """An agent and its tools, as `policy lint --agent` sees them.

    Attributes:
        text: Name as it was given, such as `module:factory`.
        factory: The same for a process that runs elsewhere: a file's path is absolute.
        directory: Directory in which a module's name was given; it is on the path of the audited process.
        file: File of the factory's module.
        tools: Tools that it declares.
        unseen: Parts of it that could not be seen.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str
    factory: str
    directory: Path
    file: Path
    tools: tuple[ToolSchema, ...]
    unseen: tuple[Unseen, ...]

    @property
    def schema_(self) -> AgentSchema:
        """Its schema."""
        return AgentSchema(tools=self.tools, unseen=self.unseen)

    def declared(self) -> tuple[ToolSchema, ...]:
        """Return its tools by span, each once."""
        return tuple(self.schema_.by_span().values())


def read_subject(text: str, settings: Settings) -> AgentSubject:
    """Read an agent in a child process.

    Args:
        text: `module:factory` or `path/to/file.py:factory`.
        settings: What the child inherits of the environment: paths and locale.

    Raises:
        AgentModuleError: The module or its factory is not usable.
        AuditError: The child did not answer.
    """
    place, colon, name = text.rpartition(":")
    if not colon:
        place, name = text, ""
    is_file = place.endswith(".py") or "/" in place
    factory = f"{Path(place).absolute()}{colon}{name}" if is_file else text
    asked = {"text": text, "factory": factory, "directory": str(Path.cwd())}
    try:
        ran = subprocess.run(
            [sys.executable, "-m", "medagent.audit.agent_probe"],
            input=json.dumps(asked).encode(),
            capture_output=True,
            env=settings.child_environment(PYTHONDONTWRITEBYTECODE="1"),
            check=False,
            timeout=_READ_WITHIN_S,
        )
        told = json.loads(ran.stdout)
        if "error" in told:
            raise AgentModuleError(told["error"], hint=told["hint"])
        return AgentSubject.model_validate(told)
    except (subprocess.TimeoutExpired, ValueError, ValidationError) as error:
        raise AuditError(
            f"{text}: its tools could not be read ({type(error).__name__}), expected a module with a factory",
            hint=f"medagent policy lint --agent {text}",
        ) from None


def bound_agent(subject: AgentSubject, settings: Settings) -> Settings:
    """Return the settings with the agent to which the report is bound.

    `MEDAGENT_AGENT`, the file that calls `trace_call`, stays where it is of the same package or directory.

    Raises:
        AuditError: It is of another one: a GO would be of an agent that was not played.
    """
    if settings.agent_path is None:
        return settings.model_copy(update={"agent_path": subject.file})
    if agent_root(settings.agent_path) != agent_root(subject.file):
        raise AuditError(
            f"{_AS_SET}: of another directory than {subject.text}, expected the agent that is audited",
            hint=f"set {_AS_SET}={subject.file}, or unset it",
        )
    return settings


def check_no_agent(settings: Settings) -> None:
    """Raise `AuditError` where a GO would be bound to an agent that is not played."""
    if settings.agent_path is not None:
        raise AuditError(
            f"{_AS_SET}: set, and the audit would play the packaged receptionist, expected --agent",
            hint=f"medagent audit run --agent module:factory, or unset {_AS_SET}",
        )
