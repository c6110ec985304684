"""A stranger checks everything with public keys alone: what was signed stands, and nothing else does."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.audits import KEYS, LIST, MACHINE, NOW, Audit, audit, officer
from medagent.attestation.bundle import BUNDLE, Bundle
from medagent.attestation.officers import Officers
from medagent.attestation.report import Report
from medagent.attestation.verify import verify
from medagent.errors import AttestationError, MedagentError
from medagent.proof import SigningKey
from medagent.proof.dsse import sign

WHOLE = audit().complete()


def test_a_whole_audit_is_a_go(tmp_path: Path) -> None:
    """A clean report, two reviewers who found what was planted, a sign-off over all of it: nothing is missing."""
    found = WHOLE.verified(directory=WHOLE.written(tmp_path))
    assert (found.signed.conclusion, found.signed.why, found.signed.missing) == ("GO", (), ())
    assert [review.sensitivity for review in found.signed.reviews] == [1.0, 1.0]
    assert found.signed.kappa == 1.0
    assert found.signed.statement_sha256 == WHOLE.bundle.report_sha256
    assert [bound.n for bound in found.signed.bounds] == [6, 6]
    said = [check.what for check in found.checks]
    sealed = ["sealed review", "sealed review"]
    assert said == ["report", "officers", "annexes", *sealed, "review", "review", "sign-off", "planted leaks"]
    assert Bundle.parse(WHOLE.bundle.document()) == WHOLE.bundle


def test_what_is_not_checked_is_said() -> None:
    """Without the annexes at hand, the first thing said is that they were not looked at."""
    assert "the annexes" in WHOLE.verified().not_checked[0]
    assert len(WHOLE.verified().not_checked) > 4


@given(data=st.data())
def test_any_changed_byte_is_rejected(data: st.DataObject) -> None:
    """Wherever one byte of the bundle's file becomes another, it does not hold."""
    document = bytearray(WHOLE.bundle.document())
    position = data.draw(st.integers(0, len(document) - 1))
    document[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(MedagentError):
        replace(WHOLE, bundle=Bundle.parse(bytes(document))).verified()


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    return [path] if inner is None else [leaf for step, each in inner for leaf in _leaves(each, (*path, step))]


@given(data=st.data())
def test_any_changed_field_of_the_report_is_rejected(data: st.DataObject) -> None:
    """Whoever rewrites one field and keeps the signature has a report that nobody signed."""
    envelope = WHOLE.bundle.report
    statement = json.loads(envelope.payload)
    path = data.draw(st.sampled_from(_leaves(statement)))
    at = statement
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = data.draw(st.sampled_from([None, 0, 1, "", "GO", True]).filter(lambda new: new != at[path[-1]]))
    payload = json.dumps(statement, separators=(",", ":"), sort_keys=True).encode()
    with pytest.raises(MedagentError):
        replace(WHOLE, bundle=replace(WHOLE.bundle, report=replace(envelope, payload=payload))).verified()


@given(data=st.data())
def test_any_changed_annex_is_rejected(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A byte changed in any annex, encrypted or not, and the report does not hold."""
    directory = WHOLE.written(tmp_path_factory.mktemp("audit"))
    annex = directory / data.draw(st.sampled_from(WHOLE.report.annexes)).name
    content = bytearray(annex.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    annex.write_bytes(content)
    with pytest.raises(AttestationError, match="not the one that was signed"):
        WHOLE.verified(directory=directory)


def test_a_missing_annex_is_rejected(tmp_path: Path) -> None:
    """What was signed must be there."""
    directory = WHOLE.written(tmp_path)
    (directory / WHOLE.report.annexes[0].name).unlink()
    with pytest.raises(AttestationError, match="is missing"):
        WHOLE.verified(directory=directory)


@pytest.mark.parametrize("name", ["../outside.json", "/etc/hostname"])
def test_an_annex_lies_beside_its_report(tmp_path: Path, name: str) -> None:
    """A name that leads elsewhere is not followed."""
    (tmp_path / "outside.json").write_bytes(b"{}")

    def astray(report: Report) -> Report:
        return report.model_copy(update={"annexes": (report.annexes[0].model_copy(update={"name": name}),)})

    with pytest.raises(AttestationError, match="leads away"):
        audit(astray).verified(directory=tmp_path / "audit")


@pytest.mark.parametrize("group", ["reviews", "adjudications"])
@pytest.mark.parametrize("number", [0, 1])
def test_what_was_signed_over_cannot_be_taken_away(group: str, number: int) -> None:
    """A review or an adjudication less than the sign-off names, and it does not hold."""
    whole = audit().reviewed("Theo Brandt").reviewed("Noor Haddad").adjudicated("m-1").adjudicated("m-2").signed()
    fewer: Any = {group: tuple(each for at, each in enumerate(getattr(whole.bundle, group)) if at != number)}
    with pytest.raises(AttestationError, match="is missing"):
        replace(whole, bundle=replace(whole.bundle, **fewer)).verified()


def test_a_review_that_comes_after_the_sign_off_undoes_it() -> None:
    """Who signs, signs over everything; what is added later asks for a new signature."""
    late = audit().reviewed("Theo Brandt").signed().reviewed("Noor Haddad").verified().signed
    assert (late.conclusion, late.missing) == ("NO-GO", ("1 of 1 sign_off",))
    assert "Ines Calder signed before the last review or adjudication" in late.why


def test_a_report_of_another_machine_is_rejected() -> None:
    """Only the installation whose public key one has may have run it."""
    with pytest.raises(MedagentError, match="0 of 1 trusted keys"):
        audit(key=SigningKey.from_seed(b"x" * 32)).verified()
    with pytest.raises(MedagentError, match="nothing says which installation"):
        verify(WHOLE.bundle, officers=LIST, machine_keys=[], directory=None)


def test_a_pinned_machine_may_run_audits_and_sign_nothing_else() -> None:
    """The list can name another installation; its key counts for reports alone."""
    other = SigningKey.from_seed(b"o" * 32)
    listed = Officers(all=(*LIST.all, officer("Omar Nobody", "machine", key=other)))
    assert audit(key=other).complete().verified(listed=listed).signed.conclusion == "GO"


def test_the_machines_own_key_never_signs_off() -> None:
    """Not even where somebody put it on the list as a person."""
    listed = Officers(all=(*LIST.all[:2], officer("Ines Calder", "sign_off", key=MACHINE)))
    whole = audit(listed=listed).reviewed("Theo Brandt").reviewed("Noor Haddad")
    said = WHOLE.bundle.sign_offs[0]
    statement = json.loads(said.payload)
    statement["subject"] = [{"name": n, "digest": {"sha256": d}} for n, d in whole.bundle.over.items()]
    with pytest.raises(AttestationError, match="nobody on the pinned list"):
        whole.adding(sign_off=sign(statement, MACHINE)).verified()


def test_an_empty_list_signs_nothing() -> None:
    """As it ships: every person's statement is refused, and a report without any is open."""
    with pytest.raises(AttestationError, match="nobody on the pinned list"):
        WHOLE.verified(listed=Officers(all=()))
    alone = audit(listed=Officers(all=())).verified().signed
    assert (alone.conclusion, alone.missing) == ("open: not reviewed", ("2 of 2 reviewer", "1 of 1 sign_off"))


Change = Callable[[Audit], Audit]
REFUSED: dict[str, tuple[Change, str]] = {
    "a stranger's review": (lambda a: a.reviewed("Omar Nobody"), "nobody on the pinned list"),
    "a review in another's name": (lambda a: a.reviewed("Theo Brandt", says="Noor Haddad"), "its key is Theo Brandt's"),
    "a review by who may not": (lambda a: a.reviewed("Ines Calder"), "not as reviewer"),
    "a review of a part": (lambda a: a.reviewed("Theo Brandt", skip=1), "not of every sampled trace"),
    "a second review": (lambda a: a.reviewed("Theo Brandt").reviewed("Theo Brandt"), "a second review"),
    "a review of another report": (
        lambda a: a.reviewed("Theo Brandt", over={"report": "ab" * 32}),
        "is over another report",
    ),
    "a review before the audit's end": (
        lambda a: a.reviewed("Theo Brandt", at=NOW - timedelta(hours=2)),
        "before the audit's end",
    ),
    "a review of tomorrow": (lambda a: a.reviewed("Theo Brandt", at=NOW + timedelta(days=1)), "or after now"),
    "a sign-off by a reviewer": (lambda a: a.signed("Theo Brandt"), "may not sign off as sign_off"),
    "a sign-off as reviewer": (lambda a: a.signed("Theo Brandt", role="reviewer"), "may not sign off as reviewer"),
    "a sign-off as what the protocol does not know": (
        lambda a: a.signed(role="owner"),
        "may not sign off as owner",
    ),
    "two sign-offs by one": (lambda a: a.signed().signed(decision="NO-GO"), "a second sign-off"),
    "a sign-off over no report": (lambda a: a.signed(over={"report": "ab" * 32}), "over another report"),
    "a sign-off older than a review": (
        lambda a: a.reviewed("Theo Brandt").signed(at=NOW - timedelta(hours=1, minutes=30)),
        "older than what it was made over",
    ),
    "an adjudication by a reviewer": (lambda a: a.adjudicated("m-1", by="Theo Brandt"), "may not adjudicate"),
    "two adjudications of a mark": (lambda a: a.adjudicated("m-1").adjudicated("m-1", "leak"), "a second adjudication"),
    "other openings": (lambda a: a.signed(openings=audit().sampled.openings), "not what the report committed to"),
    "some openings": (lambda a: a.signed(openings=a.sampled.openings[1:]), "not what the report committed to"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_statement_that_is_not_what_it_should_be_is_rejected(what: str) -> None:
    """Each alone makes the whole bundle worthless, and the error says which rule it broke."""
    change, says = REFUSED[what]
    with pytest.raises(AttestationError, match=says):
        change(audit()).verified()


@pytest.mark.parametrize(("since", "until"), [(1, 300), (-300, -2)])
def test_a_key_signs_only_in_its_time(since: int, until: int) -> None:
    """A key that was not valid on the day of a signature made none."""
    days: Any = {"valid_from": NOW.date() + timedelta(days=since), "valid_until": NOW.date() + timedelta(days=until)}
    listed = Officers(all=(officer("Theo Brandt", **days), *LIST.all[1:]))
    with pytest.raises(AttestationError, match="was not valid"):
        audit().complete().verified(listed=listed)


def test_a_report_cannot_contradict_its_own_statement() -> None:
    """What other tools read of it – the result, its tests, what it is bound to – is what the report says."""
    statement = json.loads(WHOLE.bundle.report.payload)
    for change in (
        {"predicate": {**statement["predicate"], "result": "FAILED"}},
        {"predicate": {**statement["predicate"], "passedTests": []}},
        {"predicate": {**statement["predicate"], "warnedTests": []}},
        {"subject": statement["subject"][:3]},
        {"predicateType": "https://in-toto.io/attestation/other/v1"},
    ):
        forged = Bundle(report=sign(statement | change, MACHINE))
        with pytest.raises(AttestationError, match="contradict"):
            verify(forged, officers=LIST, machine_keys=[MACHINE.public], directory=None)


def test_nothing_rides_along_with_a_statement() -> None:
    """A second signature, another key id, an added field, another order of the same statements: none is accepted."""
    report = WHOLE.bundle.report
    both = report.signed(KEYS["Theo Brandt"].signing)
    renamed = replace(report, signatures=(replace(report.signatures[0], key_id="00" * 8),))
    for forged in (both, renamed):
        with pytest.raises(AttestationError, match="something beside"):
            replace(WHOLE, bundle=replace(WHOLE.bundle, report=forged)).verified()
    document = json.loads(WHOLE.bundle.document())
    for more in ({"note": ""}, {"reviews": document["reviews"][::-1]}, {"format": "other/1"}):
        text = json.dumps(document | more, separators=(",", ":"), sort_keys=True).encode()
        with pytest.raises(AttestationError):
            Bundle.parse(text)


def test_a_bundle_that_is_no_file_is_said(tmp_path: Path) -> None:
    """What cannot be read is named by its path."""
    with pytest.raises(AttestationError, match="cannot be read"):
        Bundle.load(tmp_path)
    (tmp_path / BUNDLE).write_bytes(b"[" * 100_000)
    with pytest.raises(AttestationError, match="not an audit's bundle"):
        Bundle.load(tmp_path)
