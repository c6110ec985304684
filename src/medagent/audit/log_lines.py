"""Log lines that the audit accepts as filtered: listed templates with counts, and the notice of a withheld text.

The list is the log filter's file of public literals; how a template is filled in is written here a second time, on
purpose, so that the filter is not judged by its own code.
"""

from __future__ import annotations

import functools
import json
import re
from importlib import resources

from medagent.audit.settle import Shape

_PLACE = re.compile(r"%(?:\(\w+\))?[#0\- +]*\d*(?:\.\d+)?[a-zA-Z%]")
_FILLED = r"(?:\(withheld\)|-?\d{1,6}(?:\.\d{1,9})?(?:e[+-]\d{2,3})?|True|False)"
_CLASS = r"(?: \[[A-Za-z_]\w{0,80}\])?"
_NOTICE = (
    r"\(text withheld; MEDAGENT_LOGS_IN_CLEAR=[A-Za-z_](?:(?!\d{4})[\w.-])* shows it in dev"
    r"(?:; no message list for [a-z-]+ \d+(?:\.\d+)*)?\)"
)


def log_message() -> Shape:
    """Return the shape of a line that the log filter may write."""
    return Shape(
        rule="a listed log message, or the notice of a withheld one",
        fits=lambda line: _forms().fullmatch(line) is not None,
        path=re.compile(r"(stderr|stdout) line$"),
    )


@functools.cache
def _forms() -> re.Pattern[str]:
    file = resources.files("medagent.telemetry.door") / "log_templates.json"
    templates = {
        template
        for versions in json.loads(file.read_bytes()).values()
        for entry in versions.values()
        for template in entry["templates"]
    }
    forms = [_NOTICE, *map(re.escape, templates), *map(_form, templates)]
    return re.compile(f"(?:{'|'.join(forms)}){_CLASS}", re.ASCII)


def _form(template: str) -> str:
    form, end = "", 0
    for match in _PLACE.finditer(template):
        form += re.escape(template[end : match.start()]) + ("%" if match[0] == "%%" else _FILLED)
        end = match.end()
    return form + re.escape(template[end:])
