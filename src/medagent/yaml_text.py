"""YAML that a person wrote: text from a file and its parse events, bounded before anything is built of them.

PyYAML composes recursively and scans brackets in quadratic time, so depth and number are counted while it reads.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from importlib.resources.abc import Traversable
from pathlib import Path

import yaml

from medagent.errors import ConfigFileError
from medagent.file_access import FileSizeError, read_file

LARGEST_FILE = 512 * 1024
"""Bytes of a file; the packaged policy has 27,000."""
DEEPEST = 24
"""Lists and mappings inside of one another."""
MOST_VALUES = 20_000
LONGEST_SCALAR = 8_192
"""Code points of one text."""
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_INVISIBLE = re.compile("[\u00a0\u00ad\u1680\u180e\u2000-\u200f\u2028\u2029\u202a-\u202f\u205f-\u2064\u3000\ufeff]")
_SENTENCES = {
    "character '\\t'": "a tab, expected spaces",
    "mapping values are not allowed": "a ':' where no value can begin, expected one 'key: value' a line, or quotes",
    "could not find expected ':'": "a line without ':', expected 'key: value'",
    "expected <block end>": "the indentation is wrong, expected the items of one mapping or list in one column",
    "expected ',' or": "brackets are not closed, expected ',' or the closing bracket",
    "end of stream": "a quote or a bracket is not closed, expected its end",
}


def read_text(path: Path | Traversable) -> str:
    """Return the text of a file in UTF-8, a byte order mark left out.

    Raises:
        ConfigFileError: the file is missing, over `LARGEST_FILE` bytes or not UTF-8.
    """
    try:
        # What is packaged in a zip file is no path.
        raw = read_file(path, limit=LARGEST_FILE) if isinstance(path, Path) else path.read_bytes()
    except FileSizeError:
        limit = f"expected at most {LARGEST_FILE // 1024} KiB"
        raise ConfigFileError(f"{path.name}:1: the file is too large, {limit}") from None
    except OSError as error:
        raise ConfigFileError(f"{path.name}: cannot be read ({type(error).__name__})") from None
    return decoded(raw, path.name)


def decoded(raw: bytes, file: str) -> str:
    """Return the text of a file's bytes in UTF-8, a byte order mark left out.

    Raises:
        ConfigFileError: they are not UTF-8.
    """
    if raw.startswith(_UTF_16) or b"\0" in raw[:4]:
        raise ConfigFileError(f"{file}:1: the file is in UTF-16 or UTF-32, expected UTF-8")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigFileError(f"{file}:{line}: a byte that is not UTF-8, expected UTF-8") from None


def events(text: str, file: str) -> Iterator[yaml.Event]:
    """Yield the parse events of one document, each checked against the bounds.

    Args:
        text: the whole file.
        file: its name, for messages.

    Raises:
        ConfigFileError: a bound is exceeded, a second document begins, or the text is not YAML; one line, which
            quotes nothing of the text.
    """
    if len(text) > LARGEST_FILE:
        raise ConfigFileError(f"{file}:1: the text is too large, expected at most {LARGEST_FILE // 1024} KiB")
    depth = values = documents = 0
    try:
        for event in yaml.parse(text.removeprefix("\ufeff"), yaml.BaseLoader):
            line = line_of(event)
            match event:
                case yaml.DocumentStartEvent():
                    documents += 1
                case yaml.CollectionStartEvent():
                    depth, values = depth + 1, values + 1
                case yaml.CollectionEndEvent():
                    depth -= 1
                case yaml.NodeEvent():
                    values += 1
            if documents > 1:
                raise ConfigFileError(f"{file}:{line}: a second document begins, expected one document")
            if depth > DEEPEST:
                raise ConfigFileError(f"{file}:{line}: nested too deeply, expected at most {DEEPEST} levels")
            if values > MOST_VALUES:
                raise ConfigFileError(f"{file}:{line}: too many values, expected at most {MOST_VALUES}")
            if isinstance(event, yaml.ScalarEvent) and len(event.value) > LONGEST_SCALAR:
                raise ConfigFileError(f"{file}:{line}: a text is too long, expected at most {LONGEST_SCALAR} signs")
            yield event
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise _not_yaml(f"{error.context} {error.problem}", text, file, line) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigFileError(f"{file}:{line}: not YAML: a control character, expected text") from None


def line_of(event: yaml.Event) -> int:
    """Return the line, from 1, where an event begins."""
    return event.start_mark.line + 1 if event.start_mark is not None else 1


def check(text: str, file: str) -> None:
    """Raise `ConfigFileError` where a text exceeds a bound or is not one YAML document.

    For files that PyYAML itself constructs: an alias counts as all the values that it stands for.
    """
    weights: dict[str, int] = {}
    begun: list[tuple[str | None, int]] = []
    values = 0
    for event in events(text, file):
        match event:
            case yaml.AliasEvent():
                if any(anchor == event.anchor for anchor, _ in begun):
                    problem = "an alias stands inside of its own anchor, expected it after"
                    raise ConfigFileError(f"{file}:{line_of(event)}: {problem}")
                values += weights.get(event.anchor or "", 1)
            case yaml.CollectionStartEvent():
                begun.append((event.anchor, values))
                values += 1
            case yaml.CollectionEndEvent():
                anchor, before = begun.pop()
                if anchor is not None:
                    weights[anchor] = values - before
            case yaml.ScalarEvent():
                values += 1
        if values > MOST_VALUES:
            raise ConfigFileError(f"{file}:{line_of(event)}: too many values, expected at most {MOST_VALUES}")


def _not_yaml(problem: str, text: str, file: str, line: int) -> ConfigFileError:
    """A syntax error in our own words; a sign that looks like a space is named where it stands."""
    for number, each in enumerate(text.splitlines()[:line], 1):
        hidden = _INVISIBLE.search(each.partition("#")[0]) if number >= line - 1 else None
        if hidden:
            sign = f"U+{ord(hidden[0]):04X}"
            return ConfigFileError(f"{file}:{number}: not YAML: the invisible character {sign}, expected a plain space")
    said = next((ours for theirs, ours in _SENTENCES.items() if theirs in problem), "expected 'key: value' lines")
    return ConfigFileError(f"{file}:{line}: not YAML: {said}")
