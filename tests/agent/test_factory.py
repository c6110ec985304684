"""Factories of somebody's agent: found by module or file, and named in an error where they are not usable."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from livekit.agents import Agent, AgentSession

import medagent
from medagent.agent.factory import AgentContext, load_factory, load_module
from medagent.errors import AgentModuleError

_numbers = itertools.count()
GOOD = """
from livekit.agents import Agent, AgentSession

def factory(ctx):
    return AgentSession(), Agent(instructions="Answer.")
"""


@pytest.fixture(autouse=True)
def _imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    known = set(sys.modules)
    yield
    for name in set(sys.modules) - known:
        if not name.startswith(("livekit", "medagent")):
            del sys.modules[name]


def put(text: str) -> str:
    """Write a module of its own name into the current directory; return its name."""
    stem = f"their_agent_{next(_numbers)}"
    Path(f"{stem}.py").write_text(text)
    return stem


def put_package() -> Path:
    """Write a package whose `agent` imports its neighbour; return its directory."""
    package = Path(f"shop_{next(_numbers)}")
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "words.py").write_text("SAYS = 'Answer.'")
    (package / "agent.py").write_text("from .words import SAYS\n" + GOOD.replace('"Answer."', "SAYS"))
    return package


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("{}:factory", GOOD),
        ("{}", GOOD),
        ("{}.py:factory", GOOD),
        ("{}.py", GOOD),
        ("./{}.py:make", GOOD.replace("def factory", "async def make")),
        ("{}", GOOD.replace("factory(ctx)", "build(ctx: 'medagent.AgentContext')")),
    ],
    ids=["name", "only-module", "file", "only-file", "async", "annotated"],
)
async def test_load_factory_finds_it_and_it_makes_the_pair(form: str, text: str) -> None:
    """By module or file, with or without the function's name, sync or async."""
    stem = put(text)
    found = load_factory(form.format(stem))
    session, agent = await found.make(AgentContext(simulated=True))
    assert isinstance(session, AgentSession)
    assert isinstance(agent, Agent)
    assert found.file == Path.cwd() / f"{stem}.py"


async def test_a_file_of_a_package_imports_its_neighbours() -> None:
    """The package's relative imports work."""
    package = put_package()
    _, agent = await load_factory(f"{package}/agent.py:factory").make(AgentContext())
    assert agent.instructions == "Answer."
    assert load_module(f"{package}/agent.py") is load_module(f"{package}.agent:factory")


def test_a_file_of_a_known_name_is_not_taken_for_the_known_module(tmp_path: Path) -> None:
    """A file `json.py` is loaded, and `json` remains what it was."""
    (tmp_path / "json.py").write_text(GOOD)
    assert load_factory("json.py").file == tmp_path / "json.py"
    assert sys.modules["json"].__file__ != str(tmp_path / "json.py")


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("{}", "", r"their_agent_\d+: none, expected one function that takes an AgentContext"),
        ("{}:other", GOOD, r"their_agent_\d+: has no 'other', expected a function of that name"),
        ("{}:factory", "factory = 3", r"their_agent_\d+:factory: is int, expected a function"),
        (
            "{}:factory",
            "import no_such_thing",
            r"cannot be imported: ModuleNotFoundError \(no_such_thing\) at .*:1",
        ),
        ("{}:factory", "\n\nx = 1 / 0", r"cannot be imported: ZeroDivisionError at their_agent_\d+\.py:3"),
        ("{}.py:factory", "\ndef f(:", r"cannot be imported: SyntaxError at their_agent_\d+\.py:2"),
        ("gone:factory", "", "gone: module not found, expected a Python module"),
        ("gone.agent:factory", "", r"gone\.agent: module not found"),
        ("gone.py:factory", "", r"gone\.py: no such file, expected a Python file"),
        ("./{}:factory", "", "no such file"),
        (":factory", "", "not a module, expected module:factory"),
        ("", "", "not a module, expected module:factory"),
    ],
    ids=[
        "none",
        "other",
        "number",
        "lacks",
        "raises",
        "syntax",
        "gone",
        "gone-package",
        "gone-file",
        "dir",
        "empty",
        "nil",
    ],
)
def test_load_factory_names_what_is_wrong(name: str, text: str, says: str) -> None:
    """Module, function or line; never the message of somebody's exception."""
    stem = put(text)
    with pytest.raises(AgentModuleError, match=says):
        load_factory(name.format(stem))


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("return None", r"returned NoneType, expected \(AgentSession, Agent\)"),
        ("return AgentSession()", "returned AgentSession, expected"),
        ("return Agent(instructions=''), AgentSession()", r"returned \(Agent, AgentSession\), expected"),
        ("raise KeyError('Tamsin Quillfeather')", r"raised KeyError at their_agent_\d+\.py:5, expected"),
        ("return ctx.stt, None", r"ctx\.stt: not given, expected make_stt in AgentContext"),
    ],
    ids=["none", "session", "reversed", "raises", "no-model"],
)
async def test_make_refuses_what_is_no_session_and_agent(body: str, says: str) -> None:
    """An error names the types that came back, or the type and line of what was raised, without its message."""
    stem = put(GOOD.replace('return AgentSession(), Agent(instructions="Answer.")', body))
    with pytest.raises(AgentModuleError, match=says) as caught:
        await load_factory(stem).make(AgentContext())
    assert "Tamsin" not in caught.value.diagnostics()


def test_context_makes_each_model_once_and_only_when_used() -> None:
    """The session gets one object, however often the factory names it."""
    made: list[object] = []

    def make() -> object:
        made.append(object())
        return made[-1]

    context = medagent.AgentContext(make_stt=make, simulated=True)  # type: ignore[arg-type]  # no model is needed here
    assert made == []
    assert context.stt is context.stt
    assert len(made) == 1
    assert (context.simulated, context.room) == (True, None)
