"""What people added to a report: reviews, adjudications, sign-offs, and what follows from them.

Computed from the verified bundle, shown by the rendered report; it holds names and key ids of officers and counts, no
finding's text. Times are ISO 8601 in UTC, digests are SHA-256 in lower-case hex.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from medagent.attestation.minimum import required_roles
from medagent.attestation.report import Bound, Report, Verdict

NOT_REVIEWED: Literal["open: not reviewed"] = "open: not reviewed"
"""The machine's part is clean, and no person has signed anything of it yet."""
Conclusion: TypeAlias = Verdict | Literal["open: not reviewed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignOff:
    """A decision by a key on the pinned list, in the role that the list gives it."""

    role: str
    name: str
    key_id: str
    at: str
    decision: Literal["GO", "NO-GO"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """One reviewer's reading of the sampled traces, measured by the leaks that were planted in some of the copies."""

    reviewer: str
    key_id: str
    at: str
    traces: int
    leaks: int
    """Leaks reported in traces where none was planted."""
    planted: int
    planted_found: int
    free_texts: int = 0
    free_text_ms: float | None = None
    """Mean time for a free text, as the reviewer's software states it; None where there is none."""
    other_texts: int = 0
    other_ms: float | None = None
    invalid: tuple[str, ...] = ()
    """Why the review does not count; empty where it does."""

    @property
    def sensitivity(self) -> float | None:
        """The share of planted leaks that the reviewer found; None where none was planted."""
        return self.planted_found / self.planted if self.planted else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjudication:
    """What an officer decided of one open mark of the second reader."""

    mark_id: str
    by: str
    key_id: str
    at: str
    decision: Literal["no_leak", "leak"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """The people's part beside the machine's: `conclusion` is what both together allow."""

    conclusion: Conclusion
    why: tuple[str, ...]
    """What stands against a GO, the machine's causes first; empty where nothing does."""
    missing: tuple[str, ...]
    """Signatures that the protocol asks for and that are not there, one a line: `1 of 2 reviewer`."""
    statement_sha256: str | None = None
    """The digest of the statement that every signature is over; None where nothing is signed yet."""
    machine_key_id: str | None = None
    officers_sha256: str | None = None
    """The digest of the pinned list of officers against which the signatures were checked."""
    sign_offs: tuple[SignOff, ...] = ()
    reviews: tuple[Review, ...] = ()
    kappa: float | None = None
    """Cohen's kappa of the reviewers' verdicts; None where it says nothing."""
    kappa_note: str = ""
    bounds: tuple[Bound, ...] = ()
    """What the reviews prove, beside the bounds in the report that the machine's scan supports."""
    adjudications: tuple[Adjudication, ...] = ()

    @classmethod
    def nobody(cls, report: Report) -> Signed:
        """A report that no person has touched: a GO of the machine alone is none yet, a rehearsal needs nobody."""
        if report.run.rehearsal:
            return cls(conclusion=report.verdict, why=report.causes, missing=())
        missing = tuple(f"{count} of {count} {role}" for role, count in sorted(required_roles(report).items()) if count)
        unsigned = tuple(f"missing signature: {each}" for each in missing)
        conclusion: Conclusion = NOT_REVIEWED if report.verdict == "GO" else "NO-GO"
        example = ("the run is an example",) if report.run.example else ()
        return cls(conclusion=conclusion, why=(*report.causes, *example, *unsigned), missing=missing)
