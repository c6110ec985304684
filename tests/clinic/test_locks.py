import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import create_engine, make_url

from medagent.clinic import Clinic, Patient
from medagent.errors import ClinicError

NOW = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
WHEN = datetime(2026, 11, 24, 10, 0)  # noqa: DTZ001  # local, as a caller says it
PATIENT = Patient(name="Testa Plantedname", dob=date(1980, 1, 31), phone="+13125550142")
LONGEST_S = 6.0
LOCK = {"sqlite": ("BEGIN IMMEDIATE",), "postgresql": ("BEGIN", "LOCK TABLE appointments IN ACCESS EXCLUSIVE MODE")}


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Somebody else, on a connection of their own, holds what a writer needs."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as other:
        for statement in LOCK[make_url(url).get_backend_name()]:
            other.exec_driver_sql(statement)
        try:
            yield
        finally:
            other.exec_driver_sql("ROLLBACK")
    engine.dispose()


def test_a_writer_gives_up_while_a_foreign_lock_is_held(clinic: Clinic, clinic_url: str) -> None:
    """The lock is not given back: an error comes before it is, and after it the same booking goes through."""
    with locked(clinic_url), pytest.raises(ClinicError):
        clinic.book(PATIENT, when=WHEN, doctor="Dr. Amara Okafor", now=NOW)
    assert clinic.book(PATIENT, when=WHEN, doctor="Dr. Amara Okafor", now=NOW).confirmation_id


@pytest.mark.timing
def test_a_short_lock_is_sat_out(clinic: Clinic, clinic_url: str) -> None:
    """Held for a second and a half, longer than one wait: the caller notices a pause, no error."""
    taken, freed = threading.Event(), threading.Event()

    def hold() -> None:
        with locked(clinic_url):
            taken.set()
            freed.wait(1.5)  # meant to expire

    other = threading.Thread(target=hold)
    other.start()
    assert taken.wait(60)
    assert clinic.book(PATIENT, when=WHEN, doctor="Dr. Amara Okafor", now=NOW).confirmation_id
    other.join()


def test_a_server_that_accepts_and_does_not_answer_is_an_error() -> None:
    """A black hole in PostgreSQL's place: the wait ends while the server still listens."""
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(ClinicError):
        Clinic.open(f"postgresql+psycopg://clinic@127.0.0.1:{silent.getsockname()[1]}/clinic")


@pytest.mark.deadline
def test_a_writer_waits_for_a_foreign_lock_for_less_than_a_tool_may_take(clinic: Clinic, clinic_url: str) -> None:
    """The error comes within 6 s, since a tool may take 8."""
    with locked(clinic_url):
        began = time.monotonic()
        with pytest.raises(ClinicError):
            clinic.book(PATIENT, when=WHEN, doctor="Dr. Amara Okafor", now=NOW)
        assert time.monotonic() - began < LONGEST_S


@pytest.mark.deadline
def test_a_server_that_accepts_and_does_not_answer_is_an_error_within_6_s() -> None:
    """The wait for a black hole in PostgreSQL's place ends as soon as that for a lock."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(ClinicError):
            Clinic.open(f"postgresql+psycopg://clinic@127.0.0.1:{silent.getsockname()[1]}/clinic")
        assert time.monotonic() - began < LONGEST_S


def test_a_connection_that_the_server_cut_is_replaced(clinic: Clinic, clinic_url: str) -> None:
    """PostgreSQL restarts or drops its sessions between two calls: the next call is answered."""
    if not clinic_url.startswith("postgresql"):
        clinic.database.close()
    else:
        engine = create_engine(clinic_url, isolation_level="AUTOCOMMIT")
        with engine.connect() as other:
            other.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        engine.dispose()
    assert clinic.free_slots(now=NOW)
