"""Databases of earlier versions, taken over when they are opened, in the transaction that opens them.

Version 1 had no table of its version, compared names by case and spaces alone, and knew no extension.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import inspect, select, text, update
from sqlalchemy.orm import Session

from medagent.clinic.names import compare_names, name_key, search_words
from medagent.clinic.schema import BOOKED, VERSION, AppointmentRow, Base, PatientRow, PatientWordRow, VersionRow
from medagent.errors import ClinicError

_DURATION = timedelta(minutes=30)


def make_or_migrate(session: Session) -> None:
    """Create the tables that are missing and take over those of an earlier version.

    Raises:
        ClinicError: The tables are of a later version.
    """
    connection = session.connection()
    tables = set(inspect(connection).get_table_names())
    is_old = PatientRow.__tablename__ in tables and VersionRow.__tablename__ not in tables
    Base.metadata.create_all(connection)
    version = session.scalars(select(VersionRow.version)).one_or_none()
    if version is not None and version > VERSION:
        raise ClinicError(
            f"the clinic's database: version {version}, expected {VERSION} or earlier", hint="install a later medagent"
        )
    if is_old:
        _to_version_2(session)
    if version is None:
        session.add(VersionRow(id=1, version=VERSION))


def _to_version_2(session: Session) -> None:
    columns = {column["name"] for column in inspect(session.connection()).get_columns(PatientRow.__tablename__)}
    if "extension" not in columns:
        session.execute(text("ALTER TABLE patients ADD COLUMN extension VARCHAR"))
    # No new key may meet an old one on the way.
    session.execute(text("UPDATE patients SET name_key = '#' || id"))
    lines: dict[tuple[object, str], list[PatientRow]] = {}
    for row in session.scalars(select(PatientRow).order_by(PatientRow.id)).all():
        kept = lines.setdefault((row.dob, row.phone), [])
        first = next((one for one in kept if compare_names(row.name, one.name) == "equal"), None)
        if first is not None and _merge(session, first, row):
            continue
        key = name_key(row.name)
        # A second record of one person that cannot be merged has a key of its own.
        row.name_key = f"{key} {row.id}" if any(one.name_key == key for one in kept) else key
        session.add_all(PatientWordRow(patient_id=row.id, word=word) for word in search_words(row.name))
        kept.append(row)
    session.flush()


def _merge(session: Session, first: PatientRow, second: PatientRow) -> bool:
    """Give the second record's appointments to the first; False where the two have appointments at one time."""
    booked = select(AppointmentRow.starts_at).where(AppointmentRow.status == BOOKED)
    mine = session.scalars(booked.where(AppointmentRow.patient_id == first.id)).all()
    theirs = session.scalars(booked.where(AppointmentRow.patient_id == second.id)).all()
    if any(abs(one - other) < _DURATION for one in mine for other in theirs):
        return False
    session.execute(update(AppointmentRow).where(AppointmentRow.patient_id == second.id).values(patient_id=first.id))
    first.email, first.mrn = first.email or second.email, first.mrn or second.mrn
    first.address = first.address or second.address
    session.delete(second)
    session.flush()
    return True
