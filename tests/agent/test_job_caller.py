"""Inside a LiveKit job the caller is the one who is in the room, whenever they come."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
from bench.line import Outcome, ring
from hypothesis import given
from hypothesis import strategies as st
from livekit import rtc
from livekit.agents import AgentSession
from livekit.agents.testing import fake_job_context
from livekit.rtc._proto import handle_pb2, participant_pb2

from medagent.agent.bridge import Bridge
from medagent.agent.caller import Caller, CallerChoice

pytestmark = pytest.mark.timing

NUMBER = "+14155550137"
IDENTITY = f"sip_{NUMBER}"
PSEUDONYM = re.compile(r"psn_[0-9a-f]{8}_[0-9a-f]{32}")


Kind = rtc.ParticipantKind
NEVER = (Kind.PARTICIPANT_KIND_EGRESS, Kind.PARTICIPANT_KIND_INGRESS, Kind.PARTICIPANT_KIND_AGENT)
ABLE = (Kind.PARTICIPANT_KIND_SIP, Kind.PARTICIPANT_KIND_CONNECTOR, Kind.PARTICIPANT_KIND_STANDARD)
"""In the order in which they are chosen."""


def participant(identity: str, kind: int, attributes: dict[str, str] | None = None) -> rtc.RemoteParticipant:
    info = participant_pb2.ParticipantInfo(
        sid=f"PA_{identity}", identity=identity, name=identity, kind=kind, attributes=attributes or {}
    )
    owned = participant_pb2.OwnedParticipant(handle=handle_pb2.FfiOwnedHandle(id=0), info=info)
    return rtc.RemoteParticipant(owned)


def phone_participant() -> rtc.RemoteParticipant:
    return participant(IDENTITY, Kind.PARTICIPANT_KIND_SIP, {"sip.phoneNumber": NUMBER})


class Chosen:
    """A room, its caller's choice, and who was chosen after the start."""

    def __init__(self, *present: rtc.RemoteParticipant, named: str | None = None, pattern: str | None = None) -> None:
        self.room = rtc.Room()
        self.later: list[str | None] = []
        for one in present:
            self.room._remote_participants[one.identity] = one
        self.choice = CallerChoice(
            self.room,
            name="a-room",
            named=named,
            pattern=pattern,
            on_chosen=lambda caller: self.later.append(caller.participant),
            guard=lambda handler: handler,
        )
        self.choice.attach()
        self.first = self.choice.first().participant

    def join(self, one: rtc.RemoteParticipant) -> None:
        self.room._remote_participants[one.identity] = one
        self.room.emit("participant_connected", one)

    @property
    def caller(self) -> str | None:
        """Who the call's spans name after the caller's first word."""
        self.choice.pin()
        assert len(self.later) <= 1
        assert not (self.first and self.later)
        return self.first or next(iter(self.later), None)


@given(st.permutations([*NEVER, *ABLE]), st.integers(0, 6), st.data())
def test_who_phones_is_the_caller_whoever_else_is_there(kinds: list[int], at_start: int, data: st.DataObject) -> None:
    """In any order, at the start or later: SIP before connector before standard, and none of the others."""
    kinds = data.draw(st.lists(st.sampled_from(kinds), unique=True))
    present, joining = kinds[:at_start], kinds[at_start:]

    async def chosen() -> str | None:
        choice = Chosen(*(participant(f"p{kind}", kind) for kind in present))
        for kind in joining:
            choice.join(participant(f"p{kind}", kind))
        return choice.caller

    assert asyncio.run(chosen()) == next((f"p{kind}" for kind in ABLE if kind in kinds), None)


@pytest.mark.parametrize(
    ("sent", "number"), [(NUMBER, NUMBER), ("+266696687", None), ("anonymous", None), ("", None)], ids=repr
)
async def test_a_withheld_number_is_none(sent: str, number: str | None) -> None:
    """What a line sends for an anonymous caller is nobody's number, neither for the trace nor for a count."""
    phoning = participant("sip_anonymous", Kind.PARTICIPANT_KIND_SIP, {"sip.phoneNumber": sent})
    caller = Chosen(phoning).choice.first()
    assert (caller.number, caller.participant) == (number, "sip_anonymous")


async def test_caller_stays_who_they_are_once_chosen() -> None:
    """Who phones in after the caller spoke (a transfer, a colleague) is not the caller."""
    chosen = Chosen(participant("web", Kind.PARTICIPANT_KIND_STANDARD))
    assert chosen.caller == "web"
    chosen.join(phone_participant())
    assert chosen.caller == "web"


async def test_first_to_join_an_empty_room_is_chosen_when_they_speak() -> None:
    """A choice among nobody is none: the next word chooses."""
    chosen = Chosen()
    assert chosen.caller is None
    chosen.join(participant("web", Kind.PARTICIPANT_KIND_STANDARD))
    assert chosen.caller == "web"


async def test_named_participant_is_the_caller_of_any_kind() -> None:
    """Who the job or `start` names comes before who phones."""
    guest = participant("guest", Kind.PARTICIPANT_KIND_STANDARD)
    assert Chosen(phone_participant(), guest, named="guest").first == "guest"
    waits = Chosen(phone_participant(), named="guest")
    assert waits.caller is None
    waits.join(guest)
    assert waits.caller == "guest"


async def test_setting_tells_a_supervisor_from_the_caller() -> None:
    """With a pattern of callers' identities a supervisor of the same kind is never chosen."""
    supervisor = participant("staff-7", Kind.PARTICIPANT_KIND_STANDARD)
    chosen = Chosen(supervisor, pattern="caller-*")
    assert chosen.caller is None
    chosen.join(participant("caller-9", Kind.PARTICIPANT_KIND_STANDARD))
    assert chosen.caller == "caller-9"


async def test_who_publishes_for_an_agent_is_no_caller() -> None:
    """An avatar that speaks for an agent is none, of whatever kind it is."""
    avatar = participant("avatar", Kind.PARTICIPANT_KIND_STANDARD, {"lk.publish_on_behalf": "agent-1"})
    assert Chosen(avatar).caller is None


def session_of(outcome: Outcome) -> dict[str, Any]:
    return dict(next(span.fields for span in outcome.spans if span.name == "voice_session"))


def nothing_of_the_number(home: Path) -> bool:
    files = [path for path in home.rglob("*") if path.is_file() and (home / "clinic") not in path.parents]
    return bool(files) and not any(b"4155550137" in path.read_bytes() for path in files)


async def test_the_one_in_the_room_is_the_caller(tmp_path: Path) -> None:
    """A SIP participant who is there before the session starts leaves as a pseudonym, the job's room as another."""
    room = rtc.Room()
    room._remote_participants[IDENTITY] = phone_participant()
    with fake_job_context(room=room):
        outcome = await ring("book", home=tmp_path, pace=20.0)
    fields = session_of(outcome)
    assert PSEUDONYM.fullmatch(fields["room_id"])
    assert PSEUDONYM.fullmatch(fields["participant_id"])
    assert nothing_of_the_number(tmp_path)


async def test_one_who_comes_later_is_known_from_then_on(tmp_path: Path) -> None:
    """A participant who joins after the session was attached is in the final span, and a second one changes nothing."""
    room = rtc.Room()

    def join(_session: AgentSession[Any], _bridge: Bridge) -> None:
        room.emit("participant_connected", phone_participant())
        room.emit("participant_connected", phone_participant())

    with fake_job_context(room=room):
        outcome = await ring("book", home=tmp_path, pace=20.0, before=join)
    assert PSEUDONYM.fullmatch(session_of(outcome)["participant_id"])
    assert outcome.bridge.failures == 0
    assert nothing_of_the_number(tmp_path)


async def test_outside_a_job_there_is_no_caller(tmp_path: Path) -> None:
    """Without a job and without a word of who phones, room and participant are null."""
    fields = session_of(await ring("book", home=tmp_path, pace=20.0))
    assert (fields["room_id"], fields["participant_id"]) == (None, None)


def test_a_caller_says_nothing_of_itself() -> None:
    """Neither `repr` nor `str` of a caller holds the number."""
    assert NUMBER not in f"{Caller(room='r', participant=IDENTITY, number=NUMBER)!r}"
