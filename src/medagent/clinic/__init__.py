"""The clinic itself: its schedule, its bookings, its opening hours, what it tells callers."""

from medagent.clinic.booking import Booking, Patient, Representative
from medagent.clinic.clinic import Clinic
from medagent.clinic.confirmation import CONFIRMATION_ID, WRITTEN_ID
from medagent.clinic.demo import seed_demo
from medagent.clinic.guidelines import Findings, Guideline, guidelines_for
from medagent.clinic.hours import Slot
from medagent.clinic.names import display_name
from medagent.clinic.opening import Closure, OpenHours, OpeningHours
from medagent.clinic.phone_numbers import PhoneNumber, number_of_line, phone_number
from medagent.clinic.refusal import Refusal
from medagent.clinic.spoken import clock_words, spoken_slot
from medagent.clinic.verification import Scope, VerifiedPatient
from medagent.clinic.zones import as_said, is_zone, use_pinned_zones, zones_version

__all__ = [
    "CONFIRMATION_ID",
    "WRITTEN_ID",
    "Booking",
    "Clinic",
    "Closure",
    "Findings",
    "Guideline",
    "OpenHours",
    "OpeningHours",
    "Patient",
    "PhoneNumber",
    "Refusal",
    "Representative",
    "Scope",
    "Slot",
    "VerifiedPatient",
    "as_said",
    "clock_words",
    "display_name",
    "guidelines_for",
    "is_zone",
    "number_of_line",
    "phone_number",
    "seed_demo",
    "spoken_slot",
    "zones_version",
]

use_pinned_zones()
