"""Regular expressions that a policy brings, matched in time linear in the value by RE2.

Python's `re` backtracks: `(a+)+b` takes minutes for 40 signs and holds the GIL, so the call's audio stands still. RE2
knows neither look-around nor back-references; what the two engines read otherwise is refused when a policy is loaded.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field
from typing import Any

from re2 import Options, _re2  # type: ignore[import-untyped]  # the wrapper's own match takes 6 µs, the engine's 1 µs

LONGEST_PATTERN = 1_000
"""Code points of a pattern."""
_MOST_BYTES = 1 << 18
"""Memory of one compiled pattern."""
_MOST_STEPS = 2_500
"""Instructions of a compiled pattern: the time of a match is at most these times the bytes of the value."""
_LOOKS_AROUND = re.compile(r"\(\?<?[=!]")
_REFERS_BACK = re.compile(r"\\[1-9]|\(\?P=")
_OPEN_BELOW = re.compile(r"(?<!\\)\{,")
_NO_CASE = re.compile(r"\(\?[a-zA-Z]*i")
_BOTH = _re2.RE2.Anchor.ANCHOR_BOTH


class PatternError(ValueError):
    """A text is not a pattern of the policy language; the message says what is wrong and what is expected."""


@dataclass(frozen=True, slots=True)
class LinearPattern:
    """A regular expression in ASCII classes; equal to another of the same text.

    Raises `PatternError` where RE2 cannot run it, or would read it otherwise than Python.
    """

    pattern: str
    _match: Any = field(init=False, repr=False, compare=False)
    _is_ascii_only: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_match", _compiled(self.pattern).Match)
        # RE2 folds case over all of Unicode: the sign for kelvin would be a k.
        object.__setattr__(self, "_is_ascii_only", _NO_CASE.search(self.pattern) is not None)

    def fits(self, value: str) -> bool:
        """Return whether the pattern matches the whole value; False for a lone surrogate."""
        if self._is_ascii_only and not value.isascii():
            return False
        try:
            encoded = value.encode()
        except UnicodeEncodeError:
            return False
        return bool(self._match(_BOTH, encoded, 0, len(encoded))[0][0] == 0)


def _compiled(pattern: str) -> Any:
    """Compile with RE2; the same text must be a regular expression for Python too, so that it means what it reads."""
    if len(pattern) > LONGEST_PATTERN:
        raise PatternError(f"the pattern is too long, expected at most {LONGEST_PATTERN} characters")
    if _LOOKS_AROUND.search(pattern):
        raise PatternError("look-around is not supported, expected a pattern that RE2 matches in linear time")
    if _REFERS_BACK.search(pattern):
        raise PatternError("a back-reference is not supported, expected a pattern that RE2 matches in linear time")
    if _OPEN_BELOW.search(pattern):
        raise PatternError("'{,n}' means something else to RE2, expected '{0,n}'")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            re.compile(pattern, re.ASCII)
        engine = _re2.RE2(pattern.encode(), _options())
    except FutureWarning:
        raise PatternError("a '[' inside of a set is ambiguous, expected '\\['") from None
    except (re.error, RecursionError, OverflowError, UnicodeEncodeError, DeprecationWarning):
        raise PatternError("not a regular expression, expected RE2 syntax") from None
    if not engine.ok():
        if b"too large" in engine.error() or b"repetition size" in engine.error() or b"nesting" in engine.error():
            raise PatternError("the pattern is too large, expected fewer or smaller repetitions")
        raise PatternError("not supported by RE2, expected a pattern that it matches in linear time")
    if engine.ProgramSize() > _MOST_STEPS:
        raise PatternError("the pattern is too large, expected fewer or smaller repetitions")
    return engine


def _options() -> Any:
    options = Options()
    options.log_errors = False  # else RE2 prints the pattern to stderr
    options.max_mem = _MOST_BYTES
    options.never_capture = True
    return options
