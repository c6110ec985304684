"""From a caller's question to what the collection has on it; full-text search in memory, beside every database."""

from __future__ import annotations

import sqlite3
import threading
from dataclasses import dataclass
from functools import cache

from medagent.clinic.guidelines.collection import Guideline, collection
from medagent.clinic.guidelines.red_flags import plain, without_false_alarms

_MOST = 3
_FAR_BEHIND = 0.5
"""An entry that scores less than this share of the best one answers another question."""
_SILENT = frozenset(
    """
    a about after again all also am an and any are as at be because been before being but by call can cannot cant could
    day days did do does doesnt dont down else ever every few first for from get gets getting give go going got had has
    have having he her here him his how hours i if im in into is isnt it its ive just know last let like long look lot
    made make many may me more most much my need next night no not now of off ok okay on one only or our out over
    own please put question really right said say see she should since so some someone something soon still take
    taking tell than that the their them then there these they thing think this those three time to today tomorrow too
    trouble try two up us use very want was way we week weeks well went were what when where which while who why will
    with wont work would yes yesterday you your
    """.split()  # noqa: SIM905  # a block of words is read as one
)
"""Words that ask, and do not say what about."""
_WEAK = frozenset(
    """
    ache aches adult adults appointment baby bad body boy care child children clinic daughter doctor feel feeling feels
    getting girl grown health help high hot hurt hurting hurts husband infection kid kids little lower medical medicine
    medicines morning mother new old pain painful people person red safe severe should sick side son sore strong symptom
    symptoms test tests toddler water wife worried year years
    """.split()  # noqa: SIM905  # a block of words is read as one
)
"""Words that say too little to find an entry by, and help to choose between those found by another word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What to say: `emergency` comes first, and then the entries are those on the emergency alone."""

    emergency: str | None
    guidelines: tuple[Guideline, ...]


def guidelines_for(query: str) -> Findings:
    """The emergency advice where the question shows a red flag, else the best entries, else nothing."""
    said = plain(query)
    alarming = without_false_alarms(said)
    alarms = [entry for entry in collection() if any(sign.shows_in(alarming) for sign in entry.signs)]
    if alarms:
        advice = dict.fromkeys(entry.advice for entry in alarms if entry.advice)
        return Findings(emergency=" ".join(advice), guidelines=tuple(alarms))
    return Findings(emergency=None, guidelines=_index().search(said))


class _Index:
    """SQLite's full-text index over titles and askings, emergencies left out; one connection, one search at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(":memory:", check_same_thread=False)
        self._connection.execute("CREATE VIRTUAL TABLE entries USING fts5(title, asked, tokenize='porter unicode61')")
        self._connection.executemany(
            "INSERT INTO entries (rowid, title, asked) VALUES (?, ?, ?)",
            [(row, entry.title, entry.asked) for row, entry in enumerate(collection()) if entry.asked],
        )

    def search(self, said: str) -> tuple[Guideline, ...]:
        words = [
            word for word in dict.fromkeys(said.split()) if len(word) > 1 and not word.isdigit() and word not in _SILENT
        ]
        telling = [word for word in words if word not in _WEAK]
        if not telling:
            return ()
        match = f"({_any(telling)}) AND ({_any(words)})"
        with self._lock:
            found = self._connection.execute(
                "SELECT rowid, bm25(entries, 3.0, 1.0) AS score FROM entries WHERE entries MATCH ? "
                "ORDER BY score, rowid LIMIT ?",
                (match, _MOST),
            ).fetchall()
        # SQLite's scores are below zero, the best one lowest.
        return tuple(collection()[row] for row, score in found if score <= _FAR_BEHIND * found[0][1])


@cache
def _index() -> _Index:
    return _Index()


def _any(words: list[str]) -> str:
    return " OR ".join(f'"{word}"' for word in words)
