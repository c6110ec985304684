"""A call played by hand: milliseconds since its start, the kind of each event, its content."""

from __future__ import annotations

from typing import Any

from medagent.outcomes import outcomes_of
from medagent.pricing import Usage, load_prices
from medagent.telemetry import events as ev
from medagent.telemetry.call import Call
from medagent.telemetry.record import Record
from medagent.tools import TOOLS
from strategies import START_NS, started

USAGE = Usage(
    input_tokens=300,
    output_tokens=100,
    total_tokens=400,
    input_text_tokens=200,
    input_audio_tokens=100,
    input_cached_tokens=50,
    input_cached_text_tokens=50,
    input_cached_audio_tokens=0,
    output_text_tokens=20,
    output_audio_tokens=80,
)
COST = (150 * 4 + 50 * 0.4 + 100 * 32 + 20 * 16 + 80 * 64) / 1_000_000


def new_call(beginning: ev.CallStarted | None = None) -> Call:
    return Call(
        beginning or started(),
        prices=load_prices(),
        policy_name="clinic",
        policy_version="1.0.0",
        outcomes=outcomes_of(TOOLS),
    )


class Tape:
    """Plays a call: milliseconds since its start, the kind of event, its content."""

    def __init__(self, **about: Any) -> None:
        self.call = new_call(started(**about))
        self.records = self.call.feed(started(**about))
        self._seq = 1

    def __call__(self, at_ms: float, kind: type[Any], **fields: Any) -> Tape:
        seq = fields.pop("seq", self._seq)
        self.records += self.call.feed(kind(seq=seq, at_ns=START_NS + int(at_ms * 1e6), **fields))
        self._seq = max(self._seq, seq + 1)
        return self

    def says(self, item: str, start_ms: float, stop_ms: float) -> Tape:
        self(start_ms, ev.SpeechStarted, item_id=item, audio_ms=int(start_ms))
        return self(stop_ms, ev.SpeechStopped, item_id=item, audio_ms=int(stop_ms))

    def answers(self, response: str, start_ms: float, audio_ms: float, done_ms: float) -> Tape:
        self(start_ms, ev.ResponseStarted, response_id=response)
        self(audio_ms, ev.AudioStarted, response_id=response)
        return self.done(response, done_ms)

    def done(self, response: str, at_ms: float, status: str = "completed", usage: Usage | None = USAGE) -> Tape:
        return self(at_ms, ev.ResponseFinished, response_id=response, status=status, usage=usage)

    def uses(self, call_id: str, name: str, output: str, at_ms: float = 0, *, status: str = "done") -> Tape:
        self(at_ms, ev.ToolStarted, call_id=call_id, name=name, arguments="{}")
        return self(at_ms + 10, ev.ToolEnded, call_id=call_id, status=status, output=output)

    def speech(self, speech_id: str, at_ms: float, initiator: str = "turn", **about: Any) -> Tape:
        return self(at_ms, ev.AgentSpeechCreated, speech_id=speech_id, initiator=initiator, **about)

    def plays(self, speech_id: str, at_ms: float, *, step: int = 1) -> Tape:
        self(at_ms, ev.AgentStateChanged, old="thinking", new="speaking")
        return self(at_ms, ev.AgentSpeechPlaying, speech_id=speech_id, step=step)

    def finishes(self, speech_id: str, at_ms: float, *, interrupted: bool = False, **about: Any) -> Tape:
        self(at_ms, ev.AgentStateChanged, old="speaking", new="listening")
        return self(at_ms, ev.AgentSpeechFinished, speech_id=speech_id, interrupted=interrupted, **about)

    def hears(self, item: str, start_ms: float, stop_ms: float, *, tentative: bool = True, **about: Any) -> Tape:
        self(start_ms, ev.SpeechStarted, item_id=item, source="session")
        return self(stop_ms, ev.SpeechStopped, item_id=item, source="session", tentative=tentative, **about)

    def ends(self, at_ms: float, reason: str = "caller_hung_up") -> dict[str, Any]:
        self(at_ms, ev.CallEnded, reason=reason)
        return self.one("session.end")

    @staticmethod
    def at_ns(at_ms: float) -> int:
        return START_NS + int(at_ms * 1e6)

    def spans(self, name: str) -> list[Record]:
        found = [record for record in self.records if record.name == name and record.final]
        return sorted(found, key=lambda record: int(record.fields.get("index", 0)))  # type: ignore[call-overload]

    def all(self, name: str) -> list[dict[str, Any]]:
        return [dict(record.fields) for record in self.spans(name)]

    def one(self, name: str) -> dict[str, Any]:
        [fields] = self.all(name)
        return fields

    def record(self, name: str) -> Record:
        [record] = [record for record in self.records if record.name == name and record.final]
        return record
