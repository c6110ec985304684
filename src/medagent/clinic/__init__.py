"""The clinic itself: its schedule, its bookings, its opening hours."""
