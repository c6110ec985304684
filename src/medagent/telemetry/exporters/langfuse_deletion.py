"""Langfuse: read a trace by its id and delete it, which takes effect minutes to a day later.

`DELETE /api/public/traces/{traceId}` answers 200 and a message, also for a trace that it does not know, so only another
read proves anything (langfuse.com/docs/administration/data-deletion).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from uuid import UUID

from medagent.errors import ExportError
from medagent.telemetry.door.id_requests import Answer, IdRequests
from medagent.telemetry.exporters.exporter import SentCall

_PUBLIC = ("api", "public")
_DONE, _UNKNOWN = 200, 404


class LangfuseDeletion:
    """Deletes in the project of a key pair."""

    name = "langfuse"

    def __init__(self, *, public_key: str, secret_key: str, base_url: str, ca_pem: bytes | None = None) -> None:
        pair = base64.b64encode(f"{public_key}:{secret_key}".encode()).decode()
        self._requests = IdRequests(
            name=self.name,
            base_url=base_url,
            headers={"authorization": f"Basic {pair}"},
            words={*_PUBLIC, "traces", "observations", "traceId", "limit", "1"},
            ca_pem=ca_pem,
        )

    def shows(self, call: SentCall) -> bool:
        """Ask for the trace, and where it is gone for any observation of it; raises `ExportError` on another answer."""
        trace_id = self._id(call)
        answer = self._requests.send("GET", (*_PUBLIC, "traces", trace_id))
        if answer.status == _DONE:
            if self._object(answer).get("id") != trace_id:
                raise ExportError(f"{self.name}: unexpected answer, expected a trace", status=answer.status)
            return True
        if answer.status != _UNKNOWN:
            raise ExportError(f"{self.name} answered {answer.status}", status=answer.status)
        self._object(answer)
        answer = self._requests.send("GET", (*_PUBLIC, "observations"), query={"traceId": trace_id, "limit": "1"})
        found = self._object(answer).get("data") if answer.status == _DONE else None
        if not isinstance(found, list):
            raise ExportError(f"{self.name} answered {answer.status}", status=answer.status)
        return bool(found)

    def delete(self, call: SentCall) -> None:
        """Request the deletion of a trace; raises `ExportError` unless Langfuse took the request."""
        answer = self._requests.send("DELETE", (*_PUBLIC, "traces", self._id(call)))
        if answer.status != _DONE or "message" not in self._object(answer):
            raise ExportError(f"{self.name} answered {answer.status}", status=answer.status)

    def _id(self, call: SentCall) -> str:
        trace_id = UUID(call.trace_id).hex
        self._requests.allow(trace_id)
        return trace_id

    def _object(self, answer: Answer) -> Mapping[str, object]:
        if not isinstance(answer.document, Mapping):
            raise ExportError(f"{self.name}: unexpected answer, expected a JSON object", status=answer.status)
        return answer.document
