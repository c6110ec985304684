"""What an audit does and asks for, as data: read strictly, bound into the report by its digest."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from medagent.attestation import minimum
from medagent.errors import AuditError, ConfigFileError, PolicyError
from medagent.file_access import FileSizeError, read_file
from medagent.redaction.yaml_tree import Located, read_yaml
from medagent.simulator.scenario import list_scenarios
from medagent.yaml_text import LARGEST_FILE, decoded

WEEK5 = "week5"
"""Name of the packaged protocol whose audit may become a GO."""
_PACKAGED = Path(__file__).parent / "protocols"
Share = Annotated[float, Field(ge=0, le=1)]
Sentence = Annotated[str, Field(min_length=10, max_length=400)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Thresholds(_Part):
    """The limits that a GO keeps; times in the unit of their name, shares of 1."""

    overhead_p99_us: Annotated[float, Field(gt=0)]
    overhead_trip_us: Annotated[float, Field(gt=0)]
    drop: Share
    switch_ms: Annotated[float, Field(gt=0)]
    reviewer_sensitivity: Share


class Protocol(_Part):
    """One audit: how many calls, how long (seconds at pace 1), what is planted, which limits, who must sign."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,40}$")]
    version: Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+){1,2}$")]
    calls: Annotated[int, Field(ge=1, le=50)]
    call_seconds: Annotated[float, Field(ge=10, le=900)]
    pace: Annotated[float, Field(ge=1, le=50)]
    scenarios: Literal["all"] | Annotated[tuple[str, ...], Field(min_length=1)]
    planted_per_kind: Annotated[int, Field(ge=1, le=5)]
    thresholds: Thresholds
    alerts: Annotated[tuple[str, ...], Field(min_length=1)]
    sample: Annotated[int, Field(ge=1, le=100)]
    planted_copies: Annotated[int, Field(ge=0, le=50)]
    required_roles: Annotated[dict[str, Annotated[int, Field(ge=1)]], Field(min_length=1)]
    launch_delay_days: Annotated[int, Field(ge=0, le=365)]
    retention: Annotated[tuple[Sentence, ...], Field(min_length=1)]
    does_not_prove: Annotated[tuple[Sentence, ...], Field(min_length=1)]

    @property
    def scenario_names(self) -> tuple[str, ...]:
        """The packaged scenarios that the run plays."""
        return list_scenarios() if self.scenarios == "all" else self.scenarios


def find_protocol(name_or_path: str) -> Path:
    """Return the path of a protocol: a packaged one by its name, or a file.

    Args:
        name_or_path: A name such as `week5`; with a slash or the ending of YAML a file's path.

    Raises:
        AuditError: No packaged protocol has that name, or there is no such file.
    """
    path, names = Path(name_or_path), list_protocols()
    if path.name != name_or_path or path.suffix in (".yaml", ".yml"):
        if not path.exists():
            raise AuditError(
                f"{path}: no such file, expected a protocol", hint=f"packaged protocols: {', '.join(names)}"
            )
        return path
    if name_or_path not in names:
        close = difflib.get_close_matches(name_or_path, names, n=1)
        hint = f"did you mean {close[0]}?" if close else f"packaged protocols: {', '.join(names)}"
        raise AuditError(f"protocol {name_or_path}: not packaged, expected a name or a YAML file", hint=hint)
    return _PACKAGED / f"{name_or_path}.yaml"


def list_protocols() -> tuple[str, ...]:
    """Return the names of the packaged protocols."""
    return tuple(sorted(path.stem for path in _PACKAGED.glob("*.yaml")))


def load_protocol(path: Path) -> tuple[Protocol, str]:
    """The protocol and its file's SHA-256; raises `AuditError` naming file, line and key, `PolicyError` on bad YAML."""
    try:
        raw = read_file(path, limit=LARGEST_FILE)  # once: the digest is of what is parsed
    except FileSizeError:
        limit = f"expected at most {LARGEST_FILE // 1024} KiB"
        raise AuditError(f"{path.name}:1: the file is too large, {limit}") from None
    except OSError as error:
        raise AuditError(f"{path.name}: cannot be read ({type(error).__name__})") from None
    try:
        tree = read_yaml(decoded(raw, path.name), path.name)
    except ConfigFileError as error:
        raise PolicyError(str(error)) from None
    try:
        protocol = Protocol.model_validate(tree.plain())
    except ValidationError as error:
        raise _complaint(error.errors(include_url=False), tree, path.name) from None
    unknown = [name for name in protocol.scenario_names if name not in list_scenarios()]
    if unknown:
        line = _line(tree, ("scenarios",))
        raise AuditError(f"{path.name}:{line}: scenarios: {unknown[0]} is none", hint=_nearest(unknown[0]))
    for place, limit in _below_minimum(protocol):
        where = f"{path.name}:{_line(tree, place)}: {'.'.join(place)}"
        raise AuditError(f"{where}: weaker than a GO needs, expected {limit}", hint="audits/week5.yaml has the minimum")
    return protocol, hashlib.sha256(raw).hexdigest()


def _below_minimum(protocol: Protocol) -> Iterator[tuple[tuple[str, ...], str]]:
    """What a protocol may never ask less of, a rehearsal's either; a smaller run alone is a rehearsal."""
    limits = protocol.thresholds
    bounds = {
        "overhead_p99_us": (limits.overhead_p99_us, minimum.OVERHEAD_P99_US),
        "overhead_trip_us": (limits.overhead_trip_us, minimum.OVERHEAD_TRIP_US),
        "drop": (limits.drop, minimum.DROP),
        "switch_ms": (limits.switch_ms, minimum.SWITCH_MS),
    }
    for name, (asked, most) in bounds.items():
        if asked > most:
            yield ("thresholds", name), f"at most {most:g}"
    if limits.reviewer_sensitivity < minimum.REVIEWER_SENSITIVITY:
        yield ("thresholds", "reviewer_sensitivity"), f"at least {minimum.REVIEWER_SENSITIVITY:g}"
    for role, count in minimum.REQUIRED_ROLES.items():
        if protocol.required_roles.get(role, 0) < count:
            yield ("required_roles",), f"at least {count} {role}"
    if not set(protocol.alerts) >= minimum.ALERTS:
        yield ("alerts",), f"at least {', '.join(sorted(minimum.ALERTS))}"
    if protocol.launch_delay_days < minimum.LAUNCH_DELAY_DAYS:
        yield ("launch_delay_days",), f"at least {minimum.LAUNCH_DELAY_DAYS}"


def _complaint(errors: list[ErrorDetails], tree: Located, file: str) -> AuditError:
    """The first of what is wrong, an unknown key before one that is missing for it."""
    error = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    key = ".".join(str(step) for step in error["loc"] if step not in ("literal['all']", "tuple[str, ...]"))
    where = f"{file}:{_line(tree, error['loc'])}: {key or 'the file'}"
    if error["type"] == "extra_forbidden":
        fields = Thresholds.model_fields if error["loc"][0] == "thresholds" else Protocol.model_fields
        close = difflib.get_close_matches(str(error["loc"][-1]), list(fields), n=1)
        return AuditError(f"{where}: unknown key", hint=f"did you mean {close[0]}?" if close else "")
    return AuditError(f"{where}: {error['msg']}")


def _nearest(word: str) -> str:
    close = difflib.get_close_matches(word, list_scenarios(), n=1)
    return f"did you mean {close[0]}?" if close else f"there are: {', '.join(list_scenarios())}"


def _line(tree: Located, place: tuple[int | str, ...]) -> int:
    """The line of the deepest part of a place that there is."""
    at = tree
    for step in place:
        inner = at.value
        if isinstance(inner, dict) and step in inner:
            at = inner[str(step)]
        elif isinstance(inner, list) and isinstance(step, int) and step < len(inner):
            at = inner[step]
        else:
            break
    return at.line
