"""What frames a call: its clock, who is on the line, the spans of its beginning and its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from medagent.telemetry.events import CallerIdentified, CallStarted, ModelChanged
from medagent.telemetry.record import Place, Record
from medagent.telemetry.span import SpanKind


class Frame:
    """A call's root and anchor of time; `started` is what is known of it so far."""

    def __init__(self, started: CallStarted, *, policy_name: str, policy_version: str) -> None:
        self.started = started
        self.root = Place(key="voice_session", start_us=started.wall_us)
        self._handoffs = 0
        self._about: dict[str, object] = {
            "mode": started.mode,
            "model": started.model,
            "provider": started.provider,
            "agent_name": started.agent_name,
            "agent_version": started.agent_version,
            "policy_name": policy_name,
            "policy_version": policy_version,
        }

    def clock(self, at_ns: int) -> int:
        """Unix time in microseconds of a monotonic moment; nothing is before the call."""
        return self.started.wall_us + max(0, at_ns - self.started.at_ns) // 1000

    def identify(self, event: CallerIdentified) -> None:
        """The first who comes is the caller; whoever joins later is not."""
        if self.started.participant is None:
            room = event.room if self.started.room is None else self.started.room
            self.started = replace(self.started, room=room, participant=event.participant)

    def change_model(self, event: ModelChanged) -> None:
        """Name the first model of the call; a call with models of both kinds is `mixed`."""
        for name, value in (("model", event.model), ("provider", event.provider)):
            if event.is_correction or self._about[name] is None:
                self._about[name] = value
        if event.mode is not None:
            self._about["mode"] = event.mode if self._about["mode"] in (None, event.mode) else "mixed"

    def with_caller(self, record: Record) -> Record:
        """The record with who is on the line, once that is known: a destination groups every span by it.

        A synthetic call's records say so.
        """
        about: dict[str, object] = {"synthetic": True} if self.started.synthetic else {}
        if self.started.participant is not None:
            about["participant_id"] = self.started.participant
        return replace(record, fields={**about, **record.fields}) if about else record

    def opening(self) -> list[Record]:
        """The session, whose end is open, and `session.start`."""
        began_ns = self.started.at_ns
        return [self.session(end_ns=began_ns), self.marker("session.start", began_ns, dict(self._about))]

    def marker(self, name: str, at_ns: int, fields: dict[str, object]) -> Record:
        """A moment of the call."""
        return Record(
            kind=SpanKind.MARKER,
            name=name,
            place=Place(key=name, start_us=self.clock(at_ns)),
            parents=(self.root,),
            end_us=self.clock(at_ns),
            fields=fields,
        )

    def handoff(self, at_ns: int, *, old: str, new: str) -> Record:
        """The `agent_handoff` marker: another agent is in charge."""
        number, self._handoffs = self._handoffs, self._handoffs + 1
        fields: dict[str, object] = {"index": number, "from_agent": old, "to_agent": new}
        marker = self.marker("agent_handoff", at_ns, fields)
        return replace(marker, place=replace(marker.place, key=f"agent_handoff.{number}"))

    def session(self, *, end_ns: int, summary: Mapping[str, object] | None = None) -> Record:
        """The `voice_session` span; without a summary the one whose end is open."""
        final, summary = summary is not None, summary or {}
        who = {"room_id": self.started.room, "participant_id": self.started.participant}
        return Record(
            kind=SpanKind.SESSION,
            name="voice_session",
            place=self.root,
            parents=(),
            end_us=self.clock(end_ns),
            status="error" if summary.get("outcome") == "failed" else "ok",
            final=final,
            fields={**who, **self._about, **summary},
        )
