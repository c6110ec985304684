"""What a scenario is made of: lines and steps, what goes wrong with them, what stands before and after the call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import ConfigDict, Discriminator, Field, JsonValue, NonNegativeFloat, PositiveFloat, Tag
from pydantic.dataclasses import dataclass

from medagent.simulator.voice import speech_seconds

CLINIC_OUTCOMES = ("booked", "rescheduled", "cancelled", "informed", "transferred", "refused", "abandoned", "failed")
"""Outcomes that a call of the clinic's own agent can have."""
Ended: TypeAlias = Literal["done", "gave up", "hung up", "cut off"]
"""How a call ended for the caller: said all, had no answer, hung up as they meant to, lost the line."""

STRICT = ConfigDict(strict=True, extra="forbid")
_TOOL_NAME = r"^[a-z][a-z0-9_]*$"
_ANY_NAME = r"^[^\x00-\x1f\x7f{}$]{1,128}$"
"""A tool's name in any spelling; what would end a reference is not allowed."""


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Spread:
    """A latency in milliseconds, even between median - jitter and median + jitter."""

    median: NonNegativeFloat
    jitter: NonNegativeFloat = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Latency:
    """How long the model takes: to its first audio, and to the end of a function call; milliseconds at pace 1."""

    think_ms: Spread = Spread(median=350, jitter=80)
    tool_call_ms: Spread = Spread(median=250, jitter=60)


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Fault:
    """What goes wrong with a step, once; seconds at pace 1; with a `chance` it is drawn from the scenario's seed.

    slow: `seconds` longer. missing: no response comes. failed: the response fails with `code`. error: an `error` event
    with `code` comes before it, and a code that no retry helps closes the line. incomplete: it stops after `seconds`
    for want of tokens. reconnect: the server hangs up after `seconds` of it, or when it is done.
    """

    kind: Literal["slow", "missing", "failed", "error", "incomplete", "reconnect"]
    seconds: PositiveFloat | None = None
    code: Annotated[str, Field(pattern=r"^[a-z_]+$")] | None = None
    chance: Annotated[float, Field(gt=0, le=1)] = 1.0

    _SECONDS: ClassVar = {"slow": True, "incomplete": True, "reconnect": None}
    _CODES: ClassVar = frozenset({"failed", "error"})

    def __post_init__(self) -> None:
        """Refuse what the kind knows nothing of."""
        takes = self._SECONDS.get(self.kind, False)
        if (takes is True and self.seconds is None) or (takes is False and self.seconds is not None):
            raise ValueError(f"{self.kind} {'needs' if takes else 'takes no'} seconds")
        if self.code is not None and self.kind not in self._CODES:
            raise ValueError(f"{self.kind} takes no code")


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Says:
    """The model speaks; `seconds` overrules what the text's length gives."""

    says: Annotated[str, Field(min_length=1)]
    seconds: PositiveFloat | None = None
    fault: Fault | None = None


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class CallsTool:
    """The model calls a tool, in a response of its own; `otherwise` is said in place of the turn's rest if it fails.

    A tool has failed if it raised, if its result is an object whose `outcome` is "failed", "refused" or "timeout", or
    if its result contains the text `fails_if`.
    """

    tool: Annotated[str, Field(pattern=_ANY_NAME)]
    arguments: dict[str, JsonValue] = Field(default_factory=dict)
    otherwise: Says | None = None
    fails_if: Annotated[str, Field(min_length=1)] | None = None
    fault: Fault | None = None


def _kind(step: object) -> str:
    return "tool" if isinstance(step, CallsTool) or (isinstance(step, Mapping) and "tool" in step) else "says"


Step = Annotated[Annotated[CallsTool, Tag("tool")] | Annotated[Says, Tag("says")], Discriminator(_kind)]


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Transcription:
    """How the caller's line is written down: `late_s` seconds later than usual (at pace 1), or not at all."""

    late_s: NonNegativeFloat = 0.0
    fails: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Line:
    """What the caller says, once the agent has answered and is quiet; seconds at pace 1.

    `after_agent_s`: at least so much of the agent is heard before it. `barge_in_after_s`: it is said over the agent,
    after so much of the agent's audio. `after_silence_s`: it is said after so much silence, answered or not.
    """

    says: Annotated[str, Field(min_length=1)]
    seconds: PositiveFloat | None = None
    pause_s: NonNegativeFloat = 0.0
    after_agent_s: PositiveFloat = 0.5
    barge_in_after_s: PositiveFloat | None = None
    after_silence_s: PositiveFloat | None = None
    transcription: Transcription = Transcription()


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Turn:
    """An exchange: the caller's line (none in a greeting), then the model's steps in order."""

    model: Annotated[tuple[Step, ...], Field(min_length=1)]
    caller: Line | None = None


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class GivenAppointment:
    """An appointment that the person has when they phone: the doctor's first free slot from so many days ahead."""

    doctor_name: str
    in_days: Annotated[int, Field(ge=1, le=300)]


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Given:
    """What stands before the call; `${given.0.confirmation_id}` and its time, doctor and location can be said of it.

    With `alone` what the person booked in earlier calls is cancelled first: a caller who names none means the only one.
    """

    appointments: tuple[GivenAppointment, ...] = ()
    alone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class ClinicFault:
    """A tool that breaks in the clinic, not in the model: it raises at once, or hangs for wall `seconds` first."""

    tool: Annotated[str, Field(pattern=_TOOL_NAME)]
    kind: Literal["raise", "hang"]
    seconds: PositiveFloat | None = None

    def __post_init__(self) -> None:
        """Refuse a hang of no length, and a raise that has one."""
        if (self.kind == "hang") != (self.seconds is not None):
            raise ValueError("hang needs seconds, raise takes none")


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Adversary:
    """The model puts the person's identifiers into so many `arguments` of every tool call, in forms people use."""

    arguments: Annotated[int, Field(ge=1)] = 2


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Consent:
    """The agent asks for consent in the words of the greeting, whatever the settings say; how the caller answers."""

    answer: Literal["granted", "refused"]
    script_version: Annotated[str, Field(pattern=r"^[0-9]{1,4}(\.[0-9]{1,4}){1,3}$")] = "1.0"


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Appointment:
    """An appointment of the person after the call; `time` is held against those that were given."""

    doctor_name: str | None = None
    clinic_location: str | None = None
    time: Literal["same", "changed"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Holds:
    """All that the clinic's database holds of the person from this call and from what was given; nothing else."""

    booked: tuple[Appointment, ...] = ()
    cancelled: tuple[Appointment, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Expects:
    """Expected result of a run of the scenario; `clinic: null` means that the clinic's database is not checked.

    `outcome` is one of the clinic's, or of those that an agent's policy declares; without it any is right. `missing`
    are the parts of the call that its trace must name as not observed; without one it must be complete. With an agent
    of somebody else's the clinic's database is never checked.
    """

    outcome: Annotated[str, Field(pattern=_TOOL_NAME)] | None = None
    reason: Literal["caller_hung_up", "agent_ended", "shutdown", "error", "limit"] = "caller_hung_up"
    ended: Ended = "done"
    missing: tuple[str, ...] = ()
    clinic: Holds | None = Holds()


def seconds_of(spoken: Says | Line, text: str) -> float:
    """How long a line takes at pace 1, in seconds."""
    return spoken.seconds if spoken.seconds is not None else speech_seconds(text)
