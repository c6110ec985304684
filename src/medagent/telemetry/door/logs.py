"""Log lines pass the door too: a library's line leaves without its words, an exception without its message.

LiveKit and the libraries under it write arguments, rooms, identities and provider errors into their lines and into the
extras beside them. What leaves of such a line is time, level, logger, file and line, and the class of an exception;
its text only where it is one of a few constants. Our own lines hold no value by their making.
"""

from __future__ import annotations

import logging

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
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class LogDoor(logging.Filter):
    """Takes the words, the arguments, the extras and the traceback from every record that is not ours."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through, lightened; a record that passed once is not changed by passing again."""
        for extra in set(vars(record)) - _STANDARD:
            delattr(record, extra)
        failed = record.exc_info[0] if record.exc_info else None
        record.exc_info = record.exc_text = record.stack_info = None
        if record.name.partition(".")[0] != _OURS and not _is_constant(record):
            record.msg, record.args = WITHHELD_TEXT, ()
        if failed is not None:
            record.msg, record.args = f"{_text(record)} [{failed.__name__}]", ()
        return True


def guard_logging() -> None:
    """Put the door before every handler of the root logger and before the last resort; warnings become log lines."""
    logging.captureWarnings(True)
    handlers = [*logging.root.handlers, logging.lastResort]
    for handler in handlers:
        if handler is not None and not any(isinstance(each, LogDoor) for each in handler.filters):
            handler.addFilter(LogDoor())


def _text(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError):  # a line whose words and arguments do not fit must not end what logged it
        return WITHHELD_TEXT


def _is_constant(record: logging.LogRecord) -> bool:
    return isinstance(record.msg, str) and (
        record.msg == WITHHELD_TEXT or record.msg.startswith(f"{WITHHELD_TEXT} [") or record.msg in _CONSTANTS
    )
