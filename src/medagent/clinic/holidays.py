"""The federal holidays of the United States, computed: the day itself, and the weekday on which it is observed."""

from __future__ import annotations

from datetime import date, timedelta

_FIXED = (
    (1, 1, "New Year's Day"),
    (6, 19, "Juneteenth"),
    (7, 4, "Independence Day"),
    (11, 11, "Veterans Day"),
    (12, 25, "Christmas Day"),
)
_FLOATING = (  # month, weekday (0 is Monday), which one of the month (0 is its last)
    (1, 0, 3, "Martin Luther King Jr. Day"),
    (2, 0, 3, "Presidents' Day"),
    (5, 0, 0, "Memorial Day"),
    (9, 0, 1, "Labor Day"),
    (10, 0, 2, "Columbus Day"),
    (11, 3, 4, "Thanksgiving Day"),
)


def us_holidays(year: int) -> dict[date, str]:
    """Every closed day that falls into a year; one year's New Year's Day may be observed on the last day before."""
    found: dict[date, str] = {}
    for month, weekday, which, name in _FLOATING:
        first = date(year, month, 1)
        if which:
            found[first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (which - 1))] = name
        else:
            last = date(year, month + 1, 1) - timedelta(days=1)
            found[last - timedelta(days=(last.weekday() - weekday) % 7)] = name
    for owner in (year, year + 1):
        for month, day, name in _FIXED:
            actual = date(owner, month, day)
            observed = actual + timedelta(days={5: -1, 6: 1}.get(actual.weekday(), 0))
            found.update({when: name for when in (observed, actual) if when.year == year})
    return found
