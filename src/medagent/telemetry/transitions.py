"""Who has the floor in a call, as a table that one can draw; what its actions do is `Call`'s.

```
            SpeechStarted  SpeechStopped  Committed  ResponseStarted  AgentSpeechCreated  Reconnected  Settled
IDLE        CALLER         WAITING        WAITING    AGENT            AGENT               –            –
CALLER      CALLER         WAITING        WAITING    OVERLAP          OVERLAP             IDLE         –
WAITING     CALLER         WAITING        WAITING    AGENT            AGENT               –            –
AGENT       OVERLAP        TRAILING       TRAILING   AGENT            AGENT               –            –
OVERLAP     OVERLAP        TRAILING       TRAILING   OVERLAP          OVERLAP             TRAILING     CALLER
TRAILING    OVERLAP        TRAILING       TRAILING   AGENT            AGENT               –            WAITING
```

`ResponseStarted` counts here only for a response of no speech, `Reconnected` only where it cuts an utterance.
`Committed` holds when the host's code, or the framework, takes what the caller said for a turn. `Settled` is no event
from outside either: it holds as soon as no turn of the agent has a response, tool or sound left.
`CallEnded` leads from everywhere to ENDED, where every event is ignored. All other events fill what is open.
"""

from __future__ import annotations

from enum import Enum, auto

from medagent.telemetry.events import (
    AgentSpeechCreated,
    CallEnded,
    Reconnected,
    ResponseStarted,
    SpeechStarted,
    SpeechStopped,
)


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
    """No turn of the agent has anything left to wait for."""


class Committed:
    """The caller's utterance was committed as a turn."""


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
    (Floor.IDLE, Committed): ((), Floor.WAITING),
    (Floor.CALLER, Committed): ((), Floor.WAITING),
    (Floor.WAITING, Committed): ((), Floor.WAITING),
    (Floor.AGENT, Committed): (("supersede",), Floor.TRAILING),
    (Floor.OVERLAP, Committed): ((), Floor.TRAILING),
    (Floor.TRAILING, Committed): ((), Floor.TRAILING),
    (Floor.IDLE, ResponseStarted): (("open_agent",), Floor.AGENT),
    (Floor.CALLER, ResponseStarted): (("open_agent", "supersede"), Floor.OVERLAP),
    (Floor.WAITING, ResponseStarted): (("open_agent",), Floor.AGENT),
    (Floor.AGENT, ResponseStarted): (("join_agent",), Floor.AGENT),
    (Floor.OVERLAP, ResponseStarted): (("close_agent", "open_agent", "supersede"), Floor.OVERLAP),
    (Floor.TRAILING, ResponseStarted): (("close_agent", "open_agent"), Floor.AGENT),
    **{
        (floor, AgentSpeechCreated): (
            ("open_speech",),
            Floor.OVERLAP if floor in (Floor.CALLER, Floor.OVERLAP) else Floor.AGENT,
        )
        for floor in Floor
        if floor is not Floor.ENDED
    },
    (Floor.CALLER, Reconnected): ((), Floor.IDLE),
    (Floor.OVERLAP, Reconnected): ((), Floor.TRAILING),
    (Floor.OVERLAP, Settled): (("close_agent",), Floor.CALLER),
    (Floor.TRAILING, Settled): (("close_agent",), Floor.WAITING),
    **{
        (floor, CallEnded): (("cut_user", "close_agents", "close_tools", "end"), Floor.ENDED)
        for floor in Floor
        if floor is not Floor.ENDED
    },
}
"""(who has the floor, what happens) → (what is done, who has it then)."""
