"""Read the conversations that ServiceNow's EVA (evaluation of voice agents) publishes with its judges.

The utterances carry no spans. Identifiers are found by the values that the conversation's own tool calls name
(passengers, codes, e-mail addresses, phone numbers), in figures, letter by letter or in words, and by the set's own
list of key entities; dates and the cities of airports are found by their form.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from bench.redaction.public.cases import Case, Place, PublicSet, case, words
from bench.redaction.score import DATE, EMAIL, ID, NAME, PHONE, PLACE, Planted

_DIRECTORY = "docs/metrics/judge_validation_datasets"
_KEYS = {
    **dict.fromkeys(["first_name", "last_name", "name", "name_spelling"], NAME),
    "email": EMAIL,
    **dict.fromkeys(["phone", "area_code"], PHONE),
    **dict.fromkeys(
        words(
            """confirmation_number confirmation_code confirmation_phonetic ticket_number voucher_code credit_code
        refund_id reference_code refund_reference transfer_id"""
        ),
        ID,
    ),
}
_CITIES = """Los Angeles|San Francisco|Chicago|New York|Seattle|Boston|Denver|Dallas|Fort Worth|Miami|Atlanta|Washington
|Newark|Detroit|Raleigh|Durham|Austin|Phoenix|Minneapolis|Charlotte|Long Beach|Orlando|Las Vegas|Philadelphia|London
|Oakland|Little Rock|Savannah|Santa Ana|Jackson|Portland|Salt Lake City|San Jose|San Diego|Fayetteville|Honolulu
|San Antonio|Orange County|New York City
|LA|Birmingham|New Orleans|Nashville|St\\.? Louis|Sacramento|Huntsville|Houston|Queens""".replace("\n", "")
_CITY = re.compile(rf"\b(?:{_CITIES})\b")
_AIRPORT = re.compile(
    r"\b(?:LaGuardia|La Guardia|O['’ ]?Hare|Hobby|Midway|Love Field|Kennedy|Reagan|Logan|Heathrow|John Wayne"
    r"|[A-Z]{3}(?= to\b)|(?<=to )[A-Z]{3}|[A-Z](?: [A-Z]){2}(?= (?:to|and)\b)|LAX|SFO|ORD|JFK|SEA|BOS|DEN|DFW|MIA|ATL"
    r"|DCA|EWR|DTW|RDU|AUS|LGA|PHX|DAL|MSP|CLT|MCO|LAS|PHL)\b"
)
_LETTER = (
    "(?:[a-z]|alpha|bravo|charlie|delta|echo|foxtrot|golf|hotel|india|juliet|kilo|lima|mike|november|oscar|papa|quebec"
    "|romeo|sierra|tango|uniform|victor|whiskey|x-?ray|yankee|zulu)"
)
_FIGURE = r"(?:\d|zero|oh|one|two|three|four|five|six|seven|eight|nine|dash)"
_SPELLED = re.compile(
    rf"(?i)\b(?:{_FIGURE}[ .,-]+)*{_LETTER}\b(?:[ .,…-]+(?:{_LETTER}|{_FIGURE})\b){{2,}}"
    r"|\b\w+ as in \w+(?:-\w+)?"
)
"""Codes and names that are spelled and that no tool call names, also where the recogniser misheard them."""
_PRODUCT = re.compile(
    r"\b(?:Sky ?[Ww]ay|Sky|S ?K|Sierra (?:Kilo|Whiskey)|Southwest|Delta|United|American|Main Cabin|John F|Mastercard)\b"
)
_FLIGHT = re.compile(
    r"\b(?:flight|seat|gate|terminal|Southwest|SkyWay|S ?W|S K|[Ff]lights)(?: number| is|:)?"
    r"(?:[ -](?:[A-Z]{1,2}\b|\d+[A-Z]?|[A-Z]\d+|zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
    r"|(?:thir|four|fif|six|seven|eigh|nine)teen|(?:twen|thir|for|fif|six|seven|eigh|nine)ty|hundred|oh))+"
)
"""Flights, seats, gates and airports are no identifiers of a person; layers may remove them as codes."""
_DAY = (
    r"(?:\d{1,2}(?:st|nd|rd|th)?\b|(?:twenty|thirty)[ -](?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth"
    r"|one|two|three|four|five|six|seven|eight|nine)\b|[a-z]+teen(?:th)?\b|tenth|eleventh|twel(?:fth|ve)|twentieth"
    r"|thirtieth|first|second|third|fourth|fifth|sixth|seventh|eighth|ninth)"
)
_MONTH = "(?:January|February|March|April|May|June|July|August|September|October|November|December)"
_DATE = re.compile(
    rf"\b{_MONTH},? (?:the )?{_DAY}(?:,? (?:20\d\d|twenty twenty(?:[ -][a-z]+)?|two thousand [a-z -]+))?"
    rf"|\b{_DAY} of {_MONTH}\b|\b20\d\d-\d\d-\d\d\b"
)
_CAPITAL = re.compile(r"\b[A-Z][a-z]+\b")
_TOKEN = re.compile(r"[A-Za-z]+|\d+")
_DIGITS = {
    word: str(digit) for digit, word in enumerate(words("zero one two three four five six seven eight nine"))
} | {"oh": "0"}
_TEENS = dict(
    zip(
        words("ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"),
        map(str, range(10, 20)),
        strict=True,
    )
)
_ALPHABET = {
    word[0]: word
    for word in words(
        """alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa quebec
        romeo sierra tango uniform victor whiskey xray yankee zulu"""
    )
}
_LETTERS = {word: letter for letter, word in _ALPHABET.items()} | {"juliett": "j", "alfa": "a"}
_FEWEST = 3


def read(root: Path) -> Iterator[Case]:
    """Yield each utterance of agent and user, once."""
    seen: set[str] = set()
    directory = root / _DIRECTORY
    everybody = _everybody(directory)
    for name in ("faithfulness", "conversation_progression"):
        for row in _rows(directory / f"{name}.jsonl"):
            texts = [event["utterance"] for event in row["trace"] if "utterance" in event]
            values = _values(event.get(key) for event in row["trace"] for key in ("params", "response"))
            yield from _cases(texts, values, everybody, seen)
    for row in _rows(directory / "key_entity_transcription.jsonl"):
        for texts, key in ((row["user_tts"], "value"), (row["transcription"], "transcribed_value")):
            entities = (entity for label in row["labels"] for entity in label["entities"])
            named = ({entity["type"]: entity.get(key) or ""} for entity in entities)
            yield from _cases(texts, _values(named), everybody, seen)


def _everybody(directory: Path) -> frozenset[str]:
    """Return the names of all conversations: one that its own conversation does not list is not scored."""
    rows = [row for path in sorted(directory.glob("*.jsonl")) for row in _rows(path)]
    return frozenset(name.capitalize() for name in _values(rows)[NAME] if name.isalpha() and len(name) >= _FEWEST)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    yield from map(json.loads, path.read_text("utf-8").splitlines())


def _cases(
    texts: Iterable[str], values: dict[str, set[str]], everybody: frozenset[str], seen: set[str]
) -> Iterator[Case]:
    dialogue = " ".join(sorted(values[ID])) or " ".join(sorted(values[NAME])) or "unnamed"
    for text in map(str.strip, texts):
        if not text or text in seen:
            continue
        seen.add(text)
        parts: list[Planted] = [
            Planted(kind, *place)
            for kind, given in values.items()
            for value in given
            for place in said(text, kind, value)
        ]
        parts += [Planted(DATE, *match.span()) for match in _DATE.finditer(text)]
        names = [(part.start, part.end) for part in parts if part.kind == NAME]
        parts += [Planted(PLACE, *match.span()) for match in _CITY.finditer(text) if match.span() not in names]
        other = [
            match.span() for pattern in (_AIRPORT, _FLIGHT, _SPELLED, _PRODUCT) for match in pattern.finditer(text)
        ]
        other += [match.span() for match in _CAPITAL.finditer(text) if match.group() in everybody]
        yield case(dialogue, text, parts, [place for place in other if not _is_inside(place, parts)])


def _is_inside(place: Place, parts: Iterable[Planted]) -> bool:
    return any(part.start <= place[0] and place[1] <= part.end for part in parts)


def _values(objects: Iterable[object]) -> dict[str, set[str]]:
    """Return the values that tool calls or labels name, by kind."""
    values: dict[str, set[str]] = defaultdict(set)

    def walk(value: object) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                if isinstance(inner, str) and key in _KEYS:
                    values[_KEYS[key]] |= set(re.split(r"\s*[()/]\s*", inner))
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    for each in objects:
        walk(each)
    return values


def said(text: str, kind: str, value: str) -> Iterator[Place]:
    """Yield the places where a value is written, spelled or said in words.

    Args:
        text: The utterance.
        kind: The kind of the value.
        value: The value, as a tool call or a label has it.

    Yields:
        Start and end in code points.
    """
    if kind == EMAIL:
        pieces = [piece for piece in re.split(r"[^A-Za-z0-9]+|\b(?:dot|at)\b", value) if piece]
        if len(pieces) > 2:
            joined = r"(?:\s*(?:[.@_-]|dot|at|underscore)\s*)".join(map(re.escape, pieces))
            yield from (match.span() for match in re.finditer(joined, text, re.IGNORECASE))
        return
    if kind == NAME and len(value) >= _FEWEST and " " not in value:
        pattern = rf"\b(?:{re.escape(value.capitalize())}|{re.escape(value)}|{re.escape(value.upper())})\b"
        yield from (match.span() for match in re.finditer(pattern, text))
    wanted = "".join(_sign(word) for word in _TOKEN.findall(value)).upper()
    if len(wanted) >= _FEWEST and (kind != NAME or value.isalpha()):
        yield from _spelled(text, wanted.replace("O", "0"), letters=kind == NAME)
    if kind == PHONE and len(wanted) > 10:
        yield from _spelled(text, wanted[-10:], letters=False)


def _spelled(text: str, wanted: str, *, letters: bool) -> Iterator[Place]:
    """Yield runs of words that give `wanted` sign by sign."""
    tokens = [(_sign(match.group()), match.span()) for match in _TOKEN.finditer(text)]
    for first, (_, (start, _)) in enumerate(tokens):
        got = ""
        for sign, (_, end) in tokens[first:]:
            got += sign.upper().replace("O", "0")
            if not wanted.startswith(got):
                break
            if got == wanted:
                if not letters or (first + 1 < len(tokens) and tokens[first][1][1] - start == 1):
                    yield start, end
                break


def _sign(word: str) -> str:
    small = word.casefold()
    if small in _DIGITS:
        return _DIGITS[small]
    return _TEENS.get(small) or (_LETTERS[small] if small in _LETTERS and word[0].isupper() else word)


EVA = PublicSet(
    name="eva",
    repository="ServiceNow/eva",
    licence="MIT",
    needs=f"{_DIRECTORY}/*.jsonl",
    read=read,
)
