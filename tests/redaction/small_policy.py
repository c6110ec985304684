"""A policy that is small enough to be read at a glance, and the way to vary it."""

from __future__ import annotations

from pathlib import Path

from medagent.redaction import Policy
from medagent.redaction.loading import load_policy

SMALL = """\
name: small
version: 0.1.0
fields:
  phone: {action: REDACT, category: phone, safe_harbor: D}
  dob: {action: DROP, category: date_of_birth, safe_harbor: C}
  staff: {action: KEEP, category: staff, shape: {roster: doctors}, why: Staff is public.}
spans:
  tool.*:
    notes: {action: TRUNCATE, category: health_text, max: 50}
    ok: {action: KEEP, category: machine, shape: boolean, why: Yes or no.}
  tool.call_back:
    arguments: fields
  user_turn:
    index: {action: KEEP, category: measurement, shape: {number: {min: 0, max: 9}}, why: A count.}
examples:
  - name: the number goes
    span: tool.call_back
    fields: {arguments: {phone: "555-0142", dob: "1982-03-14"}}
    expect: {arguments: {phone: <REDACTED>}}
"""


def in_files(directory: Path, **texts: str) -> Policy:
    """The first of these policies, in a directory with all of them."""
    for name, text in texts.items():
        (directory / f"{name}.yaml").write_text(text, "utf-8")
    return load_policy(directory / f"{next(iter(texts))}.yaml")
