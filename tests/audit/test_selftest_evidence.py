"""Every sabotage of the evidence is refused by `verify`, by `telemetry on` and by the next start, and named."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
from tests.audit.selftest.evidence import EVIDENCE, EvidenceSabotage

from attestation.audits import HOST, NOW, SECRET, Audit, audit, bound_to, pin
from medagent.attestation.allowance import allowed
from medagent.attestation.report import Report
from medagent.attestation.verify import verify
from medagent.cli.telemetry import on
from medagent.errors import MedagentError
from medagent.runtime.binding import binding
from medagent.runtime.kill_switch import audited, audits, officers
from medagent.settings import Settings, load_settings

CONFIGURED = SECRET | {
    "MEDAGENT_ENV": "prod",
    "MEDAGENT_CONSENT": "not_asked",
    "MEDAGENT_CONSENT_BASIS": "treatment",
    "LANGSMITH_API_KEY": "lsv2_clinic",
}


def signed(settings: Settings, sabotage: EvidenceSabotage | None) -> Audit:
    """A GO in prod for what runs here, or the same with the sabotage; people sign either."""
    here = bound_to(settings)

    def made(report: Report) -> Report:
        bound = here(report.model_copy(update={"run": report.run.model_copy(update={"env": "prod"})}))
        return bound if sabotage is None or sabotage.forge is None else sabotage.forge(bound)

    begun = audit(made, key=HOST, began=NOW - timedelta(days=2)).reviewed("Theo Brandt")
    if sabotage is None:
        return begun.reviewed("Noor Haddad").signed()
    return sabotage.after(sabotage.reviewed(begun).signed())


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in (CONFIGURED | {"MEDAGENT_OFFICERS": str(pin(tmp_path / "officers"))}).items():
        monkeypatch.setenv(name, value)
    return load_settings()


def refusals(settings: Settings, made: Audit, directory: Path) -> dict[str, str]:
    """What each of the three says against it; empty where it is taken."""
    found: dict[str, str] = {}
    made.written(directory)
    made.written(audits(settings) / made.bundle.report_sha256)
    try:
        verified = verify(made.bundle, officers=officers(settings), machine_keys=[HOST.public], directory=directory)
        if verified.signed.conclusion != "GO":
            found["verify"] = "; ".join(verified.signed.why)
        allowed(verified, binding=binding(settings), env="prod", officers=officers(settings), days=settings.go_days)
    except MedagentError as error:
        found.setdefault("verify", str(error))
    try:
        on(audit=directory, reason=None, override=False)
    except MedagentError as error:
        found["on"] = str(error)
    try:
        audited(settings, made.bundle.report_sha256)
    except MedagentError as error:
        found["start"] = str(error)
    return found


def test_control_is_a_go(settings: Settings, tmp_path: Path) -> None:
    assert refusals(settings, signed(settings, None), tmp_path / "audit") == {}


@pytest.mark.parametrize("name", EVIDENCE)
def test_sabotage_of_the_evidence_is_refused_and_named(name: str, settings: Settings, tmp_path: Path) -> None:
    found = refusals(settings, signed(settings, EVIDENCE[name]), tmp_path / "audit")
    assert found.keys() == {"verify", "on", "start"}
    for said in found.values():
        assert re.search(EVIDENCE[name].says, said), said
