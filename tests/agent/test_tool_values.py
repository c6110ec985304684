"""Values that tools return, of every kind: copied, read, and never `ok` by default."""

from __future__ import annotations

import collections
import dataclasses
import datetime
import decimal
import enum
import types
import uuid
from pathlib import PurePosixPath
from typing import Any, NamedTuple, TypedDict

import pytest
from livekit.agents import Agent, AgentSession, function_tool, llm
from pydantic import BaseModel, RootModel

from conversations import Conversation, hold
from medagent.agent.tool_tasks import ToolEnd
from medagent.agent.tool_values import MOST_VALUES, copied
from medagent.telemetry.tool_result import UNREADABLE, read_result
from scripted import CLOSE_S, Ears, Loudness, Mind, Mouth

NOON = datetime.datetime(2026, 5, 4, 12, tzinfo=datetime.UTC)


class Ending(enum.Enum):
    """How it ended."""

    FAILED = "failed"


class Code(enum.IntEnum):
    """How it ended, as a number."""

    REFUSED = 7


class Told(TypedDict):
    """A typed dictionary."""

    outcome: str
    at: datetime.datetime


@dataclasses.dataclass(frozen=True)
class Kept:
    """A data class."""

    outcome: Ending
    patient_name: str = "Jane Doe"
    at: datetime.datetime = NOON


class Model(BaseModel):
    """A pydantic model."""

    outcome: Ending
    cost: decimal.Decimal = decimal.Decimal("1.5")
    inner: Kept = Kept(outcome=Ending.FAILED)


class Root(RootModel[dict[str, str]]):
    """A pydantic model that is a dictionary."""


class Named(NamedTuple):
    """A named tuple."""

    outcome: str
    count: int


class Thing:
    """An object that declares no fields."""


class Broken(dict[str, object]):
    """A dictionary that cannot be looked at."""

    def items(self) -> Any:
        raise RuntimeError("Jane Doe")


FAILING: list[object] = [
    {"outcome": "failed"},
    {"outcome": Ending.FAILED, "at": NOON, "day": NOON.date(), "time": NOON.time(), "left": NOON - NOON},
    {"outcome": "failed", "x": float("nan"), "y": decimal.Decimal("NaN"), "z": decimal.Decimal("sNaN"), "n": 10**400},
    {"outcome": b"failed", "raw": bytearray(b"\xff"), "set": {"Jane"}, "frozen": frozenset({1}), "many": 3 + 4j},
    {"outcome": "failed", "id": uuid.uuid4(), "path": PurePosixPath("/x"), 3: 1, Ending.FAILED: 2, None: 3},
    {"rows": [{"a": number} for number in range(50_000)], "outcome": "failed"},
    {"outcome": "failed", "notes": "Jane Doe " * 120_000},
    Told(outcome="failed", at=NOON),
    Kept(outcome=Ending.FAILED),
    Model(outcome=Ending.FAILED),
    Root({"outcome": "failed"}),
    Named("failed", 1),
    types.SimpleNamespace(outcome="failed"),
    types.MappingProxyType({"outcome": "failed"}),
    collections.OrderedDict(outcome="failed"),
    '{"outcome": "failed"}',
    str({"outcome": "failed", "at": NOON}),
    repr(Kept(outcome=Ending.FAILED)),
    str(Model(outcome=Ending.FAILED)),
    llm.ToolResult(output={"outcome": "failed"}),
    Ending.FAILED,
]


@pytest.mark.parametrize("value", FAILING, ids=lambda value: f"{type(value).__name__} {str(value)[:20]}")
def test_a_value_of_any_kind_has_the_outcome_that_it_states(value: object) -> None:
    """The outcome is read whatever stands beside it, from the value and, where Python can print it, from its text."""
    read = read_result(None, copied(value))
    assert read.outcome == "failed"


@pytest.mark.parametrize(
    "value",
    [
        Thing(),
        {"of": Thing()},
        {"outcome": Thing()},
        {"outcome": "done"},
        {"outcome": None},
        {"outcome": True},
        [Thing()],
        (number for number in range(3)),
        Broken(outcome="ok"),
        [{"a": number} for number in range(50_000)],
    ],
    ids=[
        "object",
        "object in a dict",
        "object as outcome",
        "unknown outcome",
        "no outcome",
        "a flag as outcome",
        "object in a list",
        "generator",
        "broken mapping",
        "long list",
    ],
)
def test_what_cannot_be_read_is_unreadable(value: object) -> None:
    """Never `ok`: an object without fields, an outcome that is none, too many values, one that raises."""
    text = "<Thing object at 0x1>" if isinstance(value, Broken) else str(value)
    assert read_result(text, copied(value)).outcome == UNREADABLE


def test_a_member_without_a_text_is_told_by_its_name() -> None:
    """`outcome: Code.REFUSED` is a number of the host's own."""
    assert read_result(None, copied({"outcome": Code.REFUSED})).outcome == "refused"


def test_a_copy_is_not_changed_with_the_original() -> None:
    """The worker thread reads what was returned, whatever the host does with it afterwards."""
    original: dict[str, Any] = {"outcome": "ok", "slots": [{"a": 1}]}
    copy = copied(original)
    original["slots"][0]["a"] = 2
    original["outcome"] = "failed"
    assert copy.value == {"outcome": "ok", "slots": [{"a": 1}]}


def test_identifiers_stand_in_the_fields_of_a_copy() -> None:
    """The redactor learns the same from a data class as from a dictionary."""
    assert copied(Kept(outcome=Ending.FAILED)).value == {
        "outcome": "failed",
        "patient_name": "Jane Doe",
        "at": NOON.isoformat(),
    }


def test_an_agent_that_is_handed_over_to_is_no_result() -> None:
    """An agent alone counts as an empty result; beside an agent the other value is the result, as LiveKit reads it."""
    agent = Agent(instructions="x")
    assert copied(agent).value is None
    assert copied((agent, {"outcome": "refused"})).value == {"outcome": "refused"}


def test_a_long_result_is_read_from_its_text() -> None:
    """A result that is too long to be copied on the call's thread is read from the text that the model got."""
    rows = {"outcome": "refused", "rows": list(range(MOST_VALUES * 2))}
    read = read_result(str(rows), copied(rows))
    assert (read.is_whole, read.fields) == (True, rows)


# ---- in a session ----------------------------------------------------------------------------------------------------


class Desk(Agent):
    """Has one tool, which returns a given value."""

    def __init__(self, value: object) -> None:
        super().__init__(instructions="You are a receptionist.")
        self._value = value

    async def on_enter(self) -> None:
        self.session.say("Good morning.")

    @function_tool
    async def look_up(self) -> Any:
        """Returns what it was given."""
        if isinstance(self._value, Exception):
            raise self._value
        return self._value


async def _asks(call: Conversation) -> None:
    await call.agent_speaks()
    await call.agent_is_done()
    await call.voice.say(0.8)
    await call.agent_speaks()
    await call.agent_is_done()


@pytest.mark.timing
@pytest.mark.parametrize(
    ("value", "outcome", "fields", "missing"),
    [
        ({"outcome": "refused", "when": "noon"}, "refused", {"outcome": "refused", "when": "noon"}, []),
        ({"outcome": "failed", "x": float("inf")}, "failed", {"outcome": "failed", "x": float("inf")}, []),
        # LiveKit tells the model of these that the output is invalid: they are read all the same, and never `ok`.
        ({"outcome": "refused", "at": NOON}, "refused", {"outcome": "refused", "at": NOON.isoformat()}, []),
        (Model(outcome=Ending.FAILED, cost=decimal.Decimal(2), inner=Kept(outcome=Ending.FAILED)), "failed", None, []),
        ({"outcome": "ok", "at": NOON}, "failed", {"outcome": "ok", "at": NOON.isoformat()}, []),
        ('{"outcome": "o', "unreadable", {"output": '{"outcome": "o'}, ["tool_result"]),
        ("We are open.", "ok", {"output": "We are open."}, []),
        (ValueError("Jane Doe"), "failed", {}, []),
    ],
    ids=["dict", "inf", "datetime", "pydantic", "ok and invalid", "cut off", "words", "raises"],
)
async def test_a_session_s_tool_has_the_outcome_of_what_it_returned(
    value: object, outcome: str, fields: dict[str, Any] | None, missing: list[str]
) -> None:
    """From LiveKit's own task of the tool, not from the text that it makes of the value."""
    session: AgentSession[Any] = AgentSession(
        stt=Ears(["When?"]),
        llm=Mind([("look_up", "{}"), "From nine."]),
        tts=Mouth(),
        vad=Loudness(),
        turn_handling={"turn_detection": "vad"},
        aec_warmup_duration=None,
        session_close_transcript_timeout=CLOSE_S,
    )
    call = await hold(session, Desk(value), _asks)
    tool, totals = call.one("tool.look_up"), call.one("session.end")
    assert tool["outcome"] == outcome
    assert fields is None or tool["result"] == fields
    assert totals["tool_failures"] == (outcome in ("failed", "unreadable"))
    assert totals["missing"] == missing


def test_end_of_a_tool_does_not_print_its_values() -> None:
    """An exception's message, or a result, may quote a patient."""
    ends = (ToolEnd(raised=ValueError("Jane Okonkwo")), ToolEnd(returned=copied({"name": "Jane Okonkwo"})))
    assert not any("Okonkwo" in repr(end) for end in ends)
