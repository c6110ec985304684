"""A person's `--reason`, which ledger and reports keep for six years, without what the text layers find."""

from __future__ import annotations

import re

from medagent.cli.output import console
from medagent.redaction.policy import TextMode
from medagent.redaction.text import KnownValues, scrub
from medagent.telemetry.ledger import reason_problem

_TICKET = re.compile(r"(?<![\w-])(?:OPS|INC|CHG|REQ|TASK|BUG|JIRA|SEC|SRE|DEV|PROD|PRB|RFC)-?[0-9]{1,6}(?![\w-])")


def recorded_reason(text: str) -> str:
    """Return a reason as it is recorded, and print it on stderr where words were taken out.

    Ticket numbers stay. A reason that may not be recorded at all is returned as it is: the recorder refuses or
    withholds it.
    """
    if reason_problem(text):
        return text
    kept, tickets = [_scrubbed(part) for part in _TICKET.split(text)], _TICKET.findall(text)
    made = "".join(part + ticket for part, ticket in zip(kept, [*tickets, ""], strict=True))
    if made != text:
        console(stderr=True).print(f"the reason is recorded as: {made}", markup=False, soft_wrap=True)
    return made


def _scrubbed(part: str) -> str:
    """A part's words under all layers; space around them and punctuation are no text."""
    return scrub(part, KnownValues(), mode=TextMode.VOCABULARY).text if any(map(str.isalnum, part)) else part
