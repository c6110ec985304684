"""Page one and what the audit looked at: verdict, scope, system, policy."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate

from medagent.attestation.binding import KEYED
from medagent.attestation.report import Criterion, Destination, Report
from medagent.attestation.signed import NOT_REVIEWED, Signed
from medagent.audit.render.document import (
    Block,
    Bullets,
    Cell,
    Column,
    Cover,
    Facts,
    Paragraph,
    Table,
    Tone,
)
from medagent.audit.render.legal import on_page_one
from medagent.audit.render.wording import (
    amount,
    cell,
    code,
    count,
    day,
    leaks,
    listed,
    many,
    moment,
    role,
    short,
    titled,
    yes,
)

_MOST_CAUSES = 6
_MOST_SIGNS = 480
"""As many causes stand on page one as it can hold beside its table; all of them stand in the first section."""

_MEANING = {
    "GO": "The audit found nothing against a launch, and everybody whom the protocol asks for has signed.",
    NOT_REVIEWED: "The machine's part found nothing; no person has reviewed it or signed. It is no GO.",
    "NO-GO": "The line must not go live on this audit.",
    "CLEAN": "A rehearsal that found nothing. It is no GO: it judges no latency and launches nothing.",
    "NOT CLEAN": "A rehearsal that found what must be mended before the audit.",
}
_TONES: dict[str, Tone] = {"GO": "good", "CLEAN": "good", NOT_REVIEWED: "quiet"}
_SCRIPTED = (
    "The model's behaviour was scripted: a simulator spoke the provider's protocol in its place. What a live model "
    "would say was not under test; what becomes of it on its way out was."
)
_LIVE = "A live model answered these calls; its behaviour was not scripted."


def cover(report: Report, signed: Signed, *, example: bool = False) -> Cover:
    """What stands on page one."""
    return Cover(
        conclusion=signed.conclusion,
        rehearsal=report.run.rehearsal,
        tone=_TONES.get(signed.conclusion, "bad"),
        meaning=_MEANING[signed.conclusion],
        launch="none, an example leads to no launch" if example else _launch(report, signed),
        scripted=_SCRIPTED if report.model_scripted else _LIVE,
        why=_first(signed.why) or (_calm(report),),
        signatures=tuple(_signatures(report, signed)),
        audited=Facts(
            pairs=(
                *on_page_one(report),
                ("Audited on", cell(f"{day(report.run.ended_at)}, {_size(report)}")),
                *_bound(report),
                *_day_of_a_call(report),
            )
        ),
        criteria=Table(
            caption="What a GO needs",
            columns=(
                Column(title="Criterion", weight=1.6),
                Column(title="Limit", weight=3.1),
                Column(title="Measured", weight=3.7),
                Column(title="Result", weight=1.1),
            ),
            rows=tuple(
                (cell(titled(c.name)), cell(c.limit), cell(c.measured), _result(c, signed)) for c in report.criteria
            ),
        ),
    )


def verdict(report: Report, signed: Signed) -> Iterator[Block]:
    """All causes, and what each criterion asks."""
    if signed.why:
        yield Paragraph(text=f"{many(len(signed.why), 'cause')} against it:")
        yield Bullets(items=signed.why, numbered=True)
    else:
        yield Paragraph(text=_calm(report))
    yield Facts(
        pairs=(
            ("Verdict of the machine", cell(report.verdict)),
            ("Conclusion with signatures", cell(signed.conclusion)),
            ("Earliest launch", cell(_launch(report, signed))),
            (
                "Kill switch",
                yes(not report.trips_switch, "not tripped by this audit", "tripped by this audit"),
            ),
        )
    )
    yield Table(
        caption="The criteria and what each of them asks",
        columns=(
            Column(title="Criterion", weight=2),
            Column(title="Question", weight=4.6),
            Column(title="Kill switch", weight=1),
            Column(title="Result", weight=1),
        ),
        rows=tuple(
            (
                cell(titled(c.name)),
                cell(c.question),
                cell("trips it", "bad") if c.trips_switch else cell("–", "quiet"),
                _result(c, signed),
            )
            for c in report.criteria
        ),
    )


def scope(report: Report, signed: Signed) -> Iterator[Block]:
    """Which calls were played, how, and by which protocol."""
    del signed
    run = report.run
    if run.rehearsal:
        yield Paragraph(
            text=f"This is a rehearsal at pace {amount(run.pace)}: latency was measured and not judged.", tone="bad"
        )
    yield Paragraph(text=_SCRIPTED if report.model_scripted else _LIVE)
    yield Facts(
        pairs=(
            ("Report", code(run.run_id)),
            ("Protocol", cell(f"{run.protocol_name}, version {run.protocol_version}")),
            ("Protocol, SHA-256", code(short(run.protocol_sha256))),
            ("Began", cell(moment(run.started_at))),
            ("Ended", cell(moment(run.ended_at))),
            ("Calls", cell(f"{count(run.calls)} side by side, {amount(run.call_seconds, 's')} each")),
            ("Pace", cell(f"{amount(run.pace)}, {'a rehearsal' if run.rehearsal else 'real time'}")),
            ("Environment", cell(run.env)),
            ("Seed", code(str(run.seed))),
            ("Scenarios", code(listed(run.scenarios))),
        )
    )


def system(report: Report, signed: Signed) -> Iterator[Block]:
    """What ran, and where its telemetry goes when it is not audited."""
    del signed
    it = report.system
    yield Paragraph(
        text="This report holds for exactly this code, these locked libraries, this policy and these destinations. "
        "Where one of them changes, it no longer does."
    )
    yield Facts(
        pairs=(
            ("medagent", cell(it.version)),
            ("Python", cell(it.python)),
            ("Platform", cell(f"{it.platform}, {many(it.processors, 'processor')}")),
            ("Code", code(short(it.code_sha256))),
            ("Locked libraries", code(short(it.lock_sha256))),
            ("Libraries", cell(f"{count(len(it.libraries))}, in appendix B")),
            ("Destinations", code(short(it.destinations_sha256))),
        )
    )
    yield Table(
        caption="Destinations as configured; during the audit their addresses alone were the capture's",
        columns=(
            Column(title="Destination", weight=1.4),
            Column(title="Host", weight=2.6),
            Column(title="Project", weight=2),
            Column(title="Region", weight=1),
            Column(title="Retention", weight=1.2, numeric=True),
        ),
        rows=tuple(
            (
                cell(d.name),
                code(d.host),
                cell(_project(d)),
                cell(d.region),
                cell("not stated" if d.retention_days is None else many(d.retention_days, "day")),
            )
            for d in it.destinations
        ),
    )


def _project(one: Destination) -> str:
    """Project and workspace; a keyed digest of a workspace is for the binding alone."""
    is_shown = one.workspace is not None and not one.workspace.startswith(KEYED)
    return (one.project or "–") + (f", workspace {one.workspace}" if is_shown else "")


def policy(report: Report, signed: Signed) -> Iterator[Block]:
    """Which policy decided what may leave, and who has reviewed it."""
    del signed
    it = report.system
    changed = {
        None: cell("no earlier audit to compare with", "quiet"),
        True: cell("yes"),
        False: cell("no"),
    }[it.policy_changed_since_last_audit]
    yield Paragraph(
        text="The policy names every field that may leave and what is done to it; a field that it does not name is "
        "dropped and counted."
    )
    yield Facts(
        pairs=(
            ("Policy", cell(f"{it.policy_name}, version {it.policy_version}")),
            ("SHA-256", code(short(it.policy_sha256))),
            ("Reviewed by", cell(listed(it.policy_reviewed_by, "nobody"))),
            ("Changed since the last audit", changed),
        )
    )


def _calm(report: Report) -> str:
    return "Nothing was found." if report.run.rehearsal else "Nothing stands against it."


def _first(why: tuple[str, ...]) -> tuple[str, ...]:
    fit = sum(total <= _MOST_SIGNS for total in accumulate(map(len, why[:_MOST_CAUSES])))
    shown = why[: max(1, fit)]
    rest = len(why) - len(shown)
    return (*shown, f"and {count(rest)} more, all of them in section 1") if rest else shown


def _launch(report: Report, signed: Signed) -> str:
    if report.run.rehearsal:
        return "none, a rehearsal leads to no launch"
    if report.run.example:
        return "none, an example leads to no launch"
    if signed.conclusion == "GO":
        return "from now on, for exactly what is named below"
    if report.earliest_launch is not None:
        return f"{day(report.earliest_launch)}, after a new audit"
    if report.verdict == "GO":
        return "once every signature stands that the protocol asks for"
    return "after a new audit"


def _signatures(report: Report, signed: Signed) -> Iterator[Cell]:
    """Who has signed, then who has not; a rehearsal asks for nobody."""
    if report.run.rehearsal and not (signed.reviews or signed.sign_offs or signed.missing):
        yield cell("a rehearsal asks for no signature", "quiet")
        return
    for review in signed.reviews:
        yield Cell(
            text=f"{review.reviewer}, reviewer: {leaks(review.leaks)} in {many(review.traces, 'trace')}",
            tone="bad" if review.leaks else "good",
            detail=f"{moment(review.at)}, key {review.key_id}",
        )
    for each in signed.sign_offs:
        tone: Tone = "good" if each.decision == "GO" else "bad"
        yield Cell(
            text=f"{each.name}, {role(each.role)}: {each.decision}",
            tone=tone,
            detail=f"{moment(each.at)}, key {each.key_id}",
        )
    for who in signed.missing:
        yield Cell(text=f"missing: {role(who)}", tone="bad")


def _size(report: Report) -> str:
    run = report.run
    said = f"{many(run.calls, 'call')} of {amount(run.call_seconds, 's')} each, environment {run.env}"
    return f"{said}, rehearsal at pace {amount(run.pace)}" if run.rehearsal else said


def _bound(report: Report) -> Iterator[tuple[str, Cell]]:
    """The four things for which alone the report holds, each by the beginning of its digest."""
    it = report.system
    yield "Code", cell(f"medagent {it.version} · {short(it.code_sha256)}")
    yield "Libraries", cell(f"{many(len(it.libraries), 'library', 'libraries')} as locked · {short(it.lock_sha256)}")
    yield "Policy", cell(f"{it.policy_name}, version {it.policy_version} · {short(it.policy_sha256)}")
    yield "Destinations", cell(f"{listed(tuple(d.name for d in it.destinations))} · {short(it.destinations_sha256)}")


def _day_of_a_call(report: Report) -> Iterator[tuple[str, Cell]]:
    """Whether a destination can see the day that a shifted clock hides, which the time of arrival reveals."""
    if report.system.policy_clock != "shifted":
        return
    remote = [d for d in report.system.destinations if d.name not in ("archive", "slack", "pagerduty")]
    delays = {d.release_delay_days for d in remote} or {0}
    if 0 in delays:
        said = "its times are shifted, but a destination can see the day by the time of arrival"
        yield "Day of a call", cell(said, "bad")
    else:
        yield (
            "Day of a call",
            cell(f"hidden: times are shifted, and each call is released 1 to {max(delays)} days later"),
        )


def _result(criterion: Criterion, signed: Signed) -> Cell:
    """What became of a criterion; one that failed beside a GO was settled by the officers' signed decisions."""
    if not criterion.judged:
        return cell("not judged", "quiet")
    if not criterion.passed and signed.conclusion == "GO":
        return cell("settled by officers", "good")
    return yes(criterion.passed, "passed", "FAILED")
