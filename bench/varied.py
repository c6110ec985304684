"""Another call like a recorded one: other people, other times, other numbers, another order of what a tool returned.

Half of the people have names that are also ordinary words, words of machines or names of the clinic's own doctors and
places: where the door could take something clean for somebody.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

from bench.recorded import Recording
from medagent.clinic.confirmation import CONFIRMATION_ID
from medagent.pricing import Usage
from medagent.telemetry.events import (
    CallEvent,
    CallStarted,
    ConsentSettled,
    QualitySampled,
    ResponseFinished,
    ToolEnded,
    ToolStarted,
)

_FIRST = (
    *("Maren", "Tobias", "Ilse", "Perpetua", "Dashiell", "Ottilie", "Cornelius", "Philippa", "Zoë", "José", "Siân"),
    *("Wei", "Amara", "Henrik", "Priya", "Jean-Luc"),
)
_LAST = (
    *("Oldfield", "Wrenfield", "Marchetti", "Holloway", "Okonjo", "Ravenscroft", "Abernathy", "Stonebridge"),
    *("Brandt-Day", "Núñez", "Li", "O'Day", "Raman"),
)
_WORDS = (
    *("Will", "Hope", "May", "Grace", "Rose", "Mark", "Day", "Park", "Case", "Young", "Long", "Short", "Call"),
    *("English", "Summer", "August", "Joy", "Bill", "Rich", "Price", "Street", "View", "Harbor", "Main"),
    *("Lakeside", "America", "Chicago", "Monday", "Tool", "Reply", "Completed", "Clinic", "Archive", "Session"),
    *(
        "Amara",
        "End",
        "Start",
        "Ok",
        "Turn",
        "Azure",
        "Okafor",
        "Lindqvist",
        "Doctor",
        "Local",
        "Real",
        "Time",
        "Realtime",
    ),
    *("Model", "Ended", "Agent", "User", "Greeting", "Shutdown", "Limit", "None", "Null", "True", "Error", "Knee"),
    "Ann",
)
_DOCTORS = ("Dr. Amara Okafor", "Dr. Henrik Lindqvist", "Dr. Priya Raman")
_LOCATIONS = ("Lakeside Main Street", "Lakeside Harbor View")
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_SIGNS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CONFIRMATION = re.compile(r"LC-[0-9A-Z]{6}")
_DAY = re.compile(r"20(?:2[6-9]|3[0-9])-[0-9]{2}-[0-9]{2}")
_RECENT_US, _YEAR_US = 1_700_000_000_000_000, 31_557_600_000_000


def vary(recording: Recording, random: Random) -> list[CallEvent]:
    """The events of another call; the same seed makes the same call."""
    called_us = _RECENT_US + random.randrange(6 * _YEAR_US)
    write = _rewriting(recording.person, _somebody(random, called_us), random)
    stretch, last_ns, now_ns = random.uniform(0.3, 6.0), recording.events[0].at_ns, random.randrange(10**9, 10**15)
    scale = random.choice((0.1, 1.0, 1.0, 7.3, 1000.0))
    varied: list[CallEvent] = []
    for event in recording.events:
        now_ns += round((event.at_ns - last_ns) * stretch * random.uniform(0.5, 1.5))
        last_ns = event.at_ns
        changed = replace(event, seq=len(varied), at_ns=now_ns, **_changes(event, write, scale, random, called_us))
        varied.append(changed)
        if random.random() < 0.02:  # every fiftieth event
            varied.append(_quality(len(varied), now_ns, random))
        if random.random() < 0.01:
            varied.append(_consent(len(varied), now_ns))
    return varied


def _changes(
    event: CallEvent, write: Callable[[str], str], scale: float, random: Random, called_us: int
) -> dict[str, Any]:
    match event:
        case CallStarted():
            number = write(event.caller_number or "") or None
            room = (
                f"clinic_{number}_{random.randrange(16**8):08x}" if random.random() < 0.8 else write(event.room or "")
            )  # mostly
            return {
                "wall_us": called_us,
                "room": room,
                "participant": write(event.participant or "") or None,
                "caller_number": number,
            }
        case ToolStarted():
            return {"arguments": _reordered(write(event.arguments), random)}
        case ToolEnded(output=str() as output):
            return {"output": _reordered(write(output), random)}
        case ResponseFinished(usage=Usage() as usage):
            counts = {one.name: getattr(usage, one.name) for one in fields(usage)}
            scaled = {name: None if n is None else round(n * scale) for name, n in counts.items()}
            return {"usage": Usage(**scaled)}
        case _:
            return {}


def _quality(seq: int, at_ns: int, random: Random) -> QualitySampled:
    return QualitySampled(
        seq=seq,
        at_ns=at_ns,
        rtt_ms=round(random.expovariate(1 / 60), 3),
        jitter_ms=random.choice((None, 0.0, round(random.expovariate(1 / 8), 3))),
        packet_loss=random.choice((None, 0.0, round(random.random() ** 6, 5))),
    )


def _consent(seq: int, at_ns: int) -> ConsentSettled:
    return ConsentSettled(seq=seq, at_ns=at_ns, state="granted", method="spoken", script_version="1.0")


def _somebody(random: Random, called_us: int) -> dict[str, str]:
    """An invented person, with every field that a scenario's person may have."""
    first = random.choice(_FIRST if random.random() < 0.5 else _WORDS)  # half of them
    last = random.choice(_LAST if random.random() < 0.5 else _WORDS)  # half of them
    title = random.choice(("", "", "", "", "Mrs. ", "Dr. "))
    called = datetime.fromtimestamp(called_us / 1e6, UTC).date()
    born = called - timedelta(days=random.choice((0, 1, random.randrange(34_000), random.randrange(34_000))))
    records = (f"MRN-{random.randrange(10**7):07d}", str(random.randrange(2500)), f"LC-{random.randrange(10**6):06d}")
    road = f"{random.choice(_WORDS)} {random.choice(('Lane', 'Road', 'Street'))}"
    return {
        "patient_name": f"{title}{first} {last}",
        "phone": f"+1{random.choice('23456789')}{random.randrange(100):02d}55501{random.randrange(100):02d}",
        "email": re.sub(r"[^a-z.]", "", f"{first}.{last}".lower()) + "@example.com",
        "dob": born.isoformat(),
        "mrn": random.choice(records),
        "address": f"{random.randrange(1, 400)} {road}, Springfield",
    }


def _rewriting(old: Mapping[str, str], new: Mapping[str, str], random: Random) -> Callable[[str], str]:
    """A text of the recorded call as the other call has it: person, doctors, places, days, confirmations."""
    pairs = {was: becomes for name, value in old.items() for was, becomes in _forms(name, value, new.get(name, value))}
    doctors, locations = (list(names) for names in (_DOCTORS, _LOCATIONS))
    random.shuffle(doctors)
    random.shuffle(locations)
    pairs |= dict(zip(_DOCTORS, doctors, strict=True)) | dict(zip(_LOCATIONS, locations, strict=True))
    known = re.compile("|".join(re.escape(was) for was in sorted(pairs, key=len, reverse=True)))
    days = timedelta(days=random.randrange(-300, 1500))  # some of those days are a newborn's birthday
    confirmations: dict[str, str] = {}

    def confirmation(match: re.Match[str]) -> str:
        return confirmations.setdefault(match[0], _confirmation(random))

    def write(text: str) -> str:
        moved = _DAY.sub(lambda match: (date.fromisoformat(match[0]) + days).isoformat(), text)
        return known.sub(lambda match: pairs[match[0]], _CONFIRMATION.sub(confirmation, moved))

    return write


def _confirmation(random: Random) -> str:
    while not re.fullmatch(CONFIRMATION_ID, made := "LC-" + "".join(random.choices(_SIGNS, k=6))):
        pass
    return made


def _forms(name: str, was: str, becomes: str) -> list[tuple[str, str]]:
    """A value in the forms in which scenarios tell it."""
    forms = [(was, becomes), (was.upper(), becomes.upper()), (was.casefold(), becomes.casefold())]
    if name == "patient_name":
        first, last = becomes.split()[-2:]
        parted = was.split()
        whole = [part for part in parted if len(parted) == 2 or len(part) > 3]  # no particle, which other words hold
        parts = [(part, first if part == parted[0] else last) for part in whole]
        forms += [*parts, *((a.upper(), b.upper()) for a, b in parts), (_turned(was), _turned(becomes))]
    elif name == "email":
        forms.append((_aloud(was), _aloud(becomes)))
    else:
        forms += [(_digits(was), _digits(becomes)), (_spoken(was), _spoken(becomes))]
    return [(a, b) for a, b in forms if a]


def _turned(name: str) -> str:
    *rest, last = name.split()
    return f"{last}, {' '.join(rest)}"


def _aloud(email: str) -> str:
    return email.replace(".", " dot ").replace("@", " at ")


def _digits(value: str) -> str:
    digits = re.sub(r"\D", "", value)
    return digits if len(digits) >= 7 else ""  # fewer are in other numbers too


def _spoken(value: str) -> str:
    digits = re.sub(r"\D", "", value)
    return " ".join(_DIGITS[int(digit)] for digit in digits).replace("zero", "oh") if len(digits) >= 7 else ""


def _reordered(text: str, random: Random) -> str:
    """The same JSON with its keys and lists in another order; what is no JSON stays."""

    def order(value: Any) -> Any:
        if isinstance(value, dict):
            items = list(value.items())
            random.shuffle(items)
            return {key: order(inner) for key, inner in items}
        if isinstance(value, list):
            inner = [order(one) for one in value]
            random.shuffle(inner)
            return inner[: random.randrange(len(inner) + 1)]
        return value

    try:
        return json.dumps(order(json.loads(text)))
    except ValueError:
        return text
