"""LangSmith: read runs by their ids and request the deletion of traces, which it carries out days later.

`POST /api/v1/runs/delete` takes trace ids and their project's id and answers 202. By its documentation the job runs at
the weekend, and only another read shows whether it did: docs.langchain.com/langsmith/data-purging-compliance
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from medagent.errors import ExportError
from medagent.telemetry.door.id_requests import Answer, IdRequests
from medagent.telemetry.exporters.exporter import SentCall

_RUNS = ("api", "v1", "runs")
_FOUND, _UNKNOWN, _QUEUED = 200, 404, 202
_SUFFIX = re.compile(r"/api(/v1)?$")


class LangSmithDeletion:
    """Deletes in the account of a key; `project` names where a call is whose runs cannot be read."""

    name = "langsmith"

    def __init__(
        self,
        *,
        api_key: str,
        endpoint: str,
        project: str,
        workspace_id: str | None = None,
        ca_pem: bytes | None = None,
    ) -> None:
        headers = {"x-api-key": api_key} | ({} if workspace_id is None else {"x-tenant-id": workspace_id})
        self._project = project
        self._projects: dict[str, str] = {}
        self._requests = IdRequests(
            name=self.name,
            base_url=_SUFFIX.sub("", endpoint.rstrip("/")),
            headers=headers,
            words={*_RUNS, "delete", "sessions", "name", "limit", "1", "trace_ids", "session_id", project},
            ca_pem=ca_pem,
        )

    def shows(self, call: SentCall) -> bool:
        """Ask for one run after the other until one is there; raises `ExportError` where it cannot be asked."""
        self._requests.allow(call.trace_id, *call.span_ids)
        for span_id in call.span_ids:
            answer = self._requests.send("GET", (*_RUNS, span_id))
            if answer.status == _FOUND:
                run = _object(answer, self.name)
                if run.get("id") != span_id:
                    raise ExportError(f"{self.name}: unexpected answer, expected a run", status=answer.status)
                self._projects[call.trace_id] = str(run.get("session_id"))
                return True
            if answer.status != _UNKNOWN:
                raise ExportError(f"{self.name} answered {answer.status}", status=answer.status)
        return False

    def delete(self, call: SentCall) -> None:
        """Request the deletion of a trace; raises `ExportError` unless LangSmith queued it."""
        project_id = self._projects.get(call.trace_id) or self._project_id()
        self._requests.allow(call.trace_id, project_id)
        body = {"trace_ids": [call.trace_id], "session_id": project_id}
        answer = self._requests.send("POST", (*_RUNS, "delete"), body=body)
        if answer.status != _QUEUED:
            raise ExportError(f"{self.name} answered {answer.status}", status=answer.status)

    def _project_id(self) -> str:
        answer = self._requests.send("GET", ("api", "v1", "sessions"), query={"name": self._project, "limit": "1"})
        if answer.status != _FOUND:
            raise ExportError(f"{self.name} answered {answer.status}", status=answer.status)
        found = answer.document[0] if isinstance(answer.document, list) and answer.document else None
        if not isinstance(found, Mapping) or found.get("name") != self._project:
            raise ExportError(f"{self.name}: no project of this name", status=_UNKNOWN)
        return str(found.get("id"))


def _object(answer: Answer, name: str) -> Mapping[str, object]:
    if not isinstance(answer.document, Mapping):
        raise ExportError(f"{name}: unexpected answer, expected a JSON object", status=answer.status)
    return answer.document
