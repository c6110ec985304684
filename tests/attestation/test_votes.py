"""A vote cannot be taken out: the ledger keeps each statement, and a bundle that lacks one allows nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.audits import HOST, KEYS, LIST, SECRET, Audit, audit, bound_to, later, officer, pin
from command import medagent
from medagent.attestation.ballots import ballots, check_none_missing
from medagent.attestation.bundle import Bundle
from medagent.attestation.officers import Officers
from medagent.attestation.statements import sha256_of
from medagent.cli.telemetry import on
from medagent.errors import AttestationError, MedagentError
from medagent.proof.dsse import Envelope
from medagent.runtime.host import ledger_path
from medagent.runtime.kill_switch import audited, audits, check_votes, record_votes
from medagent.settings import Settings, load_settings
from medagent.telemetry.ledger import Vote, votes

TWO = Officers(all=(*LIST.all, officer("Omar Nobody", "sign_off")))


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A host with keys of its own; two people of its list may sign off."""
    for name, value in (SECRET | {"MEDAGENT_OFFICERS": str(pin(tmp_path / "officers", TWO))}).items():
        monkeypatch.setenv(name, value)
    return load_settings()


def reviewed(settings: Settings) -> Audit:
    return audit(bound_to(settings), key=HOST, listed=TWO).reviewed("Theo Brandt").reviewed("Noor Haddad")


def test_a_dropped_no_go_is_noticed_by_on_and_every_start(host: Settings, tmp_path: Path) -> None:
    """Two sign off, one NO-GO: once this host saw it, the bundle without it is refused, however it comes."""
    both = reviewed(host).signed(decision="NO-GO").signed("Omar Nobody")
    without = replace(both, bundle=replace(both.bundle, sign_offs=()))
    alone = without.signed("Omar Nobody")
    check_votes(host, alone.bundle)
    record_votes(host, both.bundle, by="duty")
    with pytest.raises(AttestationError, match="missing from the bundle; the ledger knows it: sign_off NO-GO"):
        check_votes(host, alone.bundle)
    directory = alone.written(tmp_path / "audit")
    with pytest.raises(AttestationError, match="the ledger knows it"):
        on(audit=directory, reason=None, override=False)
    alone.written(audits(host) / alone.bundle.report_sha256)
    with pytest.raises(AttestationError, match="the ledger knows it"):
        audited(host, alone.bundle.report_sha256)


@pytest.mark.timing
def test_verify_and_a_refused_on_record_what_they_see(host: Settings, tmp_path: Path) -> None:
    """A host that was shown a NO-GO once remembers it; a host without a key of its own keeps no ledger."""
    both = reviewed(host).signed(decision="NO-GO").signed("Omar Nobody")
    directory = both.written(tmp_path / "audit")
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "machine.pem").write_text(HOST.public.pem)
    words = ("audit", "verify", str(directory), "--machine-key", str(tmp_path / "machine.pem"))
    unset = {"MEDAGENT_SIGNING_KEY": "", "MEDAGENT_PSEUDONYM_KEY": ""}
    assert medagent(*words, home=elsewhere, **unset).code == 0
    assert not elsewhere.exists()
    with pytest.raises(MedagentError):
        on(audit=directory, reason=None, override=False)
    known = list(votes(ledger_path(host), both.bundle.report_sha256))
    assert sorted((one.role, one.decision) for one in known) == [
        ("reviewer", "leak"),
        ("reviewer", "leak"),
        ("sign_off", "GO"),
        ("sign_off", "NO-GO"),
    ]
    done = medagent(*words, home=host.home)
    assert (done.code, "Ines Calder signed NO-GO" in done.out) == (0, True)
    assert list(votes(ledger_path(host), both.bundle.report_sha256)) == known


def test_who_signs_again_replaces_their_own_sign_off(host: Settings) -> None:
    """The later decision of one person counts; an earlier one that is shown again does not."""
    before = reviewed(host)
    go, no_go, again = (before.signed(decision=decision) for decision in ("GO", "NO-GO", "GO"))
    record_votes(host, no_go.bundle, by="duty")
    with pytest.raises(AttestationError, match="the ledger knows it"):
        check_votes(host, go.bundle)
    record_votes(host, again.bundle, by="duty")
    with pytest.raises(AttestationError, match="the ledger knows it"):
        check_votes(host, no_go.bundle)


def test_an_amendment_neither_replaces_a_sign_off_nor_is_replaced_by_one() -> None:
    """A later amendment does not hide a NO-GO of the same key, and a later GO does not hide an amendment."""
    before = audit(listed=TWO).reviewed("Theo Brandt").reviewed("Noor Haddad")

    def known(*envelopes: Envelope, group: str) -> list[Vote]:
        found = ballots(replace(before.bundle, reviews=(), **{group: envelopes}))
        return [Vote(**{**one, "signed_at": datetime.fromisoformat(one["signed_at"])}) for one in found]

    def amendment() -> Envelope:
        statement = {"predicate": {"kind": "pseudonym_key", "at": later().isoformat()}}
        return Envelope(payload_type="", payload=json.dumps(statement).encode()).signed(KEYS["Ines Calder"].signing)

    first, no_go, second = amendment(), before.signed(decision="NO-GO").bundle.sign_offs[0], amendment()
    for one, votes_known in (
        (replace(before.bundle, sign_offs=(no_go,)), known(first, group="amendments")),
        (before.bundle.amending(second), known(no_go, group="sign_offs")),
        (before.bundle.amending(second), known(first, group="amendments")),
    ):
        with pytest.raises(AttestationError, match="the ledger knows it"):
            check_none_missing(one, votes_known)
    check_none_missing(before.bundle.amending(first), known(first, group="amendments"))


@given(data=st.data())
def test_whatever_the_ledger_knows_must_be_in_the_bundle(data: st.DataObject) -> None:
    """Any review, adjudication or sign-off less than the ledger knows is refused, and nothing more is asked for."""
    whole = audit().reviewed("Theo Brandt").reviewed("Noor Haddad").adjudicated("m-1").adjudicated("m-2").signed()
    known = [Vote(**{**one, "signed_at": datetime.fromisoformat(one["signed_at"])}) for one in ballots(whole.bundle)]
    assert len(known) == 5
    dropped = data.draw(st.sets(st.sampled_from(known)))
    kept = {one.statement for one in known} - {one.statement for one in dropped}

    def left(group: str) -> tuple[object, ...]:
        return tuple(each for each in getattr(whole.bundle, group) if sha256_of(each) in kept)

    fewer = replace(whole.bundle, **{name: left(name) for name in ("reviews", "adjudications", "sign_offs")})
    if dropped:
        with pytest.raises(AttestationError, match="the ledger knows it"):
            check_none_missing(fewer, known)
    else:
        check_none_missing(fewer, known)
    check_none_missing(whole.bundle, data.draw(st.sets(st.sampled_from(known))))


def test_another_reports_votes_are_asked_of_nobody(host: Settings) -> None:
    """What was signed over one report says nothing of another."""
    record_votes(host, reviewed(host).signed(decision="NO-GO").bundle, by="duty")
    check_votes(host, reviewed(host).signed().bundle)
    check_votes(host, Bundle(report=reviewed(host).bundle.report))
