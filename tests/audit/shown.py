"""What a reader sees of a report: the texts of its document, its HTML and its pages, taken from the real thing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from html.parser import HTMLParser

import typst

from medagent.attestation.report import Report
from medagent.attestation.signed import Signed
from medagent.audit.render.paper import inputs, template

UNSEEN = {"kind", "tone", "svg", "alt", "anchor"}
TELLS = b"#show text: it => { metadata(it.text); it }\n"
"""Put before the template, it tells every text that was set."""


def texts(part: object) -> Iterator[str]:
    """Every text of a document that a renderer must show."""
    if isinstance(part, str):
        yield part
    elif is_dataclass(part):
        for each in fields(part):
            if each.name not in UNSEEN:
                yield from texts(getattr(part, each.name))
    elif isinstance(part, tuple):
        for inner in part:
            yield from texts(inner)


def on_paper(report: Report, signed: Signed, *, example: bool = False) -> str:
    """Every text that typst set, in its order, without the signs that only allow a line to break."""
    found = typst.query(
        TELLS + template(),
        "metadata",
        field="value",
        ignore_system_fonts=True,
        sys_inputs=inputs(report, signed, example=example),
    )
    return "".join(json.loads(found)).replace("\u200b", "")


class Page(HTMLParser):
    """A parsed HTML page: its text, its elements, and their attributes."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.style = ""
        self._data: list[str] = []
        self._within = ""
        self.feed(source)
        self.close()

    @property
    def text(self) -> str:
        return "".join(self._data)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self._within = tag

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within == "style":
            self.style += data
        else:
            self._data.append(data)
