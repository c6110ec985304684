"""Signs of an emergency in a caller's words: one too many is a needless call, one too few is not."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_NEAR = 60
_HARMLESS = re.compile(r"\bblood (?:pressure|tests?|work|types?|draws?|count)\b|\bside effects?\b|\bbad breath\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """One way to say it: every part occurs, all near the first, in any order. A "no" before it does not silence it."""

    parts: tuple[re.Pattern[str], ...]

    def shows_in(self, said: str) -> bool:
        """Whether a text has it that went through `plain` and `without_false_alarms`."""
        first, *others = ([found.start() for found in part.finditer(said)] for part in self.parts)
        return any(all(any(abs(at - start) <= _NEAR for at in other) for other in others) for start in first)


def read_sign(written: str) -> Sign:
    """A sign as the collection writes it: parts joined by `+`, `|` for "or", `*` for any ending, `#` for a digit."""
    return Sign(parts=tuple(_part(part) for part in written.split("+")))


def plain(text: str) -> str:
    """A text as it is compared: small letters without accents, apostrophes and punctuation."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(c for c in decomposed if not unicodedata.combining(c) and c not in "'’‘`´")
    return " ".join(re.findall(r"[a-z0-9]+", bare))


def without_false_alarms(said: str) -> str:
    """A `plain` text whose harmless compounds no sign can see into."""
    return _HARMLESS.sub(lambda found: found.group().replace(" ", ""), said)


def _part(written: str) -> re.Pattern[str]:
    phrases = (
        re.escape(phrase.strip()).replace("\\*", "[a-z0-9]*").replace("\\#", "[0-9]") for phrase in written.split("|")
    )
    return re.compile(rf"\b(?:{'|'.join(phrases)})\b")
