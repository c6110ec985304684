"""Read SLURP: commands to a voice assistant in lower case, with annotated entities."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from bench.redaction.public.cases import Case, Place, PublicSet, case, date_kind, words
from bench.redaction.score import EMAIL, NAME, PLACE, Planted

KINDS = {"person": NAME, "place_name": PLACE, "email_address": EMAIL}
WORKS = frozenset(
    words(
        """artist_name audiobook_author audiobook_name business_name game_name list_name movie_name music_album
        news_topic playlist_name podcast_name radio_name song_name transport_agency transport_name app_name"""
    )
)
"""Names of organisations, artists and works, which are no identifiers of a caller."""
GENERIC = frozenset(
    words(
        """a_city airport another_city around_the_neighborhood around_town beach best_tourist_places bistro_italia
        bolshoi_theatre city convention_center disco disney_land disney_world dooa downtown earth east_coast est fjord
        german groomer home home_town homestead hometown house international jazz_bar library location long_island_bar
        mall_of_america metropolitan_opera_house metropolitan_theater movies musicworkz my_place nearest_location
        nearest_to_my_location office one_hundred_and_one pub pyramids railway_station red_lobster regal_cinema
        round_here state statue_of_liberty the_apt the_capital_city the_equator the_library the_mall
        the_rocky_mountains theater theaters theatres this_area this_city this_place town train_station turiellos
        vicinity walmart within_a_one_mile_radius within_one_mile within_ten_miles world yellow_stone_national_park
        yellowstone_national_park yosemite_park everest amazon_forest amazon players metion allearsnet"""
    )
)
"""Annotated places that are no place of a person (firms, landmarks, directions) and persons that are no names.

Chosen from the list of annotated values, before looking at what the layers did with them.
"""
_PRODUCT = re.compile(
    r"\b(?:olly|alexa|siri|cortana|google|wemo|bbc|cnn|gmail|uber|facebook|instagram|twitter|youtube|tumblr|roomba|nhl"
    r"|nba|nfl|nasa|pandora|spotify|itunes|kindle|(?:new york|washington|chicago|huffington) (?:times|post|tribune))\b",
    re.IGNORECASE,
)
"""Assistants, products, leagues and papers, which the set annotates in some sentences only."""
_ENTITY = re.compile(r"\[(\w+) : ([^\]]*)\]")


def read(root: Path) -> Iterator[Case]:
    """Yield each sentence of the development and test parts, once."""
    seen: set[str] = set()
    for path in sorted(root.glob("dataset/slurp/*.jsonl")):
        if path.stem not in ("devel", "test"):
            continue
        for line in path.read_text("utf-8").splitlines():
            row = json.loads(line)
            if row["sentence_annotation"] not in seen:
                seen.add(row["sentence_annotation"])
                yield parse(str(row["slurp_id"]), row["sentence_annotation"])


def parse(dialogue: str, annotated: str) -> Case:
    """Return a case from `text with [type : value] in it`."""
    text, at = "", 0
    parts: list[Planted] = []
    other: list[Place] = []
    for match in _ENTITY.finditer(annotated):
        text += annotated[at : match.start()]
        start, (label, value) = len(text), match.groups()
        text += value
        at = match.end()
        kind = date_kind(value) if label == "date" else KINDS.get(label)
        if kind and value.casefold().replace(" ", "_") not in GENERIC:
            parts.append(Planted(kind, start, len(text)))
        elif kind or label in WORKS:
            other.append((start, len(text)))
    text += annotated[at:]
    return case(dialogue, text, parts, [*other, *(match.span() for match in _PRODUCT.finditer(text))])


SLURP = PublicSet(
    name="slurp",
    repository="pswietojanski/slurp",
    licence="CC BY 4.0 (text)",
    needs="dataset/slurp/test.jsonl",
    read=read,
)
