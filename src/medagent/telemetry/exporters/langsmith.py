"""LangSmith: a span becomes one finished run, sent once, through the real client and through the exit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from urllib3.util import Retry

from medagent.errors import ExportError
from medagent.proof import Json
from medagent.proof.keys import PSEUDONYM_SHAPE
from medagent.telemetry.door.exit import ExitSession
from medagent.telemetry.exporters.exporter import Envelope, ask, failure, seal_of
from medagent.telemetry.span import Ancestor, SafeSpan, SpanKind

if TYPE_CHECKING:
    from langsmith import Client

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CONFLICT = 409
_FOUND = 200
_REGIONS = {
    "api.smith.langchain.com": "us",
    "eu.api.smith.langchain.com": "eu",
    "apac.api.smith.langchain.com": "apac",
    "aws.api.smith.langchain.com": "us-aws",
}
_RELEASE = version("medagent")
_TAG = "medagent"
_RUN_TYPES = {SpanKind.AGENT_TURN: "llm", SpanKind.LLM: "llm", SpanKind.TOOL: "tool"}
_OPERATIONS = {
    SpanKind.SESSION: "invoke_agent",
    SpanKind.AGENT_TURN: "chat",
    SpanKind.LLM: "chat",
    SpanKind.TOOL: "execute_tool",
}
_AZURE, _AZURE_OPENAI = "azure", "azure.ai.openai"
_USAGE = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "total_tokens": "total_tokens",
    "total_cost": "cost_usd",
}
_INPUT_DETAILS = {"text": "input_text_tokens", "audio": "input_audio_tokens", "cache_read": "input_cached_tokens"}
_OUTPUT_DETAILS = {"text": "output_text_tokens", "audio": "output_audio_tokens"}
_MODEL = ("ls_model_name", "gen_ai.request.model", "gen_ai.response.model")
_STANDARD = {"gen_ai.usage.input_tokens": "input_tokens", "gen_ai.usage.output_tokens": "output_tokens"}
_PART = re.compile(r"post\.(?P<span>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:\.(?:inputs|outputs|extra|error))?")


class LangSmithExporter:
    """Delivers through `langsmith.Client`, made at the first export; for one thread, its shipper's."""

    name = "langsmith"

    def __init__(self, *, api_key: str, endpoint: str, project: str, retention_days: Literal[14, 400] = 14) -> None:
        self.retention_days: int | None = retention_days
        self._endpoint = endpoint.rstrip("/")
        self.region = _REGIONS.get(urlsplit(self._endpoint).hostname or "", "self-hosted")
        self._key = api_key
        self._project = project
        self._session = ExitSession(envelope(api_key=api_key, endpoint=self._endpoint, project=project))
        self._client: Client | None = None

    def export(self, batch: Sequence[SafeSpan]) -> None:
        """Deliver a batch whole; raises `ExportError` with the status where it failed, `DoorError` where refused."""
        if not batch:
            return
        runs = [run_of(span, self._project) for span in batch]
        status = self._session.deliver(batch, lambda: self._ingest(runs))
        if status == _CONFLICT:
            # It has one of these runs already: the ones that it has not are found by sending each alone.
            if len(batch) > 1:
                for span in batch:
                    self.export([span])
        elif not 200 <= status < 300:
            raise failure(self.name, status, self._session.retry_after)

    def holds(self, span: SafeSpan) -> bool:
        """Ask for the run by its id, which is all that this request tells."""
        answer = ask(f"{self._endpoint}/runs/{span.span_id}", {"x-api-key": self._key}, of=self.name)
        try:
            return answer.status_code == _FOUND and answer.json().get("name") == span.name
        except (ValueError, AttributeError):
            raise ExportError("langsmith answered what is no run") from None

    def close(self) -> None:
        """Close the connections; what was not delivered is the outbox's."""
        if self._client is not None:
            self._client.close(timeout=0)
            self._client = None
        self._session.close()

    def _ingest(self, runs: list[dict[str, Any]]) -> None:
        if self._client is None:
            self._client = make_client(self._session, api_key=self._key, endpoint=self._endpoint)
        self._client.multipart_ingest(create=runs)


def make_client(session: ExitSession, *, api_key: str, endpoint: str) -> Client:
    """A client that only serialises and hands over: every argument that the environment could set is given here."""
    from langsmith import Client  # noqa: PLC0415 - 0.4 s to import, and many calls never ship to LangSmith

    return Client(
        endpoint,
        api_key=api_key,
        session=session,
        info={},  # else it asks for it
        auto_batch_tracing=False,  # else it starts threads
        omit_traced_runtime_info=True,  # else it adds platform, environment and git metadata
        retry_config=Retry(0),
        headers={"User-Agent": "medagent"},
        workspace_id="",
        tracing_mode="langsmith",
        tracing_sampling_rate=1,
        hide_inputs=False,
        hide_outputs=False,
        hide_metadata=False,
        disable_prompt_cache=True,
    )


def envelope(*, api_key: str, endpoint: str, project: str) -> Envelope:
    """All that LangSmith is told beside the spans."""
    return Envelope(
        method="POST",
        url=f"{endpoint}/runs/multipart",
        media_type="multipart/form-data",
        headers={
            "accept": "application/json",
            "accept-encoding": "identity",
            "user-agent": "medagent",
            "x-api-key": api_key,
        },
        keys=frozenset(
            {"id", "trace_id", "parent_run_id", "dotted_order", "name", "start_time", "end_time", "metadata"}
            | {"thread_id", "session_id", "gen_ai.conversation.id", "gen_ai.tool.name", "usage_metadata"}
            | {"input_token_details", "output_token_details", *_USAGE, *_INPUT_DETAILS, *_OUTPUT_DETAILS}
            | {*_MODEL, *_STANDARD, "ls_provider", "gen_ai.provider.name", "user_id", "environment", "tags"}
        ),
        constants={
            "run_type": frozenset({"chain", *_RUN_TYPES.values()}),
            "session_name": frozenset({project}),
            "ls_provider": frozenset({_AZURE}),
            "ls_model_type": frozenset({"chat"}),
            "revision_id": frozenset({_RELEASE}),
            "tags": frozenset({_TAG}),
            "gen_ai.operation.name": frozenset(_OPERATIONS.values()),
        },
        part=_PART,
    )


def run_of(span: SafeSpan, project: str) -> dict[str, Any]:
    """The run that LangSmith is to show for a span; what is null or missing in the span is no zero here."""
    rest = dict(span.fields)
    inputs: Json = {}
    outputs: Json = {}
    if span.kind is SpanKind.TOOL:
        inputs = _record(rest, "arguments")
        outputs = _record(rest, "result")
    elif _RUN_TYPES.get(span.kind) == "llm":
        outputs = {"usage_metadata": _usage(span.fields)}
    run: dict[str, Any] = {
        "id": span.span_id,
        "trace_id": span.trace_id,
        "dotted_order": _dotted_order(span),
        "name": span.name,
        "run_type": _RUN_TYPES.get(span.kind, "chain"),
        "session_name": project,
        "tags": [_TAG, span.env],
        "start_time": _moment(span.start_us).isoformat(timespec="microseconds"),
        "end_time": _moment(span.end_us).isoformat(timespec="microseconds"),
        "inputs": inputs,
        "outputs": outputs,
        "extra": {"metadata": rest | _metadata(span)},
    }
    if span.parent_id is not None:
        run["parent_run_id"] = span.parent_id
    if span.status == "error":
        run["error"] = span.fields.get("error_type") or span.status
    return run


def _metadata(span: SafeSpan) -> dict[str, Json]:
    seal, caller, provider = seal_of(span), span.fields.get("participant_id"), span.fields.get("provider")
    metadata: dict[str, Json] = {
        "thread_id": span.trace_id,
        "session_id": span.trace_id,
        "gen_ai.conversation.id": span.trace_id,
        "env": span.env,
        "environment": span.env,
        "revision_id": _RELEASE,
        "policy_digest": span.policy_digest,
        "sequence": seal.sequence,
        "previous": seal.previous,
        "hash": seal.hash,
    }
    if span.kind in _OPERATIONS:
        metadata["gen_ai.operation.name"] = _OPERATIONS[span.kind]
    if span.kind is SpanKind.TOOL:
        metadata["gen_ai.tool.name"] = span.name.partition(".")[2] or span.name
    if isinstance(caller, str) and PSEUDONYM_SHAPE.fullmatch(caller):
        metadata["user_id"] = caller
    if provider is not None:
        metadata["gen_ai.provider.name"] = provider
    if _RUN_TYPES.get(span.kind) == "llm":
        metadata["ls_model_type"] = "chat"
        metadata |= {} if provider is None else {"ls_provider": _AZURE if provider == _AZURE_OPENAI else provider}
        metadata |= _named(span.fields, dict.fromkeys(_MODEL, "model") | _STANDARD)
    return metadata


def _usage(fields: Mapping[str, Json]) -> dict[str, Json]:
    usage = _named(fields, _USAGE)
    for name, details in (("input_token_details", _INPUT_DETAILS), ("output_token_details", _OUTPUT_DETAILS)):
        if known := _named(fields, details):
            usage[name] = known
    return usage


def _named(fields: Mapping[str, Json], names: Mapping[str, str]) -> dict[str, Json]:
    """The fields under LangSmith's names, without those that are unknown."""
    return {theirs: fields[ours] for theirs, ours in names.items() if fields.get(ours) is not None}


def _record(rest: dict[str, Json], field: str) -> Json:
    """Take a field out of the rest as a record, which inputs and outputs must be."""
    if field not in rest:
        return {}
    value = rest.pop(field)
    return value if isinstance(value, Mapping) else {field: value}


def _dotted_order(span: SafeSpan) -> str:
    own = Ancestor(span_id=span.span_id, start_us=span.start_us)
    return ".".join(f"{_moment(a.start_us).strftime('%Y%m%dT%H%M%S%fZ')}{a.span_id}" for a in (*span.ancestors, own))


def _moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)
