"""The report as one HTML file: no script, nothing loaded, readable in light and dark and on paper."""

from __future__ import annotations

import re
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from medagent.attestation.report import Report
from medagent.attestation.signed import Signed
from medagent.audit.render.contents import document
from medagent.audit.render.document import Figure

_PARTS = re.compile(r"([._/])(?=\w)")


def html(report: Report, signed: Signed, *, example: bool = False) -> str:
    """One self-contained page, the same for the same report; raises `SignatureError` on a GO that is none."""
    return _template().render(document=document(report, signed, example=example))


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("medagent.audit.render", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["broken"] = _broken
    environment.filters["drawn"] = _drawn
    environment.filters["css"] = _css
    return environment.get_template("report.html.j2")


def _broken(text: str) -> Markup:
    """A path or name that may go on in the next line after a sign that parts it."""
    return Markup(_PARTS.sub(r"\1<wbr>", str(escape(text))))  # noqa: S704  # escaped, and none of the signs is in an entity


def _drawn(figure: Figure) -> Markup:
    """The chart as it is: our own charts' SVG is the only thing that is not escaped."""
    return Markup(figure.svg)  # noqa: S704  # made by charts.py, which escapes every text in it


def _css(text: str) -> Markup:
    """A CSS string that ends where it should: every sign but letters, digits and spaces as its code point."""
    escaped = "".join(sign if sign.isalnum() or sign == " " else f"\\{ord(sign):x} " for sign in text)
    return Markup(f'"{escaped}"')  # noqa: S704  # no sign that could end the string or the style is left in it
