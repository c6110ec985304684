"""Who phones, as the line tells it; all of it is the caller's own and leaves as a pseudonym or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from livekit import rtc
from livekit.agents import get_job_context

_NUMBER = "sip.phoneNumber"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Room, participant and phone number, raw; on SIP calls all three hold the number."""

    room: str | None = None
    participant: str | None = None
    number: str | None = None

    def __repr__(self) -> str:
        return "Caller(…)"


def follow_job(told: Callable[[Caller], None]) -> Caller:
    """The caller of the LiveKit job that runs here, as far as the room knows it; `told` hears who comes later."""
    context = get_job_context(required=False)
    if context is None:
        return Caller()
    room = context.room
    name = room.name or context.job.room.name or None
    room.on("participant_connected", lambda participant: told(_caller(name, participant)))
    present = next(iter(room.remote_participants.values()), None)
    return Caller(room=name) if present is None else _caller(name, present)


def _caller(room: str | None, participant: rtc.RemoteParticipant) -> Caller:
    number = participant.attributes.get(_NUMBER) or None
    # In LiveKit's console the participant is made up, and so is whatever it is asked for.
    return Caller(
        room=room, participant=participant.identity or None, number=number if isinstance(number, str) else None
    )
