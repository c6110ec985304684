"""A call has an end: at 90 % of its length or cost the agent says goodbye, at 100 % the line is closed.

It counts for itself, from the provider's raw usage and the price list, so that it holds with telemetry off.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from livekit.agents import AgentSession, llm

from medagent.agent.fallback import serving_session
from medagent.agent.plugins import ModelNames
from medagent.agent.raw import usage_of
from medagent.agent.realtime_sessions import RealtimeSessions
from medagent.errors import SettingsError
from medagent.pricing import PriceList, Usage
from medagent.settings import Settings

_WARN_AT = 0.9
_GOODBYE = (
    "The call has reached its time. In one or two sentences, politely tell the caller that you must end the call now, "
    "that the clinic will gladly call back, and say goodbye. Call no tool."
)
_CACHED = ("input_cached_tokens", "input_cached_text_tokens", "input_cached_audio_tokens")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimit:
    """The most that one call may take: seconds, and US dollars of the model; None is no limit of the cost."""

    seconds: float
    cost_usd: float | None

    @classmethod
    def of(cls, settings: Settings, *, pace: float = 1.0) -> CallLimit:
        """Return the limits of these settings; a call that is played faster has less time."""
        cost_usd = None if settings.call_max_cost_usd == "off" else settings.call_max_cost_usd
        return cls(seconds=settings.call_max_minutes * 60 / pace, cost_usd=cost_usd)


def check_cost_limit(settings: Settings, prices: PriceList) -> None:
    """Raise `SettingsError` where the cost of a call is limited and its model has no price for each kind of token."""
    one_of_each = Usage(**dict.fromkeys(Usage().fields(), 2) | dict.fromkeys(_CACHED, 1))
    if settings.call_max_cost_usd == "off" or prices.realtime_cost(settings.model, one_of_each) is not None:
        return
    known = "not all prices" if settings.model in prices.realtime else "no price"
    raise SettingsError(
        f"model {settings.model}: {known} in the price list, expected a price: the cost of a call is limited by it",
        hint="add the model's price to a price list and set MEDAGENT_PRICING to it, set MEDAGENT_MODEL to the model "
        "behind the deployment, or set MEDAGENT_CALL_MAX_COST_USD=off",
    )


class LimitWatch:
    """Watches one session; `on_limit` is called once, on the loop, when the call must end."""

    def __init__(self, limit: CallLimit, *, prices: PriceList, model_name: str, on_limit: Callable[[], None]) -> None:
        self._limit = limit
        self._prices = prices
        self._names = ModelNames(azure_model=model_name)
        self._on_limit = on_limit
        self._cost_usd = 0.0
        self._is_unknown = False
        self._seen: set[str] = set()
        self._warned = False
        self._over = False
        self._timers: list[asyncio.TimerHandle] = []
        self._session: AgentSession[Any] | None = None
        self._realtime: RealtimeSessions | None = None

    def attach(self, session: AgentSession[Any]) -> None:
        """Begin to count; the session is about to start."""
        self._session = session
        loop = asyncio.get_running_loop()
        self._timers = [
            loop.call_later(self._limit.seconds * _WARN_AT, self._warn),
            loop.call_later(self._limit.seconds, self._end),
        ]
        self._realtime = RealtimeSessions(session, on_made=self._made, guard=_guarded)
        _guarded(self._realtime.attach)()

    def close(self) -> None:
        """Stop counting."""
        for timer in self._timers:
            timer.cancel()
        if self._realtime is not None:
            _guarded(self._realtime.close)()

    def _made(self, realtime: llm.RealtimeSession[Any], _is_late: bool) -> None:
        def server_event(event: Mapping[str, Any]) -> None:
            model = serving_session(realtime).realtime_model
            if event["type"] == "session.created":
                self._names.serves(model, event["session"].get("model"))
            if event["type"] == "response.done":
                self._add(event["response"], self._names.of(model)[0])

        realtime.on("openai_server_event_received", _guarded(server_event))

    def _add(self, response: Mapping[str, Any], model: str | None) -> None:
        if response["id"] in self._seen:
            return
        self._seen.add(response["id"])
        cost_usd = self._prices.realtime_cost(model, usage_of(response))
        if self._limit.cost_usd is None:
            return
        if cost_usd is None and not self._is_unknown:
            self._is_unknown = True
            _log.error("the cost of a response is not known: the cost of this call is not limited, its length is")
        self._cost_usd += cost_usd or 0.0
        if self._cost_usd >= self._limit.cost_usd:
            self._end()
        elif self._cost_usd >= self._limit.cost_usd * _WARN_AT:
            self._warn()

    def _warn(self) -> None:
        if self._warned or self._over or self._session is None:
            return
        self._warned = True
        try:
            self._session.generate_reply(instructions=_GOODBYE)
        except RuntimeError:  # the session is closing already
            _log.info("the call ended before its goodbye")

    def _end(self) -> None:
        if not self._over:
            self._over = True
            self._on_limit()


def _guarded(handler: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(handler)
    def guarded(*arguments: Any) -> None:
        try:
            handler(*arguments)
        except Exception as error:  # noqa: BLE001  # a TypeError here would end the call; no message: it may quote
            _log.error("the call's cost could not be counted: %s", type(error).__name__)

    return guarded
