"""A cause is stored as a short code and shown as a sentence with a remedy for its destination."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medagent.errors import DoorError, ExportError, OversizedError, RefusedError
from medagent.settings import Settings
from medagent.telemetry.failures import Failure, FailureCause, cause_of_status
from medagent.telemetry.outbox.schema import deliveries

DESTINATIONS = ("archive", "jsonlog", "langsmith", "langfuse", "otlp", "slack", "pagerduty")
VARIABLES = {str(field.alias) for field in Settings.model_fields.values()} | {"LANGSMITH_WORKSPACE_ID"}


@pytest.mark.parametrize("destination", [*DESTINATIONS, "another"])
@pytest.mark.parametrize("cause", FailureCause)
def test_each_cause_has_a_sentence_and_a_remedy(destination: str, cause: FailureCause) -> None:
    """No word is left to be filled in, every setting that a remedy names exists, and a new cause needs its texts."""
    said = Failure(cause=cause, status=403).explain(destination)
    for text in (said.cause, said.remedy):
        assert text
        assert not re.search(r"[{}]", text)
        assert set(re.findall(r"\b[A-Z]+_[A-Z_]+\b", text)) <= VARIABLES
    assert said.cause.endswith("(HTTP 403)")
    assert said.document().keys() == {"code", "status", "cause", "remedy"}


@pytest.mark.parametrize(
    ("destination", "status", "names"),
    [
        ("langsmith", 401, "LANGSMITH_API_KEY"),
        ("langsmith", 403, "LANGSMITH_WORKSPACE_ID"),
        ("langsmith", 404, "LANGSMITH_ENDPOINT"),
        ("otlp", 401, "MEDAGENT_OTLP_HEADERS"),
        ("otlp", 404, "MEDAGENT_OTLP_ENDPOINT"),
        ("langfuse", 401, "LANGFUSE_SECRET_KEY"),
        ("langfuse", 302, "LANGFUSE_BASE_URL"),
        ("slack", 404, "MEDAGENT_SLACK_WEBHOOK_URL"),
        ("pagerduty", 400, "MEDAGENT_PAGERDUTY_ROUTING_KEY"),
    ],
)
def test_a_remedy_names_the_setting_of_its_destination(destination: str, status: int, names: str) -> None:
    """A status at one destination is mended by that destination's own setting."""
    assert names in Failure(cause=cause_of_status(status), status=status).explain(destination).remedy


@given(cause=st.sampled_from(FailureCause), status=st.none() | st.integers(100, 599))
def test_what_is_stored_is_read_again(cause: FailureCause, status: int | None) -> None:
    """The code fits into its column, and is the same failure when it is read."""
    failure = Failure(cause=cause, status=status)
    assert Failure.read(failure.stored()) == failure
    assert len(failure.stored()) <= (deliveries.c.last_error.type.length or 0)


@given(text=st.text(max_size=90))
def test_what_is_no_code_is_read_as_unknown(text: str) -> None:
    """Whatever stands in the column, reading it raises nothing and repeats nothing of it."""
    failure = Failure.read(text)
    assert failure.cause in set(FailureCause)
    assert Failure.read(failure.stored()) == failure


@pytest.mark.parametrize(
    ("stored", "cause"),
    [
        ("ExportError 401", FailureCause.KEY_REJECTED),
        ("RefusedError 413", FailureCause.REQUEST_TOO_LARGE),
        ("ExportError", FailureCause.UNKNOWN),
        ("not what was sealed", FailureCause.UNKNOWN),
    ],
)
def test_what_an_earlier_version_stored_is_read(stored: str, cause: FailureCause) -> None:
    """An outbox of version 0.1 holds class and status."""
    assert Failure.read(stored).cause is cause


def test_an_exception_is_read_by_its_class_and_code_alone() -> None:
    """No message, which may quote a value, is part of a failure."""
    for error, stored in (
        (ExportError("Jane Doe"), "unknown"),
        (ExportError("Jane Doe", status=401), "key_rejected 401"),
        (RefusedError("Jane Doe", status=422), "content_refused 422"),
        (OversizedError("Jane Doe"), "request_too_large"),
        (DoorError("Jane Doe"), "blocked"),
        (KeyError("Jane Doe"), "span_not_mapped"),
    ):
        failure = Failure.of(error)
        assert failure.stored() == stored
        assert "Jane" not in repr(failure.explain("otlp"))
