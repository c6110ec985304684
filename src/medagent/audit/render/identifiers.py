"""What became of the identifiers: matrix, fields, the scan of every byte, what was planted, the second reader."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator

from medagent.attestation.report import Mark, MatrixRow, Report
from medagent.attestation.signed import Signed
from medagent.audit.render import charts
from medagent.audit.render.document import Block, Bullets, Cell, Column, Facts, Figure, Paragraph, Table
from medagent.audit.render.wording import cell, code, count, listed, many, percent, tally, titled, yes, zero

_STAGES = {
    "field_rule": "Field rule",
    "text_layer": "Text layer",
    "admission": "Admis\u00adsion",
    "exit": "Exit",
    "log_door": "Log door",
    "not_recorded": "Not taken",
}

_ITEM = re.compile(r"\.\d+(?=\.|$)")
"""An item's number in a path, written `[]` as the policy writes it."""


def matrix(report: Report, signed: Signed) -> Iterator[Block]:
    """The 18 rows of the Safe Harbor list."""
    del signed
    yield Paragraph(
        text="The identifiers of 45 CFR 164.514(b)(2)(i), A to R: the fields that may carry each, in what form each "
        "field is sent, how it was tested, how many values were planted and how many were found outside. The last row "
        "is free text, whose words may hold any of them but sound and pictures."
    )
    yield Table(
        caption="18 identifiers",
        columns=(
            Column(title="Row", weight=0.5),
            Column(title="Identifier", weight=1.9),
            Column(title="Fields and the form in which each is sent", weight=4.2),
            Column(title="Test", weight=2.6),
            Column(title="Planted", weight=0.9, numeric=True),
            Column(title="Outside", weight=0.9, numeric=True),
        ),
        rows=(*(_matrix_row(row) for row in report.matrix), *_free_text_row(report)),
    )


def _matrix_row(row: MatrixRow) -> tuple[Cell, ...]:
    said = [f"{', '.join(row.fields)}: {listed(row.actions).lower()}"] if row.fields else []
    if row.forms:
        by_form: dict[str, list[str]] = defaultdict(list)
        for field, form in zip(row.fields, row.forms, strict=True):
            by_form[form].append(field)
        said = [f"{', '.join(names)}: {form}" for form, names in by_form.items()]
    said += ["free text: see the last row"] if row.free_text else []
    return (
        Cell(text=row.letter),
        cell(titled(row.identifier)),
        cell("; ".join(said) or "no field: dropped wherever it stands"),
        cell(row.test),
        cell(row.planted),
        zero(row.found_outside),
    )


def _free_text_row(report: Report) -> Iterator[tuple[Cell, ...]]:
    names = tuple(dict.fromkeys(name for row in report.matrix for name in row.free_text))
    if names:
        longest = f" of at most {report.legal.free_text_max} characters" if report.legal else ""
        yield (
            cell("A–O, R"),
            cell("Free text"),
            cell(f"{', '.join(names)}: scrubbed text{longest}"),
            cell("every planted form looked for; read word by word by the second reader"),
            cell("in A to R"),
            cell("in A to R"),
        )


def inventory(report: Report, signed: Signed) -> Iterator[Block]:
    """Every field that left or could leave."""
    del signed
    yield Facts(
        pairs=(
            ("Fields", cell(len(report.inventory))),
            ("Not classified", zero(report.unclassified)),
        )
    )
    yield Table(
        caption="Fields that left or could leave, and why those that are kept are kept",
        columns=(
            Column(title="Span", weight=1.5),
            Column(title="Field", weight=2.2),
            Column(title="Action", weight=1.15),
            Column(title="Category", weight=1.3),
            Column(title="Row", weight=0.5),
            Column(title="Why kept", weight=3.3),
            Column(title="Seen", weight=0.9, numeric=True),
        ),
        rows=tuple(
            (
                code(row.span),
                code(row.field),
                cell(row.action.lower()),
                cell(row.category),
                cell(row.letter or ""),
                cell(row.why_kept or "–"),
                cell(row.seen),
            )
            for row in report.inventory
        ),
    )


def scan(report: Report, signed: Signed) -> Iterator[Block]:
    """Every byte that left, by which way, searched how, and what was found."""
    del signed
    it = report.scan
    yield Paragraph(
        text="Everything that left the process was captured and searched for every planted value, in every form and "
        "encoding below, also across the borders of fields."
    )
    yield Facts(
        pairs=(
            ("Documents searched", cell(sum(c.documents for c in it.channels))),
            ("Bytes searched", cell(sum(c.bytes for c in it.channels))),
            ("Findings", zero(len(it.findings))),
            ("Forms", cell(listed(it.forms))),
            ("Encodings", cell(listed(it.encodings))),
        )
    )
    yield Table(
        caption="Ways out",
        columns=(
            Column(title="Way out", weight=3),
            Column(title="Documents", numeric=True),
            Column(title="Bytes", weight=1.3, numeric=True),
            Column(title="Findings", numeric=True),
        ),
        rows=tuple((cell(c.channel), cell(c.documents), cell(c.bytes), zero(c.findings)) for c in it.channels),
    )
    if it.excluded:
        yield Paragraph(text="Not searched, and nothing else was left out:")
        yield Bullets(items=it.excluded)
    else:
        yield Paragraph(text="Nothing was left out of the search.")
    if it.findings:
        yield Table(
            caption="Findings; what was found is in the encrypted annex alone",
            columns=(
                Column(title="Finding", weight=1),
                Column(title="Planted value", weight=1.2),
                Column(title="Row", weight=0.5),
                Column(title="Form", weight=1.1),
                Column(title="Encoding", weight=1.1),
                Column(title="Way out", weight=1.5),
                Column(title="Path", weight=2.6),
            ),
            rows=tuple(
                (
                    code(f.finding_id),
                    code(f.planted_id),
                    cell(f.letter),
                    cell(f.form),
                    cell(f.encoding),
                    cell(f.channel),
                    code(f.path),
                )
                for f in it.findings
            ),
        )


def planted(report: Report, signed: Signed) -> Iterator[Block]:
    """What was planted, how often the system met it, and where it was stopped."""
    del signed
    rows = report.planted
    unknown = sorted({stage for row in rows for stage in row.stopped} - set(_STAGES))
    stages = {**_STAGES, **{name: name.replace("_", " ") for name in unknown}}
    total = Counter[str]()
    for row in rows:
        total.update(row.stopped)
    yield Paragraph(
        text="Invented identifiers of all 18 kinds were spoken, typed, returned and raised into the system. “Met” "
        "counts how often the system was given one; “not taken” are those that telemetry never records, such as sound."
    )
    yield Table(
        caption="Where planted identifiers were stopped",
        total=True,
        columns=(
            Column(title="Row", weight=0.75),
            Column(title="Kind", weight=2.5),
            Column(title="Values", numeric=True),
            Column(title="Forms", numeric=True),
            Column(title="Met", numeric=True),
            *(Column(title=title, weight=1.15, numeric=True) for title in stages.values()),
            Column(title="Outside", weight=1.15, numeric=True),
        ),
        rows=(
            *(
                (
                    cell(row.letter),
                    cell(titled(row.kind)),
                    cell(row.values),
                    cell(row.forms),
                    cell(row.offered),
                    *(tally(row.stopped.get(stage, 0)) for stage in stages),
                    zero(row.found_outside),
                )
                for row in rows
            ),
            (
                cell(""),
                cell("all"),
                cell(sum(row.values for row in rows)),
                cell(sum(row.forms for row in rows)),
                cell(sum(row.offered for row in rows)),
                *(tally(total[stage]) for stage in stages),
                zero(sum(row.found_outside for row in rows)),
            ),
        ),
    )


def second_reader(report: Report, signed: Signed) -> Iterator[Block]:
    """What other eyes marked in the texts that left, beside how much those eyes can see."""
    reader = report.second_reader
    decided = {each.mark_id: each for each in signed.adjudications}
    seen, shown = (sum(pair[side] for pair in reader.sensitivity.values()) for side in (0, 1))
    unsettled = sum(mark.settled == "open" and mark.mark_id not in decided for mark in reader.marks)
    yield Paragraph(
        text="A reader that shares neither code nor lists with the redactor read every free text that left. What it "
        "does not mark proves no more than it can see, so it was shown the planted values too."
    )
    yield Facts(
        pairs=(
            ("Reader", cell(reader.engine)),
            ("Texts read", cell(reader.texts)),
            ("Marks", cell(len(reader.marks))),
            ("Marks not settled", zero(unsettled)),
            ("Planted forms it marked", cell(f"{count(seen)} of {count(shown)}{_share(seen, shown)}")),
            ("Recognisers", code(listed(reader.recognisers))),
        )
    )
    if reader.sensitivity:
        yield Figure(
            caption="What the second reader can see: planted forms that it marked, by kind",
            alt="Planted forms that the second reader marked: "
            + "; ".join(f"{kind} {count(m)} of {count(s)}" for kind, (m, s) in reader.sensitivity.items()),
            svg=charts.sensitivity(reader),
        )
    if not reader.marks:
        yield Paragraph(text=f"It marked nothing in {many(reader.texts, 'text')}.")
    judged = [mark for mark in reader.marks if mark.settled != "kept_shape" or mark.mark_id in decided]
    if judged:
        yield _one_by_one(judged, signed)
    if explained := [mark for mark in reader.marks if mark.settled == "kept_shape" and mark.mark_id not in decided]:
        yield _together(explained)


def _one_by_one(marks: list[Mark], signed: Signed) -> Table:
    return Table(
        caption="Marks that a person settles, one by one; their text is in the encrypted annex alone",
        columns=(
            Column(title="Mark", weight=1),
            Column(title="Path", weight=3),
            Column(title="Kind", weight=1.6),
            Column(title="Score", weight=0.8, numeric=True),
            Column(title="Settled", weight=2.4),
        ),
        rows=tuple(
            (code(mark.mark_id), code(mark.path), cell(mark.kind), cell(f"{mark.score:.2f}"), _settled(mark, signed))
            for mark in marks
        ),
    )


def _together(marks: list[Mark]) -> Table:
    """A run marks the same few places thousands of times, and a page of one repeated line tells nobody anything."""
    scores: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for mark in marks:
        scores[_ITEM.sub("[]", mark.path), mark.kind, mark.rule or ""].append(mark.score)
    return Table(
        caption="Marks on kept values of their declared shape; the attached record lists each by its number",
        columns=(
            Column(title="Path", weight=3),
            Column(title="Kind", weight=1.6),
            Column(title="Marks", weight=0.8, numeric=True),
            Column(title="Score", weight=1, numeric=True),
            Column(title="What it is", weight=2.4),
        ),
        rows=tuple(
            (code(path), cell(kind), cell(len(found)), cell(_range(found)), Cell(text=rule, tone="good"))
            for (path, kind, rule), found in scores.items()
        ),
    )


def _range(scores: list[float]) -> str:
    least, most = min(scores), max(scores)
    return f"{least:.2f}" if least == most else f"{least:.2f} to {most:.2f}"


def _share(part: int, whole: int) -> str:
    return f" ({percent(part / whole)})" if whole else ""


def _settled(mark: Mark, signed: Signed) -> Cell:
    for each in signed.adjudications:
        if each.mark_id == mark.mark_id:
            return yes(each.decision == "no_leak", f"no leak, decided by {each.by}", f"a leak, decided by {each.by}")
    if mark.settled == "adjudicated":
        return Cell(text="decided by an officer", tone="good", detail=mark.rule or "")
    return Cell(text="open: counts as a leak", tone="bad")
