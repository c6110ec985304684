"""What surrounds the agent in a real house, played as badly as it gets: its database, its own tools, its log lines.

All of it is handed planted values: rows with patients in keys, numbers and ids; errors that quote them; lines at DEBUG.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from livekit import rtc
from livekit.agents.voice.io import AudioInput
from livekit.rtc._proto import handle_pb2, participant_pb2, room_pb2
from pydantic import ConfigDict
from sqlalchemy.exc import IntegrityError

from medagent.agent.clinic_agent import ClinicAgent
from medagent.audit.casting import HOST_TOOLS, Role
from medagent.clinic import Clinic
from medagent.settings import ConsentScript
from medagent.tools import TOOLS, Answer, Tool
from medagent.tools.interface import Arguments

Met = Callable[[str, str], None]
"""Told of each place where the system met planted values: where (such as `speech`), and the text."""

_ROW = 12
_host_log = logging.getLogger("clinic.host")
_library_log = logging.getLogger("livekit.plugins.house")


class AnyArguments(Arguments):
    """Whatever the model sends."""

    model_config = ConfigDict(extra="allow", frozen=True)


class House:
    """The tools of one call, whose answers and errors hold that call's planted values, each in its turn."""

    def __init__(self, role: Role, met: Met) -> None:
        self._texts = itertools.cycle(role.result_texts)
        self._parts = tuple(role.id_texts)
        self._ids = itertools.cycle(self._parts or ("",))
        self._name = role.scenario.person.get("patient_name", "")
        self._met = met
        self._count = itertools.count()

    def tools(self) -> Sequence[Tool[Any]]:
        """The clinic's own, whose database now and then says more than it was asked or breaks, and two of the house."""
        own = [
            Tool(
                name=name,
                description="A tool of the house.",
                outcome="informed",
                changes=False,
                arguments=AnyArguments,
                result_fields=(),
                run=self._rows,
            )
            for name in HOST_TOOLS
        ]
        return [*(replace(tool, run=self._talkative(tool)) for tool in TOOLS), *own]

    def story(self) -> str:
        """A sentence that quotes a patient."""
        return f"patient {next(self._texts)}, reached at {next(self._texts)}, already exists in row {next(self._texts)}"

    def _talkative(self, tool: Tool[Any]) -> Callable[[Clinic, Any, datetime], Answer]:
        def run(clinic: Clinic, arguments: Any, now: datetime) -> Answer:
            count = next(self._count)
            if tool.name == "get_opening_hours" and count % 2:
                story = self.story()
                self._met("error", story)
                raise IntegrityError(
                    "INSERT INTO patients", {"row": story}, ValueError(f"Key ({story}) already exists.")
                )
            answer = tool.run(clinic, arguments, now)
            return {**answer, **self._more()} if count % 3 == 0 else answer

        return run

    def _rows(self, _clinic: Clinic, _arguments: Any, _now: datetime) -> Answer:
        return {"rows": [self._more() for _ in range(3)], "patients": {next(self._texts): self._more()}}

    def _more(self) -> Answer:
        text = [next(self._texts) for _ in range(_ROW)]
        digits = "".join(each for each in text[0] if each.isdigit())
        ids = {kind: [each for each in self._parts if kind in each] for kind in ("LC-", "America/", "-advice")}
        ours = {kind: next(iter(found), "") for kind, found in ids.items()}
        return {
            "patient_name": self._name,
            "doctor_name": text[1],
            "confirmation_id": ours["LC-"] or text[2],
            "error_type": next(self._ids),
            "guidelines": [{"guideline_id": ours["-advice"]}],
            "hours": [{"time_zone": ours["America/"]}],
            "clinic_location": text[3],
            "appointment_datetime": text[4],
            "notes": f"as said: {text[5]}",
            "id": text[6],
            "number": int(digits) if 6 <= len(digits) <= 15 else 0,
            text[7]: text[8],
            "history": [{"seen": text[9], "by": [text[10], {"also": text[11]}]}],
        }


class AuditedAgent(ClinicAgent):
    """The clinic's agent with a tool that breaks past our own catch, as anybody else's does."""

    def __init__(
        self,
        clinic: Clinic,
        house: House,
        met: Met,
        *,
        name: str,
        now: Callable[[], datetime],
        consent: ConsentScript | None = None,
    ) -> None:
        super().__init__(clinic, name=name, now=now, tools=house.tools(), consent=consent)
        self._house = house
        self._met = met

    async def _answer(
        self, tool: Tool[Any], raw_arguments: dict[str, object], *, clinic: Clinic, now: datetime
    ) -> Answer:
        self._met("arguments", json.dumps(raw_arguments, ensure_ascii=False))
        if tool.name == HOST_TOOLS[1]:
            story = self._house.story()
            self._met("error", story)
            raise RuntimeError(f"could not note for the doctor: {story}")
        answer = await super()._answer(tool, raw_arguments, clinic=clinic, now=now)
        self._met("result", json.dumps(answer, ensure_ascii=False, default=str))
        return answer


class MarkedVoice(AudioInput):
    """The caller's sound with a voice print's bytes in it, once a second; the model's detector hears no difference."""

    def __init__(self, source: AudioInput, mark: bytes, marked: Callable[[], None]) -> None:
        super().__init__(label="MarkedVoice", source=source)
        self._mark = mark
        self._marked = marked
        self._frames = 0

    async def __anext__(self) -> rtc.AudioFrame:
        """The next frame; every fiftieth begins with the mark, where there is speech anyway."""
        assert self.source is not None  # noqa: S101  # it was made of one
        frame = await self.source.__anext__()
        self._frames += 1
        data = bytes(frame.data.cast("B"))
        if self._mark and self._frames % 50 == 0 and any(data):
            self._marked()
            data = self._mark + data[len(self._mark) :]
            return rtc.AudioFrame(data, frame.sample_rate, frame.num_channels, frame.samples_per_channel)
        return frame


def room_of(role: Role) -> rtc.Room:
    """The LiveKit room as a SIP call finds it: its name and the one in it hold the caller's number."""
    room = rtc.Room()
    # No LiveKit server is here to fill it: what one would send is put where its client library puts it.
    room._info = room_pb2.RoomInfo(name=role.room, sid="RM_audit")
    info = participant_pb2.ParticipantInfo(
        sid="PA_audit", identity=role.participant, name=role.participant_name, attributes=dict(role.attributes)
    )
    owned = participant_pb2.OwnedParticipant(handle=handle_pb2.FfiOwnedHandle(id=0), info=info)
    room._remote_participants[role.participant] = rtc.RemoteParticipant(owned)
    return room


async def log_lines(role: Role, met: Met, *, every_s: float) -> None:
    """Say each planted text once in a log line of the house or of a library, each time in another way, until done."""
    ways = itertools.cycle(_WAYS)
    for text in role.log_texts:
        met("log", text)
        next(ways)(text)
        await asyncio.sleep(every_s)


def _raised(text: str) -> None:
    patients: dict[str, str] = {}
    try:
        patients[f"no such patient: {text}"]
    except LookupError:
        _host_log.exception("looking for %s failed", text)


def _own_handler(text: str) -> None:
    """A library that brings its own handler, and does not propagate."""
    logger = logging.getLogger("somebody.else")
    if not logger.handlers:
        logger.addHandler(logging.StreamHandler())
        logger.propagate = False
    logger.warning("caller %s", text)


def _of_the_loop(text: str) -> None:
    asyncio.get_running_loop().call_exception_handler({"message": f"Task of {text} failed", "exception": OSError(text)})


_WAYS: Sequence[Callable[[str], None]] = (
    lambda text: _host_log.debug("caller says %s", text),
    lambda text: _host_log.info("row %(row)s", {"row": text}, extra={"lk.pii.text": text}),
    lambda text: _library_log.debug(f"message {text}"),
    lambda text: _library_log.warning("retry", extra={"payload": {"name": text}}),
    lambda text: warnings.warn(f"deprecated for {text}", stacklevel=2),
    _raised,
    _own_handler,
    _of_the_loop,
)


def line_texts(role: Role) -> Iterator[str]:
    """What the line itself says of a caller, and never a record of ours takes."""
    yield from (role.participant_name, role.job_metadata, *role.attributes.values())
