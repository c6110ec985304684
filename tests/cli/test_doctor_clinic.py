"""`medagent doctor` names the clocks and the country that a clinic works by."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest
from sqlalchemy import update

from command import medagent
from medagent.clinic import Clinic, seed_demo
from medagent.clinic.schema import LocationRow

pytestmark = pytest.mark.timing


def found(home: Path, environment: dict[str, str]) -> dict[str, list[dict[str, str]]]:
    done = medagent("doctor", "--json", home=home, **environment)
    lines = [json.loads(line) for line in done.out.splitlines()]
    return {what: [line for line in lines if line["what"] == what] for what in ("time zones", "country")}


def clinic_at(home: Path, zone: str) -> None:
    clinic = Clinic.open(home / "clinic" / "clinic.db")
    seed_demo(clinic)
    clinic.database.write(lambda session: session.execute(update(LocationRow).values(time_zone=zone)))
    clinic.close()


def test_doctor_shows_the_release_of_the_zones_and_the_country(tmp_path: Path) -> None:
    """The pinned release, the clinic's own zone, and whose numbers need no country code."""
    clinic_at(tmp_path, "Europe/Madrid")
    shown = found(tmp_path, {})
    assert [line["state"] for line in shown["time zones"]] == ["ok"]
    assert metadata.version("tzdata") in shown["time zones"][0]["says"]
    assert "Europe/Madrid" in shown["time zones"][0]["says"]
    assert "ES (by its time zones)" in shown["country"][0]["says"]
    shown = found(tmp_path, {"MEDAGENT_CLINIC_COUNTRY": "MX"})
    assert "MX (MEDAGENT_CLINIC_COUNTRY)" in shown["country"][0]["says"]


def test_doctor_finds_a_zone_that_does_not_exist(tmp_path: Path) -> None:
    """A misspelt zone is to be mended before a caller meets it."""
    clinic_at(tmp_path, "America/Jane_Doe")
    shown = found(tmp_path, {})
    assert [line["state"] for line in shown["time zones"]] == ["missing", "ok"]
    assert "Jane" not in json.dumps(shown)
