"""The clinic's tables; two people cannot hold one slot because the database says so, whatever the code does."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import Any

from sqlalchemy import CheckConstraint, DateTime, Dialect, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

VERSION = 2
"""Version of these tables; another one is taken over by `migrations`, a later one is refused."""
BOOKED = "booked"
CANCELLED = "cancelled"


class UtcDateTime(TypeDecorator[datetime]):
    """An instant, stored and read back as aware UTC; a naive one is refused with `ValueError`."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: D102  # SQLAlchemy's hook
        if value is not None and value.tzinfo is None:
            raise ValueError("a naive datetime names no instant")
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:  # noqa: D102  # SQLAlchemy's hook
        if value is None:
            return None
        read: datetime = value
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


class Base(DeclarativeBase):
    """What all tables hang on."""

    type_annotation_map = {datetime: UtcDateTime}  # noqa: RUF012  # SQLAlchemy reads it from the class


class LocationRow(Base):
    """A place of the clinic; `time_zone` is an IANA name."""

    __tablename__ = "locations"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    time_zone: Mapped[str]
    address: Mapped[str]


class DoctorRow(Base):
    """A doctor of the clinic."""

    __tablename__ = "doctors"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    specialty: Mapped[str]


class ScheduleRow(Base):
    """Weekly hours of a doctor at a place, in the place's local time; weekday 0 is Monday."""

    __tablename__ = "schedule"
    __table_args__ = (
        UniqueConstraint("doctor_id", "location_id", "weekday", "opens"),
        CheckConstraint("weekday BETWEEN 0 AND 6"),
        CheckConstraint("opens < closes"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    doctor_id: Mapped[int] = mapped_column(ForeignKey("doctors.id"))
    location_id: Mapped[int] = mapped_column(ForeignKey("locations.id"))
    weekday: Mapped[int]
    opens: Mapped[time]
    closes: Mapped[time]


class HolidayRow(Base):
    """A day on which a place, or with no place the whole clinic, is closed."""

    __tablename__ = "holidays"
    id: Mapped[int] = mapped_column(primary_key=True)
    date: Mapped[date]
    name: Mapped[str]
    location_id: Mapped[int | None] = mapped_column(ForeignKey("locations.id"))


class VersionRow(Base):
    """The version of these tables, in one row; a database without it is of version 1, or new."""

    __tablename__ = "clinic_version"
    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int]


class PatientRow(Base):
    """A patient; `name` is as it was said, `name_key` is one key of it, `phone` is E.164."""

    __tablename__ = "patients"
    __table_args__ = (UniqueConstraint("name_key", "dob", "phone"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    name_key: Mapped[str]
    dob: Mapped[date] = mapped_column(index=True)
    phone: Mapped[str]
    email: Mapped[str | None]
    mrn: Mapped[str | None]
    address: Mapped[str | None]
    extension: Mapped[str | None]


class PatientWordRow(Base):
    """A word by which a patient's name is found, in Latin letters."""

    __tablename__ = "patient_words"
    patient_id: Mapped[int] = mapped_column(ForeignKey("patients.id"), primary_key=True)
    word: Mapped[str] = mapped_column(primary_key=True, index=True)


class RepresentativeRow(Base):
    """Somebody who phones for a patient, and what they are to the patient."""

    __tablename__ = "representatives"
    __table_args__ = (UniqueConstraint("patient_id", "name_key", "relation"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    patient_id: Mapped[int] = mapped_column(ForeignKey("patients.id"))
    name: Mapped[str]
    name_key: Mapped[str]
    relation: Mapped[str]
    created_at: Mapped[datetime]


class AttemptRow(Base):
    """An identity check, for one of those whom it concerns: a digest of a record, of a claim or of a calling number."""

    __tablename__ = "identity_attempts"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    subject: Mapped[str] = mapped_column(index=True)
    failed: Mapped[bool]


class AppointmentRow(Base):
    """A booking, kept when it is cancelled; `duration` is in minutes."""

    __tablename__ = "appointments"
    __table_args__ = (CheckConstraint(f"status IN ('{BOOKED}', '{CANCELLED}')"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    doctor_id: Mapped[int] = mapped_column(ForeignKey("doctors.id"))
    location_id: Mapped[int] = mapped_column(ForeignKey("locations.id"))
    patient_id: Mapped[int] = mapped_column(ForeignKey("patients.id"))
    starts_at: Mapped[datetime]
    duration: Mapped[int]
    status: Mapped[str]
    confirmation_id: Mapped[str] = mapped_column(unique=True)
    reason: Mapped[str | None]
    notes: Mapped[str | None]
    created_at: Mapped[datetime]


class ChangeRow(Base):
    """A move or a cancellation: the start that was left, and the one taken instead, None where it was cancelled."""

    __tablename__ = "changes"
    id: Mapped[int] = mapped_column(primary_key=True)
    appointment_id: Mapped[int] = mapped_column(ForeignKey("appointments.id"), index=True)
    was_at: Mapped[datetime]
    is_at: Mapped[datetime | None]
    changed_at: Mapped[datetime]


def _unique_where(name: str, *columns: Any, where: Any) -> Index:
    return Index(name, *columns, unique=True, sqlite_where=where, postgresql_where=where)


_unique_where(
    "one_booking_per_doctor",
    AppointmentRow.doctor_id,
    AppointmentRow.starts_at,
    where=AppointmentRow.status == BOOKED,
)
_unique_where(
    "one_booking_per_patient",
    AppointmentRow.patient_id,
    AppointmentRow.starts_at,
    where=AppointmentRow.status == BOOKED,
)
_unique_where("one_holiday_everywhere", HolidayRow.date, where=HolidayRow.location_id.is_(None))
_unique_where(
    "one_holiday_per_place", HolidayRow.date, HolidayRow.location_id, where=HolidayRow.location_id.is_not(None)
)
