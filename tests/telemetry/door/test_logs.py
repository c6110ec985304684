"""Log lines pass the door: a library's line leaves without its words."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medagent.telemetry.door.logs import WITHHELD_TEXT, LogDoor, guard_logging

CANARY = "Maren Oldfield"


class EverythingFormatter(logging.Formatter):
    """A formatter that prints all that a record holds, as JSON formatters do."""

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record) + repr(vars(record))


def fail(error: type[Exception]) -> None:
    raise error(f"no slot for {CANARY}")


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(EverythingFormatter("%(levelname)s %(name)s %(filename)s:%(lineno)d %(message)s"))
    handler.addFilter(LogDoor())
    logging.root.addHandler(handler)
    level = logging.root.level
    logging.root.setLevel(logging.DEBUG)
    yield stream
    logging.root.removeHandler(handler)
    logging.root.setLevel(level)


@pytest.mark.parametrize(
    "log",
    [
        lambda logger: logger.info(f"arguments of the tool: {CANARY}"),
        lambda logger: logger.debug("said %s", CANARY),
        lambda logger: logger.debug("said %(name)s", {"name": CANARY}),
        lambda logger: logger.warning("a call", extra={"lk.pii.text": CANARY}),
        lambda logger: logger.warning("a call", extra={"room": CANARY}),
        lambda logger: logger.error("it failed", stack_info=True, extra={"stack": CANARY}),
        lambda logger: logger.info(CANARY, "an argument too many"),
        lambda logger: logger.info("registered worker", extra={"id": CANARY}),
    ],
)
def test_a_library_says_nothing(written: io.StringIO, log: object) -> None:
    """Message, arguments and extras of a library's line are gone; level, logger, file and line stay."""
    assert callable(log)
    log(logging.getLogger("livekit.agents"))
    assert CANARY not in written.getvalue()
    assert "livekit.agents test_logs.py:" in written.getvalue()


@pytest.mark.parametrize("name", ["livekit.agents", "medagent.telemetry.pipeline", "asyncio", "root"])
def test_an_exception_leaves_as_its_class(written: io.StringIO, name: str) -> None:
    """No message and no traceback of an exception leaves, ours or a library's."""
    try:
        fail(ValueError)
    except ValueError:
        logging.getLogger(name).exception("it failed")
    assert CANARY not in written.getvalue()
    assert "[ValueError]" in written.getvalue()
    assert "Traceback" not in written.getvalue()


def test_our_lines_keep_their_words(written: io.StringIO) -> None:
    """A line of ours holds no value by its making, and is read by the person on duty."""
    logging.getLogger("medagent.telemetry").warning("shipping to %s: %s", "langsmith", "ExportError")
    assert "shipping to langsmith: ExportError" in written.getvalue()


def test_a_constant_of_a_library_stays(written: io.StringIO) -> None:
    """What a library always says in the same words may be read."""
    logging.getLogger("livekit.agents").info("registered worker")
    assert "registered worker" in written.getvalue()


def test_a_line_that_does_not_fit_its_arguments_harms_nobody(written: io.StringIO) -> None:
    """A broken line of ours is withheld, and whoever logged it goes on."""
    try:
        fail(KeyError)
    except KeyError:
        logging.getLogger("medagent").exception("%s %s", "one")  # noqa: PLE1206  # the point of the test
    assert f"{WITHHELD_TEXT} [KeyError]" in written.getvalue()


@given(
    st.text(),
    st.lists(st.text(), max_size=3),
    st.dictionaries(st.from_regex(r"[a-z]{3,8}_x", fullmatch=True), st.text(), max_size=3),
)
def test_passing_twice_is_passing_once(message: str, arguments: list[str], extras: dict[str, str]) -> None:
    """With a door before two handlers a record is the same at both."""
    record = logging.LogRecord("livekit", logging.INFO, "x.py", 1, message, tuple(arguments), None)
    vars(record).update(extras)
    LogDoor().filter(record)
    once = dict(vars(record))
    LogDoor().filter(record)
    assert dict(vars(record)) == once
    assert not extras.keys() & vars(record).keys()


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(logging.Logger, "callHandlers", logging.Logger.callHandlers)
    guard_logging()
    yield
    guard_logging()
    logging.captureWarnings(False)


def a_handler() -> tuple[logging.Handler, io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(EverythingFormatter("%(levelname)s %(name)s %(filename)s:%(lineno)d %(message)s"))
    return handler, stream


@pytest.mark.usefixtures("guarded")
@pytest.mark.parametrize("propagate", [True, False])
def test_a_handler_that_is_added_later_stands_behind_the_door(propagate: bool) -> None:
    """On the root, or on a logger that tells nobody above it: it gets no library's words, arguments or extras."""
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


@pytest.mark.usefixtures("guarded")
def test_a_record_of_another_process_passes_the_door_too() -> None:
    """LiveKit hands a job's record to `callHandlers` of the parent's logger, past `handle` and its filters."""
    handler, stream = a_handler()
    logger = logging.getLogger("livekit.of_a_job")
    logger.addHandler(handler)
    logger.callHandlers(logging.LogRecord("livekit.of_a_job", logging.ERROR, "x.py", 1, CANARY, None, None))
    assert WITHHELD_TEXT in stream.getvalue()
    assert CANARY not in stream.getvalue()


@pytest.mark.usefixtures("guarded")
def test_guarding_twice_is_guarding_once() -> None:
    """However many calls a process answers, there is one door."""
    once = logging.Logger.callHandlers
    guard_logging()
    assert logging.Logger.callHandlers is once


@pytest.mark.usefixtures("guarded")
@pytest.mark.parametrize(
    ("name", "stays"), [("pharmacy", True), ("pharmacy.desk", True), ("pharmacyx", False), ("livekit", False)]
)
def test_a_host_program_may_speak_in_clear(name: str, stays: bool) -> None:
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
def test_what_nobody_caught_leaves_without_its_message(failing: str) -> None:
    """In a process of ours an uncaught exception is a line with its class and place, in each of Python's three ways."""
    code = (
        "import logging; from medagent.telemetry.door.logs import guard_logging, guard_tracebacks\n"
        "logging.basicConfig(); guard_logging(); guard_tracebacks()\n"
        f"CANARY = {CANARY!r}\n{failing}"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert CANARY not in done.stderr
    assert "nobody caught KeyError at <string>:" in done.stderr


def test_a_warning_is_a_log_line() -> None:
    """What Python would print with its value to stderr, as pydantic's warnings do, leaves without its words."""
    code = (
        "import logging, warnings; from medagent.telemetry.door.logs import guard_logging; "
        f"logging.basicConfig(); guard_logging(); warnings.warn('unexpected value {CANARY}')"
    )
    done = subprocess.run([sys.executable, "-W", "always", "-c", code], capture_output=True, text=True, check=True)
    assert CANARY not in done.stderr
    assert "py.warnings" in done.stderr
