"""Measurements, each a script: `make bench` runs them, and their short forms run in the tests."""
