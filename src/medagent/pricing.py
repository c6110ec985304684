"""Tokens to dollars: used by the trace and by the agent's own limit, which holds with telemetry off."""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from typing import Annotated, TypeAlias, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medagent.errors import ConfigFileError, PricingError
from medagent.yaml_text import check, read_text

_SNAPSHOT = re.compile(r"-\d{4}-\d{2}-\d{2}\Z")
"""The date that a provider appends to a model's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one response by modality, as the provider counted them; None is unknown, 0 is none."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    total_tokens: int | None = None
    input_text_tokens: int | None = None
    input_audio_tokens: int | None = None
    input_image_tokens: int | None = None
    input_cached_tokens: int | None = None
    input_cached_text_tokens: int | None = None
    input_cached_audio_tokens: int | None = None
    input_cached_image_tokens: int | None = None
    output_text_tokens: int | None = None
    output_audio_tokens: int | None = None

    def __add__(self, other: Usage) -> Usage:
        """Add part by part; what both sides do not know stays unknown."""
        return Usage(**{f.name: _plus(getattr(self, f.name), getattr(other, f.name)) for f in fields(Usage)})

    def fields(self) -> dict[str, int | None]:
        """The counts by name, images left out where there are none."""
        return {f.name: getattr(self, f.name) for f in fields(Usage) if "image" not in f.name}


def _plus(left: int | None, right: int | None) -> int | None:
    if left is None:
        return right
    return left if right is None else left + right


Price: TypeAlias = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModalityPrice(_Entry):
    """US dollars per million tokens of one modality; None is unknown."""

    input: Price | None = None
    cached: Price | None = None
    output: Price | None = None


class _Sourced(_Entry):
    source: str
    as_of: date


class RealtimePrice(_Sourced):
    """The prices of one speech-to-speech model."""

    text: ModalityPrice
    audio: ModalityPrice
    image: ModalityPrice = ModalityPrice()

    def cost(self, usage: Usage) -> float | None:
        """US dollars of a response; None as soon as a count or a price that it needs is unknown."""
        parts = (
            _part(usage.input_text_tokens, usage.input_cached_text_tokens, self.text),
            _part(usage.input_audio_tokens, usage.input_cached_audio_tokens, self.audio),
            _part(usage.input_image_tokens or 0, usage.input_cached_image_tokens or 0, self.image),
            _product(usage.output_text_tokens, self.text.output),
            _product(usage.output_audio_tokens, self.audio.output),
        )
        known = [part for part in parts if part is not None]
        return round(sum(known) / 1_000_000, 8) if len(known) == len(parts) else None


def _product(tokens: int | None, price: float | None) -> float | None:
    if tokens == 0:
        return 0.0
    return None if tokens is None or price is None else tokens * price


def _part(tokens: int | None, cached: int | None, price: ModalityPrice) -> float | None:
    if tokens is None or cached is None or cached > tokens:
        return None
    fresh, again = _product(tokens - cached, price.input), _product(cached, price.cached)
    return None if fresh is None or again is None else fresh + again


class LlmPrice(_Sourced):
    """US dollars per million tokens of a text model."""

    input: Price
    cached: Price | None = None
    output: Price

    def cost(self, usage: Usage) -> float | None:
        """US dollars of a request; None as soon as a count or a price that it needs is unknown."""
        tokens = ModalityPrice(input=self.input, cached=self.cached)
        read, written = _part(usage.input_tokens, usage.input_cached_tokens, tokens), usage.output_tokens
        return None if read is None or written is None else round((read + written * self.output) / 1_000_000, 8)


class SttPrice(_Sourced):
    """US dollars per second of recognised audio, or per million tokens where the provider bills by token."""

    per_second: Price | None = None
    input: Price | None = None
    output: Price | None = None

    def cost(self, seconds: float | None, usage: Usage | None) -> float | None:
        """US dollars of a request; None where the measure that the price needs is unknown."""
        if seconds is not None and self.per_second is not None:
            return round(seconds * self.per_second, 8)
        if usage is None:
            return None
        read, written = _product(usage.input_tokens, self.input), _product(usage.output_tokens, self.output)
        return None if read is None or written is None else round((read + written) / 1_000_000, 8)


class TtsPrice(_Sourced):
    """US dollars per spoken character."""

    per_character: Price


class LinePrice(_Entry):
    """US dollars per minute of the line itself; None is unknown."""

    livekit_per_minute: Price | None = None
    sip_per_minute: Price | None = None


_Priced = TypeVar("_Priced")


def _named(prices: Mapping[str, _Priced], model: str | None) -> _Priced | None:
    """Return the price of a model; a snapshot (`-2025-08-28`) without a price of its own has its model's."""
    name = model or ""
    return prices.get(name) or prices.get(_SNAPSHOT.sub("", name))


class PriceList(_Entry):
    """All prices; a model that is not here costs None."""

    version: int
    realtime: Mapping[str, RealtimePrice]
    llm: Mapping[str, LlmPrice]
    stt: Mapping[str, SttPrice]
    tts: Mapping[str, TtsPrice]
    line: LinePrice

    @property
    def models(self) -> frozenset[str]:
        """The names of all models with a price."""
        return frozenset({*self.realtime, *self.llm, *self.stt, *self.tts})

    def realtime_cost(self, model: str | None, usage: Usage | None) -> float | None:
        """US dollars of a response of `model`; None where the usage, the model or a price is unknown."""
        price = _named(self.realtime, model)
        return None if price is None or usage is None else price.cost(usage)

    def llm_cost(self, model: str | None, usage: Usage | None) -> float | None:
        """US dollars of a request to a text model; None where the usage, the model or a price is unknown."""
        price = _named(self.llm, model)
        return None if price is None or usage is None else price.cost(usage)

    def stt_cost(self, model: str | None, seconds: float | None, usage: Usage | None = None) -> float | None:
        """US dollars of recognised audio; None where its length and tokens, or the model's price, are unknown."""
        price = _named(self.stt, model)
        return None if price is None else price.cost(seconds, usage)

    def tts_cost(self, model: str | None, characters: int | None) -> float | None:
        """US dollars of spoken text; None where its length or the model's price is unknown."""
        price = _named(self.tts, model)
        return None if price is None or characters is None else round(characters * price.per_character, 8)


def load_prices(path: Path | None = None) -> PriceList:
    """Read a price list, by default the shipped one; raises `PricingError` that names file and entry."""
    source = importlib.resources.files("medagent.policies") / "pricing.yaml" if path is None else path
    try:
        text = read_text(source)
        check(text, source.name)
        return PriceList.model_validate(yaml.safe_load(text))
    except ConfigFileError as error:
        raise PricingError(f"{source}{str(error).removeprefix(source.name)}") from None
    except yaml.YAMLError:
        raise PricingError(f"{source}: is not YAML") from None
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise PricingError(f"{source}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
