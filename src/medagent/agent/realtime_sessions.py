"""The realtime sessions of one agent session, found as each agent starts and reported before their first event.

LiveKit announces an agent (`conversation_item_added` with an `AgentHandoff`) in the task that then starts it, and makes
the realtime session a moment later. For that moment, and for no longer, the model's `session` is replaced on the
object. A context variable names the session that is starting, so that a model which several sessions share gives each
of them its own. Runs on the event loop; no threads.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

from livekit import rtc
from livekit.agents import AgentSession, llm
from livekit.agents.voice import events as lk

from medagent.agent.fallback import next_model, serving_session

Guard = Callable[[Callable[..., None]], Callable[..., None]]
"""Makes a handler that never raises."""

_OPENAI = "_realtime.openai"
"""Ends the name of the module in which LiveKit keeps OpenAI's realtime classes."""

_starting: ContextVar[AgentSession[Any] | None] = ContextVar("medagent_starting_session", default=None)


class RealtimeSessions:
    """Report each realtime session that the agents of one session use.

    `on_made(realtime_session, is_late)` runs once for each; `is_late` is true where events may have been missed.
    `guard` makes a handler that never raises.
    """

    def __init__(
        self,
        session: AgentSession[Any],
        *,
        on_made: Callable[[llm.RealtimeSession[Any], bool], None],
        guard: Guard,
    ) -> None:
        self.session = session
        self._on_made = on_made
        self._handler = guard(self._item_added)
        self.made = guard(self._made)
        self._seen: WeakSet[llm.RealtimeSession[Any]] = WeakSet()
        self._expected: llm.RealtimeModel | None = None

    def attach(self) -> None:
        """Begin to listen, and report at once what a session that runs already uses."""
        on(self.session, "conversation_item_added", self._handler)
        self.look()

    def close(self) -> None:
        """Stop listening; nothing of the model or the session remains replaced."""
        self.session.off("conversation_item_added", self._handler)
        self._expect(None)

    def look(self) -> None:
        """Report the current realtime session where it was not reported when it was made."""
        activity = getattr(self.session, "_activity", None)
        if activity is None or activity.scheduling_paused:
            return  # it starts: what it has is from before, or is about to be made
        self._expect(None)
        if activity.realtime_llm_session is not None:
            self._found(activity.realtime_llm_session, is_late=True)

    def _found(self, made: llm.RealtimeSession[Any], *, is_late: bool) -> None:
        if made not in self._seen:
            self._seen.add(made)
            self._on_made(made, is_late)

    def _item_added(self, event: lk.ConversationItemAddedEvent) -> None:
        if not isinstance(event.item, llm.AgentHandoff):
            return
        _starting.set(self.session)
        model = model_of(self.session)
        self._expect(model if isinstance(model, llm.RealtimeModel) else None)

    def _expect(self, model: llm.RealtimeModel | None) -> None:
        if self._expected is not None:
            _Expected.of(self._expected).drop(self)
        self._expected = model
        if model is not None:
            _Expected.of(model).add(self)

    def _made(self, realtime: llm.RealtimeSession[Any]) -> None:
        self._expect(None)
        self._found(realtime, is_late=False)


class _Expected:
    """A model whose `session` is replaced while agents that use it start."""

    _all: dict[int, _Expected] = {}  # noqa: RUF012  # by id: a model need not be hashable, and is held while it is here

    def __init__(self, model: llm.RealtimeModel) -> None:
        self._model = model
        self._waiting: list[RealtimeSessions] = []
        self._own = vars(model).get("session")
        make = model.session

        @functools.wraps(make)
        def session(*arguments: Any, **options: Any) -> llm.RealtimeSession[Any]:
            realtime = make(*arguments, **options)
            starting = _starting.get()
            for waiting in [one for one in self._waiting if one.session is starting]:
                waiting.made(realtime)
            return realtime

        self._replacement = session
        model.session = session  # type: ignore[method-assign]  # the model is not ours to subclass

    @classmethod
    def of(cls, model: llm.RealtimeModel) -> _Expected:
        found = cls._all.get(id(model))
        if found is None:
            found = cls._all[id(model)] = cls(model)
        return found

    def add(self, waiting: RealtimeSessions) -> None:
        self._waiting.append(waiting)

    def drop(self, waiting: RealtimeSessions) -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)
        if self._waiting:
            return
        self._all.pop(id(self._model), None)
        if vars(self._model).get("session") is not self._replacement:
            return  # somebody replaced it again: theirs calls ours, which calls the original
        if self._own is None:
            del self._model.session
        else:
            self._model.session = self._own  # type: ignore[method-assign]


def starting_session() -> AgentSession[Any] | None:
    """Return the session whose agent was started in this context; None outside of the tasks of a traced session."""
    return _starting.get()


def on(session: AgentSession[Any], event: str, handler: Callable[..., None]) -> None:
    """Subscribe without the warning that `AgentSession.on` logs for events that it deprecates."""
    rtc.EventEmitter[Any].on(session, event, handler)


def model_of(session: AgentSession[Any]) -> llm.LLM[Any] | llm.RealtimeModel | None:
    """Return the model that the current agent uses: its own, else the session's; None without one."""
    activity = getattr(session, "_activity", None)
    model = session.llm if activity is None else activity.llm
    return model if isinstance(model, llm.LLM | llm.RealtimeModel) else None


def current(session: AgentSession[Any]) -> llm.RealtimeSession[Any] | None:
    """Return the realtime session that the current agent uses; None without one."""
    activity = getattr(session, "_activity", None)
    return None if activity is None else activity.realtime_llm_session


def serving_model(session: AgentSession[Any]) -> llm.LLM[Any] | llm.RealtimeModel | None:
    """Return the model that serves a session now: behind an adapter one of its models; None without a model."""
    realtime = current(session)
    if realtime is not None:
        return serving_session(realtime).realtime_model
    model = model_of(session)
    return None if model is None else next_model(model)


def has_openai_events(realtime: llm.RealtimeSession[Any]) -> bool:
    """Return whether the provider's own events, as OpenAI and Azure name them, can be read of a realtime session."""
    return any(one.__name__ == "RealtimeSession" and one.__module__.endswith(_OPENAI) for one in type(realtime).__mro__)


def makes_openai_events(model: llm.RealtimeModel) -> bool:
    """Return whether the next session of a model will have OpenAI's events."""
    return any(
        one.__name__ == "RealtimeModel" and one.__module__.endswith(_OPENAI) for one in type(next_model(model)).__mro__
    )
