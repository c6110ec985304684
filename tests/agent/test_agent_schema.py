"""Schema of somebody's agent: every kind of tool and type is seen, and what is not is listed with its reason."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from medagent.agent.agent_schema import AgentSchema, FieldKind
from medagent.agent.agent_tools import read_agent
from medagent.errors import AgentModuleError
from medagent.redaction.loading import parse_policy
from medagent.redaction.review import Problem
from packaged import packaged_policy

_numbers = itertools.count()
SMALL = "name: a\nversion: 1.0.0\nextends: clinic\nspans:\n"
HEAD = """
from __future__ import annotations

import enum
import json
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Generic, Literal, NamedTuple, NotRequired, Optional, TypedDict, TypeVar

from livekit.agents import Agent, AgentSession, RunContext, function_tool
from livekit.agents.llm import ToolResult, Toolset
from pydantic import BaseModel, Field, Json, RootModel

T = TypeVar("T")

class Phase(enum.Enum):
    NEW = "new"
    OLD = "old"

class Level(enum.IntEnum):
    LOW = 1

class Line(TypedDict):
    sku: str
    count: int

class Order(TypedDict, total=False):
    orderId: str
    state: Literal["open", "closed"]
    lines: list[Line]
    note: NotRequired[str]

class Page(TypedDict, Generic[T]):
    items: list[T]

@dataclass
class Box(Generic[T]):
    content: T
    isFull: bool

class Who(BaseModel):
    firstName: str = Field(alias="first-name")
    nick: Optional[str] = None
    phase: Phase

class Rows(RootModel[list[bool]]):
    pass

class Point(NamedTuple):
    x: float
    label: str

class Node(TypedDict):
    name: str
    next: "Node"

class Open(BaseModel, extra="allow"):
    isOn: bool
"""

TYPED: list[tuple[str, dict[str, str]]] = [
    ("str", {"output": "text"}),
    ("None", {}),
    ("bool", {"output": "boolean"}),
    ("Optional[int]", {"output": "number"}),
    ("date | None", {"output": "time"}),
    ("Phase", {"output": "choice"}),
    ("Level", {"output": "number"}),
    ("Literal['a', 'b'] | None", {"output": "choice"}),
    ("Literal['a'] | str", {"output": "mixed"}),
    ("Annotated[str, 'words']", {"output": "text"}),
    ("list[str]", {"output[]": "text"}),
    ("list[Line]", {"output[].sku": "text", "output[].count": "number"}),
    ("tuple[int, ...]", {"output[]": "number"}),
    ("Rows", {"output[]": "boolean"}),
    ("Line", {"sku": "text", "count": "number"}),
    (
        "Order",
        {"order_id": "text", "state": "choice", "lines[].sku": "text", "lines[].count": "number", "note": "text"},
    ),
    ("Page[Line]", {"items[].sku": "text", "items[].count": "number"}),
    ("Box[Point]", {"content.x": "number", "content.label": "text", "is_full": "boolean"}),
    ("Box[Box[bool]]", {"content.content": "boolean", "content.is_full": "boolean", "is_full": "boolean"}),
    ("Who", {"first_name": "text", "nick": "text", "phase": "choice"}),
    ("Line | str", {"sku": "text", "count": "number", "output": "text"}),
    ("Json[Line]", {"sku": "text", "count": "number"}),
    ("Agent", {}),
    ("tuple[Agent, str]", {"output": "text"}),
    ("tuple[Agent, str, int]", {"output[]": "mixed"}),
    ("'Line'", {"sku": "text", "count": "number"}),
]
UNTYPED = [
    (" -> dict", "result", "keys of any name"),
    (" -> dict[str, Line]", "result", "keys of any name"),
    (" -> list[dict]", "result.output[]", "keys of any name"),
    (" -> list", "result.output[]", "items of any type"),
    (" -> Any", "result", "Any"),
    (" -> object", "result", "object"),
    (" -> ToolResult", "result", "ToolResult"),
    (" -> Missing", "result", "no annotation"),
    ("", "result", "no annotation"),
    (" -> Node", "result.next", "holds itself"),
    (" -> Open", "result", "further fields"),
    (" -> T", "result", "Any"),
]


@pytest.fixture(scope="module")
def typed(tmp_path_factory: pytest.TempPathFactory) -> AgentSchema:
    """Tools with all these results, in one module; it is given by its path."""
    returns = [f" -> {returned}" for returned, _ in TYPED] + [returned for returned, _, _ in UNTYPED]
    tools = [f"@function_tool\nasync def tool_{at}(){each}: ...\n" for at, each in enumerate(returns)]
    path = tmp_path_factory.mktemp("typed") / "their_tools_typed.py"
    path.write_text(HEAD + "\n".join(tools))
    return read_agent(str(path))


@pytest.fixture(autouse=True)
def _imports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    known = set(sys.modules)
    yield
    for name in set(sys.modules) - known:
        if name.startswith("their_tools_"):
            del sys.modules[name]


def read(text: str, suffix: str = "", *, connect: bool = False) -> AgentSchema:
    """The schema of a module with this text."""
    stem = f"their_tools_{next(_numbers)}"
    Path(f"{stem}.py").write_text(HEAD + text)
    return read_agent(f"{stem}{suffix}", connect=connect)


def tool_of(signature: str, body: str = "...") -> AgentSchema:
    return read(f"@function_tool\nasync def tool{signature}:\n    {body}\n")


def kinds(schema: AgentSchema, span: str = "tool.tool") -> dict[str, str]:
    return {each.path: each.kind.value for each in schema.by_span()[span].fields}


@pytest.mark.parametrize(("returned", "fields"), TYPED, ids=[returned for returned, _ in TYPED])
def test_a_result_has_the_fields_of_its_type(returned: str, fields: dict[str, str], typed: AgentSchema) -> None:
    """A result that is no object stands under `output`, as the trace records it."""
    span = f"tool.tool_{[one[0] for one in TYPED].index(returned)}"
    assert kinds(typed, span) == {f"result.{path}": kind for path, kind in fields.items()}
    assert not [one for one in typed.unseen if one.span == span]


@pytest.mark.parametrize(
    ("returned", "path", "reason"), UNTYPED, ids=[one[0].strip(" ->") or "none" for one in UNTYPED]
)
def test_what_has_no_type_is_listed_as_unseen(returned: str, path: str, reason: str, typed: AgentSchema) -> None:
    """The tool and the path are named, with the reason."""
    span = f"tool.tool_{len(TYPED) + [one[0] for one in UNTYPED].index(returned)}"
    [unseen] = [one for one in typed.unseen if one.span == span]
    assert unseen.path == path
    assert reason in unseen.reason


def test_a_text_that_is_written_as_json_is_listed_as_unseen() -> None:
    """Its fields have no annotation; a policy that drops the whole result needs none."""
    schema = tool_of("() -> str", "return json.dumps({'a': 1})")
    assert kinds(schema) == {"result.output": "text"}
    [unseen] = schema.unseen
    assert (unseen.path, "JSON" in unseen.reason) == ("result", True)
    hidden = f"{SMALL}  tool.tool:\n    result: {{action: DROP, category: machine}}\n"
    assert [one.problem for one in schema.objections(packaged_policy())] == [Problem.UNNAMED, Problem.UNSEEN]
    assert list(schema.objections(parse_policy(hidden, file="a.yaml"))) == []


def test_arguments_are_those_that_the_model_is_told() -> None:
    """LiveKit's context is none, an alias is the model's own name, and JSON text stays a text."""
    schema = tool_of("(ctx: RunContext[Any], who: Who, when: date, j: Json[Line], tags: list[str] = []) -> None")
    assert kinds(schema) == {
        "arguments.who.first_name": "text",
        "arguments.who.nick": "text",
        "arguments.who.phase": "choice",
        "arguments.when": "time",
        "arguments.j": "text",
        "arguments.tags[]": "text",
    }
    [first] = [each for each in schema.tools[0].fields if each.path.endswith("first_name")]
    assert first.declared == ("arguments", "who", "first-name")
    [phase] = [each for each in schema.tools[0].fields if each.kind is FieldKind.CHOICE]
    assert phase.choices == ("new", "old")


def test_arguments_without_a_type_are_unseen_and_the_others_seen() -> None:
    """One argument without annotation hides none of the others."""
    schema = tool_of("(a: int, b, c: dict[str, int]) -> None")
    assert kinds(schema) == {"arguments.a": "number"}
    assert [one.path for one in schema.unseen] == ["arguments.b", "arguments.c"]


RAW = """
tool = function_tool(raw_schema={"name": "Raw-Tool", "description": "", "parameters": {
    "type": "object",
    "properties": {
        "mrn": {"type": "string"}, "at": {"type": "string", "format": "date-time"}, "n": {"type": ["integer", "null"]},
        "sub": {"$ref": "#/$defs/Sub"}, "free": {"type": "object"},
        "one": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
        "list": {"type": "array", "items": {"enum": ["x", "y"]}}, "loop": {"$ref": "#/$defs/Loop"},
    },
    "$defs": {
        "Sub": {"type": "object", "properties": {"isOn": {"type": "boolean"}}},
        "Loop": {"type": "object", "properties": {"loop": {"$ref": "#/$defs/Loop"}}},
    },
}})
async def raw(raw_arguments: dict) -> Line: ...
raw = tool(raw)
nothing = {"type": "object", "properties": {}}
empty = function_tool(raw_schema={"name": "empty", "description": "", "parameters": nothing})(raw._func)
"""


def test_a_raw_schema_declares_its_arguments() -> None:
    """References are followed, an object without properties and one that holds itself are unseen."""
    schema = read(RAW)
    assert kinds(schema, "tool.raw_tool") == {
        "arguments.mrn": "text",
        "arguments.at": "time",
        "arguments.n": "number",
        "arguments.sub.is_on": "boolean",
        "arguments.one": "boolean",
        "arguments.list[]": "choice",
        "result.sku": "text",
        "result.count": "number",
    }
    assert [(one.path or "")[:16] for one in schema.unseen] == ["arguments.free", "arguments.loop.l"]


CLOSURES = """
def make_tools(db: object) -> list:
    @function_tool
    async def find_thing(thing_id: int, exact: bool) -> Order | None: ...

    @function_tool(name="otherName")
    async def other(a: str) -> "list[Line]": ...

    async def late(q: str) -> bool: ...

    class Inner(Agent):
        @function_tool
        async def inner_tool(self, a: bool) -> None: ...

    return [find_thing, other, function_tool(late, name="late_tool")]
"""


def test_tools_that_a_function_makes_are_read_from_its_source() -> None:
    """Nothing runs: decorator, signature and annotations stand in the source."""
    schema = read(CLOSURES)
    assert {span: list(tool.paths) for span, tool in schema.by_span().items()} == {
        "tool.find_thing": [
            *("arguments.thing_id", "arguments.exact", "result.order_id", "result.state"),
            *("result.lines[].sku", "result.lines[].count", "result.note"),
        ],
        "tool.other_name": ["arguments.a", "result.output[].sku", "result.output[].count"],
        "tool.late_tool": ["arguments.q", "result.output"],
        "tool.inner_tool": ["arguments.a"],
    }
    assert not schema.unseen
    assert all(tool.source.startswith("make_tools() line ") for tool in schema.tools)


COMPUTED = """
def make_tools(db, schema, name):
    @function_tool(raw_schema=schema)
    async def raw(raw_arguments: dict) -> str: ...

    @function_tool(name=name)
    async def named(a: int) -> str: ...

    return [function_tool(db.lookup), raw, named]
"""


def test_a_tool_that_its_source_does_not_describe_is_unseen() -> None:
    """A schema, a name or a function that only a run knows: each place is named."""
    schema = read(COMPUTED)
    assert not schema.tools
    assert [one.where.partition(" ")[0] for one in schema.unseen] == ["make_tools()"] * 3
    assert all("factory" in one.reason for one in schema.unseen)


FACTORY = """
def make_tools(db):
    async def lookup(key: int) -> Line: ...
    return [function_tool(lookup, name=f"find_{db}")]

class Kit(Toolset):
    def __init__(self):
        super().__init__(id="kit", tools=make_tools("kit"))

    @function_tool
    async def kitTool(self, a: int) -> bool: ...

class Loading(Toolset):
    async def setup(self):
        self._tools = make_tools("loaded")
        return self

class Second(Agent):
    @function_tool
    async def second_tool(self) -> str: ...

class Desk(Agent):
    def __init__(self):
        super().__init__(instructions="", tools=[Kit(), Loading(id="loading"), *make_tools("thing")])

    @function_tool
    async def hand_over(self) -> Second: ...

def factory(ctx):
    assert ctx.simulated
    return AgentSession(llm=ctx.realtime, tools=make_tools("session")), Desk()

async def pipeline(ctx):
    return AgentSession(stt=ctx.stt, llm=ctx.llm, tts=ctx.tts), Desk()
"""


@pytest.mark.parametrize("suffix", ["", ":factory", ".py:factory", ":pipeline"])
def test_a_factory_s_agent_is_seen_with_its_tools(suffix: str) -> None:
    """Tools of agent, session, toolsets and of an agent that is handed over to; nothing is connected."""
    schema = read(FACTORY, suffix)
    found = {"find_thing", "find_kit", "kit_tool", "hand_over", "second_tool"}
    assert set(schema.session_names()) == (found | {"find_session"} if suffix != ":pipeline" else found)
    assert kinds(schema, "tool.find_thing") == {
        "arguments.key": "number",
        "result.sku": "text",
        "result.count": "number",
    }
    [unseen] = schema.unseen
    assert (unseen.where, "--connect" in unseen.reason) == ("toolset Loading 'loading'", True)


def test_a_toolset_is_set_up_where_it_is_asked_for() -> None:
    """Then its tools are seen as any other's."""
    schema = read(FACTORY, ":factory", connect=True)
    assert "find_loaded" in schema.session_names()
    assert not schema.unseen


def test_a_toolset_that_fails_is_unseen() -> None:
    """An error of somebody's server is no error of the command."""
    failing = FACTORY.replace('self._tools = make_tools("loaded")', 'raise RuntimeError("Jane Doe")')
    [unseen] = read(failing, ":factory", connect=True).unseen
    assert (unseen.where, "Jane" in unseen.reason) == ("toolset Loading 'loading'", False)


SERVER = """
class MCPServer:
    async def initialize(self): ...

    async def list_tools(self):
        @function_tool(raw_schema={"name": "find-order", "parameters": {"properties": {"orderId": {"type": "string"}}}})
        async def _tool_called(raw_arguments: dict) -> Any: ...
        _tool_called._func.__module__ = MCPServer.__module__
        return [_tool_called]

    async def aclose(self): ...

MCPServer.__module__ = "livekit.agents.llm.mcp"  # as LiveKit's, whose own needs another package

class Desk(Agent):
    mcp_servers = [MCPServer()]

desk = Desk(instructions="")
"""


def test_an_mcp_server_is_connected_where_it_is_asked_for() -> None:
    """Its tools have the contents that LiveKit tells the model as result."""
    [unseen] = [one for one in read(SERVER).unseen if one.span is None]
    assert (unseen.where, "--connect" in unseen.reason) == ("MCP server MCPServer", True)
    schema = read(SERVER, connect=True)
    paths = ["arguments.order_id", "result.type", "result.text", "result.output[].type", "result.output[].text"]
    assert kinds(schema, "tool.find_order") == dict.fromkeys(paths, "text")


def test_spellings_of_one_name_are_objections() -> None:
    """Of two tools, of two fields and of two objects within one."""
    schema = read(
        """
@function_tool
async def orderRefill(patientName: str, patient_name: str) -> Order: ...

@function_tool
async def order_refill(a: int) -> None: ...
"""
    )
    found = [(one.span, one.fields) for one in schema.objections(packaged_policy()) if one.problem is Problem.SAME_NAME]
    assert found == [("tool.order_refill", ()), ("tool.order_refill", ("arguments.patient_name",))]
    assert list(schema.by_span()) == ["tool.order_refill"]


def test_a_tool_s_name_that_session_end_hides_is_an_objection() -> None:
    """A policy without a span of the tool tells of it as `<REDACTED>`."""
    schema = tool_of("(a: bool) -> None")
    [hidden] = list(schema.objections(packaged_policy()))
    assert (hidden.span, hidden.fields) == ("session.end", ("tool",))
    assert list(schema.objections(parse_policy(f"{SMALL}  tool.tool: {{}}\n", file="a.yaml"))) == []


@pytest.mark.parametrize(
    ("text", "suffix"),
    [("", ""), ("", ":nothing"), ("raise RuntimeError('Jane Doe')", ""), ("def factory(ctx): return 1", ":factory")],
    ids=["no tool", "no function", "raises", "makes no agent"],
)
def test_a_module_that_is_not_usable_is_an_error(text: str, suffix: str) -> None:
    """It quotes no message of somebody's code."""
    with pytest.raises(AgentModuleError) as error:
        read(text, suffix)
    assert "Jane" not in str(error.value)
