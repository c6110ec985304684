"""Outboxes for tests: on each kind of database, and the little that goes into one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from uuid import UUID, uuid5

import pytest

from medagent.telemetry.door.admission import Admitted
from medagent.telemetry.metric_totals import SpanCounter
from medagent.telemetry.outbox import Outbox
from medagent.telemetry.span import Ancestor, SafeSpan, SpanKind
from medagent.telemetry.span_store import Release

CALLS = [f"{n:08d}-0000-4000-8000-000000000000" for n in range(4)]
MakeOutbox = Callable[..., Outbox]


@pytest.fixture(params=["sqlite", "postgresql"])
def outbox_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'outbox' / 'outbox.db'}"
    url: str = request.getfixturevalue("postgresql_url")
    return url


@pytest.fixture
def make_outbox(outbox_url: str) -> Iterator[MakeOutbox]:
    made: list[Outbox] = []

    def make(
        owner: str = "o",
        max_bytes: int | None = None,
        destinations: tuple[str, ...] = (),
        delay: Callable[[str, str], int] | None = None,
        counters: Mapping[str, SpanCounter] | None = None,
    ) -> Outbox:
        places, more = destinations or ("archive", "elsewhere"), {} if counters is None else {"counters": counters}
        made.append(Outbox(outbox_url, destinations=places, owner=owner, max_bytes=max_bytes, delay=delay, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def outbox(make_outbox: MakeOutbox) -> Outbox:
    return make_outbox()


def admitted(trace_id: str, name: str, number: int = 0, note: str = "") -> Admitted:
    span = SafeSpan(
        trace_id=trace_id,
        span_id=trace_id if name == "voice_session" else str(uuid5(UUID(trace_id), f"{name}.{number}")),
        ancestors=() if name == "voice_session" else (Ancestor(span_id=trace_id, start_us=0),),
        name=name,
        kind=SpanKind.SESSION if name == "voice_session" else SpanKind.MARKER,
        start_us=0,
        end_us=1,
        status="ok",
        env="dev",
        policy_digest="ab" * 32,
        fields={"index": number, "note": note},
    )
    return Admitted.of(span)


def begin(outbox: Outbox, trace_id: str, release: Release = "released") -> None:
    with outbox.transaction() as transaction:
        transaction.open_call(trace_id, release=release)


def put(outbox: Outbox, trace_id: str, name: str, number: int = 0, *, final: bool = True, note: str = "") -> None:
    with outbox.transaction() as transaction:
        transaction.put(admitted(trace_id, name, number, note), final=final)
