"""Results of an agent's tools: the tool's own code runs, and what it returned is replaced by planted values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from livekit.agents import Agent, function_tool, llm
from pydantic import BaseModel

from medagent.agent.agent_schema import FieldKind, ToolField, ToolSchema, path_of
from medagent.audit.agent_calls import LETTERS, by_letter, plan_agent_calls
from medagent.audit.planted import plant
from medagent.audit.planted_results import RESULTS, PlantedResults, ToolRuns, plant_results

PLANTED = plant(seed=7, calls=1)
TEXTS = {text for texts in by_letter(PLANTED) for text in texts}
SCHEMA = ToolSchema(
    name="find",
    fields=(
        ToolField(declared=("result", "found"), kind=FieldKind.BOOLEAN),
        ToolField(declared=("result", "Refills"), kind=FieldKind.NUMBER),
        ToolField(declared=("result", "who", "name"), kind=FieldKind.TEXT),
        ToolField(declared=("result", "notes", "[]"), kind=FieldKind.TEXT),
    ),
)


class Model(BaseModel):
    found: bool = True
    notes: list[str] = ["a"]


@dataclass
class Data:
    found: bool = True
    note: str = ""


@dataclass
class Picky:
    note: str

    def __post_init__(self) -> None:
        if len(self.note) > 3:
            raise ValueError("too long")


class Named(NamedTuple):
    found: bool
    note: str


class Typed(TypedDict):
    found: bool


def results(schema: ToolSchema = SCHEMA, *, is_long: bool = True) -> tuple[PlantedResults, ToolRuns, list[str]]:
    roles = plan_agent_calls(PLANTED, [schema], calls=1, seconds=10, pace=20, seed=1)
    runs, met = ToolRuns(), list[str]()
    role = next(one for one in roles if one.is_long is is_long)
    made = PlantedResults(role, PLANTED, [schema], calls=1, met=lambda _where, text: met.append(text), runs=runs)
    return made, runs, met


async def run(made: PlantedResults, returned: Any, name: str = "find") -> Any:
    async def tool() -> Any:
        if isinstance(returned, Exception):
            raise returned
        return returned

    return await made.run(name, tool)


def leaves(value: Any, steps: tuple[str, ...] = ("result",)) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*steps, str(key)))
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, (*steps, "[]"))
    else:
        yield path_of(steps), value


async def test_each_declared_field_holds_every_kind_over_the_calls() -> None:
    """Whatever its type, whether the tool returned it, a part of it, nothing, or raised."""
    made, runs, met = results()
    letter_of = {text: letter for letter, texts in enumerate(by_letter(PLANTED)) for text in texts}
    held: dict[str, set[int]] = {}
    returned = [{"found": True, "Refills": 2, "who": {"name": "x"}, "notes": ["a"]}, {"found": True}, None, OSError()]
    raised = 0
    for number in range(40):
        try:
            result = await run(made, returned[number % len(returned)])
        except RuntimeError:
            raised += 1
            continue
        for path, value in leaves(result):
            if value in letter_of:
                held.setdefault(path, set()).add(letter_of[value])
    for one in SCHEMA.fields:
        assert len(held[one.path]) == LETTERS
    assert runs.entered == {"find": 40}
    assert runs.raised == {"find": 10}
    assert runs.returned == {"find": 30}
    assert raised == len(met) == 5
    assert all(any(text in story for text in TEXTS) for story in met)


@pytest.mark.parametrize(
    "returned",
    [Model(), Data(), Named(found=True, note="a"), {"found": True}, [{"note": "a"}], "words", '{"found": true}'],
    ids=lambda one: type(one).__name__ + str(len(str(one))),
)
async def test_planted_result_is_of_the_type_that_the_tool_returned(returned: Any) -> None:
    """So that what telemetry makes of the type is audited too; and nothing of what was returned is left in it."""
    made, _, _ = results(ToolSchema(name="find"))
    result = await run(made, returned)
    assert type(result) is type(returned)
    assert result != returned
    assert any(json.dumps(text, ensure_ascii=False)[1:-1] in str(result) for text in TEXTS)


async def test_object_that_checks_itself_becomes_a_plain_one() -> None:
    """What it refuses to be made of is planted all the same."""
    made, _, _ = results(ToolSchema(name="find"))
    result = await run(made, Picky(note="a"))
    assert isinstance(result, dict)
    assert result["note"] in TEXTS


class Desk(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="")


@pytest.mark.parametrize("is_long", [True, False], ids=["long", "short"])
async def test_hand_over_takes_place_in_a_short_call_alone(is_long: bool) -> None:
    """In a long one the agent that is audited goes on; what is returned beside it is planted."""
    made, _, _ = results(is_long=is_long)
    result = await run(made, (Desk(), {"found": True}))
    planted = result if is_long else result[1]
    assert isinstance(planted, dict)
    assert planted["found"] in TEXTS
    assert is_long or isinstance(result[0], Desk)


async def test_control_flow_of_livekit_passes() -> None:
    """A tool that wants no answer gets none."""
    made, runs, _ = results()
    with pytest.raises(llm.StopResponse):
        await run(made, llm.StopResponse())
    assert runs.entered == {"find": 1}


@given(
    st.recursive(
        st.one_of(st.text(), st.integers(), st.booleans(), st.none(), st.floats()),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
        max_leaves=8,
    )
)
async def test_no_text_of_a_result_is_left(returned: Any) -> None:
    """Of any JSON that a tool returns, every text is replaced."""
    made, _, _ = results(ToolSchema(name="find"))
    result = await run(made, returned)
    if isinstance(result, str):
        assert result in TEXTS or result.startswith("{")
    else:
        assert all(not isinstance(value, str) or value in TEXTS for _, value in leaves(result))


async def test_every_function_tool_is_run_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of any agent, in whatever list; outside of a call it runs as it is."""
    monkeypatch.setattr(llm.FunctionTool, "__call__", llm.FunctionTool.__call__)
    monkeypatch.setattr(llm.RawFunctionTool, "__call__", llm.RawFunctionTool.__call__)

    @function_tool
    async def find(note: str) -> Typed:
        """Find."""
        return {"found": note == "a"}

    raw = {"name": "raw", "parameters": {"type": "object", "properties": {}}}

    @function_tool(raw_schema=raw)
    async def other(raw_arguments: dict[str, object]) -> dict[str, object]:
        return raw_arguments

    plant_results()
    assert await find(note="a") == {"found": True}
    made, runs, _ = results()
    token = RESULTS.set(made)
    try:
        assert (await find(note="a"))["found"] in TEXTS  # type: ignore[comparison-overlap]  # that is planted
        assert (await other({"x": "y"}))["x"] in TEXTS
    finally:
        RESULTS.reset(token)
    assert runs.entered == {"find": 1, "raw": 1}
