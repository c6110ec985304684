"""No text of the repository claims that what is sent holds no data of a patient: the policy decides what is sent."""

from __future__ import annotations

import html
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
_TEXTS = {".md", ".py", ".toml", ".yaml", ".yml", ".html", ".j2", ".typ", ".txt", ".cfg", ""}
_SKIPPED = ("tests/", "src/medagent/audit/data/", "src/medagent/redaction/text/data/", "scripts/words/")
_WHOSE = r"(?:patient|caller|client|person|individual)(?:'s|s'|s|’s)?"
_KIND = r"(?:(?:health|personal|medical|identifying|private|sensitive|protected) )*"
_DATA = rf"{_KIND}(?:data|information|identifiers?|records?)"
_PHI = rf"(?:PHI|PII|{_WHOSE} {_DATA}|{_DATA} of (?:a |any |the )?{_WHOSE})"
_NONE = r"(?:no|zero|without(?: any| a)?|free (?:of|from)|never(?: any)?|not any)"
_OUT = r"(?:leave|leaves|left|sent|exported|egress\w*|out|traces?|telemetry|process)"
_IS_SENT = r"(?:carr(?:y|ies)|contains?|holds?|has|have|sends|sending|exports?|leaks?)"
_CLAIMS = re.compile(
    "|".join(
        (
            rf"\b{_NONE} (?:raw )?{_PHI}[^.;:]{{0,40}}\b{_OUT}\b",
            rf"\b(?:traces?|spans?|telemetry|logs?|alerts?) (?:that are )?{_NONE} {_PHI}",
            rf"\b{_IS_SENT} (?:no|zero|not any) {_PHI}",
            rf"{_PHI} (?:never|does not|do not|cannot|can't|will not) (?:ever )?(?:leave|exit|escape|get out|reach)",
            r"\b(?:PHI|PII)[- ]free\b",
            r"\b(?:anonymi[sz]ed|anonymous|de-?identified) (?:traces?|spans?|telemetry|data)",
        )
    ),
    re.IGNORECASE,
)


def claims(text: str) -> list[str]:
    """The sentences of a text that claim it, whatever its lines, comment signs and quotes are."""
    flat = re.sub(r"[\s#>*`\"|/]+", " ", html.unescape(text))
    return [flat[max(0, found.start() - 40) : found.end() + 40] for found in _CLAIMS.finditer(flat)]


def shipped() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout.split("\0")
    return [
        ROOT / name
        for name in listed
        if name and Path(name).suffix in _TEXTS and not name.startswith(_SKIPPED) and (ROOT / name).is_file()
    ]


def test_no_text_claims_that_nothing_of_a_patient_is_sent() -> None:
    found = {
        str(path.relative_to(ROOT)): hits
        for path in shipped()
        if (hits := claims(path.read_text(encoding="utf-8", errors="replace")))
    }
    assert found == {}


def test_the_search_reads_the_texts_that_people_read() -> None:
    names = {str(path.relative_to(ROOT)) for path in shipped()}
    assert names >= {
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "SECURITY.md",
        "pyproject.toml",
        "audits/README.md",
        "Makefile",
        "docs/incident.md",
        "src/medagent/cli/__init__.py",
        "src/medagent/audit/render/contents.py",
        "policies/clinic.yaml",
    }


@pytest.mark.parametrize(
    "text",
    [
        "A clinic's phone agent whose traces carry no patient's data, and the proof of it.",
        "what it cost – and no patient's data\nleaves the process while they do.",
        "# Its spans contain no PHI.",
        "PHI never leaves the process",
        "patients' data do not leave this host",
        "a PHI-free trace",
        "fully anonymised traces",
        "Traces hold no personal data of a caller.",
        "<p>whose traces carry no patient&#39;s data</p>",
        "telemetry without any patient data",
        "No health information of patients is ever sent to LangSmith",
    ],
)
def test_a_claim_is_found(text: str) -> None:
    assert claims(text)


@pytest.mark.parametrize(
    "text",
    [
        "Write no patient's name into the reason: it is kept.",
        "Typed fields, so that there is no room for a patient's data.",
        "What leaves is what the policy allows; under the default policy that is still PHI.",
        "the only place where a patient's data rests",
    ],
)
def test_what_is_no_claim_is_left_alone(text: str) -> None:
    assert not claims(text)
