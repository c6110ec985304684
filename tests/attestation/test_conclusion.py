"""The machine's part and the people's together: a GO needs all of it, and a NO-GO says everything that is lacking."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attestation.audits import KEYS, LIST, Audit, audit, officer
from audit.reports import finding
from medagent.attestation.conclusion import reported_mark
from medagent.attestation.officers import Officers
from medagent.attestation.report import Mark, Report
from medagent.attestation.statistics import kappa, upper_95

OPEN = Mark(mark_id="m-001", path="tool.x/notes", kind="PERSON", score=0.85, settled="open", rule=None)


def against(audited: Audit, listed: Officers | None = None) -> tuple[str, ...]:
    found = audited.verified(listed=listed).signed
    assert (found.conclusion == "GO") == (not found.why)
    return found.why


def part(name: str, **changes: Any) -> Callable[[Report], Report]:
    def change(report: Report) -> Report:
        return report.model_copy(update={name: getattr(report, name).model_copy(update=changes)})

    return change


def with_open_marks(*settled: str) -> Callable[[Report], Report]:
    """A report whose only failure is what the second reader marked, as the machine writes it."""

    def change(report: Report) -> Report:
        marks = tuple(
            OPEN.model_copy(update={"mark_id": f"m-{number}", "settled": each}) for number, each in enumerate(settled)
        )
        criteria = tuple(
            one.model_copy(update={"name": "second_reader", "passed": False}) if "second" in one.name else one
            for one in report.criteria
        )
        changes: dict[str, Any] = {
            "criteria": criteria,
            "verdict": "NO-GO",
            "causes": ("second_reader: open marks",),
            "second_reader": report.second_reader.model_copy(update={"marks": marks}),
        }
        return report.model_copy(update=changes)

    return change


def test_what_the_machine_found_stays_a_no_go() -> None:
    """No signature heals a leak: the report's own causes come first."""
    found = audit(findings=(finding(1),), causes=("1 planted identifier was found outside",)).reviewed("Theo Brandt")
    assert against(found.reviewed("Noor Haddad").signed())[0] == "1 planted identifier was found outside"


@pytest.mark.parametrize("settled", ["open", "adjudicated"])
def test_an_open_mark_needs_an_officers_signature(settled: str) -> None:
    """Undecided it is NO-GO; decided as no leak, and nothing else failed: GO; decided as a leak: NO-GO."""
    made = audit(with_open_marks(settled, "kept_shape", settled)).reviewed("Theo Brandt").reviewed("Noor Haddad")
    assert "2 of 2 open marks of the second reader are not adjudicated" in against(made.signed())
    assert "1 of 2 open marks of the second reader are not adjudicated" in against(made.adjudicated("m-0").signed())
    decided = made.adjudicated("m-0")
    assert against(decided.adjudicated("m-2").signed()) == ()
    assert "mark m-2 was adjudicated a leak" in against(decided.adjudicated("m-2", "leak").signed())


def test_an_adjudication_settles_nothing_else() -> None:
    """Where another criterion failed too, the machine's part stays what it was."""

    def worse(report: Report) -> Report:
        made = with_open_marks("open")(report)
        first = made.criteria[0].model_copy(update={"passed": False})
        return made.model_copy(update={"criteria": (first, *made.criteria[1:])})

    settled = audit(worse).reviewed("Theo Brandt").reviewed("Noor Haddad").adjudicated("m-0").signed()
    assert against(settled) == ("second_reader: open marks",)


def test_a_leak_that_nobody_planted_is_one() -> None:
    """A reviewer's finding beside the planted ones is NO-GO until an officer signs that it is none."""
    made = audit()
    trace = made.report.sample.traces[0].trace_id
    path = "1.voice_session.agent_version"
    read = made.reviewed("Theo Brandt", {trace: (*made.planted[trace], path)}).reviewed("Noor Haddad")
    mark = reported_mark(trace, path)
    assert against(read.signed()) == (f"a reviewer reported a leak in trace {trace} at {path} ({mark})",)
    assert against(read.adjudicated(mark).signed()) == ()
    assert read.signed().verified().signed.bounds[0].found + read.signed().verified().signed.bounds[1].found == 1


def test_a_reviewer_who_misses_what_was_planted_does_not_count() -> None:
    """Below the protocol's sensitivity a review is no signature."""
    made = audit()
    nothing = dict.fromkeys(made.planted, ())
    why = against(made.reviewed("Theo Brandt").reviewed("Noor Haddad", nothing).signed())
    assert why == (
        "Noor Haddad found 0 of 4 planted leaks; the protocol asks for 80%",
        "missing signature: 1 of 2 reviewer",
    )


def test_what_was_planted_must_be_opened() -> None:
    """Without the openings nobody knows how well the reviewers read; with none planted, neither."""
    sealed = audit().reviewed("Theo Brandt").reviewed("Noor Haddad").signed(openings=())
    assert against(sealed) == ("nobody has opened which leaks were planted: nothing says how well the reviewers read",)
    assert sealed.verified().signed.bounds == ()
    assert any("no leak was planted in the sample" in why for why in against(audit(planted_copies=0).complete()))


def test_three_signatures_are_three_people() -> None:
    """Who reviews and signs off counts once, and two keys of one person are no two people."""
    both = Officers(all=(LIST.all[0], officer("Noor Haddad", "reviewer", "sign_off"), LIST.all[2]))
    one = audit(listed=both).reviewed("Theo Brandt").reviewed("Noor Haddad").signed("Noor Haddad")
    assert against(one) == ("missing signature: 1 of 2 reviewer",)
    assert against(audit().reviewed("Theo Brandt").signed())[-1] == "missing signature: 1 of 2 reviewer"


def test_a_refusal_is_a_refusal() -> None:
    """A signed NO-GO makes it one, whatever the others signed."""
    why = against(audit().reviewed("Theo Brandt").reviewed("Noor Haddad").signed(decision="NO-GO"))
    assert why == ("Ines Calder signed NO-GO", "missing signature: 1 of 1 sign_off")


@pytest.mark.parametrize(
    ("reviewed_by", "fails"),
    [
        (("Ines Calder, compliance officer",), False),
        (("maintainers, no compliance review",), True),
        (("Ines Calder", "maintainers, no compliance review"), True),
        ((), True),
    ],
)
def test_in_prod_an_officer_has_read_the_policy(reviewed_by: tuple[str, ...], fails: bool) -> None:
    """The repository's own reviews are the maintainers'; a GO in prod needs a person of the list."""

    def prod(report: Report) -> Report:
        made = part("run", env="prod")(report)
        return part("system", policy_reviewed_by=reviewed_by)(made)

    assert any("not by an officer" in why for why in against(audit(prod).complete())) is fails


def test_a_rehearsal_needs_nobody_and_is_never_a_go() -> None:
    """It says CLEAN or NOT CLEAN, signed by whomever."""
    assert audit(rehearsal=True).complete().verified().signed.conclusion == "CLEAN"
    bad = audit(rehearsal=True, causes=("a span is missing",)).verified().signed
    assert (bad.conclusion, bad.missing) == ("NOT CLEAN", ())


def test_what_was_planted_is_sealed_to_who_signs_off() -> None:
    """Only who signs off gets what was planted, under a key of the person's own."""
    names = [annex.name for annex in audit().report.annexes if annex.encrypted]
    assert names == [f"annex/openings-{KEYS['Ines Calder'].signing.key_id}.sealed"]


@given(n=st.integers(1, 400), found=st.integers(0, 200))
def test_the_bound_holds(n: int, found: int) -> None:
    """At the bound, as few findings or fewer come with a chance of 5 %; a rate above it would show more."""
    bound = upper_95(n, found)
    if found >= n:
        assert bound == 1.0
        return
    rate = Decimal(bound)
    chance = sum(math.comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in range(found + 1))
    assert float(chance) == pytest.approx(0.05, rel=1e-4)
    assert found / n <= bound <= 1


@pytest.mark.parametrize(("n", "says"), [(10, 0.259), (30, 0.095), (100, 0.030), (299, 0.01), (1000, 0.003)])
def test_the_bounds_of_the_table(n: int, says: float) -> None:
    """Without a finding: the figures that every auditor knows."""
    assert upper_95(n, 0) == pytest.approx(says, abs=0.0006)


def test_kappa_is_cohens() -> None:
    """By hand: 20 and 15 agreed of 50, as in the textbook; alike in all, it is nothing."""
    pairs = [(True, True)] * 20 + [(True, False)] * 5 + [(False, True)] * 10 + [(False, False)] * 15
    value, note = kappa([[a for a, _ in pairs], [b for _, b in pairs]])
    assert value == pytest.approx(0.4)
    assert note == "over 50 traces"
    assert kappa([[False] * 10, [False] * 10]) == (
        None,
        "every verdict of the reviewers was the same: kappa says nothing",
    )
    assert "rough" in kappa([[True, False, False], [True, False, True]])[1]
    assert kappa([[True]])[0] is None
