"""What the model has before it: items in order, and what they cost in tokens of text and of audio."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile

from medagent.simulator.protocol import Event, RefusedError

_CHARACTERS_PER_TOKEN = 4
_CALLER_TOKENS_PER_SECOND = 10
_MODEL_TOKENS_PER_SECOND = 20
_CACHE_BLOCK = 64


def text_tokens(text: str) -> int:
    """Tokens of a text: one for four characters, begun ones counted."""
    return math.ceil(len(text) / _CHARACTERS_PER_TOKEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An item as it goes over the wire, with the seconds of audio behind it (caller's or model's)."""

    wire: Event = field(repr=False)
    audio_s: float = 0.0

    @property
    def id(self) -> str:
        """The item's id."""
        return str(self.wire["id"])

    @property
    def is_model_speech(self) -> bool:
        """Whether it is what the model said: only such an item can be truncated."""
        return bool(self.wire["type"] == "message" and self.wire["role"] == "assistant")

    def text(self) -> str:
        """All that the model reads or wrote in it; the caller's audio is read as audio."""
        if self.wire["type"] == "function_call":
            return f"{self.wire['name']}{self.wire['arguments']}"
        if self.wire["type"] == "function_call_output":
            return str(self.wire["output"])
        parts = [part for part in self.wire.get("content", ()) if part.get("type") != "input_audio"]
        return "".join(part.get("text") or part.get("transcript") or "" for part in parts)

    def tokens(self) -> Tokens:
        """What the item costs when the model produces it, and again each time it reads it."""
        rate = _MODEL_TOKENS_PER_SECOND if self.is_model_speech else _CALLER_TOKENS_PER_SECOND
        return Tokens(text=text_tokens(self.text()), audio=math.ceil(round(self.audio_s * rate, 6)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Tokens by modality."""

    text: int = 0
    audio: int = 0

    @property
    def total(self) -> int:
        """Both modalities."""
        return self.text + self.audio

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(text=self.text + other.text, audio=self.audio + other.audio)

    def in_blocks(self) -> Tokens:
        """What a cache that stores whole blocks holds of them."""
        return Tokens(text=self.text - self.text % _CACHE_BLOCK, audio=self.audio - self.audio % _CACHE_BLOCK)


class Conversation:
    """The items of one connection; raises `RefusedError` where the service answers with an error."""

    def __init__(self) -> None:
        self._items: list[Item] = []
        self._read: tuple[Item, ...] = ()

    def __getitem__(self, item_id: str) -> Item:
        for item in self._items:
            if item.id == item_id:
                return item
        raise RefusedError("The item is not in the conversation.", code="item_not_found", param="item_id")

    @property
    def last_id(self) -> str | None:
        """The id of the newest item."""
        return self._items[-1].id if self._items else None

    def add(self, item: Item, *, after: str | None = None) -> str | None:
        """Insert an item ("root" = first, None = last); gives the id before it."""
        if any(known.id == item.id for known in self._items):
            raise RefusedError("The item is there already.", code="item_create_duplicate_item_id", param="item.id")
        at = len(self._items)
        if after is not None:
            at = 0 if after == "root" else self._items.index(self[after]) + 1
        self._items.insert(at, item)
        return self._items[at - 1].id if at else None

    def before(self, item_id: str) -> str | None:
        """The id before an item; None for the first, and for one that is gone."""
        ids = [item.id for item in self._items]
        at = ids.index(item_id) if item_id in ids else 0
        return ids[at - 1] if at else None

    def put(self, item: Item) -> None:
        """Replace the item of the same id, if it is still there."""
        self._items = [item if known.id == item.id else known for known in self._items]

    def delete(self, item_id: str) -> None:
        """Take an item out."""
        self._items.remove(self[item_id])

    def truncate(self, item_id: str, *, audio_end_ms: int) -> None:
        """Forget what the caller has not heard, and the text, since nobody knows how far it was heard."""
        item = self[item_id]
        if not item.is_model_speech:
            raise RefusedError("Only the model's audio can be truncated.", code="invalid_value", param="item_id")
        if not 0 <= audio_end_ms <= item.audio_s * 1000 + 0.5:
            raise RefusedError("The audio is shorter than that.", code="invalid_value", param="audio_end_ms")
        wire = {**item.wire, "content": [{"type": "output_audio"}]}
        self.put(replace(item, wire=wire, audio_s=audio_end_ms / 1000))

    def context(self, base: str) -> tuple[Item, ...]:
        """All that a response starting now reads; `base` is the session's instructions and tools."""
        wire = {"id": "base", "type": "message", "role": "system", "content": [{"type": "input_text", "text": base}]}
        return (Item(wire=wire), *self._items)

    def usage(self, context: tuple[Item, ...], output: Sequence[Item]) -> Event:
        """The usage of a response that read `context` and made `output`; cached is what the one before read too."""
        pairs = zip(context, self._read, strict=False)
        same = [now for now, before in takewhile(lambda pair: pair[0] == pair[1], pairs)]
        self._read = context
        taken, cached, given = _sum(context), _sum(same).in_blocks(), _sum(output)
        return {
            "total_tokens": taken.total + given.total,
            "input_tokens": taken.total,
            "output_tokens": given.total,
            "input_token_details": {
                "text_tokens": taken.text,
                "audio_tokens": taken.audio,
                "image_tokens": 0,
                "cached_tokens": cached.total,
                "cached_tokens_details": {
                    "text_tokens": cached.text,
                    "audio_tokens": cached.audio,
                    "image_tokens": 0,
                },
            },
            "output_token_details": {"text_tokens": given.text, "audio_tokens": given.audio},
        }


def _sum(items: Sequence[Item]) -> Tokens:
    return sum((item.tokens() for item in items), start=Tokens())
