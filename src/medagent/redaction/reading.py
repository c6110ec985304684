"""Believes nothing of a policy's YAML: each kind of value is asked for, and an error names file, line and rule."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import TypeVar

from medagent.errors import PolicyError
from medagent.proof import Json
from medagent.redaction.yaml_tree import Located

E = TypeVar("E", bound=Enum)


def error(at: Located, where: str, problem: str) -> PolicyError:
    """What is wrong with which rule, and where it stands."""
    return PolicyError(f"{at.file}:{at.line}: {where}: {problem}")


def mapping(tree: Located, where: str, valid: Iterable[str]) -> dict[str, Located]:
    """A mapping of known keys only."""
    if not isinstance(tree.value, dict):
        raise error(tree, where, "not a mapping")
    for key, item in tree.value.items():
        if key not in (words := tuple(valid)):
            raise error(item, where, f"unknown key {key!r}{nearest(key, words)}")
    return tree.value


def named(tree: Located | None, where: str, form: re.Pattern[str]) -> Iterable[tuple[str, Located]]:
    """A mapping whose keys are names of a form; nothing where it was left out."""
    if tree is None:
        return ()
    if not isinstance(tree.value, dict):
        raise error(tree, where, "not a mapping")
    for key, item in tree.value.items():
        if not form.fullmatch(key):
            raise error(item, where, f"{key!r} is not the form of a name here")
    return tree.value.items()


def items(tree: Located | None, where: str) -> list[Located]:
    """A list; empty where it was left out."""
    if tree is None:
        return []
    if not isinstance(tree.value, list):
        raise error(tree, where, "not a list")
    return tree.value


def plain_object(tree: Located, where: str) -> dict[str, Json]:
    """A mapping of anything."""
    if not isinstance(tree.value, dict):
        raise error(tree, where, "not a mapping")
    return {key: item.plain() for key, item in tree.value.items()}


def required(tree: Located, keys: Mapping[str, Located], where: str, key: str) -> Located:
    """What must be there."""
    if key not in keys:
        raise error(tree, where, f"{key!r} is missing")
    return keys[key]


def strings(tree: Located, where: str) -> list[str]:
    """A list of one text or more."""
    each = items(tree, where)
    if not each:
        raise error(tree, where, "the list is empty")
    return [text(item, where) for item in each]


def text(tree: Located, where: str) -> str:
    """A text that is not blank."""
    if not isinstance(tree.value, str) or not tree.value.strip():
        raise error(tree, where, "not a text; quote what should be one")
    return tree.value


def matching(tree: Located, where: str, form: re.Pattern[str]) -> str:
    """A text of a form."""
    found = text(tree, where)
    if not form.fullmatch(found):
        raise error(tree, where, f"not of the form {form.pattern}")
    return found


def word(tree: Located, where: str, valid: Iterable[str], *, meant: Iterable[str] = ()) -> str:
    """One of the valid words; `meant` are words that stand in another place, named where one of them is near."""
    words = tuple(map(str, valid))
    found = tree.value if isinstance(tree.value, str) else ""
    if found not in words:
        raise error(tree, where, f"unknown word {found!r}{nearest(found, (*words, *meant))}")
    return found


def member(tree: Located, where: str, kind: type[E]) -> E:
    """A member of an enum, by its value."""
    return kind(word(tree, where, [str(each.value) for each in kind]))


def nearest(unknown: str, valid: Iterable[str]) -> str:
    """The valid word that was probably meant, whatever its case; all of them where none is near."""
    by_fold = {v.casefold(): v for v in valid}
    near = difflib.get_close_matches(unknown.casefold(), by_fold, n=1, cutoff=0.5)
    return f", did you mean {by_fold[near[0]]!r}?" if near else f"; it may be {', '.join(by_fold.values())}"
