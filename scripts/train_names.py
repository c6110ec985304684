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

import simple_icd_10_cm

from medagent.redaction.policy import REDACTED, Category
from medagent.redaction.text.cues import FUNCTION, SURE_TITLES
from medagent.redaction.text.eponyms import read_eponyms
from medagent.redaction.text.found import Layer
from medagent.redaction.text.lexicon import Kind, lexicon
from medagent.redaction.text.names import Context, small_suspects, suspects
from medagent.redaction.text.reading import Mark, Reading
from scripts import HERE, OUT
from scripts.dialogues import TRAIN, notes, turns

_SLOT = re.compile(r"\{([FLNCSWDX])\}('s|s)?")
_SMALL_WORD = re.compile(
    r"\b(?:to|in|on|or|so|no|can|do|he|she|her|my|the|and|for|with|is|was|has|that|but|we|i|you|at|from)\b"
)
_ROUNDS = 4
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
_MOST_EXAMPLES = 500_000
_UNKNOWN = "Zxqvan"
"""A name that no list has."""
_TEMPLATE_COPIES = 90
_RUNS_ON = 0.45
_LEAST_SEEN = 13
_STRENGTH = 1e-6
_LEARNED = 0.002
"""An example that is judged so closely teaches nothing more."""
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
        drugs = _words_of("drugs")
        self.drugs = [*sorted(drugs & lists.asked) * 4, *sorted(drugs & lists.words.keys())]

    def one(self, kind: str) -> str:
        """A first name, last name or place."""
        of = self._draw.random()
        if of < 0.34:
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

    def syllables(self) -> str:
        """A whole name or a given name of syllables, some of which are small words, most beside an unknown one."""
        draw = self._draw
        parts = [
            draw.choice(self._small) if draw.random() < 0.4 else draw.choice(self._syllables)
            for _ in range(draw.choice((1, 2, 2, 3)))
        ]
        if draw.random() < 0.8:
            family = draw.choice(self._all["l"]) if draw.random() < 0.5 else _UNKNOWN
            before = draw.random() < (0.2 if parts[-1] in self._function else 0.5)
            parts.insert(0 if before else len(parts), family)
        return " ".join(part.capitalize() for part in parts)

    def fill(self, slot: str) -> str:
        """What stands for a slot."""
        draw = self._draw
        match slot:
            case "F":
                if draw.random() < 0.08:
                    return self.syllables()
                return self.one("f") if draw.random() < 0.8 else self.one("l")
            case "L":
                return draw.choice(self._small).capitalize() if draw.random() < 0.03 else self.one("l")
            case "N":
                if draw.random() < 0.25:
                    return self.syllables()
                if draw.random() < 0.06:
                    return f"{self.one('f')} {draw.choice(self._small).capitalize()}"
                return draw.choice(
                    [f"{self.one('f')} {self.one('l')}"] * 3
                    + [self.one("f"), f"{self.one('f')} {self.one('f')} {self.one('l')}"]
                )
            case "C":
                return self.one("p")
            case "S":
                return f"{self.one('l')} {draw.choice(('Street', 'Avenue', 'Road', 'Lane', 'Drive'))}"
            case "D":
                return draw.choice(self.drugs)
            case "X":
                return REDACTED
            case _:
                return draw.choice(self.also)


def main() -> None:
    """Write `model.txt.gz` and print what was trained and how it does on the development part."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True, help="the directory of mts_dialog_train.csv")
    data = parser.parse_args().data
    draw = random.Random(20)  # noqa: S311  # for examples, not for secrets
    examples = [example for text, named in _sentences(data, draw) for example in _examples(text, named, draw)]
    draw.shuffle(examples)
    examples = examples[:_MOST_EXAMPLES]
    seen = Counter(feature for features, _ in examples for feature in features)
    examples = [(tuple(f for f in features if seen[f] >= _LEAST_SEEN), label) for features, label in examples]
    weights = _train(examples, draw)
    lines = sorted(f"{feature}\t{round(weight * 100)}" for feature, weight in weights.items() if abs(weight) >= 0.25)
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
    for _, turn in turns(data, TRAIN):
        for _ in range(2):
            yield turn, set()
        for _ in range(3):
            yield _with_a_word(turn, names, draw), set()
        if _NAMED.search(turn) and not _NOT_HERE.search(turn):
            for _ in range(3):
                yield _with_a_name(turn, names)
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


def _words_of(name: str) -> set[str]:
    return {word for line in _lines(name) for word in line.split()}


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
        yield features, reading.units[at].start in named


_OF_THE_WORD = frozenset(("w ", "c ", "k ", "wl", "wr"))


def _train(examples: Sequence[Example], draw: random.Random) -> dict[str, float]:
    """Logistic regression by adaptive gradient steps."""
    numbers: dict[str, int] = {}
    rows = [
        (tuple(numbers.setdefault(feature, len(numbers)) for feature in features), label)
        for features, label in examples
    ]
    weights, steps = [0.0] * len(numbers), [1e-6] * len(numbers)
    decay = _STRENGTH * len(rows) * 0.01
    for turn in range(_ROUNDS):
        draw.shuffle(rows)
        loss = 0.0
        for features, label in rows:
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
    return {feature: weights[number] for feature, number in numbers.items()}


if __name__ == "__main__":
    main()
