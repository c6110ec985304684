"""The caller of a LiveKit job: chosen once among the room's participants and pinned.

All of it is the caller's own and is sent as a pseudonym or not at all. Runs on the event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from livekit import rtc
from livekit.agents import JobContext, get_job_context

from medagent.calling_number import calling_number

_NUMBER = "sip.phoneNumber"
_ON_BEHALF = "lk.publish_on_behalf"
"""Names the agent for which a participant publishes, such as an avatar."""

_RANKS = {
    rtc.ParticipantKind.PARTICIPANT_KIND_SIP: 0,
    rtc.ParticipantKind.PARTICIPANT_KIND_CONNECTOR: 1,
    rtc.ParticipantKind.PARTICIPANT_KIND_STANDARD: 2,
}
"""The kinds of participants that can be a caller; the lowest rank is chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Room, participant and phone number, raw; on SIP calls all three hold the number.

    A caller who withholds the number has none.
    """

    room: str | None = None
    participant: str | None = None
    number: str | None = None

    def __repr__(self) -> str:
        return "Caller(…)"


class CallerChoice:
    """Choose the caller among the participants of a room.

    Chosen at once is the participant whose identity is `named`, else the first whose identity matches `pattern`, else
    one who phones (SIP). Others may still be joined by such a one: they are chosen with `pin`, when the call can wait
    no longer, a connector before a standard participant. Recorders, ingress and agents are never chosen.
    `on_chosen(caller)` runs once, for a caller who was not there when `first` was asked.
    """

    def __init__(
        self,
        room: rtc.Room,
        *,
        name: str | None,
        named: str | None,
        pattern: str | None,
        on_chosen: Callable[[Caller], None],
        guard: Callable[[Callable[..., None]], Callable[..., None]],
    ) -> None:
        self._room = room
        self._name = name
        self._named = named
        self._pattern = pattern
        self._on_chosen = on_chosen
        self._handler = guard(self._connected)
        self._chosen: Caller | None = None

    def attach(self) -> None:
        """Follow who joins the room."""
        self._room.on("participant_connected", self._handler)

    def close(self) -> None:
        """Stop following who joins."""
        self._room.off("participant_connected", self._handler)

    def name(self, identity: str) -> None:
        """Name the caller by identity: the session is told to listen to this participant."""
        self._named = self._named or identity

    def first(self) -> Caller:
        """Return the caller as far as they are chosen; else the room alone."""
        if self._chosen is None:
            self._chosen = self._certain(self._present())
        return self._chosen or Caller(room=self._name)

    def pin(self) -> None:
        """Choose now among who is there; with nobody there the next who joins can still be chosen."""
        self._choose(self._certain(self._present()) or self._best())

    def _connected(self, participant: rtc.RemoteParticipant) -> None:
        self._choose(self._certain([participant]))

    def _choose(self, caller: Caller | None) -> None:
        if self._chosen is None and caller is not None:
            self._chosen = caller
            self._on_chosen(caller)

    def _present(self) -> list[rtc.RemoteParticipant]:
        return list(self._room.remote_participants.values())

    def _certain(self, participants: list[rtc.RemoteParticipant]) -> Caller | None:
        able = [participant for participant in participants if self._is_able(participant)]
        phoning = [one for one in able if one.kind == rtc.ParticipantKind.PARTICIPANT_KIND_SIP]
        certain = able if self._named or self._pattern else phoning
        return self._caller(min(certain, key=_rank)) if certain else None

    def _best(self) -> Caller | None:
        able = [participant for participant in self._present() if self._is_able(participant)]
        return self._caller(min(able, key=_rank)) if able else None

    def _is_able(self, participant: rtc.RemoteParticipant) -> bool:
        if self._named is not None:
            return participant.identity == self._named
        if participant.kind not in _RANKS or _ON_BEHALF in participant.attributes:
            return False
        return self._pattern is None or fnmatchcase(participant.identity, self._pattern)

    def _caller(self, participant: rtc.RemoteParticipant) -> Caller:
        number = participant.attributes.get(_NUMBER) or None
        # In LiveKit's console the participant is made up, and so is whatever it is asked for.
        return Caller(
            room=self._name,
            participant=participant.identity or None,
            number=calling_number(number) if isinstance(number, str) else None,
        )


def _rank(participant: rtc.RemoteParticipant) -> int:
    return _RANKS.get(participant.kind, len(_RANKS))


def choice_of_job(
    on_chosen: Callable[[Caller], None],
    *,
    pattern: str | None,
    guard: Callable[[Callable[..., None]], Callable[..., None]],
) -> CallerChoice | None:
    """Return the choice of the LiveKit job that runs here; None outside of a job."""
    context = get_job_context(required=False)
    if context is None:
        return None
    room = context.room
    name = room.name or context.job.room.name or None
    return CallerChoice(room, name=name, named=_named_by(context), pattern=pattern, on_chosen=on_chosen, guard=guard)


def named_in(options: Mapping[str, object]) -> str | None:
    """Return the identity that a session's `start` is told to listen to; None where it takes who comes."""
    for name in ("room_options", "room_input_options"):
        identity = getattr(options.get(name), "participant_identity", None)
        if isinstance(identity, str) and identity:
            return identity
    return None


def _named_by(context: JobContext) -> str | None:
    """Return the identity of the participant whom the job was dispatched for."""
    identity = getattr(getattr(context.job, "participant", None), "identity", None)
    return identity if isinstance(identity, str) and identity else None
