"""Find the tools of somebody's agent: in its module, in what its factory makes, and in functions that make tools.

The module is imported and its factory is called with models that are never connected; no tool runs. A toolset that
loads its tools when it is set up, as one of an MCP server does, is set up only where the caller asks for it: that
starts the server's program or connects to it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import typing
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence, Set
from types import ModuleType
from typing import Any

from livekit.agents import Agent, AgentSession
from livekit.agents.llm import Toolset
from livekit.agents.llm.async_toolset import AsyncToolset
from livekit.agents.llm.utils import function_arguments_to_pydantic_model, is_context_type

from medagent.agent.agent_schema import ARGUMENTS, ITEM, OUTPUT, RESULT, AgentSchema, ToolField, ToolSchema, Unseen
from medagent.agent.factory import AgentContext, load_factory, load_module
from medagent.agent.tool_fields import agents_in, consistent, fields_of_schema, fields_of_type, result_fields
from medagent.agent.tool_source import MadeTool, UnreadTool, made_in_functions
from medagent.errors import AgentModuleError
from medagent.redaction.policy import steps_of
from medagent.snake_case import LONGEST_NAME, snake_case
from medagent.tools import Tool

CONNECT_S = 20.0
"""Seconds that a toolset or MCP server may take to list its tools."""
_LIVEKIT_INFO = ("__livekit_tool_info", "__livekit_raw_tool_info")
_MCP = "livekit.agents.llm.mcp"
_WRITES_JSON = frozenset({"dumps", "model_dump_json", "to_json", "dump_json"})
_DEEPEST = 4
_NOT_THEIRS = ("livekit.", "medagent.")


def read_agent(text: str, *, connect: bool = False) -> AgentSchema:
    """Read the schema of an agent.

    Args:
        text: `module`, `module:factory` or `path/to/file.py[:factory]`; a module's only factory is called unnamed.
        connect: Whether toolsets are set up and MCP servers connected, so that they list their tools.

    Returns:
        Every tool that was found, and what could not be seen.

    Raises:
        AgentModuleError: The module or factory is not usable, or holds no tool at all.
    """
    module = load_module(text)
    schema = asyncio.run(_read(text, module, connect=connect))
    if not schema.tools and not schema.unseen:
        hint = "name the factory that makes the agent: module:factory"
        raise AgentModuleError(f"{text}: has no tool, expected LiveKit function tools", hint=hint)
    return schema


async def schema_of(
    session: AgentSession[Any], agent: Agent, *, modules: Iterable[ModuleType] = (), connect: bool = False
) -> AgentSchema:
    """Read the schema of a session and agent that a factory made.

    Args:
        session: the session; it is not started.
        agent: its first agent.
        modules: modules whose other agents and tools belong to it, such as the factory's.
        connect: as in `read_agent`.
    """
    search = _Search(connect=connect)
    for made in (agent, session):
        await search.look(made, type(made).__qualname__)
    for module in modules:
        await search.module(module)
    return search.schema()


def schema_of_tools(tools: Iterable[Tool[Any]]) -> AgentSchema:
    """Return the schema of tools of medagent's own kind."""
    return AgentSchema(tools=tuple(map(_of_ours, tools)))


async def _read(text: str, module: ModuleType, *, connect: bool) -> AgentSchema:
    _, colon, name = text.rpartition(":")
    try:
        factory = load_factory(text)
    except AgentModuleError:
        if colon and name.isidentifier():
            raise
        search = _Search(connect=connect)
        await search.module(module)
        return search.schema()
    session, agent = await factory.make(unconnected_context())
    return await schema_of(session, agent, modules=(module,), connect=connect)


def unconnected_context() -> AgentContext:
    """Return a context whose models are made and never connected: their address is this machine's discard port."""
    from livekit.plugins import openai  # noqa: PLC0415  # costs a second, and a module without a factory needs none

    key, url = "none", "http://127.0.0.1:9/v1"
    return AgentContext(
        make_realtime=lambda: openai.realtime.RealtimeModel(api_key=key, base_url=url),
        make_stt=lambda: openai.STT(api_key=key, base_url=url),
        make_llm=lambda: openai.LLM(api_key=key, base_url=url),
        make_tts=lambda: openai.TTS(api_key=key, base_url=url),
        simulated=True,
    )


class _Search:
    """Tools that were found so far, and what could not be seen."""

    def __init__(self, *, connect: bool) -> None:
        self._connect = connect
        self._tools: dict[int, tuple[Any, str]] = {}
        self._unseen: dict[Unseen, None] = {}
        self._looked_at: dict[int, object] = {}
        self._modules: dict[str, ModuleType] = {}

    async def module(self, module: ModuleType) -> None:
        """Look at everything a module holds, and later at what its functions make."""
        self._modules[module.__name__] = module
        for name, value in list(vars(module).items()):
            if not name.startswith("__"):
                await self.look(value, name)

    async def look(self, value: object, where: str, depth: int = 0) -> None:
        """Find the tools of one value: a tool, an agent, a session, a toolset, a class, or several of these."""
        if isinstance(value, Tool) or _info(value) is not None:
            self._tools.setdefault(id(value), (value, where))
            return
        if depth > _DEEPEST or id(value) in self._looked_at or isinstance(value, ModuleType):
            return
        if isinstance(value, type):
            self._looked_at[id(value)] = value
            self._note_module(value)
            for base in value.__mro__:
                for inner in list(vars(base).values()):
                    if _info(inner) is not None:
                        await self.look(inner, value.__qualname__, depth + 1)
        elif isinstance(value, Agent | AgentSession):
            self._looked_at[id(value)] = value
            self._note_module(type(value))
            for inner in [*value.tools, *_servers_of(value)]:
                await self.look(inner, where, depth + 1)
        elif isinstance(value, Toolset):
            self._looked_at[id(value)] = value
            self._note_module(type(value))
            await self._toolset(value, where, depth)
        elif _is_server(value):
            self._looked_at[id(value)] = value
            await self._server(value, where, depth)
        elif type(value) in (list, tuple, set, frozenset, dict):
            self._looked_at[id(value)] = value
            inside = value.values() if isinstance(value, dict) else value if isinstance(value, Iterable) else ()
            for inner in list(inside):
                await self.look(inner, where, depth + 1)

    async def _toolset(self, toolset: Toolset, where: str, depth: int) -> None:
        name = f"toolset {type(toolset).__qualname__} {toolset.id!r}"
        is_dynamic = type(toolset).setup not in (Toolset.setup, AsyncToolset.setup)
        if is_dynamic and self._connect and not await _is_done(toolset.setup):
            self._not_seen(name, "it could not be set up, expected its server or program to run")
        elif is_dynamic and not self._connect:
            self._not_seen(name, "it lists its tools when it is set up, expected --connect to do so")
        await self._several(_tools_of(toolset), where, depth)
        if is_dynamic and self._connect:
            await _is_done(toolset.aclose)

    async def _server(self, server: Any, where: str, depth: int) -> None:
        name, listed = f"MCP server {type(server).__qualname__}", list[object]()

        async def list_tools() -> None:
            listed.extend(await server.list_tools())

        if not self._connect:
            self._not_seen(name, "it lists its tools when it is connected, expected --connect to do so")
        elif not (await _is_done(server.initialize) and await _is_done(list_tools)):
            self._not_seen(name, "it did not list its tools, expected it to run")
        await self._several(listed, where, depth)
        if self._connect:
            await _is_done(server.aclose)

    async def _several(self, values: Iterable[object], where: str, depth: int) -> None:
        for value in list(values):
            await self.look(value, where, depth + 1)

    def _not_seen(self, where: str, reason: str) -> None:
        self._unseen[Unseen(where=where, reason=reason)] = None

    def _note_module(self, kind: type) -> None:
        """Remember the module of a class of theirs: its functions may make tools too."""
        module = inspect.getmodule(kind)
        if module is not None and not module.__name__.startswith(_NOT_THEIRS):
            file = getattr(module, "__file__", None) or ""
            if "site-packages" not in file and file:
                self._modules.setdefault(module.__name__, module)

    def schema(self) -> AgentSchema:
        """Return the schema of what was found, the agents that tools hand over to included."""
        made: list[ToolSchema] = []
        waiting = list(self._tools.values())
        done: set[int] = set()
        while waiting:
            tool, where = waiting.pop(0)
            if id(_function(tool)) in done:  # bound to an object, or found on its class
                continue
            done.add(id(_function(tool)))
            made.append(self._described(tool, where))
            for agent in agents_in(_hints(tool).get("return")):
                later = [v for base in agent.__mro__ for v in vars(base).values() if _info(v) is not None]
                waiting += [(one, agent.__qualname__) for one in later]
        live = [_function(tool) for tool, _ in self._tools.values()]
        for one in made_in_functions(self._modules.values(), live=live):
            if isinstance(one, UnreadTool):
                self._not_seen(one.where, one.reason)
            else:
                made.append(self._of_source(one))
        return AgentSchema(tools=tuple(dict.fromkeys(made)), unseen=tuple(self._unseen))

    def _described(self, tool: Any, where: str) -> ToolSchema:
        if isinstance(tool, Tool):
            return _of_ours(tool)
        info = _info(tool)
        raw = getattr(info, "raw_schema", None)
        if isinstance(raw, Mapping):
            parameters = raw.get("parameters")
            found = list(fields_of_schema(parameters if isinstance(parameters, Mapping) else {}, (ARGUMENTS,)))
            found = [one for one in found if one.path != ARGUMENTS or _is_opaque(parameters)]
        else:
            found = list(_arguments(tool))
        if getattr(_function(tool), "__module__", "") == _MCP:
            found += _OF_MCP
        else:
            found += _result(tool)
        return self._tool(info.name, found, where)

    def _of_source(self, made: MadeTool) -> ToolSchema:
        found: list[ToolField | Unseen]
        if made.raw_schema is not None:
            found = list(fields_of_schema(made.raw_schema.get("parameters", {}), (ARGUMENTS,)))
        else:
            found = list(_arguments(made.stub))
        return self._tool(made.name, [*found, *_result(made.stub, names=made.names)], made.where)

    def _tool(self, name: object, found: Sequence[ToolField | Unseen], where: str) -> ToolSchema:
        told = str(name)
        fields = [one for one in found if isinstance(one, ToolField)]
        named = consistent([one for one in fields if one.has_path])
        tool = ToolSchema(name=told, fields=named, source=where)
        for one in fields:
            if not one.has_path:
                said = f"the name {one.name[:40]!r} has no letter or digit, or is too long: its value is dropped"
                self._unseen[Unseen(where=tool.span, span=tool.span, reason=said)] = None
        if snake_case(told) is None:
            said = f"its name has no letter or digit, or over {LONGEST_NAME} characters: its span is {tool.span}"
            self._unseen[Unseen(where=told[:40], span=tool.span, reason=said)] = None
        for each in found:
            if isinstance(each, Unseen):
                at = f"{tool.span} {each.path}"
                self._unseen[dataclasses.replace(each, where=at, span=tool.span)] = None
        return tool


_OF_MCP = [
    ToolField(declared=(RESULT, "type")),
    ToolField(declared=(RESULT, "text")),
    ToolField(declared=(RESULT, OUTPUT, ITEM, "type")),
    ToolField(declared=(RESULT, OUTPUT, ITEM, "text")),
]
"""Result of an MCP tool as LiveKit tells the model: one content, or a list of several."""


def _of_ours(tool: Tool[Any]) -> ToolSchema:
    arguments = fields_of_type(tool.arguments, (ARGUMENTS,), by_alias=True)
    kinds = {one.path: one for one in arguments if isinstance(one, ToolField)}
    fields = [kinds.get(path) or ToolField(declared=steps_of(path)) for path in tool.field_paths]
    return ToolSchema(name=tool.name, fields=tuple(fields), source="medagent Tool")


def _arguments(tool: Any) -> Iterator[ToolField | Unseen]:
    """Arguments as LiveKit tells the model of them; where it cannot, by name with what is known of their type."""
    try:
        model = function_arguments_to_pydantic_model(tool)
    except Exception:  # noqa: BLE001  # their annotations are evaluated: they may raise anything
        hints = _hints(tool)
        for name, parameter in inspect.signature(tool).parameters.items():
            hint = hints.get(name, Any if parameter.annotation is inspect.Parameter.empty else None)
            if name in ("self", "cls") or (hint is not None and is_context_type(hint, allow_subclasses=True)):
                continue
            if name in hints:
                yield from fields_of_type(hints[name], (ARGUMENTS, name), by_alias=True)
            else:
                reason = "its annotation is missing or cannot be read, expected a type"
                yield Unseen(where="", path=f"{ARGUMENTS}.{snake_case(name)}", reason=reason)
        return
    yield from fields_of_type(model, (ARGUMENTS,), by_alias=True)


def _result(tool: Any, *, names: Set[str] | None = None) -> Iterator[ToolField | Unseen]:
    """Result by its annotation; a text that the code writes as JSON may have fields that no annotation names."""
    hints = _hints(tool)
    if "return" not in hints:
        yield Unseen(where="", path=RESULT, reason="its result has no annotation that can be read, expected -> a type")
        return
    fields = list(result_fields(hints["return"]))
    used = names if names is not None else frozenset(_names_in(_function(tool)))
    is_text = any(isinstance(one, ToolField) and one.declared == (RESULT, OUTPUT) for one in fields)
    if is_text and used & _WRITES_JSON:
        yield Unseen(
            where="",
            path=RESULT,
            reason="it returns a text that its code writes as JSON: its fields have no annotation, expected -> a type",
        )
    yield from fields


def _hints(tool: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(_function(tool), include_extras=True)
    except Exception:  # noqa: BLE001  # their annotations are evaluated: they may raise anything
        return {}


def _function(tool: Any) -> Any:
    """The function of a tool, past what wraps it."""
    function = getattr(tool, "_func", tool)
    return function if isinstance(function, Tool) else inspect.unwrap(function)


def _names_in(function: Any) -> Iterator[str]:
    """Names that a function's code uses, that of functions in it included."""
    waiting = [getattr(function, "__code__", None)]
    while waiting:
        code = waiting.pop()
        if code is not None:
            yield from code.co_names
            waiting += [inner for inner in code.co_consts if inspect.iscode(inner)]


def _info(tool: object) -> Any:
    if isinstance(tool, type):
        return None
    try:
        held = object.__getattribute__(tool, "__dict__")  # its own attributes, past any __getattr__ that would raise
    except AttributeError:
        return None
    return next((held[name] for name in _LIVEKIT_INFO if name in held), None)


def _servers_of(value: Agent | AgentSession[Any]) -> list[object]:
    servers = getattr(value, "mcp_servers", None)
    return list(servers) if isinstance(servers, list | tuple) else []


def _is_server(value: object) -> bool:
    return any(base.__name__ == "MCPServer" and base.__module__ == _MCP for base in type(value).__mro__)


def _tools_of(toolset: Any) -> list[object]:
    """The tools of a toolset, those that it offers later included."""
    return [*toolset.tools, *getattr(toolset, "_tools", ())]


async def _is_done(work: Callable[[], Awaitable[object]]) -> bool:
    """Await what a server of theirs does, and return whether it came to its end in time."""
    try:
        await asyncio.wait_for(work(), CONNECT_S)
    except Exception:  # noqa: BLE001  # theirs: it may fail in any way
        return False
    return True


def _is_opaque(parameters: object) -> bool:
    """Whether a raw schema allows arguments that it does not name; one that declares none has none."""
    return not isinstance(parameters, Mapping) or bool(
        parameters.get("additionalProperties") or parameters.get("patternProperties")
    )
