"""The text of a log record: templates of listed libraries, counts and status codes, and no other value."""

from __future__ import annotations

import ast
import json
import logging
import os
import platform
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripts import build_log_templates

import medagent
from medagent.errors import PolicyError
from medagent.telemetry.door import log_text
from medagent.telemetry.door.log_text import LogText, class_name, python_name

CANARY = "sip_+14155550123"
DIGITS = "4155550123"
SOURCE = Path(medagent.__file__).parent
OWN_PATH = str(SOURCE / "telemetry" / "shipper.py")


def record(
    logger: str, message: object, *arguments: object, path: str = __file__, process: int | None = None
) -> logging.LogRecord:
    made = logging.LogRecord(logger, logging.WARNING, path, 1, message, arguments, None)
    made.process = os.getpid() if process is None else process
    return made


def text(logger: str, message: object, *arguments: object, **given: Any) -> str:
    return LogText().of(record(logger, message, *arguments, **given))


def templates(logger: str) -> dict[str, str]:
    return {template: kinds for each in log_text._listed(logger).templates for template, kinds in each.items()}


def is_withheld(line: str) -> bool:
    return line.startswith("(text withheld; MEDAGENT_LOGS_IN_CLEAR=")


def filled(template: str, value: object) -> tuple[object, ...]:
    """A value for each conversion of a template."""
    return tuple(value for match in log_text.CONVERSION.finditer(template) if match["type"] != "%")


@pytest.mark.parametrize("library", build_log_templates.libraries())
def test_templates_file_matches_the_installed_sources(library: str) -> None:
    """The file has the installed version of a library as a new build would write it."""
    listed = json.loads(build_log_templates.TARGET.read_text("utf-8"))[library]
    if library == "python" and platform.python_version() not in listed:
        pytest.skip("another version of Python: its lines are withheld")
    version, entry = build_log_templates.build(library)
    assert listed.get(version) == entry, "run scripts/build_log_templates.py"


def test_templates_file_has_the_libraries_around_a_call() -> None:
    """LiveKit, its plugin and the libraries under it are listed, each with loggers and templates."""
    listed = json.loads(build_log_templates.TARGET.read_text("utf-8"))
    around = {
        "livekit-agents",
        "livekit",
        "livekit-api",
        "livekit-plugins-openai",
        "aiohttp",
        "httpx",
        "openai",
        "python",
    }
    assert around <= listed.keys()
    assert all(entry["loggers"] and entry["templates"] for one in listed.values() for entry in one.values())


def test_builder_lists_literals_and_no_other_message(tmp_path: Path) -> None:
    """A literal, joined literals and both sides of a choice are listed; an f-string, a name and a call are not."""
    file = tmp_path / "module.py"
    file.write_text(
        "logger = logging.getLogger(__name__)\n"
        "logger.info('plain words')\n"
        "logger.log(10, 'joined ' 'words %d', len(x))\n"
        "self.logger.error('one way' if x else 'the other')\n"
        "logger.warning('added ' + 'words: %s', status_code)\n"
        "logger.warning('mixed: %s, %s, %d%%', name, retry_interval, share)\n"
        "logger.debug(msg='by keyword')\n"
        "logger.info(f'bad {x}')\n"
        "logger.info('bad ' + x)\n"
        "logger.info('bad %s' % x)\n"
        "logger.info('bad {}'.format(x))\n"
        "logger.info(bad)\n"
        "logger.info('%s: %s', x, y)\n"
        "logger.info('bad %*d', x, y)\n"
        "print('bad')\n"
        "'bad'\n"
    )
    entry = build_log_templates.entry_of({file: "package.module"})
    assert entry["loggers"] == ["package.module"]
    assert entry["templates"] == {
        "plain words": "",
        "joined words %d": "n",
        "one way": "",
        "the other": "",
        "added words: %s": "s",
        "mixed: %s, %s, %d%%": "-nn",
        "by keyword": "",
    }


@pytest.mark.parametrize("logger", ["livekit.agents", "livekit", "livekit.plugins.openai", "aiohttp.client", "openai"])
def test_text_each_listed_template_passes_without_its_arguments(logger: str) -> None:
    """No template of the library shows a string, an object, a long number or an error."""

    class Told:
        def __str__(self) -> str:
            return CANARY

        __repr__ = __str__

    assert templates(logger)
    for template in templates(logger):
        for value in (CANARY, Told(), int(DIGITS), float(DIGITS), -int(DIGITS), ValueError(CANARY), [CANARY], None):
            line = text(logger, template, *filled(template, value))
            assert DIGITS not in line
            assert not is_withheld(line)


@given(number=st.integers(), decimal=st.floats(), value=st.text(min_size=8))
def test_text_shows_counts_of_six_digits_and_no_other_argument(number: int, decimal: float, value: str) -> None:
    """With any arguments the line is the template with placeholders, and with numbers of up to six digits."""
    template = "failed to synthesize speech: %s, retrying in %ss"
    start = "failed to synthesize speech: (withheld), retrying in "
    shown = str(number) if abs(number) < 1_000_000 else "(withheld)"
    assert text("livekit.agents", template, number, number) == f"{start}{shown}s"
    assert text("livekit.agents", template, decimal, value) == f"{start}(withheld)s"
    assert log_text._filled_forms("livekit.agents").fullmatch(text("livekit.agents", template, value, decimal))


@pytest.mark.parametrize(
    ("logger", "message", "arguments", "line"),
    [
        ("livekit.agents", "registered worker", (), "registered worker"),
        (
            "livekit.agents",
            "failed to launch job on process after %d attempts",
            (3,),
            "failed to launch job on process after 3 attempts",
        ),
        (
            "httpx",
            'HTTP Request: %s %s "%s %d %s"',
            ("GET", f"https://api.test/{CANARY}", "HTTP/1.1", 429, CANARY),
            'HTTP Request: (withheld) (withheld) "(withheld) 429 (withheld)"',
        ),
        ("openai", "Retrying due to status code %i", (503,), "Retrying due to status code 503"),
        ("openai", "Retrying due to status code %i", (94110,), "Retrying due to status code (withheld)"),
        ("livekit", "track_published for untracked participant %s", (CANARY,), None),
    ],
)
def test_text_shows_counts_and_status_codes(
    logger: str, message: str, arguments: tuple[object, ...], line: str | None
) -> None:
    """A declared count or status shows in its own format, everything else as `(withheld)`."""
    expected = line or message.replace("%s", "(withheld)")
    assert text(logger, message, *arguments) == expected


class Loud(str):
    """A string that says that it is another one."""

    __slots__ = ()

    def __hash__(self) -> int:
        return hash("registered worker")

    def __eq__(self, _other: object) -> bool:
        return True


@pytest.mark.parametrize(
    "message",
    [
        f"registered worker {CANARY}",
        Loud(CANARY),
        {"event": CANARY},
        ValueError(CANARY),
        None,
        4155550123,
        b"registered worker",
    ],
)
def test_text_a_message_that_is_no_listed_string_is_withheld(message: object) -> None:
    """An f-string, a string that equals everything, a dict, an error, bytes: nothing of it shows."""
    line = text("livekit.agents", message)
    assert is_withheld(line)
    assert DIGITS not in line


@pytest.mark.parametrize(
    "logger", ["root", "uvicorn.access", "py.warnings", "livekit.plugins.other", "aiohttp", "host"]
)
def test_text_of_a_logger_that_is_not_listed_is_withheld(logger: str) -> None:
    """A listed template passes for its own library's logger alone."""
    assert is_withheld(text(logger, "registered worker"))


def test_text_arguments_that_do_not_fit_their_template_are_withheld() -> None:
    """One argument too many, one too few, a mapping: no value shows and nothing is raised."""
    template = "failed to synthesize speech: %s, retrying in %ss"
    for arguments in ((CANARY,), (CANARY, CANARY, CANARY)):
        assert is_withheld(text("livekit.agents", template, *arguments))
    mapping = LogText().of(record("livekit.agents", template, {"a": CANARY}))
    assert DIGITS not in mapping


@pytest.mark.parametrize(
    ("logger", "setting"),
    [("livekit.agents", "livekit.agents"), ("aiohttp.access", "aiohttp.access"), (f"call.{DIGITS}", "LOGGER")],
)
def test_text_a_withheld_line_names_the_setting_that_opens_it(logger: str, setting: str) -> None:
    """The line has the name of the setting and of the logger, unless that is no name of code."""
    made = record(logger, f"said {CANARY}")
    assert LogText().of(made) == f"(text withheld; MEDAGENT_LOGS_IN_CLEAR={setting} shows it in dev)"
    assert LogText([logger]).of(made) == f"said {CANARY}"


@pytest.fixture
def other_version(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(log_text, "_installed_version", lambda library: "99.1")
    log_text._listed_by_name.cache_clear()
    yield
    log_text._listed_by_name.cache_clear()


@pytest.mark.usefixtures("other_version")
def test_text_of_a_version_that_is_not_listed_is_withheld_and_says_so() -> None:
    """No line of the library passes, not even a template of another version; the line names library and version."""
    for template in ("registered worker", "starting worker"):
        line = text("livekit.agents", template)
        assert is_withheld(line)
        assert line.endswith("; no message list for livekit-agents 99.1)")


def test_text_of_another_process_that_filtered_it_passes() -> None:
    """A job's process formats the line that it filtered, the worker's process knows it again; nothing else passes."""
    other = os.getpid() + 1
    lines = [text("livekit.agents", template, *filled(template, 7)) for template in templates("livekit.agents")]
    lines += [text("livekit.agents", template, *filled(template, CANARY)) for template in templates("livekit.agents")]
    lines += [f"{lines[0]} [ValueError]", text("livekit.agents", f"said {CANARY}")]
    for line in lines:
        assert text("livekit.agents", line, process=other) == line
    for line in (
        f"failed to synthesize speech: {CANARY}, retrying in 1s",
        f"{lines[0]} [{CANARY}]",
        f"{lines[0]} [Maren]",
    ):
        assert is_withheld(text("livekit.agents", line, process=other))
    assert is_withheld(text("livekit.agents", "failed to launch job on process after 3 attempts"))


def test_text_of_our_own_lines_keeps_their_words() -> None:
    """A line from this package's code has its words; of an argument only text, numbers and our own errors show."""
    assert (
        text("medagent.x", "to %s: %d, %s", "langsmith", 3, PolicyError("rule 4"), path=OWN_PATH)
        == "to langsmith: 3, rule 4"
    )
    assert text("medagent.x", "%s %s", KeyError(CANARY), [CANARY], path=OWN_PATH) == "KeyError (withheld)"
    assert is_withheld(text("medagent.x", "%d", [CANARY], path=OWN_PATH))


def test_text_of_a_stranger_under_our_name_is_withheld() -> None:
    """A logger's name does not make a line ours: its call is in this package's code, or its words are withheld."""
    assert is_withheld(text("medagent.exporter", f"sending {CANARY}"))
    assert is_withheld(text("livekit.plugins.house", f"sending {CANARY}", path=OWN_PATH))


def test_our_own_log_calls_have_literal_messages_and_no_made_arguments() -> None:
    """No log call of this package makes message or argument of values, which is why its words may be written out."""
    leaky_host = SOURCE / "audit" / "host.py"  # its loggers are not ours
    found, wrong = 0, []
    for file in sorted({*SOURCE.rglob("*.py")} - {leaky_host}):
        for call, message, arguments in build_log_templates.log_calls(ast.parse(file.read_bytes())):
            if ast.unparse(call.func) == "storage_log.error":  # its own call of the logger is among those looked at
                continue
            found += 1
            made = [one for each in arguments for one in ast.walk(each) if isinstance(one, ast.JoinedStr | ast.BinOp)]
            called = {ast.unparse(one.func) for one in arguments if isinstance(one, ast.Call)}
            named = {word.arg for word in call.keywords}
            if not build_log_templates._literal(message) or made or called or named:
                wrong.append(f"{file.relative_to(SOURCE)}:{call.lineno}")
    assert found > 40
    assert wrong == []


def test_logger_name_of_code_stays_and_another_is_withheld() -> None:
    """Modules, listed loggers and a module's global logger have their names; one that a call made has not."""
    module = types.ModuleType("log_names_of_a_host")
    module.__file__ = "/host/log_names.py"
    module.desk = logging.getLogger("front-desk")  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module
    try:
        names = {
            name: LogText(["pharmacy"]).logger_name(record(name, "x", path="/host/log_names.py"))
            for name in (
                "livekit.agents",
                __name__,
                "root",
                "front-desk",
                "pharmacy.desk",
                "medagent.errors",
                f"call.{CANARY}",
                "Maren",
            )
        }
    finally:
        del sys.modules[module.__name__]
    assert [name for name, shown in names.items() if shown != name] == [f"call.{CANARY}", "Maren"]
    assert names["Maren"] == "(withheld)"
    assert LogText().logger_name(record("medagent.maren", "x", path=OWN_PATH)) == "medagent.maren"
    assert LogText().logger_name(record("medagent.maren", "x")) == "(withheld)"


def test_python_name_of_a_thread_or_task_stays_and_another_is_withheld() -> None:
    """LiveKit names a task by the tool that the model called: only the names that Python gives show."""
    for name in (
        "MainThread",
        "Thread-3 (run)",
        "ThreadPoolExecutor-0_1",
        "Task-12",
        "SpawnProcess-1:2",
        "medagent-export",
    ):
        assert python_name(name) == name
    for name in ("func_exec_find_maren", CANARY, "Thread-1 (Maren Oldfield)", 3):
        assert python_name(name) == "(withheld)"
    assert python_name(None) is None


def test_class_name_of_a_class_statement_stays_and_a_made_one_is_withheld() -> None:
    """The name of a class is code; one that was made of a value at run time is not shown."""

    class LocalError(Exception):
        pass

    assert [class_name(kind) for kind in (ValueError, PolicyError, LocalError)] == [
        "ValueError",
        "PolicyError",
        "LocalError",
    ]
    assert class_name(type("Maren", (Exception,), {})) == "exception"
    assert class_name(type(CANARY, (Exception,), {})) == "exception"
