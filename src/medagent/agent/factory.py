"""Factories of somebody's agent: loaded by name, called with the models and the caller of one call.

Needs no livekit before a factory runs, so that commands which only read the module start fast.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from medagent.errors import AgentModuleError

if TYPE_CHECKING:
    from livekit.agents import Agent, AgentSession
    from livekit.agents.llm import LLM, RealtimeModel
    from livekit.agents.stt import STT
    from livekit.agents.tts import TTS

    from medagent.agent.bridge import Bridge
    from medagent.agent.caller import Caller

    Made: TypeAlias = tuple[AgentSession[Any], Agent]

TRACED_BY: ContextVar[Callable[..., Bridge] | None] = ContextVar("TRACED_BY", default=None)
"""Traces sessions in place of `trace_call` in a simulated call, with its arguments; None outside of one."""
_Model = TypeVar("_Model")
_FACTORY = "factory"
_EXPECTED = "(AgentSession, Agent)"
_HINT = "name it as module:factory or path/to/file.py:factory"


@dataclass(frozen=True, kw_only=True)
class AgentContext:
    """Models and caller of one call, for a factory that makes the session and the agent.

    Each `make_…` returns a new LiveKit plugin object; `realtime`, `stt`, `llm` and `tts` are made at their first use
    and then stay the same for the call. `medagent call` gives the simulator's stand-ins; a worker of your own can give
    real models and run the same factory.

    Args:
        make_realtime: Makes the realtime model (speech to speech).
        make_stt: Makes the speech-to-text model.
        make_llm: Makes the language model.
        make_tts: Makes the text-to-speech model.
        simulated: Whether caller and models are simulated. Tools run all the same: check it before a tool
            changes anything real.
        base_url: Address of an OpenAI-compatible server for clients of your own; any key is right. None outside of a
            simulated call.
        caller: Room, participant and phone number, for `trace_call(session, caller=ctx.caller)`.
    """

    make_realtime: Callable[[], RealtimeModel] | None = field(default=None, repr=False)
    make_stt: Callable[[], STT[Any]] | None = field(default=None, repr=False)
    make_llm: Callable[[], LLM[Any]] | None = field(default=None, repr=False)
    make_tts: Callable[[], TTS[Any]] | None = field(default=None, repr=False)
    simulated: bool = False
    base_url: str | None = None
    caller: Caller | None = None

    @functools.cached_property
    def realtime(self) -> RealtimeModel:
        """Return the realtime model; raises `AgentModuleError` where the context has none."""
        return self._made("realtime", self.make_realtime)

    @functools.cached_property
    def stt(self) -> STT[Any]:
        """Return the speech-to-text model; raises `AgentModuleError` where the context has none."""
        return self._made("stt", self.make_stt)

    @functools.cached_property
    def llm(self) -> LLM[Any]:
        """Return the language model; raises `AgentModuleError` where the context has none."""
        return self._made("llm", self.make_llm)

    @functools.cached_property
    def tts(self) -> TTS[Any]:
        """Return the text-to-speech model; raises `AgentModuleError` where the context has none."""
        return self._made("tts", self.make_tts)

    @property
    def room(self) -> str | None:
        """Return the name of the call's room."""
        return None if self.caller is None else self.caller.room

    @staticmethod
    def _made(name: str, make: Callable[[], _Model] | None) -> _Model:
        if make is None:
            raise AgentModuleError(f"ctx.{name}: not given, expected make_{name} in AgentContext")
        return make()


@dataclass(frozen=True, slots=True, kw_only=True)
class Factory:
    """A factory of somebody's agent: `function(AgentContext) -> (AgentSession, Agent)`, sync or async.

    Attributes:
        text: Name as it was given, `module:factory` or `path/to/file.py:factory`.
        module: Module that holds it.
        function: The factory itself.
    """

    text: str
    module: ModuleType = field(repr=False)
    function: Callable[[AgentContext], Any] = field(repr=False)

    @property
    def file(self) -> Path:
        """Return the absolute path of the module's file."""
        return Path(str(self.module.__file__)).absolute()

    def origin_of(self, error: Exception) -> str:
        """Return an exception's type and the line that it comes from, without its message, which may quote a value."""
        return _where(error, self.file)

    async def make(self, context: AgentContext) -> Made:
        """Make session and agent of one call.

        Args:
            context: Models and caller of the call.

        Returns:
            An `AgentSession` that has not started, and the `Agent` for its `start`.

        Raises:
            AgentModuleError: The factory raised, or returned something else.
        """
        from livekit.agents import Agent, AgentSession  # noqa: PLC0415  # livekit costs seconds; reading a module needs none

        try:
            made = self.function(context)
            if inspect.isawaitable(made):
                made = await made
        except AgentModuleError:
            raise
        except Exception as error:
            raise AgentModuleError(f"{self.text}: raised {self.origin_of(error)}, expected {_EXPECTED}") from error
        if not isinstance(made, tuple) or len(made) != 2:
            raise AgentModuleError(f"{self.text}: returned {type(made).__name__}, expected {_EXPECTED}")
        session, agent = made
        if not isinstance(session, AgentSession) or not isinstance(agent, Agent):
            found = ", ".join(type(one).__name__ for one in made)
            raise AgentModuleError(f"{self.text}: returned ({found}), expected {_EXPECTED}")
        if _has_started(session):
            raise AgentModuleError(f"{self.text}: returned a session that has started, expected one that has not")
        return session, agent


def _has_started(session: AgentSession[Any]) -> bool:
    try:
        return session.current_agent is not None
    except RuntimeError:
        return False


def load_factory(text: str) -> Factory:
    """Load a factory by its name.

    Args:
        text: `module:factory` or `path/to/file.py:factory`. Without `:factory` it is the module's `factory`, or its
            only function whose first argument is an `AgentContext`.

    Returns:
        The factory, not called yet.

    Raises:
        AgentModuleError: The module cannot be imported, or has no such function.
    """
    place, _, name = _split(text)
    module = load_module(place)
    if not name:
        name = _only_factory(module, place)
    try:
        function = getattr(module, name)
    except AttributeError:
        raise AgentModuleError(f"{place}: has no {name!r}, expected a function of that name", hint=_HINT) from None
    if not callable(function):
        raise AgentModuleError(f"{place}:{name}: is {type(function).__name__}, expected a function")
    return Factory(text=text, module=module, function=function)


def load_module(text: str) -> ModuleType:
    """Import somebody's module.

    Args:
        text: A dotted name, looked for in the current directory too, or the path of a `.py` file. A `:factory` after
            it is ignored.

    Returns:
        The module. Its directory stays on `sys.path`, since it may import its neighbours later.

    Raises:
        AgentModuleError: The module is not found, or its own code raises.
    """
    place, is_file, _ = _split(text)
    if is_file:
        return _load_file(place)
    _put_on_path(Path.cwd())
    try:
        return importlib.import_module(place)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name and f"{place}.".startswith(f"{error.name}."):
            hint = f"run it where {place.partition('.')[0]} is, or give a file: path/to/file.py:factory"
            raise AgentModuleError(f"{place}: module not found, expected a Python module", hint=hint) from None
        if isinstance(error, TypeError | ValueError) and not place.strip("."):
            raise AgentModuleError(f"{text}: not a module, expected module:factory", hint=_HINT) from None
        raise AgentModuleError(f"{place}: cannot be imported: {_where(error)}") from error


def _split(text: str) -> tuple[str, bool, str]:
    """Module or file, whether it is a file, and the function's name, which may be empty."""
    place, colon, name = text.rpartition(":")
    if not colon or not (not name or name.isidentifier()):
        place, name = text, ""
    return place, place.endswith(".py") or "/" in place, name


def _load_file(place: str) -> ModuleType:
    path = Path(place).absolute()
    if not path.is_file():
        raise AgentModuleError(f"{place}: no such file, expected a Python file", hint=_HINT)
    if path.suffix != ".py":
        raise AgentModuleError(f"{place}: not a Python file, expected a name that ends in .py", hint=_HINT)
    root, name = path.parent, path.stem
    while (root / "__init__.py").exists():  # a module of a package may import its neighbours relatively
        root, name = root.parent, f"{root.name}.{name}"
    known = sys.modules.get(name)
    if known is not None and _is_of(known, path):
        return known
    _put_on_path(root)
    if "." in name and known is None:
        return load_module(name)
    spec = importlib.util.spec_from_file_location(name if known is None else f"{name}_of_agent", path)
    assert spec is not None  # noqa: S101  # the name ends in .py
    assert spec.loader is not None  # noqa: S101  # the same
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[spec.name]
        raise AgentModuleError(f"{place}: cannot be imported: {_where(error, path)}") from error
    return module


def _is_of(module: ModuleType, path: Path) -> bool:
    return getattr(module, "__file__", None) is not None and Path(str(module.__file__)).absolute() == path


def _put_on_path(directory: Path) -> None:
    if str(directory) not in sys.path:
        sys.path.insert(0, str(directory))


def _only_factory(module: ModuleType, place: str) -> str:
    if hasattr(module, _FACTORY):
        return _FACTORY
    own = [name for name, value in vars(module).items() if _is_factory(value) and value.__module__ == module.__name__]
    if len(own) == 1:
        return own[0]
    found = f"{len(own)} of them ({', '.join(own)})" if own else "none"
    raise AgentModuleError(f"{place}: {found}, expected one function that takes an AgentContext", hint=_HINT)


def _is_factory(value: object) -> bool:
    if not inspect.isfunction(value):
        return False
    parameters = list(inspect.signature(value).parameters.values())
    hint = parameters[0].annotation if parameters else None
    return hint is AgentContext or (isinstance(hint, str) and hint.rpartition(".")[2] == AgentContext.__name__)


def _where(error: Exception, file: Path | None = None) -> str:
    """The error's type and the line it comes from, in `file` where it passed there; its message may quote a value."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [one for one in frames if file is not None and one.filename == str(file)]
    theirs = own or [one for one in frames if not one.filename.startswith("<") and one.filename != __file__]
    at = f" at {Path(theirs[-1].filename).name}:{theirs[-1].lineno}" if theirs else ""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        at = f" at {Path(error.filename).name}:{error.lineno}"
    named = f" ({error.name})" if isinstance(error, ModuleNotFoundError) and error.name else ""
    return f"{type(error).__name__}{named}{at}"
