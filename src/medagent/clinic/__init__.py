"""The clinic itself: its schedule, its bookings, its opening hours."""

from medagent.clinic.booking import Booking, Patient
from medagent.clinic.clinic import Clinic
from medagent.clinic.confirmation import CONFIRMATION_ID
from medagent.clinic.demo import seed_demo
from medagent.clinic.hours import Slot
from medagent.clinic.refusal import Refusal

__all__ = ["CONFIRMATION_ID", "Booking", "Clinic", "Patient", "Refusal", "Slot", "seed_demo"]
