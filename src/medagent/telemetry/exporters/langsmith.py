"""LangSmith: a span becomes one finished run, sent once, through the real client and through the exit."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from urllib3.util import Retry

from medagent.proof import Json
from medagent.proof.keys import PSEUDONYM_SHAPE
from medagent.telemetry.destination import langsmith_region
from medagent.telemetry.door.answer import Answer
from medagent.telemetry.door.exit import ExitSession
from medagent.telemetry.door.send_log import Sent
from medagent.telemetry.exporters.exporter import (
    Envelope,
    Service,
    ask,
    failure,
    failure_of,
    seal_of,
    shown,
)
from medagent.telemetry.failures import FailureCause
from medagent.telemetry.gates import Gate
from medagent.telemetry.span import Ancestor, SafeSpan, SpanKind

if TYPE_CHECKING:
    from langsmith import Client

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ACCEPTED, _FORBIDDEN, _CONFLICT = 202, 403, 409
_NO_WORKSPACE = "org_scoped_key_requires_workspace"
"""LangSmith's own code for a key of several workspaces, as its client compares it."""
_OURS = Service()
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
_INPUTS = {
    SpanKind.SESSION: ("mode", "model", "provider", "agent_name", "agent_version", "policy_name", "policy_version"),
    SpanKind.GUARDRAIL: ("policy", "sampling"),
}
_OUTPUTS = {
    SpanKind.SESSION: ("outcome", "reason", "duration_ms", "user_turns", "agent_turns", "complete"),
    SpanKind.GUARDRAIL: ("consent", "complete"),
}
"""Fields of a root run that LangSmith's list of traces shows; the guardrail is the root of a call not sampled."""
_FIRST_TOKEN = "new_token"  # noqa: S105  # the event's name in LangSmith's client
_DAY_MS = 86_400_000
_WORKSPACE = "X-Tenant-Id"
_PART = re.compile(
    r"post\.(?P<span>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?:\.(?:inputs|outputs|events|extra|error))?"
)


class LangSmithExporter:
    """Delivers through `langsmith.Client`, made at the first export; for one thread, its shipper's."""

    name = "langsmith"

    def __init__(
        self,
        *,
        api_key: str,
        endpoint: str,
        project: str,
        workspace_id: str | None = None,
        retention_days: Literal[14, 400] = 14,
        gate: Gate,
        ca_pem: bytes | None = None,
        service: Service = _OURS,
    ) -> None:
        """Configure the destination without connecting to it.

        Args:
            api_key: A key of the workspace, or an organisation's together with `workspace_id`.
            endpoint: The API's address, without a path.
            project: Name of the project, which LangSmith creates at the first run.
            workspace_id: Id of the workspace; None: the key's own.
            retention_days: Days that the project keeps a run.
            gate: Called before every request; raises where the switch is off.
            ca_pem: Certificates that are trusted beside the public ones.
            service: Version and environment under which runs are grouped.
        """
        self._ca_pem = ca_pem
        self._service = service
        self.retention_days: int | None = retention_days
        self._endpoint = endpoint.rstrip("/")
        self.region = langsmith_region(self._endpoint)
        self._key = api_key
        self._project = project
        self._workspace_id = workspace_id
        self._gate = gate
        self._session = ExitSession(
            envelope(
                api_key=api_key,
                endpoint=self._endpoint,
                project=project,
                workspace_id=workspace_id,
                service=service,
            ),
            gate=gate,
            ca_pem=ca_pem,
        )
        self._client: Client | None = None

    def export(self, batch: Sequence[SafeSpan]) -> None:
        """Deliver a batch whole; raises `ExportError` with the status where it failed, `DoorError` where refused."""
        if not batch:
            return
        runs = [run_of(span, self._project, self._service) for span in batch]
        status = self._session.deliver(batch, lambda: self._ingest(runs))
        if status == _CONFLICT and self._session.answer.record() is not None:
            # It has one of these runs already: the ones that it has not are found by sending each alone.
            if len(batch) > 1:
                for span in batch:
                    self.export([span])
        else:
            check_answer(self._session.answer)

    def holds(self, span: SafeSpan) -> bool:
        """Ask for the run by its id, which is all that this request tells."""
        workspace = {} if self._workspace_id is None else {_WORKSPACE: self._workspace_id}
        headers = {"x-api-key": self._key, **workspace}
        answer = ask(
            f"{self._endpoint}/runs/{run_id_of(span)}", headers, of=self.name, gate=self._gate, ca_pem=self._ca_pem
        )
        found = shown(answer, self.name)
        return found is not None and found.get("name") == span.name

    def take_sends(self) -> Mapping[str, Sent]:
        """Return what was sent since the last look, by span id."""
        return self._session.send_log.take()

    def close(self) -> None:
        """Close the connections; what was not delivered is the outbox's."""
        if self._client is not None:
            self._client.close(timeout=0)
            self._client = None
        self._session.close()

    def _ingest(self, runs: list[dict[str, Any]]) -> None:
        if self._client is None:
            self._client = make_client(
                self._session, api_key=self._key, endpoint=self._endpoint, workspace_id=self._workspace_id
            )
        self._client.multipart_ingest(create=runs)


def check_answer(answer: Answer) -> None:
    """Raise unless the answer is LangSmith's own success: status 202 with a JSON object.

    Raises:
        ExportError: Any other answer; `RefusedError` after 400, 413 or 422.
    """
    if answer.status_code == _ACCEPTED and answer.success() is not None:
        return
    found = answer.record() or {}
    if answer.status_code == _FORBIDDEN and found.get("error") == _NO_WORKSPACE:
        raise failure(LangSmithExporter.name, _FORBIDDEN, cause=FailureCause.WORKSPACE_MISSING)
    raise failure_of(LangSmithExporter.name, answer)


def make_client(session: ExitSession, *, api_key: str, endpoint: str, workspace_id: str | None = None) -> Client:
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
        workspace_id=workspace_id or "",
        profile_config_path=os.devnull,  # else it reads ~/.langsmith/config.json
        prefer_profile_auth=False,
        tracing_mode="langsmith",
        tracing_sampling_rate=1,
        hide_inputs=False,
        hide_outputs=False,
        hide_metadata=False,
        disable_prompt_cache=True,
    )


def envelope(
    *, api_key: str, endpoint: str, project: str, workspace_id: str | None = None, service: Service = _OURS
) -> Envelope:
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
            **({} if workspace_id is None else {_WORKSPACE.lower(): workspace_id}),
        },
        keys=frozenset(
            {"id", "trace_id", "parent_run_id", "dotted_order", "name", "start_time", "end_time", "metadata"}
            | {"thread_id", "session_id", "gen_ai.conversation.id", "gen_ai.tool.name", "usage_metadata"}
            | {"input_token_details", "output_token_details", *_USAGE, *_INPUT_DETAILS, *_OUTPUT_DETAILS}
            | {*_MODEL, *_STANDARD, "ls_provider", "gen_ai.provider.name", "user_id", "environment", "tags", "time"}
        ),
        constants={
            "name": frozenset({_FIRST_TOKEN}),
            "run_type": frozenset({"chain", *_RUN_TYPES.values()}),
            "session_name": frozenset({project}),
            "ls_provider": frozenset({_AZURE}),
            "ls_model_type": frozenset({"chat"}),
            "revision_id": frozenset({service.release}),
            "environment": frozenset(() if service.environment is None else (service.environment,)),
            "tags": frozenset({_TAG}),
            "gen_ai.operation.name": frozenset(_OPERATIONS.values()),
        },
        part=_PART,
    )


def run_of(span: SafeSpan, project: str, service: Service = _OURS) -> dict[str, Any]:
    """The run that LangSmith is to show for a span; what is null or missing in the span is no zero here."""
    rest = dict(span.fields)
    inputs: Json = {}
    outputs: Json = {}
    if span.kind is SpanKind.TOOL:
        inputs = _record(rest, "arguments")
        outputs = _record(rest, "result")
    elif _RUN_TYPES.get(span.kind) == "llm":
        outputs = {"usage_metadata": _usage(span.fields)}
    elif not span.ancestors:
        inputs, outputs = (_shown(span, names.get(span.kind, ())) for names in (_INPUTS, _OUTPUTS))
    run: dict[str, Any] = {
        "id": run_id_of(span),
        "trace_id": span.trace_id,
        "dotted_order": ".".join(f"{_moment(a.start_us):%Y%m%dT%H%M%S%fZ}{a.span_id}" for a in _path(span)),
        "name": span.name,
        "run_type": _RUN_TYPES.get(span.kind, "chain"),
        "session_name": project,
        "tags": [_TAG, span.env],
        "start_time": _moment(span.start_us).isoformat(timespec="microseconds"),
        "end_time": _moment(span.end_us).isoformat(timespec="microseconds"),
        "inputs": inputs,
        "outputs": outputs,
        "extra": {"metadata": rest | _metadata(span, service)},
    }
    if span.ancestors:
        run["parent_run_id"] = _path(span)[-2].span_id
    if (first_us := _first_token_us(span)) is not None:
        run["events"] = [{"name": _FIRST_TOKEN, "time": _moment(first_us).isoformat(timespec="microseconds")}]
    if span.status == "error":
        run["error"] = span.fields.get("error_type") or span.status
    return run


def run_id_of(span: SafeSpan) -> str:
    """Return the id of a span's run; a root's is the trace id.

    Spans that version 0.1 left in an outbox have a root whose id is another: LangSmith refuses such a run.
    """
    return _path(span)[-1].span_id


def _path(span: SafeSpan) -> list[Ancestor]:
    """From the root, under the trace id, to the span itself."""
    root, *below = (*span.ancestors, Ancestor(span_id=span.span_id, start_us=span.start_us))
    return [replace(root, span_id=span.trace_id), *below]


def _first_token_us(span: SafeSpan) -> int | None:
    """When a turn's first sound or a request's first token came: LangSmith shows this less the run's start."""
    stage, first, unit = span.fields.get("llm"), span.fields.get("ttft_ms"), 1.0
    if span.kind is SpanKind.LLM:
        first, unit = stage.get("ttft") if isinstance(stage, Mapping) else None, 1000.0
    elif span.kind not in (SpanKind.AGENT_TURN, SpanKind.AGENT_SPEECH):
        return None
    if isinstance(first, bool) or not isinstance(first, int | float) or not 0 <= first * unit < _DAY_MS:
        return None
    return min(span.start_us + round(first * unit * 1000), span.end_us)


def _shown(span: SafeSpan, names: Sequence[str]) -> dict[str, Json]:
    return {name: _known(span.fields[name]) for name in names if span.fields.get(name) is not None}


def _known(value: Json) -> Json:
    """The value without what is null in it."""
    if isinstance(value, Mapping):
        return {name: _known(inner) for name, inner in value.items() if inner is not None}
    return value


def _metadata(span: SafeSpan, service: Service) -> dict[str, Json]:
    seal, caller, provider = seal_of(span), span.fields.get("participant_id"), span.fields.get("provider")
    metadata: dict[str, Json] = {
        "thread_id": span.trace_id,
        "session_id": span.trace_id,
        "gen_ai.conversation.id": span.trace_id,
        "env": span.env,
        "environment": service.environment_of(span),
        "revision_id": service.release,
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


def _moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)
