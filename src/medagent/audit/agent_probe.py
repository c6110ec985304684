"""Reads an agent's tools: `python -m medagent.audit.agent_probe`, what to read on its stdin, one JSON object back."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from medagent.agent.agent_tools import read_agent
from medagent.agent.factory import load_factory
from medagent.audit.agent_subject import AgentSubject
from medagent.errors import MedagentError
from medagent.simulator.network_guard import NetworkGuard


def main() -> int:
    """Answer on the standard output as it was at the start; what the agent's code prints goes to stderr."""
    asked = json.load(sys.stdin)
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answer:
        os.dup2(2, 1)
        try:
            sys.path.insert(0, asked["directory"])
            with NetworkGuard():
                factory = load_factory(asked["factory"])
                schema = read_agent(asked["factory"])
        except MedagentError as error:
            json.dump({"error": str(error), "hint": error.hint}, answer)
            return 0
        subject = AgentSubject(
            text=asked["text"],
            factory=asked["factory"],
            directory=Path(asked["directory"]),
            file=factory.file,
            tools=schema.tools,
            unseen=schema.unseen,
        )
        answer.write(subject.model_dump_json())
    return 0


if __name__ == "__main__":
    sys.exit(main())
