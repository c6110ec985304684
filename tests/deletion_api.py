"""LangSmith's and Langfuse's answers to reading and deleting a call by its ids, by their documentation.

LangSmith queues a deletion (202) and carries it out later; Langfuse answers 200 and a message for any trace, known or
not, and deletes later too. Both go on showing a trace until then.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from aiohttp import web

if TYPE_CHECKING:
    from sink import Received

_PROJECTS = UUID("6ba7b811-9dad-11d1-80b4-00c04fd430c8")
_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class DeletionApi:
    """Reads what was taken from the requests so far; `is_slow`: nothing is deleted as long as it is set."""

    def __init__(self, requests: Callable[[], Sequence[Received]]) -> None:
        self._requests = requests
        self._queued: set[str] = set()
        self.is_slow = False

    def answer(self, request: web.Request, body: bytes) -> web.Response | None:
        """The answer of these endpoints; None for any other."""
        match request.method, request.path:
            case "GET", path if found := re.fullmatch(rf"/api/v1/runs/({_UUID})", path):
                run = self._runs().get(found[1])
                return _not_found("Run not found") if run is None else web.json_response(run)
            case "GET", "/api/v1/sessions":
                names = {run["session_name"] for run in self._taken().values()} & {request.query.get("name")}
                return web.json_response([{"id": _project(name), "name": name} for name in names])
            case "POST", "/api/v1/runs/delete":
                return self._delete_runs(json.loads(body))
            case "GET", path if found := re.fullmatch(r"/api/public/traces/([0-9a-f]{32})", path):
                spans = self._observations().get(found[1])
                return _no_trace() if not spans else web.json_response({"id": found[1], "observations": spans})
            case "GET", "/api/public/observations":
                spans = self._observations().get(request.query["traceId"], [])[: int(request.query["limit"])]
                return web.json_response({"data": spans, "meta": {"page": 1, "totalItems": len(spans)}})
            case "DELETE", path if found := re.fullmatch(r"/api/public/traces/([0-9a-f]{32})", path):
                self._queued.add(found[1])
                return web.json_response({"message": "Trace deleted successfully"})
        return None

    def _delete_runs(self, asked: dict[str, Any]) -> web.Response:
        if asked.keys() != {"trace_ids", "session_id"} or not 0 < len(asked["trace_ids"]) <= 1000:
            return web.json_response({"detail": "Unprocessable"}, status=422)
        if asked["session_id"] not in {_project(run["session_name"]) for run in self._taken().values()}:
            return _not_found("Session not found")
        self._queued |= set(asked["trace_ids"])
        return web.json_response({"message": "Trace deletion queued"}, status=202)

    def _taken(self) -> dict[str, dict[str, Any]]:
        from sink import Sink

        return Sink.held(self._requests())

    def _runs(self) -> dict[str, dict[str, Any]]:
        gone = set() if self.is_slow else self._queued
        return {
            run_id: {"id": run_id, "trace_id": run["trace_id"], "session_id": _project(run["session_name"])}
            for run_id, run in self._taken().items()
            if run["trace_id"] not in gone
        }

    def _observations(self) -> dict[str, list[dict[str, str]]]:
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        gone = set() if self.is_slow else self._queued
        found: dict[str, list[dict[str, str]]] = {}
        for request in self._requests():
            if request.path == "/api/public/otel/v1/traces" and 200 <= request.answered < 300:
                for of_resource in ExportTraceServiceRequest.FromString(request.body).resource_spans:
                    for span in (span for scope in of_resource.scope_spans for span in scope.spans):
                        if span.trace_id.hex() not in gone:
                            about = {"id": span.span_id.hex(), "traceId": span.trace_id.hex()}
                            found.setdefault(about["traceId"], []).append(about)
        return found


def _project(name: str) -> str:
    return str(uuid5(_PROJECTS, name))


def _not_found(detail: str) -> web.Response:
    return web.json_response({"detail": detail}, status=404)


def _no_trace() -> web.Response:
    return web.json_response({"message": "Trace not found", "error": "LangfuseNotFoundError"}, status=404)
