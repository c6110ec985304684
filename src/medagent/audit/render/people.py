"""What people did and what is left to say: sample, limits of the proof, sign-offs, custody, the appendix."""

from __future__ import annotations

from collections.abc import Iterator

from medagent.attestation.reading_time import FREE_TEXT_MS, OTHER_MS
from medagent.attestation.report import Bound, Report
from medagent.attestation.signed import Signed
from medagent.audit.render.document import Block, Bullets, Cell, Column, Facts, Paragraph, Table
from medagent.audit.render.wording import at_most, cell, code, count, leaks, many, moment, percent, role, yes, zero
from medagent.proof import digest


def sample(report: Report, signed: Signed) -> Iterator[Block]:
    """What was read by people, how well they read, and what that bounds."""
    it = report.sample
    planted = many(it.planted_copies, "copy", "copies")
    yield Paragraph(
        text=f"{many(len(it.traces), 'trace')} drawn at random with seed {it.seed}, for people to read. Known leaks "
        f"stand in {planted} of them: they measure the reviewer. A sample of this size checks the machine; the "
        "proof is the scan of every byte."
    )
    if signed.reviews:
        yield Table(
            caption="Reviews",
            columns=(
                Column(title="Reviewer", weight=2.6),
                Column(title="Traces", weight=0.9, numeric=True),
                Column(title="Leaks found", weight=1.1, numeric=True),
                Column(title="Planted leaks found", weight=1.4, numeric=True),
                Column(title="Sensitivity", weight=1.2, numeric=True),
                Column(title="For a free text", weight=1.2, numeric=True),
                Column(title="For any other", weight=1.2, numeric=True),
            ),
            rows=tuple(
                (
                    Cell(text=r.reviewer, detail=f"{moment(r.at)}, key {r.key_id}"),
                    cell(r.traces),
                    zero(r.leaks),
                    cell(f"{count(r.planted_found)} of {count(r.planted)}"),
                    cell("not measured" if r.sensitivity is None else percent(r.sensitivity)),
                    _time(r.free_texts, r.free_text_ms, FREE_TEXT_MS),
                    _time(r.other_texts, r.other_ms, OTHER_MS),
                )
                for r in signed.reviews
            ),
        )
        yield Paragraph(
            text="The times are means, as the reviewer's own software states them: no third party measured them. A "
            f"review with under {FREE_TEXT_MS / 1000:g} s for each free text or {OTHER_MS / 1000:g} s for each other "
            "text is invalid. Free text was shown first."
        )
        if invalid := tuple(reason for r in signed.reviews for reason in r.invalid):
            yield Bullets(items=invalid)
        kappa = "no figure" if signed.kappa is None else f"{signed.kappa:.2f}"
        yield Facts(
            pairs=(
                ("Sensitivity asked for", cell(percent(it.minimum_sensitivity))),
                ("Agreement, Cohen's kappa", Cell(text=kappa, detail=signed.kappa_note)),
            ),
        )
    else:
        yield Paragraph(text="Nobody has reviewed the sample.", tone="quiet" if report.run.rehearsal else "bad")
    yield Table(
        caption="What this many units prove: the rate of leaks is at most this, with 95 % confidence",
        columns=(
            Column(title="By", weight=2.6),
            Column(title="Unit", weight=1.6),
            Column(title="Units read", numeric=True),
            Column(title="With a leak", numeric=True),
            Column(title="Rate at most", weight=1.1, numeric=True),
        ),
        rows=tuple(_bound(bound) for bound in (*signed.bounds, *report.bounds)),
    )
    if it.traces:
        yield Table(
            caption="The sample",
            columns=(
                Column(title="No.", weight=0.5, numeric=True),
                Column(title="Trace", weight=2.6),
                Column(title="SHA-256 of the worksheet", weight=5),
            ),
            rows=tuple((cell(n), code(t.trace_id), code(t.sha256)) for n, t in enumerate(it.traces, start=1)),
        )
    if any(t.commitment for t in it.traces):
        yield Table(
            caption="What is planted in each worksheet, committed to before it was read: a salted hash that the "
            "sign-off opens",
            columns=(
                Column(title="No.", weight=0.5, numeric=True),
                Column(title="Trace", weight=2.6),
                Column(title="Commitment", weight=5),
            ),
            rows=tuple(
                (cell(n), code(t.trace_id), code(t.commitment or "none")) for n, t in enumerate(it.traces, start=1)
            ),
        )


def deviations(report: Report, signed: Signed) -> Iterator[Block]:
    """Where the audit left its protocol."""
    del signed
    if report.deviations:
        yield Bullets(items=report.deviations, numbered=True)
    else:
        yield Paragraph(text="None: the protocol was followed.")


def limits(report: Report, signed: Signed) -> Iterator[Block]:
    """What this audit does not prove."""
    del signed
    if report.does_not_prove:
        yield Bullets(items=report.does_not_prove, numbered=True)
    else:
        yield Paragraph(text="The protocol names no limits of the proof.", tone="bad")


def sign_offs(report: Report, signed: Signed) -> Iterator[Block]:
    """Who has signed, who must still, and what officers decided of single marks."""
    asked = "; ".join(f"{count(n)} × {role(name)}" for name, n in sorted(report.required_roles.items()))
    yield Facts(
        pairs=(
            ("The protocol asks for", cell(asked or "no signature")),
            (
                "Missing",
                yes(not signed.missing, "nothing", role("; ".join(signed.missing))),
            ),
        )
    )
    if signed.reviews or signed.sign_offs:
        yield Table(
            caption="Signatures by keys on the pinned list of officers",
            columns=(
                Column(title="Name", weight=2),
                Column(title="Role", weight=1.3),
                Column(title="Decision", weight=1),
                Column(title="At", weight=1.9),
                Column(title="Key", weight=1.7),
            ),
            rows=(
                *(
                    (
                        cell(r.reviewer),
                        cell("reviewer"),
                        cell(leaks(r.leaks), "bad" if r.leaks else "good"),
                        cell(moment(r.at)),
                        code(r.key_id),
                    )
                    for r in signed.reviews
                ),
                *(
                    (
                        cell(s.name),
                        cell(role(s.role)),
                        yes(s.decision == "GO", "GO", "NO-GO"),
                        cell(moment(s.at)),
                        code(s.key_id),
                    )
                    for s in signed.sign_offs
                ),
            ),
        )
    else:
        yield Paragraph(text="Nobody has signed.", tone="quiet" if report.run.rehearsal else "bad")
    if signed.adjudications:
        yield Table(
            caption="Marks of the second reader that officers decided",
            columns=(
                Column(title="Mark", weight=1.2),
                Column(title="Decision", weight=1),
                Column(title="By", weight=2),
                Column(title="At", weight=1.9),
                Column(title="Key", weight=1.7),
            ),
            rows=tuple(
                (
                    code(a.mark_id),
                    yes(a.decision == "no_leak", "no leak", "a leak"),
                    cell(a.by),
                    cell(moment(a.at)),
                    code(a.key_id),
                )
                for a in signed.adjudications
            ),
        )


def custody(report: Report, signed: Signed) -> Iterator[Block]:
    """How long what is kept, by whom, and the files beside the report."""
    del signed
    if report.retention:
        yield Bullets(items=report.retention)
    if report.annexes:
        yield Table(
            caption="Annexes, held to the report by their digests",
            columns=(
                Column(title="File", weight=2.1),
                Column(title="Encrypted", weight=0.9),
                Column(title="SHA-256", weight=4.8),
            ),
            rows=tuple(
                (code(a.name), cell("to the officer" if a.encrypted else "no"), code(a.sha256)) for a in report.annexes
            ),
        )
    else:
        yield Paragraph(text="There is no annex.")


def digests(report: Report, signed: Signed) -> Iterator[Block]:
    """Every digest in full."""
    it = report.system
    pairs = (
        ("Report, canonical JSON", digest(report.model_dump(mode="json"))),
        ("Signed statement", signed.statement_sha256 or "nothing is signed yet"),
        ("Code", it.code_sha256),
        ("Locked libraries", it.lock_sha256),
        ("Installed code", it.installed_sha256 or "not checked"),
        ("Policy", it.policy_sha256),
        ("Destinations", it.destinations_sha256),
        ("Protocol", report.run.protocol_sha256),
        ("List of officers", signed.officers_sha256 or "none was consulted"),
        ("Key of the installation", signed.machine_key_id or "not signed"),
    )
    yield Facts(pairs=tuple((name, code(value)) for name, value in pairs))


def libraries(report: Report, signed: Signed) -> Iterator[Block]:
    """What was installed, by name and version."""
    del signed
    yield Table(
        caption="Libraries as installed",
        columns=(Column(title="Library", weight=3), Column(title="Version", weight=2)),
        rows=tuple((code(name), code(version)) for name, version in sorted(report.system.libraries.items())),
    )


def offline(report: Report, signed: Signed) -> Iterator[Block]:
    """How a stranger checks it, with public keys alone."""
    del report, signed
    yield Paragraph(
        text="These pages are for people; the record is the signed JSON from which they were made. Whoever has the "
        "bundle, its annexes and the public keys of the installation and of the officers can check it on a machine "
        "without a network:"
    )
    yield Facts(
        pairs=(
            ("Check everything", code("medagent audit verify BUNDLE --officers DIRECTORY --machine-key FILE")),
            ("Make these pages again", code("medagent audit render BUNDLE --html FILE --pdf FILE")),
        )
    )
    yield Bullets(
        items=(
            "Take the public keys from where you keep them, not from whoever hands you the report.",
            "The command says line by line what it checked, and stops at the first thing that does not hold.",
            "The PDF carries the report's canonical JSON as an attachment; its SHA-256 is the first digest above.",
            "The same report and signatures give the same pages, byte for byte.",
        )
    )


def _time(texts: int, mean_ms: float | None, least: int) -> Cell:
    """The mean time for a kind of text, with how many there were."""
    if mean_ms is None:
        return cell("not stated", "bad")
    return Cell(
        text=f"{mean_ms / 1000:.2f}\u00a0s", detail=f"{count(texts)} texts", tone="bad" if mean_ms < least else "plain"
    )


def _bound(bound: Bound) -> tuple[Cell, ...]:
    return (cell(bound.what), cell(bound.unit), cell(bound.n), zero(bound.found), cell(at_most(bound.upper_95)))
