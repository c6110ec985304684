"""The text that a log record may leave with: templates of listed libraries, lines of this package, and no other words.

A template passes if `log_templates.json` lists it for the installed version of the library whose logger wrote it; the
file is written by `scripts/build_log_templates.py` from the string literals at the log calls of the sources. The text
of an f-string is in no list. Arguments are withheld except counts and status codes, at the places that the file
declares. A version that is not in the file has no templates: all lines of that library are withheld.
"""

from __future__ import annotations

import functools
import json
import math
import os
import platform
import re
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from importlib import metadata, resources
from logging import Logger, LogRecord
from pathlib import Path
from typing import Any, NamedTuple

from medagent.errors import MedagentError

WITHHELD_TEXT = "(text withheld"
"""The beginning of each withheld line; the setting that opens it follows."""
WITHHELD_ARGUMENT = "(withheld)"
WITHHELD_NAME = "(withheld)"
CONVERSION = re.compile(
    r"%(?:\((?P<key>\w+)\))?[#0\- +]*(?:\*|\d+)?(?:\.(?:\*|\d+))?[hlL]?(?P<type>[diouxXeEfFgGcrsa%])"
)
"""One conversion of a `%` template; `type` is its letter."""
_OURS = "medagent"
_PACKAGE = f"{Path(__file__).parents[2]}{os.sep}"
_FIRST_TOO_LARGE = 1_000_000
"""A number of seven digits or more may be a telephone number or a date."""
_STATUS_CODES = range(100, 5000)
_NUMBER = r"-?\d{1,6}(?:\.\d{1,9})?(?:e[+-]\d{2,3})?|True|False"
_CLASS = re.compile(r" \[[A-Za-z_]\w{0,80}(?:Error|Exception|Warning|Interrupt|Exit|Timeout|Closed|Group)\]\Z")
_WITHHELD_LINE = re.compile(
    r"\(text withheld; MEDAGENT_LOGS_IN_CLEAR=[\w.-]+ shows it in dev(?:; no message list for [\w-]+ [\w.+-]+)?\)"
)
_PYTHON_NAMES = re.compile(
    r"MainThread|Thread-\d+( \(\w+\))?|ThreadPoolExecutor-\d+_\d+|asyncio_\d+|Dummy-\d+|Task-\d+"
    r"|MainProcess|\w*Process-\d+(:\d+)*|medagent[a-z.-]*"
)
"""The names that Python gives to threads, processes and tasks, and those of this package."""


class LogText:
    """Decides the text of a record; the words of the loggers in `in_clear`, and of those below them, are shown."""

    def __init__(self, in_clear: Collection[str] = ()) -> None:
        self._in_clear = tuple(f"{name}." for name in in_clear)

    def of(self, record: LogRecord) -> str:
        """Return the message of a record as far as it may be written out."""
        if self._is_in_clear(record.name):
            text = _message(record)
        elif _is_ours(record):
            text = _own_message(record)
        else:
            text = _template_message(record)
        return self._withheld(record) if text is None else text

    def logger_name(self, record: LogRecord) -> str:
        """Return the name of the logger if it is a name of code: a module's, a listed one, a global's, one in clear."""
        name = record.name
        known = (
            name in sys.modules
            or name in _catalogue()
            or name in ("root", "py.warnings")
            or _is_ours(record)
            or self._is_in_clear(name)
            or _is_global(name, record.pathname, len(sys.modules))
        )
        return name if known else WITHHELD_NAME

    def _is_in_clear(self, name: str) -> bool:
        return f"{name}.".startswith(self._in_clear)

    def _withheld(self, record: LogRecord) -> str:
        name = self.logger_name(record)
        setting = "LOGGER" if name == WITHHELD_NAME else name
        unlisted = _listed(record.name).unlisted
        missing = f"; no message list for {unlisted}" if unlisted else ""
        return f"{WITHHELD_TEXT}; MEDAGENT_LOGS_IN_CLEAR={setting} shows it in dev{missing})"


def python_name(name: object) -> str | None:
    """Return the name of a thread, process or task if Python or this package gave it; None stays None."""
    if name is None:
        return None
    return name if isinstance(name, str) and _is_python_name(name) else WITHHELD_NAME


@functools.lru_cache(maxsize=256)
def _is_python_name(name: str) -> bool:
    return _PYTHON_NAMES.fullmatch(name) is not None


def class_name(kind: type[BaseException]) -> str:
    """Return the name of an exception's class if a class statement made it, else `exception`."""
    found: Any = sys.modules.get(kind.__module__)
    for part in kind.__qualname__.split("."):
        found = getattr(found, part, None)
    is_of_code = found is kind or "<locals>." in kind.__qualname__
    return kind.__name__ if is_of_code and kind.__name__.isidentifier() else "exception"


def _message(record: LogRecord) -> str | None:
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001  # an argument's `__str__` may raise anything; whatever logged it must go on
        return None


def _is_ours(record: LogRecord) -> bool:
    """The call is in the code of this package, where a test lets no message be made of values."""
    return f"{record.name}.".startswith(f"{_OURS}.") and record.pathname.startswith(_PACKAGE)


def _own_message(record: LogRecord) -> str | None:
    if type(record.msg) is not str or not isinstance(record.args, tuple | None):
        return None
    try:
        return record.msg % tuple(map(_own_argument, record.args)) if record.args else record.msg
    except (TypeError, ValueError):
        return None


def _own_argument(value: object) -> object:
    match value:
        case str() | int() | float() | None:
            return value
        case MedagentError():
            return str(value)
        case BaseException():
            return class_name(type(value))
    return WITHHELD_ARGUMENT


def _template_message(record: LogRecord) -> str | None:
    text = record.msg
    if type(text) is not str:  # not a subclass either: its hash may be that of another text
        return None
    for templates in _listed(record.name).templates:
        if text in templates:
            return _filled(text, templates[text], record.args)
    if not record.args and record.process not in (None, os.getpid()):
        return _filled_elsewhere(record.name, text)
    return None


def _filled(template: str, types: str, arguments: object) -> str | None:
    """Return the template with counts and status codes in it, and every other argument withheld."""
    if not arguments:
        return template
    places = [match for match in CONVERSION.finditer(template) if match["type"] != "%"]
    if isinstance(arguments, Mapping):
        values = [arguments.get(match["key"]) for match in places]
    elif isinstance(arguments, tuple) and len(arguments) == len(places):
        values = list(arguments)
    else:
        return None
    shown = (_shown(*each) for each in zip(places, values, types.ljust(len(places), "-"), strict=True))
    return CONVERSION.sub(lambda match: "%" if match["type"] == "%" else next(shown), template)


def _shown(place: re.Match[str], value: object, type_: str) -> str:
    if type_ == "-" or not isinstance(value, int | float) or type(value) not in (int, float, bool):
        return WITHHELD_ARGUMENT
    if not math.isfinite(value) or abs(value) >= _FIRST_TOO_LARGE or (type_ == "s" and value not in _STATUS_CODES):
        return WITHHELD_ARGUMENT
    if place["type"] in "diouxXeEfFgG":
        return (f"%{place[0].rpartition(')')[2].removeprefix('%')}" % value).strip()
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _filled_elsewhere(logger: str, text: str) -> str | None:
    """Return the text of a record that another process filtered and formatted, as a LiveKit job does."""
    body = _CLASS.sub("", text)
    listed = _listed(logger).templates
    known = _WITHHELD_LINE.fullmatch(body) or any(body in templates for templates in listed)
    return text if known or (listed and _filled_forms(logger).fullmatch(body)) else None


@functools.cache
def _filled_forms(logger: str) -> re.Pattern[str]:
    """Return the pattern of all that `_filled` can return for a listed logger."""
    forms = []
    for template, types in (each for templates in _listed(logger).templates for each in templates.items()):
        places = [match for match in CONVERSION.finditer(template) if match["type"] != "%"]
        if types:
            literals = [each.replace("%%", "%") for each in _between(template, places)]
            holes = [r"\(withheld\)" if one == "-" else rf"(?:\(withheld\)|{_NUMBER})" for one in types]
            forms.append("".join(re.escape(a) + b for a, b in zip(literals, [*holes, ""], strict=True)))
    return re.compile("|".join(forms) or r"(?!)")


def _between(text: str, places: Sequence[re.Match[str]]) -> Iterator[str]:
    start = 0
    for match in places:
        yield text[start : match.start()]
        start = match.end()
    yield text[start:]


@functools.lru_cache(maxsize=1024)
def _is_global(name: str, path: str, _modules: int) -> bool:
    """A loaded module at this path holds a logger of this name as a global, so no call made it."""
    for module in list(sys.modules.values()):
        try:
            values = object.__getattribute__(module, "__dict__")  # not `vars`: that loads a lazy module
        except AttributeError:
            continue
        if values.get("__file__") == path:
            return any(isinstance(one, Logger) and one.name == name for one in list(values.values()))
    return False


class _Listed(NamedTuple):
    templates: tuple[Mapping[str, str], ...] = ()
    """The templates of a logger with the types of their arguments, for each library that writes to it."""
    unlisted: str = ""
    """A library whose installed version is not in the file, as name and version."""


@functools.cache
def _catalogue() -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
    """Return the content of the file by logger, library and version."""
    listed: dict[str, dict[str, dict[str, Any]]] = {}
    for library, versions in json.loads((resources.files(__package__) / "log_templates.json").read_bytes()).items():
        for version, entry in versions.items():
            for logger in entry["loggers"]:
                listed.setdefault(logger, {}).setdefault(library, {})[version] = entry["templates"]
    return listed


def _listed(logger: str) -> _Listed:
    return _listed_by_name(logger) if logger in _catalogue() else _Listed()


@functools.cache
def _listed_by_name(logger: str) -> _Listed:
    templates, unlisted = [], ""
    for library, versions in _catalogue()[logger].items():
        installed = _installed_version(library)
        if installed is not None and installed in versions:
            templates.append(versions[installed])
        elif installed is not None:
            unlisted = f"{library} {installed}"
    return _Listed(templates=tuple(templates), unlisted=unlisted)


@functools.cache
def _installed_version(library: str) -> str | None:
    if library == "python":
        return platform.python_version()
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return None
