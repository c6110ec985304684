"""Byte code compared with a fresh compilation of its source; pure but for `cached`, and of the standard library alone.

The header of a .pyc proves nothing: a forged file can carry the time and the size of its source. A .pyc that Python
ignores (another magic number, another time or size of its source) is left as it is: to make Python load it, source or
.pyc must change, and then both are compared again.
"""

from __future__ import annotations

import importlib.util
import marshal
import os
import re
import sys
import warnings
from types import CodeType

_HEADER = 16
_MASK = 0xFFFFFFFF
_HASH_BASED, _KNOWN_FLAGS = 0b01, 0b11
_NAMED = re.compile(r"(?P<stem>.+)\.(?P<tag>(?!opt-)[^.]+)(?:\.opt-(?P<level>[12]))?\.pyc")
_PARTS = (
    "co_argcount",
    "co_posonlyargcount",
    "co_kwonlyargcount",
    "co_nlocals",
    "co_stacksize",
    "co_flags",
    "co_firstlineno",
    "co_code",
    "co_names",
    "co_varnames",
    "co_freevars",
    "co_cellvars",
    "co_name",
    "co_qualname",
    "co_linetable",
    "co_exceptiontable",
)


def cache_directory(directory: str, prefix: str | None) -> str:
    """Return where Python keeps the byte code of a directory's sources, under `sys.pycache_prefix` if it is set."""
    if prefix is None:
        return f"{directory}/__pycache__"
    return prefix.rstrip("/") + "/" + directory.strip("/")


def cached(cache: dict[str, list[str]], directory: str, prefix: str | None) -> list[str]:
    """Return the paths of the byte code that this interpreter keeps for a directory, listed once for each `cache`."""
    place = cache_directory(directory, prefix)
    if place not in cache:
        try:
            names = sorted(os.listdir(place))
        except OSError:
            names = []
        cache[place] = [f"{place}/{name}" for name in names if level_of(name) is not None]
    return cache[place]


def level_of(name: str) -> int | None:
    """Return the level of optimisation that a file of byte code is for; None where this interpreter ignores it."""
    found = _NAMED.fullmatch(name)
    if found is None or found["tag"] != sys.implementation.cache_tag:
        return None
    return int(found["level"] or 0)


def stem_of(name: str) -> str:
    """Return the name of the source, without its suffix, to which a file of byte code belongs."""
    found = _NAMED.fullmatch(name)
    return "" if found is None else found["stem"]


def is_ignored(content: bytes, source: os.stat_result) -> bool:
    """Return whether Python compiles the source anew instead of loading this byte code.

    Byte code that names its source by a hash is never ignored: an option of the interpreter skips that hash.
    """
    flags = int.from_bytes(content[4:8], "little")
    if len(content) < _HEADER or content[:4] != importlib.util.MAGIC_NUMBER or flags & ~_KNOWN_FLAGS:
        return True
    if flags & _HASH_BASED:
        return False
    time, size = (int.from_bytes(content[at : at + 4], "little") for at in (8, 12))
    return time != int(source.st_mtime) & _MASK or size != source.st_size & _MASK


def belongs(content: bytes, source: bytes, *, path: str, level: int) -> bool:
    """Return whether byte code (a .pyc's content) is what this interpreter makes of a source at this level."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            made = compile(source, path, "exec", dont_inherit=True, optimize=level)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return False  # byte code of what cannot be compiled here
    if marshal.dumps(made) == content[_HEADER:]:
        return True
    try:
        loaded = marshal.loads(content[_HEADER:])  # noqa: S302  # what an import of it would do, and not run here
    except (EOFError, ValueError, TypeError):
        return False
    return isinstance(loaded, CodeType) and is_same_code(made, loaded)


def is_same_code(one: CodeType, other: CodeType) -> bool:
    """Return whether two code objects are the same but for the name of their file."""
    if any(getattr(one, part) != getattr(other, part) for part in _PARTS):
        return False
    return len(one.co_consts) == len(other.co_consts) and all(map(_is_same, one.co_consts, other.co_consts))


def _is_same(one: object, other: object) -> bool:
    """Compare constants by type and value: `1`, `1.0` and `True` are equal in Python, and so are `0.0` and `-0.0`."""
    if type(one) is not type(other):
        return False
    if isinstance(one, CodeType) and isinstance(other, CodeType):
        return is_same_code(one, other)
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_is_same, one, other))
    if isinstance(one, frozenset) and isinstance(other, frozenset):
        return sorted(map(_key, one)) == sorted(map(_key, other))
    return one == other if not isinstance(one, float | complex) else repr(one) == repr(other)


def _key(constant: object) -> str:
    """A member of a set of constants as a text that is its own alone."""
    if isinstance(constant, tuple):
        return f"({','.join(map(_key, constant))})"
    if isinstance(constant, frozenset):
        return f"{{{','.join(sorted(map(_key, constant)))}}}"
    return f"{type(constant).__name__}:{constant!r}"
