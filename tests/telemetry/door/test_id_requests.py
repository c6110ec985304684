"""Requests of ids alone: nothing else is sent by them, and no switch stops them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medagent.errors import DoorError, ExportError, MedagentError, UnansweredError
from medagent.telemetry.door.id_requests import IdRequests
from sink import Sink

TRACE = "5f0c3b1e-0c1d-4f6a-9a55-1f2e3d4c5b6a"
WORDS = {"api", "v1", "runs", "delete", "trace_ids", "limit", "1"}
KEY = {"x-api-key": "lsv2_test"}


@pytest.fixture(scope="module")
def sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sink]:
    with Sink(tmp_path_factory.mktemp("sink")) as sink:
        yield sink


def requests_to(sink: Sink, *ids: str) -> IdRequests:
    made = IdRequests(name="langsmith", base_url=sink.url, headers=KEY, words=WORDS)
    made.allow(*ids)
    return made


@pytest.mark.timing
def test_id_requests_send_words_and_allowed_ids(sink: Sink) -> None:
    """Path, query and body of words and ids are sent as they are, with the key and nothing of the environment."""
    made = requests_to(sink, TRACE)
    made.send("POST", ("api", "v1", "runs", "delete", TRACE), body={"trace_ids": [TRACE]})
    made.send("GET", ("runs", TRACE), query={"limit": "1"})
    posted, got = sink.requests()[-2:]
    assert (posted.method, posted.path, posted.body) == (
        "POST",
        f"/api/v1/runs/delete/{TRACE}",
        b'{"trace_ids":["' + TRACE.encode() + b'"]}',
    )
    assert (got.method, got.path) == ("GET", f"/runs/{TRACE}?limit=1")
    assert {name.lower() for name in got.headers} == {"host", "accept", "accept-encoding", "user-agent", "x-api-key"}


_values = st.text(min_size=1, max_size=20).filter(lambda text: text not in WORDS) | st.sampled_from(
    ["Maren Oldfield", "../runs", "1982-03-14", str(UUID(int=5)), TRACE.upper(), f"{TRACE}?x=1", f"{TRACE}/.."]
)
_places = st.sampled_from(["path", "query name", "query value", "body key", "body value", "body list"])


@pytest.mark.timing
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=_values, place=_places)
def test_id_requests_send_nothing_else(sink: Sink, value: str, place: str) -> None:
    """Any other text, in any place, stops the request before it is sent, and the error does not repeat it."""
    made, before = requests_to(sink, TRACE), len(sink.requests())
    given_: dict[str, Any] = {
        "path": {"path": ("runs", value)},
        "query name": {"query": {value: "1"}},
        "query value": {"query": {"limit": value}},
        "body key": {"body": {value: TRACE}},
        "body value": {"body": {"trace_ids": value}},
        "body list": {"body": {"trace_ids": [TRACE, value]}},
    }[place]
    with pytest.raises(MedagentError) as caught:
        made.send("POST", **{"path": ("runs",), **given_})
    assert len(sink.requests()) == before
    assert len(value) < 6 or value not in str(caught.value)


@pytest.mark.parametrize("value", ["Maren Oldfield", "", "5f0c3b1e", "5F0C3B1E" * 4, f"{TRACE} ", "1" * 33, 7])
def test_id_requests_allow_only_ids(value: Any) -> None:
    """Text of another shape is not allowed as an id, wherever it comes from."""
    with pytest.raises((DoorError, TypeError)):
        IdRequests(name="x", base_url="http://127.0.0.1", headers={}, words=()).allow(value)


@pytest.mark.timing
def test_id_requests_follow_no_redirect_and_read_little(sink: Sink) -> None:
    """A redirect is an answer, not a way; what is not JSON is no document."""
    made = requests_to(sink, TRACE)
    sink.mode(status=302, location=f"{sink.url}/elsewhere")
    assert made.send("DELETE", ("runs", "v1")).status == 302
    assert sink.requests()[-1].path == "/runs/v1"
    sink.mode(status=200, answer=b"<html>login</html>".hex())
    assert made.send("DELETE", ("runs", "v1")).document is None
    sink.mode(status=200, answer=(b" " * (2 * 2**20 + 1)).hex())
    with pytest.raises(ExportError, match="over 2 MB"):
        made.send("DELETE", ("runs", "v1"))
    sink.mode(status=200)


@pytest.mark.timing
def test_id_requests_tell_no_answer_from_no_connection(sink: Sink) -> None:
    """A request without an answer may have worked; one without a connection has not."""
    sink.mode(status=200, silent=True)
    with pytest.raises(UnansweredError):
        requests_to(sink).send("DELETE", ("runs",))
    sink.mode(status=200)
    with pytest.raises(ExportError) as caught:
        IdRequests(name="x", base_url="http://127.0.0.1:9", headers={}, words={"runs"}).send("GET", ("runs",))
    assert not isinstance(caught.value, UnansweredError)
