"""Read traces back through MLflow's own client, which runs in MLflow's environment."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from typing import Any

import requests

from scripts.backends.servers import Server
from scripts.backends.shown import ShownSpan, ShownTrace

_WITHIN_S = 120
_CLIENT = """
import json, sys, time
import mlflow
asked = json.load(sys.stdin)
client = mlflow.MlflowClient(tracking_uri=asked["url"])
found = []
for trace_id, spans in asked["traces"]:
    until = time.monotonic() + 60
    while True:
        trace = client.get_trace("tr-" + trace_id)
        if len(trace.data.spans) >= spans or time.monotonic() > until:
            break
        time.sleep(0.5)
    info = trace.info
    experiment = client.get_experiment(info.experiment_id)
    found.append({
        "project": experiment.name,
        "state": str(info.state.value),
        "metadata": dict(info.trace_metadata),
        "tags": dict(info.tags),
        "tokens": info.token_usage,
        "cost": getattr(info, "cost", None),
        "request": info.request_preview,
        "response": info.response_preview,
        "spans": [{
            "span_id": span.span_id, "parent_id": span.parent_id, "name": span.name, "type": span.span_type,
            "start_ns": span.start_time_ns, "end_ns": span.end_time_ns,
            "status": span.status.status_code.value, "message": span.status.description,
            "inputs": span.inputs, "outputs": span.outputs,
            "model": span.get_attribute("mlflow.llm.model"), "cost": span.llm_cost,
            "tokens": span.get_attribute("mlflow.chat.tokenUsage"), "attributes": span.attributes,
        } for span in trace.data.spans],
    })
json.dump(found, sys.stdout, default=str)
"""


def make_experiment(server: Server, name: str) -> str:
    """Create an experiment, MLflow's word for a project, and return its id."""
    answer = requests.post(f"{server.url}/api/2.0/mlflow/experiments/create", json={"name": name}, timeout=30)
    answer.raise_for_status()
    return str(answer.json()["experiment_id"])


def read(server: Server, traces: Sequence[tuple[str, int]]) -> list[ShownTrace]:
    """Return traces by id, each once it has so many spans, or as it is after a while.

    Raises:
        ValueError: The client failed.
    """
    asked = {"url": server.url, "traces": [(trace_id.replace("-", ""), spans) for trace_id, spans in traces]}
    environment = {"PATH": os.environ.get("PATH", ""), "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "1"}
    client = subprocess.run(
        [str(server.directory / "bin" / "python"), "-c", _CLIENT],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        env=environment,
        timeout=_WITHIN_S,
        check=False,
    )
    if client.returncode:
        raise ValueError(f"mlflow: {' | '.join(client.stderr.strip().splitlines()[-3:])}")
    return [_trace(trace_id, one) for (trace_id, _), one in zip(traces, json.loads(client.stdout), strict=True)]


def _trace(trace_id: str, found: Mapping[str, Any]) -> ShownTrace:
    tokens, metadata, cost = found["tokens"] or {}, found["metadata"], found["cost"] or {}
    return ShownTrace(
        trace_id=trace_id.replace("-", ""),
        project=found["project"],
        session=metadata.get("mlflow.trace.session"),
        user=metadata.get("mlflow.trace.user"),
        is_error=found["state"] == "ERROR",
        tokens={name.removesuffix("_tokens"): count for name, count in tokens.items()},
        cost_usd=cost.get("total_cost"),
        cost_split_usd=(cost.get("input_cost", 0.0), cost.get("output_cost", 0.0)),
        spans=sorted((_span(one) for one in found["spans"]), key=lambda span: (span.start_us, span.span_id)),
        everything=json.dumps(found, ensure_ascii=False),
    )


def _span(one: Mapping[str, Any]) -> ShownSpan:
    usage, attributes = one["tokens"] or {}, one["attributes"]
    tokens = {
        "input": usage.get("input_tokens"),
        "output": usage.get("output_tokens"),
        "total": usage.get("total_tokens"),
        "input_cached": usage.get("cache_read_input_tokens"),
        "input_audio": attributes.get("gen_ai.usage.audio.input_tokens"),
        "output_audio": attributes.get("gen_ai.usage.audio.output_tokens"),
    }
    return ShownSpan(
        span_id=one["span_id"],
        parent_id=one["parent_id"],
        name=one["name"],
        kind=one["type"],
        start_us=one["start_ns"] // 1000,
        end_us=one["end_ns"] // 1000,
        is_error=one["status"] == "ERROR",
        message=one["message"] or "",
        taken=one["inputs"],
        given=one["outputs"],
        model=one["model"],
        tokens={name: count for name, count in tokens.items() if count is not None},
        cost_usd=(one["cost"] or {}).get("total_cost"),
        attributes=attributes,
    )
