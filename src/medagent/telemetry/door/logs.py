"""Log lines pass the door too: a library's line leaves without its words, an exception without its message.

LiveKit and the libraries under it write arguments, rooms, identities and provider errors into their lines and into the
extras beside them. What leaves of such a line is time, level, logger, file and line, and the class of an exception;
its text only where it is one of a few constants. Our own lines hold no value by their making.
"""

from __future__ import annotations

import functools
import logging
import sys
import threading
from collections.abc import Collection
from types import TracebackType

WITHHELD_TEXT = "(text withheld)"
_OURS = "medagent"
_CONSTANTS = frozenset(
    {
        "starting worker",
        "registered worker",
        "shutting down worker",
        "draining worker",
        "process initialized",
        "process exiting",
        "initializing process",
        "Using selector: %s",
    }
)
"""Lines of libraries whose words are always the same; their extras are dropped all the same."""
_log = logging.getLogger(__name__)
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class LogDoor(logging.Filter):
    """Takes the words, the arguments, the extras and the traceback from every record that is not ours.

    The words of the loggers in `in_clear`, and of those below them, stay; what stands beside the words never does.
    """

    def __init__(self, in_clear: Collection[str] = ()) -> None:
        super().__init__()
        self._in_clear = tuple(f"{name}." for name in (_OURS, *in_clear))

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through, lightened; a record that passed once is not changed by passing again."""
        for extra in set(vars(record)) - _STANDARD:
            delattr(record, extra)
        failed = record.exc_info[0] if record.exc_info else None
        record.exc_info = record.exc_text = record.stack_info = None
        if not f"{record.name}.".startswith(self._in_clear) and not _is_constant(record):
            record.msg, record.args = WITHHELD_TEXT, ()
        if failed is not None:
            record.msg, record.args = f"{_text(record)} [{failed.__name__}]", ()
        return True


_door = LogDoor()


def guard_logging(*, in_clear: Collection[str] = ()) -> None:
    """Put the door between every logger of this process and all handlers, those added later too.

    It stands in `logging.Logger.callHandlers`, which each record passes once, with its extras, whatever logger it is
    of, whether that propagates, and also on its way from a LiveKit job's process to its parent. A record factory would
    come before the extras, a filter only before the handler that has it. So a host program's own lines leave without
    their words too, unless it names its loggers in `in_clear`; a filter on a logger still sees all. Warnings become
    log lines.
    A further call replaces the list.
    """
    logging.captureWarnings(True)
    global _door  # noqa: PLW0603  # one door for the process, as there is one `logging`
    _door = LogDoor(in_clear)
    call_handlers = logging.Logger.callHandlers
    if getattr(call_handlers, "is_guarded", False):
        return

    @functools.wraps(call_handlers)
    def guarded(logger: logging.Logger, record: logging.LogRecord) -> None:
        _door.filter(record)
        call_handlers(logger, record)

    guarded.is_guarded = True  # type: ignore[attr-defined]  # how a second call knows it
    logging.Logger.callHandlers = guarded  # type: ignore[method-assign, assignment]  # `logging` has no other place for it


def guard_tracebacks() -> None:
    """For a process of our own: what nobody caught leaves stderr as a log line with class and place, no message."""

    def told(kind: type[BaseException] | None, traceback: TracebackType | None) -> None:
        while traceback is not None and traceback.tb_next is not None:
            traceback = traceback.tb_next
        where = "" if traceback is None else f" at {traceback.tb_frame.f_code.co_filename}:{traceback.tb_lineno}"
        _log.critical("nobody caught %s%s", "an exception" if kind is None else kind.__name__, where)

    def uncaught(kind: type[BaseException], _error: BaseException, traceback: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            told(kind, traceback)

    sys.excepthook = uncaught
    sys.unraisablehook = lambda failed: told(failed.exc_type, failed.exc_traceback)
    threading.excepthook = lambda failed: told(failed.exc_type, failed.exc_traceback)


def _text(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):  # a line whose words and arguments do not fit must not end what logged it
        return WITHHELD_TEXT


def _is_constant(record: logging.LogRecord) -> bool:
    return isinstance(record.msg, str) and (
        record.msg == WITHHELD_TEXT or record.msg.startswith(f"{WITHHELD_TEXT} [") or record.msg in _CONSTANTS
    )
