"""Every sabotage after the report is refused by `telemetry on` and by the next start, and named."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.audit.selftest.after_report import AFTER_REPORT, AfterReport

from attestation.audits import HOST, KEYS, LIST, NOW, SECRET, Audit, audit, bound_to, officer, pin
from installations import check_a_small_installation, loaded, small_site
from medagent.attestation.amendments import account_replacement, amendment_subjects
from medagent.attestation.officers import Officers
from medagent.attestation.report import Report
from medagent.attestation.statements import said_statement
from medagent.attestation.verify import verify
from medagent.cli.telemetry import on
from medagent.errors import MedagentError
from medagent.proof.dsse import sign
from medagent.runtime import installed
from medagent.runtime.binding import binding
from medagent.runtime.kill_switch import audits, record_votes, switch
from medagent.settings import Settings, load_settings

CONFIGURED = SECRET | {
    "MEDAGENT_ENV": "prod",
    "MEDAGENT_CONSENT": "not_asked",
    "MEDAGENT_CONSENT_BASIS": "treatment",
    "MEDAGENT_DESTINATIONS": "otlp",
    "MEDAGENT_OTLP_ENDPOINT": "https://collector.clinic.example/a",
    "MEDAGENT_OTLP_HEADERS": "x-scope-orgid=clinic",
    "LANGSMITH_API_KEY": "lsv2_clinic",
}
TWO = Officers(all=(*LIST.all, officer("Omar Nobody", "sign_off")))


def signed_go(settings: Settings, sabotage: AfterReport) -> Audit:
    """What the machine and the people signed; a forged report is signed by them all the same."""
    here = bound_to(settings)

    def made(report: Report) -> Report:
        prod = here(report.model_copy(update={"run": report.run.model_copy(update={"env": "prod"})}))
        return prod if sabotage.forge is None else sabotage.forge(prod)

    return (
        audit(made, key=HOST, listed=TWO, began=NOW - timedelta(days=2)).reviewed("Theo Brandt").reviewed("Noor Haddad")
    )


def with_amendment(settings: Settings, whole: Audit, sabotage: AfterReport) -> Audit:
    """Return the audit with the amendment that the sabotage makes and signs."""
    assert sabotage.amends is not None
    here = binding(settings)
    honest = account_replacement(
        whole.report.system, here, "langsmith", officer="Ines Calder", at=NOW, reason="quarterly"
    )
    statement, signer = sabotage.amends(honest, here)
    key = HOST if signer == "machine" else KEYS[signer].signing
    subjects = amendment_subjects(whole.bundle.report_sha256, ())
    return replace(whole, bundle=whole.bundle.amending(sign(said_statement(statement, subjects), key)))


@pytest.mark.parametrize("sabotage", AFTER_REPORT.values(), ids=AFTER_REPORT)
def test_a_sabotage_after_the_report_is_refused_and_named(
    sabotage: AfterReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By `on` and by a start, on a host on which the same GO without it is in force."""
    officers = pin(tmp_path / "officers", TWO)
    site = small_site(tmp_path / "python")
    monkeypatch.setattr(installed, "installed_code", installed.installed_code)
    check_a_small_installation(site, *(loaded(file, file.parent.name) for file in site.root.glob("*/*/__init__.py")))
    for name, value in (CONFIGURED | {"MEDAGENT_OFFICERS": str(officers)}).items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    before = signed_go(settings, sabotage)
    whole = before.signed()
    directory = whole.written(tmp_path / "audit")
    if sabotage.drops_vote:
        record_votes(settings, before.signed("Omar Nobody", "NO-GO").bundle, by="duty")
    elif sabotage.forge is None:
        on(audit=directory, reason=None, override=False)
        assert switch(load_settings()).state().on
    for name, value in sabotage.environment.items():
        monkeypatch.setenv(name, value)
    if sabotage.alter is not None:
        sabotage.alter(site)
    if sabotage.amends is not None:
        changed = with_amendment(load_settings(), whole, sabotage)
        if sabotage.drops_amendment:
            record_votes(settings, changed.bundle, by="duty")
        else:
            whole = changed
            whole.written(directory)
            with pytest.raises(MedagentError, match=sabotage.says):
                verify(whole.bundle, officers=TWO, machine_keys=[HOST.public], directory=directory)
    if sabotage.harm is not None:
        sabotage.harm(settings.home, officers)

    def refused_by_a_start() -> str:
        whole.written(audits(settings) / whole.bundle.report_sha256)
        try:
            host = switch(load_settings())
            state = host.state()
            if state.reason is None or "no signed audit report" in state.reason:
                host.turn_on(report=whole.bundle.report_sha256, by="officer")
                state = host.state()
        except MedagentError as error:
            return str(error)
        assert not state.on
        return str(state.reason)

    assert re.search(sabotage.says, refused_by_a_start())
    with pytest.raises(MedagentError) as refused:
        on(audit=directory, reason=None, override=False)
    assert re.search(sabotage.says, str(refused.value))


def test_every_sabotage_after_the_report_has_a_name_and_a_cause() -> None:
    """As those that the audit itself must find, so that a table can list both."""
    assert len(AFTER_REPORT) >= 21
    assert all(name == one.name and one.breaks and one.says for name, one in AFTER_REPORT.items())
