"""Log lines are filtered on the way out: each handler gets a redacted copy, the record stays as it was logged."""

from __future__ import annotations

import asyncio
import copy
import http.server
import io
import logging
import logging.handlers
import pickle
import queue
import socket
import subprocess
import sys
import threading
import unittest
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from livekit.agents.ipc.log_queue import LogQueueHandler, LogQueueListener
from livekit.agents.telemetry.traces import _BufferingHandler
from livekit.agents.utils.aio import duplex_unix

from medagent.telemetry.door import logs
from medagent.telemetry.door.logs import WITHHELD_TEXT, guard_logging, redacted
from medagent.telemetry.storage_log import storage_log

CANARY = "Maren Oldfield"
LISTED = "failed to launch job on process after %d attempts"
SHOWN = "failed to launch job on process after 3 attempts"


class EverythingFormatter(logging.Formatter):
    """A formatter that prints all that a record holds, as JSON formatters do."""

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record) + repr(vars(record))


class ListHandler(logging.Handler):
    """A handler of a class that nobody knows, which could send its records anywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def fail(error: type[Exception]) -> None:
    raise error(f"no slot for {CANARY}")


def a_handler() -> tuple[logging.Handler, io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(EverythingFormatter("%(levelname)s %(name)s %(filename)s:%(lineno)d %(message)s"))
    return handler, stream


@pytest.fixture(autouse=True)
def guarded(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(logging.Logger, "callHandlers", logging.Logger.callHandlers)
    monkeypatch.setattr(logging.Handler, "handle", logging.Handler.handle)
    guard_logging()
    yield
    guard_logging()
    logging.captureWarnings(False)


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    handler, stream = a_handler()
    logging.root.addHandler(handler)
    level = logging.root.level
    logging.root.setLevel(logging.DEBUG)
    yield stream
    logging.root.removeHandler(handler)
    logging.root.setLevel(level)


@pytest.fixture
def logger() -> logging.Logger:
    """A logger of LiveKit's name with no parent, whose handlers are the test's alone."""
    return logging.Logger("livekit.agents", level=1)


@pytest.mark.parametrize(
    "log",
    [
        lambda logger: logger.info(f"arguments of the tool: {CANARY}"),
        lambda logger: logger.debug("said %s", CANARY),
        lambda logger: logger.debug("said %(name)s", {"name": CANARY}),
        lambda logger: logger.warning("a call", extra={"lk.pii.text": CANARY}),
        lambda logger: logger.warning("a call", extra={"room": CANARY}),
        lambda logger: logger.error("it failed", stack_info=True, extra={"stack": CANARY}),
        lambda logger: logger.info("registered worker", extra={"id": CANARY}),
    ],
)
def test_library_line_has_no_message_argument_or_extra(written: io.StringIO, log: object) -> None:
    """Message, arguments and extras of a library's line are withheld; level, logger, file and line stay."""
    assert callable(log)
    log(logging.getLogger("livekit.agents"))
    assert CANARY not in written.getvalue()
    assert "livekit.agents test_logs.py:" in written.getvalue()


@pytest.mark.parametrize("name", ["livekit.agents", "medagent.telemetry.pipeline", "asyncio", "root"])
def test_exception_is_written_as_its_class(written: io.StringIO, name: str) -> None:
    """No message and no traceback of an exception is written, ours or a library's."""
    try:
        fail(ValueError)
    except ValueError:
        logging.getLogger(name).exception("it failed")
    assert CANARY not in written.getvalue()
    assert "[ValueError]" in written.getvalue()
    assert "Traceback" not in written.getvalue()


def test_own_line_keeps_its_words(written: io.StringIO) -> None:
    """A line of this package's code has its words, and is read by the person on duty."""
    storage_log.reset()
    storage_log.error(logging.getLogger("medagent.telemetry"), "shipping to langsmith", OSError(CANARY))
    assert "shipping to langsmith: OSError" in written.getvalue()
    assert CANARY not in written.getvalue()


def test_listed_template_is_written_with_its_count(written: io.StringIO) -> None:
    """A template of the installed LiveKit may be read, with its count."""
    logging.getLogger("livekit.agents").info(LISTED, 3)
    assert f"test_logs.py:{(lambda: 0).__code__.co_firstlineno - 1} {SHOWN}" in written.getvalue()


def test_own_line_that_does_not_fit_its_arguments_is_withheld(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken line of ours is withheld, and whatever logged it goes on."""
    monkeypatch.setattr("medagent.telemetry.door.log_text._PACKAGE", str(Path(__file__).parent))
    logger = logging.Logger("medagent.telemetry")
    handler, stream = a_handler()
    logger.addHandler(handler)
    try:
        fail(KeyError)
    except KeyError:
        logger.exception("%s %s", "one")  # noqa: PLE1206  # the point of the test
    assert WITHHELD_TEXT in stream.getvalue()
    assert "[KeyError]" in stream.getvalue()


@given(
    st.text() | st.integers() | st.none() | st.dictionaries(st.text(), st.text()),
    st.lists(st.text() | st.integers(), max_size=3),
    st.dictionaries(st.from_regex(r"[a-z]{3,8}_x", fullmatch=True), st.text(), max_size=3),
)
def test_redacted_record_leaves_the_record_as_it_was(
    message: Any, arguments: list[Any], extras: dict[str, str]
) -> None:
    """The record is not changed, its copy has no extras, and a redacted record is not redacted again."""
    record = logging.LogRecord("livekit", logging.INFO, "x.py", 1, message, tuple(arguments), None)
    vars(record).update(extras)
    before = dict(vars(record))
    made = redacted(record)
    assert vars(record) == before
    assert not extras.keys() & vars(made).keys()
    assert redacted(made) is made
    assert vars(copy.copy(made)) == vars(made) == vars(copy.deepcopy(made))
    plain = pickle.loads(pickle.dumps(made))
    assert type(plain) is logging.LogRecord
    assert vars(plain) == vars(made)


# Handlers


def test_caplog_sees_the_record_itself(caplog: pytest.LogCaptureFixture) -> None:
    """The handlers of pytest keep message, arguments, extras and exception; another handler has none of them."""
    other = ListHandler()
    logging.root.addHandler(other)
    try:
        fail(ValueError)
    except ValueError:
        logging.getLogger("livekit.agents").exception("no slot for %s", CANARY, extra={"room": CANARY})
    finally:
        logging.root.removeHandler(other)
    (record,) = caplog.records
    assert (record.getMessage(), record.args, vars(record)["room"]) == (f"no slot for {CANARY}", (CANARY,), CANARY)
    assert record.exc_info is not None
    assert f"ValueError: no slot for {CANARY}" in caplog.text
    assert CANARY not in repr(vars(other.records[0]))


def test_caplog_behind_another_handler_sees_the_record_itself(
    caplog: pytest.LogCaptureFixture, logger: logging.Logger
) -> None:
    """A handler that passes its records on to pytest's, as LiveKit's tests do, changes nothing for caplog."""

    class Routing(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            assert CANARY not in repr(vars(record))
            caplog.handler.handle(record)

    logger.addHandler(Routing())
    logger.error(CANARY)
    assert caplog.messages == [CANARY]


def test_assert_logs_and_a_buffer_see_the_record_itself(logger: logging.Logger) -> None:
    """Records that unittest and `BufferingHandler` keep stay in the process."""
    buffer = logging.handlers.BufferingHandler(10)
    logger.addHandler(buffer)
    logger.error("for %s", CANARY)
    assert buffer.buffer[0].args == (CANARY,)
    with unittest.TestCase().assertLogs(logger) as seen:
        logger.error("for %s", CANARY)
    assert seen.records[0].getMessage() == f"for {CANARY}"


class Sub(logging.handlers.BufferingHandler):
    """A buffer that could send what it has, as a log shipper does."""


class Pretending(logging.Handler):
    """A class that calls itself pytest's."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


Pretending.__module__, Pretending.__qualname__ = "_pytest.logging", "LogCaptureHandler"


class OwnHandle(logging.Handler):
    """A handler that takes a record past `logging.Handler.handle`."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def handle(self, record: logging.LogRecord) -> bool:
        self.records.append(record)
        return True


class NoHandler:
    """An object that is no handler but quacks like one."""

    level = 0

    def __init__(self) -> None:
        self.records: list[logging.LogRecord] = []

    def handle(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def patched_buffer() -> logging.Handler:
    handler: Any = logging.handlers.BufferingHandler(10)
    handler.records = []
    handler.emit = handler.records.append
    return handler


@pytest.mark.parametrize(
    "make",
    [
        ListHandler,
        lambda: Sub(10),
        Pretending,
        OwnHandle,
        NoHandler,
        _BufferingHandler,
        patched_buffer,
        lambda: logging.handlers.MemoryHandler(10, flushLevel=100),
    ],
)
def test_handler_of_any_other_class_gets_the_redacted_copy(logger: logging.Logger, make: Any) -> None:
    """An unknown class, a subclass, a patched one, a `handle` of its own, no handler at all: none gets the record."""
    handler = make()
    logger.handlers = [handler]
    logger.error("for %s", CANARY, extra={"room": CANARY})
    logger.info(LISTED, 3)
    first, second = getattr(handler, "records", None) or handler.buffer
    assert CANARY not in repr(vars(first))
    assert first.getMessage().startswith(WITHHELD_TEXT)
    assert (second.getMessage(), second.levelno, second.funcName) == (
        SHOWN,
        logging.INFO,
        sys._getframe().f_code.co_name,
    )


def test_capture_handler_that_writes_to_a_stream_gets_the_redacted_copy(logger: logging.Logger) -> None:
    """Pytest's handler keeps records in memory; with a stream of its own it writes them out."""
    from _pytest.logging import LogCaptureHandler

    handler = LogCaptureHandler()
    handler.stream = io.TextIOWrapper(io.BytesIO())  # type: ignore[assignment]
    logger.addHandler(handler)
    logger.error(CANARY)
    assert handler.records[0].getMessage().startswith(WITHHELD_TEXT)


def test_memory_handler_passes_on_the_redacted_copy(logger: logging.Logger) -> None:
    """A buffer with a target set later, of a class with a `handle` of its own: the record is redacted in the buffer."""
    handler, target = logging.handlers.MemoryHandler(10, flushLevel=100), OwnHandle()
    logger.addHandler(handler)
    logger.error(CANARY)
    handler.setTarget(target)
    handler.flush()
    assert target.records[0].getMessage().startswith(WITHHELD_TEXT)


@pytest.mark.timing
def test_files_sockets_and_http_get_the_redacted_copy(logger: logging.Logger, tmp_path: Path) -> None:
    """A file, a syslog socket, a pickling TCP socket and an HTTP server receive the line without its value."""
    received: list[bytes] = []

    class Sink(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the name that http.server calls
            received.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Sink)
    server.timeout = 60
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as syslog,
        socket.create_server(("127.0.0.1", 0)) as stream,
    ):
        syslog.bind(("127.0.0.1", 0))
        syslog.settimeout(60)
        stream.settimeout(60)
        logger.handlers = [
            logging.FileHandler(tmp_path / "file.log"),
            logging.handlers.SysLogHandler(syslog.getsockname()),
            logging.handlers.SocketHandler(*stream.getsockname()),
            logging.handlers.HTTPHandler(f"127.0.0.1:{server.server_port}", "/", "POST"),
        ]
        logger.error("for %s", CANARY, extra={"room": CANARY})
        thread.join(90)
        received.append(syslog.recv(65536))
        taken, _address = stream.accept()
        for handler in logger.handlers:
            handler.close()
        taken.settimeout(60)
        with taken:
            while chunk := taken.recv(65536):
                received.append(chunk)
    server.server_close()
    received.append((tmp_path / "file.log").read_bytes())
    assert len(received) >= 4
    for body in received:
        assert b"Maren" not in body
    assert all(b"text+withheld" in body or b"text withheld" in body for body in received[:2])


@pytest.mark.timing
def test_queue_passes_the_filter_once(logger: logging.Logger) -> None:
    """A record that a queue's handler formatted keeps its words and counts at the listener's handler."""
    line: queue.Queue[Any] = queue.Queue()
    handler, stream = a_handler()
    listener = logging.handlers.QueueListener(line, handler)
    logger.addHandler(logging.handlers.QueueHandler(line))
    listener.start()
    logger.info(LISTED, 3)
    logger.info(CANARY)
    listener.stop()
    assert SHOWN in stream.getvalue()
    assert CANARY not in stream.getvalue()


def test_last_resort_gets_the_redacted_copy(logger: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is no handler, `logging` writes to stderr by one of its own."""
    logger.warning("for %s", CANARY)
    assert capsys.readouterr().err.startswith(WITHHELD_TEXT)


def test_broken_arguments_are_not_printed_by_handle_error(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    """`logging` prints message and arguments of a line that it cannot format: it is never given them."""
    handler, stream = a_handler()
    logger.addHandler(handler)
    logger.error("%d %d", CANARY)  # noqa: PLE1206  # the point of the test
    assert capsys.readouterr().err == ""
    assert WITHHELD_TEXT in stream.getvalue()
    assert CANARY not in stream.getvalue()


# Filters, formats and other libraries


def test_filter_of_a_handler_cannot_add_a_value(logger: logging.Logger) -> None:
    """LiveKit's filter adds the job's fields, such as the room: the field is named, its value withheld."""

    class Fields(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            assert CANARY not in repr(vars(record))
            record.room, record.labels, record.number = CANARY, {"name": CANARY}, 4155550123
            record.msg = f"{CANARY}: {record.msg}"
            setattr(record, CANARY, CANARY)
            return True

    handler, stream = a_handler()
    handler.addFilter(Fields())
    logger.addHandler(handler)
    logger.info(LISTED, 3)
    assert "Maren" not in stream.getvalue()
    assert "4155550123" not in stream.getvalue()
    assert "'room': '(withheld)', 'labels': {}, 'number': None" in stream.getvalue()


def test_filter_of_a_handler_still_drops_records(logger: logging.Logger) -> None:
    """A handler's filter decides as ever, and leaves the line of another handler as it was."""
    (dropping, dropped), (other, shown) = a_handler(), a_handler()
    dropping.addFilter(lambda record: record.levelno > logging.INFO)
    logger.handlers = [dropping, other]
    logger.info(LISTED, 3)
    logger.warning(LISTED, 3)
    assert dropped.getvalue().count(f" {SHOWN}{{") == 1
    assert shown.getvalue().count(f" {SHOWN}{{") == 2


@pytest.mark.parametrize(
    ("form", "style"), [("%(message)s %(room)s", "%"), ("{message} {room}", "{"), ("$message $room", "$")]
)
def test_format_with_a_field_of_the_host_still_writes_the_line(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str], form: str, style: Any
) -> None:
    """An extra that a format insists on is withheld, and the line is not lost."""
    handler, stream = a_handler()
    handler.setFormatter(logging.Formatter(form, style=style))
    logger.addHandler(handler)
    logger.info(LISTED, 3, extra={"room": CANARY})
    assert stream.getvalue() == f"{SHOWN} (withheld)\n"
    assert capsys.readouterr().err == ""


def test_handler_that_reads_an_extra_costs_its_line_alone(
    logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    """A handler that insists on an extra loses the line; whatever logged it goes on, and its own errors are its own."""

    class Reading(logging.Handler):
        def emit(self, record: Any) -> None:
            record.room.upper()

    class Raising(logging.Handler):
        def emit(self, _record: Any) -> None:
            raise LookupError("of the host")

    logger.handlers = [Reading()]
    logger.error("for %s", CANARY, extra={"room": CANARY})
    assert "Logging error" in capsys.readouterr().err
    logger.handlers = [Raising()]
    with pytest.raises(LookupError):
        logger.error("for %s", CANARY)


def test_filter_and_adapter_of_a_logger_see_the_record_itself(logger: logging.Logger) -> None:
    """A host's filter on a logger, and its adapter, work on the record; the handler gets the copy."""
    seen: list[str] = []

    class Watching(logging.Filter):
        def filter(self, record: logging.LogRecord) -> bool:
            seen.append(record.getMessage())
            return True

    watching = Watching()
    handler, stream = a_handler()
    logger.addHandler(handler)
    logger.addFilter(watching)
    try:
        logging.LoggerAdapter(logger, {"room": CANARY}).info("for %s", CANARY)
    finally:
        logger.removeFilter(watching)
    assert seen == [f"for {CANARY}"]
    assert CANARY not in stream.getvalue()


@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
def test_library_that_replaces_call_handlers_gets_the_redacted_copy(
    logger: logging.Logger, monkeypatch: pytest.MonkeyPatch, first: bool
) -> None:
    """An error tracker that wraps `callHandlers`, before or after us, is filtered once the next call is traced."""
    taken: list[logging.LogRecord] = []
    if first:
        monkeypatch.setattr(logging.Logger, "callHandlers", logging.Logger.callHandlers.__wrapped__)  # type: ignore[attr-defined]
    inner = logging.Logger.callHandlers

    def tracking(self: logging.Logger, record: logging.LogRecord) -> None:
        taken.append(record)
        inner(self, record)
        late.handle(record)

    late = ListHandler()
    monkeypatch.setattr(logging.Logger, "callHandlers", tracking)
    guard_logging()
    handler, stream = a_handler()
    logger.addHandler(handler)
    logger.error(CANARY)
    logger.info(LISTED, 3)
    assert CANARY not in repr([vars(one) for one in (*taken, *late.records)])
    assert CANARY not in stream.getvalue()
    assert [one.getMessage() for one in late.records][1] == SHOWN


def test_handler_called_past_its_logger_gets_the_redacted_copy() -> None:
    """A tracker or a host's own code that calls `handle` directly is behind the filter too."""
    handler, stream = a_handler()
    handler.handle(logging.LogRecord("livekit", logging.ERROR, "x.py", 1, CANARY, None, None))
    assert WITHHELD_TEXT in stream.getvalue()
    assert CANARY not in stream.getvalue()


def test_error_of_the_filter_costs_the_words_of_the_line(
    logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the decision fails no word is written, and whatever logged the line goes on."""
    monkeypatch.setattr(logs, "class_name", None)
    handler, stream = a_handler()
    logger.addHandler(handler)
    try:
        fail(ValueError)
    except ValueError:
        logger.exception(LISTED, 3)
    assert WITHHELD_TEXT in stream.getvalue()
    assert CANARY not in stream.getvalue()
    assert "attempts" not in stream.getvalue()


# Sources of lines


@pytest.mark.timing
def test_job_process_forwards_the_redacted_line_and_the_parent_writes_it(logger: logging.Logger) -> None:
    """LiveKit's own forwarding from a job: words and counts arrive, values do not, with a guarded parent or without."""
    child, parent = socket.socketpair()
    handler = LogQueueHandler(duplex_unix._Duplex.open(child))
    received: list[logging.LogRecord] = []

    class Listener(LogQueueListener):
        def handle(self, record: logging.LogRecord) -> None:
            record.process = -1  # as if of another process
            received.append(copy.copy(record))
            super().handle(record)

    listener = Listener(duplex_unix._Duplex.open(parent), lambda record: vars(record).update(job_id=CANARY))
    out, stream = a_handler()
    logging.root.addHandler(out)
    logger.addHandler(handler)
    listener.start()
    try:
        logger.error(LISTED, 3)
        try:
            fail(ValueError)
        except ValueError:
            logger.exception("for %s", CANARY, extra={"room": CANARY})
        handler.close()
        handler.thread.join(30)
    finally:
        listener.stop()
        logging.root.removeHandler(out)
    assert [type(one) for one in received] == [logging.LogRecord] * 2
    assert CANARY not in repr([vars(one) for one in received])
    assert SHOWN in stream.getvalue()
    assert "[ValueError]" in stream.getvalue()
    assert CANARY not in stream.getvalue()


async def test_loop_exception_handler_is_withheld(written: io.StringIO) -> None:
    """Asyncio writes task, message and exception of what nobody awaited: of it only the class shows."""
    asyncio.get_running_loop().call_exception_handler(
        {"message": f"Task of {CANARY} failed", "exception": OSError(CANARY), "task": CANARY}
    )
    assert CANARY not in written.getvalue()
    assert "asyncio" in written.getvalue()
    assert "[OSError]" in written.getvalue()


@pytest.mark.timing
async def test_task_and_thread_names_are_withheld(written: io.StringIO) -> None:
    """LiveKit names a task by the tool that the model called, a host a thread by its caller."""

    def log() -> None:
        logging.getLogger("livekit.agents").info(LISTED, 3)

    async def tool() -> None:
        log()

    await asyncio.create_task(tool(), name=f"func_exec_{CANARY}")
    thread = threading.Thread(target=log, name=CANARY)
    thread.start()
    thread.join()
    assert written.getvalue().count(f" {SHOWN}") == 2
    assert CANARY not in written.getvalue()


@pytest.mark.parametrize("propagate", [True, False])
def test_handler_that_is_added_later_gets_the_redacted_copy(propagate: bool) -> None:
    """On the root, or on a logger that does not propagate: no library's words, arguments or extras."""
    logger = logging.getLogger(f"livekit.late.{propagate}")
    logger.propagate = propagate
    handler, stream = a_handler()
    where = logging.root if propagate else logger
    where.addHandler(handler)
    try:
        logger.error("no slot for %s", CANARY, extra={"room": CANARY})
        try:
            fail(ValueError)
        except ValueError:
            logger.exception(CANARY)
    finally:
        where.removeHandler(handler)
    assert CANARY not in stream.getvalue()
    assert stream.getvalue().count("test_logs.py:") == 2
    assert "[ValueError]" in stream.getvalue()


def test_record_of_another_process_is_redacted_too() -> None:
    """LiveKit hands a job's record to `callHandlers` of the parent's logger, past `handle` and its filters."""
    handler, stream = a_handler()
    logger = logging.getLogger("livekit.of_a_job")
    logger.addHandler(handler)
    logger.callHandlers(logging.LogRecord("livekit.of_a_job", logging.ERROR, "x.py", 1, CANARY, None, None))
    assert WITHHELD_TEXT in stream.getvalue()
    assert CANARY not in stream.getvalue()


def test_guard_logging_twice_filters_once() -> None:
    """However many calls a process answers, there is one filter."""
    once = logging.Logger.callHandlers, logging.Handler.handle
    guard_logging()
    assert (logging.Logger.callHandlers, logging.Handler.handle) == once


@pytest.mark.parametrize(
    ("name", "stays"), [("pharmacy", True), ("pharmacy.desk", True), ("pharmacyx", False), ("livekit", False)]
)
def test_host_logger_in_clear_keeps_its_words(name: str, stays: bool) -> None:
    """The words of the loggers that it names stay, and those below them; extras and messages of exceptions never do."""
    guard_logging(in_clear=["pharmacy"])
    handler, stream = a_handler()
    logger = logging.getLogger(name)
    logger.addHandler(handler)
    try:
        fail(ValueError)
    except ValueError:
        logger.exception("the desk is %s", "open", extra={"room": CANARY})
    finally:
        logger.removeHandler(handler)
    assert ("the desk is open [ValueError]" in stream.getvalue()) is stays
    assert CANARY not in stream.getvalue()


@pytest.mark.parametrize(
    "failing",
    [
        "raise KeyError(CANARY)",
        "import threading; t = threading.Thread(target=lambda: {}[CANARY]); t.start(); t.join()",
        "class C:\n    def __del__(self): raise KeyError(CANARY)\nC()",
    ],
)
def test_uncaught_exception_is_a_line_without_its_message(failing: str) -> None:
    """In a process of ours an uncaught exception is a line with its class and place, in each of Python's three ways."""
    code = (
        "import logging; from medagent.telemetry.door.logs import guard_logging, guard_tracebacks\n"
        "logging.basicConfig(); guard_logging(); guard_tracebacks()\n"
        f"CANARY = {CANARY!r}\n{failing}"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert CANARY not in done.stderr
    assert "nobody caught KeyError at <string>:" in done.stderr


def test_warning_is_a_log_line() -> None:
    """What Python would print with its value to stderr, as pydantic's warnings do, leaves without its words."""
    code = (
        "import logging, warnings; from medagent.telemetry.door.logs import guard_logging; "
        f"logging.basicConfig(); guard_logging(); warnings.warn('unexpected value {CANARY}')"
    )
    done = subprocess.run([sys.executable, "-W", "always", "-c", code], capture_output=True, text=True, check=True)
    assert CANARY not in done.stderr
    assert "py.warnings" in done.stderr


def test_warning_after_a_catch_warnings_that_ended_is_withheld(capsys: pytest.CaptureFixture[str]) -> None:
    """`catch_warnings` undoes the redirection of warnings at its end; the next call that is traced sets it again."""
    with warnings.catch_warnings():
        logging.captureWarnings(False)
        guard_logging()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        guard_logging()
        warnings.warn(f"unexpected value {CANARY}", stacklevel=1)
    assert CANARY not in capsys.readouterr().err
