"""Read traces back through Phoenix's own API (GraphQL), and give it our prices."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import requests

from scripts.backends.servers import Server
from scripts.backends.shown import ShownSpan, ShownTrace

_WITHIN_S = 60.0
_PRICES_ARE_READ_EVERY_S = 5.0
_TRACE = """query($project:String!,$trace:ID!){getProjectByName(name:$project){name trace(traceId:$trace){
traceId userId errorCount session{sessionId userId}
costSummary{total{cost tokens} prompt{tokens} completion{tokens}}
costDetailSummaryEntries{tokenType isPrompt value{cost tokens}}
spans(first:1000){edges{node{spanId parentId name spanKind statusCode statusMessage startTime endTime attributes userId
tokenCountPrompt tokenCountCompletion tokenCountTotal costSummary{total{cost}}
costDetailSummaryEntries{tokenType isPrompt value{cost tokens}} input{value} output{value}}}}}}}"""


def post(server: Server, request: Mapping[str, Any]) -> None:
    """POST what `medagent pricing export phoenix` prints.

    Raises:
        ValueError: Phoenix refused it.
    """
    _ask(server, request["query"], request["variables"])


def set_prices(server: Server, request: Mapping[str, Any]) -> None:
    """POST prices, and wait until Phoenix has read its table anew, which it does every five seconds."""
    post(server, request)
    time.sleep(2 * _PRICES_ARE_READ_EVERY_S)


def models(server: Server) -> Any:
    """Return the models that Phoenix has, as `medagent pricing export phoenix --models` takes them."""
    from medagent.cli.backend_prices import PHOENIX_MODELS  # noqa: PLC0415  # the query belongs to the export

    return {"data": _ask(server, PHOENIX_MODELS, {})}


def read(server: Server, project: str, trace_id: str, *, spans: int) -> ShownTrace:
    """Return a trace once it has so many spans, or as it is after a while."""
    until = time.monotonic() + _WITHIN_S
    while True:
        found = _ask(server, _TRACE, {"project": project, "trace": trace_id.replace("-", "")})["getProjectByName"]
        trace = found["trace"]
        if (trace is not None and len(trace["spans"]["edges"]) >= spans) or time.monotonic() > until:
            break
        time.sleep(0.5)
    if trace is None:
        raise ValueError("phoenix: trace not found")
    nodes = [edge["node"] for edge in trace["spans"]["edges"]]
    total = trace["costSummary"]
    return ShownTrace(
        trace_id=trace["traceId"],
        project=found["name"],
        session=(trace["session"] or {}).get("sessionId"),
        user=(trace["session"] or {}).get("userId"),
        is_error=trace["errorCount"] > 0,
        tokens={name: round(total[part]["tokens"] or 0) for name, part in _TOTALS.items()},
        cost_usd=total["total"]["cost"],
        cost_split_usd=None,  # its own, by its prices
        spans=sorted((_span(node) for node in nodes), key=lambda span: (span.start_us, span.span_id)),
        everything=json.dumps(trace, ensure_ascii=False),
    )


_TOTALS = {"input": "prompt", "output": "completion", "total": "total"}


def _span(node: Mapping[str, Any]) -> ShownSpan:
    attributes = json.loads(node["attributes"])
    parts = {
        (one["isPrompt"], one["tokenType"]): round(one["value"]["tokens"]) for one in node["costDetailSummaryEntries"]
    }
    tokens = {
        "input": node["tokenCountPrompt"],
        "output": node["tokenCountCompletion"],
        "total": node["tokenCountTotal"],
        "input_audio": _sum(parts, (True, "audio"), (True, "cache_read_audio")),
        "input_cached": _sum(parts, (True, "cache_read"), (True, "cache_read_audio")),
        "output_audio": parts.get((False, "audio")),
    }
    return ShownSpan(
        span_id=node["spanId"],
        parent_id=node["parentId"],
        name=node["name"],
        kind=node["spanKind"].upper(),
        start_us=_us(node["startTime"]),
        end_us=_us(node["endTime"]),
        is_error=node["statusCode"] == "ERROR",
        message=node["statusMessage"],
        taken=_value(node["input"]),
        given=_value(node["output"]),
        model=(attributes.get("llm") or {}).get("model_name"),
        tokens={name: count for name, count in tokens.items() if count is not None},
        cost_usd=((node["costSummary"] or {}).get("total") or {}).get("cost"),
        attributes=attributes,
    )


def _sum(parts: Mapping[tuple[bool, str], int], *kinds: tuple[bool, str]) -> int | None:
    known = [parts[kind] for kind in kinds if kind in parts]
    return sum(known) if known else None


def _value(shown: Mapping[str, Any] | None) -> Any:
    if shown is None:
        return None
    try:
        return json.loads(shown["value"])
    except ValueError:
        return shown["value"]


def _us(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1_000_000)


def _ask(server: Server, query: str, variables: Mapping[str, Any]) -> Any:
    answer = requests.post(f"{server.url}/graphql", json={"query": query, "variables": variables}, timeout=30)
    content = answer.json()
    if content.get("errors"):
        raise ValueError(f"phoenix: {content['errors'][0]['message']}")
    return content["data"]
