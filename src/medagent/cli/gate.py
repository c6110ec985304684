"""`medagent gate`: has a week's exit criterion been met? What was looked at is kept, its digest is in the ledger."""

from __future__ import annotations
