"""Who phones and what is said: the packaged scenarios played by planted people, and turns made of planted values alone.

Every planted value is put, in each of its forms, into what the caller says, the tools' declared and undeclared
arguments, their results and errors, the names that the line gives to room and participant, and the lines that a host
program logs.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from itertools import cycle
from typing import Any

from medagent.audit.forms import IN_IDS
from medagent.audit.planted import Planted
from medagent.simulator.scenario import Scenario, load_scenario
from medagent.simulator.steps import CallsTool, Expects, Given, Line, Says, Turn, seconds_of
from medagent.simulator.template import references
from medagent.tools import TOOLS

HOST_TOOLS = ("find_patient", "note_for_doctor")
"""Tools of the audited agent that no policy names: one returns rows of patients, one breaks with one in its error."""

_CLOSING_S = 12.0
_MARGIN = 1.45  # a turn is mostly shorter than it is counted, by a quarter on a quiet machine, and a call must last
_SPOKEN_S = 1.2
_GAP_S = 2.4
_TOOL_S = 0.9
_PATIENCE_S = 300.0  # a rehearsal's machine is slow in wall time, and a caller who gives up proves nothing
_MARK_BYTES = 128  # of a frame of 960: the rest of it is speech
_GOODBYE_HEARD_S = 0.2  # "Goodbye." is short, and here the call goes on after it
_TOOLS_A_TURN = 2  # LiveKit lets a model call tools three times before it must speak
_STORY = (
    "I told you, it is {0}, and my back hurts since",
    "{0} said the tablets do not help, please write that down",
    "please tell the doctor about {0}, she fell on the stairs",
)
_GREETING = "Thank you for calling the clinic. How can I help you today?"
_GOODBYE = Turn(caller=Line(says="No, that is all. Goodbye.", pause_s=0.3), model=(Says(says="Goodbye."),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """One call: its scenario, and all that comes with it besides the voice. What may hold a planted value: no repr."""

    scenario: Scenario
    number: int
    is_long: bool
    room: str = field(repr=False)
    participant: str = field(repr=False)
    participant_name: str = field(repr=False)
    attributes: Mapping[str, str] = field(repr=False)
    job_metadata: str = field(repr=False)
    log_texts: Sequence[str] = field(repr=False)
    result_texts: Sequence[str] = field(repr=False)
    id_texts: Sequence[str] = field(repr=False)
    """Ids that hold a part of the caller's own name: a tool's result names them beside it."""
    voice_mark: str = field(repr=False)
    """Bytes in hex that are mixed into the caller's sound."""

    def document(self) -> dict[str, Any]:
        """For the child's standard input."""
        return asdict(self)


def cast(planted: Sequence[Planted], names: Sequence[str], *, calls: int, seconds: float, seed: int) -> list[Role]:
    """The long calls, then each packaged scenario as a short one, all by planted people."""
    packaged = [load_scenario(name) for name in names]
    bases = [scenario for scenario in packaged if _lasts(scenario)] or packaged
    by_call = [[one for one in planted if one.call == number] for number in range(calls)]
    roles = []
    for number, values in enumerate(by_call):
        person = person_of(values)
        base = bases[number % len(bases)]
        parts = [_played_by(part, person) for part in (base, *(b for b in bases if _joins(b) and b is not base))]
        dice = random.Random(f"{seed} {number}")  # noqa: S311 - a seeded script, no secret
        rest = parts[1:]
        dice.shuffle(rest)
        scenario = _long(number, [parts[0], *rest], values, seconds=seconds, dice=dice)
        roles.append(role_of(scenario, number, values, is_long=True))
    for index, scenario in enumerate(packaged):
        number = index % calls
        short = replace(_played_by(scenario, person_of(by_call[number])), name=f"short-{index:02}-{scenario.name}")
        roles.append(role_of(short, number, by_call[number], is_long=False))
    return roles


def cast_drill(planted: Sequence[Planted], names: Sequence[str], *, seconds: float, seed: int) -> Role:
    """The call in whose middle the switch is thrown: the first person again, so many seconds long at pace 1."""
    values = [one for one in planted if one.call == 0]
    base = next(each for each in map(load_scenario, names) if _lasts(each) and _joins(each))
    dice = random.Random(f"{seed} drill")  # noqa: S311 - a seeded script, no secret
    scenario = _long(0, [_played_by(base, person_of(values))], values, seconds=seconds, dice=dice)
    return role_of(replace(scenario, name=f"drill-{base.name}"), 0, values, is_long=True)


def person_of(values: Sequence[Planted]) -> dict[str, str]:
    """A scenario's person whose every identifier is planted; number and date of birth in the clinic's own form."""
    person: dict[str, str] = {}
    for key, letter, words in _PERSON:
        of_letter = [one for one in values if one.letter == letter and isinstance(one.value, str)]
        chosen = next((one for word in words for one in of_letter if word in one.kind), next(iter(of_letter), None))
        if chosen is not None and isinstance(chosen.value, str):
            person[key] = chosen.value
    if "phone" in person:
        person["phone"] = "+1" + re.sub(r"\D", "", person["phone"])[-10:]
    if not _is_date(person.get("dob", "")):
        person["dob"] = next((one for one in _texts(values, "C") if _is_date(one)), "1961-04-17")
    return person


_PERSON = (
    ("patient_name", "A", ("full", "patient", "name")),
    ("address", "B", ("street", "address")),
    ("dob", "C", ("birth",)),
    ("phone", "D", ("phone",)),
    ("fax", "E", ("fax",)),
    ("email", "F", ("mail",)),
    ("ssn", "G", ("security", "ssn")),
    ("mrn", "H", ("record", "mrn")),
    ("insurance_id", "I", ("plan",)),
    ("account_number", "J", ("account",)),
    ("license_number", "K", ("licen",)),
    ("license_plate", "L", ("plate",)),
    ("device_id", "M", ("device", "serial")),
    ("url", "N", ("url",)),
    ("ip_address", "O", ("ip",)),
    ("patient_id", "R", ("other", "unique")),
)


def _texts(values: Sequence[Planted], letter: str) -> Iterator[str]:
    for one in values:
        if one.letter == letter:
            if isinstance(one.value, str):
                yield one.value
            yield from texts_of(one)


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _lasts(scenario: Scenario) -> bool:
    """Whether a long call can begin as it: what ends a call early, or waits in wall time, is played as a short one."""
    hangs = scenario.clinic_fault is not None and scenario.clinic_fault.kind == "hang"
    fatal = scenario.expects.ended != "done" or scenario.expects.reason != "caller_hung_up"
    waits = any(turn.caller is not None and turn.caller.after_silence_s is not None for turn in scenario.turns)
    asks = "consent" in scenario.name
    return not (hangs or fatal or waits or asks or scenario.hangs_up_after_s is not None)


def _joins(scenario: Scenario) -> bool:
    """Return whether its turns can follow in a call that began as another."""
    special = scenario.clinic_fault or scenario.adversary or scenario.recycle_after_s or scenario.events == "legacy"
    return not (special or scenario.consent)


def _played_by(scenario: Scenario, person: Mapping[str, str]) -> Scenario:
    """The scenario with another person, whose name is wherever the first one's was written out."""
    first = re.findall(r"\w+", scenario.person.get("patient_name", ""))
    ours = re.findall(r"\w+", person.get("patient_name", ""))
    words = dict(zip(first, [*ours, *ours[-1:] * len(first)], strict=False))
    spelled = {" ".join(a.upper()): " ".join(b.upper()) for a, b in words.items()}
    kept = {key: person.get(key, value) for key, value in scenario.person.items()}
    people = {**kept, **{key: value for key, value in person.items() if key not in kept}}
    return _with_texts(replace(scenario, person=people), {**spelled, **words})


def _with_texts(scenario: Scenario, words: Mapping[str, str]) -> Scenario:
    if not words:
        return scenario
    pattern = re.compile("|".join(rf"(?<![\w{{.]){re.escape(word)}(?!\w)" for word in words))

    def changed(value: Any) -> Any:
        return pattern.sub(lambda match: words[match[0]], value) if isinstance(value, str) else value

    def step(each: CallsTool | Says) -> CallsTool | Says:
        if isinstance(each, Says):
            return replace(each, says=changed(each.says))
        return replace(each, arguments={name: changed(value) for name, value in each.arguments.items()})

    turns = tuple(
        replace(
            turn,
            caller=None if turn.caller is None else replace(turn.caller, says=changed(turn.caller.says)),
            model=tuple(step(each) for each in turn.model),
        )
        for turn in scenario.turns
    )
    return replace(scenario, turns=turns)


# ---- a long call ----------------------------------------------------------------------------------------------------


def _long(
    number: int, parts: Sequence[Scenario], values: Sequence[Planted], *, seconds: float, dice: random.Random
) -> Scenario:
    base = parts[0]
    turns: list[Turn] = [Turn(model=(Says(says=_GREETING),))]
    given: list[Any] = []
    missing: set[str] = set()
    spent = _CLOSING_S
    for part in parts:
        missing |= {*part.expects.missing}
        turns += _shifted(part, by=len(given))
        given += part.given.appointments
        spent = sum(turn_seconds(turn) for turn in turns) + _CLOSING_S
        if spent > seconds * 0.6:
            break
    room = max(4, round((seconds * _MARGIN - spent) / (_SPOKEN_S * 2 + _GAP_S + 2 * _TOOL_S)) + 1)
    turns += [*planted_turns(values, turns=room, dice=dice), _GOODBYE]
    return replace(
        base,
        name=f"long-{number:02}-{base.name}",
        turns=tuple(turns),
        given=Given(appointments=tuple(given)),
        patience_s=_PATIENCE_S,
        expects=Expects(outcome="informed", missing=tuple(sorted(missing)), clinic=None),
    )


def _shifted(part: Scenario, *, by: int) -> list[Turn]:
    """A scenario's turns without its greeting; what was given to it is behind what was given before."""

    def moved(value: Any) -> Any:
        if not isinstance(value, str) or not any(each.startswith("given.") for each in references(value)):
            return value
        return re.sub(r"\$\{given\.(\d+)", lambda match: f"${{given.{int(match[1]) + by}", value)

    turns = []
    for turn in part.turns:
        if turn.caller is None:
            continue
        steps = tuple(
            replace(each, says=moved(each.says))
            if isinstance(each, Says)
            else replace(each, arguments={name: moved(value) for name, value in each.arguments.items()})
            for each in turn.model
        )
        line = replace(turn.caller, says=moved(turn.caller.says), after_agent_s=_GOODBYE_HEARD_S)
        turns.append(replace(turn, caller=line, model=steps))
    return turns


def turn_seconds(turn: Turn) -> float:
    """About how long a turn takes, in seconds at pace 1."""
    spoken = 0.0 if turn.caller is None else seconds_of(turn.caller, turn.caller.says) + turn.caller.pause_s
    for each in turn.model:
        spoken += seconds_of(each, each.says) if isinstance(each, Says) else _TOOL_S
    return spoken + _GAP_S


def planted_turns(values: Sequence[Planted], *, turns: int, dice: random.Random) -> list[Turn]:
    """So many turns that say every form of every value, each in an argument of a tool and in the caller's words."""
    said = [unit for value in values for unit in units_of(value)]
    dice.shuffle(said)
    places = {tool: cycle(arguments) for tool, arguments in _places(dice).items()}
    tools = cycle(places)
    share = -(-len(said) // turns)
    made = []
    for index in range(turns):
        units = said[index * share : (index + 1) * share] or said[:share]
        called = [next(tools) for _ in range(_TOOLS_A_TURN)]
        calls: dict[str, dict[str, Any]] = {tool: {} for tool in called}
        for tool, unit in zip(cycle(called), units, strict=False):
            for text in unit:
                for name, value in _filled(next(places[tool]), text, dice).items():
                    calls[tool][name if name not in calls[tool] else f"{name}_{len(calls[tool])}"] = value
        steps = tuple(CallsTool(tool=tool, arguments=arguments) for tool, arguments in calls.items())
        spoken = ". ".join(text for unit in units for text in unit)
        caller = Line(says=spoken, seconds=_SPOKEN_S, pause_s=0.2, after_agent_s=_GOODBYE_HEARD_S)
        made.append(Turn(caller=caller, model=(*steps, Says(says=f"I noted {units[0][0]}.", seconds=_SPOKEN_S))))
    return made


def texts_of(value: Planted) -> list[str]:
    """Every text of every form of a value, each once."""
    return list(dict.fromkeys(text for texts in value.forms.values() for text in texts))


def units_of(value: Planted) -> Iterator[tuple[str, ...]]:
    """Yield what goes into one place, and the two halves that go into two places of one call."""
    for form, texts in value.forms.items():
        yield from [texts] if form == "split" else [(text,) for text in texts]


def _places(dice: random.Random) -> dict[str, list[str]]:
    """Every argument of every tool, and beside the declared ones a key, a number, and fields of nobody's."""
    own = {tool.name: [*tool.arguments.model_fields, "{key}", "{number}", "session_id", "memo"] for tool in TOOLS}
    places = own | {tool: ["{key}", "{number}", "id", "patient_name", "notes", "tags"] for tool in HOST_TOOLS}
    for arguments in places.values():
        dice.shuffle(arguments)
    return places


def _filled(argument: str, text: str, dice: random.Random) -> dict[str, Any]:
    digits = re.sub(r"\D", "", text)
    match argument:
        case "{key}":
            return {text: "yes"}
        case "{number}":
            is_number = 6 <= len(digits) <= 15 and not digits.startswith("0")  # a number has no zero in front
            return {"number": int(digits) if is_number else text}
        case "query" | "notes" | "reason_for_visit" | "memo":
            return {argument: dice.choice(_STORY).format(text)}
        case _:
            return {argument: text}


# ---- what comes with a call -----------------------------------------------------------------------------------------


def role_of(scenario: Scenario, number: int, values: Sequence[Planted], *, is_long: bool) -> Role:
    """Return a scenario with all that comes with its call besides the voice: room, participant, log lines, results."""
    person = person_of(values)
    phone, name = person.get("phone", ""), person.get("patient_name", "")
    every = [text for value in values for text in texts_of(value)]
    ids = {text for one in values for text in one.forms.get(IN_IDS, ())}
    voice = next((one.value for one in values if one.letter == "P" and isinstance(one.value, bytes)), b"")
    return Role(
        scenario=scenario,
        number=number,
        is_long=is_long,
        room=f"clinic_{phone}_{scenario.name}",
        participant=f"sip_{phone}",
        participant_name=f"Phone {phone} {name}",
        attributes={
            "sip.phoneNumber": phone,
            "sip.h.From": f'"{name}" <sip:{phone}@{person.get("ip_address", "")}>',
            "sip.h.P-Asserted-Identity": f"sip:{person.get('email', '')}",
            "sip.h.X-Record": person.get("mrn", ""),
            "sip.h.X-Fax": person.get("fax", ""),
            "sip.fromUser": phone,
        },
        job_metadata=" ".join(person.values()),
        log_texts=every,
        result_texts=[text for text in every if text not in ids],
        id_texts=[text for one in values if one.value == name for text in one.forms.get(IN_IDS, ())],
        voice_mark=voice[:_MARK_BYTES].hex(),
    )
