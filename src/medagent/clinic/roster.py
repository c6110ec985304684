"""From what was heard to the one name that is meant: forgiving in what it takes, exact in what it gives."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from medagent.clinic.refusal import Refusal

_FILLERS = frozenset({"dr", "doctor", "doc", "the", "at", "clinic", "office", "location"})


def named(spoken: str, roster: Sequence[str], *, kind: str, argument: str) -> str:
    """The one name of the roster that has every word heard; raises `Refusal` with the roster where it is not one."""
    heard = _words(spoken)
    found = [name for name in roster if heard and heard <= _words(name)]
    exact = [name for name in found if heard == _words(name)]
    if len(exact) == 1 or len(found) == 1:
        return (exact or found)[0]
    known = "; ".join(roster)
    if found:
        raise Refusal(f"ambiguous_{kind}", f"{argument} fits more than one of: {known}.", alternatives=tuple(found))
    raise Refusal(f"unknown_{kind}", f"{argument} must be one of: {known}.", alternatives=tuple(roster))


def _words(text: str) -> frozenset[str]:
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return frozenset(re.findall(r"\w+", plain.replace("'", ""))) - _FILLERS
