"""Believes nothing of a policy's YAML: each kind of value is asked for, and an error names file, line and rule."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from typing import ParamSpec, TypeVar

from medagent.errors import PolicyError
from medagent.proof import Json
from medagent.redaction.yaml_tree import Located

E = TypeVar("E", bound=Enum)
T = TypeVar("T")
P = ParamSpec("P")
_LONGEST_QUOTE = 40
"""Characters of a word of the file that an error may quote."""
_NAMES_ARE = "small ASCII letters, digits and '_', a path's steps joined by '.'"


class Problems:
    """The errors of one policy, collected so that all of them are reported at once."""

    def __init__(self) -> None:
        self._found: dict[str, PolicyError] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, problem: PolicyError) -> None:
        """Add an error with all that it carries; the same message counts once."""
        for message in problem.problems:
            self._found.setdefault(message, PolicyError(message, hint=problem.hint))

    def note(self, message: str) -> None:
        """Add an error by its message."""
        self.add(PolicyError(message))

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Add what the block raises instead of raising it."""
        try:
            yield
        except PolicyError as problem:
            self.add(problem)

    def attempt(self, read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """Return what a reader returns; None where it raised, its error added."""
        with self.collected():
            return read(*args, **kwargs)
        return None

    def error(self) -> PolicyError:
        """Return one error that carries them all, in the order of their lines."""
        ordered = sorted(self._found, key=_line)
        hint = f"`medagent policy lint` lists this and {len(ordered) - 1} more" if len(ordered) > 1 else ""
        return PolicyError(ordered[0], hint=hint or self._found[ordered[0]].hint, problems=ordered)

    def raise_all(self) -> None:
        """Raise `PolicyError` where something was collected."""
        if self._found:
            raise self.error()


def _line(message: str) -> tuple[bool, int]:
    """Sort by line; what is missing comes last, since a misspelled key may be why."""
    found = re.match(r"[^\n]*?:(\d+): ", message)
    return " is missing, " in message, int(found[1]) if found else 0


def error(at: Located, where: str, problem: str, *, hint: str = "") -> PolicyError:
    """What is wrong with which rule, and where it stands."""
    return PolicyError(f"{at.file}:{at.line}: {where}: {problem}", hint=hint)


def quoted(word: str) -> str:
    """Return a word of the file as an error may show it, signs that cannot be seen as their escapes."""
    return ascii(word) if len(word) <= _LONGEST_QUOTE else f"a word of {len(word)} characters"


def mapping(tree: Located, where: str, valid: Iterable[str], problems: Problems | None = None) -> dict[str, Located]:
    """A mapping of known keys only; with `problems` its unknown keys are added there and left out."""
    if not isinstance(tree.value, dict):
        raise error(tree, where, "not a mapping, expected keys and values")
    words, known, unknown = tuple(valid), {}, Problems()
    for key, item in tree.value.items():
        if key in words:
            known[key] = item
        else:
            unknown.add(error(item, where, f"unknown key {quoted(key)}{nearest(key, words)}"))
    if unknown and problems is None:
        raise unknown.error()
    if unknown and problems is not None:
        problems.add(unknown.error())
    return known


def named(
    tree: Located | None, where: str, form: re.Pattern[str], problems: Problems | None = None
) -> Iterable[tuple[str, Located]]:
    """A mapping whose keys are names of a form, empty where it was left out; with `problems` as in `mapping`."""
    if tree is None:
        return ()
    if not isinstance(tree.value, dict):
        raise error(tree, where, "not a mapping, expected keys and values")
    good, bad = {}, Problems()
    for key, item in tree.value.items():
        if form.fullmatch(key):
            good[key] = item
        else:
            bad.add(error(item, where, f"{quoted(key)} is not the form of a name here, expected {_NAMES_ARE}"))
    if bad and problems is None:
        raise bad.error()
    if bad and problems is not None:
        problems.add(bad.error())
    return good.items()


def items(tree: Located | None, where: str) -> list[Located]:
    """A list; empty where it was left out."""
    if tree is None:
        return []
    if not isinstance(tree.value, list):
        raise error(tree, where, "not a list, expected one")
    return tree.value


def plain_object(tree: Located, where: str) -> dict[str, Json]:
    """A mapping of anything."""
    if not isinstance(tree.value, dict):
        raise error(tree, where, "not a mapping, expected keys and values")
    return {key: item.plain() for key, item in tree.value.items()}


def required(tree: Located, keys: Mapping[str, Located], where: str, key: str) -> Located:
    """What must be there."""
    if key not in keys:
        raise error(tree, where, f"{key!r} is missing, expected it here")
    return keys[key]


def strings(tree: Located, where: str) -> list[str]:
    """A list of one text or more."""
    each = items(tree, where)
    if not each:
        raise error(tree, where, "the list is empty, expected one text or more")
    return [text(item, where) for item in each]


def text(tree: Located, where: str) -> str:
    """A text that is not blank."""
    if not isinstance(tree.value, str) or not tree.value.strip():
        raise error(tree, where, "not a text, expected one; quote what should be one")
    return tree.value


def matching(tree: Located, where: str, form: re.Pattern[str]) -> str:
    """A text of a form."""
    found = text(tree, where)
    if not form.fullmatch(found):
        raise error(tree, where, f"not of the form expected, which is {form.pattern}")
    return found


def word(tree: Located, where: str, valid: Iterable[str], *, meant: Iterable[str] = ()) -> str:
    """One of the valid words; `meant` are words that stand in another place, named where one of them is near."""
    words = tuple(map(str, valid))
    found = tree.value if isinstance(tree.value, str) else ""
    if found not in words:
        raise error(tree, where, f"unknown word{_shown(found, (*words, *meant))}")
    return found


def member(tree: Located, where: str, kind: type[E]) -> E:
    """A member of an enum, by its value."""
    return kind(word(tree, where, [str(each.value) for each in kind]))


def _shown(found: str, words: tuple[str, ...]) -> str:
    """A word that is near to a valid one with that one; else no more than the valid ones, since it is a value."""
    hint = nearest(found, words)
    return f" {quoted(found)}{hint}" if "did you mean" in hint else hint


def nearest(unknown: str, valid: Iterable[str]) -> str:
    """The valid word that was probably meant, whatever its case; all of them where none is near."""
    by_fold = {v.casefold(): v for v in valid}
    near = difflib.get_close_matches(unknown.casefold()[:_LONGEST_QUOTE], by_fold, n=1, cutoff=0.5)
    return f", did you mean {by_fold[near[0]]!r}?" if near else f", expected one of {', '.join(by_fold.values())}"
