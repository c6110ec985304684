"""Dead air and caller silence of one call: the time in which neither side is heard, by whose turn it is.

Dead air is time without sound for the caller while it is the agent's turn: from joining, or from the end of the
caller's speech, to the next sound that the caller receives; and between two sounds of the agent while a tool or a
response of the agent's turn is still at work. The end of the caller's speech is dated back by the silence that the
turn detection waited for, where that is known. Caller silence is the time in which the agent waits for the caller.

A moment is in at most one of the two, and in none while the caller or the agent is heard. Both are unknown where an
event that bounds them was lost, and in a call whose agent writes instead of speaking. No I/O, no clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

SilenceKind = Literal["dead_air", "caller_silence"]

_MOST_LISTED = 100
_MOST_KEPT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """One silence, in monotonic nanoseconds."""

    kind: SilenceKind
    start_ns: int
    end_ns: int

    @property
    def duration_ns(self) -> int:
        """Length in nanoseconds."""
        return self.end_ns - self.start_ns


@dataclass(slots=True, kw_only=True)
class SilenceTracker:
    """Follows who is heard; times are monotonic nanoseconds that never decrease.

    `turn` is whose turn the present silence is: `agent` until the caller has heard a sound, `caller` once the agent
    waits, `open` after a sound of the agent until it shows whether the agent goes on.
    """

    start_ns: int
    now_ns: int = 0
    dead_air_known: bool = True
    caller_silence_known: bool = True
    has_agent_state: bool = False
    silences: list[Silence] = field(default_factory=list)
    _turn: Literal["agent", "caller", "open"] = "agent"
    _quiet_since_ns: int | None = None
    _caller_since_ns: int | None = None
    _sound_since_ns: int | None = None
    _sound_ended_ns: int = 0
    _worked_until_ns: int | None = None
    _is_working: bool = False
    _sum_ns: dict[SilenceKind, int] = field(default_factory=lambda: {"dead_air": 0, "caller_silence": 0})
    _longest_ns: int = 0
    _taken_ns: dict[SilenceKind, int] = field(default_factory=lambda: {"dead_air": 0, "caller_silence": 0})

    def __post_init__(self) -> None:
        self.now_ns = self._quiet_since_ns = self._sound_ended_ns = self.start_ns

    # ---- who is heard ---------------------------------------------------------------------------------------------

    def caller_begins(self) -> None:
        """The caller speaks from now on."""
        if self._caller_since_ns is None:
            self._close(self.now_ns, by_agent=False)
            self._caller_since_ns = self.now_ns

    def caller_stops(self, silence_ms: int | None) -> None:
        """The caller stopped `silence_ms` ago; None is now."""
        since_ns, self._caller_since_ns = self._caller_since_ns, None
        if since_ns is None:
            return
        stopped_ns = max(since_ns, self.now_ns - (silence_ms or 0) * 1_000_000)
        if self._sound_since_ns is None:
            self._be_quiet(max(stopped_ns, self._sound_ended_ns), turn="agent")
        elif self._sound_since_ns > stopped_ns:  # the agent began while the detection still waited
            self._add("dead_air", max(stopped_ns, self._sound_ended_ns), self._sound_since_ns)

    def caller_unheard(self) -> None:
        """The caller has said something of which the beginning was not heard: the silence until now is unknown."""
        if self._quiet_since_ns is not None:
            self.dead_air_known &= self._turn == "caller"
            self.caller_silence_known &= self._turn == "agent"
            self._quiet_since_ns = None
        self._caller_since_ns = None
        if self._sound_since_ns is None:
            self._be_quiet(self.now_ns, turn="agent")

    def caller_lost(self) -> None:
        """The caller spoke when the connection was lost: the end of their speech is unknown."""
        self.caller_stops(None)
        self.dead_air_known = False

    def caller_writes(self, at_ns: int) -> None:
        """The caller typed something at a moment up to now; the agent's turn begins there."""
        since_ns = self._quiet_since_ns
        if since_ns is None or self._turn == "agent":
            return
        at_ns = min(max(at_ns, since_ns), self.now_ns)
        self._close(at_ns, by_agent=False)
        self._be_quiet(at_ns, turn="agent")

    def agent_state(self, *, is_audible: bool) -> None:
        """The agent is heard from now on, or no longer."""
        self.has_agent_state = True
        if is_audible and self._sound_since_ns is None:
            self._close(self.now_ns, by_agent=True)
            self._sound_since_ns = self.now_ns
        elif not is_audible and self._sound_since_ns is not None:
            self._sound_since_ns, self._sound_ended_ns = None, self.now_ns
            if self._caller_since_ns is None:
                self._be_quiet(self.now_ns, turn="open")

    def lose(self) -> None:
        """Events were lost: neither figure is known."""
        self.dead_air_known = self.caller_silence_known = False

    def follow(self, *, is_busy: bool, is_working: bool, is_asked: bool) -> None:
        """Take what is open after an event.

        Args:
            is_busy: A turn of the agent is not over.
            is_working: A response or a tool of such a turn is at work.
            is_asked: The caller waits for an answer.
        """
        if self._quiet_since_ns is not None and self._turn == "open":
            if self._is_working or is_working:
                self._worked_until_ns = self.now_ns
            if not (is_busy or is_asked):
                worked_ns = max(self._quiet_since_ns, self._worked_until_ns or 0)
                self._add("dead_air", self._quiet_since_ns, worked_ns)
                self._quiet_since_ns, self._turn = worked_ns, "caller"
        self._is_working = is_working

    def end(self) -> None:
        """The call is over."""
        self._close(self.now_ns, by_agent=False)

    # ---- figures --------------------------------------------------------------------------------------------------

    def take_ms(self, kind: SilenceKind) -> float | None:
        """Return the silence of a kind up to now that no turn has taken yet, in ms; None where it is unknown."""
        going_on_ns = 0
        if self._quiet_since_ns is not None and self._turn == ("agent" if kind == "dead_air" else "caller"):
            going_on_ns = self.now_ns - self._quiet_since_ns
        total_ns = self._sum_ns[kind] + going_on_ns
        taken_ns, self._taken_ns[kind] = self._taken_ns[kind], total_ns
        return _milliseconds(total_ns - taken_ns) if self._is_known(kind) else None

    def fields(self) -> dict[str, object]:
        """Return the fields of `session.end`; the hundred longest silences are listed in order of time."""
        longest = sorted(self.silences, key=lambda one: one.duration_ns, reverse=True)[:_MOST_LISTED]
        dead, caller = self._is_known("dead_air"), self._is_known("caller_silence")
        return {
            "dead_air_ms": _milliseconds(self._sum_ns["dead_air"]) if dead else None,
            "dead_air_longest_ms": _milliseconds(self._longest_ns) if dead else None,
            "caller_silence_ms": _milliseconds(self._sum_ns["caller_silence"]) if caller else None,
            "silences": [
                {
                    "kind": one.kind,
                    "at_ms": _milliseconds(one.start_ns - self.start_ns),
                    "duration_ms": _milliseconds(one.duration_ns),
                }
                for one in sorted(longest, key=lambda one: one.start_ns)
                if self._is_known(one.kind)
            ],
        }

    def _is_known(self, kind: SilenceKind) -> bool:
        return self.has_agent_state and (self.dead_air_known if kind == "dead_air" else self.caller_silence_known)

    # ---- intervals ------------------------------------------------------------------------------------------------

    def _be_quiet(self, since_ns: int, *, turn: Literal["agent", "open"]) -> None:
        self._quiet_since_ns, self._turn, self._worked_until_ns = since_ns, turn, None

    def _close(self, at_ns: int, *, by_agent: bool) -> None:
        """End the present silence; after a sound it was the agent's turn as far as the agent worked or went on."""
        since_ns, self._quiet_since_ns = self._quiet_since_ns, None
        if since_ns is None:
            return
        dead_until_ns = since_ns
        if self._turn == "agent" or (self._turn == "open" and (by_agent or self._is_working)):
            dead_until_ns = at_ns
        elif self._turn == "open" and self._worked_until_ns is not None:
            dead_until_ns = min(at_ns, max(since_ns, self._worked_until_ns))
        self._add("dead_air", since_ns, dead_until_ns)
        self._add("caller_silence", dead_until_ns, at_ns)

    def _add(self, kind: SilenceKind, start_ns: int, end_ns: int) -> None:
        if end_ns <= start_ns:
            return
        self._sum_ns[kind] += end_ns - start_ns
        if kind == "dead_air":
            self._longest_ns = max(self._longest_ns, end_ns - start_ns)
        self.silences.append(Silence(kind=kind, start_ns=start_ns, end_ns=end_ns))
        if len(self.silences) > _MOST_KEPT:
            self.silences = sorted(self.silences, key=lambda one: one.duration_ns)[-_MOST_LISTED:]


def _milliseconds(duration_ns: int) -> float:
    return round(duration_ns / 1e6, 3)
