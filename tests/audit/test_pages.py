"""The pages themselves, HTML and PDF: they say all of it, escape what is hostile, and are the same each time."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import unicodedata
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typst

from audit import reports
from audit.shown import Page, on_paper, texts
from medagent.attestation import report as form
from medagent.attestation.report import Report
from medagent.attestation.signed import Signed
from medagent.audit.render import charts, html, pdf
from medagent.audit.render.contents import document
from medagent.audit.render.paper import settable
from medagent.proof import canonical

SAMPLES = (reports.go, reports.no_go, reports.rehearsal, reports.strained)
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>\"'</style></svg>]]>{{ 7 * 7 }}#pagebreak() $x$ *b* & \\n"
)
STREAM = re.compile(rb"stream\r?\n(.*?)\r?\nendstream", re.DOTALL)


def hostile() -> tuple[Report, Signed]:
    """A report in which whoever names things means harm."""
    made, signed = reports.no_go()
    channels = (form.Channel(channel=HOSTILE, documents=1, bytes=1, findings=0),)
    changes = {
        "run": made.run.model_copy(update={"run_id": HOSTILE, "scenarios": (HOSTILE,)}),
        "scan": made.scan.model_copy(update={"channels": channels, "excluded": (HOSTILE,)}),
        "second_reader": made.second_reader.model_copy(update={"sensitivity": {HOSTILE: (1, 2)}}),
        "deviations": (HOSTILE,),
    }
    return made.model_copy(update=changes), signed


def streams(file: bytes) -> Iterator[bytes]:
    """What stands in a PDF's compressed streams."""
    for found in STREAM.finditer(file):
        try:
            yield zlib.decompress(found.group(1))
        except zlib.error:
            yield found.group(1)


@pytest.mark.parametrize("sample", SAMPLES)
def test_html_shows_every_text_of_the_document(sample: reports.Sample) -> None:
    """Nothing of the document is lost on the way to the page, and no figure's words for those who cannot see it."""
    page = Page(html(*sample()))
    made = document(*sample())
    assert [text for text in texts(made) if text not in page.text and text != made.mark] == []
    alts = {block.alt for each in made.sections for block in each.blocks if block.kind == "figure"}
    assert alts == {value for name, value in page.attributes if name == "aria-label"} & alts


@pytest.mark.parametrize("sample", SAMPLES)
def test_paper_shows_every_text_of_the_document(sample: reports.Sample) -> None:
    """What typst sets on the pages is all of the document."""
    shown = on_paper(*sample())
    assert [text for text in texts(document(*sample())) if text not in shown] == []


def test_html_escapes_what_is_hostile() -> None:
    """A name made of markup is text: no element, no attribute, no style comes of it, nor out of a chart."""
    page, clean = Page(html(*hostile())), Page(html(*reports.no_go()))
    assert page.text.count(HOSTILE) >= 4
    assert set(page.elements) == set(clean.elements)
    assert not {"script", "img", "link", "iframe", "object"} & set(page.elements)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "alert" not in page.style.split("@page { @bottom-left")[0]
    assert page.style.count("{") == page.style.count("}") == clean.style.count("}")


def test_paper_sets_what_is_hostile_as_text() -> None:
    """Typst's own markup in a name is shown, not obeyed."""
    assert on_paper(*hostile()).count("#pagebreak() $x$ *b*") >= 4
    assert pdf(*hostile()).startswith(b"%PDF-")


def test_html_loads_nothing() -> None:
    """No script, no address: links lead into the page alone, and its own policy forbids every load."""
    page = Page(html(*reports.go()))
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in page.attributes
    assert "script" not in page.elements
    links = [value for name, value in page.attributes if name in {"href", "src", "xlink:href", "action"}]
    assert links
    assert all(link.startswith("#") for link in links)
    assert "url(" not in page.style
    assert "@import" not in page.style


def test_each_link_of_the_contents_leads_to_a_section() -> None:
    """Every anchor is there, once."""
    page = Page(html(*reports.go()))
    ids = [value for name, value in page.attributes if name == "id"]
    linked = [value[1:] for name, value in page.attributes if name == "href"]
    assert linked
    assert all(ids.count(each) == 1 for each in linked)


@pytest.mark.parametrize("chart", [charts.overhead, charts.answers])
def test_a_chart_has_only_the_inks_that_a_dark_page_changes(chart: object) -> None:
    """A colour that the style sheet does not know would vanish on a dark page."""
    assert callable(chart)
    report, _ = reports.go()
    style = Page(html(*reports.go())).style
    for svg in (chart(report.latency), charts.sensitivity(report.second_reader)):
        colours = set(re.findall(r'(?:fill|stroke)="([^"]+)"', svg)) - {"none", "transparent"}
        assert colours <= {charts.INK, charts.QUIET, charts.RULE, charts.BAR, charts.ALARM}
        assert all(f'="{colour}"]' in style for colour in colours)


def test_the_overhead_chart_shows_both_limits() -> None:
    """The lines of 1 ms and 5 ms stand in the chart even where nothing came near them."""
    report, _ = reports.go()
    assert report.latency.thread_us.max < 1_000
    svg = charts.overhead(report.latency)
    assert "1 ms: limit for a GO" in svg
    assert "5 ms: switch trips" in svg


@pytest.mark.parametrize("sample", [reports.go, reports.no_go])
def test_the_same_report_gives_the_same_bytes_in_another_process(sample: reports.Sample) -> None:
    """Neither the time, nor the order of a set, nor the machine's fonts stand in the pages."""
    code = (
        "import hashlib, sys\nfrom audit import reports\nfrom medagent.audit.render import html, pdf\n"
        f"made = reports.{sample.__name__}()\n"
        "print(hashlib.sha256(html(*made).encode()).hexdigest(), hashlib.sha256(pdf(*made)).hexdigest())"
    )
    tests = str(Path(__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": tests, "PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LANG": "C"},
        capture_output=True,
        text=True,
        check=True,
    )
    here = [hashlib.sha256(each).hexdigest() for each in (html(*sample()).encode(), pdf(*sample()))]
    assert done.stdout.split() == here


def test_the_pdf_is_archival_accessible_and_carries_the_record() -> None:
    """PDF/A-3a and PDF/UA-1 by its own metadata, English, and the report's canonical JSON attached, byte for byte."""
    report, signed = reports.go()
    file = pdf(report, signed)
    held = list(streams(file))
    metadata = next(each for each in held if b"<x:xmpmeta" in each)
    assert re.search(rb"pdfaid:part>3<", metadata)
    assert re.search(rb"pdfaid:conformance>A<", metadata)
    assert re.search(rb"pdfuaid:part>1<", metadata)
    assert b"21 November 2026: GO" in metadata
    record = canonical(report.model_dump(mode="json"))
    assert record in held
    assert hashlib.sha256(record).hexdigest() in on_paper(report, signed)
    assert b"StructTreeRoot" in file + b"".join(held)


def test_a_name_that_the_fonts_lack_is_shown_by_its_code_points() -> None:
    """An archival PDF may not hold a sign without a shape: the page says which it was, and is made."""
    report, signed = reports.go()
    strange = f"Zoë \u674e\u202e\x07 {chr(0x1F600)} O'Neill"
    run = report.run.model_copy(update={"protocol_name": strange})
    made = (report.model_copy(update={"run": run}), signed)
    assert "Zoë [U+674E][U+202E][U+0007] [U+1F600] O'Neill" in on_paper(*made)
    assert pdf(*made).startswith(b"%PDF-")


def test_every_character_that_is_let_through_can_be_set() -> None:
    """The carried fonts have a shape for each, in text, bold and code."""
    through = "".join(sign for sign in map(chr, range(0x20, 0x3000)) if settable(sign) == sign)
    assert len(through) > 400
    source = """#set document(title: "all")
    #for (font, weight) in (("Libertinus Serif", 400), ("Libertinus Serif", 600), ("DejaVu Sans Mono", 400)) {
      par(text(font: font, weight: weight, sys.inputs.all))
    }"""
    made = typst.compile(
        source.encode(),
        format="pdf",
        ignore_system_fonts=True,
        sys_inputs={"all": unicodedata.normalize("NFC", through)},
        pdf_standards=["a-3a", "ua-1"],
        timestamp=0,
    )
    assert made.startswith(b"%PDF-")
