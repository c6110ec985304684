"""A small invented clinic to try everything on."""

from __future__ import annotations

from datetime import UTC, datetime, time

from sqlalchemy import select
from sqlalchemy.orm import Session

from medagent.clinic.clinic import Clinic
from medagent.clinic.holidays import us_holidays
from medagent.clinic.schema import DoctorRow, HolidayRow, LocationRow, ScheduleRow

CLINIC_NAME = "Lakeside Family Clinic"
_ZONE = "America/Chicago"
_MAIN_STREET, _HARBOR_VIEW = "Lakeside Main Street", "Lakeside Harbor View"
_ADDRESSES = {
    _MAIN_STREET: "120 Main Street, Lakeside, IL 60000",
    _HARBOR_VIEW: "7 Harbor View Drive, Lakeside, IL 60000",
}
_OKAFOR, _LINDQVIST, _RAMAN = "Dr. Amara Okafor", "Dr. Henrik Lindqvist", "Dr. Priya Raman"
_SPECIALTIES = {_OKAFOR: "family medicine", _LINDQVIST: "paediatrics", _RAMAN: "internal medicine"}
_MORNING, _AFTERNOON, _SATURDAY = (time(8, 30), time(12)), (time(13), time(17)), (time(9), time(12))
_FULL_DAYS = {  # doctor, place, weekdays (0 is Monday)
    (_OKAFOR, _MAIN_STREET): (0, 1, 2),
    (_OKAFOR, _HARBOR_VIEW): (3, 4),
    (_LINDQVIST, _MAIN_STREET): (0, 2, 4),
    (_LINDQVIST, _HARBOR_VIEW): (1,),
    (_RAMAN, _MAIN_STREET): (3, 4),
    (_RAMAN, _HARBOR_VIEW): (0, 1, 2),
}
_SATURDAYS = (_OKAFOR, _MAIN_STREET)


def seed_demo(clinic: Clinic, *, now: datetime | None = None) -> None:
    """Put the demo clinic in, holidays of this and the next two years with it; what is there already stays."""
    year = (now or datetime.now(UTC)).year
    clinic.database.write(lambda session: _seed(session, year))


def _seed(session: Session, year: int) -> None:
    names = set(session.scalars(select(LocationRow.name)))
    session.add_all(
        LocationRow(name=name, time_zone=_ZONE, address=address)
        for name, address in _ADDRESSES.items()
        if name not in names
    )
    names = set(session.scalars(select(DoctorRow.name)))
    session.add_all(
        DoctorRow(name=name, specialty=specialty) for name, specialty in _SPECIALTIES.items() if name not in names
    )
    locations = dict(session.execute(select(LocationRow.name, LocationRow.id)).all())
    doctors = dict(session.execute(select(DoctorRow.name, DoctorRow.id)).all())

    hours = {
        (doctors[doctor], locations[place], weekday, opens): closes
        for (doctor, place), weekdays in _FULL_DAYS.items()
        for weekday in weekdays
        for opens, closes in (_MORNING, _AFTERNOON)
    }
    hours[doctors[_SATURDAYS[0]], locations[_SATURDAYS[1]], 5, _SATURDAY[0]] = _SATURDAY[1]
    there = {(row.doctor_id, row.location_id, row.weekday, row.opens) for row in session.scalars(select(ScheduleRow))}
    session.add_all(
        ScheduleRow(doctor_id=key[0], location_id=key[1], weekday=key[2], opens=key[3], closes=closes)
        for key, closes in hours.items()
        if key not in there
    )
    closed = set(session.scalars(select(HolidayRow.date).where(HolidayRow.location_id.is_(None))))
    session.add_all(
        HolidayRow(date=day, name=name, location_id=None)
        for covered in range(year, year + 3)
        for day, name in us_holidays(covered).items()
        if day not in closed
    )
