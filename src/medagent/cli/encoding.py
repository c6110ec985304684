"""Output on terminals that do not speak UTF-8: signs become their nearest ASCII, and no print ever fails."""

from __future__ import annotations

import codecs
import io
import sys

_NAME = "medagent-nearest"
_NEAREST = str.maketrans(
    {
        "“": '"', "”": '"', "‘": "'", "’": "'", "–": "-", "—": "-", "…": "...", "·": "-", "×": "x", "→": "->",
        "│": "|", "┃": "|", "─": "-", "━": "-", "├": "+", "└": "+", "╭": "+", "╮": "+", "╰": "+", "╯": "+", "█": "#",
    }
)  # fmt: skip


def _nearest(error: UnicodeError) -> tuple[str, int]:
    """Replace what cannot be encoded: by the nearest ASCII, or a question mark."""
    assert isinstance(error, UnicodeEncodeError)  # noqa: S101  # it is registered for streams that are written
    signs = error.object[error.start : error.end]
    nearest = (sign.translate(_NEAREST) for sign in signs)
    return "".join(sign if sign.isascii() else "?" for sign in nearest), error.end


def never_fail() -> None:
    """Make stdout and stderr take any text, in every encoding."""
    codecs.register_error(_NAME, _nearest)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_NAME)


def is_unicode() -> bool:
    """Whether stdout takes every character as it is."""
    return str(getattr(sys.stdout, "encoding", None) or "").lower().replace("-", "").startswith("utf")
