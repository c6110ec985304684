"""The report for people: HTML and PDF, made from the same JSON that is signed."""

from medagent.audit.render.page import html
from medagent.audit.render.paper import pdf

__all__ = ["html", "pdf"]
