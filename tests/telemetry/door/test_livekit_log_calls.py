"""Each log call of LiveKit's installed sources, run with a caller's number in every value that it takes."""

from __future__ import annotations

import ast
import copy
import functools
import io
import logging
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import livekit.agents  # noqa: F401  # its logger is of a class of its own
import pytest
from scripts import build_log_templates

from medagent.telemetry.door import logs
from medagent.telemetry.door.log_text import CONVERSION

DIGITS = "4155550123"
ROOM = f"call_+1{DIGITS}_RM7"
IDENTITY = f"sip_+1{DIGITS}"
LOGGERS = {
    "livekit-agents": "livekit.agents",
    "livekit": "livekit",
    "livekit-api": "livekit",
    "livekit-plugins-openai": "livekit.plugins.openai",
}


class Caller(str):
    """A room or an identity in the place of any value: it has every attribute, can be called, and formats as itself."""

    __slots__ = ()

    def __format__(self, _spec: str) -> str:
        return str(self)

    def __getattr__(self, name: str) -> Caller:
        if name.startswith("__"):
            raise AttributeError(name)
        return self


@functools.cache
def calls(library: str) -> tuple[tuple[str, ast.Call, ast.expr], ...]:
    return tuple(
        (f"{file}:{call.lineno}", call, message)
        for file in metadata.files(library) or ()
        if file.suffix == ".py"
        for call, message, _ in build_log_templates.log_calls(ast.parse(Path(str(file.locate())).read_bytes()))
    )


class WithCaller(ast.NodeTransformer):
    """Replaces each value in a call: what an f-string formats, each argument, each extra."""

    def visit_FormattedValue(self, node: ast.FormattedValue) -> ast.AST:  # the name that ast calls
        return ast.FormattedValue(value=ast.Name("caller", ast.Load()), conversion=-1, format_spec=node.format_spec)


def fail(caller: str) -> None:
    raise ValueError(caller)


def run(call: ast.Call, *, logger: str, caller: str) -> None:
    """Run one call in an `except` block, as it is but for its values and its logger."""
    first = 1 if getattr(call.func, "attr", "") == "log" else 0
    value = ast.Name("caller", ast.Load())
    message = WithCaller().visit(copy.deepcopy(call.args[first]))
    if not isinstance(message, ast.JoinedStr | ast.Constant):
        message = value  # a name, a call, a choice: a text that was made before
    template = message.value if isinstance(message, ast.Constant) else ""
    arguments = [
        ast.Name("caller" if place["type"] in "rsa" else "number", ast.Load())
        for place in CONVERSION.finditer(template if len(call.args) > first + 1 else "")
        if place["type"] != "%"
    ]
    keywords = [word for word in call.keywords if word.arg in ("exc_info", "stack_info")]
    extra = ast.parse("{'room': caller, 'participant': caller, 'lk.pii.text': caller}", mode="eval").body
    method = "error" if first else getattr(call.func, "attr", "")
    made = ast.Call(
        func=ast.Attribute(ast.Name("logger", ast.Load()), method, ast.Load()),
        args=[message, *arguments],
        keywords=[
            *(ast.keyword(word.arg, ast.Constant(value=True)) for word in keywords),
            ast.keyword("extra", extra),
        ],
    )
    code = compile(ast.fix_missing_locations(ast.Expression(made)), "livekit", "eval")
    try:
        fail(caller)
    except ValueError:
        names = {"logger": logging.getLogger(logger), "caller": Caller(caller), "number": int(DIGITS)}
        eval(code, names)


class Everything(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return f"{super().format(record)} {vars(record)!r}"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    monkeypatch.setattr(logging.Logger, "callHandlers", logging.Logger.callHandlers)
    monkeypatch.setattr(logging.Handler, "handle", logging.Handler.handle)
    logs.guard_logging()
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Everything("%(levelname)s %(name)s %(message)s"))
    logging.root.addHandler(handler)
    levels = {name: logging.getLogger(name).level for name in {"livekit", *LOGGERS.values()}}
    for name in levels:
        logging.getLogger(name).setLevel(1)
    yield stream
    logging.root.removeHandler(handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def found(kind: type[ast.expr], *, but: bool = False) -> list[tuple[str, str, ast.Call]]:
    return [
        (LOGGERS[library], where, call)
        for library in LOGGERS
        for where, call, message in calls(library)
        if isinstance(message, kind) is not but and getattr(call.func, "attr", "") != "warn"
    ]


@pytest.mark.parametrize("caller", [ROOM, IDENTITY])
def test_livekit_each_f_string_is_withheld(written: io.StringIO, caller: str) -> None:
    """No f-string of LiveKit's sources writes a room or an identity that holds a telephone number."""
    every = found(ast.JoinedStr)
    assert len(every) > 95
    for logger, where, call in every:
        written.seek(0)
        written.truncate()
        run(call, logger=logger, caller=caller)
        assert DIGITS not in written.getvalue(), where
        is_made_of_values = any(isinstance(one, ast.FormattedValue) for one in ast.walk(call.args[0]))
        assert ("(text withheld; MEDAGENT_LOGS_IN_CLEAR=" in written.getvalue()) is is_made_of_values, where


@pytest.mark.parametrize("caller", [ROOM, IDENTITY])
def test_livekit_each_other_call_writes_no_value(written: io.StringIO, caller: str) -> None:
    """A literal is written without its arguments; a message that was made before the call is withheld."""
    every = found(ast.JoinedStr, but=True)
    literals = 0
    assert len(every) > 400
    for logger, where, call in every:
        written.seek(0)
        written.truncate()
        run(call, logger=logger, caller=caller)
        line = written.getvalue()
        assert line.count("\n") >= 1, where
        assert DIGITS not in line, where
        literals += "(text withheld" not in line
    assert literals > 400


def test_livekit_an_unfiltered_call_would_write_the_number(written: io.StringIO) -> None:
    """The calls above do carry the caller's number: without the filter it is in the line of each f-string."""
    logging.Handler.handle = logs._stock_handle  # type: ignore[method-assign]
    guarded: Any = logging.Logger.callHandlers
    logging.Logger.callHandlers = guarded.__wrapped__  # type: ignore[method-assign]
    for logger, where, call in found(ast.JoinedStr):
        written.seek(0)
        written.truncate()
        run(call, logger=logger, caller=IDENTITY)
        assert DIGITS in written.getvalue(), where
