"""Trains the small model of names, in seconds, the same bytes each time: `python -m scripts.train_names --data DIR`.

A sentence is a template with names from the shipped lists, many of them of parts that are drawn anew
(`phrases.txt`), or a real turn of the training part in which somebody got a name; sentences without names are real
turns, and real turns with a word that may be a name, or a hidden one, in the place of another. Each exists as written
and as speech recognition writes it. Of some examples only the coarse kinds of the neighbours are learned.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from math import exp, log
from pathlib import Path

import simple_icd_10_cm

from medagent.redaction.policy import REDACTED, Category
from medagent.redaction.text.cues import FUNCTION, SURE_TITLES
from medagent.redaction.text.eponyms import read_eponyms
from medagent.redaction.text.found import Layer
from medagent.redaction.text.lexicon import Kind, lexicon, lines_of
from medagent.redaction.text.name_context import Context
from medagent.redaction.text.names import small_suspects, suspects
from medagent.redaction.text.reading import Mark, Reading
from scripts import HERE, OUT
from scripts.dialogues import TRAIN, notes, turns

_SLOT = re.compile(r"\{([FLNCSWDX])\}('s|s)?")
_PART = re.compile(r"<([a-z]+)>")
_SMALL_WORD = re.compile(
    r"\b(?:to|in|on|or|so|no|can|do|he|she|her|my|the|and|for|with|is|was|has|that|but|we|i|you|at|from)\b"
)
_ROUNDS = 4
_AVERAGED = 2
"""Rounds, the last ones, whose weights are averaged at each half: what a draw adds by chance is halved."""
_TERMS, _LONGEST_TERM = 6_000, 50
_TERM_SENTENCES = (
    "{}",
    "i have {}",
    "could this be {}",
    "he was diagnosed with {} in the fall",
    "history of {}",
    "my mother had {}",
    "is it {} or not",
    "they said {}",
    "for {} i think",
    "it's {}",
    "what is {}",
    "a {}",
    "the {} got worse",
)
_UNKNOWN_LEFT_OUT = 0.9
"""Words of no list that are no names are few where everybody's words are listed: most that are asked are names."""
_MOST_EXAMPLES = 750_000
_UNKNOWN = "Zxqvan"
"""A name that no list has."""
_JOON = "Zhoon"
"""A syllable that no list has."""
_TEMPLATE_COPIES = 90
_RUNS_ON = 0.45
_LEAST_SEEN = 13
_WITHOUT_NEIGHBOURS = 0.2
"""Examples that are learned by the kinds of the neighbours alone, for the words that are beside no name here."""
_LEAST_WEIGHT = 0.28
_STRENGTH = 1e-6
_LEARNED = 0.002
"""An example that is judged so closely teaches nothing more."""
_KIN = "husband|wife|son|daughter|mother|father|mom|dad|brother|sister|uncle|aunt|cousin|friend|partner|grandmother"
_PAST = (
    r"was|had|took|went|got|felt|fell|could|can|will|would|should|saw|said|told|came|ate|woke|hurt|lost|gave|made|did"
    r"|didn't|couldn't|wasn't|can't|won't|wouldn't|thought|kept|left|slept|broke|cut|hit|ran|[a-z]{2,}ed"
)
_NAMED = re.compile(
    rf"\b(?P<person>he|she|him|they|them|(?:the )?patient|i(?= (?:{_PAST})\b)"
    rf"|(?<=[dD]id )you|(?<=[cC]an )you|(?<=[wW]as )he|(?<=[iI]s )he|(?<=[iI]s )she)\b(?!')"
    rf"|\b(?P<kin>(?:my|his|her|your|our) (?:{_KIN}))\b(?!')"
    rf"|\b(?P<whose>(?:his|her|my|your)(?= [a-z]+ (?:is|was|has|hurts)\b))"
    rf"|(?<=[a-z] )(?P<object>me)\b(?!')|\b(?P<short>he|she)(?='s\b)",
    re.I,
)
Example = tuple[tuple[str, ...], bool]


class Names:
    """Names to fill in: most of them words that are also names, some that no list has as names."""

    def __init__(self, draw: random.Random) -> None:
        lists = lexicon()
        self._draw = draw
        self._all = {kind: sorted(n for n, kinds in lists.names.items() if kind in kinds) for kind in "flp"}
        also = [word for word, kind in lists.words.items() if kind is Kind.ALSO_A_NAME]
        self._also = {kind: sorted(w for w in also if kind in lists.names.get(w, "")) for kind in "flp"}
        self._rare = {
            kind: sorted(w for w in lists.asked if set(kinds) & set(lists.names[w]))
            for kind, kinds in (("f", "fg"), ("l", "lm"), ("p", "p"))
        }
        self._rare["p"] = self._also["p"]
        self.also = sorted({*also, *lists.asked})
        self._any = sorted(
            w for w, kind in lists.words.items() if kind is Kind.ORDINARY and w not in FUNCTION and len(w) > 3
        )
        self._syllables = sorted(w for w in lists.asked | lists.small_names if "s" in lists.names[w])
        self._small = sorted(lists.small_names)
        self._function = frozenset(self._small) - {"an", "ah", "oh", "ok", "um", "son", "best", "said", "mine"}
        self._weights = [_weight(lists.names[word]) for word in self._small]
        self._said = sorted(w for w in lists.asked if {"c", "d"} & set(lists.names[w]))
        drugs = _words_of("drugs")
        self._borne_drugs = sorted(drugs & lists.asked)
        self.drugs = [*self._borne_drugs * 4, *sorted(drugs & lists.words.keys())]
        clinical = (word for line in lines_of("clinical")[3:] for word in line.split())
        self._brands = [word.removesuffix("?") for word in clinical if word.endswith("?")]

    def one(self, kind: str) -> str:
        """A first name, last name or place."""
        of = self._draw.random()
        if of < 0.03 and kind != "p":
            found = self._draw.choice(self._borne_drugs if of < 0.01 else self._brands)
        elif of < 0.34:
            found = self._draw.choice(self._also[kind])
        elif of < 0.64:
            found = self._draw.choice(self._rare[kind])
        elif of < 0.88:
            found = self._draw.choice(self._all[kind])
        elif of < 0.95 or kind == "p":
            found = self._draw.choice(self._any)
        else:
            found = self._draw.choice(self._syllables)
        return found.capitalize()

    def small(self) -> str:
        """A small word that somebody bears as a name, more often one that many bear."""
        return self._draw.choices(self._small, self._weights)[0]

    def syllables(self) -> str:
        """A whole name or a given name of syllables, some of which are small words, most beside an unknown one."""
        draw = self._draw
        parts = [
            self.small() if draw.random() < 0.4 else draw.choice(self._syllables) if draw.random() < 0.6 else _JOON
            for _ in range(draw.choice((1, 2, 2, 3)))
        ]
        if draw.random() < 0.8:
            family = draw.choice(self._all["l"]) if draw.random() < 0.5 else draw.choice((_UNKNOWN, _JOON))
            before = draw.random() < (0.2 if parts[-1] in self._function else 0.5)
            parts.insert(0 if before else len(parts), family)
        return " ".join(part.capitalize() for part in parts)

    def fill(self, slot: str) -> str:
        """Return the text that fills a slot."""
        draw = self._draw
        match slot:
            case "F":
                if (of := draw.random()) < 0.1:
                    return self.small().capitalize() if of < 0.015 else self.syllables()
                return self.one("f") if draw.random() < 0.8 else self.one("l")
            case "L":
                if draw.random() < 0.08:
                    return draw.choice(self._syllables).capitalize()
                return self.small().capitalize() if draw.random() < 0.03 else self.one("l")
            case "N":
                if draw.random() < 0.25:
                    return self.syllables()
                if draw.random() < 0.06:
                    return f"{self.one('f')} {self.small().capitalize()}"
                return draw.choice(
                    [f"{self.one('f')} {self.one('l')}"] * 3
                    + [self.one("f"), f"{self.one('f')} {self.one('f')} {self.one('l')}"]
                )
            case "C":
                return self.one("p")
            case "S":
                return f"{self.one('l')} {draw.choice(('Street', 'Avenue', 'Road', 'Lane', 'Drive'))}"
            case "D":
                return draw.choice(self.drugs if draw.random() < 0.6 else self._brands)
            case "X":
                return REDACTED
            case _:
                return draw.choice(self._said if draw.random() < 0.3 else self.also)


def main() -> None:
    """Write `model.txt.gz` and print what was trained and how it does on the development part."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True, help="the directory of mts_dialog_train.csv")
    data = parser.parse_args().data
    draw = random.Random(20)  # noqa: S311  # for examples, not for secrets
    shared: dict[str, str] = {}
    examples = [
        (tuple(shared.setdefault(feature, feature) for feature in features), label)
        for text, named in _sentences(data, draw)
        for features, label in _examples(text, named, draw)
    ]
    shared.clear()
    draw.shuffle(examples)
    examples = examples[:_MOST_EXAMPLES]
    seen = Counter(feature for features, _ in examples for feature in features)
    examples = [(tuple(f for f in features if seen[f] >= _LEAST_SEEN), label) for features, label in examples]
    weights = _train(examples, draw)
    lines = sorted(
        f"{feature}\t{round(weight * 100)}" for feature, weight in weights.items() if abs(weight) >= _LEAST_WEIGHT
    )
    trained_on = hashlib.sha256("\n".join(f"{label} {features}" for features, label in examples).encode()).hexdigest()
    content = "\n".join((f"# sha256 of the training data: {trained_on}", *lines)).encode()
    (OUT / "model.txt.gz").write_bytes(gzip.compress(content, 9, mtime=0))
    print(f"{len(examples)} examples, {sum(label for _, label in examples)} names; {len(lines)} weights")  # noqa: T201  # a command tells what it did
    print(f"training data sha256 {trained_on}\nmodel sha256 {hashlib.sha256(content).hexdigest()}")  # noqa: T201  # a command tells what it did


def _sentences(data: Path, draw: random.Random) -> Iterator[tuple[str, set[int]]]:
    """Texts and the places (code points) where a name's word begins."""
    names = Names(draw)
    talk = [turn for _, turn in turns(data, TRAIN)]
    for template in _lines("templates") * _TEMPLATE_COPIES:
        text, named = _filled(template, names, draw)
        yield _run_on(text, named, draw.choice(talk), draw) if draw.random() < _RUNS_ON else (text, named)
    for template in _lines("not_names") * _TEMPLATE_COPIES:
        text, _ = _filled(template, names, draw)
        yield text, set()
    for term in draw.sample(_terms(), _TERMS):
        yield draw.choice(_TERM_SENTENCES).format(term), set()
    for note in notes(data, TRAIN):
        for sentence in re.split(r"(?<=[.!?])\s+", note):
            yield sentence, set()
            yield _with_a_word(sentence, names, draw), set()
            yield _with_a_name(sentence, names, draw)
    for _, turn in turns(data, TRAIN):
        for _ in range(2):
            yield turn, set()
        for _ in range(3):
            yield _with_a_word(turn, names, draw), set()
        yield _with_a_gap(turn, draw), set()
        for _ in range(min(4, sum(1 for _ in _NAMED.finditer(turn)))):
            yield _with_a_name(turn, names, draw)
        if draw.random() < 0.6:
            greeted = f"{draw.choice(('Hi', 'Okay', 'Well', 'Thanks', 'So', 'Yes', 'Hello', 'Good morning'))}"
            yield _placed(f"{greeted} ", names.fill("F"), f", {turn}" if draw.random() < 0.5 else f" {turn}")


def _run_on(text: str, named: set[int], said: str, draw: random.Random) -> tuple[str, set[int]]:
    """A sentence with another, or a part of it, before or behind it: people go on without a stop."""
    cut = draw.choice([word.start() for word in _SMALL_WORD.finditer(said)] or [0]) if draw.random() < 0.6 else None
    if draw.random() < 0.65:
        return f"{text.rstrip('.?')} {said[cut or 0 :]}", named
    before = said[:cut].rstrip(" .?!,")
    return f"{before} {text}", {len(before) + 1 + at for at in named}


def _terms() -> list[str]:
    """Descriptions of ICD-10-CM without a name in them, short ones, as somebody might say them."""
    texts = {simple_icd_10_cm.get_description(code) for code in simple_icd_10_cm.get_all_codes()}
    texts = {text.partition(",")[0] for text in texts}
    return sorted(text[0].lower() + text[1:] for text in texts if len(text) < _LONGEST_TERM and text[1:].islower())


def _weight(kinds: str) -> int:
    """Return the weight with which a small word is drawn as a name, from the number of people who have it."""
    return 4 if "f" in kinds or "l" in kinds else 2 if "g" in kinds else 1


def _words_of(name: str) -> set[str]:
    return {word for line in _lines(name) for word in line.split()}


def _lines(name: str) -> list[str]:
    text = (HERE / "words" / f"{name}.txt").read_text("utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@cache
def _phrases() -> dict[str, list[str]]:
    """The parts of sentences by name; a line without a bar has a word a part."""
    found: dict[str, list[str]] = {}
    for line in _lines("phrases"):
        name, _, parts = line.partition(": ")
        found.setdefault(name, []).extend(parts.split("|") if "|" in parts else parts.split())
    return found


def _filled(template: str, names: Names, draw: random.Random) -> tuple[str, set[int]]:
    while _PART.search(template):
        template = _PART.sub(lambda part: draw.choice(_phrases()[part[1]]), template)
    text, at, named = "", 0, set[int]()
    for slot in _SLOT.finditer(template):
        text += template[at : slot.start()]
        value = names.fill(slot[1])
        named |= {len(text) + word.start() for word in re.finditer(r"\S+", value) if word.group() not in _STREET_WORDS}
        text += value + (slot[2] or "")
        at = slot.end()
    text += template[at:]
    if draw.random() < 0.5:
        text = text[0].upper() + re.sub(r"\bi\b", "I", text[1:]) + draw.choice((".", "", "?", "."))
    return text, named


_STREET_WORDS = ("Street", "Avenue", "Road", "Lane", "Drive")


def _with_a_word(turn: str, names: Names, draw: random.Random) -> str:
    """A turn in which a word that may be a name, but is none here, replaces one that carries meaning."""
    lists = lexicon()
    found = list(re.finditer(r"\b[a-z]{3,}\b", turn))
    places = [m for m in found if m.group() not in FUNCTION and lists.kind(m.group()) is Kind.ORDINARY]
    if not places:
        return turn
    place = draw.choice(places)
    return turn[: place.start()] + draw.choice(names.also) + turn[place.end() :]


def _with_a_gap(turn: str, draw: random.Random) -> str:
    """A turn of which one word, whichever it is, was hidden."""
    places = list(re.finditer(r"[\w']+", turn))
    if not places:
        return turn
    place = draw.choice(places)
    return turn[: place.start()] + REDACTED + turn[place.end() :]


def _with_a_name(turn: str, names: Names, draw: random.Random) -> tuple[str, set[int]]:
    """A turn in which somebody has a name, in the place of `he`, `his` or `me`, or behind `my wife`."""
    places = list(_NAMED.finditer(turn))
    if not places:
        return turn, set()
    place = draw.choice(places)
    is_kin = place.lastgroup == "kin" and draw.random() < 0.7
    before = f"{turn[: place.end()]} " if is_kin else turn[: place.start()]
    name = names.fill("N" if draw.random() < 0.25 else "F")
    text = before + name + ("'s" if place.lastgroup == "whose" else "") + turn[place.end() :]
    return text, {len(before) + word.start() for word in re.finditer(r"\S+", name)}


def _placed(before: str, name: str, after: str) -> tuple[str, set[int]]:
    return before + name + after, {len(before)}


def _examples(text: str, named: set[int], draw: random.Random) -> Iterator[Example]:
    """Every word of a text that may be a name, with some of the others hidden as they will be."""
    if draw.random() < 0.6:
        text = re.sub(r"[.,?!](?=\s|$)", " ", text.lower()) if draw.random() < 0.8 else text.lower()
        text = text.replace(REDACTED.lower(), REDACTED)
    reading = Reading(text, lexicon())
    read_eponyms(reading)
    wanted: list[int] = []
    for at in suspects(reading):
        unit = reading.units[at]
        is_name = unit.start in named
        before = reading.units[at - 1].norm if at else ""
        if not is_name and reading.kinds[at] is Kind.UNKNOWN and draw.random() < _UNKNOWN_LEFT_OUT:
            continue
        if is_name or before not in SURE_TITLES | {"dr", "doctor", "."} or not text[unit.start].isupper():
            wanted.append(at)
        if is_name and (reading.kinds[at] is Kind.UNKNOWN or draw.random() < 0.4):
            reading.put(at, at, Mark(Category.NAME if draw.random() < 0.6 else Category.IDENTIFIER, Layer.NAMES))
        elif not is_name and draw.random() < 0.04:
            reading.put(at, at, Mark(Category.IDENTIFIER, Layer.NAMES))
    small = small_suspects(reading)
    context = Context(reading)
    for at in (*wanted, *small):
        if not context.may_be(at):
            continue
        features = context.seen(at).features()
        often = "c" in reading.lists.name_kinds(reading.norms[at])
        if draw.random() < (0.05 if often else 0.35):
            features = tuple(feature for feature in features if feature[:2] not in _OF_THE_WORD)
        elif draw.random() < _WITHOUT_NEIGHBOURS:
            features = tuple(feature for feature in features if feature[:2] in _OF_THE_GROUPS)
        yield features, reading.units[at].start in named


_OF_THE_WORD = frozenset(("w ", "c ", "k ", "wl", "wr"))
_OF_THE_GROUPS = frozenset(("bi", "w ", "c ", "k ", "H ", "I ", "J ", "n "))


def _train(examples: Sequence[Example], draw: random.Random) -> dict[str, float]:
    """Logistic regression by adaptive gradient steps."""
    numbers: dict[str, int] = {}
    rows = [
        (tuple(numbers.setdefault(feature, len(numbers)) for feature in features), label)
        for features, label in examples
    ]
    weights, steps = [0.0] * len(numbers), [1e-6] * len(numbers)
    decay = _STRENGTH * len(rows) * 0.01
    half, sums, parts = len(rows) // 2, [0.0] * len(numbers), 0
    for turn in range(_ROUNDS):
        draw.shuffle(rows)
        loss = 0.0
        for done, (features, label) in enumerate(rows, 1):
            if turn >= _ROUNDS - _AVERAGED and done in (half, len(rows)):
                sums, parts = [total + weight for total, weight in zip(sums, weights, strict=True)], parts + 1
            score = sum([weights[feature] for feature in features])
            probability = 1 / (1 + exp(-max(-30.0, min(30.0, score))))
            loss -= log(max(1e-9, probability if label else 1 - probability))
            error = probability - label
            if abs(error) < _LEARNED:
                continue
            for feature in features:
                weight = weights[feature]
                gradient = error + decay * weight
                steps[feature] += gradient * gradient
                weights[feature] = weight - 0.3 * gradient / steps[feature] ** 0.5
        print(f"round {turn + 1}: loss {loss / len(rows):.4f}", flush=True)  # noqa: T201  # a command tells what it did
    return {feature: sums[number] / parts for feature, number in numbers.items()}


if __name__ == "__main__":
    main()
