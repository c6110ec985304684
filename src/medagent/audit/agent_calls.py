"""Calls with an agent of the clinic's own, made from its tools: each is called, each field is given every identifier.

Half of the calls of a tool send values of the declared types, so that the tool runs; the others send text in every
field, as a model may. An argument that nobody declared holds the forms that no declared one was given.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from itertools import count, cycle
from typing import Any

from medagent.agent.agent_schema import ARGUMENTS, ITEM, FieldKind, ToolField, ToolSchema
from medagent.audit.casting import Role, person_of, role_of, texts_of, turn_seconds, units_of
from medagent.audit.planted import Planted
from medagent.simulator.scenario import Scenario
from medagent.simulator.steps import CallsTool, Expects, Line, Says, Turn

LETTERS = 18
TOOLS_A_TURN = 2  # LiveKit lets a model call tools three times before it must speak
_RUNS_A_LETTER, _REFUSED_A_LETTER = 2.0, 3.2
"""Calls of a tool for each letter: some raise and some return other types; half are refused where text is no value."""
_CLOSING_S = 12.0
_MARGIN = 1.45
_SPOKEN_S = 1.2
_PATIENCE_S, _PATIENCE_WALL_S = 300.0, 90.0
_WAITS_WALL_S = 5.0
"""So long a caller waits for an agent that does not speak first, in wall seconds."""
_LONGEST_NUMBER = 15
_STORIES = ("{0}", "I told you, it is {0}, and my back hurts since", "please write down {0} for the doctor")
_UNDECLARED = ("memo", "{key}", "patient_name", "{number}", "id", "tags")
_GREETING = Turn(model=(Says(says="Thank you for calling. How can I help you today?"),))
_GOODBYE = Turn(
    caller=Line(says="No, that is all. Goodbye.", pause_s=0.3, after_agent_s=0.2), model=(Says(says="Goodbye."),)
)


def plan_agent_calls(
    planted: Sequence[Planted], tools: Sequence[ToolSchema], *, calls: int, seconds: float, pace: float, seed: int
) -> list[Role]:
    """Plan the long calls, then a short one for each tool.

    Args:
        planted: Values of all calls.
        tools: Tools that the agent declares, each span once.
        calls: Number of long calls.
        seconds: Least duration of a long call at pace 1.
        pace: How many times as fast as life.
        seed: Of the order in which values are planted.
    """
    by_call = [[one for one in planted if one.call == number] for number in range(calls)]
    roles = []
    for number, values in enumerate(by_call):
        turns = _planted_turns(values, tools, number=number, calls=calls, seconds=seconds, seed=seed)
        roles.append(_role(f"long-{number:02}-agent", number, values, turns, pace=pace, is_long=True))
    for index, tool in enumerate(tools):
        number = index % calls
        values = by_call[number]
        told = Says(says="That is noted.", seconds=_SPOKEN_S)
        step = CallsTool(tool=tool.name, arguments=arguments_of(tool, values, at=0, is_typed=True))
        turn = Turn(caller=Line(says="Could you look that up for me?", after_agent_s=0.2), model=(step, told))
        name = f"tool-{index:02}-{tool.span.removeprefix('tool.')}"
        roles.append(_role(name, number, values, [turn], pace=pace, is_long=False))
    return roles


def plan_agent_drill(
    planted: Sequence[Planted], tools: Sequence[ToolSchema], *, seconds: float, pace: float, seed: int
) -> Role:
    """Plan the call in whose middle the switch is thrown; so many seconds at pace 1."""
    values = [one for one in planted if one.call == 0]
    turns = _turns(values, tools, number=0, calls=1, turns=_fill(seconds), seed=seed)
    return _role("drill-agent", 0, values, turns, pace=pace, is_long=True)


def by_letter(values: Sequence[Planted]) -> list[list[str]]:
    """Return the texts of a call's values by their Safe Harbor letter, A to R; written ones first, each once."""
    found: dict[str, list[list[str]]] = {}
    for value in values:
        found.setdefault(value.letter, []).append(texts_of(value))
    rows = []
    for letter in sorted(found):
        longest = max(map(len, found[letter]))
        rows.append([texts[at] for at in range(longest) for texts in found[letter] if at < len(texts)])
    return rows


def text_at(rows: Sequence[Sequence[str]], at: int) -> str:
    """Return the text that is due at a step: the next letter each time, and of a letter the next text each round."""
    texts = rows[at % len(rows)]
    return texts[(at // len(rows)) % len(texts)]


def arguments_of(tool: ToolSchema, values: Sequence[Planted], *, at: int, is_typed: bool) -> dict[str, Any]:
    """Return planted arguments in the agent's own spelling.

    Args:
        tool: Tool that is called.
        values: Values of the call.
        at: Step in the order of letters; a tool's fields are given following letters.
        is_typed: Whether each value is of the field's declared kind.
    """
    rows = by_letter(values)
    made: dict[str, Any] = {}
    fields = [each for each in tool.fields if each.declared[0] == ARGUMENTS]
    for place, each in enumerate(fields):
        text = text_at(rows, at + place)
        _put(made, each.declared[1:], _typed(each, text, values, at) if is_typed else _story(text, at + place))
    return made


def _put(made: Any, steps: Sequence[str], value: object) -> None:
    """Put a value where its declared names lead; a name that is a value already stays one."""
    head, rest = steps[0], steps[1:]
    inner: Any = [] if rest and rest[0] == ITEM else {}
    if isinstance(made, list) and head == ITEM:
        if not rest:
            made.append(value)
        else:
            if not made:
                made.append(inner)
            _put(made[0], rest, value)
    elif isinstance(made, dict) and head != ITEM:
        if not rest:
            made[head] = value
        else:
            _put(made.setdefault(head, inner), rest, value)


def _typed(each: ToolField, text: str, values: Sequence[Planted], at: int) -> object:
    match each.kind:
        case FieldKind.NUMBER:
            digits = re.sub(r"\D", "", text)
            return int(digits) if at and 6 <= len(digits) <= _LONGEST_NUMBER and digits.isascii() else 1
        case FieldKind.BOOLEAN:
            return True
        case FieldKind.CHOICE if each.choices:
            return each.choices[at % len(each.choices)]
        case FieldKind.TIME:
            return person_of(values)["dob"]
        case _:
            return _story(text, at)


def _story(text: str, at: int) -> str:
    return _STORIES[at % len(_STORIES)].format(text)


def _planted_turns(
    values: Sequence[Planted], tools: Sequence[ToolSchema], *, number: int, calls: int, seconds: float, seed: int
) -> list[Turn]:
    needed = -(-max(_calls_of(tool, calls) for tool in tools) * len(tools) // TOOLS_A_TURN) if tools else 0
    turns = max(needed, _fill(seconds))
    return _turns(values, tools, number=number, calls=calls, turns=turns, seed=seed)


def _calls_of(tool: ToolSchema, calls: int) -> int:
    """How often one long call of so many must call a tool, an even number."""
    arguments = [each for each in tool.fields if each.declared[0] == ARGUMENTS]
    is_text = all(each.kind is FieldKind.TEXT for each in arguments)
    return 2 * (round(LETTERS / calls * (_RUNS_A_LETTER if is_text else _REFUSED_A_LETTER) / 2) + 1)


def _fill(seconds: float) -> int:
    """How many turns last so many seconds; a turn is mostly shorter than it is counted."""
    turn = Turn(
        caller=Line(says="x", seconds=_SPOKEN_S, pause_s=0.2),
        model=(*(CallsTool(tool="x"),) * TOOLS_A_TURN, Says(says="x", seconds=_SPOKEN_S)),
    )
    return max(4, round((seconds * _MARGIN - _CLOSING_S) / turn_seconds(turn)) + 1)


def _turns(
    values: Sequence[Planted], tools: Sequence[ToolSchema], *, number: int, calls: int, turns: int, seed: int
) -> list[Turn]:
    """Make turns that call the tools one after another, and say every form of every value in one of them."""
    dice = random.Random(f"{seed} agent {number}")  # noqa: S311 - a seeded script, no secret
    said = [unit for value in values for unit in units_of(value)]
    dice.shuffle(said)
    share = -(-len(said) // turns)
    asked = {tool.name: count() for tool in tools}
    due, undeclared = cycle(tools), cycle(_UNDECLARED)
    made = []
    for index in range(turns):
        units = said[index * share : (index + 1) * share] or said[:share]
        texts = [text for unit in units for text in unit]
        steps = []
        for place in range(TOOLS_A_TURN if tools else 0):
            tool = next(due)
            nth = next(asked[tool.name])
            sent = arguments_of(tool, values, at=nth // 2 * calls + number, is_typed=nth % 2 == 0)
            for text in texts[place::TOOLS_A_TURN]:
                for name, value in _extra(next(undeclared), text):
                    sent[name if name not in sent else f"{name}_{len(sent)}"] = value
            steps.append(CallsTool(tool=tool.name, arguments=sent))
        caller = Line(says=". ".join(texts), seconds=_SPOKEN_S, pause_s=0.2, after_agent_s=0.2)
        made.append(Turn(caller=caller, model=(*steps, Says(says=f"I noted {texts[0]}.", seconds=_SPOKEN_S))))
    return made


def _extra(name: str, text: str) -> Iterator[tuple[str, object]]:
    digits = re.sub(r"\D", "", text)
    if name == "{key}":
        yield text, "yes"
    elif name == "{number}":
        is_number = digits.isascii() and 6 <= len(digits) <= _LONGEST_NUMBER
        yield "number", int(digits) if is_number else text
    else:
        yield name, text


def _role(
    name: str, number: int, values: Sequence[Planted], turns: Sequence[Turn], *, pace: float, is_long: bool
) -> Role:
    first, *rest = turns
    assert first.caller is not None  # noqa: S101  # only the greeting has none
    waits = Line(
        says=first.caller.says,
        seconds=first.caller.seconds,
        pause_s=first.caller.pause_s,
        after_agent_s=0.2,
        after_silence_s=_WAITS_WALL_S * pace,
    )
    scenario = Scenario(
        name=name,
        description="A call made from the tools of the agent.",
        seed=number,
        person=person_of(values),
        turns=(_GREETING, Turn(caller=waits, model=first.model), *rest, _GOODBYE),
        patience_s=max(_PATIENCE_S, _PATIENCE_WALL_S * pace),
        expects=Expects(outcome="informed", clinic=None),
    )
    return role_of(scenario, number, values, is_long=is_long)
