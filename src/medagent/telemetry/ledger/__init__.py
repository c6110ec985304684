"""Our own six-year record of what was done, by whom and why: append-only, chained, every entry signed.

A file of JSON lines: what tampering and a crash can do to one is easy to list and to prove. Every entry is signed, not
every N-th: for 36 µs none can be rewritten without the key, and each is a checkpoint of all before it. What no file can
show by itself, a tail that is cut off or a rewrite with the stolen key, an earlier checkpoint kept elsewhere shows.
"""

from medagent.telemetry.ledger.clock import check_clock
from medagent.telemetry.ledger.contents import KINDS, installed_content, reason_problem
from medagent.telemetry.ledger.entry import CHECKPOINT, Entry
from medagent.telemetry.ledger.ledger import Ledger, last_trip
from medagent.telemetry.ledger.trips import LedgerTrips
from medagent.telemetry.ledger.verify import VerifiedLedger, entries, verify
from medagent.telemetry.ledger.votes import Vote, votes

__all__ = [
    "CHECKPOINT",
    "KINDS",
    "Entry",
    "Ledger",
    "LedgerTrips",
    "VerifiedLedger",
    "Vote",
    "check_clock",
    "entries",
    "installed_content",
    "last_trip",
    "reason_problem",
    "verify",
    "votes",
]
