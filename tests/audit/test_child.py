"""The audited process as the auditor holds it: one that dies or hangs ends the audit with a word, not in silence."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from medagent.audit.child import Rooms, run_line
from medagent.audit.line import Spec
from medagent.errors import AuditError
from medagent.settings import load_settings


def run(rooms: Rooms, **variables: str) -> None:
    spec = Spec(
        settings=variables,
        roles=(),
        pace=1,
        seed=1,
        calls=1,
        per_kind=1,
        day=date(2026, 11, 21),
        deleted=rooms.deleted,
        report_fd=-1,
    )
    run_line(spec, rooms=rooms, settings=load_settings(), name="line", on_line=lambda _: None)


def test_a_line_that_dies_is_said_with_its_error(tmp_path: Path) -> None:
    """The real process, given a policy that is not there."""
    with pytest.raises(AuditError, match=r"the audited line died with 1 \(.*Error\)"):
        run(Rooms.made(tmp_path), MEDAGENT_POLICY="nobody-wrote-this")


def test_a_line_that_hangs_is_killed_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that says nothing is not waited for until the officer gives up."""
    hung = tmp_path / "python"
    hung.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 600\n")
    hung.chmod(0o700)
    monkeypatch.setattr("medagent.audit.child._SILENT_S", 1.0)
    monkeypatch.setattr("sys.executable", str(hung))
    with pytest.raises(AuditError, match="the audited line hangs: no word of it for 1 s"):
        run(Rooms.made(tmp_path / "rooms"))
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}").exists()
