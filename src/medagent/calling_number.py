"""The number that a call comes from; the words that a line sends in its place are no number."""

from __future__ import annotations

import re

_ANONYMOUS = re.compile(
    r"(?:sips?[:_])?\+?(?:266696687|anonymous|anonym|restricted|unavailable|unknown|private|blocked|withheld|"
    r"no[ _-]?caller[ _-]?id|not[ _-]?available|out[ _-]?of[ _-]?area|caller|asterisk|null|none|-+)(?:@.*)?",
    re.IGNORECASE,
)
"""266696687 is "anonymous" on a keypad, which some networks send with a plus as if it were a number."""


def calling_number(sent: str | None) -> str | None:
    """Return the number that a line sent; None where the caller withholds it, or where it has no digits."""
    text = (sent or "").strip()
    if _ANONYMOUS.fullmatch(text) or not any(sign.isdigit() for sign in text):
        return None
    return text
