"""Who has the floor in a call, as a table that one can draw; what its actions do is `Call`'s.

```
            SpeechStarted          SpeechStopped          ResponseStarted        Settled
IDLE        CALLER                 WAITING                AGENT                  –
CALLER      CALLER                 WAITING                OVERLAP                –
WAITING     CALLER                 WAITING                AGENT                  –
AGENT       OVERLAP                TRAILING               AGENT                  –
OVERLAP     OVERLAP                TRAILING               OVERLAP                CALLER
TRAILING    OVERLAP                TRAILING               AGENT                  WAITING
```

`Settled` is no event from outside: it holds as soon as a superseded agent turn has no response, tool or sound left.
`CallEnded` leads from everywhere to ENDED, where every event is ignored. All other events fill what is open.
"""

from __future__ import annotations

from enum import Enum, auto

from medagent.telemetry.events import CallEnded, ResponseStarted, SpeechStarted, SpeechStopped


class Floor(Enum):
    """Who has the floor."""

    IDLE = auto()
    CALLER = auto()
    WAITING = auto()
    AGENT = auto()
    OVERLAP = auto()
    TRAILING = auto()
    ENDED = auto()


class Settled:
    """A superseded agent turn has nothing left to wait for."""


TRANSITIONS: dict[tuple[Floor, type], tuple[tuple[str, ...], Floor]] = {
    (Floor.IDLE, SpeechStarted): (("open_user",), Floor.CALLER),
    (Floor.CALLER, SpeechStarted): (("cut_user", "open_user"), Floor.CALLER),
    (Floor.WAITING, SpeechStarted): (("open_user",), Floor.CALLER),
    (Floor.AGENT, SpeechStarted): (("supersede", "open_user"), Floor.OVERLAP),
    (Floor.OVERLAP, SpeechStarted): (("cut_user", "open_user"), Floor.OVERLAP),
    (Floor.TRAILING, SpeechStarted): (("open_user",), Floor.OVERLAP),
    (Floor.IDLE, SpeechStopped): (("late_user",), Floor.WAITING),
    (Floor.CALLER, SpeechStopped): (("close_user",), Floor.WAITING),
    (Floor.WAITING, SpeechStopped): (("late_user",), Floor.WAITING),
    (Floor.AGENT, SpeechStopped): (("supersede", "late_user"), Floor.TRAILING),
    (Floor.OVERLAP, SpeechStopped): (("close_user",), Floor.TRAILING),
    (Floor.TRAILING, SpeechStopped): (("late_user",), Floor.TRAILING),
    (Floor.IDLE, ResponseStarted): (("open_agent",), Floor.AGENT),
    (Floor.CALLER, ResponseStarted): (("open_agent", "supersede"), Floor.OVERLAP),
    (Floor.WAITING, ResponseStarted): (("open_agent",), Floor.AGENT),
    (Floor.AGENT, ResponseStarted): ((), Floor.AGENT),
    (Floor.OVERLAP, ResponseStarted): (("close_agent", "open_agent", "supersede"), Floor.OVERLAP),
    (Floor.TRAILING, ResponseStarted): (("close_agent", "open_agent"), Floor.AGENT),
    (Floor.OVERLAP, Settled): (("close_agent",), Floor.CALLER),
    (Floor.TRAILING, Settled): (("close_agent",), Floor.WAITING),
    **{
        (floor, CallEnded): (("cut_user", "close_tools", "close_agent", "end"), Floor.ENDED)
        for floor in Floor
        if floor is not Floor.ENDED
    },
}
"""(who has the floor, what happens) → (what is done, who has it then)."""
