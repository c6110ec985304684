"""What an entry of each kind holds: typed fields, so that there is no room for a patient's data.

Content is checked on its way in and not when the ledger is verified: an entry of today must still verify in six years,
whatever its kind holds by then.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from medagent.errors import LedgerContentError
from medagent.proof import Json, VerifyKey
from medagent.telemetry.door.admission import identifier_shape

_LONGEST_REASON = 300
_LONG_NUMBER = re.compile(r"\d(?:[ ().,/-]{0,2}\d){6,}")


def reason_problem(text: str) -> str | None:
    """Why a person's reason may not be recorded, in words that hold nothing of it; None where it may.

    Plain text of at most 300 characters that has the shape of no identifier: it is kept for six years, and a phone
    number or a full date in it could be a patient's.
    """
    plain = unicodedata.normalize("NFKC", text)
    if not text.strip():
        return "is empty"
    if len(text) > _LONGEST_REASON:
        return f"is longer than {_LONGEST_REASON} characters"
    if not text.isprintable():
        return "is not plain text of one line"
    if shape := identifier_shape(plain):
        return f"holds what looks like {shape}"
    if _LONG_NUMBER.search(plain):
        return "holds a number of seven digits or more, or a full date"
    return None


def _plain(text: str) -> str:
    if problem := reason_problem(text):
        raise ValueError(problem)
    return text


def _public_key(pem: str) -> str:
    VerifyKey.parse(pem)
    return pem


Reason = Annotated[str, AfterValidator(_plain)]
Who = Annotated[str, Field(pattern=r"^[\w.@\\-]{1,64}$")]
"""An account of this system, never a caller."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
TraceId = Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
KeyId = Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")]
Word = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
_NAME = r"[A-Za-z0-9][A-Za-z0-9._+-]{0,79}"
Name = Annotated[str, Field(pattern=f"^{_NAME}$")]
Count = Annotated[int, Field(ge=0, lt=2**53)]
Counts = Annotated[dict[Word, Count], Field(max_length=64)]


class _Content(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Guardrail(_Content):
    """One per call: the head of its chain of spans (None: it met an off period and has none), and what was done."""

    trace_id: TraceId
    head: Sha256 | None
    policy: Sha256
    actions: Counts
    categories: Counts
    complete: bool


class PolicyChanged(_Content):
    """From here on another policy holds."""

    name: Name
    version: Name
    sha256: Sha256


class SwitchChanged(_Content):
    """Telemetry was switched."""

    state: Literal["on", "off"]
    source: Literal["command", "trip", "override", "shared"]
    """`override`: a person in dev lifted a trip without an audit. `shared`: an off or trip of another host."""
    reason: Reason
    by: Who
    report: Sha256 | None = None
    """An on is by the audit report of this digest."""


class NotStarted(_Content):
    """Telemetry could not start in a process: its calls went on, and none of them has a trace."""

    error: Name
    reason: Reason


class NotStored(_Content):
    """Spans of a call could not be stored: it has no trace, or one that is not complete."""

    trace_id: TraceId


class Audit(_Content):
    """An audit ended; `report` is the digest of its envelope's payload."""

    report: Sha256
    verdict: Literal["GO", "NO-GO", "CLEAN", "NOT CLEAN"]
    policy: Sha256


class InstalledChecked(_Content):
    """What is installed was checked: the digest of it, and by name what is not as it was audited or recorded."""

    installed: Sha256
    passed: bool
    changed: Annotated[list[Name], Field(max_length=32, default_factory=list)]


def installed_content(installed: str, differences: Sequence[str]) -> dict[str, object]:
    """Return an entry's content for a check; of each difference the first word, the distribution's name, is kept."""
    names = [one.partition(" ")[0].rstrip(":") for one in differences]
    kept = dict.fromkeys(name if re.fullmatch(_NAME, name) else "file" for name in names)
    return {"installed": installed, "passed": not differences, "changed": list(kept)[:32]}


class SignOff(_Content):
    """Somebody signed a statement over a report: its digest and what it decided; None in an entry from before."""

    report: Sha256
    role: Word
    key_id: KeyId
    by: Who
    statement: Sha256 | None = None
    decision: Literal["GO", "NO-GO", "leak", "no_leak", "clean", "pseudonym_key", "destination_account"] | None = None
    signed_at: Annotated[str, Field(pattern=r"^[0-9T:.+Z-]{19,40}$")] | None = None


class PseudonymKeyRotated(_Content):
    """Rotation of the pseudonym key, with the ids of both keys."""

    old: KeyId
    new: KeyId
    by: Who
    reason: Reason


class SealedReview(_Content):
    """A reviewer's sealed answers were taken over; `statement` is the digest of what the reviewer signed."""

    report: Sha256
    statement: Sha256
    key_id: KeyId
    by: Who


class ReviewsOpened(_Content):
    """Who signs off opened the sealed reviews of a report, each of which was recorded before."""

    report: Sha256
    key_id: KeyId
    by: Who


class Gate(_Content):
    """A week's exit criterion was looked at; `evidence` is the digest of what was seen, which is kept beside."""

    gate: Annotated[int, Field(ge=1, le=5)]
    passed: bool
    evidence: Sha256
    by: Who


class Access(_Content):
    """Somebody read what is kept: a store (`archive`, `ledger`, `report`), one call of it or all."""

    store: Word
    command: Word | None = None
    """What was run: `trace_show`, `trace_list`, `trace_find` and the like."""
    trace_id: TraceId | None = None
    report: Sha256 | None = None
    by: Who
    uid: Count | None = None
    login: Who | None = None
    """The account that logged in, which `sudo` does not change; None where the system does not record it."""
    reason: Reason | None = None


class SyntheticCallers(_Content):
    """A process started whose settings declare that no caller is a real person."""

    by: Who
    uid: Count
    login: Who | None


class IdentityChecksFailed(_Content):
    """Failed identity checks reached the limit for one record or calling number, which is for staff only then."""

    scope: Literal["record", "calling_number"]
    """Which of the two; nothing of whose it is."""
    failures: Count
    hours: Count


class Deletion(_Content):
    """Spans were deleted: what is left of them is their numbers and the hash of the last."""

    store: Word
    cause: Literal["retention", "refusal", "purge", "incident"]
    trace_id: TraceId
    first: Count | None = None
    last: Count | None = None
    hash: Sha256 | None = None
    by: Who
    reason: Reason | None = None


class DeletionRequested(_Content):
    """A destination is about to be asked to delete one call; `spans` were sent to it."""

    destination: Word
    trace_id: TraceId
    spans: Count
    by: Who
    reason: Reason


class DeletionStatus(_Content):
    """What became of such a request: by the destination's answer, or by reading back."""

    destination: Word
    trace_id: TraceId
    status: Literal["requested", "confirmed_deleted", "not_confirmed", "not_supported", "failed"]
    cause: Word | None = None
    by: Who


class ClockJumped(_Content):
    """The next entry is over 31 days from the one of `previous`; written by the ledger itself."""

    previous: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?\+00:00$")]


class ClockReturned(ClockJumped):
    """The clock is back near `previous`, the time before it jumped; written by the ledger itself."""


class ClockConfirmed(_Content):
    """A person confirmed that the clock is right, so that retention goes on."""

    by: Who
    uid: Count
    login: Who | None


class KeyCreated(_Content):
    """From here on entries are signed by this key; written by the ledger itself."""

    key_id: KeyId
    public_key: Annotated[str, AfterValidator(_public_key)]


class Recovered(_Content):
    """What is between the entry before and this one was not written to its end; written by the ledger itself."""

    bytes: Count
    sha256: Sha256


class Checkpoint(_Content):
    """Somebody verified the ledger so far and took this entry's signed hash elsewhere."""

    by: Who


RECOVERED = "recovered"
CLOCK_JUMPED, CLOCK_RETURNED, CLOCK_CONFIRMED = "clock_jumped", "clock_returned", "clock_confirmed"
KEY_CREATED = "key_created"
KINDS: Mapping[str, type[_Content]] = {
    "guardrail": Guardrail,
    "policy_changed": PolicyChanged,
    "switch_changed": SwitchChanged,
    "not_started": NotStarted,
    "not_stored": NotStored,
    "audit": Audit,
    "installed_checked": InstalledChecked,
    "sign_off": SignOff,
    "pseudonym_key_rotated": PseudonymKeyRotated,
    "sealed_review": SealedReview,
    "reviews_opened": ReviewsOpened,
    "gate": Gate,
    "access": Access,
    "synthetic_callers": SyntheticCallers,
    "identity_checks_failed": IdentityChecksFailed,
    "deletion": Deletion,
    "deletion_requested": DeletionRequested,
    "deletion_status": DeletionStatus,
    "checkpoint": Checkpoint,
    CLOCK_JUMPED: ClockJumped,
    CLOCK_RETURNED: ClockReturned,
    CLOCK_CONFIRMED: ClockConfirmed,
    KEY_CREATED: KeyCreated,
    RECOVERED: Recovered,
}


def validated(kind: str, content: Mapping[str, Any]) -> dict[str, Json]:
    """The content as it is recorded; raises `LedgerContentError`, naming the field, where its kind holds no such."""
    model = KINDS.get(kind)
    if model is None:
        raise LedgerContentError("the ledger has no such kind of entry", hint="kinds: " + ", ".join(KINDS))
    try:
        return model.model_validate(dict(content)).model_dump(mode="json")
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False, include_context=False)[0]
        # Below a declared field is a key that somebody chose, and so does one that is not declared.
        field = str(first["loc"][0]) if first["loc"] and first["loc"][0] in model.model_fields else "a further field"
        says = first["msg"].removeprefix("Value error, ")
        raise LedgerContentError(
            f"{kind}: {field}: {says}", hint="the ledger is kept for six years: name a ticket, never a person"
        ) from None
