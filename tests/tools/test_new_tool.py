"""A new tool needs its own file, a line in `TOOLS`, its fields in the policy and its test: nothing else."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import Field

from medagent.agent.clinic_agent import ClinicAgent
from medagent.clinic import Clinic
from medagent.outcomes import outcomes_of
from medagent.redaction import KnownValues, Redactor
from medagent.redaction.loading import load_policy
from medagent.redaction.review import unnamed
from medagent.tools import TOOLS, Tool, invoke
from medagent.tools.fields import Phone
from medagent.tools.interface import COMMON_FIELDS, Answer, Arguments
from tape import Tape


class SendReminder(Arguments):
    """Whom to remind."""

    phone: Phone = Field(description="The phone number to remind.")


def _run(_clinic: Clinic, _arguments: SendReminder, _now: datetime) -> Answer:
    return {"sent": True}


SEND_REMINDER = Tool(
    name="send_reminder",
    description="Send a reminder of an appointment by text message.",
    outcome="reminded",
    changes=True,
    arguments=SendReminder,
    result_fields=(*COMMON_FIELDS, "sent"),
    run=_run,
)
POLICY = """
name: with-reminders
version: 1.0.0
extends: clinic
outcomes:
  send_reminder: {outcome: reminded, changes: true}
spans:
  tool.send_reminder:
    result.sent: {action: KEEP, category: measurement, shape: boolean, why: Tells success from failure.}
    result.alternatives: {action: DROP, category: appointment}
"""


def test_a_new_tool_is_traced_by_its_declaration_and_its_policy(clinic: Clinic, now: datetime, tmp_path: Path) -> None:
    """The agent offers it, its span is redacted by its rules, its name and its outcome stand at the call's end."""
    path = tmp_path / "with-reminders.yaml"
    path.write_text(POLICY)
    policy = load_policy(path)
    tools: tuple[Tool[Any], ...] = (*TOOLS, SEND_REMINDER)
    agent = ClinicAgent(clinic, name="Lakeside", now=lambda: now, tools=tools)
    assert "send_reminder" in [one.info.name for one in agent.tools]  # type: ignore[union-attr]
    assert not unnamed(policy, "tool.send_reminder", SEND_REMINDER.field_paths)

    answer = invoke(SEND_REMINDER, {"phone": "312 555 0142"}, clinic=clinic, now=now)
    tape = Tape(outcomes=outcomes_of(tools)).answers("r1", 0, 100, 200)
    tape.uses("t1", "send_reminder", json.dumps(answer), 300).ends(900)

    redactor = Redactor(policy)
    [tool], [end] = tape.spans("tool.send_reminder"), tape.spans("session.end")
    told = redactor.redact(tool, KnownValues())
    assert (told.name, told.fields["result"]) == ("tool.send_reminder", {"outcome": "ok", "sent": True})
    totals = redactor.redact(end, KnownValues()).fields
    assert totals["outcome"] == "reminded"
    assert [one["name"] for one in totals["tools"]] == ["send_reminder"]  # type: ignore[index, union-attr, call-overload]
