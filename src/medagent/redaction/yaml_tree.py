"""YAML with the line of every value: plain data only, no key twice, no tag, and `on`, `off`, `no` are words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

import yaml

from medagent.errors import PolicyError
from medagent.proof import Json

_DEEPEST = 12
_MOST_VALUES = 20_000
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)", re.ASCII)
_FLOAT = re.compile(r"[-+]?[0-9]+\.[0-9]+([eE][-+]?[0-9]+)?", re.ASCII)
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


def read_yaml(text: str, file: str) -> Located:
    """Parse one document; raises `PolicyError` with file and line where it is not this plain kind of YAML."""
    try:
        root = yaml.compose(text, yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise PolicyError(f"{file}:{line}: not YAML: {error.problem or error.context}") from None
    except yaml.YAMLError:
        raise PolicyError(f"{file}:1: not YAML: a sign that cannot be read") from None
    if root is None:
        raise PolicyError(f"{file}:1: the policy is empty")
    return _Reader(file).read(root, root.start_mark.line + 1, 0)


class _Reader:
    """Counts what it reads, so that aliases can build neither a circle nor a bomb."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._read = 0

    def read(self, node: yaml.Node, line: int, depth: int) -> Located:
        """One value with all that is in it."""
        self._read += 1
        if depth > _DEEPEST or self._read > _MOST_VALUES:
            raise PolicyError(f"{self._file}:{line}: nested too deeply, or too many values")
        if not node.tag.startswith("tag:yaml.org,2002:") or node.tag.rpartition(":")[2] not in ("str", "map", "seq"):
            raise PolicyError(f"{self._file}:{line}: a tag is no part of the policy language")
        match node:
            case yaml.MappingNode():
                return Located(file=self._file, line=line, value=self._mapping(node, depth))
            case yaml.SequenceNode():
                return Located(
                    file=self._file,
                    line=line,
                    value=[self.read(item, item.start_mark.line + 1, depth + 1) for item in node.value],
                )
            case yaml.ScalarNode() if node.style is None:
                return Located(file=self._file, line=line, value=_scalar(str(node.value)))
            case _:
                return Located(file=self._file, line=line, value=str(node.value))

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Located]:
        items: dict[str, Located] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise PolicyError(f"{self._file}:{line}: a key is not a word")
            if key.value in items:
                raise PolicyError(f"{self._file}:{line}: the key {key.value!r} stands twice")
            items[key.value] = self.read(value, line, depth + 1)
        return items


def _scalar(text: str) -> str | int | float | bool | None:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
