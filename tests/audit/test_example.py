"""The shipped example claims nothing that did not happen: no person reviewed it, and every page says EXAMPLE."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from attestation.audits import audit
from audit import reports
from audit.shown import on_paper
from medagent.attestation.bundle import Bundle
from medagent.attestation.officers import PINNED, Officers
from medagent.attestation.report import Report
from medagent.attestation.signed import NOT_REVIEWED, Signed
from medagent.attestation.verify import VerifiedReport, verify
from medagent.audit.render import html
from medagent.audit.render.contents import document
from medagent.errors import SignatureError
from medagent.proof import VerifyKey

ROOT = Path(__file__).parent.parent.parent
EXAMPLE = ROOT / "audits" / "evidence"


def shipped() -> VerifiedReport:
    bundle, directory = Bundle.load(EXAMPLE)
    key = VerifyKey.parse((EXAMPLE / "machine.pem").read_text())
    return verify(bundle, officers=Officers.load(PINNED), machine_keys=[key], directory=directory)


def test_shipped_example_verifies_and_is_open() -> None:
    found = shipped()
    bundle, _ = Bundle.load(EXAMPLE)
    assert found.signed.conclusion == NOT_REVIEWED
    assert found.report.verdict == "GO"
    assert (*bundle.reviews, *bundle.sign_offs, *bundle.adjudications, *bundle.sealed_reviews) == ()
    assert not (EXAMPLE / "officers").exists()


def test_shipped_pages_are_those_of_the_bundle_and_marked() -> None:
    found = shipped()
    page = html(found.report, Signed.nobody(found.report))
    assert (EXAMPLE / "report.html").read_text(encoding="utf-8") == page
    assert '<p class="stamp" aria-hidden="true">EXAMPLE</p>' in page
    assert page.count("EXAMPLE") > 20
    assert (EXAMPLE / "report.pdf").read_bytes().startswith(b"%PDF-")


def test_every_page_on_paper_is_marked() -> None:
    """What typst sets at the head of a page, once for each."""
    report, signed = reports.rehearsal()
    assert document(report, signed, example=True).example == "EXAMPLE"
    marked, plain = on_paper(report, signed, example=True), on_paper(report, signed)
    pages = len(re.findall(r"\d+ of \d+", plain))
    assert (marked.count("EXAMPLE") >= max(1, pages), plain.count("EXAMPLE")) == (True, 0)


def example(report: Report) -> Report:
    return report.model_copy(update={"run": report.run.model_copy(update={"example": True})})


def test_an_example_is_never_a_go() -> None:
    whole = audit(example).complete().verified().signed
    assert (whole.conclusion, whole.why) == ("NO-GO", ("the run is an example",))
    report, signed = reports.go()
    for made, marked in ((example(report), False), (report, True)):
        with pytest.raises(SignatureError):
            document(made, signed, example=marked)


@pytest.mark.parametrize(
    ("parts", "conclusion"),
    [({}, NOT_REVIEWED), ({"causes": ("a span is missing",)}, "NO-GO"), ({"rehearsal": True}, "CLEAN")],
)
def test_a_clean_report_that_no_person_touched_is_open(parts: dict[str, Any], conclusion: str) -> None:
    made = audit(**parts)
    assert made.verified().signed.conclusion == conclusion
    if conclusion == NOT_REVIEWED:
        assert made.reviewed("Theo Brandt").verified().signed.conclusion == "NO-GO"


def test_the_officers_pages_name_roles_and_no_invented_person() -> None:
    text = "\n".join(path.read_text("utf-8") for path in (ROOT / "audits").rglob("*.md"))
    assert {"Officer A", "Reviewer A"} <= set(re.findall(r"(?:Officer|Reviewer) [A-Z]\b", text))
    assert re.findall(r'--(?:name|reviewer) "(?!Officer |Reviewer )[^"]*"', text) == []
