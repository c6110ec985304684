"""Legal status of what is sent, as page one and a section of its own state it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime

from medagent.attestation.legal import LegalStatus, Processor, SentField
from medagent.attestation.report import Report
from medagent.attestation.signed import Signed
from medagent.audit.render.document import Block, Bullets, Cell, Column, Paragraph, Table
from medagent.audit.render.wording import cell, code, count, listed, many

_MOST_NAMES = 2
_LABELS = {
    "appointment": "slot",
    "staff": "doctor",
    "confirmation": "confirmation id",
    "identifier": "id",
    "date_of_birth": "date of birth",
    "mrn": "medical record number",
}
_NOT_STATED = "not stated: the report is from before it was"
COMBINATION = (
    "Re-identification by combination. A person can be recognised although no single field names anybody. The slot, "
    "the doctor, the place and the exact time of the call together point to one appointment: whoever has the clinic's "
    "schedule, a telephone bill or a view of the waiting room can look up whose it was. A pseudonym of a phone is the "
    "same in every call, so that one recognised call opens all others of that phone, and whoever holds the key can "
    "compute it from a number. Rare symptoms or an age in a free text narrow it further. This audit searches for "
    "identifiers one by one and does not measure this; remove or coarsen a field where its destination has such data."
)


def on_page_one(report: Report) -> Iterator[tuple[str, Cell]]:
    """Yield the legal status, what free text may carry, and with whom contracts are needed."""
    it = report.legal
    if it is None:
        yield "Legal status", cell(_NOT_STATED, "bad")
        return
    yield "Legal status", cell(status(it))
    if it.free_text:
        yield "Free text", cell(_free_text(it))
    yield "Contracts (BAA)", _contracts(report, it)


def legal(report: Report, signed: Signed) -> Iterator[Block]:
    """The status with every field that decides it, the processors, and re-identification by combination."""
    del signed
    it = report.legal
    if it is None:
        yield Paragraph(text=f"The legal status of what is sent is {_NOT_STATED}.", tone="bad")
        return
    yield Paragraph(text=f"{_sentence(status(it))}. What is sent is what the policy allows, field by field.")
    if it.sent:
        yield Table(
            caption="Fields that are sent in a form that Safe Harbor does not allow, or that narrow down a person",
            columns=(
                Column(title="Field", weight=3),
                Column(title="Row", weight=0.5),
                Column(title="Form", weight=3.5),
            ),
            rows=tuple((code(one.field), cell(one.letter or "–"), cell(one.form)) for one in it.sent),
        )
    if it.exact_time:
        yield Paragraph(text="Every span carries the exact time of the call, which is a date of row C.")
    if it.free_text:
        yield Paragraph(text=f"Free text, {_free_text(it, whole=True)}.")
    yield Paragraph(text=COMBINATION)
    yield Table(
        caption="Destinations and processors in use, with the contracts as the clinic states them in processors.yaml",
        columns=(
            Column(title="Processor", weight=1.4),
            Column(title="Receives", weight=2.4),
            Column(title="BAA", weight=1.6),
            Column(title="Region", weight=1),
            Column(title="Retention", weight=1),
            Column(title="Sub-processors", weight=1.4),
        ),
        rows=tuple(_row(one) for one in it.processors),
    )
    lacking = [f"{one.name} lacks {', '.join(less)}" for one in it.processors if (less := one.lacking(_ended(report)))]
    if lacking:
        yield Paragraph(text="Incomplete; a GO in prod is refused while an entry is:", tone="bad")
        yield Bullets(items=tuple(lacking))


def status(it: LegalStatus) -> str:
    """Return the status in one sentence without its full stop."""
    if it.status == "safe_harbor_fields":
        said = "the fields of Safe Harbor, 45 CFR 164.514(b)(2)(i) A to R, are met: each is removed or coarse enough"
        return f"{said}. Sent beside them: {_groups(it.sent)}" if it.sent else said
    why = [_groups(it.sent)] if it.sent else []
    why += ["exact time of the call"] if it.exact_time else []
    why += ["day of the call, by the time of arrival"] if it.arrival_shows_day else []
    return f"what is sent is still PHI under 45 CFR 164.514, by: {'; '.join(why)}"


def _groups(sent: tuple[SentField, ...]) -> str:
    groups: dict[str, list[str]] = {}
    for one in sent:
        label = _LABELS.get(one.category, one.category.replace("_", " "))
        shown = f"pseudonym of a {label}" if one.form.startswith("keyed pseudonym") else label
        groups.setdefault(shown, []).append(_leaf(one.field))
    return "; ".join(f"{label} ({_some(tuple(dict.fromkeys(names)))})" for label, names in groups.items())


def _some(names: tuple[str, ...]) -> str:
    more = len(names) - _MOST_NAMES
    shown = ", ".join(names[:_MOST_NAMES])
    return f"{shown} and {count(more)} more" if more > 0 else shown


def _leaf(field: str) -> str:
    return re.split(r"[.: ]", field)[-1]


def _free_text(it: LegalStatus, *, whole: bool = False) -> str:
    names = tuple(dict.fromkeys(it.free_text if whole else map(_leaf, it.free_text)))
    return (
        f"{', '.join(names) if whole else _some(names)}: scrubbed, at most {it.free_text_max} characters. It may carry "
        "any identifier that the scrubber misses, so Safe Harbor is not claimed for it"
    )


def _contracts(report: Report, it: LegalStatus) -> Cell:
    """With whom a contract is needed, and which of them the clinic has not stated completely."""
    needed = [one for one in it.processors if one.baa_not_needed is None and one.not_used is None]
    lacking = [one.name for one in it.processors if one.lacking(_ended(report))]
    without = [f"{one.name} ({one.baa_not_needed or one.not_used})" for one in it.processors if one not in needed]
    said = f"needed under 164.504(e) with {listed(tuple(_name(one.name) for one in needed), 'nobody')}"
    said += f". Without one, as the clinic states: {'; '.join(without)}" if without else ""
    detail = (
        f"{many(len(lacking), 'entry', 'entries')} of {count(len(it.processors))} incomplete"
        if lacking
        else "all stated"
    )
    return Cell(text=said, detail=detail, tone="bad" if lacking else "plain")


def _row(one: Processor) -> tuple[Cell, ...]:
    if one.not_used is not None:
        baa = Cell(text="not used", detail=one.not_used)
    elif one.baa_not_needed is not None:
        baa = Cell(text="no BAA", detail=one.baa_not_needed)
    elif one.baa_reference is not None and one.baa_date is not None:
        baa = Cell(text=one.baa_reference, detail=one.baa_date.isoformat())
    else:
        baa = cell("not stated", "bad")
    subs = "not stated" if one.sub_processors is None else listed(one.sub_processors, "none")
    return (
        Cell(text=_name(one.name), detail=one.service or ""),
        cell(one.receives or "not stated"),
        baa,
        cell(one.region or "not stated"),
        cell(one.retention or "not stated"),
        cell(subs),
    )


def _name(name: str) -> str:
    known = {
        "azure_openai": "Azure OpenAI",
        "livekit": "LiveKit",
        "sip_carrier": "SIP carrier",
        "langsmith": "LangSmith",
    }
    known |= {"langfuse": "Langfuse", "otlp": "OTLP collector", "jsonlog": "log service", "slack": "Slack"}
    known |= {"pagerduty": "PagerDuty", "time_stamp_server": "time-stamp server"}
    return known.get(name, name.replace("_", " "))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _ended(report: Report) -> date:
    return datetime.fromisoformat(report.run.ended_at).date()
