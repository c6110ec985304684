"""What each model of a call was used for and what that costs, part by part."""

from __future__ import annotations

from dataclasses import dataclass, field

from medagent.pricing import Usage
from medagent.telemetry.events import CostPart
from medagent.telemetry.turns import Bill

PARTS: tuple[CostPart, ...] = ("realtime", "llm", "stt", "tts")
_MOST_MODELS = 20


@dataclass(slots=True, kw_only=True)
class ModelUse:
    """Requests to one model for one part, and what they add up to; seconds and characters are None until counted."""

    part: CostPart
    model: str | None
    provider: str | None
    requests: int = 0
    audio_seconds: float | None = None
    characters: int | None = None
    bill: Bill = field(default_factory=Bill)

    def fields(self) -> dict[str, object]:
        """Return the use as `models` of `session.end` lists it."""
        tokens = self.bill.fields()
        return {
            "part": self.part,
            "model": self.model,
            "provider": self.provider,
            "requests": self.requests,
            **{name: tokens[name] for name in ("input_tokens", "output_tokens", "total_tokens", "input_cached_tokens")},
            "audio_seconds": self.audio_seconds,
            "characters": self.characters,
            "cost_usd": self.bill.cost_usd,
        }


@dataclass(slots=True, kw_only=True)
class Costs:
    """Costs of one call. A part with anything unknown is unknown, and with it the call's sum."""

    uses: dict[tuple[CostPart, str | None, str | None], ModelUse] = field(default_factory=dict)
    unknown: set[CostPart] = field(default_factory=set)

    def add(
        self,
        part: CostPart,
        *,
        model: str | None,
        provider: str | None,
        usage: Usage | None,
        cost_usd: float | None,
        audio_seconds: float | None = None,
        characters: int | None = None,
    ) -> None:
        """Count one request; usage in tokens, cost in US dollars."""
        use = self.uses.setdefault((part, model, provider), ModelUse(part=part, model=model, provider=provider))
        use.requests += 1
        use.bill.add(usage, cost_usd)
        if audio_seconds is not None:
            use.audio_seconds = round((use.audio_seconds or 0.0) + audio_seconds, 6)
        if characters is not None:
            use.characters = (use.characters or 0) + characters

    def parts(self) -> dict[str, float | None]:
        """Return the cost of each part in US dollars; None where it was not used or a part of it is unknown."""
        return {part: None if part in self.missing() else self._sum(part) for part in PARTS}

    def missing(self) -> list[CostPart]:
        """Return the parts whose cost is unknown."""
        unpriced = {use.part for use in self.uses.values() if use.bill.unpriced} | self.unknown
        return [part for part in PARTS if part in unpriced]

    @property
    def total_usd(self) -> float | None:
        """The whole call in US dollars; None where nothing was billed or a part is unknown."""
        known = [cost for cost in self.parts().values() if cost is not None]
        return round(sum(known), 8) if known and not self.missing() else None

    def fields(self) -> dict[str, object]:
        """Return the fields of `session.end`."""
        return {
            "cost_usd": self.total_usd,
            "cost_parts": self.parts(),
            "cost_missing": self.missing(),
            "models": [use.fields() for use in list(self.uses.values())[:_MOST_MODELS]],
        }

    def _sum(self, part: CostPart) -> float | None:
        known = [use.bill.cost_usd for use in self.uses.values() if use.part == part]
        costs = [cost for cost in known if cost is not None]
        return round(sum(costs), 8) if costs else None
