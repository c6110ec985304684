"""The document between the report and its pages."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit import reports
from audit.report_parts import LIMITS, RETENTION
from audit.shown import texts
from medagent.attestation.report import Mark, Report
from medagent.attestation.signed import Signed
from medagent.audit.render import identifiers
from medagent.audit.render.contents import document
from medagent.audit.render.document import Document, Section, Table
from medagent.audit.render.wording import amount, at_most, moment, percent
from medagent.errors import SignatureError

FIGURES = {
    "verdict": ("11 causes against it:", "tripped by this audit", "Were identifiers of all 18 kinds planted?"),
    "legal": (
        "What is sent is still PHI under 45 CFR 164.514, by: slot (appointment_datetime); doctor (doctor_name); "
        "pseudonym of a phone (participant_id); exact time of the call",
        "exact date and time",
        "reason_for_visit, notes, tool.*: error_message: scrubbed, at most 50 characters",
        "Re-identification by combination",
        "BAA-2026-langsmith",
        "2026-03-02",
        "us-east-2",
        "a hosting company",
    ),
    "scope": ("10 side by side, 300\u00a0s each", "week5, version 1", "1, real time", "scripted"),
    "system": ("2 processors", "eu.api.smith.langchain.com", "14 days", "not stated", "4, in appendix B"),
    "policy": ("clinic, version 1.4.0", "Ines Calder, compliance officer", "yes"),
    "identifiers": ("Full-face photographs and the like", "patient_name, notes, reason_for_visit", "159"),
    "fields": ("16", "Not classified", "arguments.patient_name", "how long the caller waited"),
    "scan": (
        "13,436,022",
        "171",
        "/srv/clinic/clinic.sqlite3-wal",
        "base64 ×3",
        "f-007",
        "voice_metrics/error_message",
    ),
    "planted": ("1,798", "1,158", "304", "32", "297", "7"),
    "second-reader": ("1,914", "201 of 300 (67\u00a0%)", "m-001", "open: counts as a leak", "NameDenyList"),
    "latency": ("18,420", "1,842\u00a0µs", "1,702\u00a0ms", "0.94\u00a0ms"),
    "drop": ("9,310", "2,236", "2,202", "1.52\u00a0%"),
    "alerts": ("TTFT-A p95 over 3 s", "2026-11-21 08:05:09 UTC", "never"),
    "switch": ("312\u00a0ms", "log lines", "The call went on"),
    "integrity": ("10 of 10 calls", "64 entries", "two spans swapped", "rejected"),
    "sample": (
        "Theo Brandt",
        "3 of 4",
        "75\u00a0%",
        "there is one reviewer",
        "trace",
        "20261121",
        "1,914",
        "70\u00a0%",
        reports.sha("salt 10"),
    ),
    "deviations": ("The audit was played on a host with two processors; the protocol asks for four.",),
    "limits": (LIMITS[0],),
    "sign-offs": ("2 × reviewer; 1 × sign-off", "1 of 2 reviewer; 1 of 1 sign-off", "2 leaks"),
    "custody": (RETENTION[0], "findings.enc", "to the officer"),
    "digests": tuple(map(reports.sha, ("code", "lock", "policy", "destinations", "protocol", "officers"))),
    "libraries": ("livekit-agents", "1.8.9"),
    "verify": ("medagent audit verify BUNDLE --officers DIRECTORY --machine-key FILE",),
}


def section(made: Document, anchor: str) -> Section:
    return next(each for each in made.sections if each.anchor == anchor)


def test_there_is_a_section_for_everything_a_report_needs() -> None:
    """The sections are those whose figures are tested, in this order."""
    assert [each.anchor for each in document(*reports.no_go()).sections] == list(FIGURES)


@pytest.mark.parametrize("anchor", FIGURES)
def test_each_section_shows_its_figures(anchor: str) -> None:
    """What the report holds stands in the section where a reader looks for it."""
    shown = set(texts(section(document(*reports.no_go()), anchor)))
    missing = [figure for figure in FIGURES[anchor] if not any(figure in text for text in shown)]
    assert not missing


@pytest.mark.parametrize("sample", [reports.go, reports.no_go, reports.rehearsal, reports.strained])
def test_every_row_has_a_cell_for_each_column(sample: reports.Sample) -> None:
    """No table is ragged, however many rows it has."""
    made = document(*sample())
    tables = [block for each in made.sections for block in each.blocks if isinstance(block, Table)]
    assert tables
    assert not [table.caption for table in tables for row in table.rows if len(row) != len(table.columns)]


@pytest.mark.parametrize(
    ("clock", "delay", "says"),
    [
        ("shifted", 0, "its times are shifted, but a destination can see the day by the time of arrival"),
        ("shifted", 9, "hidden: times are shifted, and each call is released 1 to 9 days later"),
        ("exact", 9, None),
        (None, 0, None),
    ],
)
def test_page_one_of_a_shifted_clock_says_who_can_see_the_day(clock: str | None, delay: int, says: str | None) -> None:
    """The time of arrival reveals the day unless every remote destination gets a call days later."""
    report, signed = reports.go()
    remote = [
        one.model_copy(update={"release_delay_days": delay}) if one.name != "archive" else one
        for one in report.system.destinations
    ]
    system = report.system.model_copy(update={"policy_clock": clock, "destinations": tuple(remote)})
    pairs = dict(document(report.model_copy(update={"system": system}), signed).cover.audited.pairs)
    assert pairs["Day of a call"].text == says if says else "Day of a call" not in pairs


def test_page_one_of_a_go_says_who_signed_and_from_when() -> None:
    """A GO has its signatures, no cause, and a launch from now on."""
    cover = document(*reports.go()).cover
    assert (cover.conclusion, cover.tone, cover.launch.split(",")[0]) == ("GO", "good", "from now on")
    assert [each.text for each in cover.signatures] == [
        "Theo Brandt, reviewer: no leak in 10 traces",
        "Noor Haddad, reviewer: no leak in 10 traces",
        "Ines Calder, sign-off: GO",
    ]
    assert "scripted" in cover.scripted


def test_page_one_of_a_no_go_says_why_when_and_who_has_not_signed() -> None:
    """The first causes and the number of the rest, the earliest launch, and the missing signatures."""
    report, signed = reports.no_go()
    cover = document(report, signed).cover
    assert cover.launch == "5 December 2026, after a new audit"
    assert cover.why[:6] == signed.why[:6]
    assert cover.why[6] == "and 5 more, all of them in section 1"
    assert [each.text for each in cover.signatures if each.text.startswith("missing")] == [
        "missing: 1 of 2 reviewer",
        "missing: 1 of 1 sign-off",
    ]
    long = Signed(conclusion="NO-GO", why=("a cause. " * 30, "another. " * 30, "a third"), missing=())
    assert document(report, long).cover.why == (long.why[0], "and 2 more, all of them in section 1")
    assert set(signed.why) <= set(texts(section(document(report, signed), "verdict")))


def test_a_rehearsal_judges_no_latency_and_launches_nothing() -> None:
    """Neither latency nor what is installed is judged, it asks for no signature, and its title says what it is."""
    made = document(*reports.rehearsal())
    results = [row[3].text for row in made.cover.criteria.rows]
    assert made.cover.rehearsal
    assert results.count("not judged") == 3
    assert made.title == "Rehearsal of the audit"
    assert made.cover.launch == "none, a rehearsal leads to no launch"


def test_a_report_that_nobody_signed_is_open() -> None:
    """The machine alone gives no GO: the page says that nobody reviewed it, and which signatures are missing."""
    report, _ = reports.go()
    cover = document(report, Signed.nobody(report)).cover
    assert (cover.conclusion, cover.tone) == ("open: not reviewed", "quiet")
    assert cover.launch == "once every signature stands that the protocol asks for"
    assert [each.text for each in cover.signatures] == ["missing: 2 of 2 reviewer", "missing: 1 of 1 sign-off"]


def but(report: Report, **changes: object) -> Report:
    return report.model_copy(update=changes)


def test_a_go_that_nothing_supports_is_not_shown() -> None:
    """Findings, an unclassified field, a tripped switch, a failed criterion, a rehearsal: none can be dressed as GO."""
    report, signed = reports.go()
    rehearsal, _ = reports.rehearsal()
    leaking, _ = reports.no_go()
    failed = tuple(one.model_copy(update={"passed": False}) for one in report.criteria[:1])
    against = (
        but(report, scan=leaking.scan),
        but(report, unclassified=1),
        but(report, trips_switch=True),
        but(report, criteria=failed),
        rehearsal,
        leaking,
    )
    for each in against:
        with pytest.raises(SignatureError):
            document(each, signed)


def test_a_go_that_lacks_a_signature_is_not_shown() -> None:
    """A conclusion of GO beside a missing signature or a cause is refused, and so is CLEAN for what is not."""
    report, _ = reports.go()
    for signed in (
        Signed(conclusion="GO", why=("a cause",), missing=()),
        Signed(conclusion="GO", why=(), missing=("1 of 2 reviewer",)),
        Signed(conclusion="CLEAN", why=(), missing=()),
    ):
        with pytest.raises(SignatureError):
            document(report, signed)


def test_marks_that_officers_settled_do_not_stand_against_a_go() -> None:
    """The machine's NO-GO for open marks alone, settled by signature, is shown as settled and not as failed."""
    report, signed = reports.go()
    criteria = tuple(
        one.model_copy(update={"passed": False}) if one.name == "second_reader" else one for one in report.criteria
    )
    report = but(report, criteria=criteria, verdict="NO-GO", causes=("a mark is open",), earliest_launch="2026-12-05")
    cover = document(report, signed).cover
    assert cover.launch.startswith("from now on")
    assert [row[3].text for row in cover.criteria.rows if row[0].text == "Second reader"] == ["settled by officers"]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["stdout._id", "tool.a/result.slots.0.at", "tool.a/result.slots.12.at", "stderr.4"]),
            st.sampled_from(["OWN_CODE", "DATE_TIME"]),
            st.sampled_from(["kept_shape", "adjudicated", "open"]),
        )
    )
)
def test_every_mark_stands_alone_or_is_counted_where_a_rule_explains_it(found: list[tuple[str, str, str]]) -> None:
    report, signed = reports.no_go()
    marks = tuple(
        Mark(mark_id=f"m-{n}", path=path, kind=kind, score=n / 100, settled=settled, rule="a rule")
        for n, (path, kind, settled) in enumerate(found)
    )
    reader = report.second_reader.model_copy(update={"marks": marks})
    shown = identifiers.second_reader(but(report, second_reader=reader), signed)
    tables = [block for block in shown if isinstance(block, Table)]
    alone = [row[0].text for table in tables if table.columns[0].title == "Mark" for row in table.rows]
    together = {
        (row[0].text, row[1].text): int(row[2].text) for t in tables if t.columns[0].title == "Path" for row in t.rows
    }
    assert alone == [mark.mark_id for mark in marks if mark.settled != "kept_shape"]
    explained = Counter(
        (path.replace("slots.0.", "slots[].").replace("slots.12.", "slots[].").replace("stderr.4", "stderr[]"), kind)
        for path, kind, settled in found
        if settled == "kept_shape"
    )
    assert together == dict(explained)


def test_a_report_of_nothing_has_all_its_sections() -> None:
    """No call, no text, no span: every section stands, without a chart of nothing."""
    report, signed = reports.no_go()
    nothing = {"count": 0, "p50": 0.0, "p95": 0.0, "p99": 0.0, "max": 0.0}
    empty = report.latency.model_copy(
        update={
            **{
                name: type(report.latency.wall_us)(**nothing)
                for name in ("thread_us", "wall_us", "loop_lag_ms", "ttft_ms")
            },
            "thread_histogram": (),
            "ttft_by_call": ((), ()),
        }
    )
    reader = report.second_reader.model_copy(update={"sensitivity": {}, "marks": (), "texts": 0})
    made = document(but(report, latency=empty, second_reader=reader, inventory=(), annexes=(), planted=()), signed)
    assert [each.anchor for each in made.sections] == list(FIGURES)
    assert not [block for each in made.sections for block in each.blocks if block.kind == "figure"]


@given(st.floats(min_value=0, max_value=1))
def test_a_share_is_never_made_to_look_perfect(share: float) -> None:
    """Only nought is written 0 %, only all of it 100 %."""
    assert (percent(share) == "0\u00a0%") == (share == 0)
    assert (percent(share) == "100\u00a0%") == (share == 1)


@given(st.floats(min_value=0, max_value=1))
def test_a_bound_is_never_written_lower_than_it_is(share: float) -> None:
    """Whoever reads the bound may rely on it."""
    assert float(at_most(share).split("\u00a0")[0]) >= share * 100 - 1e-6


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("2026-11-21T00:30:00+01:00", "2026-11-20 23:30:00 UTC"),
        ("2026-11-21T08:09:47Z", "2026-11-21 08:09:47 UTC"),
        ("2026-11-21T08:09:47", "2026-11-21 08:09:47 UTC"),
    ],
)
def test_a_time_is_said_in_utc(at: str, said: str) -> None:
    """What is labelled UTC is UTC, whatever zone it was written in."""
    assert moment(at) == said


@pytest.mark.parametrize(
    ("number", "said"),
    [(0, "0"), (20.0, "20"), (62.06, "62.1"), (4.213, "4.21"), (0.94, "0.94"), (0.0512, "0.051"), (1842.4, "1,842")],
)
def test_an_amount_has_three_digits(number: float, said: str) -> None:
    """Figures are as exact as they can be read."""
    assert amount(number) == said
