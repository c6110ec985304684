"""Read the Schema-Guided Dialogue set: slot spans of users and systems in written chat."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.redaction.public.cases import Case, Place, PublicSet, case, date_kind, elsewhere, words
from bench.redaction.score import ADDRESS, NAME, PHONE, PLACE, Planted

KINDS = {
    **dict.fromkeys(["address", "address_of_location", "street_address", "venue_address"], ADDRESS),
    **dict.fromkeys(
        words(
            """actors cast starring directed_by director contact_name receiver recipient_name therapist_name
        doctor_name dentist_name"""
        ),
        NAME,
    ),
    "phone_number": PHONE,
    **dict.fromkeys(
        words(
            """area city city_of_event destination_city from_city from_location from location origin_city pickup_city
        to to_city to_location where_to origin_airport destination_airport origin destination_airport_name
        origin_airport_name"""
        ),
        PLACE,
    ),
}
ORDINARY = frozenset(
    words(
        """account_balance amount appointment_time approximate_ride_duration average_rating arrival_time category
        departure_time fare genre humidity inbound_arrival_time inbound_departure_time journey_start_time
        leaving_time alarm_time new_alarm_time number_of_days outbound_arrival_time outbound_departure_time
        percent_rating pickup_time precipitation price price_per_day price_per_night price_per_ticket rating
        aggregate_rating rent ride_fare show_time stay_length subcategory temperature time total total_price
        transfer_amount transfer_time wait_time wind"""
    )
)
"""Slots whose words are no identifier: times of day, prices, measures and counts stay."""
_HOUSE = re.compile(r"\d+\s")
_PRACTICE = re.compile(
    r"(?i)\b(?:psych\w*|counsel\w*|children['’]?s|cent(?:er|re)|clinic|therapy|health|horizons|services)\b"
)
"""Slots of therapists name practices too."""


def read(root: Path) -> Iterator[Case]:
    """Yield each utterance of the test and development parts."""
    for path in sorted(path for part in ("dev", "test") for path in root.glob(f"{part}/dialogues_*.json")):
        for dialogue in json.loads(path.read_text("utf-8")):
            yield from _cases(f"{path.parent.name}/{dialogue['dialogue_id']}", dialogue)


def _cases(name: str, dialogue: dict[str, Any]) -> Iterator[Case]:
    turns = [_turn(turn) for turn in dialogue["turns"]]
    values = {text[start:end] for text, parts, other in turns for start, end in (*_places(parts), *other)}
    values |= set(_airlines(dialogue))
    for text, parts, other in turns:
        taken = [*parts, *(Planted("", *place) for place in other)]
        yield case(name, text, parts, [*other, *elsewhere(text, values, taken)])


def _turn(turn: dict[str, Any]) -> tuple[str, list[Planted], list[Place]]:
    """Return a turn's text, its identifiers and the names of organisations and works in it."""
    text = str(turn["utterance"])
    parts: list[Planted] = []
    other: list[Place] = []
    for frame in turn["frames"]:
        for slot in frame["slots"]:
            if "start" not in slot:
                continue
            name, place = slot["slot"], (slot["start"], slot["exclusive_end"])
            if "date" in name:
                kind = date_kind(text[slice(*place)])
            elif name == "destination":
                kind = ADDRESS if _HOUSE.match(text[slice(*place)]) else None
            else:
                kind = None if _PRACTICE.search(text, *place) else KINDS.get(name)
            if kind:
                parts.append(Planted(kind, *place))
            elif name not in ORDINARY and "date" not in name:
                other.append(place)
    return text, parts, other


def _airlines(dialogue: dict[str, Any]) -> Iterator[str]:
    """Yield the names of airlines, which the set annotates without a span."""
    for turn in dialogue["turns"]:
        for frame in turn["frames"]:
            for action in frame["actions"]:
                if action["slot"] == "airlines":
                    yield from action["values"]


def _places(parts: list[Planted]) -> Iterator[Place]:
    yield from ((part.start, part.end) for part in parts)


SGD = PublicSet(
    name="sgd",
    repository="google-research-datasets/dstc8-schema-guided-dialogue",
    licence="CC BY-SA 4.0",
    needs="test/dialogues_*.json",
    read=read,
)
