"""Read Presidio's vectors: sentences of its older generator and the rows of its recognisers' unit tests."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

from bench.redaction.public.cases import URL, Case, PublicSet, case, date_kind
from bench.redaction.score import ADDRESS, DATE, EMAIL, ID, NAME, PHONE, PLACE, Planted

KINDS = {
    "PERSON": NAME,
    "ADDRESS": ADDRESS,
    "LOCATION": PLACE,
    "PHONE_NUMBER": PHONE,
    "EMAIL_ADDRESS": EMAIL,
    "DOMAIN_NAME": URL,
    **dict.fromkeys(["CREDIT_CARD", "US_SSN", "IBAN_CODE", "US_DRIVER_LICENSE", "IP_ADDRESS"], ID),
}
_WORKS = re.compile(
    r"(?i)zoolander|metallica|zombie|white stripes|big three killed my baby|entertainment weekly|tube snake boogie"
    r"|fuse tv|cautionary tales|god gave rock and roll|ג|blink-182"
)
"""Names of works and bands in the templates, and a sign that was stored in the wrong encoding."""
_BY_FILE = {"email": EMAIL, "date": DATE, "ph_mobile_number": PHONE, "tr_phone_number": PHONE, "uk_postcode": ADDRESS}
_BY_MODEL = ("spacy", "stanza", "transformers", "entity", "pattern", "gliner", "lm", "medical_ner")
"""Recognisers whose rows name no kind."""


def read_sentences(root: Path) -> Iterator[Case]:
    """Yield the sentences of `generated_large.json`; a dialogue is a template."""
    for row in json.loads((root / "tests/data/generated_large.json").read_text("utf-8")):
        text, parts = row["full_text"], []
        other = [match.span() for match in _WORKS.finditer(text)]
        for span in row["spans"]:
            start, end, label = span["start_position"], span["end_position"], span["entity_type"]
            kind = date_kind(text[start:end]) if label == "DATE_TIME" else KINDS.get(label)
            if kind and text[start:end].casefold() != "nan":
                parts.append(Planted(kind, start, end))
            else:
                other.append((start, end))
        yield case(f"template {row['template_id']}", text, parts, other)


def read_rows(root: Path) -> Iterator[Case]:
    """Yield the rows of unit tests that give a text and the places of what must be found in it."""
    for path in sorted(root.glob("presidio-analyzer/tests/test_*_recognizer.py")):
        name = path.stem.removeprefix("test_").removesuffix("_recognizer")
        if name in _BY_MODEL:
            continue
        kind = URL if name == "url" else _BY_FILE.get(name, ID)
        for text, places in _rows(ast.parse(path.read_text("utf-8"))):
            # The words around are of many languages: they are not scored.
            yield case(text, text, [Planted(kind, *place) for place in places], [(0, len(text))])


def _rows(tree: ast.Module) -> Iterator[tuple[str, list[tuple[int, int]]]]:
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and len(node.args) > 1):
            continue
        rows = node.args[1]
        if node.func.attr != "parametrize" or not isinstance(rows, ast.List | ast.Tuple):
            continue
        for row in rows.elts:
            try:
                values = ast.literal_eval(row)
            except ValueError:
                continue
            if isinstance(values, tuple) and len(values) > 2 and isinstance(values[0], str) and values[1]:
                places = [place for place in _pairs(values[2]) if place[1] <= len(values[0])]
                if places:
                    yield values[0], places


def _pairs(value: object) -> Iterator[tuple[int, int]]:
    """Yield places, which some rows write without the outer tuple."""
    if isinstance(value, tuple) and len(value) == 2 and all(isinstance(each, int) for each in value):
        yield value
    elif isinstance(value, tuple):
        for each in value:
            yield from _pairs(each)


SENTENCES = PublicSet(
    name="presidio-sentences",
    repository="microsoft/presidio-research",
    licence="MIT",
    needs="tests/data/generated_large.json",
    read=read_sentences,
)
ROWS = PublicSet(
    name="presidio-tests",
    repository="microsoft/presidio",
    licence="MIT",
    needs="presidio-analyzer/tests/test_*_recognizer.py",
    read=read_rows,
)
