"""LangSmith's intake: take a batch of runs, or refuse the whole batch as LangSmith is known to.

The audit's capture, the tests' servers and the benchmarks' share it. It shares no code with the exporter whose runs it
judges. Sources: the run data format page of LangSmith's documentation, and reports of HTTP 400 by its users:
langsmith-sdk 751, litellm 37269 and 38116, dify 30021 and 35972.
"""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import zstandard

_TAKEN = (202, b'{"message":"Runs batch ingested"}')
_NAME = re.compile(rb'\bname="(?:post|patch)\.[0-9a-fA-F-]{36}"')
_ORDER = re.compile(r"(?P<time>\d{8}T\d{12}Z)(?P<id>[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})", re.ASCII)
_MOST_BYTES = 1 << 28


def refusal(
    runs: Sequence[Mapping[str, Any]], *, taken: Mapping[str, str], projects: Collection[str] = ()
) -> str | None:
    """Return why LangSmith refuses a batch of runs, None where it takes all of it.

    Args:
        runs: The runs of one request, without their inputs, outputs, events, extra and error.
        taken: The `dotted_order` of each run that was taken before, by its id.
        projects: Ids of the projects that exist.
    """
    orders = {**taken, **{str(run.get("id")): str(run.get("dotted_order")) for run in runs}}
    for run in runs:
        if why := _refusal(run, orders, projects):
            return f"run {run.get('id')}: {why}"
    return None


def _refusal(run: Mapping[str, Any], orders: Mapping[str, str], projects: Collection[str]) -> str | None:
    order, parent = str(run.get("dotted_order")), run.get("parent_run_id")
    steps = [_ORDER.fullmatch(part) for part in order.split(".")]
    if not all(step is not None and _is_time(step["time"]) for step in steps):
        return "dotted_order: a part has another form, expected %Y%m%dT%H%M%S%fZ and a UUID"
    ids = [step["id"] for step in steps if step is not None]
    if ids[0] != run.get("trace_id"):
        return "trace_id: does not match the first part of dotted_order"
    if ids[-1] != run.get("id"):
        return "id: does not match the last part of dotted_order"
    if parent is None and len(ids) > 1:
        return "dotted_order: several parts, expected one for a root run"
    if parent is not None and ids[-2:-1] != [parent]:
        return "parent_run_id: does not match the part before the last of dotted_order"
    if parent is not None and not order.startswith(f"{orders.get(parent, order.rpartition('.')[0])}."):
        return "dotted_order: does not begin with the parent's"
    if run.get("session_id") is not None and run["session_id"] not in projects:
        return "session_id: no such project"
    return None


def runs_in(body: bytes, *, content_type: str, content_encoding: str | None) -> list[dict[str, Any]]:
    """Return the runs of a multipart request; raises `ValueError` for any other body."""
    boundary = content_type.partition("boundary=")[2].strip('"').encode()
    if not content_type.startswith("multipart/form-data") or not boundary:
        raise ValueError("content type: unexpected value, expected multipart/form-data with a boundary")
    return list(_runs(_inflated(body, content_encoding), boundary))


class LangSmithIntake:
    """Answer batches of runs as LangSmith does, remembering what was taken; for any number of threads."""

    def __init__(self, *, projects: Collection[str] = ()) -> None:
        """`projects`: ids of the projects that exist; a `session_id` may name no other."""
        self._projects = projects
        self._taken: dict[str, str] = {}
        self._lock = threading.Lock()

    def answer(self, body: bytes, *, content_type: str, content_encoding: str | None) -> tuple[int, bytes]:
        """Return status and JSON body of the answer to a multipart request: 202, or 400 for all of it."""
        try:
            runs = runs_in(body, content_type=content_type, content_encoding=content_encoding)
        except ValueError:
            return 400, b'{"error":"Bad request: the body cannot be read"}'
        with self._lock:
            if why := refusal(runs, taken=self._taken, projects=self._projects):
                return 400, json.dumps({"error": f"Bad request: {why}"}).encode()
            self._taken.update({run["id"]: run["dotted_order"] for run in runs})
        return _TAKEN


def _runs(body: bytes, boundary: bytes) -> Iterator[dict[str, Any]]:
    parts = body.split(b"--" + boundary)
    if len(parts) < 3:
        raise ValueError("body: no part")
    for part in parts[1:-1]:
        head, _, data = part.partition(b"\r\n\r\n")
        if _NAME.search(head):
            run = json.loads(data)
            if not isinstance(run, dict):
                raise ValueError("body: a run has another type, expected an object")
            yield run


def _inflated(body: bytes, content_encoding: str | None) -> bytes:
    try:
        match content_encoding:
            case "zstd":
                with zstandard.ZstdDecompressor().stream_reader(body, read_across_frames=True) as reader:
                    return reader.read(_MOST_BYTES)
            case "gzip":
                return gzip.decompress(body)
            case _:
                return body
    except (OSError, EOFError, zstandard.ZstdError):
        raise ValueError("body: not in its content encoding") from None


def _is_time(text: str) -> bool:
    try:
        datetime.strptime(f"{text[:-1]}+0000", "%Y%m%dT%H%M%S%f%z")
    except ValueError:
        return False
    return True
