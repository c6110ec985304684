"""A clinic's phone agent whose traces carry no patient's data, and the proof of it."""
