"""The report as a PDF that can be kept and read aloud: PDF/A-3a for the archive, PDF/UA-1 for screen readers.

All data reaches typst as one JSON string; nothing of it is ever part of the template's source. Only the fonts that
typst itself carries are used, so that every machine sets the same pages.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import resources

import typst

from medagent.attestation.report import Report
from medagent.attestation.signed import Signed
from medagent.audit.render.contents import document
from medagent.proof import canonical

_NOT_SET = re.compile(
    "[^\n\u0020-\u007e\u00a0-\u017f\u0391-\u03a1\u03a3-\u03a9\u03b1-\u03c9\u0410-\u044f\u2010-\u2015\u2018-\u201e\u2020-\u2022\u2026"
    "\u2030\u2039\u203a\u20ac\u2122\u2190-\u2193\u2212\u2260\u2264\u2265\u2713\u2717]"
)
"""Characters that the carried fonts may lack: an archival PDF may not hold one that cannot be shown."""


def pdf(report: Report, signed: Signed, *, example: bool = False) -> bytes:
    """The pages, the same bytes for the same report; raises `SignatureError` on a GO that is none."""
    ended = datetime.fromisoformat(report.run.ended_at).astimezone(UTC)
    return typst.compile(
        template(),
        format="pdf",
        ignore_system_fonts=True,
        sys_inputs=inputs(report, signed, example=example),
        pdf_standards=["a-3a", "ua-1"],
        timestamp=int(ended.timestamp()),
    )


def template() -> bytes:
    """The template's source; no report changes it."""
    return resources.files("medagent.audit.render").joinpath("templates", "report.typ").read_bytes()


def inputs(report: Report, signed: Signed, *, example: bool = False) -> dict[str, str]:
    """What the template sets: the document, and the report's canonical JSON to be attached."""
    return {
        "document": json.dumps(_settable(asdict(document(report, signed, example=example))), ensure_ascii=False),
        "record": canonical(report.model_dump(mode="json")).decode(),
    }


def settable(text: str) -> str:
    """The text with every character that the carried fonts may lack written as its code point, `[U+4E2D]`."""
    return _NOT_SET.sub(lambda found: f"[U+{ord(found.group()):04X}]", unicodedata.normalize("NFC", text))


def _settable(value: object) -> object:
    if isinstance(value, str):
        return settable(value)
    if isinstance(value, dict):
        return {name: _settable(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_settable(inner) for inner in value]
    return value
