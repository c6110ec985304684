"""A review counts only if it was read at a human pace and sealed before anybody could read it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.audits import HOST, KEYS, LIST, MACHINE, SECRET, Audit, audit
from medagent.attestation.bundle import Bundle
from medagent.attestation.reading_time import FREE_TEXT_MS, OTHER_MS, reading_time
from medagent.attestation.sealed_review import SealedReview
from medagent.attestation.statements import LedgerReceipt, ReviewSaid, SealedReviewSaid, TraceRead, said_statement
from medagent.audit.render import html
from medagent.audit.sealing import open_review, seal_review
from medagent.cli.open_reviews import opened_bundle
from medagent.errors import AttestationError, MedagentError
from medagent.proof.dsse import sign
from medagent.runtime.host import ledger
from medagent.settings import load_settings

FAST = "the review of Noor Haddad is invalid: "
MISSING = "missing signature: 1 of 2 reviewer"


def why(audited: Audit) -> tuple[str, ...]:
    return audited.verified().signed.why


@pytest.mark.parametrize(
    ("times", "says"),
    [
        ({"free_ms": 1_999}, "2.00 s on average for each free text, expected at least 2 s"),
        ({"other_ms": 499}, "0.50 s on average for each other text, expected at least 0.5 s"),
        ({"free_ms": 0, "other_ms": 0}, "0.00 s on average for each free text, expected at least 2 s"),
    ],
)
def test_review_faster_than_reading_is_invalid(times: dict[str, int], says: str) -> None:
    made = audit().reviewed("Theo Brandt").reviewed("Noor Haddad", **times).signed()
    assert why(made) == (FAST + says, MISSING)
    [theo, noor] = sorted(made.verified().signed.reviews, key=lambda one: one.reviewer)[::-1]
    assert (theo.invalid, bool(noor.invalid)) == ((), True)


def test_review_at_the_least_time_counts() -> None:
    assert why(audit().reviewed("Theo Brandt").reviewed("Noor Haddad", free_ms=2_000, other_ms=500).signed()) == ()


def test_review_without_a_time_for_each_text_is_invalid() -> None:
    """As the shipped example had them: 16,912 texts, no time."""
    made = audit()
    said = ReviewSaid(
        reviewer="Noor Haddad",
        at=datetime.now(UTC),
        traces=tuple(
            TraceRead(
                trace_id=one.trace_id,
                worksheet_sha256=one.sha256,
                verdict="leak" if made.planted[one.trace_id] else "clean",
                paths=made.planted[one.trace_id],
                seconds=4_000,
            )
            for one in made.report.sample.traces
        ),
    )
    over = {"report": made.bundle.report_sha256}
    review = sign(said_statement(said, over), KEYS["Noor Haddad"].signing)
    sealed = made.with_sealed(made.sealed(said, review, over, "Noor Haddad")).adding(review=review)
    assert FAST + "expected one reading time for each text of each sheet" in why(sealed)


@given(times=st.lists(st.integers(0, 10**7), min_size=1, max_size=50))
def test_a_pause_counts_as_no_reading(times: list[int]) -> None:
    """Each text counts as at most ten times the least: one long break heals no more than nine unread texts."""
    found = reading_time(times, times)
    for mean, least in ((found.free_text_ms, FREE_TEXT_MS), (found.other_ms, OTHER_MS)):
        assert mean == sum(min(each, 10 * least) for each in times) / len(times)
    unread = sum(each == 0 for each in times)
    if len(times) - unread < len(times) / 10:
        assert found.problem is not None


def test_page_states_times_and_whose_statement_they_are() -> None:
    made = audit().complete()
    page = html(made.report, made.verified().signed)
    assert "2.50\u00a0s" in page
    assert "0.70\u00a0s" in page
    assert "as the reviewer&#39;s own software states them" in page
    assert any("reviewer's own software" in each for each in made.verified().not_checked)


def test_review_that_was_not_sealed_does_not_count() -> None:
    made = audit().reviewed("Theo Brandt").reviewed("Noor Haddad", sealed=False).signed()
    assert why(made) == (FAST + "its answers were not sealed", MISSING)


def test_review_that_the_ledger_did_not_hold_does_not_count() -> None:
    made = audit().reviewed("Theo Brandt").reviewed("Noor Haddad").signed()
    bare = tuple(replace(one, receipt=None) for one in made.bundle.sealed_reviews)
    found = why(replace(made, bundle=replace(made.bundle, sealed_reviews=bare)))
    assert FAST + "no receipt says that the ledger held its digest before it was opened" in found


def test_opened_review_is_the_one_that_was_sealed() -> None:
    """Another salt, another review in its place, a receipt of a stranger or for another statement: none is accepted."""
    made = audit().complete()
    [first, second] = made.bundle.sealed_reviews
    wrong = LedgerReceipt(sealed_review="0" * 64, sequence=1, entry="0" * 64, at=datetime.now(UTC))
    said = said_statement(wrong, {"report": made.bundle.report_sha256})
    for changed, says in (
        (replace(first, salt="0" * 64), "opened as another review"),
        (replace(first, receipt=sign(said, MACHINE)), "for another statement"),
        (replace(first, receipt=second.receipt), "for another statement"),
        (replace(first, receipt=sign(said, HOST)), "not signed by the installation"),
        (replace(first, envelope=second.envelope), "present twice|receipt"),
    ):
        forged = replace(made, bundle=replace(made.bundle, sealed_reviews=(changed, second)))
        with pytest.raises(AttestationError, match=says):
            forged.verified()
    swapped = audit().reviewed("Theo Brandt")
    other = swapped.reviewed("Theo Brandt", free_ms=9_000, sealed=False)
    newest = [each for each in other.bundle.reviews if each not in swapped.bundle.reviews]
    with pytest.raises(AttestationError, match="opened as another review"):
        replace(swapped, bundle=replace(swapped.bundle, reviews=tuple(newest))).verified()


def sealed_by(name: str, made: Audit) -> SealedReview:
    """A review that the officer can open, as `audit review` seals it."""
    one = made.reviewed(name)
    envelope = next(each for each in one.bundle.reviews if each not in made.bundle.reviews)
    said = ReviewSaid.model_validate_json(_predicate(envelope.payload))
    return seal_review(
        said,
        report_sha256=made.bundle.report_sha256,
        key=KEYS[name].signing,
        officers=LIST.all,
        at=datetime.now(UTC),
    )


def _predicate(payload: bytes) -> str:
    return json.dumps(json.loads(payload)["predicate"])


def recorded(one: SealedReview, made: Audit, *, in_ledger: bool) -> SealedReview:
    over = {"report": made.bundle.report_sha256}
    if in_ledger:
        about = {**over, "statement": one.sha256, "key_id": "ab" * 8, "by": "officer"}
        ledger(load_settings()).append("sealed_review", about)
    receipt = LedgerReceipt(sealed_review=one.sha256, sequence=1, entry="0" * 64, at=datetime.now(UTC))
    return replace(one, receipt=sign(said_statement(receipt, over), HOST))


@pytest.mark.parametrize("held", ["both", "one", "neither"])
def test_reviews_are_opened_only_after_the_ledger_holds_both(
    held: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A receipt alone is not enough on the host: its ledger must hold the digest of each."""
    for name, value in {**SECRET, "MEDAGENT_HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    made = audit(key=HOST)
    bundle = made.bundle
    for number, name in enumerate(("Theo Brandt", "Noor Haddad")):
        one = recorded(sealed_by(name, made), made, in_ledger=number < {"both": 2, "one": 1, "neither": 0}[held])
        bundle = bundle.sealing(one)
        if number == 0:
            assert opened(bundle, made) == bundle
    if held == "both":
        found = opened(bundle, made)
        assert len(found.reviews) == 2
        assert all(one.salt for one in found.sealed_reviews)
        assert opened(found, made) == found
    else:
        with pytest.raises(MedagentError, match=r"the ledger does not hold its digest|there is no ledger"):
            opened(bundle, made)


def opened(bundle: Bundle, made: Audit) -> Bundle:
    officer = next(one for one in LIST.all if one.name == "Ines Calder")
    about: dict[str, Any] = {"report": made.report, "listed": LIST, "machines": (HOST.public,)}
    return opened_bundle(bundle, person=officer, keys=KEYS["Ines Calder"], **about)


def test_a_reviewer_opens_no_review() -> None:
    """Sealed answers are for who signs off: another reviewer's key opens nothing, and the bundle stays as it is."""
    made = audit()
    one = sealed_by("Theo Brandt", made)
    noor = KEYS["Noor Haddad"]
    said = SealedReviewSaid.model_validate_json(_predicate(one.envelope.payload))
    assert set(said.sealed) == {KEYS["Ines Calder"].signing.key_id}
    with pytest.raises(AttestationError, match="not sealed to key"):
        open_review(one, said, key_id=noor.signing.key_id, private=noor.annex)
    with pytest.raises(Exception, match="another key"):
        open_review(one, said, key_id=KEYS["Ines Calder"].signing.key_id, private=noor.annex)
