"""Read MEDDOCAN: Spanish case reports with invented identifiers, measured as a language that is withheld."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from bench.redaction.public.cases import Case, PublicSet, case, planted
from bench.redaction.score import ADDRESS, DATE, EMAIL, ID, NAME, PHONE, PLACE

KINDS = {
    "NOMBRE_SUJETO_ASISTENCIA": NAME,
    "NOMBRE_PERSONAL_SANITARIO": NAME,
    "FECHAS": DATE,
    "CALLE": ADDRESS,
    "TERRITORIO": PLACE,
    "ID_SUJETO_ASISTENCIA": ID,
    "ID_TITULACION_PERSONAL_SANITARIO": ID,
    "ID_ASEGURAMIENTO": ID,
    "ID_CONTACTO_ASISTENCIAL": ID,
    "CORREO_ELECTRONICO": EMAIL,
    "NUMERO_TELEFONO": PHONE,
    "NUMERO_FAX": PHONE,
}
_SPAN = re.compile(r"T\d+\t(\w+) (\d+) (\d+)\t")
_LINE = re.compile(r"[^\n]+")
_FEWEST_WORDS = 5


def read(root: Path) -> Iterator[Case]:
    """Yield the lines of five words and more of the test part: shorter ones have no language."""
    for path in sorted(root.glob("corpus/test/brat/*.txt")):
        text = path.read_text("utf-8")
        spans = [
            (match[1], int(match[2]), int(match[3]))
            for match in map(_SPAN.match, path.with_suffix(".ann").read_text("utf-8").splitlines())
            if match
        ]
        for line in _LINE.finditer(text):
            if len(line.group().split()) < _FEWEST_WORDS:
                continue
            inside = [
                (label, start - line.start(), end - line.start())
                for label, start, end in spans
                if line.start() <= start and end <= line.end()
            ]
            parts = [planted(KINDS, *span) for span in inside]
            other = [(start, end) for label, start, end in inside if label not in KINDS]
            yield case(path.stem, line.group(), [part for part in parts if part], other)


MEDDOCAN = PublicSet(
    name="meddocan",
    repository="PlanTL-GOB-ES/SPACCC_MEDDOCAN",
    licence="CC BY 4.0",
    needs="corpus/test/brat/*.txt",
    read=read,
    language="es",
)
