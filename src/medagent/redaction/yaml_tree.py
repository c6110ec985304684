"""YAML with the line of every value: plain data only, no key twice, no tag, and `on`, `off`, `no` are words."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import yaml

from medagent import yaml_text
from medagent.errors import ConfigFileError, PolicyError
from medagent.proof import Json

_DEEPEST = 12
_MOST_VALUES = 20_000
_MOST_SIGNS = 4 * yaml_text.LARGEST_FILE
"""Code points of all texts, those behind an alias counted each time."""
_LONGEST_KEY = 40
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,17})", re.ASCII)
_FLOAT = re.compile(r"[-+]?[0-9]{1,30}\.[0-9]{1,30}([eE][-+]?[0-9]{1,4})?", re.ASCII)
_LARGEST = 2**53
"""The least whole number that JSON cannot hold in every language."""
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """A value, its file, and the line (from 1) where its key, or else itself, stands."""

    file: str
    line: int
    value: Value

    def plain(self) -> Json:
        """The value without its lines."""
        match self.value:
            case dict():
                return {key: item.plain() for key, item in self.value.items()}
            case list():
                return [item.plain() for item in self.value]
            case _:
                return self.value


Value: TypeAlias = "dict[str, Located] | list[Located] | str | int | float | bool | None"


def read_yaml_file(path: Path, *, note: Callable[[str], None] | None = None) -> Located:
    """Read and parse one document; raises `PolicyError` as `read_yaml`, or where the file is too large or not UTF-8."""
    try:
        text = yaml_text.read_text(path)
    except ConfigFileError as error:
        raise PolicyError(str(error)) from None
    return read_yaml(text, path.name, note=note)


def read_yaml(text: str, file: str, *, note: Callable[[str], None] | None = None) -> Located:
    """Parse one document; raises `PolicyError` with file and line where it is not this plain kind of YAML.

    Syntax and size end the reading. A key that repeats, a merge key and a tag go to `note`, one message each, and the
    tree is returned without them; without `note` they are raised.
    """
    builder = _Builder(file, yaml_text.events(text, file))
    try:
        root = builder.document()
    except ConfigFileError as error:
        raise PolicyError(str(error)) from None
    for problem in builder.problems:
        if note is None:
            raise PolicyError(problem, problems=builder.problems)
        note(problem)
    if root is None:
        raise PolicyError(f"{file}:1: the file is empty, expected keys and values")
    return root


@dataclass(frozen=True, slots=True, kw_only=True)
class _Built:
    """A value with what it weighs wherever an alias puts it."""

    tree: Located
    depth: int
    values: int
    signs: int


class _Builder:
    """Builds a tree of parse events; an alias counts as all that it stands for, so that it can build no bomb."""

    def __init__(self, file: str, events: Iterator[yaml.Event]) -> None:
        self._file = file
        self._events = events
        self._anchors: dict[str, _Built | None] = {}
        self._values = 0
        self._signs = 0
        self.problems: list[str] = []

    def document(self) -> Located | None:
        """The document's root; None for an empty file."""
        root: Located | None = None
        for event in self._events:
            if isinstance(event, yaml.NodeEvent):
                root = self._node(event, yaml_text.line_of(event), 0).tree
        return root

    def _node(self, event: yaml.NodeEvent, line: int, depth: int) -> _Built:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, line, depth)
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
            self._note(line, "a tag is no part of the policy language, expected plain values")
        if event.anchor is not None:
            if event.anchor in self._anchors:
                self._note(line, "an anchor is declared twice, expected another name")
            self._anchors[event.anchor] = None
        values, signs, deepest = self._values, self._signs, 0
        text = str(event.value) if isinstance(event, yaml.ScalarEvent) else ""
        self._spend(line, depth, values=1, signs=len(text))
        value: Value
        match event:
            case yaml.MappingStartEvent():
                value, deepest = self._mapping(depth)
            case yaml.SequenceStartEvent():
                value, deepest = self._sequence(depth)
            case _:
                is_plain = isinstance(event, yaml.ScalarEvent) and event.style is None
                value = _scalar(text) if is_plain else text
                if not _is_in_json(value):
                    self._note(line, "a number over 2**53 or not finite, expected one that JSON can hold")
                    value = text
        built = _Built(
            tree=Located(file=self._file, line=line, value=value),
            depth=deepest,
            values=self._values - values,
            signs=self._signs - signs,
        )
        if event.anchor is not None:
            self._anchors[event.anchor] = built
        return built

    def _alias(self, event: yaml.AliasEvent, line: int, depth: int) -> _Built:
        if event.anchor not in self._anchors:
            raise ConfigFileError(f"{self._file}:{line}: an alias without its anchor, expected the anchor before it")
        built = self._anchors[event.anchor]
        if built is None:
            raise ConfigFileError(f"{self._file}:{line}: an alias stands inside of its own anchor, expected it after")
        self._spend(line, depth + built.depth, values=built.values, signs=built.signs)
        return replace(built, tree=replace(built.tree, line=line))

    def _mapping(self, depth: int) -> tuple[dict[str, Located], int]:
        items: dict[str, Located] = {}
        deepest = 0
        while isinstance(event := next(self._events), yaml.NodeEvent):
            line = yaml_text.line_of(event)
            if not isinstance(event, yaml.ScalarEvent):
                raise ConfigFileError(f"{self._file}:{line}: a key is not a word, expected one")
            key = event.value
            if event.tag is not None or event.anchor is not None:
                self._note(line, "a key has a tag or an anchor, expected a plain word")
            self._spend(line, depth + 1, values=0, signs=len(key))
            built = self._node(_node_of(next(self._events)), line, depth + 1)
            deepest = max(deepest, built.depth + 1)
            if key == "<<" and event.style is None:
                self._note(line, "a merge key '<<' is not supported, expected every key written out")
            elif key in items:
                self._note(line, f"the key {_quoted(key)} stands twice, expected it once")
            else:
                items[key] = built.tree
        return items, deepest

    def _sequence(self, depth: int) -> tuple[list[Located], int]:
        items: list[Located] = []
        deepest = 0
        while isinstance(event := next(self._events), yaml.NodeEvent):
            built = self._node(event, yaml_text.line_of(event), depth + 1)
            items.append(built.tree)
            deepest = max(deepest, built.depth + 1)
        return items, deepest

    def _spend(self, line: int, depth: int, *, values: int, signs: int) -> None:
        self._values += values
        self._signs += signs
        if depth > _DEEPEST:
            raise ConfigFileError(f"{self._file}:{line}: nested too deeply, expected at most {_DEEPEST} levels")
        if self._values > _MOST_VALUES or self._signs > _MOST_SIGNS:
            raise ConfigFileError(f"{self._file}:{line}: too many values, expected at most {_MOST_VALUES}")

    def _note(self, line: int, problem: str) -> None:
        self.problems.append(f"{self._file}:{line}: {problem}")


def _node_of(event: yaml.Event) -> yaml.NodeEvent:
    """The event of a value; the parser yields one behind every key."""
    if not isinstance(event, yaml.NodeEvent):
        raise TypeError("a key without a value event")
    return event


def _quoted(key: str) -> str:
    return ascii(key) if len(key) <= _LONGEST_KEY else f"of {len(key)} characters"


def _is_in_json(value: Value) -> bool:
    match value:
        case int():
            return abs(value) < _LARGEST
        case float():
            return math.isfinite(value)
        case _:
            return True


def _scalar(text: str) -> str | int | float | bool | None:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
