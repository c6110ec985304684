"""Attribution of a measure or an error where several sessions share one LLM, STT or TTS object.

LiveKit gives the events of such an object to each session that uses it, through adapters too. The request's own context
names the session that made it: LLM and TTS requests are made by an agent's activity, an STT stream is opened while an
agent starts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Literal
from weakref import WeakSet

from livekit.agents import AgentSession, llm, stt, tts
from livekit.agents.voice.agent_activity import AgentActivity, _AgentActivityContextVar

from medagent.agent.realtime_sessions import starting_session

_PLUGINS = (llm.LLM, stt.STT, tts.TTS)
followed: WeakSet[AgentSession[Any]] = WeakSet()
"""The sessions that are traced now."""


def is_of(session: AgentSession[Any], part: Literal["llm", "stt", "tts"]) -> bool | None:
    """Return whether an event of the session's LLM, STT or TTS was caused by the session.

    Call it while the event is handled.

    Returns:
        True or False; None where another session shares the object and the request cannot be attributed.
    """
    activity = getattr(session, "_activity", None)
    others = _users(getattr(activity, part, None)) - {session}
    if not others:
        return True
    made_by = _made_by(part, others)
    return None if made_by is None else made_by is session


def _made_by(part: str, others: set[AgentSession[Any]]) -> AgentSession[Any] | None:
    if part == "stt":  # a session that is not traced has no context of its own: it may inherit another's
        return starting_session() if all(other in followed for other in others) else None
    activity = _AgentActivityContextVar.get(None)
    return None if activity is None else activity.session


def _users(plugin: object) -> set[AgentSession[Any]]:
    """Return the sessions that receive the events of a plugin or of a part of it."""
    found, seen, todo = set[AgentSession[Any]](), set[int](), [plugin]
    while todo:
        one = todo.pop()
        if isinstance(one, AgentActivity):
            found.add(one.session)
        elif isinstance(one, _PLUGINS) and id(one) not in seen:
            seen.add(id(one))
            todo += [*_parts(one), *_listeners(one)]
    return found


def _parts(plugin: object) -> Iterator[object]:
    """An adapter holds the plugins that it passes on, one or a list of them."""
    for value in vars(plugin).values():
        yield from value if isinstance(value, list | tuple) else (value,)


def _listeners(plugin: object) -> Iterator[object]:
    for listener in vars(plugin).get("_events", {}).get("metrics_collected", ()):
        yield getattr(listener, "__self__", None)
        for cell in getattr(listener, "__closure__", None) or ():
            with contextlib.suppress(ValueError):  # a cell that is empty yet
                yield cell.cell_contents
