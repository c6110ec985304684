"""Reads the alerts and believes none of it: what wakes somebody at night must be what was meant."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from medagent.alerts.metrics import METRICS, MetricName
from medagent.alerts.windows import Reading
from medagent.errors import ConfigFileError, PolicyError
from medagent.redaction.text.lexicon import Kind, lexicon
from medagent.redaction.yaml_tree import Located, read_yaml
from medagent.yaml_text import read_text

DestinationName: TypeAlias = Literal["slack", "pagerduty"]
_UNITS_US = {"m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_DURATION = re.compile(r"([1-9][0-9]{0,3})([mhd])")
_TITLE = re.compile(r"[A-Z][A-Za-z0-9-]{0,20}( [A-Za-z0-9-]{1,20}){0,7}")
_OWN_WORDS = frozenset(
    {
        "audio",
        "calls",
        "cost",
        "day",
        "dollars",
        "error",
        "errors",
        "failures",
        "first",
        "gpt",
        "latency",
        "llm",
        "page",
    }
    | {"p50", "p95", "p99", "rate", "realtime", "runs", "second", "seconds", "share", "stt", "tool", "tools", "total"}
    | {"tts", "ttft", "ttft-a", "turn", "turns"}
)
"""Words of this field that a title may hold beside the ordinary ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One alert; the window in microseconds, the threshold in the metric's unit: a share of 1, seconds or dollars."""

    id: str
    title: str
    metric: MetricName
    window_us: int
    threshold: float
    minimum_sample: int
    or_failures: int | None
    destination: DestinationName
    enabled: bool
    why: str

    def breached_by(self, reading: Reading) -> bool:
        """Whether a reading is over the threshold and made of enough to say so."""
        return self.is_over(reading) and (
            reading.sample >= self.minimum_sample
            or (self.or_failures is not None and reading.failures >= self.or_failures)
        )

    def is_over(self, reading: Reading) -> bool:
        """Whether a reading is over the threshold, made of however little."""
        return reading.value is not None and reading.value > self.threshold


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerts:
    """All alerts of an installation; `settle_us` is how long one must be calm until its incident is over."""

    rules: tuple[Rule, ...]
    settle_us: int
    slack_channel: str

    @property
    def enabled(self) -> tuple[Rule, ...]:
        """Those that may wake somebody."""
        return tuple(rule for rule in self.rules if rule.enabled)


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _Alert(_Entry):
    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")]
    title: str
    metric: MetricName
    window: str
    threshold: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    minimum_sample: Annotated[int, Field(ge=1)]
    or_failures: Annotated[int, Field(ge=1)] | None = None
    destination: DestinationName
    enabled: bool
    why: Annotated[str, Field(min_length=20)]


class _File(_Entry):
    version: Literal[1]
    settle: str
    slack_channel: Annotated[str, Field(pattern=r"^#[a-z][a-z_-]{0,78}$")]
    alerts: Annotated[list[_Alert], Field(min_length=1)]


def load_alerts(path: Path | None = None) -> Alerts:
    """Load the alerts, by default the packaged ones; raises `PolicyError` naming file, line and entry."""
    source = resources.files("medagent.policies") / "alerts.yaml" if path is None else path
    try:
        text = read_text(source)
    except ConfigFileError as error:
        raise PolicyError(str(error)) from None
    return parse_alerts(text, file=source.name)


def parse_alerts(text: str, *, file: str) -> Alerts:
    """The alerts that a YAML text holds; raises `PolicyError` naming file, line and entry."""
    tree = read_yaml(text, file)
    try:
        read = _File.model_validate(tree.plain())
    except ValidationError as error:
        raise _complaint(error.errors(include_url=False), tree, file) from None
    rules: dict[str, Rule] = {}
    for number, entry in enumerate(read.alerts):
        where = f"{file}:{_line(tree, ('alerts', number))}: alerts.{entry.id}"
        if entry.id in rules:
            raise PolicyError(f"{where}: stands twice")
        rules[entry.id] = _rule(entry, where)
    settle_us = _duration(read.settle, f"{file}: settle")
    return Alerts(rules=tuple(rules.values()), settle_us=settle_us, slack_channel=read.slack_channel)


def threshold_ms(alerts: Alerts) -> float:
    """Return the threshold of the alert on TTFT-A in ms: of the enabled ones the lowest, else of all.

    Raises:
        PolicyError: No alert is on `ttft_p95`.
    """
    on_ttft = [rule for rule in alerts.rules if rule.metric == "ttft_p95"]
    if not on_ttft:
        raise PolicyError("alerts: no alert on ttft_p95, expected one for its threshold", hint="say --over 3s instead")
    return min(rule.threshold for rule in [one for one in on_ttft if one.enabled] or on_ttft) * 1000


def is_sayable_title(title: str) -> bool:
    """Whether a title is made of ordinary words, and of our field's own: no name, no number, nothing of a person."""
    return bool(_TITLE.fullmatch(title)) and all(_is_ordinary(word) for word in title.lower().split())


def _is_ordinary(word: str) -> bool:
    return word in _OWN_WORDS or lexicon().kind(word) in (Kind.ORDINARY, Kind.CLINICAL)


def _rule(entry: _Alert, where: str) -> Rule:
    if not is_sayable_title(entry.title):
        raise PolicyError(f"{where}.title: holds a word that is not an ordinary one", hint="the title leaves to Slack")
    is_share = METRICS[entry.metric].measure == "share"
    if is_share and entry.threshold >= 1:
        raise PolicyError(f"{where}.threshold: a share of 1 or more is never exceeded", hint="5 % is 0.05")
    if entry.or_failures is not None and not is_share:
        raise PolicyError(f"{where}.or_failures: {entry.metric} counts no failures")
    return Rule(
        id=entry.id,
        title=entry.title,
        metric=entry.metric,
        window_us=_duration(entry.window, f"{where}.window"),
        threshold=entry.threshold,
        minimum_sample=entry.minimum_sample,
        or_failures=entry.or_failures,
        destination=entry.destination,
        enabled=entry.enabled,
        why=entry.why,
    )


def _duration(text: str, where: str) -> int:
    match = _DURATION.fullmatch(text)
    if match is None or int(match[1]) * _UNITS_US[match[2]] > 31 * _UNITS_US["d"]:
        raise PolicyError(f"{where}: not a length of time up to 31 days", hint="write 15m, 1h or 30d")
    return int(match[1]) * _UNITS_US[match[2]]


def _complaint(errors: Sequence[ErrorDetails], tree: Located, file: str) -> PolicyError:
    """The first of what is wrong; an unknown key before the one that is missing for it."""
    error = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    place = error["loc"]
    if not place:
        return PolicyError(f"{file}:{tree.line}: the alerts are not a mapping")
    where = f"{file}:{_line(tree, place)}: {_named(tree, place)}"
    if error["type"] == "extra_forbidden":
        fields = _File.model_fields if len(place) == 1 else _Alert.model_fields
        return PolicyError(f"{where}: unknown key", hint=_nearest(str(place[-1]), list(fields)))
    allowed: Mapping[str, Sequence[str]] = {
        "metric": get_args(MetricName),
        "destination": get_args(DestinationName),
    }
    if place[-1] in allowed:
        words = allowed[str(place[-1])]
        return PolicyError(f"{where}: is none of {', '.join(words)}", hint=_nearest(str(error["input"]), words))
    return PolicyError(f"{where}: {error['msg']}")


def _nearest(word: str, words: Sequence[str]) -> str:
    found = difflib.get_close_matches(word, words, n=1)
    return f"did you mean {found[0]!r}?" if found else f"there are {', '.join(words)}"


def _named(tree: Located, place: Sequence[int | str]) -> str:
    """The place in words: an alert by its id where it has one, else by its number."""
    named = [str(step) for step in place]
    if len(place) > 1 and isinstance(place[1], int):
        entry = tree.plain()["alerts"][place[1]]  # type: ignore[index, call-overload]  # pydantic has walked here
        own = entry.get("id") if isinstance(entry, dict) else None
        named[1] = own if isinstance(own, str) and own.isidentifier() else f"[{place[1]}]"
    return ".".join(named)


def _line(tree: Located, place: Sequence[int | str]) -> int:
    """The line of the deepest part of a place that there is."""
    for step in place:
        value = tree.value
        if isinstance(value, dict) and step in value:
            tree = value[str(step)]
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            tree = value[step]
        else:
            break
    return tree.line
