"""Inside a LiveKit job the caller is the one who is in the room, whenever they come."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from bench.line import Outcome, ring
from livekit import rtc
from livekit.agents import AgentSession
from livekit.agents.testing import fake_job_context
from livekit.rtc._proto import handle_pb2, participant_pb2

from medagent.agent.bridge import Bridge
from medagent.agent.caller import Caller

pytestmark = pytest.mark.timing

NUMBER = "+14155550137"
IDENTITY = f"sip_{NUMBER}"
PSEUDONYM = re.compile(r"psn_[0-9a-f]{8}_[0-9a-f]{32}")


def phone_participant() -> rtc.RemoteParticipant:
    info = participant_pb2.ParticipantInfo(
        sid="PA_1", identity=IDENTITY, name=f"Phone {NUMBER}", attributes={"sip.phoneNumber": NUMBER}
    )
    owned = participant_pb2.OwnedParticipant(handle=handle_pb2.FfiOwnedHandle(id=0), info=info)
    return rtc.RemoteParticipant(owned)


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
