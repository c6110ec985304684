import shutil
from pathlib import Path

from ledgers import KEY, TRUSTED
from medagent.telemetry.ledger import KINDS, Ledger, verify

BEFORE = Path(__file__).parent / "before" / "ledger.jsonl"
"""Written by the code before `identity_checks_failed` was a kind: an entry of each kind that there was."""


def test_a_ledger_of_before_goes_on_with_a_new_kind(tmp_path: Path) -> None:
    """All that it holds still verifies, and an entry of the new kind hangs on its last one."""
    path = tmp_path / "ledger.jsonl"
    shutil.copy(BEFORE, path)
    path.chmod(0o600)
    before = verify(path, TRUSTED)
    assert "identity_checks_failed" not in before.kinds
    assert set(before.kinds) <= set(KINDS)
    Ledger(path, KEY).append("identity_checks_failed", {"scope": "record", "failures": 5, "hours": 24})
    after = verify(path, TRUSTED)
    assert after.kinds["identity_checks_failed"] == 1
    assert all(after.kinds[kind] == count for kind, count in before.kinds.items())
    assert path.read_bytes().startswith(BEFORE.read_bytes())
