"""Reading back a home after its calls: what is lost, what is there twice, whether chains and ledger are whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass

from medagent.errors import MedagentError, TraceNotFoundError
from medagent.runtime.exports import archive
from medagent.runtime.host import ledger_path, machine_keys
from medagent.settings import Settings
from medagent.telemetry.chain import verify_chain
from medagent.telemetry.ledger import entries
from medagent.telemetry.ledger.verify import verify
from medagent.telemetry.span import SafeSpan
from sink import Sink

_ONCE = ("voice_session", "session.end", "policy.guardrail")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCheck:
    """What a home holds of some calls.

    Attributes:
        calls: The calls.
        spans: Their spans in the archive.
        problems: One line for each thing that is lost, twice or broken.
        sizes: Numbers of spans that a call has.
    """

    calls: int
    spans: int
    problems: list[str]
    sizes: Set[int]


def check_host(
    settings: Settings,
    trace_ids: Iterable[str],
    *,
    accepted: Mapping[str, Set[str]] | None = None,
    is_complete: bool = True,
) -> HostCheck:
    """Read calls back from the archive and the ledger.

    Args:
        settings: Settings of the home.
        trace_ids: The calls.
        accepted: Ids of spans that a spool had on disk, by call.
        is_complete: Whether each call ended by itself.
    """
    calls = sorted({*trace_ids, *(accepted or {})})
    problems: list[str] = []
    sizes: list[int] = []
    store = archive(settings)
    try:
        for trace_id in calls:
            try:
                chain = store.chain(trace_id)
            except TraceNotFoundError:
                problems.append(f"call {trace_id}: lost")
                continue
            spans = [link for link in chain if isinstance(link, SafeSpan)]
            problems += _problems(trace_id, spans, is_complete=is_complete)
            ids = {span.span_id for span in spans}
            problems += [f"call {trace_id}: accepted span lost" for _ in (accepted or {}).get(trace_id, set()) - ids]
            sizes.append(len(spans))
    finally:
        store.close()
    problems += _ledger_problems(settings, calls)
    return HostCheck(calls=len(calls), spans=sum(sizes), problems=problems, sizes=frozenset(sizes))


def _problems(trace_id: str, spans: list[SafeSpan], *, is_complete: bool) -> list[str]:
    found = []
    try:
        verify_chain(spans)
    except MedagentError as error:
        found.append(f"call {trace_id}: {error}")
    names = Counter(span.name for span in spans)
    found += [f"call {trace_id}: {names[one]} spans {one}, expected 1" for one in _ONCE if names[one] != 1]
    if len({span.span_id for span in spans}) != len(spans):
        found.append(f"call {trace_id}: a span twice")
    if is_complete and not all(span.fields.get("complete") for span in spans if span.name == "policy.guardrail"):
        found.append(f"call {trace_id}: not complete")
    return found


def _ledger_problems(settings: Settings, calls: list[str]) -> list[str]:
    try:
        verify(ledger_path(settings), machine_keys(settings))
        recorded = [entry for entry in entries(ledger_path(settings)) if entry.kind == "guardrail"]
    except MedagentError as error:
        return [f"ledger: {error}"]
    times = Counter(str(entry.content["trace_id"]) for entry in recorded)
    return [f"ledger: {times[one]} entries of call {one}, expected 1" for one in calls if times[one] != 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What a destination got: spans that it lacks, spans that it got again, and the connections that were made."""

    missing: int
    repeats: int
    connections: int


def check_langsmith(sink: Sink, settings: Settings, trace_ids: Iterable[str]) -> Delivered:
    """Compare what LangSmith's place took with the archive."""
    requests = [one for one in sink.requests() if one.path == "/runs/multipart" and one.answered == 202]
    posted = [name for request in requests for name, _ in request.parts() if name.startswith("post.")]
    ids = Counter(name.removeprefix("post.") for name in posted if name.count(".") == 1)
    store, sealed = archive(settings), set[str]()
    try:
        for trace_id in trace_ids:
            with suppress(TraceNotFoundError):  # `check_host` reports it
                sealed |= {span.span_id for span in store.spans(trace_id)}
    finally:
        store.close()
    return Delivered(
        missing=len(sealed - ids.keys()),
        repeats=sum(ids.values()) - len(ids),
        connections=len({request.peer for request in requests}),
    )
