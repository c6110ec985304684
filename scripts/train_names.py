"""Trains the small model of names, in seconds, the same bytes each time: `python -m scripts.train_names --data DIR`.

A sentence is a template with names from the shipped lists, or a real turn of the training part in which somebody who
is spoken of got a name; sentences without names are real turns, and real turns with a word that may be a name in the
place of another. Each exists as written and as speech recognition writes it.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from math import exp, log
from pathlib import Path

from medagent.redaction.policy import Category
from medagent.redaction.text.cues import FUNCTION, SURE_TITLES
from medagent.redaction.text.found import Layer
from medagent.redaction.text.lexicon import Kind, lexicon
from medagent.redaction.text.names import Context, suspects
from medagent.redaction.text.reading import Mark, Reading
from scripts import HERE, OUT
from scripts.dialogues import TRAIN, turns

_SLOT = re.compile(r"\{([FLNCSW])\}('s|s)?")
_ROUNDS = 4
_TEMPLATE_COPIES = 150
_LEAST_SEEN = 3
_STRENGTH = 1e-6
_NAMED = re.compile(
    r"\b(he|she|him|my (?:husband|wife|son|daughter|mother|father|mom|dad|brother|sister)|the patient)\b", re.I
)
_NOT_HERE = re.compile(r"\b(?:her|his|their)\b", re.I)
Example = tuple[tuple[str, ...], bool]


class Names:
    """Names to fill in: most of them words that are also names, some that no list has as names."""

    def __init__(self, draw: random.Random) -> None:
        lists = lexicon()
        self._draw = draw
        self._all = {kind: sorted(n for n, kinds in lists.names.items() if kind in kinds) for kind in "flp"}
        also = [word for word, kind in lists.words.items() if kind is Kind.ALSO_A_NAME]
        self._also = {kind: sorted(w for w in also if kind in lists.names.get(w, "")) for kind in "flp"}
        self.also = sorted(also)
        self._any = sorted(
            w for w, kind in lists.words.items() if kind is Kind.ORDINARY and w not in FUNCTION and len(w) > 3
        )

    def one(self, kind: str) -> str:
        """A first name, last name or place."""
        of = self._draw.random()
        return self._draw.choice(
            self._also[kind] if of < 0.6 else self._all[kind] if of < 0.9 else self._any
        ).capitalize()

    def fill(self, slot: str) -> str:
        """What stands for a slot."""
        match slot:
            case "F":
                return self.one("f") if self._draw.random() < 0.8 else self.one("l")
            case "L":
                return self.one("l")
            case "N":
                return self._draw.choice(
                    [f"{self.one('f')} {self.one('l')}"] * 3
                    + [self.one("f"), f"{self.one('f')} {self.one('f')} {self.one('l')}"]
                )
            case "C":
                return self.one("p")
            case "S":
                return f"{self.one('l')} {self._draw.choice(('Street', 'Avenue', 'Road', 'Lane', 'Drive'))}"
            case _:
                return self._draw.choice(self.also)


def main() -> None:
    """Write `model.txt.gz` and print what was trained and how it does on the development part."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True, help="the directory of mts_dialog_train.csv")
    data = parser.parse_args().data
    draw = random.Random(20)  # noqa: S311  # for examples, not for secrets
    examples = [example for text, named in _sentences(data, draw) for example in _examples(text, named, draw)]
    draw.shuffle(examples)
    seen = Counter(feature for features, _ in examples for feature in features)
    examples = [(tuple(f for f in features if seen[f] >= _LEAST_SEEN), label) for features, label in examples]
    weights = _train(examples, draw)
    lines = sorted(f"{feature}\t{round(weight * 100)}" for feature, weight in weights.items() if abs(weight) >= 0.05)
    trained_on = hashlib.sha256("\n".join(f"{label} {features}" for features, label in examples).encode()).hexdigest()
    content = "\n".join((f"# sha256 of the training data: {trained_on}", *lines)).encode()
    (OUT / "model.txt.gz").write_bytes(gzip.compress(content, 9, mtime=0))
    print(f"{len(examples)} examples, {sum(label for _, label in examples)} names; {len(lines)} weights")  # noqa: T201  # a command tells what it did
    print(f"training data sha256 {trained_on}\nmodel sha256 {hashlib.sha256(content).hexdigest()}")  # noqa: T201  # a command tells what it did


def _sentences(data: Path, draw: random.Random) -> Iterator[tuple[str, set[int]]]:
    """Texts and the places (code points) where a name's word begins."""
    names = Names(draw)
    for template in _lines("templates") * _TEMPLATE_COPIES:
        yield _filled(template, names, draw)
    for template in _lines("not_names") * (_TEMPLATE_COPIES * 3):
        text, _ = _filled(template, names, draw)
        yield text, set()
    for _, turn in turns(data, TRAIN):
        for _ in range(2):
            yield turn, set()
        yield _with_a_word(turn, names, draw), set()
        yield _with_a_word(turn, names, draw), set()
        if _NAMED.search(turn) and not _NOT_HERE.search(turn):
            for _ in range(3):
                yield _with_a_name(turn, names)
        if draw.random() < 0.6:
            greeted = f"{draw.choice(('Hi', 'Okay', 'Well', 'Thanks', 'So', 'Yes', 'Hello', 'Good morning'))}"
            yield _placed(f"{greeted} ", names.fill("F"), f", {turn}" if draw.random() < 0.5 else f" {turn}")


def _lines(name: str) -> list[str]:
    text = (HERE / "words" / f"{name}.txt").read_text("utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def _filled(template: str, names: Names, draw: random.Random) -> tuple[str, set[int]]:
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
    """A turn in which a word that may be a name, but is none here, stands for one that carries meaning."""
    lists = lexicon()
    found = list(re.finditer(r"\b[a-z]{3,}\b", turn))
    places = [m for m in found if m.group() not in FUNCTION and lists.kind(m.group()) is Kind.ORDINARY]
    if not places:
        return turn
    place = draw.choice(places)
    return turn[: place.start()] + draw.choice(names.also) + turn[place.end() :]


def _with_a_name(turn: str, names: Names) -> tuple[str, set[int]]:
    """A turn in which somebody who is spoken of has a name, in the place of `he` or behind `my wife`."""
    place = _NAMED.search(turn)
    if place is None:
        return turn, set()
    before = turn[: place.start()] if len(place.group()) <= 3 else f"{turn[: place.end()]} "
    return _placed(before, names.fill("F"), turn[place.end() :])


def _placed(before: str, name: str, after: str) -> tuple[str, set[int]]:
    return before + name + after, {len(before)}


def _examples(text: str, named: set[int], draw: random.Random) -> Iterator[Example]:
    """Every word of a text that may be a name, with some of the others hidden as they will be."""
    if draw.random() < 0.6:
        text = re.sub(r"[.,?!](?=\s|$)", " ", text.lower()) if draw.random() < 0.8 else text.lower()
    reading = Reading(text, lexicon())
    wanted: list[int] = []
    asked = {*suspects(reading, unknown_too=False)}
    for at in suspects(reading, unknown_too=True):
        unit = reading.units[at]
        is_name = unit.start in named
        if is_name or at in asked:
            before = reading.units[at - 1].norm if at else ""
            if is_name or before not in SURE_TITLES | {"dr", "doctor", "."} or not text[unit.start].isupper():
                wanted.append(at)
        if is_name and draw.random() < 0.4:
            reading.put(at, at, Mark(Category.NAME, Layer.NAMES))
    context = Context(reading)
    for at in wanted:
        if not context.may_be(at):
            continue
        features = context.features(at)
        if draw.random() < 0.35:
            features = tuple(feature for feature in features if not feature.startswith(("w", "c", "k")))
        yield features, reading.units[at].start in named


def _train(examples: Sequence[Example], draw: random.Random) -> dict[str, float]:
    """Logistic regression by adaptive gradient steps."""
    weights: dict[str, float] = {}
    steps: dict[str, float] = {}
    order = list(range(len(examples)))
    loss = 0.0
    for turn in range(_ROUNDS):
        draw.shuffle(order)
        loss = 0.0
        for number in order:
            features, label = examples[number]
            score = sum([weights.get(feature, 0.0) for feature in features])
            probability = 1 / (1 + exp(-max(-30.0, min(30.0, score))))
            loss -= log(max(1e-9, probability if label else 1 - probability))
            error = probability - label
            for feature in features:
                weight = weights.get(feature, 0.0)
                gradient = error + _STRENGTH * len(examples) * weight * 0.01
                squared = steps[feature] = steps.get(feature, 1e-6) + gradient * gradient
                weights[feature] = weight - 0.3 * gradient / squared**0.5
        print(f"round {turn + 1}: loss {loss / len(examples):.4f}")  # noqa: T201  # a command tells what it did
    return weights


if __name__ == "__main__":
    main()
