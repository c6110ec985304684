"""The clinic itself: its schedule, its bookings, its opening hours, what it tells callers."""

from medagent.clinic.booking import Booking, Patient
from medagent.clinic.clinic import Clinic
from medagent.clinic.confirmation import CONFIRMATION_ID, WRITTEN_ID
from medagent.clinic.demo import seed_demo
from medagent.clinic.guidelines import Findings, Guideline, guidelines_for
from medagent.clinic.hours import Slot
from medagent.clinic.opening import Closure, OpenHours, OpeningHours
from medagent.clinic.refusal import Refusal
from medagent.clinic.spoken import clock_words, spoken_slot
from medagent.clinic.verification import VerifiedPatient
from medagent.clinic.zones import is_zone, use_pinned_zones, zones_version

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
    "Refusal",
    "Slot",
    "VerifiedPatient",
    "clock_words",
    "guidelines_for",
    "is_zone",
    "seed_demo",
    "spoken_slot",
    "zones_version",
]

use_pinned_zones()
