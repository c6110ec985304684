"""Filter of log lines on the way out: a handler gets a redacted copy of a record, never the record.

The copy has time, level, place in the code, the text that `log_text` allows and the class of an exception; no extras,
no traceback, no arguments. Each handler gets the copy, also one of an unknown class, except those of `_IN_MEMORY`: they
keep records in this process and hand them to nothing. A `MemoryHandler` is not among them, it has a target. The record
itself is not changed, so that filters of loggers, and tests that read `caplog`, see what was logged. Any thread.
"""

from __future__ import annotations

import functools
import io
import logging
import re
import sys
import threading
import warnings
from collections.abc import Callable, Collection
from types import TracebackType
from weakref import WeakKeyDictionary

from medagent.telemetry.door.log_text import (
    WITHHELD_ARGUMENT,
    WITHHELD_NAME,
    WITHHELD_TEXT,
    LogText,
    class_name,
    python_name,
)

_log = logging.getLogger(__name__)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"taskName"}
_stock_handle = logging.Handler.handle
_FIELDS: tuple[tuple[type[logging.PercentStyle], re.Pattern[str]], ...] = (
    (logging.StringTemplateStyle, re.compile(r"\$\{?(\w+)")),
    (logging.StrFormatStyle, re.compile(r"\{(\w+)")),
    (logging.PercentStyle, re.compile(r"%\((\w+)\)")),
)
"""How a format names a field, by its style."""
_FIELD = re.compile(r"[A-Za-z_][A-Za-z_.]{0,40}")
_IN_MEMORY = (
    ("logging.handlers", "BufferingHandler"),
    ("unittest._log", "_CapturingHandler"),
    ("_pytest.logging", "LogCaptureHandler"),
)
"""Classes whose records stay in this process; exactly these, since a subclass may write them anywhere."""


class RedactedRecord(logging.LogRecord):
    """A record that may be written out; `copy.copy` makes another one, pickle makes a plain record."""

    def __init__(self, content: dict[str, object]) -> None:
        vars(self).update(content)

    def __copy__(self) -> RedactedRecord:
        return RedactedRecord(vars(self))

    def __deepcopy__(self, _memo: object) -> RedactedRecord:
        return RedactedRecord(vars(self))

    def __reduce__(self) -> tuple[object, ...]:
        return logging.makeLogRecord, (dict(vars(self)),)


_originals: WeakKeyDictionary[logging.LogRecord, logging.LogRecord] = WeakKeyDictionary()
"""The record behind each redacted one, for the handlers that keep records in memory."""


def redacted(record: logging.LogRecord) -> RedactedRecord:
    """Return what may be written out of a record; a redacted record is returned as it is."""
    return record if isinstance(record, RedactedRecord) else _made(record, text=None, original=record)


def guard_logging(*, in_clear: Collection[str] = ()) -> None:
    """Put the filter before every handler of this process.

    Handlers that are added later are behind it too. It is in `logging.Logger.callHandlers`, so that a handler with a
    `handle` of its own and a library that replaced `callHandlers` get the copy, and in `logging.Handler.handle`, after
    the handler's own filters: they add fields, and a queue, a buffer or an error tracker calls a handler past its
    logger. A further call replaces the list, and puts the filter before what a library has put before it since.
    Warnings become log lines.

    Args:
        in_clear: Loggers whose words are shown, with those below them; a host program's own, for example.
    """
    _Filter.text = LogText(in_clear)
    if warnings.showwarning is not getattr(logging, "_showwarning", None):
        logging.captureWarnings(False)  # a `catch_warnings` that has ended undid it, and `logging` does not know
        logging.captureWarnings(True)
    if _Filter.call_handlers is None or logging.Handler.handle is _stock_handle:
        logging.Handler.handle = _handle  # type: ignore[method-assign, assignment]  # `logging` has no other place for it
    if logging.Logger.callHandlers is not _Filter.call_handlers:
        _Filter.call_handlers = _guarded(logging.Logger.callHandlers)
        logging.Logger.callHandlers = _Filter.call_handlers  # type: ignore[method-assign, assignment]


def guard_tracebacks() -> None:
    """For a process of our own: what nobody caught leaves stderr as a log line with class and place, no message."""

    def told(kind: type[BaseException] | None, traceback: TracebackType | None) -> None:
        while traceback is not None and traceback.tb_next is not None:
            traceback = traceback.tb_next
        where = "" if traceback is None else f" at {traceback.tb_frame.f_code.co_filename}:{traceback.tb_lineno}"
        _log.critical("nobody caught %s%s", "an exception" if kind is None else class_name(kind), where)

    def uncaught(kind: type[BaseException], _error: BaseException, traceback: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            told(kind, traceback)

    sys.excepthook = uncaught
    sys.unraisablehook = lambda failed: told(failed.exc_type, failed.exc_traceback)
    threading.excepthook = lambda failed: told(failed.exc_type, failed.exc_traceback)


class _Filter:
    """The one of this process, as there is one `logging`."""

    text = LogText()
    call_handlers: Callable[[logging.Logger, logging.LogRecord], None] | None = None
    """The `callHandlers` that was put in last; another library may have replaced it since."""


def _guarded(
    call_handlers: Callable[[logging.Logger, logging.LogRecord], None],
) -> Callable[[logging.Logger, logging.LogRecord], None]:
    @functools.wraps(call_handlers)
    def guarded(logger: logging.Logger, record: logging.LogRecord) -> None:
        call_handlers(logger, redacted(record))

    return guarded


def _handle(handler: logging.Handler, record: logging.LogRecord) -> bool | logging.LogRecord:
    """Do what `logging.Handler.handle` does, with a redacted record of this handler's own."""
    if _keeps_in_memory(handler):
        return _stock_handle(handler, _originals.get(record, record))
    arrived = redacted(record)
    original = _originals.get(arrived)
    written = _copied(arrived, original)
    if handler.filters or getattr(handler.filter, "__func__", None) is not logging.Filterer.filter:
        passed: object = handler.filter(written)
        if not passed:
            return False
        left = passed if isinstance(passed, logging.LogRecord) else written
        text = arrived.msg if left.msg is arrived.msg and not left.args else None
        written = _made(left, text=text, original=original)
        vars(written).update(_emptied(left))
    for field in _fields(handler.formatter):
        vars(written).setdefault(field, WITHHELD_ARGUMENT)
    handler.acquire()
    try:
        handler.emit(written)
    except AttributeError as error:
        if error.obj is not written:
            raise
        handler.handleError(
            written
        )  # it reads a field that was taken away: the line is lost, whatever logged it goes on
    finally:
        handler.release()
    return True


def _emptied(record: logging.LogRecord) -> dict[str, object]:
    """Return the fields that a handler's filters added, without what is in them: the handler may insist on them."""
    added = {name: value for name, value in vars(record).items() if name not in _STANDARD and _FIELD.fullmatch(name)}
    return {name: _empty(value) for name, value in added.items()}


def _empty(value: object) -> object:
    match value:
        case str():
            return WITHHELD_ARGUMENT
        case dict():
            return {}
        case list() | tuple():
            return ()
    return None


def _made(record: logging.LogRecord, *, text: str | None, original: logging.LogRecord | None) -> RedactedRecord:
    """Return the redacted copy of a record, with this text instead of its own if it is given."""
    made = _copied(record, original)
    try:
        failed = record.exc_info[0] if isinstance(record.exc_info, tuple) else None
        suffix = "" if failed is None else f" [{class_name(failed)}]"
        made.msg = (_Filter.text.of(record) if text is None else text) + suffix
        made.name = _Filter.text.logger_name(record)
        for name in ("threadName", "processName", "taskName"):
            if name in vars(made):
                vars(made)[name] = python_name(vars(made)[name])
    except Exception:  # noqa: BLE001  # an error in telemetry costs the words of the line, never what logged it
        made.msg, made.name = f"{WITHHELD_TEXT})", WITHHELD_NAME
        made.threadName = made.processName = made.taskName = None
    return made


def _copied(record: logging.LogRecord, original: logging.LogRecord | None) -> RedactedRecord:
    made = RedactedRecord({name: value for name, value in vars(record).items() if name in _STANDARD})
    made.args = ()
    made.exc_info = made.exc_text = made.stack_info = None
    if original is not None:
        _originals[made] = original
    return made


def _keeps_in_memory(handler: logging.Handler) -> bool:
    kind = type(handler)
    module = sys.modules.get(kind.__module__)
    return (
        (kind.__module__, kind.__qualname__) in _IN_MEMORY
        and getattr(module, kind.__qualname__, None) is kind
        and not {"emit", "handle", "format", "flush"} & vars(handler).keys()
        and type(getattr(handler, "stream", None)) in (type(None), io.StringIO)
    )


def _fields(formatter: logging.Formatter | None) -> frozenset[str]:
    """Return the fields in a formatter's format that are not of every record."""
    style = getattr(formatter, "_style", None)
    form = getattr(style, "_fmt", None)
    pattern = next((pattern for kind, pattern in _FIELDS if isinstance(style, kind)), None)
    return _fields_of(form, pattern) if pattern is not None and isinstance(form, str) else frozenset()


@functools.lru_cache(maxsize=64)
def _fields_of(form: str, pattern: re.Pattern[str]) -> frozenset[str]:
    return frozenset(pattern.findall(form)) - _STANDARD - {"message", "asctime"}
