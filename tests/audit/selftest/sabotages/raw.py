"""What a careless line of code would have at hand: the raw arguments of the latest tool call."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

LATEST: list[str] = []


def listen(conversation: ModuleType, each: Callable[[str], None] = LATEST.append) -> None:
    """Let `each` hear a tool's raw arguments as the session reports them."""
    tool = conversation.ConversationEvents._tool

    def heard(self: object, event: object) -> None:
        call = getattr(event.update, "function_call", None)  # type: ignore[attr-defined]  # an event of LiveKit's
        if call is not None and call.arguments:
            each(call.arguments)
        tool(self, event)

    conversation.ConversationEvents._tool = heard


def once(act: Callable[[str], None]) -> Callable[[str], None]:
    """Only for the third call of a tool, by when planted values are in its arguments."""
    seen: list[str] = []

    def acted(arguments: str) -> None:
        seen.append(arguments)
        if len(seen) == 3:
            act("\n".join(seen))

    return acted
