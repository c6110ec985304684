"""Identity checks: a caller proves who they are by two things that they know, never by one.

Failed checks are counted across calls, for each record, each claim and each calling number. A claim of a person who
does not exist counts as one of a person who does, and every check runs the same statements: neither the answer nor its
time shows what was wrong.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Literal, TypeAlias

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from medagent.clinic.database import lock
from medagent.clinic.names import Match, compare_names, core_tokens, lookup_words
from medagent.clinic.refusal import Refusal
from medagent.clinic.schema import AppointmentRow, AttemptRow, PatientRow, PatientWordRow

MOST_FAILURES = 5
"""With this many failed checks within `WINDOW` a record, a claim or a calling number is for staff only."""
WINDOW = timedelta(hours=24)
_RECORDS = 8
"""For so many records a failed check counts at most; for the claim itself it always does."""
_SUBJECTS = _RECORDS + 3
_WORDS = 64
_NOBODY = "Nemo Nobody"

Scope: TypeAlias = Literal["record", "calling_number"]
"""Kind of subject that reached the limit, without its identity."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class VerifiedPatient:
    """A patient who has proved it; `confirmation_id` is the one they proved it with, and the one they mean."""

    patient_id: int
    confirmation_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Claim:
    """A claim of identity, and the number that the call comes from."""

    dob: date
    confirmation_id: str | None = None
    name: str | None = None
    phone: str | None = None
    calling_number: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Checked:
    """Result of a check: the patient or None, the kinds that reached the limit, and the calling number's lock."""

    patient: VerifiedPatient | None
    reached: frozenset[Scope]
    is_number_locked: bool

    def proved(self) -> VerifiedPatient:
        """Return the patient.

        Raises:
            Refusal: One and the same for every reason, but that the calling number failed too often.
        """
        if self.is_number_locked:
            raise Refusal(
                "staff_only",
                "the caller cannot be verified on this line today: offer that the clinic's staff calls back.",
            )
        if self.patient is None:
            raise Refusal(
                "not_verified",
                "the caller is not verified: dob is needed together with the confirmation_id, or with the full "
                "patient_name and the phone number given at booking, all of them as they were given then. Ask for the "
                "full name as it was given, or for the confirmation id; if that fails too, offer that the clinic's "
                "staff calls back.",
            )
        return self.patient


def check(session: Session, claim: Claim, *, now: datetime) -> Checked:
    """Look for the one patient born on the day who has the confirmation id or an equal name, and all that is given.

    A name that lacks a part, or sounds alike, is not equal; beside the confirmation id a part may be missing.
    """
    lock(session, "identity checks")
    owner = session.scalars(
        select(AppointmentRow.patient_id).where(AppointmentRow.confirmation_id == (claim.confirmation_id or ""))
    ).one_or_none()
    born = session.execute(
        select(PatientRow.id, PatientRow.name, PatientRow.phone).where(PatientRow.dob == claim.dob)
    ).all()
    words = lookup_words(claim.name) if claim.name else ()
    named = session.execute(
        select(PatientRow.id, PatientRow.name)
        .where(
            PatientRow.id.in_(select(PatientWordRow.patient_id).where(PatientWordRow.word.in_(_filled(words, _WORDS))))
        )
        .limit(_RECORDS)
    ).all()
    by_day = _compared(claim, [row.name for row in born])
    by_name = _compared(claim, [row.name for row in named])
    found = [
        row.id for row, match in zip(born, by_day, strict=False) if _is_proved(claim, row.id, match, row.phone, owner)
    ]
    # Between two people with one name and one day of birth the line decides; by itself it proves neither.
    on_line = [row.id for row in born if row.id in found and row.phone == claim.calling_number]
    proved = found if len(found) == 1 else on_line
    patient_id = proved[0] if len(proved) == 1 else None

    # All that somebody may be guessing at: the record that is proved comes first, so that its lock always counts.
    of_name = [row.id for row, match in zip(named, by_name, strict=False) if match in ("equal", "partial")]
    records = dict.fromkeys([*found, *([] if owner is None else [owner]), *of_name, *(row.id for row in born)])
    by_number = _subjects("number", [claim.calling_number] if claim.calling_number else [])
    by_record = _subjects("claim", _claims(claim)) | _subjects("record", list(records)[:_RECORDS])
    concerned = _filled(by_number | by_record, _SUBJECTS)

    counts = session.execute(
        select(AttemptRow.subject, func.count())
        .where(AttemptRow.subject.in_(concerned), AttemptRow.failed, AttemptRow.at > now - WINDOW)
        .group_by(AttemptRow.subject)
    )
    failures: dict[str, int] = {row[0]: row[1] for row in counts}
    locked = {subject for subject in by_number | by_record if failures.get(subject, 0) >= MOST_FAILURES}
    has_failed = patient_id is None or bool(locked)
    # What is locked already is not counted on: a day after its last failure it is free again.
    counted = has_failed and not locked
    session.execute(
        insert(AttemptRow), [{"at": now, "subject": each, "failed": counted and each != ""} for each in concerned]
    )
    session.execute(delete(AttemptRow).where(AttemptRow.at <= now - WINDOW))
    last = {subject for subject in by_number | by_record if counted and failures.get(subject, 0) == MOST_FAILURES - 1}
    reached: set[Scope] = {"calling_number"} if last & by_number else set()
    reached |= {"record"} if last & by_record else set()
    return Checked(
        patient=None
        if has_failed or patient_id is None
        else VerifiedPatient(patient_id=patient_id, confirmation_id=claim.confirmation_id),
        reached=frozenset(reached),
        is_number_locked=bool(locked & by_number),
    )


def forget_checks(session: Session) -> None:
    """Forget all failed checks: nothing is for staff only any more."""
    session.execute(delete(AttemptRow))


def is_locked(session: Session, patient_id: int, *, now: datetime) -> bool:
    """Return whether a record has had so many failed checks that it is for staff only."""
    (subject,) = _subjects("record", [patient_id])
    failures = select(func.count()).where(
        AttemptRow.subject == subject, AttemptRow.failed, AttemptRow.at > now - WINDOW
    )
    return session.scalars(failures).one() >= MOST_FAILURES


def _filled(values: Iterable[str], size: int) -> list[str]:
    """The values, filled up to a size with empty ones: a statement is the same however many there are."""
    found = sorted(values)[:size]
    return found + [""] * (size - len(found))


def _compared(claim: Claim, names: Sequence[str]) -> list[Match]:
    """Return how each name compares with the claim's; never fewer than `_RECORDS` comparisons."""
    filled = [*names, *[_NOBODY] * (_RECORDS - len(names))]
    return [compare_names(claim.name or _NOBODY, name) for name in filled]


def _is_proved(claim: Claim, patient_id: int, match: Match, phone: str, owner: int | None) -> bool:
    if claim.phone is not None and phone != claim.phone:
        return False
    if claim.confirmation_id is None:
        return claim.name is not None and match == "equal"
    return patient_id == owner and (claim.name is None or match in ("equal", "partial"))


def _claims(claim: Claim) -> Iterable[str]:
    if claim.name is not None:
        yield "name " + " ".join(sorted(core_tokens(claim.name)))
    if claim.confirmation_id is not None:
        yield f"id {claim.confirmation_id}"
    if claim.name is None and claim.confirmation_id is None:
        yield f"born {claim.dob.isoformat()}"


def _subjects(kind: str, values: Iterable[object]) -> frozenset[str]:
    return frozenset(sha256(f"{kind} {value}".encode()).hexdigest() for value in values)
