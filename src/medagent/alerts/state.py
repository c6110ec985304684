"""What the alerts remember: where each stands, its incidents, and each message until it is delivered, or may be.

A message is *waiting*, then claimed (*sending*), then *sent*; *refused* where the door stopped it. One whose delivery
got no answer, or whose process died over it, stays *sending*: it may have arrived, and is never sent twice.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from medagent.alerts.incidents import Edge, Standing
from medagent.alerts.notice import Notice
from medagent.errors import AlertStateError
from medagent.file_access import make_database_file

_SCHEMA = """
CREATE TABLE IF NOT EXISTS standing (alert_id TEXT PRIMARY KEY, looked_us INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS incident (
  id TEXT PRIMARY KEY, alert_id TEXT NOT NULL, destination TEXT, opened_us INTEGER NOT NULL, over_us INTEGER
);
CREATE UNIQUE INDEX IF NOT EXISTS one_open_incident ON incident (alert_id) WHERE over_us IS NULL;
CREATE TABLE IF NOT EXISTS message (
  number INTEGER PRIMARY KEY AUTOINCREMENT, incident_id TEXT NOT NULL REFERENCES incident (id), edge TEXT NOT NULL,
  destination TEXT NOT NULL, notice TEXT NOT NULL, state TEXT NOT NULL DEFAULT 'waiting',
  attempts INTEGER NOT NULL DEFAULT 0, last_error TEXT, UNIQUE (incident_id, edge)
);
"""
_STANDING = """
SELECT (SELECT looked_us FROM standing WHERE alert_id = :alert),
       (SELECT opened_us FROM incident WHERE alert_id = :alert AND over_us IS NULL)
"""
_CLAIM = """
UPDATE message SET state = 'sending', attempts = attempts + 1
WHERE number = (SELECT MIN(number) FROM message WHERE destination = ? AND state = 'waiting')
RETURNING number, notice
"""

Tell = Callable[[Edge, str], Notice]
"""An edge and its incident's id → what is said of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A notice that this process has claimed, and nobody else will send."""

    number: int
    notice: Notice


class AlertState:
    """`alerts.db` in a directory, 0600, shared by all processes; what cannot be done raises `AlertStateError`."""

    def __init__(self, directory: Path) -> None:
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = directory / "alerts.db"
            make_database_file(path)
        except OSError as error:
            raise AlertStateError(f"the alerts' state cannot be opened ({type(error).__name__})") from None
        with _translated():
            self._database = sqlite3.connect(path, timeout=5.0, isolation_level=None)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.executescript(_SCHEMA)

    def standing(self, alert_id: str) -> Standing:
        """Where an alert stands."""
        with _translated():
            looked_us, opened_us = self._database.execute(_STANDING, {"alert": alert_id}).fetchone()
        return Standing(looked_us=looked_us, opened_us=opened_us)

    def move(
        self,
        alert_id: str,
        before: Standing,
        after: Standing,
        edges: Sequence[Edge],
        *,
        destination: str | None,
        tell: Tell,
    ) -> bool:
        """Write a look and what it found, all or nothing; False where another process looked in between.

        Of an incident without a destination nobody is told.
        """
        with self._writing() as database:
            if self.standing(alert_id) != before:
                return False
            database.execute("REPLACE INTO standing (alert_id, looked_us) VALUES (?, ?)", (alert_id, after.looked_us))
            for edge in edges:
                if edge.kind == "fired":
                    self._begin(alert_id, destination, edge, tell)
                else:
                    incident, told = database.execute(
                        "SELECT id, destination FROM incident WHERE alert_id = ? AND over_us IS NULL", (alert_id,)
                    ).fetchone()
                    self._end(incident, told, edge.at_us, tell(edge, incident))
        return True

    def drop_all_but(self, alert_ids: Collection[str], *, at_us: int) -> None:
        """Forget alerts that nobody watches any more, and close their incidents in the words in which they began."""
        with self._writing() as database:
            for (alert_id,) in database.execute("SELECT alert_id FROM standing").fetchall():
                if alert_id not in alert_ids:
                    database.execute("DELETE FROM standing WHERE alert_id = ?", (alert_id,))
            rows = database.execute("SELECT id, alert_id, destination FROM incident WHERE over_us IS NULL").fetchall()
            for incident, alert_id, destination in rows:
                if alert_id in alert_ids:
                    continue
                began = database.execute(
                    "SELECT notice FROM message WHERE incident_id = ? AND edge = 'fired'", (incident,)
                ).fetchone()
                notice = began and _notice(began[0]).model_copy(update={"kind": "dropped", "at_us": at_us})
                self._end(incident, destination, at_us, notice)

    def announce(self, incident: str, destination: str, notice: Notice) -> bool:
        """Keep a message that belongs to no alert; False where one of this id was kept before."""
        with self._writing() as database:
            if database.execute("SELECT 1 FROM incident WHERE id = ?", (incident,)).fetchone():
                return False
            database.execute(
                "INSERT INTO incident (id, alert_id, destination, opened_us, over_us) VALUES (?, ?, ?, ?, ?)",
                (incident, notice.kind, destination, notice.at_us, notice.at_us),
            )
            self._say(incident, "fired", destination, notice)
        return True

    def claim(self, destination: str) -> Message | None:
        """Take the oldest waiting message of a destination; from here on it may have left."""
        with self._writing() as database:
            row = database.execute(_CLAIM, (destination,)).fetchone()
        if row is None:
            return None
        try:
            return Message(number=row[0], notice=_notice(row[1]))
        except AlertStateError:
            self.refused(row[0])
            raise

    def sent(self, number: int) -> None:
        """The destination took it."""
        self._settle(number, "sent", None)

    def refused(self, number: int) -> None:
        """The door stopped it, or it is no message any more; it is not tried again."""
        self._settle(number, "refused", None)

    def failed(self, number: int, *, error: str) -> None:
        """The destination has it for certain not: it waits for the next time."""
        self._settle(number, "waiting", error)

    def unanswered(self, number: int) -> None:
        """The destination may have it: it is not sent again."""
        self._settle(number, "sending", "UnansweredError")

    def messages(self) -> Mapping[str, int]:
        """How many messages are in which state."""
        with _translated():
            return dict(self._database.execute("SELECT state, COUNT(*) FROM message GROUP BY state").fetchall())

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def _begin(self, alert_id: str, destination: str | None, edge: Edge, tell: Tell) -> None:
        incident = secrets.token_hex(6)
        self._database.execute(
            "INSERT INTO incident (id, alert_id, destination, opened_us) VALUES (?, ?, ?, ?)",
            (incident, alert_id, destination, edge.at_us),
        )
        self._say(incident, "fired", destination, tell(edge, incident))

    def _end(self, incident: str, destination: str | None, at_us: int, notice: Notice | None) -> None:
        self._database.execute("UPDATE incident SET over_us = ? WHERE id = ?", (at_us, incident))
        self._say(incident, "cleared", destination, notice)

    def _say(self, incident: str, edge: str, destination: str | None, notice: Notice | None) -> None:
        if destination is not None and notice is not None:
            self._database.execute(
                "INSERT INTO message (incident_id, edge, destination, notice) VALUES (?, ?, ?, ?)",
                (incident, edge, destination, notice.model_dump_json()),
            )

    def _settle(self, number: int, state: str, error: str | None) -> None:
        with self._writing() as database:
            database.execute(
                "UPDATE message SET state = ?, last_error = ? WHERE number = ? AND state = 'sending'",
                (state, error, number),
            )

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with _translated():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
                self._database.execute("COMMIT")
            finally:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")


def _notice(document: str) -> Notice:
    try:
        return Notice.model_validate_json(document)
    except ValidationError:
        raise AlertStateError("a message in the alerts' state cannot be read") from None


@contextmanager
def _translated() -> Iterator[None]:
    """A driver's message may quote a row: only its class passes."""
    try:
        yield
    except sqlite3.Error as error:
        raise AlertStateError(f"the alerts' state failed ({type(error).__name__})") from None
