"""A report whose verdict does not follow from it is refused by parsing, `verify`, `on`, `gate 5` and every start."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from attestation.audits import HOST, KEYS, LIST, SECRET, Audit, audit, bound_to, pin
from audit.reports import finding
from medagent.attestation import minimum, statements
from medagent.attestation.allowance import allowed
from medagent.attestation.binding import Binding
from medagent.attestation.conclusion import People, conclude
from medagent.attestation.officers import Officers, shipped_protocols
from medagent.attestation.report import Report
from medagent.attestation.verify import VerifiedReport
from medagent.cli.gate import gate
from medagent.cli.telemetry import on
from medagent.errors import AttestationError, MedagentError
from medagent.runtime import kill_switch
from medagent.settings import load_settings

Change = Callable[[Report], Report]
WHOLE = audit().complete()
CONCLUDED = WHOLE.verified().signed


def changed(name: str = "", **changes: Any) -> Change:
    """A change of a part of the report, or of the report itself; nothing is validated on the way."""

    def change(report: Report) -> Report:
        if not name:
            return report.model_copy(update=changes)
        return report.model_copy(update={name: getattr(report, name).model_copy(update=changes)})

    return change


def criterion(name: str, **changes: Any) -> Change:
    def change(report: Report) -> Report:
        criteria = tuple(one.model_copy(update=changes) if one.name == name else one for one in report.criteria)
        return report.model_copy(update={"criteria": criteria})

    return change


def without(name: str) -> Change:
    return lambda r: r.model_copy(update={"criteria": tuple(one for one in r.criteria if one.name != name)})


CONTRADICTORY: dict[str, Change] = {
    "a rehearsal that is a GO": changed("run", rehearsal=True),
    "a rehearsal at pace 20 that is a GO": changed("run", rehearsal=True, pace=20.0),
    "an audit at pace 2": changed("run", pace=2.0),
    "an audit of one call": changed("run", calls=1),
    "an audit of short calls": changed("run", call_seconds=30.0),
    "an audit that is CLEAN": changed(verdict="CLEAN"),
    "a finding": changed("scan", findings=(finding(1),)),
    "a field that no rule names": changed(unclassified=1),
    "a cause": changed(causes=("a span is missing",)),
    "an earliest launch": changed(earliest_launch="2027-01-01"),
    "a trip": changed(trips_switch=True),
    "no criterion": changed(criteria=()),
    "a failed criterion": criterion("drop", passed=False),
    "a criterion that was not judged": criterion("overhead", judged=False),
    "NO-GO without a cause": changed(verdict="NO-GO"),
}
"""Changes after which a GO contradicts the rest of its report."""

INSUFFICIENT: dict[str, Change] = {
    **{f"without {name}": without(name) for name in sorted(minimum.REQUIRED_CRITERIA)},
    "a finding in a channel": lambda r: r.model_copy(
        update={
            "scan": r.scan.model_copy(update={"channels": (r.scan.channels[0].model_copy(update={"findings": 1}),)})
        }
    ),
    "a finding in the matrix": lambda r: r.model_copy(
        update={"matrix": (r.matrix[0].model_copy(update={"found_outside": 1}), *r.matrix[1:])}
    ),
    "nothing searched": changed("scan", channels=()),
    "seventeen kinds": lambda r: r.model_copy(update={"planted": r.planted[1:]}),
    "no text read twice": changed("second_reader", texts=0),
    "no latency": changed("latency", judged=False),
    "a slow thread": lambda r: changed(
        "latency", thread_us=r.latency.thread_us.model_copy(update={"p99": minimum.OVERHEAD_P99_US + 1})
    )(r),
    "spans lost": changed("delivery", drop_rate=0.02),
    "spans twice": changed("delivery", duplicates_visible=1),
    "two alerts": lambda r: r.model_copy(update={"alerts": r.alerts[:2]}),
    "a silent alert": lambda r: r.model_copy(
        update={"alerts": (*r.alerts[:2], r.alerts[2].model_copy(update={"messages": 0}))}
    ),
    "bytes after the switch": changed("switch", bytes_after={"otlp": 1}),
    "a late switch": changed("switch", effective_after_ms=minimum.SWITCH_MS + 1),
    "a switch that ends the call": changed("switch", call_went_on=False),
    "a broken chain": changed("integrity", chains_verified=9),
    "no ledger": changed("integrity", ledger_head=None),
    "no copy tampered with": changed("integrity", tampered=()),
    "another protocol": changed("run", protocol_sha256="ab" * 32),
    "one signature": changed(required_roles={"sign_off": 1}),
    "one reviewer": changed(required_roles={"reviewer": 1, "sign_off": 1}),
    "no sign-off": changed(required_roles={"reviewer": 2}),
    "nobody": changed(required_roles={}),
    "reviewers who may miss all": changed("sample", minimum_sensitivity=0.0),
    "nothing planted": changed("sample", planted_copies=0),
    "one sampled trace": lambda r: changed("sample", traces=r.sample.traces[:1])(r),
}
"""Changes after which a report does not contradict itself, and yet is no GO."""
FORGED = CONTRADICTORY | INSUFFICIENT


def people(audited: Audit) -> People:
    """Both reviews and the sign-off, as `verify` hands them on."""
    by_name = {one.name: one for one in LIST.all}
    reviews, sign_offs = [], []
    for envelope in audited.bundle.reviews:
        said = statements.read_said(envelope, [one.key for one in LIST.all], statements.ReviewSaid)[0]
        reviews.append((by_name[said.reviewer], said))
    for envelope in audited.bundle.sign_offs:
        decided = statements.read_said(envelope, [one.key for one in LIST.all], statements.SignOffSaid)[0]
        sign_offs.append((by_name[decided.officer], decided))
    openings = {one.trace_id: one for one in audited.sampled.openings}
    return People(reviews=reviews, sign_offs=sign_offs, openings=openings)


@pytest.mark.parametrize("what", CONTRADICTORY)
def test_parsing_a_report_that_contradicts_itself_raises(what: str) -> None:
    """Signed by the right machine, with every signature of the people, and refused before anything is concluded."""
    with pytest.raises(AttestationError, match="contradict each other"):
        audit(CONTRADICTORY[what]).verified()


@pytest.mark.parametrize("what", FORGED)
def test_concluding_a_forged_report_is_never_a_go(what: str) -> None:
    """Without the parser's check: the conclusion is computed from the report's parts, and every GO has no reason."""
    assert conclude(WHOLE.report, people(WHOLE), LIST).conclusion == "GO"
    found = conclude(FORGED[what](WHOLE.report), people(WHOLE), LIST)
    assert found.conclusion != "GO"
    assert found.why


BINDING = Binding(
    code_sha256=WHOLE.report.system.code_sha256,
    lock_sha256=WHOLE.report.system.lock_sha256,
    policy_sha256=WHOLE.report.system.policy_sha256,
    destinations_sha256=WHOLE.report.system.destinations_sha256,
)


def a_verified(change: Change = lambda report: report, **changes: Any) -> VerifiedReport:
    """As `verify` returns it where its conclusion is wrong: GO, with no reason."""
    found = WHOLE.verified()
    signed = replace(found.signed, **{"conclusion": "GO", "why": (), "missing": ()} | changes)
    return replace(found, report=change(WHOLE.report), signed=signed)


@pytest.mark.parametrize(
    ("change", "signed"),
    [
        (changed("run", rehearsal=True), {}),
        (changed("run", pace=20.0), {}),
        (changed(verdict="CLEAN"), {}),
        (changed("scan", findings=(finding(1),)), {}),
        (changed(unclassified=1), {}),
        (criterion("leaks", passed=False), {}),
        (criterion("overhead", judged=False), {}),
        (changed(criteria=()), {}),
        (changed("run", protocol_sha256="ab" * 32), {}),
        (lambda r: r, {"why": ("a leak",)}),
        (lambda r: r, {"conclusion": "CLEAN"}),
        (lambda r: r, {"reviews": ()}),
        (lambda r: r, {"reviews": CONCLUDED.reviews[:1] * 2}),
        (lambda r: r, {"sign_offs": ()}),
        (lambda r: r, {"sign_offs": (replace(CONCLUDED.sign_offs[0], decision="NO-GO"),)}),
        (lambda r: r, {"sign_offs": (replace(CONCLUDED.sign_offs[0], key_id="00" * 8),)}),
        (lambda r: r, {"machine_key_id": KEYS["Ines Calder"].signing.key_id}),
    ],
)
def test_allowing_a_wrongly_concluded_go_raises(change: Change, signed: dict[str, Any]) -> None:
    """Where parsing and `verify` both erred, the check that `on`, `gate 5` and each start share refuses."""
    assert allowed(a_verified(), binding=BINDING, env="dev", officers=LIST, days=365)
    with pytest.raises(AttestationError, match="does not allow telemetry"):
        allowed(a_verified(change, **signed), binding=BINDING, env="dev", officers=LIST, days=365)


@given(data=st.data())
def test_a_go_needs_every_criterion(data: st.DataObject) -> None:
    """Whatever criteria fail or are not judged, the conclusion is a GO only if none does."""
    names = data.draw(st.sets(st.sampled_from(sorted(minimum.REQUIRED_CRITERIA))))
    report = WHOLE.report
    for name in names:
        report = criterion(name, **data.draw(st.sampled_from([{"passed": False}, {"judged": False}])))(report)
    assert (conclude(report, people(WHOLE), LIST).conclusion == "GO") is (not names)


@pytest.mark.parametrize("broken", ["parsing", "concluding", "both"])
@pytest.mark.parametrize("what", ["a rehearsal at pace 20 that is a GO", "a finding"])
def test_each_entry_refuses_a_forged_report_by_itself(
    what: str, broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`telemetry on`, `gate 5` and a start refuse it although parsing, `verify` or both were broken."""
    for name, value in (SECRET | {"MEDAGENT_OFFICERS": str(pin(tmp_path / "officers"))}).items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    here = bound_to(settings)
    forged = audit(lambda report: FORGED[what](here(report)), key=HOST).complete()
    directory = forged.written(tmp_path / "audit")
    if broken != "concluding":
        monkeypatch.setattr(statements, "check_consistency", lambda _report: None)
    if broken != "parsing":
        monkeypatch.setattr(
            "medagent.attestation.verify.conclude",
            lambda *_: CONCLUDED,
        )
    with pytest.raises(MedagentError):
        on(audit=directory, reason=None, override=False)
    with pytest.raises(typer.Exit):
        gate(5, directory, as_json=True)
    forged.written(kill_switch.audits(settings) / forged.bundle.report_sha256)
    with pytest.raises(MedagentError):
        kill_switch.audited(settings, forged.bundle.report_sha256)
    capsys.readouterr()


def test_a_weaker_protocol_is_not_pinned_by_the_package() -> None:
    """The packaged list pins the week-5 protocol as it is in the repository, and nothing else."""
    week5 = Path(__file__).parents[2] / "audits" / "week5.yaml"
    assert {one.sha256 for one in shipped_protocols()} == {hashlib.sha256(week5.read_bytes()).hexdigest()}


def test_a_list_of_its_own_pins_protocols_of_its_own(tmp_path: Path) -> None:
    """With `protocols.yaml` beside the officers only its protocols may become a GO."""
    pin(tmp_path)
    (tmp_path / "protocols.yaml").write_text(f"protocols:\n  - name: ours\n    sha256: {'cd' * 32}\n")
    listed = Officers.load(tmp_path)
    assert listed.protocol_digests == {"cd" * 32}
    assert any("not pinned" in why for why in WHOLE.verified(listed=listed).signed.why)
    assert listed.sha256 != Officers.load(pin(tmp_path / "other")).sha256


def test_a_revoked_key_ends_what_it_signed(tmp_path: Path) -> None:
    """Whether its officer is still on the list or not, and the error names key, date and reason."""
    key_id = KEYS["Theo Brandt"].signing.key_id
    for number, listed in enumerate((LIST, Officers(all=LIST.all[1:]))):
        place = pin(tmp_path / str(number), listed)
        (place / "revoked.yaml").write_text(
            f"revoked:\n  - key_id: {key_id}\n    revoked_on: 2020-01-01\n    reason: the laptop was stolen\n"
        )
        with pytest.raises(AttestationError, match=f"key {key_id}: revoked on 2020-01-01: the laptop was stolen"):
            WHOLE.verified(listed=Officers.load(place))
