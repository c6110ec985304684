"""What happened in a call, as the bridge saw it: frozen, numbered, stamped; no provider's or framework's type in it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from medagent.outcomes import Outcomes
from medagent.pricing import Usage
from medagent.telemetry.tool_result import ToolValue

UserState = Literal["speaking", "listening", "away"]
AgentState = Literal["initializing", "idle", "listening", "thinking", "speaking"]
ErrorSource = Literal["realtime", "llm", "stt", "tts", "tool", "session"]
EndReason = Literal["caller_hung_up", "agent_ended", "shutdown", "error", "limit", "process_lost", "unknown"]
ConsentState = Literal["pending", "granted", "refused", "not_asked"]
Stage = Literal["stt", "llm", "tts"]
Mode = Literal["realtime", "pipeline"]
CostPart = Literal["realtime", "llm", "stt", "tts"]
MissingPart = Literal[
    "attached_late", "attached_twice", "realtime", "llm", "stt", "tts", "usage", "spans_of_livekit", "tool_result"
]
"""A part of a call that could not be observed, by the name that `missing` of `session.end` gives it."""

LostPart = Literal["agent_turn", "user_turn", "tool", "events"]
"""A part of a call of which the trace itself shows that something was lost; it stands in `missing` too."""

TurnEnd = Literal["silence", "semantic", "manual", "typed", "interrupted", "reconnect", "failed", "completed"]
"""End of a turn, of the caller or of the agent."""

Detection = Literal["server_vad", "semantic_vad", "vad", "turn_detector", "stt", "manual", "none"]
"""Turn detection: by the provider (`server_vad`, `semantic_vad`), by LiveKit, or by the host (`manual`)."""

TurnSource = Literal["server", "session"]
"""Source of a caller's turn: the provider's server, or LiveKit's session."""

TtftStart = Literal["speech_stopped", "user_state", "commit", "text"]
"""The event at which TTFT-A begins."""

Initiator = Literal["server", "turn", "host"]
"""Cause of an agent's speech: the provider itself, a completed turn of the caller, or the host's code."""

SpeechKind = Literal["reply", "greeting", "disclosure", "filler", "hold", "apology", "proactive"]
"""Kind of an agent's speech; TTFT-A ends at a `reply`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Event:
    """`seq` numbers a call's events from 0; `at_ns` is their arrival on the monotonic clock, in nanoseconds."""

    seq: int
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallStarted(_Event):
    """The line is open; `wall_us` is the Unix time of `at_ns` in microseconds, the anchor of all times of the trace.

    `asks`: the caller will be asked for consent, whatever the settings say; until then nothing of the call is released.
    `outcomes` and `rosters` are what the host declares for this call, beside what its process has.
    """

    wall_us: int
    model: str | None
    provider: str | None
    mode: Mode | None
    agent_name: str | None = None
    agent_version: str | None = None
    outcomes: Outcomes | None = None
    rosters: Mapping[str, Collection[str]] | None = field(default=None, repr=False)
    room: str | None = field(default=None, repr=False)
    participant: str | None = field(default=None, repr=False)
    caller_number: str | None = field(default=None, repr=False)
    asks: bool = False
    synthetic: bool = False
    """A call that `doctor` made: every span of it says so, and no metric counts it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerIdentified(_Event):
    """Who is on the line became known after it was opened."""

    room: str | None = field(default=None, repr=False)
    participant: str | None = field(default=None, repr=False)
    caller_number: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChanged(_Event):
    """The session uses another model from here on; mode, model and provider are None where its agent has none.

    `is_correction`: it is the model of before, and its server gave another name than its object.
    """

    mode: Mode | None
    model: str | None
    provider: str | None
    is_correction: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PartMissing(_Event):
    """A part of the call could not be observed: `missing` of `session.end` names it, and the trace is not complete."""

    part: MissingPart


@dataclass(frozen=True, slots=True, kw_only=True)
class StartMeasured(_Event):
    """The session is ready to speak; the parts of the wait until now are in ms, None is unknown.

    `since_ms` is the whole wait: since the worker was offered the call, or, outside a job, since tracing began.
    """

    since_ms: float
    dispatch_ms: float | None
    process_start_ms: float | None
    connect_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CostUnknown(_Event):
    """A part of the call has a cost that nothing reports: `cost_missing` of `session.end` names it."""

    part: CostPart


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnDetectionSet(_Event):
    """The turn detection in use is known; `silence_ms` is None where it waits for no fixed silence.

    `detection` is None where only the silence is known.
    """

    silence_ms: int | None
    detection: Detection | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted(_Event):
    """The caller began to speak; `item_id` names the utterance, `audio_ms` is the place in the audio sent."""

    item_id: str
    audio_ms: int | None = None
    source: TurnSource = "server"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStopped(_Event):
    """The caller stopped speaking: where TTFT-A begins; `audio_ms` is the place in the audio sent.

    `tentative`: the turn ends with a commit that is yet to come; without one the caller may speak on. `detection` and
    `silence_ms` are LiveKit's own, where it heard the caller: what ends the turn, and the silence that it waited for.
    """

    item_id: str
    audio_ms: int | None = None
    source: TurnSource = "server"
    tentative: bool = False
    detection: Detection | None = None
    silence_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserTurnCommitted(_Event):
    """LiveKit took what the caller said for a turn; `manual`: the host's code said so, and TTFT-A begins here.

    `speech_id` is the agent's speech that answers it, where that is known.
    """

    manual: bool = False
    speech_id: str | None = None
    detection: Detection | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechTranscribed(_Event):
    """A realtime model gave the text of what the caller said; `item_id` names the utterance, where the server heard it.

    It may come before the caller stopped, or long after.
    """

    item_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TextReceived(_Event):
    """The caller typed; `received_ns` is the monotonic time of arrival, where TTFT-A begins.

    `speech_id` is the agent's speech that answers it.
    """

    speech_id: str | None
    received_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSpeechCreated(_Event):
    """The agent will say something: one speech handle, over any number of responses and tools.

    `purpose` is what the host declared it for; None leaves it to be derived. `agent` is the agent that speaks;
    `in_tool` means that a tool at work made the speech, `generated` that a model makes its text.
    """

    speech_id: str
    initiator: Initiator
    agent: str | None = None
    in_tool: bool = False
    generated: bool = True
    purpose: SpeechKind | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSpeechPlaying(_Event):
    """The first frame of a step of a speech was given to the session's output; `audio` is False for text alone."""

    speech_id: str
    step: int = 1
    audio: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSpeechMarked(_Event):
    """The host declared what a speech is for."""

    speech_id: str
    purpose: SpeechKind


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSpeechFinished(_Event):
    """A speech is over; `interrupted` as the framework reports it, `step` the number of its last step.

    `by_caller` is False where the host's code interrupted it.
    """

    speech_id: str
    interrupted: bool
    by_caller: bool = True
    step: int = 1
    error_type: str | None = None
    error_status: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentHandedOver(_Event):
    """Another agent is in charge; `old` is None for a call's first.

    `call_id` names the tool that waits meanwhile (an agent task), and again that tool when it goes on.
    """

    old: str | None
    new: str
    call_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseStarted(_Event):
    """The model began a response; `speech_id` is the agent's speech that it belongs to, where that is known."""

    response_id: str
    speech_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioStarted(_Event):
    """The first audio of a response arrived: where TTFT-A ends if it is the turn's first."""

    response_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolRequested(_Event):
    """A response asked for a tool; ties the tool's run to the response's turn."""

    response_id: str
    call_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseFinished(_Event):
    """The model ended a response; `usage` as the provider reported it.

    `model` and `provider` are the response's own; None means those of the call. `measured_apart`: usage arrives as
    `ResponseMeasured` or `StageMeasured`, or not at all.
    """

    response_id: str
    status: Literal["completed", "cancelled", "incomplete", "failed"]
    usage: Usage | None
    error_type: str | None = None
    error_status: int | None = None
    model: str | None = None
    provider: str | None = None
    measured_apart: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseMeasured(_Event):
    """Usage of one response of a realtime model whose own events are not read; `key` names the response."""

    key: str
    model: str | None
    provider: str | None
    usage: Usage | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolStarted(_Event):
    """A tool began to run; `arguments` is the model's raw JSON."""

    call_id: str
    name: str
    arguments: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolEnded(_Event):
    """A tool returned, failed or was cancelled.

    `output` is what the model is told, `returned` the value itself; None where it is not known.
    `error_type` and `error_status` are those of the exception that it ended with, where that is known.
    """

    call_id: str
    status: Literal["done", "error", "cancelled"]
    output: str | None = field(repr=False)
    returned: ToolValue | None = field(default=None, repr=False)
    error_type: str | None = None
    error_status: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolAnswered(_Event):
    """The answer to a tool call that the framework gave the model; without a run before it the call was refused.

    `reply_required`: the model is expected to go on.
    """

    call_id: str
    name: str
    arguments: str = field(repr=False)
    output: str | None = field(repr=False)
    is_error: bool
    reply_required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class UserStateChanged(_Event):
    """The framework's view of the caller changed."""

    old: UserState
    new: UserState


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStateChanged(_Event):
    """The framework's view of the agent changed; leaving `speaking` is the end of playback."""

    old: AgentState
    new: AgentState


@dataclass(frozen=True, slots=True, kw_only=True)
class UtteranceMeasured(_Event):
    """How long a pipeline took to take what the caller said for said; seconds, None is unknown."""

    end_of_utterance_delay: float | None
    transcription_delay: float | None
    on_user_turn_completed_delay: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StageMeasured(_Event):
    """One request to a pipeline's STT, LLM or TTS ended; durations are seconds, None is unknown.

    `key` names the request: what has the same is the same one told again. `response_id` is the speech that it was made
    for, where that is known; `first` is the wait for the first token of an LLM or the first sound of a TTS. `is_probe`:
    an adapter tries a plugin that failed, beside the request that serves; it has a cost, and is no part of a turn.
    """

    stage: Stage
    key: str
    model: str | None = None
    provider: str | None = None
    response_id: str | None = None
    duration: float | None = None
    first: float | None = None
    audio_duration: float | None = None
    characters: int | None = None
    streamed: bool | None = None
    cancelled: bool | None = None
    usage: Usage | None = None
    is_probe: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRaised(_Event):
    """Something failed; `message` is raw and is treated as free text.

    `error_type` is the class of the error or a provider's code, `error_status` its status (HTTP or SIP), if any.
    """

    source: ErrorSource
    error_type: str
    message: str | None = field(repr=False)
    recoverable: bool
    error_status: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconnected(_Event):
    """The provider's connection was lost and made again; old items come once more after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QualitySampled(_Event):
    """One look at the media connection: milliseconds, and lost packets as a share from 0 to 1; None is unknown."""

    rtt_ms: float | None
    jitter_ms: float | None
    packet_loss: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentSettled(_Event):
    """The caller's consent to tracing is known."""

    state: ConsentState
    method: Literal["none", "spoken", "keypad"]
    script_version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap(_Event):
    """Events were lost before this one because the queue was full; `lost` is how many."""

    lost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded(_Event):
    """The line is closed, whoever closed it."""

    reason: EndReason


CallEvent: TypeAlias = (
    CallStarted
    | CallerIdentified
    | ModelChanged
    | PartMissing
    | StartMeasured
    | CostUnknown
    | TurnDetectionSet
    | SpeechStarted
    | SpeechStopped
    | UserTurnCommitted
    | SpeechTranscribed
    | TextReceived
    | AgentSpeechCreated
    | AgentSpeechPlaying
    | AgentSpeechMarked
    | AgentSpeechFinished
    | AgentHandedOver
    | ResponseStarted
    | AudioStarted
    | ToolRequested
    | ResponseFinished
    | ResponseMeasured
    | ToolStarted
    | ToolEnded
    | ToolAnswered
    | UserStateChanged
    | AgentStateChanged
    | UtteranceMeasured
    | StageMeasured
    | ErrorRaised
    | Reconnected
    | QualitySampled
    | ConsentSettled
    | Gap
    | CallEnded
)
